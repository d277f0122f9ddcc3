//! Rows asked of a simulated provider, on a simulated clock: by the tests of the governor and by `benches/limits.rs`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tunebench::cancel::Cancel;
use tunebench::evaluate::governor::{Estimate, Governor, Limits};
use tunebench::evaluate::retry::{Failure, Retries, RetryPolicy};
use tunebench_providers::{Cause, Limit, ProviderError, RateLimits, Retry, Usage};

/// The cap on tokens of an answer: providers count it against the limit.
pub(crate) const OUTPUT_CAP: u64 = 16;

/// How a refusal says when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    Nothing,
    /// In whole seconds, rounded up.
    Seconds,
    /// To the millisecond.
    Millis,
}

/// What the provider does, and what the user set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// What is configured.
    pub(crate) limits: Limits,
    /// What the provider allows in a minute; a window holds its share.
    pub(crate) requests: Option<u64>,
    pub(crate) tokens: Option<u64>,
    /// Over which it counts; refused requests count as well.
    pub(crate) window: Duration,
    /// How long rows are asked; there are as many as there is time for.
    pub(crate) time: Duration,
    /// How many rows there are, if not as many as there is time for.
    pub(crate) rows: u64,
    pub(crate) latency: Duration,
    /// How much later than it left a request may arrive.
    pub(crate) jitter: Duration,
    /// By how much single estimates are off, as a share; all are a fifth too low besides.
    pub(crate) noise: f64,
    pub(crate) retry_after: RetryAfter,
    /// Refusals take as long as answers, so that many more are under way when the first is noticed.
    pub(crate) slow_refusals: bool,
    pub(crate) headers: bool,
    /// The share of requests that is refused for no reason, with this wait.
    pub(crate) random: f64,
    pub(crate) random_wait: Option<Duration>,
    /// The only request, counted from 1, that is refused for no reason.
    pub(crate) lone: Option<u64>,
    pub(crate) seed: u64,
}

/// What became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// The share of what the provider allows that was used.
    pub(crate) used: f64,
    pub(crate) refused: u64,
    /// Rows that never got their answer.
    pub(crate) lost: u64,
    pub(crate) took: Duration,
}

impl Scenario {
    /// A provider with these limits, which the user knows.
    pub(crate) fn new(
        requests: Option<u64>,
        tokens: Option<u64>,
        window: Duration,
        concurrency: usize,
    ) -> Self {
        Self {
            limits: Limits {
                requests_per_minute: requests,
                tokens_per_minute: tokens,
                window: None,
                concurrency,
            },
            requests,
            tokens,
            window,
            time: 4 * window,
            rows: u64::MAX,
            latency: Duration::from_millis(20),
            jitter: Duration::ZERO,
            noise: 0.0,
            retry_after: RetryAfter::Millis,
            slow_refusals: false,
            headers: false,
            random: 0.0,
            random_wait: None,
            lone: None,
            seed: 7,
        }
    }

    /// The user knows no limit.
    #[must_use]
    pub(crate) fn untold(mut self) -> Self {
        (self.limits.requests_per_minute, self.limits.tokens_per_minute) = (None, None);
        self
    }

    /// The user takes each limit for twice as high.
    #[must_use]
    pub(crate) fn told_double(mut self) -> Self {
        let twice = |limit: Option<u64>| limit.map(|limit| 2 * limit);
        self.limits.requests_per_minute = twice(self.requests);
        self.limits.tokens_per_minute = twice(self.tokens);
        self
    }

    pub(crate) fn run(self) -> Outcome {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(self.simulate())
    }

    async fn simulate(self) -> Outcome {
        let start = Instant::now();
        let end = start + self.time;
        let concurrency = self.limits.concurrency;
        let provider = RefCell::new(Provider::default());
        let governor = Governor::new(self.limits);
        let retries = Retries::new(RetryPolicy::default(), self.seed);
        let (slots, cancel) = (Semaphore::new(concurrency), Cancel::default());
        let (answered, in_time, rows) = (Cell::new(0), Cell::new((0, 0)), Cell::new(0));
        let asking = Asking {
            scenario: &self,
            provider: &provider,
            governor: &governor,
            retries: &retries,
            slots: &slots,
            cancel: &cancel,
        };
        stream::iter(std::iter::from_fn(|| {
            let more = Instant::now() < end && rows.get() < self.rows;
            more.then(|| {
                rows.set(rows.get() + 1);
                rows.get()
            })
        }))
        .map(|row| asking.row(row))
        .buffer_unordered(8 * concurrency)
        .for_each(|result| {
            if result.is_ok() {
                answered.set(answered.get() + 1);
            }
            if Instant::now() < end {
                let provider = provider.borrow();
                in_time.set((provider.served, provider.served_tokens));
            }
            std::future::ready(())
        })
        .await;
        let minutes = self.time.as_secs_f64() / 60.0;
        let share =
            |used: u64, limit: Option<u64>| limit.map_or(0.0, |limit| used as f64 / (limit as f64 * minutes));
        let used = share(in_time.get().0, self.requests).max(share(in_time.get().1, self.tokens));
        let refused = provider.borrow().refused;
        Outcome { used, refused, lost: rows.get() - answered.get(), took: start.elapsed() }
    }

    fn share(&self, per_minute: u64) -> f64 {
        per_minute as f64 * self.window.as_secs_f64() / 60.0
    }
}

/// What one row needs.
#[derive(Clone, Copy)]
struct Asking<'a> {
    scenario: &'a Scenario,
    provider: &'a RefCell<Provider>,
    governor: &'a Governor,
    retries: &'a Retries,
    slots: &'a Semaphore,
    cancel: &'a Cancel,
}

impl Asking<'_> {
    async fn row(self, row: u64) -> Result<(), Failure<ProviderError>> {
        let scenario = self.scenario;
        let random = RefCell::new(Random(scenario.seed ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let next = || random.borrow_mut().next();
        // Sizes vary widely; but where both limits are to bind in every window, they must not.
        let spread = if scenario.requests.is_some() && scenario.tokens.is_some() { 20.0 } else { 800.0 };
        let input = (500.0 + spread * (next() - 0.5)) as u64;
        let off = 1.0 + scenario.noise * (2.0 * next() - 1.0);
        let estimate = Estimate { input: (input as f64 * 0.8 * off) as u64, output_cap: OUTPUT_CAP };
        self.retries.run(row, self.cancel, || self.attempt(estimate, input, &random)).await
    }

    async fn attempt(
        self,
        estimate: Estimate,
        input: u64,
        random: &RefCell<Random>,
    ) -> Result<(), Failure<ProviderError>> {
        let Self { scenario, provider, governor, slots, .. } = self;
        let next = || random.borrow_mut().next();
        let _slot = slots.acquire().await;
        let permit = governor
            .admit(estimate)
            .await
            .map_err(|error| Failure::Provider(ProviderError::new(Cause::TooLarge, error.to_string())))?;
        sleep(scenario.jitter.mul_f64(next())).await;
        let outcome = provider.borrow_mut().arrive(scenario, input + OUTPUT_CAP, next());
        let latency = scenario.latency.mul_f64(0.75 + 0.5 * next());
        let quick = outcome.is_err() && !scenario.slow_refusals;
        sleep(if quick { Duration::from_millis(1) } else { latency }).await;
        match outcome {
            Ok(stated) => {
                permit.succeeded(Some(Usage::new(input, 3)), stated);
                Ok(())
            }
            Err((after, stated)) => {
                permit.rate_limited(after, stated);
                let error = ProviderError::new(Cause::RateLimit, "slow down").retry(Retry::Later { after });
                Err(Failure::Provider(error))
            }
        }
    }
}

/// A provider that enforces true sliding windows, and counts refused requests against them.
#[derive(Default)]
struct Provider {
    /// What arrived in the last window.
    log: VecDeque<(Instant, u64)>,
    /// Of which tokens.
    sum: u64,
    arrived: u64,
    served: u64,
    served_tokens: u64,
    refused: u64,
}

type Stated = Option<RateLimits>;

impl Provider {
    /// What the headers state, and for a refusal how long until there may be room, as it is told.
    fn arrive(
        &mut self,
        scenario: &Scenario,
        tokens: u64,
        draw: f64,
    ) -> Result<Stated, (Option<Duration>, Stated)> {
        let now = Instant::now();
        while let Some(&(at, old)) = self.log.front()
            && now - at >= scenario.window
        {
            self.log.pop_front();
            self.sum -= old;
        }
        let holds = |limit: Option<u64>| limit.map_or(f64::INFINITY, |limit| scenario.share(limit));
        let (requests, most) = (holds(scenario.requests), holds(scenario.tokens));
        let fits = |asked: u64, sum: u64| asked as f64 + 1.0 <= requests && (sum + tokens) as f64 <= most;
        let fitted = fits(self.log.len() as u64, self.sum);
        self.arrived += 1;
        self.log.push_back((now, tokens));
        self.sum += tokens;
        let stated = scenario.headers.then(|| self.stated(scenario));
        if fitted && (draw < scenario.random || scenario.lone == Some(self.arrived)) {
            self.refused += 1;
            return Err((scenario.random_wait, stated));
        }
        if fitted {
            self.served += 1;
            self.served_tokens += tokens;
            return Ok(stated);
        }
        self.refused += 1;
        let (mut asked, mut sum) = (self.log.len() as u64, self.sum);
        let mut wait = scenario.window;
        for (at, old) in &self.log {
            (asked, sum) = (asked - 1, sum - old);
            if fits(asked, sum) {
                wait = *at + scenario.window - now;
                break;
            }
        }
        let told = match scenario.retry_after {
            RetryAfter::Nothing => None,
            RetryAfter::Seconds => Some(Duration::from_secs(wait.as_secs_f64().ceil() as u64)),
            RetryAfter::Millis => Some(Duration::from_millis(wait.as_millis() as u64)),
        };
        Err((told, stated))
    }

    /// The limit of a minute, what is left in the window, and when the window is empty: this request leaves it last.
    fn stated(&self, scenario: &Scenario) -> RateLimits {
        let stated = |limit: Option<u64>, used: u64| match limit {
            None => Limit::default(),
            Some(limit) => Limit {
                limit: Some(limit),
                remaining: Some((scenario.share(limit) as u64).saturating_sub(used)),
                reset: Some(scenario.window),
            },
        };
        RateLimits {
            requests: stated(scenario.requests, self.log.len() as u64),
            tokens: stated(scenario.tokens, self.sum),
        }
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014), for figures from 0 to 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
