//! A fake Anthropic on this machine: real HTTP, real limits, wrong on demand.
//!
//! ```
//! use tunebench_fakes::anthropic::{FakeAnthropic, Failing, Fault};
//! let fake = FakeAnthropic::builder().key("sk-ant-test").start().unwrap();
//! fake.fail(Failing::new(Fault::Status(529)).on("/v1/messages").times(1));
//! assert!(fake.base_url().starts_with("http://127.0.0.1:"));
//! ```
//!
//! It answers Messages, Message Batches, the counting of tokens and models, and checks what it is sent as the real service does: the
//! version, which fields there are, which ways not to think a model takes, what a schema may hold, where cache marks may
//! stand. Programs in other languages drive it through `/_fake/`, as the fake OpenAI; the example `fake_anthropic` of this
//! crate serves it.

mod answers;
mod batches;
mod cache;
mod checks;
mod errors;
mod limits;
mod models;
mod server;

use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::batches::Batches;
use self::cache::Cache;
use super::fake::{self, Call, Fake, Reply, Service, Shared, lock};
pub use super::fake::{BatchScript, Brain, Exchange, Failing, Fault, Form, Hint, Question, Said, Stats};

/// How a fake Anthropic is to behave.
pub type Builder = fake::Builder<Settings>;

/// What only this fake can be told.
#[derive(Default)]
pub struct Settings {
    key: Option<String>,
    bearer_only: bool,
}

impl Builder {
    /// The only key that is let in. By default any key is, but none at all is refused.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.settings.key = Some(key.into());
        self
    }

    /// Whether the key is taken in `Authorization` only, as newer clients send it.
    #[must_use]
    pub fn bearer_only(mut self, only: bool) -> Self {
        self.settings.bearer_only = only;
        self
    }

    /// Starts to listen, on a thread of its own.
    pub fn start(self) -> io::Result<FakeAnthropic> {
        let (fake, service) = self.serve(|_, Settings { key, bearer_only }| Anthropic {
            key,
            bearer_only,
            cache: Mutex::default(),
            batches: Mutex::default(),
        })?;
        Ok(FakeAnthropic { fake, service })
    }
}

struct Anthropic {
    key: Option<String>,
    bearer_only: bool,
    cache: Mutex<Cache>,
    batches: Mutex<Batches>,
}

impl Service for Anthropic {
    fn answer(&self, shared: &Shared, call: &Call) -> Reply {
        server::answer(self, shared, call)
    }

    fn worded(&self, fault: &Fault, _: &Call) -> Option<Reply> {
        errors::worded(fault)
    }

    fn refused(&self, message: &str) -> Reply {
        Reply::anthropic(400, "invalid_request_error", message)
    }

    fn template(&self, path: &str) -> String {
        server::template(path)
    }

    fn headers(&self, id: u64, _: Duration) -> Vec<(&'static str, String)> {
        vec![
            ("request-id", format!("req_{id:08}")),
            ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000".to_owned()),
        ]
    }
}

/// A fake that listens until it is dropped.
pub struct FakeAnthropic {
    fake: Fake,
    service: Arc<Anthropic>,
}

impl Deref for FakeAnthropic {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

impl FakeAnthropic {
    /// A fake with every default.
    pub fn builder() -> Builder {
        Builder::new(Settings::default())
    }

    /// Starts one with every default.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// What clients take for `https://api.anthropic.com`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.fake.address)
    }

    /// How batches go from now on.
    pub fn script_batches(&self, script: BatchScript) {
        lock(&self.service.batches).script = script;
    }

    /// The ids of the batches that are there, the oldest first.
    pub fn batches(&self) -> Vec<String> {
        lock(&self.service.batches).ids()
    }

    /// How many batches were created.
    pub fn batches_made(&self) -> usize {
        lock(&self.service.batches).made
    }

    /// How many rows of batches were answered, and so are paid for.
    pub fn batch_rows(&self) -> u64 {
        lock(&self.service.batches).answered
    }
}
