//! The governor against a simulated provider, on a simulated clock.

mod known;
mod queue;
mod unknown;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep};
use tunebench_providers::{Limit, RateLimits, Usage};

use super::{Estimate, Governor, Limits};

const OUTPUT_CAP: u64 = 16;

/// A provider that enforces true sliding windows, and counts refused requests against them.
struct Provider {
    window: Duration,
    requests: Option<u64>,
    tokens: Option<u64>,
    /// What arrived in the last window.
    log: VecDeque<(Instant, u64)>,
    /// Of which tokens.
    sum: u64,
    served: u64,
    served_tokens: u64,
    refused: u64,
}

impl Provider {
    /// `Ok` for an answer, else how long until there may be room.
    fn arrive(&mut self, tokens: u64) -> Result<(), Duration> {
        let now = Instant::now();
        while let Some(&(at, old)) = self.log.front()
            && now - at >= self.window
        {
            self.log.pop_front();
            self.sum -= old;
        }
        let fits = self.requests.is_none_or(|limit| (self.log.len() as u64) < limit)
            && self.tokens.is_none_or(|limit| self.sum + tokens <= limit);
        self.log.push_back((now, tokens));
        self.sum += tokens;
        if fits {
            self.served += 1;
            self.served_tokens += tokens;
            return Ok(());
        }
        self.refused += 1;
        let oldest = self.log.front().expect("one was just added").0;
        Err(oldest + self.window - now)
    }
}

/// What is simulated: as many rows as there is time for in `windows` windows.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    limits: Limits,
    /// What the provider really allows.
    requests: Option<u64>,
    tokens: Option<u64>,
    windows: u32,
    jitter: Duration,
    /// By how much single estimates are off, as a share; all are a fifth too low besides.
    noise: f64,
    retry_after: bool,
    /// Refusals take as long as answers, so that many more are under way when the first is noticed.
    slow_refusals: bool,
    headers: bool,
    seed: u64,
}

#[derive(Debug)]
struct Outcome {
    /// The share of what the provider allows that was used.
    used: f64,
    refused: u64,
    /// Rows begun that never got their answer.
    lost: u64,
}

impl Scenario {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            requests: limits.requests,
            tokens: limits.tokens,
            windows: 4,
            jitter: Duration::ZERO,
            noise: 0.0,
            retry_after: true,
            slow_refusals: false,
            headers: false,
            seed: 7,
        }
    }

    fn run(self) -> Outcome {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(self.simulate())
    }

    async fn simulate(self) -> Outcome {
        let (window, start) = (self.limits.window, Instant::now());
        let end = start + window * self.windows;
        let provider = RefCell::new(Provider {
            window,
            requests: self.requests,
            tokens: self.tokens,
            log: VecDeque::new(),
            sum: 0,
            served: 0,
            served_tokens: 0,
            refused: 0,
        });
        let governor = Governor::new(self.limits);
        let in_time = Cell::new((0, 0));
        let answered = Cell::new(0);
        let mut rows = 0;
        stream::iter(std::iter::from_fn(|| {
            rows += 1;
            (Instant::now() < end).then_some(rows)
        }))
        .map(|row| {
            let (governor, provider, in_time, answered) = (&governor, &provider, &in_time, &answered);
            async move {
                self.row(row, governor, provider).await;
                answered.set(answered.get() + 1);
                if Instant::now() < end {
                    let provider = provider.borrow();
                    in_time.set((provider.served, provider.served_tokens));
                }
            }
        })
        .buffer_unordered(self.limits.concurrency)
        .for_each(|()| std::future::ready(()))
        .await;
        let allowed = |limit: u64| limit as f64 * f64::from(self.windows);
        let share = |used: u64, limit: Option<u64>| limit.map_or(0.0, |limit| used as f64 / allowed(limit));
        let used = share(in_time.get().0, self.requests).max(share(in_time.get().1, self.tokens));
        let refused = provider.borrow().refused;
        Outcome { used, refused, lost: rows - 1 - answered.get() }
    }

    async fn row(&self, row: u64, governor: &Governor, provider: &RefCell<Provider>) {
        let mut random = Random(self.seed ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Sizes vary widely; but where both limits are to bind in every window, they must not.
        let spread = if self.requests.is_some() && self.tokens.is_some() { 20.0 } else { 800.0 };
        let input = (500.0 + spread * (random.next() - 0.5)) as u64;
        let off = 1.0 + self.noise * (2.0 * random.next() - 1.0);
        let estimate = Estimate { input: (input as f64 * 0.8 * off) as u64, output_cap: OUTPUT_CAP };
        loop {
            let permit = governor.admit(estimate).await.unwrap();
            sleep(self.jitter.mul_f64(random.next())).await;
            let outcome = provider.borrow_mut().arrive(input + OUTPUT_CAP);
            let latency = (0.05 * self.limits.window.as_secs_f64()).min(0.4) * (0.5 + random.next());
            let quick = outcome.is_err() && !self.slow_refusals;
            sleep(if quick { Duration::from_millis(20) } else { Duration::from_secs_f64(latency) }).await;
            match outcome {
                Ok(()) => {
                    permit.succeeded(Some(Usage { input, output: 3 }), self.stated());
                    return;
                }
                Err(after) => permit.rate_limited(self.retry_after.then_some(after), self.stated()),
            }
        }
    }

    fn stated(&self) -> Option<RateLimits> {
        let per_minute = |limit: u64| (limit as f64 * 60.0 / self.limits.window.as_secs_f64()) as u64;
        let stated =
            |limit: Option<u64>| Limit { limit: limit.map(per_minute), remaining: None, reset: None };
        self.headers.then(|| RateLimits { requests: stated(self.requests), tokens: stated(self.tokens) })
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

/// What a provider allows: some requests a second, or their tokens, or both.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Requests,
    Tokens,
    Both,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Requests, Self::Tokens, Self::Both];

    fn limits(self, seconds: u64, concurrency: usize) -> Limits {
        let requests = match seconds {
            1 => 100,
            10 => 200,
            _ => 5 * seconds,
        };
        let tokens = requests * (500 + OUTPUT_CAP);
        let (requests, tokens) = match self {
            Self::Requests => (Some(requests), None),
            Self::Tokens => (None, Some(tokens)),
            Self::Both => (Some(requests), Some(tokens)),
        };
        Limits { window: Duration::from_secs(seconds), ..Limits::per_minute(requests, tokens, concurrency) }
    }
}
