//! What is known beside the scores: groups of rows, repeats, and test rows that were learned.

use serde_json::Value;

use crate::support::Place;

const LEXICAL: &str = "[[model]]\nbase = \"local/lexical\"\n";
const BASE_AND_TUNED: &str = "[[model]]\nbase = \"local/lexical\"\ntune = {}\n";

fn manifest(place: &Place) -> Value {
    serde_json::from_str(&place.read("results/manifest.json")).unwrap()
}

/// Puts a column of customers into both files: of each a row, and the last without one.
fn with_customers(place: &Place, column: &str) {
    for name in ["train.csv", "test.csv"] {
        let content = place.read(name);
        let rows = content.lines().skip(1).enumerate();
        let rows = rows.map(|(i, row)| format!("{row},{}\n", ["ann", "\"bob, =1\"", ""][i % 3]));
        place.write(name, format!("text,label,customer\n{}", rows.collect::<String>()));
    }
    let config = place.read("tunebench.toml").replacen("\n\n", &format!("\ngroup = \"{column}\"\n\n"), 1);
    place.write("tunebench.toml", config);
}

#[test]
fn groups_go_from_the_data_to_the_predictions_and_back() {
    let place = Place::with_models(LEXICAL);
    with_customers(&place, "customer");
    let eval = place.tunebench(&["eval"]);
    assert_eq!(eval.code, Some(0), "{}", eval.stderr);
    let rows = place.csv("results/predictions/local-lexical.csv");
    let groups: Vec<_> = rows.iter().map(|row| row["group"].as_str()).collect();
    assert_eq!(groups, ["ann", "bob, =1", "", "ann", "bob, =1", ""]);
    assert!(eval.stdout.contains("of only 4 groups"), "{}", eval.stdout);
    let files = place.files("results");
    let report = place.tunebench(&["report"]);
    assert_eq!((report.code, &report.stdout), (Some(0), &eval.stdout), "{}", report.stderr);
    assert_eq!(place.files("results"), files);
}

#[test]
fn a_group_column_that_is_not_there_is_named() {
    let place = Place::with_models(LEXICAL);
    with_customers(&place, "client");
    let done = place.tunebench(&["eval"]);
    assert_eq!(done.code, Some(2));
    let expected = "no column `client`; the columns are `text`, `label`, `customer`";
    assert!(done.stderr.contains(expected), "{}", done.stderr);
}

#[test]
fn repeats_are_known_as_such_and_are_compared_with_nothing() {
    let place = Place::with_models(BASE_AND_TUNED);
    let config = place.read("tunebench.toml");
    place.write("tunebench.toml", format!("{config}[evaluation]\nagainst = \"local/lexical\"\n"));
    let run = place.tunebench(&["run", "--repeat", "3"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let models = manifest(&place)["models"].as_array().unwrap().clone();
    let repeat_of: Vec<_> = models.iter().map(|model| model["repeat_of"].as_str()).collect();
    let tuned = models[3]["model"].as_str();
    assert_eq!(repeat_of, [None, Some("local/lexical"), Some("local/lexical"), None, tuned, tuned]);
    assert_eq!(place.csv("results/comparisons.csv").len(), 1);
    let files = place.files("results");
    place.tunebench(&["report"]);
    assert_eq!(place.files("results"), files);
}

#[test]
fn test_rows_that_were_learned_are_counted_and_told() {
    let place = Place::with_models(BASE_AND_TUNED);
    place.write("train.csv", place.read("train.csv") + "I want a REFUND!,refund\n");
    let done = place.tunebench(&["run", "--no-doctor"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(manifest(&place)["overlap"], 1);
    let words = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("1 of 6 test rows have a text that is also in the training data."), "{words}");
}

#[test]
fn solved_examples_make_another_prompt_and_a_job_does_not() {
    let place = Place::with_models(&format!("{BASE_AND_TUNED}{LEXICAL}shots = {{ k = 3 }}\n"));
    let done = place.tunebench(&["run"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let models = manifest(&place)["models"].as_array().unwrap().clone();
    let of = |name: fn(&str) -> bool| {
        let model = models.iter().find(|model| name(model["model"].as_str().unwrap())).unwrap();
        (model["prompt_sha256"].as_str().unwrap().to_owned(), model["asked"].as_str().unwrap().to_owned())
    };
    let (base, tuned, shots) = (
        of(|name| name == "local/lexical"),
        of(|name| name.contains("-ft-")),
        of(|name| name.ends_with("+3-shot")),
    );
    assert_eq!((base.0.len(), &base.0), (64, &tuned.0));
    assert_ne!(base.0, shots.0);
    assert_eq!((base.1.as_str(), shots.1.as_str()), ("lexical", "lexical"));
}
