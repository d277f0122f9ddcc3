//! Whether a failed request is sent again, and when.
//!
//! Refusals for the rate are not failures of a row: the governor waits them out, and they use up no attempt.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{Cause, ProviderError, Retry};

/// How often and how soon to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests for one row, the first included; refusals for the rate are not counted.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles for each further one.
    pub first_delay: Duration,
    /// The longest wait of our own choice.
    pub longest_delay: Duration,
    /// The longest wait that a provider may ask for. Above, the row fails and says so.
    pub longest_after: Duration,
    /// How long a row may be refused for the rate without an answer in between.
    pub longest_limited: Duration,
    /// An attempt without an answer is dropped after this time.
    pub timeout: Duration,
    /// The same failure, so many times in a row for one row, is taken to be deterministic.
    pub same_failure: u32,
    /// Retries that a run may make, as a share of its requests in percent, and beyond.
    pub budget_percent: u64,
    /// Retries that a run may make whatever its size.
    pub budget_base: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(30),
            longest_after: Duration::from_secs(120),
            longest_limited: Duration::from_secs(15 * 60),
            timeout: Duration::from_secs(60),
            same_failure: 4,
            budget_percent: 20,
            budget_base: 10,
        }
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Try again after this time.
    Again(Duration),
    /// The row has failed for good, for this reason.
    GiveUp(ProviderError),
}

/// The retries of one run.
#[derive(Debug)]
pub struct Retries {
    policy: RetryPolicy,
    seed: u64,
    requests: AtomicU64,
    retries: AtomicU64,
}

/// The attempts of one row so far.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    row: u64,
    /// Attempts that failed, refusals for the rate apart.
    failed: u32,
    /// The last failure, and how often it came in a row.
    same: Option<(Cause, String, u32)>,
    limited_since: Option<Instant>,
}

impl Retries {
    /// For a run whose waits are drawn from `seed`.
    ///
    /// Each wait depends on seed, row and attempt alone, so that it is the same in whatever order answers come.
    pub fn new(policy: RetryPolicy, seed: u64) -> Self {
        Self { policy, seed, requests: AtomicU64::new(0), retries: AtomicU64::new(0) }
    }

    /// The policy.
    pub fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Retries made so far.
    pub fn made(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// The attempts of a row of which none has been made. Each is to be announced by
    /// [`begin_attempt`](Self::begin_attempt), and followed by [`next`](Self::next) if it fails.
    pub fn attempts(&self, row: u64) -> Attempts {
        Attempts { row, ..Attempts::default() }
    }

    /// An attempt is being made.
    pub fn begin_attempt(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Makes attempts until one succeeds or there is no point in more.
    ///
    /// `attempt` does all that belongs to one: it passes the governor, reserves money, and sends, with the sending
    /// alone under [`Retries::in_time`]. The whole may be dropped at any await.
    pub async fn run<T, A>(&self, row: u64, mut attempt: impl FnMut() -> A) -> Result<T, ProviderError>
    where
        A: Future<Output = Result<T, ProviderError>>,
    {
        let mut attempts = self.attempts(row);
        loop {
            self.begin_attempt();
            let error = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match self.next(&mut attempts, error) {
                Next::Again(delay) if delay.is_zero() => {}
                Next::Again(delay) => tokio::time::sleep(delay).await,
                Next::GiveUp(error) => return Err(error),
            }
        }
    }

    /// Gives up a request that has no answer in time.
    pub async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let timeout = self.policy.timeout;
        match tokio::time::timeout(timeout, call).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("no answer within {}", span(timeout));
                Err(ProviderError::new(Cause::Network, message))
            }
        }
    }

    /// Decides what follows a failed attempt.
    pub fn next(&self, attempts: &mut Attempts, error: ProviderError) -> Next {
        let Retry::Later { after } = error.retry else { return Next::GiveUp(error) };
        if let Some(after) = after.filter(|&after| after > self.policy.longest_after) {
            let most = span(self.policy.longest_after);
            return give_up(error, format_args!("asks to wait {}, and {most} is the most", span(after)));
        }
        if error.cause == Cause::RateLimit {
            return self.limited(attempts, error);
        }
        attempts.limited_since = None;
        attempts.failed += 1;
        let same = attempts.note(&error);
        if attempts.failed >= self.policy.attempts {
            return give_up(error, format_args!("{} attempts", attempts.failed));
        }
        if same >= self.policy.same_failure {
            return give_up(error, format_args!("the same {same} times in a row"));
        }
        if !self.spend() {
            return give_up(error, format_args!("no retries are left to this run after {}", self.made()));
        }
        Next::Again(self.delay(attempts, after))
    }

    /// The governor makes all rows wait together; nothing is left to do but to queue again.
    fn limited(&self, attempts: &mut Attempts, error: ProviderError) -> Next {
        let now = Instant::now();
        let since = *attempts.limited_since.get_or_insert(now);
        let limited = now.saturating_duration_since(since);
        if limited >= self.policy.longest_limited {
            return give_up(error, format_args!("refused for {}", span(limited)));
        }
        Next::Again(Duration::ZERO)
    }

    /// Takes one retry from the run's budget: when much fails, repeating makes it worse.
    fn spend(&self) -> bool {
        let most = |requests: u64| requests * self.policy.budget_percent / 100 + self.policy.budget_base;
        let requests = self.requests.load(Ordering::Relaxed);
        let within = |made: u64| (made < most(requests)).then_some(made + 1);
        self.retries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// "Full jitter": evenly between nothing and the doubling bound (M. Brooker, "Exponential Backoff And Jitter",
    /// AWS Architecture Blog, 2015), and never sooner than the provider asks.
    fn delay(&self, attempts: &Attempts, after: Option<Duration>) -> Duration {
        let doublings = attempts.failed.saturating_sub(1).min(20);
        let bound = (self.policy.first_delay * 2u32.pow(doublings)).min(self.policy.longest_delay);
        let draw = draw(self.seed, attempts.row, attempts.failed);
        let delay = bound.mul_f64(draw);
        match after {
            // Those who were told the same time need not come at the same moment.
            Some(after) => delay.max(after + self.policy.first_delay.mul_f64(draw)),
            None => delay,
        }
    }
}

impl Attempts {
    /// Counts a failure; gives how often the very same one came in a row.
    fn note(&mut self, error: &ProviderError) -> u32 {
        match &mut self.same {
            Some((cause, message, times)) if *cause == error.cause && *message == error.message => {
                *times += 1;
                *times
            }
            same => {
                *same = Some((error.cause, error.message.clone(), 1));
                1
            }
        }
    }
}

fn give_up(mut error: ProviderError, why: std::fmt::Arguments<'_>) -> Next {
    error.message = format!("{} ({why})", error.message);
    Next::GiveUp(error)
}

/// A figure from 0 to 1 by `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014), for one attempt of one row.
fn draw(seed: u64, row: u64, attempt: u32) -> f64 {
    let mut z = seed
        ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ u64::from(attempt).wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..2 {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    (z >> 11) as f64 / (1u64 << 53) as f64
}

fn span(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::{StreamExt, stream};
    use proptest::prelude::*;

    use super::*;

    fn server(message: &str) -> ProviderError {
        ProviderError::new(Cause::Server, message)
    }

    fn retries() -> Retries {
        Retries::new(RetryPolicy::default(), 1)
    }

    proptest! {
        #[test]
        fn waits_are_within_bounds_and_repeatable(seed: u64, row: u64, after in prop::option::of(0u64..120)) {
            let after = after.map(Duration::from_secs);
            let policy = RetryPolicy { attempts: 30, same_failure: 30, budget_base: 100, ..RetryPolicy::default() };
            let retries = Retries::new(policy, seed);
            let mut attempts = Attempts { row, ..Attempts::default() };
            for failed in 1..20 {
                let error = server("x").retry(Retry::Later { after });
                let Next::Again(delay) = retries.next(&mut attempts, error) else { panic!("gave up") };
                let bound = Duration::from_millis(500 << (failed - 1).min(10)).min(Duration::from_secs(30));
                prop_assert!(delay >= after.unwrap_or_default());
                prop_assert!(delay <= bound.max(after.map_or(bound, |a| a + Duration::from_millis(500))));
                prop_assert_eq!(delay, Retries::new(policy, seed).delay(&attempts, after));
            }
        }
    }

    #[test]
    fn waits_spread_over_the_whole_bound() {
        let draws: Vec<f64> = (0..1000).map(|row| draw(3, row, 1)).collect();
        let mean = draws.iter().sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.03, "{mean}");
        assert!(draws.iter().any(|&draw| draw < 0.01) && draws.iter().any(|&draw| draw > 0.99));
    }

    #[test]
    fn a_row_ends_after_five_attempts_or_four_of_the_same() {
        let (retries, mut attempts) = (retries(), Attempts::default());
        for message in ["a", "b", "a", "b"] {
            assert!(matches!(retries.next(&mut attempts, server(message)), Next::Again(_)));
        }
        assert_eq!(retries.next(&mut attempts, server("a")), Next::GiveUp(server("a (5 attempts)")));
        let mut attempts = Attempts::default();
        for _ in 0..3 {
            assert!(matches!(retries.next(&mut attempts, server("a")), Next::Again(_)));
        }
        let end = Next::GiveUp(server("a (the same 4 times in a row)"));
        assert_eq!(retries.next(&mut attempts, server("a")), end);
    }

    #[test]
    fn what_will_fail_again_is_not_repeated() {
        for cause in [Cause::Quota, Cause::Access, Cause::NotFound, Cause::Invalid, Cause::Unsupported] {
            let error = ProviderError::new(cause, "no");
            assert_eq!(retries().next(&mut Attempts::default(), error.clone()), Next::GiveUp(error));
        }
        let after = Some(Duration::from_secs(7200));
        let Next::GiveUp(error) =
            retries().next(&mut Attempts::default(), server("busy").retry(Retry::Later { after }))
        else {
            panic!("waits for hours")
        };
        assert_eq!(error.message, "busy (asks to wait 2 h, and 2 min is the most)");
    }

    #[test]
    fn a_run_makes_few_retries() {
        let retries = retries();
        retries.requests.store(100, Ordering::Relaxed);
        let again = (0..100)
            .filter(|_| matches!(retries.next(&mut Attempts::default(), server("x")), Next::Again(_)));
        assert_eq!(again.count(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_for_the_rate_use_up_no_attempt_but_end() {
        let retries = retries();
        let refusals = Cell::new(0);
        let result: Result<(), _> = retries
            .run(1, || async {
                refusals.set(refusals.get() + 1);
                tokio::time::sleep(Duration::from_secs(30)).await;
                Err(ProviderError::new(Cause::RateLimit, "slow down"))
            })
            .await;
        assert_eq!(result.unwrap_err().message, "slow down (refused for 15 min)");
        assert_eq!((refusals.get(), retries.made()), (31, 0));
    }

    /// 5 % errors, 2 % resets, 2 % truncated answers, 1 % stalls, 1 % garbage: every row gets its true answer.
    #[test]
    fn two_thousand_rows_through_every_fault() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        for seed in 0..5 {
            let retries = Retries::new(RetryPolicy::default(), seed);
            let calls = Cell::new(0u32);
            let answers: Vec<_> = runtime.block_on(async {
                let (retries, calls) = (&retries, &calls);
                let ask = |row: u64| async move {
                    retries
                        .run(row, || {
                            calls.set(calls.get() + 1);
                            retries.in_time(call(row, calls.get(), seed))
                        })
                        .await
                };
                stream::iter(0..2000).map(ask).buffered(64).collect().await
            });
            let wrong: Vec<_> = answers.iter().zip(0..).filter(|(a, row)| **a != Ok(row * 3)).collect();
            assert!(wrong.is_empty(), "{wrong:?}");
            assert!((150..350).contains(&retries.made()), "{}", retries.made());
        }
    }

    async fn call(row: u64, call: u32, seed: u64) -> Result<u64, ProviderError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        match (draw(seed ^ 0xfa17, row, call) * 100.0) as u32 {
            0..5 => Err(server("status 500")),
            5..7 => Err(ProviderError::new(Cause::Network, "connection reset")),
            7..9 => Err(server("the answer ends too early")),
            9 => std::future::pending().await,
            10 => Err(server("the answer is not JSON")),
            _ => Ok(row * 3),
        }
    }
}
