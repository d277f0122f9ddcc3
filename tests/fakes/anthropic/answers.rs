//! What models answer.

use serde_json::{Map, Value, json};

use super::cache::{self, Input};
use super::models::{self, Model};
use super::{Anthropic, Reply, checks, limits};
use crate::fake::{Form, Question, Shared, lock, pieces};

/// How much a model thinks that is not told otherwise, in tokens.
const THOUGHTS: u64 = 120;

/// `POST /v1/messages`.
pub(super) fn messages(service: &Anthropic, shared: &Shared, body: &Map<String, Value>) -> Reply {
    let model = match known_model(body) {
        Ok(model) => model,
        Err(reply) => return reply,
    };
    let tokens = cache::blocks(body).into_iter().map(|(text, _)| cache::tokens_of(text)).sum();
    let (headers, refusal) = limits::charge(&mut lock(&shared.windows), model.id, tokens);
    let checked = || checks::messages(body, model, false).err();
    let reply = refusal.or_else(checked).unwrap_or_else(|| answer(service, shared, body, model));
    headers.into_iter().fold(reply, |reply, (name, value)| reply.with(name, value))
}

/// `POST /v1/messages/count_tokens`.
pub(super) fn count(body: &Map<String, Value>) -> Reply {
    match known_model(body).and_then(|model| checks::messages(body, model, true)) {
        Ok(()) => {
            let tokens: u64 = cache::blocks(body).into_iter().map(|(text, _)| cache::tokens_of(text)).sum();
            Reply::json(json!({"input_tokens": tokens}))
        }
        Err(reply) => reply,
    }
}

fn known_model(body: &Map<String, Value>) -> Result<&'static Model, Reply> {
    let Some(id) = body.get("model").and_then(Value::as_str) else {
        return Err(Reply::anthropic(400, "invalid_request_error", "model: Field required"));
    };
    models::find(id).ok_or_else(|| Reply::anthropic(404, "not_found_error", &format!("model: {id}")))
}

fn answer(service: &Anthropic, shared: &Shared, body: &Map<String, Value>, model: &Model) -> Reply {
    let mut question = Question::new(model.id, said(body), None);
    let schema = body.get("output_config").and_then(|config| config.pointer("/format/schema"));
    if let Some(listed) = schema.and_then(|schema| schema.pointer("/properties/label/enum")?.as_array()) {
        question.form = Form::Member("label".to_owned());
        question.labels = listed.iter().filter_map(|label| label.as_str().map(str::to_owned)).collect();
    }
    let mut said = (shared.brain)(&question);
    let mut reason = said.finish.clone().unwrap_or_else(|| "end_turn".to_owned());
    let stops = body.get("stop_sequences").and_then(Value::as_array).into_iter().flatten();
    let met = stops.filter_map(Value::as_str).filter_map(|stop| Some((said.text.find(stop)?, stop))).min();
    let met = met.map(|(at, stop)| {
        said.text.truncate(at);
        reason = "stop_sequence".to_owned();
        stop.to_owned()
    });
    let (thoughts, output) = cut(body, model, &mut said.text, &mut reason);
    let details = said.refusal.as_ref().map(|why| {
        reason = "refusal".to_owned();
        json!({"type": "refusal", "category": "general_harms", "explanation": why})
    });
    let mut content = Vec::new();
    if thoughts > 0 {
        content.push(json!({"type": "thinking", "thinking": "", "signature": "c2ln"}));
    }
    if details.is_none() && !said.text.is_empty() {
        content.push(json!({"type": "text", "text": said.text, "citations": null}));
    }
    let Input { plain, written, read } = lock(&service.cache).charge(model.id, body);
    shared.recorder.answered(plain + written + read, output);
    Reply::json(json!({
        "id": "msg_fake", "type": "message", "role": "assistant", "model": said.model.as_deref().unwrap_or(model.id),
        "content": content, "stop_reason": reason, "stop_sequence": met, "stop_details": details, "container": null,
        "usage": {
            "input_tokens": plain, "cache_creation_input_tokens": written, "cache_read_input_tokens": read,
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "output_tokens": output, "output_tokens_details": {"thinking_tokens": thoughts},
            "service_tier": "standard", "inference_geo": "not_available", "server_tool_use": null,
        },
    }))
}

/// Thinks, and cuts the answer where the cap ends it: the tokens of thinking, and all of them.
fn cut(body: &Map<String, Value>, model: &Model, text: &mut String, reason: &mut String) -> (u64, u64) {
    let kind = body.get("thinking").and_then(|thinking| thinking["type"].as_str());
    let effort = body.get("output_config").and_then(|config| config["effort"].as_str());
    let thoughts = match (kind, effort) {
        (Some("disabled" | "between_tools"), _) => 0,
        (None, _) if !model.thinks => 0,
        (_, Some("low")) => THOUGHTS / 4,
        _ => THOUGHTS,
    };
    let cap = body.get("max_tokens").and_then(Value::as_u64).unwrap_or_default();
    let output = thoughts + pieces(text).len() as u64;
    if output <= cap {
        return (thoughts, output);
    }
    let left = usize::try_from(cap.saturating_sub(thoughts)).unwrap_or(usize::MAX);
    *text = pieces(text).into_iter().take(left).collect();
    *reason = "max_tokens".to_owned();
    (thoughts.min(cap), cap)
}

/// Role and text of each message, the task first.
fn said(body: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |content: &Value| match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    };
    let system = body.get("system").map(|system| ("system".to_owned(), text(system)));
    let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
    let turn = |turn: &Value| (turn["role"].as_str().unwrap_or_default().to_owned(), text(&turn["content"]));
    system.into_iter().chain(messages.map(turn)).collect()
}
