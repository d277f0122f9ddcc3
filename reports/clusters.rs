//! Accuracy where rows belong together: rows of one group tend to come out alike, so they tell less than as many rows
//! of their own.

use serde::Serialize;

use crate::pairs::pairs;
use crate::student::student_quantile;
use crate::{CONFIDENCE, Evaluation, Groups, Interval, Outcome};

/// What the groups of the rows do to the accuracy of a model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Clustered {
    /// The groups with an answered row; a row that is in no group is one by itself.
    pub groups: u64,
    /// The interval of the accuracy, at the level of [`CONFIDENCE`], that allows for the groups, within 0 to 1.
    ///
    /// The accuracy plus and minus its cluster-robust standard error times the t quantile with one degree of freedom less
    /// than there are groups. The error is the square root of G/(G-1) · Σ (residuals of a group)² / rows², which is the
    /// sandwich estimator of Liang and Zeger (1986) with the usual correction for few groups, as in Cameron and Miller
    /// (2015), "A practitioner's guide to cluster-robust inference", and in statsmodels' OLS on a constant with
    /// `cov_type="cluster"` and `use_t=True`.
    pub accuracy: Interval,
    /// How many times the variance of the accuracy is what it would be if each row stood by itself (Kish 1965).
    pub design_effect: f64,
}

impl Clustered {
    /// None without groups, with fewer than two of them, or when nothing varies between them, as when all rows are right:
    /// then they say nothing of the spread.
    pub(crate) fn of(evaluation: &Evaluation) -> Option<Self> {
        let groups = evaluation.groups.as_deref()?;
        let mut clusters = Clusters::new(groups);
        for (row, prediction) in
            evaluation.predictions.iter().enumerate().filter(|(_, row)| row.is_answered())
        {
            clusters.add(groups.of(row), i64::from(prediction.outcome() == Outcome::Correct));
        }
        let mean = clusters.mean()?;
        Some(Self {
            groups: mean.groups,
            accuracy: mean.interval(0.0, 1.0)?,
            design_effect: mean.variance * (mean.rows - 1) as f64 / (mean.mean * (1.0 - mean.mean)),
        })
    }
}

/// The interval of [`Comparison::difference`](crate::Comparison::difference) that allows for groups, within -1 to 1.
///
/// Made as [`Clustered::accuracy`] is, of what each row that both answered adds to the difference: 1, 0 or -1. The groups are
/// those of the base's rows. None where there is no [`Clustered`].
pub(crate) fn clustered_difference(base: &Evaluation, tuned: &Evaluation) -> Option<Interval> {
    let groups = base.groups.as_deref()?;
    let mut clusters = Clusters::new(groups);
    // Pairs come in the order of their ids.
    let mut rows: Vec<u32> = (0..base.predictions.len()).map(|row| row as u32).collect();
    rows.sort_unstable_by_key(|&row| base.predictions[row as usize].id);
    let mut rows = rows.into_iter().map(|row| row as usize).peekable();
    for pair in pairs(&base.predictions, &tuned.predictions) {
        let Some([base_right, tuned_right]) = pair.correct() else { continue };
        while rows.next_if(|&row| base.predictions[row].id < pair.id).is_some() {}
        let group = rows.peek().and_then(|&row| groups.of(row));
        clusters.add(group, i64::from(tuned_right) - i64::from(base_right));
    }
    clusters.mean()?.interval(-1.0, 1.0)
}

/// The sum of the values and the number of the rows of each cluster.
struct Clusters(Vec<(i64, u64)>);

impl Clusters {
    fn new(groups: &Groups) -> Self {
        Self(vec![(0, 0); groups.names().len()])
    }

    /// A row with this value; one that is in no group is a cluster by itself.
    fn add(&mut self, group: Option<usize>, value: i64) {
        match group {
            None => self.0.push((value, 1)),
            Some(group) => {
                let (sum, rows) = &mut self.0[group];
                *sum += value;
                *rows += 1;
            }
        }
    }

    /// None with fewer than two clusters that have rows, or when they do not vary.
    fn mean(&self) -> Option<ClusteredMean> {
        let clusters = || self.0.iter().filter(|(_, rows)| *rows > 0);
        let groups = clusters().count() as u64;
        if groups < 2 {
            return None;
        }
        let (sum, rows) = clusters().fold((0, 0), |(sum, rows), cluster| (sum + cluster.0, rows + cluster.1));
        // Whole numbers: rows times the residuals of a cluster, so that a spread of zero is exactly that.
        let residual =
            |&(s, r): &(i64, u64)| i128::from(s) * i128::from(rows) - i128::from(sum) * i128::from(r);
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

impl ClusteredMean {
    fn interval(&self, least: f64, most: f64) -> Option<Interval> {
        let half = student_quantile(CONFIDENCE, self.groups - 1)? * self.variance.sqrt();
        Some(Interval { low: (self.mean - half).max(least), high: (self.mean + half).min(most) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, predictions};

    /// Rows as in [`predictions`]; each letter of `groups` is a group, and a blank is none.
    fn evaluation(gold: &str, answers: &str, groups: &str) -> Evaluation {
        let groups = groups.chars().map(|c| (c != ' ').then(|| c.to_string())).collect();
        Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: predictions(gold, answers),
            groups: Some(Arc::new(groups)),
        }
    }

    fn of(gold: &str, answers: &str, groups: &str) -> Option<Clustered> {
        Clustered::of(&evaluation(gold, answers, groups))
    }

    #[test]
    fn rows_by_themselves_are_no_design() {
        let alone = of("aaaa", "abab", "    ").unwrap();
        assert_eq!((alone.groups, alone.design_effect), (4, 1.0));
        assert_eq!(of("aaaa", "abab", "1234"), Some(alone));
        assert_eq!(of("aaaa", "abab", "1 2 "), Some(alone));
    }

    #[test]
    fn copies_of_each_row_tell_no_more_than_the_rows() {
        let (once, thrice) = (
            of("aaaaa", "ababb", "12345").unwrap(),
            of("aaaaaaaaaaaaaaa", "aaabbbaaabbbbbb", "111222333444555").unwrap(),
        );
        assert!((once.accuracy.low - thrice.accuracy.low).abs() < 1e-12);
        assert!((once.accuracy.high - thrice.accuracy.high).abs() < 1e-12);
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

    #[test]
    fn the_difference_takes_rows_that_both_answered_with_the_groups_of_the_base() {
        let base = evaluation("aaaaaa", "aabbb?", "112233");
        let mut tuned = evaluation("aaaaaa", "aaaab?", "      ");
        let expected = clustered_difference(&base, &tuned).unwrap();
        tuned.predictions.reverse();
        tuned.groups = None;
        assert_eq!(clustered_difference(&base, &tuned), Some(expected));
        // 0, 0 | 1, 1 | 0, without the row that nobody answered: 0.4 with a variance of 3/2 · (0.8² + 1.2² + 0.4²) / 25.
        let half = 4.302_652_729_911_275 * (1.5f64 * 2.24 / 25.0).sqrt();
        assert!((expected.low - (0.4 - half).max(-1.0)).abs() < 1e-12);
        assert_eq!(expected.high, 1.0);
        assert_eq!(clustered_difference(&tuned, &base), None, "no groups");
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_accuracy_and_the_order_does_not_matter(
            rows in any_predictions(3),
            groups in prop::collection::vec(prop::option::of(0u8..6), 60),
        ) {
            let named = |groups: &[Option<u8>]| Arc::new(groups.iter().map(|g| g.map(|g| g.to_string())).collect::<Groups>());
            let groups = &groups[..rows.len()];
            let mut evaluation = Evaluation { model: "m".into(), tuned_from: None, predictions: rows, groups: Some(named(groups)) };
            let clustered = Clustered::of(&evaluation);
            if let Some(Clustered { groups, accuracy, design_effect }) = clustered {
                let answered = || evaluation.predictions.iter().filter(|row| row.is_answered());
                let right = answered().filter(|row| row.outcome() == Outcome::Correct).count();
                let share = right as f64 / answered().count() as f64;
                prop_assert!(0.0 <= accuracy.low && accuracy.low <= share && share <= accuracy.high && accuracy.high <= 1.0);
                prop_assert!(groups >= 2 && groups <= answered().count() as u64 && design_effect > 0.0);
            }
            evaluation.predictions.reverse();
            evaluation.groups = Some(named(&groups.iter().rev().copied().collect::<Vec<_>>()));
            let turned = Clustered::of(&evaluation);
            prop_assert_eq!(turned.map(|c| c.groups), clustered.map(|c| c.groups));
            if let (Some(turned), Some(clustered)) = (turned, clustered) {
                prop_assert!((turned.accuracy.low - clustered.accuracy.low).abs() < 1e-12);
                prop_assert!((turned.design_effect - clustered.design_effect).abs() < 1e-9);
            }
        }
    }
}
