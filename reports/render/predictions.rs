//! The predictions of one model as CSV, both ways: what is read is exactly what was written.

use std::collections::{HashMap, HashSet};
use std::io;

use ::csv::{ByteRecord, ReaderBuilder};
use tunebench_data::{LabelId, LabelSet};

use super::csv::{to_bytes, writer};
use super::row_details;
use crate::{
    Answer, Clustering, Clusters, Evaluation, InvalidKind, Latency, Outcome, Prediction, Probability,
    RowDetails, Slices, Slicing, UnansweredKind,
};

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

/// How the names of columns begin that hold a property by which rows are parted: see [`Slices`].
pub(super) const SLICE: &str = "slice:";

/// How many of the columns a file must have.
const REQUIRED: usize = 4;

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
        GOLD_PROBABILITY => evaluation.predictions.iter().all(|row| row.gold_probability.is_none()),
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

fn from_milliseconds(text: &str) -> Option<Latency> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let micros = format!("{whole}{decimals:0<3}").parse().ok()?;
    Latency::from_micros(micros)
}

/// Why bytes are no predictions that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error("the predictions cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A column that must be there is not.
    #[error("line 1: no column `{column}`")]
    MissingColumn {
        /// The name of the column.
        column: &'static str,
    },
    /// A column stands twice.
    #[error("line 1: duplicate column `{column}`")]
    DuplicateColumn {
        /// The name of the column.
        column: &'static str,
    },
    /// A row has more or fewer cells than there are columns.
    #[error("line {line}: the row has {found} cells, and the header has {expected}")]
    Cells {
        /// The line where the row begins, from 1.
        line: u64,
        /// The cells of the row.
        found: usize,
        /// The cells of the header.
        expected: usize,
    },
    /// A cell holds what it must not hold.
    #[error("line {line}, column `{column}`: {problem}")]
    Cell {
        /// The line where the row begins, from 1.
        line: u64,
        /// The name of the column.
        column: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// The rows of a file of predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionRows {
    /// One for each row, in the order of the file.
    pub predictions: Vec<Prediction>,
    /// Which of them belong together; none where each is a cluster of its own, or the file does not tell.
    pub clusters: Option<Clusters>,
    /// Which value each has of some properties; none where the file does not tell.
    pub slices: Option<Slices>,
}

/// Reads what [`predictions`](fn@predictions) wrote.
///
/// Columns are found by name; the first four must be there, unknown ones are ignored. Everything is checked:
/// labels against the label set, the outcome against label and prediction, and that no id stands twice.
pub fn read_predictions(source: impl io::Read, labels: &LabelSet) -> Result<PredictionRows, ReadError> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
    let mut record = ByteRecord::new();
    reader.read_byte_record(&mut record).map_err(io_error)?;
    let header = Header::of(&record)?;
    let mut predictions = Vec::new();
    let mut clustering = Clustering::new(header.places[GROUP].is_some());
    let mut slicing = Slicing::new(header.slices.iter().map(|(name, _)| name.as_str()));
    let mut ids = HashSet::new();
    while reader.read_byte_record(&mut record).map_err(io_error)? {
        let row = header.row(&record)?;
        let prediction = row.prediction(labels)?;
        if !ids.insert(prediction.id) {
            return Err(row.error(ID, format!("duplicate id {}", prediction.id)));
        }
        let group = Some(row.text(GROUP)?).filter(|name| !name.is_empty());
        match header.places[CLUSTER] {
            // Before there was a column of clusters, groups were all that was told of them.
            None => clustering.push_group(group),
            Some(_) => {
                let text = row.text(CLUSTER)?;
                let number = text.parse().map_err(|_| row.not_a(CLUSTER, "a whole number", text))?;
                clustering.push_keyed(group, number);
            }
        }
        let values = header.slices.iter().map(|(_, place)| row.slice(*place));
        slicing.push(values.collect::<Result<Vec<_>, _>>()?);
        predictions.push(prediction);
    }
    Ok(PredictionRows { predictions, clusters: clustering.finish(), slices: slicing.finish() })
}

/// Reading bytes with any number of cells fails only where the source fails.
fn io_error(error: ::csv::Error) -> ReadError {
    ReadError::Io(error.into())
}

// Positions in `COLUMNS`.
const ID: usize = 0;
const LABEL: usize = 1;
const PREDICTION: usize = 2;
const OUTCOME: usize = 3;
const DETAIL: usize = 4;
const PROBABILITY: usize = 5;
const LATENCY: usize = 6;
const GROUP: usize = 7;
const CLUSTER: usize = 8;
const GOLD_PROBABILITY: usize = 9;

/// Where each column stands in the file.
struct Header {
    places: [Option<usize>; COLUMNS.len()],
    /// The properties, and where they stand.
    slices: Vec<(String, usize)>,
    cells: usize,
}

impl Header {
    fn of(record: &ByteRecord) -> Result<Self, ReadError> {
        let mut found: HashMap<&[u8], usize> = HashMap::new();
        for (place, name) in record.iter().enumerate() {
            let column = COLUMNS.iter().find(|column| column.as_bytes() == name);
            if let (Some(_), Some(column)) = (found.insert(name, place), column) {
                return Err(ReadError::DuplicateColumn { column });
            }
        }
        let places = COLUMNS.map(|column| found.get(column.as_bytes()).copied());
        match places.iter().take(REQUIRED).position(Option::is_none) {
            Some(missing) => Err(ReadError::MissingColumn { column: COLUMNS[missing] }),
            None => {
                let name =
                    |cell: &[u8]| std::str::from_utf8(cell).ok()?.strip_prefix(SLICE).map(str::to_owned);
                let slices = record.iter().enumerate().filter_map(|(at, cell)| Some((name(cell)?, at)));
                Ok(Self { places, slices: slices.collect(), cells: record.len() })
            }
        }
    }

    fn row<'a>(&'a self, record: &'a ByteRecord) -> Result<Row<'a>, ReadError> {
        let line = record.position().map_or(0, ::csv::Position::line);
        if record.len() != self.cells {
            return Err(ReadError::Cells { line, found: record.len(), expected: self.cells });
        }
        Ok(Row { header: self, record, line })
    }
}

struct Row<'a> {
    header: &'a Header,
    record: &'a ByteRecord,
    line: u64,
}

impl<'a> Row<'a> {
    fn error(&self, column: usize, problem: impl Into<String>) -> ReadError {
        ReadError::Cell { line: self.line, column: COLUMNS[column], problem: problem.into() }
    }

    /// The error of a cell that shows its beginning.
    fn not_a(&self, column: usize, what: &str, text: &str) -> ReadError {
        let shown: String = text.chars().take(60).collect();
        self.error(column, format!("`{}` is not {what}", shown.escape_debug()))
    }

    /// The text of a cell; empty when the file has no such column.
    fn text(&self, column: usize) -> Result<&'a str, ReadError> {
        let bytes = self.header.places[column].and_then(|place| self.record.get(place)).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| self.error(column, "the text is not UTF-8"))
    }

    fn slice(&self, place: usize) -> Result<&'a str, ReadError> {
        let bytes = self.record.get(place).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| ReadError::Cell {
            line: self.line,
            column: SLICE,
            problem: "the text is not UTF-8".to_owned(),
        })
    }

    fn label(&self, column: usize, labels: &LabelSet) -> Result<LabelId, ReadError> {
        let text = self.text(column)?;
        labels.get(text).ok_or_else(|| self.not_a(column, "one of the labels", text))
    }

    fn prediction(&self, labels: &LabelSet) -> Result<Prediction, ReadError> {
        let id = self.text(ID)?;
        let id = id.parse().map_err(|_| self.not_a(ID, "16 hexadecimal digits", id))?;
        let gold = self.label(LABEL, labels)?;
        let answer = self.answer(gold, labels)?;
        let (probability, gold_probability) =
            (self.probability(PROBABILITY)?, self.probability(GOLD_PROBABILITY)?);
        let latency = match self.text(LATENCY)? {
            "" => None,
            text => Some(from_milliseconds(text).ok_or_else(|| {
                self.not_a(LATENCY, "a number of milliseconds above 0, with at most 3 decimals", text)
            })?),
        };
        Ok(Prediction { id, gold, answer, probability, gold_probability, latency })
    }

    fn probability(&self, column: usize) -> Result<Option<Probability>, ReadError> {
        let text = self.text(column)?;
        let read = || text.parse().ok().and_then(Probability::new);
        match text {
            "" => Ok(None),
            _ => read().map(Some).ok_or_else(|| self.not_a(column, "a number from 0 to 1", text)),
        }
    }

    fn answer(&self, gold: LabelId, labels: &LabelSet) -> Result<Answer, ReadError> {
        let outcome = self.text(OUTCOME)?;
        let Some(outcome) = Outcome::from_name(outcome) else {
            return Err(self.not_a(OUTCOME, "correct, incorrect, invalid or unanswered", outcome));
        };
        let (prediction, detail) = (self.text(PREDICTION)?, self.text(DETAIL)?);
        let answer = match outcome {
            Outcome::Correct | Outcome::Incorrect => Answer::Label(self.label(PREDICTION, labels)?),
            Outcome::Invalid => Answer::Invalid(
                InvalidKind::from_name(detail)
                    .ok_or_else(|| self.not_a(DETAIL, "a reason for an invalid answer", detail))?,
            ),
            Outcome::Unanswered => Answer::Unanswered(
                UnansweredKind::from_name(detail)
                    .ok_or_else(|| self.not_a(DETAIL, "a reason for a missing answer", detail))?,
            ),
        };
        match answer {
            Answer::Label(label) if (label == gold) != (outcome == Outcome::Correct) => {
                Err(self.error(OUTCOME, format!("`{outcome}` contradicts label and prediction")))
            }
            Answer::Label(_) if !detail.is_empty() => {
                Err(self.error(DETAIL, format!("must be empty for `{outcome}`")))
            }
            Answer::Invalid(_) | Answer::Unanswered(_) if !prediction.is_empty() => {
                Err(self.error(PREDICTION, format!("must be empty for `{outcome}`")))
            }
            _ => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{self, any_predictions, labels};

    fn evaluation(predictions: Vec<Prediction>) -> Evaluation {
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
        assert_eq!((rows.predictions.len(), rows.predictions[0].id.0, rows.clusters), (1, 255, None));
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
