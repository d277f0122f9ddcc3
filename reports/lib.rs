//! Metrics, statistics and reports of classification results.
//!
//! Records in, bytes and text out: no async, no network, no file access. What a model answered is a
//! [`Prediction`] for each row; [`Scores`] are computed from them once.

mod anytime;
mod beside;
mod beta;
mod calibration;
mod caveats;
mod changes;
mod clustered;
mod clusters;
mod codes;
mod compare;
mod confusion;
mod contrast;
mod details;
mod differences;
mod disagreements;
mod doubted;
#[cfg(test)]
mod figure_vectors;
mod figures;
pub mod foreign;
mod holm;
mod intervals;
mod jackknife;
mod join;
mod label_counts;
mod latency;
mod losses;
mod manifest;
mod mcnemar;
mod metric;
mod metrics;
mod missing;
mod model;
#[cfg(test)]
mod model_vectors;
mod over_labels;
mod pairs;
mod posterior;
mod power;
mod predictions;
#[cfg(test)]
mod random;
mod record;
pub mod render;
mod repeats;
mod report;
mod scenarios;
#[cfg(test)]
mod schemas;
mod seeds;
#[cfg(test)]
mod simulated_levels;
mod slices;
mod slug;
mod student;
mod studentised;
mod tango;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;
mod words;

pub use anytime::Bets;
pub use beside::{Beside, BesideError, beside, earlier_name};
pub use calibration::{CALIBRATION_BINS, Calibration, CalibrationBin, HeldOut, RiskPoint, ThresholdPoint};
pub use caveats::Caveat;
pub use changes::{Change, Changes};
pub use clustered::Clustered;
pub use clusters::{Clustering, Clusters};
pub use compare::{ALPHA, Comparison, IfRead, MAX_UNREADABLE, NonInferiority, PairedMetric, Rules, Verdict};
pub use confusion::{Confusion, Counts, DEFAULT_MIN_COVERAGE};
pub use contrast::Contrast;
pub use details::{KEPT_CHARS, RowDetails, bounded};
pub use differences::Differences;
pub use disagreements::{Disagreement, DisagreementKind, Disagreements};
pub use doubted::WithoutDoubted;
pub use figures::Figures;
pub use holm::{holm, holm_levels};
pub use intervals::{CONFIDENCE, Interval, normal_quantile, wilson};
pub use join::{Cause, ComparisonSide, OtherGold, Overlap, join};
pub use label_counts::LabelCounts;
pub use latency::LatencyFigures;
pub use losses::LossPoint;
pub use manifest::{
    DataFile, MANIFEST_VERSION, Manifest, ManifestError, ModelRecord, PromptMessage, TokenUsage,
};
pub use mcnemar::{mcnemar_exact, mcnemar_mid_p};
pub use metric::{CostMatrix, Costs, Metric, MetricError, NamedLabel};
pub use metrics::{ClassScores, MACRO_DEFINITION, PrecisionRecallF1, Scores};
pub use missing::Supposed;
pub use model::{ModelFigures, ModelIntervals};
pub use pairs::{Paired, RowPair, pairs};
pub use posterior::Chances;
pub use power::{POWER, Power, fewest_clusters, rows_for_interval, rows_for_share, smallest_difference};
pub use predictions::Predictions;
pub use record::{Answer, Evaluation, InvalidKind, Outcome, Prediction, Probability, Run, UnansweredKind};
pub use repeats::Repeats;
pub use report::{PastRun, Report};
pub use scenarios::{Looks, Scenarios, is_unreadable_form};
pub use seeds::SeedSpread;
pub use slices::{SliceComparison, SliceFigures, SliceModel, SliceVerdict, Slices, Slicing, length_of};
pub use slug::slugs;
pub use studentised::Studentised;
pub use tango::{non_inferiority_p, tango, tango_score};
pub use tunebench_data::Latency;
