//! The figures of the models as people read them: one row for each, the same in every format.

use super::{UNDEFINED, coefficient, or_undefined, percent, percent_number};
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
