//! Reports in their formats: figures in, bytes out; where they go is the caller's affair.
//!
//! A format is a [`Renderer`], and [`renderers`] lists them. The files that programs read, several for each run, are in
//! [`csv`]. What formats for people have in common, how a figure is written, is here.

pub mod compared;
pub mod csv;
pub mod json;
pub mod junit;
pub mod markdown;
mod overview;
mod predictions;
mod selection;
pub mod table;
pub mod terminal;
mod text;

use crate::{ALPHA, CONFIDENCE, Comparison, MACRO_DEFINITION, Paired, Report, Verdict};

/// A format of reports.
pub trait Renderer {
    /// What users call it.
    fn name(&self) -> &'static str;

    /// The extension of its files, without the full stop.
    fn extension(&self) -> &'static str;

    /// What it is for, in a few words.
    fn about(&self) -> &'static str;

    /// The report, in UTF-8. The same report gives the same bytes.
    fn render(&self, report: &Report) -> Vec<u8>;
}

/// All formats; that of the terminal as `style` wants it.
pub fn renderers(style: terminal::Style) -> Vec<Box<dyn Renderer>> {
    vec![
        Box::new(terminal::Terminal { style }),
        Box::new(markdown::Markdown::default()),
        Box::new(json::Json),
        Box::new(table::Spreadsheet),
        Box::new(junit::JUnit),
    ]
}

/// What stands for an undefined figure.
const UNDEFINED: &str = "–";

/// A share as per cent, without the sign. What is short of 0 or 100 never reads as if it were that.
fn percent_number(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    match text.as_str() {
        "100.0" if share < 1.0 => ">99.9".to_owned(),
        "0.0" if share > 0.0 => "<0.1".to_owned(),
        _ => text,
    }
}

/// A share as per cent.
fn percent(share: f64) -> String {
    format!("{} %", percent_number(share))
}

/// A difference of shares in percentage points, always with its sign.
fn points(difference: f64) -> String {
    let points = difference * 100.0;
    match points.abs() {
        0.0 => "±0 points".to_owned(),
        size if size < 0.1 => format!("{points:+.2} points"),
        _ => format!("{points:+.1} points"),
    }
}

/// A coefficient of -1 to 1.
fn coefficient(value: f64) -> String {
    format!("{value:.3}")
}

/// A p-value with its sign of equality. It never seems to lie on the other side of [`ALPHA`].
fn p_value(p: f64) -> String {
    if p < 0.0001 {
        return "p < 0.0001".to_owned();
    }
    if p >= 1.0 {
        return "p = 1".to_owned();
    }
    let enough = |digits: &usize| {
        let shown = format!("{p:.digits$}");
        (*digits == 8 || shown.parse::<f64>().is_ok_and(|shown| (shown <= ALPHA) == (p <= ALPHA)))
            .then_some(shown)
    };
    let least = if p >= 0.1 {
        2
    } else if p >= 0.001 {
        3
    } else {
        4
    };
    format!("p = {}", (least..=8).find_map(|digits| enough(&digits)).unwrap_or_default())
}

/// A figure, or the sign for an undefined one.
fn or_undefined(figure: Option<f64>, format: impl Fn(f64) -> String) -> String {
    figure.map_or_else(|| UNDEFINED.to_owned(), format)
}

/// A verdict in words.
fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NoWorse => "no worse",
        Verdict::NotProven => "not proven",
        Verdict::Incomplete => "incomplete",
    }
}

/// What a verdict rests on, in words.
fn evidence(comparison: &Comparison) -> String {
    let paired = comparison.paired;
    match (paired.base_accuracy(), paired.tuned_accuracy(), comparison.difference, comparison.mcnemar_p) {
        (Some(base), Some(tuned), Some(difference), Some(p)) => format!(
            "accuracy {} → {}, {}; exact McNemar {}",
            percent(base),
            percent(tuned),
            points(difference),
            p_value(p)
        ),
        _ => format!(
            "only {} of {} rows were answered by both",
            paired.compared(),
            paired.compared() + paired.left_out
        ),
    }
}

/// How the compared rows came out, in words.
fn outcome_words(paired: &Paired) -> String {
    format!(
        "Of {} rows: both right {}, lost {}, won {}, both wrong {}.",
        paired.compared(),
        paired.both_correct,
        paired.only_base,
        paired.only_tuned,
        paired.both_wrong
    )
}

/// What the figures mean, for the foot of a report.
fn definitions(report: &Report) -> String {
    let (differences, holm) = match report.figures.comparisons.len() {
        0 => ("", ""),
        1 => (", those of differences Tango's", ""),
        _ => (
            ", those of differences Tango's",
            " Verdicts go by p-values that are adjusted for the number of comparisons by Holm's method.",
        ),
    };
    format!(
        "Intervals of shares are Wilson's{differences}, at {:.0} %.{holm} An invalid answer counts as wrong; a row \
         without an answer does not count. {MACRO_DEFINITION} {UNDEFINED} is undefined: nothing to divide by.",
        CONFIDENCE * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_of_all_does_not_read_as_all() {
        assert_eq!(percent(0.975), "97.5 %");
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(percent(0.999_999), ">99.9 %");
        assert_eq!(percent(0.000_1), "<0.1 %");
        assert_eq!(percent(0.0), "0.0 %");
    }

    #[test]
    fn differences_keep_their_sign() {
        assert_eq!(points(0.305), "+30.5 points");
        assert_eq!(points(-0.0005), "-0.05 points");
        assert_eq!(points(0.0), "±0 points");
        assert_eq!(points(-0.0), "±0 points");
    }

    #[test]
    fn a_p_value_stays_on_its_side_of_the_level() {
        for (p, text) in [
            (0.0, "p < 0.0001"),
            (0.000_42, "p = 0.0004"),
            (0.012_7, "p = 0.013"),
            (0.049_97, "p = 0.050"),
            (0.050_01, "p = 0.05001"),
            (0.424, "p = 0.42"),
            (1.0, "p = 1"),
        ] {
            assert_eq!(p_value(p), text);
        }
    }
}
