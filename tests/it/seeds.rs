//! Several trainings with seeds of their own, and verdicts without rows whose gold label is in doubt.

use serde_json::Value;

use crate::support::Place;

fn summary(place: &Place, file: &str) -> Value {
    serde_json::from_str(&place.read(file)).unwrap()
}

#[test]
fn several_seeds_are_one_way_of_training() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\ntune = { seeds = 3, epochs = 4 }\n");
    let plan = place.tunebench(&["plan"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    let done = place.tunebench(&["run", "--no-doctor"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let found = summary(&place, "results/summary.json");
    assert_eq!(found["models"].as_array().unwrap().len(), 4);
    let comparisons = found["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 1, "{comparisons:?}");
    assert_eq!(comparisons[0]["seeds"]["differences"].as_array().unwrap().len(), 3);
    assert!(comparisons[0]["seeds"]["error_of_rows"].as_f64().is_some());
    let text = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("mean of 3 trainings: standard error"), "{text}");
    // Nothing is trained twice.
    let again = place.tunebench(&["tune"]);
    assert!(again.code == Some(0) && !again.stderr.contains("epoch"), "{}", again.stderr);
    for seeds in ["0", "21", "\"three\""] {
        let place = Place::with_models(&format!(
            "[[model]]\nbase = \"local/lexical\"\ntune = {{ seeds = {seeds} }}\n"
        ));
        let done = place.tunebench(&["tune"]);
        assert!(done.code == Some(2) && done.stderr.contains("`seeds` is"), "{}", done.stderr);
    }
}

/// Rows of three labels, each of which has words of its own, so many that few texts are near duplicates.
struct Texts(u32);

impl Texts {
    fn row(&mut self, of: usize, label: &str) -> String {
        let ends = [
            "bin", "dol", "fer", "gat", "hus", "jak", "lim", "nop", "pez", "qua", "ret", "syl", "tov", "wix",
            "yor", "zun",
        ];
        let words = (0..6).map(|_| {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{}{}", ["ka", "ro", "mu"][of], ends[(self.0 >> 20) as usize % 16])
        });
        format!("{},{label}\n", words.collect::<Vec<_>>().join(" "))
    }
}

const LABELS: [&str; 3] = ["card", "rate", "refund"];

#[test]
fn the_rows_that_the_doctor_doubts_are_known_to_the_results_of_several_models() {
    let place =
        Place::with_models("[[model]]\nbase = \"local/majority\"\n[[model]]\nbase = \"local/lexical\"\n");
    let mut texts = Texts(7);
    let right: String = (0..150).map(|i| texts.row(i % 3, LABELS[i % 3])).collect();
    // Two rows of the test data have the label of others.
    let shown = |i: usize| LABELS[(i + usize::from(i == 10 || i == 20)) % 3];
    let test: String = (0..60).map(|i| texts.row(i % 3, shown(i))).collect();
    place.write("train.csv", format!("text,label\n{right}"));
    place.write("test.csv", format!("text,label\n{test}"));
    assert_eq!(place.tunebench(&["eval"]).code, Some(0));
    let manifest = summary(&place, "results/manifest.json");
    let doubted = manifest["doubted"].as_array().unwrap_or_else(|| panic!("{manifest}"));
    let doubted: Vec<_> = doubted.iter().filter_map(Value::as_str).collect();
    let lines = place.csv("results/predictions/local-majority.csv");
    let doubted: Vec<_> = lines
        .iter()
        .filter(|row| doubted.contains(&row["id"].as_str()))
        .map(|row| row["line"].as_str())
        .collect();
    assert_eq!(doubted, ["12", "22"]);
}

#[test]
fn the_doctor_is_asked_by_those_who_compare_runs_on_one_model_each() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\ntune = { epochs = 4 }\n");
    let mut texts = Texts(7);
    let train: String = (0..150).map(|i| texts.row(i % 3, LABELS[i % 3])).collect();
    place.write("train.csv", format!("text,label\n{train}"));
    // The last rows have the wrong label, by which the other model is right.
    let test: String =
        (0..32).map(|i| texts.row(usize::from(i >= 8), ["card", "rate", "rate", "card"][i / 8])).collect();
    place.write("test.csv", format!("text,label\n{test}"));
    let done = place.tunebench(&["run", "--no-doctor"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let tuned = summary(&place, "results/summary.json")["models"][1]["model"].as_str().unwrap().to_owned();
    for (model, results) in [("local/majority", "one"), (tuned.as_str(), "two")] {
        assert_eq!(place.tunebench(&["eval", model, "--results", results]).code, Some(0));
        assert_eq!(summary(&place, &format!("{results}/manifest.json"))["doubted"], Value::Null);
    }
    let compared = || {
        let done = place.tunebench(&["compare", "one", "two", "--json"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        serde_json::from_str::<Value>(&done.stdout).unwrap()
    };
    let found = compared();
    assert_eq!(found["verdict"], "not_proven", "{found}");
    assert_eq!(found["without_doubted"]["verdict"], "better", "{found}");
    // Once the test file is another one, there is nothing to ask about.
    place.write("test.csv", format!("text,label\n{}", texts.row(0, "card")));
    assert_eq!(compared()["without_doubted"], Value::Null);
}

#[test]
fn several_seeds_have_no_test_for_many_looks() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\ntune = { seeds = 3 }\n");
    let config = place.read("tunebench.toml");
    place.write("tunebench.toml", format!("[evaluation]\nany_time = true\n{config}"));
    let done = place.tunebench(&["plan"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("line 2") && done.stderr.contains("anytime-valid"), "{}", done.stderr);
}
