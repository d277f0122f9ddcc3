//! `tunebench compare`, and `tunebench report` of other tools' files.

use serde_json::{Value, json};

use crate::support::{Outcome, Place, repository};

/// A file that one of the tools really wrote.
fn foreign(name: &str) -> String {
    repository().join("reports/foreign/testdata").join(name).display().to_string()
}

/// Samples of lm-eval, from two texts: letters are labels from `a` on, `!` is an answer that names none.
fn samples(gold: &str, answers: &str) -> String {
    let lines = gold.chars().zip(answers.chars()).enumerate().map(|(row, (gold, answer))| {
        let answer = if answer == '!' { "nothing".to_owned() } else { answer.to_string() };
        let sample = json!({
            "doc_id": row,
            "doc": { "text": format!("text {row}"), "label": gold },
            "target": gold,
            "arguments": { "gen_args_0": { "arg_0": "Which?", "arg_1": {} } },
            "resps": [[answer]],
            "filtered_resps": [answer],
            "filter": "none",
            "exact_match": if answer == gold.to_string() { 1.0 } else { 0.0 },
        });
        format!("{sample}\n")
    });
    lines.collect()
}

/// A folder with the samples of two models, `old` and `new`.
fn two(gold: &str, old: &str, new: &str) -> Place {
    let place = Place::new();
    place.write("old/samples.jsonl", samples(gold, old));
    place.write("new/samples.jsonl", samples(gold, new));
    place
}

fn compare(place: &Place, options: &[&str]) -> Outcome {
    let mut args = vec!["compare", "old/samples.jsonl", "new/samples.jsonl"];
    args.extend(options);
    place.tunebench(&args)
}

/// 200 rows, of which the second model loses the first `lost` and wins the last `won`.
fn changed(lost: usize, won: usize) -> Place {
    let (gold, kept) = ("ab".repeat(100), 200 - lost - won);
    let other = |part: &str| part.replace('a', "c").replace('b', "a");
    let old = format!("{}{}", &gold[..lost + kept], other(&gold[lost + kept..]));
    let new = format!("{}{}", other(&gold[..lost]), &gold[lost..]);
    two(&gold, &old, &new)
}

#[test]
fn says_the_verdict_then_what_it_rests_on_then_the_rows() {
    let place = changed(2, 20);
    let done = compare(&place, &["--limit", "1"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    // The seeded draws behind one interval may change; what stands around it may not.
    let (drawn, text): (Vec<_>, Vec<_>) = done.stdout.lines().partition(|line| line.contains("Macro-F1"));
    assert_eq!(text.join("\n"), TEXT, "{}", done.stdout);
    assert!(
        matches!(drawn[..], [line] if line.starts_with("   Macro-F1 92.4 % → 99.2 %, +6.9 points (95 % CI +"))
    );
    let better = compare(&place, &["--rows", "better", "--limit", "3"]).stdout;
    assert!(better.contains("Got better: 20 rows, 3 shown") && !better.contains("Got worse"), "{better}");
    let worse = compare(&place, &["--rows", "worse"]).stdout;
    assert!(worse.contains("Got worse: 2 rows\n") && !worse.contains("Got better"), "{worse}");
    assert!(!compare(&place, &["--rows", "none"]).stdout.contains("Got "));
}

const TEXT: &str = " new is better than old.

   Accuracy 90.0 % → 99.0 %, +9.0 points (95 % CI +4.9 to +14.1); score test p = 0.0001.
   Of 200 rows: both right 178, lost 2, won 20, both wrong 0.
   With nothing known before, the chance that it is better is >99.9 %.

Got worse: 2 rows, 1 shown

 9934fe0f8bd78e67  b, answered a
   text 1

Got better: 20 rows, 1 shown

 0240f459b8f105a7  a, an invalid answer (no_label)
   text 180";

#[test]
fn json_holds_the_figures_and_all_rows() {
    let place = two("abab", "ab!a", "aaab");
    let done = compare(&place, &["--json", "--quiet"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let value: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&value["base"], &value["tuned"], &value["n"]), (&json!("old"), &json!("new"), &json!(4)));
    assert_eq!(value["verdict"], "not_proven");
    let rows = json!({ "both_correct": 1, "only_base": 1, "only_tuned": 2, "both_wrong": 0, "left_out": 0 });
    assert_eq!(value["rows"], rows);
    assert_eq!(value["not_common"], json!([0, 0]));
    assert_eq!(value["worse"].as_array().unwrap().len(), 1);
    assert_eq!(value["worse"][0]["text"], "text 1");
    assert_eq!((&value["worse"][0]["label"], &value["worse"][0]["wrong"]), (&json!("b"), &json!("a")));
    let invalid = value["better"].as_array().unwrap().iter().find(|row| row["text"] == "text 2").unwrap();
    assert_eq!((&invalid["wrong"], &invalid["invalid"]), (&Value::Null, &json!("no_label")));
    for figure in ["difference", "difference_interval", "mcnemar_p", "macro_f1", "power"] {
        assert!(value.get(figure).is_some(), "{figure}: {}", done.stdout);
    }
    assert_eq!(compare(&place, &["--json"]).stdout, done.stdout);
}

#[test]
fn the_exit_code_says_whether_it_is_no_worse() {
    for (lost, won, code, said) in [
        (0, 0, 0, "new is no worse than old: a loss of 5 points or more is ruled out."),
        (0, 20, 0, "new is better than old."),
        (38, 0, 1, "new is worse than old."),
        // Thirty of its answers name no label: that is no measurement.
        (
            60,
            0,
            3,
            "No verdict on new against old: 15.0 % of the answers of new name no label: their form was measured,",
        ),
        (8, 0, 4, "new is worse than old."),
        (20, 16, 4, "Not proven: new may be worse than old by 5 points or more, or as good or better."),
    ] {
        let place = changed(lost, won);
        let done = compare(&place, &["--non-inferior", "0.05", "--rows", "none"]);
        assert_eq!(done.code, Some(code), "{lost} {won}\n{}{}", done.stdout, done.stderr);
        assert!(done.stdout.starts_with(&format!(" {said}\n")), "{}", done.stdout);
        // Without a margin, a comparison is done when it is done.
        assert_eq!(compare(&place, &[]).code, Some(if code == 3 { 3 } else { 0 }));
    }
    let wide = compare(&changed(8, 0), &["--non-inferior", "0.3"]);
    assert_eq!(wide.code, Some(0), "{}", wide.stdout);
    assert!(
        wide.stdout.starts_with(" new is worse than old, but by less than 30 points.\n"),
        "{}",
        wide.stdout
    );
}

#[test]
fn too_few_answers_are_no_comparison() {
    for options in [&[][..], &["--non-inferior", "0.5"]] {
        let (a, b) = (foreign("inspect.json"), foreign("promptfoo.json"));
        let done = Place::new().tunebench(&[&["compare", &a, &b], options].concat());
        assert_eq!(done.code, Some(3), "{}", done.stdout);
        let said = " No verdict on keywords against words/keywords: both answered only 11 of 12 rows.\n";
        assert!(done.stdout.starts_with(said), "{}", done.stdout);
    }
}

#[test]
fn results_folders_are_compared_across_machines() {
    let place =
        Place::with_models("[[model]]\nbase = \"local/lexical\"\n\n[[model]]\nbase = \"local/majority\"\n");
    assert_eq!(place.tunebench(&["run"]).code, Some(0));
    assert_eq!(place.tunebench(&["eval", "local/lexical", "--results", "there"]).code, Some(0));

    let done = place.tunebench(&["compare", "local/majority", "local/lexical"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert!(
        done.stdout.contains("local/majority") && done.stdout.contains("tell me the rate"),
        "{}",
        done.stdout
    );
    let same = place.tunebench(&["compare", "local/lexical", "there"]);
    assert_eq!(same.code, Some(0), "{}", same.stderr);
    assert!(same.stdout.contains("there may be better or worse than local/lexical."), "{}", same.stdout);
    let named =
        place.tunebench(&["compare", "there:local/lexical", "results:local/majority", "--report", "out.md"]);
    assert_eq!(named.code, Some(0), "{}", named.stderr);
    assert!(place.read("out.md").contains("local/majority"));

    // Whose test file has changed since does not show texts of another.
    place.write("test.csv", place.read("test.csv") + "one more,card\n");
    let kept = place.tunebench(&["compare", "local/majority", "local/lexical"]);
    assert!(kept.stderr.is_empty() && kept.stdout.contains("tell me the rate"), "{}", kept.stderr);
    std::fs::remove_file(place.path("results/texts.csv")).unwrap();
    let done = place.tunebench(&["compare", "local/majority", "local/lexical"]);
    assert_eq!(done.code, Some(0));
    assert_eq!(done.stderr, "rows are shown without their texts: `test.csv` has changed since\n");
    assert!(!done.stdout.contains("tell me the rate"), "{}", done.stdout);
}

#[test]
fn other_rows_are_refused_unless_the_common_ones_are_asked_for() {
    let place = two("abab", "abab", "abab");
    place.write("new/samples.jsonl", samples("abbbab", "abbbab"));
    let done = compare(&place, &[]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        done.stderr,
        "error: old and new were not measured on the same rows: 3 are common, 1 only in the first, 3 only in the second; \
         most probably, the same texts have different gold labels: `a` on one side is `b` on the other\n\
         hint: compare on the common rows with `--common`\n"
    );
    let done = compare(&place, &["--common"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(
        done.stdout.contains("Left out: 1 only in the first and 3 only in the second."),
        "{}",
        done.stdout
    );

    place.write("new/samples.jsonl", samples("ccc", "ccc"));
    for options in [&[][..], &["--common"]] {
        let done = compare(&place, options);
        assert_eq!(done.code, Some(2), "{}", done.stdout);
        assert!(done.stderr.contains("0 are common"), "{}", done.stderr);
    }
}

#[test]
fn other_gold_labels_are_refused() {
    let place = two("abab", "abab", "abaa");
    // Without a text, the tool's own numbers name the rows.
    for name in ["old", "new"] {
        let file = format!("{name}/samples.jsonl");
        let bare = place.read(&file).replace("\"text\":", "\"premise\":\"p\",\"hypothesis\":");
        place.write(
            &file,
            if name == "old" { bare } else { bare.replacen("\"target\":\"b\"", "\"target\":\"a\"", 1) },
        );
    }
    for options in [&[][..], &["--common"]] {
        let done = compare(&place, options);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{}", done.stderr);
        assert!(
            done.stderr.starts_with("error: the gold labels of 1 of 4 rows differ: row "),
            "{}",
            done.stderr
        );
        assert!(done.stderr.contains(" is `b` in old, and `a` in new\n"), "{}", done.stderr);
    }
}

#[test]
fn operands_that_name_no_model_are_refused() {
    let place =
        Place::with_models("[[model]]\nbase = \"local/lexical\"\n\n[[model]]\nbase = \"local/majority\"\n");
    let choices = foreign("lm_eval_choices.jsonl");
    let none = place.tunebench(&["compare", "local/lexical", &choices]);
    assert_eq!(
        (none.code, none.stderr.as_str()),
        (
            Some(2),
            "error: `local/lexical` is neither a model in `results` nor a file or folder with results\n"
        )
    );
    assert_eq!(place.tunebench(&["run"]).code, Some(0));
    place.write("ledger.sqlite", "SQLite format 3\0 and so on");
    place.write("notes.txt", "no results");
    for (operand, error, hint) in [
        (
            "local/lexica",
            "`local/lexica` is neither a model in `results` nor a file or folder with results",
            "did you mean `local/lexical`?",
        ),
        (
            "results",
            "`results` has 2 models",
            "name one of them: `results:local/lexical`, `results:local/majority`",
        ),
        ("results:x", "there is no model `x` in `results`", "there is `local/lexical`, `local/majority`"),
        ("ledger.sqlite:local/lexical", "`ledger.sqlite` is a ledger", "`tunebench eval --state-dir FOLDER"),
        ("notes.txt", "`notes.txt`: this is neither promptfoo's output", ""),
        ("local/lexical", "`local/lexical` would be compared with itself", ""),
    ] {
        let done = place.tunebench(&["compare", "local/lexical", operand]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{operand}");
        assert!(done.stderr.starts_with(&format!("error: {error}")), "{}", done.stderr);
        assert!(done.stderr.contains(hint), "{}", done.stderr);
    }
    for margin in ["0", "-0.1", "inf", "two"] {
        let margin = format!("--non-inferior={margin}");
        assert_eq!(place.tunebench(&["compare", "local/lexical", "local/majority", &margin]).code, Some(2));
    }
}

#[test]
fn a_hostile_text_stays_on_its_line() {
    let place = two("ab", "ab", "bb");
    for name in ["old", "new"] {
        let file = format!("{name}/samples.jsonl");
        place.write(&file, place.read(&file).replace("text 0", "\\u001b[31m\\nred \\u202e text"));
    }
    let done = compare(&place, &[]);
    assert!(done.stdout.contains("   \u{fffd}[31m red \u{fffd} text\n"), "{}", done.stdout);
}

#[test]
fn a_report_is_named_by_its_extension_alone() {
    let place = Place::new();
    let done = place.tunebench(&["compare", "a", "b", "--report", "c.foo"]);
    assert_eq!(done.code, Some(2));
    let expected = "\
error: the name `c.foo` does not show the format of the report
hint: use one of the extensions .txt, .md, .html, .json, .csv, .xml
";
    assert_eq!(done.stderr, expected);
}

#[test]
fn reports_on_the_files_of_other_tools() {
    let place = Place::new();
    for (name, model, shown) in [
        ("promptfoo.json", "keywords", "measured by promptfoo 0.121.20"),
        ("inspect_choice.json", "words/keywords", "measured by inspect_ai 0.3.285"),
        ("lm_eval_filters.jsonl", "testdata@first", "58.3 %"),
    ] {
        let done = place.tunebench(&["report", &foreign(name)]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(done.stdout.starts_with("Models, "), "{}", done.stdout);
        assert!(done.stdout.contains(model) && done.stdout.contains(shown), "{}", done.stdout);
    }
    let done = place.tunebench(&["report", &foreign("lm_eval_index.jsonl"), "--json"]);
    let value: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(value["models"][0]["counts"]["correct"], 2);
    assert!(!place.path("results").exists());
    place.write("broken.jsonl", "{\"doc_id\": 1, \"filtered_resps\": []}");
    let done = place.tunebench(&["report", "broken.jsonl"]);
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (
            Some(2),
            "error: `broken.jsonl`: lm-eval's results cannot be read: line 1: missing field `target` at line 1 column 35\n"
        )
    );
}
