//! How the service words what is wrong.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::Reply;
use crate::fake::{Fault, Hint, http_date};

impl Reply {
    /// An error as the service words it.
    pub(super) fn anthropic(status: u16, kind: &str, message: &str) -> Self {
        Self::anthropic_code(status, kind, "", message)
    }

    /// The same, with a code that does not change.
    pub(super) fn anthropic_code(status: u16, kind: &str, code: &str, message: &str) -> Self {
        let details = if code.is_empty() { Value::Null } else { json!({ "error_code": code }) };
        let error = json!({"type": kind, "message": message, "details": details});
        Self::of(status, json!({"type": "error", "error": error, "request_id": "req_fake"}))
    }
}

/// How the service words a fault of its own; `None` for those of the connection.
pub(super) fn worded(fault: &Fault) -> Option<Reply> {
    let limited = "rate_limit_error";
    Some(match fault {
        Fault::Status(status @ 529) => Reply::anthropic(*status, "overloaded_error", "Overloaded"),
        Fault::Status(status @ 504) => Reply::anthropic(*status, "timeout_error", "The request timed out."),
        Fault::Status(status @ 500..) => Reply::anthropic(*status, "api_error", "Internal server error"),
        Fault::Status(status @ 403) => Reply::anthropic(*status, "permission_error", "Not with this key."),
        Fault::Status(status @ 402) => {
            Reply::anthropic(*status, "billing_error", "Check your payment details.")
        }
        Fault::Status(status) => {
            Reply::anthropic(*status, "invalid_request_error", "The request is refused.")
        }
        Fault::RateLimited(hint) => {
            let reply =
                Reply::anthropic(429, limited, "This request would exceed your organization's rate limit.");
            match hint {
                Hint::None => reply,
                Hint::Seconds(seconds) => reply.with("retry-after", seconds.to_string()),
                Hint::Millis(ms) => reply.with("retry-after-ms", ms.to_string()),
                Hint::Date(wait) => reply.with("retry-after", http_date(SystemTime::now() + *wait)),
            }
        }
        Fault::Billing => {
            let message = "You have reached your monthly spend limit.";
            Reply::anthropic_code(429, limited, "enforced_spend_limit_reached", message)
        }
        Fault::DailyLimit => {
            let message =
                "You have reached your specified API usage limits. You will regain access on 2026-12-01.";
            Reply::anthropic(400, "invalid_request_error", message)
        }
        Fault::BadKey => Reply::anthropic(401, "authentication_error", "invalid x-api-key"),
        Fault::TrainingNotAvailable => Reply::anthropic(404, "not_found_error", "Not Found"),
        _ => return None,
    })
}
