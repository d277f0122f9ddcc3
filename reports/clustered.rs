//! Accuracy where rows belong together: rows of one group tend to come out alike, so they tell less than as many rows
//! of their own.

use serde::Serialize;

use crate::confusion::ratio;
use crate::intervals::{wilson, wilson_with};
use crate::jackknife::FEW_ERRING;
use crate::student::student_quantile;
use crate::{CONFIDENCE, Clusters, Confusion, Evaluation, Interval, Outcome, Prediction, Scores};

/// What the groups of the rows do to the accuracy of a model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Clustered {
    /// The groups with an answered row; a row that is in no group is one by itself.
    pub groups: u64,
    /// The interval of the accuracy, at the level of [`CONFIDENCE`], that allows for the groups, within 0 to 1.
    ///
    /// Wilson's interval for as many rows as would by themselves have the cluster-robust variance of the accuracy, with the t
    /// quantile of one degree of freedom less than there are clusters: Korn and Graubard (1998). The variance is
    /// G/(G-1) · Σ (residuals of a cluster)² / rows², the sandwich estimator of Liang and Zeger (1986) with the usual
    /// correction, as in statsmodels' OLS on a constant with `cov_type="cluster"`. Where fewer than ten clusters are
    /// wrong somewhere, or right somewhere, rows of one cluster are taken to be all alike.
    pub accuracy: Interval,
    /// How many times the variance of the accuracy is what it would be if each row stood by itself (Kish 1965).
    pub design_effect: f64,
}

impl Clustered {
    /// None without groups, with fewer than two of them, or when nothing varies between them, as when all rows are right:
    /// then they say nothing of the spread.
    pub(crate) fn of(evaluation: &Evaluation) -> Option<Self> {
        let numbers = evaluation.clusters.as_deref().filter(|clusters| clusters.are_not_rows())?;
        let mut clusters = Sums::new(numbers.count() as usize);
        for (row, prediction) in
            evaluation.predictions.iter().enumerate().filter(|(_, row)| row.is_answered())
        {
            clusters.add(numbers.of(row)?, prediction.outcome() == Outcome::Correct);
        }
        let mean = clusters.mean()?;
        Some(Self {
            groups: mean.groups,
            accuracy: clusters.interval()?,
            design_effect: mean.variance * (mean.rows - 1) as f64 / (mean.mean * (1.0 - mean.mean)),
        })
    }
}

/// How many rows of each cluster are right, and how many there are.
struct Sums(Vec<(u32, u32)>);

impl Sums {
    fn new(clusters: usize) -> Self {
        Self(vec![(0, 0); clusters])
    }

    fn add(&mut self, cluster: usize, right: bool) {
        let (sum, rows) = &mut self.0[cluster];
        *sum += u32::from(right);
        *rows += 1;
    }

    /// Right rows and all.
    fn total(&self) -> (u64, u64) {
        self.0.iter().fold((0, 0), |(sum, rows), one| (sum + u64::from(one.0), rows + u64::from(one.1)))
    }

    /// None with fewer than two clusters that have rows, or when they do not vary.
    fn mean(&self) -> Option<ClusteredMean> {
        let clusters = || self.0.iter().filter(|(_, rows)| *rows > 0);
        let groups = clusters().count() as u64;
        if groups < 2 {
            return None;
        }
        let (sum, rows) = self.total();
        // Whole numbers: rows times the residuals of a cluster, so that a spread of zero is exactly that.
        let residual =
            |&(s, r): &(u32, u32)| i128::from(s) * i128::from(rows) - i128::from(sum) * i128::from(r);
        let squares: f64 = clusters().map(|cluster| (residual(cluster) as f64 / rows as f64).powi(2)).sum();
        (squares > 0.0).then(|| ClusteredMean {
            groups,
            rows,
            mean: sum as f64 / rows as f64,
            variance: groups as f64 / (groups - 1) as f64 * squares / (rows as f64).powi(2),
        })
    }
}

struct ClusteredMean {
    groups: u64,
    rows: u64,
    mean: f64,
    variance: f64,
}

/// The scores of a model, with intervals of accuracy, precision and recall that allow for clusters.
pub(crate) fn scores(evaluation: &Evaluation, confusion: &Confusion) -> Scores {
    let mut scores = Scores::of(confusion);
    let Some(numbers) = evaluation.clusters.as_deref().filter(|clusters| clusters.are_not_rows()) else {
        return scores;
    };
    let answered = || evaluation.predictions.iter().enumerate().filter(|(_, row)| row.is_answered());
    let right = |row: &Prediction| row.outcome() == Outcome::Correct;
    let mut all = Sums::new(numbers.count() as usize);
    answered().for_each(|(at, row)| {
        if let Some(cluster) = numbers.of(at) {
            all.add(cluster, right(&row));
        }
    });
    scores.accuracy_interval = all.interval();
    let labels = scores.classes.len();
    let of_gold = answered().filter_map(|(at, row)| Some((row.gold.0, numbers.of(at)? as u32, right(&row))));
    let recalls = intervals(of_gold.collect(), labels);
    let of_answer =
        answered().filter_map(|(at, row)| Some((row.answer.label()?.0, numbers.of(at)? as u32, right(&row))));
    let precisions = intervals(of_answer.collect(), labels);
    for ((class, recall), precision) in scores.classes.iter_mut().zip(recalls).zip(precisions) {
        (class.recall_interval, class.precision_interval) = (recall, precision);
    }
    scores
}

/// A share of rows, which may be in clusters.
pub(crate) struct ClusteredShare {
    right: u64,
    rows: u64,
    /// None where each row is a cluster.
    clusters: Option<Sums>,
}

impl ClusteredShare {
    /// Of rows, each with its cluster and whether it is one of them; `clusters` is how many there are, none where each row is one.
    pub(crate) fn of(clusters: Option<usize>, rows: impl Iterator<Item = (usize, bool)>) -> Self {
        let mut share = Self { right: 0, rows: 0, clusters: clusters.map(Sums::new) };
        for (cluster, right) in rows {
            share.right += u64::from(right);
            share.rows += 1;
            if let Some(clusters) = &mut share.clusters {
                clusters.add(cluster, right);
            }
        }
        share
    }

    /// All rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The share; none without rows.
    pub(crate) fn value(&self) -> Option<f64> {
        ratio(self.right, self.rows)
    }

    /// Its interval; none without rows.
    pub(crate) fn interval(&self) -> Option<Interval> {
        let clusters = self.clusters.as_ref().filter(|clusters| clusters.0.iter().any(|(_, rows)| *rows > 1));
        clusters.map_or_else(|| wilson(self.right, self.rows, CONFIDENCE), Sums::interval)
    }
}

/// Of some of the rows, by their places in rising order: how many are answered, the share of right answers among these, and its
/// interval, which allows for clusters.
pub(crate) fn accuracy_in(
    evaluation: &Evaluation,
    rows: impl Iterator<Item = usize> + Clone,
) -> (u64, Option<f64>, Option<Interval>) {
    let clusters = evaluation.clusters.as_deref().and_then(|clusters| clusters.only(rows.clone()));
    accuracy_of(&mut rows.map(|row| evaluation.predictions.row(row)), clusters.as_ref())
}

fn accuracy_of(
    predictions: &mut dyn Iterator<Item = Prediction>,
    clusters: Option<&Clusters>,
) -> (u64, Option<f64>, Option<Interval>) {
    let (mut answered, mut correct) = (0, 0);
    let mut clustered = clusters.map(|clusters| (clusters, Sums::new(clusters.count() as usize)));
    for (at, row) in predictions.enumerate().filter(|(_, row)| row.is_answered()) {
        let right = row.outcome() == Outcome::Correct;
        answered += 1;
        correct += u64::from(right);
        if let Some((clusters, sums)) = &mut clustered
            && let Some(cluster) = clusters.of(at)
        {
            sums.add(cluster, right);
        }
    }
    let interval = match clustered {
        None => wilson(correct, answered, CONFIDENCE),
        Some((_, sums)) => sums.interval(),
    };
    (answered, ratio(correct, answered), interval)
}

/// The interval of the share of each kind; a row has a kind, a cluster, and is right or not.
fn intervals(mut rows: Vec<(u32, u32, bool)>, kinds: usize) -> Vec<Option<Interval>> {
    rows.sort_unstable();
    let mut found = vec![None; kinds];
    for of_kind in rows.chunk_by(|a, b| a.0 == b.0) {
        let clusters = of_kind.chunk_by(|a, b| a.1 == b.1);
        let sums = clusters.map(|rows| (rows.iter().filter(|row| row.2).count() as u32, rows.len() as u32));
        found[of_kind[0].0 as usize] = Sums(sums.collect()).interval();
    }
    found
}

impl Sums {
    /// See [`Clustered::accuracy`]; none with fewer than two clusters.
    fn interval(&self) -> Option<Interval> {
        let clusters = || self.0.iter().filter(|(_, rows)| *rows > 0);
        let count = clusters().count() as u64;
        let (right, rows) = self.total();
        let share = right as f64 / rows as f64;
        let t = student_quantile(CONFIDENCE, count.checked_sub(1)?)?;
        let alike = (rows as f64).powi(2) / clusters().map(|(_, rows)| f64::from(*rows).powi(2)).sum::<f64>();
        let wrong_in = clusters().filter(|(sum, rows)| sum < rows).count() as u64;
        let right_in = clusters().filter(|(sum, _)| *sum > 0).count() as u64;
        let alone = self.mean().map(|mean| share * (1.0 - share) / mean.variance);
        let effective = match alone {
            Some(alone) if wrong_in.min(right_in) >= FEW_ERRING => alone.min(rows as f64),
            Some(alone) => alone.min(alike),
            None => alike,
        };
        Some(wilson_with(share, effective, t))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, in_groups, predictions};

    /// Rows as in [`predictions`]; each letter of `groups` is a group, and a blank is none.
    fn evaluation(gold: &str, answers: &str, groups: &str) -> Evaluation {
        let groups = groups.chars().map(|c| if c == ' ' { String::new() } else { c.to_string() });
        Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: predictions(gold, answers),
            clusters: in_groups(groups),
            slices: None,
        }
    }

    fn of(gold: &str, answers: &str, groups: &str) -> Option<Clustered> {
        Clustered::of(&evaluation(gold, answers, groups))
    }

    #[test]
    fn rows_by_themselves_are_no_design() {
        assert_eq!(of("aaaa", "abab", "    "), None);
        assert_eq!(of("aaaa", "abab", "1234"), None);
    }

    #[test]
    fn copies_of_each_row_tell_no_more_than_the_rows() {
        let (twice, thrice) = (
            of("aaaaaaaaaa", "aabbaabbbb", "1122334455").unwrap(),
            of("aaaaaaaaaaaaaaa", "aaabbbaaabbbbbb", "111222333444555").unwrap(),
        );
        assert!((twice.accuracy.low - thrice.accuracy.low).abs() < 1e-12);
        assert!((twice.accuracy.high - thrice.accuracy.high).abs() < 1e-12);
        // Three times the rows, and one less for the mean.
        assert!((thrice.design_effect - 3.5).abs() < 1e-12, "{}", thrice.design_effect);
    }

    #[test]
    fn without_a_spread_nothing_is_said() {
        assert_eq!(of("aaaa", "aaaa", "1122"), None, "all right");
        assert_eq!(of("aaaa", "abab", "1122"), None, "all groups alike");
        assert_eq!(of("aaaa", "abab", "1111"), None, "one group");
        assert_eq!(of("aaaa", "ab??", "1122"), None, "one group with answers");
        assert_eq!(of("", "", ""), None);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_accuracy_and_the_order_does_not_matter(
            rows in any_predictions(3),
            groups in prop::collection::vec(prop::option::of(0u8..6), 60),
        ) {
            let named = |groups: &[Option<u8>]| in_groups(groups.iter().map(|g| g.map(|g| g.to_string()).unwrap_or_default()));
            let groups = &groups[..rows.len()];
            let mut evaluation = Evaluation { model: "m".into(), tuned_from: None, predictions: rows, clusters: named(groups), slices: None };
            let clustered = Clustered::of(&evaluation);
            if let Some(Clustered { groups, accuracy, design_effect }) = clustered {
                let answered = || evaluation.predictions.iter().filter(|row| row.is_answered());
                let right = answered().filter(|row| row.outcome() == Outcome::Correct).count();
                let share = right as f64 / answered().count() as f64;
                prop_assert!(0.0 <= accuracy.low && accuracy.low <= share && share <= accuracy.high && accuracy.high <= 1.0);
                prop_assert!(groups >= 2 && groups <= answered().count() as u64 && design_effect > 0.0);
            }
            evaluation.predictions = evaluation.predictions.iter().rev().collect();
            evaluation.clusters = named(&groups.iter().rev().copied().collect::<Vec<_>>());
            let turned = Clustered::of(&evaluation);
            prop_assert_eq!(turned.map(|c| c.groups), clustered.map(|c| c.groups));
            if let (Some(turned), Some(clustered)) = (turned, clustered) {
                prop_assert!((turned.accuracy.low - clustered.accuracy.low).abs() < 1e-12);
                prop_assert!((turned.design_effect - clustered.design_effect).abs() < 1e-9);
            }
        }
    }
}
