//! The Messages API.
//!
//! Pure translation, both ways. From <https://docs.claude.com/en/api/messages> and the types of the official Python
//! package 2.14.0 of November 2026, for version 2026-10-21 of the API, which knows neither temperature nor seed nor
//! log-probabilities.

use serde::Serialize;
use serde_json::{Value, json};
use tunebench_data::{LabelSet, Message, Role};

use super::declared::Caching;
use super::models::Dialect;
use crate::{AnswerMode, Cause, Completion, CompletionRequest, FinishReason, ProviderError, Usage};

/// The body of `POST /v1/messages`.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block>,
    messages: Vec<Turn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_sequences: Option<[String; 1]>,
}

#[derive(Debug, Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Value>,
}

/// A text, and whether what stands up to its end is kept for the next request.
#[derive(Debug, Serialize)]
struct Block {
    r#type: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Turn {
    role: &'static str,
    content: [Block; 1],
}

impl Block {
    fn new(text: String) -> Self {
        Self { r#type: "text", text, cache_control: None }
    }
}

/// What a model is asked. `repeats` tells that all messages but the last are those of the request before, so that they
/// can be kept along with the task.
pub(super) fn request<'a>(
    request: &'a CompletionRequest,
    dialect: &'a Dialect,
    messages: Vec<Message>,
    repeats: bool,
) -> Body<'a> {
    let schema = request.parameters.answer == AnswerMode::Schema;
    let format =
        schema.then(|| json!({"type": "json_schema", "schema": label_schema(request.prompt.labels())}));
    let effort = dialect.effort.as_deref();
    let (mut system, mut turns) = split(messages);
    mark(&mut system, &mut turns, dialect.caching, repeats);
    Body {
        model: &request.model,
        max_tokens: output_cap(request, dialect),
        system,
        messages: turns,
        thinking: dialect.thinking.map(|kind| json!({"type": kind})),
        output_config: (effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format }),
        stop_sequences: request.prompt.stop().filter(|_| !schema && dialect.stop).map(|stop| [stop]),
    }
}

/// The task, which has a place of its own, and the turns. What the system says between turns is said by the user.
fn split(messages: Vec<Message>) -> (Vec<Block>, Vec<Turn>) {
    let (mut system, mut turns, mut pending) = (Vec::new(), Vec::<Turn>::new(), String::new());
    for Message { role, content } in messages {
        match role {
            // A text block must not be empty.
            Role::System if content.is_empty() => {}
            Role::System if turns.is_empty() => system.push(Block::new(content)),
            Role::System => {
                pending.push_str(&content);
                pending.push_str("\n\n");
            }
            Role::User => {
                let text = std::mem::take(&mut pending) + &content;
                turns.push(Turn { role: "user", content: [Block::new(text)] });
            }
            Role::Assistant => turns.push(Turn { role: "assistant", content: [Block::new(content)] }),
        }
    }
    if !pending.is_empty() {
        turns.push(Turn { role: "user", content: [Block::new(pending.trim_end().to_owned())] });
    }
    (system, turns)
}

/// Marks the end of what all requests have in common: the shots where they are the same as before, else the task. A mark
/// on what changes would pay for an entry that nobody reads; one on too short a text does nothing and costs nothing.
fn mark(system: &mut [Block], turns: &mut [Turn], caching: Caching, repeats: bool) {
    let control = match caching {
        Caching::Off => return,
        Caching::Minutes => json!({"type": "ephemeral"}),
        Caching::Hour => json!({"type": "ephemeral", "ttl": "1h"}),
    };
    let shots = turns.len().checked_sub(2).filter(|_| repeats).and_then(|last| turns.get_mut(last));
    let end = match shots {
        Some(turn) => turn.content.last_mut(),
        None => system.last_mut(),
    };
    if let Some(block) = end {
        block.cache_control = Some(control);
    }
}

/// What confines an answer to the label set, within the rules for schemas.
fn label_schema(labels: &LabelSet) -> Value {
    json!({
        "type": "object",
        "properties": {"label": {"type": "string", "enum": labels.names()}},
        "required": ["label"],
        "additionalProperties": false,
    })
}

/// The user's cap, or enough for the longest answer. Thinking counts against it.
pub(super) fn output_cap(request: &CompletionRequest, dialect: &Dialect) -> u32 {
    request.parameters.max_output_tokens.unwrap_or_else(|| {
        let answer = request.answer_tokens();
        if dialect.thinks { answer.saturating_add(2_000) } else { answer }
    })
}

/// What an answer says. Thinking comes before the text, and blocks of a new kind may come anywhere.
pub(super) fn completion(answer: &Value) -> Result<Completion, ProviderError> {
    let Some(blocks) = answer.get("content").and_then(Value::as_array) else {
        return Err(ProviderError::new(Cause::Server, "the answer holds no content"));
    };
    let texts = blocks.iter().filter(|block| block.get("type").is_some_and(|kind| kind == "text"));
    let text: String = texts.filter_map(|block| block.get("text")?.as_str()).collect();
    let finish = match answer.get("stop_reason").and_then(Value::as_str) {
        Some("end_turn" | "stop_sequence") | None => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("refusal") => FinishReason::Refusal,
        Some(other) => FinishReason::Other(other.to_owned()),
    };
    let text = match finish {
        FinishReason::Refusal if text.is_empty() => refusal(answer),
        _ => text,
    };
    let mut completion = Completion::new(text).finish(finish);
    completion.usage = answer.get("usage").and_then(usage);
    completion.model_version =
        answer.get("model").and_then(Value::as_str).filter(|model| !model.is_empty()).map(str::to_owned);
    Ok(completion)
}

/// Why the model declines, as far as it says so.
fn refusal(answer: &Value) -> String {
    let detail = |name: &str| answer.get("stop_details")?.get(name)?.as_str().filter(|text| !text.is_empty());
    match (detail("category"), detail("explanation")) {
        (Some(category), Some(why)) => format!("[refused: {category}] {why}"),
        (Some(category), None) => format!("[refused: {category}]"),
        (None, why) => why.unwrap_or_default().to_owned(),
    }
}

/// Tokens used. What the service calls input is only what follows the last cache mark.
fn usage(used: &Value) -> Option<Usage> {
    let count = |name: &str| used.get(name).and_then(Value::as_u64);
    let (input, output) = (count("input_tokens")?, count("output_tokens")?);
    let written = count("cache_creation_input_tokens").unwrap_or_default();
    let read = count("cache_read_input_tokens").unwrap_or_default();
    let input = input.saturating_add(written).saturating_add(read);
    Some(Usage::new(input, output).cached(read).cache_written(written))
}

/// Whether tokens were spent on thinking.
pub(super) fn has_thought(answer: &Value) -> bool {
    let tokens = answer.pointer("/usage/output_tokens_details/thinking_tokens").and_then(Value::as_u64);
    tokens.is_some_and(|tokens| tokens > 0)
}

/// Two labels that differ in case only. An answer by schema may come in another case than the schema's, and would then
/// name the wrong one (<https://docs.claude.com/en/docs/build-with-claude/structured-outputs>).
pub(super) fn alike(labels: &LabelSet) -> Option<(&str, &str)> {
    let mut seen = std::collections::HashMap::with_capacity(labels.len());
    labels
        .names()
        .iter()
        .find_map(|name| Some((seen.insert(name.to_lowercase(), name)?.as_str(), name.as_str())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tunebench_data::{LabelId, Prompt, PromptTemplate};

    use super::super::models::Traits;
    use super::super::settings::Settings;
    use super::*;
    use crate::{Parameters, Setup};

    fn question(answer: AnswerMode) -> CompletionRequest {
        let labels = ["refund", "card \"arrival\"", "exchange"].map(str::to_owned).to_vec();
        let prompt = Prompt::new(PromptTemplate::default(), LabelSet::new(labels).unwrap()).unwrap();
        CompletionRequest::new("claude-haiku-5-5".into(), Arc::new(prompt), "Where is my money?")
            .parameters(Arc::new(Parameters { answer, ..Parameters::default() }))
    }

    fn dialect(model: &str) -> Dialect {
        let settings = Settings::read(&Setup::new("anthropic", Default::default(), ".")).unwrap();
        Dialect::new(Traits::of(model), &settings, &Default::default())
    }

    fn body(question: &CompletionRequest, repeats: bool) -> Value {
        let dialect = dialect(&question.model);
        serde_json::to_value(request(question, &dialect, question.messages(), repeats)).unwrap()
    }

    #[test]
    fn a_question_in_text() {
        let mut body = body(&question(AnswerMode::Tag), false);
        let system = body["system"].take();
        assert_eq!(
            body,
            json!({
                "model": "claude-haiku-5-5", "max_tokens": 110, "system": null, "thinking": {"type": "disabled"},
                "messages": [{"role": "user", "content": [{"type": "text", "text": "<item>\nWhere is my money?\n</item>"}]}],
                "stop_sequences": ["</output>"],
            })
        );
        assert_eq!(system[0]["cache_control"], json!({"type": "ephemeral"}));
        assert!(system[0]["text"].as_str().unwrap().contains("exchange"));
    }

    #[test]
    fn a_schema_confines_to_the_labels() {
        let body = body(&question(AnswerMode::Schema), false);
        assert_eq!(body.get("stop_sequences"), None);
        let schema = &body["output_config"]["format"]["schema"];
        assert_eq!(schema["properties"]["label"]["enum"], json!(["refund", "card \"arrival\"", "exchange"]));
        assert_eq!(
            (&schema["additionalProperties"], body["output_config"].get("effort")),
            (&json!(false), None)
        );
    }

    #[test]
    fn a_model_that_thinks_gets_room_and_little_effort() {
        let mut question = question(AnswerMode::Tag);
        question.model = "claude-opus-5-5".into();
        let body = body(&question, false);
        assert_eq!((body.get("thinking"), &body["output_config"]), (None, &json!({"effort": "low"})));
        assert!(body["max_tokens"].as_u64() > Some(1_024));
    }

    #[test]
    fn shots_are_kept_only_where_they_repeat() {
        let question = question(AnswerMode::Tag).shots([("Send it back".to_owned(), LabelId(0))].into());
        let marks = |body: &Value| {
            let turn = |at: usize| body["messages"][at]["content"][0].get("cache_control").is_some();
            (body["system"][0].get("cache_control").is_some(), turn(0), turn(1), turn(2))
        };
        assert_eq!(marks(&body(&question, false)), (true, false, false, false));
        assert_eq!(marks(&body(&question, true)), (false, false, true, false));
    }

    #[test]
    fn what_the_system_says_later_is_said_by_the_user() {
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        let (system, turns) = split(vec![
            message(Role::System, "a"),
            message(Role::System, ""),
            message(Role::User, "b"),
            message(Role::System, "c"),
            message(Role::User, "d"),
            message(Role::System, "e"),
        ]);
        assert_eq!(system.len(), 1);
        let said: Vec<_> = turns.iter().map(|turn| (turn.role, turn.content[0].text.as_str())).collect();
        assert_eq!(said, [("user", "b"), ("user", "c\n\nd"), ("user", "e")]);
    }

    #[test]
    fn what_is_no_label_is_an_outcome_of_its_own() {
        use FinishReason::*;
        let text = json!([{"type": "text", "text": "refund"}]);
        let thought = json!([{"type": "thinking", "thinking": "exchange", "signature": ""}, {"type": "text", "text": "refund"}]);
        for (content, reason, said, finish) in [
            (&text, "end_turn", "refund", Stop),
            (&text, "stop_sequence", "refund", Stop),
            (&thought, "end_turn", "refund", Stop),
            (&json!([]), "end_turn", "", Stop),
            (&text, "max_tokens", "refund", Length),
            (&json!([{"type": "thinking", "thinking": "refund"}]), "max_tokens", "", Length),
            (&text, "model_context_window_exceeded", "refund", Length),
            (&json!([]), "refusal", "[refused: frontier_llm] No.", Refusal),
            (&text, "pause_turn", "refund", Other("pause_turn".into())),
        ] {
            let details = json!({"category": "frontier_llm", "explanation": "No."});
            let answer = json!({"content": content, "stop_reason": reason, "stop_details": details});
            let completion = completion(&answer).unwrap();
            assert_eq!((completion.text.as_str(), &completion.finish), (said, &finish), "{answer}");
        }
        for none in [json!({}), json!([]), json!({"content": null}), json!({"content": "refund"})] {
            assert!(completion(&none).is_err(), "{none}");
        }
    }

    #[test]
    fn input_is_all_that_was_sent() {
        let answer = json!({"model": "claude-haiku-5-5", "content": [], "usage": {
            "input_tokens": 21, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 1830, "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 2}}});
        let found = completion(&answer).unwrap();
        assert_eq!(found.usage, Some(Usage::new(1_856, 9).cached(1_830).cache_written(5)));
        assert_eq!(found.model_version.as_deref(), Some("claude-haiku-5-5"));
        assert!(has_thought(&answer) && !has_thought(&json!({})));
    }

    #[test]
    fn labels_that_differ_in_case_only_are_found() {
        let labels =
            |names: &[&str]| LabelSet::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap();
        assert_eq!(alike(&labels(&["Ab", "c", "aB"])), Some(("Ab", "aB")));
        assert_eq!(alike(&labels(&["a", "b"])), None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let names =
            "content|type|text|stop_reason|stop_details|category|usage|input_tokens|output_tokens|model";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "text|refusal|max_tokens|thinking|\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_is_a_panic(answer in any_json(), content in any_json()) {
            let _ = completion(&answer);
            let _ = completion(&json!({"content": [content], "usage": answer, "stop_details": answer}));
        }
    }
}
