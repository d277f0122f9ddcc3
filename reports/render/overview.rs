//! The figures of the models as people read them: one row for each, the same in every format.

use serde_json::Value;

use super::amounts::{dollars, duration};
use super::{UNDEFINED, coefficient, or_undefined, percent, percent_number, thousands};
use crate::{ModelFigures, ModelRecord, Report};

/// The table of models, without their names.
pub(super) struct Overview {
    /// What the columns hold.
    pub(super) header: Vec<&'static str>,
    /// The cells of each model, in the order of the figures.
    pub(super) rows: Vec<Vec<String>>,
}

impl Overview {
    /// The table; a wide one has coefficients of agreement, too.
    pub(super) fn of(report: &Report, wide: bool) -> Self {
        let models = &report.figures.models;
        let shown = Shown {
            unanswered: models.iter().any(|model| model.counts().unanswered > 0),
            // Where every model is known to cost nothing, there is nothing to tell.
            cost: models.iter().any(|model| model.usage.is_some_and(|usage| usage.cost_usd != Some(0.0))),
            // Nor where no model takes a millisecond.
            latency: models.iter().any(|model| model.latency.is_some_and(|latency| latency.median_ms >= 1.0)),
            wide,
        };
        let names = [
            ("answered", true),
            ("accuracy (95 %)", true),
            ("macro F1", true),
            ("kappa", wide),
            ("MCC", wide),
            ("invalid", true),
            ("unanswered", shown.unanswered),
            ("$ per 1,000", shown.cost),
            ("median time", shown.latency),
        ];
        let header = names.into_iter().filter(|(_, shown)| *shown).map(|(name, _)| name).collect();
        Self { header, rows: models.iter().map(|model| cells(model, &shown)).collect() }
    }
}

/// How many rows the test has: those of the model with most of them.
pub(super) fn title(report: &Report) -> String {
    let rows = report.figures.models.iter().map(|model| model.counts().rows()).max().unwrap_or(0);
    format!("Models, {rows} test rows, {} labels", report.run.labels().len())
}

/// Whether a model stands below its base, which is there too.
pub(super) fn is_below_base(model: &ModelFigures, models: &[ModelFigures]) -> bool {
    models.iter().any(|base| model.tuned_from.as_ref() == Some(&base.model))
}

/// What else there is to say of each model, a line for each fact.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    for figures in &report.figures.models {
        let model = &figures.model;
        if let Some(description) = &figures.description {
            notes.push(format!("{model}: {description}"));
        }
        if let Some(differing) = differing_hyperparameters(report, figures) {
            notes.push(format!("{model}: trained with {differing}"));
        }
        if let Some(clustered) = &figures.clustered {
            notes.push(format!(
                "{model}: {} groups of rows; the interval of the accuracy that allows for them is {}–{} %",
                thousands(clustered.groups),
                percent_number(clustered.accuracy.low),
                percent_number(clustered.accuracy.high)
            ));
        }
        if let Some(calibration) = &figures.calibration {
            let of_all = calibration.multiclass_log_loss;
            notes.push(format!(
                "{model}: probabilities: expected calibration error {}, Brier {}, log loss {}{}",
                percent(calibration.expected_calibration_error),
                coefficient(calibration.brier),
                coefficient(calibration.log_loss),
                of_all.map(|loss| format!(", over all labels {}", coefficient(loss))).unwrap_or_default()
            ));
        }
    }
    for repeats in &report.figures.repeats {
        notes.push(format!(
            "{}: asked {} times; the same answer each time in {} of {} rows; accuracy {} on average, standard deviation {} points",
            repeats.model,
            repeats.repeats,
            percent(repeats.agreement),
            thousands(repeats.rows),
            percent(repeats.accuracy_mean),
            percent_number(repeats.accuracy_sd)
        ));
    }
    notes
}

/// The hyperparameters in which a tuned model differs from others that were tuned from the same base.
fn differing_hyperparameters(report: &Report, figures: &ModelFigures) -> Option<String> {
    let records = &report.run.manifest.models;
    let own = records.iter().find(|record| record.model == figures.model)?;
    own.tuned_from.as_ref()?;
    let all = |record: &ModelRecord| record.hyperparameters.as_object().cloned().unwrap_or_default();
    let siblings: Vec<_> =
        records.iter().filter(|record| record.tuned_from == own.tuned_from).map(all).collect();
    let mine = all(own);
    let differs = |name: &String| siblings.iter().any(|other| other.get(name) != mine.get(name));
    let named = |(name, value): (&String, &Value)| differs(name).then(|| format!("{name} = {value}"));
    let listed: Vec<_> = mine.iter().filter_map(named).collect();
    (!listed.is_empty()).then(|| listed.join(", "))
}

/// Which columns there are, of those that not every table has.
struct Shown {
    unanswered: bool,
    cost: bool,
    latency: bool,
    wide: bool,
}

fn cells(model: &ModelFigures, shown: &Shown) -> Vec<String> {
    let counts = model.counts();
    let mut cells = vec![format!("{}/{}", counts.answered(), counts.rows())];
    match &model.scores {
        None => {
            let empty = if shown.wide { 3 } else { 1 };
            cells.push("incomplete".to_owned());
            cells.extend((0..empty).map(|_| String::new()));
        }
        Some(scores) => {
            let interval = scores.accuracy_interval.map_or_else(String::new, |interval| {
                format!("  {:>4}–{:<5}", percent_number(interval.low), percent_number(interval.high))
            });
            cells.push(format!("{}{interval}", or_undefined(scores.accuracy, percent)));
            cells.push(or_undefined(scores.macro_average.f1, percent));
            if shown.wide {
                cells.push(or_undefined(scores.cohen_kappa, coefficient));
                cells.push(or_undefined(scores.matthews_correlation, coefficient));
            }
        }
    }
    cells.push(if counts.answered() > 0 { counts.invalid.to_string() } else { UNDEFINED.to_owned() });
    if shown.unanswered {
        cells.push(counts.unanswered.to_string());
    }
    if shown.cost {
        cells.push(model.cost_per_thousand().map_or_else(|| "unknown".to_owned(), dollars));
    }
    if shown.latency {
        cells.push(or_undefined(model.latency.map(|latency| latency.median_ms), duration));
    }
    cells
}
