//! Models: how they are named and what is known of them.

use std::fmt;
use std::str::FromStr;

/// A model at a provider: `provider/model`, split at the first slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelRef {
    provider: String,
    model: String,
}

/// A text that is no model reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a model reference; expected provider/model, for example local/lexical")]
pub struct BadModelRef(pub String);

impl ModelRef {
    /// A reference from its two parts; fails where [`FromStr`] would read something else back.
    pub fn new(provider: &str, model: &str) -> Result<Self, BadModelRef> {
        format!("{provider}/{model}").parse()
    }

    /// The name of the provider.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The model, by the provider's own id; it may hold further slashes.
    pub fn model(&self) -> &str {
        &self.model
    }
}

impl FromStr for ModelRef {
    type Err = BadModelRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let printable =
            |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control());
        match text.split_once('/') {
            Some((provider, model)) if printable(provider) && printable(model) => {
                Ok(Self { provider: provider.to_owned(), model: model.to_owned() })
            }
            _ => Err(BadModelRef(text.to_owned())),
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// What a provider knows of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The id, as requests name it.
    pub id: String,
    /// What it is, in a few words for a report.
    pub description: Option<String>,
    /// The base it was tuned from, for a fine-tuned model.
    pub tuned_from: Option<String>,
    /// Whether it can be fine-tuned here.
    pub tunable: bool,
    /// Whether it gives a probability for each label.
    pub probabilities: bool,
    /// The day on which it stops answering (`YYYY-MM-DD`), where one is announced.
    pub shutdown_date: Option<String>,
}

impl ModelInfo {
    /// A model of which only the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// The same, described.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The same, described by what is known of it and a few more words, where there are any.
    #[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
    #[must_use]
    pub(crate) fn described(self, words: &str) -> Self {
        let tunable = self.tunable.then(|| "tunable".to_owned());
        let until = self.shutdown_date.as_ref().map(|day| format!("answers until {day}"));
        let words = Some(words.to_owned()).filter(|words| !words.is_empty());
        let parts: Vec<_> = [tunable, words, until].into_iter().flatten().collect();
        if parts.is_empty() { self } else { self.description(parts.join("; ")) }
    }

    /// The same, tuned from a base.
    #[must_use]
    pub fn tuned_from(mut self, base: impl Into<String>) -> Self {
        self.tuned_from = Some(base.into());
        self
    }

    /// The same, as a base for fine-tuning.
    #[must_use]
    pub fn tunable(mut self) -> Self {
        self.tunable = true;
        self
    }

    /// The same, with probabilities.
    #[must_use]
    pub fn probabilities(mut self) -> Self {
        self.probabilities = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_slash() {
        let model: ModelRef = "openrouter/meta/llama".parse().unwrap();
        assert_eq!((model.provider(), model.model()), ("openrouter", "meta/llama"));
        assert_eq!(model.to_string(), "openrouter/meta/llama");
        for bad in ["", "local", "/lexical", "local/", "local/a b", "lo cal/a", "local/a\n"] {
            assert_eq!(bad.parse::<ModelRef>(), Err(BadModelRef(bad.into())));
        }
    }
}
