//! What the fake services have in common: real HTTP on this machine, real limits, wrong on demand.
//!
//! A service says what it answers and how it words its errors ([`Service`]); all else is here.

mod batch_script;
mod brain;
mod clock;
mod connection;
mod faults;
mod limits;
mod server;
mod stats;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

pub use self::batch_script::BatchScript;
pub use self::brain::{Brain, Form, Question, Said};
pub(super) use self::brain::{Memory, inner, named, pieces};
pub(super) use self::clock::{http_date, now, timestamp};
use self::faults::Faults;
pub use self::faults::{Failing, Fault, Hint};
pub(super) use self::limits::{Windows, whole_seconds};
pub(super) use self::server::Call;
pub(super) use self::stats::Recorder;
pub use self::stats::{Exchange, Stats};

/// How a fake is to behave; each setting has a default. `S` is what one service alone has.
pub struct Builder<S> {
    port: u16,
    latency: Duration,
    requests: Option<u64>,
    tokens: Option<u64>,
    window: Duration,
    brain: Brain,
    record: bool,
    pub(super) settings: S,
}

impl<S> Builder<S> {
    pub(super) fn new(settings: S) -> Self {
        Self {
            port: 0,
            latency: Duration::ZERO,
            requests: None,
            tokens: None,
            window: Duration::from_secs(60),
            brain: Arc::new(brain::by_words),
            record: true,
            settings,
        }
    }

    /// The port to listen at; 0, the default, takes a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
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

    /// Reads command-line arguments: `--port`, `--latency-ms`, `--window-ms`, `--rpm`, `--tpm`, `--no-record`, and
    /// those that `own` knows, which takes their values from the rest.
    pub fn arguments(
        mut self,
        mut arguments: impl Iterator<Item = String>,
        own: impl Fn(Self, &str, &mut dyn Iterator<Item = String>) -> Option<Self>,
    ) -> Result<Self, String> {
        while let Some(name) = arguments.next() {
            let mut number = || arguments.next()?.parse::<u64>().ok();
            let wrong = || format!("{name} needs a number");
            self = match name.as_str() {
                "--port" => self.port(number().and_then(|port| port.try_into().ok()).ok_or_else(wrong)?),
                "--latency-ms" => self.latency(Duration::from_millis(number().ok_or_else(wrong)?)),
                "--window-ms" => self.window(Duration::from_millis(number().ok_or_else(wrong)?)),
                "--rpm" => Self { requests: Some(number().ok_or_else(wrong)?), ..self },
                "--tpm" => Self { tokens: Some(number().ok_or_else(wrong)?), ..self },
                "--no-record" => self.record(false),
                _ => own(self, &name, &mut arguments)
                    .ok_or_else(|| format!("{name} is no option, or lacks its value"))?,
            };
        }
        Ok(self)
    }

    /// Starts to listen on a thread of its own, with the service that `make` makes for the address.
    pub(super) fn serve<T: Service>(
        self,
        make: impl FnOnce(SocketAddr, S) -> T,
    ) -> io::Result<(Fake, Arc<T>)> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", self.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let service = Arc::new(make(address, self.settings));
        let shared = Arc::new(Shared {
            latency: self.latency,
            brain: self.brain,
            windows: Mutex::new(Windows::new(self.requests, self.tokens, self.window)),
            faults: Mutex::default(),
            recorder: Recorder::new(self.record),
            service: service.clone(),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("fake-service".into()).spawn(move || {
            runtime.block_on(server::serve(listener, serving, stopped));
        })?;
        Ok((Fake { address, shared, stop: Some(stop), thread: Some(thread) }, service))
    }
}

/// One of the services that are faked.
pub(super) trait Service: Send + Sync + 'static {
    /// What is answered when nothing goes wrong.
    fn answer(&self, shared: &Shared, call: &Call) -> Reply;

    /// How a fault of the service itself is worded; `None` for those of the connection, which need the real answer.
    fn worded(&self, fault: &Fault, call: &Call) -> Option<Reply>;

    /// The answer to what can't be read, or is no control.
    fn refused(&self, message: &str) -> Reply;

    /// A path with its ids left out: `/v1/files/{id}/content`.
    fn template(&self, path: &str) -> String;

    /// Headers of every answer; `id` is the number of the request, and `took` how long it was under way.
    fn headers(&self, id: u64, took: Duration) -> Vec<(&'static str, String)>;
}

/// What the connections share.
pub(super) struct Shared {
    latency: Duration,
    pub(super) brain: Brain,
    pub(super) windows: Mutex<Windows>,
    faults: Mutex<Faults>,
    pub(super) recorder: Recorder,
    service: Arc<dyn Service>,
}

/// A fake that listens until it is dropped.
pub struct Fake {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Fake {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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
}

impl Drop for Fake {
    fn drop(&mut self) {
        // The server may have ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// A request that panicked has left what it had written whole.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer under way.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// What an answer holds.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Json(Value),
    Bytes(&'static str, Vec<u8>),
}

impl Reply {
    pub(super) fn json(body: Value) -> Self {
        Self::of(200, body)
    }

    pub(super) fn of(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body), headers: Vec::new() }
    }

    pub(super) fn bytes(status: u16, kind: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { status, body: Body::Bytes(kind, bytes.into()), headers: Vec::new() }
    }

    /// A web page, as proxies send.
    pub(super) fn html(status: u16) -> Self {
        let page = "<html>\r\n<head><title>Bad gateway</title></head>\r\n<body>nginx</body></html>\r\n";
        Self::bytes(status, "text/html", page)
    }

    pub(super) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}
