//! One comparison by itself: the verdict in words first, then what it rests on, then the rows that changed.

use super::super::compared::ComparedModels;
use super::super::text::{clean, wrap};
use super::super::{
    chances, evidence, margin, outcome_words, percent, points, points_within, price, unreadable,
};
use super::{Paint, Style, verdict_paint};
use crate::{Answer, CONFIDENCE, Change, Comparison, Metric, Paired, Verdict};

/// The longest text that is shown, in characters.
const LONGEST_TEXT: usize = 200;

/// The comparison for a terminal.
pub fn compared(told: &ComparedModels, style: &Style) -> String {
    let Some(comparison) = told.comparison() else { return String::new() };
    let indented = |text: &str| format!("   {}\n", wrap(text, style.columns() - 3, "   "));
    let verdict = clean(&verdict(comparison));
    let mut text = String::new();
    for line in wrap(&verdict, style.columns() - 1, "").lines() {
        text.push_str(&format!(" {}\n", style.paint(verdict_paint(comparison.verdict), line)));
    }
    text.push('\n');
    let mut evidence = format!("{}.", evidence(comparison));
    evidence[..1].make_ascii_uppercase();
    let facts = [
        comparison.p.is_some().then_some(evidence),
        Some(outcome_words(&comparison.paired)),
        macro_f1(comparison).filter(|_| comparison.metric != Metric::MacroF1),
        left_out(told, &comparison.paired),
        chances(comparison),
        price(comparison),
    ];
    facts.into_iter().flatten().for_each(|fact| text.push_str(&indented(&fact)));
    if let Some(slices) = super::slices(told.report, *style) {
        text.push_str(&format!("\n{slices}"));
    }
    let all = comparison.paired;
    for (title, changes, of) in [
        ("Got worse", &told.changes.worse, all.only_base),
        ("Got better", &told.changes.better, all.only_tuned),
    ] {
        if !changes.is_empty() {
            text.push_str(&format!("\n{}", rows(told, *style, title, changes, of)));
        }
    }
    if !told.report.figures.doubts.is_empty() {
        text.push_str(&format!("\n{}", super::doubts(&told.report.figures, *style)));
    }
    text
}

/// What follows, as a sentence.
fn verdict(comparison: &Comparison) -> String {
    let Comparison { base, tuned, .. } = comparison;
    let margin = comparison.non_inferiority.map(|test| margin(&comparison.metric, test.margin));
    match (comparison.verdict, margin) {
        (Verdict::Better, _) => format!("{tuned} is better than {base}."),
        (Verdict::Worse, Some(margin)) if comparison.non_inferiority.is_some_and(|test| test.proven) => {
            format!("{tuned} is worse than {base}, but by less than {margin}.")
        }
        (Verdict::Worse, _) => format!("{tuned} is worse than {base}."),
        (Verdict::NoWorse, Some(margin)) => {
            format!("{tuned} is no worse than {base}: a loss of {margin} or more is ruled out.")
        }
        (Verdict::NoWorse, None) => format!("{tuned} is no worse than {base}."),
        (Verdict::NotProven, Some(margin)) => {
            format!("Not proven: {tuned} may be worse than {base} by {margin} or more, or as good or better.")
        }
        (Verdict::NotProven, None) => format!("Not proven: {tuned} may be better or worse than {base}."),
        (Verdict::Unreadable, _) => {
            format!("No verdict on {tuned} against {base}: {}.", unreadable(comparison))
        }
        (Verdict::Incomplete, _) => {
            let paired = comparison.paired;
            let rows = paired.compared() + paired.left_out;
            let compared = paired.compared();
            format!("No verdict on {tuned} against {base}: both answered only {compared} of {rows} rows.")
        }
    }
}

fn macro_f1(comparison: &Comparison) -> Option<String> {
    let metric = comparison.macro_f1?;
    Some(format!(
        "Macro-F1 {} → {}, {}.",
        percent(metric.base),
        percent(metric.tuned),
        match metric.interval {
            Some(interval) => points_within(metric.difference, interval, CONFIDENCE),
            None => points(metric.difference),
        }
    ))
}

/// The rows that count for nothing here, if there are any.
fn left_out(told: &ComparedModels, paired: &Paired) -> Option<String> {
    let [base, tuned] = told.not_common;
    let parts = [
        (paired.left_out > 0).then(|| format!("{} not answered by both", paired.left_out)),
        (base + tuned > 0).then(|| format!("{base} only in the first and {tuned} only in the second")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("Left out: {}.", parts.join("; ")))
}

/// The rows, each with its gold label, the answer of the model that is wrong, and its text.
fn rows(told: &ComparedModels, style: Style, title: &str, changes: &[Change], of: u64) -> String {
    let shown = if changes.len() as u64 == of { String::new() } else { format!(", {} shown", changes.len()) };
    let rows = if of == 1 { "row" } else { "rows" };
    let mut text = style.title(&format!("{title}: {of} {rows}{shown}"));
    for change in changes {
        let answer = match change.wrong {
            Answer::Label(label) => format!("answered {}", told.labels().name(label)),
            Answer::Invalid(kind) => format!("an invalid answer ({kind})"),
            Answer::Unanswered(kind) => format!("no answer ({kind})"),
        };
        let line = clean(&format!("{}  {}, {answer}", change.id, told.labels().name(change.gold)));
        text.push_str(&format!(" {}\n", wrap(&line, style.columns() - 1, "   ")));
        let row = told.texts.get(&change.id).map(|row| wrap(&short(row), style.columns() - 3, ""));
        // Each line by itself, as a pager may show only some of them.
        for line in row.iter().flat_map(|row| row.lines()) {
            text.push_str(&format!("   {}\n", style.paint(Paint::Dim, line)));
        }
    }
    text
}

/// The text on one line, cut where it is long.
fn short(text: &str) -> String {
    let text = clean(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
