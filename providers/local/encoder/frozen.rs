//! The encoder as it is, with a classifier over its vectors, beside the n-gram classifier: what one misses the other often
//! knows, so that the mean of both probabilities is better than either.

use std::ops::ControlFlow;

use tunebench_data::{LabelId, LabelSet};

use super::super::calibration::fit_all;
use super::super::classifier::{Classifier, Scratch, TrainError, classes};
use super::super::features;
use super::super::numeric::softmax;
use super::super::softmax::{Cancelled, EpochReport, Hyperparameters};
use super::super::trainer::{Ended, Watcher, not_converged, told};
use super::linear::Linear;
use super::matrix::Matrix;
use super::text_encoder::Encoder;

/// Weight of the penalty on the classifier over vectors, as [`Hyperparameters::l2`].
const L2: f32 = 0.1;

/// Both classifiers.
#[derive(Debug, PartialEq)]
pub(super) struct Frozen {
    pub(super) head: Head,
    pub(super) ngrams: Classifier,
}

/// A linear classifier over vectors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    /// The labels that had training rows, ascending.
    pub(super) classes: Vec<LabelId>,
    /// *classes* × *width*.
    pub(super) linear: Linear,
}

impl Head {
    /// Learns from the vectors of texts with one class each.
    pub(super) fn train(
        texts: &[&str],
        vectors: &[f32],
        (classes, rows): (Vec<LabelId>, &[u32]),
        hyperparameters: &Hyperparameters,
        on_epoch: &mut dyn FnMut(EpochReport) -> ControlFlow<()>,
    ) -> Result<Self, TrainError> {
        let width = vectors.len() / texts.len();
        let matrix = features::Matrix::dense(vectors, width);
        let weights = fit_all(&matrix, texts, rows, classes.len(), hyperparameters, on_epoch)
            .map_err(|Cancelled| TrainError::Cancelled)?;
        let mut linear = Linear::zeros(width, classes.len());
        for column in 0..width {
            let weights = weights.column(column).iter().enumerate();
            weights.for_each(|(class, &weight)| linear.weight.row_mut(class)[column] = weight);
        }
        linear.bias.copy_from_slice(weights.column(width));
        Ok(Self { classes, linear })
    }

    /// The probability of each label of a set of so many, for each vector.
    pub(super) fn predict(&self, vectors: &Matrix, labels: usize) -> Vec<Vec<f32>> {
        let mut scores = Matrix::default();
        self.linear.forward(vectors, &mut scores);
        let spread = |scores: &mut [f32]| {
            softmax(scores);
            let mut probabilities = vec![0.0; labels];
            self.classes.iter().zip(scores).for_each(|(class, p)| probabilities[class.index()] = *p);
            probabilities
        };
        scores.values.chunks_exact_mut(self.classes.len()).map(spread).collect()
    }
}

impl Frozen {
    /// Learns from texts with one label each.
    pub(super) fn train(
        encoder: &Encoder,
        (texts, labels, set): (&[&str], &[LabelId], &LabelSet),
        ngrams: &Hyperparameters,
        watcher: &mut dyn Watcher,
    ) -> Result<Self, Ended> {
        let (classes, rows) = classes(texts.len(), labels, set)?;
        let vectors = encoder.embed_watched(texts, &mut |done| {
            watcher.say(format!("{done} of {} texts went through the encoder", texts.len()), None);
            if watcher.stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let vectors = vectors.ok_or(Ended::Cancelled)?;
        let on_epoch = &mut |report| told(watcher, report);
        let options = Hyperparameters { l2: L2, ..*ngrams };
        let head = Head::train(texts, &vectors, (classes, &rows), &options, on_epoch)?;
        drop(vectors);
        let on_epoch = &mut |report: EpochReport| {
            if report.epoch == report.epochs && !report.converged {
                watcher.say(format!("n-grams: {}", not_converged(report.epochs)), None);
            }
            if watcher.stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let ngrams = Classifier::train(texts, labels, set, ngrams, on_epoch)?;
        Ok(Self { head, ngrams })
    }

    /// The probability of each label, for each text with its vector.
    pub(super) fn predict(&self, texts: &[&str], vectors: &Matrix) -> Vec<Vec<f32>> {
        let mut scratch = Scratch::default();
        let mut all = self.head.predict(vectors, self.ngrams.labels().len());
        for (probabilities, text) in all.iter_mut().zip(texts) {
            let others = self.ngrams.predict(text, &mut scratch);
            probabilities.iter_mut().zip(others).for_each(|(p, other)| *p = 0.5 * (*p + other));
        }
        all
    }
}
