//! Precision, recall and F1 of each label, base and tuned side by side.

use tabled::builder::Builder;
use tabled::settings::object::Cell;
use tabled::settings::{Alignment, Modify, Span};
use tunebench_data::LabelId;

use super::super::text::{clean, shorten, wrap};
use super::super::{or_undefined, percent_number, selection};
use super::{Style, lines, table};
use crate::{ModelFigures, PrecisionRecallF1, Report};

/// The columns that a label name needs at least.
const NARROWEST: usize = 10;

/// A figure of a label: what its column is called, and where it stands.
type Figure = (&'static str, fn(PrecisionRecallF1) -> Option<f64>);

const FIGURES: [Figure; 3] =
    [("precision %", |t| t.precision), ("recall %", |t| t.recall), ("F1 %", |t| t.f1)];

/// One model, or a base and the model tuned from it.
pub(super) fn render(report: &Report, models: &[&ModelFigures], style: Style) -> String {
    let labels = report.run.labels();
    let last = models[models.len() - 1];
    let (shown, order) = match style.width {
        Some(_) => selection::labels(labels.len(), models),
        None => (selection::all_labels(labels.len()), "In the order of the label set.".to_owned()),
    };
    let title = match models {
        [base, tuned] => format!("Labels: {} (base), {} (tuned)", clean(&base.model), clean(&tuned.model)),
        _ => format!("Labels: {}", clean(&last.model)),
    };
    let mut text = style.title(&wrap(&title, style.columns(), "  "));

    let rows = |label: LabelId| selection::rows(models, label);
    let rows_width = shown.iter().map(|&label| rows(label).to_string().len()).max().unwrap_or(0).max(4);
    let room = |figures: &[Figure]| {
        let figures =
            figures.iter().map(|(name, _)| if models.len() > 1 { 7 * models.len() } else { name.len() + 2 });
        style.columns().saturating_sub(2 + rows_width + 2 + figures.sum::<usize>())
    };
    // F1 says most alone, where there is no room for all.
    let narrow = style.width.is_some() && room(&FIGURES) < NARROWEST;
    let groups = if narrow { &FIGURES[2..] } else { &FIGURES };

    let mut builder = Builder::new();
    let mut top = vec![String::new(), String::new()];
    let mut header = vec!["label".to_owned(), "rows".to_owned()];
    for (group, _) in groups {
        top.push((*group).to_owned());
        top.extend((1..models.len()).map(|_| String::new()));
        header.extend(["base", "tuned"].iter().take(models.len()).map(ToString::to_string));
    }
    let header_rows = if models.len() > 1 {
        builder.push_record(top);
        builder.push_record(header);
        2
    } else {
        builder.push_record(["label", "rows"].into_iter().chain(groups.iter().map(|(name, _)| *name)));
        1
    };

    let room = style.width.map(|_| room(groups).max(NARROWEST));
    let names = shorten(&shown.iter().map(|&label| labels.name(label)).collect::<Vec<_>>(), room);
    for (&label, name) in shown.iter().zip(names) {
        let mut row = vec![name, rows(label).to_string()];
        for (_, figure) in groups {
            row.extend(models.iter().map(|model| {
                let scores = model.scores.as_ref().map(|scores| scores.classes[label.index()].scores);
                or_undefined(scores.and_then(figure), percent_number)
            }));
        }
        builder.push_record(row);
    }
    let mut table = table(builder, header_rows);
    if models.len() > 1 {
        for group in 0..groups.len() {
            let cell = Cell::new(0, 2 + group * models.len());
            table.with(Modify::new(cell).with(Span::column(models.len() as isize)).with(Alignment::right()));
        }
    }
    text.push_str(&lines(&table));
    let order = if narrow { format!("{order} Precision and recall are in the CSV.") } else { order };
    text.push_str(&format!("{}\n", wrap(&format!(" {order}"), style.columns(), " ")));
    text
}
