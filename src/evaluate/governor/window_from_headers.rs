//! Over which window a provider counts, as far as its headers show it.
//!
//! `limit`, `remaining` and `reset` together tell more than each alone. With `used = limit - remaining`:
//!
//! * a bucket that refills evenly, as OpenAI's, is full again after `used / limit` of a minute;
//! * a sliding window of W seconds that holds its share of the limit of a minute never leaves more than that share:
//!   `remaining` and what was sent in the last W seconds make up `limit · W / 60`, and `reset` is W, since the request
//!   that is answered is the last one to leave the window;
//! * where the limit is that of W seconds, `remaining` and what was sent in the last `reset` make up `limit` itself,
//!   though `reset` is much shorter than a minute's bucket would take.

use std::time::Duration;

use tunebench_providers::Limit;

use super::rate_limit::MINUTE;

/// Windows longer than this are not told from a minute.
const LONGEST: Duration = Duration::from_secs(20);
/// Answers that must agree.
const AGREED: u32 = 3;
/// Within which share figures agree.
const CLOSE: f64 = 0.1;

/// What the answers so far show.
#[derive(Debug, Default)]
pub(super) struct StatedSpan {
    shown: Option<Shown>,
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    /// As it is stated.
    limit: u64,
    per_minute: f64,
    /// In seconds.
    span: f64,
    /// How many answers showed the same.
    agreed: u32,
}

impl StatedSpan {
    /// Takes what one answer states; gives the limit of a minute and the window, once some answers agree on it. `sent`
    /// tells what had been sent over a span when the request left, itself included.
    pub(super) fn learn(
        &mut self,
        stated: Limit,
        sent: impl FnOnce(Duration) -> u64,
    ) -> Option<(u64, Duration)> {
        let limit = stated.limit?;
        let settled = self.shown.filter(|shown| shown.agreed >= AGREED && shown.limit == limit);
        if settled.is_none() {
            self.shown = shown(stated, sent).map(|(per_minute, span)| {
                let same =
                    |before: &Shown| is_close(before.per_minute, per_minute) && is_close(before.span, span);
                let agreed = self.shown.filter(same).map_or(0, |before| before.agreed) + 1;
                Shown { limit, per_minute, span, agreed }
            });
        }
        let Shown { per_minute, span, .. } = self.shown.filter(|shown| shown.agreed >= AGREED)?;
        Some((per_minute.round() as u64, Duration::try_from_secs_f64(span).ok()?))
    }
}

/// The limit of a minute and the window in seconds, where it is a short one.
fn shown(stated: Limit, sent: impl FnOnce(Duration) -> u64) -> Option<(f64, f64)> {
    let Limit { limit: Some(limit), remaining: Some(remaining), reset: Some(reset) } = stated else {
        return None;
    };
    if reset.is_zero() || reset > LONGEST || remaining > limit {
        return None;
    }
    let ours = sent(reset) as f64;
    let (limit, left, minute) = (limit as f64, remaining as f64, MINUTE.as_secs_f64());
    let reset = reset.as_secs_f64();
    let bucket = (limit - left) / limit * minute;
    if reset >= bucket * (1.0 - CLOSE) - 0.1 {
        return None;
    }
    let share = limit * reset / minute;
    if left <= share && is_close((left + ours).max(1.0), share.max(1.0)) {
        return Some((limit, reset));
    }
    let whole = is_close(left + ours, limit);
    whole.then_some((limit * minute / reset, reset))
}

fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= (CLOSE * a.max(b)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(limit: u64, remaining: u64, reset: f64) -> Limit {
        Limit { limit: Some(limit), remaining: Some(remaining), reset: Some(Duration::from_secs_f64(reset)) }
    }

    /// What three like answers show.
    fn learned(stated: Limit, sent: u64) -> Option<(u64, u64)> {
        let mut span = StatedSpan::default();
        let first = span.learn(stated, |_| sent);
        assert_eq!(first, None, "one answer shows nothing");
        span.learn(stated, |_| sent);
        span.learn(stated, |_| sent).map(|(limit, span)| (limit, span.as_secs()))
    }

    #[test]
    fn a_minute_is_not_taken_for_less() {
        // A bucket that refills evenly, hardly used, half empty, empty; a sliding minute; nothing left for a moment.
        for (stated, sent) in [
            (limit(600, 599, 0.1), 1),
            (limit(600, 300, 30.0), 300),
            (limit(600, 0, 60.0), 600),
            (limit(600, 590, 60.0), 10),
            (limit(600, 400, 20.0), 200),
            (limit(10_000, 9_900, 0.6), 100),
        ] {
            assert_eq!(learned(stated, sent), None, "{stated:?}");
        }
    }

    #[test]
    fn short_windows_show() {
        assert_eq!(learned(limit(600, 3, 1.0), 7), Some((600, 1)));
        assert_eq!(learned(limit(600, 0, 1.0), 10), Some((600, 1)));
        assert_eq!(learned(limit(600, 60, 10.0), 40), Some((600, 10)));
        // The limit is that of the window.
        assert_eq!(learned(limit(10, 3, 1.0), 7), Some((600, 1)));
        assert_eq!(learned(limit(100, 50, 10.0), 50), Some((600, 10)));
    }
}
