//! Reports in their formats: figures in, bytes out; where they go is the caller's affair.
//!
//! A format is a [`Renderer`], and [`renderers`] lists them. The files that programs read, several for each run, are in
//! [`csv`]. What formats for people have in common, how a figure is written, is here.

mod amounts;
pub mod compared;
pub mod csv;
mod decision;
#[cfg(test)]
mod every;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
mod overview;
mod predictions;
mod read_predictions;
mod row_details;
mod selection;
mod slices;
pub mod table;
pub mod terminal;
mod text;
mod units;
mod unreadable;

pub use decision::{Candidate, Decision};
pub use text::clean;
pub use tunebench_data::percent;
pub use units::{change, margin, value};
pub use unreadable::EXAMPLES;

use tunebench_data::percent_number;

use crate::{
    ALPHA, CONFIDENCE, Comparison, Interval, MACRO_DEFINITION, Metric, POWER, Paired, Power, Report,
    SeedSpread, Verdict, WithoutDoubted,
};

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
        Box::new(html::Html),
        Box::new(json::Json),
        Box::new(table::Spreadsheet),
        Box::new(junit::JUnit),
    ]
}

/// What stands for an undefined figure.
const UNDEFINED: &str = "–";

/// A difference of shares in percentage points, always with its sign, without their name.
fn points_number(difference: f64) -> String {
    let points = difference * 100.0;
    match points.abs() {
        0.0 => "±0".to_owned(),
        size if size < 0.1 => format!("{points:+.2}"),
        _ => format!("{points:+.1}"),
    }
}

/// A difference of shares in percentage points, always with its sign.
fn points(difference: f64) -> String {
    format!("{} points", points_number(difference))
}

/// A difference with its interval.
fn points_within(difference: f64, interval: Interval, confidence: f64) -> String {
    let level = level_number(confidence);
    let [low, high] = [interval.low, interval.high].map(points_number);
    format!("{} ({level} % CI {low} to {high})", points(difference))
}

/// The level of an interval as per cent: two digits tell 98.33 from 98.3 %, and 95 stays 95.
fn level_number(confidence: f64) -> f64 {
    (confidence * 1e4).round() / 100.0
}

/// A margin in percentage points, as it was set.
fn margin_words(margin: f64) -> String {
    // What is set as 0.029 is 2.9, not the nearest number to it.
    let points = (margin * 1e10).round() / 1e8;
    if points == 1.0 { "1 point".to_owned() } else { format!("{points} points") }
}

/// A number of rows, with commas between thousands.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    parts.join(",")
}

/// A coefficient of -1 to 1.
fn coefficient(value: f64) -> String {
    format!("{value:.3}")
}

/// A p-value with its sign of equality. It never seems to lie on the other side of [`ALPHA`].
fn p_value(p: f64) -> String {
    p_value_at(p, ALPHA)
}

/// A p-value with its sign of equality, that never seems to lie on the other side of a level.
pub fn p_value_at(p: f64, level: f64) -> String {
    if p < 0.0001 {
        return "p < 0.0001".to_owned();
    }
    if p >= 1.0 {
        return "p = 1".to_owned();
    }
    let enough = |digits: &usize| {
        let shown = format!("{p:.digits$}");
        (*digits == 8 || shown.parse::<f64>().is_ok_and(|shown| (shown <= level) == (p <= level)))
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

/// A verdict in a word or two.
fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NoWorse => "no worse",
        Verdict::NotProven => "no proven difference",
        Verdict::Incomplete => "incomplete",
        Verdict::Unreadable => "not measured",
    }
}

/// A verdict in words, with the margin where that is what it is about.
fn verdict_phrase(comparison: &Comparison) -> String {
    let words = verdict_words(comparison.verdict);
    match comparison.non_inferiority {
        Some(test) if comparison.verdict == Verdict::NoWorse => {
            format!("{words} than {}", margin(&comparison.metric, test.margin))
        }
        _ => words.to_owned(),
    }
}

/// What a verdict rests on, in words.
fn evidence(comparison: &Comparison) -> String {
    let (paired, metric) = (comparison.paired, &comparison.metric);
    if comparison.verdict == Verdict::Unreadable {
        return unreadable(comparison);
    }
    if comparison.p.is_some() && comparison.values.is_none() {
        return format!("the {} of one of them is undefined", metric.words());
    }
    let (Some([base, tuned]), Some(difference), Some(interval), Some(confidence), Some(p), Some(holm_p)) = (
        comparison.values,
        comparison.difference,
        comparison.difference_interval,
        comparison.confidence,
        comparison.p,
        comparison.holm_p,
    ) else {
        return format!(
            "only {} of {} rows were answered by both",
            paired.compared(),
            paired.compared() + paired.left_out
        );
    };
    let adjusted = |p: f64, holm_p: f64| {
        // As it is, unless there were several questions.
        if p == holm_p { p_value(p) } else { format!("{}, {} by Holm", p_value(p), p_value(holm_p)) }
    };
    let mut text = format!(
        "{} {} → {}, {}; {} {}",
        metric.words(),
        value(metric, base),
        value(metric, tuned),
        units::change_within(metric, difference, interval, confidence),
        comparison.test,
        adjusted(p, holm_p)
    );
    if comparison.has_clusters() {
        text.push_str(&format!(" over {} clusters", thousands(comparison.clusters)));
    }
    if comparison.repeats != [1, 1] {
        let [base, tuned] = comparison.repeats;
        text.push_str(&format!(", means of {base} and {tuned} answers to each row"));
    }
    if let Some(SeedSpread { differences, error_of_rows, error_of_seeds }) = &comparison.seeds {
        let size = |error: &f64| units::size(metric, *error);
        text.push_str(&format!(
            ", mean of {} trainings: standard error {} from the rows, {} from the seeds",
            differences.len(),
            size(error_of_rows),
            size(error_of_seeds)
        ));
    }
    if let Some(test) = comparison.non_inferiority {
        let (loss, not) = (margin(metric, test.margin), if test.proven { "" } else { "not " });
        let p = adjusted(test.p, test.holm_p);
        text.push_str(&format!("; a loss of {loss} is {not}ruled out, one-sided {p}"));
    }
    if comparison.verdict == Verdict::NotProven || comparison.undecided_margin().is_some() {
        text.push_str(&open_question(metric, comparison.power));
    }
    caveats(comparison).iter().for_each(|caveat| text.push_str(&format!("; {caveat}")));
    text
}

/// How likely a gain is, beside the test.
fn chances(comparison: &Comparison) -> Option<String> {
    let chances = comparison.chances?;
    // No number of rows makes it certain: what rounds to 0 or 1 is short of it.
    let chance = |chance: f64| percent(chance.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON));
    let mut text =
        format!("With nothing known before, the chance that it is better is {}", chance(chances.better));
    if let (Some(within), Some(test)) = (chances.within_margin, comparison.non_inferiority) {
        let margin = margin(&comparison.metric, test.margin);
        text.push_str(&format!(", and that its loss is below {margin}, {}", chance(within)));
    }
    Some(format!("{text}."))
}

/// What many looks cost.
fn price(comparison: &Comparison) -> Option<String> {
    let price = comparison.price?;
    Some(format!(
        "This holds however often one looks while rows are added; a proof takes some {price:.1} times the rows of a single look."
    ))
}

/// What could turn the verdict, one sentence each without its full stop.
fn caveats(comparison: &Comparison) -> Vec<String> {
    let mut caveats = Vec::new();
    if let Some(verdict) = comparison.withheld {
        caveats.push(format!(
            "{} by the answered rows, but withheld: the {} missing answers could turn it",
            verdict_words(verdict),
            thousands(comparison.missing)
        ));
    }
    if let Some(WithoutDoubted { rows, verdict }) = comparison.without_doubted {
        caveats.push(format!(
            "without {} whose gold label is in doubt it would be {}",
            amounts::counted(rows, "row", "rows"),
            verdict_words(verdict)
        ));
    }
    if let Some(read) = comparison.if_read {
        let model = if read.tuned { &comparison.tuned } else { &comparison.base };
        let answers = thousands(read.answers);
        caveats.push(format!(
            "it rests on {answers} answers of {model} that name no label: if all of them were right, it would be {}",
            verdict_words(read.verdict)
        ));
    }
    caveats
}

/// Why nothing is said of models whose answers can't be read.
fn unreadable(comparison: &Comparison) -> String {
    let [base, tuned] = comparison.unreadable;
    let (share, model) = if tuned > base { (tuned, &comparison.tuned) } else { (base, &comparison.base) };
    format!(
        "{} of the answers of {model} name no label: their form was measured, and not the model",
        percent(share)
    )
}

/// What it would take to decide what is not proven.
fn open_question(metric: &Metric, power: Option<Power>) -> String {
    let chance = POWER * 100.0;
    match power {
        Some(Power { rows_to_decide: Some(rows), .. }) => {
            format!(
                "; {} such rows, drawn anew, would decide with a chance of {chance} % (adding to these and looking again is no \
                 proof)",
                thousands(rows)
            )
        }
        Some(Power { smallest_difference, rows_to_decide: None }) => format!(
            "; so many rows prove a difference of {} with a chance of {chance} %",
            units::size(metric, smallest_difference)
        ),
        None => "; so few rows prove nothing".to_owned(),
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
    let level = CONFIDENCE * 100.0;
    let (differences, holm) = match report.figures.comparisons.len() {
        0 => ("", ""),
        1 => (", of the score test that decides for a difference", ""),
        _ => (
            ", of the score test that decides for a difference",
            " Holm's method adjusts the tests, and the levels of these intervals, for the number of comparisons.",
        ),
    };
    format!(
        "Intervals are at {level} %: Wilson's for a share{differences}.{holm} An invalid answer counts as wrong; a row \
         without an answer does not count. {MACRO_DEFINITION} {UNDEFINED} is undefined: nothing to divide by."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::predictions;
    use crate::{Evaluation, Rules};

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
    fn margins_and_rows_read_as_they_were_meant() {
        assert_eq!(margin_words(0.02), "2 points");
        assert_eq!(margin_words(0.029), "2.9 points");
        assert_eq!(margin_words(0.01), "1 point");
        assert_eq!(margin_words(0.0005), "0.05 points");
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    /// What is said of rows of which the base got `lost` alone and the tuned model `won` alone.
    fn said(rows: u64, lost: usize, won: usize, margin: Option<f64>) -> String {
        let gold = "a".repeat(rows as usize);
        let both = "a".repeat(rows as usize - lost - won);
        let evaluation = |model: &str, answers: String| Evaluation {
            model: model.to_owned(),
            tuned_from: None,
            predictions: predictions(&gold, &answers),
            clusters: None,
            slices: None,
        };
        let base = evaluation("base", format!("{both}{}{}", "a".repeat(lost), "b".repeat(won)));
        let tuned = evaluation("tuned", format!("{both}{}{}", "b".repeat(lost), "a".repeat(won)));
        let comparison = Comparison::of(&base, &tuned, &Rules { margin, ..Rules::default() });
        format!("{}: {}", verdict_phrase(&comparison), evidence(&comparison))
    }

    #[test]
    fn every_verdict_has_its_words() {
        for (rows, lost, won, margin, words) in [
            (
                400,
                8,
                126,
                None,
                "better: accuracy 68.5 % → 98.0 %, +29.5 points (95 % CI +24.7 to +34.5); score test p < 0.0001",
            ),
            (
                400,
                20,
                2,
                Some(0.1),
                "worse: accuracy 99.5 % → 95.0 %, -4.5 points (95 % CI -7.2 to -2.5); score test p = 0.0001; \
                 a loss of 10 points is ruled out, one-sided p = 0.0002",
            ),
            (
                1000,
                8,
                5,
                Some(0.02),
                "no worse than 2 points: accuracy 99.5 % → 99.2 %, -0.3 points (95 % CI -1.1 to +0.5); \
                 score test p = 0.41; a loss of 2 points is ruled out, one-sided p = 0.0004",
            ),
            (
                400,
                8,
                5,
                Some(0.01),
                "no proven difference: accuracy 98.8 % → 98.0 %, -0.8 points (95 % CI -2.8 to +1.2); score test p = 0.41; \
                 a loss of 1 point is not ruled out, one-sided p = 0.39; \
                 so many rows prove a difference of 2.5 points with a chance of 80 %",
            ),
            (
                400,
                8,
                14,
                None,
                "no proven difference: accuracy 96.5 % → 98.0 %, +1.5 points (95 % CI -0.9 to +4.0); score test p = 0.20; \
                 8,770 such rows, drawn anew, would decide with a chance of 80 % (adding to these and looking again is \
                 no proof)",
            ),
            (
                400,
                7,
                7,
                None,
                "no proven difference: accuracy 98.2 % → 98.2 %, ±0 points (95 % CI -2.0 to +2.0); score test p = 1; \
                 so many rows prove a difference of 2.6 points with a chance of 80 %",
            ),
            (
                3,
                1,
                0,
                None,
                "no proven difference: accuracy 100.0 % → 66.7 %, -33.3 points (95 % CI -79.2 to +41.5); score test p = 1; \
                 so few rows prove nothing",
            ),
        ] {
            assert_eq!(said(rows, lost, won, margin), words);
        }
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
