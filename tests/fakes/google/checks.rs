//! What the real service would refuse before a model sees it, beyond fields that are none.

use serde_json::{Map, Value};

use super::models::{Model, Thinking};
use super::{Surface, errors};
use crate::fake::Reply;

type Checked = Result<(), Reply>;

/// Checks a request that has been read, for the model that is to answer it.
pub(super) fn generate(body: &Map<String, Value>, model: &Model, surface: Surface) -> Checked {
    contents(body)?;
    let config = body.get("generationConfig").unwrap_or(&Value::Null);
    range(config, "temperature", 0.0, 2.0)?;
    range(config, "topP", 0.0, 1.0)?;
    range(config, "topK", 1.0, 1_000.0)?;
    range(config, "maxOutputTokens", 1.0, 65_536.0)?;
    if config["stopSequences"].as_array().is_some_and(|stops| stops.len() > 5) {
        return Err(errors::invalid("The number of stop sequences must be at most 5."));
    }
    if config["candidateCount"].as_i64().is_some_and(|count| model.is_third || !(1..=8).contains(&count)) {
        return Err(errors::invalid("Multiple candidates is not enabled for this model"));
    }
    let penalty = |name: &str| config[name].as_f64().is_some_and(|penalty| penalty != 0.0);
    if !model.penalties && (penalty("presencePenalty") || penalty("frequencyPenalty")) {
        let id = model.id;
        return Err(errors::invalid(&format!("Penalty is not enabled for models/{id}")));
    }
    logprobs(config, model, surface)?;
    thinking(&config["thinkingConfig"], model)?;
    schema(config)?;
    if surface == Surface::Vertex {
        return labels(body.get("labels"));
    }
    Ok(())
}

fn contents(body: &Map<String, Value>) -> Checked {
    let contents = body.get("contents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if contents.is_empty() {
        return Err(errors::bad_field("contents", "contents is not specified"));
    }
    for (index, content) in contents.iter().enumerate() {
        let role = content["role"].as_str().unwrap_or("user");
        if !matches!(role, "user" | "model") {
            return Err(errors::invalid("Please use a valid role: user, model."));
        }
        parts(content, &format!("contents[{index}].parts"))?;
    }
    body.get("systemInstruction").map_or(Ok(()), |system| parts(system, "system_instruction.parts"))
}

/// Every part holds something; a text may be empty.
fn parts(content: &Value, at: &str) -> Checked {
    let parts = content["parts"].as_array().map_or(&[][..], Vec::as_slice);
    if parts.is_empty() {
        return Err(errors::bad_field(at, &format!("{at} must not be empty.")));
    }
    let empty = |part: &&Value| part.as_object().is_none_or(|part| part.keys().all(|name| name == "thought"));
    match parts.iter().find(empty) {
        Some(_) => {
            let message = format!(
                "{at}: contents.parts.data: required oneof field 'data' must have one initialized field"
            );
            Err(errors::bad_field(at, &message))
        }
        None => Ok(()),
    }
}

fn range(config: &Value, name: &str, least: f64, most: f64) -> Checked {
    match config[name].as_f64() {
        Some(value) if !(least..=most).contains(&value) => {
            let message = format!(
                "Unable to submit request because it has a {name} value of {value} but the supported range is from {least} (inclusive) to {most} (inclusive)."
            );
            Err(errors::invalid(&message))
        }
        _ => Ok(()),
    }
}

fn logprobs(config: &Value, model: &Model, surface: Surface) -> Checked {
    let wanted = config["responseLogprobs"] == true;
    match config["logprobs"].as_i64() {
        Some(_) if !wanted => {
            return Err(errors::invalid("logprobs needs response_logprobs to be true."));
        }
        Some(count) if !(1..=20).contains(&count) => {
            return Err(errors::invalid("logprobs must be in the range [1, 20]."));
        }
        _ => {}
    }
    if wanted && model.no_logprobs == Some(surface) {
        let id = model.id;
        return Err(errors::invalid(&format!("Logprobs is not enabled for models/{id}")));
    }
    Ok(())
}

fn thinking(config: &Value, model: &Model) -> Checked {
    let (budget, level) = (config["thinkingBudget"].as_i64(), config["thinkingLevel"].as_str());
    match (&model.thinking, budget, level) {
        (_, Some(_), Some(_)) => {
            Err(errors::invalid("You can only set one of thinking budget and thinking level."))
        }
        (Thinking::Budget(..), _, Some(_)) => {
            Err(errors::invalid("Thinking level is not supported for this model."))
        }
        (Thinking::Budget(least, most, off, _), Some(budget), _) => match budget {
            -1 => Ok(()),
            0 if *off => Ok(()),
            0 => Err(errors::invalid("Budget 0 is invalid. This model only works in thinking mode.")),
            budget if (*least..=*most).contains(&budget) => Ok(()),
            budget => Err(errors::invalid(&format!(
                "The thinking budget {budget} is invalid. Please choose a value between {least} and {most}."
            ))),
        },
        (Thinking::Levels(levels, _), _, Some(level)) if !levels.contains(&level) => {
            Err(errors::invalid(&format!("Thinking level {level} is not supported for this model.")))
        }
        // Models with levels take a budget still, as the older way to say it.
        _ => Ok(()),
    }
}

fn schema(config: &Value) -> Checked {
    let (schema, json_schema) = (&config["responseSchema"], &config["responseJsonSchema"]);
    let kind = config["responseMimeType"].as_str().unwrap_or("text/plain");
    if !matches!(kind, "text/plain" | "application/json" | "text/x.enum") {
        return Err(errors::invalid(&format!("Response mime type {kind} is not supported.")));
    }
    if schema.is_null() && json_schema.is_null() {
        return Ok(());
    }
    if !schema.is_null() && !json_schema.is_null() {
        return Err(errors::invalid("Only one of response_schema and response_json_schema can be set."));
    }
    if kind == "text/plain" {
        let message =
            "generation_config.response_schema: only allowed when response_mime_type is application/json";
        return Err(errors::bad_field("generation_config.response_mime_type", message));
    }
    if !schema.is_null() && schema["type"].as_str().is_none() && schema["anyOf"].is_null() {
        let message = "generation_config.response_schema.type: must be specified.";
        return Err(errors::bad_field("generation_config.response_schema", message));
    }
    let given = if schema.is_null() { json_schema } else { schema };
    let choices = enum_of(given).map_or(&[][..], |(_, choices)| choices);
    let text: usize = choices.iter().filter_map(Value::as_str).map(str::len).sum();
    // Where the limit lies is not told; it is somewhere.
    if choices.len() > 1_000 || text > 30_000 {
        return Err(errors::invalid(
            "The specified schema produces a constraint that has too many states for serving.",
        ));
    }
    if kind == "text/x.enum" && choices.is_empty() {
        return Err(errors::invalid("text/x.enum needs a schema with an enum."));
    }
    if choices.iter().any(|choice| choice == "") {
        return Err(errors::invalid("generation_config.response_schema.enum: cannot be empty"));
    }
    Ok(())
}

/// The choices of a schema, and the member of the object that holds the choice, if it is an object.
pub(super) fn enum_of(schema: &Value) -> Option<(Option<&str>, &[Value])> {
    if let Some(choices) = schema["enum"].as_array() {
        return Some((None, choices));
    }
    schema["properties"]
        .as_object()?
        .iter()
        .find_map(|(name, property)| Some((Some(name.as_str()), property["enum"].as_array()?.as_slice())))
}

/// The rule for labels of resources.
pub(super) fn labels(labels: Option<&Value>) -> Checked {
    let Some(labels) = labels.and_then(Value::as_object) else { return Ok(()) };
    let letters = |text: &str| {
        text.chars().count() <= 64
            && text.chars().all(|c| c.is_lowercase() || c.is_numeric() || matches!(c, '_' | '-'))
    };
    let fits = |(key, value): (&String, &Value)| {
        !key.is_empty() && letters(key) && value.as_str().is_some_and(letters)
    };
    if labels.len() > 64 || !labels.iter().all(fits) {
        return Err(errors::bad_field(
            "labels",
            "At most 64 labels; keys and values of at most 64 lowercase letters, digits, _ and -.",
        ));
    }
    Ok(())
}
