//! A fake Anthropic on this machine: real HTTP, real limits, wrong on demand.
//!
//! ```
//! use tunebench_fakes::anthropic::{FakeAnthropic, Failing, Fault};
//! let fake = FakeAnthropic::builder().key("sk-ant-test").start().unwrap();
//! fake.fail(Failing::new(Fault::Status(529)).on("/v1/messages").times(1));
//! assert!(fake.base_url().starts_with("http://127.0.0.1:"));
//! ```
//!
//! It answers Messages, the counting of tokens and models, and checks what it is sent as the real service does: the
//! version, which fields there are, which ways not to think a model takes, what a schema may hold, where cache marks may
//! stand. Programs in other languages drive it through `/_fake/`, as the fake OpenAI; the example `fake_anthropic` of this
//! crate serves it.

mod answers;
mod cache;
mod checks;
mod errors;
mod limits;
mod models;
mod server;

use std::io;
use std::ops::Deref;
use std::sync::Mutex;
use std::time::Duration;

use self::cache::Cache;
use super::fake::{self, Call, Fake, Reply, Service, Shared};
pub use super::fake::{Brain, Exchange, Failing, Fault, Form, Hint, Question, Said, Stats};

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
        let (fake, _) = self.serve(|_, Settings { key, bearer_only }| Anthropic {
            key,
            bearer_only,
            cache: Mutex::default(),
        })?;
        Ok(FakeAnthropic { fake })
    }
}

struct Anthropic {
    key: Option<String>,
    bearer_only: bool,
    cache: Mutex<Cache>,
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
}
