//! Mistakes in the configuration: exit code 2, the line, and what was meant.

use crate::support::Place;

fn mistake(config: &str) -> String {
    let place = Place::with_models("");
    place.write("tunebench.toml", config);
    let done = place.tunebench(&["run"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{}", done.stderr);
    assert!(!place.path("results").exists());
    done.stderr
}

const DATA: &str = "[data]\ntrain = \"train.csv\"\ntest = \"test.csv\"\n";

#[test]
fn an_unknown_key_points_at_its_line() {
    let stderr = mistake("[data]\ntrain = \"train.csv\"\ntset = \"test.csv\"\n");
    let expected = "\
error: tunebench.toml, line 3: unknown field `tset`, expected one of `train`, `validation`, `test`, `labels`, `aliases`, `format`, `text`, \
`label`, `group`, `slices`, `encoding`, `quotes`, `delimiter`, `header`, `label_names`
    |
  3 | tset = \"test.csv\"
    | ^^^^
hint: did you mean `test`?
";
    assert_eq!(stderr, expected);
}

#[test]
fn every_mistake_names_its_line_and_its_cure() {
    for (config, line, parts) in [
        (format!("{DATA}[[model]]\nbase = 3\n"), 5, vec!["invalid type: integer `3`"]),
        (
            format!("{DATA}[[model]]\nbase = \"lokal/lexical\"\n"),
            5,
            vec!["unknown provider `lokal`", "did you mean `local`?"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"lexical\"\n"),
            5,
            vec!["`lexical` is not a model reference", "local/lexical"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\ntune = {{ epochz = 3 }}\n"),
            6,
            vec!["unknown hyperparameter `epochz`", "did you mean `epochs`?"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\ntune = {{ epochs = 0 }}\n"),
            6,
            vec!["`epochs` must be"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/majority\"\ntune = {{}}\n"),
            5,
            vec!["`majority` cannot be tuned"],
        ),
        (format!("{DATA}[evaluation]\nmin_coverage = 98\n"), 5, vec!["between 0 and 1"]),
        (
            format!("{DATA}[evaluation]\nconcurrency = 0\n"),
            5,
            vec!["integer `0`, expected a whole number, at least 1"],
        ),
        (
            format!("{DATA}[providers.lokal]\n[[model]]\nbase = \"local/lexical\"\n"),
            4,
            vec!["unknown provider `lokal`"],
        ),
        (
            format!(
                "{DATA}[providers.local]\nrequests_per_minute = 0\n[[model]]\nbase = \"local/lexical\"\n"
            ),
            5,
            vec!["`requests_per_minute` must be a whole number, at least 1"],
        ),
        (
            format!("{DATA}[providers.local]\nwindow_seconds = 90\n[[model]]\nbase = \"local/lexical\"\n"),
            5,
            vec!["`window_seconds` must be at most 60"],
        ),
        (
            format!("{DATA}[prompt]\nitem_tag = \"a b\"\n[[model]]\nbase = \"local/lexical\"\n"),
            4,
            vec!["`a b` is not a name for a tag"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\n[[model]]\nbase = \"local/lexical\"\n"),
            7,
            vec!["duplicate model"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\n[gate]\nmin_accuracy = 90\n"),
            7,
            vec!["min_accuracy is 90, not a share within 0 to 1", "hint: 90 % is 0.9\n"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\n[gate]\nmin_recall = {{ card = 1.5 }}\n"),
            7,
            vec!["min_recall.card is 1.5"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\n[gate.min_recall]\ncard = 0.5\ncrad = 0.9\n"),
            8,
            vec!["`crad` is not a label of this data", "hint: did you mean `card`?"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\n[gate]\nalpha = 0\nmax_cost = -1\n"),
            8,
            vec!["max_cost is -1, not a number of at least 0"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\n[gate]\nmargin = nan\n"),
            7,
            vec!["margin is NaN"],
        ),
        (
            format!("{DATA}[[model]]\nbase = \"local/lexical\"\n[gate]\ntest = \"non-inferiority\"\n"),
            7,
            vec!["non-inferiority needs a margin", "hint: set `margin`"],
        ),
        (format!("{DATA}oops"), 4, vec!["expected"]),
    ] {
        let stderr = mistake(&config);
        assert!(stderr.starts_with(&format!("error: tunebench.toml, line {line}: ")), "{stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }
}

#[test]
fn a_project_without_models_or_without_a_file_says_so() {
    assert!(mistake(DATA).contains("there is no model"));
    let place = Place::new();
    let done = place.tunebench(&["run"]);
    assert_eq!(done.code, Some(2));
    assert_eq!(
        done.stderr,
        "error: tunebench.toml: no such file\nhint: write one for your data with `tunebench init DATA`, or name it with `--config FILE`\n"
    );
}

#[test]
fn a_missing_data_file_is_named_with_the_line_that_names_it() {
    let stderr = mistake("[data]\ntest = \"tset.csv\"\n[[model]]\nbase = \"local/lexical\"\n");
    assert!(stderr.starts_with("error: cannot read `tset.csv`: "), "{stderr}");
    assert!(stderr.ends_with("hint: the file is named in tunebench.toml, line 2\n"), "{stderr}");
}

#[test]
fn tuning_needs_training_data() {
    let stderr = mistake("[data]\ntest = \"test.csv\"\n[[model]]\nbase = \"local/lexical\"\ntune = {}\n");
    assert!(stderr.contains("line 5: there is no training data to tune with"), "{stderr}");
}

#[test]
fn an_unknown_model_is_an_error_before_the_first_row() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexicon\"\n");
    let done = place.tunebench(&["eval"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("local/lexicon: there is no local model `lexicon`"), "{}", done.stderr);
    assert!(done.stderr.contains("hint: "), "{}", done.stderr);
}

#[test]
fn a_bad_results_folder_fails_before_the_work() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\n");
    place.write("taken", "a file");
    let done = place.tunebench(&["eval", "--results", "taken"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("taken") && !done.stderr.contains("asked"), "{}", done.stderr);
}
