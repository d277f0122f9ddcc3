//! Which providers there are, by name. Explicit: a third party's program adds its own by one line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{Provider, SettingError};

/// What a provider is made from.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Setup {
    /// The name under which the user knows it: the part of a model reference before the slash.
    pub name: String,
    /// What stands under `[providers.NAME]`, less what the core itself reads.
    pub settings: Map<String, Value>,
    /// Where the provider may keep files of its own.
    pub state_dir: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Setup {
    /// A provider with these settings and this folder for its own files.
    pub fn new(name: &str, settings: Map<String, Value>, state_dir: impl Into<PathBuf>) -> Self {
        Self { name: name.to_owned(), settings, state_dir: state_dir.into(), variables: BTreeMap::new() }
    }

    /// The same, with variables that stand in where the environment has none, as from a `.env` file.
    #[must_use]
    pub fn variables(mut self, variables: BTreeMap<String, String>) -> Self {
        self.variables = variables;
        self
    }

    /// An environment variable, or the one that stands in for it. An empty one counts as not set.
    pub fn variable(&self, name: &str) -> Option<String> {
        let set = std::env::var(name).ok().or_else(|| self.variables.get(name).cloned());
        set.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// What stands in for an environment variable, whatever the environment has. An empty one counts as not set.
    pub fn stand_in(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, and not by the environment. Whoever wrote that file need not own the user's keys: an
    /// address from there must not be sent a key from elsewhere.
    pub fn is_stand_in(&self, name: &str) -> bool {
        std::env::var_os(name).is_none() && self.stand_in(name).is_some()
    }
}

/// Makes a provider. Must be cheap and touch no network: it is called also to list what there is.
pub type Factory = Box<dyn Fn(&Setup) -> Result<Arc<dyn Provider>, SettingError> + Send + Sync>;

/// The kinds of providers a program knows. A kind is also the name of its usual instance; the configuration can
/// make others with `[providers.NAME] kind = "KIND"`.
#[derive(Default)]
pub struct Registry {
    factories: BTreeMap<String, Factory>,
    /// Kinds without a usual instance.
    named_only: BTreeSet<String>,
    /// Hosts that have closed, and what to say of them.
    gone: BTreeMap<String, String>,
}

impl Registry {
    /// Those that ship with tunebench and are compiled in.
    pub fn builtin() -> Self {
        let registry = Self::default();
        #[cfg(feature = "anthropic")]
        let registry = registry
            .with("anthropic", |setup| Ok(Arc::new(crate::anthropic::AnthropicProvider::new(setup)?)));
        #[cfg(feature = "command")]
        let registry = registry
            .with_named_only("command", |setup| Ok(Arc::new(crate::command::CommandProvider::new(setup)?)));
        #[cfg(feature = "google")]
        let registry = registry
            .with("gemini", |setup| Ok(Arc::new(crate::google::GoogleProvider::gemini(setup)?)))
            .with("vertex", |setup| Ok(Arc::new(crate::google::GoogleProvider::vertex(setup)?)));
        #[cfg(feature = "local")]
        let registry = registry.with("local", |setup| Ok(Arc::new(crate::local::LocalProvider::new(setup)?)));
        #[cfg(feature = "openai")]
        let registry = registry
            .with("openai", |setup| Ok(Arc::new(crate::openai::OpenAiProvider::new(setup)?)))
            .with_hosts();
        registry
    }

    /// Adds the hosts that speak OpenAI's language and are known by name.
    #[cfg(feature = "openai")]
    fn with_hosts(mut self) -> Self {
        use crate::openai::{OpenAiProvider, hosts::Host};
        for (name, host) in Host::all() {
            match &host.gone {
                Some(gone) => drop(self.gone.insert(name.clone(), gone.clone())),
                None => {
                    self = self.with(name, |setup| Ok(Arc::new(OpenAiProvider::at_host(host, setup)?)));
                }
            }
        }
        self
    }

    /// What became of a host that has closed.
    pub fn gone(&self, kind: &str) -> Option<&str> {
        self.gone.get(kind).map(String::as_str)
    }

    /// All hosts that have closed, each with what became of it.
    pub fn all_gone(&self) -> impl Iterator<Item = (&str, &str)> {
        self.gone.iter().map(|(name, why)| (name.as_str(), why.as_str()))
    }

    /// Adds a kind of provider.
    #[must_use]
    pub fn with<F>(mut self, kind: &str, factory: F) -> Self
    where
        F: Fn(&Setup) -> Result<Arc<dyn Provider>, SettingError> + Send + Sync + 'static,
    {
        self.factories.insert(kind.to_owned(), Box::new(factory));
        self
    }

    /// Adds a kind of provider that is nothing without settings: it has no usual instance, only those that the
    /// configuration names.
    #[must_use]
    pub fn with_named_only<F>(mut self, kind: &str, factory: F) -> Self
    where
        F: Fn(&Setup) -> Result<Arc<dyn Provider>, SettingError> + Send + Sync + 'static,
    {
        self.named_only.insert(kind.to_owned());
        self.with(kind, factory)
    }

    /// Whether a kind is also the name of its usual instance.
    pub fn has_usual_instance(&self, kind: &str) -> bool {
        !self.named_only.contains(kind)
    }

    /// All kinds, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &str> + Clone {
        self.factories.keys().map(String::as_str)
    }

    /// Makes a provider; `None` if there is no such kind.
    pub fn create(&self, kind: &str, setup: &Setup) -> Option<Result<Arc<dyn Provider>, SettingError>> {
        self.factories.get(kind).map(|factory| factory(setup))
    }
}
