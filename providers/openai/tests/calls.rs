//! Completions: answers, outcomes, and everything that goes wrong on the way.

use std::time::Duration;

use serde_json::{Value, json};

use super::{KEY, OpenAiProvider, ask, provider, with};
use crate::{
    Access, AnswerMode, Cause, FinishReason, Parameters, Provider, ProviderError, Retry, Scope, Setup,
};
use tunebench_fakes::openai::{Failing, FakeOpenAi, Fault, Hint, Said};

const CHAT: &str = "POST /v1/chat/completions";

#[tokio::test]
async fn answers_in_both_modes_from_every_api() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({"logprobs": true}));
    for model in ["gpt-4.1", "responses/gpt-4.1", "decisions/gpt-6-luna"] {
        for mode in [AnswerMode::Tag, AnswerMode::Schema] {
            let request = with(model, "What is the exchange rate?", mode);
            let completion = provider.complete(&request).await.unwrap();
            let label = match mode {
                AnswerMode::Tag => request.prompt.parse(&completion.text),
                AnswerMode::Schema => request.prompt.parse_json(&completion.text),
            };
            let name = label.map(|label| request.prompt.labels().name(label));
            assert_eq!(name, Ok("exchange rate"), "{model} {mode:?} {}", completion.text);
            assert_eq!(completion.finish, FinishReason::Stop);
            let probability = completion.label_probability.unwrap();
            assert!((0.5..=1.0).contains(&probability), "{model} {mode:?}: {probability}");
            assert!(completion.usage.is_some_and(|usage| usage.input > 0));
            assert!(completion.model_version.is_some() && completion.note.is_none());
            assert_eq!(completion.probabilities.is_some(), model.starts_with("decisions/"));
        }
    }
}

#[tokio::test]
async fn a_refused_parameter_is_dropped_once_and_for_all() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(
        &fake,
        json!({"max_tokens_field": "max_completion_tokens", "stop": false, "reasoning_effort": "low"}),
    );
    // A reasoning model takes no temperature.
    let healed = provider.complete(&ask("gpt-6-luna", "refund?")).await.unwrap();
    assert_eq!(healed.note.as_deref(), Some("`gpt-6-luna` does not take `temperature`: left out"));
    assert_eq!(fake.stats().count(CHAT), 2);
    let next = provider.complete(&ask("gpt-6-luna", "refund!")).await.unwrap();
    assert_eq!((next.note, fake.stats().count(CHAT)), (None, 3));
    // It is one model's quirk.
    assert_eq!(
        provider
            .complete(&ask("gpt-4.1", "x"))
            .await
            .unwrap()
            .note
            .unwrap()
            .matches("reasoning_effort")
            .count(),
        1
    );
}

#[tokio::test]
async fn several_refused_parameters_take_several_tries_and_come_to_an_end() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({"logprobs": true}));
    let mut tries = 0;
    loop {
        tries += 1;
        match provider.complete(&ask("gpt-6-luna", "refund?")).await {
            Ok(_) => break,
            Err(error) => {
                let again = Retry::Later { after: Some(Duration::ZERO) };
                assert_eq!((error.scope, error.retry), (Scope::Request, again), "{error}");
            }
        }
    }
    // Token limit and stop in the first try, temperature and log-probabilities in the second.
    assert_eq!(tries, 3);
}

#[tokio::test]
async fn a_parameter_named_in_words_only_is_dropped_too() {
    let fake = FakeOpenAi::start().unwrap();
    let groq = json!({"error": {"message": "`logprobs` is not supported with this model", "type": "invalid_request_error"}});
    fake.fail(Failing::new(Fault::Answer(400, groq)).times(1));
    let provider = provider(&fake, json!({"logprobs": true}));
    assert!(provider.complete(&ask("gpt-4.1", "x")).await.unwrap().note.unwrap().contains("`logprobs`"));
    let schema =
        json!({"error": {"message": "response_format is not supported", "param": "response_format"}});
    fake.fail(Failing::new(Fault::Answer(400, schema)).times(1));
    let error = provider.complete(&with("gpt-4.1", "x", AnswerMode::Schema)).await.unwrap_err();
    assert!(error.hint.unwrap().contains("answer = \"tag\""));
}

#[tokio::test]
async fn what_is_no_label_is_told_apart() {
    let said = |text: &str| Said::from(text.to_owned());
    let fake = FakeOpenAi::builder()
        .brain(move |question| match question.item() {
            "decline" => Said { refusal: Some("I can't help with that.".into()), ..Said::default() },
            "filter" => Said { finish: Some("content_filter".into()), ..Said::default() },
            "ramble" => said(&"on and on ".repeat(200)),
            _ => said(""),
        })
        .start()
        .unwrap();
    let provider = provider(&fake, json!({}));
    for model in ["gpt-4.1", "responses/gpt-4.1"] {
        for (text, finish) in [
            ("decline", FinishReason::Refusal),
            ("filter", FinishReason::ContentFilter),
            ("ramble", FinishReason::Length),
            ("nothing", FinishReason::Stop),
        ] {
            let completion = provider.complete(&ask(model, text)).await.unwrap();
            assert_eq!(completion.finish, finish, "{model} {text}");
            assert!(ask(model, text).prompt.parse(&completion.text).is_err(), "{model} {text}");
        }
    }
    let refused = provider.complete(&ask("decisions/gpt-6-luna", "decline")).await.unwrap();
    assert_eq!(refused.finish, FinishReason::Refusal);
    // Azure refuses a filtered prompt with a status of its own.
    let filtered = json!({"error": {"message": "The response was filtered", "code": "content_filter"}});
    fake.fail(Failing::new(Fault::Answer(400, filtered)).times(1));
    assert_eq!(provider.complete(&ask("gpt-4.1", "x")).await.unwrap().finish, FinishReason::ContentFilter);
}

async fn fails(fake: &FakeOpenAi, fault: Fault) -> ProviderError {
    let provider = provider(fake, json!({"timeout_seconds": 1}));
    fake.heal();
    fake.fail(Failing::new(fault.clone()).on("/chat/"));
    let error = provider.complete(&ask("gpt-4.1", "x")).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY) && !error.message.contains('\n'), "{fault:?}: {shown}");
    error
}

#[tokio::test]
async fn every_fault_is_typed_by_what_to_do() {
    let fake = FakeOpenAi::start().unwrap();
    let gateway = |code: u16| Fault::Answer(200, json!({"error": {"message": "upstream", "code": code}}));
    for (fault, cause, scope, again) in [
        (Fault::Status(500), Cause::Server, Scope::Request, true),
        (Fault::Status(503), Cause::Server, Scope::Request, true),
        (Fault::Html(502), Cause::Server, Scope::Request, true),
        (Fault::Html(200), Cause::Server, Scope::Request, true),
        (Fault::Half, Cause::Server, Scope::Request, true),
        (Fault::Cut, Cause::Server, Scope::Request, true),
        (Fault::Reset, Cause::Network, Scope::Request, true),
        (Fault::Stall(Duration::from_secs(5)), Cause::Network, Scope::Request, true),
        (Fault::RateLimited(Hint::None), Cause::RateLimit, Scope::Request, true),
        (Fault::Billing, Cause::Quota, Scope::Provider, false),
        (Fault::BadKey, Cause::Access, Scope::Provider, false),
        (Fault::Status(403), Cause::Access, Scope::Request, false),
        (Fault::Status(400), Cause::Invalid, Scope::Request, false),
        (Fault::Status(307), Cause::Invalid, Scope::Provider, false),
        (gateway(402), Cause::Quota, Scope::Provider, false),
        (gateway(429), Cause::RateLimit, Scope::Request, true),
        (Fault::Answer(200, json!({"choices": []})), Cause::Server, Scope::Request, true),
    ] {
        let error = fails(&fake, fault.clone()).await;
        let found = (error.cause, error.scope, error.retry != Retry::Never);
        assert_eq!(found, (cause, scope, again), "{fault:?}: {error}");
        let lost = matches!(fault, Fault::Reset | Fault::Stall(_));
        assert_eq!(error.request_id.is_some(), !lost, "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn every_hint_on_waiting_is_read() {
    let fake = FakeOpenAi::start().unwrap();
    let millis = |millis| Some(Duration::from_millis(millis));
    for (hint, after) in [
        (Hint::None, None),
        (Hint::Seconds(2.0), millis(2_000)),
        (Hint::Seconds(0.5), millis(500)),
        (Hint::Millis(30), millis(30)),
    ] {
        assert_eq!(fails(&fake, Fault::RateLimited(hint)).await.retry, Retry::Later { after });
    }
    let dated = fails(&fake, Fault::RateLimited(Hint::Date(Duration::from_secs(3_600)))).await;
    let Retry::Later { after: Some(after) } = dated.retry else { panic!("{dated:?}") };
    assert!(after <= Duration::from_secs(3_601));
}

#[tokio::test]
async fn limits_come_with_answers_and_with_refusals() {
    let fake = FakeOpenAi::builder().limits(Some(2), Some(1_000)).start().unwrap();
    let provider = provider(&fake, json!({}));
    let first = provider.complete(&ask("gpt-4.1", "x")).await.unwrap().rate_limits.unwrap();
    assert_eq!((first.requests.limit, first.requests.remaining), (Some(2), Some(1)));
    assert_eq!(first.requests.reset, Some(Duration::from_secs(60)));
    assert_eq!(first.tokens.limit, Some(1_000));
    provider.complete(&ask("gpt-4.1", "y")).await.unwrap();
    let error = provider.complete(&ask("gpt-4.1", "z")).await.unwrap_err();
    assert_eq!((error.cause, error.rate_limits.unwrap().requests.remaining), (Cause::RateLimit, Some(0)));
    assert!(matches!(error.retry, Retry::Later { after: Some(after) } if after <= Duration::from_secs(60)));
    assert_eq!(fake.stats().refused(), 1);
}

#[tokio::test]
async fn a_missing_key_is_told_at_the_first_call_and_sends_nothing() {
    let fake = FakeOpenAi::start().unwrap();
    let settings = json!({"base_url": fake.base_url(), "api_key_env": "TUNEBENCH_NO_SUCH_KEY"});
    let Value::Object(settings) = settings else { panic!("a table") };
    let provider = super::OpenAiProvider::new(&Setup::new("openai", settings, ".")).unwrap();
    assert_eq!(provider.info().access, Access::Missing("TUNEBENCH_NO_SUCH_KEY".into()));
    let error = provider.complete(&ask("gpt-4.1", "x")).await.unwrap_err();
    assert_eq!((error.cause, error.scope, error.retry), (Cause::Access, Scope::Provider, Retry::Never));
    assert!(error.hint.unwrap().contains("TUNEBENCH_NO_SUCH_KEY"));
    assert_eq!(fake.stats().total(), 0);
}

#[tokio::test]
async fn a_refused_key_is_not_quoted_even_if_the_server_does() {
    let fake = FakeOpenAi::builder().key("sk-another").start().unwrap();
    let error = provider(&fake, json!({})).complete(&ask("gpt-4.1", "x")).await.unwrap_err();
    assert!(error.message.contains("[key]") && !format!("{error:?}").contains(KEY), "{error:?}");
}

#[tokio::test]
async fn the_key_goes_where_the_server_wants_it() {
    let fake = FakeOpenAi::start().unwrap();
    let azure = provider(&fake, json!({"header": "api-key"}));
    azure.complete(&ask("gpt-4.1", "x")).await.unwrap();
    let sent = fake.recorded().pop().unwrap().header_names;
    assert!(sent.contains(&"api-key".to_owned()) && !sent.contains(&"authorization".to_owned()), "{sent:?}");
    // Deployments have names of their own, which no list tells.
    assert!(azure.model_info("my-deployment").await.is_ok());
    let open = provider(&fake, json!({"api_key_env": "none"}));
    assert_eq!(open.info().access, Access::Open);
    assert_eq!(open.complete(&ask("gpt-4.1", "x")).await.unwrap_err().cause, Cause::Access);
}

#[tokio::test]
async fn settings_shape_the_requests() {
    let fake = FakeOpenAi::start().unwrap();
    let switched = provider(
        &fake,
        json!({"api": "responses", "stop": false, "system_role": "developer", "store": false}),
    );
    switched.complete(&ask("gpt-4.1", "x")).await.unwrap();
    let sent = fake.recorded().pop().unwrap();
    assert_eq!((sent.path.as_str(), &sent.request["store"]), ("/v1/responses", &json!(false)));
    assert_eq!(sent.request["input"][0]["role"], "developer");
    let plain = provider(&fake, json!({"temperature": false, "schema": false}));
    let warm = Parameters { temperature: Some(0.5), max_output_tokens: Some(7), ..Parameters::default() };
    plain.complete(&ask("gpt-4.1", "x").parameters(warm.into())).await.unwrap();
    let sent = fake.recorded().pop().unwrap().request;
    assert_eq!((sent.get("temperature"), &sent["max_tokens"]), (None, &json!(7)));
    let error = plain.complete(&with("gpt-4.1", "x", AnswerMode::Schema)).await.unwrap_err();
    assert_eq!((error.cause, error.scope), (Cause::Unsupported, Scope::Model));
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_a_network_error() {
    let gone = FakeOpenAi::start().unwrap();
    let provider = provider(&gone, json!({}));
    drop(gone);
    let error = provider.complete(&ask("gpt-4.1", "x")).await.unwrap_err();
    assert_eq!((error.cause, error.scope), (Cause::Network, Scope::Request));
    assert!(error.message.contains("127.0.0.1 cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_port() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = json!({"base_url": format!("http://{free}/v1"), "api_key_env": "none"});
    let provider =
        OpenAiProvider::new(&Setup::new("mine", settings.as_object().cloned().unwrap(), ".")).unwrap();
    let error = provider.complete(&ask("m", "x")).await.unwrap_err();
    assert_eq!(error.cause, Cause::Network);
    assert!(error.hint.unwrap().contains(&free.to_string()));
}

/// A server that answers each request with what is given for the end of its path, and with 404 else.
fn server(answers: &'static [(&'static str, u16, &'static str)]) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let (mut request, mut byte) = (Vec::new(), [0]);
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let found = answers.iter().find(|(end, ..)| path.ends_with(end));
            let (_, status, body) = found.unwrap_or(&("", 404, "not here"));
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            // Who has asked may have gone already.
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    base_url
}

#[tokio::test]
async fn servers_tell_of_their_models_in_many_ways() {
    const OPENAIS: &str = r#"{"object": "list", "data": [{"id": "a/llama"}]}"#;
    const BARE: &str = r#"[{"id": "a/llama"}, {"id": "other"}]"#;
    for (answers, listed) in [
        // A list, and no page for each model: said in one of three ways.
        (&[("/models", 200, OPENAIS)][..], true),
        (&[("/models", 200, OPENAIS), ("%2Fllama", 405, "method not allowed")], true),
        (&[("/models", 200, OPENAIS), ("%2Fllama", 400, r#"{"error": "no such page"}"#)], true),
        // A list without a cover.
        (&[("/models", 200, BARE)], true),
        // Neither a page nor a list that could be read.
        (&[], false),
        (&[("/models", 200, "<html>welcome</html>")], false),
        (&[("/models", 200, r#"{"models": []}"#)], false),
    ] {
        let provider = OpenAiProvider::new(&Setup::new(
            "other",
            json!({"base_url": server(answers), "api_key_env": "none"}).as_object().cloned().unwrap(),
            ".",
        ));
        let provider = provider.unwrap();
        let info = provider.model_info("a/llama").await;
        assert!(info.is_ok(), "{answers:?}: {info:?}");
        // A name that stands in no list is wrong only where there is a list.
        let unknown = provider.model_info("b/llama").await;
        assert_eq!(unknown.is_err(), listed, "{answers:?}: {unknown:?}");
        if let Err(error) = unknown {
            assert_eq!(error.cause, Cause::NotFound);
            assert!(error.message.contains("`b/llama`"), "{error}");
            assert!(error.hint.unwrap().contains("check_models = false"));
        }
    }
}
