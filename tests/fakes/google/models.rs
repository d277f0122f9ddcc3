//! Which models there are, and what each takes and refuses.

use serde_json::{Value, json};

use super::Surface;

/// How the thinking of a model is set, and how it is where nothing is.
#[derive(Debug, PartialEq)]
pub(super) enum Thinking {
    /// `thinkingBudget`: from, to, whether 0 turns it off, and whether it thinks by default.
    Budget(i64, i64, bool, bool),
    /// `thinkingLevel`: those that it takes, and the default.
    Levels(&'static [&'static str], &'static str),
}

/// What a base model is like.
#[derive(Debug, PartialEq)]
pub(super) struct Model {
    pub(super) id: &'static str,
    pub(super) thinking: Thinking,
    /// Adapter sizes; none for a model that can't be tuned.
    pub(super) adapters: &'static [&'static str],
    /// 3.x: several candidates are refused, and regions do not serve it.
    pub(super) is_third: bool,
    /// Whether presence and frequency penalties are taken.
    pub(super) penalties: bool,
    /// The surface that refuses log-probabilities.
    pub(super) no_logprobs: Option<Surface>,
}

const SIZES: &[&str] = &[
    "ADAPTER_SIZE_ONE",
    "ADAPTER_SIZE_TWO",
    "ADAPTER_SIZE_FOUR",
    "ADAPTER_SIZE_EIGHT",
    "ADAPTER_SIZE_SIXTEEN",
];
const ALL: &[&str] = &["MINIMAL", "LOW", "MEDIUM", "HIGH"];
const NOT_MINIMAL: &[&str] = &["LOW", "MEDIUM", "HIGH"];

const fn second(id: &'static str, thinking: Thinking, adapters: &'static [&'static str]) -> Model {
    Model { id, thinking, adapters, is_third: false, penalties: true, no_logprobs: Some(Surface::Developer) }
}

const fn third(
    id: &'static str,
    levels: &'static [&'static str],
    default: &'static str,
    adapters: &'static [&'static str],
) -> Model {
    let thinking = Thinking::Levels(levels, default);
    Model { id, thinking, adapters, is_third: true, penalties: false, no_logprobs: None }
}

/// The models of November 2026. None has a last day: what is tested must not end on one.
static MODELS: &[Model] = &[
    second("gemini-2.5-pro", Thinking::Budget(128, 32_768, false, true), SIZES.split_at(4).0),
    second("gemini-2.5-flash", Thinking::Budget(1, 24_576, true, true), SIZES),
    second("gemini-2.5-flash-lite", Thinking::Budget(512, 24_576, true, false), SIZES),
    Model { penalties: true, ..third("gemini-3.1-flash-lite", ALL, "MINIMAL", SIZES) },
    Model { penalties: true, ..third("gemini-3.1-pro-preview", NOT_MINIMAL, "HIGH", &[]) },
    Model { no_logprobs: Some(Surface::Vertex), ..third("gemini-3.5-flash", ALL, "MEDIUM", SIZES) },
    third("gemini-3.5-flash-lite", ALL, "MINIMAL", SIZES),
    third("gemini-3.6-flash", ALL, "MEDIUM", &[]),
    third("gemini-3.7-flash", NOT_MINIMAL, "MEDIUM", &[]),
    third("gemini-3.8-flash", NOT_MINIMAL, "MEDIUM", &[]),
];

/// Names that move from model to model; on `v1beta` of the Developer API only.
const ALIASES: &[(&str, &str)] = &[
    ("gemini-flash-latest", "gemini-3.8-flash"),
    ("gemini-flash-lite-latest", "gemini-3.5-flash-lite"),
    ("gemini-pro-latest", "gemini-3.1-pro-preview"),
];

/// Names that the Developer API answers with another model.
const ROUTED: &[(&str, &str)] = &[("gemini-3.7-flash", "gemini-3.8-flash")];

pub(super) fn find(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id == id)
}

/// The model that answers to a name at the Developer API.
pub(super) fn at_developer(name: &str, version: &str) -> Option<&'static Model> {
    let aliases = if version == "v1beta" { ALIASES } else { &[] };
    let other = aliases.iter().chain(ROUTED).find(|(known, _)| *known == name);
    find(other.map_or(name, |(_, model)| model))
}

/// The entry in the list of the Developer API.
pub(super) fn entry(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"), "baseModelId": id, "version": "001", "displayName": id,
        "description": "A model that is faked.", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "batchGenerateContent"],
        "temperature": 1.0, "maxTemperature": 2.0, "topP": 0.95, "topK": 64, "thinking": true,
    })
}

pub(super) fn entries() -> Vec<Value> {
    MODELS.iter().map(|model| entry(model.id)).collect()
}

impl Model {
    /// Where Vertex serves it untuned.
    pub(super) fn is_served_at(&self, location: &str) -> bool {
        !self.is_third || matches!(location, "global" | "us" | "eu")
    }

    /// Where a model that was tuned at a location is served.
    pub(super) fn serves_tuned_at<'a>(&self, trained_at: &'a str) -> &'a str {
        match trained_at {
            "us-central1" if self.is_third => "us",
            "europe-west4" if self.is_third => "eu",
            same => same,
        }
    }

    /// Tokens that it thinks before it answers.
    pub(super) fn thoughts(&self, config: &Value) -> u64 {
        let (budget, level) = (config["thinkingBudget"].as_i64(), config["thinkingLevel"].as_str());
        let level = match (&self.thinking, budget) {
            (_, Some(budget @ 0..)) => return budget.unsigned_abs().min(64),
            (Thinking::Budget(_, _, _, by_default), None) => return if *by_default { 64 } else { 0 },
            (_, Some(_)) => return 64,
            (Thinking::Levels(_, default), None) => level.unwrap_or(default),
        };
        match level {
            "MINIMAL" => 0,
            "LOW" => 24,
            "MEDIUM" => 96,
            _ => 384,
        }
    }
}
