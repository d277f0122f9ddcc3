//! The table of models.

use tabled::builder::Builder;
use tabled::settings::object::Cell;
use tabled::settings::{Alignment, Modify, Span};

use super::super::text::{clean, shorten, width, wrap};
use super::super::{UNDEFINED, coefficient, or_undefined, percent, percent_number};
use super::{Style, lines, table};
use crate::{ModelFigures, Report};

pub(super) fn render(report: &Report, style: Style) -> String {
    let models = &report.figures.models;
    let rows = models.iter().map(|model| model.counts().rows()).max().unwrap_or(0);
    let title = format!("Models, {rows} test rows, {} labels", report.run.labels().len());
    let mut text = style.title(&title);

    let unanswered = models.iter().any(|model| model.counts().unanswered > 0);
    let mut header = vec!["answered", "accuracy (95 %)", "macro F1", "kappa", "MCC", "invalid"];
    if unanswered {
        header.push("unanswered");
    }
    let cells: Vec<_> = models.iter().map(|model| cells(model, unanswered)).collect();
    let figures_width: usize = (0..header.len())
        .map(|i| cells.iter().map(|row| width(&row[i])).chain([width(header[i])]).max().unwrap_or(0) + 2)
        .sum();
    let longest = models.iter().map(|model| width(&name(model, models))).max().unwrap_or(0);
    if style.width.is_none() || longest + 2 + figures_width <= style.columns() {
        text.push_str(&beside(models, &header, cells));
    } else {
        text.push_str(&above(models, &header, cells, style));
    }

    for model in models {
        if let Some(description) = &model.description {
            let line = format!(" {}: {}", clean(&model.model), clean(description));
            text.push_str(&format!("{}\n", wrap(&line, style.columns(), "   ")));
        }
    }
    text
}

/// The model reference; that of a tuned model hangs below its base, where that is there.
fn name(model: &ModelFigures, models: &[ModelFigures]) -> String {
    let below = models.iter().any(|base| model.tuned_from.as_ref() == Some(&base.model));
    format!("{}{}", if below { "└ " } else { "" }, clean(&model.model))
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

/// Names in the first column.
fn beside(models: &[ModelFigures], header: &[&str], cells: Vec<Vec<String>>) -> String {
    let mut builder = Builder::new();
    builder.push_record(["model"].iter().chain(header).copied());
    for (model, cells) in models.iter().zip(cells) {
        builder.push_record([name(model, models)].into_iter().chain(cells));
    }
    lines(&table(builder, 1))
}

/// Names on lines of their own, where they would leave no room for the figures.
fn above(models: &[ModelFigures], header: &[&str], cells: Vec<Vec<String>>, style: Style) -> String {
    let names: Vec<_> = models.iter().map(|model| name(model, models)).collect();
    let names = shorten(&names.iter().map(String::as_str).collect::<Vec<_>>(), Some(style.columns() - 2));
    let mut builder = Builder::new();
    builder.push_record(header.iter().copied());
    for (name, cells) in names.into_iter().zip(cells) {
        builder.push_record([name].into_iter().chain((1..header.len()).map(|_| String::new())));
        builder.push_record(cells);
    }
    let mut table = table(builder, 1);
    for row in 0..=2 * models.len() {
        // The first column holds figures too, in all rows but those of the names.
        let is_name = row % 2 == 1;
        let alignment = if is_name { Alignment::left() } else { Alignment::right() };
        table.with(Modify::new(Cell::new(row, 0)).with(alignment));
        if is_name {
            table.with(Modify::new(Cell::new(row, 0)).with(Span::column(header.len() as isize)));
        }
    }
    lines(&table)
}
