//! What a refusal says of quotas and of waiting: `QuotaFailure` and `RetryInfo` among an error's details. There are no
//! headers for either.
//!
//! Details of `google.rpc` (<https://cloud.google.com/apis/design/errors>), quota names as seen in reports of 2025 and 2026.

use std::time::Duration;

use serde_json::Value;

use super::json::count;
use crate::{Limit, RateLimits};

/// A quota that is used up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Violation {
    /// Such as `GenerateRequestsPerDayPerProjectPerModel-FreeTier`.
    id: String,
    /// How much it allows.
    value: Option<u64>,
}

impl Violation {
    /// Those of a `QuotaFailure`.
    pub(super) fn all(detail: &Value) -> Vec<Self> {
        let violations = detail.get("violations").and_then(Value::as_array);
        let read = |violation: &Value| Self {
            id: violation.get("quotaId").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase(),
            value: violation.get("quotaValue").and_then(count),
        };
        violations.into_iter().flatten().map(read).collect()
    }

    /// Whether waiting a while is of no use: it is back tomorrow, or next month.
    pub(super) fn is_long(&self) -> bool {
        self.id.contains("perday") || self.id.contains("permonth")
    }

    fn per_minute(&self) -> Option<u64> {
        self.value.filter(|_| self.id.contains("perminute"))
    }
}

/// What quotas for each minute say of the rate; `None` if there are none.
pub(super) fn rate_limits(violations: &[Violation], reset: Option<Duration>) -> Option<RateLimits> {
    let mut limits = RateLimits::default();
    for violation in violations {
        let Some(value) = violation.per_minute() else { continue };
        let used_up = Limit { limit: Some(value), remaining: Some(0), reset };
        if violation.id.contains("token") {
            limits.tokens = used_up;
        } else if violation.id.contains("request") {
            limits.requests = used_up;
        }
    }
    (limits != RateLimits::default()).then_some(limits)
}

/// The wait that a `RetryInfo` asks for: seconds with an `s`, and perhaps decimals, as in `34.074824224s`.
pub(super) fn retry_delay(detail: &Value) -> Option<Duration> {
    let text = detail.get("retryDelay")?.as_str()?;
    let seconds: f64 = text.trim().strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn quotas_of_a_minute_are_limits() {
        let violations = Violation::all(&json!({"violations": [
            {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "20"},
            {"quotaId": "GenerateContentInputTokensPerModelPerMinute-FreeTier", "quotaValue": 250_000},
            {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "20"},
        ]}));
        assert_eq!(violations.iter().filter(|violation| violation.is_long()).count(), 1);
        let limits = rate_limits(&violations, Some(Duration::from_secs(7))).unwrap();
        assert_eq!((limits.requests.limit, limits.requests.remaining), (Some(20), Some(0)));
        assert_eq!((limits.tokens.limit, limits.tokens.reset), (Some(250_000), Some(Duration::from_secs(7))));
        assert_eq!(rate_limits(&[], None), None);
    }

    #[test]
    fn delays_may_have_decimals() {
        for (text, delay) in [
            (json!("34s"), Some(Duration::from_secs(34))),
            (json!("34.074824224s"), Some(Duration::from_nanos(34_074_824_224))),
            (json!("0s"), Some(Duration::ZERO)),
            (json!("-1s"), None),
            (json!("1e300s"), None),
            (json!("NaNs"), None),
            (json!("soon"), None),
            (json!(34), None),
        ] {
            assert_eq!(retry_delay(&json!({"retryDelay": text})), delay, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_delay_or_none(text in "[-+0-9.einfNs ]{0,12}|\\PC{0,6}") {
            let _ = retry_delay(&json!({"retryDelay": text}));
        }
    }
}
