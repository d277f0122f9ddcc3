//! Which gold label was answered with what: counts, kept sparse so that 10,000 labels need no 10,000 by 10,000 table.
//! Shown by `render/csv.rs` and `render/html/confusion/`.

use std::collections::BTreeMap;

use tunebench_data::LabelId;

use crate::{Answer, Outcome, Predictions};

/// The share of the rows that must have been answered for there to be a score, where nobody says otherwise.
pub const DEFAULT_MIN_COVERAGE: f64 = 0.98;

/// How many rows came out how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counts {
    /// The answer names the gold label.
    pub correct: u64,
    /// The answer names another label.
    pub incorrect: u64,
    /// The answer names no label.
    pub invalid: u64,
    /// No answer was obtained.
    pub unanswered: u64,
}

impl Counts {
    /// All rows.
    pub fn rows(&self) -> u64 {
        self.answered() + self.unanswered
    }

    /// The rows with an answer, valid or not: what scores are made of.
    pub fn answered(&self) -> u64 {
        self.correct + self.incorrect + self.invalid
    }

    /// The answered share of the rows, 0 to 1; none when there are no rows.
    pub fn coverage(&self) -> Option<f64> {
        ratio(self.answered(), self.rows())
    }

    /// Whether the coverage reaches a limit; never when there are no rows.
    pub fn covers(&self, min_coverage: f64) -> bool {
        self.coverage().is_some_and(|coverage| coverage >= min_coverage)
    }

    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Correct => self.correct += 1,
            Outcome::Incorrect => self.incorrect += 1,
            Outcome::Invalid => self.invalid += 1,
            Outcome::Unanswered => self.unanswered += 1,
        }
    }
}

/// A share; none when there is nothing to have a share of.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The same of sums that need not be whole; none where the whole is not above 0.
pub(crate) fn ratio_of(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// The confusion matrix: gold labels down, answers across, with two columns more for invalid and unanswered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    cells: BTreeMap<(LabelId, LabelId), u64>,
    support: Vec<u64>,
    predicted: Vec<u64>,
    invalid: Vec<u64>,
    unanswered: Vec<u64>,
    counts: Counts,
}

impl Confusion {
    /// Counts the rows of a model that was given `labels` labels.
    ///
    /// # Panics
    /// If a row speaks of a label beyond them.
    pub fn of(predictions: &Predictions, labels: usize) -> Self {
        let mut confusion = Self {
            cells: BTreeMap::new(),
            support: vec![0; labels],
            predicted: vec![0; labels],
            invalid: vec![0; labels],
            unanswered: vec![0; labels],
            counts: Counts::default(),
        };
        for prediction in predictions {
            let gold = prediction.gold;
            confusion.counts.add(prediction.outcome());
            match prediction.answer {
                Answer::Label(label) => {
                    *confusion.cells.entry((gold, label)).or_default() += 1;
                    confusion.predicted[label.index()] += 1;
                    confusion.support[gold.index()] += 1;
                }
                Answer::Invalid(_) => {
                    confusion.invalid[gold.index()] += 1;
                    confusion.support[gold.index()] += 1;
                }
                Answer::Unanswered(_) => confusion.unanswered[gold.index()] += 1,
            }
        }
        confusion
    }

    /// How many labels there are.
    pub fn labels(&self) -> usize {
        self.support.len()
    }

    /// How many rows came out how.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The rows of `gold` that were answered with `label`.
    pub fn get(&self, gold: LabelId, label: LabelId) -> u64 {
        self.cells.get(&(gold, label)).copied().unwrap_or(0)
    }

    /// The cells that are not zero, as (gold, answer, rows), by gold and then by answer.
    pub fn cells(&self) -> impl Iterator<Item = (LabelId, LabelId, u64)> + '_ {
        self.cells.iter().map(|(&(gold, label), &rows)| (gold, label, rows))
    }

    /// The answered rows of a gold label, invalid answers included.
    pub fn support(&self, gold: LabelId) -> u64 {
        self.support[gold.index()]
    }

    /// The rows that were answered with a label, rightly or wrongly.
    pub fn predicted(&self, label: LabelId) -> u64 {
        self.predicted[label.index()]
    }

    /// The rows of a gold label with an invalid answer.
    pub fn invalid(&self, gold: LabelId) -> u64 {
        self.invalid[gold.index()]
    }

    /// The rows of a gold label without an answer.
    pub fn unanswered(&self, gold: LabelId) -> u64 {
        self.unanswered[gold.index()]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, predictions};

    #[test]
    fn invalid_belongs_to_the_support_and_unanswered_does_not() {
        // Letters are labels, `!` is invalid, `?` is unanswered.
        let confusion = Confusion::of(&predictions("aaaab", "ab!?b"), 2);
        let (a, b) = (LabelId(0), LabelId(1));
        assert_eq!(confusion.get(a, a), 1);
        assert_eq!(confusion.get(a, b), 1);
        assert_eq!((confusion.support(a), confusion.invalid(a), confusion.unanswered(a)), (3, 1, 1));
        assert_eq!(confusion.predicted(b), 2);
        assert_eq!(confusion.counts(), Counts { correct: 2, incorrect: 1, invalid: 1, unanswered: 1 });
        assert_eq!(confusion.counts().coverage(), Some(0.8));
    }

    proptest! {
        #[test]
        fn everything_adds_up(predictions in any_predictions(7)) {
            let confusion = Confusion::of(&predictions, 7);
            let counts = confusion.counts();
            let valid: u64 = confusion.cells().map(|(_, _, rows)| rows).sum();
            let ids = || (0..7).map(LabelId);
            let invalid: u64 = ids().map(|l| confusion.invalid(l)).sum();
            let unanswered: u64 = ids().map(|l| confusion.unanswered(l)).sum();
            prop_assert_eq!(valid + invalid + unanswered, predictions.len() as u64);
            prop_assert_eq!(counts.rows(), predictions.len() as u64);
            prop_assert_eq!(ids().map(|l| confusion.support(l)).sum::<u64>(), counts.answered());
            prop_assert_eq!(ids().map(|l| confusion.predicted(l)).sum::<u64>(), valid);
            prop_assert_eq!(ids().map(|l| confusion.get(l, l)).sum::<u64>(), counts.correct);
        }
    }
}
