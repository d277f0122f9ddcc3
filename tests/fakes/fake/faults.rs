//! What goes wrong, where and how often.

use std::time::Duration;

use serde_json::Value;

/// How long a limited request is told to wait. Google has one way to say it, and says it in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hint {
    /// Not at all.
    None,
    /// `retry-after` in seconds; a fraction is written as one.
    Seconds(f64),
    /// `retry-after-ms`.
    Millis(u64),
    /// `retry-after` as a date, so far from now, rounded up to a second.
    Date(Duration),
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// An error with this status, worded as the service does.
    Status(u16),
    /// 429: too many requests in a minute. OpenAI: `rate_limit_exceeded`.
    RateLimited(Hint),
    /// 429: the bill is not paid. OpenAI: `insufficient_quota`.
    Billing,
    /// The key is none. OpenAI: 401 `invalid_api_key`; Google: 400 `API_KEY_INVALID`, and 401 for a token.
    BadKey,
    /// 403: nothing can be tuned. OpenAI: `training_not_available`; Google: `PERMISSION_DENIED`.
    TrainingNotAvailable,
    /// 429: too many in a day. OpenAI: `daily_rate_limit_exceeded`; Google: a quota `PerDay`.
    DailyLimit,
    /// Any status and JSON.
    Answer(u16, Value),
    /// The connection is reset before a byte is answered.
    Reset,
    /// The connection is cut in the middle of the body.
    Cut,
    /// A whole answer with half of its JSON.
    Half,
    /// Nothing for so long, and then the answer.
    Stall(Duration),
    /// A web page with this status, as proxies send.
    Html(u16),
}

/// A fault, where it shows and how often.
///
/// As JSON, for `POST /_fake/faults`:
/// `{"fault": "status", "status": 500, "on": "/chat/", "times": 2, "every": 3, "after_work": true}`. The names of
/// faults are those of [`Fault`] in `snake_case`; `status` goes with `status` and `html`, `ms` with `stall`, and one of
/// `seconds`, `ms`, `date_seconds` with `rate_limited`.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    pub(super) fault: Fault,
    path: String,
    times: Option<u64>,
    every: u64,
    pub(super) after_work: bool,
    seen: u64,
}

impl Failing {
    /// Shows at every request from now on.
    pub fn new(fault: Fault) -> Self {
        Self { fault, path: String::new(), times: None, every: 1, after_work: false, seen: 0 }
    }

    /// Shows only where method and path, as in `POST /v1/chat/completions`, hold this text.
    #[must_use]
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Shows so many times, and then no more.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Shows only at each `every`-th request that fits.
    #[must_use]
    pub fn every(mut self, every: u64) -> Self {
        self.every = every.max(1);
        self
    }

    /// Does what was asked before it goes wrong, as when an answer gets lost.
    #[must_use]
    pub fn after_work(mut self) -> Self {
        self.after_work = true;
        self
    }

    /// Reads the JSON form.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name)?.as_f64();
        let whole = |name: &str| value.get(name)?.as_u64();
        let status = || u16::try_from(whole("status")?).ok();
        let fault = match value.get("fault")?.as_str()? {
            "status" => Fault::Status(status()?),
            "rate_limited" => {
                Fault::RateLimited(match (number("seconds"), whole("ms"), whole("date_seconds")) {
                    (Some(seconds), ..) => Hint::Seconds(seconds),
                    (_, Some(ms), _) => Hint::Millis(ms),
                    (_, _, Some(seconds)) => Hint::Date(Duration::from_secs(seconds)),
                    _ => Hint::None,
                })
            }
            "billing" => Fault::Billing,
            "bad_key" => Fault::BadKey,
            "training_not_available" => Fault::TrainingNotAvailable,
            "daily_limit" => Fault::DailyLimit,
            "answer" => Fault::Answer(status()?, value.get("body")?.clone()),
            "reset" => Fault::Reset,
            "cut" => Fault::Cut,
            "half" => Fault::Half,
            "stall" => Fault::Stall(Duration::from_millis(whole("ms")?)),
            "html" => Fault::Html(status()?),
            _ => return None,
        };
        let mut failing = Self::new(fault).on(value.get("on").and_then(Value::as_str).unwrap_or_default());
        failing.times = whole("times");
        failing.every = whole("every").unwrap_or(1).max(1);
        failing.after_work = value.get("after_work").and_then(Value::as_bool).unwrap_or(false);
        Some(failing)
    }
}

/// All that is wrong now.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Failing>);

impl Faults {
    pub(super) fn add(&mut self, failing: Failing) {
        self.0.push(failing);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this request.
    pub(super) fn meet(&mut self, request: &str) -> Option<Failing> {
        let met = self.0.iter_mut().find_map(|failing| {
            if !request.contains(&failing.path) || failing.times == Some(0) {
                return None;
            }
            failing.seen += 1;
            if failing.seen % failing.every != 0 {
                return None;
            }
            failing.times = failing.times.map(|times| times - 1);
            Some(failing.clone())
        });
        self.0.retain(|failing| failing.times != Some(0));
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_show_where_and_as_often_as_told() {
        let mut faults = Faults::default();
        faults.add(Failing::new(Fault::Reset).on("/files").times(2).every(2));
        let met: Vec<_> = (0..6).map(|_| faults.meet("POST /v1/files").is_some()).collect();
        assert_eq!(met, [false, true, false, true, false, false]);
        assert!(faults.meet("GET /v1/models").is_none());
        let read =
            Failing::read(&serde_json::json!({"fault": "rate_limited", "ms": 20, "on": "x", "times": 1}));
        assert_eq!(read, Some(Failing::new(Fault::RateLimited(Hint::Millis(20))).on("x").times(1)));
        assert_eq!(Failing::read(&serde_json::json!({"fault": "flood"})), None);
    }
}
