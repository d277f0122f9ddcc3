//! What the headers of an answer say of rate limits.
//!
//! They come as `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`; the reset is
//! the time of day at which all is back (RFC 3339), and may lie in the past
//! (<https://docs.claude.com/en/api/rate-limits>, read in August 2026).

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use crate::{Limit, RateLimits};

/// What the headers say; `None` where they say nothing, as behind most proxies.
///
/// Of the limits on tokens, that on input is the one that requests are counted against here: it comes with nearly all
/// accounts, and an answer of a label is small beside it. The limit without a name is whichever is nearest to its end.
pub(super) fn rate_limits(headers: &HeaderMap, now: Timestamp) -> Option<RateLimits> {
    let now = said_now(headers).unwrap_or(now);
    let requests = limit(headers, "requests", now);
    let input = limit(headers, "input-tokens", now);
    let tokens = if input == Limit::default() { limit(headers, "tokens", now) } else { input };
    let limits = RateLimits { requests, tokens };
    (limits != RateLimits::default()).then_some(limits)
}

fn limit(headers: &HeaderMap, of: &str, now: Timestamp) -> Limit {
    let header = |what: &str| headers.get(format!("anthropic-ratelimit-{of}-{what}"))?.to_str().ok();
    Limit {
        limit: header("limit").and_then(|text| text.trim().parse().ok()),
        remaining: header("remaining").and_then(|text| text.trim().parse().ok()),
        reset: header("reset").and_then(|text| until(text.trim(), now)),
    }
}

/// The time until then; none at all for a time that has passed.
fn until(text: &str, now: Timestamp) -> Option<Duration> {
    let at: Timestamp = text.parse().ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// The server's clock, which need not be ours.
fn said_now(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get("date")?.to_str().ok()?.strip_suffix("GMT")?;
    Some(jiff::fmt::rfc2822::parse(&format!("{date}+0000")).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn now() -> Timestamp {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn absolute_times_become_waits() {
        let found = rate_limits(
            &headers(&[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2026-11-28T12:00:30Z"),
                ("anthropic-ratelimit-tokens-limit", "8000"),
                ("anthropic-ratelimit-input-tokens-limit", "50000"),
                ("anthropic-ratelimit-input-tokens-remaining", "49000"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-11-28T11:59:00Z"),
            ]),
            now(),
        );
        let requests = Limit { limit: Some(50), remaining: Some(49), reset: Some(Duration::from_secs(30)) };
        let tokens = Limit { limit: Some(50_000), remaining: Some(49_000), reset: Some(Duration::ZERO) };
        assert_eq!(found, Some(RateLimits { requests, tokens }));
    }

    #[test]
    fn the_servers_clock_counts() {
        let said = headers(&[
            ("date", "Sat, 28 Nov 2026 11:00:00 GMT"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-28T11:00:05Z"),
        ]);
        assert_eq!(rate_limits(&said, now()).unwrap().tokens.reset, Some(Duration::from_secs(5)));
        assert_eq!(rate_limits(&headers(&[("server", "cloudflare")]), now()), None);
    }

    proptest! {
        #[test]
        fn any_headers_are_read_or_not(value in "[ -~]{0,40}") {
            for name in ["anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-limit", "date"] {
                let _ = rate_limits(&headers(&[(name, &value)]), now());
            }
        }
    }
}
