//! CSV for programs: every digit, exact cells, an empty cell for what is undefined.
//!
//! Nothing is guarded against spreadsheets that run cells as formulas: that would change the data.

use std::io;

pub use super::predictions::{Details, predictions, predictions_to};
pub use super::read_predictions::{PredictionRows, ReadError, read_predictions};
pub use super::row_details::DetailsReader;
use crate::{ClassScores, Interval, ModelFigures, Outcome, PrecisionRecallF1, Report, Verdict};

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
pub(super) fn number(figure: Option<f64>) -> String {
    match figure {
        None => String::new(),
        // Rust writes 1e-300 with all its zeros unless told otherwise.
        Some(value) if value != 0.0 && value.abs() < 1e-5 => format!("{value:e}"),
        Some(value) => value.to_string(),
    }
}

/// Both ends of an interval.
pub(super) fn ends(interval: Option<Interval>) -> [String; 2] {
    [interval.map(|interval| interval.low), interval.map(|interval| interval.high)].map(number)
}

fn numbers(triple: PrecisionRecallF1) -> [String; 3] {
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
            "macro_f1_low",
            "macro_f1_high",
            "balanced_accuracy_low",
            "balanced_accuracy_high",
            "cohen_kappa_low",
            "cohen_kappa_high",
            "matthews_correlation_low",
            "matthews_correlation_high",
            "groups",
            "grouped_accuracy_low",
            "grouped_accuracy_high",
            "design_effect",
            "brier",
            "log_loss",
            "expected_calibration_error",
            "median_ms",
            "p95_ms",
            "max_ms",
            "input_tokens",
            "output_tokens",
            "cost_usd",
            "repeat_of",
            "multiclass_log_loss",
        ])?;
        for figures in &report.figures.models {
            let counts = figures.counts();
            let mut row = vec![figures.model.clone(), counts.rows().to_string()];
            row.extend(
                [counts.correct, counts.incorrect, counts.invalid, counts.unanswered].map(|n| n.to_string()),
            );
            let scores = figures.scores.as_ref();
            row.push(number(scores.and_then(|s| s.accuracy)));
            row.extend(ends(scores.and_then(|s| s.accuracy_interval)));
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
            row.extend(further(figures));
            csv.write_record(&row)?;
        }
        csv.flush()
    })
}

/// What else is known of a model: the columns after `complete`.
fn further(figures: &ModelFigures) -> Vec<String> {
    let intervals = figures.intervals.unwrap_or_default();
    let mut row: Vec<String> = [
        intervals.macro_f1,
        intervals.balanced_accuracy,
        intervals.cohen_kappa,
        intervals.matthews_correlation,
    ]
    .into_iter()
    .flat_map(ends)
    .collect();
    let clustered = figures.clustered;
    row.push(clustered.map(|clustered| clustered.groups.to_string()).unwrap_or_default());
    row.extend(ends(clustered.map(|clustered| clustered.accuracy)));
    row.push(number(clustered.map(|clustered| clustered.design_effect)));
    let calibration = figures.calibration.as_ref();
    row.push(number(calibration.map(|calibration| calibration.brier)));
    row.push(number(calibration.map(|calibration| calibration.log_loss)));
    row.push(number(calibration.map(|calibration| calibration.expected_calibration_error)));
    row.push(number(figures.latency.map(|latency| latency.median_ms)));
    row.push(number(figures.latency.map(|latency| latency.p95_ms)));
    row.push(number(figures.latency.map(|latency| latency.max_ms)));
    row.push(figures.usage.map(|usage| usage.input_tokens.to_string()).unwrap_or_default());
    row.push(figures.usage.map(|usage| usage.output_tokens.to_string()).unwrap_or_default());
    row.push(number(figures.usage.and_then(|usage| usage.cost_usd)));
    row.push(figures.repeat_of.clone().unwrap_or_default());
    row.push(number(calibration.and_then(|calibration| calibration.multiclass_log_loss)));
    row
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
            "precision_low",
            "precision_high",
        ])?;
        for figures in &report.figures.models {
            for (label, name) in report.run.labels().iter() {
                let class = ClassScores::of(&figures.confusion, label);
                let complete = figures.scores.is_some();
                let [precision, recall, f1] =
                    numbers(if complete { class.scores } else { PrecisionRecallF1::default() });
                let [recall_low, recall_high] = ends(class.recall_interval.filter(|_| complete));
                let [precision_low, precision_high] = ends(class.precision_interval.filter(|_| complete));
                csv.write_record([
                    figures.model.as_str(),
                    name,
                    &class.support.to_string(),
                    &class.predicted.to_string(),
                    &class.true_positives.to_string(),
                    &precision,
                    &recall,
                    &f1,
                    &recall_low,
                    &recall_high,
                    &precision_low,
                    &precision_high,
                ])?;
            }
        }
        csv.flush()
    })
}

/// With more labels than this a confusion matrix is written as a list of its filled cells: as a table, 10,000 labels would take
/// 200 MB, nearly all of it zeros.
pub const MATRIX_LABELS: usize = 500;

/// The confusion matrix of one model. Up to [`MATRIX_LABELS`] labels, a row for each gold label; the columns are `label`, then one for
/// each answer in the order of the label set, then `invalid` and `unanswered`, which a label of that name may double. Of more
/// labels, a row for each cell that is not zero: `label,outcome,answer,rows`, in the order of the matrix.
pub fn confusion(report: &Report, figures: &ModelFigures) -> Vec<u8> {
    to_bytes(|bytes| confusion_to(bytes, report, figures))
}

/// Like [`confusion`], but row by row into a writer.
pub fn confusion_to(target: impl io::Write, report: &Report, figures: &ModelFigures) -> io::Result<()> {
    if report.run.labels().len() > MATRIX_LABELS {
        cells_to(target, report, figures)
    } else {
        matrix_to(target, report, figures)
    }
}

fn matrix_to(target: impl io::Write, report: &Report, figures: &ModelFigures) -> io::Result<()> {
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

fn cells_to(target: impl io::Write, report: &Report, figures: &ModelFigures) -> io::Result<()> {
    let labels = report.run.labels();
    let confusion = &figures.confusion;
    let mut csv = writer(target);
    csv.write_record(["label", "outcome", "answer", "rows"])?;
    let mut cells = confusion.cells().peekable();
    for (gold, name) in labels.iter() {
        while let Some((_, answer, rows)) = cells.next_if(|cell| cell.0 == gold) {
            let outcome = if answer == gold { Outcome::Correct } else { Outcome::Incorrect };
            csv.write_record([name, outcome.name(), labels.name(answer), &rows.to_string()])?;
        }
        let others =
            [(Outcome::Invalid, confusion.invalid(gold)), (Outcome::Unanswered, confusion.unanswered(gold))];
        for (outcome, rows) in others.into_iter().filter(|(_, rows)| *rows > 0) {
            csv.write_record([name, outcome.name(), "", &rows.to_string()])?;
        }
    }
    csv.flush()
}

/// A row for each part of the rows and each model, with the comparisons in which it is the tuned one.
pub fn slices(report: &Report) -> Vec<u8> {
    to_bytes(|bytes| {
        let mut csv = writer(bytes);
        csv.write_record([
            "property",
            "value",
            "rows",
            "model",
            "answered",
            "accuracy",
            "accuracy_low",
            "accuracy_high",
            "base",
            "difference",
            "difference_low",
            "difference_high",
            "p",
            "holm_p",
            "verdict",
        ])?;
        for slice in &report.figures.slices {
            for model in &slice.models {
                let [accuracy_low, accuracy_high] = ends(model.accuracy_interval);
                let row = [
                    slice.property.clone(),
                    slice.value.clone(),
                    slice.rows.to_string(),
                    model.model.clone(),
                    model.answered.to_string(),
                    number(model.accuracy),
                    accuracy_low,
                    accuracy_high,
                ];
                let pairs: Vec<_> = slice.comparisons.iter().filter(|one| one.tuned == model.model).collect();
                if pairs.is_empty() {
                    csv.write_record(row.iter().map(String::as_str).chain([""; 7]))?;
                }
                for pair in pairs {
                    let [low, high] = ends(pair.difference_interval);
                    let (difference, p) = (number(Some(pair.difference)), number(Some(pair.p)));
                    let holm_p = number(Some(pair.holm_p));
                    let against =
                        [&pair.base, &difference, &low, &high, &p, &holm_p].into_iter().map(String::as_str);
                    csv.write_record(
                        row.iter().map(String::as_str).chain(against).chain([pair.verdict.name()]),
                    )?;
                }
            }
        }
        csv.flush()
    })
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
            "difference_low",
            "difference_high",
            "mcnemar_mid_p",
            "holm_p",
            "macro_f1_base",
            "macro_f1_tuned",
            "macro_f1_difference",
            "macro_f1_low",
            "macro_f1_high",
            "margin",
            "non_inferiority_p",
            "non_inferiority_holm_p",
            "no_worse",
            "smallest_difference",
            "rows_to_decide",
            "left_out",
            "grouped_difference_low",
            "grouped_difference_high",
            "score_p",
            "confidence",
            "clusters",
            "design_effect",
            "base_repeats",
            "tuned_repeats",
            "missing",
            "withheld",
            "if_read",
            "figure",
            "base_value",
            "tuned_value",
        ])?;
        for comparison in &report.figures.comparisons {
            let paired = comparison.paired;
            let mut row =
                vec![comparison.base.clone(), comparison.tuned.clone(), paired.compared().to_string()];
            row.extend(
                [paired.both_correct, paired.only_base, paired.only_tuned, paired.both_wrong]
                    .map(|n| n.to_string()),
            );
            row.extend([comparison.difference, comparison.mcnemar_p].map(number));
            row.push(comparison.verdict.name().to_owned());
            row.extend(ends(comparison.difference_interval));
            row.extend([comparison.mcnemar_mid_p, comparison.holm_p].map(number));
            let macro_f1 = comparison.macro_f1;
            row.extend(
                [macro_f1.map(|m| m.base), macro_f1.map(|m| m.tuned), macro_f1.map(|m| m.difference)]
                    .map(number),
            );
            row.extend(ends(macro_f1.and_then(|metric| metric.interval)));
            let test = comparison.non_inferiority;
            row.extend([test.map(|t| t.margin), test.map(|t| t.p), test.map(|t| t.holm_p)].map(number));
            row.push(test.map(|test| test.proven.to_string()).unwrap_or_default());
            row.push(number(comparison.power.map(|power| power.smallest_difference)));
            let rows = comparison.power.and_then(|power| power.rows_to_decide);
            row.push(rows.map(|rows| rows.to_string()).unwrap_or_default());
            row.push(paired.left_out.to_string());
            row.extend(ends(comparison.difference_interval.filter(|_| comparison.has_clusters())));
            row.extend([comparison.p, comparison.confidence].map(number));
            row.push(comparison.clusters.to_string());
            row.push(number(comparison.design_effect));
            row.extend(comparison.repeats.map(|repeats| repeats.to_string()));
            row.push(comparison.missing.to_string());
            let verdicts = [comparison.withheld, comparison.if_read.map(|read| read.verdict)];
            row.extend(verdicts.map(|verdict| verdict.map_or("", Verdict::name).to_owned()));
            row.push(comparison.metric.name());
            let values = comparison.values;
            row.extend([values.map(|values| values[0]), values.map(|values| values[1])].map(number));
            csv.write_record(&row)?;
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
        let incomplete = format!("t,5,4,0,0,1,,,,0.8,,,,,,,,,,,,,m,t,false{}", ",".repeat(23));
        assert_eq!(summary.next().unwrap(), incomplete);

        let per_class = text(per_class(&report));
        assert!(per_class.contains("m,\"=a,b\",2,1,1,1,0.5,0.6666666666666666,"), "{per_class}");
        assert!(per_class.contains("\nm,c,0,0,0,,,,,,,\n"), "{per_class}");
        assert!(per_class.contains("\nt,b,2,2,2,,,,,,,\n"), "{per_class}");

        assert_eq!(
            text(confusion(&report, &report.figures.models[0])),
            "label,\"=a,b\",b,c,invalid,unanswered\n\"=a,b\",1,1,0,0,0\nb,0,2,0,1,0\nc,0,0,0,0,0\n"
        );
        let comparisons = text(comparisons(&report));
        let (header, row) = comparisons.trim_end().split_once('\n').unwrap();
        assert!(header.starts_with(
            "base,tuned,n,both_correct,only_base,only_tuned,both_wrong,difference,mcnemar_p,verdict,"
        ));
        assert_eq!(row, format!("m,t,4,2,0,2,0,,,incomplete{}1,,,,,4,,1,1,0,,,accuracy,,", ",".repeat(16)));
    }

    #[test]
    fn of_many_labels_only_filled_cells_are_written() {
        let names: Vec<_> = (0..=MATRIX_LABELS).map(|i| format!("label {i}")).collect();
        let run = run(&names, vec![("m", None, predictions("aabbbc", "ab!b?a"))]);
        let report = Report::new(&run);
        assert_eq!(
            text(confusion(&report, &report.figures.models[0])),
            "label,outcome,answer,rows\nlabel 0,correct,label 0,1\nlabel 0,incorrect,label 1,1\n\
             label 1,correct,label 1,1\nlabel 1,invalid,,1\nlabel 1,unanswered,,1\nlabel 2,incorrect,label 0,1\n"
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
