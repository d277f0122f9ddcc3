//! Which providers there are, by name. Explicit: a third party's program adds its own by one line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{Kind, Provider, Setting, SettingError, setting};

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

    /// Refuses settings that are not among those declared, and values of another type.
    pub fn check(&self, declared: &[Setting]) -> Result<(), SettingError> {
        setting::check(&self.settings, declared)
    }

    /// A setting that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.as_str()
    }

    /// A setting that is `true` or `false`.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.settings.get(name)?.as_bool()
    }

    /// A setting that is a whole number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.settings.get(name)?.as_u64()
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

/// The kinds of providers a program knows.
#[derive(Default)]
pub struct Registry {
    kinds: BTreeMap<String, Kind>,
    /// Hosts that have closed, and what to say of them.
    gone: BTreeMap<String, String>,
}

impl Registry {
    /// Those that ship with tunebench and are compiled in.
    pub fn builtin() -> Self {
        let registry = Self::default();
        #[cfg(feature = "anthropic")]
        let registry = registry.with_kind(crate::anthropic::kind());
        #[cfg(feature = "command")]
        let registry = registry.with_kind(crate::command::kind());
        #[cfg(feature = "google")]
        let registry = crate::google::kinds().into_iter().fold(registry, Self::with_kind);
        #[cfg(feature = "local")]
        let registry = registry.with_kind(crate::local::kind());
        #[cfg(feature = "openai")]
        let registry = registry.with_kind(crate::openai::kind()).with_hosts();
        registry
    }

    /// Adds the hosts that speak OpenAI's language and are known by name.
    #[cfg(feature = "openai")]
    fn with_hosts(mut self) -> Self {
        use crate::openai::hosts::Host;
        for (name, host) in Host::all() {
            match &host.gone {
                Some(gone) => drop(self.gone.insert(name.clone(), gone.clone())),
                None => self = self.with_kind(crate::openai::kind_of_host(host)),
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

    /// Adds a kind of provider that checks its settings by itself.
    #[must_use]
    pub fn with<F>(self, kind: &str, factory: F) -> Self
    where
        F: Fn(&Setup) -> Result<Arc<dyn Provider>, SettingError> + Send + Sync + 'static,
    {
        self.with_kind(Kind::new(kind, factory))
    }

    /// Adds a kind of provider.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kinds.insert(kind.name().to_owned(), kind);
        self
    }

    /// All kinds, sorted by name.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> + Clone {
        self.kinds.values()
    }

    /// The names of all kinds, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.kinds.keys().map(String::as_str)
    }

    /// A kind by its name.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// Makes a provider; `None` if there is no such kind.
    pub fn create(&self, kind: &str, setup: &Setup) -> Option<Result<Arc<dyn Provider>, SettingError>> {
        Some(self.kind(kind)?.create(setup))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SettingType;

    /// Something of the type that is declared.
    fn sample(setting: &Setting) -> Value {
        match setting.value {
            SettingType::Text => "x".into(),
            SettingType::Switch => true.into(),
            SettingType::Count | SettingType::Seconds => 1.into(),
            SettingType::Choice(choices) => choices[0].into(),
            SettingType::Texts => json!(["x"]),
            SettingType::Table => json!({}),
            SettingType::Other(_) => json!([]),
        }
    }

    #[test]
    fn every_kind_reads_what_it_declares_and_nothing_else() {
        for kind in Registry::builtin().kinds() {
            let create = |name: &str, value: Value| {
                let settings = Map::from_iter([(name.to_owned(), value)]);
                kind.create(&Setup::new(kind.name(), settings, "unused")).err()
            };
            let declared = kind.declared().expect("those that ship declare theirs");
            for setting in declared {
                if let Some(error) = create(setting.name, sample(setting)) {
                    assert!(!error.message.contains("unknown setting"), "{}: {error}", kind.name());
                }
                let SettingType::Choice(choices) = setting.value else { continue };
                for choice in choices {
                    let refused = create(setting.name, (*choice).into())
                        .filter(|error| error.setting.as_deref() == Some(setting.name));
                    assert_eq!(refused, None, "{}", kind.name());
                }
            }
            let unknown = create("no_such", 1.into()).unwrap();
            assert_eq!(unknown.expected.len(), declared.len(), "{}", kind.name());
        }
    }
}
