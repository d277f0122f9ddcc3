//! Metrics, statistics and reports of classification results.
//!
//! Records in, bytes and text out: no async, no network, no file access. What a model answered is a
//! [`Prediction`] for each row; [`Scores`] are computed from them once.

mod confusion;
mod intervals;
mod manifest;
mod mcnemar;
mod metrics;
mod record;
mod slug;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;

pub use confusion::{Confusion, Counts};
pub use intervals::{CONFIDENCE, Interval, normal_quantile, wilson};
pub use manifest::{DataFile, MANIFEST_VERSION, Manifest, ManifestError, ModelRecord};
pub use mcnemar::mcnemar_exact;
pub use metrics::{ClassScores, MACRO_DEFINITION, Scores, Triple};
pub use record::{
    Answer, Evaluation, InvalidKind, Latency, Outcome, Prediction, Probability, Run, UnansweredKind,
};
pub use slug::slugs;
