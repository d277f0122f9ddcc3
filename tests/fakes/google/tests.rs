//! The fake against the descriptions of the real services, and what it does when it is told to.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::description::Descriptions;
use super::{Builder, FakeGoogle, Said, Surface, messages, shape};

const KEY: &str = "x-goog-api-key: AIza-test";
const BEARER: &str = "authorization: Bearer ya29.test";
const LITE: &str = "gemini-2.5-flash-lite";
const HERE: &str = "/aiplatform/us-central1/v1/projects/fake-project/locations/us-central1";

fn builder() -> Builder {
    FakeGoogle::builder().token("ya29.test")
}

/// Asks over a connection of its own: status, headers and JSON.
fn call(fake: &FakeGoogle, request: &str, headers: &[&str], body: &[u8]) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(fake.metadata_host()).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), serde_json::from_str(body).unwrap_or_default())
}

fn vertex(fake: &FakeGoogle, request: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let (status, _, answer) = call(fake, request, &[BEARER, "content-type: application/json"], &body);
    (status, answer)
}

fn gemini(fake: &FakeGoogle, model: &str, body: &Value) -> (u16, Value) {
    let request = format!("POST /generativelanguage/v1beta/models/{model}:generateContent");
    let (status, _, answer) = call(fake, &request, &[KEY], body.to_string().as_bytes());
    (status, answer)
}

fn question(text: &str, config: Value) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": config})
}

fn upload(fake: &FakeGoogle, rows: usize) -> String {
    let row = |index: usize| {
        let (text, label) = [("where is the plastic", "card"), ("give money back", "refund")][index % 2];
        json!({"contents": [{"role": "user", "parts": [{"text": format!("{text} {index}")}]},
            {"role": "model", "parts": [{"text": label}]}]})
    };
    let lines: String = (0..rows).map(|index| format!("{}\n", row(index))).collect();
    let request = "POST /upload/storage/v1/b/fake-bucket/o?uploadType=media&name=train.jsonl";
    assert_eq!(call(fake, request, &[BEARER], lines.as_bytes()).0, 200);
    "gs://fake-bucket/train.jsonl".to_owned()
}

/// A job that is created, and looked at until it has ended.
fn tuned(fake: &FakeGoogle, base: &str) -> Value {
    let order = json!({"baseModel": base, "labels": {"mark": "ab12"}, "tunedModelDisplayName": "bench",
        "supervisedTuningSpec": {"trainingDatasetUri": upload(fake, 12), "hyperParameters": {"epochCount": "2",
        "learningRateMultiplier": 1.5, "adapterSize": "ADAPTER_SIZE_FOUR"}}});
    let (status, mut job) = vertex(fake, &format!("POST {HERE}/tuningJobs"), order);
    assert_eq!(status, 200, "{job}");
    for _ in 0..9 {
        let name = job["name"].as_str().unwrap();
        job = vertex(fake, &format!("GET /aiplatform/us-central1/v1/{name}"), Value::Null).1;
    }
    job
}

#[test]
fn exchanges_fit_the_descriptions() {
    let Some(mut descriptions) = Descriptions::load() else {
        tell("specs not present, not checked");
        return;
    };
    let fake = builder().start().unwrap();
    vertex(&fake, &format!("POST {HERE}/tuningJobs"), Value::Null);
    let mut nonsense = fake.recorded().pop().unwrap();
    (nonsense.status, nonsense.answer) = (200, json!({"status": "RUNNING"}));
    assert_eq!(descriptions.check(&nonsense).len(), 2, "the check checks nothing");
    every_call(&fake);
    let wrong: Vec<_> = fake.recorded().iter().flat_map(|exchange| descriptions.check(exchange)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(descriptions.missed().is_empty(), "never checked: {:?}", descriptions.missed());
    tell(&format!("{} exchanges fit the descriptions", descriptions.checked.values().sum::<usize>()));
}

#[expect(clippy::print_stderr, reason = "a check that was not made must be seen not to be")]
fn tell(what: &str) {
    eprintln!("{what}");
}

fn every_call(fake: &FakeGoogle) {
    let schema = json!({"responseMimeType": "application/json", "responseSchema": {"type": "STRING", "enum": ["a", "b"]}});
    for config in [json!({}), schema, json!({"maxOutputTokens": 1})] {
        assert_eq!(gemini(fake, LITE, &question("a", config)).0, 200);
    }
    gemini(fake, "gemini-9", &json!({}));
    call(fake, "GET /generativelanguage/v1beta/models?pageSize=2", &[KEY], b"");
    call(fake, &format!("GET /generativelanguage/v1beta/models/{LITE}"), &[KEY], b"");
    let counted = question("a", Value::Null)["contents"].clone();
    let body = json!({"generateContentRequest": {"model": "models/x", "contents": counted}}).to_string();
    let counts = format!("POST /generativelanguage/v1beta/models/{LITE}:countTokens");
    assert_eq!(call(fake, &counts, &[KEY], body.as_bytes()).0, 200);

    let model = format!("{HERE}/publishers/google/models/{LITE}");
    let logprobs = json!({"responseLogprobs": true, "logprobs": 2});
    assert_eq!(vertex(fake, &format!("POST {model}:generateContent"), question("a", logprobs)).0, 200);
    assert_eq!(vertex(fake, &format!("POST {model}:countTokens"), json!({ "contents": counted })).0, 200);
    vertex(fake, &format!("GET /aiplatform/global/v1/publishers/google/models/{LITE}"), Value::Null);
    let job = tuned(fake, LITE);
    assert_eq!(job["state"], "JOB_STATE_SUCCEEDED", "{job}");
    let name =
        |path: &str| format!("/aiplatform/us-central1/v1/{}", job.pointer(path).unwrap().as_str().unwrap());
    let (endpoint, model) = (name("/tunedModel/endpoint"), name("/tunedModel/model"));
    vertex(fake, &format!("GET {HERE}/tuningJobs?filter=labels.mark%3D%22ab12%22"), Value::Null);
    vertex(fake, &format!("POST {}:cancel", name("/name")), json!({}));
    let order = json!({"baseModel": LITE, "supervisedTuningSpec": {"trainingDatasetUri": "gs://fake-bucket/none.jsonl"}});
    let doomed = vertex(fake, &format!("POST {HERE}/tuningJobs"), order).1;
    let doomed = format!("POST /aiplatform/us-central1/v1/{}:cancel", doomed["name"].as_str().unwrap());
    assert_eq!(vertex(fake, &doomed, json!({})).0, 200);
    assert_eq!(
        vertex(fake, &format!("POST {endpoint}:generateContent"), question("plastic", json!({}))).0,
        200
    );
    vertex(fake, &format!("POST {endpoint}:countTokens"), json!({ "contents": counted }));
    let model = model.trim_end_matches("@1");
    vertex(fake, &format!("GET {model}"), Value::Null);
    vertex(fake, &format!("GET {model}:listCheckpoints"), Value::Null);
    for checkpoint in job["tunedModel"]["checkpoints"].as_array().unwrap() {
        let endpoint = format!("/aiplatform/us-central1/v1/{}", checkpoint["endpoint"].as_str().unwrap());
        let shown = vertex(fake, &format!("GET {endpoint}"), Value::Null).1;
        let order = json!({"deployedModelId": shown["deployedModels"][0]["id"]});
        vertex(fake, &format!("POST {endpoint}:undeployModel"), order);
        assert_eq!(
            vertex(fake, &format!("POST {endpoint}:generateContent"), question("x", json!({}))).0,
            404
        );
        let operation = vertex(fake, &format!("DELETE {endpoint}"), Value::Null).1;
        for _ in 0..2 {
            vertex(
                fake,
                &format!("GET /aiplatform/us-central1/v1/{}", operation["name"].as_str().unwrap()),
                Value::Null,
            );
        }
    }
    let operation = vertex(fake, &format!("DELETE {model}"), Value::Null).1;
    vertex(
        fake,
        &format!("GET /aiplatform/us-central1/v1/{}", operation["name"].as_str().unwrap()),
        Value::Null,
    );
    for path in
        ["", "/iam/testPermissions?permissions=storage.objects.create", "/o", "/o/train.jsonl", "/o/none"]
    {
        vertex(fake, &format!("GET /storage/v1/b/fake-bucket{path}"), Value::Null);
    }
    let begun =
        call(fake, "POST /upload/storage/v1/b/fake-bucket/o?uploadType=resumable&name=c", &[BEARER], b"").1;
    let session = begun.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    let session = session.strip_prefix(&fake.storage_url()).unwrap();
    assert_eq!(call(fake, &format!("PUT {session}"), &["content-range: bytes 0-1/2"], b"ab").0, 200);
    vertex(fake, "DELETE /storage/v1/b/fake-bucket/o/c", Value::Null);
}

#[test]
fn messages_have_the_fields_that_are_described() {
    let Some(descriptions) = Descriptions::load() else { return };
    for (message, developer, vertex) in [
        (&messages::GENERATE_CONTENT, "GenerateContentRequest", "~GenerateContentRequest"),
        (&messages::GENERATION_CONFIG, "GenerationConfig", "~GenerationConfig"),
        (&messages::THINKING_CONFIG, "ThinkingConfig", "~GenerationConfigThinkingConfig"),
        (&messages::SCHEMA, "Schema", "~Schema"),
        (&messages::COUNT_TOKENS, "CountTokensRequest", "~CountTokensRequest"),
        (&messages::TUNING_JOB, "", "~TuningJob"),
        (&messages::SUPERVISED, "", "~SupervisedTuningSpec"),
        (&messages::HYPER_PARAMETERS, "", "~SupervisedHyperParameters"),
        (&messages::UNDEPLOY_MODEL, "", "~UndeployModelRequest"),
    ] {
        for (name, other) in [(developer, shape::Known::Vertex), (vertex, shape::Known::Developer)] {
            if name.is_empty() {
                continue;
            }
            let mut described = descriptions.fields(name.starts_with('~'), name);
            let known = message.0.iter().filter(|(_, _, known)| *known != other);
            let mut known: Vec<_> = known.map(|(field, ..)| (*field).to_owned()).collect();
            described.sort();
            known.sort();
            assert_eq!(known, described, "{name}");
        }
    }
}

#[test]
fn quotas_are_told_apart() {
    let fake = builder().limits(Some(1), None).daily_requests(2).start().unwrap();
    let ask = |model: &str| gemini(&fake, model, &question("a", json!({})));
    assert_eq!(ask(LITE).0, 200);
    let quota = |answer: &Value| {
        answer["error"]["details"][1]["violations"][0]["quotaId"].as_str().unwrap().to_owned()
    };
    let (status, minute) = ask(LITE);
    assert_eq!((status, quota(&minute).contains("PerMinute")), (429, true));
    let wait =
        minute["error"]["details"][2]["retryDelay"].as_str().unwrap().trim_end_matches('s').parse::<f64>();
    assert!((1.0..=60.0).contains(&wait.unwrap()));
    let (status, day) = ask(LITE);
    assert_eq!((status, quota(&day).contains("PerDay")), (429, true));
    assert_eq!(ask("gemini-2.5-flash").0, 200, "each model has its own");
    let model = format!("{HERE}/publishers/google/models/{LITE}:generateContent");
    assert_eq!(vertex(&fake, &format!("POST {model}"), question("a", json!({}))).0, 200, "and each surface");
    let shared = vertex(&fake, &format!("POST {model}"), question("a", json!({})));
    assert_eq!((shared.0, shared.1["error"].get("details")), (429, None));
    assert_eq!(fake.stats().refused(), 3);
}

#[test]
fn a_brain_can_think_decline_and_be_another() {
    let fake = builder()
        .routed("gemini-2.5-flash", "gemini-3.5-flash-lite")
        .brain(|question| match question.item() {
            "block" => Said { refusal: Some("JAILBREAK".into()), ..Said::default() },
            "filter" => Said { finish: Some("SPII".into()), ..Said::default() },
            "think" => Said { thoughts: Some(9), model: Some("other".into()), ..Said::from("x".to_owned()) },
            _ => Said::default(),
        })
        .start()
        .unwrap();
    let ask = |text: &str, config: Value| gemini(&fake, LITE, &question(text, config)).1;
    let blocked = ask("block", json!({}));
    assert_eq!(blocked["promptFeedback"]["blockReason"], "JAILBREAK");
    assert!(blocked.get("candidates").is_none());
    let filtered = &ask("filter", json!({}))["candidates"][0];
    assert_eq!((&filtered["finishReason"], filtered.get("content")), (&json!("SPII"), None));
    let thought = ask("think", json!({}));
    assert_eq!(
        (&thought["modelVersion"], &thought["usageMetadata"]["thoughtsTokenCount"]),
        (&json!("other"), &json!(9))
    );
    let eaten = ask("think", json!({"maxOutputTokens": 9}));
    assert_eq!(
        eaten["candidates"][0],
        json!({"finishReason": "MAX_TOKENS", "index": 0, "content": {"role": "model"}})
    );
    assert!(eaten["usageMetadata"].get("candidatesTokenCount").is_none());
    let routed = gemini(&fake, "gemini-2.5-flash", &question("", json!({})));
    assert_eq!(routed.1["modelVersion"], "gemini-3.5-flash-lite");
}

#[test]
fn jobs_take_the_states_that_they_are_told() {
    let states =
        ["JOB_STATE_QUEUED", "JOB_STATE_DREAMING", "JOB_STATE_RUNNING", "JOB_STATE_PARTIALLY_SUCCEEDED"];
    let fake = builder().job_states(states).tuned_location("us").cold_calls(1).start().unwrap();
    let job = tuned(&fake, LITE);
    assert_eq!(job["state"], "JOB_STATE_PARTIALLY_SUCCEEDED");
    let endpoint = job["tunedModel"]["endpoint"].as_str().unwrap();
    assert!(endpoint.contains("/locations/us/"), "{endpoint}");
    let ask = |host: &str| {
        let request = format!("POST /aiplatform/{host}/v1/{endpoint}:generateContent");
        vertex(&fake, &request, question("plastic", json!({}))).0
    };
    let answers =
        ["us-central1", "us", "aiplatform.us.rep.googleapis.com", "us-aiplatform.googleapis.com"].map(ask);
    assert_eq!(answers, [404, 404, 200, 404], "the wrong host, a cold endpoint, the right host, no host");
    assert_eq!(fake.jobs().len(), 1);
    assert_eq!(fake.endpoints().len(), 2);
    assert_eq!(fake.objects(), ["gs://fake-bucket/train.jsonl"]);
    assert!(fake.object("gs://fake-bucket/train.jsonl").unwrap().ends_with(b"}\n"));
}

#[test]
fn tokens_and_sessions_end() {
    let fake = FakeGoogle::builder().needs_quota_project().chunk_kept(1).start().unwrap();
    let user = fake.authorized_user();
    let field = |name: &str| user[name].as_str().unwrap().to_owned();
    let order = json!({"grant_type": "refresh_token", "client_id": field("client_id"),
        "client_secret": field("client_secret"), "refresh_token": field("refresh_token")});
    let token =
        call(&fake, "POST /token", &["content-type: application/json"], order.to_string().as_bytes()).2;
    let bearer = format!("authorization: Bearer {}", token["access_token"].as_str().unwrap());
    let ask = |headers: &[&str]| call(&fake, &format!("GET {HERE}/tuningJobs"), headers, b"").0;
    assert_eq!(ask(&[&bearer]), 403, "a user's token needs a project to bill");
    assert_eq!(ask(&[&bearer, "x-goog-user-project: fake-project"]), 200);
    let begun =
        call(&fake, "POST /upload/storage/v1/b/fake-bucket/o?uploadType=resumable&name=c", &[&bearer], b"").1;
    let session = begun.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().to_owned();
    let put = format!("PUT {}", session.strip_prefix(&fake.storage_url()).unwrap());
    let part = call(&fake, &put, &["content-range: bytes 0-1/2"], b"ab");
    assert!(part.0 == 308 && part.1.contains("range: bytes=0-0\r\n"), "{}", part.1);
    fake.expire_uploads();
    assert_eq!(call(&fake, &put, &["content-range: bytes */2"], b"").0, 410);
    fake.expire_tokens();
    assert_eq!(ask(&[&bearer, "x-goog-user-project: fake-project"]), 401);
    let metadata = "GET /computeMetadata/v1/project/project-id";
    assert_eq!(call(&fake, metadata, &["metadata-flavor: Google"], b"").0, 200);
    assert_eq!(call(&fake, metadata, &[], b"").0, 403);
}

#[test]
fn limits_have_a_window() {
    let fake = builder().limits(Some(1), None).window(Duration::ZERO).start().unwrap();
    let answers = [0, 1].map(|_| gemini(&fake, LITE, &question("a", json!({}))).0);
    assert_eq!(answers, [200, 200]);
}

proptest! {
    #[test]
    fn any_body_is_answered_or_refused(text in ".{0,40}", number in any::<i64>()) {
        let body = json!({"contents": [{"role": text, "parts": [{"text": text}]}],
            "generationConfig": {"maxOutputTokens": number, "temperature": text, "thinkingConfig": {"thinkingBudget": number}}});
        for surface in [Surface::Developer, Surface::Vertex] {
            let _ = shape::read(&body, &messages::GENERATE_CONTENT, surface);
            let _ = shape::read(&json!({ &text: number }), &messages::TUNING_JOB, surface);
        }
    }

    #[test]
    fn any_multipart_body_is_read_or_refused(body in prop::collection::vec(prop::sample::select(&b"--x\r\n{}: "[..]), 0..60)) {
        let _ = super::uploads::parts("multipart/related; boundary=x", &body);
    }
}
