//! From a refusal to what the caller must do about it.
//!
//! The HTTP status says less than the details: a bad key is a 400, and a quota of the day comes with the advice to wait
//! some seconds. Shapes of `google.rpc.Status` (<https://cloud.google.com/apis/design/errors>); proxies write HTML or
//! nothing.

use std::time::Duration;

use serde_json::Value;

use super::declared::Surface;
use super::json::{list, text};
use super::limits::{self, Violation};
use crate::http::Answer;
use crate::text::flat;
use crate::{Cause, ProviderError, Retry, Scope};

/// How to log in for Vertex AI.
pub(super) const LOGIN: &str = "gcloud auth application-default login";

/// What an error body says, as far as it says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ErrorBody {
    /// In words, for people.
    pub(super) message: String,
    /// The canonical name, such as `RESOURCE_EXHAUSTED`.
    status: String,
    /// The reason of an `ErrorInfo`, or that of Cloud Storage.
    reason: String,
    violations: Vec<Violation>,
    retry_delay: Option<Duration>,
}

impl ErrorBody {
    /// Reads `{"error": {…}}`, also inside a list, as streams have it. `None` for anything else.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let value = value.as_array().and_then(|list| list.first()).unwrap_or(&value);
        let error = value.get("error")?;
        let mut read = Self {
            message: flat(text(error, "/message")?.trim_end_matches('.')),
            status: text(error, "/status").unwrap_or_default().to_owned(),
            reason: text(error, "/errors/0/reason").unwrap_or_default().to_owned(),
            ..Self::default()
        };
        for detail in list(error, "/details") {
            let kind = text(detail, "/@type").unwrap_or_default();
            match kind.rsplit('.').next() {
                Some("QuotaFailure") => read.violations.extend(Violation::all(detail)),
                Some("RetryInfo") => read.retry_delay = limits::retry_delay(detail),
                Some("ErrorInfo") => read.reason = text(detail, "/reason").unwrap_or_default().to_owned(),
                Some("BadRequest") => read.name_fields(detail),
                _ => {}
            }
        }
        Some(read)
    }

    /// Adds the fields at fault where the message does not name them.
    fn name_fields(&mut self, detail: &Value) {
        for violation in list(detail, "/fieldViolations") {
            let Some(field) = text(violation, "/field") else { continue };
            if !self.message.contains(field) {
                self.message = flat(&format!("{} ({field})", self.message));
            }
        }
    }

    /// Whether the message speaks of something, whatever the case and the underscores.
    pub(super) fn speaks_of(&self, words: &[&str]) -> bool {
        let message = self.message.to_lowercase().replace(['_', ' '], "");
        words.iter().any(|word| message.contains(word))
    }
}

/// What a request was about, so that an error can name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) surface: Surface,
    /// The model asked for.
    pub(super) model: Option<&'a str>,
    /// The location at which it was asked for.
    pub(super) location: Option<&'a str>,
    /// The variable that holds the key or the token, where one does.
    pub(super) key_variable: Option<&'a str>,
}

/// The error that an answer stands for.
pub(super) fn of_answer(answer: &Answer, about: About<'_>) -> ProviderError {
    let body = ErrorBody::read(&answer.body).unwrap_or_else(|| {
        let excerpt = answer.excerpt();
        let message = if excerpt.is_empty() { "the body is empty".to_owned() } else { excerpt };
        ErrorBody { message, ..ErrorBody::default() }
    });
    let mut error = of_body(answer.status, &body, about);
    error.request_id = answer.request_id().map(str::to_owned);
    error
}

/// The error that a body with this HTTP status stands for.
pub(super) fn of_body(status: u16, body: &ErrorBody, about: About<'_>) -> ProviderError {
    let said = &body.message;
    let new = |cause| ProviderError::new(cause, said);
    match (status, body.reason.as_str(), body.status.as_str()) {
        (_, "API_KEY_INVALID" | "API_KEY_SERVICE_BLOCKED", _) | (401, ..) => refused(said, about),
        (_, "SERVICE_DISABLED", _) => new(Cause::Access).hint(
            "enable the API for the project in Google's console (Vertex AI wants `aiplatform.googleapis.com` and \
             `storage.googleapis.com`); user credentials also want a quota project: set `quota_project`",
        ),
        (_, _, "FAILED_PRECONDITION") | (400, "FAILED_PRECONDITION", _) => {
            new(Cause::Invalid).scope(Scope::Provider).hint(
                "the service is not offered at this place, or billing is off: check region, `location` and the project's \
                 billing",
            )
        }
        (400, ..) => bad_request(body),
        (403, ..) => ProviderError::new(Cause::Access, format!("refused: {said}")).hint(permissions(about)),
        (404, ..) => not_found(said, about),
        (408 | 504, ..) => new(Cause::Server),
        (409 | 412, ..) => new(Cause::Invalid).hint("something else changed it at the same time: look at it first"),
        (429, ..) => exhausted(body),
        (499, ..) => new(Cause::Server).retry(Retry::Never),
        (500.., ..) => ProviderError::new(Cause::Server, format!("the server failed (status {status}): {said}"))
            .retry(Retry::Later { after: body.retry_delay }),
        (300..400, ..) => {
            ProviderError::new(Cause::Invalid, format!("the address redirects elsewhere (status {status})"))
                .scope(Scope::Provider)
                .hint("correct `base_url`; redirects are not followed, so that the key goes nowhere else")
        }
        (400..500, ..) => new(Cause::Invalid),
        _ => ProviderError::new(Cause::Server, format!("unexpected status {status}: {said}")),
    }
}

/// Some refusals are of a setting, and so concern every row.
fn bad_request(body: &ErrorBody) -> ProviderError {
    let error = ProviderError::new(Cause::Invalid, &body.message);
    let cures: [(&[&str], &str); 4] = [
        (&["apikey"], "check the key"),
        (
            &["thinking"],
            "set `thinking` under the provider's settings to what this model takes: \"minimal\", \"low\", a number of \
             tokens (2.5 models), or \"default\"",
        ),
        (
            &["responseschema", "responsejsonschema", "schemaproduces", "responsemimetype", "jsonmode"],
            "the model does not take this schema: set `answer = \"tag\"`",
        ),
        (
            &["temperature", "topp", "topk", "penalty"],
            "the model takes no sampling settings: remove `temperature`",
        ),
    ];
    match cures.iter().find(|(words, _)| body.speaks_of(words)) {
        Some((_, "check the key")) => error.scope(Scope::Provider),
        Some((_, cure)) => error.scope(Scope::Model).hint(*cure),
        None => error,
    }
}

/// 429: what passes in a minute, what passes tomorrow, and what does not pass. Of several, the worst counts.
fn exhausted(body: &ErrorBody) -> ProviderError {
    let said = &body.message;
    if body.speaks_of(&["spend", "deplet", "billingaccount", "prepay"]) {
        return ProviderError::new(Cause::Quota, format!("a cap on spending is reached: {said}"))
            .hint("raise it in the billing settings of the project, then run the same command again");
    }
    if body.violations.iter().any(Violation::is_long) {
        // It comes with the advice to wait some seconds, which is of no use.
        return ProviderError::new(Cause::Quota, format!("today's quota is used up: {said}"))
            .scope(Scope::Model)
            .hint("it is back at midnight in California; run the same command again then");
    }
    let mut error =
        ProviderError::new(Cause::RateLimit, said).retry(Retry::Later { after: body.retry_delay });
    error.rate_limits = limits::rate_limits(&body.violations, body.retry_delay).map(Box::new);
    error
}

fn refused(said: &str, about: About<'_>) -> ProviderError {
    let (what, hint) = match (about.surface, about.key_variable) {
        (Surface::Developer, Some(variable)) => {
            ("the key is refused", format!("check the key in {variable}, and that it may use the Gemini API"))
        }
        (Surface::Vertex, Some(variable)) => (
            "the access token is refused",
            format!(
                "the token in {variable} has expired or is of another kind; without it, `{LOGIN}` is used"
            ),
        ),
        (_, None) => ("the credentials are refused", format!("log in anew with `{LOGIN}`")),
    };
    ProviderError::new(Cause::Access, format!("{what}: {said}")).hint(hint)
}

fn permissions(about: About<'_>) -> &'static str {
    match about.surface {
        Surface::Developer => {
            "check that the key may use the Gemini API, and that it was not reported as leaked"
        }
        Surface::Vertex => {
            "the account needs the role `roles/aiplatform.user`, and rights to read and write the bucket; user \
             credentials may want a quota project: set `quota_project`"
        }
    }
}

fn not_found(said: &str, about: About<'_>) -> ProviderError {
    let Some(model) = about.model else { return ProviderError::new(Cause::NotFound, said) };
    let message = if said.contains(model) { said.to_owned() } else { format!("no model `{model}`: {said}") };
    let hint = match about.location {
        Some(location) => format!(
            "check the name, and whether it is served at `{location}`, where it was asked (`location`); a retired model, \
             or one of another project, is not found either"
        ),
        None => "check the name; a retired model is not found either".to_owned(),
    };
    ProviderError::new(Cause::NotFound, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;

    const DAY: &str = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
    const MINUTE: &str = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";

    fn about(surface: Surface) -> About<'static> {
        let location = (surface == Surface::Vertex).then_some("us-central1");
        About { surface, model: Some("m"), location, key_variable: Some("KEY") }
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    fn error(status: u16, name: &str, message: &str, details: Value) -> Answer {
        let body = json!({"error": {"code": status, "message": message, "status": name, "details": details}});
        answer(status, &body.to_string())
    }

    fn info(reason: &str) -> Value {
        json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}])
    }

    fn quota(ids: &[&str]) -> Value {
        let violations: Vec<_> = ids.iter().map(|id| json!({"quotaId": id, "quotaValue": "20"})).collect();
        json!([
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
        ])
    }

    fn judged(answer: &Answer) -> (Cause, Scope, bool) {
        let error = of_answer(answer, about(Surface::Vertex));
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error:?}");
        (error.cause, error.scope, error.retry != Retry::Never)
    }

    #[test]
    fn the_table_of_errors() {
        use Cause::*;
        use Scope::*;
        let none = || json!([]);
        for (status, name, message, details, expected) in [
            (400, "INVALID_ARGUMENT", "Invalid JSON payload", none(), (Invalid, Request, false)),
            (
                400,
                "INVALID_ARGUMENT",
                "API key not valid.",
                info("API_KEY_INVALID"),
                (Access, Provider, false),
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "Thinking level MINIMAL is not supported",
                none(),
                (Invalid, Model, false),
            ),
            (400, "INVALID_ARGUMENT", "response_schema: too many states", none(), (Invalid, Model, false)),
            (
                400,
                "INVALID_ARGUMENT",
                "Penalty is not enabled for this model",
                none(),
                (Invalid, Model, false),
            ),
            (
                400,
                "FAILED_PRECONDITION",
                "User location is not supported",
                none(),
                (Invalid, Provider, false),
            ),
            (401, "UNAUTHENTICATED", "invalid authentication credentials", none(), (Access, Provider, false)),
            (403, "PERMISSION_DENIED", "Permission denied", none(), (Access, Provider, false)),
            (
                403,
                "PERMISSION_DENIED",
                "API has not been used",
                info("SERVICE_DISABLED"),
                (Access, Provider, false),
            ),
            (404, "NOT_FOUND", "Publisher Model was not found", none(), (NotFound, Model, false)),
            (408, "", "timeout", none(), (Server, Request, true)),
            (409, "ALREADY_EXISTS", "exists", none(), (Invalid, Request, false)),
            (409, "ABORTED", "aborted", none(), (Invalid, Request, false)),
            (412, "", "conditionNotMet", none(), (Invalid, Request, false)),
            (413, "", "too large", none(), (Invalid, Request, false)),
            (429, "RESOURCE_EXHAUSTED", "Quota exceeded", quota(&[MINUTE]), (RateLimit, Request, true)),
            (429, "RESOURCE_EXHAUSTED", "Quota exceeded", quota(&[]), (RateLimit, Request, true)),
            (429, "RESOURCE_EXHAUSTED", "Quota exceeded", quota(&[DAY]), (Quota, Model, false)),
            (429, "RESOURCE_EXHAUSTED", "Quota exceeded", quota(&[MINUTE, DAY]), (Quota, Model, false)),
            (
                429,
                "RESOURCE_EXHAUSTED",
                "Your monthly spending cap is reached",
                none(),
                (Quota, Provider, false),
            ),
            // This is what Google says of every quota, also of one that is back in a minute.
            (
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota, please check your plan and billing details",
                none(),
                (RateLimit, Request, true),
            ),
            (429, "RESOURCE_EXHAUSTED", "Resource exhausted", none(), (RateLimit, Request, true)),
            (499, "CANCELLED", "cancelled", none(), (Server, Request, false)),
            (500, "INTERNAL", "Internal error", none(), (Server, Request, true)),
            (502, "", "bad gateway", none(), (Server, Request, true)),
            (503, "UNAVAILABLE", "The model is overloaded", none(), (Server, Request, true)),
            (504, "DEADLINE_EXCEEDED", "Deadline exceeded", none(), (Server, Request, true)),
            (307, "", "elsewhere", none(), (Invalid, Provider, false)),
        ] {
            assert_eq!(judged(&error(status, name, message, details)), expected, "{status} {name} {message}");
        }
    }

    #[test]
    fn the_advice_on_waiting_is_kept_where_it_is_of_use() {
        let after = |ids: &[&str]| {
            of_answer(&error(429, "RESOURCE_EXHAUSTED", "Quota", quota(ids)), about(Surface::Developer))
        };
        let minute = after(&[MINUTE]);
        assert_eq!(minute.retry, Retry::Later { after: Some(Duration::from_millis(34_500)) });
        assert_eq!(minute.rate_limits.unwrap().requests.limit, Some(20));
        let day = after(&[DAY]);
        assert_eq!(day.retry, Retry::Never);
        assert!(day.hint.unwrap().contains("midnight"));
    }

    #[test]
    fn bodies_that_are_none() {
        let wrapped = r#"[{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}]"#;
        assert_eq!(judged(&answer(429, wrapped)).0, Cause::RateLimit);
        assert_eq!(judged(&answer(502, "<html>\n<h1>Bad gateway</h1>")).0, Cause::Server);
        assert_eq!(judged(&answer(500, "")).0, Cause::Server);
        assert_eq!(judged(&answer(400, r#"{"error":"no object"}"#)).0, Cause::Invalid);
        let storage = r#"{"error":{"code":412,"message":"pre","errors":[{"reason":"conditionNotMet"}]}}"#;
        assert_eq!(ErrorBody::read(storage.as_bytes()).unwrap().reason, "conditionNotMet");
    }

    #[test]
    fn every_refusal_of_access_names_its_cure() {
        let unauthenticated = error(401, "UNAUTHENTICATED", "no", json!([]));
        let hint = |about| of_answer(&unauthenticated, about).hint.unwrap();
        assert!(hint(about(Surface::Developer)).contains("KEY"));
        assert!(hint(about(Surface::Vertex)).contains("KEY"));
        assert!(hint(About { key_variable: None, ..about(Surface::Vertex) }).contains(LOGIN));
        let missing = of_answer(&error(404, "NOT_FOUND", "nothing", json!([])), about(Surface::Vertex));
        assert!(missing.message.contains("`m`") && missing.hint.unwrap().contains("us-central1"));
        let field = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "generation_config.top_k", "description": "no"}]}]);
        let named = of_answer(&error(400, "INVALID_ARGUMENT", "bad", field), about(Surface::Vertex));
        assert_eq!(named.message, "bad (generation_config.top_k)");
    }

    proptest! {
        #[test]
        fn any_body_is_an_error(status in 300u16..600, body in "[\\[\\]{}\":,a-z@/]{0,80}|\\PC{0,40}") {
            let error = of_answer(&answer(status, &body), about(Surface::Developer));
            prop_assert!(!error.message.is_empty() && !error.message.contains('\n'));
        }
    }
}
