//! Which providers there are, by name. Explicit: a third party's program adds its own by one line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{Provider, SettingError};

/// What a provider is made from.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Setup {
    /// What stands under `[providers.NAME]`, less what the core itself reads.
    pub settings: Map<String, Value>,
    /// Where the provider may keep files of its own.
    pub state_dir: PathBuf,
}

impl Setup {
    /// A provider with these settings and this folder for its own files.
    pub fn new(settings: Map<String, Value>, state_dir: impl Into<PathBuf>) -> Self {
        Self { settings, state_dir: state_dir.into() }
    }
}

/// Makes a provider. Must be cheap and touch no network: it is called also to list what there is.
pub type Factory = Box<dyn Fn(&Setup) -> Result<Arc<dyn Provider>, SettingError> + Send + Sync>;

/// The kinds of providers a program knows.
#[derive(Default)]
pub struct Registry {
    factories: BTreeMap<String, Factory>,
}

impl Registry {
    /// Those that ship with tunebench and are compiled in.
    pub fn builtin() -> Self {
        let registry = Self::default();
        #[cfg(feature = "local")]
        let registry = registry.with("local", |setup| Ok(Arc::new(crate::local::LocalProvider::new(setup)?)));
        registry
    }

    /// Adds a provider under a name, the part of a model reference before the slash.
    #[must_use]
    pub fn with<F>(mut self, name: &str, factory: F) -> Self
    where
        F: Fn(&Setup) -> Result<Arc<dyn Provider>, SettingError> + Send + Sync + 'static,
    {
        self.factories.insert(name.to_owned(), Box::new(factory));
        self
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.factories.keys().map(String::as_str)
    }

    /// Makes a provider; `None` if there is none of this name.
    pub fn create(&self, name: &str, setup: &Setup) -> Option<Result<Arc<dyn Provider>, SettingError>> {
        self.factories.get(name).map(|factory| factory(setup))
    }
}
