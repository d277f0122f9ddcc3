//! The figures of the models as people read them: one row for each, the same in every format.

use super::{UNDEFINED, coefficient, or_undefined, percent, percent_number, thousands};
use crate::{ModelFigures, Report};

/// The table of models, without their names.
pub(super) struct Overview {
    /// What the columns hold.
    pub(super) header: Vec<&'static str>,
    /// The cells of each model, in the order of the figures.
    pub(super) rows: Vec<Vec<String>>,
}

impl Overview {
    pub(super) fn of(report: &Report) -> Self {
        let models = &report.figures.models;
        let unanswered = models.iter().any(|model| model.counts().unanswered > 0);
        let mut header = vec!["answered", "accuracy (95 %)", "macro F1", "kappa", "MCC", "invalid"];
        if unanswered {
            header.push("unanswered");
        }
        Self { header, rows: models.iter().map(|model| cells(model, unanswered)).collect() }
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
        if let Some(clustered) = &figures.clustered {
            notes.push(format!(
                "{model}: {} groups of rows; the interval of the accuracy that allows for them is {}–{} %",
                thousands(clustered.groups),
                percent_number(clustered.accuracy.low),
                percent_number(clustered.accuracy.high)
            ));
        }
        if let Some(calibration) = &figures.calibration {
            notes.push(format!(
                "{model}: probabilities: expected calibration error {}, Brier {}, log loss {}",
                percent(calibration.expected_calibration_error),
                coefficient(calibration.brier),
                coefficient(calibration.log_loss)
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

fn cells(model: &ModelFigures, unanswered: bool) -> Vec<String> {
    let counts = model.counts();
    let mut cells = vec![format!("{}/{}", counts.answered(), counts.rows())];
    match &model.scores {
        None => cells.extend(["incomplete", "", "", ""].map(str::to_owned)),
        Some(scores) => {
            let interval = scores.accuracy_interval.map_or_else(String::new, |interval| {
                format!("  {:>4}–{:<5}", percent_number(interval.low), percent_number(interval.high))
            });
            cells.push(format!("{}{interval}", or_undefined(scores.accuracy, percent)));
            cells.push(or_undefined(scores.macro_average.f1, percent));
            cells.push(or_undefined(scores.cohen_kappa, coefficient));
            cells.push(or_undefined(scores.matthews_correlation, coefficient));
        }
    }
    cells.push(if counts.answered() > 0 { counts.invalid.to_string() } else { UNDEFINED.to_owned() });
    if unanswered {
        cells.push(counts.unanswered.to_string());
    }
    cells
}
