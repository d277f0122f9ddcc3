//! The table of models as CSV for spreadsheets: figures that can be reckoned with, and no cell that is run as a formula.

use ::csv::{QuoteStyle, Terminator, WriterBuilder};

use super::csv::{ends, number, to_bytes};
use super::text::clean;
use super::{Renderer, verdict_words};
use crate::{ModelFigures, Report};

/// The models as CSV for spreadsheets, each with its verdict.
///
/// Text is guarded by OWASP's rule ("CSV Injection"): what a spreadsheet would run begins with an apostrophe. Programs
/// should read `summary.csv`, which is exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spreadsheet;

const COLUMNS: [&str; 19] = [
    "model",
    "tuned from",
    "rows",
    "answered",
    "invalid",
    "accuracy",
    "accuracy low",
    "accuracy high",
    "macro F1",
    "kappa",
    "MCC",
    "compared with",
    "verdict",
    "difference",
    "difference low",
    "difference high",
    "p (Holm)",
    "cost per 1,000 in $",
    "median latency in ms",
];

impl Renderer for Spreadsheet {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "the table of models for spreadsheets; the results folder has the exact files for programs"
    }

    fn render(&self, report: &Report) -> Vec<u8> {
        to_bytes(|bytes| {
            // Without a byte-order mark, spreadsheets take UTF-8 for something else.
            bytes.extend_from_slice("\u{feff}".as_bytes());
            let mut csv = WriterBuilder::new()
                .quote_style(QuoteStyle::Always)
                .terminator(Terminator::CRLF)
                .from_writer(bytes);
            csv.write_record(COLUMNS)?;
            for model in &report.figures.models {
                for row in rows(report, model) {
                    csv.write_record(row)?;
                }
            }
            csv.flush()
        })
    }
}

/// A row for each comparison of the model with its base or another; one without a comparison where there is none.
fn rows(report: &Report, model: &ModelFigures) -> Vec<Vec<String>> {
    let counts = model.counts();
    let scores = model.scores.as_ref();
    let mut start = vec![guarded(&model.model), guarded(model.tuned_from.as_deref().unwrap_or_default())];
    start.extend([counts.rows(), counts.answered(), counts.invalid].map(|n| n.to_string()));
    start.push(number(scores.and_then(|scores| scores.accuracy)));
    start.extend(ends(scores.and_then(|scores| scores.accuracy_interval)));
    start.push(number(scores.and_then(|scores| scores.macro_average.f1)));
    start.push(number(scores.and_then(|scores| scores.cohen_kappa)));
    start.push(number(scores.and_then(|scores| scores.matthews_correlation)));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for comparison in report.figures.comparisons.iter().filter(|comparison| comparison.tuned == model.model) {
        let mut row = start.clone();
        row.extend([guarded(&comparison.base), verdict_words(comparison.verdict).to_owned()]);
        row.push(number(comparison.difference));
        row.extend(ends(comparison.difference_interval));
        row.push(number(comparison.holm_p));
        rows.push(row);
    }
    if rows.is_empty() {
        start.resize(COLUMNS.len() - 2, String::new());
        rows.push(start);
    }
    let cost = number(model.cost_per_thousand());
    let latency = number(model.latency.map(|latency| latency.median_ms));
    rows.iter_mut().for_each(|row| row.extend([cost.clone(), latency.clone()]));
    rows
}

/// Text that no spreadsheet takes for a formula.
///
/// What could begin a formula is also guarded after a separator, for a program that splits at another one than the comma
/// begins a cell there.
fn guarded(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len());
    let mut at_start = true;
    for c in clean(text).chars() {
        let dangerous = matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '|');
        if dangerous && at_start {
            guarded.push('\'');
        }
        guarded.push(c);
        at_start = matches!(c, ',' | ';' | '"' | '\'') || (at_start && c.is_whitespace());
    }
    guarded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{predictions, run};

    #[test]
    fn formulas_are_text_and_figures_are_figures() {
        assert_eq!(guarded("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(guarded(" @SUM(1)"), " '@SUM(1)");
        assert_eq!(guarded("a;=1+1"), "a;'=1+1");
        assert_eq!(guarded("\t=1"), "\u{fffd}=1");
        assert_eq!(guarded("local/ft-1"), "local/ft-1");
        let run = run(
            &["a", "b"],
            vec![
                ("=base", None, predictions("ababab", "bababa")),
                ("t", Some("=base"), predictions("ababab", "ababab")),
            ],
        );
        let bytes = Spreadsheet.render(&Report::new(&run));
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<_> = text.split("\r\n").collect();
        assert!(lines[0].starts_with("\u{feff}\"model\",\"tuned from\",\"rows\""), "{}", lines[0]);
        assert!(lines[1].starts_with("\"'=base\",\"\",\"6\",\"6\",\"0\",\"0\",\"0\",\""), "{}", lines[1]);
        assert!(lines[2].contains("\"'=base\",\"better\",\"1\","), "{}", lines[2]);
    }

    proptest! {
        // Each case computes ten thousand draws.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_cell_of_any_dialect_begins_a_formula(model in "[=+@a\"',;|\\t\\r\\n -]{0,12}|\\PC{0,20}") {
            let run = run(&["a", "b"], vec![(model.as_str(), None, predictions("ab", "ab"))]);
            let bytes = Spreadsheet.render(&Report::new(&run));
            let mut reader = ::csv::ReaderBuilder::new().from_reader(&bytes[..]);
            prop_assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS.to_vec());
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(rows[0].len(), COLUMNS.len());
            for (delimiter, quoting) in [(b',', true), (b';', true), (b';', false), (b',', false)] {
                let mut builder = ::csv::ReaderBuilder::new();
                let mut reader =
                    builder.delimiter(delimiter).quoting(quoting).flexible(true).has_headers(false).from_reader(&bytes[..]);
                for cell in reader.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()) {
                    let cell = cell.trim_matches(['"', ' ']);
                    let number = cell.parse::<f64>().is_ok();
                    prop_assert!(number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{:?}", cell);
                }
            }
        }
    }
}
