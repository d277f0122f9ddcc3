use std::sync::Arc;

use proptest::prelude::*;
use tunebench_data::{LabelId, Prompt, PromptTemplate};

use super::super::settings::Settings;
use super::*;
use crate::{Completion, FinishReason, Parameters, Usage};

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
    use crate::FinishReason::*;
    for (choice, text, finish) in [
        (json!({"message": {"content": "<output>refund"}, "finish_reason": "stop"}), "<output>refund", Stop),
        (json!({"message": {"content": "x"}}), "x", Stop),
        (json!({"message": {"content": null}, "finish_reason": "length"}), "", Length),
        (json!({"message": {"content": ""}, "finish_reason": "content_filter"}), "", ContentFilter),
        (json!({"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}), "No.", Refusal),
        (json!({"message": {"refusal": ""}, "finish_reason": "tool_calls"}), "", Other("tool_calls".into())),
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
    assert!(first.starts_with("Classify") && first.ends_with("\n\n<item>\nSend it back\n</item>"), "{first}");
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
        let answer = json!({"choices": [{"message": {"content": "<output>refund"}, "logprobs": logprobs}]});
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
