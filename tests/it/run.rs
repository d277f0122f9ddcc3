//! `tunebench run`, `eval`, `tune` and `report`: the main job.

use crate::support::{Place, repository, without_times};

const BASE_AND_TUNED: &str = "[[model]]\nbase = \"local/lexical\"\ntune = {}\n";

/// Two models with the same floor beneath them, as the shipped configuration has it.
#[test]
fn the_shipped_project_shows_base_against_tuned() {
    let place = Place::new();
    let config = repository().join("tunebench.toml");
    let done = place.tunebench(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.stdout.lines().last(), Some("page: results/report.html"));
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let promised = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    // With figures of labels and matrices left out.
    for part in promised.split("…\n") {
        assert!(done.stdout.contains(part), "the README promises other figures than\n{}", done.stdout);
    }
    assert!(!done.stdout.contains('\u{1b}') && !done.stderr.contains('\u{1b}'));

    let summary = place.csv("results/summary.csv");
    let models: Vec<_> = summary.iter().map(|row| row["model"].as_str()).collect();
    assert!(
        matches!(models[..], ["local/majority", "local/lexical", tuned] if tuned.starts_with("local/lexical-ft-"))
    );
    let figure = |i: usize, name: &str| summary[i][name].parse::<f64>().unwrap();
    assert_eq!(figure(0, "accuracy"), 0.1);
    assert!((0.6..0.8).contains(&figure(1, "accuracy")), "{summary:?}");
    assert!(figure(2, "accuracy") > 0.95 && figure(2, "macro_f1") > 0.95, "{summary:?}");
    for (i, row) in summary.iter().enumerate() {
        assert!(
            figure(i, "accuracy_low") < figure(i, "accuracy")
                && figure(i, "accuracy") < figure(i, "accuracy_high")
        );
        let sum: f64 =
            ["correct", "incorrect", "invalid", "unanswered"].map(|name| figure(i, name)).iter().sum();
        assert_eq!((sum, row["n"].as_str()), (400.0, "400"));
        assert_matches_predictions(&place, row);
    }
    assert_eq!(place.csv("results/per_class.csv").len(), 3 * 10);
    assert_eq!(place.csv("results/comparisons.csv").len(), 1);
}

/// The figures of the summary are those of the predictions, row by row.
fn assert_matches_predictions(place: &Place, summary: &std::collections::BTreeMap<String, String>) {
    let predictions = place.csv(&format!("results/predictions/{}.csv", summary["file"]));
    for outcome in ["correct", "incorrect", "invalid", "unanswered"] {
        let count = predictions.iter().filter(|row| row["outcome"] == outcome).count();
        assert_eq!(count.to_string(), summary[outcome], "{outcome} of {}", summary["model"]);
    }
    for row in &predictions {
        assert_eq!(row["prediction"] == row["label"], row["outcome"] == "correct", "{row:?}");
        assert_eq!(
            row["prediction"].is_empty(),
            row["outcome"] == "invalid" || row["outcome"] == "unanswered"
        );
    }
    let header = place.read(&format!("results/predictions/{}.csv", summary["file"]));
    assert!(header.starts_with("id,label,prediction,outcome,"), "{header}");
    let confusion = place.csv(&format!("results/confusion/{}.csv", summary["file"]));
    let cells = confusion.iter().flat_map(|row| row.iter().filter(|(column, _)| *column != "label"));
    assert_eq!(cells.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>(), 400);
}

#[test]
fn the_same_command_twice_trains_once_and_gives_the_same_bytes() {
    let place = Place::with_models(BASE_AND_TUNED);
    let first = place.tunebench(&["run"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stderr.contains("job ftjob-"), "{}", first.stderr);
    let files = without_times(place.files("results"));
    let second = place.tunebench(&["run"]);
    assert!(!second.stderr.contains("job ftjob-"), "{}", second.stderr);
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(without_times(place.files("results")), files);
}

#[test]
fn another_seed_or_other_data_is_another_model() {
    let place = Place::with_models(BASE_AND_TUNED);
    let tune = |place: &Place| {
        let done = place.tunebench(&["tune"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        done.stdout
    };
    let first = tune(&place);
    assert_eq!(tune(&place), first);
    let config = place.read("tunebench.toml");
    place.write("tunebench.toml", format!("seed = 2\n{config}"));
    let other_seed = tune(&place);
    assert_ne!(other_seed, first);
    place.write("tunebench.toml", config);
    place.write("train.csv", place.read("train.csv") + "one more card,card\n");
    assert!(![first, other_seed].contains(&tune(&place)));
}

#[test]
fn eval_takes_what_is_there_and_says_what_is_not() {
    let place = Place::with_models(BASE_AND_TUNED);
    let before = place.tunebench(&["eval"]);
    assert_eq!(before.code, Some(0), "{}", before.stderr);
    assert!(before.stderr.contains("local/lexical has not been tuned"), "{}", before.stderr);
    assert!(before.stderr.contains("`tunebench tune`"), "{}", before.stderr);
    assert_eq!(place.csv("results/summary.csv").len(), 1);

    let tuned = place.tunebench(&["tune", "--quiet"]);
    assert_eq!((tuned.code, tuned.stderr.as_str()), (Some(0), ""));
    let after = place.tunebench(&["eval"]);
    assert!(!after.stderr.contains("has not been tuned"), "{}", after.stderr);
    assert_eq!(place.csv("results/summary.csv").len(), 2);

    let named = place.tunebench(&["eval", tuned.stdout.trim(), "local/lexical"]);
    assert_eq!(named.code, Some(0), "{}", named.stderr);
    assert_eq!(place.csv("results/comparisons.csv").len(), 1);
}

#[test]
fn a_report_is_made_again_from_the_predictions_alone() {
    let place = Place::with_models(BASE_AND_TUNED);
    let run = place.tunebench(&["run"]);
    let files = place.files("results");
    for file in ["summary.csv", "per_class.csv", "comparisons.csv"] {
        std::fs::remove_file(place.path("results").join(file)).unwrap();
    }
    std::fs::remove_file(place.path("tunebench.toml")).unwrap();
    let report = place.tunebench(&["report"]);
    assert_eq!((report.code, &report.stdout), (Some(0), &run.stdout), "{}", report.stderr);
    assert_eq!(place.files("results"), files);
}

#[test]
fn a_damaged_results_folder_is_named() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\n");
    let none = place.tunebench(&["report"]);
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("`results` holds no results") && none.stderr.contains("--results DIR"));
    place.tunebench(&["eval"]);
    let predictions = place.read("results/predictions/local-lexical.csv").replacen("correct", "right", 1);
    place.write("results/predictions/local-lexical.csv", predictions);
    let damaged = place.tunebench(&["report"]);
    assert_eq!(damaged.code, Some(2));
    assert!(damaged.stderr.contains("results/predictions/local-lexical.csv`: line "), "{}", damaged.stderr);
}

#[test]
fn json_is_the_only_thing_on_stdout_when_asked_for() {
    let place = Place::with_models(BASE_AND_TUNED);
    let done = place.tunebench(&["run", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(summary["models"].as_array().unwrap().len(), 2);
    assert!(done.stderr.contains("results: results"), "{}", done.stderr);
}

#[test]
fn results_of_models_that_are_gone_are_taken_away_and_nothing_else() {
    let place =
        Place::with_models("[[model]]\nbase = \"local/lexical\"\n[[model]]\nbase = \"local/majority\"\n");
    place.tunebench(&["eval"]);
    place.write("results/notes.txt", "mine");
    place.write("results/predictions/mine.csv", "mine");
    place.tunebench(&["eval", "local/majority"]);
    let files = place.files("results");
    let files: Vec<_> = files.keys().map(String::as_str).collect();
    assert!(
        files.contains(&"results/notes.txt") && files.contains(&"results/predictions/mine.csv"),
        "{files:?}"
    );
    let gone = |file: &&&str| file.contains("local-lexical") && !file.starts_with("results/runs/");
    assert_eq!(files.iter().find(gone), None);
}
