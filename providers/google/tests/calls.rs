//! Completions: answers, outcomes, and everything that goes wrong on the way.

use std::time::Duration;

use serde_json::{Value, json};

use super::{KEY, TOKEN, ask, fake, gemini, vertex, with};
use crate::google::GoogleProvider;
use crate::{Access, AnswerMode, Cause, FinishReason, Parameters, Provider, ProviderError, Retry, Scope};
use tunebench_fakes::google::{Failing, FakeGoogle, Fault, Said};

/// The settings of the last request.
fn sent(fake: &FakeGoogle) -> Value {
    let asked = fake.recorded().into_iter().rfind(|exchange| exchange.path.ends_with(":generateContent"));
    asked.unwrap().request["generationConfig"].clone()
}

#[tokio::test]
async fn answers_in_both_modes_from_both_apis() {
    let fake = fake().start().unwrap();
    let (gemini, vertex) = (gemini(&fake, json!({})), vertex(&fake, json!({})));
    let json_schema = super::gemini(&fake, json!({"schema_field": "responseJsonSchema"}));
    let own: [(&GoogleProvider, &str); 3] = [
        (&gemini, "gemini-3.5-flash"),
        (&vertex, "gemini-3.5-flash-lite"),
        (&json_schema, "gemini-3.8-flash"),
    ];
    for (provider, model) in own {
        for mode in [AnswerMode::Tag, AnswerMode::Schema] {
            let request = with(model, "What is the exchange rate?", mode);
            let completion = provider.complete(&request).await.unwrap();
            let label = match mode {
                AnswerMode::Tag => request.prompt.parse(&completion.text),
                AnswerMode::Schema => request.prompt.parse_json(&completion.text),
            };
            let name = label.map(|label| request.prompt.labels().name(label));
            assert_eq!(name, Ok("exchange rate"), "{model} {mode:?} {}", completion.text);
            assert_eq!((completion.finish, completion.note), (FinishReason::Stop, None));
            assert!((0.5..=1.0).contains(&completion.label_probability.unwrap()), "{model} {mode:?}");
            assert!(completion.usage.is_some_and(|usage| usage.input > 0));
            assert_eq!(completion.model_version.as_deref(), Some(model));
        }
    }
}

#[tokio::test]
async fn the_key_is_a_header_and_never_in_an_address() {
    let fake = fake().start().unwrap();
    gemini(&fake, json!({})).complete(&ask("gemini-3.5-flash", "x")).await.unwrap();
    let asked = fake.recorded().pop().unwrap();
    assert!(asked.header_names.contains(&"x-goog-api-key".to_owned()), "{:?}", asked.header_names);
    assert!(!format!("{asked:?}").contains(KEY));
}

#[tokio::test]
async fn thinking_is_turned_down_and_knobs_are_left_alone() {
    let fake = fake().start().unwrap();
    let provider = gemini(&fake, json!({}));
    for (model, thinking) in [
        ("gemini-2.5-flash", json!({"thinkingBudget": 0})),
        ("gemini-2.5-flash-lite", Value::Null),
        ("gemini-2.5-pro", json!({"thinkingBudget": 128})),
        ("gemini-3.5-flash", json!({"thinkingLevel": "MINIMAL"})),
        ("gemini-3.8-flash", json!({"thinkingLevel": "LOW"})),
    ] {
        provider.complete(&ask(model, "Where is my refund?")).await.unwrap();
        let config = sent(&fake);
        assert_eq!(config["thinkingConfig"], thinking, "{model}");
        for knob in
            ["temperature", "topP", "topK", "candidateCount", "seed", "presencePenalty", "frequencyPenalty"]
        {
            assert_eq!(config.get(knob), None, "{model} {knob}");
        }
    }
    let higher = gemini(&fake, json!({"thinking": "medium", "safety": "off"}));
    higher.complete(&ask("gemini-3.8-flash", "x")).await.unwrap();
    assert_eq!(sent(&fake)["thinkingConfig"], json!({"thinkingLevel": "MEDIUM"}));
    assert_eq!(fake.recorded().pop().unwrap().request["safetySettings"][0]["threshold"], "OFF");
    let wrong = gemini(&fake, json!({"thinking": "minimal"}));
    let error = wrong.complete(&ask("gemini-3.8-flash", "x")).await.unwrap_err();
    assert_eq!((error.cause, error.scope), (Cause::Invalid, Scope::Model), "{error}");
    assert!(error.hint.unwrap().contains("`thinking`"));
}

#[tokio::test]
async fn thinking_that_eats_the_answer_is_an_outcome_of_its_own() {
    let fake = fake().start().unwrap();
    let provider = gemini(&fake, json!({"thinking": "high"}));
    let short = Parameters { max_output_tokens: Some(40), ..Parameters::default() };
    let eaten = provider.complete(&ask("gemini-3.8-flash", "x").parameters(short.into())).await.unwrap();
    assert_eq!((eaten.text.as_str(), &eaten.finish), ("", &FinishReason::Length));
    assert!(eaten.note.unwrap().contains("max_output_tokens"));
    assert!(eaten.usage.unwrap().output > 0, "what is thought is billed");
    assert_eq!(fake.stats().total(), 1);
}

#[tokio::test]
async fn log_probabilities_that_are_refused_are_dropped_once_and_for_all() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({"logprobs": true}));
    let first = provider.complete(&ask("gemini-3.5-flash", "refund?")).await.unwrap();
    assert_eq!(first.note.as_deref(), Some("`gemini-3.5-flash` gives no log-probabilities: left out"));
    assert_eq!(fake.stats().total(), 2);
    let next = provider.complete(&ask("gemini-3.5-flash", "refund!")).await.unwrap();
    assert_eq!((next.note, fake.stats().total()), (None, 3));
    // The table knows better than to ask.
    let usual = vertex(&fake, json!({}));
    usual.complete(&ask("gemini-3.5-flash", "x")).await.unwrap();
    assert_eq!((sent(&fake).get("responseLogprobs"), fake.stats().total()), (None, 4));
}

#[tokio::test]
async fn what_is_no_label_is_told_apart() {
    let finish = |reason: &str| Said { finish: Some(reason.to_owned()), ..Said::default() };
    let fake = fake()
        .brain(move |question| match question.item() {
            "block" => Said { refusal: Some("SAFETY".into()), ..Said::default() },
            "spii" => finish("SPII"),
            "broken" => finish("MALFORMED_RESPONSE"),
            _ => Said::from("on and on ".repeat(400)),
        })
        .start()
        .unwrap();
    for provider in [gemini(&fake, json!({})), vertex(&fake, json!({}))] {
        for (text, expected) in [
            ("block", FinishReason::ContentFilter),
            ("spii", FinishReason::ContentFilter),
            ("ramble", FinishReason::Length),
        ] {
            let completion = provider.complete(&ask("gemini-3.5-flash-lite", text)).await.unwrap();
            assert_eq!(completion.finish, expected, "{text}");
        }
        let broken = provider.complete(&ask("gemini-3.5-flash-lite", "broken")).await.unwrap();
        assert!(matches!(broken.finish, FinishReason::Other(why) if why.starts_with("MALFORMED_RESPONSE")));
    }
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_once_more_and_then_stands() {
    let fake = fake().start().unwrap();
    let provider = gemini(&fake, json!({}));
    let empty = json!({"usageMetadata": {"promptTokenCount": 7}, "modelVersion": "gemini-3.5-flash"});
    fake.fail(Failing::new(Fault::Answer(200, empty.clone())).times(1));
    let second = provider.complete(&ask("gemini-3.5-flash", "Where is my refund?")).await.unwrap();
    assert!(second.text.contains("refund"));
    assert!(second.usage.unwrap().input > 7, "both are paid for");
    assert_eq!(fake.stats().total(), 2);
    fake.fail(Failing::new(Fault::Answer(200, empty)));
    let none = provider.complete(&ask("gemini-3.5-flash", "x")).await.unwrap();
    assert_eq!((none.text.as_str(), none.finish), ("", FinishReason::Stop));
    assert_eq!(fake.stats().total(), 4);
}

#[tokio::test]
async fn who_really_answered_is_kept_and_told() {
    let fake = fake().routed("gemini-2.5-flash", "gemini-3.5-flash-lite").start().unwrap();
    let completion = gemini(&fake, json!({})).complete(&ask("gemini-2.5-flash", "x")).await.unwrap();
    assert_eq!(completion.model_version.as_deref(), Some("gemini-3.5-flash-lite"));
    let note = completion.note.unwrap();
    assert!(note.starts_with("`gemini-2.5-flash` was asked and `gemini-3.5-flash-lite` answered"), "{note}");
}

async fn fails(fake: &FakeGoogle, provider: &GoogleProvider, fault: Fault) -> ProviderError {
    fake.heal();
    fake.fail(Failing::new(fault.clone()).on(":generateContent"));
    let error = provider.complete(&ask("gemini-3.5-flash-lite", "x")).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains(KEY) && !shown.contains(TOKEN) && !error.message.contains('\n'),
        "{fault:?}: {shown}"
    );
    error
}

#[tokio::test]
async fn every_fault_is_typed_by_what_to_do() {
    let fake = fake().start().unwrap();
    let hurried = json!({"timeout_seconds": 1});
    for provider in [gemini(&fake, hurried.clone()), vertex(&fake, hurried)] {
        for (fault, cause, scope, again) in [
            (Fault::Status(500), Cause::Server, Scope::Request, true),
            (Fault::Status(503), Cause::Server, Scope::Request, true),
            (Fault::Html(502), Cause::Server, Scope::Request, true),
            (Fault::Html(200), Cause::Server, Scope::Request, true),
            (Fault::Half, Cause::Server, Scope::Request, true),
            (Fault::Reset, Cause::Network, Scope::Request, true),
            (Fault::Stall(Duration::from_secs(5)), Cause::Network, Scope::Request, true),
            (Fault::DailyLimit, Cause::Quota, Scope::Model, false),
            (Fault::Status(403), Cause::Access, Scope::Provider, false),
            (Fault::Status(400), Cause::Invalid, Scope::Request, false),
            (Fault::Status(307), Cause::Invalid, Scope::Provider, false),
            (Fault::Answer(200, json!([])), Cause::Server, Scope::Request, true),
        ] {
            let error = fails(&fake, &provider, fault.clone()).await;
            let found = (error.cause, error.scope, error.retry != Retry::Never);
            assert_eq!(found, (cause, scope, again), "{fault:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_limit_of_the_minute_tells_how_long_to_wait_and_how_much_there_is() {
    let fake = fake().limits(Some(1), None).start().unwrap();
    let provider = gemini(&fake, json!({}));
    provider.complete(&ask("gemini-3.5-flash", "x")).await.unwrap();
    let error = provider.complete(&ask("gemini-3.5-flash", "y")).await.unwrap_err();
    assert_eq!(error.cause, Cause::RateLimit, "{error}");
    assert!(matches!(error.retry, Retry::Later { after: Some(after) } if after <= Duration::from_secs(61)));
    assert_eq!(error.rate_limits.unwrap().requests.limit, Some(1));
    let day = super::fake().daily_requests(1).start().unwrap();
    let provider = gemini(&day, json!({}));
    provider.complete(&ask("gemini-3.5-flash", "x")).await.unwrap();
    let error = provider.complete(&ask("gemini-3.5-flash", "y")).await.unwrap_err();
    assert_eq!((error.cause, error.retry), (Cause::Quota, Retry::Never), "{error}");
}

#[tokio::test]
async fn a_bad_key_is_a_400_and_ends_the_run_without_being_quoted() {
    let fake = FakeGoogle::builder().api_key("AIza-another").start().unwrap();
    let error = gemini(&fake, json!({})).complete(&ask("gemini-3.5-flash", "x")).await.unwrap_err();
    assert_eq!((error.cause, error.scope, error.retry), (Cause::Access, Scope::Provider, Retry::Never));
    assert!(error.message.contains("[key]") && !format!("{error:?}").contains(KEY), "{error:?}");
    assert!(error.hint.unwrap().contains("TUNEBENCH_FAKE_KEY"));
}

#[tokio::test]
async fn a_missing_key_is_told_at_the_first_call_and_sends_nothing() {
    let fake = fake().start().unwrap();
    let provider = gemini(&fake, json!({"api_key_env": "TUNEBENCH_NO_SUCH_KEY"}));
    assert_eq!(provider.info().access, Access::Missing("TUNEBENCH_NO_SUCH_KEY".into()));
    let error = provider.complete(&ask("gemini-3.5-flash", "x")).await.unwrap_err();
    assert_eq!((error.cause, error.scope, error.retry), (Cause::Access, Scope::Provider, Retry::Never));
    assert_eq!(fake.stats().total(), 0);
}

#[tokio::test]
async fn untuned_models_are_asked_where_the_settings_say() {
    let fake = fake().start().unwrap();
    let regional = vertex(&fake, json!({"location": "us-central1"}));
    regional.complete(&ask("gemini-2.5-flash", "x")).await.unwrap();
    // Newer models are not served in regions.
    let error = regional.complete(&ask("gemini-3.5-flash", "x")).await.unwrap_err();
    assert_eq!(error.cause, Cause::NotFound);
    assert!(error.hint.unwrap().contains("`us-central1`"));
    assert!(regional.model_info("gemini-3.5-flash").await.is_err());
    let named = "projects/fake-project/locations/eu/publishers/google/models/gemini-3.5-flash";
    regional.complete(&ask(named, "x")).await.unwrap();
    let places: Vec<_> = fake.recorded().into_iter().map(|exchange| exchange.path).collect();
    assert!(places[0].starts_with("/aiplatform/us-central1/v1/projects/fake-project/locations/us-central1/"));
    assert!(places.last().unwrap().starts_with("/aiplatform/eu/v1/projects/fake-project/locations/eu/"));
}

#[tokio::test]
async fn schemas_can_be_switched_off() {
    let fake = fake().start().unwrap();
    let error = gemini(&fake, json!({"schema": false}))
        .complete(&with("gemini-3.5-flash", "x", AnswerMode::Schema))
        .await
        .unwrap_err();
    assert_eq!((error.cause, error.scope), (Cause::Unsupported, Scope::Model));
    gemini(&fake, json!({"stop": false})).complete(&ask("gemini-3.5-flash", "x")).await.unwrap();
    assert_eq!(sent(&fake).get("stopSequences"), None);
}

#[tokio::test]
async fn a_cap_holds_back_what_may_be_thought() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({}));
    for model in ["gemini-2.5-flash", "gemini-3.5-flash", "gemini-3.8-flash"] {
        let _ = provider.complete(&ask(model, "x")).await;
        assert_eq!(json!(provider.output_cap(&ask(model, "x"))), sent(&fake)["maxOutputTokens"], "{model}");
    }
    let unknown = provider.output_cap(&ask("projects/p/locations/us/endpoints/1", "x")).unwrap();
    assert!(unknown > 2_000);
}
