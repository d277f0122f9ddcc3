//! The confusion matrix as a heat map, or, where it does not fit, the worst confusions as a list.

use tabled::builder::Builder;
use tabled::settings::object::{Cell, Columns};
use tabled::settings::{Alignment, Color, Modify, Padding};
use tunebench_data::LabelId;

use super::super::percent_number;
use super::super::selection::Mistakes;
use super::super::text::{clean, shorten, wrap};
use super::{Style, lines, table};
use crate::{Confusion, ModelFigures, Report};

/// More columns than this are hard to follow, however wide the terminal is.
const MOST_LABELS: usize = 15;

/// The columns that a label name needs at least.
const NARROWEST: usize = 8;

/// What stands above the names of the gold labels.
const CORNER: &str = "gold \\ answer";

/// Shades of blue for right answers and of orange for wrong ones, light to dark, of the 256-colour palette that
/// nearly every terminal has. Blue and orange are told apart with all common colour blindnesses.
const RIGHT: [u8; 4] = [195, 153, 117, 75];
const WRONG: [u8; 4] = [223, 216, 209, 203];

pub(super) fn render(report: &Report, model: &ModelFigures, style: Style) -> String {
    let labels = report.run.labels();
    let title = style.title(&wrap(&format!("Confusion: {}", clean(&model.model)), style.columns(), "  "));
    let cell = cell_width(&model.confusion);
    // Number, space and name in front; two columns of space around; the column of invalid answers behind.
    let number = labels.len().to_string().len();
    let taken = 1 + number + 1 + 1 + labels.len() * cell + cell.max(5);
    // The corner of the table needs its room, too.
    let narrowest = NARROWEST.max(CORNER.len().saturating_sub(number + 1));
    let body = if labels.len() <= MOST_LABELS && taken + narrowest <= style.columns() {
        let names = shorten(&names(report), style.width.map(|_| style.columns() - taken));
        matrix(&model.confusion, &names, number, cell, style)
    } else {
        worst(report, &model.confusion, style)
    };
    format!("{title}{body}")
}

fn names<'a>(report: &'a Report) -> Vec<&'a str> {
    report.run.labels().names().iter().map(String::as_str).collect()
}

/// The columns of a cell: its longest number, with room for the marks of the diagonal.
fn cell_width(confusion: &Confusion) -> usize {
    let labels = confusion.labels();
    let most = confusion.cells().map(|(_, _, rows)| rows).max().unwrap_or(0);
    let invalid = (0..labels).map(|i| confusion.invalid(LabelId(i as u32))).max().unwrap_or(0);
    most.max(invalid).max(labels as u64).to_string().len() + 2
}

fn matrix(confusion: &Confusion, names: &[String], number: usize, cell: usize, style: Style) -> String {
    let ids: Vec<_> = (0..names.len()).map(|i| LabelId(i as u32)).collect();
    let mut builder = Builder::new();
    let header = ids.iter().map(|id| format!("{:>1$} ", id.0 + 1, cell - 1));
    builder.push_record([CORNER.to_owned()].into_iter().chain(header).chain(["inv. ".to_owned()]));
    for (&gold, name) in ids.iter().zip(names) {
        let mut row = vec![format!("{:>number$} {name}", gold.0 + 1)];
        row.extend(ids.iter().map(|&answer| text(confusion.get(gold, answer), gold == answer, cell)));
        row.push(text(confusion.invalid(gold), false, cell.max(5)));
        builder.push_record(row);
    }
    let mut table = table(builder, 1);
    // Cells bring their own space, so that the colour fills them.
    table.modify(Columns::new(1..), Padding::zero());
    if style.color {
        for (i, &gold) in ids.iter().enumerate() {
            let mut paint = |column: usize, rows: u64, right: bool| {
                if let Some(color) = shade(rows, confusion.support(gold), right) {
                    table.with(Modify::new(Cell::new(i + 1, column)).with(color));
                }
            };
            for (j, &answer) in ids.iter().enumerate() {
                paint(j + 1, confusion.get(gold, answer), i == j);
            }
            paint(ids.len() + 1, confusion.invalid(gold), false);
        }
    }
    let note = " Rows are gold labels, columns the answers; [right], inv. is invalid.";
    format!("{}{}\n", lines(&table), wrap(note, style.columns(), " "))
}

/// A count with its marks; none is a point, which leaves the eye to what is there.
fn text(rows: u64, diagonal: bool, cell: usize) -> String {
    match (rows, diagonal) {
        (rows, true) => format!("{:>cell$}", format!("[{rows}]")),
        (0, false) => format!("{:>1$} ", "·", cell - 1),
        (rows, false) => format!("{rows:>0$} ", cell - 1),
    }
}

/// The colour for a share of the rows of a gold label.
fn shade(rows: u64, support: u64, right: bool) -> Option<Color> {
    if rows == 0 {
        return None;
    }
    // Wrong answers are few in a good model, and should be seen early.
    let share = rows as f64 / support as f64;
    let bounds = if right { [0.25, 0.5, 0.8] } else { [0.05, 0.15, 0.35] };
    let step = bounds.iter().filter(|&&bound| share > bound).count();
    let color = if right { RIGHT[step] } else { WRONG[step] };
    Some(Color::new(format!("\u{1b}[48;5;{color};38;5;16m"), "\u{1b}[0m"))
}

fn worst(report: &Report, confusion: &Confusion, style: Style) -> String {
    let labels = report.run.labels();
    let mistakes = Mistakes::of(confusion);
    let listed = &mistakes.listed;
    if listed.is_empty() {
        return " No answer was wrong.\n".to_owned();
    }
    let mut shown: Vec<LabelId> =
        listed.iter().flat_map(|mistake| [Some(mistake.gold), mistake.answer]).flatten().collect();
    shown.sort_unstable();
    shown.dedup();
    // Two names share what the two columns of figures and the arrow leave.
    let room = |figures: usize| style.columns().saturating_sub(2 + 2 + 2 + figures) / 2;
    let narrow = style.width.is_some() && room(6 + 12) < NARROWEST + 4;
    let room = style.width.map(|_| room(if narrow { 6 } else { 6 + 12 }).max(NARROWEST));
    let names = shorten(&shown.iter().map(|&label| labels.name(label)).collect::<Vec<_>>(), room);
    let name = |label: LabelId| shown.binary_search(&label).map_or("", |at| names[at].as_str());

    let mut builder = Builder::new();
    let columns = if narrow { 3 } else { 4 };
    builder.push_record(["gold label", "→ answer", "rows", "% of label"].into_iter().take(columns));
    for mistake in listed {
        let row = [
            name(mistake.gold).to_owned(),
            format!("→ {}", mistake.answer.map_or("(invalid)", name)),
            mistake.rows.to_string(),
            percent_number(mistake.share(confusion)),
        ];
        builder.push_record(row.into_iter().take(columns));
    }
    let mut table = table(builder, 1);
    table.modify(Columns::one(1), Alignment::left());
    let note = format!(" {}", mistakes.note());
    format!("{}{}\n", lines(&table), wrap(&note, style.columns(), " "))
}
