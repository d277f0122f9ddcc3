//! What holds for every format at once.

use std::collections::HashSet;

use proptest::prelude::*;
use tunebench_data::LabelSet;

use super::terminal::Style;
use super::text::is_hostile;
use super::{csv, renderers};
use crate::testing::{any_predictions, predictions, run};
use crate::{Report, Run};

/// All formats, and the data files of programs, by name.
fn all(run: &Run) -> Vec<(String, Vec<u8>)> {
    let report = Report::new(run);
    let renderers =
        renderers(Style { width: Some(80), color: true, wide: true, labels: true, confusion: true })
            .into_iter();
    let mut all: Vec<_> =
        renderers.map(|format| (format.name().to_owned(), format.render(&report))).collect();
    all.push(("summary.csv".to_owned(), csv::summary(&report)));
    all.push(("per_class.csv".to_owned(), csv::per_class(&report)));
    all.push(("comparisons.csv".to_owned(), csv::comparisons(&report)));
    all
}

#[test]
fn names_and_extensions_tell_formats_apart() {
    let renderers = renderers(Style::default());
    assert_eq!(renderers.iter().map(|r| r.name()).collect::<HashSet<_>>().len(), renderers.len());
    assert_eq!(renderers.iter().map(|r| r.extension()).collect::<HashSet<_>>().len(), renderers.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_results_give_the_same_bytes(base in any_predictions(4), tuned in any_predictions(4)) {
        let run = || {
            let models = vec![("m", None, base.clone()), ("t", Some("m"), tuned.clone()), ("x", None, tuned.clone())];
            let mut run = run(&["a", "b", "c", "d"], models);
            run.manifest.min_coverage = 0.0;
            run.manifest.margin = Some(0.02);
            run.manifest.against = Some("m".to_owned());
            run
        };
        prop_assert_eq!(all(&run()), all(&run()));
    }

    #[test]
    fn hostile_names_break_no_format(
        model in "(=cmd\\(\\)|</system-out>|\\]\\]>|\\|a\\||\\x1b\\[2J|\u{202e}|\n|\r|\t|\"|'|,|<b>|\\PC){1,6}",
        label in "(=cmd\\(\\)|</system-out>|\\]\\]>|\\|a\\||\u{2067}|\"|'|,|;|<b>|\\PC){1,6}",
    ) {
        let labels = LabelSet::new(vec![label.clone(), "zz".to_owned()]);
        prop_assume!(labels.is_ok() && model != "tuned");
        let models = vec![
            (model.as_str(), None, predictions("aabb", "abb!")),
            ("tuned", Some(model.as_str()), predictions("aabb", "aabb")),
        ];
        let mut run = run(&[label.as_str(), "zz"], models);
        run.manifest.min_coverage = 0.0;
        run.manifest.models[0].description = Some(model.clone());
        for (name, bytes) in all(&run) {
            let text = String::from_utf8(bytes).unwrap();
            match name.as_str() {
                "json" => {
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    prop_assert_eq!(value["models"][0]["model"].as_str(), Some(model.as_str()));
                    prop_assert_eq!(value["models"][0]["confusion"][0]["label"].as_str(), Some(label.as_str()));
                }
                "junit" => {
                    let xml = roxmltree::Document::parse(&text).unwrap();
                    let cases = xml.descendants().filter(|node| node.has_tag_name("testcase"));
                    prop_assert_eq!(cases.count(), 3);
                }
                file if file.ends_with(".csv") => {
                    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
                    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
                    prop_assert_eq!(&rows[0][0], model.as_str());
                    prop_assert_eq!(rows.len(), match file { "per_class.csv" => 4, "summary.csv" => 2, _ => 1 });
                }
                _ => {
                    // Our own colours and line breaks are all that is left; in a page a tab is no more than a space.
                    let own = |c: char| matches!(c, '\n' | '\r' | '\u{1b}') || (c == '\t' && name == "html");
                    let hostile = text.contains(|c: char| is_hostile(c) && !own(c)) || text.contains("\u{1b}[2J");
                    prop_assert!(!hostile, "{}: {:?}", name, text);
                }
            }
        }
    }
}

/// In every format for people and for programs, a model whose answers nobody reads shows some of them, and what helps.
#[test]
fn answers_that_nobody_reads_are_shown_with_a_cure() {
    let gold = "ab".repeat(20);
    let unread = "!".repeat(20);
    let models = vec![
        ("m", None, predictions(&gold, &gold)),
        ("t", Some("m"), predictions(&gold, &format!("{}{unread}", &gold[..20]))),
    ];
    let run = run(&["a", "b"], models);
    let answers = [
        "It is a matter of taste, surely.",
        "Perhaps a refund? I can not tell.",
        "A or B, I guess, my friend.",
    ];
    let answers = std::iter::once(("t".to_owned(), answers.map(str::to_owned).to_vec()));
    let report = Report::new(&run).with_unreadable_answers(answers.collect());
    for renderer in
        renderers(Style { width: Some(80), color: false, wide: false, labels: true, confusion: true })
    {
        let text = String::from_utf8(renderer.render(&report)).unwrap();
        if ["csv", "junit"].contains(&renderer.name()) {
            continue;
        }
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains("name no label"), "{}: {text}", renderer.name());
        assert!(plain.contains("It is a matter of taste, surely."), "{}: {text}", renderer.name());
        assert!(plain.contains("ask for the label alone"), "{}: {text}", renderer.name());
    }
}
