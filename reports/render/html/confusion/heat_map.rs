//! The picture of a confusion matrix.

use tunebench_data::{LabelId, LabelSet};

use super::super::super::text::shorten;
use super::super::super::{percent, thousands};
use super::super::markup::{At, Markup};
use super::says;
use crate::{Confusion, ModelFigures};

/// Up to so many labels the cells hold their numbers.
const NUMBERED: usize = 25;

/// Up to so many cells say what they are when they are pointed at; a page must not grow with the square of the labels.
const SPEAKING: usize = 700;

/// Two matrices of so many pixels stand side by side.
const WIDTH: f64 = 500.0;

/// The shades of each colour.
const SHADES: usize = 6;

/// What a matrix of so many labels is drawn with, in pixels.
struct Layout {
    labels: usize,
    cell: f64,
    /// What the names take: on the left and, turned, on top; cells are counted from there.
    names: f64,
    /// The columns of a name.
    columns: usize,
    font: f64,
}

impl Layout {
    fn of(labels: usize) -> Self {
        let (columns, font): (usize, f64) = match labels {
            0..=12 => (16, 12.0),
            13..=NUMBERED => (20, 12.0),
            26..=60 => (22, 11.0),
            _ => (22, 10.0),
        };
        // As wide as the letters of a wide font.
        let names = columns as f64 * font * 0.62 + 8.0;
        let cell = match labels {
            // Room for the column of invalid answers, too.
            0..=12 => ((WIDTH - names) / (labels as f64 + 1.2)).min(58.0),
            13..=NUMBERED => 33.0,
            26..=60 => 15.0,
            _ => 11.5,
        };
        Self { labels, cell, names, columns, font }
    }

    /// Where a row or a column begins, from the first one on.
    fn at(&self, index: usize) -> f64 {
        // The column of invalid answers stands a little apart.
        index as f64 * self.cell + if index == self.labels { 4.0 } else { 0.0 }
    }
}

/// A filled cell.
struct Cell {
    row: usize,
    column: usize,
    rows: u64,
    support: u64,
    right: bool,
}

impl Cell {
    /// The shade, from 1: by the square root of the share of the gold label's rows, for wrong answers are few in a good
    /// model and should be seen early.
    fn shade(&self) -> usize {
        let share = self.rows as f64 / self.support as f64;
        (libm::ceil(share.sqrt() * SHADES as f64) as usize).clamp(1, SHADES)
    }
}

/// The heat map of a model: gold labels down, answers across, invalid answers in a last column where there are any. `model` is its
/// position among the figures.
///
/// The heads are pictures of their own, so that they stay in sight where the matrix has to be scrolled.
pub(super) fn draw(model: usize, figures: &ModelFigures, labels: &LabelSet, order: &[LabelId]) -> Markup {
    let layout = Layout::of(order.len());
    let cells = cells(&figures.confusion, order);
    let invalid = cells.iter().any(|cell| cell.column == order.len());
    let columns = order.len() + usize::from(invalid);
    let (width, height) = (layout.at(columns) + 2.0, layout.at(order.len() - 1) + layout.cell + 2.0);
    let counts = figures.counts();
    let alternative = format!(
        "Confusion matrix of {}: {} labels, {} of {} answers correct. The largest confusions are in the table beside it.",
        figures.model,
        order.len(),
        thousands(counts.correct),
        thousands(counts.answered())
    );
    let mut html = Markup::of(
        "<div class=\"matrix\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><div class=\"grid\"><div class=\"corner\"></div>",
        &[&format!("Confusion matrix of {}; arrow keys choose a cell, Enter lists its rows", figures.model)],
    );
    let size = [layout.names, width, height].map(At);
    heads(&mut html, labels, order, &layout, invalid, &size);
    html.add(
        "<svg class=\"heat cells\" data-model=\"{}\" data-cell=\"{}\"{} width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
        &[
            &model,
            &At(layout.cell),
            &Markup::of(if invalid { " data-invalid" } else { "" }, &[]),
            &size[1],
            &size[2],
            &size[1],
            &size[2],
            &alternative,
        ],
    );
    ground(&mut html, order.len(), &layout);
    if order.len() <= NUMBERED {
        numbered(&mut html, &cells, labels, order, &layout);
    } else {
        dense(&mut html, cells, labels, order, &layout);
    }
    html.add("</svg></div></div><output class=\"note\"></output>", &[]);
    html
}

fn cells(confusion: &Confusion, order: &[LabelId]) -> Vec<Cell> {
    let mut place = vec![None; confusion.labels()];
    for (i, label) in order.iter().enumerate() {
        place[label.index()] = Some(i);
    }
    let labelled = confusion.cells().filter_map(|(gold, answer, rows)| {
        let (row, column) = (place[gold.index()]?, place[answer.index()]?);
        Some(Cell { row, column, rows, support: confusion.support(gold), right: gold == answer })
    });
    let invalid = order.iter().enumerate().map(|(row, &gold)| Cell {
        row,
        column: order.len(),
        rows: confusion.invalid(gold),
        support: confusion.support(gold),
        right: false,
    });
    labelled.chain(invalid).filter(|cell| cell.rows > 0).collect()
}

/// The names of the labels: turned on top, and on the left.
fn heads(
    html: &mut Markup,
    labels: &LabelSet,
    order: &[LabelId],
    layout: &Layout,
    invalid: bool,
    [names, width, height]: &[At; 3],
) {
    let full: Vec<_> = order.iter().map(|&label| labels.name(label)).collect();
    let short = shorten(&full, Some(layout.columns));
    let end = At(layout.names - 6.0);
    let baseline = |index: usize| At(layout.at(index) + layout.cell / 2.0 + layout.font * 0.35);
    html.add(
        "<svg class=\"heat over\" width=\"{}\" height=\"{}\" aria-hidden=\"true\" font-size=\"{}\">",
        &[width, names, &At(layout.font)],
    );
    for (i, (full, short)) in full.iter().zip(&short).enumerate() {
        html.add(
            "<text transform=\"translate({} {}) rotate(-90)\">{}<title>{}</title></text>",
            &[&baseline(i), &end, short, full],
        );
    }
    if invalid {
        html.add(
            "<text class=\"faint\" transform=\"translate({} {}) rotate(-90)\">invalid</text>",
            &[&baseline(order.len()), &end],
        );
    }
    html.add(
        "</svg><svg class=\"heat side\" width=\"{}\" height=\"{}\" aria-hidden=\"true\" font-size=\"{}\">",
        &[names, height, &At(layout.font)],
    );
    for (i, (full, short)) in full.iter().zip(&short).enumerate() {
        html.add(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}<title>{}</title></text>",
            &[&end, &baseline(i), short, full],
        );
    }
    html.add("</svg>", &[]);
}

/// What lies below the cells, with thin lines that lead the eye from the names to them.
fn ground(svg: &mut Markup, labels: usize, layout: &Layout) {
    let last = At(layout.at(labels - 1) + layout.cell);
    svg.add("<rect class=\"ground\" width=\"{}\" height=\"{}\"/>", &[&last, &last]);
    for i in 1..labels {
        let at = At(layout.at(i));
        svg.add("<path class=\"rule\" d=\"M0 {}H{}M{} 0V{}\"/>", &[&at, &last, &at, &last]);
    }
}

/// The name of an answer's column.
fn answer<'a>(cell: &Cell, labels: &'a LabelSet, order: &[LabelId]) -> &'a str {
    order.get(cell.column).map_or("invalid", |&label| labels.name(label))
}

fn speaking(svg: &mut Markup, cell: &Cell, labels: &LabelSet, order: &[LabelId], layout: &Layout) {
    let gold = labels.name(order[cell.row]);
    svg.add(
        "<rect class=\"{}{}\" data-at=\"{},{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>",
        &[
            &if cell.right { "r" } else { "w" },
            &cell.shade(),
            &cell.row,
            &cell.column,
            &At(layout.at(cell.column) + 0.5),
            &At(layout.at(cell.row) + 0.5),
            &At(layout.cell - 1.0),
            &At(layout.cell - 1.0),
            &says(gold, answer(cell, labels, order), cell.rows, cell.support),
        ],
    );
}

/// Cells with their numbers.
fn numbered(svg: &mut Markup, cells: &[Cell], labels: &LabelSet, order: &[LabelId], layout: &Layout) {
    for cell in cells {
        speaking(svg, cell, labels, order, layout);
        let (x, y) =
            (layout.at(cell.column) + layout.cell / 2.0, layout.at(cell.row) + layout.cell / 2.0 + 4.0);
        let class = if cell.shade() > 4 { "on" } else { "off" };
        svg.add(
            "<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            &[&class, &At(x), &At(y), &thousands(cell.rows)],
        );
    }
}

/// Cells without numbers: the diagonal and the largest of the others say what they are, the rest is one path for each shade.
fn dense(svg: &mut Markup, mut cells: Vec<Cell>, labels: &LabelSet, order: &[LabelId], layout: &Layout) {
    cells.sort_by_key(|cell| (!cell.right, std::cmp::Reverse(cell.rows), cell.row, cell.column));
    let rest = cells.split_off(cells.len().min(SPEAKING));
    for cell in &cells {
        speaking(svg, cell, labels, order, layout);
    }
    let side = At(layout.cell - 1.0);
    for (right, class) in [(true, "r"), (false, "w")] {
        for shade in 1..=SHADES {
            let mut path = Markup::default();
            path.each(
                rest.iter().filter(|cell| cell.right == right && cell.shade() == shade),
                |path, cell| {
                    let (x, y) = (At(layout.at(cell.column) + 0.5), At(layout.at(cell.row) + 0.5));
                    path.add("M{} {}h{}v{}h-{}z", &[&x, &y, &side, &side, &side]);
                },
            );
            if !path.is_empty() {
                svg.add("<path class=\"{}{}\" d=\"{}\"/>", &[&class, &shade, &path]);
            }
        }
    }
}

/// What the colours mean.
pub(super) fn legend() -> Markup {
    let bound = |shade: usize| libm::pow(shade as f64 / SHADES as f64, 2.0);
    let mut html = Markup::of("<dl class=\"legend\">", &[]);
    for (class, word) in [("r", "right answers"), ("w", "wrong answers")] {
        html.add(
            "<div><dt>{}</dt><dd><svg width=\"{}\" height=\"14\" aria-hidden=\"true\">",
            &[&word, &(SHADES * 22)],
        );
        for shade in 1..=SHADES {
            html.add(
                "<rect class=\"{}{}\" x=\"{}\" width=\"21\" height=\"14\"/>",
                &[&class, &shade, &((shade - 1) * 22)],
            );
        }
        html.add("</svg></dd></div>", &[]);
    }
    let steps: Vec<_> = (1..SHADES).map(|shade| format!("{:.0}", bound(shade) * 100.0)).collect();
    html.add("<div><dd>share of the label’s rows; a new shade at {} % (square-root scale), up to {}</dd></div></dl>", &[
        &steps.join(", "),
        &percent(1.0).replace(".0", ""),
    ]);
    html
}
