//! Chat Completions: the language that every compatible server speaks.
//!
//! Pure translation, both ways. <https://developers.openai.com/api/reference/resources/chat>, read in July 2026, and
//! the types of the official Python package of November 2026.

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tunebench_data::{LabelSet, Message, Role};

use super::declared::{INTO_USER, TokenField};
use super::models::Dialect;
use crate::logprobs;
use crate::{AnswerMode, Cause, Completion, CompletionRequest, FinishReason, ProviderError, Usage};

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

/// What is read of an answer; most of what comes is passed over. What is missing, or is not of its usual kind, is left
/// out, but an answer without a message in it is none.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Used>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
    /// Whether it is an error in spite of its status: a gateway may answer 200 although the server behind it did not.
    pub(super) error: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<Reply<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    logprobs: Option<Logprobs>,
}

#[derive(Debug, Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    refusal: Option<String>,
    /// What the model said to itself, where the server sets it apart (vLLM, SGLang, DeepSeek); never the answer.
    #[serde(default, deserialize_with = "lenient")]
    reasoning_content: Option<String>,
    /// The same, as Ollama, OpenRouter and newer vLLM name it.
    #[serde(default, deserialize_with = "lenient")]
    reasoning: Option<String>,
}

impl Reply<'_> {
    fn reasons(&self) -> bool {
        [&self.reasoning_content, &self.reasoning].into_iter().flatten().any(|said| !said.trim().is_empty())
    }
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default, deserialize_with = "lenient")]
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Logprobs {
    content: Option<Vec<Token>>,
}

/// A token of an answer, as Chat Completions and Responses have them.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    token: Option<String>,
    logprob: f64,
    bytes: Option<Vec<u8>>,
}

impl Token {
    fn spelled(&self) -> Option<logprobs::Token<'_>> {
        // A token can end within a character; only its bytes are exact then.
        let bytes = self.bytes.as_deref().or(self.token.as_deref().map(str::as_bytes))?;
        Some(logprobs::Token { bytes: bytes.into(), logprob: self.logprob })
    }
}

#[derive(Debug, Deserialize)]
struct Used {
    prompt_tokens: u64,
    completion_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    prompt_tokens_details: Option<SentFrom>,
    #[serde(default, deserialize_with = "lenient")]
    completion_tokens_details: Option<UsedFor>,
}

#[derive(Debug, Deserialize)]
struct SentFrom {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

impl From<Used> for Usage {
    fn from(used: Used) -> Self {
        let (cached, written) = used
            .prompt_tokens_details
            .map_or((None, None), |details| (details.cached_tokens, details.cache_write_tokens));
        Self::new(used.prompt_tokens, used.completion_tokens)
            .cached(cached.unwrap_or(0))
            .cache_written(written.unwrap_or(0))
    }
}

#[derive(Debug, Deserialize)]
struct UsedFor {
    reasoning_tokens: Option<u64>,
}

impl Answer<'_> {
    /// Whether tokens of it were thought and not said.
    pub(super) fn has_thought(&self) -> bool {
        let details = self.usage.as_ref().and_then(|used| used.completion_tokens_details.as_ref());
        details.and_then(|details| details.reasoning_tokens).is_some_and(|tokens| tokens > 0)
    }
}

/// A member that is left out where it is not what it should be.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let member = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(member.get()).ok())
}

/// What a chat answer says. Whatever is missing is left out; an answer without any choice is the server's fault.
pub(super) fn completion(
    answer: Answer<'_>,
    request: &CompletionRequest,
) -> Result<Completion, ProviderError> {
    let Some(choice) = answer.choices.into_iter().flatten().next() else {
        return Err(ProviderError::new(Cause::Server, "the answer holds no choice"));
    };
    let reasons = choice.message.as_ref().is_some_and(Reply::reasons);
    let (words, refusal) = choice.message.map_or((None, None), |said| (said.content, said.refusal));
    let refusal = refusal.filter(|refusal| !refusal.is_empty());
    let mut finish = match (&refusal, choice.finish_reason.as_deref()) {
        (Some(_), _) => FinishReason::Refusal,
        // Some servers give no reason when all is well.
        (None, Some("stop") | None) => FinishReason::Stop,
        (None, Some("length")) => FinishReason::Length,
        (None, Some("content_filter")) => FinishReason::ContentFilter,
        (None, Some(other)) => FinishReason::Other(other.to_owned()),
    };
    let text = refusal.or_else(|| content(words?)).unwrap_or_default();
    if finish == FinishReason::Stop && reasons && text.trim().is_empty() {
        // It ended before the answer began.
        finish = FinishReason::Length;
    }
    let mut completion = Completion::new(text).finish(finish);
    completion.usage = answer.usage.map(Usage::from);
    completion.model_version = answer.model.filter(|model| !model.is_empty());
    if let Some(tokens) = choice.logprobs.and_then(|logprobs| logprobs.content) {
        completion.label_probability = label_probability(&completion.text, &tokens, request);
    }
    Ok(completion)
}

/// Whether an answer ends while the model still reasons, for which a stop sequence may be the reason.
pub(super) fn ends_in_reasoning(completion: &Completion, request: &CompletionRequest) -> bool {
    match completion.finish {
        FinishReason::Stop => request.prompt.ends_in_reasoning(&completion.text),
        FinishReason::Length => completion.text.trim().is_empty(),
        _ => false,
    }
}

/// A content is a text or, at some servers, a list of parts with texts in them.
fn content(content: &RawValue) -> Option<String> {
    let text = serde_json::from_str(content.get());
    text.or_else(|_| {
        let parts: Vec<Part> = serde_json::from_str(content.get())?;
        Ok::<_, serde_json::Error>(parts.into_iter().filter_map(|part| part.text).collect())
    })
    .ok()
}

/// The probability of the label that `text` names, from its tokens, in the order of the answer. `None` if one of them
/// spells nothing.
pub(super) fn label_probability(text: &str, tokens: &[Token], request: &CompletionRequest) -> Option<f32> {
    let tokens = tokens.iter().map(Token::spelled).collect::<Option<Vec<_>>>()?;
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
        let mut body = json!(request(&question, "gpt-4.1-mini", &dialect("gpt-4.1-mini")));
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
        let body = json!(request(&question(AnswerMode::Tag), "gpt-6-astra", &dialect("gpt-6-astra")));
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["max_completion_tokens", "messages", "model", "reasoning_effort", "store"]);
        assert!(body["max_completion_tokens"].as_u64() > Some(1_000));
    }

    #[test]
    fn another_server_gets_what_all_know() {
        let mut settings = Settings::official();
        settings.official = false;
        let body = json!(request(&question(AnswerMode::Tag), "llama", &Dialect::new("llama", &settings)));
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["max_tokens", "messages", "model", "stop", "temperature"]);
    }

    #[test]
    fn a_schema_confines_to_the_labels() {
        let body = json!(request(&question(AnswerMode::Schema), "gpt-4o", &dialect("gpt-4o")));
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
        let body = json!(request(&question, "gpt-4o", &dialect("gpt-4o")));
        assert_eq!((&body["temperature"], &body["max_completion_tokens"]), (&json!(0.7), &json!(5)));
        assert_eq!(body.get("logprobs"), None);
    }

    /// What an answer says that comes over the wire; none where it is no answer.
    fn read(answer: &Value, request: &CompletionRequest) -> Option<Completion> {
        let answer = answer.to_string();
        completion(serde_json::from_str(&answer).ok()?, request).ok()
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
            let completion = read(&json!({"choices": [choice]}), &question(AnswerMode::Tag)).unwrap();
            assert_eq!((completion.text.as_str(), &completion.finish), (text, &finish), "{choice}");
        }
        for none in [json!({"choices": []}), json!({"choices": null}), json!({}), json!([]), json!(7)] {
            assert_eq!(read(&none, &question(AnswerMode::Tag)), None, "{none}");
        }
    }

    #[test]
    fn what_a_model_says_to_itself_is_never_the_answer() {
        let question = question(AnswerMode::Tag);
        for member in ["reasoning_content", "reasoning"] {
            let answer =
                |content: Value| json!({"choices": [{"message": {"content": content, member: "refund"}}]});
            let silent = read(&answer(Value::Null), &question).unwrap();
            assert_eq!((silent.text.as_str(), &silent.finish), ("", &FinishReason::Length));
            assert!(ends_in_reasoning(&silent, &question));
            let said = read(&answer(json!("exchange")), &question).unwrap();
            assert_eq!((said.text.as_str(), &said.finish), ("exchange", &FinishReason::Stop));
            assert!(!ends_in_reasoning(&said, &question));
        }
    }

    #[test]
    fn without_a_system_role_the_user_says_the_task() {
        let question = question(AnswerMode::Tag).shots([("Send it back".to_owned(), LabelId(0))].into());
        let mut settings = Settings::official();
        settings.system_role = INTO_USER;
        let body = json!(request(&question, "gemma", &Dialect::new("gemma", &settings)));
        let roles: Vec<_> =
            body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        let first = body["messages"][0]["content"].as_str().unwrap();
        assert!(
            first.starts_with("Classify") && first.ends_with("\n\n<item>\nSend it back\n</item>"),
            "{first}"
        );
    }

    #[test]
    fn the_rest_of_an_answer() {
        let answer = json!({
            "model": "gpt-4.1-mini-2025-04-14",
            "choices": [{
                "message": {"content": "<output>refund"},
                "logprobs": {"content": [
                    {"token": "<output>", "logprob": -1.0}, {"token": "ref", "logprob": -0.5},
                    {"token": "und", "logprob": -0.5},
                ]},
            }],
            "usage": {"prompt_tokens": 40, "completion_tokens": 3, "total_tokens": 43,
                "prompt_tokens_details": {"cached_tokens": 32, "cache_write_tokens": 5}},
            "something_new": [1, 2, 3],
        });
        let completion = read(&answer, &question(AnswerMode::Tag)).unwrap();
        assert_eq!(completion.usage, Some(Usage::new(40, 3).cached(32).cache_written(5)));
        assert_eq!(completion.model_version.as_deref(), Some("gpt-4.1-mini-2025-04-14"));
        assert_eq!(completion.label_probability, Some((-1.0f64).exp() as f32));
    }

    #[test]
    fn a_member_of_another_kind_is_left_out() {
        let answer = json!({
            "model": 4, "usage": {"prompt_tokens": "many"}, "error": null,
            "choices": [{"message": {"content": {"text": "x"}, "refusal": false}, "finish_reason": 0,
                "logprobs": {"tokens": ["<output>"], "token_logprobs": [-0.5]}}],
        });
        assert_eq!(read(&answer, &question(AnswerMode::Tag)), Some(Completion::new("")));
    }

    #[test]
    fn tokens_tell_their_bytes_where_text_cannot() {
        let question = question(AnswerMode::Tag);
        let token = |bytes: Value| json!({"token": "refund", "logprob": -0.5, "bytes": bytes});
        for (bytes, probability) in
            [(json!(null), Some((-0.5f64).exp() as f32)), (json!([114]), None), (json!([300]), None)]
        {
            let logprobs = json!({"content": [token(bytes)]});
            let answer =
                json!({"choices": [{"message": {"content": "<output>refund"}, "logprobs": logprobs}]});
            assert_eq!(read(&answer, &question).unwrap().label_probability, probability);
        }
    }

    /// JSON of any shape, with the names and values that answers have.
    pub(in super::super) fn any_json() -> impl Strategy<Value = Value> {
        let names = "choices|message|content|refusal|finish_reason|logprobs|token|logprob|bytes|usage|model|prompt_tokens\
            |prompt_tokens_details|cached_tokens|output|type|text|status|incomplete_details|reason|error|code|answers|choice|probabilities|value|probability";
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
                if let Some(completion) = read(answer, &question) {
                    prop_assert!(completion.label_probability.is_none_or(|p| (0.0..=1.0).contains(&p)));
                }
            }
        }

        #[test]
        fn a_taught_answer_names_its_label(label in 0u32..3, schema: bool) {
            let question = question(if schema { AnswerMode::Schema } else { AnswerMode::Tag });
            let name = question.prompt.labels().name(LabelId(label)).to_owned();
            let text = if schema { json!({"label": name}).to_string() } else { question.prompt.answer(LabelId(label)) };
            let tokens: Vec<_> = text.chars().map(|c| json!({"token": c.to_string(), "logprob": -0.01})).collect();
            let answer = json!({"choices": [{"message": {"content": text}, "logprobs": {"content": tokens}}]});
            let completion = read(&answer, &question).unwrap();
            let parsed = if schema { question.prompt.parse_json(&text) } else { question.prompt.parse(&text) };
            prop_assert_eq!(parsed, Ok(LabelId(label)));
            prop_assert!(completion.label_probability.is_some());
        }
    }
}
