//! What models answer, in the three forms that the service has.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::world::World;
use super::{Api, Reply, checks, limits, models};
use crate::fake::{Form, Memory, Question, Said, inner, lock, named, now, pieces};

/// An answer before it is put into a form.
struct Answered {
    said: Said,
    input: u64,
    output: u64,
    /// Why it ends, in the words of Chat Completions.
    finish: String,
}

/// `POST /chat/completions`.
pub(super) fn chat(shared: &Api<'_>, body: &Map<String, Value>) -> Reply {
    let (model, memory) = match known_model(shared, body) {
        Ok(known) => known,
        Err(reply) => return reply,
    };
    let cap = ["max_completion_tokens", "max_tokens"].iter().find_map(|name| body.get(*name)?.as_u64());
    let (headers, refusal) = charge(shared, &model, body, cap);
    let reply = refusal.or_else(|| checks::chat(body, &model).err()).unwrap_or_else(|| {
        let mut question = Question::new(&model, messages(body.get("messages")), memory);
        let schema = body.get("response_format").and_then(|format| format.pointer("/json_schema/schema"));
        choose_from(&mut question, schema);
        let stops: Vec<&str> = match body.get("stop") {
            Some(Value::String(stop)) => vec![stop],
            Some(Value::Array(stops)) => stops.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let Answered { said, input, output, finish } = answer(shared, &question, &stops, cap);
        let logprobs = body.get("logprobs") == Some(&Value::Bool(true));
        let logprobs = logprobs.then(|| json!({"content": tokens(&said.text), "refusal": null}));
        let content = if said.refusal.is_some() { Value::Null } else { said.text.clone().into() };
        let message = json!({"role": "assistant", "content": content, "refusal": said.refusal, "annotations": []});
        Reply::json(json!({
            "id": lock(shared.world).id("chatcmpl"), "object": "chat.completion", "created": now(), "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish}],
            "usage": {
                "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
            },
            "service_tier": "default", "system_fingerprint": "fp_fake",
        }))
    });
    headers.into_iter().fold(reply, |reply, (name, value)| reply.with(name, value))
}

/// `POST /responses`.
pub(super) fn responses(shared: &Api<'_>, body: &Map<String, Value>) -> Reply {
    let (model, memory) = match known_model(shared, body) {
        Ok(known) => known,
        Err(reply) => return reply,
    };
    let cap = body.get("max_output_tokens").and_then(Value::as_u64);
    let (headers, refusal) = charge(shared, &model, body, cap);
    let reply = refusal.or_else(|| checks::responses(body, &model).err()).unwrap_or_else(|| {
        let mut question = Question::new(&model, messages(body.get("input")), memory);
        let format = body.get("text").and_then(|text| text.get("format"));
        choose_from(&mut question, format.and_then(|format| format.get("schema")));
        let answered = answer(shared, &question, &[], cap);
        let asked = |name: &str| body.get(name).cloned().unwrap_or(Value::Null);
        response(shared, &model, &answered, &asked, format)
    });
    headers.into_iter().fold(reply, |reply, (name, value)| reply.with(name, value))
}

fn response(
    shared: &Api<'_>,
    model: &str,
    answered: &Answered,
    asked: &dyn Fn(&str) -> Value,
    format: Option<&Value>,
) -> Reply {
    let Answered { said, input, output, finish } = answered;
    let (status, reason) = match finish.as_str() {
        "length" => ("incomplete", json!({"reason": "max_output_tokens"})),
        "content_filter" => ("incomplete", json!({"reason": "content_filter"})),
        _ => ("completed", Value::Null),
    };
    let logprobs = if asked("include").is_null() { json!([]) } else { tokens(&said.text) };
    let part = match &said.refusal {
        Some(refusal) => json!({"type": "refusal", "refusal": refusal}),
        None => json!({"type": "output_text", "text": said.text, "annotations": [], "logprobs": logprobs}),
    };
    let mut world = lock(shared.world);
    let mut items = Vec::new();
    if models::kind(model) == models::Kind::Reasoning {
        items.push(json!({"id": world.id("rs"), "type": "reasoning", "summary": []}));
    }
    let message_status = if status == "completed" { "completed" } else { "incomplete" };
    items.push(json!({
        "id": world.id("msg"), "type": "message", "role": "assistant", "status": message_status, "content": [part],
    }));
    let temperature = asked("temperature").as_f64().unwrap_or(1.0);
    Reply::json(json!({
        "id": world.id("resp"), "object": "response", "created_at": now(), "completed_at": now(), "status": status,
        "background": false, "error": null, "incomplete_details": reason, "instructions": asked("instructions"),
        "max_output_tokens": asked("max_output_tokens"), "model": model, "output": items,
        "parallel_tool_calls": true, "previous_response_id": null, "reasoning": asked("reasoning"),
        "service_tier": "default", "store": asked("store").as_bool().unwrap_or(true), "temperature": temperature,
        "text": {"format": format.cloned().unwrap_or_else(|| json!({"type": "text"}))}, "tool_choice": "auto",
        "tools": [], "top_p": 1.0, "truncation": "disabled", "metadata": {},
        "usage": usage(*input, *output),
    }))
}

/// `POST /decisions`.
pub(super) fn decisions(shared: &Api<'_>, body: &Map<String, Value>) -> Reply {
    let (model, memory) = match known_model(shared, body) {
        Ok(known) => known,
        Err(reply) => return reply,
    };
    if model != models::DECIDES {
        let message = format!("The model '{model}' is not supported with this endpoint.");
        return Reply::invalid("unsupported_value", "model", &message);
    }
    let (headers, refusal) = charge(shared, &model, body, None);
    let reply = refusal.or_else(|| checks::decisions(body).err()).unwrap_or_else(|| {
        let said = messages(body.get("input"));
        let mut input = 0;
        let questions = body.get("questions").and_then(Value::as_array).cloned().unwrap_or_default();
        let decide = |asked: &Value| {
            let mut question = Question::new(&model, said.clone(), memory.clone());
            let choices = asked["choices"].as_array().cloned().unwrap_or_default();
            question.labels =
                choices.iter().filter_map(|choice| Some(choice["value"].as_str()?.to_owned())).collect();
            question.form = Form::Member("label".to_owned());
            let answered = answer(shared, &question, &[], None);
            input += answered.input;
            if answered.said.refusal.is_some() {
                return json!({"type": "refusal", "name": asked["name"]});
            }
            choice(&named(&answered.said.text), &question.labels, &asked["name"])
        };
        let answers: Vec<_> = questions.iter().map(decide).collect();
        Reply::json(json!({"model": model, "answers": answers, "usage": usage(input, 0)}))
    });
    headers.into_iter().fold(reply, |reply, (name, value)| reply.with(name, value))
}

/// Sure of what was said where that is a choice, and of nothing otherwise.
fn choice(said: &str, labels: &[String], name: &Value) -> Value {
    let count = labels.len() as f64;
    let chosen = labels.iter().find(|label| *label == said);
    let share = |label: &String| match chosen {
        Some(chosen) if chosen == label => 0.75,
        Some(_) => 0.25 / (count - 1.0),
        None => 1.0 / count,
    };
    let probabilities: Vec<_> =
        labels.iter().map(|label| json!({"value": label, "probability": share(label)})).collect();
    let first = chosen.or(labels.first());
    let confidence = first.map_or(0.0, share);
    json!({"type": "choice", "name": name, "choice": first, "confidence": confidence, "probabilities": probabilities})
}

fn usage(input: u64, output: u64) -> Value {
    json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": input + output,
    })
}

/// The model asked for, with what it learned if it is a tuned one.
fn known_model(shared: &Api<'_>, body: &Map<String, Value>) -> Result<(String, Option<Arc<Memory>>), Reply> {
    let Some(model) = body.get("model").and_then(Value::as_str) else {
        return Err(Reply::invalid(
            "missing_required_parameter",
            "model",
            "you must provide a model parameter",
        ));
    };
    let world: &World = &lock(shared.world);
    match world.answers(model) {
        Some(memory) => Ok((model.to_owned(), memory)),
        None => {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            Err(Reply::error(404, "invalid_request_error", "model_not_found", "", &message))
        }
    }
}

/// Charges the larger of the output cap and an estimate from the characters, before anything is answered.
fn charge(
    shared: &Api<'_>,
    model: &str,
    body: &Map<String, Value>,
    cap: Option<u64>,
) -> (Vec<(&'static str, String)>, Option<Reply>) {
    let said = messages(body.get("messages").or_else(|| body.get("input")));
    let estimate: u64 = said.iter().map(|(_, text)| text.chars().count() as u64 / 4).sum();
    limits::charge(&mut lock(shared.windows), model, estimate.max(cap.unwrap_or_default()))
}

fn answer(shared: &Api<'_>, question: &Question, stops: &[&str], cap: Option<u64>) -> Answered {
    let mut said = (shared.brain)(question);
    let mut finish = said.finish.clone().unwrap_or_else(|| "stop".to_owned());
    if let Some(end) = stops.iter().filter_map(|stop| said.text.find(stop)).min() {
        said.text.truncate(end);
    }
    let mut output = pieces(&said.text).len();
    if let Some(cap) = cap.and_then(|cap| usize::try_from(cap).ok()).filter(|cap| *cap < output) {
        said.text = pieces(&said.text).into_iter().take(cap).collect();
        output = cap;
        finish = "length".to_owned();
    }
    let input = 3 + question.messages.iter().map(|(_, text)| 3 + text.len().div_ceil(4) as u64).sum::<u64>();
    let output = output as u64;
    shared.recorder.answered(input, output);
    Answered { said, input, output, finish }
}

/// A schema decides what can be chosen; without one, the system message has said.
fn choose_from(question: &mut Question, schema: Option<&Value>) {
    let Some(schema) = schema else { return };
    question.form = Form::Member("label".to_owned());
    let properties = schema.get("properties").and_then(Value::as_object);
    let listed = properties
        .and_then(|properties| properties.values().find_map(|property| property.get("enum")?.as_array()));
    if let Some(labels) = listed {
        question.labels = labels.iter().filter_map(|label| label.as_str().map(str::to_owned)).collect();
    }
}

/// Role and text of each message; a plain text is one of the user.
fn messages(value: Option<&Value>) -> Vec<(String, String)> {
    let text = |content: &Value| match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    };
    match value {
        Some(Value::Array(messages)) => messages
            .iter()
            .map(|message| {
                (message["role"].as_str().unwrap_or_default().to_owned(), text(&message["content"]))
            })
            .collect(),
        Some(value) => vec![("user".to_owned(), text(value))],
        None => Vec::new(),
    }
}

fn tokens(text: &str) -> Value {
    let label = named(text);
    let token = |piece: &&str| {
        // A little less sure of the label than of the rest.
        let logprob = if inner(&label).contains(*piece) { -0.05 } else { -0.001 };
        json!({"token": piece, "logprob": logprob, "bytes": piece.as_bytes(), "top_logprobs": []})
    };
    pieces(text).iter().map(token).collect()
}
