//! Requests and tokens in a sliding window, for each model; refused requests count as well.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::Reply;

pub(super) struct Windows {
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

/// What is used of a limit.
struct Used {
    limit: u64,
    used: u64,
    /// When so much will have left the window that the request fits.
    fits_in: Duration,
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
        Used { limit, used, fits_in }
    }
}

impl Windows {
    pub(super) fn new(requests: Option<u64>, tokens: Option<u64>, length: Duration) -> Self {
        Self { requests, tokens, length, charged: HashMap::new() }
    }

    /// Charges a request: the headers to answer with, and the refusal if it is over a limit.
    pub(super) fn charge(
        &mut self,
        model: &str,
        tokens: u64,
    ) -> (Vec<(&'static str, String)>, Option<Reply>) {
        if self.requests.is_none() && self.tokens.is_none() {
            return (Vec::new(), None);
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
        let mut headers = Vec::new();
        let mut refusal = None;
        let names = [
            ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
            ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
        ];
        let kinds = [("requests", "RPM", 1, requests), ("tokens", "TPM", tokens, spent)];
        for ((limit, remaining, reset), (kind, short, wanted, used)) in names.into_iter().zip(kinds) {
            let Some(used) = used else { continue };
            headers.push((limit, used.limit.to_string()));
            headers.push((remaining, used.limit.saturating_sub(used.used + wanted).to_string()));
            // All is back when this request, the last one charged, has left the window.
            headers.push((reset, written(length)));
            if used.used + wanted > used.limit && refusal.is_none() {
                let message = format!(
                    "Rate limit reached for {model} on {kind} per min ({short}): Limit {}, Used {}, Requested {wanted}. \
                     Please try again in {}.",
                    used.limit,
                    used.used,
                    written(used.fits_in)
                );
                // Whole seconds, and never less than it takes.
                let seconds = used.fits_in.as_secs() + u64::from(used.fits_in.subsec_nanos() > 0);
                let reply = Reply::error(429, kind, "rate_limit_exceeded", "", &message);
                refusal = Some(
                    reply
                        .with("retry-after", seconds.to_string())
                        .with("retry-after-ms", used.fits_in.as_millis().to_string()),
                );
            }
        }
        (headers, refusal)
    }
}

/// A duration as the headers write it: `6m0s`, `14.981s`, `120ms`.
fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let seconds = |millis: u128| {
        if millis.is_multiple_of(1_000) {
            format!("{}s", millis / 1_000)
        } else {
            format!("{}s", millis as f64 / 1e3)
        }
    };
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..60_000 => seconds(millis),
        60_000..3_600_000 => format!("{}m{}", millis / 60_000, seconds(millis % 60_000)),
        _ => format!("{}h{}m{}", millis / 3_600_000, millis / 60_000 % 60, seconds(millis % 60_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_look_like_the_real_ones() {
        for (millis, text) in [
            (6, "6ms"),
            (1_000, "1s"),
            (14_981, "14.981s"),
            (360_000, "6m0s"),
            (86_400, "1m26.4s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(written(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn refused_requests_count() {
        let mut windows = Windows::new(Some(2), Some(100), Duration::from_secs(60));
        assert!(windows.charge("m", 10).1.is_none());
        let (headers, refusal) = windows.charge("m", 20);
        assert!(refusal.is_none());
        assert!(headers.contains(&("x-ratelimit-remaining-requests", "0".to_owned())));
        assert!(headers.contains(&("x-ratelimit-remaining-tokens", "70".to_owned())));
        assert_eq!(windows.charge("m", 1).1.map(|reply| reply.status), Some(429));
        assert_eq!(windows.charged["m"].requests.len(), 3);
        assert!(windows.charge("other", 10).1.is_none());
        assert_eq!(windows.charge("other", 95).1.map(|reply| reply.status), Some(429));
    }
}
