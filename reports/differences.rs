//! The test that decides: how far apart two models are, with rows that may be right or wrong together counted as one.
//!
//! It is Tango's score test (1998), whose variance is the most likely one under the difference that is supposed, times how much
//! the clusters inflate it under that same difference. Without a supposed difference that is the score test for clustered
//! matched pairs of Durkalski et al. (2003), "Analysis of clustered matched-pair data", the studentised form of flipping the
//! signs of whole clusters (Canay, Romano and Shaikh 2017); with one it follows Yang, Sun and Hardin (2010), "A non-inferiority
//! test for clustered matched-pair binary data". Where each cluster is one row it is Tango's to the last digit. Its interval
//! holds the differences that it does not reject. Simulations of its level stand in `docs/statistics.md`.

use crate::confusion::ratio_of;
use crate::jackknife::FEW_ERRING;
use crate::power::rows_to_decide;
use crate::studentised::Studentised;
use crate::tango::{boundary, variance};
use crate::{Interval, Paired, normal_quantile, smallest_difference};

/// What clusters of rows say of the difference between two models' accuracies, the second minus the first.
///
/// Each row has a difference of its own, -1 to 1: of the shares, over its repeats, of right answers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Differences {
    rows: f64,
    /// The sum of the rows' differences above 0, and of those below 0 without their sign.
    won: f64,
    lost: f64,
    clusters: u64,
    /// The clusters that speak for one of the models.
    telling: u64,
    /// Over clusters, of their sums of differences s and their rows n: Σ s², Σ s n, Σ n².
    squares: f64,
    products: f64,
    sizes: f64,
}

impl From<&Paired> for Differences {
    /// Each row as a cluster of its own.
    fn from(paired: &Paired) -> Self {
        let (rows, won, lost) = (paired.compared() as f64, paired.only_tuned as f64, paired.only_base as f64);
        Self {
            rows,
            won,
            lost,
            clusters: paired.compared(),
            telling: paired.discordant(),
            squares: won + lost,
            products: won - lost,
            sizes: rows,
        }
    }
}

impl Differences {
    /// The difference of the accuracies, -1 to 1; none without rows.
    pub fn mean(&self) -> Option<f64> {
        ratio_of(self.won - self.lost, self.rows)
    }

    /// The clusters that are compared.
    pub fn clusters(&self) -> u64 {
        self.clusters
    }

    /// How many times the clusters raise the variance of the difference, at the difference that was found; 1 where each is one
    /// row with one answer.
    pub fn design_effect(&self) -> f64 {
        self.inflation(self.mean().unwrap_or_default())
    }

    fn inflation(&self, delta: f64) -> f64 {
        let of = |squares: f64, products: f64, sizes: f64| {
            squares - 2.0 * delta * products + delta * delta * sizes
        };
        let alone = of(self.won + self.lost, self.won - self.lost, self.rows);
        // Where nothing tells the models apart, rows are taken to be as alike as they can be.
        ratio_of(of(self.squares, self.products, self.sizes), alone)
            .or_else(|| ratio_of(self.sizes, self.rows))
            .unwrap_or(1.0)
    }

    /// How many standard deviations the difference lies above a supposed one of `delta`, -1 to 1. It falls as `delta` grows.
    pub fn score(&self, delta: f64) -> f64 {
        let distance = self.won - self.lost - self.rows * delta;
        if distance == 0.0 {
            return 0.0;
        }
        let variance = self.rows * variance(self.rows, self.won, self.lost, delta);
        distance / (variance * self.inflation(delta)).sqrt()
    }

    /// The least p-value, one-sided, that flipping the signs of so many clusters can give: no test may claim more.
    fn least(&self) -> f64 {
        0.5f64.powf(self.telling as f64)
    }

    /// The one-sided p-value of a gain: how likely such rows are if there is none. 1 without rows.
    pub fn gain_p(&self) -> f64 {
        if self.rows > 0.0 { upper_tail(self.score(0.0)).max(self.least()) } else { 1.0 }
    }

    /// The one-sided p-value of a loss of more than `margin`, 0 to 1: how likely such rows are if the loss is the margin.
    pub fn loss_p(&self, margin: f64) -> f64 {
        let least = if margin > 0.0 { 0.0 } else { self.least() };
        if self.rows > 0.0 { upper_tail(-self.score(-margin)).max(least) } else { 1.0 }
    }

    /// The one-sided p-value of non-inferiority: how likely such rows are if the loss is `margin`, above 0, or more.
    pub fn non_inferiority_p(&self, margin: f64) -> f64 {
        if self.rows > 0.0 { upper_tail(self.score(-margin)) } else { 1.0 }
    }

    /// The two-sided p-value of any difference.
    pub fn p(&self) -> f64 {
        (2.0 * self.gain_p().min(self.loss_p(0.0))).min(1.0)
    }

    /// The differences that the test does not reject at a level between 0 and 1; none without rows.
    ///
    /// It holds 0 just when [`p`](Self::p) is above one minus the level.
    pub fn interval(&self, level: f64) -> Option<Interval> {
        // From the lower tail, where a level near 1 loses no digits.
        let z = -normal_quantile((1.0 - level) / 2.0)?;
        if z <= 0.0 || z.is_infinite() {
            return None;
        }
        let mean = self.mean()?;
        // A model that lost none of the rows to the other can be seen from its end of the scale.
        let low = boundary(mean, -1.0, |delta| self.score(delta) <= z);
        let high = boundary(mean, 1.0, |delta| self.score(delta) >= -z);
        // So few clusters prove nothing, however far apart they are.
        let open = 2.0 * self.least() > 1.0 - level;
        Some(if open { Interval { low: low.min(0.0), high: high.max(0.0) } } else { Interval { low, high } })
    }

    /// The smallest difference that so many clusters prove; see [`smallest_difference`]. It counts as many rows as would tell as
    /// much if each stood by itself.
    pub fn smallest_difference(&self) -> Option<f64> {
        let alone = self.rows / self.inflation(0.0);
        smallest_difference(alone as u64, (self.won + self.lost) / self.rows)
    }

    /// How many rows would decide.
    pub fn rows_to_decide(&self, margin: f64, alpha: f64) -> Option<u64> {
        rows_to_decide(self.score(-margin), self.rows, alpha)
    }

    /// The mean with its variance over clusters, by the ratio estimator.
    pub(crate) fn studentised(&self) -> Studentised {
        let clusters = self.clusters as f64;
        let Some(difference) = self.mean().filter(|_| self.clusters > 1) else {
            return Studentised::unknown(self.mean().unwrap_or(f64::NAN), self.rows, 1.0);
        };
        let spread = self.squares - 2.0 * difference * self.products + difference * difference * self.sizes;
        Studentised {
            difference,
            variance: clusters / (clusters - 1.0) * spread.max(0.0) / (self.rows * self.rows),
            degrees: clusters - 1.0,
            clusters: self.clusters,
            telling: self.telling,
            rows: self.rows,
            effective_rows: if self.telling < FEW_ERRING {
                self.rows * self.rows / self.sizes
            } else {
                self.rows
            },
            scale: 1.0,
        }
    }

    /// The rows that were won and lost, as far as repeats agree, and all others.
    pub(crate) fn sides(&self) -> [f64; 3] {
        [self.won, self.lost, self.rows - self.won - self.lost]
    }

    /// The same in clusters that raise the variance so many times.
    #[cfg(test)]
    pub(crate) fn inflated(self, times: f64) -> Self {
        let Self { squares, products, sizes, .. } = self;
        Self { squares: squares * times, products: products * times, sizes: sizes * times, ..self }
    }

    /// The rows that are compared.
    pub(crate) fn rows(&self) -> f64 {
        self.rows
    }
}

/// The upper tail of the normal distribution.
fn upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
}

/// [`Differences`] on their way.
#[derive(Debug, Clone)]
pub(crate) struct DifferencesOf {
    sums: Differences,
    /// The sum of the differences and the number of the rows of each cluster, where clusters are not rows.
    clusters: Option<Vec<(f64, u32)>>,
}

impl DifferencesOf {
    /// `clusters` is how many there are; none where each row is one.
    pub(crate) fn new(clusters: Option<u64>) -> Self {
        let clusters = clusters.map(|count| vec![(0.0, 0); count as usize]);
        Self { sums: Differences::default(), clusters }
    }

    /// A row with this difference, of this cluster.
    pub(crate) fn add(&mut self, cluster: usize, difference: f64) {
        self.sums.rows += 1.0;
        self.sums.won += difference.max(0.0);
        self.sums.lost += (-difference).max(0.0);
        match &mut self.clusters {
            None => self.sums.add_cluster(difference, 1),
            Some(clusters) => {
                let (sum, rows) = &mut clusters[cluster];
                *sum += difference;
                *rows += 1;
            }
        }
    }

    pub(crate) fn finish(self) -> Differences {
        let mut sums = self.sums;
        for (sum, rows) in self.clusters.into_iter().flatten().filter(|(_, rows)| *rows > 0) {
            sums.add_cluster(sum, rows);
        }
        sums
    }
}

impl Differences {
    fn add_cluster(&mut self, sum: f64, rows: u32) {
        let rows = f64::from(rows);
        self.clusters += 1;
        // Thirds of repeats need not add up to nothing to the last digit.
        self.telling += u64::from(sum.abs() > 1e-9);
        self.squares += sum * sum;
        self.products += sum * rows;
        self.sizes += rows * rows;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{CONFIDENCE, mcnemar_exact};

    fn rows(n: u64, lost: u64, won: u64) -> Differences {
        let paired =
            Paired { both_correct: n - lost - won, only_base: lost, only_tuned: won, ..Paired::default() };
        Differences::from(&paired)
    }

    fn clusters(rows: &[(usize, f64)]) -> Differences {
        let mut of = DifferencesOf::new(Some(64));
        rows.iter().for_each(|(cluster, difference)| of.add(*cluster, *difference));
        of.finish()
    }

    #[test]
    fn rows_that_stand_five_times_count_as_if_they_stood_once() {
        let differences: Vec<f64> = (0..40).map(|i| if i < 3 { 1.0 } else { 0.0 }).chain([-1.0]).collect();
        let once = clusters(&differences.iter().copied().enumerate().collect::<Vec<_>>());
        let five: Vec<_> = (0..5).flat_map(|_| differences.iter().copied().enumerate()).collect();
        let five = clusters(&five);
        assert_eq!((once.clusters(), five.clusters()), (41, 41));
        for delta in [-0.1, -0.02, 0.0, 0.05] {
            assert!((once.score(delta) - five.score(delta)).abs() < 1e-12, "{delta}");
        }
        assert!((once.p() - five.p()).abs() < 1e-12);
        assert!((five.design_effect() - 5.0).abs() < 1e-12);
    }

    #[test]
    fn the_mean_of_repeats_decides_and_not_the_lucky_first() {
        // Of five answers the first won each of these rows, and the others lost most of them.
        let lucky = clusters(&(0..40).map(|row| (row, if row < 8 { -0.2 } else { 0.0 })).collect::<Vec<_>>());
        assert!(lucky.mean().unwrap() < 0.0 && lucky.gain_p() > 0.5);
    }

    #[test]
    fn five_clusters_prove_nothing_and_six_may() {
        for (telling, proven) in [(4, false), (5, false), (6, true)] {
            let found = rows(40, 0, telling);
            assert_eq!(found.p() <= 0.05, proven);
            assert_eq!(found.interval(CONFIDENCE).unwrap().low > 0.0, proven);
        }
    }

    #[test]
    fn a_hint_names_rows_and_chance_names_none() {
        // Twice the score takes a quarter of the rows or less.
        let (weak, strong) = (rows(200, 10, 18), rows(200, 10, 20));
        let [weak, strong] = [weak, strong].map(|found| found.rows_to_decide(0.0, 0.025));
        assert!(strong.unwrap() > 200 && weak.unwrap() > strong.unwrap());
        assert!(rows(200, 10, 20).rows_to_decide(0.0, 0.0025) > strong);
        assert_eq!(rows(200, 10, 12).rows_to_decide(0.0, 0.025), None);
        // By hand: z = 2, level 0.025: √r = (1.96 · 2 + √(1.96² · 4 - (4 - 0.8416²)(1.96² - 0.8416²))) / (4 - 0.8416²).
        let z = rows(100, 2, 10).score(0.0);
        let (a, b) = (1.959_963_985, 0.841_621_234);
        let r = rows(100, 2, 10).rows_to_decide(0.0, 0.025).unwrap() as f64 / 100.0;
        let chance = (z * r.sqrt() - a) / (1.0 + r).sqrt();
        assert!((chance - b).abs() < 0.01, "{chance}");
    }

    proptest! {
        #[test]
        fn test_and_interval_never_contradict_each_other(
            values in prop::collection::vec((0usize..64, -1i8..=1), 1..120),
            level in prop::sample::select(vec![0.9, 0.95, 0.975, 0.99]),
            margin in 0.01f64..0.3,
        ) {
            let values: Vec<_> = values.into_iter().map(|(cluster, value)| (cluster, f64::from(value))).collect();
            let found = clusters(&values);
            let interval = found.interval(level).unwrap();
            let mean = found.mean().unwrap();
            prop_assert!(-1.0 <= interval.low && interval.low <= mean && mean <= interval.high && interval.high <= 1.0);
            prop_assume!((found.p() - (1.0 - level)).abs() > 1e-9);
            let outside = interval.low > 0.0 || interval.high < 0.0;
            prop_assert_eq!(found.p() <= 1.0 - level, outside, "{:?} {}", interval, found.p());
            prop_assume!((interval.low + margin).abs() > 1e-9 && found.telling > 6);
            prop_assert_eq!(found.non_inferiority_p(margin) <= (1.0 - level) / 2.0, interval.low > -margin);
        }

        #[test]
        fn where_clusters_are_rows_a_decision_changes_only_where_it_contradicted_its_interval(
            same in 0u64..2000, lost in 0u64..300, won in 0u64..300, questions in 1u32..20,
        ) {
            prop_assume!(same + lost + won > 0);
            let (alpha, found) = (0.05 / f64::from(questions), rows(same + lost + won, lost, won));
            // What the exact test of McNemar proves stays proven.
            if mcnemar_exact(lost, won) <= alpha {
                prop_assert!(found.p() <= alpha);
            }
        }
    }
}
