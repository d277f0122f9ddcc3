//! A fake OpenAI on this machine: real HTTP, real limits, wrong on demand.
//!
//! ```
//! use tunebench_fakes::openai::{FakeOpenAi, Fault, Failing};
//! let fake = FakeOpenAi::builder().key("sk-test").start().unwrap();
//! fake.fail(Failing::new(Fault::Status(500)).on("/chat/completions").times(1));
//! assert!(fake.base_url().starts_with("http://127.0.0.1:"));
//! ```
//!
//! It answers files, fine-tuning jobs, batches, models, Chat Completions, Responses and Decisions, and checks what it is sent as
//! the real service does. A job or a batch advances by one state at each look. The same jobs are there in Alibaba's
//! way, under `/api/v1`, and in Together's, under `/together`, where a model must be deployed before it answers. Programs in other languages drive it through
//! `GET /_fake/stats`, `GET /_fake/recorded` and `POST /_fake/faults` (see [`Failing`]); the example `fake_openai`
//! of this crate serves it.

mod answers;
mod batches;
mod checks;
mod dashscope;
mod errors;
mod jobs;
mod limits;
mod models;
mod server;
mod together;
mod world;

use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use self::together::DeploymentScript;
use self::world::World;
use super::fake::{self, Call, Fake, Recorder, Reply, Service, Shared, Windows, lock};
pub use super::fake::{BatchScript, Brain, Exchange, Failing, Fault, Form, Hint, Question, Said, Stats};

/// How a fake OpenAI is to behave.
pub type Builder = fake::Builder<Settings>;

/// What only this fake can be told.
pub struct Settings {
    key: Option<String>,
    packed_results: bool,
    models: Vec<(String, Option<String>)>,
}

impl Builder {
    /// The only key that is let in. By default any key is, but none at all is refused.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.settings.key = Some(key.into());
        self
    }

    /// Whether results files come in base64, as the real service has sent them; on by default.
    #[must_use]
    pub fn packed_results(mut self, packed: bool) -> Self {
        self.settings.packed_results = packed;
        self
    }

    /// One more base model, with the day (`YYYY-MM-DD`) on which it stops to answer.
    #[must_use]
    pub fn model(mut self, id: impl Into<String>, shutdown_date: Option<&str>) -> Self {
        self.settings.models.push((id.into(), shutdown_date.map(str::to_owned)));
        self
    }

    /// Starts to listen, on a thread of its own.
    pub fn start(self) -> io::Result<FakeOpenAi> {
        let (fake, service) = self.serve(|_, settings| OpenAi {
            key: settings.key,
            world: Mutex::new(World::new(settings.models, settings.packed_results)),
        })?;
        Ok(FakeOpenAi { fake, service })
    }
}

struct OpenAi {
    key: Option<String>,
    world: Mutex<World>,
}

/// What a call has at hand.
struct Api<'a> {
    key: &'a Option<String>,
    world: &'a Mutex<World>,
    brain: &'a Brain,
    windows: &'a Mutex<Windows>,
    recorder: &'a Recorder,
}

impl Service for OpenAi {
    fn answer(&self, shared: &Shared, call: &Call) -> Reply {
        let Shared { brain, windows, recorder, .. } = shared;
        server::answer(&Api { key: &self.key, world: &self.world, brain, windows, recorder }, call)
    }

    fn worded(&self, fault: &Fault, _: &Call) -> Option<Reply> {
        errors::worded(fault)
    }

    fn refused(&self, message: &str) -> Reply {
        Reply::invalid("", "", message)
    }

    fn template(&self, path: &str) -> String {
        server::template(path)
    }

    fn headers(&self, id: u64, took: Duration) -> Vec<(&'static str, String)> {
        vec![
            ("x-request-id", format!("req_{id:08}")),
            ("openai-processing-ms", took.as_millis().to_string()),
            ("openai-version", "2020-10-01".to_owned()),
            ("openai-organization", "fake-org".to_owned()),
        ]
    }
}

/// A fake that listens until it is dropped.
pub struct FakeOpenAi {
    fake: Fake,
    service: Arc<OpenAi>,
}

impl Deref for FakeOpenAi {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

impl FakeOpenAi {
    /// A fake with every default.
    pub fn builder() -> Builder {
        Builder::new(Settings { key: None, packed_results: true, models: Vec::new() })
    }

    /// Starts one with every default.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// What clients take for `https://api.openai.com/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.fake.address)
    }

    /// What clients take for `https://dashscope-intl.aliyuncs.com/compatible-mode/v1`: Alibaba's answers, beside which stand its
    /// files, fine-tuning jobs and deployments.
    pub fn dashscope_url(&self) -> String {
        format!("http://{}/compatible-mode/v1", self.fake.address)
    }

    /// What clients take for `https://api.together.ai/v1`: Together's answers, beside which stand its files, batches, fine-tuning
    /// jobs and deployments.
    pub fn together_url(&self) -> String {
        format!("http://{}/together/v1", self.fake.address)
    }

    /// How deployments in Together's way go from now on.
    pub fn script_deployments(&self, script: DeploymentScript) {
        lock(&self.service.world).together.script = script;
    }

    /// The names of the deployments in Together's way that cost money now.
    pub fn running(&self) -> Vec<String> {
        lock(&self.service.world).together.running()
    }

    /// The names of all endpoints in Together's way, whether anything stands below them or not.
    pub fn endpoints(&self) -> Vec<String> {
        lock(&self.service.world).together.endpoint_names()
    }

    /// What machines have cost so far, in US cents.
    pub fn bill_cents(&self) -> u64 {
        lock(&self.service.world).together.bill_cents()
    }

    /// Lets minutes pass by the clock that machines are billed by, and that no test waits for.
    pub fn pass_minutes(&self, minutes: u64) {
        lock(&self.service.world).together.pass(minutes);
    }

    /// The names of the models that are deployed in Alibaba's way.
    pub fn deployments(&self) -> Vec<String> {
        lock(&self.service.world).deployed()
    }

    /// The ids of the files that are there.
    pub fn files(&self) -> Vec<String> {
        lock(&self.service.world).file_ids()
    }

    /// How batches go from now on.
    pub fn script_batches(&self, script: BatchScript) {
        lock(&self.service.world).batches.script = script;
    }

    /// The ids of the batches that were created, the oldest first.
    pub fn batches(&self) -> Vec<String> {
        lock(&self.service.world).batches.ids()
    }

    /// How many rows of batches were answered, and so are paid for.
    pub fn batch_rows(&self) -> u64 {
        lock(&self.service.world).batches.answered
    }

    /// The ids of the jobs that were created, the oldest first.
    pub fn jobs(&self) -> Vec<String> {
        lock(&self.service.world).job_ids()
    }
}
