//! The providers of a project: the kinds that the program has, set up as the configuration wants them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tunebench_providers::{ModelRef, Provider, Registry, Setup};

use crate::config::{Config, ConfigError, Document, Step};
use crate::error::Error;
use crate::suggest::nearest;

/// The settings under `[providers.NAME]` that are not the provider's own.
const KIND: &str = "kind";
const REQUESTS_PER_MINUTE: &str = "requests_per_minute";
const TOKENS_PER_MINUTE: &str = "tokens_per_minute";
const WINDOW_SECONDS: &str = "window_seconds";
/// What is told of a limit is for a minute, so that a window is one or a part of one.
const LONGEST_WINDOW: Duration = Duration::from_secs(60);

/// Providers by name.
pub(crate) struct Providers {
    slots: BTreeMap<String, ConfiguredProvider>,
    /// Hosts that have closed, and what to say of them.
    gone: BTreeMap<String, String>,
}

/// A provider and its limits, which hold for each of its models.
pub(crate) struct ConfiguredProvider {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    /// Over which these are counted, where the provider does not count over a minute.
    pub(crate) window: Option<Duration>,
}

impl Providers {
    /// Those of the configuration at `path`; without such a file, one of each kind.
    pub(crate) fn at(path: &Path, registry: &Registry, state_dir: &Path) -> Result<Self, Error> {
        let (settings, document) = if path.exists() {
            let (config, document) = Config::read(path)?;
            (config.providers, document)
        } else {
            (BTreeMap::new(), Document::empty(path))
        };
        Ok(Self::open(&settings, &document, registry, state_dir)?)
    }

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
            .filter(|kind| registry.has_usual_instance(kind) && !settings.contains_key(*kind))
            .map(|kind| (kind, &none));
        let named = settings.iter().map(|(name, settings)| (name.as_str(), settings));
        let mut slots = BTreeMap::new();
        for (name, settings) in named.chain(unnamed) {
            let at = |setting| [Step::Key("providers"), Step::Key(name), Step::Key(setting)];
            let mut settings = settings.clone();
            let kind = match settings.remove(KIND) {
                None => name.to_owned(),
                Some(Value::String(kind)) => kind,
                Some(_) => return Err(document.error(&at(KIND), "kind must be a text")),
            };
            let mut limit =
                |name| count(&mut settings, name).map_err(|message| document.error(&at(name), message));
            let (requests_per_minute, tokens_per_minute) =
                (limit(REQUESTS_PER_MINUTE)?, limit(TOKENS_PER_MINUTE)?);
            let window = limit(WINDOW_SECONDS)?.map(Duration::from_secs);
            if window.is_some_and(|window| window > LONGEST_WINDOW) {
                let message = format!("{WINDOW_SECONDS} must be at most {}", LONGEST_WINDOW.as_secs());
                return Err(document.error(&at(WINDOW_SECONDS), message));
            }
            let setup = Setup::new(name, settings, state_dir.join(name)).variables(variables.clone());
            let Some(provider) = registry.create(&kind, &setup) else {
                let error = document.error(&at(KIND), format!("unknown provider `{kind}`"));
                return Err(error.hint(suggestion(&kind, registry.kinds(), registry.gone(&kind))));
            };
            let provider = provider.map_err(|error| {
                let mut place = vec![Step::Key("providers"), Step::Key(name)];
                place.extend(error.setting.as_deref().map(Step::Key));
                document.setting(&place, &error)
            })?;
            // What every account has is kept to from the start.
            let requests_per_minute = requests_per_minute.or(provider.facts().requests_per_minute);
            slots.insert(
                name.to_owned(),
                ConfiguredProvider { provider, requests_per_minute, tokens_per_minute, window },
            );
        }
        let gone = registry.all_gone().map(|(name, why)| (name.to_owned(), why.to_owned())).collect();
        Ok(Self { slots, gone })
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &dyn Provider)> {
        self.slots.iter().map(|(name, slot)| (name.as_str(), slot.provider.as_ref()))
    }

    /// A provider by its name.
    pub(crate) fn by_name(&self, name: &str) -> Option<&dyn Provider> {
        self.slots.get(name).map(|slot| slot.provider.as_ref())
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

fn count(settings: &mut Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    let Some(value) = settings.remove(name) else { return Ok(None) };
    let limit = value.as_u64().filter(|&limit| limit > 0);
    limit.map(Some).ok_or_else(|| format!("{name} must be a whole number, at least 1"))
}

fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone, gone: Option<&str>) -> String {
    if let Some(gone) = gone {
        return gone.to_owned();
    }
    match nearest(wrong, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!(
            "`tunebench providers` lists those that are known; a server that speaks OpenAI's language is added by three \
             lines and, if it wants a key, one more:\n\
             [providers.{}]\n\
             kind = \"openai\"\n\
             base_url = \"https://…/v1\"\n\
             api_key_env = \"{}_API_KEY\"",
            toml_key(wrong),
            variable_part(wrong)
        ),
    }
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
