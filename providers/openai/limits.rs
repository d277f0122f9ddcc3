//! What the headers of an answer say of rate limits and of waiting.
//!
//! Limits come as `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, and the same with `project-tokens`. The
//! resets are durations such as `1s`, `6ms`, `14.981s`, `6m0s`, `1m26.4s`: the time until all is back, so an upper
//! bound (<https://developers.openai.com/api/docs/guides/rate-limits>, read in autumn 2026).

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::retry_after::seconds;
use crate::{Limit, RateLimits};

/// What the headers say; `None` where they say nothing, as on most other servers.
pub(super) fn rate_limits(headers: &HeaderMap) -> Option<RateLimits> {
    let requests = limit(headers, "requests");
    let (tokens, project) = (limit(headers, "tokens"), limit(headers, "project-tokens"));
    // The one that is nearer to its end binds first.
    let tokens = match (tokens.remaining, project.remaining) {
        (Some(all), Some(ours)) if ours < all => project,
        (None, Some(_)) => project,
        _ => tokens,
    };
    let limits = RateLimits { requests, tokens };
    (limits != RateLimits::default()).then_some(limits)
}

fn limit(headers: &HeaderMap, of: &str) -> Limit {
    let header = |what: &str| headers.get(format!("x-ratelimit-{what}-{of}"))?.to_str().ok();
    Limit {
        limit: header("limit").and_then(count),
        remaining: header("remaining").and_then(count),
        reset: header("reset").and_then(duration),
    }
}

/// A count; some servers write negative ones when a limit is overdrawn.
fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.starts_with('-') { text.parse::<i64>().ok().map(|_| 0) } else { text.parse().ok() }
}

/// A duration as the headers write it: a run of numbers with units `d`, `h`, `m`, `s`, `ms`; fractions are allowed,
/// a number alone is seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if let Some(alone) = seconds(rest) {
        return Some(alone);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * factor).ok()?)?;
        rest = after;
    }
    (!text.trim().is_empty()).then_some(total)
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

    #[test]
    fn durations_that_were_seen() {
        for (text, millis) in [
            ("1s", 1_000),
            ("6ms", 6),
            ("120ms", 120),
            ("14.981s", 14_981),
            ("6m0s", 360_000),
            ("1m30s", 90_000),
            ("1m26.4s", 86_400),
            ("1h2m3s", 3_723_000),
            ("1d", 86_400_000),
            ("0s", 0),
            ("7", 7_000),
            (" 0.5 ", 500),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text:?}");
        }
        for text in
            ["", " ", "s", "1x", "1 m", "-1s", "1m-2s", "..s", "1e9s", "９s", "99999999999999999999999d"]
        {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn limits_of_an_answer() {
        let found = rate_limits(&headers(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-limit-tokens", "30000"),
            ("x-ratelimit-remaining-tokens", "-12"),
            ("x-ratelimit-reset-tokens", "soon"),
        ]));
        let requests =
            Limit { limit: Some(500), remaining: Some(499), reset: Some(Duration::from_millis(120)) };
        let tokens = Limit { limit: Some(30_000), remaining: Some(0), reset: None };
        assert_eq!(found, Some(RateLimits { requests, tokens }));
        assert_eq!(rate_limits(&headers(&[("server", "uvicorn")])), None);
        let project = headers(&[
            ("x-ratelimit-remaining-tokens", "900"),
            ("x-ratelimit-remaining-project-tokens", "40"),
            ("x-ratelimit-limit-project-tokens", "1000"),
        ]);
        assert_eq!(rate_limits(&project).unwrap().tokens.limit, Some(1_000));
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_or_not(text in "([0-9.]{0,22}(ms|[dhms])?){0,4}|\\PC*") {
            let _ = duration(&text);
        }

        #[test]
        fn a_written_duration_is_read_back(hours in 0u64..100, minutes in 0u64..60, millis in 0u64..60_000) {
            let text = format!("{hours}h{minutes}m{}.{:03}s", millis / 1_000, millis % 1_000);
            let expected = Duration::from_millis((hours * 60 + minutes) * 60_000 + millis);
            let found = duration(&text).unwrap();
            prop_assert!(found.abs_diff(expected) < Duration::from_micros(1), "{} is {:?}", text, found);
        }

        #[test]
        fn a_longer_run_is_no_shorter(a in 0u32..10_000, b in 0u32..10_000) {
            let (long, short) = (duration(&format!("{a}s{b}ms")), duration(&format!("{a}s")));
            prop_assert!(short.is_some() && long >= short);
        }
    }
}
