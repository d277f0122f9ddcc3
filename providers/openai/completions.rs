//! Chat Completions: the language that every compatible server speaks.
//!
//! Pure translation, both ways. <https://developers.openai.com/api/reference/resources/chat>, read in July 2026, and
//! the types of the official Python package of November 2026.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use tunebench_data::{LabelSet, Message, Role};

use super::models::Dialect;
use super::settings::TokenField;
use crate::logprobs::{self, Token};
use crate::{AnswerMode, Cause, Completion, CompletionRequest, FinishReason, ProviderError, Usage};

/// The name of the schema; any word will do.
const SCHEMA_NAME: &str = "label";

/// The body of `POST /chat/completions`.
pub(super) fn request(request: &CompletionRequest, model: &str, dialect: &Dialect) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    let messages = request.messages().into_iter().map(|said| message(said, dialect.system_role));
    body.insert("messages".into(), messages.collect());
    match dialect.token_field {
        Some(TokenField::MaxTokens) => body.insert("max_tokens".into(), output_cap(request, dialect).into()),
        Some(TokenField::MaxCompletionTokens) => {
            body.insert("max_completion_tokens".into(), output_cap(request, dialect).into())
        }
        None => None,
    };
    if let Some(temperature) = temperature(request, dialect) {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(effort) = &dialect.effort {
        body.insert("reasoning_effort".into(), effort.as_str().into());
    }
    if dialect.logprobs && request.parameters.probabilities {
        body.insert("logprobs".into(), true.into());
    }
    if dialect.no_store {
        // Newer accounts keep what is sent unless told otherwise; a user's data set is not ours to leave there.
        body.insert("store".into(), false.into());
    }
    match request.parameters.answer {
        AnswerMode::Schema => {
            let schema = label_schema(request.prompt.labels());
            let format = json!({"name": SCHEMA_NAME, "strict": true, "schema": schema});
            body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": format}));
        }
        AnswerMode::Tag if dialect.stop => {
            body.insert("stop".into(), json!([request.prompt.stop_sequence()]));
        }
        AnswerMode::Tag => {}
    }
    Value::Object(body)
}

/// A message as the APIs have it.
pub(super) fn message(message: Message, system_role: &str) -> Value {
    let role = match message.role {
        Role::System => system_role,
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    json!({"role": role, "content": message.content})
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

/// An answer without the members that nobody asks for: most of what comes is thrown away, and need not be kept first.
pub(super) struct Answer(pub(super) Value);

/// The members of an answer that are read, at any depth.
const READ: [&str; 16] = [
    "bytes",
    "choices",
    "completion_tokens",
    "content",
    "error",
    "finish_reason",
    "logprob",
    "logprobs",
    "message",
    "model",
    "prompt_tokens",
    "refusal",
    "text",
    "token",
    "type",
    "usage",
];

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnswerVisitor).map(Self)
    }
}

struct AnswerVisitor;

impl<'de> Visitor<'de> for AnswerVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Answer(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(Name(name)) = members.next_key()? {
            match name {
                Some(name) => {
                    let Answer(value) = members.next_value()?;
                    object.insert(name.to_owned(), value);
                }
                None => _ = members.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Value::Object(object))
    }
}

/// The name of a member, if it is one of [`READ`].
struct Name(Option<&'static str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Name(READ.binary_search(&name).ok().map(|at| READ[at])))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// What a chat answer says. Whatever is missing is left out; an answer without any choice is the server's fault.
pub(super) fn completion(answer: &Value, request: &CompletionRequest) -> Result<Completion, ProviderError> {
    let Some(choice) = answer.pointer("/choices/0") else {
        return Err(ProviderError::new(Cause::Server, "the answer holds no choice"));
    };
    let message = choice.get("message").unwrap_or(&Value::Null);
    let refusal = message.get("refusal").and_then(Value::as_str).filter(|refusal| !refusal.is_empty());
    let text = content(message.get("content").unwrap_or(&Value::Null));
    let finish = match (refusal, choice.get("finish_reason").and_then(Value::as_str)) {
        (Some(_), _) => FinishReason::Refusal,
        // Some servers give no reason when all is well.
        (None, Some("stop") | None) => FinishReason::Stop,
        (None, Some("length")) => FinishReason::Length,
        (None, Some("content_filter")) => FinishReason::ContentFilter,
        (None, Some(other)) => FinishReason::Other(other.to_owned()),
    };
    let mut completion = Completion::new(refusal.map_or(text, str::to_owned)).finish(finish);
    completion.usage = usage(answer.get("usage"), "prompt_tokens", "completion_tokens");
    completion.model_version = version(answer);
    if let Some(tokens) = choice.pointer("/logprobs/content").and_then(Value::as_array) {
        completion.label_probability = label_probability(&completion.text, tokens, request);
    }
    Ok(completion)
}

/// A content is a text or, at some servers, a list of parts with texts in them.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// Tokens used; both counts or nothing.
pub(super) fn usage(usage: Option<&Value>, input: &str, output: &str) -> Option<Usage> {
    let count = |name| usage?.get(name)?.as_u64();
    Some(Usage { input: count(input)?, output: count(output)? })
}

/// The model that really answered.
pub(super) fn version(answer: &Value) -> Option<String> {
    answer.get("model")?.as_str().filter(|model| !model.is_empty()).map(str::to_owned)
}

/// The probability of the label that `text` names, from its tokens: items `{token, logprob, bytes?}` in the order of the
/// answer, as Chat Completions and Responses have them. `None` if one of them is no such item.
pub(super) fn label_probability(text: &str, tokens: &[Value], request: &CompletionRequest) -> Option<f32> {
    let token = |token: &Value| {
        let bytes = match token.get("bytes").and_then(Value::as_array) {
            // A token can end within a character; only its bytes are exact then.
            Some(bytes) => {
                bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect::<Vec<_>>()
            }
            None => token.get("token")?.as_str()?.as_bytes().to_vec(),
        };
        Some(Token { bytes: bytes.into(), logprob: token.get("logprob")?.as_f64()? })
    };
    let tokens = tokens.iter().map(token).collect::<Option<Vec<_>>>()?;
    logprobs::of_answer(text, &tokens, request)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tunebench_data::{LabelId, Prompt, PromptTemplate};

    use super::super::settings::Settings;
    use super::*;
    use crate::Parameters;

    /// A question after one of three labels.
    pub(in super::super) fn question(answer: AnswerMode) -> CompletionRequest {
        let labels = ["refund", "card \"arrival\"", "exchange"].map(str::to_owned).to_vec();
        let prompt = Prompt::new(PromptTemplate::default(), LabelSet::new(labels).unwrap()).unwrap();
        CompletionRequest::new("gpt-4.1-mini".into(), Arc::new(prompt), "Where is my money?")
            .parameters(Arc::new(Parameters { answer, ..Parameters::default() }))
    }

    pub(in super::super) fn dialect(model: &str) -> Dialect {
        Dialect::new(model, &Settings::official())
    }

    #[test]
    fn a_classic_model_is_asked_for_everything() {
        let question = question(AnswerMode::Tag);
        let mut body = request(&question, "gpt-4.1-mini", &dialect("gpt-4.1-mini"));
        let messages = body["messages"].take();
        assert_eq!(
            body,
            json!({
                "model": "gpt-4.1-mini", "messages": null, "max_completion_tokens": 110, "temperature": 0.0,
                "logprobs": true, "store": false, "stop": ["</output>"],
            })
        );
        assert_eq!(messages.as_array().unwrap().len(), 2);
        assert_eq!(messages[1], json!({"role": "user", "content": "<item>\nWhere is my money?\n</item>"}));
    }

    #[test]
    fn a_reasoning_model_gets_room_and_no_temperature() {
        let body = request(&question(AnswerMode::Tag), "gpt-6-luna", &dialect("gpt-6-luna"));
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["max_completion_tokens", "messages", "model", "reasoning_effort", "store"]);
        assert!(body["max_completion_tokens"].as_u64() > Some(1_000));
    }

    #[test]
    fn another_server_gets_what_all_know() {
        let mut settings = Settings::official();
        settings.official = false;
        let body = request(&question(AnswerMode::Tag), "llama", &Dialect::new("llama", &settings));
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["max_tokens", "messages", "model", "stop", "temperature"]);
    }

    #[test]
    fn a_schema_confines_to_the_labels() {
        let body = request(&question(AnswerMode::Schema), "gpt-4o", &dialect("gpt-4o"));
        assert_eq!(body.get("stop"), None);
        let format = &body["response_format"]["json_schema"];
        assert_eq!((&format["strict"], &format["name"]), (&json!(true), &json!("label")));
        assert_eq!(
            format["schema"]["properties"]["label"]["enum"],
            json!(["refund", "card \"arrival\"", "exchange"])
        );
    }

    #[test]
    fn the_users_own_numbers_win() {
        let mut question = question(AnswerMode::Tag);
        let parameters = Parameters {
            temperature: Some(0.7),
            max_output_tokens: Some(5),
            probabilities: false,
            ..Parameters::default()
        };
        question.parameters = Arc::new(parameters);
        let body = request(&question, "gpt-4o", &dialect("gpt-4o"));
        assert_eq!((&body["temperature"], &body["max_completion_tokens"]), (&json!(0.7), &json!(5)));
        assert_eq!(body.get("logprobs"), None);
    }

    fn read(answer: Value) -> Completion {
        completion(&answer, &question(AnswerMode::Tag)).unwrap()
    }

    #[test]
    fn what_is_no_label_is_an_outcome_of_its_own() {
        use FinishReason::*;
        for (choice, text, finish) in [
            (
                json!({"message": {"content": "<output>refund"}, "finish_reason": "stop"}),
                "<output>refund",
                Stop,
            ),
            (json!({"message": {"content": "x"}}), "x", Stop),
            (json!({"message": {"content": null}, "finish_reason": "length"}), "", Length),
            (json!({"message": {"content": ""}, "finish_reason": "content_filter"}), "", ContentFilter),
            (
                json!({"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}),
                "No.",
                Refusal,
            ),
            (
                json!({"message": {"refusal": ""}, "finish_reason": "tool_calls"}),
                "",
                Other("tool_calls".into()),
            ),
            (json!({"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}), "ab", Stop),
            (json!({}), "", Stop),
        ] {
            let completion = read(json!({"choices": [choice]}));
            assert_eq!((completion.text.as_str(), &completion.finish), (text, &finish), "{choice}");
        }
        assert!(completion(&json!({"choices": []}), &question(AnswerMode::Tag)).is_err());
    }

    #[test]
    fn the_rest_of_an_answer() {
        let completion = read(json!({
            "model": "gpt-4.1-mini-2025-04-14",
            "choices": [{
                "message": {"content": "<output>refund"},
                "logprobs": {"content": [
                    {"token": "<output>", "logprob": -1.0}, {"token": "ref", "logprob": -0.5},
                    {"token": "und", "logprob": -0.5},
                ]},
            }],
            "usage": {"prompt_tokens": 40, "completion_tokens": 3, "total_tokens": 43},
            "something_new": [1, 2, 3],
        }));
        assert_eq!(completion.usage, Some(Usage { input: 40, output: 3 }));
        assert_eq!(completion.model_version.as_deref(), Some("gpt-4.1-mini-2025-04-14"));
        assert_eq!(completion.label_probability, Some((-1.0f64).exp() as f32));
    }

    #[test]
    fn what_is_not_read_is_not_kept() {
        let answer = r#"{"id": "x", "object": {"model": 1}, "model": "m", "choices": [{"index": 0, "message":
            {"content": "caf\u00e9", "annotations": []}, "logprobs": {"content": [{"token": "c", "logprob": -1e-3,
            "bytes": [99], "top_logprobs": [{"token": "d"}]}]}}], "usage": {"prompt_tokens": 7, "details": {}},
            "error": null}"#;
        let Answer(read) = serde_json::from_str(answer).unwrap();
        let logprobs = json!({"content": [{"token": "c", "logprob": -1e-3, "bytes": [99]}]});
        assert_eq!(
            read,
            json!({
                "model": "m", "error": null, "usage": {"prompt_tokens": 7},
                "choices": [{"message": {"content": "café"}, "logprobs": logprobs}],
            })
        );
        assert!(READ.is_sorted());
    }

    /// JSON of any shape, with the names and values that answers have.
    pub(in super::super) fn any_json() -> impl Strategy<Value = Value> {
        let names = "choices|message|content|refusal|finish_reason|logprobs|token|logprob|bytes|usage|model|prompt_tokens\
            |output|type|text|status|incomplete_details|reason|error|code|answers|choice|probabilities|value|probability";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "refund|stop|length|output_text|refusal|message|choice|completed|incomplete|\\PC{0,8}"
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_is_a_panic_nor_a_wrong_probability(answer in any_json(), first in any_json(), schema: bool) {
            let question = question(if schema { AnswerMode::Schema } else { AnswerMode::Tag });
            for answer in [&answer, &json!({"choices": [&first]}), &json!({"choices": [{"message": &first}]})] {
                let whole = completion(answer, &question);
                if let Ok(completion) = &whole {
                    prop_assert!(completion.label_probability.is_none_or(|p| (0.0..=1.0).contains(&p)));
                }
                // As it comes over the wire: what is thrown away makes no difference.
                let whole_text = serde_json::to_string(answer).unwrap();
                let again: Value = serde_json::from_str(&whole_text).unwrap();
                let Answer(read) = serde_json::from_str(&whole_text).unwrap();
                prop_assert_eq!(completion(&read, &question).ok(), completion(&again, &question).ok());
            }
        }

        #[test]
        fn a_taught_answer_names_its_label(label in 0u32..3, schema: bool) {
            let question = question(if schema { AnswerMode::Schema } else { AnswerMode::Tag });
            let name = question.prompt.labels().name(LabelId(label)).to_owned();
            let text = if schema { json!({"label": name}).to_string() } else { question.prompt.answer(LabelId(label)) };
            let tokens: Vec<_> = text.chars().map(|c| json!({"token": c.to_string(), "logprob": -0.01})).collect();
            let answer = json!({"choices": [{"message": {"content": text}, "logprobs": {"content": tokens}}]});
            let completion = completion(&answer, &question).unwrap();
            let parsed = if schema { question.prompt.parse_json(&text) } else { question.prompt.parse(&text) };
            prop_assert_eq!(parsed, Ok(LabelId(label)));
            prop_assert!(completion.label_probability.is_some());
        }
    }
}
