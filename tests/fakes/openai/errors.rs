//! How the service words what is wrong.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::Reply;
use crate::fake::{Fault, Hint, http_date};

impl Reply {
    /// An error as the service words it; an empty code or parameter is null.
    pub(super) fn error(status: u16, kind: &str, code: &str, param: &str, message: &str) -> Self {
        let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let error = json!({"message": message, "type": kind, "param": text(param), "code": text(code)});
        Self::of(status, json!({"error": error}))
    }

    /// The commonest error.
    pub(super) fn invalid(code: &str, param: &str, message: &str) -> Self {
        Self::error(400, "invalid_request_error", code, param, message)
    }
}

/// How the service words a fault of its own; `None` for those of the connection.
pub(super) fn worded(fault: &Fault) -> Option<Reply> {
    let invalid = "invalid_request_error";
    Some(match fault {
        Fault::Status(status @ 503) => Reply::error(
            *status,
            "service_unavailable_error",
            "server_is_overloaded",
            "",
            "The server is overloaded.",
        ),
        Fault::Status(status @ 500..) => Reply::error(
            *status,
            "server_error",
            "",
            "",
            "The server had an error while processing your request.",
        ),
        Fault::Status(status) => Reply::error(*status, invalid, "", "", "The request is refused."),
        Fault::RateLimited(hint) => {
            let message = "Rate limit reached for requests. Please try again later.";
            let reply = Reply::error(429, "requests", "rate_limit_exceeded", "", message);
            match hint {
                Hint::None => reply,
                Hint::Seconds(seconds) => reply.with("retry-after", seconds.to_string()),
                Hint::Millis(ms) => reply.with("retry-after-ms", ms.to_string()),
                Hint::Date(wait) => reply.with("retry-after", http_date(SystemTime::now() + *wait)),
            }
        }
        Fault::Billing => {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            Reply::error(429, "insufficient_quota", "insufficient_quota", "", message)
        }
        Fault::BadKey => Reply::error(401, invalid, "invalid_api_key", "", "Incorrect API key provided."),
        Fault::TrainingNotAvailable => {
            let message =
                "Fine-tuning is being wound down, and creating jobs is not available to this organization.";
            Reply::error(403, invalid, "training_not_available", "", message)
        }
        Fault::DailyLimit => {
            let message = "This organization has reached its daily limit of fine-tuning jobs for this model.";
            Reply::error(429, invalid, "daily_rate_limit_exceeded", "", message)
        }
        _ => return None,
    })
}
