//! One model asked several times: how steady its answers are.

use serde::Serialize;

use crate::Run;

/// How the repeats of one model agree, over the rows that all of them answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repeats {
    /// The model, by the name of its first repeat.
    pub model: String,
    /// How often it was asked; at least 2.
    pub repeats: u32,
    /// The rows that were answered in all repeats.
    pub rows: u64,
    /// The share of the rows with the same answer in all repeats. Invalid answers are the same answer.
    pub agreement: f64,
    /// The share of the pairs of repeats, over all rows, with the same answer: the observed agreement of Fleiss (1971).
    pub pairwise_agreement: f64,
    /// The mean of the repeats' accuracies.
    pub accuracy_mean: f64,
    /// The standard deviation of the repeats' accuracies, with one less than the repeats as its divisor.
    pub accuracy_sd: f64,
    /// Rows that are right in some repeats and not in others.
    pub flipping_rows: u64,
}

/// One for each model that was asked more than once.
pub(crate) fn of(_run: &Run) -> Vec<Repeats> {
    Vec::new()
}
