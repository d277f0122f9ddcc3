//! A fake OpenAI on this machine: real HTTP, real limits, wrong on demand.
//!
//! ```
//! # #[cfg(feature = "test-kit")] {
//! use tunebench_providers::test_kit::openai::{FakeOpenAi, Fault, Failing};
//! let fake = FakeOpenAi::builder().key("sk-test").start().unwrap();
//! fake.fail(Failing::new(Fault::Status(500)).on("/chat/completions").times(1));
//! assert!(fake.base_url().starts_with("http://127.0.0.1:"));
//! # }
//! ```
//!
//! It answers files, fine-tuning jobs, models, Chat Completions, Responses and Decisions, and checks what it is sent as
//! the real service does. A job advances by one state at each look. Programs in other languages drive it through
//! `GET /_fake/stats`, `GET /_fake/recorded` and `POST /_fake/faults` (see [`Failing`]); the example `fake_openai`
//! of this crate serves it.

mod answers;
mod brain;
mod checks;
mod faults;
mod jobs;
mod limits;
mod models;
mod server;
mod stats;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

pub use brain::{Brain, Question, Said};
pub use faults::{Failing, Fault, Hint};
pub use stats::{Exchange, Stats};

use self::faults::Faults;
use self::limits::Windows;
use self::stats::Recorder;
use self::world::World;

/// How a fake is to behave; each setting has a default.
pub struct Builder {
    port: u16,
    key: Option<String>,
    latency: Duration,
    requests: Option<u64>,
    tokens: Option<u64>,
    window: Duration,
    brain: Brain,
    record: bool,
    packed_results: bool,
    models: Vec<(String, Option<String>)>,
}

impl Builder {
    /// The port to listen at; 0, the default, takes a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The only key that is let in. By default any key is, but none at all is refused.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// How long each answer takes.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// How many requests and tokens each model answers in any window; refused requests count as well.
    #[must_use]
    pub fn limits(mut self, requests: Option<u64>, tokens: Option<u64>) -> Self {
        (self.requests, self.tokens) = (requests, tokens);
        self
    }

    /// The length of the window; a minute by default.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// What answers; by default a rule that compares words with labels, and that learns from training files.
    #[must_use]
    pub fn brain(mut self, brain: impl Fn(&Question) -> Said + Send + Sync + 'static) -> Self {
        self.brain = Arc::new(brain);
        self
    }

    /// Whether requests and answers are kept, in memory; on by default.
    #[must_use]
    pub fn record(mut self, record: bool) -> Self {
        self.record = record;
        self
    }

    /// Whether results files come in base64, as the real service has sent them; on by default.
    #[must_use]
    pub fn packed_results(mut self, packed: bool) -> Self {
        self.packed_results = packed;
        self
    }

    /// One more base model, with the day (`YYYY-MM-DD`) on which it stops to answer.
    #[must_use]
    pub fn model(mut self, id: impl Into<String>, shutdown_date: Option<&str>) -> Self {
        self.models.push((id.into(), shutdown_date.map(str::to_owned)));
        self
    }

    /// Starts to listen, on a thread of its own.
    pub fn start(self) -> io::Result<FakeOpenAi> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            key: self.key,
            latency: self.latency,
            brain: self.brain,
            windows: Mutex::new(Windows::new(self.requests, self.tokens, self.window)),
            faults: Mutex::default(),
            recorder: Recorder::new(self.record),
            world: Mutex::new(World::new(self.models, self.packed_results)),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("fake-openai".into()).spawn(move || {
            runtime.block_on(server::serve(listener, serving, stopped));
        })?;
        Ok(FakeOpenAi { address, shared, stop: Some(stop), thread: Some(thread) })
    }
}

/// What the connections share.
struct Shared {
    key: Option<String>,
    latency: Duration,
    brain: Brain,
    windows: Mutex<Windows>,
    faults: Mutex<Faults>,
    recorder: Recorder,
    world: Mutex<World>,
}

/// A fake that listens until it is dropped.
pub struct FakeOpenAi {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl FakeOpenAi {
    /// A fake with every default.
    pub fn builder() -> Builder {
        Builder {
            port: 0,
            key: None,
            latency: Duration::ZERO,
            requests: None,
            tokens: None,
            window: Duration::from_secs(60),
            brain: Arc::new(brain::by_words),
            record: true,
            packed_results: true,
            models: Vec::new(),
        }
    }

    /// Starts one with every default.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// What clients take for `https://api.openai.com/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Goes wrong from now on. Of several failings that fit a request, the first one shows.
    pub fn fail(&self, failing: Failing) {
        lock(&self.shared.faults).add(failing);
    }

    /// Goes wrong no more.
    pub fn heal(&self) {
        lock(&self.shared.faults).clear();
    }

    /// What it has been asked so far.
    pub fn stats(&self) -> Stats {
        self.shared.recorder.stats()
    }

    /// All requests and answers so far, in the order of the answers.
    pub fn recorded(&self) -> Vec<Exchange> {
        self.shared.recorder.recorded()
    }

    /// The ids of the files that are there.
    pub fn files(&self) -> Vec<String> {
        lock(&self.shared.world).file_ids()
    }

    /// The ids of the jobs that were created, the oldest first.
    pub fn jobs(&self) -> Vec<String> {
        lock(&self.shared.world).job_ids()
    }
}

impl Drop for FakeOpenAi {
    fn drop(&mut self) {
        // The server may have ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// A request that panicked has left what it had written whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer under way.
#[derive(Debug, Clone)]
struct Reply {
    status: u16,
    body: Body,
    headers: Vec<(&'static str, String)>,
}

/// What an answer holds.
#[derive(Debug, Clone)]
enum Body {
    Json(Value),
    Bytes(&'static str, Vec<u8>),
}

impl Reply {
    fn json(body: Value) -> Self {
        Self { status: 200, body: Body::Json(body), headers: Vec::new() }
    }

    /// An error as the service words it; an empty code or parameter is null.
    fn error(status: u16, kind: &str, code: &str, param: &str, message: &str) -> Self {
        let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let error = json!({"message": message, "type": kind, "param": text(param), "code": text(code)});
        Self { status, body: Body::Json(json!({"error": error})), headers: Vec::new() }
    }

    /// The commonest error.
    fn invalid(code: &str, param: &str, message: &str) -> Self {
        Self::error(400, "invalid_request_error", code, param, message)
    }

    fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}
