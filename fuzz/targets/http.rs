//! What comes over HTTP: answers to the providers, and requests to the fakes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tunebench_data::{LabelSet, Prompt, PromptTemplate};
use tunebench_fakes::anthropic::FakeAnthropic;
use tunebench_fakes::google::FakeGoogle;
use tunebench_fakes::openai::FakeOpenAi;
use tunebench_providers::{AnswerMode, CompletionRequest, JobId, Parameters, Provider, Registry, Setup};

use super::{Run, Target, seeds, told};

const KEY: &str = "FUZZ_KEY";
const WORDS: &[&str] = &[
    "\"choices\"",
    "\"message\"",
    "\"content\"",
    "\"usage\"",
    "\"logprobs\"",
    "\"finish_reason\"",
    "\"error\"",
    "\"type\"",
    "\"candidates\"",
    "\"parts\"",
    "\"usageMetadata\"",
    "\"stop_reason\"",
    "\"status\"",
    "\"succeeded\"",
    "\"data\"",
    "\"hyperparameters\"",
    "\"data:image",
    "<html>",
];

/// Answers of OpenAI and whoever speaks its language.
pub(super) const OPENAI: Target = Target {
    name: "http_openai",
    start: || asking("openai", |root| format!("{root}/v1")),
    seeds: || seeds("http_openai", &[]),
    words: WORDS,
};

/// Answers of Anthropic.
pub(super) const ANTHROPIC: Target = Target {
    name: "http_anthropic",
    start: || asking("anthropic", str::to_owned),
    seeds: || seeds("http_anthropic", &[]),
    words: WORDS,
};

/// Answers of the Gemini Developer API.
pub(super) const GEMINI: Target = Target {
    name: "http_gemini",
    start: || asking("gemini", str::to_owned),
    seeds: || seeds("http_gemini", &[]),
    words: WORDS,
};

/// A provider whose service answers with the input: its first byte says what is asked and with which status that is answered.
fn asking(kind: &str, base_url: fn(&str) -> String) -> Run {
    let answer = Arc::new(Mutex::new((200, Vec::new())));
    let address = serve(answer.clone());
    let settings = json!({ "base_url": base_url(&format!("http://{address}")), "api_key_env": KEY });
    let settings = settings.as_object().cloned().expect("it is an object");
    let variables = BTreeMap::from([(KEY.to_owned(), "sk-fuzz-0123456789".to_owned())]);
    let setup = Setup::new(kind, settings, std::env::temp_dir()).variables(variables);
    let provider =
        Registry::builtin().create(kind, &setup).expect("it is built in").expect("the settings are right");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there are threads");
    let requests = [AnswerMode::Tag, AnswerMode::Schema].map(request);
    Box::new(move |bytes| {
        let (mode, body) = bytes.split_first().map_or((0, bytes), |(mode, rest)| (usize::from(*mode), rest));
        let status = [200, 200, 200, 200, 400, 401, 404, 429, 500, 503][mode % 10];
        *answer.lock().expect("nobody panics with it") = (status, body.to_vec());
        runtime.block_on(ask(provider.as_ref(), &requests, mode / 10))
    })
}

pub(super) fn request(answer: AnswerMode) -> CompletionRequest {
    let labels =
        LabelSet::new(["card", "rate", "refund"].map(str::to_owned).to_vec()).expect("they are plain");
    let prompt = Prompt::new(PromptTemplate::default(), labels).expect("it is the default");
    let parameters = Parameters { answer, probabilities: true, ..Parameters::default() };
    CompletionRequest::new("m".into(), Arc::new(prompt), "where is my card").parameters(Arc::new(parameters))
}

pub(super) async fn ask(provider: &dyn Provider, requests: &[CompletionRequest; 2], what: usize) -> String {
    let job = JobId("ftjob-1".to_owned());
    match (what % 8, provider.fine_tuning()) {
        (at @ (0 | 1), _) => {
            told(provider.complete(&requests[at]).await, |answer| format!("{:?}", answer.finish))
        }
        (2, Some(tuning)) => told(tuning.job(&job).await, |job| job.status.to_string()),
        (3, Some(tuning)) => told(tuning.jobs().await, |jobs| jobs.len().to_string()),
        (4, Some(tuning)) => told(tuning.events(&job, 0).await, |events| events.len().to_string()),
        (5, Some(tuning)) => told(tuning.loss_curve(&job).await, |points| points.len().to_string()),
        (6, Some(tuning)) => told(tuning.checkpoints(&job).await, |points| points.len().to_string()),
        _ => told(provider.model_info("m").await, |info| format!("{:?}", info.description.is_some())),
    }
}

/// Answers every request with what `answer` holds.
fn serve(answer: Arc<Mutex<(u16, Vec<u8>)>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || while answered(&stream, &answer).is_some() {});
        }
    });
    address
}

fn answered(stream: &TcpStream, answer: &Mutex<(u16, Vec<u8>)>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((_, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    let (status, body) = answer.lock().ok()?.clone();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    // In one piece: the second would wait for the first to be acknowledged.
    let mut stream = stream;
    stream.write_all(&[head.as_bytes(), &body].concat()).ok()
}

/// Requests to the fake OpenAI.
pub(super) const FAKE_OPENAI: Target = Target {
    name: "fake_openai",
    start: || {
        let fake = FakeOpenAi::builder().key("sk-fuzz").start().expect("there is a port");
        sending(fake.base_url().trim_end_matches("/v1"), "authorization: Bearer sk-fuzz", fake)
    },
    seeds: || seeds("fake_openai", &[]),
    words: WORDS,
};

/// Requests to the fake Anthropic.
pub(super) const FAKE_ANTHROPIC: Target = Target {
    name: "fake_anthropic",
    start: || {
        let fake = FakeAnthropic::builder().key("sk-ant-fuzz").start().expect("there is a port");
        sending(&fake.base_url(), "x-api-key: sk-ant-fuzz\r\nanthropic-version: 2023-06-01", fake)
    },
    seeds: || seeds("fake_anthropic", &[]),
    words: WORDS,
};

/// Requests to the fake Google.
pub(super) const FAKE_GOOGLE: Target = Target {
    name: "fake_google",
    start: || {
        let fake =
            FakeGoogle::builder().api_key("AIza-fuzz").token("ya29.fuzz").start().expect("there is a port");
        sending(&fake.storage_url(), "x-goog-api-key: AIza-fuzz\r\nauthorization: Bearer ya29.fuzz", fake)
    },
    seeds: || seeds("fake_google", &[]),
    words: WORDS,
};

/// Sends the input as a request: its first line is method and path, the rest is the body.
fn sending<F: 'static>(root: &str, key: &'static str, fake: F) -> Run {
    let address: SocketAddr = root.trim_start_matches("http://").parse().expect("an address of this machine");
    Box::new(move |bytes| {
        let _ = &fake;
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let line = String::from_utf8_lossy(&bytes[..end]);
        let body = bytes.get(end + 1..).unwrap_or_default();
        // What is no request line is the HTTP library's affair.
        let line: String = line.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(500).collect();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: {address}\r\n{key}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(address).expect("the fake listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it is a time");
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let received = stream.read_to_end(&mut answer);
        // A handler that panics closes the connection without a word.
        assert!(!answer.is_empty(), "no answer: {sent:?} {received:?}");
        String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned()
    })
}
