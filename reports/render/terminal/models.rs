//! The table of models.

use tabled::builder::Builder;
use tabled::settings::object::Cell;
use tabled::settings::{Alignment, Modify, Span};

use super::super::overview::{Overview, is_below_base, notes, title};
use super::super::text::{clean, shorten, width, wrap};
use super::{Style, lines, table};
use crate::{ModelFigures, Report};

pub(super) fn render(report: &Report, style: Style) -> String {
    let models = &report.figures.models;
    let mut text = style.title(&title(report));

    let overview = Overview::of(report, style.wide);
    let figures_width = overview.width();
    let longest = models.iter().map(|model| width(&name(model, models))).max().unwrap_or(0);
    text.push_str(&if style.width.is_none() || longest + 2 + figures_width <= style.columns() {
        beside(models, overview)
    } else if figures_width <= style.columns() {
        above(models, overview, style)
    } else {
        lines_of_figures(models, &overview, style)
    });

    for note in notes(report) {
        let line = format!(" {}", clean(&note));
        text.push_str(&format!("{}\n", wrap(&line, style.columns(), "   ")));
    }
    text
}

impl Overview {
    /// The columns that the figures take, each with a space on both sides.
    fn width(&self) -> usize {
        let widest =
            |i: usize| self.rows.iter().map(|row| width(&row[i])).chain([width(self.header[i])]).max();
        (0..self.header.len()).map(|i| widest(i).unwrap_or(0) + 2).sum()
    }
}

/// The model reference; that of a tuned model hangs below its base, where that is there.
fn name(model: &ModelFigures, models: &[ModelFigures]) -> String {
    format!("{}{}", if is_below_base(model, models) { "└ " } else { "" }, clean(&model.model))
}

/// The names, cut to the columns that there are.
fn names(models: &[ModelFigures], style: Style) -> Vec<String> {
    let names: Vec<_> = models.iter().map(|model| name(model, models)).collect();
    shorten(&names.iter().map(String::as_str).collect::<Vec<_>>(), Some(style.columns() - 2))
}

/// Names in the first column.
fn beside(models: &[ModelFigures], overview: Overview) -> String {
    let mut builder = Builder::new();
    builder.push_record(["model"].iter().chain(&overview.header).copied());
    for (model, cells) in models.iter().zip(overview.rows) {
        builder.push_record([name(model, models)].into_iter().chain(cells));
    }
    lines(&table(builder, 1))
}

/// Names on lines of their own, where they would leave no room for the figures.
fn above(models: &[ModelFigures], overview: Overview, style: Style) -> String {
    let columns = overview.header.len();
    let mut builder = Builder::new();
    builder.push_record(overview.header);
    for (name, cells) in names(models, style).into_iter().zip(overview.rows) {
        builder.push_record([name].into_iter().chain((1..columns).map(|_| String::new())));
        builder.push_record(cells);
    }
    let mut table = table(builder, 1);
    for row in 0..=2 * models.len() {
        // The first column holds figures too, in all rows but those of the names.
        let is_name = row % 2 == 1;
        let alignment = if is_name { Alignment::left() } else { Alignment::right() };
        table.with(Modify::new(Cell::new(row, 0)).with(alignment));
        if is_name {
            table.with(Modify::new(Cell::new(row, 0)).with(Span::column(columns as isize)));
        }
    }
    lines(&table)
}

/// No table at all, where not even the figures have room beside each other.
fn lines_of_figures(models: &[ModelFigures], overview: &Overview, style: Style) -> String {
    let mut text = String::new();
    for (name, cells) in names(models, style).iter().zip(&overview.rows) {
        text.push_str(&format!(" {name}\n"));
        // Lines break between figures, never within one.
        let mut line = String::new();
        for (header, cell) in overview.header.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            let cell = cell.split_whitespace().collect::<Vec<_>>().join(" ");
            let figure = format!("{header} {cell}");
            // Two commas: one before the figure, and one that may end the line.
            if !line.is_empty() && 3 + width(&line) + 2 + width(&figure) + 1 > style.columns() {
                text.push_str(&format!("   {line},\n"));
                line.clear();
            } else if !line.is_empty() {
                line.push_str(", ");
            }
            line.push_str(&figure);
        }
        text.push_str(&format!("   {line}\n"));
    }
    text
}
