//! A test that may be looked at again and again while rows are added: betting on which model is right.
//!
//! Who stakes a share λ of a fortune on the gain of each cluster, at even odds, multiplies it by 1 + λ (d - δ) / (1 + δ) with a
//! cluster whose mean difference is d. If the true difference is δ at most, the fortune does not grow on average, and by Ville's
//! inequality (1939) ever reaches 1/α with a chance of at most α, whenever one stops: Robbins (1970), "Statistical methods related to
//! the law of the iterated logarithm"; Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting".
//! The fortune is an e-value (Grünwald, de Heide and Koolen 2024, "Safe testing"); its inverse counts as the p-value, and the
//! differences against which no bet has reached 1/α are the interval. The stakes are a fixed mixture, so that nothing depends on the
//! order of the rows. It is about clusters: the unit is their mean difference.

use std::sync::Arc;

use crate::differences::{Differences, DifferencesOf};
use crate::tango::boundary;
use crate::{Interval, POWER, normal_quantile};

/// How many stakes share the fortune, from the smallest to the largest, each so many times the one before.
const STAKES: u32 = 48;
const LEAST: f64 = 0.005;
const MOST: f64 = 0.95;

/// Bets on the differences of clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Bets {
    /// The same rows for a single look.
    pub(crate) shares: Differences,
    /// The mean differences of clusters, each with the number of those that have it.
    values: Arc<[(f64, f64)]>,
}

fn stakes() -> impl Iterator<Item = f64> {
    (0..STAKES).map(|k| MOST * (LEAST / MOST).powf(f64::from(k) / f64::from(STAKES - 1)))
}

/// The logarithm of the mean of what the stakes came to, from their logarithms.
fn mean_of(logs: impl Iterator<Item = f64>) -> f64 {
    let logs: Vec<f64> = logs.collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + libm::log(logs.iter().map(|log| libm::exp(log - most)).sum::<f64>() / f64::from(STAKES))
}

impl Bets {
    /// The logarithm of the e-value against a true gain of at most `delta`, above -1.
    fn gain(&self, delta: f64) -> f64 {
        if delta <= -1.0 {
            return f64::INFINITY;
        }
        mean_of(stakes().map(|stake| {
            let grown = |(d, count): &(f64, f64)| count * libm::log1p(stake * (d - delta) / (1.0 + delta));
            self.values.iter().map(grown).sum::<f64>()
        }))
    }

    /// The logarithm of the e-value against a true gain of at least `delta`, below 1.
    fn loss(&self, delta: f64) -> f64 {
        if delta >= 1.0 {
            return f64::INFINITY;
        }
        mean_of(stakes().map(|stake| {
            let grown = |(d, count): &(f64, f64)| count * libm::log1p(stake * (delta - d) / (1.0 - delta));
            self.values.iter().map(grown).sum::<f64>()
        }))
    }

    pub(crate) fn gain_p(&self) -> f64 {
        libm::exp(-self.gain(0.0)).min(1.0)
    }

    pub(crate) fn loss_p(&self, margin: f64) -> f64 {
        libm::exp(-self.loss(-margin)).min(1.0)
    }

    pub(crate) fn non_inferiority_p(&self, margin: f64) -> f64 {
        libm::exp(-self.gain(-margin)).min(1.0)
    }

    /// The differences that hold at every look, with this confidence over all of them.
    pub(crate) fn interval(&self, level: f64) -> Option<Interval> {
        if !(level > 0.0 && level < 1.0) {
            return None;
        }
        let mean = self.shares.mean()?;
        let reached = -libm::log((1.0 - level) / 2.0);
        // Clusters of different sizes have another mean than their rows: from there the ends are found.
        let clusters = self.values.iter().map(|(_, count)| count).sum::<f64>();
        let inside = self.values.iter().map(|(d, count)| d * count).sum::<f64>() / clusters;
        let low = boundary(inside, -1.0, |delta| self.gain(delta) < reached);
        let high = boundary(inside, 1.0, |delta| self.loss(delta) < reached);
        Some(Interval { low: low.min(mean), high: high.max(mean) })
    }

    /// How many times the rows of a single look it takes to prove a difference, each with a chance of [`POWER`], at the one-sided
    /// level `alpha`: the fortune after normal differences of as much information as these.
    pub fn price(&self, alpha: f64) -> Option<f64> {
        let (a, b) = (-normal_quantile(alpha)?, normal_quantile(POWER)?);
        let spread = self.values.iter().map(|(d, count)| count * d * d).sum::<f64>().max(1.0);
        let fortune =
            |z: f64| mean_of(stakes().map(|stake| stake * z * spread.sqrt() - stake * stake * spread / 2.0));
        let needed = boundary(0.0, 40.0, |z| fortune(z) < -libm::log(alpha));
        Some(((needed + b) / (a + b)).powi(2))
    }
}

/// [`Bets`] on their way.
#[derive(Debug)]
pub(crate) struct BetsOf {
    shares: DifferencesOf,
    /// Where each row is a cluster, its difference; else the sum and the number of each cluster.
    rows: Vec<(f64, u32)>,
    are_rows: bool,
}

impl BetsOf {
    /// `clusters` is how many there are; none where each row is one.
    pub(crate) fn new(clusters: Option<u64>) -> Self {
        let rows = vec![(0.0, 0); clusters.unwrap_or_default() as usize];
        Self { shares: DifferencesOf::new(clusters), rows, are_rows: clusters.is_none() }
    }

    /// A row with this difference, of this cluster.
    pub(crate) fn add(&mut self, cluster: usize, difference: f64) {
        self.shares.add(cluster, difference);
        if self.are_rows {
            self.rows.push((difference, 1));
        } else {
            let (sum, rows) = &mut self.rows[cluster];
            *sum += difference;
            *rows += 1;
        }
    }

    pub(crate) fn finish(self) -> Bets {
        let clusters = self.rows.into_iter().filter(|(_, rows)| *rows > 0);
        let mut means: Vec<f64> = clusters.map(|(sum, rows)| sum / f64::from(rows)).collect();
        means.sort_unstable_by(f64::total_cmp);
        let values = means.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect();
        Bets { shares: self.shares.finish(), values }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::random::Random;
    use crate::vectors::read;

    fn bets(values: &[f64]) -> Bets {
        let mut of = BetsOf::new(None);
        values.iter().for_each(|value| of.add(0, *value));
        of.finish()
    }

    #[derive(Deserialize)]
    struct Case {
        values: Vec<f64>,
        delta: f64,
        gain: f64,
        loss: f64,
    }

    #[test]
    fn agrees_with_its_definition_in_many_digits() {
        let cases = read::<Case>(include_str!("testdata/anytime.json"));
        assert!(cases.len() > 30);
        for case in cases {
            let of = bets(&case.values);
            for (ours, theirs) in [(of.gain(case.delta), case.gain), (of.loss(case.delta), case.loss)] {
                assert!((ours - theirs).abs() < 1e-9 * theirs.abs().max(1.0), "{ours}, expected {theirs}");
            }
        }
    }

    #[test]
    fn looking_after_each_row_errs_no_more_often_than_the_level() {
        // A single look's test would err in every third of these.
        let (mut random, times, rows) = (Random::new(5, 0), 400, 300);
        let mut draw = || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        let mut ever = 0u32;
        for _ in 0..times {
            let mut values = Vec::new();
            ever += u32::from((0..rows).any(|row| {
                let share = draw();
                values.push(if share < 0.15 {
                    1.0
                } else if share < 0.3 {
                    -1.0
                } else {
                    0.0
                });
                let of = bets(&values);
                row % 10 == 9 && 2.0 * of.gain_p().min(of.loss_p(0.0)) <= 0.05
            }));
        }
        assert!(f64::from(ever) <= 0.05 * f64::from(times) + 8.0, "{ever} of {times}");
        // And it finds what there is: +10 points in 600 rows.
        let found = (0..100).filter(|_| {
            let values: Vec<_> = (0..600)
                .map(|_| {
                    let share = draw();
                    if share < 0.2 {
                        1.0
                    } else if share < 0.3 {
                        -1.0
                    } else {
                        0.0
                    }
                })
                .collect();
            2.0 * bets(&values).gain_p() <= 0.05
        });
        assert!(found.count() > 70);
    }

    proptest! {
        #[test]
        fn test_and_interval_never_contradict_each_other(
            values in prop::collection::vec(-1i8..=1, 1..80),
            level in prop::sample::select(vec![0.9, 0.95, 0.99]),
            margin in 0.01f64..0.3,
        ) {
            let of = bets(&values.into_iter().map(f64::from).collect::<Vec<_>>());
            let interval = of.interval(level).unwrap();
            let mean = of.shares.mean().unwrap();
            prop_assert!(-1.0 <= interval.low && interval.low <= mean && mean <= interval.high && interval.high <= 1.0);
            let p = 2.0 * of.gain_p().min(of.loss_p(0.0));
            prop_assume!((p - (1.0 - level)).abs() > 1e-9);
            prop_assert_eq!(p <= 1.0 - level, interval.low > 0.0 || interval.high < 0.0);
            let within = of.non_inferiority_p(margin);
            prop_assume!((within - (1.0 - level) / 2.0).abs() > 1e-9);
            prop_assert_eq!(within <= (1.0 - level) / 2.0, interval.low > -margin);
            prop_assert!(of.price(0.025).unwrap() > 1.0);
        }
    }
}
