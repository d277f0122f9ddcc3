//! Providers as commands name them that work on no project.

use std::collections::BTreeMap;
use std::path::Path;

use tunebench_providers::{Provider, Registry, Setting};

use super::Providers;
use crate::config::{COMMON, Config, ConfigError, Document};

impl Providers {
    /// Those of the configuration at `path`; without such a file, one of each kind.
    pub(crate) fn at(path: &Path, registry: &Registry, state_dir: &Path) -> Result<Self, ConfigError> {
        let (settings, document) = if path.exists() {
            let (config, document) = Config::read(path)?;
            (config.providers, document)
        } else {
            (BTreeMap::new(), Document::empty(path))
        };
        Self::open(&settings, &document, registry, state_dir)
    }

    /// A provider by its name.
    pub(crate) fn by_name(&self, name: &str) -> Option<&dyn Provider> {
        self.slots.get(name).map(|slot| slot.provider.as_ref())
    }

    /// What can be set under a provider's name; `None` where that is not known.
    pub(crate) fn settings(&self, name: &str) -> Option<impl Iterator<Item = &Setting>> {
        let own = self.slots.get(name)?.settings.as_deref()?;
        Some(own.iter().chain(&COMMON))
    }
}
