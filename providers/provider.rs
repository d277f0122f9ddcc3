//! The trait that everything else hangs on.

use async_trait::async_trait;
use tunebench_data::Message;

use crate::{
    Batch, Completion, CompletionRequest, Deployments, FineTuning, ModelInfo, ProviderError, ProviderInfo,
};

/// Answers prompts.
///
/// Two methods make a provider; the rest has defaults that suit most. What only some can do is a trait of its own,
/// reached through an accessor, so that "not supported" is a type and no surprise. What it says of itself is a snapshot,
/// [`info`](Self::info); a method is what depends on a model or a request.
///
/// A provider translates, makes one call and classifies the outcome. It never sleeps, retries, limits or caches:
/// the caller does, for all providers alike. Unknown fields in an answer are ignored, unknown statuses are not final.
///
/// `contract` (feature `contract`) tells whether an implementation keeps to this.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Asks a model once.
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, ProviderError>;

    /// What is known of a model; [`Cause::NotFound`](crate::Cause::NotFound) if it does not exist.
    async fn model_info(&self, model: &str) -> Result<ModelInfo, ProviderError>;

    /// What it says of itself, as far as that is known without asking anybody. Must be cheap, and may change between
    /// two calls.
    fn info(&self) -> ProviderInfo {
        ProviderInfo::default()
    }

    /// Finds out what [`info`](Self::info) can't know at once, as by starting a program, for those who list providers. A
    /// failure is told by the access.
    async fn prepare(&self) {}

    /// Fine-tuning, where the provider offers it.
    fn fine_tuning(&self) -> Option<&dyn FineTuning> {
        None
    }

    /// Many requests as one job, where the provider offers it.
    fn batches(&self) -> Option<&dyn Batch> {
        None
    }

    /// Deployments, where its tuned models need one to answer.
    fn deployments(&self) -> Option<&dyn Deployments> {
        None
    }

    /// The most tokens that the answer to a request can take, as the request will be sent: what a budget must hold
    /// back. `None` where that is not known.
    fn output_cap(&self, request: &CompletionRequest) -> Option<u32> {
        request.parameters.max_output_tokens
    }

    /// The day on which a model stops answering (`YYYY-MM-DD`), as far as that is known without asking anybody.
    fn shutdown_date(&self, model: &str) -> Option<String> {
        self.info().models.into_iter().find(|info| info.id == model)?.shutdown_date
    }

    /// How many tokens the messages of a request are, by the model's own vocabulary; `None` where that is not here.
    fn count_tokens(&self, _model: &str, _messages: &[Message]) -> Option<u64> {
        None
    }

    /// The name under which price lists know a model.
    fn price_name<'a>(&self, model: &'a str) -> &'a str {
        model
    }

    /// How many requests at once a model that is computed in this process works on best; they go together where they are
    /// made from one task.
    fn batch_size(&self, _model: &str) -> usize {
        1
    }
}
