//! What a model's probabilities are worth: whether they are true, and what leaving its doubtful answers to others gains.

use serde::Serialize;

use crate::{Interval, Prediction};

/// How good the probabilities are that a model gives to its answers.
///
/// Providers give the probability of the answered label alone, so all figures are those of one event: "the answer is
/// right" (top-label calibration).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The rows that were answered with a label and a probability.
    pub rows: u64,
    /// The mean squared difference of probability and outcome, 0 (best) to 1.
    pub brier: f64,
    /// The mean negative natural logarithm of the probability of what happened, from 0 (best).
    pub log_loss: f64,
    /// The mean difference of confidence and accuracy over the bins, weighted by their rows, 0 (best) to 1.
    pub expected_calibration_error: f64,
    /// The bins of the reliability curve, from low to high; those without rows are left out.
    pub bins: Vec<CalibrationBin>,
    /// What share of the rows can be answered at which rate of error: most confident first, all rows last.
    pub risk_coverage: Vec<RiskPoint>,
    /// The area under the whole risk-coverage curve, 0 (best) to 1.
    pub area_under_risk_coverage: f64,
    /// For precisions that one may want: which answers to accept.
    pub thresholds: Vec<ThresholdPoint>,
}

/// The rows whose probability lies above `low` and up to `high`; the first bin holds 0 as well.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// The lower end, not included.
    pub low: f64,
    /// The upper end, included.
    pub high: f64,
    /// How many rows; at least one.
    pub rows: u64,
    /// Their mean probability.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
}

/// What comes of accepting the answers from a probability on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RiskPoint {
    /// The accepted share of the rows.
    pub coverage: f64,
    /// The wrong share of the accepted rows.
    pub risk: f64,
    /// The lowest accepted probability.
    pub threshold: f64,
}

/// The lowest probability from which on the answers have a wanted precision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ThresholdPoint {
    /// The wanted share of right answers among the accepted ones.
    pub precision: f64,
    /// The lowest accepted probability; none where no threshold gives this precision.
    pub threshold: Option<f64>,
    /// The accepted share of the rows; 0 without a threshold.
    pub coverage: f64,
    /// The Wilson interval of the precision that is reached, at the level of [`CONFIDENCE`](crate::CONFIDENCE).
    pub interval: Option<Interval>,
}

impl Calibration {
    /// None when fewer than 98 % of the answered rows carry a probability.
    pub(crate) fn of(_predictions: &[Prediction]) -> Option<Self> {
        None
    }
}
