//! A kind of provider: its name, its settings, and how it is made.

use std::sync::Arc;

use crate::{Provider, Setting, SettingError, Setup};

/// Makes a provider. Must be cheap and touch no network: it is called also to list what there is.
pub type Factory = Box<dyn Fn(&Setup) -> Result<Arc<dyn Provider>, SettingError> + Send + Sync>;

/// A kind of provider that a program knows. Its name is also that of its usual instance; the configuration can make
/// others with `[providers.NAME] kind = "KIND"`.
pub struct Kind {
    name: String,
    settings: Option<Vec<Setting>>,
    named_only: bool,
    make: Factory,
}

impl Kind {
    /// A kind that checks its settings by itself.
    pub fn new<F>(name: &str, make: F) -> Self
    where
        F: Fn(&Setup) -> Result<Arc<dyn Provider>, SettingError> + Send + Sync + 'static,
    {
        Self { name: name.to_owned(), settings: None, named_only: false, make: Box::new(make) }
    }

    /// The same, with all settings that it takes: others, and values of another type, are refused before it is made.
    #[must_use]
    pub fn settings(mut self, settings: impl IntoIterator<Item = Setting>) -> Self {
        self.settings = Some(settings.into_iter().collect());
        self
    }

    /// The same, as one that is nothing without settings: it has no usual instance, only those that the configuration
    /// names.
    #[must_use]
    pub fn named_only(mut self) -> Self {
        self.named_only = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The settings that it declares; `None` where it checks them by itself.
    pub fn declared(&self) -> Option<&[Setting]> {
        self.settings.as_deref()
    }

    /// Whether its name is also that of its usual instance.
    pub fn has_usual_instance(&self) -> bool {
        !self.named_only
    }

    /// Makes a provider.
    pub fn create(&self, setup: &Setup) -> Result<Arc<dyn Provider>, SettingError> {
        self.settings.as_deref().map_or(Ok(()), |declared| setup.check(declared))?;
        (self.make)(setup)
    }
}
