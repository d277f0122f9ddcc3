//! The loss curve of a training.

use serde::{Deserialize, Serialize};

/// The losses at one training step. Accuracies are shares of tokens, or of rows where a model has no tokens: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LossPoint {
    /// Steps (or epochs) done.
    pub step: u64,
    /// Mean loss on the training data.
    pub train_loss: Option<f64>,
    /// Share of the training data that was predicted right.
    pub train_accuracy: Option<f64>,
    /// Mean loss on the validation data, at steps where it was measured.
    pub valid_loss: Option<f64>,
    /// Share of the validation data that was predicted right.
    pub valid_accuracy: Option<f64>,
}
