//! How the services word what is wrong: `google.rpc.Status` with details, and Cloud Storage's own form.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fake::{Call, Fault, Hint, Reply};

const DEVELOPER: &str = "generativelanguage.googleapis.com";

/// An error of the APIs; `details` may be empty.
pub(super) fn error(code: u16, status: &str, message: &str, details: Vec<Value>) -> Reply {
    let mut error = json!({"code": code, "message": message, "status": status});
    if !details.is_empty() {
        error["details"] = details.into();
    }
    Reply::of(code, json!({"error": error}))
}

/// The name that goes with a status of HTTP, where there is only one.
fn named(code: u16) -> &'static str {
    match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        500 => "INTERNAL",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}

pub(super) fn invalid(message: &str) -> Reply {
    error(400, "INVALID_ARGUMENT", message, Vec::new())
}

/// A field that is none, or holds what it can't.
pub(super) fn bad_field(field: &str, description: &str) -> Reply {
    let violation = match field {
        "" => json!({"description": description}),
        field => json!({"field": field, "description": description}),
    };
    let details =
        json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]});
    error(400, "INVALID_ARGUMENT", description, vec![details])
}

pub(super) fn precondition(message: &str) -> Reply {
    error(400, "FAILED_PRECONDITION", message, Vec::new())
}

pub(super) fn not_found(message: &str) -> Reply {
    error(404, "NOT_FOUND", message, Vec::new())
}

/// `ErrorInfo`: the reason as a constant.
pub(super) fn info(reason: &str, metadata: Value) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
        "metadata": metadata})
}

/// What the account may not do, in the words of Vertex.
pub(super) fn denied(permission: &str, resource: &str) -> Reply {
    let message = format!(
        "Permission '{permission}' denied on resource '//aiplatform.googleapis.com/{resource}' (or it may not exist)."
    );
    let details = info("IAM_PERMISSION_DENIED", json!({"permission": permission, "resource": resource}));
    error(403, "PERMISSION_DENIED", &message, vec![details])
}

pub(super) fn bad_key(key: &str) -> Reply {
    let details = info("API_KEY_INVALID", json!({"service": DEVELOPER}));
    // The real service does not quote it; this one does, so that clients are seen to keep it to themselves.
    let message = format!("API key not valid: {key}. Please pass a valid API key.");
    error(400, "INVALID_ARGUMENT", &message, vec![details])
}

/// A quota that is used up. The Developer API says which; Vertex, whose quota is shared, says nothing.
pub(super) struct Exhausted<'a> {
    pub(super) model: &'a str,
    /// `PerMinute` or `PerDay`.
    pub(super) period: &'a str,
    /// `Requests` or `InputTokens`.
    pub(super) what: &'a str,
    pub(super) limit: u64,
    pub(super) wait: Duration,
}

impl Exhausted<'_> {
    pub(super) fn reply(&self) -> Reply {
        let Self { model, period, what, limit, wait } = self;
        let metric = match *what {
            "Requests" => "generate_content_free_tier_requests",
            _ => "generate_content_free_tier_input_token_count",
        };
        let metric = format!("{DEVELOPER}/{metric}");
        let id = match *what {
            "Requests" => format!("GenerateRequests{period}PerProjectPerModel-FreeTier"),
            what => format!("GenerateContent{what}PerModel{period}-FreeTier"),
        };
        let delay = format!("{}.{:09}s", wait.as_secs(), wait.subsec_nanos());
        // On several lines, as the real one is.
        let message = format!(
            "You exceeded your current quota, please check your plan and billing details. For more information on this \
             error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n* Quota exceeded for metric: {metric}, \
             limit: {limit}, model: {model}\nPlease retry in {delay}."
        );
        let violation = json!({"quotaMetric": metric, "quotaId": id, "quotaValue": limit.to_string(),
            "quotaDimensions": {"location": "global", "model": model}});
        let details = vec![
            json!({"@type": "type.googleapis.com/google.rpc.Help", "links": [{"description":
                "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}]}),
            json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}),
            json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}),
        ];
        error(429, "RESOURCE_EXHAUSTED", &message, details)
    }
}

/// A 429 that says no more than that.
pub(super) fn shared_quota() -> Reply {
    let message = "Resource exhausted. Please try again later. Please refer to \
                   https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.";
    error(429, "RESOURCE_EXHAUSTED", message, Vec::new())
}

/// An error of Cloud Storage.
pub(super) fn storage(code: u16, reason: &str, message: &str) -> Reply {
    let errors = json!([{"message": message, "domain": "global", "reason": reason}]);
    Reply::of(code, json!({"error": {"code": code, "message": message, "errors": errors}}))
}

/// How a fault is worded where it shows; `None` for those of the connection.
pub(super) fn worded(fault: &Fault, call: &Call) -> Option<Reply> {
    let service = call.segments.first().map(String::as_str).unwrap_or_default();
    let is_storage = matches!(service, "storage" | "upload" | "download");
    let model = call.segments.last().and_then(|last| last.split(':').next()).unwrap_or_default();
    let exhausted = |period, wait| Exhausted { model, period, what: "Requests", limit: 20, wait }.reply();
    Some(match fault {
        Fault::Status(code) if is_storage => {
            let reason = if *code == 503 { "backendError" } else { "internalError" };
            storage(*code, reason, "We encountered an internal error. Please try again.")
        }
        Fault::Status(code @ (500 | 502 | 503)) => {
            error(*code, named(*code), "The model is overloaded. Please try again later.", Vec::new())
        }
        Fault::Status(code) => error(*code, named(*code), "The request is refused.", Vec::new()),
        Fault::RateLimited(_) if is_storage => {
            storage(429, "rateLimitExceeded", "The rate of requests is over the limit.")
        }
        Fault::RateLimited(Hint::None) => shared_quota(),
        Fault::RateLimited(Hint::Seconds(seconds)) => {
            exhausted("PerMinute", Duration::try_from_secs_f64(*seconds).unwrap_or_default())
        }
        Fault::RateLimited(Hint::Millis(ms)) => exhausted("PerMinute", Duration::from_millis(*ms)),
        Fault::RateLimited(Hint::Date(wait)) => exhausted("PerMinute", *wait),
        Fault::DailyLimit => exhausted("PerDay", Duration::new(34, 74_824_224)),
        Fault::Billing => {
            let message =
                "Your project has exceeded its monthly spending cap. Please go to AI Studio to manage it.";
            error(429, "RESOURCE_EXHAUSTED", message, Vec::new())
        }
        Fault::BadKey if service == "generativelanguage" => bad_key("is withheld"),
        Fault::BadKey => {
            let details = info("ACCESS_TOKEN_EXPIRED", json!({"service": "aiplatform.googleapis.com"}));
            let message = "Request had invalid authentication credentials. Expected OAuth 2 access token.";
            error(401, "UNAUTHENTICATED", message, vec![details])
        }
        Fault::TrainingNotAvailable => denied("aiplatform.tuningJobs.create", "projects/fake-project"),
        _ => return None,
    })
}
