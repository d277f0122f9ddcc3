//! How a run was made: stored as `manifest.json` beside its figures, so that they can be checked and repeated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tunebench_data::{ExampleId, LabelSet, Shard};

use crate::{Costs, Counts, Looks, Metric, MetricError, slug};

/// The version of the format that this crate writes, and the only one that it reads.
pub const MANIFEST_VERSION: u32 = 1;

/// How a run was made.
///
/// Fields that a later tool adds within the same version are ignored; a change of meaning gets a new version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Manifest {
    /// Always [`MANIFEST_VERSION`].
    pub format_version: u32,
    /// The version of the tool that made the run.
    pub tool_version: String,
    /// When the run began, in RFC 3339.
    pub started: String,
    /// When the run ended, in RFC 3339; none while it is under way or if it was cut short.
    #[serde(default)]
    pub finished: Option<String>,
    /// Whether the run came to its end; of joined parts, whether all did and none is missing.
    pub complete: bool,
    /// What ended the run before its time, in words; none where it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// The share of the rows, 0 to 1, that must have been answered for a model to get scores.
    pub min_coverage: f64,
    /// The model that all others are compared with, besides each with its own base.
    #[serde(default)]
    pub against: Option<String>,
    /// The figure that decides, by its name: see [`Metric::name`]. None for accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// What wrong answers cost, where that is the figure that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<Costs>,
    /// Whether the verdicts hold however often one looks while rows are added.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_time: bool,
    /// The loss by the figure that decides, above 0 and of a share below 1, within which a model counts as no worse; none to ask for
    /// differences only.
    #[serde(default)]
    pub margin: Option<f64>,
    /// The share of a model's answers, 0 to 1, that may name no label; from there on there is no verdict on it.
    #[serde(default = "max_unreadable")]
    pub max_unreadable: f64,
    /// The seed of everything random.
    pub seed: u64,
    /// Whether the results may hold texts: those of the rows, their own columns, and what the models said.
    #[serde(default = "yes")]
    pub texts: bool,
    /// Which part of the test rows this is, where several machines share them.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub shard: Option<Shard>,
    /// The parts that were not there when the others were joined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub missing_shards: Vec<Shard>,
    /// The data files.
    pub data: Vec<DataFile>,
    /// How many test rows have a text that stands in the training data as well; none where there is none, or where it
    /// was not looked at.
    #[serde(default)]
    pub overlap: Option<u64>,
    /// The test rows whose gold label is likely wrong, as far as somebody looked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub doubted: Vec<ExampleId>,
    /// The label names, in order.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub labels: LabelSet,
    /// The prompt that all models were asked with.
    #[serde(default)]
    pub prompt: Value,
    /// What the models were sent: the messages of each prompt, by the fingerprint that its models name, with `{text}` where
    /// the text of a row stands. Empty where all models are computed on the own machine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rendered_prompts: BTreeMap<String, Vec<PromptMessage>>,
    /// The models, in the order of the report.
    pub models: Vec<ModelRecord>,
}

fn yes() -> bool {
    true
}

/// A data file, so that it can be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DataFile {
    /// What it was used for, for example `train` or `test`.
    pub role: String,
    /// Its path, as the user named it.
    pub path: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// How many rows it holds.
    pub rows: u64,
}

/// A model of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModelRecord {
    /// The model reference, for example `local/lexical`.
    pub model: String,
    /// The reference of the base model, when this is a fine-tuned one.
    #[serde(default)]
    pub tuned_from: Option<String>,
    /// The name under which the same model was asked before, when this is a repeat.
    #[serde(default)]
    pub repeat_of: Option<String>,
    /// The name under which the same model of an earlier run stands in this report, when two runs are side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<String>,
    /// The name of the model that was trained in the same way with another seed, where this is a further one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed_of: Option<String>,
    /// The name of its files, without folder and extension: see [`slugs`](crate::slugs).
    pub file: String,
    /// What it is, for example "untrained lexical baseline, no language model".
    #[serde(default)]
    pub description: Option<String>,
    /// The model's own name at its provider, as it was asked for.
    #[serde(default)]
    pub asked: Option<String>,
    /// The fingerprint of all that its prompts have in common: instruction, labels, form of the answer, and solved examples
    /// or the rule by which they are chosen. Models with the same fingerprint were asked the same.
    #[serde(default)]
    pub prompt_sha256: Option<String>,
    /// The model versions that answered, as the provider names them, each with the number of its answers. The version of a
    /// model that is computed on the own machine is its name, if its provider has no other.
    #[serde(default)]
    pub answered_by: BTreeMap<String, u64>,
    /// Tokens of all its answers, where the provider counts them, and what they cost: a model that is computed on the own
    /// machine costs nothing, and its tokens may be uncounted.
    #[serde(default)]
    pub usage: Option<TokenUsage>,
    /// What this run itself paid for the model in dollars, requests included that failed but may be billed: the difference to
    /// the cost of all its answers was paid by earlier runs. None where a price is not known, or for runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_usd: Option<f64>,
    /// How many rows came out how; none for runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Counts>,
    /// The fine-tuning job that made it.
    #[serde(default)]
    pub job_id: Option<String>,
    /// The hyperparameters of that job.
    #[serde(default)]
    pub hyperparameters: Value,
}

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PromptMessage {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl ModelRecord {
    /// The share of right answers; none where too few rows were answered for a score, or nobody counted them.
    pub fn accuracy(&self, min_coverage: f64) -> Option<f64> {
        let rows = self.rows.filter(|rows| rows.covers(min_coverage))?;
        (rows.answered() > 0).then(|| rows.correct as f64 / rows.answered() as f64)
    }
}

/// What the answers of a model took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenUsage {
    /// Tokens sent.
    pub input_tokens: u64,
    /// Tokens answered.
    pub output_tokens: u64,
    /// What they cost in dollars, at the prices of the day; none where the price is not known.
    pub cost_usd: Option<f64>,
}

/// Why bytes are no manifest that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Another version of the format.
    #[error(
        "the manifest has format version {found}, and this version of tunebench reads version {MANIFEST_VERSION}"
    )]
    Version {
        /// The version that was found.
        found: u64,
    },
    /// No JSON, or not of the right form; the message names line and column.
    #[error("the manifest cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that makes no sense.
    #[error("the manifest cannot be used: {0}")]
    Value(String),
}

#[derive(Deserialize)]
struct Header {
    format_version: u64,
}

fn max_unreadable() -> f64 {
    crate::MAX_UNREADABLE
}

impl Manifest {
    /// The figure that decides. One that was never checked, and whose label is none, is accuracy.
    pub fn metric(&self) -> Metric {
        self.find_metric().unwrap_or_default()
    }

    /// How often the rows may be looked at.
    pub fn looks(&self) -> Looks {
        if self.any_time { Looks::AnyTime } else { Looks::Once }
    }

    fn find_metric(&self) -> Result<Metric, MetricError> {
        let named = |name: &String| Metric::named(name, self.costs.as_ref(), &self.labels);
        self.primary.as_ref().map_or(Ok(Metric::Accuracy), named)
    }

    /// Reads `manifest.json`, strictly.
    ///
    /// File names are checked as well: a manifest from elsewhere must not lead out of its folder.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        // The version first: another version's manifest should not be blamed for a missing field.
        let Header { format_version } = serde_json::from_slice(bytes)?;
        if format_version != u64::from(MANIFEST_VERSION) {
            return Err(ManifestError::Version { found: format_version });
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        if !(0.0..=1.0).contains(&manifest.min_coverage) {
            let text = format!("`min_coverage` is {}, not within 0 to 1", manifest.min_coverage);
            return Err(ManifestError::Value(text));
        }
        if !(0.0..=1.0).contains(&manifest.max_unreadable) {
            let text = format!("`max_unreadable` is {}, not within 0 to 1", manifest.max_unreadable);
            return Err(ManifestError::Value(text));
        }
        let metric = manifest.find_metric().map_err(|error| ManifestError::Value(error.to_string()))?;
        let most = if metric.is_share() { 1.0 } else { f64::INFINITY };
        if let Some(margin) = manifest.margin.filter(|margin| !(*margin > 0.0 && *margin < most)) {
            let text = format!("`margin` is {margin}, not between 0 and {most}");
            return Err(ManifestError::Value(text));
        }
        slug::check(manifest.models.iter().map(|model| model.file.as_str())).map_err(ManifestError::Value)?;
        for (i, model) in manifest.models.iter().enumerate() {
            if manifest.models[..i].iter().any(|earlier| earlier.model == model.model) {
                return Err(ManifestError::Value(format!("duplicate model `{}`", model.model)));
            }
        }
        Ok(manifest)
    }

    /// The text of `manifest.json`: indented, fields in a fixed order, a line break at the end.
    pub fn to_json(&self) -> String {
        // Only a map with keys that are no strings or a failing writer could make this fail; there are none.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The record of the model with this reference.
    pub fn model(&self, model: &str) -> Option<&ModelRecord> {
        self.models.iter().find(|record| record.model == model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::manifest;

    #[test]
    fn reads_what_it_wrote() {
        let written =
            manifest(&["a", "b"], &[("local/lexical", None), ("local/tuned", Some("local/lexical"))]);
        let text = written.to_json();
        assert!(text.ends_with("}\n"));
        assert_eq!(Manifest::from_json(text.as_bytes()).unwrap(), written);
    }

    #[test]
    fn another_version_is_said_to_be_one() {
        let error = Manifest::from_json(br#"{"format_version": 2, "models": 3}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the manifest has format version 2, and this version of tunebench reads version 1"
        );
        assert!(matches!(Manifest::from_json(b"{}"), Err(ManifestError::Json(_))));
        assert!(matches!(Manifest::from_json(b"\xff"), Err(ManifestError::Json(_))));
    }

    #[test]
    fn refuses_file_names_that_lead_elsewhere() {
        for file in ["../secret", "", ".hidden", "a/b", "c:d"] {
            let mut bad = manifest(&["a", "b"], &[("local/lexical", None)]);
            bad.models[0].file = file.to_owned();
            assert!(
                matches!(Manifest::from_json(bad.to_json().as_bytes()), Err(ManifestError::Value(_))),
                "{file}"
            );
        }
    }

    #[test]
    fn refuses_a_model_that_stands_twice_and_an_impossible_limit() {
        let mut bad = manifest(&["a", "b"], &[("m", None), ("m", None)]);
        assert!(Manifest::from_json(bad.to_json().as_bytes()).is_err());
        bad.models.pop();
        bad.min_coverage = 1.5;
        assert!(Manifest::from_json(bad.to_json().as_bytes()).is_err());
        bad.min_coverage = 1.0;
        for margin in [0.0, -0.02, 1.0] {
            bad.margin = Some(margin);
            assert!(Manifest::from_json(bad.to_json().as_bytes()).is_err(), "{margin}");
        }
        bad.margin = Some(0.02);
        assert_eq!(Manifest::from_json(bad.to_json().as_bytes()).unwrap().margin, Some(0.02));
    }
}
