//! One comparison by itself, with the rows that changed. For people it is in [`terminal`](super::terminal).

use std::collections::BTreeMap;

use serde::Serialize;
use tunebench_data::{ExampleId, LabelSet};

use super::json::{DoubtText, Pair, doubts, pair};
use crate::{Answer, Change, Changes, Comparison, Report};

/// The version of the form of a [`Compared`]. Fields may be added within a version; none changes its meaning.
pub const COMPARED_VERSION: u32 = 1;

/// What is said of two models.
#[derive(Debug, Clone, Copy)]
pub struct ComparedModels<'a> {
    /// A run of just the two, as [`join`](crate::join) makes it.
    pub report: &'a Report<'a>,
    /// The rows to list.
    pub changes: &'a Changes,
    /// Texts of these rows, where they are at hand.
    pub texts: &'a BTreeMap<ExampleId, String>,
    /// How many rows of either were left out because the other does not have them.
    pub not_common: [u64; 2],
}

impl ComparedModels<'_> {
    pub(super) fn comparison(&self) -> Option<&Comparison> {
        self.report.figures.comparisons.first()
    }

    pub(super) fn labels(&self) -> &LabelSet {
        self.report.run.labels()
    }
}

/// A comparison for programs. What is undefined, or withheld for lack of coverage, is `null`.
#[derive(Debug, Serialize)]
pub struct Compared<'a> {
    /// Always [`COMPARED_VERSION`].
    pub format_version: u32,
    /// The figures.
    #[serde(flatten)]
    pub pair: Option<Pair<'a>>,
    /// Rows that only the base has, and that only the tuned model has: left out.
    pub not_common: [u64; 2],
    /// Rows that only the base gets right, as many as were asked for.
    pub worse: Vec<ChangedRow<'a>>,
    /// Rows that only the tuned model gets right, as many as were asked for.
    pub better: Vec<ChangedRow<'a>>,
    /// What to know before believing the figures.
    pub doubts: Vec<DoubtText>,
}

/// A row that one of the models gets right.
#[derive(Debug, Serialize)]
pub struct ChangedRow<'a> {
    /// The row.
    pub id: ExampleId,
    /// Its text, where it is at hand.
    pub text: Option<&'a str>,
    /// The gold label, which one of the models answered.
    pub label: &'a str,
    /// The label that the other answered; none where its answer is invalid.
    pub wrong: Option<&'a str>,
    /// Why that answer is invalid.
    pub invalid: Option<&'static str>,
}

/// The comparison as one JSON value, indented.
pub fn json(told: &ComparedModels) -> String {
    let rows = |changes: &[Change]| -> Vec<ChangedRow> {
        let row = |change: &Change| ChangedRow {
            id: change.id,
            text: told.texts.get(&change.id).map(String::as_str),
            label: told.labels().name(change.gold),
            wrong: change.wrong.label().map(|label| told.labels().name(label)),
            invalid: match change.wrong {
                Answer::Invalid(kind) => Some(kind.name()),
                Answer::Label(_) | Answer::Unanswered(_) => None,
            },
        };
        changes.iter().map(row).collect()
    };
    let compared = Compared {
        format_version: COMPARED_VERSION,
        pair: told.comparison().map(pair),
        not_common: told.not_common,
        worse: rows(&told.changes.worse),
        better: rows(&told.changes.better),
        doubts: doubts(told.report),
    };
    // Only a map with keys that are no strings or a failing writer could make this fail; there are none.
    serde_json::to_string_pretty(&compared).unwrap_or_default()
}
