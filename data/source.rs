//! A data file and how to read it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use crate::dataset::{Dataset, TestSet};
use crate::fault::{DataError, Fault, Reason};
use crate::rows::{Row, Rows};
use crate::{Columns, Example, ExampleId, LabelSet};

/// The format of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// Tab-separated values with a header, quoted as CSV is.
    Tsv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// What stands between two fields; nothing where a row is JSON.
    pub(crate) fn delimiter(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Tsv => Some(b'\t'),
            Self::Jsonl => None,
        }
    }
}

/// A data file and how to read it.
///
/// [`Source::new`] makes one; what it does not take can be set afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The format; by the file's extension when not given.
    pub format: Option<Format>,
    /// The name of the text column.
    pub text: String,
    /// The name of the label column.
    pub label: String,
    /// The name of the column that says which rows belong together, where there is one. An empty cell is no group.
    pub group: Option<String>,
    /// The encoding of a file without a byte-order mark; UTF-8 when not given.
    pub encoding: Option<String>,
    /// Whether a double quote at the start of a field quotes it (CSV and TSV).
    pub quotes: bool,
    /// The other columns that its rows are to carry with them.
    pub fields: Columns,
}

impl Source {
    /// A file with the usual columns, `text` and `label`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let (text, label) = ("text".to_owned(), "label".to_owned());
        Self {
            path: path.into(),
            format: None,
            text,
            label,
            group: None,
            encoding: None,
            quotes: true,
            fields: Columns::None,
        }
    }

    /// The given format, else the one the extension tells.
    pub fn format(&self) -> Result<Format, DataError> {
        let extension = self.path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match (self.format, extension.as_deref()) {
            (Some(format), _) => Ok(format),
            (None, Some("csv")) => Ok(Format::Csv),
            (None, Some("tsv" | "tab")) => Ok(Format::Tsv),
            (None, Some("jsonl" | "ndjson")) => Ok(Format::Jsonl),
            _ => Err(DataError::UnknownFormat(self.path.clone())),
        }
    }

    /// Opens the file for reading row by row.
    pub fn rows(&self) -> Result<Rows, DataError> {
        Rows::open(self)
    }

    /// Reads the whole file, as training needs it.
    ///
    /// Without `labels`, the label set is what the file holds, in byte order, so that it does not depend on the
    /// order of the rows. All bad rows are reported together; a file without rows is an error.
    pub fn load(&self, labels: Option<&LabelSet>) -> Result<Dataset, DataError> {
        let mut rows = Vec::new();
        let sha256 = self.read_all(labels, |row| rows.push(row))?;
        let labels = match labels {
            Some(labels) => labels.clone(),
            None => {
                let names: BTreeSet<&str> = rows.iter().map(|row| row.label.as_str()).collect();
                let names = names.into_iter().map(str::to_owned).collect();
                LabelSet::new(names).expect("checked rows have printable labels, and a set has each once")
            }
        };
        let mut seen = HashMap::new();
        let examples = rows.into_iter().map(|row| {
            let label = labels.get(&row.label).expect("every label is from these rows or was checked");
            let repetition = seen.entry(ExampleId::of(&row.text, &row.label, 0)).or_insert(0);
            let id = ExampleId::of(&row.text, &row.label, *repetition);
            *repetition += 1;
            Example::of_row(row, id, label)
        });
        Ok(Dataset { examples: examples.collect(), labels, sha256 })
    }

    /// Reads the file once to check every row, and keeps none: what is returned reads it again.
    ///
    /// A label outside `labels` is a bad row.
    pub fn check(&self, labels: &LabelSet) -> Result<TestSet, DataError> {
        let mut ids = Vec::new();
        let sha256 = self.read_all(Some(labels), |row| ids.push(ExampleId::of(&row.text, &row.label, 0)))?;
        let len = ids.len();
        ids.sort_unstable();
        let repeated = ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        Ok(TestSet { source: self.clone(), labels: labels.clone(), len, repeated, sample: None, sha256 })
    }

    /// Gives every row to `look`, the bad ones as faults.
    pub(crate) fn each_row(&self, mut look: impl FnMut(Result<Row, Fault>)) -> Result<(), DataError> {
        let mut rows = self.rows()?;
        while let Some(row) = rows.next_row()? {
            look(row);
        }
        Ok(())
    }

    /// Gives every row to `keep`, or reports all the bad ones. Returns the SHA-256 of the file.
    pub(crate) fn read_all(
        &self,
        labels: Option<&LabelSet>,
        mut keep: impl FnMut(Row),
    ) -> Result<String, DataError> {
        let mut rows = self.rows()?;
        let mut faults = Vec::new();
        let mut empty = true;
        while let Some(row) = rows.next_row()? {
            empty = false;
            match row {
                Ok(row) if labels.is_some_and(|labels| labels.get(&row.label).is_none()) => {
                    faults.push(Fault { line: row.line, reason: Reason::UnknownLabel(row.label) });
                }
                // Once something is wrong, reading goes on only to find what else is.
                Ok(row) if faults.is_empty() => keep(row),
                Ok(_) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(DataError::Rows { path: self.path.clone(), faults });
        }
        if empty { Err(DataError::Empty(self.path.clone())) } else { Ok(rows.finish()) }
    }
}
