//! How a host tunes: data, as the file has it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A host's way with fine-tuning.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::openai) struct TuningHost {
    /// Whose API it has: `openai`, `dashscope` or `together`.
    pub(in crate::openai) way: String,
    /// Whether jobs are started without the user having said `fine_tuning = true`: only where what is tuned can be asked.
    #[serde(default)]
    pub(in crate::openai) unasked: bool,
    /// Where jobs are started, where that is not where models answer.
    pub(in crate::openai) base_url: Option<String>,
    /// The hyperparameters that the host knows; nothing else is sent.
    #[serde(default)]
    pub(in crate::openai) hyperparameters: BTreeMap<String, Knob>,
    /// What is sent with every job.
    #[serde(default)]
    pub(in crate::openai) always: Map<String, Value>,
    /// Whether hyperparameters stand in a table of their own instead of in OpenAI's `method`.
    #[serde(default)]
    pub(in crate::openai) plain: bool,
    /// Whether jobs keep metadata. Where they do not, our mark is the suffix, and no other can be set.
    #[serde(default = "yes")]
    pub(in crate::openai) metadata: bool,
    /// Whether files begin with a byte order mark.
    #[serde(default)]
    pub(in crate::openai) byte_order_mark: bool,
    /// What the user must do before a tuned model answers.
    pub(in crate::openai) then: Option<String>,
}

fn yes() -> bool {
    true
}

/// What one hyperparameter may be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::openai) struct Knob {
    /// A number that must be whole.
    #[serde(default)]
    whole: bool,
    /// true or false.
    #[serde(default)]
    switch: bool,
    /// A text of at most so many characters.
    characters: Option<usize>,
    least: Option<f64>,
    most: Option<f64>,
    /// Whether `"auto"` leaves it to the host.
    #[serde(default)]
    auto: bool,
}

impl Knob {
    /// What it must be, where a value is not that.
    pub(in crate::openai) fn refusal(&self, value: &Value) -> Option<String> {
        if self.auto && value == "auto" {
            return None;
        }
        let auto = if self.auto { ", or \"auto\"" } else { "" };
        if self.switch {
            return (!value.is_boolean()).then(|| "true or false".to_owned());
        }
        if let Some(most) = self.characters {
            let length = value.as_str().map_or(0, |text| text.chars().count());
            return (!(1..=most).contains(&length)).then(|| format!("a string of 1 to {most} characters"));
        }
        let number = if self.whole { value.as_u64().map(|whole| whole as f64) } else { value.as_f64() };
        let fits = number.is_some_and(|number| {
            number.is_finite()
                && self.least.is_none_or(|least| number >= least)
                && self.most.is_none_or(|most| number <= most)
        });
        let kind = if self.whole { "a whole number" } else { "a number" };
        let bounds = match (self.least, self.most) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" from {least}"),
            (None, Some(most)) => format!(" up to {most}"),
            (None, None) => String::new(),
        };
        (!fits).then(|| format!("{kind}{bounds}{auto}"))
    }
}
