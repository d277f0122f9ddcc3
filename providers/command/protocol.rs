//! The lines that go to and fro: version 1 of the protocol of `docs/plugin-protocol.md`.
//!
//! A request is `{"id", "method", "params"}`, an answer `{"id", "result"}` or `{"id", "error"}`. Unknown members are ignored.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tunebench_data::{LabelId, Message};

use crate::{Cause, Completion, CompletionRequest, FinishReason, ProviderError, Retry, Scope, Usage};

/// The version that is spoken here.
pub(super) const VERSION: u32 = 1;

/// What is sent to the child.
#[derive(Serialize)]
pub(super) struct Request<'a, P> {
    pub(super) id: u64,
    pub(super) method: &'a str,
    pub(super) params: P,
}

/// What comes back.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) result: Option<Value>,
    #[serde(default)]
    pub(super) error: Option<Failure>,
}

/// The first request to every child.
#[derive(Serialize)]
pub(super) struct HelloParams<'a> {
    pub(super) protocol: u32,
    /// The name under `[providers]`.
    pub(super) name: &'a str,
    /// What stands under `[providers.NAME.settings]`.
    pub(super) settings: &'a Map<String, Value>,
    /// A folder in which the child may keep files.
    pub(super) state_dir: &'a str,
}

/// What a child says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
    #[serde(default)]
    pub(super) models: Vec<Model>,
    /// Present where it can fine-tune.
    #[serde(default)]
    pub(super) fine_tuning: Option<Tuning>,
    /// How many texts it takes at once; 1 unless it says so.
    #[serde(default)]
    pub(super) batch_size: Option<usize>,
}

/// What a child can train.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Tuning {
    /// The names of the hyperparameters that it takes.
    #[serde(default)]
    pub(super) hyperparameters: Vec<String>,
    #[serde(default)]
    pub(super) min_rows: usize,
}

/// A model of the child.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Model {
    pub(super) id: String,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) tuned_from: Option<String>,
    #[serde(default)]
    pub(super) tunable: bool,
    #[serde(default)]
    pub(super) probabilities: bool,
    #[serde(default)]
    pub(super) shutdown_date: Option<String>,
}

/// A model by its name.
#[derive(Serialize)]
pub(super) struct Named<'a> {
    pub(super) model: &'a str,
}

/// What all texts of a batch have in common.
#[derive(Serialize)]
pub(super) struct Task<'a> {
    pub(super) model: &'a str,
    pub(super) labels: &'a [String],
    /// How often each label occurs in the training data; empty without training data.
    pub(super) label_counts: &'a [u64],
    pub(super) parameters: &'a crate::Parameters,
}

/// One text.
#[derive(Serialize)]
pub(super) struct Item {
    text: String,
    messages: Vec<Message>,
    /// Solved examples, as text and label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shots: Vec<(String, String)>,
}

impl Item {
    pub(super) fn of(request: &CompletionRequest) -> Self {
        let labels = request.prompt.labels();
        let shots = request.shots.iter().map(|(text, label)| (text.clone(), labels.name(*label).to_owned()));
        Self { text: request.text.clone(), messages: request.messages(), shots: shots.collect() }
    }
}

#[derive(Serialize)]
pub(super) struct CompleteParams<'a> {
    #[serde(flatten)]
    pub(super) task: Task<'a>,
    #[serde(flatten)]
    pub(super) item: Item,
}

#[derive(Serialize)]
pub(super) struct BatchParams<'a> {
    #[serde(flatten)]
    pub(super) task: Task<'a>,
    pub(super) items: &'a [Item],
}

#[derive(Deserialize)]
pub(super) struct BatchResult {
    pub(super) results: Vec<OneResult>,
}

/// What became of one text of a batch.
#[derive(Deserialize)]
pub(super) struct OneResult {
    #[serde(default)]
    result: Option<Said>,
    #[serde(default)]
    error: Option<Failure>,
}

impl OneResult {
    /// `clean` takes secrets out of what goes into messages.
    pub(super) fn completion(
        self,
        request: &CompletionRequest,
        clean: impl Fn(&str) -> String,
    ) -> Result<Completion, ProviderError> {
        match (self.result, self.error) {
            (_, Some(failure)) => Err(failure.clean(clean).into()),
            (Some(said), None) => said.completion(request),
            (None, None) => Err(malformed("an item of the batch has neither `result` nor `error`")),
        }
    }
}

/// A completion, as the child writes it.
#[derive(Deserialize)]
pub(super) struct Said {
    /// The answer as text, to be read as any model's is.
    #[serde(default)]
    text: Option<String>,
    /// Instead of a text: the label that was chosen.
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    finish: Option<String>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    model_version: Option<String>,
    /// One for each label, in the order of the request.
    #[serde(default)]
    probabilities: Option<Vec<f32>>,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    input: u64,
    #[serde(default)]
    output: u64,
    #[serde(default)]
    cached: u64,
}

impl Said {
    pub(super) fn completion(self, request: &CompletionRequest) -> Result<Completion, ProviderError> {
        let labels = request.prompt.labels();
        let text = match (self.text, self.label) {
            (Some(text), _) => text,
            // A label is written as this prompt wants it, so that it is read back whatever the form of answers.
            (None, Some(name)) => labels.get(&name).map_or(name, |label| said(request, label)),
            (None, None) => return Err(malformed("a result has neither `text` nor `label`")),
        };
        let mut completion = Completion::new(text).finish(match self.finish.as_deref() {
            None | Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some("refusal") => FinishReason::Refusal,
            Some("content_filter") => FinishReason::ContentFilter,
            Some(other) => FinishReason::Other(crate::text::one_line(other)),
        });
        completion.usage = self.usage.map(|used| Usage::new(used.input, used.output).cached(used.cached));
        completion.model_version = self.model_version;
        completion.note = self.note.map(|note| crate::text::one_line(&note));
        if let Some(probabilities) = self.probabilities {
            if probabilities.len() != labels.len() {
                let (given, wanted) = (probabilities.len(), labels.len());
                return Err(malformed(&format!("{given} probabilities for {wanted} labels")));
            }
            if !probabilities.iter().all(|p| (0.0..=1.0).contains(p))
                || probabilities.iter().sum::<f32>() > 1.001
            {
                return Err(malformed("`probabilities` must be from 0 to 1 and add up to 1 at most"));
            }
            completion.probabilities = Some(probabilities);
        }
        Ok(completion)
    }
}

fn said(request: &CompletionRequest, label: LabelId) -> String {
    request.prompt.answer(label)
}

/// An answer of the right kind of JSON and the wrong content.
pub(super) fn malformed(what: &str) -> ProviderError {
    ProviderError::new(Cause::Server, format!("the provider's program broke the protocol: {what}"))
        .retry(Retry::Never)
        .hint("see docs/plugin-protocol.md; `tunebench providers check` puts a provider through the contract")
}

/// An error, as the child writes it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Failure {
    #[serde(default)]
    cause: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    scope: Option<String>,
    /// Whether to try again; what is usual for the cause where it is not said.
    #[serde(default)]
    retry: Option<bool>,
    /// Seconds to wait before that.
    #[serde(default)]
    retry_after: Option<f64>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    may_be_billed: Option<bool>,
}

impl Failure {
    /// The same with its texts made clean; only then may they be cut.
    pub(super) fn clean(self, clean: impl Fn(&str) -> String) -> Self {
        Self { message: clean(&self.message), hint: self.hint.as_deref().map(clean), ..self }
    }
}

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        let cause = match failure.cause.as_str() {
            "network" => Cause::Network,
            "rate_limit" => Cause::RateLimit,
            "quota" => Cause::Quota,
            "access" => Cause::Access,
            "not_found" => Cause::NotFound,
            "invalid" => Cause::Invalid,
            "unsupported" => Cause::Unsupported,
            _ => Cause::Server,
        };
        let message = match crate::text::one_line(&failure.message) {
            message if message.is_empty() => "the provider's program gave no reason".to_owned(),
            message => message,
        };
        let mut error = ProviderError::new(cause, message);
        match failure.scope.as_deref() {
            Some("request") => error.scope = Scope::Request,
            Some("model") => error.scope = Scope::Model,
            Some("provider") => error.scope = Scope::Provider,
            _ => {}
        }
        let after = failure.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match (failure.retry, after) {
            (Some(false), _) => error.retry = Retry::Never,
            (Some(true), after) | (None, after @ Some(_)) => error.retry = Retry::Later { after },
            (None, None) => {}
        }
        error.hint = failure.hint.map(|hint| crate::text::one_line(&hint));
        error.may_be_billed = failure.may_be_billed.unwrap_or(error.may_be_billed);
        error
    }
}
