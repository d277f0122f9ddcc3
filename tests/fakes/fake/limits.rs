//! Requests and tokens in a sliding window, for each model; refused requests count as well.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

pub(crate) struct Windows {
    requests: Option<u64>,
    tokens: Option<u64>,
    length: Duration,
    charged: HashMap<String, Charged>,
}

/// What was charged to a model within the window.
#[derive(Default)]
struct Charged {
    /// When how many tokens, the oldest first.
    requests: VecDeque<(Instant, u64)>,
    tokens: u64,
}

/// What is used of a limit before a request.
pub(crate) struct Used {
    pub(crate) limit: u64,
    pub(crate) used: u64,
    /// What the request takes.
    pub(crate) wanted: u64,
    /// When so much will have left the window that the request fits.
    pub(crate) fits_in: Duration,
}

impl Used {
    pub(crate) fn is_over(&self) -> bool {
        self.used + self.wanted > self.limit
    }
}

impl Charged {
    fn forget(&mut self, now: Instant, length: Duration) {
        while let Some((at, tokens)) = self.requests.front().copied() {
            if now.duration_since(at) < length {
                break;
            }
            self.requests.pop_front();
            self.tokens -= tokens;
        }
    }

    /// How a limit stands before a request; `share` is what each request takes of it.
    fn used(
        &self,
        limit: u64,
        used: u64,
        wanted: u64,
        leaves: impl Fn(Instant) -> Duration,
        share: fn(u64) -> u64,
    ) -> Used {
        let mut over = (used + wanted).saturating_sub(limit);
        let mut fits_in = Duration::ZERO;
        for (at, tokens) in &self.requests {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(share(*tokens));
            fits_in = leaves(*at);
        }
        Used { limit, used, wanted, fits_in }
    }
}

impl Windows {
    pub(crate) fn new(requests: Option<u64>, tokens: Option<u64>, length: Duration) -> Self {
        Self { requests, tokens, length, charged: HashMap::new() }
    }

    /// The length of the window.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    /// Charges a request: how the limits on requests and on tokens stood before it.
    pub(crate) fn charge(&mut self, model: &str, tokens: u64) -> [Option<Used>; 2] {
        if self.requests.is_none() && self.tokens.is_none() {
            return [None, None];
        }
        let (now, length) = (Instant::now(), self.length);
        let charged = self.charged.entry(model.to_owned()).or_default();
        charged.forget(now, length);
        let leaves = |at: Instant| (at + length).saturating_duration_since(now);
        let asked = charged.requests.len() as u64;
        let requests = self.requests.map(|limit| charged.used(limit, asked, 1, leaves, |_| 1));
        let spent =
            self.tokens.map(|limit| charged.used(limit, charged.tokens, tokens, leaves, |tokens| tokens));
        charged.requests.push_back((now, tokens));
        charged.tokens += tokens;
        [requests, spent]
    }
}

/// Whole seconds, and never less than it takes.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_requests_count() {
        let mut windows = Windows::new(Some(2), Some(100), Duration::from_secs(60));
        let mut refused =
            |model: &str, tokens| windows.charge(model, tokens).map(|used| used.unwrap().is_over());
        assert_eq!(refused("m", 10), [false, false]);
        assert_eq!(refused("m", 20), [false, false]);
        assert_eq!(refused("m", 1), [true, false]);
        assert_eq!(refused("other", 10), [false, false]);
        assert_eq!(refused("other", 95), [false, true]);
        assert_eq!(windows.charged["m"].requests.len(), 3);
    }
}
