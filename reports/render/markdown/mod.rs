//! Markdown for a pull request: the verdict first, the table of models, all else behind a click.
//!
//! The text fits into one comment of GitHub, whatever the run: what has no room there is counted.

mod escape;
#[cfg(test)]
mod tests;

use super::overview::{self, Overview, is_below_base};
use super::selection::{Mistakes, label_groups, labels, rows, varied};
use super::{
    Decision, Renderer, definitions, evidence, or_undefined, outcome_words, percent_number, unreadable,
    verdict_phrase,
};
use crate::{Changes, Comparison, ModelFigures, PrecisionRecallF1, Report};
pub use escape::{code, text as sentence};
use escape::{figure, html_code, text};

/// GitHub takes 65,536 characters; this leaves room for what others put around the report.
const MOST_CHARACTERS: usize = 60_000;

/// How many lost rows are listed.
const LOST_LISTED: usize = 20;

/// The report as Markdown, in the dialect of GitHub and GitLab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markdown {
    /// A word by which a program finds the comment that it wrote before: it becomes a first line that is not shown.
    pub marker: Option<String>,
}

impl Renderer for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn extension(&self) -> &'static str {
        "md"
    }

    fn about(&self) -> &'static str {
        "for a pull request: the verdict, the models, the rest behind a click"
    }

    fn render(&self, report: &Report) -> Vec<u8> {
        let mut page = Page { text: String::new(), left_out: 0 };
        if let Some(marker) = &self.marker {
            page.text.push_str(&format!("{}\n", hidden(marker)));
        }
        page.part(&format!("## {}\n", text(&Decision::of(report).headline)));
        page.part(&unread(report));
        page.part(&verdicts(report));
        page.part(&models(report));
        page.part(&slices(report));
        page.part(&doubts(report));
        // Kept free for the last two lines.
        let foot = format!("<sub>{}</sub>\n", text(&definitions(report)));
        for comparison in &report.figures.comparisons {
            page.part_within(MOST_CHARACTERS - foot.len() - 200, &lost(report, comparison));
        }
        for models in label_groups(&report.figures) {
            page.part_within(MOST_CHARACTERS - foot.len() - 200, &per_class(report, &models));
        }
        for model in varied(&report.figures) {
            page.part_within(MOST_CHARACTERS - foot.len() - 200, &confusions(report, model));
        }
        page.end(&foot);
        page.text.into_bytes()
    }
}

/// A comment that is not shown. Only letters, digits and a few signs of the marker are kept, so that it cannot end early.
fn hidden(marker: &str) -> String {
    let kept: String =
        marker.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '/' | '.')).collect();
    format!("<!-- {kept} -->")
}

/// Parts with an empty line between them.
struct Page {
    text: String,
    left_out: usize,
}

impl Page {
    fn part(&mut self, part: &str) {
        if part.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(part);
    }

    /// A part that is left out where it would make the page too long. Characters are at most bytes.
    fn part_within(&mut self, most: usize, part: &str) {
        if self.text.len() + part.len() > most {
            self.left_out += 1;
        } else {
            self.part(part);
        }
    }

    fn end(&mut self, foot: &str) {
        if self.left_out > 0 {
            let note =
                format!("{} more sections have no room here; the CSV files hold all of it.\n", self.left_out);
            self.part(&note);
        }
        self.part(foot);
    }
}

/// The models whose answers cannot be read, with some of these.
fn unread(report: &Report) -> String {
    let mut part = String::new();
    for one in unreadable::models(report) {
        part.push_str(&format!(
            "{}: {} of {} answers name no label. {}\n",
            code(one.model),
            one.unreadable,
            one.answered,
            text(one.cure)
        ));
        part.extend(
            one.examples
                .iter()
                .enumerate()
                .map(|(i, answer)| format!("{}* {}\n", if i == 0 { "\n" } else { "" }, code(answer))),
        );
    }
    part
}

/// The parts of the rows on which a model does worst.
fn slices(report: &Report) -> String {
    let told = super::slices::worst(&report.figures);
    let Some((title, lines)) = super::slices::words(&report.figures, &told) else { return String::new() };
    let lines: String = lines.iter().map(|line| format!("* {}\n", text(line))).collect();
    format!("### {title}\n\n{lines}")
}

/// A paragraph for each comparison, with its counts in the last line.
fn verdicts(report: &Report) -> String {
    let paragraphs: Vec<_> = report.figures.comparisons.iter().map(verdict).collect();
    match paragraphs.is_empty() {
        true => "No two models of this report are compared.\n".to_owned(),
        false => paragraphs.join("\n"),
    }
}

fn verdict(comparison: &Comparison) -> String {
    let mut words = verdict_phrase(comparison);
    words[..1].make_ascii_uppercase();
    format!(
        "**{}**: {} against {}: {}.  \n{}\n",
        text(&words),
        code(&comparison.tuned),
        code(&comparison.base),
        text(&evidence(comparison)),
        text(&outcome_words(&comparison.paired)),
    )
}

/// The rows that the second model of a comparison gets wrong and the first does not: as many as one reads, with their texts
/// where these are at hand.
fn lost(report: &Report, comparison: &Comparison) -> String {
    let find = |model: &str| report.run.evaluations.iter().find(|evaluation| evaluation.model == model);
    let (Some(base), Some(tuned)) = (find(&comparison.base), find(&comparison.tuned)) else {
        return String::new();
    };
    let names = report.run.labels();
    let all = comparison.paired.only_base;
    let changes = Changes::of(base, tuned, LOST_LISTED, 0);
    if changes.worse.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["row", "label", "answer", "text"], 4);
    for change in &changes.worse {
        let answer =
            change.wrong.label().map_or_else(|| "(invalid)".to_owned(), |label| code(names.name(label)));
        let said = report.texts.get(&change.id).map(|text| code(text)).unwrap_or_default();
        table.row([code(&change.id.to_string()), code(names.name(change.gold)), answer, said]);
    }
    let title = format!(
        "Lost: {all} {} that {} gets right and {} does not",
        if all == 1 { "row" } else { "rows" },
        html_code(&comparison.base),
        html_code(&comparison.tuned)
    );
    let shown = changes.worse.len() as u64;
    let note =
        if shown < all { format!("\n{shown} of them; `predictions/` holds all.\n") } else { String::new() };
    details(&title, &format!("{}{note}", table.text))
}

fn models(report: &Report) -> String {
    let models = &report.figures.models;
    let overview = Overview::of(report, false);
    let mut table = Table::new(["model"].into_iter().chain(overview.header.iter().copied()), 1);
    for (model, cells) in models.iter().zip(&overview.rows) {
        let hangs = if is_below_base(model, models) { "└ " } else { "" };
        let name = format!("{hangs}{}", code(&model.model));
        table.row(std::iter::once(name).chain(cells.iter().map(|cell| figure(cell))));
    }
    let notes: String = overview::notes(report).iter().map(|note| format!("* {}\n", text(note))).collect();
    let gap = if notes.is_empty() { "" } else { "\n" };
    format!("### {}\n\n{}{gap}{notes}", overview::title(report), table.text)
}

fn doubts(report: &Report) -> String {
    let doubts = &report.figures.doubts;
    let mut part = if doubts.is_empty() { String::new() } else { "### Be careful\n\n".to_owned() };
    for doubt in doubts {
        part.push_str(&format!("* {}\n", text(&format!("{doubt} {}", doubt.advice()))));
    }
    part
}

/// Precision, recall and F1 of each label, from base to tuned.
fn per_class(report: &Report, models: &[&ModelFigures]) -> String {
    let names = report.run.labels();
    let (shown, order) = labels(names.len(), models);
    let title = match models {
        [base, tuned] => format!("Labels: {} → {}", html_code(&base.model), html_code(&tuned.model)),
        [only, ..] => format!("Labels: {}", html_code(&only.model)),
        [] => return String::new(),
    };
    let mut table = Table::new(["label", "rows", "precision %", "recall %", "F1 %"], 1);
    for label in shown {
        let figures = |of_class: fn(PrecisionRecallF1) -> Option<f64>| {
            let of = |model: &&ModelFigures| {
                let scores = model.scores.as_ref().map(|scores| scores.classes[label.index()].scores);
                figure(&or_undefined(scores.and_then(of_class), percent_number))
            };
            models.iter().map(of).collect::<Vec<_>>().join(" → ")
        };
        table.row([
            code(names.name(label)),
            rows(models, label).to_string(),
            figures(|t| t.precision),
            figures(|t| t.recall),
            figures(|t| t.f1),
        ]);
    }
    details(&title, &format!("{}\n{order}\n", table.text))
}

fn confusions(report: &Report, model: &ModelFigures) -> String {
    let names = report.run.labels();
    let title = format!("Confusions: {}", html_code(&model.model));
    let mistakes = Mistakes::of(&model.confusion);
    if mistakes.listed.is_empty() {
        return details(&title, "No answer was wrong.\n");
    }
    let mut table = Table::new(["gold label", "answer", "rows", "% of label"], 2);
    for mistake in &mistakes.listed {
        table.row([
            code(names.name(mistake.gold)),
            mistake.answer.map_or_else(|| "(invalid)".to_owned(), |answer| code(names.name(answer))),
            mistake.rows.to_string(),
            figure(&percent_number(mistake.share(&model.confusion))),
        ]);
    }
    details(&title, &format!("{}\n{}\n", table.text, mistakes.note()))
}

/// Something to be opened. Markdown is read in it again after the empty line.
fn details(title: &str, content: &str) -> String {
    format!("<details>\n<summary>{title}</summary>\n\n{content}\n</details>\n")
}

/// A table. Its cells must be escaped already.
struct Table {
    text: String,
}

impl Table {
    /// A header; the first columns hold names, the others figures.
    fn new<'a>(header: impl IntoIterator<Item = &'a str>, names: usize) -> Self {
        let mut table = Self { text: String::new() };
        let header: Vec<_> = header.into_iter().map(str::to_owned).collect();
        let line =
            (0..header.len()).map(|i| if i < names { ":--" } else { "--:" }.to_owned()).collect::<Vec<_>>();
        table.row(header);
        table.row(line);
        table
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.text.push('|');
        for cell in cells {
            self.text.push_str(&format!(" {cell} |"));
        }
        self.text.push('\n');
    }
}
