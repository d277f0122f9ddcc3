//! What a threshold is worth on rows that did not choose it.
//!
//! Each fifth of the clusters is judged by the threshold that the other four choose (cross-fitting, Stone 1974), so that what is said of
//! a precision is not too good to be true.

use serde::Serialize;

use super::{Curve, KeyedRows, Row};
use crate::Interval;
use crate::clustered::ClusteredShare;
use crate::confusion::ratio;

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

/// What thresholds for each of some precisions come to.
pub(super) fn held_out<const N: usize>(rows: &KeyedRows, precisions: [f64; N]) -> [HeldOut; N] {
    let mut thresholds = [[None; FOLDS as usize]; N];
    for fold in 0..FOLDS {
        let others = rows.places().filter(|place| rows.key(*place) % FOLDS != fold);
        let mut others: Vec<Row> = others.map(|place| rows.row(place)).collect();
        others.sort_unstable();
        for (precision, of) in precisions.iter().zip(&mut thresholds) {
            of[fold as usize] = Curve(&others).lowest(*precision).map(|step| step.threshold);
        }
    }
    thresholds.map(|of| {
        let chosen = |place| of[(rows.key(place) % FOLDS) as usize];
        let own = rows.places().map(|place| (place, rows.row(place)));
        let accepted =
            own.filter(|(place, row)| chosen(*place).is_some_and(|least| row.threshold() >= least));
        let share = ClusteredShare::of(
            rows.clusters(),
            accepted.map(|(place, row)| (rows.cluster(place), row.is_right())),
        );
        HeldOut {
            coverage: ratio(share.rows(), rows.places().count() as u64).unwrap_or(0.0),
            precision: share.value(),
            interval: share.interval(),
        }
    })
}
