//! Chat Completions: the language that every compatible server speaks. Requests are here, answers in `answer`.
//!
//! Pure translation, both ways. <https://developers.openai.com/api/reference/resources/chat>, read in July 2026, and
//! the types of the official Python package of November 2026.

mod answer;
#[cfg(test)]
pub(super) mod tests;

use serde::Serialize;
use serde_json::{Map, Value, json};
use tunebench_data::{LabelSet, Message, Role};

use super::declared::{INTO_USER, TokenField};
use super::models::Dialect;
use crate::{AnswerMode, CompletionRequest};

pub(super) use answer::{Answer, Token, completion, ends_in_reasoning, label_probability};

/// The name of the schema; any word will do.
const SCHEMA_NAME: &str = "label";

/// The body of `POST /chat/completions`. It is written as it is, without a tree of values in between: a body is made for
/// every row.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<[String; 1]>,
    #[serde(flatten)]
    thinking: &'a Map<String, Value>,
}

/// A message as the APIs have it.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    role: &'static str,
    content: String,
}

/// What a model is asked.
pub(super) fn request<'a>(request: &'a CompletionRequest, model: &'a str, dialect: &'a Dialect) -> Body<'a> {
    let cap = |field| (dialect.token_field == Some(field)).then(|| output_cap(request, dialect));
    let schema = request.parameters.answer == AnswerMode::Schema;
    Body {
        model,
        messages: messages(request, dialect.system_role),
        max_tokens: cap(TokenField::MaxTokens),
        max_completion_tokens: cap(TokenField::MaxCompletionTokens),
        temperature: temperature(request, dialect),
        reasoning_effort: dialect.effort.as_deref(),
        logprobs: (dialect.logprobs && request.parameters.probabilities).then_some(true),
        // Newer accounts keep what is sent unless told otherwise; a user's data set is not ours to leave there.
        store: dialect.no_store.then_some(false),
        response_format: schema.then(|| {
            let schema = label_schema(request.prompt.labels());
            let format = json!({"name": SCHEMA_NAME, "strict": true, "schema": schema});
            json!({"type": "json_schema", "json_schema": format})
        }),
        stop: stop(request, dialect).map(|stop| [stop]),
        thinking: &dialect.thinking,
    }
}

/// What ends an answer.
pub(super) fn stop(request: &CompletionRequest, dialect: &Dialect) -> Option<String> {
    let schema = request.parameters.answer == AnswerMode::Schema;
    request.prompt.stop().filter(|_| !schema && dialect.stop)
}

/// The messages of a request.
pub(super) fn messages(request: &CompletionRequest, system_role: &'static str) -> Vec<Said> {
    let mut messages = request.messages();
    if system_role == INTO_USER {
        messages = without_system(messages);
    }
    messages.into_iter().map(|message| said(message, system_role)).collect()
}

/// Puts what the system says at the beginning of the user's next turn: some chat templates know two roles only, and want
/// them to alternate.
fn without_system(messages: Vec<Message>) -> Vec<Message> {
    let (mut left, mut system) = (Vec::with_capacity(messages.len()), String::new());
    for mut message in messages {
        match message.role {
            Role::System => {
                system.push_str(&message.content);
                system.push_str("\n\n");
                continue;
            }
            Role::User => message.content.insert_str(0, &std::mem::take(&mut system)),
            Role::Assistant => {}
        }
        left.push(message);
    }
    if !system.is_empty() {
        left.push(Message { role: Role::User, content: system.trim_end().to_owned() });
    }
    left
}

/// A message in the API's words.
pub(super) fn said(message: Message, system_role: &'static str) -> Said {
    let role = match message.role {
        Role::System => system_role,
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    Said { role, content: message.content }
}

/// What confines an answer to the label set, within the rules for strict schemas.
pub(super) fn label_schema(labels: &LabelSet) -> Value {
    json!({
        "type": "object",
        "properties": {"label": {"type": "string", "enum": labels.names()}},
        "required": ["label"],
        "additionalProperties": false,
    })
}

/// The user's temperature, or 0 where the model takes one.
pub(super) fn temperature(request: &CompletionRequest, dialect: &Dialect) -> Option<f64> {
    let wanted = request.parameters.temperature.or(dialect.temperature.then_some(0.0));
    wanted.filter(|_| !dialect.no_temperature)
}

/// The user's cap, or enough for the longest answer. The cap counts against the rate limit in full, used or not, so it
/// is kept small; hidden reasoning needs far more.
pub(super) fn output_cap(request: &CompletionRequest, dialect: &Dialect) -> u32 {
    request.parameters.max_output_tokens.unwrap_or_else(|| {
        let answer = request.answer_tokens();
        if dialect.thinks { answer.saturating_add(2_000) } else { answer }
    })
}
