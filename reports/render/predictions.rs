//! The predictions of one model as CSV, exact to the last digit; `read_predictions` reads them again.

use std::io;

use tunebench_data::LabelSet;

use super::csv::{to_bytes, writer};
use super::row_details;
use crate::{Answer, Evaluation, Latency, Probability, RowDetails};
use position::{CLUSTER, GOLD_PROBABILITY, GROUP};

/// `group` only where the data has groups, `cluster` only where clusters are not rows, `gold_probability` only where some row has one.
pub(super) const COLUMNS: [&str; 10] = [
    "id",
    "label",
    "prediction",
    "outcome",
    "detail",
    "probability",
    "latency_ms",
    "group",
    "cluster",
    "gold_probability",
];

/// Positions in [`COLUMNS`].
pub(super) mod position {
    pub(in super::super) const ID: usize = 0;
    pub(in super::super) const LABEL: usize = 1;
    pub(in super::super) const PREDICTION: usize = 2;
    pub(in super::super) const OUTCOME: usize = 3;
    pub(in super::super) const DETAIL: usize = 4;
    pub(in super::super) const PROBABILITY: usize = 5;
    pub(in super::super) const LATENCY: usize = 6;
    pub(in super::super) const GROUP: usize = 7;
    pub(in super::super) const CLUSTER: usize = 8;
    pub(in super::super) const GOLD_PROBABILITY: usize = 9;
}

/// How the names of columns begin that hold a property by which rows are parted: see [`Slices`](crate::Slices).
pub(super) const SLICE: &str = "slice:";

/// A row for each example, in the order given: `id,label,prediction,outcome,detail,probability,latency_ms`, then `group` where
/// the data has groups, `cluster` where some rows belong together: a number, the same for those that do, and `gold_probability`, that of
/// the gold label, where the model gives probabilities of all labels. After these come columns
/// `slice:` and the name of a property by which rows are parted.
///
/// The prediction is empty where no label was named, and the detail then says why. The cells are exact: a label
/// that a spreadsheet would take for a formula is written as it is.
///
/// # Panics
/// If a row speaks of a label that is not in `labels`.
pub fn predictions(evaluation: &Evaluation, labels: &LabelSet) -> Vec<u8> {
    to_bytes(|bytes| predictions_to(bytes, evaluation, labels, None))
}

/// What else is known of the rows of an evaluation, in their order.
pub struct Details<'a> {
    /// The rows' own columns.
    pub columns: Vec<String>,
    /// One for each row.
    pub rows: Box<dyn Iterator<Item = io::Result<RowDetails>> + 'a>,
}

/// Like [`predictions`](fn@predictions), but row by row into a writer, so that a million rows need no second copy. Where
/// there are details, their columns follow.
///
/// # Panics
/// If a row speaks of a label that is not in `labels`.
pub fn predictions_to(
    target: impl io::Write,
    evaluation: &Evaluation,
    labels: &LabelSet,
    mut details: Option<Details<'_>>,
) -> io::Result<()> {
    let mut csv = writer(target);
    let clusters = evaluation.clusters.as_deref();
    let without = |column: usize| match column {
        GROUP => clusters.is_none_or(|clusters| !clusters.has_groups()),
        CLUSTER => clusters.is_none_or(|clusters| !clusters.are_not_rows()),
        GOLD_PROBABILITY => !evaluation.predictions.tell_gold_probabilities(),
        _ => false,
    };
    let columns: Vec<usize> = (0..COLUMNS.len()).filter(|column| !without(*column)).collect();
    let own = details.as_ref().map(|details| details.columns.clone());
    columns.iter().try_for_each(|column| csv.write_field(COLUMNS[*column]))?;
    let slices = evaluation.slices.as_deref();
    let properties = slices.iter().flat_map(|slices| slices.names());
    properties.map(|name| format!("{SLICE}{name}")).try_for_each(|name| csv.write_field(name))?;
    own.iter().flat_map(|own| row_details::header(own)).try_for_each(|name| csv.write_field(name))?;
    csv.write_record(None::<&[u8]>)?;
    for (i, row) in evaluation.predictions.iter().enumerate() {
        let (prediction, detail) = match row.answer {
            Answer::Label(label) => (labels.name(label), ""),
            Answer::Invalid(kind) => ("", kind.name()),
            Answer::Unanswered(kind) => ("", kind.name()),
        };
        let id = row.id.to_string();
        let decimal = |p: Option<Probability>| p.map(|p| p.get().to_string()).unwrap_or_default();
        let (probability, gold_probability) = (decimal(row.probability), decimal(row.gold_probability));
        let latency = row.latency.map(milliseconds).unwrap_or_default();
        let cluster = clusters.and_then(|clusters| clusters.of(i)).map(|cluster| cluster.to_string());
        let cluster = cluster.unwrap_or_default();
        let cells = [
            id.as_str(),
            labels.name(row.gold),
            prediction,
            row.outcome().name(),
            detail,
            &probability,
            &latency,
            clusters.and_then(|clusters| clusters.group(i)).unwrap_or_default(),
            &cluster,
            &gold_probability,
        ];
        columns.iter().try_for_each(|column| csv.write_field(cells[*column]))?;
        slices.iter().flat_map(|slices| slices.of(i)).try_for_each(|value| csv.write_field(value))?;
        if let (Some(details), Some(own)) = (&mut details, &own) {
            let row = details.rows.next().transpose()?.unwrap_or_default();
            row_details::cells(&row, own).try_for_each(|cell| csv.write_field(cell.as_ref()))?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}

/// Milliseconds with as many decimals as it takes, at most three.
fn milliseconds(latency: Latency) -> String {
    let micros = latency.as_micros();
    let text = format!("{}.{:03}", micros / 1000, micros % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::read_predictions::{from_milliseconds, read_predictions};
    use super::*;
    use crate::testing::{self, any_predictions, labels};
    use crate::{Clustering, Predictions};

    fn evaluation(predictions: Predictions) -> Evaluation {
        Evaluation { model: "m".into(), tuned_from: None, predictions, clusters: None, slices: None }
    }

    fn fails(text: &str) -> String {
        read_predictions(text.as_bytes(), &labels(&["a", "b"])).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_line_and_column() {
        const HEADER: &str = "id,label,prediction,outcome,detail,probability,latency_ms\n";
        let row = |row: &str| fails(&format!("{HEADER}0000000000000001,a,a,correct,,,\n{row}\n"));
        assert_eq!(fails(""), "line 1: no column `id`");
        assert_eq!(fails("id,label,outcome\n"), "line 1: no column `prediction`");
        assert_eq!(fails("id,id\n"), "line 1: duplicate column `id`");
        assert_eq!(row("x"), "line 3: the row has 1 cells, and the header has 7");
        assert_eq!(row("7,a,a,correct,,,"), "line 3, column `id`: `7` is not 16 hexadecimal digits");
        assert_eq!(
            row("0000000000000001,a,b,incorrect,,,"),
            "line 3, column `id`: duplicate id 0000000000000001"
        );
        assert_eq!(
            row("0000000000000002,c,a,correct,,,"),
            "line 3, column `label`: `c` is not one of the labels"
        );
        assert_eq!(
            row("0000000000000002,b,a,correct,,,"),
            "line 3, column `outcome`: `correct` contradicts label and prediction"
        );
        assert_eq!(
            row("0000000000000002,b,a,invalid,refused,,"),
            "line 3, column `prediction`: must be empty for `invalid`"
        );
        assert_eq!(
            row("0000000000000002,b,,unanswered,refused,,"),
            "line 3, column `detail`: `refused` is not a reason for a missing answer"
        );
        assert_eq!(
            row("0000000000000002,b,b,correct,,NaN,"),
            "line 3, column `probability`: `NaN` is not a number from 0 to 1"
        );
        assert_eq!(
            row("0000000000000002,b,b,correct,,,0"),
            "line 3, column `latency_ms`: `0` is not a number of milliseconds above 0, with at most 3 decimals"
        );
    }

    #[test]
    fn four_columns_are_enough_and_others_do_not_matter() {
        let text = "note,outcome,prediction,label,id\n\"x\ny\",correct,b,b,00000000000000ff\n";
        let rows = read_predictions(text.as_bytes(), &labels(&["a", "b"])).unwrap();
        assert_eq!((rows.predictions.len(), rows.predictions.id(0).0, rows.clusters), (1, 255, None));
    }

    #[test]
    fn latency_is_exact() {
        for (micros, text) in [(1, "0.001"), (12_000, "12"), (12_340, "12.34"), (u32::MAX, "4294967.295")] {
            let latency = Latency::from_micros(micros).unwrap();
            assert_eq!(milliseconds(latency), text);
            assert_eq!(from_milliseconds(text), Some(latency));
        }
        for bad in ["", ".", "1.", ".5", "1e3", "-1", "4294967.296", "0.0001", "99999999999"] {
            assert_eq!(from_milliseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn groups_and_clusters_stand_in_columns_of_their_own() {
        let mut evaluation = evaluation(testing::predictions("aab", "a?b"));
        evaluation.clusters = testing::in_groups(["=\"x\", y", "", "b"]);
        let labels = labels(&["a", "b"]);
        let text = String::from_utf8(predictions(&evaluation, &labels)).unwrap();
        let expected = "\
id,label,prediction,outcome,detail,probability,latency_ms,group
0000000000000000,a,a,correct,,,,\"=\"\"x\"\", y\"
0000000000000001,a,,unanswered,network,,,
0000000000000002,b,b,correct,,,,b
";
        assert_eq!(text, expected);
        let read = read_predictions(text.as_bytes(), &labels).unwrap();
        assert_eq!(
            (read.predictions, read.clusters.map(Arc::new)),
            (evaluation.predictions.clone(), evaluation.clusters.clone())
        );

        let mut clustering = Clustering::new(false);
        ["x", "y", "x"].iter().for_each(|text| clustering.push(None, text));
        evaluation.clusters = clustering.finish().map(Arc::new);
        let text = String::from_utf8(predictions(&evaluation, &labels)).unwrap();
        let expected = "\
id,label,prediction,outcome,detail,probability,latency_ms,cluster
0000000000000000,a,a,correct,,,,0
0000000000000001,a,,unanswered,network,,,1
0000000000000002,b,b,correct,,,,0
";
        assert_eq!(text, expected);
        let read = read_predictions(text.as_bytes(), &labels).unwrap();
        assert_eq!(read.clusters.map(Arc::new), evaluation.clusters);
        assert_eq!(
            fails(&text.replace(",1\n", ",x\n")),
            "line 3, column `cluster`: `x` is not a whole number"
        );
    }

    /// Names that a careless writer or reader would break.
    const NASTY: [&str; 6] = ["=1+1", "a,b", "say \"no\"", "银行, \"卡\"", "prediction", "\u{feff}x"];

    proptest! {
        #[test]
        fn reads_exactly_what_was_written(rows in any_predictions(6)) {
            let labels = labels(&NASTY);
            let bytes = predictions(&evaluation(rows.clone()), &labels);
            prop_assert!(bytes.starts_with(b"id,label,prediction,outcome,detail,"));
            prop_assert_eq!(read_predictions(&bytes[..], &labels).unwrap().predictions, rows);
        }

        #[test]
        fn hostile_bytes_are_an_error_and_no_crash(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            text in "(id,label,prediction,outcome\n)?([0-9a-f\",\r\n]|correct|invalid|a|b){0,80}",
        ) {
            let labels = labels(&["a", "b"]);
            let _ = read_predictions(&bytes[..], &labels);
            let _ = read_predictions(text.as_bytes(), &labels);
        }

        #[test]
        fn a_damaged_file_is_read_or_refused(rows in any_predictions(6), at in any::<prop::sample::Index>(), byte: u8) {
            let labels = labels(&NASTY);
            let mut bytes = predictions(&evaluation(rows), &labels);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = read_predictions(&bytes[..], &labels) {
                // Whatever was understood can be written and read again.
                let written = predictions(&evaluation(read.predictions.clone()), &labels);
                prop_assert_eq!(read_predictions(&written[..], &labels).unwrap().predictions, read.predictions);
            }
        }
    }
}
