//! How long the requests take at the limits that are known before the first of them.

use std::time::Duration;

/// What an evaluation cannot go faster than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So many requests a minute.
    Requests(u64),
    /// So many tokens a minute.
    Tokens(u64),
    /// The time that an answer takes, with so many requests in flight.
    Answers(usize),
}

/// How long an evaluation takes, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// How long, at the narrowest of the bounds.
    pub takes: Duration,
    /// Which that is.
    pub bound: Bound,
}

/// What is known of a model's pace.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Throughput {
    pub(super) requests_per_minute: Option<u64>,
    pub(super) tokens_per_minute: Option<u64>,
    /// Of earlier answers, in the mean.
    pub(super) latency: Option<Duration>,
    pub(super) concurrency: usize,
}

impl Throughput {
    /// The time for so many requests that are charged with so many tokens; none where nothing bounds it that is known.
    ///
    /// `tokens` are counted as the limits count them, with each answer as long as its cap.
    pub(super) fn time(&self, requests: u64, tokens: u64) -> Option<Time> {
        let minutes = |n: u64, limit: u64| Duration::from_secs_f64(60.0 * n as f64 / limit.max(1) as f64);
        let by_requests = self
            .requests_per_minute
            .map(|limit| Time { takes: minutes(requests, limit), bound: Bound::Requests(limit) });
        let by_tokens = self
            .tokens_per_minute
            .map(|limit| Time { takes: minutes(tokens, limit), bound: Bound::Tokens(limit) });
        let by_answers = self.latency.map(|latency| {
            let in_a_row = requests as f64 / self.concurrency.max(1) as f64;
            Time { takes: latency.mul_f64(in_a_row.ceil()), bound: Bound::Answers(self.concurrency) }
        });
        [by_requests, by_tokens, by_answers].into_iter().flatten().max_by_key(|time| time.takes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_bound_decides() {
        let pace = Throughput {
            requests_per_minute: Some(100),
            tokens_per_minute: Some(10_000),
            latency: Some(Duration::from_secs(1)),
            concurrency: 4,
        };
        let bound = |pace: &Throughput, requests, tokens| pace.time(requests, tokens).unwrap();
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let by_requests = Time { takes: minutes(4), bound: Bound::Requests(100) };
        assert_eq!(bound(&pace, 400, 30_000), by_requests);
        assert_eq!(bound(&pace, 400, 50_000), Time { takes: minutes(5), bound: Bound::Tokens(10_000) });
        let free = Throughput { latency: pace.latency, concurrency: 4, ..Throughput::default() };
        let by_answers = Time { takes: Duration::from_secs(101), bound: Bound::Answers(4) };
        assert_eq!(bound(&free, 401, 50_000), by_answers);
        assert_eq!(Throughput::default().time(400, 1), None);
    }
}
