//! Accuracy where rows belong together: rows of one group tend to come out alike, so they tell less than as many rows
//! of their own.

use serde::Serialize;

use crate::{Evaluation, Interval};

/// What the groups of the rows do to the accuracy of a model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Clustered {
    /// The groups with an answered row; a row that is in no group is one by itself.
    pub groups: u64,
    /// The interval of the accuracy, at the level of [`CONFIDENCE`](crate::CONFIDENCE), that allows for the groups.
    pub accuracy: Interval,
    /// How many times the variance of the accuracy is what it would be if each row stood by itself (Kish 1965).
    pub design_effect: f64,
}

impl Clustered {
    /// None without groups.
    pub(crate) fn of(_evaluation: &Evaluation) -> Option<Self> {
        None
    }
}
