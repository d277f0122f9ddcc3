//! A data file and how to read it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::dataset::{Dataset, TestSet};
use crate::error::{DataError, HeaderFault, Reason, RowError};
use crate::format::Format;
use crate::rows::{Row, Rows};
use crate::several;
use crate::table::TableSource;
use crate::text_columns::TextColumns;
use crate::{Aliases, Columns, Example, ExampleId, LabelSet};

/// Into how many parts the ids of all rows are sorted to find those that stand twice.
const ID_PARTS: usize = 256;

/// A data file and how to read it.
///
/// [`Source::new`] makes one; what it does not take can be set afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The format; by the file's content and name when not given.
    pub format: Option<Format>,
    /// The name of the text column, or of several.
    pub text: TextColumns,
    /// The name of the label column.
    pub label: String,
    /// The name of the column that says which rows belong together, where there is one. An empty cell is no group.
    pub group: Option<String>,
    /// The encoding of a file without a byte-order mark; UTF-8 when not given.
    pub encoding: Option<String>,
    /// Whether a double quote at the start of a field quotes it (CSV and TSV).
    pub quotes: bool,
    /// What parts the fields, where the header does not tell (CSV and TSV).
    pub delimiter: Option<char>,
    /// Whether the first row names the columns (CSV and TSV); without, they are named by their numbers, from `1`.
    pub header: bool,
    /// Names that labels have in place of those in the file, such as those of numbered classes; where there are any, a
    /// label without one is a bad row.
    pub label_names: BTreeMap<String, String>,
    /// Other spellings of labels, with the labels that they stand for.
    pub aliases: Aliases,
    /// The other columns that its rows are to carry with them.
    pub fields: Columns,
}

impl Source {
    /// A file with the usual columns, `text` and `label`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            text: "text".into(),
            label: "label".to_owned(),
            group: None,
            encoding: None,
            quotes: true,
            delimiter: None,
            header: true,
            label_names: BTreeMap::new(),
            aliases: Aliases::new(),
            fields: Columns::None,
        }
    }

    /// The file as a table of any columns.
    pub fn table(&self) -> TableSource {
        let mut table = TableSource::new(&self.path);
        table.format = self.format;
        table.delimiter = self.delimiter;
        table.header = self.header;
        table.encoding.clone_from(&self.encoding);
        table.quotes = self.quotes;
        table.wanted = self.text.names().iter().chain([&self.label]).cloned().collect();
        table
    }

    /// How a copy of some of the file's rows is read: at `path`, and as a text where the file is packed or no text.
    pub fn copied_to(&self, path: impl Into<PathBuf>) -> Self {
        let format = match self.format {
            Some(Format::Parquet | Format::Xlsx) => None,
            format => format,
        };
        Self { path: path.into(), format, ..self.clone() }
    }

    /// The extension that the name of such a copy is to have.
    pub fn copy_extension(&self) -> String {
        let unpacked = match self.path.extension() {
            Some(packed) if packed == "gz" || packed == "zst" => self.path.file_stem().map(Path::new),
            _ => Some(self.path.as_path()),
        };
        let named =
            unpacked.and_then(Path::extension).map(|extension| extension.to_string_lossy().into_owned());
        match unpacked.and_then(Format::of_name) {
            Some(format @ (Format::Parquet | Format::Xlsx)) => format.extension().to_owned(),
            _ => named.unwrap_or_default(),
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
        let Reading { sha256, left_out } = self.read_all(labels, |row| rows.push(row))?;
        let labels = match labels {
            Some(labels) => labels.clone(),
            None => self.discovered(&rows)?,
        };
        let mut seen = HashMap::new();
        let examples = rows.into_iter().map(|row| {
            let label = labels.get(&row.label).expect("every label is from these rows or was checked");
            let repetition = seen.entry(ExampleId::of(&row.text, &row.label, 0)).or_insert(0);
            let id = ExampleId::of(&row.text, &row.label, *repetition);
            *repetition += 1;
            Example::of_row(row, id, label)
        });
        Ok(Dataset { examples: examples.collect(), labels, left_out, sha256 })
    }

    /// The labels of these rows. A label that is made of others, such as `a|b`, is no label.
    fn discovered(&self, rows: &[Row]) -> Result<LabelSet, DataError> {
        let names: BTreeSet<&str> = rows.iter().map(|row| row.label.as_str()).collect();
        let combined: HashMap<&str, Vec<String>> = names
            .iter()
            .filter_map(|name| Some((*name, several::parts(name, |part| names.contains(part))?)))
            .collect();
        let faults: Vec<RowError> = rows
            .iter()
            .filter_map(|row| {
                let parts = combined.get(row.label.as_str())?;
                Some(RowError { line: row.line, reason: Reason::SeveralLabels(parts.clone()) })
            })
            .collect();
        if !faults.is_empty() {
            return Err(DataError::Rows { path: self.path.clone(), faults });
        }
        let names = names.into_iter().map(str::to_owned).collect();
        Ok(LabelSet::new(names).expect("checked rows have printable labels, and a set has each once"))
    }

    /// Reads the file once to check every row, and keeps none: what is returned reads it again.
    ///
    /// A label outside `labels` is a bad row.
    pub fn check(&self, labels: &LabelSet) -> Result<TestSet, DataError> {
        // In many small parts: once a large piece of memory was given back, glibc keeps what pieces up to that size are given back
        // later, and a million rows would cost twice what they need.
        let mut ids = vec![Vec::new(); ID_PARTS];
        let keep = |row: Row| {
            let id = ExampleId::of(&row.text, &row.label, 0);
            ids[id.0 as usize % ID_PARTS].push(id);
        };
        let Reading { sha256, left_out } = self.read_all(Some(labels), keep)?;
        let len = ids.iter().map(Vec::len).sum();
        let mut repeated = HashSet::new();
        for mut part in ids {
            part.sort_unstable();
            repeated.extend(part.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]));
        }
        Ok(TestSet {
            source: self.clone(),
            labels: labels.clone(),
            len,
            repeated: repeated.into(),
            sample: None,
            left_out,
            sha256,
        })
    }

    /// Gives every row to `look`, the bad ones as faults. Returns how many were left out.
    pub(crate) fn each_row(&self, mut look: impl FnMut(Result<Row, RowError>)) -> Result<u64, DataError> {
        let mut rows = self.rows()?;
        while let Some(row) = rows.next_row()? {
            look(row);
        }
        Ok(rows.left_out())
    }

    /// Gives every row to `keep`, or reports all the bad ones.
    pub(crate) fn read_all(
        &self,
        labels: Option<&LabelSet>,
        mut keep: impl FnMut(Row),
    ) -> Result<Reading, DataError> {
        let mut rows = self.rows()?;
        let mut faults = Vec::new();
        let mut good = false;
        while let Some(row) = rows.next_row()? {
            match row {
                Ok(row) if labels.is_some_and(|labels| labels.get(&row.label).is_none()) => {
                    good = true;
                    faults.push(unknown(row, labels));
                }
                // Once something is wrong, reading goes on only to find what else is.
                Ok(row) => {
                    good = true;
                    if faults.is_empty() {
                        keep(row);
                    }
                }
                Err(fault) => faults.push(fault),
            }
        }
        match faults.as_slice() {
            [] if !good => Err(DataError::Empty(self.path.clone())),
            [] => Ok(Reading { left_out: rows.left_out(), sha256: rows.finish()? }),
            // What no row has is no fault of the rows.
            [RowError { line, reason: Reason::NoMember { wanted, found } }, rest @ ..]
                if !good && rest.iter().all(|fault| matches!(fault.reason, Reason::NoMember { .. })) =>
            {
                let reason = HeaderFault::Missing { wanted: wanted.clone(), found: found.clone() };
                Err(DataError::Header { path: self.path.clone(), line: *line, reason })
            }
            _ => Err(DataError::Rows { path: self.path.clone(), faults }),
        }
    }
}

/// What is known of a file once all its rows have been read.
pub(crate) struct Reading {
    pub(crate) sha256: String,
    /// Rows that an annotator has rejected.
    pub(crate) left_out: u64,
}

/// A row whose label is not among those of the task, or is made of several of them.
pub(crate) fn unknown(row: Row, labels: Option<&LabelSet>) -> RowError {
    let known = |part: &str| labels.is_some_and(|labels| labels.get(part).is_some());
    let reason = match several::parts(&row.label, known) {
        Some(parts) => Reason::SeveralLabels(parts),
        None => Reason::UnknownLabel(row.label),
    };
    RowError { line: row.line, reason }
}
