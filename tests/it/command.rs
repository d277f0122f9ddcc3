//! Providers in other languages: the shipped Python helper and its examples, driven by the real binary.

use crate::support::{Outcome, Place, repository};

/// A trainable class of a few lines: a label's words are those of its rows.
const WORDS: &str = r#"
from tunebench import provider


class Words(provider.Classifier):
    name, description, batch_size = "words", "the label whose training texts share most words", 8

    def fit(self, texts, labels, *, weight=1.0, seed=1):
        self.words = {}
        for text, label in zip(texts, labels):
            self.words.setdefault(label, set()).update(text.lower().split())
        self.report(1, 1, weight)

    def predict_proba(self, texts, labels):
        print("this is no line of the protocol")
        for text in texts:
            shared = [1 + len(self.words.get(label, set()) & set(text.lower().split())) for label in labels]
            yield [count / sum(shared) for count in shared]


provider.serve(Words())
"#;

const MODELS: &str = "[providers.mine]\nkind = \"command\"\ncommand = [\"python3\", \"words.py\"]\n\
                      [[model]]\nbase = \"mine/words\"\ntune = { weight = 0.5 }\n";

fn project() -> Place {
    let place = Place::with_models(MODELS);
    place.write("words.py", WORDS);
    place
}

fn run(place: &Place, args: &[&str]) -> Outcome {
    place.outcome(place.command(args).env("PYTHONPATH", repository().join("python")))
}

#[test]
fn a_python_class_is_trained_and_compared_like_any_model() {
    let place = project();
    let ran = run(&place, &["run", "--no-doctor", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let tuned = place.csv("results/summary.csv").into_iter().find(|row| row["tuned_from"] == "mine/words");
    let tuned = tuned.expect("the tuned model is in the table");
    assert!(tuned["accuracy"].parse::<f64>().unwrap() >= 0.5, "{tuned:?}");
    assert!(ran.stderr.contains("step 1 of 1: loss 0.5000"), "{}", ran.stderr);
    // Answers are kept, and the model too: nothing is asked twice, even without the program.
    place.write("words.py", "raise SystemExit(\"not here\")");
    let again = run(&place, &["report"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
}

#[test]
fn the_contract_is_checked_from_the_command_line() {
    let place = project();
    let kept = run(&place, &["providers", "check", "mine"]);
    assert_eq!(kept.code, Some(0), "{}{}", kept.stdout, kept.stderr);
    assert!(kept.stdout.contains("kept         the tuned model is known and answers"), "{}", kept.stdout);
    // A program has neither.
    let mut missing = kept.stdout.lines().filter_map(|line| line.strip_prefix("not offered"));
    assert!(missing.all(|what| ["batches", "deployments"].contains(&what.trim())), "{}", kept.stdout);
    place.write("words.py", WORDS.replace("count / sum(shared)", "2.0"));
    let broken = run(&place, &["providers", "check", "mine"]);
    assert_eq!(broken.code, Some(1), "{}{}", broken.stdout, broken.stderr);
    assert!(broken.stdout.contains("BROKEN"), "{}", broken.stdout);
    let unknown = run(&place, &["providers", "check", "mime"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean `mine`?"), "{}", unknown.stderr);
}

#[test]
fn a_program_that_ends_at_once_ends_the_run_with_its_reason() {
    let place = project();
    place.write("words.py", "raise SystemExit(\"no module named torch\")");
    for args in [&["eval"][..], &["run", "--yes"]] {
        let ended = run(&place, args);
        assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("no module named torch"), "{}", ended.stderr);
    }
    let listed = run(&place, &["providers"]);
    assert!(listed.stdout.contains("does not work: the program ended"), "{}", listed.stdout);
}

#[test]
fn every_line_of_a_run_fits_the_published_schema() {
    let place = project();
    // A program between the two that keeps a copy of all that passes.
    place.write("tap.py", TAP);
    place.write(
        "tunebench.toml",
        place.read("tunebench.toml").replace("\"words.py\"]", "\"tap.py\", \"words.py\"]"),
    );
    let ran = run(&place, &["run", "--no-doctor", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let schema = std::fs::read_to_string(repository().join("docs/plugin-protocol.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let mut methods = std::collections::BTreeSet::new();
    for file in ["requests.jsonl", "answers.jsonl"] {
        for line in place.read(file).lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let error = schema.iter_errors(&line).next().map(|error| error.to_string());
            assert_eq!(error, None, "{line}");
            methods.extend(line["method"].as_str().map(str::to_owned));
        }
    }
    for method in
        ["hello", "abilities", "model_info", "complete_batch", "find_job", "create_job", "job", "events"]
    {
        assert!(methods.contains(method), "{method} was never called: {methods:?}");
    }
    let wrong = serde_json::json!({ "id": 1, "error": { "message": "x", "cause": "bad luck" } });
    assert!(!schema.is_valid(&wrong));
}

const TAP: &str = r#"
import subprocess, sys, threading

child = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def pass_on(source, target, name):
    with open(name, "ab") as copy:
        for line in source:
            copy.write(line)
            copy.flush()
            target.write(line)
            target.flush()
    target.close()


back = threading.Thread(target=pass_on, args=(child.stdout, sys.stdout.buffer, "answers.jsonl"))
back.start()
pass_on(sys.stdin.buffer, child.stdin, "requests.jsonl")
back.join()
"#;
