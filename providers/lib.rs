//! The [`Provider`] trait of tunebench, and the providers that ship with it.
//!
//! To write a provider, implement [`Provider`] (and [`FineTuning`], where there is such a thing), put it through the
//! `contract` (feature `contract`), and register it: `Registry::builtin().with_kind(Kind::new("acme", …))`.

#[cfg(feature = "anthropic")]
pub mod anthropic;
mod batch;
#[cfg(feature = "catalog")]
pub mod catalog;
#[cfg(feature = "command")]
pub mod command;
mod completion;
#[cfg(feature = "contract")]
pub mod contract;
mod deployment;
mod error;
mod fine_tuning;
#[cfg(feature = "google")]
pub mod google;
#[cfg(any(feature = "anthropic", feature = "google", feature = "hub", feature = "openai"))]
mod http;
#[cfg(feature = "local")]
pub mod hub;
mod info;
mod kind;
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
mod lines;
#[cfg(feature = "local")]
pub mod local;
#[cfg(any(feature = "google", feature = "openai"))]
mod logprobs;
mod model;
#[cfg(feature = "openai")]
pub mod openai;
mod provider;
mod registry;
#[cfg(any(feature = "anthropic", feature = "openai"))]
mod retry_after;
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
mod rows_body;
mod setting;
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
mod settings;
#[cfg(all(test, feature = "contract", any(feature = "anthropic", feature = "google", feature = "openai")))]
mod testing;
#[cfg(any(
    feature = "anthropic",
    feature = "command",
    feature = "google",
    feature = "hub",
    feature = "openai"
))]
mod text;
#[cfg_attr(
    not(all(feature = "command", feature = "google", feature = "hub", feature = "openai")),
    allow(dead_code, reason = "a build without some providers waits for less")
)]
mod timeouts;
#[cfg(any(feature = "anthropic", feature = "google", feature = "hub", feature = "openai"))]
mod tls;
#[cfg(any(feature = "google", feature = "openai"))]
mod training_rows;

pub use async_trait::async_trait;
pub use batch::{
    Batch, BatchCounts, BatchEnd, BatchId, BatchJob, BatchLimits, BatchMark, BatchOrder, BatchResults,
    BatchStatus, ResultsPosition, RowOutcome, RowResult,
};
pub use completion::{
    AnswerMode, Completion, CompletionRequest, FinishReason, Limit, Parameters, RateLimits, Usage,
};
pub use deployment::{
    Deployment, DeploymentId, DeploymentMark, DeploymentOffer, DeploymentOrder, DeploymentState, Deployments,
};
pub use error::{Cause, ProviderError, Retry, Scope, SettingError};
pub use fine_tuning::{
    Checkpoint, Epochs, FileId, FileStatus, FineTuning, Hyperparameters, Job, JobEstimate, JobEvent, JobId,
    JobMark, JobRequest, JobStatus, LossPoint, TrainingProgress, TuningSpec,
};
pub use info::{Access, Execution, ProviderFacts, ProviderInfo};
pub use kind::{Factory, Kind};
pub use model::{BadModelRef, ModelInfo, ModelRef};
pub use provider::Provider;
pub use registry::{Registry, Setup};
pub use setting::{Setting, SettingType};

/// For authors of providers: what every provider must keep to, as a test.
#[cfg(feature = "test-kit")]
pub mod test_kit {
    pub use crate::contract::{Contract, Finding, Report, Verdict};
}
