//! What tokens cost: by the catalog of known models, and by the user's own prices.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};
use tunebench_providers::Usage;
use tunebench_providers::catalog::{Catalog, KnownModel, TokenPrices, covers};

use super::Cost;

/// Dollars for a million tokens, as users and price lists write them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceEntry {
    /// Tokens sent.
    pub input: Option<f64>,
    /// Tokens sent that the provider had in its cache.
    pub cached_input: Option<f64>,
    /// Tokens sent that the provider wrote into its cache; where not set, as other input.
    pub cache_write: Option<f64>,
    /// Tokens answered.
    pub output: Option<f64>,
    /// Tokens sent in a batch job.
    pub batch_input: Option<f64>,
    /// Tokens answered in a batch job.
    pub batch_output: Option<f64>,
    /// Tokens trained on, for each epoch.
    pub training: Option<f64>,
    /// Not for tokens, but for an hour in which it is deployed.
    pub hour: Option<f64>,
    /// The first day of the price.
    #[serde(default, deserialize_with = "day")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub from: Option<Date>,
    /// The last day of the price.
    #[serde(default, deserialize_with = "day")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub until: Option<Date>,
    /// When the price was looked up.
    #[serde(default, deserialize_with = "day")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub date: Option<Date>,
    /// Where.
    pub source: Option<String>,
}

/// A day, written as in 2026-11-22.
fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(serde::de::Error::custom)
}

/// Billionths of a dollar for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// The cost of so many tokens, rounded up.
    pub fn of(self, tokens: u64) -> Cost {
        let nanos = (u128::from(self.0) * u128::from(tokens)).div_ceil(1_000_000);
        Cost::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What one model costs. What is not known is `None`, never zero.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Price {
    /// Tokens sent.
    pub input: Option<Rate>,
    /// Tokens sent that the provider had in its cache; where not known, as other input.
    pub cached_input: Option<Rate>,
    /// Tokens sent that the provider wrote into its cache; where not known, as other input.
    pub cache_write: Option<Rate>,
    /// Tokens answered.
    pub output: Option<Rate>,
    /// Tokens sent in a batch job.
    pub batch_input: Option<Rate>,
    /// Tokens answered in a batch job.
    pub batch_output: Option<Rate>,
    /// Tokens trained on, for each epoch.
    pub training: Option<Rate>,
    /// An hour of the machine, for a model that must be deployed to answer.
    pub hour: Option<Cost>,
    /// When the price was looked up, where that is known.
    pub date: Option<Date>,
    /// Where.
    pub source: Option<String>,
    from: Option<Date>,
    until: Option<Date>,
}

impl Price {
    /// The cost of an answer, if both sides of it have a price.
    pub fn of(&self, usage: Usage) -> Option<Cost> {
        let input = self.input?;
        // Counts that contradict each other are a provider's mistake, and no reason to fail.
        let cached = usage.cached.min(usage.input);
        let written = usage.cache_written.min(usage.input - cached);
        let sent = input
            .of(usage.input - cached - written)
            .plus(self.cached_input.unwrap_or(input).of(cached))
            .plus(self.cache_write.unwrap_or(input).of(written));
        Some(sent.plus(self.output?.of(usage.output)))
    }

    /// The most that so many tokens can cost: none of them from the cache, all written into it where that costs more.
    pub fn at_most(&self, tokens: Usage) -> Option<Cost> {
        let Usage { input, output, .. } = tokens;
        let all = Usage::new(input, output);
        self.of(all).max(self.of(all.cache_written(input)))
    }

    /// What the same tokens cost in a batch; where that has no price of its own, as much.
    #[must_use]
    pub fn in_batch(&self) -> Self {
        let input = self.batch_input.or(self.input);
        // Whether a batch has a cached price of its own differs: no more than its input costs.
        let cached_input = self.cached_input.min(input).or(self.cached_input);
        // Writing into the cache is as much dearer than other input as it is live.
        let cache_write = match (self.cache_write, self.batch_input, self.input) {
            (Some(write), Some(batch), Some(live)) if live.0 > 0 => {
                let rate = (u128::from(write.0) * u128::from(batch.0)).div_ceil(u128::from(live.0));
                Some(Rate(u64::try_from(rate).unwrap_or(u64::MAX)))
            }
            (write, ..) => write,
        };
        Self { input, cached_input, cache_write, output: self.batch_output.or(self.output), ..self.clone() }
    }

    /// The price of a model that is deployed: the machine is paid for, and tokens cost nothing besides.
    #[must_use]
    pub(crate) fn by_the_hour(price: Option<&Self>) -> Self {
        let free = Some(Rate(0));
        let mut own = Self::unknown();
        if let Some(price) = price {
            own = price.clone();
        }
        (own.input, own.output, own.cached_input, own.cache_write) = (free, free, None, None);
        (own.batch_input, own.batch_output) = (None, None);
        own
    }

    /// Nothing is known.
    fn unknown() -> Self {
        let (input, cached_input, cache_write, output, batch_input, batch_output) = Default::default();
        let (training, hour, date, source, from, until) = Default::default();
        Self {
            input,
            cached_input,
            cache_write,
            output,
            batch_input,
            batch_output,
            training,
            hour,
            date,
            source,
            from,
            until,
        }
    }

    /// The cost of training on so many tokens, epochs counted.
    pub fn of_training(&self, tokens: u64) -> Option<Cost> {
        Some(self.training?.of(tokens))
    }

    fn on(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }
}

/// Why an entry of a price table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the price `{field}` of `{model}` must be dollars for a million tokens, zero or more")]
pub struct PriceError {
    /// The key of the entry.
    pub model: String,
    /// The price in it.
    pub field: &'static str,
}

impl PriceEntry {
    fn price(&self, model: &str) -> Result<Price, PriceError> {
        let rate = |field, dollars: Option<f64>| match dollars.map(Cost::from_dollars) {
            None => Ok(None),
            Some(Some(cost)) => Ok(Some(Rate(cost.nanos()))),
            Some(None) => Err(PriceError { model: model.to_owned(), field }),
        };
        Ok(Price {
            input: rate("input", self.input)?,
            cached_input: rate("cached_input", self.cached_input)?,
            cache_write: rate("cache_write", self.cache_write)?,
            output: rate("output", self.output)?,
            batch_input: rate("batch_input", self.batch_input)?,
            batch_output: rate("batch_output", self.batch_output)?,
            training: rate("training", self.training)?,
            hour: rate("hour", self.hour)?.map(|Rate(nanos)| Cost::from_nanos(nanos)),
            date: self.date,
            source: self.source.clone(),
            from: self.from,
            until: self.until,
        })
    }
}

/// The prices of a known model as they are now, and as they will be where that is announced.
fn entries(model: &KnownModel) -> impl Iterator<Item = PriceEntry> + use<'_> {
    let entry = |prices: TokenPrices, from, until| {
        let share_of = |price: Option<f64>, share: Option<f64>| Some(price? * share?);
        PriceEntry {
            input: prices.input,
            cached_input: prices.cached_input,
            cache_write: share_of(prices.input, prices.cache_write),
            output: prices.output,
            batch_input: share_of(prices.input, prices.batch),
            batch_output: share_of(prices.output, prices.batch),
            training: prices.training,
            hour: prices.hour,
            from,
            until,
            date: model.checked,
            source: Some(model.source.clone()),
        }
    };
    let later = model.later.map(|(day, prices)| (Some(day), prices));
    let until = later.and_then(|(day, _)| day?.yesterday().ok());
    let entries = std::iter::once(entry(model.prices, None, until))
        .chain(later.map(|(from, prices)| entry(prices, from, None)));
    entries.filter(|entry| entry.input.or(entry.output).or(entry.training).or(entry.hour).is_some())
}

/// Prices by `provider/model`.
#[derive(Debug, Clone)]
pub struct PriceTable {
    /// The user's, then ours.
    layers: [Vec<(String, Price)>; 2],
}

impl PriceTable {
    /// The prices that were known when this version was made.
    pub fn built_in() -> Self {
        Self::of(Catalog::built_in()).expect("the built-in prices are read by the tests")
    }

    /// The prices of known models.
    pub fn of(catalog: &Catalog) -> Result<Self, PriceError> {
        let mut known = Vec::new();
        for model in catalog.iter() {
            for name in model.names() {
                let key = format!("{}/{name}", model.host);
                for entry in entries(model) {
                    known.push((key.clone(), entry.price(&key)?));
                }
            }
        }
        Ok(Self { layers: [Vec::new(), known] })
    }

    /// The same, under the user's own prices, which win however short their keys are.
    pub fn with_own(mut self, own: &BTreeMap<String, PriceEntry>) -> Result<Self, PriceError> {
        for (model, entry) in own {
            self.layers[0].push((model.clone(), entry.price(model)?));
        }
        Ok(self)
    }

    /// The price of a model, written `provider/model`, on a day.
    pub fn find(&self, model: &str, day: Date) -> Option<&Price> {
        self.layers.iter().find_map(|layer| {
            let fitting = layer.iter().filter(|(key, price)| covers(key, model) && price.on(day));
            fitting.max_by_key(|(key, _)| key.len()).map(|(_, price)| price)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> Date {
        Date::constant(2026, 11, 22)
    }

    fn dollars(model: &str, day: Date) -> Option<(f64, f64)> {
        let table = PriceTable::built_in();
        let price = table.find(model, day)?;
        let million = |rate: Option<Rate>| rate.map(|rate| rate.of(1_000_000).dollars());
        Some((million(price.input)?, million(price.output)?))
    }

    #[test]
    fn the_longest_key_wins_and_siblings_are_unknown() {
        assert_eq!(dollars("openai/gpt-4.1-2025-04-14", day()), Some((2.0, 8.0)));
        assert_eq!(dollars("openai/gpt-4.1-mini-2025-04-14", day()), Some((0.4, 1.6)));
        assert_eq!(dollars("openai/gpt-4.1-micro", day()), None);
        assert_eq!(dollars("vertex/gemini-3.5-flash", day()), Some((1.5, 9.0)));
        assert_eq!(dollars("openai/gpt-4o-2024-08-06", day()), Some((2.5, 10.0)));
        assert_eq!(dollars("openai/ft:gpt-4.1-mini-2025-04-14:acme:x:Ab1", day()), Some((0.8, 3.2)));
        assert_eq!(dollars("openai/ft:gpt-4.1-2025-04-14:acme::Ab1:ckpt-step-9", day()), Some((3.0, 12.0)));
        assert_eq!(dollars("openai/ft:gpt-4.1-micro-2025-04-14:acme::Ab1", day()), None);
        assert_eq!(dollars("local/lexical", day()), Some((0.0, 0.0)));
        assert_eq!(dollars("acme/gpt-4.1", day()), None);
    }

    #[test]
    fn a_price_has_its_time() {
        assert_eq!(dollars("vertex/gemini-3.8-flash", day()), Some((0.75, 3.75)));
        assert_eq!(dollars("vertex/gemini-3.8-flash", Date::constant(2027, 1, 1)), Some((1.5, 7.5)));
    }

    #[test]
    fn a_side_without_a_price_makes_the_answer_unpriced() {
        let table = PriceTable::built_in();
        let price = table.find("dashscope/qwen3-14b", day()).unwrap();
        assert_eq!(price.of(Usage::new(1, 0)), None);
        assert_eq!(price.of_training(1_000_000), Cost::from_dollars(1.6));
    }

    #[test]
    fn a_batch_costs_its_share() {
        let table = PriceTable::built_in();
        let price = table.find("openai/ft:gpt-4o-2024-08-06:acme::1", day()).unwrap();
        let million = |rate: Option<Rate>| rate.unwrap().of(1_000_000).dollars();
        assert_eq!((million(price.batch_input), million(price.batch_output)), (1.875, 7.5));
        assert_eq!(million(price.cached_input), 1.875);
        let claude = table.find("anthropic/claude-haiku-4-5", day()).unwrap().in_batch();
        assert_eq!(
            (million(claude.input), million(claude.cache_write)),
            (0.5, 0.625),
            "1.25 of what input costs"
        );
    }

    #[test]
    fn what_lay_in_the_cache_costs_less_and_what_is_written_there_more() {
        let table = PriceTable::built_in();
        let dollars = |model: &str, usage| table.find(model, day()).unwrap().of(usage).unwrap().dollars();
        let million = Usage::new(1_000_000, 0);
        assert_eq!(dollars("openai/gpt-4.1-mini", million.cached(500_000)), 0.2 + 0.05);
        let written = million.cached(400_000).cache_written(200_000);
        assert_eq!(dollars("anthropic/claude-haiku-4-5", written), 0.4 + 0.04 + 0.25);
        let most =
            table.find("anthropic/claude-haiku-4-5", day()).unwrap().at_most(million.cached(1_000_000));
        assert_eq!(most, Cost::from_dollars(1.25));
        // More from the cache than was sent is a mistake that costs nobody anything.
        assert_eq!(dollars("openai/gpt-4.1-mini", Usage::new(1_000_000, 0).cached(u64::MAX)), 0.1);
    }

    #[test]
    fn every_built_in_price_says_when_and_where_it_was_seen() {
        for (model, price) in &PriceTable::built_in().layers[1] {
            assert!(price.date.is_some() && price.source.is_some(), "{model}");
            assert!(price.input.is_some() || price.training.is_some(), "{model}");
        }
    }

    #[test]
    fn the_users_prices_win() {
        let own = "[\"openai/*\"]\ninput = 0.0035\noutput = 1";
        let own = toml::from_str(own).unwrap();
        let table = PriceTable::built_in().with_own(&own).unwrap();
        let price = table.find("openai/gpt-4.1", day()).unwrap();
        assert_eq!(price.of(Usage::new(3, 2)), Some(Cost::from_nanos(11 + 2000)));
        let wrong = toml::from_str("[m]\ninput = -1").unwrap();
        let error = PriceTable::built_in().with_own(&wrong).unwrap_err();
        assert_eq!((error.model.as_str(), error.field), ("m", "input"));
    }
}
