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

#[test]
fn the_rows_that_the_doctor_doubts_are_known_to_the_results() {
    let place = Place::with_models("[[model]]\nbase = \"local/majority\"\n");
    let words = [
        ("card", "my new card is lost"),
        ("rate", "the exchange rate today"),
        ("refund", "money back please"),
    ];
    let row = |i: usize, label: &str| format!("{} number {i},{label}\n", words[i % 3].1);
    let right: String = (0..90).map(|i| row(i, words[i % 3].0)).collect();
    // Two rows of the test data have the label of others.
    let test: String =
        (100..160).map(|i| row(i, words[(i + usize::from(i == 110 || i == 120)) % 3].0)).collect();
    place.write("train.csv", format!("text,label\n{right}"));
    place.write("test.csv", format!("text,label\n{test}"));
    assert_eq!(place.tunebench(&["eval", "local/majority"]).code, Some(0));
    let manifest = summary(&place, "results/manifest.json");
    let doubted: Vec<_> = manifest["doubted"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let lines = place.csv("results/predictions/local-majority.csv");
    let doubted: Vec<_> = lines
        .iter()
        .filter(|row| doubted.contains(&row["id"].as_str()))
        .map(|row| row["line"].as_str())
        .collect();
    assert_eq!(doubted, ["12", "22"]);
}
