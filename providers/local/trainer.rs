//! What a job trains, by its base: hyperparameters as the user wrote them, checked, and the training itself.

use std::io::{self, Write};
use std::ops::ControlFlow;

use serde_json::Value;
use tunebench_data::{LabelId, LabelSet};

use super::classifier::{Classifier, TrainError};
use super::encoder::{FullOptions, Tuned, workers};
use super::models::{ENCODER, LEXICAL, Models};
use super::softmax::{EpochReport, Hyperparameters as Options};
use crate::{Hyperparameters, LossPoint, ProviderError, SettingError, TuningSpec};

/// Hyperparameters of the linear classifiers beside a frozen encoder.
const OF_FROZEN: [&str; 2] = ["l2", "calibrate"];
/// Hyperparameters of the training of all layers.
const OF_FULL: [&str; 4] = ["epochs", "learning_rate", "batch_size", "class_weights"];

/// What of an encoder is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Method {
    Frozen,
    Full,
    /// Whichever does better on the training data.
    Auto,
}

impl Method {
    fn allows(self, name: &str) -> Result<(), SettingError> {
        let (of_frozen, of_full) = (OF_FROZEN.contains(&name), OF_FULL.contains(&name));
        match self {
            Self::Frozen if of_full => {
                let message = format!("`{name}` is for `method = \"full\"`, which trains all layers");
                Err(SettingError::at(name, message))
            }
            Self::Full if of_frozen => {
                Err(SettingError::at(name, format!("`{name}` is for `method = \"frozen\"`")))
            }
            _ if of_frozen || of_full => Ok(()),
            _ => {
                let known = [&["method"][..], &OF_FROZEN, &OF_FULL].concat();
                Err(SettingError::unknown("hyperparameter", name, known))
            }
        }
    }
}

/// What is trained, and with which hyperparameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trainer {
    /// The classifier over n-grams.
    Ngrams(Options),
    /// A classifier over the vectors of the encoder of that name, beside one over n-grams.
    Frozen { encoder: String, ngrams: Options },
    /// All layers of the encoder of that name.
    Full { encoder: String, options: FullOptions },
    /// Whichever of the two does better on the training data.
    Auto { encoder: String, ngrams: Options, full: FullOptions },
}

/// What is learned from: texts with one label each.
pub(super) struct TrainingRows {
    pub(super) texts: Vec<String>,
    pub(super) labels: Vec<LabelId>,
    pub(super) set: LabelSet,
}

/// Where a training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// Steps (or epochs) in all.
    pub(super) total: u64,
    /// Steps done, and what was measured there.
    pub(super) losses: LossPoint,
}

impl Step {
    /// A step of which only the training loss is known.
    pub(super) fn new(step: u64, total: u64, train_loss: f64) -> Self {
        Self { total, losses: LossPoint { train_loss: Some(train_loss), ..Self::of(step, total).losses } }
    }

    /// A step at which nothing was measured.
    pub(super) fn of(step: u64, total: u64) -> Self {
        Self { total, losses: LossPoint { step, ..LossPoint::default() } }
    }
}

/// Writes the file of a model.
pub(super) type WriteModel<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// Whoever waits for the training: is told how it goes, and can break it off.
pub(super) trait Watcher {
    /// Something happened.
    fn say(&mut self, message: String, step: Option<Step>);

    /// Keeps the model instead of the one kept before. What was kept last is what the training came to; a model of an
    /// epoch is also what is left should the training be broken off.
    fn keep(&mut self, epoch: Option<u32>, write: WriteModel<'_>) -> Result<(), Ended>;

    /// Whether to end without a model.
    fn stopped(&self) -> bool;
}

/// Why there is no model.
#[derive(Debug)]
pub(super) enum Ended {
    Cancelled,
    Failed(String),
}

impl From<TrainError> for Ended {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Cancelled => Self::Cancelled,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<ProviderError> for Ended {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error.message)
    }
}

impl TrainingRows {
    /// All texts whose label another set has, too, with the label's place there.
    fn labelled_by<'a>(&'a self, set: &'a LabelSet) -> impl Iterator<Item = (&'a str, LabelId)> {
        let rows = self.texts.iter().zip(&self.labels);
        rows.filter_map(|(text, &label)| Some((text.as_str(), set.get(self.set.name(label))?)))
    }
}

impl Trainer {
    /// The hyperparameters of a base, checked.
    pub(super) fn new(spec: &TuningSpec) -> Result<Self, SettingError> {
        let mut options = Options { seed: spec.seed, calibrate: true, ..Options::default() };
        if spec.base == LEXICAL {
            for (name, value) in &spec.hyperparameters {
                match name.as_str() {
                    "epochs" => options.epochs = whole(name, value, 1, 10_000)? as u32,
                    "l2" => options.l2 = l2(name, value)?,
                    "calibrate" => options.calibrate = yes_or_no(name, value)?,
                    _ => {
                        let known = ["epochs", "l2", "calibrate"];
                        return Err(SettingError::unknown("hyperparameter", name, known));
                    }
                }
            }
            return Ok(Self::Ngrams(options));
        }
        let Some(encoder) = spec.base.strip_prefix(ENCODER).map(str::to_owned) else {
            let message = format!(
                "`{}` cannot be tuned; the local provider tunes `{LEXICAL}` and `{ENCODER}FOLDER`",
                spec.base
            );
            return Err(SettingError::at("base", message));
        };
        let method = match spec.hyperparameters.get("method").map(Value::as_str) {
            None | Some(Some("frozen")) => Method::Frozen,
            Some(Some("full")) => Method::Full,
            Some(Some("auto")) => Method::Auto,
            Some(_) => {
                let message = "`method` must be \"frozen\", \"full\" or \"auto\"";
                return Err(SettingError::at("method", message));
            }
        };
        let (epochs, learning_rate, batch_size, class_weights) = (3, 5e-5, 16, false);
        let (seed, workers) = (spec.seed, workers());
        let mut full = FullOptions { epochs, learning_rate, batch_size, class_weights, seed, workers };
        for (name, value) in spec.hyperparameters.iter().filter(|(name, _)| *name != "method") {
            method.allows(name)?;
            match name.as_str() {
                "l2" => options.l2 = l2(name, value)?,
                "calibrate" => options.calibrate = yes_or_no(name, value)?,
                "epochs" => full.epochs = whole(name, value, 1, 1000)? as u32,
                "batch_size" => full.batch_size = whole(name, value, 1, 4096)? as usize,
                "learning_rate" => full.learning_rate = number(name, value, 1e-7, 1e-2)?,
                _ => full.class_weights = yes_or_no(name, value)?,
            }
        }
        Ok(match method {
            Method::Frozen => Self::Frozen { encoder, ngrams: options },
            Method::Full => Self::Full { encoder, options: full },
            Method::Auto => Self::Auto { encoder, ngrams: options, full },
        })
    }

    /// All hyperparameters, those that the user left out included.
    pub(super) fn resolved(&self) -> Hyperparameters {
        let linear =
            |options: &Options| vec![("l2", decimal(options.l2)), ("calibrate", options.calibrate.into())];
        let layers = |options: &FullOptions| {
            vec![
                ("epochs", options.epochs.into()),
                ("learning_rate", decimal(options.learning_rate)),
                ("batch_size", options.batch_size.into()),
                ("class_weights", options.class_weights.into()),
            ]
        };
        let method = |name: &str| vec![("method", Value::from(name))];
        let pairs = match self {
            Self::Ngrams(options) => [vec![("epochs", options.epochs.into())], linear(options)].concat(),
            Self::Frozen { ngrams, .. } => [method("frozen"), linear(ngrams)].concat(),
            Self::Full { options, .. } => [method("full"), layers(options)].concat(),
            Self::Auto { ngrams, full, .. } => [method("auto"), linear(ngrams), layers(full)].concat(),
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What the names of its models begin with.
    pub(super) fn family(&self) -> &'static str {
        match self {
            Self::Ngrams(_) => LEXICAL,
            Self::Frozen { .. } | Self::Full { .. } | Self::Auto { .. } => "encoder",
        }
    }

    /// Trains; the watcher keeps the model.
    pub(super) fn train(
        &self,
        rows: &TrainingRows,
        validation: Option<&TrainingRows>,
        models: &Models,
        watcher: &mut dyn Watcher,
    ) -> Result<(), Ended> {
        let texts: Vec<&str> = rows.texts.iter().map(String::as_str).collect();
        let data = (&texts[..], &rows.labels[..], &rows.set);
        let validation: Vec<_> = validation.iter().flat_map(|rows| rows.labelled_by(data.2)).collect();
        match self {
            Self::Ngrams(options) => {
                let on_epoch = &mut |report| told(watcher, report);
                let classifier = Classifier::train(data.0, data.1, data.2, options, on_epoch)?;
                watcher.keep(None, &mut |out| classifier.save(out))
            }
            Self::Frozen { encoder: name, ngrams } => {
                let encoder = models.encoder(name)?;
                Tuned::train_frozen(&encoder, name, data, ngrams, watcher)
            }
            Self::Auto { encoder: name, ngrams, full } => {
                let encoder = models.encoder(name)?;
                Tuned::train_auto(encoder, name, data, &validation, (ngrams, full), watcher)
            }
            Self::Full { encoder: name, options } => {
                // One of its own, which becomes another on the way.
                let encoder = models.read_encoder(name)?;
                Tuned::train_full(encoder, name, data, &validation, options, watcher)
            }
        }
    }
}

/// Tells of an epoch of a linear classifier, and whether to go on.
pub(super) fn told(watcher: &mut dyn Watcher, report: EpochReport) -> ControlFlow<()> {
    let (step, last) = (u64::from(report.epoch), u64::from(report.epochs));
    let total = if report.converged { step } else { last };
    let message = format!("epoch {step} of {last}: loss {:.4}", report.loss);
    watcher.say(message, Some(Step::new(step, total, report.loss)));
    if step == last && !report.converged {
        watcher.say(not_converged(report.epochs), None);
    }
    if watcher.stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// That a classifier is not what it could be.
pub(super) fn not_converged(epochs: u32) -> String {
    format!("stopped after {epochs} epochs, before the classifier had converged: a greater `l2` would help")
}

fn yes_or_no(name: &str, value: &Value) -> Result<bool, SettingError> {
    value.as_bool().ok_or_else(|| SettingError::at(name, format!("`{name}` must be true or false")))
}

fn whole(name: &str, value: &Value, least: u64, most: u64) -> Result<u64, SettingError> {
    let number = value.as_u64().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        SettingError::at(name, format!("`{name}` must be a whole number from {least} to {most}"))
    })
}

fn l2(name: &str, value: &Value) -> Result<f32, SettingError> {
    number(name, value, 1e-4, 1e4)
}

fn number(name: &str, value: &Value, least: f64, most: f64) -> Result<f32, SettingError> {
    let number = value.as_f64().filter(|number| (least..=most).contains(number));
    let wrong = || SettingError::at(name, format!("`{name}` must be a number from {least} to {most}"));
    number.map(|number| number as f32).ok_or_else(wrong)
}

/// In decimal digits as the user would write them, not with the tail of the binary fraction.
fn decimal(number: f32) -> Value {
    number.to_string().parse::<f64>().unwrap_or_default().into()
}
