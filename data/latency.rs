//! How long an answer took.

use std::num::NonZeroU32;
use std::time::Duration;

/// The time an answer took, in whole microseconds: from 1 to about 71 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Latency(NonZeroU32);

impl Latency {
    /// `None` for zero, which no answer takes.
    pub fn from_micros(micros: u32) -> Option<Self> {
        NonZeroU32::new(micros).map(Self)
    }

    /// Whole microseconds, at least 1.
    pub fn as_micros(self) -> u32 {
        self.0.get()
    }

    /// Milliseconds.
    pub fn as_millis(self) -> f64 {
        f64::from(self.as_micros()) / 1000.0
    }
}

impl From<Duration> for Latency {
    /// What lies outside the range becomes its nearest end.
    fn from(duration: Duration) -> Self {
        let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        Self(NonZeroU32::new(micros).unwrap_or(NonZeroU32::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_never_zero_and_never_overflows() {
        assert_eq!(Latency::from(Duration::ZERO).as_micros(), 1);
        assert_eq!(Latency::from(Duration::from_millis(12)).as_micros(), 12_000);
        assert_eq!(Latency::from(Duration::MAX).as_micros(), u32::MAX);
    }
}
