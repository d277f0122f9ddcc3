//! What is sent, what is made of answers and refusals.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tunebench_data::{LabelId, LabelSet, Prompt, PromptTemplate};

use super::{KEY, provider};
use crate::testing::{ask, with};
use crate::{
    Access, AnswerMode, Cause, CompletionRequest, FinishReason, Parameters, Provider, ProviderError, Retry,
    Scope,
};
use tunebench_fakes::anthropic::{Failing, FakeAnthropic, Fault, Hint, Said};

const HAIKU: &str = "claude-haiku-5-5";

/// What was sent as questions.
fn sent(fake: &FakeAnthropic) -> Vec<Value> {
    let asked = fake.recorded().into_iter().filter(|exchange| exchange.path == "/v1/messages");
    asked.map(|exchange| exchange.request).collect()
}

#[tokio::test]
async fn a_label_in_either_form() {
    let fake = FakeAnthropic::builder().key(KEY).start().unwrap();
    let provider = provider(&fake, json!({}));
    let tagged = provider.complete(&ask(HAIKU, "I want a refund")).await.unwrap();
    assert_eq!((tagged.text.as_str(), &tagged.finish), ("<output>refund", &FinishReason::Stop));
    let confined = provider.complete(&with(HAIKU, "exchange rate", AnswerMode::Schema)).await.unwrap();
    assert_eq!(confined.text, r#"{"label":"exchange rate"}"#);
    assert_eq!(confined.model_version.as_deref(), Some(HAIKU));
    assert!(confined.usage.unwrap().input > 0 && confined.note.is_none());
    let names = fake.recorded().pop().unwrap().header_names;
    assert!(
        names.contains(&"x-api-key".to_owned()) && !names.contains(&"authorization".to_owned()),
        "{names:?}"
    );
}

#[tokio::test]
async fn thinking_is_off_or_at_its_least_and_learned_where_it_is_not_known() {
    let fake = FakeAnthropic::start().unwrap();
    let provider = provider(&fake, json!({}));
    for (model, thinks) in [(HAIKU, false), ("claude-sonnet-5-5", false), ("claude-opus-5-5", true)] {
        let completion = provider.complete(&ask(model, "refund")).await.unwrap();
        assert_eq!((completion.finish, completion.note), (FinishReason::Stop, None), "{model}");
        assert_eq!(provider.model_info(model).await.unwrap().description.is_some(), thinks, "{model}");
    }
    let asked = sent(&fake).len();
    let healed = provider.complete(&ask("claude-comet-6", "refund")).await.unwrap();
    assert_eq!(healed.text, "<output>refund");
    assert!(healed.note.unwrap().contains("`thinking`"));
    assert_eq!(sent(&fake).len(), asked + 2);
    provider.complete(&ask("claude-comet-6", "refund")).await.unwrap();
    let last = sent(&fake).pop().unwrap();
    assert_eq!((last.get("thinking"), &last["output_config"]["effort"]), (None, &json!("low")));
    // Who has looked the model up knows before the first question.
    let informed = super::provider(&fake, json!({}));
    informed.model_info("claude-comet-6").await.unwrap();
    assert_eq!(informed.complete(&ask("claude-comet-6", "refund")).await.unwrap().note, None);
}

#[tokio::test]
async fn the_user_may_want_thinking() {
    let fake = FakeAnthropic::start().unwrap();
    let provider = provider(&fake, json!({"effort": "high"}));
    provider.complete(&ask(HAIKU, "refund")).await.unwrap();
    let body = sent(&fake).pop().unwrap();
    assert_eq!((body.get("thinking"), &body["output_config"]), (None, &json!({"effort": "high"})));
    assert!(body["max_tokens"].as_u64() > Some(2_000));
}

#[tokio::test]
async fn the_task_and_shots_that_repeat_are_paid_once() {
    let fake = FakeAnthropic::start().unwrap();
    let provider = provider(&fake, json!({}));
    let labels = (0..200).map(|label| format!("label number {label}")).collect();
    let prompt = Arc::new(Prompt::new(PromptTemplate::default(), LabelSet::new(labels).unwrap()).unwrap());
    let shots: Arc<[_]> = [("Send it back".to_owned(), LabelId(0))].into();
    let ask = |text: &str, shots: &Arc<[_]>| {
        CompletionRequest::new(HAIKU.into(), prompt.clone(), text).shots(shots.clone())
    };
    let cache = async |text: &str, shots: &Arc<[_]>| {
        let used = provider.complete(&ask(text, shots)).await.unwrap().usage.unwrap();
        assert!(used.cached + used.cache_written < used.input, "{used:?}");
        (used.cached, used.cache_written)
    };
    // First the task, then, seen to be the same, the shots as well; from the third on all of it is there.
    let (_, task) = cache("one", &shots).await;
    let (_, all) = cache("two", &shots).await;
    assert!(task > 512 && all > task, "{task} {all}");
    assert_eq!(cache("three", &shots).await, (all, 0));
    // Shots of each row's own are never kept.
    let other: Arc<[_]> = [("Take it back".to_owned(), LabelId(0))].into();
    assert_eq!(cache("four", &other).await, (task, 0));
    let off = super::provider(&fake, json!({"prompt_caching": "off"}));
    let used = off.complete(&ask("five", &shots)).await.unwrap().usage.unwrap();
    assert_eq!((used.cached, used.cache_written), (0, 0));
}

#[tokio::test]
async fn what_is_no_label_is_told_apart() {
    let fake = FakeAnthropic::builder()
        .brain(|question| match question.item() {
            "decline" => Said { refusal: Some("I can't help with that.".into()), ..Said::default() },
            "window" => Said { finish: Some("model_context_window_exceeded".into()), ..Said::default() },
            "pause" => Said { finish: Some("pause_turn".into()), ..Said::default() },
            "ramble" => Said::from("on and on ".repeat(200)),
            _ => Said::default(),
        })
        .start()
        .unwrap();
    let provider = provider(&fake, json!({}));
    for (text, finish) in [
        ("decline", FinishReason::Refusal),
        ("window", FinishReason::Length),
        ("pause", FinishReason::Other("pause_turn".into())),
        ("ramble", FinishReason::Length),
        ("nothing", FinishReason::Stop),
    ] {
        let completion = provider.complete(&ask(HAIKU, text)).await.unwrap();
        assert_eq!(completion.finish, finish, "{text}");
        assert!(ask(HAIKU, text).prompt.parse(&completion.text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_case_that_the_service_changes_is_read_and_labels_that_need_it_are_refused() {
    let fake = FakeAnthropic::builder()
        .brain(|_| Said::from(r#"{"label": "Exchange Rate"}"#.to_owned()))
        .start()
        .unwrap();
    let provider = provider(&fake, json!({}));
    let asked = with(HAIKU, "x", AnswerMode::Schema);
    let completion = provider.complete(&asked).await.unwrap();
    assert_eq!(asked.prompt.parse_json(&completion.text), Ok(LabelId(1)));
    let labels = LabelSet::new(["refund", "Refund"].map(str::to_owned).to_vec()).unwrap();
    let prompt = Arc::new(Prompt::new(PromptTemplate::default(), labels).unwrap());
    let parameters = Parameters { answer: AnswerMode::Schema, ..Parameters::default() };
    let alike = CompletionRequest::new(HAIKU.into(), prompt, "x").parameters(parameters.into());
    let error = provider.complete(&alike).await.unwrap_err();
    assert_eq!((error.cause, error.scope), (Cause::Unsupported, Scope::Model));
}

#[tokio::test]
async fn a_temperature_is_left_out_aloud() {
    let fake = FakeAnthropic::start().unwrap();
    let warm = Parameters { temperature: Some(0.5), ..Parameters::default() };
    let asked = ask(HAIKU, "refund").parameters(warm.into());
    let completion = provider(&fake, json!({})).complete(&asked).await.unwrap();
    assert!(completion.note.unwrap().contains("temperature"));
}

async fn fails(fake: &FakeAnthropic, fault: Fault) -> ProviderError {
    let provider = provider(fake, json!({"timeout_seconds": 1}));
    fake.heal();
    fake.fail(Failing::new(fault.clone()).on("/v1/messages"));
    let error = provider.complete(&ask(HAIKU, "x")).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY) && !error.message.contains('\n'), "{fault:?}: {shown}");
    error
}

#[tokio::test]
async fn every_fault_is_typed_by_what_to_do() {
    let fake = FakeAnthropic::start().unwrap();
    let masked = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    for (fault, cause, scope, again) in [
        (Fault::Status(500), Cause::Server, Scope::Request, true),
        (Fault::Status(529), Cause::Server, Scope::Request, true),
        (Fault::Html(413), Cause::TooLarge, Scope::Request, false),
        (Fault::Html(502), Cause::Server, Scope::Request, true),
        (Fault::Html(200), Cause::Server, Scope::Request, true),
        (Fault::Half, Cause::Server, Scope::Request, true),
        (Fault::Cut, Cause::Server, Scope::Request, true),
        (Fault::Reset, Cause::Network, Scope::Request, true),
        (Fault::Stall(Duration::from_secs(5)), Cause::Network, Scope::Request, true),
        (Fault::RateLimited(Hint::None), Cause::RateLimit, Scope::Request, true),
        (Fault::Billing, Cause::Quota, Scope::Provider, false),
        (Fault::DailyLimit, Cause::Quota, Scope::Provider, false),
        (Fault::BadKey, Cause::Access, Scope::Provider, false),
        (Fault::Status(402), Cause::Quota, Scope::Provider, false),
        (Fault::Status(403), Cause::Access, Scope::Model, false),
        (Fault::Status(400), Cause::Invalid, Scope::Request, false),
        (Fault::Status(307), Cause::Invalid, Scope::Provider, false),
        (Fault::Answer(200, masked), Cause::Server, Scope::Request, true),
        (Fault::Answer(200, json!({"content": null})), Cause::Server, Scope::Request, true),
    ] {
        let error = fails(&fake, fault.clone()).await;
        let found = (error.cause, error.scope, error.retry != Retry::Never);
        assert_eq!(found, (cause, scope, again), "{fault:?}: {error}");
        let lost = matches!(fault, Fault::Reset | Fault::Stall(_));
        assert_eq!(error.request_id.is_some(), !lost, "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn limits_come_with_answers_and_with_refusals() {
    let fake = FakeAnthropic::builder().limits(Some(2), Some(1_000)).start().unwrap();
    let provider = provider(&fake, json!({}));
    let first = provider.complete(&ask(HAIKU, "x")).await.unwrap().rate_limits.unwrap();
    assert_eq!((first.requests.limit, first.requests.remaining), (Some(2), Some(1)));
    assert!(first.requests.reset.is_some_and(|reset| reset <= Duration::from_secs(61)));
    assert_eq!(first.tokens.limit, Some(1_000));
    provider.complete(&ask(HAIKU, "y")).await.unwrap();
    let error = provider.complete(&ask(HAIKU, "z")).await.unwrap_err();
    assert_eq!((error.cause, error.rate_limits.unwrap().requests.remaining), (Cause::RateLimit, Some(0)));
    assert!(matches!(error.retry, Retry::Later { after: Some(after) } if after <= Duration::from_secs(60)));
}

#[tokio::test]
async fn the_key_is_sent_in_the_header_that_is_taken() {
    let fake = FakeAnthropic::builder().key(KEY).bearer_only(true).start().unwrap();
    let provider = provider(&fake, json!({}));
    provider.complete(&ask(HAIKU, "x")).await.unwrap();
    provider.complete(&ask(HAIKU, "y")).await.unwrap();
    assert_eq!(fake.stats().count("POST /v1/messages"), 3);
    let fixed = super::provider(&fake, json!({"header": "x-api-key"}));
    let error = fixed.complete(&ask(HAIKU, "x")).await.unwrap_err();
    assert_eq!((error.cause, error.scope), (Cause::Access, Scope::Provider));
    let wrong = FakeAnthropic::builder().key("sk-ant-another").start().unwrap();
    let error = super::provider(&wrong, json!({})).complete(&ask(HAIKU, "x")).await.unwrap_err();
    assert!(error.message.contains("[key]") && !format!("{error:?}").contains(KEY), "{error:?}");
}

#[tokio::test]
async fn a_missing_key_is_told_at_the_first_call_and_sends_nothing() {
    let fake = FakeAnthropic::start().unwrap();
    let keyless = provider(&fake, json!({"api_key_env": "TUNEBENCH_NO_SUCH_KEY"}));
    assert_eq!(keyless.info().access, Access::Missing("TUNEBENCH_NO_SUCH_KEY".into()));
    let error = keyless.complete(&ask(HAIKU, "x")).await.unwrap_err();
    assert!(error.hint.unwrap().contains("TUNEBENCH_NO_SUCH_KEY"));
    assert_eq!(fake.stats().total(), 0);
}

#[tokio::test]
async fn models_that_end_or_have_ended_say_so() {
    let fake = FakeAnthropic::start().unwrap();
    let provider = provider(&fake, json!({}));
    let ends = provider.model_info("claude-haiku-4-5-20251001").await.unwrap();
    assert_eq!(ends.shutdown_date.as_deref(), Some("2027-10-15"));
    let gone = provider.model_info("claude-opus-4-1-20250805").await.unwrap_err();
    assert_eq!(gone.cause, Cause::NotFound);
    let unknown = provider.model_info("claude-x").await.unwrap_err();
    assert!(unknown.message.contains("claude-x"), "{unknown}");
}
