//! The report for a terminal: few lines, aligned figures, nothing that is said by colour alone.

mod compared;
mod confusion;
mod models;
mod per_class;

use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Alignment, Style as Lines, object::Columns, object::Rows};

use super::selection::{label_groups, varied};
use super::text::{clean, wrap};
use super::{Decision, Renderer, chances, evidence, outcome_words, price, unreadable, verdict_phrase};
use crate::{Figures, ModelFigures, Report, SliceVerdict, Verdict};

pub use compared::compared;

/// What users call this format.
pub const NAME: &str = "terminal";

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// The columns of the terminal; none where the output is no terminal, and then nothing is shortened.
    pub width: Option<usize>,
    /// Whether to colour; without, the text holds no escape sequence at all.
    pub color: bool,
    /// Whether the table of models has coefficients of agreement, too.
    pub wide: bool,
    /// Whether the figures of each label are shown however many labels there are.
    pub labels: bool,
    /// Whether confusion matrices are.
    pub confusion: bool,
}

/// More labels than this push the verdict's reasons off the screen.
const FEW_LABELS: usize = 10;

impl Style {
    /// The columns that layout reckons with; what claims to be narrower than a phone is not believed.
    fn columns(self) -> usize {
        self.width.unwrap_or(100).max(30)
    }

    fn paint(self, paint: Paint, text: &str) -> String {
        if self.color { format!("{}{text}\u{1b}[0m", paint.escape()) } else { text.to_owned() }
    }

    fn title(self, text: &str) -> String {
        format!("{}\n\n", self.paint(Paint::Bold, text))
    }
}

/// The colours of text outside tables: the sixteen that every terminal adapts to its background.
#[derive(Clone, Copy)]
enum Paint {
    Bold,
    Dim,
    Good,
    Bad,
    Careful,
}

impl Paint {
    fn escape(self) -> &'static str {
        match self {
            Self::Bold => "\u{1b}[1m",
            Self::Dim => "\u{1b}[2m",
            Self::Good => "\u{1b}[1;32m",
            Self::Bad => "\u{1b}[1;31m",
            Self::Careful => "\u{1b}[1;33m",
        }
    }
}

/// The report for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terminal {
    /// How to draw.
    pub style: Style,
}

impl Renderer for Terminal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn extension(&self) -> &'static str {
        "txt"
    }

    fn about(&self) -> &'static str {
        "tables for people"
    }

    fn render(&self, report: &Report) -> Vec<u8> {
        render(report, &self.style).into_bytes()
    }
}

/// The whole report. What is read first, the verdict, comes last: that is where a terminal stands.
fn render(report: &Report, style: &Style) -> String {
    let style = *style;
    let figures = &report.figures;
    let are_few = report.run.labels().len() <= FEW_LABELS;
    let measured = |model: &&ModelFigures| model.scores.is_some();
    let mut parts = vec![models::render(report, style)];
    if are_few || style.labels {
        let groups = label_groups(figures).into_iter().filter(|models| models.iter().any(measured));
        parts.extend(groups.map(|models| per_class::render(report, &models, style)));
    }
    if are_few || style.confusion {
        let models = varied(figures).into_iter().filter(measured);
        parts.extend(models.map(|model| confusion::render(report, model, style)));
    }
    parts.extend(slices(report, style));
    parts.push(definitions(report, style));
    if !figures.doubts.is_empty() {
        parts.push(doubts(figures, style));
    }
    if !figures.comparisons.is_empty() {
        parts.push(verdicts(report, style));
    }
    parts.join("\n")
}

fn verdicts(report: &Report, style: Style) -> String {
    let mut text = style.title("Verdict");
    text.push_str(&format!(" {}\n\n", wrap(&Decision::of(report).headline, style.columns() - 1, " ")));
    for one in unreadable::models(report) {
        let said =
            format!("{}: {} of {} answers name no label.", clean(one.model), one.unreadable, one.answered);
        text.push_str(&format!(" {}\n", wrap(&said, style.columns() - 1, "   ")));
        for answer in &one.examples {
            text.push_str(&format!(
                "   {} {}\n",
                style.paint(Paint::Careful, "│"),
                wrap(&clean(answer), style.columns() - 5, "   │ ")
            ));
        }
        text.push_str(&format!("   {}\n", wrap(one.cure, style.columns() - 3, "   ")));
    }
    let figures = &report.figures;
    for comparison in &figures.comparisons {
        let paint = verdict_paint(comparison.verdict);
        let mut words = verdict_phrase(comparison);
        words[..1].make_ascii_uppercase();
        let pair = format!(" {} against {}", clean(&comparison.tuned), clean(&comparison.base));
        text.push_str(&wrap(&pair, style.columns(), "   "));
        let evidence = format!("{words}: {}.", evidence(comparison));
        let evidence =
            wrap(&evidence, style.columns() - 3, "   ").replacen(&words, &style.paint(paint, &words), 1);
        text.push_str(&format!("\n   {evidence}\n"));
        let rows = outcome_words(&comparison.paired);
        for fact in [Some(rows), chances(comparison), price(comparison)].into_iter().flatten() {
            text.push_str(&format!("   {}\n", wrap(&fact, style.columns() - 3, "   ")));
        }
    }
    text
}

/// The parts of the rows on which a model does worst.
fn slices(report: &Report, style: Style) -> Option<String> {
    let told = super::slices::worst(&report.figures);
    let (title, lines) = super::slices::words(&report.figures, &told)?;
    let mut text = style.title(&title);
    for (line, (_, worst)) in lines.iter().zip(&told) {
        let paint = if worst.verdict == SliceVerdict::Worse { Paint::Bad } else { Paint::Careful };
        let line = wrap(&clean(line), style.columns() - 3, "   ");
        text.push_str(&format!(" {} {line}\n", style.paint(paint, "·")));
    }
    Some(text)
}

fn verdict_paint(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Better | Verdict::NoWorse => Paint::Good,
        Verdict::Worse => Paint::Bad,
        Verdict::NotProven | Verdict::Incomplete | Verdict::Unreadable => Paint::Careful,
    }
}

fn doubts(figures: &Figures, style: Style) -> String {
    let mut text = style.title("Be careful");
    for doubt in &figures.doubts {
        let line = wrap(&clean(&format!("{doubt} {}", doubt.advice())), style.columns() - 3, "   ");
        text.push_str(&format!(" {} {line}\n", style.paint(Paint::Careful, "!")));
    }
    text
}

fn definitions(report: &Report, style: Style) -> String {
    let mut text = super::definitions(report);
    let labels = report.run.labels().len();
    let hidden = match (style.labels, style.confusion) {
        _ if labels <= FEW_LABELS => None,
        (false, false) => Some("`--labels` shows their figures, `--confusion` what was taken for what"),
        (false, true) => Some("`--labels` shows their figures"),
        (true, false) => Some("`--confusion` shows what was taken for what"),
        (true, true) => None,
    };
    if let Some(how) = hidden {
        text = format!("There are {labels} labels: {how}; the page has both.\n{text}");
    }
    // Each line by itself: a pager that shows some of them must not lose the colour.
    let lines = wrap(&text, style.columns() - 1, "");
    lines.lines().map(|line| format!(" {}\n", style.paint(Paint::Dim, line))).collect()
}

/// A table without frame: a line under the header, the first column to the left, figures to the right.
fn table(builder: Builder, header_rows: usize) -> Table {
    let mut table = builder.build();
    let line = HorizontalLine::new('─');
    table
        .with(Lines::empty().horizontals([(header_rows, line)]))
        .modify(Rows::new(..), Alignment::right())
        .modify(Columns::first(), Alignment::left());
    table
}

/// The lines of a table, without spaces at their ends.
fn lines(table: &Table) -> String {
    table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests;
