//! `generateContent` and `countTokens`, on both surfaces.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::errors::{self, Exhausted};
use super::models::Model;
use super::{Api, Surface, checks, messages, shape};
use crate::fake::{Call, Form, Memory, Question, Reply, Said, inner, lock, named, now, pieces, timestamp};

/// Who is to answer.
pub(super) struct Answering {
    pub(super) surface: Surface,
    /// As it was asked for.
    pub(super) name: String,
    /// Limits are kept for each place of its own.
    pub(super) place: String,
    pub(super) model: &'static Model,
    /// What it learned, for a tuned one.
    pub(super) memory: Option<Arc<Memory>>,
}

/// `POST …:generateContent`.
pub(super) fn generate(api: &Api<'_>, call: &Call, answering: &Answering) -> Reply {
    generated(api, call, answering).unwrap_or_else(|reply| reply)
}

fn generated(api: &Api<'_>, call: &Call, answering: &Answering) -> Result<Reply, Reply> {
    generated_from(api, &call.body, json_of(call)?, answering)
}

/// The answer to a question, however it came.
pub(super) fn generated_from(
    api: &Api<'_>,
    bytes: &[u8],
    json: &Value,
    answering: &Answering,
) -> Result<Reply, Reply> {
    api.recorder.prompted(bytes);
    let body = shape::read(json, &messages::GENERATE_CONTENT, answering.surface)?;
    checks::generate(&body, answering.model, answering.surface)?;
    let mut question = Question::new(&answering.name, said(&body), answering.memory.clone());
    let input = tokens(&question.messages);
    charge(api, answering, input)?;
    let config = body.get("generationConfig").unwrap_or(&Value::Null);
    choose_from(&mut question, config);
    let said = (api.brain)(&question);
    Ok(answer(api, answering, config, &question, said, input))
}

fn answer(
    api: &Api<'_>,
    answering: &Answering,
    config: &Value,
    question: &Question,
    said: Said,
    input: u64,
) -> Reply {
    let routed = api.settings.routed.get(&answering.name).cloned();
    let model = said.model.clone().or(routed).unwrap_or_else(|| answering.model.id.to_owned());
    let mut answer = json!({"modelVersion": model, "responseId": api.id("response")});
    let mut usage = json!({"promptTokenCount": input, "totalTokenCount": input,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": input}]});
    if answering.surface == Surface::Vertex {
        answer["createTime"] = timestamp(now()).into();
        usage["trafficType"] = "ON_DEMAND".into();
    }
    if let Some(reason) = &said.refusal {
        answer["promptFeedback"] = json!({"blockReason": reason, "safetyRatings": ratings()});
        answer["usageMetadata"] = usage;
        api.recorder.answered(input, 0);
        return Reply::json(answer);
    }
    let thoughts = said.thoughts.unwrap_or_else(|| answering.model.thoughts(&config["thinkingConfig"]));
    let (candidate, thoughts, output) = candidate(config, question, &said, thoughts);
    answer["candidates"] = json!([candidate]);
    // A count of nothing is left out, as the real service does.
    if output > 0 {
        usage["candidatesTokenCount"] = output.into();
        usage["candidatesTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": output}]);
    }
    if thoughts > 0 {
        usage["thoughtsTokenCount"] = thoughts.into();
    }
    usage["totalTokenCount"] = (input + output + thoughts).into();
    answer["usageMetadata"] = usage;
    api.recorder.answered(input, output + thoughts);
    Reply::json(answer)
}

/// The candidate, and how many tokens of thought and of text it took.
fn candidate(config: &Value, question: &Question, said: &Said, thoughts: u64) -> (Value, u64, u64) {
    let mut text = said.text.clone();
    let stops = config["stopSequences"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(end) = stops.filter_map(|stop| text.find(stop)).min() {
        text.truncate(end);
    }
    // Thinking comes first and counts: it can leave nothing for the text.
    let cap = config["maxOutputTokens"].as_u64().unwrap_or(65_536);
    let (thoughts, left) = (thoughts.min(cap), cap.saturating_sub(thoughts));
    let mut output = pieces(&text).len() as u64;
    let mut finish = said.finish.as_deref().unwrap_or("STOP");
    if output > left {
        text = pieces(&text).into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)).collect();
        (output, finish) = (left, "MAX_TOKENS");
    }
    let mut candidate = json!({"finishReason": finish, "index": 0, "content": {"role": "model"}});
    if !text.is_empty() {
        candidate["content"]["parts"] = json!([{"text": text}]);
        if config["responseLogprobs"] == true {
            log_probabilities(&mut candidate, &text, question, config["logprobs"].as_u64().unwrap_or(0));
        }
    } else if finish != "STOP" && finish != "MAX_TOKENS" {
        candidate = json!({"finishReason": finish, "index": 0, "safetyRatings": ratings()});
    }
    (candidate, thoughts, output)
}

fn ratings() -> Value {
    json!([{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": true}])
}

/// Sure of the label a little less than of the rest; the alternatives come from other labels.
fn log_probabilities(candidate: &mut Value, text: &str, question: &Question, alternatives: u64) {
    let label = named(text);
    let logprob = |piece: &str| if inner(&label).contains(piece) { -0.05 } else { -0.001 };
    let token = |piece: &str, logprob: f64| {
        let id = piece.bytes().fold(7_u32, |id, byte| (id * 31 + u32::from(byte)) % 250_000);
        json!({"token": piece, "tokenId": id, "logProbability": logprob})
    };
    let pieces = pieces(text);
    let chosen: Vec<_> = pieces.iter().map(|piece| token(piece, logprob(piece))).collect();
    let mean = pieces.iter().map(|piece| logprob(piece)).sum::<f64>() / pieces.len() as f64;
    candidate["avgLogprobs"] = mean.into();
    candidate["logprobsResult"] = json!({"chosenCandidates": chosen});
    if alternatives > 0 {
        let others = question
            .labels
            .iter()
            .filter(|other| **other != label)
            .filter_map(|other| crate::fake::pieces(other).first().copied());
        let others: Vec<_> = others.take(alternatives as usize - 1).map(|piece| token(piece, -4.0)).collect();
        let top = |chosen: Value| json!({"candidates": std::iter::once(chosen).chain(others.clone()).collect::<Vec<_>>()});
        candidate["logprobsResult"]["topCandidates"] = chosen.into_iter().map(top).collect();
    }
}

/// `POST …:countTokens`.
pub(super) fn count(call: &Call, answering: &Answering) -> Reply {
    let counted = || {
        let body = shape::read(json_of(call)?, &messages::COUNT_TOKENS, answering.surface)?;
        let whole = body.get("generateContentRequest").and_then(Value::as_object);
        if whole.is_some() && body.contains_key("contents") {
            return Err(errors::invalid("Only one of contents and generate_content_request can be set."));
        }
        let messages = said(whole.unwrap_or(&body));
        if messages.is_empty() {
            return Err(errors::bad_field("contents", "contents is not specified"));
        }
        let total = tokens(&messages);
        let mut answer =
            json!({"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]});
        if answering.surface == Surface::Vertex {
            let characters: usize =
                messages.iter().map(|(_, text)| text.chars().filter(|c| !c.is_whitespace()).count()).sum();
            answer["totalBillableCharacters"] = characters.into();
        }
        Ok(Reply::json(answer))
    };
    counted().unwrap_or_else(|reply: Reply| reply)
}

pub(super) fn json_of(call: &Call) -> Result<&Value, Reply> {
    let broken = || errors::invalid("Invalid JSON payload received. Unexpected end of string.");
    call.json().ok_or_else(broken)
}

/// Role and text of the system instruction and of each turn; thoughts are left out.
fn said(body: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |content: &Value| -> String {
        let parts = content["parts"].as_array().into_iter().flatten().filter(|part| part["thought"] != true);
        parts.filter_map(|part| part["text"].as_str()).collect()
    };
    let system = body.get("systemInstruction").map(|system| ("system".to_owned(), text(system)));
    let turns = body.get("contents").and_then(Value::as_array).into_iter().flatten();
    let turns = turns.map(|turn| (turn["role"].as_str().unwrap_or("user").to_owned(), text(turn)));
    system.into_iter().chain(turns).collect()
}

fn tokens(messages: &[(String, String)]) -> u64 {
    messages.iter().map(|(_, text)| 1 + text.len().div_ceil(4) as u64).sum()
}

/// A schema decides what can be chosen, and how that is written; without one, the system instruction has said.
fn choose_from(question: &mut Question, config: &Value) {
    let format = &config["responseFormat"][0]["text"]["schema"];
    let schemas = [&config["responseSchema"], &config["responseJsonSchema"], format];
    let Some((member, choices)) = schemas.into_iter().find_map(checks::enum_of) else { return };
    question.labels = choices.iter().filter_map(|choice| Some(choice.as_str()?.to_owned())).collect();
    question.form = match member {
        Some(member) => Form::Member(member.to_owned()),
        None if config["responseMimeType"] == "text/x.enum" => {
            question.tag = None;
            Form::Text
        }
        None => Form::Quoted,
    };
}

fn charge(api: &Api<'_>, answering: &Answering, tokens: u64) -> Result<(), Reply> {
    let place = format!("{}/{}", answering.place, answering.name);
    let minute = lock(api.windows).charge(&place, tokens);
    let day = lock(api.daily).charge(&place, 0);
    let refused = |period, what, wait, limit| match answering.surface {
        Surface::Vertex => errors::shared_quota(),
        Surface::Developer => Exhausted { model: &answering.name, period, what, limit, wait }.reply(),
    };
    // A quota for the day says seconds all the same.
    let kinds = [(day, "PerDay", Some(Duration::from_secs(34))), (minute, "PerMinute", None)];
    for (used, period, wait) in kinds {
        for (used, what) in used.into_iter().zip(["Requests", "InputTokens"]) {
            if let Some(used) = used.filter(|used| used.is_over()) {
                return Err(refused(period, what, wait.unwrap_or(used.fits_in), used.limit));
            }
        }
    }
    Ok(())
}
