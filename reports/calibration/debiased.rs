//! The calibration error without its own bias: a bin's share of right answers differs from its confidence by chance alone, and the
//! fewer rows a bin has, the more.
//!
//! Kumar, Liang and Ma (2019), "Verified uncertainty calibration": what a normal variable of the bin's distance and standard error would
//! be away from 0 on average is more than the distance, and by so much the error is lowered. The interval leaves out each cluster once.

use super::{CALIBRATION_BINS, Row};
use crate::student::student_quantile;
use crate::{CONFIDENCE, Interval};

/// Of a bin its rows, the sum of their probabilities, and those that are right.
#[derive(Clone, Copy, Default)]
struct Bin {
    rows: f64,
    confidence: f64,
    right: f64,
}

impl Bin {
    fn add(&mut self, row: Row, times: f64) {
        self.rows += times;
        self.confidence += times * row.probability();
        self.right += times * row.outcome();
    }

    /// What the bin adds to the error, times its rows.
    fn error(&self) -> f64 {
        if self.rows < 0.5 {
            return 0.0;
        }
        let (accuracy, confidence) = (self.right / self.rows, self.confidence / self.rows);
        let distance = (accuracy - confidence).abs();
        let deviation = (accuracy * (1.0 - accuracy) / self.rows).max(0.0).sqrt();
        self.rows * (2.0 * distance - folded(distance, deviation))
    }
}

/// How far from 0 a normal variable lies on average.
fn folded(mean: f64, deviation: f64) -> f64 {
    if deviation <= 0.0 {
        return mean;
    }
    let z = mean / deviation;
    let density = (2.0 / std::f64::consts::PI).sqrt() * libm::exp(-z * z / 2.0);
    deviation * density + mean * libm::erf(z / std::f64::consts::SQRT_2)
}

/// The error, 0 to 1, and its 95 % interval; no interval with fewer than two clusters. The rows are told by their places, each with
/// the key of its cluster.
pub(super) fn error(
    places: impl Iterator<Item = u32>,
    key: impl Fn(u32) -> u64,
    row: impl Fn(u32) -> Row,
) -> (f64, Option<Interval>) {
    let mut rows: Vec<u32> = places.collect();
    let value = |place: u32| (row(place).threshold().to_bits(), row(place).is_right());
    rows.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)).then_with(|| value(*a).cmp(&value(*b))));
    let mut bins = [Bin::default(); CALIBRATION_BINS];
    for place in &rows {
        let row = row(*place);
        bins[row.bin()].add(row, 1.0);
    }
    let whole: f64 = bins.iter().map(Bin::error).sum();
    let (n, value) = (rows.len() as f64, whole / rows.len() as f64);
    let (mut clusters, mut sum, mut squares) = (0u64, 0.0, 0.0);
    for cluster in rows.chunk_by(|a, b| key(*a) == key(*b)) {
        let of_cluster = || cluster.iter().map(|place| row(*place));
        let mut touched: Vec<usize> = of_cluster().map(Row::bin).collect();
        touched.sort_unstable();
        touched.dedup();
        let before: f64 = touched.iter().map(|bin| bins[*bin].error()).sum();
        let kept: Vec<Bin> = touched.iter().map(|bin| bins[*bin]).collect();
        of_cluster().for_each(|row| bins[row.bin()].add(row, -1.0));
        let after: f64 = touched.iter().map(|bin| bins[*bin].error()).sum();
        touched.iter().zip(kept).for_each(|(bin, kept)| bins[*bin] = kept);
        let left = n - cluster.len() as f64;
        let change = if left > 0.0 { (whole - before + after) / left - value } else { 0.0 };
        (clusters, sum, squares) = (clusters + 1, sum + change, squares + change * change);
    }
    let count = clusters as f64;
    let variance = (count - 1.0) / count * (squares - sum * sum / count).max(0.0);
    let interval = student_quantile(CONFIDENCE, clusters.saturating_sub(1)).map(|t| {
        let half = t * variance.sqrt();
        Interval { low: (value - half).clamp(0.0, 1.0), high: (value + half).clamp(0.0, 1.0) }
    });
    (value.clamp(0.0, 1.0), interval)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Probability;
    use crate::random::Random;
    use crate::vectors::read;

    #[derive(Deserialize)]
    struct Case {
        clusters: Vec<u64>,
        probabilities: Vec<f32>,
        right: Vec<u8>,
        error: f64,
        low: f64,
        high: f64,
    }

    fn of(rows: &[(u64, f32, bool)]) -> (f64, Option<Interval>) {
        let row = |place: u32| {
            let (_, probability, right) = rows[place as usize];
            Row::new(Probability::new(probability).unwrap(), right)
        };
        error(0..rows.len() as u32, |place| rows[place as usize].0, row)
    }

    #[test]
    fn agrees_with_scipy() {
        let cases = read::<Case>(include_str!("../testdata/debiased.json"));
        assert!(cases.len() > 20);
        for (i, case) in cases.into_iter().enumerate() {
            let rows = case.clusters.iter().zip(&case.probabilities).zip(&case.right);
            let rows: Vec<_> = rows.map(|((c, p), right)| (*c, *p, *right == 1)).collect();
            let (error, interval) = of(&rows);
            let interval = interval.unwrap();
            for (ours, theirs) in [(error, case.error), (interval.low, case.low), (interval.high, case.high)]
            {
                assert!((ours - theirs).abs() < 1e-9, "{i}: {ours}, expected {theirs}");
            }
        }
    }

    #[test]
    fn it_hits_the_truth_where_the_plain_error_does_not() {
        let mut random = Random::new(21, 0);
        let mut share = || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        for (shift, truth) in [(0.0, 0.0), (0.1, 0.1)] {
            let (mut covered, mut mean, mut plain, times) = (0u32, 0.0, 0.0, 400u32);
            for _ in 0..times {
                let rows: Vec<_> = (0..300)
                    .map(|row| {
                        let probability = 0.5 + 0.5 * share() as f32;
                        (row, probability, share() < f64::from(probability) - shift)
                    })
                    .collect();
                let mut bins = [Bin::default(); CALIBRATION_BINS];
                for (_, p, right) in &rows {
                    let row = Row::new(Probability::new(*p).unwrap(), *right);
                    bins[row.bin()].add(row, 1.0);
                }
                plain += bins.iter().map(|bin| (bin.right - bin.confidence).abs() / 300.0).sum::<f64>();
                let (error, interval) = of(&rows);
                mean += error;
                covered += u32::from(interval.is_some_and(|i| i.low <= truth && truth <= i.high));
            }
            let (mean, plain) = (mean / f64::from(times), plain / f64::from(times));
            // Where probabilities are true, much of the error is chance; where they are not, little is.
            assert!((mean - truth).abs() < 0.012 || mean < 0.75 * plain, "{shift}: {mean}, plain {plain}");
            assert!(f64::from(covered) >= 0.9 * f64::from(times), "{shift}: {covered} of {times}");
        }
    }
}
