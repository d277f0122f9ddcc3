//! CSV for programs: every digit, exact cells, an empty cell for what is undefined.
//!
//! Nothing is guarded against spreadsheets that run cells as formulas: that would change the data.

use std::io;

pub use super::predictions::{PredictionRows, ReadError, predictions, predictions_to, read_predictions};
use crate::{ClassScores, ModelFigures, Report, Triple, Verdict};

/// Every format of this file: comma, line feed, quotes only where needed.
pub(super) fn writer<W: io::Write>(target: W) -> ::csv::Writer<W> {
    ::csv::WriterBuilder::new().from_writer(target)
}

/// What a writer writes, in memory.
pub(super) fn to_bytes(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("memory takes everything, and all rows of a table have the same length");
    bytes
}

/// The shortest text that reads back as the same number; empty when undefined.
fn number(figure: Option<f64>) -> String {
    match figure {
        None => String::new(),
        // Rust writes 1e-300 with all its zeros unless told otherwise.
        Some(value) if value != 0.0 && value.abs() < 1e-5 => format!("{value:e}"),
        Some(value) => value.to_string(),
    }
}

fn numbers(triple: Triple) -> [String; 3] {
    [triple.precision, triple.recall, triple.f1].map(number)
}

/// A row for each model, with all its scores.
///
/// Below the coverage limit the score cells are empty and `complete` is `false`.
pub fn summary(report: &Report) -> Vec<u8> {
    to_bytes(|bytes| {
        let mut csv = writer(bytes);
        csv.write_record([
            "model",
            "n",
            "correct",
            "incorrect",
            "invalid",
            "unanswered",
            "accuracy",
            "accuracy_low",
            "accuracy_high",
            "coverage",
            "macro_precision",
            "macro_recall",
            "macro_f1",
            "micro_precision",
            "micro_recall",
            "micro_f1",
            "weighted_precision",
            "weighted_recall",
            "weighted_f1",
            "balanced_accuracy",
            "cohen_kappa",
            "matthews_correlation",
            "tuned_from",
            "file",
            "complete",
        ])?;
        for figures in &report.figures.models {
            let counts = figures.counts();
            let mut row = vec![figures.model.clone(), counts.rows().to_string()];
            row.extend(
                [counts.correct, counts.incorrect, counts.invalid, counts.unanswered].map(|n| n.to_string()),
            );
            let scores = figures.scores.as_ref();
            row.push(number(scores.and_then(|s| s.accuracy)));
            row.push(number(scores.and_then(|s| s.accuracy_interval).map(|i| i.low)));
            row.push(number(scores.and_then(|s| s.accuracy_interval).map(|i| i.high)));
            row.push(number(counts.coverage()));
            row.extend(numbers(scores.map(|s| s.macro_average).unwrap_or_default()));
            row.extend(numbers(scores.map(|s| s.micro_average).unwrap_or_default()));
            row.extend(numbers(scores.map(|s| s.weighted_average).unwrap_or_default()));
            row.push(number(scores.and_then(|s| s.balanced_accuracy)));
            row.push(number(scores.and_then(|s| s.cohen_kappa)));
            row.push(number(scores.and_then(|s| s.matthews_correlation)));
            row.push(figures.tuned_from.clone().unwrap_or_default());
            row.push(figures.file.clone());
            row.push(scores.is_some().to_string());
            csv.write_record(&row)?;
        }
        csv.flush()
    })
}

/// A row for each model and label.
///
/// Below the coverage limit the counts stay and the scores are empty.
pub fn per_class(report: &Report) -> Vec<u8> {
    to_bytes(|bytes| {
        let mut csv = writer(bytes);
        csv.write_record([
            "model",
            "label",
            "support",
            "predicted",
            "true_positives",
            "precision",
            "recall",
            "f1",
            "recall_low",
            "recall_high",
        ])?;
        for figures in &report.figures.models {
            for (label, name) in report.run.labels().iter() {
                let class = ClassScores::of(&figures.confusion, label);
                let complete = figures.scores.is_some();
                let [precision, recall, f1] =
                    numbers(if complete { class.scores } else { Triple::default() });
                let interval = class.recall_interval.filter(|_| complete);
                csv.write_record([
                    figures.model.as_str(),
                    name,
                    &class.support.to_string(),
                    &class.predicted.to_string(),
                    &class.true_positives.to_string(),
                    &precision,
                    &recall,
                    &f1,
                    &number(interval.map(|i| i.low)),
                    &number(interval.map(|i| i.high)),
                ])?;
            }
        }
        csv.flush()
    })
}

/// The confusion matrix of one model: a row for each gold label; the columns are `label`, then one for each
/// answer in the order of the label set, then `invalid` and `unanswered`, which a label of that name may double.
///
/// With 10,000 labels this is 200 MB: see [`confusion_to`].
pub fn confusion(report: &Report, figures: &ModelFigures) -> Vec<u8> {
    to_bytes(|bytes| confusion_to(bytes, report, figures))
}

/// Like [`confusion`], but row by row into a writer.
pub fn confusion_to(target: impl io::Write, report: &Report, figures: &ModelFigures) -> io::Result<()> {
    let labels = report.run.labels();
    let confusion = &figures.confusion;
    let mut csv = writer(target);
    let names = labels.names().iter().map(String::as_str);
    csv.write_record(["label"].into_iter().chain(names).chain(["invalid", "unanswered"]))?;
    let mut cells = confusion.cells().peekable();
    for (gold, name) in labels.iter() {
        csv.write_field(name)?;
        for (label, _) in labels.iter() {
            let rows = cells.next_if(|(g, l, _)| (*g, *l) == (gold, label)).map_or(0, |(_, _, rows)| rows);
            csv.write_field(rows.to_string())?;
        }
        csv.write_field(confusion.invalid(gold).to_string())?;
        csv.write_field(confusion.unanswered(gold).to_string())?;
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}

/// A row for each pair of base and tuned model; without difference and p-value where the verdict is
/// `incomplete`.
pub fn comparisons(report: &Report) -> Vec<u8> {
    to_bytes(|bytes| {
        let mut csv = writer(bytes);
        csv.write_record([
            "base",
            "tuned",
            "n",
            "both_correct",
            "only_base",
            "only_tuned",
            "both_wrong",
            "difference",
            "mcnemar_p",
            "verdict",
        ])?;
        for comparison in &report.figures.comparisons {
            let paired = comparison.paired;
            csv.write_record([
                comparison.base.as_str(),
                &comparison.tuned,
                &paired.compared().to_string(),
                &paired.both_correct.to_string(),
                &paired.only_base.to_string(),
                &paired.only_tuned.to_string(),
                &paired.both_wrong.to_string(),
                &number(comparison.difference),
                &number(comparison.mcnemar_p),
                Verdict::name(comparison.verdict),
            ])?;
        }
        csv.flush()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{predictions, run};

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_table_of_a_small_run() {
        let run = run(
            &["=a,b", "b", "c"],
            vec![("m", None, predictions("aabbb", "ab!bb")), ("t", Some("m"), predictions("aabbb", "aab?b"))],
        );
        let report = Report::new(&run);
        let mut summary = text(summary(&report)).lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
        assert!(summary.next().unwrap().starts_with(
            "model,n,correct,incorrect,invalid,unanswered,accuracy,accuracy_low,accuracy_high,coverage,macro_precision,"
        ));
        assert!(summary.next().unwrap().starts_with("m,5,3,1,1,0,0.6,0.23072"));
        assert_eq!(summary.next().unwrap(), "t,5,4,0,0,1,,,,0.8,,,,,,,,,,,,,m,t,false");

        let per_class = text(per_class(&report));
        assert!(per_class.contains("m,\"=a,b\",2,1,1,1,0.5,0.6666666666666666,"), "{per_class}");
        assert!(per_class.contains("\nm,c,0,0,0,,,,,\n"), "{per_class}");
        assert!(per_class.contains("\nt,b,2,2,2,,,,,\n"), "{per_class}");

        assert_eq!(
            text(confusion(&report, &report.figures.models[0])),
            "label,\"=a,b\",b,c,invalid,unanswered\n\"=a,b\",1,1,0,0,0\nb,0,2,0,1,0\nc,0,0,0,0,0\n"
        );
        assert_eq!(
            text(comparisons(&report)),
            "base,tuned,n,both_correct,only_base,only_tuned,both_wrong,difference,mcnemar_p,verdict\n\
             m,t,4,2,0,2,0,,,incomplete\n"
        );
    }

    #[test]
    fn numbers_are_short_and_exact() {
        assert_eq!(number(Some(0.1 + 0.2)), "0.30000000000000004");
        assert_eq!(number(Some(5e-324)), "5e-324");
        assert_eq!(number(Some(1.0)), "1");
        assert_eq!(number(None), "");
    }
}
