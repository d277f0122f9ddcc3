//! One entry, as the file and users write it.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};

use super::{KnownModel, TokenPrices};

/// What is said of a model. What is left out is not known, or in an entry of the user's stays as it is.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ModelEntry {
    /// Other ids of the same model.
    pub aliases: Option<Vec<String>>,
    /// US dollars for a million tokens sent.
    pub input: Option<f64>,
    /// For those of them that the provider had in its cache.
    pub cached_input: Option<f64>,
    /// For a million tokens answered.
    pub output: Option<f64>,
    /// For a million tokens trained on, for each epoch.
    pub training: Option<f64>,
    /// For an hour in which it, or what was tuned from it, is deployed.
    pub hour: Option<f64>,
    /// What tokens that are written into the cache cost of the price of input.
    pub cache_write: Option<f64>,
    /// What a batch job costs of input and output.
    pub batch: Option<f64>,
    /// Prices from a day on.
    pub later: Option<LaterPrices>,
    /// Set where no full price was found.
    pub unpriced: Option<bool>,
    /// The first day without it.
    #[serde(deserialize_with = "some_day")]
    pub retires: Option<Date>,
    /// Its maker promises to keep it until then.
    #[serde(deserialize_with = "some_day")]
    pub not_before: Option<Date>,
    /// Set where only a third party gives these days, or sources differ.
    pub one_source: Option<bool>,
    /// What its maker or host names instead.
    pub replacement: Option<String>,
    /// Whether it can be fine-tuned there.
    pub tunable: Option<bool>,
    /// The first day on which it no longer can.
    #[serde(deserialize_with = "some_day")]
    pub tunable_until: Option<Date>,
    /// What else a user should know.
    pub note: Option<String>,
    /// Who says so.
    #[serde(deserialize_with = "one_or_many")]
    pub source: Vec<String>,
    /// When that was looked up, in an entry of the user's.
    #[serde(deserialize_with = "some_day")]
    pub date: Option<Date>,
}

/// Prices that hold from a day on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LaterPrices {
    /// The first day.
    #[serde(deserialize_with = "day")]
    pub from: Date,
    /// US dollars for a million tokens sent.
    pub input: Option<f64>,
    /// For those of them that the provider had in its cache.
    pub cached_input: Option<f64>,
    /// For a million tokens answered.
    pub output: Option<f64>,
}

impl ModelEntry {
    /// Writes what it says over what was known.
    pub(super) fn write_onto(&self, model: &mut KnownModel) {
        let prices = &mut model.prices;
        for (known, said) in [
            (&mut prices.input, self.input),
            (&mut prices.cached_input, self.cached_input),
            (&mut prices.output, self.output),
            (&mut prices.training, self.training),
            (&mut prices.hour, self.hour),
            (&mut prices.batch, self.batch),
            (&mut prices.cache_write, self.cache_write),
        ] {
            *known = said.or(*known);
        }
        let TokenPrices { batch, training, hour, cache_write, .. } = *prices;
        if let Some(LaterPrices { from, input, cached_input, output }) = self.later {
            model.later =
                Some((from, TokenPrices { input, cached_input, output, batch, training, hour, cache_write }));
        } else if self.input.or(self.output).is_some() {
            // The price that was announced is not a change of the one that is said now.
            model.later = None;
        }
        if let Some(aliases) = &self.aliases {
            model.aliases.clone_from(aliases);
        }
        for (known, said) in [
            (&mut model.retires, self.retires),
            (&mut model.not_before, self.not_before),
            (&mut model.tunable_until, self.tunable_until),
        ] {
            *known = said.or(*known);
        }
        model.tunable = self.tunable.unwrap_or(model.tunable || self.tunable_until.is_some());
        model.unpriced = self.unpriced.unwrap_or(model.unpriced && !model.prices.is_complete());
        model.one_source = self.one_source.unwrap_or(model.one_source && self.retires.is_none());
        for (known, said) in [(&mut model.replacement, &self.replacement), (&mut model.note, &self.note)] {
            if said.is_some() {
                known.clone_from(said);
            }
        }
    }
}

/// A day, written as in 2026-11-22.
fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!("`{text}` is not a day; write one like \"2027-01-14\""))
    })
}

pub(super) fn some_day<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
    day(from).map(Some)
}

/// A text, or a list of texts.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Either::deserialize(from)? {
        Either::One(one) => vec![one],
        Either::Many(many) => many,
    })
}
