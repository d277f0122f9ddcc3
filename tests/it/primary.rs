//! The figure that decides: `evaluation.primary`, `compare --primary`, and the gate that goes by it.

use serde_json::{Value, json};

use crate::support::{Outcome, Place};

/// The base that always answers the most frequent label, and a lexical model.
const MODELS: &str = "[[model]]\nbase = \"local/majority\"\n[[model]]\nbase = \"local/lexical\"\ntune = {}\n";

/// Sixty rows of three labels, evaluated with this in `[evaluation]`.
fn place(evaluation: &str) -> (Place, Outcome) {
    let place =
        Place::with_models(&format!("[evaluation]\nagainst = \"local/majority\"\n{evaluation}\n{MODELS}"));
    let rows: String = (0..60)
        .map(|i| {
            let (text, label) = [("my card", "card"), ("the rate", "rate"), ("a refund", "refund")][i % 3];
            format!("{text} number {i},{label}\n")
        })
        .collect();
    place.write("test.csv", format!("text,label\n{rows}"));
    let done = place.tunebench(&["run", "--no-doctor"]);
    (place, done)
}

fn comparisons(place: &Place) -> Vec<Value> {
    let summary: Value = serde_json::from_str(&place.read("results/summary.json")).unwrap();
    summary["comparisons"].as_array().unwrap().clone()
}

#[test]
fn every_figure_decides_in_every_format_and_in_the_gate() {
    for (evaluation, figure, words) in [
        ("", "accuracy", "accuracy"),
        ("primary = \"macro_f1\"", "macro_f1", "macro-F1"),
        ("primary = \"recall:refund\"", "recall:refund", "recall of refund"),
        (
            "primary = \"cost\"\nmargin = 1.5\n[evaluation.cost]\nwrong = 2\ninvalid = 3\nof = { refund = { card = 8 } }",
            "cost",
            "expected cost",
        ),
    ] {
        let (place, done) = place(evaluation);
        assert_eq!(done.code, Some(0), "{figure}: {}", done.stderr);
        let text = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&format!("Better: {words} ")), "{text}");
        let better = comparisons(&place).into_iter().find(|one| one["verdict"] == "better").unwrap();
        let [base, tuned] = [0, 1].map(|i| better["values"][i].as_f64().unwrap());
        assert_eq!((&better["figure"], tuned > base), (&json!(figure), figure != "cost"));
        assert!((better["difference"].as_f64().unwrap() - (tuned - base)).abs() < 1e-9);
        assert!(place.csv("results/comparisons.csv").iter().all(|row| row["figure"] == figure));
        let page = place.read("results/report.html");
        assert!(page.contains(words), "{figure}");
        assert_eq!(place.tunebench(&["gate", "--update-baseline"]).code, Some(0));
        let gate = place.tunebench(&["gate"]);
        assert!(gate.code == Some(0) && gate.stdout.contains(&format!("{words} ")), "{}", gate.stdout);
    }
}

#[test]
fn compare_asks_for_another_figure() {
    let (place, _) = place("[evaluation.cost]\nwrong = 2");
    let compare = |options: &[&str]| {
        let mut args = vec!["compare", "local/majority", "local/lexical", "--rows", "none"];
        args.extend(options);
        place.tunebench(&args)
    };
    for (figure, words) in
        [("macro_f1", "Macro-F1"), ("recall:card", "Recall of card"), ("cost", "Expected cost")]
    {
        let done = compare(&["--primary", figure]);
        assert!(done.code == Some(0) && done.stdout.contains(words), "{}{}", done.stdout, done.stderr);
    }
    for (options, error) in [
        (&["--primary", "recall:crad"][..], "`crad` is not a label of this data"),
        (&["--primary", "f1"], "`f1` is not a figure to compare by; expected accuracy, macro_f1"),
        (&["--non-inferior", "1"], "the margin is 1, not a share above 0 and below 1"),
    ] {
        let done = compare(options);
        assert!(done.code == Some(2) && done.stderr.contains(error), "{}", done.stderr);
    }
}

#[test]
fn a_figure_that_is_none_is_refused_before_anything_is_asked() {
    for (evaluation, error) in [
        ("primary = \"f1\"", "`f1` is not a figure to compare by"),
        ("primary = \"recal:refund\"", "did you mean `recall:refund`?"),
        ("primary = \"recall:refnud\"", "`refnud` is not a label of this data"),
        ("primary = \"cost\"", "the cost of wrong answers is not set"),
        ("primary = \"macro_f1\"\nmargin = 1.5", "margin is a loss above 0 and below 1"),
        ("[evaluation.cost]\nof = { refnud = { card = 1 } }", "the costs name `refnud`"),
        ("[evaluation.cost]\nwrong = -1", "a cost is -1, not a number of at least 0"),
    ] {
        let (_, done) = place(evaluation);
        assert_eq!(done.code, Some(2), "{evaluation}");
        assert!(
            done.stderr.contains(error) && done.stderr.contains("tunebench.toml, line "),
            "{}",
            done.stderr
        );
    }
}
