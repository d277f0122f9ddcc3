//! From a refusal to what the caller must do about it.
//!
//! The body's `code` says more than the status and is read first: a 429 may be a limit that passes in a second or a
//! bill that is not paid. Codes are those of OpenAI's error guide
//! (<https://developers.openai.com/api/docs/guides/error-codes>) and of its help articles on spend limits, read in
//! autumn 2026, and of Alibaba's (`Arrearage`, `Throttling`, …). Other servers write numbers for codes, bare texts for errors, and proxies write HTML.

use jiff::Timestamp;
use serde_json::Value;

use super::{limits, limits_in_errors};
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
    /// The name of the failure; numbers are kept as text.
    pub(super) code: Option<String>,
    /// The parameter at fault.
    pub(super) param: Option<String>,
}

impl ErrorBody {
    /// Reads the bodies of OpenAI (`{"error": {…}}`), of Ollama and LM Studio (`{"error": "…"}`), of vLLM
    /// (`{"message": …}`), of FastAPI (`{"detail": …}`), and lists of one of these. `None` for anything else.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        Self::of_value(&serde_json::from_slice(body).ok()?)
    }

    /// The same, of JSON that is parsed already.
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let member = |name: &str| error.get(name).and_then(text).filter(|text| !text.is_empty());
        let message = match error {
            Value::String(message) => message.clone(),
            _ => member("message").or_else(|| Some(error.get("detail")?.to_string()))?,
        };
        let message = flat(message.trim().trim_end_matches('.'));
        Some(Self { message, kind: member("type"), code: member("code"), param: member("param") })
    }

    /// Whether the prompt or its answer was filtered away: an outcome of that row, not a failure.
    pub(super) fn is_content_filter(&self) -> bool {
        let codes = [
            "content_filter",
            "content_policy_violation",
            "invalid_prompt",
            "DataInspectionFailed",
            "data_inspection_failed",
        ];
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
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
    let body = ErrorBody::read(&answer.body);
    let unread = || ErrorBody { message: unreadable(answer), ..ErrorBody::default() };
    let mut error = of_body(answer.status, &body.unwrap_or_else(unread), about);
    let in_words = limits_in_errors::in_words(&error.message);
    if error.cause == Cause::RateLimit && in_words.never_fits {
        error.cause = Cause::TooLarge;
        error.retry = Retry::Never;
    }
    // The official client obeys this header before its own rules.
    match answer.header("x-should-retry") {
        Some("false") => error.retry = Retry::Never,
        Some("true") if error.retry == Retry::Never => error.retry = Retry::Later { after: None },
        _ => {}
    }
    if let Retry::Later { after } = &mut error.retry {
        *after = retry_after(&answer.headers, Timestamp::now()).or(in_words.retry_after);
    }
    error.request_id = answer.request_id().map(str::to_owned);
    error.rate_limits = limits::rate_limits(&answer.headers).or(in_words.limits).map(Box::new);
    error
}

fn unreadable(answer: &Answer) -> String {
    let excerpt = answer.excerpt();
    if excerpt.is_empty() { "the body is empty".into() } else { excerpt }
}

/// The error that a body stands for; `status` is the HTTP status, or 200 where an error came with one.
pub(super) fn of_body(status: u16, body: &ErrorBody, about: About<'_>) -> ProviderError {
    let by_code = body.code.as_deref().and_then(|code| of_code(code, body, about));
    let by_kind = || body.kind.as_deref().and_then(|kind| of_code(kind, body, about));
    if let Some(error) = by_code.or_else(by_kind) {
        return error;
    }
    // Some gateways answer 200 and put the status that they were given into the body.
    let inner =
        body.code.as_deref().and_then(|code| code.parse().ok()).filter(|code| (400..600).contains(code));
    of_status(inner.unwrap_or(status), body, about)
}

/// Codes, and types that are as telling.
fn of_code(code: &str, body: &ErrorBody, about: About<'_>) -> Option<ProviderError> {
    let said = &body.message;
    Some(match code {
        "insufficient_quota"
        | "credit_balance_exhausted"
        | "billing_not_active"
        | "billing_hard_limit_reached"
        | "organization_spend_limit_exceeded"
        | "project_spend_limit_exceeded"
        | "organization_usage_limit_exceeded"
        | "Arrearage" => quota(said),
        "daily_rate_limit_exceeded" => {
            ProviderError::new(Cause::Quota, format!("today's limit is used up: {said}"))
                .scope(Scope::Model)
                .hint("run the same command again tomorrow")
        }
        "training_not_available" => training_closed(said),
        "rate_limit_exceeded"
        | "slow_down"
        | "rate_limit_error"
        | "token_limit_exceeded"
        | "Throttling"
        | "Throttling.RateQuota"
        | "Throttling.AllocationQuota" => ProviderError::new(Cause::RateLimit, said),
        "server_is_overloaded"
        | "service_unavailable_error"
        | "server_error"
        | "InternalError"
        | "ServiceUnavailable" => ProviderError::new(Cause::Server, said),
        "invalid_api_key"
        | "InvalidApiKey"
        | "authentication_error"
        | "invalid_organization"
        | "mismatched_organization"
        | "account_deactivated"
        | "ip_not_authorized" => refused_key(said, about),
        "unsupported_country_region_territory" => {
            ProviderError::new(Cause::Access, format!("refused: {said}"))
                .hint("the service is not offered in your country")
        }
        "AccessDenied" | "AccessDenied.Unpurchased" => {
            ProviderError::new(Cause::Access, format!("refused: {said}"))
                .hint("check that the service is switched on for the account, and that the key may use it")
        }
        "model_not_found" | "deployment_not_found" | "DeploymentNotFound" | "Model.NotExist" => {
            no_such_model(said, about)
        }
        "unsupported_parameter" | "unsupported_value" | "unknown_parameter" => {
            ProviderError::new(Cause::Invalid, said).scope(Scope::Model)
        }
        "context_length_exceeded" | "string_above_max_length" => ProviderError::new(Cause::TooLarge, said),
        _ => return None,
    })
}

fn of_status(status: u16, body: &ErrorBody, about: About<'_>) -> ProviderError {
    let said = &body.message;
    match status {
        401 => refused_key(said, about),
        402 => quota(said),
        // It may be about this row, which a filter does not like: then others are answered.
        403 => ProviderError::new(Cause::Access, format!("refused: {said}"))
            .scope(Scope::Request)
            .hint("check that the key's project may use this model, and that the service is offered in your country"),
        404 => match about.model {
            Some(model) if said.contains(model) => no_such_model(said, about),
            // Some gateways find no place for a single row.
            Some(_) => no_such_model(said, about).scope(Scope::Request),
            None => ProviderError::new(Cause::NotFound, said),
        },
        408 | 409 => ProviderError::new(Cause::Server, said),
        413 => ProviderError::new(Cause::TooLarge, said),
        429 => ProviderError::new(Cause::RateLimit, said),
        500.. => ProviderError::new(Cause::Server, format!("the server failed (status {status}): {said}")),
        300..400 => ProviderError::new(Cause::Invalid, format!("the address redirects elsewhere (status {status})"))
            .scope(Scope::Provider)
            .hint("correct `base_url`; redirects are not followed, so that the key goes nowhere else"),
        400..500 => ProviderError::new(Cause::Invalid, said),
        _ => ProviderError::new(Cause::Server, format!("unexpected status {status}: {said}")),
    }
}

fn quota(said: &str) -> ProviderError {
    ProviderError::new(Cause::Quota, format!("no credit left or a spend limit reached: {said}")).hint(
        "add credit or raise the limit in the account's billing settings, then run the same command again",
    )
}

fn refused_key(said: &str, about: About<'_>) -> ProviderError {
    let hint = match about.key_variable {
        Some(variable) => {
            format!("check the key in {variable}, and the organisation and project it belongs to")
        }
        None => "the server wants a key: name its variable in `api_key_env`".to_owned(),
    };
    ProviderError::new(Cause::Access, format!("the key is refused: {said}")).hint(hint)
}

fn no_such_model(said: &str, about: About<'_>) -> ProviderError {
    let message = match about.model {
        Some(model) if !said.contains(model) => format!("no model `{model}`: {said}"),
        _ => said.to_owned(),
    };
    ProviderError::new(Cause::NotFound, message)
        .hint("check the name; a retired model, or one of another project, is not found either")
}

fn training_closed(said: &str) -> ProviderError {
    ProviderError::new(
        Cause::Unsupported,
        format!("OpenAI no longer starts fine-tuning jobs for this organisation: {said}"),
    )
    .hint(
        "tune elsewhere (another provider, or `local/lexical`), or compare with an untuned model: \
         `openai/decisions/gpt-6-luna`, or one with `shots`",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    fn openai(status: u16, kind: &str, code: &str) -> Answer {
        let code = if code.is_empty() { "null".to_owned() } else { format!("\"{code}\"") };
        answer(
            status,
            &format!(r#"{{"error":{{"message":"Said so.","type":"{kind}","param":null,"code":{code}}}}}"#),
        )
    }

    fn judged(answer: &Answer) -> (Cause, Scope, bool) {
        let error = of_answer(answer, About { model: Some("m"), key_variable: Some("KEY") });
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error:?}");
        (error.cause, error.scope, error.retry != Retry::Never)
    }

    #[test]
    fn the_table_of_the_error_guide() {
        use Cause::*;
        use Scope::*;
        for (status, kind, code, cause, scope, again) in [
            (400, "invalid_request_error", "", Invalid, Request, false),
            (400, "invalid_request_error", "unsupported_parameter", Invalid, Model, false),
            (400, "invalid_request_error", "unsupported_value", Invalid, Model, false),
            (400, "invalid_request_error", "context_length_exceeded", TooLarge, Request, false),
            (401, "invalid_request_error", "invalid_api_key", Access, Provider, false),
            (401, "", "", Access, Provider, false),
            (402, "", "", Quota, Provider, false),
            (403, "invalid_request_error", "unsupported_country_region_territory", Access, Provider, false),
            (403, "", "", Access, Request, false),
            (403, "invalid_request_error", "training_not_available", Unsupported, Model, false),
            (404, "invalid_request_error", "model_not_found", NotFound, Model, false),
            (403, "invalid_request_error", "model_not_found", NotFound, Model, false),
            (408, "", "", Server, Request, true),
            (409, "", "", Server, Request, true),
            (404, "", "", NotFound, Request, false),
            (413, "", "", TooLarge, Request, false),
            (422, "", "", Invalid, Request, false),
            (429, "requests", "rate_limit_exceeded", RateLimit, Request, true),
            (429, "rate_limit_error", "slow_down", RateLimit, Request, true),
            (429, "", "", RateLimit, Request, true),
            (429, "insufficient_quota", "insufficient_quota", Quota, Provider, false),
            (429, "insufficient_quota", "", Quota, Provider, false),
            (429, "insufficient_quota", "credit_balance_exhausted", Quota, Provider, false),
            (429, "insufficient_quota", "organization_spend_limit_exceeded", Quota, Provider, false),
            (429, "insufficient_quota", "project_spend_limit_exceeded", Quota, Provider, false),
            (429, "insufficient_quota", "organization_usage_limit_exceeded", Quota, Provider, false),
            (429, "invalid_request_error", "daily_rate_limit_exceeded", Quota, Model, false),
            (500, "server_error", "", Server, Request, true),
            (503, "service_unavailable_error", "server_is_overloaded", Server, Request, true),
            (504, "", "", Server, Request, true),
            (307, "", "", Invalid, Provider, false),
        ] {
            assert_eq!(judged(&openai(status, kind, code)), (cause, scope, again), "{status} {kind} {code}");
        }
    }

    #[test]
    fn bodies_of_other_servers() {
        for (body, message, code) in [
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found", None),
            (
                r#"{"object":"error","message":"too long","type":"BadRequestError","code":400}"#,
                "too long",
                Some("400"),
            ),
            (r#"{"error":{"message":"No credits","code":402}}"#, "No credits", Some("402")),
            (r#"[{"error":{"message":"Quota","code":429,"status":"X"}}]"#, "Quota", Some("429")),
            (r#"{"detail":[{"loc":["body"]}]}"#, r#"[{"loc":["body"]}]"#, None),
        ] {
            let read = ErrorBody::read(body.as_bytes()).unwrap();
            assert_eq!((read.message.as_str(), read.code.as_deref()), (message, code), "{body}");
        }
        // A number for a code is the status that counts, whatever came in front of it.
        assert_eq!(judged(&answer(200, r#"{"error":{"message":"No credits","code":402}}"#)).0, Cause::Quota);
        assert_eq!(judged(&answer(502, "<html>\n<h1>Bad gateway</h1>")).0, Cause::Server);
        assert_eq!(judged(&answer(500, "")).0, Cause::Server);
        assert_eq!(judged(&answer(400, r#"{"ok":true}"#)).0, Cause::Invalid);
    }

    #[test]
    fn keeps_what_the_headers_say() {
        let mut limited = openai(429, "requests", "rate_limit_exceeded");
        limited.headers.insert("retry-after-ms", HeaderValue::from_static("1500"));
        limited.headers.insert("x-request-id", HeaderValue::from_static("req_7"));
        limited.headers.insert("x-ratelimit-remaining-requests", HeaderValue::from_static("0"));
        let error = of_answer(&limited, About::default());
        assert_eq!(error.retry, Retry::Later { after: Some(Duration::from_millis(1_500)) });
        assert_eq!(error.to_string(), "Said so (request req_7)");
        assert_eq!(error.rate_limits.unwrap().requests.remaining, Some(0));
        limited.headers.insert("x-should-retry", HeaderValue::from_static("false"));
        assert_eq!(of_answer(&limited, About::default()).retry, Retry::Never);
    }

    #[test]
    fn what_never_fits_is_not_tried_again_and_limits_are_read_from_words() {
        let text = |message: &str| {
            answer(
                429,
                &format!(
                    r#"{{"error":{{"message":"{message}","type":"tokens","code":"rate_limit_exceeded"}}}}"#
                ),
            )
        };
        let large =
            text("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.");
        assert_eq!(judged(&large), (Cause::TooLarge, Scope::Request, false));
        let over = text(
            "Rate limit reached on tokens per minute (TPM): Limit 6000, Used 5500, Requested 900. Please try again in 4s.",
        );
        let error = of_answer(&over, About::default());
        assert_eq!(error.cause, Cause::RateLimit);
        assert_eq!(error.retry, Retry::Later { after: Some(Duration::from_secs(4)) });
        assert_eq!(error.rate_limits.unwrap().tokens.limit, Some(6_000));
    }

    #[test]
    fn the_server_knows_best_whether_to_try_again() {
        let mut refused = answer(400, r#"{"error":{"message":"busy"}}"#);
        refused.headers.insert("x-should-retry", HeaderValue::from_static("true"));
        refused.headers.insert("retry-after", HeaderValue::from_static("3"));
        let error = of_answer(&refused, About::default());
        assert_eq!(error.retry, Retry::Later { after: Some(Duration::from_secs(3)) });
    }

    #[test]
    fn a_missing_model_is_named() {
        let about = About { model: Some("gpt-9"), key_variable: None };
        let error = of_answer(&answer(404, "not found"), about);
        assert!(error.message.contains("`gpt-9`"), "{error}");
    }
}
