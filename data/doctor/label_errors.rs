//! Rows whose label is likely wrong, by confident learning from out-of-fold probabilities.
//!
//! Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021. The
//! confident joint (`confident_joint.rs`) says how many rows of each given label have another one; section 3.2 of the
//! paper says which ones these are ([`Prune`]). Nothing is known here of the classifier, and nothing is random.

use super::confident_joint::{ConfidentJoint, label_counts, likeliest};
use crate::LabelId;

/// A label with no more rows than this loses none.
const KEPT: u64 = 1;
/// By so much the given label is favoured against one that is as likely.
const FAVOUR: f32 = 1e-6;

/// The probability of each label for each row, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Probabilities<'a> {
    values: &'a [f32],
    classes: usize,
}

impl<'a> Probabilities<'a> {
    /// An n × `classes` matrix, row by row.
    ///
    /// # Panics
    /// If there are no classes, or the values do not fill the last row.
    pub fn new(values: &'a [f32], classes: usize) -> Self {
        assert!(classes > 0 && values.len().is_multiple_of(classes), "the matrix has no such shape");
        Self { values, classes }
    }

    /// The probabilities of each row.
    pub fn rows(self) -> impl ExactSizeIterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.classes)
    }

    pub(super) fn classes(self) -> usize {
        self.classes
    }

    fn row(self, row: usize) -> &'a [f32] {
        &self.values[row * self.classes..][..self.classes]
    }
}

/// Which rows are taken for errors (section 3.2 of the paper; cleanlab's `filter_by` has the same names).
///
/// With *C* the calibrated confident joint. A row whose given label is the likeliest is never an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prune {
    /// For each pair of labels *i* ≠ *j*, the *C_ij* rows with given label *i* that have the largest margin
    /// *p_j* − *p_i*. It finds the most, and is the default here as it is in cleanlab.
    #[default]
    ByNoiseRate,
    /// For each label *i*, as many rows as *C_ij* adds up to over the other labels, those with the least *p_i*.
    ByClass,
    /// What both find: fewer, and more surely.
    Both,
}

/// What is thought of the label of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The position of the row, from 0.
    pub row: usize,
    /// The label it has.
    pub given: LabelId,
    /// The likeliest label.
    pub suggested: LabelId,
    /// The probability of the likeliest label.
    pub probability: f32,
    /// The probability of the given label.
    pub self_confidence: f32,
    /// (*p* of the given label − the highest *p* of another + 1) / 2: from 0, surely wrong, to 1.
    pub normalized_margin: f32,
    /// Whether it is taken for an error.
    pub likely_error: bool,
}

/// Judges all rows: the likely errors first, and each part by self-confidence, the least first; of equals, in the order
/// of the rows.
///
/// # Panics
/// If there are not as many labels as rows of probabilities, or a label has no column.
pub fn judge(labels: &[LabelId], probabilities: Probabilities<'_>, prune: Prune) -> Vec<Judgement> {
    assert_eq!(labels.len(), probabilities.rows().len(), "each row has one label");
    let joint = ConfidentJoint::of(labels, probabilities);
    let likely = match prune {
        Prune::ByNoiseRate => by_noise_rate(labels, probabilities, &joint),
        Prune::ByClass => by_class(labels, probabilities, &joint),
        Prune::Both => {
            let other = by_class(labels, probabilities, &joint);
            let likely = by_noise_rate(labels, probabilities, &joint).into_iter().zip(other);
            likely.map(|(one, other)| one && other).collect()
        }
    };
    let rows = labels.iter().zip(probabilities.rows()).zip(likely).enumerate();
    let mut all: Vec<Judgement> =
        rows.map(|(i, ((&given, p), likely))| judged(i, given, p, likely)).collect();
    all.sort_by(|a, b| {
        let confidence = a.self_confidence.total_cmp(&b.self_confidence);
        b.likely_error.cmp(&a.likely_error).then(confidence).then(a.row.cmp(&b.row))
    });
    all
}

fn judged(row: usize, given: LabelId, probabilities: &[f32], likely: bool) -> Judgement {
    let self_confidence = probabilities[given.index()];
    let others = probabilities.iter().enumerate().filter(|(class, _)| *class != given.index());
    let (_, other) =
        others.fold((0, 0.0_f32), |best, (class, &p)| if p > best.1 { (class, p) } else { best });
    let suggested = likeliest(probabilities);
    Judgement {
        row,
        given,
        suggested: LabelId(suggested as u32),
        probability: probabilities[suggested],
        self_confidence,
        normalized_margin: (self_confidence - other + 1.0) / 2.0,
        likely_error: likely && self_confidence + FAVOUR < other,
    }
}

/// The rows of each label.
fn members(labels: &[LabelId], classes: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); classes];
    labels.iter().enumerate().for_each(|(row, label)| members[label.index()].push(row));
    members
}

fn by_noise_rate(labels: &[LabelId], probabilities: Probabilities<'_>, joint: &ConfidentJoint) -> Vec<bool> {
    let classes = probabilities.classes();
    let mut likely = vec![false; labels.len()];
    for (given, rows) in members(labels, classes).iter().enumerate() {
        if rows.len() as u64 <= KEPT {
            continue;
        }
        let counts = pruned(joint, given, classes);
        for seeming in (0..classes).filter(|&seeming| seeming != given && counts[seeming] > 0) {
            let margin = |row: usize| {
                let p = probabilities.row(row);
                f64::from(p[seeming]) - f64::from(p[given])
            };
            let mut order = rows.clone();
            order.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)));
            order.iter().take(counts[seeming] as usize).for_each(|&row| likely[row] = true);
        }
    }
    likely
}

fn by_class(labels: &[LabelId], probabilities: Probabilities<'_>, joint: &ConfidentJoint) -> Vec<bool> {
    let classes = probabilities.classes();
    let mut likely = vec![false; labels.len()];
    let counts = label_counts(labels, classes);
    for (given, mut rows) in members(labels, classes).into_iter().enumerate() {
        if counts[given] <= KEPT {
            continue;
        }
        let errors = rows.len() - (pruned(joint, given, classes)[given] as usize).min(rows.len());
        rows.sort_by(|&a, &b| probabilities.row(a)[given].total_cmp(&probabilities.row(b)[given]));
        rows.iter().take(errors).for_each(|&row| likely[row] = true);
    }
    likely
}

/// How many rows of a given label are to be taken for each label, so that some keep theirs.
///
/// Where the joint leaves fewer than [`KEPT`] with their label, the others give way alike, as in cleanlab.
fn pruned(joint: &ConfidentJoint, given: usize, classes: usize) -> Vec<i64> {
    let counts: Vec<i64> = (0..classes).map(|seeming| joint.count(given, seeming)).collect();
    let own = counts[given].max(KEPT as i64);
    let raised = (own - counts[given]) as f64;
    // One less than there are, which is what the reference implementation divides by.
    let nonzero = counts.iter().filter(|count| **count != 0).count() as f64 - 1.0;
    let share = raised / nonzero.max(1.0);
    let mut pruned: Vec<i64> = counts.iter().map(|&count| (count as f64 - share).max(0.0) as i64).collect();
    pruned[given] = own;
    pruned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Recorded {
        cases: Vec<Case>,
    }

    /// What cleanlab says; see `testdata/make_label_errors.py`.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        classes: usize,
        labels: Vec<u32>,
        /// In millionths.
        probabilities: Vec<u32>,
        joint: Vec<i64>,
        by_noise_rate: Vec<usize>,
        by_class: Vec<usize>,
        both: Vec<usize>,
        normalized_margin: Vec<f64>,
    }

    #[test]
    fn joint_errors_and_ranking_are_those_of_cleanlab() {
        let recorded: Recorded = serde_json::from_str(include_str!("../testdata/label_errors.json")).unwrap();
        assert!(recorded.cases.len() >= 10);
        for case in recorded.cases {
            let labels: Vec<LabelId> = case.labels.iter().map(|&label| LabelId(label)).collect();
            let values: Vec<f32> =
                case.probabilities.iter().map(|&millionths| (f64::from(millionths) / 1e6) as f32).collect();
            let probabilities = Probabilities::new(&values, case.classes);
            let joint = ConfidentJoint::of(&labels, probabilities);
            let cells = (0..case.classes).flat_map(|i| (0..case.classes).map(move |j| (i, j)));
            let cells: Vec<i64> = cells.map(|(i, j)| joint.count(i, j)).collect();
            assert_eq!(cells, case.joint, "{}", case.name);
            for (prune, expected) in [
                (Prune::ByNoiseRate, &case.by_noise_rate),
                (Prune::ByClass, &case.by_class),
                (Prune::Both, &case.both),
            ] {
                let judged = judge(&labels, probabilities, prune);
                let likely: Vec<usize> =
                    judged.iter().filter(|row| row.likely_error).map(|row| row.row).collect();
                assert_eq!(&likely, expected, "{} {prune:?}", case.name);
                for row in judged {
                    let difference = f64::from(row.normalized_margin) - case.normalized_margin[row.row];
                    assert!(difference.abs() < 1e-6, "{} {}", case.name, row.row);
                }
            }
        }
    }

    #[test]
    fn one_swapped_pair_stands_out() {
        let labels = [0, 0, 0, 1, 1, 1].map(LabelId);
        let values = [0.9, 0.1, 0.8, 0.2, 0.1, 0.9, 0.2, 0.8, 0.1, 0.9, 0.95, 0.05];
        let judged = judge(&labels, Probabilities::new(&values, 2), Prune::default());
        let likely: Vec<_> = judged.iter().filter(|row| row.likely_error).collect();
        assert_eq!(likely.iter().map(|row| row.row).collect::<Vec<_>>(), [5, 2]);
        assert_eq!((likely[0].given, likely[0].suggested), (LabelId(1), LabelId(0)));
        assert_eq!((likely[0].self_confidence, likely[0].probability), (0.05, 0.95));
        assert!((likely[0].normalized_margin - 0.05).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn any_matrix_is_judged(
            rows in prop::collection::vec((0u32..3, prop::array::uniform3(prop::num::f32::ANY)), 0..40),
        ) {
            let labels: Vec<LabelId> = rows.iter().map(|row| LabelId(row.0)).collect();
            let values: Vec<f32> = rows.iter().flat_map(|row| row.1).collect();
            for prune in [Prune::ByNoiseRate, Prune::ByClass, Prune::Both] {
                let judged = judge(&labels, Probabilities::new(&values, 3), prune);
                let mut seen: Vec<usize> = judged.iter().map(|row| row.row).collect();
                seen.sort_unstable();
                prop_assert!(seen.into_iter().eq(0..rows.len()));
            }
        }
    }
}
