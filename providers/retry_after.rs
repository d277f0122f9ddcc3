//! How long a server asks to wait, by the headers that most share.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// A plain decimal number of seconds.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain { Duration::try_from_secs_f64(text.parse().ok()?).ok() } else { None }
}

/// How long the server asks to wait: `retry-after-ms`, else `retry-after` as seconds (a fraction is allowed) or as
/// an HTTP date. A date that has passed is no wait at all.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = header("retry-after-ms").and_then(seconds).map(|thousandfold| thousandfold / 1_000);
    millis.or_else(|| {
        let text = header("retry-after")?;
        seconds(text).or_else(|| until(text, now))
    })
}

fn until(date: &str, now: Timestamp) -> Option<Duration> {
    // jiff wants the offset as a number; HTTP always writes GMT.
    let date = date.strip_suffix("GMT").map_or_else(|| date.to_owned(), |date| format!("{date}+0000"));
    let at = jiff::fmt::rfc2822::parse(&date).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn every_form_of_it() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let wait = |pairs: &[(&'static str, &str)]| retry_after(&headers(pairs), now);
        assert_eq!(
            wait(&[("retry-after-ms", "250"), ("retry-after", "9")]),
            Some(Duration::from_millis(250))
        );
        assert_eq!(wait(&[("retry-after", "20")]), Some(Duration::from_secs(20)));
        assert_eq!(wait(&[("retry-after", "0.25")]), Some(Duration::from_millis(250)));
        let date = [("retry-after", "Sun, 22 Nov 2026 10:01:30 GMT")];
        assert_eq!(wait(&date), Some(Duration::from_secs(90)));
        assert_eq!(wait(&[("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(wait(&[("retry-after", "later")]), None);
        assert_eq!(wait(&[]), None);
    }
}
