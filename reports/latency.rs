//! How long the answers of a model took.

use serde::Serialize;

use crate::Predictions;

/// How long answers took, in milliseconds, over the answered rows where it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LatencyFigures {
    /// The median; of two in the middle their mean.
    pub median_ms: f64,
    /// The shortest time within which at least 95 % of the answers came (nearest rank; Hyndman and Fan 1996, type 1).
    pub p95_ms: f64,
    /// The longest time.
    pub max_ms: f64,
}

impl LatencyFigures {
    /// None where no time was measured.
    pub(crate) fn of(predictions: &Predictions) -> Option<Self> {
        let answered = predictions.iter().filter(|prediction| prediction.is_answered());
        let mut micros: Vec<u32> = answered.filter_map(|p| Some(p.latency?.as_micros())).collect();
        let (count, max) = (micros.len(), *micros.iter().max()?);
        // Positions from 0; 95 % of the count, rounded up, in whole numbers.
        let mut at = |position: usize| f64::from(*micros.select_nth_unstable(position).1) / 1000.0;
        Some(Self {
            median_ms: (at((count - 1) / 2) + at(count / 2)) / 2.0,
            p95_ms: at((count * 95).div_ceil(100) - 1),
            max_ms: f64::from(max) / 1000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Latency;
    use crate::testing::{changed, predictions};

    fn figures(micros: &[u32]) -> LatencyFigures {
        let letters = "a".repeat(micros.len());
        let rows = predictions(&letters, &letters);
        LatencyFigures::of(&changed(&rows, |at, row| row.latency = Latency::from_micros(micros[at]))).unwrap()
    }

    #[test]
    fn the_ninety_fifth_of_a_hundred_is_the_95th_percentile() {
        let hundred: Vec<_> = (1..=100).rev().map(|ms| ms * 1000).collect();
        assert_eq!(figures(&hundred), LatencyFigures { median_ms: 50.5, p95_ms: 95.0, max_ms: 100.0 });
        assert_eq!(figures(&hundred[..19]).p95_ms, 100.0);
        assert_eq!(figures(&hundred[..20]).p95_ms, 99.0);
        assert_eq!(figures(&[1500]), LatencyFigures { median_ms: 1.5, p95_ms: 1.5, max_ms: 1.5 });
    }

    #[test]
    fn only_answers_that_were_timed_count() {
        let rows = predictions("aaa", "a?b");
        let timed =
            |micros: [u32; 3]| changed(&rows, |at, row| row.latency = Latency::from_micros(micros[at]));
        assert_eq!(LatencyFigures::of(&timed([0, 0, 0])), None);
        assert_eq!(LatencyFigures::of(&timed([0, 9_000_000, 0])), None);
        assert_eq!(LatencyFigures::of(&timed([0, 9_000_000, 2_000])).unwrap().max_ms, 2.0);
    }
}
