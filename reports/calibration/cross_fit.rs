//! What a threshold is worth on rows that did not choose it.
//!
//! Each fifth of the clusters is judged by the threshold that the other four choose (cross-fitting, Stone 1974), so that what is said of
//! a precision is not too good to be true.

use serde::Serialize;

use super::{Curve, Row};
use crate::{Interval, clustered};

/// How many parts choose for one another.
const FOLDS: u64 = 5;

/// What comes of thresholds on rows that had no part in choosing them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldOut {
    /// The accepted share of the rows.
    pub coverage: f64,
    /// The share of right answers among the accepted ones; none where none is accepted.
    pub precision: Option<f64>,
    /// Its 95 % interval, which allows for clusters.
    pub interval: Option<Interval>,
}

/// A row with the key that says in which part it is, the same for all rows of a cluster, and with its cluster.
pub(super) struct Keyed {
    pub(super) key: u64,
    pub(super) cluster: usize,
    pub(super) row: Row,
}

/// What thresholds for a precision come to; `rows` are in falling order of their probabilities.
pub(super) fn held_out(rows: &[Keyed], precision: f64) -> HeldOut {
    let mut accepted = Vec::new();
    for fold in 0..FOLDS {
        let others: Vec<Row> = rows.iter().filter(|row| row.key % FOLDS != fold).map(|row| row.row).collect();
        let Some(threshold) = Curve::of(&others).threshold(precision).threshold else { continue };
        let own = rows.iter().filter(|row| row.key % FOLDS == fold && row.row.probability() >= threshold);
        accepted.extend(own.map(|row| (row.cluster, row.row.1)));
    }
    let (count, right) = (accepted.len(), accepted.iter().filter(|(_, right)| *right).count());
    HeldOut {
        coverage: if rows.is_empty() { 0.0 } else { count as f64 / rows.len() as f64 },
        precision: (count > 0).then(|| right as f64 / count as f64),
        interval: clustered::share_interval(&accepted),
    }
}
