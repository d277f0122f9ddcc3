//! The encoder as it is, with a classifier over its vectors, beside the n-gram classifier: what one misses the other often
//! knows. Their probabilities are added, each with the weight that it deserves by rows which neither has learned.

use std::ops::ControlFlow;

use tunebench_data::{LabelId, LabelSet};

use super::super::calibration::fit_all;
use super::super::classifier::{Classifier, Scratch, TrainError, classes};
use super::super::features;
use super::super::numeric::softmax;
use super::super::softmax::{Cancelled, EpochReport, Hyperparameters};
use super::super::trainer::{Ended, Step, Watcher, not_converged, told};
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
    /// What the probabilities of the classifier over vectors weigh, from 0 to 1; those of the other weigh the rest.
    pub(super) share: f32,
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
    ) -> Result<(Self, Vec<f32>), TrainError> {
        let width = vectors.len() / texts.len();
        let matrix = features::Matrix::dense(vectors, width);
        let (weights, judged) = fit_all(&matrix, texts, rows, classes.len(), hyperparameters, on_epoch)
            .map_err(|Cancelled| TrainError::Cancelled)?;
        let mut linear = Linear::zeros(width, classes.len());
        for column in 0..width {
            let weights = weights.column(column).iter().enumerate();
            weights.for_each(|(class, &weight)| linear.weight.row_mut(class)[column] = weight);
        }
        linear.bias.copy_from_slice(weights.column(width));
        Ok((Self { classes, linear }, judged))
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
        data: (&[&str], &[LabelId], &LabelSet),
        ngrams: &Hyperparameters,
        watcher: &mut dyn Watcher,
    ) -> Result<Self, Ended> {
        let vectors = embed(encoder, data.0, watcher)?;
        Self::learn(data, &vectors, ngrams, watcher)
    }

    /// Learns from texts with one label and one vector each.
    pub(super) fn learn(
        (texts, labels, set): (&[&str], &[LabelId], &LabelSet),
        vectors: &[f32],
        ngrams: &Hyperparameters,
        watcher: &mut dyn Watcher,
    ) -> Result<Self, Ended> {
        let (classes, rows) = classes(texts.len(), labels, set)?;
        let on_epoch = &mut |report| told(watcher, report);
        let options = Hyperparameters { l2: L2, ..*ngrams };
        let (head, by_vectors) = Head::train(texts, vectors, (classes, &rows), &options, on_epoch)?;
        let on_epoch = &mut |report: EpochReport| {
            if report.epoch == report.epochs && !report.converged {
                watcher.say(format!("n-grams: {}", not_converged(report.epochs)), None);
            }
            if watcher.stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let (ngrams, by_ngrams) = Classifier::train_judged(texts, labels, set, ngrams, on_epoch)?;
        let share = share(&by_vectors, &by_ngrams);
        watcher.say(format!("the vectors weigh {share:.2}, the n-grams {:.2}", 1.0 - share), None);
        Ok(Self { head, ngrams, share })
    }

    /// The probability of each label, for each text with its vector.
    pub(super) fn predict(&self, texts: &[&str], vectors: &Matrix) -> Vec<Vec<f32>> {
        let mut scratch = Scratch::default();
        let mut all = self.head.predict(vectors, self.ngrams.labels().len());
        for (probabilities, text) in all.iter_mut().zip(texts) {
            let others = self.ngrams.predict(text, &mut scratch);
            let pairs = probabilities.iter_mut().zip(others);
            pairs.for_each(|(p, other)| *p = self.share * *p + (1.0 - self.share) * other);
        }
        all
    }
}

/// The vectors of all texts, one after the other.
pub(super) fn embed(encoder: &Encoder, texts: &[&str], watcher: &mut dyn Watcher) -> Result<Vec<f32>, Ended> {
    let vectors = encoder.embed_watched(texts, &mut |done| {
        let step = Step::of(done as u64, texts.len() as u64);
        watcher.say(format!("{done} of {} texts went through the encoder", texts.len()), Some(step));
        if watcher.stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    vectors.ok_or(Ended::Cancelled)
}

/// The weight of the first with which the labels of rows that neither had learned are least surprising, in twentieths
/// (a linear opinion pool). Half, where no rows were judged.
fn share(first: &[f32], second: &[f32]) -> f32 {
    if first.is_empty() || first.len() != second.len() {
        return 0.5;
    }
    let surprise = |share: f32| -> f64 {
        let pairs = first.iter().zip(second);
        pairs.map(|(a, b)| -f64::from((share * a + (1.0 - share) * b).max(f32::MIN_POSITIVE)).ln()).sum()
    };
    let shares = (0..=20).map(|twentieth| twentieth as f32 / 20.0);
    shares.min_by(|&a, &b| surprise(a).total_cmp(&surprise(b))).unwrap_or(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_classifier_weighs_more() {
        assert_eq!(share(&[0.9, 0.8, 0.9], &[0.5, 0.4, 0.3]), 1.0);
        assert_eq!(share(&[0.5, 0.4, 0.3], &[0.9, 0.8, 0.9]), 0.0);
        assert_eq!(share(&[0.9, 0.1], &[0.1, 0.9]), 0.5);
        assert_eq!(share(&[], &[]), 0.5);
    }
}
