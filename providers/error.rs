//! What can go wrong at a provider, typed by what the caller must do about it.

use std::fmt;
use std::time::Duration;

use crate::RateLimits;

/// A mistake in what the user set, found before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct SettingError {
    /// The setting or hyperparameter that is wrong, if it is one.
    pub setting: Option<String>,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The names that would be right in its place, where it is unknown; one of them may be meant.
    pub expected: Vec<String>,
}

impl SettingError {
    /// A mistake that lies in no single setting.
    pub fn new(message: impl Into<String>) -> Self {
        Self { setting: None, message: message.into(), expected: Vec::new() }
    }

    /// A mistake in one setting.
    pub fn at(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self { setting: Some(setting.into()), ..Self::new(message) }
    }

    /// A name that is none of the `known` ones; `what` it should name, as "hyperparameter".
    pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let expected: Vec<String> = known.into_iter().map(str::to_owned).collect();
        let known = match expected.as_slice() {
            [] => "there is nothing to set here".to_owned(),
            [only] => format!("expected `{only}`"),
            several => format!("expected one of `{}`", several.join("`, `")),
        };
        Self { expected, ..Self::at(name, format!("unknown {what} `{name}`, {known}")) }
    }
}

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// This request only: other rows may well be answered.
    Request,
    /// Every request to this model.
    Model,
    /// Every request to this provider: a bad key, no credit.
    Provider,
}

/// Whether the same request may succeed if it is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It will fail again.
    Never,
    /// It may succeed later.
    Later {
        /// How long the provider asks to wait, where it says so.
        after: Option<Duration>,
    },
}

/// The kind of failure, as it is counted in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The provider was not reached, or the connection broke.
    Network,
    /// A rate limit: too many requests or tokens for now.
    RateLimit,
    /// A quota or a credit that is used up.
    Quota,
    /// The key is missing or refused, or gives no right to this.
    Access,
    /// There is no such model, job or file.
    NotFound,
    /// The request is wrong and will stay so.
    Invalid,
    /// The request is larger than the provider ever takes; smaller ones may be answered.
    TooLarge,
    /// The provider failed.
    Server,
    /// The provider does not offer this.
    Unsupported,
}

impl Cause {
    /// Its name in stored data and in files for programs, as `rate_limit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::Access => "access",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Server => "server",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A failed call.
///
/// `Display` gives the message alone; the hint is for the caller to show apart. Neither may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderError {
    /// The kind of failure.
    pub cause: Cause,
    /// How far it reaches.
    pub scope: Scope,
    /// Whether to try again.
    pub retry: Retry,
    /// What happened: a fragment in lower case, without a final full stop.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// The provider's own name for the request, to quote to its support.
    pub request_id: Option<String>,
    /// What the answer's headers say of rate limits.
    pub rate_limits: Option<Box<RateLimits>>,
    /// Whether the request may have been answered all the same, and so may be on the bill.
    pub may_be_billed: bool,
}

impl ProviderError {
    /// A failure with the scope and retry advice that are usual for its cause.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        let later = Retry::Later { after: None };
        let (scope, retry) = match cause {
            Cause::Network | Cause::Server | Cause::RateLimit => (Scope::Request, later),
            Cause::Invalid | Cause::TooLarge => (Scope::Request, Retry::Never),
            Cause::NotFound | Cause::Unsupported => (Scope::Model, Retry::Never),
            Cause::Quota | Cause::Access => (Scope::Provider, Retry::Never),
        };
        Self {
            cause,
            scope,
            retry,
            message: message.into(),
            hint: None,
            request_id: None,
            rate_limits: None,
            // Who hung up may have answered; a failure that is told costs nothing.
            may_be_billed: cause == Cause::Network,
        }
    }

    /// The same, reaching as far as `scope`.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The same, with other advice on trying again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same, with a cure.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with what the headers say of rate limits.
    #[must_use]
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.rate_limits = Some(Box::new(limits));
        self
    }

    /// The same, for a request that may or may not be on the bill.
    #[must_use]
    pub fn may_be_billed(mut self, may: bool) -> Self {
        self.may_be_billed = may;
        self
    }

    /// The same, with the provider's name for the request.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ProviderError {}
