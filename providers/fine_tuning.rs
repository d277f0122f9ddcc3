//! The fine-tuning side of a provider: training file, upload, job, events, tuned model.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tunebench_data::{Example, Prompt};

use crate::{ProviderError, SettingError};

/// Hyperparameters as the user wrote them; each provider has its own, checks them and fills in the rest.
pub type Hyperparameters = serde_json::Map<String, serde_json::Value>;

/// What a job is to train, before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TuningSpec {
    /// The base model, by the provider's own id.
    pub base: String,
    /// As the user wrote them.
    pub hyperparameters: Hyperparameters,
    /// Makes training repeatable where the provider can.
    pub seed: u64,
}

impl TuningSpec {
    /// Trains `base` with the given hyperparameters and seed.
    pub fn new(base: impl Into<String>, hyperparameters: Hyperparameters, seed: u64) -> Self {
        Self { base: base.into(), hyperparameters, seed }
    }
}

/// How often a job goes over its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Epochs {
    /// As the user has set it.
    Set(u64),
    /// What the provider is expected to choose.
    Expected(u64),
}

impl Epochs {
    /// The number.
    pub fn number(self) -> u64 {
        match self {
            Self::Set(number) | Self::Expected(number) => number,
        }
    }
}

/// A file at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId(pub String);

/// A fine-tuning job at the provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub String);

/// Our own name for a job: equal data, prompt, base, hyperparameters and seed have equal marks.
///
/// 32 hexadecimal digits. A provider stores it with the job (as metadata or label), so that a job can be found
/// again before a second one is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobMark(pub String);

/// The order for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobRequest {
    /// What to train.
    pub spec: TuningSpec,
    /// The training data, uploaded.
    pub training_file: FileId,
    /// Held-out data on which the provider measures the loss while it trains, uploaded.
    pub validation_file: Option<FileId>,
    /// Our name for the job.
    pub mark: JobMark,
}

impl JobRequest {
    /// Orders `spec` on an uploaded file.
    pub fn new(spec: TuningSpec, training_file: FileId, mark: JobMark) -> Self {
        Self { spec, training_file, validation_file: None, mark }
    }

    /// The same, with held-out data to measure the loss on.
    #[must_use]
    pub fn validation_file(mut self, file: FileId) -> Self {
        self.validation_file = Some(file);
        self
    }
}

/// Where a job stands. Whatever a provider says beyond this is [`Other`](Self::Other), which is not final.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobStatus {
    /// Waiting for its turn, or for the check of its files.
    Queued,
    /// Training.
    Running,
    /// Halted, to go on later.
    Paused,
    /// Done: there is a model.
    Succeeded,
    /// Ended without a model.
    Failed,
    /// Ended by request.
    Cancelled,
    /// In the provider's words.
    Other(String),
}

impl JobStatus {
    /// Whether nothing will change any more.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Other(status) => status,
        })
    }
}

/// A fine-tuning job, as the provider reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// The provider's name for it.
    pub id: JobId,
    /// Ours, where it was made by us.
    pub mark: Option<JobMark>,
    /// Where it stands.
    pub status: JobStatus,
    /// The base model.
    pub base: String,
    /// The tuned model: only once the job has succeeded.
    pub tuned_model: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// As the provider resolved them.
    pub hyperparameters: Hyperparameters,
    /// Files at the provider that belong to it: what it was trained on, and what it left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileId>,
    /// Tokens that the provider bills for training, once it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_tokens: Option<u64>,
}

impl Job {
    /// A job that has just been ordered.
    pub fn new(id: JobId, status: JobStatus, base: impl Into<String>) -> Self {
        let base = base.into();
        let (mark, tuned_model, error, hyperparameters, files, trained_tokens) = Default::default();
        Self { id, mark, status, base, tuned_model, error, hyperparameters, files, trained_tokens }
    }
}

/// Whether an uploaded file can be trained on, where the provider looks through it first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileStatus {
    /// It can.
    Ready,
    /// It is being looked through.
    Checking,
    /// It can't, for this reason.
    Refused(String),
}

/// What a provider says of a job before it is made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobEstimate {
    /// US dollars.
    pub usd: f64,
    /// What the user should know besides.
    pub warnings: Vec<String>,
}

impl JobEstimate {
    /// A price in US dollars.
    pub fn new(usd: f64) -> Self {
        Self { usd, warnings: Vec::new() }
    }
}

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEvent {
    /// What happened, in words.
    pub message: String,
    /// How far training is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<TrainingProgress>,
}

/// How far training is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// Steps (or epochs) done.
    pub step: u64,
    /// Steps in all, where known. A job may have parts, each with a total of its own.
    pub total_steps: Option<u64>,
    /// Mean training loss of this step, in nats for each example.
    pub train_loss: Option<f64>,
}

/// A model as it was at one point of its training; it can be asked like any other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// How to ask it.
    pub model: String,
    /// The training step after which it was kept.
    pub step: u64,
    /// Mean loss on the training data at this step.
    pub train_loss: Option<f64>,
    /// Mean loss on the validation data.
    pub valid_loss: Option<f64>,
}

/// The losses at one training step. Accuracies are shares of tokens, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LossPoint {
    /// Steps (or epochs) done.
    pub step: u64,
    /// Mean loss on the training data.
    pub train_loss: Option<f64>,
    /// Share of training tokens that were predicted right.
    pub train_accuracy: Option<f64>,
    /// Mean loss on the validation data, at steps where it was measured.
    pub valid_loss: Option<f64>,
    /// Share of validation tokens that were predicted right.
    pub valid_accuracy: Option<f64>,
}

/// What only a provider with fine-tuning can do; reached through [`Provider::fine_tuning`](crate::Provider::fine_tuning).
///
/// A provider translates, makes one call and classifies the outcome. It never waits, retries or remembers: waiting for
/// a job is the caller's work.
#[async_trait]
pub trait FineTuning: Send + Sync {
    /// Checks what can be checked without a network: base, hyperparameters, the amount and form of the data.
    fn check(&self, spec: &TuningSpec, examples: &[Example], prompt: &Prompt) -> Result<(), SettingError>;

    /// Asks the provider whether such a job can be started at all: is the base there, and is training still offered?
    /// To be called before anything is uploaded. What it returns are warnings, such as the day on which the model to
    /// be trained will be shut down.
    async fn preflight(&self, _spec: &TuningSpec) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }

    /// Writes the training data in the provider's own format.
    fn write_training_file(
        &self,
        examples: &[Example],
        prompt: &Prompt,
        out: &mut dyn Write,
    ) -> io::Result<()>;

    /// Hands over a file written by [`write_training_file`](Self::write_training_file).
    async fn upload(&self, file: &Path) -> Result<FileId, ProviderError>;

    /// How the provider's own check of an uploaded file stands. Only one that is ready goes into a job.
    async fn file_status(&self, _file: &FileId) -> Result<FileStatus, ProviderError> {
        Ok(FileStatus::Ready)
    }

    /// What the provider expects a job to cost, where it can be asked before the job is made.
    async fn estimate(&self, _request: &JobRequest) -> Result<Option<JobEstimate>, ProviderError> {
        Ok(None)
    }

    /// Removes an uploaded file. Where the provider keeps none, there is nothing to do.
    async fn delete_file(&self, _file: &FileId) -> Result<(), ProviderError> {
        Ok(())
    }

    /// Starts a job. Call [`find_job`](Self::find_job) first, also after a failure that left open whether the order
    /// arrived: a provider need not notice that it is asked twice. If the job can't be started and trying again is
    /// of no use, the uploaded files are removed.
    async fn create_job(&self, request: &JobRequest) -> Result<Job, ProviderError>;

    /// The newest job with our mark that has not failed and was not cancelled.
    async fn find_job(&self, mark: &JobMark) -> Result<Option<Job>, ProviderError>;

    /// The job as it stands now.
    async fn job(&self, id: &JobId) -> Result<Job, ProviderError>;

    /// All jobs that the provider knows of, the newest first.
    async fn jobs(&self) -> Result<Vec<Job>, ProviderError>;

    /// What has happened in the job, the oldest first, without the first `skip` events.
    async fn events(&self, id: &JobId, skip: usize) -> Result<Vec<JobEvent>, ProviderError>;

    /// Models kept on the way, by step; empty while there are none.
    async fn checkpoints(&self, _id: &JobId) -> Result<Vec<Checkpoint>, ProviderError> {
        Ok(Vec::new())
    }

    /// The losses of a job that has succeeded, by step; empty where the provider has none.
    async fn loss_curve(&self, _id: &JobId) -> Result<Vec<LossPoint>, ProviderError> {
        Ok(Vec::new())
    }

    /// Asks for the end of a job; how it ended is told by [`job`](Self::job). A job that has ended stays as it is.
    async fn cancel_job(&self, id: &JobId) -> Result<(), ProviderError>;

    /// Deletes a tuned model. Files of its job stay: see [`delete_file`](Self::delete_file).
    async fn delete_model(&self, model: &str) -> Result<(), ProviderError>;

    /// How often a job will go over so many training rows, as far as that can be known before it is made.
    fn epochs(&self, _spec: &TuningSpec, _rows: usize) -> Option<Epochs> {
        None
    }

    /// The name under which price lists know the models tuned from a base.
    fn tuned_price_name(&self, base: &str) -> String {
        base.to_owned()
    }

    /// How long to wait between two looks at a job.
    fn poll_interval(&self) -> Duration {
        Duration::from_secs(30)
    }
}
