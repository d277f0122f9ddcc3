//! What the real service would refuse before a model sees it.

use serde_json::{Map, Value};

use super::Reply;
use super::models::Model;

/// The members of a request.
const MEMBERS: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "stop_sequences",
    "thinking",
    "output_config",
    "cache_control",
    "service_tier",
    "metadata",
    "inference_geo",
    "stream",
    "tools",
    "tool_choice",
];

type Checked = Result<(), Reply>;

fn invalid(message: impl AsRef<str>) -> Reply {
    Reply::anthropic(400, "invalid_request_error", message.as_ref())
}

/// Everything but the model's name.
pub(super) fn messages(body: &Map<String, Value>, model: &Model, counting: bool) -> Checked {
    if let Some(name) = body.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(invalid(format!("{name}: Extra inputs are not permitted")));
    }
    let cap = body.get("max_tokens");
    match (counting, cap.and_then(Value::as_u64)) {
        (true, _) if cap.is_some() => return Err(invalid("max_tokens: Extra inputs are not permitted")),
        (false, None) => return Err(invalid("max_tokens: Field required")),
        (false, Some(64_001..)) => return Err(invalid("max_tokens: at most 64000 for this model")),
        _ => {}
    }
    turns(body.get("messages"))?;
    marks(body)?;
    thinking(body, model)?;
    if let Some(config) = body.get("output_config") {
        output_config(config, model)?;
    }
    match body.get("stop_sequences") {
        Some(Value::Array(stops)) if stops.iter().any(|stop| stop.as_str().is_none_or(str::is_empty)) => {
            Err(invalid("stop_sequences: each must be a string that is not empty"))
        }
        _ => Ok(()),
    }
}

fn turns(messages: Option<&Value>) -> Checked {
    let turns = messages.and_then(Value::as_array).filter(|turns| !turns.is_empty());
    let Some(turns) = turns else { return Err(invalid("messages: at least one message is required")) };
    for (at, turn) in turns.iter().enumerate() {
        if !matches!(turn["role"].as_str(), Some("user" | "assistant")) {
            return Err(invalid(format!("messages.{at}.role: Input should be 'user' or 'assistant'")));
        }
        let empty = match &turn["content"] {
            Value::String(text) => text.is_empty(),
            Value::Array(blocks) => {
                blocks.iter().any(|block| block["text"].as_str().is_none_or(str::is_empty))
            }
            _ => true,
        };
        if empty {
            return Err(invalid(format!("messages.{at}: text content blocks must be non-empty")));
        }
    }
    match turns.last() {
        Some(last) if last["role"] == "assistant" => Err(invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )),
        _ => Ok(()),
    }
}

fn marks(body: &Map<String, Value>) -> Checked {
    let marked = super::cache::blocks(body).into_iter().filter(|(_, marked)| *marked);
    if marked.clone().any(|(text, _)| text.is_empty()) {
        return Err(invalid("cache_control cannot be set for empty text blocks"));
    }
    match marked.count() {
        0..=4 => Ok(()),
        many => {
            Err(invalid(format!("A maximum of 4 blocks with cache_control may be provided. Found {many}.")))
        }
    }
}

fn thinking(body: &Map<String, Value>, model: &Model) -> Checked {
    let Some(kind) = body.get("thinking").map(|thinking| thinking["type"].as_str().unwrap_or_default())
    else {
        return Ok(());
    };
    let effort = body.get("output_config").and_then(|config| config["effort"].as_str()).unwrap_or("medium");
    match kind {
        "adaptive" => Ok(()),
        "disabled" | "between_tools" if !model.off.contains(&kind) => {
            Err(invalid(format!("thinking.type: '{kind}' is not supported for {}", model.id)))
        }
        "disabled" | "between_tools" if matches!(effort, "xhigh" | "max") => {
            Err(invalid(format!("thinking.type: '{kind}' cannot be combined with effort '{effort}'")))
        }
        "disabled" | "between_tools" => Ok(()),
        kind => Err(invalid(format!("thinking.type: '{kind}' is not supported for {}", model.id))),
    }
}

fn output_config(config: &Value, model: &Model) -> Checked {
    if let Some(effort) = config.get("effort") {
        if !model.effort {
            return Err(invalid("output_config.effort: This model does not support the effort parameter."));
        }
        if !["low", "medium", "high", "xhigh", "max"].iter().any(|known| effort == known) {
            return Err(invalid(
                "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
            ));
        }
    }
    let Some(format) = config.get("format") else { return Ok(()) };
    if format["type"] != "json_schema" {
        return Err(invalid("output_config.format.type: Input should be 'json_schema'"));
    }
    if format
        .as_object()
        .is_some_and(|format| format.keys().any(|key| !["type", "schema"].contains(&key.as_str())))
    {
        return Err(invalid("output_config.format: Extra inputs are not permitted"));
    }
    schema(&format["schema"])
}

/// Objects are closed; choices are plain values; lengths and ranges are not known.
fn schema(schema: &Value) -> Checked {
    let Some(members) = schema.as_object() else {
        return Err(invalid("output_config.format.schema: Input should be an object"));
    };
    let unknown = ["minLength", "maxLength", "minimum", "maximum", "multipleOf", "pattern"];
    if let Some(name) = members.keys().find(|name| unknown.contains(&name.as_str())) {
        return Err(invalid(format!("output_config.format.schema: For '{name}' is not supported")));
    }
    if schema["type"] != "object" {
        return Ok(());
    }
    if schema["additionalProperties"] != Value::Bool(false) {
        return Err(invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        ));
    }
    schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .try_for_each(|(_, property)| self::schema(property))
}
