//! What the fake was asked, counted and kept.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use serde::Serialize;
use serde_json::Value;

use super::lock;

/// What the fake was asked so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// How often each method and path, ids left out: `POST /v1/chat/completions`, `GET /v1/fine_tuning/jobs/{id}`.
    pub requests: BTreeMap<String, u64>,
    /// How often each status was answered.
    pub statuses: BTreeMap<u16, u64>,
    /// Tokens of prompts that were answered.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// The most requests that were under way at once.
    pub most_at_once: u64,
    /// Bodies of prompts that had come before, letter for letter.
    pub duplicates: u64,
}

impl Stats {
    /// How often something was asked; `request` as in [`requests`](Self::requests).
    pub fn count(&self, request: &str) -> u64 {
        self.requests.get(request).copied().unwrap_or_default()
    }

    /// How many requests there were.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// How many requests were refused with status 429.
    pub fn refused(&self) -> u64 {
        self.statuses.get(&429).copied().unwrap_or_default()
    }
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Exchange {
    /// Such as `POST`.
    pub method: String,
    /// Such as `/v1/chat/completions`.
    pub path: String,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The names of the headers, in lower case, sorted.
    pub header_names: Vec<String>,
    /// The JSON that came, the fields of a form with `file` as text, or any other body as text; null for none.
    pub request: Value,
    /// The status that was answered; 0 if the connection was reset.
    pub status: u16,
    /// The JSON that was answered; null for anything else.
    pub answer: Value,
}

#[derive(Default)]
struct Kept {
    stats: Stats,
    begun: u64,
    at_once: u64,
    bodies: HashSet<u64>,
    exchanges: Vec<Exchange>,
}

/// Counts always, and keeps where it is to.
pub(crate) struct Recorder {
    keep: bool,
    kept: Mutex<Kept>,
}

impl Recorder {
    pub(super) fn new(keep: bool) -> Self {
        Self { keep, kept: Mutex::default() }
    }

    pub(super) fn connected(&self) {
        lock(&self.kept).stats.connections += 1;
    }

    /// Counts a request and gives its number, from 1.
    pub(super) fn began(&self, request: String) -> u64 {
        let mut kept = lock(&self.kept);
        kept.begun += 1;
        *kept.stats.requests.entry(request).or_default() += 1;
        kept.at_once += 1;
        kept.stats.most_at_once = kept.stats.most_at_once.max(kept.at_once);
        kept.begun
    }

    pub(crate) fn prompted(&self, body: &[u8]) {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let mut kept = lock(&self.kept);
        if !kept.bodies.insert(hasher.finish()) {
            kept.stats.duplicates += 1;
        }
    }

    pub(crate) fn answered(&self, input: u64, output: u64) {
        let mut kept = lock(&self.kept);
        kept.stats.input_tokens += input;
        kept.stats.output_tokens += output;
    }

    pub(super) fn ended(&self, status: u16, exchange: impl FnOnce() -> Exchange) {
        let mut kept = lock(&self.kept);
        kept.at_once = kept.at_once.saturating_sub(1);
        *kept.stats.statuses.entry(status).or_default() += 1;
        if self.keep {
            kept.exchanges.push(exchange());
        }
    }

    pub(super) fn stats(&self) -> Stats {
        lock(&self.kept).stats.clone()
    }

    pub(super) fn recorded(&self) -> Vec<Exchange> {
        lock(&self.kept).exchanges.clone()
    }
}
