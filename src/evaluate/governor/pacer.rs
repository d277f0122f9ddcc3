//! Spreads what a limit allows evenly over its window, by the `governor` crate.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// The burst, as a share of the limit: small, because many providers also watch the second.
const BURST_SHARE: u64 = 128;
/// Timers wake up to a millisecond late. What was missed meanwhile must be made up for, so that a burst of one is
/// too small.
const LEAST_BURST: u64 = 2;

/// A bucket that is paid after the fact: a departure owes its amount, and the next one waits until that is paid.
///
/// So an amount may exceed the burst (which the crate refuses), an empty bucket holds nobody up, and a waiter that
/// goes away has taken nothing.
#[derive(Debug)]
pub(super) struct Pacer {
    bucket: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<TokioInstant>>,
    burst: u32,
    /// What is still to be paid; below zero after a refund.
    owed: i64,
}

impl Pacer {
    /// Lets pass `limit` in each `window`, and a small burst at first.
    pub(super) fn new(limit: u64, window: Duration) -> Self {
        let limit = limit.max(1);
        let burst = u32::try_from((limit / BURST_SHARE).max(LEAST_BURST)).unwrap_or(u32::MAX);
        let period = window.div_f64(limit as f64).max(Duration::from_nanos(1));
        let quota = Quota::with_period(period)
            .expect("the period is not zero")
            .allow_burst(NonZeroU32::new(burst).expect("the burst is not zero"));
        Self { bucket: RateLimiter::direct_with_clock(quota, TokioClock), burst, owed: 0 }
    }

    /// When to ask again, which may be before all is paid; `None` if it is.
    pub(super) fn ready_at(&mut self) -> Option<Instant> {
        while self.owed > 0 {
            // In parts of half a burst: a wait for a full bucket, being late, would lose what runs over.
            let part = u32::try_from(self.owed).unwrap_or(u32::MAX).min(self.burst / 2);
            match self.bucket.check_n(NonZeroU32::new(part)?) {
                Ok(Ok(())) => self.owed -= i64::from(part),
                Ok(Err(not_until)) => return Some(not_until.earliest_possible().0),
                // A part is never more than the burst.
                Err(_) => return None,
            }
        }
        None
    }

    pub(super) fn spend(&mut self, amount: u64) {
        self.owed = self.owed.saturating_add_unsigned(amount);
    }

    /// Gives back, or asks for, what a departure cost less or more than it was taken for. At most a burst is kept.
    pub(super) fn correct(&mut self, was: u64, is: u64) {
        self.owed =
            self.owed.saturating_add_unsigned(is).saturating_sub_unsigned(was).max(-i64::from(self.burst));
    }
}

/// Tokio's clock, so that tests can run an hour in a moment.
#[derive(Debug, Clone)]
struct TokioClock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TokioInstant(Instant);

impl Clock for TokioClock {
    type Instant = TokioInstant;

    fn now(&self) -> TokioInstant {
        TokioInstant(Instant::now())
    }
}

impl Reference for TokioInstant {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}

impl std::ops::Add<Nanos> for TokioInstant {
    type Output = Self;

    fn add(self, duration: Nanos) -> Self {
        Self(self.0 + Duration::from(duration))
    }
}
