//! The readers against files that the tools really wrote, against small variations of them, and against rubbish.

use proptest::prelude::*;
use serde_json::{Value, json};
use tunebench_data::Source;

use super::*;
use crate::{Answer, Counts, Evaluation, Figures, InvalidKind, Outcome};

const PROMPTFOO: &str = include_str!("testdata/promptfoo.json");
const REPEATED: &str = include_str!("testdata/promptfoo_repeated.json");
const EXPECTED: &str = include_str!("testdata/promptfoo_expected.json");
const INSPECT: &str = include_str!("testdata/inspect.json");
const INSPECT_CHOICE: &str = include_str!("testdata/inspect_choice.json");
const CHOICES: &str = include_str!("testdata/lm_eval_choices.jsonl");
const FILTERS: &str = include_str!("testdata/lm_eval_filters.jsonl");
const INDEX: &str = include_str!("testdata/lm_eval_index.jsonl");

#[track_caller]
fn foreign(text: &str) -> Foreign {
    read(text.as_bytes(), "words").unwrap()
}

fn models(foreign: &Foreign) -> Vec<&str> {
    foreign.run.evaluations.iter().map(|evaluation| evaluation.model.as_str()).collect()
}

fn counts(foreign: &Foreign) -> Vec<Counts> {
    Figures::of(&foreign.run).models.iter().map(|model| model.counts()).collect()
}

fn outcomes(evaluation: &Evaluation) -> String {
    let letter = |outcome| match outcome {
        Outcome::Correct => 'c',
        Outcome::Incorrect => 'i',
        Outcome::Invalid => '!',
        Outcome::Unanswered => '?',
    };
    evaluation.predictions.iter().map(|row| letter(row.outcome())).collect()
}

/// Row 4 is answered `Request_Refund`: for promptfoo's `equals` that is wrong, for the others it is right.
#[test]
fn promptfoo_has_the_figures_that_promptfoo_reported() {
    let foreign = foreign(PROMPTFOO);
    assert_eq!((foreign.tool, models(&foreign)), (Tool::Promptfoo, vec!["keywords"]));
    assert_eq!(outcomes(&foreign.run.evaluations[0]), "cci!ccicci?i");
    let [stats, passes, failures, errors] = ["", "/successes", "/failures", "/errors"]
        .map(|name| value(PROMPTFOO).pointer(&format!("/results/stats{name}")).cloned().unwrap());
    assert_eq!((&passes, &failures, &errors), (&json!(6), &json!(5), &json!(1)), "{stats}");
    assert_eq!(counts(&foreign), [Counts { correct: 6, incorrect: 4, invalid: 1, unanswered: 1 }]);
    let manifest = &foreign.run.manifest;
    assert_eq!(manifest.tool_version, "promptfoo 0.121.20");
    assert!(manifest.started.starts_with("2026-"), "{}", manifest.started);
    let first = foreign.run.evaluations[0].predictions.row(0);
    assert_eq!(first.latency.map(|latency| latency.as_micros()), Some(462_000));
}

#[test]
fn promptfoo_lines_are_its_records() {
    let whole: serde_json::Value = serde_json::from_str(PROMPTFOO).unwrap();
    let records = whole["results"]["results"].as_array().unwrap();
    let lines: String = records.iter().rev().map(|record| format!("{record}\n")).collect();
    let (one, other) = (foreign(PROMPTFOO), foreign(&lines));
    assert_eq!((other.tool, models(&one), counts(&one)), (Tool::Promptfoo, models(&other), counts(&other)));
    assert_eq!(one.texts, other.texts);
}

#[test]
fn what_python_calls_nan_is_no_number() {
    let log = INSPECT;
    let at = log.find("\"metrics\"").unwrap();
    let nan = format!("{}\"spread\": [NaN, -Infinity], {}", &log[..at], &log[at..]);
    assert_eq!(foreign(&nan), foreign(log));
}

#[test]
fn promptfoo_columns_and_repeats_are_models_of_their_own() {
    let foreign = foreign(REPEATED);
    assert_eq!(
        models(&foreign),
        [
            "echo@prompt-1",
            "echo@prompt-2",
            "file://classify.py@prompt-1",
            "file://classify.py@prompt-2",
            "echo@prompt-1#2",
            "echo@prompt-2#2",
            "file://classify.py@prompt-1#2",
            "file://classify.py@prompt-2#2",
        ]
    );
    // The label's assertion judges, and not the one on latency, which nobody passed.
    for (evaluation, outcomes) in foreign.run.evaluations.iter().zip(["!c", "!c", "c!", "c!"].iter().cycle())
    {
        assert_eq!(self::outcomes(evaluation), *outcomes, "{}", evaluation.model);
    }
}

#[test]
fn promptfoo_labels_may_stand_in_the_test_file() {
    let foreign = foreign(EXPECTED);
    assert_eq!(outcomes(&foreign.run.evaluations[0]), "cc");
    assert_eq!(foreign.run.labels().names(), ["exchange_rate", "refund_not_showing_up"]);
}

#[test]
fn inspect_has_the_figures_that_inspect_reported() {
    let foreign = foreign(INSPECT);
    assert_eq!((foreign.tool, models(&foreign)), (Tool::Inspect, vec!["words/keywords"]));
    assert_eq!(outcomes(&foreign.run.evaluations[0]), "ccicccicci?i");
    let mean = value(INSPECT).pointer("/results/scores/0/metrics/mean/value").and_then(Value::as_f64);
    let counts = &counts(&foreign)[0];
    assert_eq!(Some(counts.correct as f64 / counts.answered() as f64), mean);
    assert_eq!(foreign.run.manifest.tool_version, "inspect_ai 0.3.285");
    assert!(foreign.run.manifest.complete);
}

#[test]
fn an_answer_of_inspect_that_nobody_has_as_target_is_a_label_all_the_same() {
    let with = |answer: &str, stopped: &str| {
        let mut log = value(INSPECT);
        let sample = &mut log["samples"][2];
        sample["scores"]["exact"]["answer"] = json!(answer);
        sample["output"]["completion"] = json!(answer);
        sample["output"]["choices"][0]["stop_reason"] = json!(stopped);
        let foreign = read(log.to_string().as_bytes(), "m").unwrap();
        let evaluation = &foreign.run.evaluations[0];
        match evaluation.predictions.row(2).answer {
            Answer::Label(label) => foreign.run.labels().name(label).to_owned(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(with("lost_card", "stop"), "lost_card");
    assert_eq!(with("Transfer_Timing", "stop"), "transfer_timing");
    assert_eq!(with("I can't tell", "stop"), "Invalid(NoLabel)");
    assert_eq!(with("lost", "max_tokens"), "Invalid(Truncated)");
    assert_eq!(with("", "stop"), "Invalid(Empty)");
}

#[test]
fn letters_of_inspect_are_choices_and_epochs_are_repeats() {
    let foreign = foreign(INSPECT_CHOICE);
    assert_eq!(models(&foreign), ["words/keywords", "words/keywords#2"]);
    // All choices are labels, though four rows have only four.
    assert!(foreign.run.labels().len() > 4, "{}", foreign.run.labels());
    for evaluation in &foreign.run.evaluations {
        assert_eq!(outcomes(evaluation), "cci!");
        assert_eq!(answer(&foreign, evaluation, 2), "transfer_timing");
        assert_eq!(evaluation.predictions.row(3).answer, Answer::Invalid(InvalidKind::NoLabel));
    }
    let accuracy = value(INSPECT_CHOICE).pointer("/results/scores/0/metrics/accuracy/value").cloned();
    assert_eq!(accuracy, Some(json!(0.5)));
}

#[test]
fn lm_eval_has_the_figures_that_lm_eval_reported() {
    let choices = foreign(CHOICES);
    assert_eq!((choices.tool, models(&choices)), (Tool::LmEval, vec!["words"]));
    assert_eq!(outcomes(&choices.run.evaluations[0]), "cciicciccici");
    // Its table says: acc 0.5833 of both tasks.
    assert_eq!(counts(&choices)[0].correct, 7);
    assert_eq!(answer(&choices, &choices.run.evaluations[0], 2), "transfer_timing");

    let filters = foreign(FILTERS);
    assert_eq!(models(&filters), ["words@first", "words@lower"]);
    for evaluation in &filters.run.evaluations {
        assert_eq!(outcomes(evaluation), "ccicccicci!i");
    }
    let index = foreign(INDEX);
    assert_eq!(outcomes(&index.run.evaluations[0]), "cc");
    assert_eq!(index.run.labels().names(), ["exchange_rate", "request_refund"]);
}

#[test]
fn rows_have_the_ids_of_our_own_data() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/samples/banking10/test.tsv");
    let ours = Source::new(path).load(None).unwrap();
    for text in [PROMPTFOO, INSPECT, INSPECT_CHOICE, CHOICES, FILTERS] {
        let foreign = foreign(text);
        for row in foreign.run.evaluations.iter().flat_map(|evaluation| &evaluation.predictions) {
            let example = ours.examples.iter().find(|example| example.id == row.id).expect("a row of ours");
            assert_eq!(foreign.texts[&row.id], example.text);
            assert_eq!(foreign.run.labels().name(row.gold), ours.labels.name(example.label));
        }
    }
}

#[test]
fn the_same_text_twice_is_two_rows() {
    let twice = format!("{CHOICES}\n{}", CHOICES.lines().next().unwrap());
    let run = foreign(&twice).run;
    let ids: Vec<_> = run.evaluations[0].predictions.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), 13);
    let text = "How long do i have to wait for a transfer to reach my account?";
    assert_eq!(ids[12], ExampleId::of(text, "transfer_timing", 1));
}

#[test]
fn without_a_text_the_tools_own_id_names_the_row() {
    let bare = CHOICES.replace("\"text\":", "\"premise\": \"p\", \"hypothesis\":");
    let foreign = foreign(&bare);
    assert!(foreign.texts.is_empty());
    assert_eq!(foreign.run.evaluations[0].predictions.id(1), ExampleId::of("lm-eval doc 1", "", 0));
    let twice = format!("{bare}\n{}", bare.lines().next().unwrap());
    let error = read(twice.as_bytes(), "words").unwrap_err().to_string();
    assert_eq!(
        error,
        "lm-eval's results cannot be read: lm-eval doc 0: duplicate for the model `words`, without a text"
    );
}

#[test]
fn what_cannot_be_read_says_where_and_why() {
    for (text, said) in [
        (
            edited(
                PROMPTFOO,
                "/results/results/3/testCase/assert",
                json!([{ "type": "llm-rubric", "value": "x" }]),
            ),
            "these results of promptfoo are not of a classification with one label for each text: \
             `results.results[3]`: no assertion names the label; it takes one of `equals`, `icontains`, `contains`, \
             `starts-with`, and there is `llm-rubric`",
        ),
        (
            edited(
                PROMPTFOO,
                "/results/results/0/testCase/assert",
                json!([{ "type": "contains", "value": "a" }, { "type": "contains", "value": "b" }]),
            ),
            "these results of promptfoo are not of a classification with one label for each text: \
             `results.results[0]`: 2 assertions each name a label",
        ),
        (
            edited(PROMPTFOO, "/results/results/10/testCase/assert/0/value", json!("{{ label | upper }}")),
            "promptfoo's results cannot be read: `results.results[10]`: the record was not judged, and its label \
             `{{ label | upper }}` is a template that only promptfoo can fill",
        ),
        (
            edited(PROMPTFOO, "/results/results/2/gradingResult", Value::Null),
            "promptfoo's results cannot be read: `results.results[2]`: there is an output, but no judgement of the \
             assertion `equals`",
        ),
        (
            edited(PROMPTFOO, "/results/results/2/promptIdx", json!(7)),
            "promptfoo's results cannot be read: `results.results[2]`: there is no prompt 7",
        ),
        (
            edited(INSPECT, "/samples", Value::Null),
            "inspect_ai's results cannot be read: `samples`: there are none; the log must be written with its samples",
        ),
        (
            edited(INSPECT, "/results/headline/score", json!("model_graded_qa")),
            "these results of inspect_ai are not of a classification with one label for each text: the scorer \
             `model_graded_qa` judges free text",
        ),
        (
            edited(INSPECT, "/samples/1/target", json!(["a", "b"])),
            "these results of inspect_ai are not of a classification with one label for each text: `samples[1]`: it \
             has 2 targets",
        ),
        (
            edited(INSPECT, "/samples/4/scores/exact/value", json!(0.5)),
            "these results of inspect_ai are not of a classification with one label for each text: `samples[4]`: it \
             is scored 0.5, which is neither right nor wrong",
        ),
        (
            edited(INSPECT, "/samples/0/target", json!("First line.\nSecond line.")),
            "these results of inspect_ai are not of a classification with one label for each text: `samples[0]`: the \
             gold answer `First line.\\nSecond line.…` is free text, not a label",
        ),
        (
            edited(INSPECT_CHOICE, "/samples/2/choices/0", json!("Paris")),
            "these results of inspect_ai are not of a classification with one label for each text: `samples[2]` has \
             other choices than the first: questions, not labels",
        ),
        (
            edited(INSPECT_CHOICE, "/samples/2/target", json!("Z")),
            "these results of inspect_ai are not of a classification with one label for each text: `samples[2]`: its \
             target `Z` is not the letter of a choice",
        ),
        (
            FILTERS.replacen("\"exact_match\": 1.0", "\"bleu\": 0.3", 1),
            "these results of lm-eval are not of a classification with one label for each text: line 1: it has no \
             `exact_match`",
        ),
        (
            CHOICES.replacen(" card_arrival", " Paris", 1),
            "these results of lm-eval are not of a classification with one label for each text: line 2: it has other \
             choices than the rows before: questions, not labels",
        ),
        (
            INDEX.replacen("\"target\": \"0\"", "\"target\": \"2\"", 1),
            "lm-eval's results cannot be read: line 1: the target `2` is none of the choices",
        ),
        (
            format!("{INDEX}{{\"doc_id\": 2"),
            "lm-eval's results cannot be read: line 3: EOF while parsing an object at line 1 column 12",
        ),
    ] {
        assert_eq!(read(text.as_bytes(), "words").unwrap_err().to_string(), said);
    }
}

#[test]
fn other_files_are_not_taken_for_results() {
    for (text, hint) in [
        ("", None),
        ("id,label,prediction\n", None),
        ("[1, 2]", None),
        ("{\"results\": {}, \"configs\": {}}", Some("samples_*.jsonl")),
        ("PK\u{3}\u{4}", Some("inspect log convert")),
    ] {
        let error = read(text.as_bytes(), "x").unwrap_err();
        assert!(matches!(error, ForeignError::Unknown { .. }), "{text}: {error}");
        let told = error.hint().is_some_and(|told| hint.is_some_and(|hint| told.contains(hint)));
        assert_eq!(told, hint.is_some(), "{text}");
    }
    assert!(read(format!("\u{feff}{PROMPTFOO}").as_bytes(), "x").is_ok());
}

#[test]
fn many_gold_answers_are_free_text() {
    let line = FILTERS.lines().next().unwrap();
    let text: String =
        (0..120).map(|n| line.replace("transfer_timing", &format!("answer {n}")) + "\n").collect();
    let error = read(text.as_bytes(), "words").unwrap_err().to_string();
    assert!(error.ends_with("120 rows have 120 different gold answers"), "{error}");
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The file with one value changed.
#[track_caller]
fn edited(text: &str, pointer: &str, new: Value) -> String {
    let mut whole = value(text);
    *whole.pointer_mut(pointer).expect("the place is there") = new;
    whole.to_string()
}

fn answer<'a>(foreign: &'a Foreign, evaluation: &Evaluation, row: usize) -> &'a str {
    foreign.run.labels().name(evaluation.predictions.row(row).answer.label().unwrap())
}

/// Whatever is read can be reported on.
fn is_sound(bytes: &[u8]) {
    if let Ok(foreign) = read(bytes, "m") {
        let _ = Figures::of(&foreign.run);
    }
}

fn any_file() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![PROMPTFOO, EXPECTED, INSPECT_CHOICE, CHOICES, FILTERS, INDEX])
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2i64..30).prop_map(Value::from),
        "\\PC{0,8}|A|C|I|\\{\\{label\\}\\}|equals".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// All places in a value, as pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| places(item, &format!("{at}/{i}"), found))
        }
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            places(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
        }),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_bytes_are_an_error_and_no_crash(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in "\\{\"(doc_id|results|eval)\":[0-9\\[\\]{}\",:a-z]{0,60}",
    ) {
        is_sound(&bytes);
        is_sound(text.as_bytes());
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(file in any_file(), at in any::<prop::sample::Index>(), byte: u8, cut: bool) {
        let mut bytes = file.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        is_sound(&bytes);
    }

    #[test]
    fn any_value_in_any_place_is_read_or_refused(
        file in any_file(), at in any::<prop::sample::Index>(), new in any_json(),
    ) {
        // Of JSON lines, the first line is changed.
        let (first, rest) = match serde_json::from_str::<Value>(file) {
            Ok(whole) => (whole, ""),
            Err(_) => {
                let (line, rest) = file.split_once('\n').unwrap();
                (value(line), rest)
            }
        };
        let (mut changed, mut found) = (first, Vec::new());
        places(&changed, "", &mut found);
        let place = &found[at.index(found.len())];
        *changed.pointer_mut(place).unwrap() = new;
        is_sound(format!("{changed}\n{rest}").as_bytes());
    }
}
