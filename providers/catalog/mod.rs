//! What is known of models: prices, dates, replacements.
//!
//! One dated file, `models.toml`, under the user's own entries. Whatever the program says of these comes from here; how
//! to speak to a model is the business of its provider.

mod entry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

pub use entry::{LaterPrices, ModelEntry};

const BUILT_IN: &str = include_str!("models.toml");

/// What one model costs, in US dollars for a million tokens. What is not known is `None`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct TokenPrices {
    /// Tokens sent.
    pub input: Option<f64>,
    /// Tokens sent that the provider had in its cache.
    pub cached_input: Option<f64>,
    /// Tokens answered.
    pub output: Option<f64>,
    /// Tokens trained on, for each epoch.
    pub training: Option<f64>,
    /// Not for tokens, but for an hour in which it, or what was tuned from it, is deployed.
    pub hour: Option<f64>,
    /// What tokens cost, of the price of input, that the provider writes into its cache: 1.25 is a quarter more. Where
    /// not set, the same.
    pub cache_write: Option<f64>,
    /// What a batch job costs of input and output: 0.5 is half.
    pub batch: Option<f64>,
}

impl TokenPrices {
    /// Whether an answer can be priced: both sides of it have a price.
    pub fn is_complete(&self) -> bool {
        self.input.is_some() && self.output.is_some()
    }
}

/// A model at a host.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct KnownModel {
    /// Who serves it, by the name of the provider here.
    pub host: String,
    /// Its id there, dated where there is a dated one.
    pub id: String,
    /// Other ids of the same model.
    pub aliases: Vec<String>,
    /// What it costs.
    pub prices: TokenPrices,
    /// What it will cost, from a day on.
    pub later: Option<(Date, TokenPrices)>,
    /// Set where no full price was found.
    pub unpriced: bool,
    /// The first day without it.
    pub retires: Option<Date>,
    /// The day until which its maker promises to keep it.
    pub not_before: Option<Date>,
    /// Set where only a third party gives these days, or sources differ.
    pub one_source: bool,
    /// What its maker or host names instead, by its id at the same host.
    pub replacement: Option<String>,
    /// Whether it can be fine-tuned there.
    pub tunable: bool,
    /// The first day on which it no longer can.
    pub tunable_until: Option<Date>,
    /// What else a user should know.
    pub note: Option<String>,
    /// Who says so.
    pub source: String,
    /// When all of it was last confirmed.
    pub checked: Option<Date>,
    /// Whether the user gave this entry, or a part of it.
    pub own: bool,
}

impl KnownModel {
    /// Its id and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Whether it has stopped answering by this day.
    pub fn is_retired(&self, today: Date) -> bool {
        self.retires.is_some_and(|day| day <= today)
    }

    /// Whether nobody has confirmed the entry for so many days.
    pub fn is_stale(&self, today: Date, days: i32) -> bool {
        let age = |checked: Date| today.since(checked).map_or(i32::MAX, |span| span.get_days());
        self.checked.is_none_or(|checked| age(checked) > days)
    }
}

/// Where an entry of the file comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    what: String,
    #[serde(deserialize_with = "entry::some_day")]
    date: Option<Date>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sources: BTreeMap<String, Source>,
    hosts: BTreeMap<String, BTreeMap<String, ModelEntry>>,
}

/// A key of the user's entries that is no `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a model reference; expected provider/model, for example openai/gpt-6-luna")]
pub struct BadKey(pub String);

/// Known models.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    models: Vec<KnownModel>,
}

impl Catalog {
    /// What was known when this version was made.
    pub fn built_in() -> &'static Self {
        static BUILT_IN_CATALOG: LazyLock<Catalog> =
            LazyLock::new(|| Catalog::read(BUILT_IN).expect("the built-in file is read by the tests"));
        &BUILT_IN_CATALOG
    }

    fn read(text: &str) -> Result<Self, toml::de::Error> {
        let File { sources, hosts } = toml::from_str(text)?;
        let models = hosts.into_iter().flat_map(|(host, models)| {
            let sources = &sources;
            models.into_iter().map(move |(id, entry)| {
                let mut model = KnownModel { host: host.clone(), id, ..KnownModel::default() };
                let named = || entry.source.iter().filter_map(|name| sources.get(name));
                let what: Vec<_> = named().map(|source| source.what.as_str()).collect();
                model.source = what.join("; ");
                model.checked = named().filter_map(|source| source.date).min();
                entry.write_onto(&mut model);
                model
            })
        });
        Ok(Self { models: models.collect() })
    }

    /// The same under the user's own entries, by `provider/model`: each changes what it names of a known model, or is a new
    /// one.
    pub fn with_own(&self, own: &BTreeMap<String, ModelEntry>) -> Result<Self, BadKey> {
        let mut models = self.models.clone();
        for (key, entry) in own {
            let (host, id) = key.split_once('/').ok_or_else(|| BadKey(key.clone()))?;
            let known = models.iter().position(|model| model.host == host && model.names().any(|n| n == id));
            let at = known.unwrap_or_else(|| {
                models.push(KnownModel { host: host.into(), id: id.into(), ..KnownModel::default() });
                models.len() - 1
            });
            let model = &mut models[at];
            model.own = true;
            model.source = entry.source.join("; ");
            model.checked = entry.date;
            entry.write_onto(model);
        }
        Ok(Self { models })
    }

    /// All of them, host by host.
    pub fn iter(&self) -> impl Iterator<Item = &KnownModel> {
        self.models.iter()
    }

    /// What is known of a model at a host: the entry whose id or alias fits best.
    pub fn find(&self, host: &str, model: &str) -> Option<&KnownModel> {
        let here = self.models.iter().filter(|known| known.host == host);
        let names = here.flat_map(|known| known.names().map(move |name| (name, known)));
        let fitting = names.filter(|(name, _)| covers(name, model));
        fitting.max_by_key(|(name, _)| name.len()).map(|(_, known)| known)
    }
}

/// Whether a key stands for a model: the model itself, a dated or numbered version of it, or anything after a `*`.
pub fn covers(key: &str, model: &str) -> bool {
    if let Some(beginning) = key.strip_suffix('*') {
        return model.starts_with(beginning);
    }
    let Some(rest) = model.strip_prefix(key) else { return false };
    let mut rest = rest.chars();
    match rest.next() {
        None | Some('@' | ':') => true,
        // A version is a date or three digits; `-4` or `-8b` may be another model.
        Some('-') => rest.as_str().bytes().take_while(u8::is_ascii_digit).count() >= 3,
        _ => false,
    }
}
