//! How many rows of each given label truly have each other label: the confident joint.
//!
//! Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021, section
//! 3.1. With given labels *ỹ* and out-of-fold probabilities *p*:
//! * The threshold of a label is its mean self-confidence: *t_j* = mean of *p_j(x)* over the rows with *ỹ = j* (eq. 2).
//! * A row counts for (*i*, *j*) if *ỹ = i* and *j* is the likeliest of the labels with *p_j(x) ≥ t_j* (eq. 1); a row
//!   that reaches no threshold does not count.
//! * Calibrated, the counts of each given label add up to its rows (eq. 3).
//!
//! The paper leaves open some details. They are those of cleanlab 2.9 (`count.compute_confident_joint`), so that results
//! can be compared: the tolerance of a threshold, its lower bound, the one row at least on the diagonal, and how the
//! calibrated counts are rounded.

use super::label_errors::Probabilities;
use crate::LabelId;

/// How much a probability may be below its threshold.
const TOLERANCE: f64 = 1e-6;
/// No threshold is lower, so that a label of which the classifier knows nothing is never a confident one.
const LOWEST_THRESHOLD: f64 = 2e-6;

/// Rows by given label (rows of the matrix) and the label they seem to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConfidentJoint {
    counts: Vec<i64>,
    classes: usize,
}

impl ConfidentJoint {
    /// The calibrated joint. Each row has its given label and its probabilities.
    pub(super) fn of(labels: &[LabelId], probabilities: Probabilities<'_>) -> Self {
        let classes = probabilities.classes();
        let thresholds = thresholds(labels, probabilities);
        let mut counts = vec![0_u64; classes * classes];
        for (label, row) in labels.iter().zip(probabilities.rows()) {
            if let Some(confident) = confident(row, &thresholds) {
                counts[label.index() * classes + confident] += 1;
            }
        }
        for class in 0..classes {
            let own = &mut counts[class * classes + class];
            *own = (*own).max(1);
        }
        Self { counts: calibrated(&counts, &label_counts(labels, classes)), classes }
    }

    /// Estimated rows that are labelled `given` and truly have the label `seeming`.
    pub(super) fn count(&self, given: usize, seeming: usize) -> i64 {
        self.counts[given * self.classes + seeming]
    }
}

/// Rows of each label.
pub(super) fn label_counts(labels: &[LabelId], classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes];
    labels.iter().for_each(|label| counts[label.index()] += 1);
    counts
}

/// The mean self-confidence of each label; out of reach for a label without rows.
fn thresholds(labels: &[LabelId], probabilities: Probabilities<'_>) -> Vec<f64> {
    let mut sums = vec![0.0; probabilities.classes()];
    for (label, row) in labels.iter().zip(probabilities.rows()) {
        sums[label.index()] += f64::from(row[label.index()]);
    }
    let counts = label_counts(labels, probabilities.classes());
    let mean = |(sum, count): (f64, u64)| if count == 0 { f64::INFINITY } else { sum / count as f64 };
    sums.into_iter().zip(counts).map(mean).map(|mean| mean.max(LOWEST_THRESHOLD)).collect()
}

/// The label that a row confidently has: the likeliest if several reach their threshold.
fn confident(row: &[f32], thresholds: &[f64]) -> Option<usize> {
    let reached = |&class: &usize| f64::from(row[class]) >= thresholds[class] - TOLERANCE;
    let mut all = (0..row.len()).filter(reached);
    let first = all.next()?;
    // Not the likeliest of those that reach theirs, but of all: so it is in the reference implementation.
    if all.next().is_some() { Some(likeliest(row)) } else { Some(first) }
}

/// The position of the highest probability; of equals, the first.
pub(super) fn likeliest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// Scales each row of the matrix to the rows that its label has, and rounds.
fn calibrated(counts: &[u64], label_counts: &[u64]) -> Vec<i64> {
    let classes = label_counts.len();
    let mut scaled = Vec::with_capacity(counts.len());
    for (row, &label_count) in counts.chunks(classes).zip(label_counts) {
        let sum = row.iter().sum::<u64>() as f64;
        scaled.extend(row.iter().map(|&count| count as f64 / sum * label_count as f64));
    }
    // The whole is right by now but for the last digit.
    let (all, rows) = (scaled.iter().sum::<f64>(), label_counts.iter().sum::<u64>() as f64);
    scaled.iter_mut().for_each(|count| *count = *count / all.max(f64::MIN_POSITIVE) * rows);
    scaled.chunks(classes).flat_map(rounded).collect()
}

/// Rounds to whole numbers with the same sum: those that rounding moved farthest the wrong way go the other way.
fn rounded(row: &[f64]) -> Vec<i64> {
    let mut whole: Vec<f64> = row.iter().map(|value| value.round_ties_even()).collect();
    let missing = row.iter().sum::<f64>().round_ties_even() - whole.iter().sum::<f64>();
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| (row[a] - whole[a]).total_cmp(&(row[b] - whole[b])));
    if missing > 0.0 {
        order.reverse();
    }
    // Rounding moves each by a half at most, so that one step for some of them is enough.
    for &i in order.iter().take(missing.abs() as usize) {
        whole[i] += missing.signum();
    }
    whole.into_iter().map(|value| value as i64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rounding_keeps_the_sum() {
        assert_eq!(rounded(&[0.0, 12.3, 0.0, 1.4, 0.3]), [0, 12, 0, 2, 0]);
        assert_eq!(rounded(&[0.6, 0.7, 0.7]), [0, 1, 1]);
        // Of equals, the last is raised and the first is lowered.
        assert_eq!(rounded(&[0.5, 2.5]), [0, 3]);
        assert_eq!(rounded(&[1.5, 1.5]), [1, 2]);
    }

    #[test]
    fn a_label_is_confident_from_its_own_threshold() {
        assert_eq!(confident(&[0.6, 0.4], &[0.9, 0.3]), Some(1));
        assert_eq!(confident(&[0.6, 0.4], &[0.5, 0.3]), Some(0));
        assert_eq!(confident(&[0.6, 0.4], &[0.9, 0.9]), None);
        assert_eq!(confident(&[0.0, 1.0], &[LOWEST_THRESHOLD, f64::INFINITY]), None);
    }

    proptest! {
        #[test]
        fn every_given_label_keeps_its_rows(rows in prop::collection::vec((0u32..4, prop::array::uniform4(0f32..1.0)), 1..60)) {
            let labels: Vec<LabelId> = rows.iter().map(|row| LabelId(row.0)).collect();
            let values: Vec<f32> = rows.iter().flat_map(|row| row.1).collect();
            let joint = ConfidentJoint::of(&labels, Probabilities::new(&values, 4));
            for (given, count) in label_counts(&labels, 4).into_iter().enumerate() {
                prop_assert!((0..4).all(|seeming| joint.count(given, seeming) >= 0));
                prop_assert_eq!((0..4).map(|seeming| joint.count(given, seeming)).sum::<i64>(), count as i64);
            }
        }
    }
}
