//! The Responses API, for models with the prefix `responses/` or where `api = "responses"` is set.
//!
//! Pure translation, both ways. <https://developers.openai.com/api/reference/resources/responses>, read in July 2026,
//! and the types of the official Python package of November 2026. There is no stop sequence here.

use serde_json::{Map, Value, json};

use super::completions::{Token, label_probability, label_schema, messages, output_cap, temperature};
use super::errors::{self, About, ErrorBody};
use super::models::Dialect;
use crate::{AnswerMode, Completion, CompletionRequest, FinishReason, ProviderError, Usage};

/// What asks for log-probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

/// The body of `POST /responses`.
pub(super) fn request(request: &CompletionRequest, model: &str, dialect: &Dialect) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("input".into(), json!(messages(request, dialect.system_role)));
    if dialect.output_cap {
        // The API takes no less than 16.
        body.insert("max_output_tokens".into(), output_cap(request, dialect).max(16).into());
    }
    if let Some(temperature) = temperature(request, dialect) {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(effort) = &dialect.effort {
        body.insert("reasoning".into(), json!({"effort": effort}));
    }
    // What a host wants so that no thinking is paid for has the same name in either API, but for the effort.
    for (name, value) in &dialect.thinking {
        match name.as_str() {
            "reasoning_effort" => body.insert("reasoning".into(), json!({"effort": value})),
            _ => body.insert(name.clone(), value.clone()),
        };
    }
    if dialect.logprobs && request.parameters.probabilities {
        body.insert("include".into(), json!([LOGPROBS]));
    }
    if dialect.no_store {
        // Otherwise texts and answers are kept for at least 30 days.
        body.insert("store".into(), false.into());
    }
    if request.parameters.answer == AnswerMode::Schema {
        let schema = label_schema(request.prompt.labels());
        let format = json!({"type": "json_schema", "name": "label", "strict": true, "schema": schema});
        body.insert("text".into(), json!({"format": format}));
    }
    Value::Object(body)
}

/// What a response says. Status 200 alone means nothing here: the response itself may have failed.
pub(super) fn completion(answer: &Value, request: &CompletionRequest) -> Result<Completion, ProviderError> {
    let (text, refusal, tokens) = output(answer);
    let finish = match answer.get("status").and_then(Value::as_str) {
        _ if !refusal.is_empty() => FinishReason::Refusal,
        Some("completed") | None => FinishReason::Stop,
        Some("failed") => failed(answer)?,
        Some("incomplete") => match answer.pointer("/incomplete_details/reason").and_then(Value::as_str) {
            Some("max_output_tokens") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            reason => FinishReason::Other(format!("incomplete: {}", reason.unwrap_or("no reason given"))),
        },
        Some(other) => FinishReason::Other(other.to_owned()),
    };
    let mut completion = Completion::new(if refusal.is_empty() { text } else { refusal }).finish(finish);
    completion.usage = usage(answer);
    completion.model_version = version(answer);
    let tokens: Option<Vec<Token>> = serde_json::from_value(tokens.into()).ok();
    completion.label_probability =
        tokens.and_then(|tokens| label_probability(&completion.text, &tokens, request));
    Ok(completion)
}

/// Tokens used; both counts or nothing.
pub(super) fn usage(answer: &Value) -> Option<Usage> {
    let usage = answer.get("usage")?;
    let count = |name| usage.get(name)?.as_u64();
    let sent = |name| usage.get("input_tokens_details")?.get(name)?.as_u64();
    let (cached, written) = (sent("cached_tokens"), sent("cache_write_tokens"));
    let all = Usage::new(count("input_tokens")?, count("output_tokens")?);
    Some(all.cached(cached.unwrap_or(0)).cache_written(written.unwrap_or(0)))
}

/// The model that really answered.
pub(super) fn version(answer: &Value) -> Option<String> {
    answer.get("model")?.as_str().filter(|model| !model.is_empty()).map(str::to_owned)
}

/// A failure that may pass is an error like any other; one that is about this text is its outcome.
fn failed(answer: &Value) -> Result<FinishReason, ProviderError> {
    let body = answer.get("error").and_then(ErrorBody::of_value).unwrap_or_default();
    if body.is_content_filter() {
        return Ok(FinishReason::ContentFilter);
    }
    match body.code.as_deref() {
        Some("server_error" | "rate_limit_exceeded" | "server_is_overloaded" | "slow_down") => {
            Err(errors::of_body(200, &body, About::default()))
        }
        code => Ok(FinishReason::Other(format!("failed: {}", code.unwrap_or("no reason given")))),
    }
}

/// Text, refusal, and tokens with their log-probabilities. Items of other types, reasoning among them, may come before.
fn output(answer: &Value) -> (String, String, Vec<Value>) {
    let (mut text, mut refusal, mut tokens) = (String::new(), String::new(), Vec::new());
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    for part in list(answer.get("output")).iter().flat_map(|item| list(item.get("content"))) {
        let member = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match member("type").as_str() {
            "output_text" => {
                text.push_str(&member("text"));
                tokens.extend(list(part.get("logprobs")));
            }
            "refusal" => {
                refusal.push_str(&member("refusal"));
                if refusal.is_empty() {
                    refusal.push_str("refused without a word");
                }
            }
            _ => {}
        }
    }
    (text, refusal, tokens)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::completions::tests::{any_json, dialect, question};
    use super::*;
    use crate::Cause;

    #[test]
    fn the_shape_differs_from_chat() {
        let body = request(&question(AnswerMode::Schema), "gpt-6-astra", &dialect("gpt-6-astra"));
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["input", "max_output_tokens", "model", "reasoning", "store", "text"]);
        assert_eq!(body["text"]["format"]["type"], "json_schema");
        assert_eq!(body["reasoning"]["effort"], "low");
        let body = request(&question(AnswerMode::Tag), "gpt-4.1", &dialect("gpt-4.1"));
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["include", "input", "max_output_tokens", "model", "store", "temperature"]);
    }

    #[test]
    fn what_keeps_a_hosts_model_from_thinking_has_its_place_here_too() {
        let mut dialect = dialect("gpt-4.1");
        let fields = json!({"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": false}});
        dialect.thinking = fields.as_object().cloned().unwrap();
        let body = request(&question(AnswerMode::Tag), "qwen", &dialect);
        assert_eq!(body["reasoning"], json!({"effort": "none"}));
        assert_eq!(body["chat_template_kwargs"], json!({"enable_thinking": false}));
        assert_eq!(body.get("reasoning_effort"), None);
    }

    fn said(parts: Value, status: &str) -> Value {
        json!({
            "status": status,
            "output": [{"type": "reasoning", "summary": []}, {"type": "message", "content": parts}],
            "usage": {"input_tokens": 7, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}},
        })
    }

    #[test]
    fn text_stands_behind_the_reasoning() {
        let parts = json!([{"type": "output_text", "text": "<output>ref", "logprobs": [
            {"token": "<output>ref", "logprob": -0.5}, {"token": "und", "logprob": -0.25},
        ]}, {"type": "output_text", "text": "und</output>"}]);
        let completion = completion(&said(parts, "completed"), &question(AnswerMode::Tag)).unwrap();
        assert_eq!(
            (completion.text.as_str(), &completion.finish),
            ("<output>refund</output>", &FinishReason::Stop)
        );
        assert_eq!(completion.usage, Some(Usage::new(7, 2).cached(4)));
        assert_eq!(completion.label_probability, Some((-0.75f64).exp() as f32));
    }

    #[test]
    fn status_200_is_not_enough() {
        use FinishReason::*;
        let other = |text: &str| Ok(Other(text.to_owned()));
        for (answer, finish) in [
            (
                json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
                Ok(Length),
            ),
            (
                json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}),
                Ok(ContentFilter),
            ),
            (
                json!({"status": "incomplete", "incomplete_details": {"reason": "steered"}}),
                other("incomplete: steered"),
            ),
            (json!({"status": "incomplete"}), other("incomplete: no reason given")),
            (json!({"status": "queued"}), other("queued")),
            (
                json!({"status": "failed", "error": {"code": "server_error", "message": "m"}}),
                Err(Cause::Server),
            ),
            (
                json!({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}}),
                Err(Cause::RateLimit),
            ),
            (
                json!({"status": "failed", "error": {"code": "invalid_prompt", "message": "m"}}),
                Ok(ContentFilter),
            ),
            (
                json!({"status": "failed", "error": {"code": "new_one", "message": "m"}}),
                other("failed: new_one"),
            ),
            (json!({"status": "failed", "error": null}), other("failed: no reason given")),
            (said(json!([{"type": "refusal", "refusal": "no"}]), "completed"), Ok(Refusal)),
            (said(json!([]), "completed"), Ok(Stop)),
        ] {
            let found = completion(&answer, &question(AnswerMode::Tag));
            assert_eq!(
                found.map(|completion| completion.finish).map_err(|error| error.cause),
                finish,
                "{answer}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_a_panic(answer in any_json(), part in any_json()) {
            let question = question(AnswerMode::Tag);
            for answer in [&answer, &said(json!([&part]), "completed"), &json!({"status": "failed", "error": &part})] {
                if let Ok(completion) = completion(answer, &question) {
                    prop_assert!(completion.label_probability.is_none_or(|p| (0.0..=1.0).contains(&p)));
                }
            }
        }
    }
}
