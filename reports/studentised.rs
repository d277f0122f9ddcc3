//! The test that decides where the figure is not a share of rows: the difference over its standard error, which leaving out each
//! cluster once gives.
//!
//! The t-test over clusters of Donner and Klar (1996), "Methods for comparing event rates in intervention studies when the unit of
//! allocation is a cluster", with the jackknife variance of Tukey (1958), so that it is the same for every figure that rows have:
//! macro-F1, precision, cost. That nothing was seen to differ does not mean that nothing can: to the standard error comes what a
//! binomial share of which nothing was seen could still be. Simulations of its level stand in `docs/statistics.md`.

use crate::beta::student_tail;
use crate::jackknife::FEW_ERRING;
use crate::tango::boundary;
use crate::{Interval, POWER, normal_quantile};

/// A difference of two figures, the second model's less the first's and so that more is better, with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Studentised {
    /// The difference.
    pub(crate) difference: f64,
    /// The variance of the difference, over test sets; infinite where nobody knows it.
    pub(crate) variance: f64,
    /// The degrees of freedom of that variance; need not be whole.
    pub(crate) degrees: f64,
    /// The clusters that are compared.
    pub(crate) clusters: u64,
    /// The clusters that speak for one of the models.
    pub(crate) telling: u64,
    /// The rows that are compared.
    pub(crate) rows: f64,
    /// How many rows by themselves would tell as much.
    pub(crate) effective_rows: f64,
    /// The largest difference that there can be.
    pub(crate) scale: f64,
}

impl Studentised {
    /// Nothing is known but how many rows there are.
    pub(crate) fn unknown(difference: f64, rows: f64, scale: f64) -> Self {
        let (clusters, telling, effective_rows) = (0, 0, 1.0);
        let variance = f64::INFINITY;
        Self { difference, variance, degrees: 1.0, clusters, telling, rows, effective_rows, scale }
    }

    /// How far the difference can be from the truth at a t-value, squared.
    fn reach(&self, t2: f64) -> f64 {
        let unseen = self.scale * t2 / (self.effective_rows + t2);
        t2 * self.variance + unseen * unseen
    }

    /// How many standard errors the difference lies above a supposed one of `delta`. It falls as `delta` grows.
    pub(crate) fn score(&self, delta: f64) -> f64 {
        let distance = (self.difference - delta).powi(2);
        if self.variance.is_infinite() || distance == 0.0 {
            return 0.0;
        }
        let most = match self.variance > 0.0 {
            true => distance / self.variance,
            // All of it is what was not seen.
            false if distance < self.scale * self.scale => {
                let share = distance.sqrt() / self.scale;
                2.0 * self.effective_rows * share / (1.0 - share)
            }
            false => 1e12,
        };
        let t2 = boundary(0.0, most, |t2| self.reach(t2) <= distance);
        t2.sqrt().copysign(self.difference - delta)
    }

    fn tail(&self, t: f64) -> f64 {
        if self.variance.is_infinite() { 1.0 } else { student_tail(t, self.degrees) }
    }

    /// The least p-value that flipping the signs of so many clusters can give.
    fn least(&self) -> f64 {
        0.5f64.powf(self.telling as f64)
    }

    pub(crate) fn gain_p(&self) -> f64 {
        self.tail(self.score(0.0)).max(self.least())
    }

    pub(crate) fn loss_p(&self, margin: f64) -> f64 {
        let least = if margin > 0.0 { 0.0 } else { self.least() };
        self.tail(-self.score(-margin)).max(least)
    }

    pub(crate) fn non_inferiority_p(&self, margin: f64) -> f64 {
        self.tail(self.score(-margin))
    }

    /// The differences that are not rejected at a level between 0 and 1; all there can be where nobody knows the variance.
    pub(crate) fn interval(&self, level: f64) -> Option<Interval> {
        if !(level > 0.0 && level < 1.0) {
            return None;
        }
        let whole = Interval { low: -self.scale, high: self.scale };
        if self.variance.is_infinite() {
            return Some(whole);
        }
        let quantile = |t: f64| 2.0 * student_tail(t, self.degrees) >= 1.0 - level;
        let t = boundary(0.0, 1e9, quantile);
        let half = self.reach(t * t).sqrt();
        let (low, high) = ((self.difference - half).max(whole.low), (self.difference + half).min(whole.high));
        let open = 2.0 * self.least() > 1.0 - level;
        Some(if open { Interval { low: low.min(0.0), high: high.max(0.0) } } else { Interval { low, high } })
    }

    /// The smallest difference that so many clusters prove with a chance of [`POWER`], at this two-sided level.
    pub(crate) fn smallest_difference(&self, alpha: f64) -> Option<f64> {
        let t = boundary(0.0, 1e9, |t| 2.0 * student_tail(t, self.degrees) >= alpha);
        let least = self.reach(t * t).sqrt() + normal_quantile(POWER)? * self.variance.sqrt();
        (least < self.scale).then_some(least)
    }
}

/// A mean over rows on its way.
#[derive(Debug)]
pub(crate) struct MeansOf {
    /// How many clusters there are; none where each row is one.
    count: Option<u64>,
    /// The sum of the differences and the number of the rows of each cluster.
    clusters: Vec<(f64, u32)>,
    scale: f64,
}

impl MeansOf {
    pub(crate) fn new(count: Option<u64>, scale: f64) -> Self {
        Self { count, clusters: vec![(0.0, 0); count.unwrap_or_default() as usize], scale }
    }

    /// A row with this difference, of this cluster.
    pub(crate) fn add(&mut self, cluster: usize, difference: f64) {
        match self.count {
            None => self.clusters.push((difference, 1)),
            Some(_) => {
                let (sum, rows) = &mut self.clusters[cluster];
                *sum += difference;
                *rows += 1;
            }
        }
    }

    /// The ratio estimator over clusters, as in statsmodels' OLS on a constant with `cov_type="cluster"`.
    pub(crate) fn finish(self) -> Studentised {
        let clusters: Vec<_> = self.clusters.iter().filter(|(_, rows)| *rows > 0).collect();
        let (count, rows) =
            (clusters.len() as f64, clusters.iter().map(|(_, rows)| f64::from(*rows)).sum::<f64>());
        let difference = clusters.iter().map(|(sum, _)| sum).sum::<f64>() / rows;
        if clusters.len() < 2 || self.scale <= 0.0 {
            return Studentised::unknown(difference, rows, self.scale);
        }
        let residual = |(sum, rows): &(f64, u32)| (sum - difference * f64::from(*rows)).powi(2);
        let squares: f64 = clusters.iter().map(|one| residual(one)).sum();
        // Sums of decimal fractions need not add up to nothing to the last digit.
        let telling = clusters.iter().filter(|(sum, _)| sum.abs() > 1e-9 * self.scale).count() as u64;
        let sizes: f64 = clusters.iter().map(|(_, rows)| f64::from(*rows).powi(2)).sum();
        Studentised {
            difference,
            variance: count / (count - 1.0) * squares / (rows * rows),
            degrees: count - 1.0,
            clusters: clusters.len() as u64,
            telling,
            rows,
            effective_rows: if telling < FEW_ERRING { rows * rows / sizes } else { rows },
            scale: self.scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::CONFIDENCE;

    proptest! {
        #[test]
        fn test_and_interval_never_contradict_each_other(
            difference in -0.5f64..0.5,
            deviation in prop_oneof![Just(0.0), 1e-4f64..0.3],
            clusters in 2u64..400,
            margin in 0.01f64..0.4,
            level in prop::sample::select(vec![0.9, 0.95, 0.99]),
        ) {
            let of = Studentised {
                difference,
                variance: deviation * deviation,
                degrees: (clusters - 1) as f64,
                clusters,
                telling: clusters,
                rows: clusters as f64,
                effective_rows: clusters as f64,
                scale: 1.0,
            };
            let interval = of.interval(level).unwrap();
            prop_assert!(interval.low <= difference && difference <= interval.high);
            let p = (2.0 * of.gain_p().min(of.loss_p(0.0))).min(1.0);
            prop_assume!((p - (1.0 - level)).abs() > 1e-6);
            prop_assert_eq!(p <= 1.0 - level, interval.low > 0.0 || interval.high < 0.0, "{} {:?}", p, interval);
            let within = of.non_inferiority_p(margin);
            prop_assume!((within - (1.0 - level) / 2.0).abs() > 1e-6);
            prop_assert_eq!(within <= (1.0 - level) / 2.0, interval.low > -margin);
        }
    }

    #[test]
    fn what_is_not_known_proves_nothing() {
        let of = Studentised::unknown(0.4, 100.0, 1.0);
        assert_eq!((of.gain_p(), of.loss_p(0.1), of.non_inferiority_p(0.1)), (1.0, 1.0, 1.0));
        assert_eq!(of.interval(CONFIDENCE), Some(Interval { low: -1.0, high: 1.0 }));
        assert_eq!(of.smallest_difference(0.05), None);
    }
}
