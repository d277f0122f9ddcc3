//! The predictions of one model, read from the CSV that `predictions` writes.

use std::collections::{HashMap, HashSet};
use std::io;

use ::csv::{ByteRecord, ReaderBuilder};
use tunebench_data::{LabelId, LabelSet};

use super::predictions::position::*;
use super::predictions::{COLUMNS, SLICE};
use crate::{
    Answer, Clustering, Clusters, InvalidKind, Latency, Outcome, Prediction, Predictions, Probability,
    Slices, Slicing, UnansweredKind,
};

/// How many of the columns a file must have.
const REQUIRED: usize = 4;

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
    pub predictions: Predictions,
    /// Which of them belong together; none where each is a cluster of its own, or the file does not tell.
    pub clusters: Option<Clusters>,
    /// Which value each has of some properties; none where the file does not tell.
    pub slices: Option<Slices>,
}

/// Reads what [`predictions`](fn@super::predictions::predictions) wrote.
///
/// Columns are found by name; the first four must be there, unknown ones are ignored. Everything is checked:
/// labels against the label set, the outcome against label and prediction, and that no id stands twice.
pub fn read_predictions(source: impl io::Read, labels: &LabelSet) -> Result<PredictionRows, ReadError> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
    let mut record = ByteRecord::new();
    reader.read_byte_record(&mut record).map_err(io_error)?;
    let header = Header::of(&record)?;
    let mut predictions = Predictions::default();
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

pub(super) fn from_milliseconds(text: &str) -> Option<Latency> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let micros = format!("{whole}{decimals:0<3}").parse().ok()?;
    Latency::from_micros(micros)
}
