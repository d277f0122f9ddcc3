//! Google on this machine: the Gemini Developer API, Vertex AI (Agent Platform), Cloud Storage, the token endpoint and
//! the metadata server, behind one address.
//!
//! ```
//! use tunebench_fakes::google::{FakeGoogle, Failing, Fault};
//! let fake = FakeGoogle::builder().api_key("AIza-test").start().unwrap();
//! fake.fail(Failing::new(Fault::DailyLimit).on(":generateContent").times(1));
//! assert!(fake.vertex_url().ends_with("/aiplatform/{location}"));
//! ```
//!
//! | what a client is given | from | for |
//! |---|---|---|
//! | [`gemini_url`](FakeGoogle::gemini_url) | `http://…/generativelanguage` | `https://generativelanguage.googleapis.com` |
//! | [`vertex_url`](FakeGoogle::vertex_url) | `http://…/aiplatform/{location}` | the host of a location |
//! | [`storage_url`](FakeGoogle::storage_url) | `http://…` | `https://storage.googleapis.com` |
//! | [`authorized_user`](FakeGoogle::authorized_user) | a file with its `token_uri` | the file of a user's credentials |
//! | [`metadata_host`](FakeGoogle::metadata_host) | `127.0.0.1:…` | `GCE_METADATA_HOST` |
//!
//! In `vertex_url`, `{location}` is to be replaced by the location, or by the name of its real host
//! (`us-central1-aiplatform.googleapis.com`): a call whose path names another location than its host is not found.
//! It checks what it is sent as the real services do. A job advances by one state at each look. Programs in other
//! languages drive it through `/_fake/`, as the fake OpenAI; the example `fake_google` of this crate serves it.

mod answers;
mod batches;
mod checks;
mod credentials;
pub mod description;
mod errors;
mod jobs;
mod messages;
mod models;
mod server;
mod shape;
mod storage;
#[cfg(test)]
mod tests;
mod training_file;
mod uploads;
mod vertex;
mod vertex_batches;

use std::collections::HashMap;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use self::batches::Batches;
use self::credentials::Tokens;
use self::storage::Store;
use self::vertex::Vertex;
use self::vertex_batches::VertexBatches;
use super::fake::{self, Call, Fake, Recorder, Reply, Service, Shared, Windows, lock};
pub use super::fake::{BatchScript, Brain, Exchange, Failing, Fault, Form, Hint, Question, Said, Stats};

/// How a fake Google is to behave.
pub type Builder = fake::Builder<Settings>;

/// What only this fake can be told.
pub struct Settings {
    api_key: Option<String>,
    token: Option<String>,
    token_lifetime: Duration,
    project: String,
    project_number: String,
    needs_quota_project: bool,
    buckets: Vec<(String, String)>,
    chunk_kept: Option<u64>,
    job_states: Vec<String>,
    tuned_location: Option<String>,
    cold_calls: u64,
    daily: Option<u64>,
    routed: HashMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        let states = ["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"];
        Self {
            api_key: None,
            token: None,
            token_lifetime: Duration::from_secs(3_599),
            project: "fake-project".to_owned(),
            project_number: "123456789012".to_owned(),
            needs_quota_project: false,
            buckets: vec![("fake-bucket".to_owned(), "us-central1".to_owned())],
            chunk_kept: None,
            job_states: states.map(str::to_owned).to_vec(),
            tuned_location: None,
            cold_calls: 0,
            daily: None,
            routed: HashMap::new(),
        }
    }
}

impl Builder {
    /// The only API key that is let in. By default any key is, but none at all is refused.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.settings.api_key = Some(key.into());
        self
    }

    /// An access token that is good for ever, besides those that the fake gives itself.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = Some(token.into());
        self
    }

    /// How long the tokens that it gives are good; an hour by default.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.token_lifetime = lifetime;
        self
    }

    /// The only project, by id and number; `fake-project` and 123456789012 by default.
    #[must_use]
    pub fn project(mut self, id: impl Into<String>, number: impl Into<String>) -> Self {
        (self.settings.project, self.settings.project_number) = (id.into(), number.into());
        self
    }

    /// Refuses calls of Vertex without `x-goog-user-project`.
    #[must_use]
    pub fn needs_quota_project(mut self) -> Self {
        self.settings.needs_quota_project = true;
        self
    }

    /// One more bucket, at a location; `fake-bucket` at `us-central1` is always there.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>, location: impl Into<String>) -> Self {
        self.settings.buckets.push((name.into(), location.into()));
        self
    }

    /// How many bytes of each chunk of a resumable upload are kept, as when the rest gets lost; all by default.
    #[must_use]
    pub fn chunk_kept(mut self, bytes: u64) -> Self {
        self.settings.chunk_kept = Some(bytes);
        self
    }

    /// The states of every job, the first of which it is created in.
    #[must_use]
    pub fn job_states(mut self, states: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.job_states = states.into_iter().map(Into::into).collect();
        self
    }

    /// Where tuned models are served, wherever they were tuned. By default 3.x models are served at `us` and `eu`, and
    /// older ones where they were tuned.
    #[must_use]
    pub fn tuned_location(mut self, location: impl Into<String>) -> Self {
        self.settings.tuned_location = Some(location.into());
        self
    }

    /// How many calls of a new endpoint are not found, as in the first minutes of a real one.
    #[must_use]
    pub fn cold_calls(mut self, calls: u64) -> Self {
        self.settings.cold_calls = calls;
        self
    }

    /// How many requests each model answers in a day.
    #[must_use]
    pub fn daily_requests(mut self, requests: u64) -> Self {
        self.settings.daily = Some(requests);
        self
    }

    /// Answers for a model as another one, and says so in `modelVersion`.
    #[must_use]
    pub fn routed(mut self, asked: impl Into<String>, answers: impl Into<String>) -> Self {
        self.settings.routed.insert(asked.into(), answers.into());
        self
    }

    /// Starts to listen, on a thread of its own.
    pub fn start(self) -> io::Result<FakeGoogle> {
        let (fake, service) = self.serve(|address, mut settings| {
            let buckets = std::mem::take(&mut settings.buckets);
            Google {
                tokens: Mutex::default(),
                store: Mutex::new(Store::new(format!("http://{address}"), buckets, settings.chunk_kept)),
                vertex: Mutex::default(),
                batches: Mutex::default(),
                vertex_batches: Mutex::default(),
                daily: Mutex::new(Windows::new(settings.daily, None, Duration::from_secs(86_400))),
                answers: AtomicU64::new(0),
                settings,
            }
        })?;
        Ok(FakeGoogle { fake, service })
    }
}

struct Google {
    settings: Settings,
    tokens: Mutex<Tokens>,
    store: Mutex<Store>,
    vertex: Mutex<Vertex>,
    batches: Mutex<Batches>,
    vertex_batches: Mutex<VertexBatches>,
    daily: Mutex<Windows>,
    answers: AtomicU64,
}

/// What a call has at hand. Where both are locked, the store is locked before Vertex.
struct Api<'a> {
    settings: &'a Settings,
    tokens: &'a Mutex<Tokens>,
    store: &'a Mutex<Store>,
    vertex: &'a Mutex<Vertex>,
    batches: &'a Mutex<Batches>,
    vertex_batches: &'a Mutex<VertexBatches>,
    daily: &'a Mutex<Windows>,
    answers: &'a AtomicU64,
    brain: &'a Brain,
    windows: &'a Mutex<Windows>,
    recorder: &'a Recorder,
}

impl Api<'_> {
    fn id(&self, kind: &str) -> String {
        format!("{kind}-{:08}", self.answers.fetch_add(1, Ordering::Relaxed))
    }
}

impl Service for Google {
    fn answer(&self, shared: &Shared, call: &Call) -> Reply {
        let Shared { brain, windows, recorder, .. } = shared;
        let Self { settings, tokens, store, vertex, batches, vertex_batches, daily, answers } = self;
        let api = Api {
            settings,
            tokens,
            store,
            vertex,
            batches,
            vertex_batches,
            daily,
            answers,
            brain,
            windows,
            recorder,
        };
        server::answer(&api, call)
    }

    fn worded(&self, fault: &Fault, call: &Call) -> Option<Reply> {
        errors::worded(fault, call)
    }

    fn refused(&self, message: &str) -> Reply {
        errors::invalid(message)
    }

    fn template(&self, path: &str) -> String {
        server::template(path)
    }

    fn headers(&self, _: u64, took: Duration) -> Vec<(&'static str, String)> {
        vec![("server-timing", format!("gfet4t7; dur={}", took.as_millis())), ("vary", "Origin".to_owned())]
    }
}

/// The two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    /// The Gemini Developer API, by key.
    Developer,
    /// Vertex AI, by token.
    Vertex,
}

/// A fake that listens until it is dropped.
pub struct FakeGoogle {
    fake: Fake,
    service: Arc<Google>,
}

impl Deref for FakeGoogle {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

impl FakeGoogle {
    /// A fake with every default.
    pub fn builder() -> Builder {
        Builder::new(Settings::default())
    }

    /// Starts one with every default.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// What clients take for `https://generativelanguage.googleapis.com`.
    pub fn gemini_url(&self) -> String {
        format!("{}/generativelanguage", self.storage_url())
    }

    /// What clients take for the host of a location, with `{location}` to be filled in.
    pub fn vertex_url(&self) -> String {
        format!("{}/aiplatform/{{location}}", self.storage_url())
    }

    /// What clients take for `https://storage.googleapis.com`.
    pub fn storage_url(&self) -> String {
        format!("http://{}", self.fake.address)
    }

    /// What clients take for `https://oauth2.googleapis.com/token`.
    pub fn token_url(&self) -> String {
        format!("{}/token", self.storage_url())
    }

    /// For `GCE_METADATA_HOST`.
    pub fn metadata_host(&self) -> String {
        self.fake.address.to_string()
    }

    /// The file of a user's credentials, for `GOOGLE_APPLICATION_CREDENTIALS`.
    pub fn authorized_user(&self) -> Value {
        json!({
            "type": "authorized_user", "client_id": credentials::CLIENT_ID, "client_secret": credentials::CLIENT_SECRET,
            "refresh_token": credentials::REFRESH_TOKEN, "quota_project_id": self.service.settings.project,
            "token_uri": self.token_url(),
        })
    }

    /// Takes back all access tokens, as when an hour has passed.
    pub fn expire_tokens(&self) {
        lock(&self.service.tokens).expire();
    }

    /// Takes back all sessions of resumable uploads.
    pub fn expire_uploads(&self) {
        lock(&self.service.store).sessions.clear();
    }

    /// The objects that are there, as `gs://bucket/name`.
    pub fn objects(&self) -> Vec<String> {
        lock(&self.service.store).uris()
    }

    /// What lies at `gs://bucket/name`.
    pub fn object(&self, uri: &str) -> Option<Vec<u8>> {
        lock(&self.service.store).bytes(uri).map(<[u8]>::to_vec)
    }

    /// How batches of both APIs go from now on.
    pub fn script_batches(&self, script: BatchScript) {
        lock(&self.service.batches).script = script;
    }

    /// The files of the Files API that are there.
    pub fn files(&self) -> Vec<String> {
        lock(&self.service.batches).file_names()
    }

    /// The names of the batches of both APIs that were created, the oldest first of each.
    pub fn batches(&self) -> Vec<String> {
        let developer = lock(&self.service.batches).names();
        developer.into_iter().chain(lock(&self.service.vertex_batches).names()).collect()
    }

    /// How many rows of batches were answered, and so are paid for.
    pub fn batch_rows(&self) -> u64 {
        lock(&self.service.batches).rows_answered
    }

    /// The names of the tuning jobs that were created, the oldest first.
    pub fn jobs(&self) -> Vec<String> {
        lock(&self.service.vertex).job_names()
    }

    /// The names of the endpoints that are there.
    pub fn endpoints(&self) -> Vec<String> {
        lock(&self.service.vertex).endpoints.keys().cloned().collect()
    }
}
