//! What the real service would refuse before a model sees it.

use serde_json::{Map, Value};

use super::Reply;
use super::models::{self, Kind};

/// The members of a chat request.
const CHAT: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "reasoning_effort",
    "logprobs",
    "top_logprobs",
    "response_format",
    "seed",
    "n",
    "stop",
    "service_tier",
    "store",
    "prompt_cache_key",
    "metadata",
    "safety_identifier",
    "verbosity",
    "user",
    "stream",
    "stream_options",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "prompt_cache_options",
    "modalities",
    "prediction",
];

/// The members of a Responses request.
const RESPONSES: &[&str] = &[
    "model",
    "input",
    "instructions",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_logprobs",
    "include",
    "reasoning",
    "text",
    "store",
    "service_tier",
    "truncation",
    "prompt_cache_key",
    "metadata",
    "background",
    "safety_identifier",
    "user",
    "stream",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "previous_response_id",
    "max_tool_calls",
    "prompt_cache_options",
    "conversation",
];

type Checked = Result<(), Reply>;

pub(super) fn chat(body: &Map<String, Value>, model: &str) -> Checked {
    known(body, CHAT)?;
    messages(body.get("messages"), "messages")?;
    let effort = effort(body.get("reasoning_effort"), "reasoning_effort", model)?;
    range(body, "temperature", 0.0, 2.0)?;
    whole(body, "max_tokens", 1)?;
    whole(body, "max_completion_tokens", 1)?;
    if body.contains_key("max_tokens") && body.contains_key("max_completion_tokens") {
        return Err(Reply::invalid(
            "invalid_value",
            "max_tokens",
            "Setting both token limits is not allowed.",
        ));
    }
    if let Some(format) = body.get("response_format").filter(|format| format["type"] == "json_schema") {
        schema(&format["json_schema"], "response_format")?;
    }
    if models::kind(model) == Kind::Reasoning {
        if body.contains_key("max_tokens") {
            let instead = "Unsupported parameter: 'max_tokens' is not supported with this model. \
                           Use 'max_completion_tokens' instead.";
            return Err(Reply::invalid("unsupported_parameter", "max_tokens", instead));
        }
        refuse(body, "stop")?;
        if effort.as_deref() != Some("none") {
            only_default(body, "temperature")?;
            refuse(body, "logprobs")?;
        }
    } else if body.contains_key("reasoning_effort") {
        refuse(body, "reasoning_effort")?;
    }
    if body.contains_key("top_logprobs") && body.get("logprobs") != Some(&Value::Bool(true)) {
        return Err(Reply::invalid(
            "invalid_value",
            "top_logprobs",
            "'top_logprobs' needs 'logprobs' to be true.",
        ));
    }
    Ok(())
}

pub(super) fn responses(body: &Map<String, Value>, model: &str) -> Checked {
    known(body, RESPONSES)?;
    match body.get("input") {
        Some(Value::String(_)) => {}
        input => messages(input, "input")?,
    }
    let effort = effort(
        body.get("reasoning").and_then(|reasoning| reasoning.get("effort")),
        "reasoning.effort",
        model,
    )?;
    range(body, "temperature", 0.0, 2.0)?;
    whole(body, "max_output_tokens", 16)?;
    if let Some(format) =
        body.get("text").map(|text| &text["format"]).filter(|format| format["type"] == "json_schema")
    {
        schema(format, "text.format")?;
    }
    if models::kind(model) == Kind::Reasoning {
        if effort.as_deref() != Some("none") {
            only_default(body, "temperature")?;
            refuse(body, "include")?;
        }
    } else if body.contains_key("reasoning") {
        return Err(unsupported("reasoning.effort"));
    }
    Ok(())
}

pub(super) fn decisions(body: &Map<String, Value>) -> Checked {
    known(
        body,
        &["model", "input", "questions", "prompt_cache_key", "prompt_cache_options", "safety_identifier"],
    )?;
    if !body.get("input").is_some_and(Value::is_string) {
        messages(body.get("input"), "input")?;
    }
    let questions = body.get("questions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if !(1..=400).contains(&questions.len()) {
        return Err(Reply::invalid("invalid_value", "questions", "Expected 1 to 400 questions."));
    }
    for (index, question) in questions.iter().enumerate() {
        let at = format!("questions[{index}]");
        if !question["instructions"].is_string() {
            return Err(Reply::invalid(
                "missing_required_parameter",
                &at,
                "A question needs 'instructions'.",
            ));
        }
        if question["type"] != "choice" {
            // The rest of the API is not what a classifier is tested with.
            return Err(Reply::invalid("invalid_value", &at, "This fake decides choices only."));
        }
        let choices = question["choices"].as_array().map_or(&[][..], Vec::as_slice);
        let mut values: Vec<_> = choices.iter().map(|choice| choice["value"].to_string()).collect();
        values.sort_unstable();
        values.dedup();
        if values.len() != choices.len() || !(2..=255).contains(&choices.len()) {
            return Err(Reply::invalid("invalid_value", &at, "Expected 2 to 255 unique choices."));
        }
    }
    Ok(())
}

fn known(body: &Map<String, Value>, names: &[&str]) -> Checked {
    match body.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => {
            Err(Reply::invalid("unknown_parameter", name, &format!("Unknown parameter: '{name}'.")))
        }
        None => Ok(()),
    }
}

fn messages(value: Option<&Value>, name: &str) -> Checked {
    let messages = value.and_then(Value::as_array).filter(|messages| !messages.is_empty());
    let Some(messages) = messages else {
        let message = format!("Missing required parameter or empty array: '{name}'.");
        return Err(Reply::invalid("missing_required_parameter", name, &message));
    };
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["system", "developer", "user", "assistant"].contains(&role) {
            let at = format!("{name}[{index}].role");
            return Err(Reply::invalid("invalid_value", &at, &format!("Invalid value: '{role}'.")));
        }
        if !message["content"].is_string() && !message["content"].is_array() {
            let at = format!("{name}[{index}].content");
            return Err(Reply::invalid("invalid_type", &at, "Expected a string or an array of parts."));
        }
    }
    Ok(())
}

fn effort(value: Option<&Value>, name: &str, model: &str) -> Result<Option<String>, Reply> {
    let Some(effort) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let effort = effort.as_str().unwrap_or_default();
    if models::kind(model) == Kind::Reasoning && !models::efforts(model).contains(&effort) {
        let message = format!("Unsupported value: '{name}' does not support '{effort}' with this model.");
        return Err(Reply::invalid("unsupported_value", name, &message));
    }
    Ok(Some(effort.to_owned()))
}

fn refuse(body: &Map<String, Value>, name: &str) -> Checked {
    let sent = body.get(name).is_some_and(|value| !value.is_null() && *value != Value::Bool(false));
    if sent { Err(unsupported(name)) } else { Ok(()) }
}

fn unsupported(name: &str) -> Reply {
    let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
    Reply::invalid("unsupported_parameter", name, &message)
}

fn only_default(body: &Map<String, Value>, name: &str) -> Checked {
    match body.get(name).and_then(Value::as_f64) {
        Some(value) if value != 1.0 => {
            let message = format!(
                "Unsupported value: '{name}' does not support {value} with this model. Only the default (1) value is supported."
            );
            Err(Reply::invalid("unsupported_value", name, &message))
        }
        _ => Ok(()),
    }
}

fn range(body: &Map<String, Value>, name: &str, least: f64, most: f64) -> Checked {
    match body.get(name).filter(|value| !value.is_null()).map(Value::as_f64) {
        None => Ok(()),
        Some(Some(value)) if (least..=most).contains(&value) => Ok(()),
        Some(_) => {
            let message = format!("Invalid '{name}': expected a number from {least} to {most}.");
            Err(Reply::invalid("decimal_above_max_value", name, &message))
        }
    }
}

fn whole(body: &Map<String, Value>, name: &str, least: u64) -> Checked {
    match body.get(name).filter(|value| !value.is_null()).map(Value::as_u64) {
        None => Ok(()),
        Some(Some(value)) if value >= least => Ok(()),
        Some(_) => {
            let message = format!("Invalid '{name}': expected an integer of at least {least}.");
            Err(Reply::invalid("integer_below_min_value", name, &message))
        }
    }
}

/// The rules for strict schemas that a label schema can break.
fn schema(format: &Value, at: &str) -> Checked {
    let name = format["name"].as_str().unwrap_or_default();
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !(1..=64).contains(&name.len()) || !letters {
        return Err(Reply::invalid("invalid_value", at, "Invalid name of a schema."));
    }
    let schema = &format["schema"];
    let wrong = |message: &str| Reply::invalid("invalid_json_schema", at, message);
    if schema["type"] != "object" || schema["additionalProperties"] != false {
        return Err(wrong("The root must be an object without additional properties."));
    }
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if !required.iter().any(|required| required == name) {
            return Err(wrong("Every property must be required."));
        }
        let Some(values) = property["enum"].as_array() else { continue };
        let text: usize = values.iter().filter_map(Value::as_str).map(str::len).sum();
        if values.len() > 1_000 || values.len() > 250 && text > 15_000 {
            return Err(wrong("The enum is too large."));
        }
    }
    Ok(())
}
