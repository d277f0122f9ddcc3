//! The scores of a model from bare counts of its labels, quick enough to be computed ten thousand times.
//!
//! The definitions are those of [`Scores`](crate::Scores), and a test holds both together.

use tunebench_data::LabelId;

/// The counts of one model's rows: what all its scores follow from. Each slice has one count for each label.
#[derive(Debug, Clone, Copy)]
pub struct LabelCounts<'a> {
    /// Rows with this gold label.
    pub support: &'a [u32],
    /// Rows that were answered with this label.
    pub predicted: &'a [u32],
    /// Rows with this gold label that were answered with it.
    pub true_positives: &'a [u32],
    /// Rows with an invalid answer.
    pub invalid: u32,
}

impl LabelCounts<'_> {
    /// See [`Scores::accuracy`](crate::Scores::accuracy).
    pub fn accuracy(&self) -> Option<f64> {
        let rows = sum(self.support);
        (rows > 0).then(|| sum(self.true_positives) as f64 / rows as f64)
    }

    /// The F1 of [`Scores::macro_average`](crate::Scores::macro_average).
    pub fn macro_f1(&self) -> Option<f64> {
        let (mut total, mut labels) = (0.0, 0u32);
        for ((&support, &predicted), &hits) in
            self.support.iter().zip(self.predicted).zip(self.true_positives)
        {
            if support > 0 {
                let both = u64::from(support) + u64::from(predicted);
                total += 2.0 * f64::from(hits) / both as f64;
                labels += 1;
            }
        }
        (labels > 0).then(|| (total / f64::from(labels)).min(1.0))
    }

    /// See [`Scores::balanced_accuracy`](crate::Scores::balanced_accuracy).
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let (mut total, mut labels) = (0.0, 0u32);
        for (&support, &hits) in self.support.iter().zip(self.true_positives) {
            if support > 0 {
                total += f64::from(hits) / f64::from(support);
                labels += 1;
            }
        }
        (labels > 0).then(|| (total / f64::from(labels)).min(1.0))
    }

    /// The precision of a label: of [`ClassScores::scores`](crate::ClassScores::scores).
    pub fn precision(&self, label: LabelId) -> Option<f64> {
        let predicted = self.predicted[label.index()];
        (predicted > 0).then(|| f64::from(self.true_positives[label.index()]) / f64::from(predicted))
    }

    /// See [`Scores::cohen_kappa`](crate::Scores::cohen_kappa).
    pub fn cohen_kappa(&self) -> Option<f64> {
        let rows = sum(self.support);
        let denominator = rows * rows - self.chance();
        (denominator > 0).then(|| self.covariance() / denominator as f64)
    }

    /// See [`Scores::matthews_correlation`](crate::Scores::matthews_correlation).
    pub fn matthews_correlation(&self) -> Option<f64> {
        let rows = sum(self.support);
        let squares = |counts: &[u32]| counts.iter().map(|&count| u64::from(count).pow(2)).sum::<u64>();
        let gold = rows * rows - squares(self.support);
        let answers = rows * rows - squares(self.predicted) - u64::from(self.invalid).pow(2);
        (gold > 0 && answers > 0)
            .then(|| (self.covariance() / ((gold as f64).sqrt() * (answers as f64).sqrt())).clamp(-1.0, 1.0))
    }

    /// What chance would bring to agree, times the rows. There are less than 2^32 rows, so products fit.
    fn chance(&self) -> u64 {
        self.support.iter().zip(self.predicted).map(|(&s, &p)| u64::from(s) * u64::from(p)).sum()
    }

    /// Right answers times rows, less [`Self::chance`].
    fn covariance(&self) -> f64 {
        let agreed = sum(self.true_positives) * sum(self.support);
        let chance = self.chance();
        if agreed >= chance { (agreed - chance) as f64 } else { -((chance - agreed) as f64) }
    }
}

fn sum(counts: &[u32]) -> u64 {
    counts.iter().map(|&count| u64::from(count)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_predictions;
    use crate::{Confusion, Scores};

    proptest! {
        #[test]
        fn scores_are_those_of_the_report(predictions in any_predictions(6)) {
            let confusion = Confusion::of(&predictions, 6);
            let count = |of: &dyn Fn(LabelId) -> u64| (0..6).map(|i| of(LabelId(i)) as u32).collect::<Vec<_>>();
            let tally = LabelCounts {
                support: &count(&|label| confusion.support(label)),
                predicted: &count(&|label| confusion.predicted(label)),
                true_positives: &count(&|label| confusion.get(label, label)),
                invalid: confusion.counts().invalid as u32,
            };
            let scores = Scores::of(&confusion);
            for (ours, theirs) in [
                (tally.accuracy(), scores.accuracy),
                (tally.macro_f1(), scores.macro_average.f1),
                (tally.balanced_accuracy(), scores.balanced_accuracy),
                (tally.cohen_kappa(), scores.cohen_kappa),
                (tally.matthews_correlation(), scores.matthews_correlation),
                (tally.precision(LabelId(2)), scores.classes[2].scores.precision),
            ] {
                prop_assert_eq!(ours.is_some(), theirs.is_some());
                prop_assert!((ours.unwrap_or(0.0) - theirs.unwrap_or(0.0)).abs() < 1e-13);
            }
        }
    }
}
