//! Requests per minute, kept in every minute.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// The share of a provider's limit that is used: what leaves here evenly may arrive a little closer together.
const HEADROOM: f64 = 0.98;

/// Lets so many requests pass in any minute, first come, first served.
///
/// A bucket that refills one cell every T and holds `b` lets up to `b - 1 + 60 s / T` pass in some minute. For a limit
/// of L, b is therefore chosen first (small: many providers also watch the second), and T is what is left:
/// 60 s / (L - b + 1). The plain quota of L a minute would hold L, and let almost 2 L pass.
#[derive(Debug)]
pub(crate) struct Limiter {
    bucket: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<TokioInstant>>,
    /// The bucket has no queue of its own: whoever waits here is next.
    queue: Mutex<()>,
}

impl Limiter {
    pub(crate) fn new(per_minute: NonZeroU32) -> Self {
        let limit = per_minute.get();
        let burst = NonZeroU32::new(limit / 100).unwrap_or(NonZeroU32::MIN);
        let refill = f64::from(limit - burst.get() + 1) * HEADROOM;
        let quota =
            Quota::with_period(MINUTE.div_f64(refill)).expect("the period is not zero").allow_burst(burst);
        Self { bucket: RateLimiter::direct_with_clock(quota, TokioClock), queue: Mutex::new(()) }
    }

    /// Waits for the right to send one request.
    pub(crate) async fn ready(&self) {
        let _first = self.queue.lock().await;
        while let Err(not_until) = self.bucket.check() {
            tokio::time::sleep_until(not_until.earliest_possible().0).await;
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    /// When each of `requests` passes, with all of them waiting from the start.
    fn passes(limit: u32, requests: usize) -> Vec<Duration> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let limiter = Arc::new(Limiter::new(NonZeroU32::new(limit).unwrap()));
            let start = Instant::now();
            let mut times = Vec::new();
            for _ in 0..requests {
                limiter.ready().await;
                times.push(start.elapsed());
            }
            times
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_minute_holds_more_than_the_limit(limit in prop_oneof![1u32..20, 20u32..2000]) {
            let times = passes(limit, 3 * limit as usize + 1);
            for (i, start) in times.iter().enumerate() {
                let inside = times[i..].iter().take_while(|&&t| t < *start + MINUTE).count();
                prop_assert!(inside <= limit as usize, "{} in a minute, limit {}", inside, limit);
            }
        }

        #[test]
        fn the_limit_is_nearly_used(limit in 100u32..2000) {
            let times = passes(limit, 2 * limit as usize);
            let used = times.iter().filter(|&&t| t < MINUTE).count();
            prop_assert!(used as f64 >= 0.97 * f64::from(limit), "{} of {}", used, limit);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served() {
        let limiter = Arc::new(Limiter::new(NonZeroU32::new(60).unwrap()));
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting = (0..20).map(|i| {
            let (limiter, order) = (limiter.clone(), order.clone());
            async move {
                limiter.ready().await;
                order.lock().await.push(i);
            }
        });
        futures::future::join_all(waiting).await;
        assert_eq!(*order.lock().await, (0..20).collect::<Vec<_>>());
    }
}
