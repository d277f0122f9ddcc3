//! `tunebench.toml`: what it may say, and where in it a mistake lies.

mod common;
mod mistake;
mod prompt;
#[cfg(test)]
mod schema;

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tunebench_data::{AnswerForm, Format, Source, TextColumns};
use tunebench_providers::catalog::{Catalog, ModelEntry};
use tunebench_providers::{AnswerMode, Parameters};
use tunebench_reports::{Costs, Metric, MetricError};

use crate::budget::{Cost, PriceEntry};
use crate::shots::ShotsSpec;
use crate::suggest::metric_hint;

#[cfg(any(feature = "cli", test))]
pub(crate) use common::COMMON;
pub(crate) use common::{Common, KIND};
pub use mistake::{ConfigError, Document, Step};
pub use prompt::{MessageSettings, Prompt, PromptSettings};

/// A project: which data, which prompt, which models.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The labelled files.
    pub data: Data,
    /// The prompt, the same for all models but those that choose another by its name.
    #[serde(default)]
    pub prompt: Prompt,
    /// What labels mean, by label; shown where the messages of a prompt ask for it, and compared with the text by an untrained
    /// encoder.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How answers are obtained.
    #[serde(default)]
    pub evaluation: Evaluation,
    /// How fine-tuning jobs are followed.
    #[serde(default)]
    pub tuning: Tuning,
    /// How batches are made and followed.
    #[serde(default)]
    pub batch: Batch,
    /// How long models may be deployed that answer only so.
    #[serde(default)]
    pub deployments: Deployments,
    /// When the user is asked before money is spent.
    #[serde(default)]
    pub budget: Budget,
    /// Settings of providers, by name. `kind`, `requests_per_minute`, `tokens_per_minute` and `window_seconds` are read
    /// here, all else by the provider.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "schema::providers"))]
    pub providers: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    /// Prices in dollars for a million tokens, by `provider/model`, instead of those that the program knows.
    #[serde(default)]
    pub prices: BTreeMap<String, PriceEntry>,
    /// What is known of models, by `provider/model`, besides or instead of what the program knows: prices, dates,
    /// replacements.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "schema::known_models"))]
    pub known_models: BTreeMap<String, ModelEntry>,
    /// What `tunebench gate` asks for.
    #[serde(default)]
    pub gate: crate::gate::Settings,
    /// The models to compare; at least one.
    #[serde(default, rename = "model")]
    pub models: Vec<Model>,
    /// Makes training repeatable where the provider can.
    #[serde(default = "default_seed")]
    pub seed: u64,
}

/// The labelled files and how to read them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// What models are tuned on; labels are discovered here.
    pub train: Option<PathBuf>,
    /// Held-out rows on which a provider may measure the loss while it trains.
    pub validation: Option<PathBuf>,
    /// What models are measured on.
    pub test: PathBuf,
    /// The labels and their order, where they shall not be discovered.
    pub labels: Option<Vec<String>>,
    /// Other spellings of labels, such as numbers and codes, with the labels that they stand for; they count in answers
    /// and in the data.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// The format, where neither the content nor the extension tells it.
    #[cfg_attr(test, schemars(with = "Option<schema::Format>"))]
    pub format: Option<Format>,
    /// The text column; a list of columns whose cells make the text together; in JSON a member, or a path such as
    /// `data.body`.
    #[serde(default = "default_text")]
    #[cfg_attr(test, schemars(with = "schema::OneOrMore"))]
    pub text: TextColumns,
    /// The label column.
    #[serde(default = "default_label")]
    pub label: String,
    /// The column that says which rows belong together, for example to one customer; all files need it.
    pub group: Option<String>,
    /// Columns of the test data by which the figures are shown for parts of the rows, such as `channel`; length and script of the
    /// texts go without saying.
    #[serde(default)]
    pub slices: Vec<String>,
    /// The encoding of files that are not UTF-8 and have no byte-order mark.
    pub encoding: Option<String>,
    /// Whether double quotes quote fields.
    #[serde(default = "yes")]
    pub quotes: bool,
    /// What parts the fields, where the header does not tell: one character, such as ";".
    pub delimiter: Option<char>,
    /// Whether the first row names the columns; without, columns are named by their numbers, from "1".
    #[serde(default = "yes")]
    pub header: bool,
    /// Names for the labels of the files: a list for numbered classes, which begins with that of class 0, or a table.
    #[serde(default)]
    pub label_names: LabelNames,
}

/// Names for labels.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "label_names must be a list of names, or a table such as { 0 = \"spam\" }")]
pub enum LabelNames {
    /// Those of the classes 0, 1, 2 and so on.
    Numbered(Vec<String>),
    /// By what stands in the files.
    Named(BTreeMap<String, String>),
}

impl Default for LabelNames {
    fn default() -> Self {
        Self::Named(BTreeMap::new())
    }
}

impl LabelNames {
    fn by_label(&self) -> BTreeMap<String, String> {
        match self {
            Self::Named(names) => names.clone(),
            Self::Numbered(names) => {
                names.iter().enumerate().map(|(number, name)| (number.to_string(), name.clone())).collect()
            }
        }
    }
}

impl Data {
    /// One of the files, with the settings that hold for both. A relative path starts at `folder`.
    pub fn source(&self, folder: &Path, file: &Path) -> Source {
        let mut source = Source::new(folder.join(file));
        source.format = self.format;
        source.text.clone_from(&self.text);
        source.label.clone_from(&self.label);
        source.group.clone_from(&self.group);
        source.encoding.clone_from(&self.encoding);
        source.quotes = self.quotes;
        source.delimiter = self.delimiter;
        source.header = self.header;
        source.label_names = self.label_names.by_label();
        source.aliases.clone_from(&self.aliases);
        source
    }
}

/// How answers are obtained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Evaluation {
    /// Requests in flight at once, for each model.
    pub concurrency: NonZeroUsize,
    /// The share of rows that must be answered for a score; below it a model is incomplete.
    pub min_coverage: f64,
    /// A model of this project that all others are compared with, besides each with its own base.
    pub against: Option<String>,
    /// The figure that decides which model is better, best chosen before looking: `accuracy`, `macro_f1`, `recall:LABEL`,
    /// `precision:LABEL`, or `cost` by `[evaluation.cost]`; where not set, accuracy.
    pub primary: Option<String>,
    /// What wrong answers cost, in any unit.
    #[cfg_attr(test, schemars(with = "Option<schema::Costs>"))]
    pub cost: Option<Costs>,
    /// Whether the verdicts hold however often one looks while rows are added to the test data: by a test that needs more rows for
    /// it. For accuracy and the recall of a label.
    pub any_time: bool,
    /// The loss by that figure, above 0 and of a share below 1, that a replacement may have and still count as no worse.
    pub margin: Option<f64>,
    /// The share of a model's answers that may name no label, refusals and truncated ones aside: with as many or more it is the
    /// form of the answers that was measured, and there is no verdict.
    pub max_unreadable: f64,
    /// How many of the test rows to take: a sample by `seed` in which each label keeps its share.
    pub sample: Option<NonZeroUsize>,
    /// Whether results may hold texts: those of the rows, their own columns, and what the models said.
    pub texts: bool,
    /// In which form models are to name the label.
    #[cfg_attr(test, schemars(with = "schema::AnswerMode"))]
    pub answer: AnswerMode,
    /// The sampling temperature; where not set, 0 for models that take one.
    pub temperature: Option<f64>,
    /// The most tokens of an answer; where not set, what suits the model.
    pub max_output_tokens: Option<NonZeroU32>,
    /// Whether to ask for probabilities, where a model gives them.
    pub probabilities: bool,
    /// After how many seconds a request without an answer is given up and tried again; where not set, what suits the
    /// provider.
    pub timeout_seconds: Option<NonZeroU32>,
    /// Whether models are asked in batches, where their providers offer that: within a day, and mostly at half the price.
    pub batch: bool,
}

impl Evaluation {
    /// The form of answers to prompts that set none.
    pub(crate) fn form(&self) -> AnswerForm {
        match self.answer {
            AnswerMode::Tag => AnswerForm::Tag,
            AnswerMode::Schema => AnswerForm::Schema,
        }
    }

    /// What shapes an answer in this form.
    pub fn parameters(&self, form: &AnswerForm) -> Parameters {
        Parameters {
            // All other forms are a matter of the prompt alone.
            answer: if *form == AnswerForm::Schema { AnswerMode::Schema } else { AnswerMode::Tag },
            temperature: self.temperature,
            max_output_tokens: self.max_output_tokens.map(NonZeroU32::get),
            probabilities: self.probabilities,
        }
    }
}

impl Default for Evaluation {
    fn default() -> Self {
        let Parameters { answer, temperature, probabilities, .. } = Parameters::default();
        Self {
            concurrency: NonZeroUsize::new(16).expect("16 is not zero"),
            min_coverage: tunebench_reports::DEFAULT_MIN_COVERAGE,
            against: None,
            primary: None,
            cost: None,
            any_time: false,
            margin: None,
            max_unreadable: tunebench_reports::MAX_UNREADABLE,
            sample: None,
            texts: true,
            answer,
            temperature,
            max_output_tokens: None,
            probabilities,
            timeout_seconds: None,
            batch: false,
        }
    }
}

/// How fine-tuning jobs are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Tuning {
    /// Seconds between two looks at a job; where not set, what suits the provider.
    pub poll_seconds: Option<f64>,
    /// After how many minutes a job is left to itself; where not set, never.
    pub timeout_minutes: Option<f64>,
}

/// How batches are made and followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// The most rows of one batch, where that is less than the provider takes; 10,000 where not set.
    pub rows: Option<NonZeroUsize>,
    /// The most tokens that may wait at the provider at once, all batches of a model together: what its limits page says.
    pub queued_tokens: Option<u64>,
    /// Seconds between two looks at a batch; where not set, from 15 seconds to 5 minutes, or as the provider wants it.
    pub poll_seconds: Option<f64>,
    /// Whether the files at the provider stay there after their answers are kept here.
    pub keep_files: bool,
}

/// How long models may be deployed that answer only so. Each minute of a deployment costs money.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Deployments {
    /// Minutes that a deployment may stand for one command; then it is taken down, and the command ends as incomplete.
    pub max_minutes: NonZeroU32,
    /// Minutes without a request after which the provider stops it by itself, should this program be killed; 30 to 1440.
    pub idle_minutes: NonZeroU32,
    /// Seconds between two looks at a deployment; where not set, as the provider wants it.
    pub poll_seconds: Option<f64>,
}

impl Default for Deployments {
    fn default() -> Self {
        let minutes = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { max_minutes: minutes(60), idle_minutes: minutes(30), poll_seconds: None }
    }
}

/// When the user is asked before money is spent.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Dollars that a command may spend without being told to: what costs no more at most is only announced.
    pub ask_above: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { ask_above: 0.10 }
    }
}

impl Budget {
    /// What may be spent without a question.
    pub fn unasked(&self) -> Cost {
        Cost::from_dollars(self.ask_above).unwrap_or_default()
    }
}

/// A model to measure, and perhaps to tune.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The base model, as `provider/model`.
    pub base: String,
    /// Asks for a fine-tuned model; holds the provider's hyperparameters, and with `seeds` how many models to train, each with a
    /// seed of its own: the verdict is then about this way of training.
    pub tune: Option<serde_json::Map<String, serde_json::Value>>,
    /// A model that was tuned from the base before, by its id at the same provider.
    pub tuned: Option<String>,
    /// Asks for the base with solved examples in its prompt.
    pub shots: Option<ShotsSpec>,
    /// The name of the prompt that base and tuned model are asked with: that of `[prompt.NAME]`.
    pub prompt: Option<String>,
    /// The name of the prompt that the tuned model was taught, where the base is asked with another.
    pub tuned_prompt: Option<String>,
    /// Whether these models are asked in batches, whatever `[evaluation]` says.
    pub batch: Option<bool>,
}

fn default_seed() -> u64 {
    1
}

fn default_text() -> TextColumns {
    "text".into()
}

fn default_label() -> String {
    "label".into()
}

fn yes() -> bool {
    true
}

impl Config {
    /// What a configuration is called where nobody says otherwise.
    pub const USUAL_NAME: &str = "tunebench.toml";

    /// The defaults of everything, without files and models.
    pub(crate) fn of_nothing() -> Self {
        Self {
            data: Data {
                train: None,
                validation: None,
                test: PathBuf::new(),
                labels: None,
                aliases: BTreeMap::new(),
                format: None,
                text: default_text(),
                label: default_label(),
                group: None,
                slices: Vec::new(),
                encoding: None,
                quotes: yes(),
                delimiter: None,
                header: yes(),
                label_names: LabelNames::default(),
            },
            prompt: Prompt::default(),
            labels: BTreeMap::new(),
            evaluation: Evaluation::default(),
            tuning: Tuning::default(),
            batch: Batch::default(),
            deployments: Deployments::default(),
            budget: Budget::default(),
            providers: BTreeMap::new(),
            prices: BTreeMap::new(),
            known_models: BTreeMap::new(),
            gate: crate::gate::Settings::default(),
            models: Vec::new(),
            seed: default_seed(),
        }
    }

    /// What is known of models, with what is said here.
    pub fn catalog(&self, document: &Document) -> Result<Catalog, ConfigError> {
        let own = Catalog::built_in().with_own(&self.known_models);
        own.map_err(|error| document.error(&[Step::Key("known_models")], error.to_string()))
    }

    /// Reads a configuration file, and keeps its text to point into.
    pub fn read(path: &Path) -> Result<(Self, Document), ConfigError> {
        let document = Document::read(path)?;
        let config: Self = document.parse()?;
        if !(0.0..=1.0).contains(&config.evaluation.min_coverage) {
            let place = [Step::Key("evaluation"), Step::Key("min_coverage")];
            return Err(document.error(&place, "min_coverage is a share between 0 and 1"));
        }
        if !(0.0..=1.0).contains(&config.evaluation.max_unreadable) {
            let place = [Step::Key("evaluation"), Step::Key("max_unreadable")];
            return Err(document.error(&place, "max_unreadable is a share between 0 and 1"));
        }
        if let Some(primary) = config.evaluation.primary.as_ref().filter(|name| !Metric::is_name(name)) {
            let place = [Step::Key("evaluation"), Step::Key("primary")];
            let error = MetricError::Unknown(primary.clone());
            let located = document.error(&place, error.to_string());
            return Err(match metric_hint(&error, []) {
                Some(hint) => located.hint(hint),
                None => located,
            });
        }
        let most = if config.evaluation.primary.as_deref() == Some("cost") { f64::INFINITY } else { 1.0 };
        if config.evaluation.margin.is_some_and(|margin| !(margin > 0.0 && margin < most)) {
            let place = [Step::Key("evaluation"), Step::Key("margin")];
            let what = if most > 1.0 {
                "a rise of the cost above 0"
            } else {
                "a loss above 0 and below 1, such as 0.02"
            };
            return Err(document.error(&place, format!("margin is {what}")));
        }
        let seconds = |value: Option<f64>| value.is_none_or(|v| (0.0..=1e7).contains(&v));
        for (name, value) in
            [("poll_seconds", config.tuning.poll_seconds), ("timeout_minutes", config.tuning.timeout_minutes)]
        {
            if !seconds(value) {
                let place = [Step::Key("tuning"), Step::Key(name)];
                return Err(document.error(&place, format!("{name} must be a number, at least 0")));
            }
        }
        if Cost::from_dollars(config.budget.ask_above).is_none() {
            let place = [Step::Key("budget"), Step::Key("ask_above")];
            return Err(document.error(&place, "ask_above is an amount in dollars, at least 0"));
        }
        config.gate.check_values().map_err(|mistake| document.gate(&mistake))?;
        if config.models.is_empty() {
            return Err(document
                .error(&[], "there is no model")
                .hint("add `[[model]]` with `base = \"local/lexical\"`"));
        }
        Ok((config, document))
    }
}

/// A text as TOML writes it between double quotes. JSON's escapes are among TOML's, which has one more.
#[cfg(feature = "cli")]
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
