//! What a gate asks for: `[gate]` in `tunebench.toml`, and what goes before it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use tunebench_data::LabelSet;
use tunebench_reports::{Metric, Run};

use super::GateError;
use super::checks::{By, Checks, Test};
use crate::suggest::did_you_mean;

/// The level of the tests where none is set, one-sided: a loss that `compare` proves at its two-sided level fails here.
const ALPHA: f64 = tunebench_reports::ALPHA / 2.0;

/// What a gate asks for; what is not set is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The committed file with the answers to compare with [default: tunebench.baseline]
    pub baseline: Option<PathBuf>,

    /// A model to check; may be given several times [default: all that no other one was tuned from, and not `local/majority` beside others]
    pub models: Vec<String>,

    /// The least accuracy, as a share
    pub min_accuracy: Option<f64>,

    /// The least macro-F1
    pub min_macro_f1: Option<f64>,

    /// The least recall of a label; may be given several times
    #[serde(deserialize_with = "table")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, f64>"))]
    pub min_recall: Vec<(String, f64)>,

    /// By what these three are held against their limits
    #[serde(alias = "by")]
    pub judge_by: Option<By>,

    /// The largest share of invalid answers
    pub max_invalid: Option<f64>,

    /// The least share of the rows that must be answered [default: that of the evaluation]
    pub min_coverage: Option<f64>,

    /// The most that the answers may cost, in dollars
    pub max_cost: Option<f64>,

    /// The longest time for 95 % of the answers
    pub max_p95_ms: Option<f64>,

    /// How the model is compared with the baseline
    pub test: Option<Test>,

    /// The loss that is allowed, by accuracy or what `evaluation.primary` says, as a share; `non-inferiority` needs one
    pub margin: Option<f64>,

    /// The level of the tests: how often, at most, noise alone may raise an alarm [default: 0.025]
    pub alpha: Option<f64>,

    /// Hold the test against the baseline however often one looks while rows are added: it needs more rows for it
    pub any_time: Option<bool>,

    /// The least accuracy on a part of the rows, by a column of `data.slices`, `length` or `script`; may be given several times
    #[serde(deserialize_with = "table")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, f64>"))]
    pub min_slice: Vec<(String, f64)>,

    /// Ask that the model version that answered is the baseline's
    pub same_version: Option<bool>,
}

fn table<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, f64)>, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

impl Settings {
    /// These, and where they say nothing what `other` says.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let list = |own: Vec<_>, other| if own.is_empty() { other } else { own };
        Self {
            baseline: self.baseline.or(other.baseline),
            models: if self.models.is_empty() { other.models } else { self.models },
            min_accuracy: self.min_accuracy.or(other.min_accuracy),
            min_macro_f1: self.min_macro_f1.or(other.min_macro_f1),
            min_recall: list(self.min_recall, other.min_recall),
            judge_by: self.judge_by.or(other.judge_by),
            max_invalid: self.max_invalid.or(other.max_invalid),
            min_coverage: self.min_coverage.or(other.min_coverage),
            max_cost: self.max_cost.or(other.max_cost),
            max_p95_ms: self.max_p95_ms.or(other.max_p95_ms),
            test: self.test.or(other.test),
            margin: self.margin.or(other.margin),
            alpha: self.alpha.or(other.alpha),
            any_time: self.any_time.or(other.any_time),
            min_slice: list(self.min_slice, other.min_slice),
            same_version: self.same_version.or(other.same_version),
        }
    }

    /// Whether it is here that the setting is made which makes no sense.
    pub fn names(&self, mistake: &GateSettingError) -> bool {
        match mistake.keys.first().map(String::as_str) {
            Some(MIN_RECALL) => !self.min_recall.is_empty(),
            Some(MIN_SLICE) => !self.min_slice.is_empty(),
            Some("margin") => self.margin.is_some(),
            Some("any_time") => self.any_time.is_some(),
            _ => false,
        }
    }

    /// Whether a baseline is needed.
    pub fn needs_baseline(&self) -> bool {
        self.test.unwrap_or_default() != Test::Off || self.same_version == Some(true)
    }

    /// The checks, where `min_coverage` is what the evaluation asked for.
    pub fn checks(&self, min_coverage: f64) -> Result<Checks, GateError> {
        self.check_values()?;
        self.check_together()?;
        let checks = Checks {
            min_accuracy: self.min_accuracy,
            min_macro_f1: self.min_macro_f1,
            min_recall: self.min_recall.iter().cloned().collect(),
            min_slice: self.min_slice.iter().cloned().collect(),
            by: self.judge_by.unwrap_or_default(),
            max_invalid: self.max_invalid,
            min_coverage: self.min_coverage.unwrap_or(min_coverage),
            max_cost: self.max_cost,
            max_p95_ms: self.max_p95_ms,
            test: self.test.unwrap_or_default(),
            margin: self.margin.unwrap_or(0.0),
            alpha: self.alpha.unwrap_or(ALPHA),
            any_time: self.any_time.unwrap_or(false),
            same_version: self.same_version.unwrap_or(false),
        };
        let limits = [self.min_accuracy, self.min_macro_f1, self.max_invalid, self.min_coverage];
        let others = [self.max_cost, self.max_p95_ms];
        let any = limits.iter().chain(&others).any(Option::is_some)
            || !self.min_recall.is_empty()
            || !self.min_slice.is_empty();
        if any || self.needs_baseline() { Ok(checks) } else { Err(GateError::NoChecks) }
    }

    /// Finds a value that makes no sense by itself.
    pub fn check_values(&self) -> Result<(), GateSettingError> {
        let shares = [
            ("min_accuracy", self.min_accuracy),
            ("min_macro_f1", self.min_macro_f1),
            ("max_invalid", self.max_invalid),
            ("min_coverage", self.min_coverage),
        ];
        for (key, share) in shares {
            share.map_or(Ok(()), |share| check_share(vec![key.to_owned()], share))?;
        }
        for (label, share) in &self.min_recall {
            check_share(vec![MIN_RECALL.to_owned(), label.clone()], *share)?;
        }
        for (slice, share) in &self.min_slice {
            let place = vec![MIN_SLICE.to_owned(), slice.clone()];
            if !slice.contains('=') {
                let message = format!("`{slice}` names no part of the rows");
                return Err(GateSettingError::at(place, message)
                    .hint("expected a column and its value, such as \"channel=phone\""));
            }
            check_share(place, *share)?;
        }
        let numbers = [
            ("max_cost", self.max_cost, 0.0..=f64::MAX, "a number of at least 0"),
            ("max_p95_ms", self.max_p95_ms, 0.0..=f64::MAX, "a number of at least 0"),
            ("alpha", self.alpha, f64::MIN_POSITIVE..=0.5, "above 0 and at most 0.5"),
            ("margin", self.margin, 0.0..=f64::MAX, "a number of at least 0"),
        ];
        for (key, value, range, want) in numbers {
            if let Some(value) = value.filter(|value| !range.contains(value)) {
                return Err(GateSettingError::at(
                    vec![key.to_owned()],
                    format!("{key} is {value}, not {want}"),
                ));
            }
        }
        Ok(())
    }

    /// Finds values that make no sense together.
    pub fn check_together(&self) -> Result<(), GateSettingError> {
        if self.test == Some(Test::NonInferiority) && self.margin.unwrap_or(0.0) == 0.0 {
            let text = "non-inferiority needs a margin: the loss of accuracy that would still be no worse";
            return Err(GateSettingError::at(vec!["test".to_owned()], text.to_owned())
                .hint("set `margin`, such as 0.02"));
        }
        Ok(())
    }

    /// Finds a margin that no loss by this figure can reach.
    pub fn check_margin(&self, metric: &Metric) -> Result<(), GateSettingError> {
        let Some(margin) = self.margin.filter(|margin| metric.is_share() && *margin >= 1.0) else {
            return Ok(());
        };
        let message = format!("margin is {margin}, not a share of at least 0 and below 1");
        Err(GateSettingError::at(vec!["margin".to_owned()], message)
            .hint(format!("{margin} % is {}", margin / 100.0)))
    }

    /// Finds a limit on parts by what nobody knows of the rows, and a test for many looks where there is none.
    pub fn check_results(&self, run: &Run) -> Result<(), GateSettingError> {
        let slices = || run.evaluations.iter().filter_map(|one| one.slices.as_deref());
        for (slice, _) in &self.min_slice {
            let (name, value) = slice.split_once('=').unwrap_or((slice, ""));
            if slices()
                .next()
                .is_some_and(|slices| slices.rows(name, value).is_none_or(|rows| rows.is_empty()))
            {
                let known: Vec<_> = slices().next().into_iter().flat_map(|slices| slices.names()).collect();
                let message = format!("no row of the results is in `{slice}`");
                let mistake = GateSettingError::at(vec![MIN_SLICE.to_owned(), slice.clone()], message);
                return Err(mistake.hint(format!("rows can be divided by {}", known.join(", "))));
            }
        }
        let metric = run.manifest.metric();
        if self.any_time == Some(true) && !metric.has_looks() {
            let message = format!("there is no anytime-valid test of {} (`any_time`)", metric.words());
            return Err(GateSettingError::at(vec!["any_time".to_owned()], message));
        }
        Ok(())
    }

    /// Finds a limit on the recall of what is no label.
    pub fn check_labels(&self, labels: &LabelSet) -> Result<(), GateSettingError> {
        let unknown = self.min_recall.iter().find(|(label, _)| labels.get(label).is_none());
        let Some((label, _)) = unknown else { return Ok(()) };
        let message = format!("`{label}` is not a label of this data, so its recall can't be checked");
        let mistake = GateSettingError::at(vec![MIN_RECALL.to_owned(), label.clone()], message);
        let meant = did_you_mean(label, labels.names().iter().map(String::as_str));
        Err(match meant {
            Some(meant) => mistake.hint(meant),
            None => mistake,
        })
    }
}

/// The key of the table of labels.
const MIN_RECALL: &str = "min_recall";
/// That of the table of parts of the rows.
const MIN_SLICE: &str = "min_slice";

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GateSettingError {
    /// Where it stands below `[gate]`: its key, and a label where there is a value for each.
    pub keys: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl GateSettingError {
    fn at(keys: Vec<String>, message: String) -> Self {
        Self { keys, message, hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

fn check_share(keys: Vec<String>, share: f64) -> Result<(), GateSettingError> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    let message = format!("{} is {share}, not a share within 0 to 1", keys.join("."));
    let mistake = GateSettingError::at(keys, message);
    let is_percentage = share > 1.0 && share <= 100.0;
    Err(if is_percentage { mistake.hint(format!("{share} % is {}", share / 100.0)) } else { mistake })
}
