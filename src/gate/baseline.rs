//! The baseline: how models answered when someone last said that it is good enough, as a text file to commit.
//!
//! ```text
//! tunebench-baseline 1
//! tool "0.1.0"
//! date "2026-01-02T03:04:09Z"
//! data "9f86d081…"
//!
//! model "local/lexical"
//! prompt "60303ae2…"
//! answered_by ["lexical-1"]
//! accuracy 0.5
//! macro_f1 0.5
//! rows 2
//! 0240f459b8f105a7 correct "card"
//! 9934fe0f8bd78e67 invalid "refused"
//! ```
//!
//! A model that was tuned has a line `tuned_from "local/lexical"` below its name. Rows are sorted by their ids, which are made from text and gold label, so that a change of one answer is a change of one
//! line. Names are JSON strings: a label with a line break in it stays on its line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::de::DeserializeOwned;
use tunebench_data::ExampleId;
use tunebench_reports::{InvalidKind, Outcome, UnansweredKind};

/// The first line. Another version is another format.
const FIRST: &str = "tunebench-baseline 1";

/// A baseline.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Baseline {
    /// The version of the tool that wrote it.
    pub tool: String,
    /// When the run ended whose answers these are.
    pub date: String,
    /// The SHA-256 of the test file, for people: whether the data is the same is told by the rows.
    pub data: String,
    /// The models.
    pub models: Vec<Model>,
}

/// A model of a baseline.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    /// The model reference.
    pub model: String,
    /// The model that it was tuned from, if it was.
    pub tuned_from: Option<String>,
    /// The fingerprint of its prompt.
    pub prompt: Option<String>,
    /// The model versions that answered.
    pub answered_by: BTreeSet<String>,
    /// Its accuracy, for people; six digits suffice.
    pub accuracy: Option<f64>,
    /// Its macro-F1, likewise.
    pub macro_f1: Option<f64>,
    /// What became of each row.
    pub rows: BTreeMap<ExampleId, Row>,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// It was answered with its gold label.
    Correct(String),
    /// It was answered with another label.
    Incorrect(String),
    /// The answer named no label.
    Invalid(InvalidKind),
    /// There was no answer.
    Unanswered(UnansweredKind),
}

impl Row {
    fn words(&self) -> (Outcome, &str) {
        match self {
            Self::Correct(label) => (Outcome::Correct, label),
            Self::Incorrect(label) => (Outcome::Incorrect, label),
            Self::Invalid(kind) => (Outcome::Invalid, kind.name()),
            Self::Unanswered(kind) => (Outcome::Unanswered, kind.name()),
        }
    }

    fn from_words(outcome: Outcome, what: String) -> Option<Self> {
        Some(match outcome {
            Outcome::Correct => Self::Correct(what),
            Outcome::Incorrect => Self::Incorrect(what),
            Outcome::Invalid => Self::Invalid(InvalidKind::from_name(&what)?),
            Outcome::Unanswered => Self::Unanswered(UnansweredKind::from_name(&what)?),
        })
    }
}

/// What is wrong with a baseline, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct BaselineError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl Baseline {
    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{FIRST}\ntool {}\ndate {}\ndata {}\n",
            json(&self.tool),
            json(&self.date),
            json(&self.data)
        );
        for model in &self.models {
            let Model { model: name, tuned_from, prompt, answered_by, accuracy, macro_f1, rows } = model;
            text.push_str(&format!("\nmodel {}\n", json(name)));
            if let Some(base) = tuned_from {
                text.push_str(&format!("tuned_from {}\n", json(base)));
            }
            let head = [
                ("prompt", json(prompt)),
                ("answered_by", json(answered_by)),
                ("accuracy", json(accuracy)),
                ("macro_f1", json(macro_f1)),
                ("rows", json(&rows.len())),
            ];
            let head = head.map(|(name, value)| format!("{name} {value}\n")).concat();
            text.push_str(&head);
            for (id, row) in rows {
                let (outcome, what) = row.words();
                // Writing into a string does not fail.
                let _ = writeln!(text, "{id} {outcome} {}", json(&what));
            }
        }
        text
    }

    /// Reads the text, strictly: what was changed by hand or badly merged is found out.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BaselineError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            BaselineError { line, message: "this is not valid UTF-8".to_owned() }
        })?;
        Reader { lines: text.split_terminator('\n'), line: 0 }.baseline()
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Strings, numbers and lists of them; none of these can fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// The lines, and how far they were read.
struct Reader<'a> {
    lines: std::str::SplitTerminator<'a, char>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn baseline(mut self) -> Result<Baseline, BaselineError> {
        if self.next() != Some(FIRST) {
            return Err(self.error(format!("the first line must be `{FIRST}`")));
        }
        let (tool, date, data) = (self.field("tool")?, self.field("date")?, self.field("data")?);
        let mut baseline = Baseline { tool, date, data, models: Vec::new() };
        while let Some(line) = self.next() {
            if !line.is_empty() {
                return Err(
                    self.error("there are more rows than the model says, or no empty line before a model")
                );
            }
            let model = self.model()?;
            if baseline.models.iter().any(|other| other.model == model.model) {
                return Err(self.error(format!("the duplicate model `{}`", model.model)));
            }
            baseline.models.push(model);
        }
        if baseline.models.is_empty() {
            return Err(self.error("there is no model"));
        }
        Ok(baseline)
    }

    fn model(&mut self) -> Result<Model, BaselineError> {
        let mut model = Model {
            model: self.field("model")?,
            tuned_from: self.optional_field("tuned_from")?,
            prompt: self.field("prompt")?,
            answered_by: self.field("answered_by")?,
            accuracy: self.field("accuracy")?,
            macro_f1: self.field("macro_f1")?,
            rows: BTreeMap::new(),
        };
        // What the file says is no reason to take memory before the rows are there.
        let rows: u64 = self.field("rows")?;
        for _ in 0..rows {
            let (id, row) = self.row()?;
            if model.rows.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(self.error(format!("row {id} is duplicated or out of order")));
            }
            model.rows.insert(id, row);
        }
        Ok(model)
    }

    fn row(&mut self) -> Result<(ExampleId, Row), BaselineError> {
        let line = self.next().unwrap_or_default();
        let parse = || {
            let (id, rest) = line.split_once(' ')?;
            let (outcome, what) = rest.split_once(' ')?;
            let row = Row::from_words(Outcome::from_name(outcome)?, serde_json::from_str(what).ok()?)?;
            Some((id.parse().ok()?, row))
        };
        parse()
            .ok_or_else(|| self.error("expected a row: its id, what became of it, and the answer in quotes"))
    }

    fn field<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, BaselineError> {
        let line = self.next().unwrap_or_default();
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
        let value = value.and_then(|value| serde_json::from_str(value).ok());
        value.ok_or_else(|| self.error(format!("expected `{name}` and its value")))
    }

    fn optional_field<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, BaselineError> {
        let there = self.lines.clone().next().is_some_and(|line| line.starts_with(name));
        there.then(|| self.field(name)).transpose()
    }

    fn next(&mut self) -> Option<&'a str> {
        self.line += 1;
        self.lines.next()
    }

    fn error(&self, message: impl Into<String>) -> BaselineError {
        BaselineError { line: self.line, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_row() -> impl Strategy<Value = Row> {
        prop_oneof![
            any::<String>().prop_map(Row::Correct),
            any::<String>().prop_map(Row::Incorrect),
            prop::sample::select(InvalidKind::ALL).prop_map(Row::Invalid),
            prop::sample::select(UnansweredKind::ALL).prop_map(Row::Unanswered),
        ]
    }

    fn any_baseline() -> impl Strategy<Value = Baseline> {
        let rows = prop::collection::btree_map(any::<u64>().prop_map(ExampleId), any_row(), 0..8);
        let score = || prop::option::of((0..=1_000_000).prop_map(|share| f64::from(share) / 1e6));
        let parts = (
            any::<Option<String>>(),
            any::<Option<String>>(),
            any::<BTreeSet<String>>(),
            score(),
            score(),
            rows,
        );
        let models = prop::collection::btree_map(any::<String>(), parts, 1..4);
        (any::<[String; 3]>(), models).prop_map(|([tool, date, data], models)| {
            let models = models.into_iter().map(
                |(model, (tuned_from, prompt, answered_by, accuracy, macro_f1, rows))| Model {
                    model,
                    tuned_from,
                    prompt,
                    answered_by,
                    accuracy,
                    macro_f1,
                    rows,
                },
            );
            Baseline { tool, date, data, models: models.collect() }
        })
    }

    fn small() -> Baseline {
        let rows =
            [(ExampleId(1), Row::Correct("a\nb".into())), (ExampleId(2), Row::Invalid(InvalidKind::Refused))];
        let (accuracy, macro_f1) = (Some(0.5), None);
        let model = Model { model: "m".into(), accuracy, macro_f1, rows: rows.into(), ..Model::default() };
        Baseline { tool: "0.1.0".into(), date: "today".into(), data: "00".into(), models: vec![model] }
    }

    #[test]
    fn a_row_is_a_line() {
        let text = "tunebench-baseline 1\ntool \"0.1.0\"\ndate \"today\"\ndata \"00\"\n\nmodel \"m\"\nprompt null\n\
                    answered_by []\naccuracy 0.5\nmacro_f1 null\nrows 2\n0000000000000001 correct \"a\\nb\"\n\
                    0000000000000002 invalid \"refused\"\n";
        assert_eq!(small().to_text(), text);
    }

    #[test]
    fn damage_is_found_and_located() {
        let text = small().to_text();
        for (from, to, line) in [
            ("baseline 1", "baseline 2", 1),
            ("accuracy 0.5", "accuracy half", 9),
            ("rows 2", "rows 3", 14),
            ("rows 2", "rows 1", 13),
            ("0000000000000002", "0000000000000001", 13),
            ("0000000000000002", "<<<<<<< HEAD", 13),
            ("refused", "tired", 13),
            ("tool", "tolo", 2),
        ] {
            let damaged = text.replace(from, to);
            let error = Baseline::from_bytes(damaged.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{from}: {error}");
        }
        assert_eq!(Baseline::from_bytes(b"tunebench-baseline 1\n\xff").unwrap_err().line, 2);
        assert!(Baseline::from_bytes(b"").is_err());
    }

    #[test]
    fn a_figure_of_all_its_digits_is_read_back() {
        let model = Model { macro_f1: Some(0.495_620_984_023_374_84), ..Model::default() };
        let baseline = Baseline { models: vec![model], ..Baseline::default() };
        assert_eq!(Baseline::from_bytes(baseline.to_text().as_bytes()), Ok(baseline));
    }

    proptest! {
        #[test]
        fn reads_what_it_wrote(baseline in any_baseline()) {
            prop_assert_eq!(Baseline::from_bytes(baseline.to_text().as_bytes()), Ok(baseline));
        }

        #[test]
        fn hostile_bytes_never_panic(
            baseline in any_baseline(),
            at in any::<prop::sample::Index>(),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = Baseline::from_bytes(&bytes);
            let mut text = baseline.to_text().into_bytes();
            let at = at.index(text.len());
            text.splice(at..(at + bytes.len()).min(text.len()), bytes);
            let _ = Baseline::from_bytes(&text);
        }
    }
}
