//! What a provider says of itself.

use crate::ModelInfo;

/// Whether a provider can be used as it is set up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Access {
    /// It needs no key.
    #[default]
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

impl Access {
    /// Whether calls can be made, as far as that is known.
    pub fn is_granted(&self) -> bool {
        matches!(self, Self::Open | Self::Ready)
    }
}

/// Where answers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Execution {
    /// Elsewhere: a call waits. Requests are limited, answers are kept, and they may have to be paid for.
    #[default]
    Remote,
    /// In this process: a call keeps a processor busy, costs nothing, and its answer is not kept.
    InProcess,
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

/// A provider as it is set up, at one moment. What is left out has a default that suits most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// Where it is reached, without user name and password; empty where there is only one place. Answers of one place
    /// are never taken for those of another.
    pub base_url: String,
    /// Settings of its own that shape answers, in a form that is equal for equal settings. Answers that were given under
    /// other settings are never taken for those that are asked for.
    pub answer_settings: String,
    /// Whether its key is set.
    pub access: Access,
    /// Where answers are computed.
    pub execution: Execution,
    /// The models that a user would choose from, for help and error messages; need not be complete.
    pub models: Vec<ModelInfo>,
    /// Whether an answer of a tuned model costs what one of its base does. Else its price is that of its own name.
    pub tuned_at_base_price: bool,
    /// What is known of it besides.
    pub facts: ProviderFacts,
}

impl ProviderInfo {
    /// The same, reached there.
    #[must_use]
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// The same, with settings that shape answers.
    #[must_use]
    pub fn answer_settings(mut self, settings: impl Into<String>) -> Self {
        self.answer_settings = settings.into();
        self
    }

    /// The same, with this access.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The same, with answers computed there.
    #[must_use]
    pub fn execution(mut self, execution: Execution) -> Self {
        self.execution = execution;
        self
    }

    /// The same, with models to choose from.
    #[must_use]
    pub fn models(mut self, models: impl IntoIterator<Item = ModelInfo>) -> Self {
        self.models = models.into_iter().collect();
        self
    }

    /// The same, with tuned models at the price of their base.
    #[must_use]
    pub fn tuned_at_base_price(mut self) -> Self {
        self.tuned_at_base_price = true;
        self
    }

    /// The same, with what is known of it besides.
    #[must_use]
    pub fn facts(mut self, facts: ProviderFacts) -> Self {
        self.facts = facts;
        self
    }

    /// Whether answers are computed in this process.
    pub fn in_process(&self) -> bool {
        self.execution == Execution::InProcess
    }
}
