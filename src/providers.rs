//! The providers of a project: the kinds that the program has, set up as the configuration wants them.

#[cfg(feature = "cli")]
mod by_name;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
#[cfg(feature = "cli")]
use tunebench_providers::Setting;
use tunebench_providers::{ModelRef, Provider, Registry, SettingError, Setup};

use crate::config::{Common, ConfigError, Document, KIND, Step};
use crate::suggest::did_you_mean;

/// Providers by name.
pub(crate) struct Providers {
    slots: BTreeMap<String, ConfiguredProvider>,
    /// Hosts that have closed, and what to say of them.
    gone: BTreeMap<String, String>,
}

/// A provider and its limits, which hold for each of its models.
pub(crate) struct ConfiguredProvider {
    pub(crate) provider: Arc<dyn Provider>,
    /// What can be set under its name, where its kind declares that.
    #[cfg(feature = "cli")]
    settings: Option<Vec<Setting>>,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    /// Over which these are counted, where the provider does not count over a minute.
    pub(crate) window: Option<Duration>,
}

impl Providers {
    /// One of each kind under the kind's name, and those that the configuration names.
    pub(crate) fn open(
        settings: &BTreeMap<String, Map<String, Value>>,
        document: &Document,
        registry: &Registry,
        state_dir: &Path,
    ) -> Result<Self, ConfigError> {
        let variables = variables(document)?;
        let none = Map::new();
        let unnamed = registry
            .kinds()
            .filter(|kind| kind.has_usual_instance() && !settings.contains_key(kind.name()))
            .map(|kind| (kind.name(), &none));
        let named = settings.iter().map(|(name, settings)| (name.as_str(), settings));
        let mut slots = BTreeMap::new();
        for (name, settings) in named.chain(unnamed) {
            let wrong = |error: SettingError| {
                let mut place = vec![Step::Key("providers"), Step::Key(name)];
                place.extend(error.setting.as_deref().map(Step::Key));
                document.setting(&place, &error)
            };
            let mut settings = settings.clone();
            let Common { kind, requests_per_minute, tokens_per_minute, window } =
                Common::take(&mut settings).map_err(wrong)?;
            let kind = kind.as_deref().unwrap_or(name);
            let Some(known) = registry.kind(kind) else {
                let error = wrong(SettingError::at(KIND.name, format!("unknown provider `{kind}`")));
                return Err(error.hint(suggestion(kind, registry.names(), registry.gone(kind))));
            };
            let setup = Setup::new(name, settings, state_dir.join(name)).variables(variables.clone());
            let provider = known.create(&setup).map_err(wrong)?;
            // What every account has is kept to from the start.
            let requests_per_minute = requests_per_minute.or(provider.info().facts.requests_per_minute);
            slots.insert(
                name.to_owned(),
                ConfiguredProvider {
                    provider,
                    #[cfg(feature = "cli")]
                    settings: known.declared().map(<[_]>::to_vec),
                    requests_per_minute,
                    tokens_per_minute,
                    window,
                },
            );
        }
        let gone = registry.all_gone().map(|(name, why)| (name.to_owned(), why.to_owned())).collect();
        Ok(Self { slots, gone })
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &dyn Provider)> {
        self.slots.iter().map(|(name, slot)| (name.as_str(), slot.provider.as_ref()))
    }

    /// The provider of a model.
    pub(crate) fn get(&self, model: &ModelRef) -> Option<&ConfiguredProvider> {
        self.slots.get(model.provider())
    }

    /// Where else to tune.
    pub(crate) fn that_tune(&self) -> String {
        let tunes = self.iter().filter(|(_, provider)| provider.fine_tuning().is_some());
        format!("those that do are {}", tunes.map(|(name, _)| name).collect::<Vec<_>>().join(", "))
    }

    /// What to write instead of a provider that is not there.
    pub(crate) fn suggestion(&self, wrong: &str) -> String {
        suggestion(wrong, self.slots.keys().map(String::as_str), self.gone.get(wrong).map(String::as_str))
    }
}

/// The environment for what belongs to no provider of the configuration, with what a `.env` file adds to it.
pub(crate) fn environment(document: &Document) -> Result<Setup, ConfigError> {
    Ok(Setup::new("", Map::new(), "").variables(variables(document)?))
}

/// What a `.env` file beside the configuration sets; the environment itself goes before it.
fn variables(document: &Document) -> Result<BTreeMap<String, String>, ConfigError> {
    let path = document.folder().join(".env");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    // The parser's own message would quote the line, and with it a key.
    let unreadable = |_| ConfigError::new(&path, "this file can't be read as lines of NAME=value");
    dotenvy::from_path_iter(&path).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)
}

fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone, gone: Option<&str>) -> String {
    if let Some(gone) = gone {
        return gone.to_owned();
    }
    did_you_mean(wrong, known).unwrap_or_else(|| {
        format!(
            "`tunebench providers` lists those that are known; a server that speaks OpenAI's language is added by three \
             lines and, if it wants a key, one more:\n\
             [providers.{}]\n\
             kind = \"openai\"\n\
             base_url = \"https://…/v1\"\n\
             api_key_env = \"{}_API_KEY\"",
            toml_key(wrong),
            variable_part(wrong)
        )
    })
}

/// A name as TOML writes keys.
fn toml_key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { name.to_owned() } else { format!("{name:?}") }
}

/// A name as a part of a variable's name.
fn variable_part(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
