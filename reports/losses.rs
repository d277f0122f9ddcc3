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

impl LossPoint {
    /// Reads a CSV file with a column for each field, as runs leave them.
    pub fn read(csv: &[u8]) -> Result<Vec<Self>, csv::Error> {
        csv::Reader::from_reader(csv).deserialize().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_cell_is_what_was_not_measured() {
        let csv = b"step,train_loss,train_accuracy,valid_loss,valid_accuracy\n1,0.5,,,\n2,0.25,0.9,0.3,\n";
        let first = LossPoint { step: 1, train_loss: Some(0.5), ..LossPoint::default() };
        let read = LossPoint::read(csv).unwrap();
        assert_eq!((read[0], read[1].valid_loss), (first, Some(0.3)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_points_or_an_error(bytes: Vec<u8>) {
            let _ = LossPoint::read(&bytes);
            let rows = [b"step,train_loss,train_accuracy,valid_loss,valid_accuracy\n", bytes.as_slice()].concat();
            let _ = LossPoint::read(&rows);
        }
    }
}
