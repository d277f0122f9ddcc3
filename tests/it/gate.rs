//! `tunebench gate`: exit codes, checks, and the baseline.

use serde_json::{Value, json};
use tunebench::results::Results;
use tunebench_data::{ExampleId, LabelId, LabelSet};
use tunebench_reports::{
    Answer, DataFile, Evaluation, InvalidKind, Latency, MANIFEST_VERSION, Manifest, ModelRecord, Prediction,
    Report, Run, TokenUsage, UnansweredKind,
};

use crate::support::{Outcome, Place};

/// Rows from two texts: letters are labels from `a` on, `!` is an invalid answer, `?` is none.
fn run(gold: &str, answers: &str) -> Run {
    let label = |byte: u8| LabelId(u32::from(byte - b'a'));
    let rows = gold.bytes().zip(answers.bytes()).zip(1..).map(|((gold, answer), id)| Prediction {
        id: ExampleId(id),
        gold: label(gold),
        answer: match answer {
            b'!' => Answer::Invalid(InvalidKind::NoLabel),
            b'?' => Answer::Unanswered(UnansweredKind::Network),
            answer => Answer::Label(label(answer)),
        },
        probability: None,
        gold_probability: None,
        latency: (answer != b'?').then(|| Latency::from_micros(120_000)).flatten(),
    });
    let model = "local/lexical".to_owned();
    let file = DataFile {
        role: "test".to_owned(),
        path: "test.csv".to_owned(),
        sha256: "00".repeat(32),
        rows: gold.len() as u64,
    };
    let record = ModelRecord {
        model: model.clone(),
        tuned_from: None,
        repeat_of: None,
        earlier: None,
        seed_of: None,
        file: "local-lexical".to_owned(),
        description: None,
        asked: None,
        prompt_sha256: Some("p1".to_owned()),
        answered_by: [("lexical-1".to_owned(), gold.len() as u64)].into(),
        usage: Some(TokenUsage { input_tokens: 10, output_tokens: 5, cost_usd: Some(0.25) }),
        paid_usd: None,
        rows: None,
        job_id: None,
        hyperparameters: Value::Null,
    };
    let manifest = Manifest {
        texts: true,
        rendered_prompts: Default::default(),
        format_version: MANIFEST_VERSION,
        tool_version: "0.1.0".to_owned(),
        started: "2026-01-02T03:04:05Z".to_owned(),
        finished: Some("2026-01-02T03:04:09Z".to_owned()),
        complete: true,
        ended_by: None,
        min_coverage: 0.95,
        against: None,
        primary: None,
        costs: None,
        any_time: false,
        margin: None,
        max_unreadable: 0.1,
        shard: None,
        missing_shards: Vec::new(),
        seed: 1,
        data: vec![file],
        overlap: None,
        doubted: Vec::new(),
        labels: LabelSet::new(vec!["card".to_owned(), "rate".to_owned(), "refund".to_owned()]).unwrap(),
        prompt: Value::Null,
        models: vec![record],
    };
    let evaluation =
        Evaluation { model, tuned_from: None, predictions: rows.collect(), clusters: None, slices: None };
    Run { manifest, evaluations: vec![evaluation] }
}

fn write(place: &Place, run: &Run) {
    write_to(place, "results", run);
}

fn write_to(place: &Place, folder: &str, run: &Run) {
    Results::create(&place.path(folder)).unwrap().write(&Report::new(run)).unwrap();
}

/// 200 rows of two labels; the model is wrong in the first 20.
fn before() -> (String, String) {
    let gold = "ab".repeat(100);
    let answers = format!("{}{}", "ba".repeat(10), &gold[20..]);
    (gold, answers)
}

/// Beyond what it is wrong in anyway, the model loses `lost` rows.
fn losing(lost: usize) -> Run {
    let (gold, answers) = before();
    let wrong = gold[20..20 + lost].replace('a', "c").replace('b', "a");
    run(&gold, &format!("{}{wrong}{}", &answers[..20], &answers[20 + lost..]))
}

/// A folder with a baseline, and with results that lose so many rows.
pub(crate) fn place(lost: usize) -> Place {
    let place = Place::new();
    write(&place, &losing(0));
    let done = place.tunebench(&["gate", "--update-baseline"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    write(&place, &losing(lost));
    place
}

pub(crate) fn gate(place: &Place, options: &[&str]) -> Outcome {
    let mut command = place.command(&["gate"]);
    command.args(options).env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    place.outcome(&mut command)
}

#[test]
fn the_baseline_is_small_stable_and_says_what_changed() {
    let place = Place::new();
    write(&place, &run("abc", "ab!"));
    let done = place.tunebench(&["gate", "--update-baseline"]);
    assert_eq!(done.stdout, "local/lexical: accuracy 66.7 %; 3 rows, none before\n");
    assert_eq!(done.stderr, "baseline: tunebench.baseline; commit it\n");
    let text = place.read("tunebench.baseline");
    assert_eq!(text, BASELINE.replace("[DATA]", &"00".repeat(32)));
    assert_eq!(place.tunebench(&["gate", "--update-baseline"]).code, Some(0));
    assert_eq!(place.read("tunebench.baseline"), text);
    write(&place, &run("abc", "abc"));
    let done = place.tunebench(&["gate", "--update-baseline", "--quiet"]);
    let said = "local/lexical: accuracy 100.0 %, before 66.7 %; of 3 rows 1 changed, 0 new, 0 gone\n";
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), (said, ""));
}

const BASELINE: &str = r#"tunebench-baseline 1
tool "0.1.0"
date "2026-01-02T03:04:09Z"
data "[DATA]"

model "local/lexical"
prompt "p1"
answered_by ["lexical-1"]
accuracy 0.666667
macro_f1 0.666667
rows 3
0000000000000001 correct "card"
0000000000000002 correct "rate"
0000000000000003 invalid "no_label"
"#;

#[test]
fn the_baseline_of_an_unfinished_run_is_refused() {
    let place = Place::new();
    write(&place, &run("abab", "ab??"));
    let done = place.tunebench(&["gate", "--update-baseline"]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("too few rows were answered by local/lexical"), "{}", done.stderr);
    let mut cut = losing(0);
    cut.manifest.complete = false;
    write(&place, &cut);
    assert_eq!(place.tunebench(&["gate", "--update-baseline"]).code, Some(3));
    assert!(!place.path("tunebench.baseline").exists());
}

#[test]
fn an_unchanged_model_passes() {
    let done = gate(&place(0), &[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(done.stdout, PASSED, "{}", done.stdout);
}

const PASSED: &str = "Gate passed: 2 checks

 local/lexical
   passed       coverage: 200 of 200 rows answered, at least 95.0 %
   passed       baseline: accuracy 90.0 % → 90.0 % over 200 rows, 0 lost and 0 won; no proven loss (score test) \
                       at level 0.025: p = 1; a loss of 3.9 points would be seen 4 times out of 5

";

#[test]
fn a_regression_fails_with_the_evidence() {
    let done = gate(&place(20), &[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), ""));
    assert!(done.stdout.starts_with("Gate failed: 1 of 2 checks\n"), "{}", done.stdout);
    assert!(
        done.stdout
            .contains("failed       baseline: accuracy 90.0 % → 80.0 % over 200 rows, 20 lost and 0 won;"),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("p < 0.0001"), "{}", done.stdout);
    // So few that chance explains them.
    assert_eq!(gate(&place(4), &[]).code, Some(0));
}

#[test]
fn each_check_can_pass_and_fail() {
    let place = place(0);
    for (pass, fail) in [
        (&["--min-accuracy", "0.9"][..], &["--min-accuracy", "0.91"][..]),
        (&["--min-macro-f1", "0.89"], &["--min-macro-f1", "0.91"]),
        (&["--min-recall", "rate=0.9"], &["--min-recall", "card=0.8", "--min-recall", "rate=0.95"]),
        (
            &["--min-accuracy", "0.8", "--by", "lower_bound"],
            &["--min-accuracy", "0.97", "--by", "lower_bound"],
        ),
        (&["--max-cost", "0.25"], &["--max-cost", "0.24"]),
        (&["--max-p95-ms", "120"], &["--max-p95-ms", "119"]),
        (&["--max-invalid", "0"], &["--max-cost", "0"]),
        (&["--same-version"], &["--max-p95-ms", "0"]),
        (&["--test", "non-inferiority", "--margin", "0.05"], &["--min-accuracy", "1"]),
    ] {
        for (options, code) in [(pass, 0), (fail, 1)] {
            let done = gate(&place, options);
            assert_eq!(done.code, Some(code), "{options:?}\n{}{}", done.stdout, done.stderr);
        }
    }
    let mut invalid = losing(0);
    let rows = &mut invalid.evaluations[0].predictions;
    rows.set(0, Prediction { answer: Answer::Invalid(InvalidKind::Refused), ..rows.row(0) });
    invalid.manifest.models[0].answered_by = [("lexical-2".to_owned(), 200)].into();
    write(&place, &invalid);
    for options in [&["--max-invalid", "0"][..], &["--same-version"]] {
        assert_eq!(gate(&place, options).code, Some(1), "{options:?}");
    }
}

#[test]
fn what_is_not_measured_is_incomplete() {
    let place = place(0);
    let (gold, answers) = before();
    write(&place, &run(&gold, &format!("{}{}", "?".repeat(20), &answers[20..])));
    let done = gate(&place, &["--min-accuracy", "0.1"]);
    assert_eq!(done.code, Some(3), "{}", done.stdout);
    assert!(
        done.stdout.contains("incomplete   coverage: 180 of 200 rows answered, at least 95.0 %"),
        "{}",
        done.stdout
    );
    // Asked for less, it is complete.
    assert_eq!(gate(&place, &["--min-coverage", "0.9"]).code, Some(0));
    let mut unpriced = losing(0);
    unpriced.manifest.models[0].usage = None;
    write(&place, &unpriced);
    assert_eq!(gate(&place, &["--max-cost", "1"]).code, Some(3));
    let mut cut = losing(0);
    cut.manifest.complete = false;
    write(&place, &cut);
    let done = gate(&place, &[]);
    assert!(done.code == Some(3) && done.stdout.contains("the run was cut short"), "{}", done.stdout);
}

#[test]
fn too_few_rows_are_inconclusive_and_say_how_many_would_do() {
    let place = place(2);
    let done = gate(&place, &["--test", "non-inferiority", "--margin", "0.02"]);
    assert_eq!(done.code, Some(4), "{}", done.stdout);
    assert!(done.stdout.contains("a loss of 2 points or more must be ruled out"), "{}", done.stdout);
    let rows: u64 = done.stdout.split("; about ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(rows > 200, "{}", done.stdout);
    let done = gate(&place, &["--min-accuracy", "0.87", "--judge-by", "lower_bound"]);
    assert!(done.code == Some(4) && done.stdout.contains("rows would decide"), "{}", done.stdout);
}

#[test]
fn what_can_not_be_judged_is_said_to_be_so() {
    let empty = Place::new();
    assert_eq!(gate(&empty, &[]).code, Some(2));
    write(&empty, &losing(0));
    let missing = gate(&empty, &[]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("there is no baseline `tunebench.baseline`"), "{}", missing.stderr);
    assert!(missing.stderr.contains("--update-baseline"), "{}", missing.stderr);
    assert_eq!(gate(&empty, &["--test", "off"]).code, Some(2));
    assert_eq!(gate(&empty, &["--test", "off", "--min-accuracy", "0.9"]).code, Some(0));

    let place = place(0);
    for (options, said) in [
        (&["--test", "non-inferiority"][..], "non-inferiority needs a margin"),
        (&["--min-accuracy", "90"], "min_accuracy is 90, not a share"),
        (&["--min-recall", "crad=0.5"], "`crad` is not a label"),
        (&["--model", "local/other"], "no model `local/other`; they have local/lexical"),
        (&["--alpha", "0"], "alpha is 0"),
        (&["--junit", "missing/gate.xml"], "can't be written"),
    ] {
        let done = gate(&place, options);
        assert!(done.code == Some(2) && done.stderr.contains(said), "{options:?}: {}", done.stderr);
    }
    write(&place, &run("abcabc", "abcabc"));
    let other = gate(&place, &[]);
    assert_eq!(other.code, Some(2));
    let said =
        "the baseline is of other data: 6 rows are the same, 194 only in the baseline, 0 only in the results";
    assert!(other.stderr.contains(said), "{}", other.stderr);
    place.write("tunebench.baseline", "tunebench-baseline 1\n<<<<<<< HEAD\n");
    let damaged = gate(&place, &[]);
    assert!(
        damaged.code == Some(2) && damaged.stderr.contains("`tunebench.baseline`, line 2"),
        "{}",
        damaged.stderr
    );
}

#[test]
fn the_configuration_sets_what_flags_do_not() {
    let place = place(0);
    let config = |gate: &str| {
        format!("[data]\ntest = \"test.csv\"\n\n[[model]]\nbase = \"local/lexical\"\n\n[gate]\n{gate}")
    };
    place.write("tunebench.toml", config("min_accuracy = 0.95\nmin_recall = { rate = 0.5 }\n"));
    assert_eq!(gate(&place, &[]).code, Some(1));
    assert_eq!(gate(&place, &["--min-accuracy", "0.9"]).code, Some(0));
    place.write("ci/tunebench.toml", config("baseline = \"../tunebench.baseline\"\ntest = \"regression\"\n"));
    assert_eq!(gate(&place, &["--config", "ci/tunebench.toml"]).code, Some(0));
    // A label that the data of the results lacks is shown where it stands, unless a flag goes before it.
    place.write("tunebench.toml", config("min_recall = { crad = 0.5 }\n"));
    let done = gate(&place, &[]);
    let start = "error: tunebench.toml, line 8: `crad` is not a label";
    assert!(done.code == Some(2) && done.stderr.starts_with(start), "{}", done.stderr);
    assert_eq!(gate(&place, &["--min-recall", "card=0.5"]).code, Some(0));
    place.write("tunebench.toml", config("min_acuracy = 0.95\n"));
    let done = gate(&place, &[]);
    assert!(done.code == Some(2) && done.stderr.contains("min_acuracy"), "{}", done.stderr);
}

#[test]
fn a_model_that_had_no_turn_before_the_run_was_cut_short_is_incomplete() {
    let place = place(0);
    let text = place.read("tunebench.baseline");
    // Two models of the baseline are gone, so that nobody can say which of them this one is.
    let second = text.split_once("\nmodel").unwrap().1.replace("local/lexical", "openai/b");
    place
        .write("tunebench.baseline", format!("{}\nmodel{second}", text.replace("local/lexical", "openai/a")));
    assert_eq!(gate(&place, &[]).code, Some(2));
    let mut cut = losing(0);
    cut.manifest.complete = false;
    write(&place, &cut);
    for options in [&[][..], &["--model", "openai/a"]] {
        let done = gate(&place, options);
        assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
        assert!(!done.stderr.contains("--update-baseline"), "{}", done.stderr);
    }
}

/// Answers that flip at random, as often to the better as to the worse, through the real command.
#[test]
fn noise_rarely_fails() {
    let place = place(0);
    let mut state = 42u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (gold, answers) = before();
    let runs = 40;
    let failed = (0..runs).filter(|_| {
        let mut noisy = answers.clone().into_bytes();
        // Each of 30 rows that are right or wrong by chance was right in the baseline with one half.
        for (row, byte) in noisy.iter_mut().enumerate().skip(5).take(30) {
            let right = gold.as_bytes()[row];
            *byte = if next(2) == 0 { right } else { b'a' + b'b' - right };
        }
        write(&place, &run(&gold, std::str::from_utf8(&noisy).unwrap()));
        let code = gate(&place, &["--quiet"]).code;
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
        code == Some(1)
    });
    // At the level of 0.025, five or more of 40 have a chance of 0.3 %.
    assert!(failed.count() <= 4);
}

#[test]
fn a_limit_that_missing_answers_could_turn_leaves_the_gate_incomplete() {
    let place = place(0);
    let (gold, answers) = before();
    write(&place, &run(&gold, &format!("{}????", &answers[..196])));
    // 176 of 196 answered rows are right, 89.8 %: of all 200 it may be 88 to 90 %.
    for (limit, code) in [("0.88", 0), ("0.89", 3), ("0.9", 3), ("0.91", 1)] {
        let done = gate(&place, &["--test", "off", "--min-accuracy", limit]);
        assert_eq!(done.code, Some(code), "{limit}: {}", done.stdout);
        let told = done.stdout.contains("the 4 missing answers could turn it");
        assert_eq!(told, code == 3, "{}", done.stdout);
    }
}

#[test]
fn a_verdict_that_missing_answers_could_turn_is_withheld() {
    let place = Place::new();
    let (gold, answers) = before();
    // The replacement wins eight rows, or was not asked about six that it may well lose.
    let better = format!("{}{}", &gold[..8], &answers[8..]);
    for (folder, answers) in
        [("old", answers.clone()), ("new", better.clone()), ("gaps", format!("{}??????", &better[..194]))]
    {
        write_to(&place, folder, &run(&gold, &answers));
    }
    let compare = |new: &str, options: &[&str]| {
        let mut args = vec!["compare", "old", new];
        args.extend(options);
        place.tunebench(&args)
    };
    let whole = compare("new", &[]);
    assert!(whole.stdout.contains("new is better than old"), "{}", whole.stdout);
    let gaps = compare("gaps", &[]);
    assert!(gaps.stdout.contains("Not proven"), "{}", gaps.stdout);
    let words = gaps.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("better by the answered rows, but withheld: the 6 missing answers could turn it"),
        "{words}"
    );
    assert_eq!(compare("new", &["--non-inferior", "0.02"]).code, Some(0));
    assert_eq!(compare("gaps", &["--non-inferior", "0.02"]).code, Some(3), "{}", gaps.stdout);
    let json: Value = serde_json::from_str(&compare("gaps", &["--json"]).stdout).unwrap();
    assert_eq!(
        (&json["verdict"], &json["withheld"], &json["missing"]),
        (&json!("not_proven"), &json!("better"), &json!(6))
    );
}
