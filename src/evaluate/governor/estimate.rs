//! What a request is expected to cost in tokens.

use tunebench_data::expected_tokens;
use tunebench_providers::Usage;

/// How fast older answers lose weight in the correction: half after some 35.
const DECAY: f64 = 0.98;
/// Tokens of pretended experience, so that one odd answer does not rule.
const PRIOR: f64 = 100.0;
/// How far single estimates are taken to be off, as a share, before there is experience; and its weight in later.
const DEVIATION: f64 = 0.2;
const DEVIATION_WEIGHT: f64 = 1.0 / 16.0;
/// Mean deviations by which the sum over the requests in flight may be exceeded.
const SAFETY: f64 = 4.0;

/// The tokens that a request is expected to be charged with against the rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Tokens sent.
    pub input: u64,
    /// The cap on tokens answered: providers reserve all of it.
    pub output_cap: u64,
}

impl Estimate {
    /// For messages of so many bytes in all, and an output cap in tokens.
    pub fn of_bytes(bytes: usize, output_cap: u64) -> Self {
        Self { input: expected_tokens(bytes), output_cap }
    }
}

/// How estimates compare with the provider's own count.
#[derive(Debug)]
pub(super) struct Correction {
    counted: f64,
    estimated: f64,
    /// By which share single requests differ from what the ratio gives, in the mean.
    deviation: f64,
}

impl Correction {
    pub(super) fn new() -> Self {
        Self { counted: PRIOR, estimated: PRIOR, deviation: DEVIATION }
    }

    pub(super) fn ratio(&self) -> f64 {
        (self.counted / self.estimated).clamp(0.1, 10.0)
    }

    /// The tokens to expect, among so many requests in flight.
    ///
    /// With a margin: until its answer is there, a request counts as more than expected by its part in the error of
    /// the sum, which grows as the root of the number.
    pub(super) fn tokens(&self, estimate: Estimate, in_flight: usize) -> u64 {
        let margin = SAFETY * self.deviation / (in_flight.max(1) as f64).sqrt();
        (self.expected(estimate) * (1.0 + margin)).ceil() as u64 + estimate.output_cap
    }

    /// The least that a request will need.
    pub(super) fn at_least(&self, estimate: Estimate) -> u64 {
        self.expected(estimate) as u64 + estimate.output_cap
    }

    fn expected(&self, estimate: Estimate) -> f64 {
        estimate.input as f64 * self.ratio()
    }

    /// Learns from an answer; gives what the request was really charged with.
    pub(super) fn learn(&mut self, estimate: Estimate, usage: Usage) -> u64 {
        if estimate.input > 0 && usage.input > 0 {
            let off = (usage.input as f64 / self.expected(estimate) - 1.0).abs().min(1.0);
            self.deviation += (off - self.deviation) * DEVIATION_WEIGHT;
            self.counted = DECAY * self.counted + usage.input as f64;
            self.estimated = DECAY * self.estimated + estimate.input as f64;
        }
        usage.input + estimate.output_cap.max(usage.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_correction_finds_the_ratio() {
        let mut correction = Correction::new();
        let estimate = Estimate::of_bytes(401, 16);
        assert_eq!(estimate, Estimate { input: 101, output_cap: 16 });
        assert_eq!(correction.at_least(estimate), 117);
        assert_eq!(correction.tokens(estimate, 1), 198);
        assert_eq!(correction.tokens(estimate, 64), 128);
        for _ in 0..300 {
            let charged = correction.learn(estimate, Usage::new(151, 3));
            assert_eq!(charged, 167);
        }
        assert!((correction.ratio() - 151.0 / 101.0).abs() < 0.01);
        assert!((166..=168).contains(&correction.tokens(estimate, 16)));
    }
}
