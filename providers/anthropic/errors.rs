//! From a refusal to what the caller must do about it.
//!
//! Read in this order: `error.details.error_code`, which is stable, `error.type`, a few beginnings of messages, the
//! status. From <https://docs.claude.com/en/api/errors> (August 2026) and the types of the official Python package 2.14.0.

use jiff::Timestamp;
use serde_json::Value;

use super::{limits, models};
use crate::http::Answer;
use crate::retry_after::retry_after;
use crate::text::flat;
use crate::{Cause, ProviderError, Retry, Scope};

/// What an error body says, as far as it says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ErrorBody {
    /// In words, for people; in one line, and not cut yet.
    pub(super) message: String,
    /// The kind, such as `invalid_request_error`.
    pub(super) kind: Option<String>,
    /// The name of the failure.
    pub(super) code: Option<String>,
}

impl ErrorBody {
    /// Reads `{"type": "error", "error": {"type", "message", "details": {"error_code"}}}`, and what proxies make of it.
    /// `None` for anything else.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        Self::of_value(&serde_json::from_slice(body).ok()?)
    }

    /// The same, of JSON that is parsed already. In the results of a batch, one such body stands within another.
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        let error = value.get("error").filter(|error| !error.is_null())?;
        if error.get("error").is_some_and(Value::is_object) {
            return Self::of_value(error);
        }
        let text = |pointer: &str| error.pointer(pointer)?.as_str().filter(|text| !text.is_empty());
        let message = error.as_str().or_else(|| text("/message"))?;
        Some(Self {
            message: flat(message.trim().trim_end_matches('.')),
            kind: text("/type").map(str::to_owned),
            code: text("/details/error_code").map(str::to_owned),
        })
    }
}

/// What a request was about, so that an error can name it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a> {
    /// The model asked for.
    pub(super) model: Option<&'a str>,
    /// The variable that holds the key.
    pub(super) key_variable: Option<&'a str>,
}

/// The error that an answer stands for, with the server's advice on waiting, its limits and its request id.
pub(super) fn of_answer(answer: &Answer, about: About<'_>) -> ProviderError {
    let body = ErrorBody::read(&answer.body).unwrap_or_else(|| {
        let excerpt = answer.excerpt();
        let message = if excerpt.is_empty() { "the body is empty".to_owned() } else { excerpt };
        ErrorBody { message, ..ErrorBody::default() }
    });
    let mut error = of_body(answer.status, &body, about);
    // A limit on money has a status that invites to try again, and lasts until next month.
    if error.cause != Cause::Quota {
        match answer.header("x-should-retry") {
            Some("false") => error.retry = Retry::Never,
            Some("true") if error.retry == Retry::Never => error.retry = Retry::Later { after: None },
            _ => {}
        }
    }
    let now = Timestamp::now();
    if let Retry::Later { after } = &mut error.retry {
        *after = retry_after(&answer.headers, now);
    }
    error.request_id = answer.request_id().map(str::to_owned);
    error.rate_limits = limits::rate_limits(&answer.headers, now).map(Box::new);
    error
}

/// The error that a body stands for; `status` is the HTTP status, or 200 where an error came with one.
pub(super) fn of_body(status: u16, body: &ErrorBody, about: About<'_>) -> ProviderError {
    let by_code = body.code.as_deref().and_then(|code| of_code(code, &body.message));
    let by_kind = || body.kind.as_deref().and_then(|kind| of_kind(kind, &body.message, about));
    by_code.or_else(by_kind).unwrap_or_else(|| of_status(status, &body.message, about))
}

fn of_code(code: &str, said: &str) -> Option<ProviderError> {
    Some(match code {
        "enforced_spend_limit_reached" | "contract_spend_limit_reached" => quota(said),
        "organization_on_hold" | "cmek_key_disabled" | "workspace_human_review_disabled" => {
            ProviderError::new(Cause::Access, said)
        }
        "ramp_limit_exceeded" => ProviderError::new(Cause::RateLimit, said),
        "cmek_key_unreachable" | "cmek_context_unavailable" => ProviderError::new(Cause::Server, said),
        "request_body_too_large_after_decoding" => ProviderError::new(Cause::TooLarge, said),
        _ => return None,
    })
}

fn of_kind(kind: &str, said: &str, about: About<'_>) -> Option<ProviderError> {
    Some(match kind {
        "authentication_error" => refused_key(said, about),
        "billing_error" => quota(said),
        "permission_error" => ProviderError::new(Cause::Access, format!("refused: {said}"))
            .scope(Scope::Model)
            .hint("check that the key's workspace may use this model"),
        "not_found_error" => no_such(said, about),
        "conflict_error" | "api_error" | "timeout_error" => ProviderError::new(Cause::Server, said),
        // Not a limit of this account's: waiting helps, asking more slowly does not.
        "overloaded_error" => ProviderError::new(Cause::Server, format!("the service is overloaded: {said}")),
        "request_too_large" => ProviderError::new(Cause::TooLarge, said),
        "rate_limit_error" => ProviderError::new(Cause::RateLimit, said),
        "invalid_request_error" => of_words(said)?,
        _ => return None,
    })
}

/// What has neither a code nor a type of its own.
fn of_words(said: &str) -> Option<ProviderError> {
    let begins = |words: &str| said.starts_with(words);
    if (begins("You have reached your specified") && said.contains("usage limits"))
        || begins("Your credit balance is too low")
    {
        return Some(quota(said));
    }
    if begins("prompt is too long") {
        return Some(ProviderError::new(Cause::TooLarge, said));
    }
    said.contains("Schema is too complex").then(|| {
        ProviderError::new(Cause::Unsupported, said)
            .hint("there are too many labels for a schema: set `answer = \"tag\"`")
    })
}

fn of_status(status: u16, said: &str, about: About<'_>) -> ProviderError {
    match status {
        401 => refused_key(said, about),
        402 => quota(said),
        403 => ProviderError::new(Cause::Access, format!("refused: {said}")).scope(Scope::Request),
        404 => no_such(said, about),
        408 | 409 => ProviderError::new(Cause::Server, said),
        413 => ProviderError::new(Cause::TooLarge, format!("the request is too large: {said}")),
        429 => ProviderError::new(Cause::RateLimit, said),
        500.. => ProviderError::new(Cause::Server, format!("the server failed (status {status}): {said}")),
        300..400 => {
            ProviderError::new(Cause::Invalid, format!("the address redirects elsewhere (status {status})"))
                .scope(Scope::Provider)
                .hint("correct `base_url`; redirects are not followed, so that the key goes nowhere else")
        }
        400..500 => ProviderError::new(Cause::Invalid, said),
        _ => ProviderError::new(Cause::Server, format!("unexpected status {status}: {said}")),
    }
}

fn quota(said: &str) -> ProviderError {
    ProviderError::new(Cause::Quota, format!("no credit left or a spend limit reached: {said}")).hint(
        "add credit or raise the limit in the account's settings (a monthly one ends on the first, 00:00 UTC), then run the \
         same command again",
    )
}

fn refused_key(said: &str, about: About<'_>) -> ProviderError {
    let hint = match about.key_variable {
        Some(variable) => format!("check the key in {variable}, and the workspace it belongs to"),
        None => "the server wants a key: name its variable in `api_key_env`".to_owned(),
    };
    ProviderError::new(Cause::Access, format!("the key is refused: {said}")).hint(hint)
}

/// A retired model is not found either.
fn no_such(said: &str, about: About<'_>) -> ProviderError {
    let Some(model) = about.model else { return ProviderError::new(Cause::NotFound, said) };
    let named = if said.contains(model) { said.to_owned() } else { format!("no model `{model}`: {said}") };
    let known = models::known(model);
    let instead = known.and_then(|known| known.replacement.as_deref());
    let hint = match (known.and_then(|known| known.retires), instead) {
        (Some(day), Some(instead)) => {
            format!("its last day was announced for {day}; named instead is `{instead}`")
        }
        (Some(day), None) => format!("its last day was announced for {day}"),
        _ => "check the name; a retired model is not found either (`tunebench models --provider anthropic`)"
            .to_owned(),
    };
    ProviderError::new(Cause::NotFound, named).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use reqwest::header::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    fn said(status: u16, kind: &str, code: Option<&str>, message: &str) -> Answer {
        let details = code.map(|code| json!({"error_code": code}));
        let error = json!({"type": kind, "message": message, "details": details});
        answer(status, &json!({"type": "error", "error": error, "request_id": "req_1"}).to_string())
    }

    fn judged(answer: &Answer) -> (Cause, Scope, bool) {
        let error = of_answer(answer, About { model: Some("claude-x"), key_variable: Some("KEY") });
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error:?}");
        (error.cause, error.scope, error.retry != Retry::Never)
    }

    #[test]
    fn the_table_of_errors() {
        use Cause::*;
        use Scope::*;
        for (status, kind, code, message, found) in [
            (400, "invalid_request_error", None, "max_tokens: required", (Invalid, Request, false)),
            (400, "invalid_request_error", None, "prompt is too long: 9 tokens", (TooLarge, Request, false)),
            (
                400,
                "invalid_request_error",
                None,
                "You have reached your specified API usage limits.",
                (Quota, Provider, false),
            ),
            (
                400,
                "invalid_request_error",
                None,
                "You have reached your specified workspace API usage limits.",
                (Quota, Provider, false),
            ),
            (400, "invalid_request_error", Some("organization_on_hold"), "Held", (Access, Provider, false)),
            (
                400,
                "invalid_request_error",
                None,
                "Schema is too complex for compilation.",
                (Unsupported, Model, false),
            ),
            (401, "authentication_error", None, "invalid x-api-key", (Access, Provider, false)),
            (402, "billing_error", None, "Pay", (Quota, Provider, false)),
            (403, "billing_error", None, "Pay", (Quota, Provider, false)),
            (403, "permission_error", None, "No", (Access, Model, false)),
            (404, "not_found_error", None, "model: claude-x", (NotFound, Model, false)),
            (409, "conflict_error", None, "Busy", (Server, Request, true)),
            (413, "request_too_large", None, "Large", (TooLarge, Request, false)),
            (429, "rate_limit_error", None, "Slower", (RateLimit, Request, true)),
            (429, "rate_limit_error", Some("ramp_limit_exceeded"), "Slower", (RateLimit, Request, true)),
            (
                429,
                "rate_limit_error",
                Some("enforced_spend_limit_reached"),
                "Spent",
                (Quota, Provider, false),
            ),
            (
                429,
                "rate_limit_error",
                Some("contract_spend_limit_reached"),
                "Spent",
                (Quota, Provider, false),
            ),
            (500, "api_error", None, "Oops", (Server, Request, true)),
            (503, "api_error", Some("cmek_key_unreachable"), "Key", (Server, Request, true)),
            (504, "timeout_error", None, "Slow", (Server, Request, true)),
            (529, "overloaded_error", None, "Overloaded", (Server, Request, true)),
            (529, "something_new", None, "Overloaded", (Server, Request, true)),
        ] {
            assert_eq!(
                judged(&said(status, kind, code, message)),
                found,
                "{status} {kind} {code:?} {message}"
            );
        }
        assert_eq!(judged(&answer(413, "<html>\n<h1>Request Entity Too Large</h1>")).0, TooLarge);
        assert_eq!(judged(&answer(529, "")).0, Server);
        assert_eq!(judged(&answer(307, "")).0, Invalid);
    }

    #[test]
    fn a_spent_month_is_not_tried_again_whatever_the_headers_say() {
        let mut spent = said(429, "rate_limit_error", Some("enforced_spend_limit_reached"), "Spent");
        spent.headers.insert("x-should-retry", HeaderValue::from_static("true"));
        assert_eq!(judged(&spent), (Cause::Quota, Scope::Provider, false));
        let mut limited = said(429, "rate_limit_error", None, "Slower");
        limited.headers.insert("retry-after", HeaderValue::from_static("7"));
        limited.headers.insert("request-id", HeaderValue::from_static("req_7"));
        limited.headers.insert("anthropic-ratelimit-requests-remaining", HeaderValue::from_static("0"));
        let error = of_answer(&limited, About::default());
        assert_eq!(error.retry, Retry::Later { after: Some(Duration::from_secs(7)) });
        assert_eq!(error.to_string(), "Slower (request req_7)");
        assert_eq!(error.rate_limits.unwrap().requests.remaining, Some(0));
    }

    #[test]
    fn a_retired_model_names_what_is_there_instead() {
        let about = About { model: Some("claude-opus-4-1-20250805"), key_variable: None };
        let error = of_answer(&said(404, "not_found_error", None, "model: claude-opus-4-1-20250805"), about);
        let hint = error.hint.unwrap();
        assert!(hint.contains("2026-08-05") && hint.contains("claude-opus-4-8"), "{hint}");
    }

    #[test]
    fn bodies_of_proxies_and_batches() {
        let read = |body: Value| ErrorBody::of_value(&body).map(|body| body.message);
        assert_eq!(read(json!({"error": "no such route"})).as_deref(), Some("no such route"));
        let nested = json!({"type": "errored", "error": {"type": "error", "error": {"type": "api_error", "message": "x"}}});
        assert_eq!(ErrorBody::of_value(&nested).unwrap().kind.as_deref(), Some("api_error"));
        for nothing in [json!({}), json!({"error": null}), json!([]), json!({"error": {"message": ""}})] {
            assert_eq!(read(nothing), None);
        }
    }

    proptest! {
        #[test]
        fn any_body_is_an_error_on_one_line(status in 300u16..600, body in "\\PC{0,60}|\\{\"error\":.{0,40}\\}") {
            judged(&answer(status, &body));
        }
    }
}
