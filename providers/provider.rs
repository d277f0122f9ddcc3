//! The trait that everything else hangs on.

use async_trait::async_trait;
use tunebench_data::Message;

use crate::{Batch, Completion, CompletionRequest, Deployments, FineTuning, ModelInfo, ProviderError};

/// Whether a provider can be used as it is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// It needs no key.
    Open,
    /// Its key is set.
    Ready,
    /// Its key is missing: set this environment variable.
    Missing(String),
    /// Nobody is logged in: run this command.
    LoggedOut(String),
    /// It does not work, for this reason.
    Unavailable(String),
    /// There is a key, but it is not sent to the address that is set, for this reason.
    Withheld(String),
}

/// What is known of a provider beside what it can do, for those who choose one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProviderFacts {
    /// Requests a minute that every account has, and that are kept to where the user sets nothing else.
    pub requests_per_minute: Option<u64>,
    /// What else there is to say of its rate limits.
    pub limits: Option<String>,
    /// The most rows and bytes of a batch, where it takes batches.
    pub batch: Option<(u64, u64)>,
    /// How it tunes, where it does.
    pub tuning: Option<String>,
    /// Who says so.
    pub source: Option<String>,
    /// When that was read (`YYYY-MM-DD`).
    pub checked: Option<String>,
}

/// Answers prompts.
///
/// Two methods make a provider; the rest has defaults that suit most. What only some can do is a trait of its own,
/// reached through an accessor, so that "not supported" is a type and no surprise.
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

    /// The models that a user would choose from, for help and error messages; need not be complete.
    fn known_models(&self) -> Vec<ModelInfo> {
        Vec::new()
    }

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

    /// What is known of it besides, for those who choose a provider.
    fn facts(&self) -> ProviderFacts {
        ProviderFacts::default()
    }

    /// Where it is reached, without user name and password; empty where there is only one place. Answers of one place
    /// are never taken for those of another.
    fn base_url(&self) -> String {
        String::new()
    }

    /// Settings of its own that shape answers, in a form that is equal for equal settings. Answers that were given under
    /// other settings are never taken for those that are asked for.
    fn answer_settings(&self) -> String {
        String::new()
    }

    /// The most tokens that the answer to a request can take, as the request will be sent: what a budget must hold
    /// back. `None` where that is not known.
    fn output_cap(&self, request: &CompletionRequest) -> Option<u32> {
        request.parameters.max_output_tokens
    }

    /// The day on which a model stops answering (`YYYY-MM-DD`), as far as that is known without asking anybody.
    fn shutdown_date(&self, model: &str) -> Option<String> {
        self.known_models().into_iter().find(|info| info.id == model)?.shutdown_date
    }

    /// How many tokens the messages of a request are, by the model's own vocabulary; `None` where that is not here.
    fn count_tokens(&self, _model: &str, _messages: &[Message]) -> Option<u64> {
        None
    }

    /// The name under which price lists know a model.
    fn price_name<'a>(&self, model: &'a str) -> &'a str {
        model
    }

    /// Whether an answer of a tuned model costs what one of its base does. Else its price is that of its own name.
    fn tuned_at_base_price(&self) -> bool {
        false
    }

    /// Whether its key is set.
    fn access(&self) -> Access {
        Access::Open
    }

    /// Whether answers are computed in this process, so that a call keeps a processor busy instead of waiting.
    fn in_process(&self) -> bool {
        false
    }
    /// How many requests at once a model that is computed in this process works on best; they go together where they are
    /// made from one task.
    fn batch_size(&self, _model: &str) -> usize {
        1
    }
}
