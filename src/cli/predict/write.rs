//! Labelled texts as they are written: all columns that were there, and those of the answer.

use std::io::{IsTerminal, Write};
use std::path::Path;

use tunebench_data::{Cells, Reason, RowError, TableRow};

use super::{OutputFormat, named};
use crate::cli::output::Printer;
use crate::error::Error;
use crate::guard;
use crate::whole_file::WholeFile;

const OTHER_NAMES: &str = "give the new ones another name with `--prefix TEXT`";

/// What is added to each row.
const ADDED: [&str; 4] = ["prediction", "probability", "outcome", "detail"];

/// What is added to a row.
pub(super) struct Added<'a> {
    /// The label, where there is one.
    pub(super) label: Option<&'a str>,
    pub(super) probability: Option<f32>,
    pub(super) outcome: &'static str,
    /// Why there is no label; empty where the outcome says all.
    pub(super) detail: &'static str,
}

/// A value that stood in the row.
pub(super) enum Value<'a> {
    Text(&'a str),
    /// JSON, as it is spelt.
    Raw(&'a str),
}

/// Writes rows in one format. What is ready goes to the bytes that the caller hands on.
pub(super) enum Writer {
    Text(TextWriter),
    #[cfg(feature = "parquet")]
    Parquet(Box<super::parquet::ParquetWriter>),
}

impl Writer {
    /// For rows with these columns, none where each row has its own. `parquet` is the file that they are read from, if it is
    /// such a file.
    pub(super) fn new(
        format: OutputFormat,
        prefix: &str,
        columns: &[String],
        parquet: Option<&Path>,
    ) -> Result<Self, Error> {
        let added = ADDED.map(|name| format!("{prefix}{name}"));
        if let Some(taken) = columns.iter().find(|name| added.contains(name)) {
            return Err(Error::Output {
                message: format!("there is a column `{taken}` already"),
                hint: OTHER_NAMES.to_owned(),
            });
        }
        #[cfg(feature = "parquet")]
        if format == OutputFormat::Parquet {
            use super::parquet::ParquetWriter;
            let writer = match parquet {
                Some(path) => ParquetWriter::beside(path, added).map_err(|error| Error::Output {
                    message: error.to_string(),
                    hint: OTHER_NAMES.to_owned(),
                })?,
                None => ParquetWriter::of_text(columns, added),
            };
            return Ok(Self::Parquet(Box::new(writer)));
        }
        let _ = parquet;
        Ok(Self::Text(TextWriter::new(format, added, columns)))
    }

    /// Adds a row to `bytes`. A fault says what can't be written in this format.
    pub(super) fn row(
        &mut self,
        bytes: &mut Vec<u8>,
        row: &TableRow,
        added: &Added<'_>,
    ) -> Result<(), RowError> {
        match self {
            Self::Text(writer) => writer.row(bytes, row, added),
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer
                .row(bytes, row, added)
                .map_err(|error| RowError { line: row.line, reason: Reason::Json(error.to_string()) }),
        }
    }

    /// What comes after the last row.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        match self {
            // Even a table without rows has a header.
            Self::Text(mut writer) => Ok(writer.header()),
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.finish().map_err(|error| Error::Output {
                message: format!("the Parquet file can't be finished: {error}"),
                hint: "write another format: `--format csv`".to_owned(),
            }),
        }
    }
}

/// Writes rows as text.
pub(super) struct TextWriter {
    format: OutputFormat,
    added: [String; 4],
    /// The columns that are written, once they are known; those of JSONL are told by its first row.
    columns: Option<Vec<String>>,
    begun: bool,
}

impl TextWriter {
    fn new(format: OutputFormat, added: [String; 4], columns: &[String]) -> Self {
        let columns = (!columns.is_empty()).then(|| columns.to_vec());
        Self { format, added, columns, begun: false }
    }

    /// The header, if the format has one, and it is known and not yet written.
    fn header(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let (Some(columns), Some(delimiter)) = (&self.columns, self.delimiter())
            && !std::mem::replace(&mut self.begun, true)
        {
            record(&mut bytes, delimiter, columns.iter().chain(&self.added).map(String::as_str));
        }
        bytes
    }

    fn row(&mut self, bytes: &mut Vec<u8>, row: &TableRow, added: &Added<'_>) -> Result<(), RowError> {
        let fault = |text: String| RowError { line: row.line, reason: Reason::Json(text) };
        if let Cells::Members(members) = &row.cells {
            if let Some((taken, _)) = members.iter().find(|(name, _)| self.added.contains(name)) {
                return Err(fault(format!(
                    "there is a member `{taken}` already; give the new ones another name with `--prefix TEXT`"
                )));
            }
            self.columns.get_or_insert_with(|| members.iter().map(|(name, _)| name.clone()).collect());
        }
        let columns = self.columns.as_deref().unwrap_or_default();
        let values = named(columns, &row.cells);
        let Some(delimiter) = self.delimiter() else {
            self.object(bytes, &values, added);
            return Ok(());
        };
        if let Some((unknown, _)) =
            values.iter().find(|(name, _)| columns.iter().all(|column| column != name))
        {
            return Err(fault(format!(
                "the first row has no member `{unknown}`, so there is no column for it; write `--format jsonl`"
            )));
        }
        let named = |column: &String| {
            let value = values.iter().rev().find(|(name, _)| name == column);
            value.map_or_else(String::new, |(_, value)| value.cell())
        };
        let cells: Vec<String> = match &row.cells {
            // Columns may have no name, or that of another.
            Cells::Fields(fields) => fields.clone(),
            Cells::Members(_) => columns.iter().map(named).collect(),
        };
        let probability = added.probability.map(|p| p.to_string()).unwrap_or_default();
        let answer = [added.label.unwrap_or_default(), &probability, added.outcome, added.detail];
        bytes.extend(self.header());
        record(bytes, delimiter, cells.iter().map(String::as_str).chain(answer));
        Ok(())
    }

    fn delimiter(&self) -> Option<u8> {
        match self.format {
            OutputFormat::Csv => Some(b','),
            OutputFormat::Tsv => Some(b'\t'),
            _ => None,
        }
    }

    fn object(&self, bytes: &mut Vec<u8>, values: &[(&str, Value<'_>)], added: &Added<'_>) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
        let answer = [
            or_null(added.label.map(text)),
            or_null(added.probability.map(|p| p.to_string())),
            text(added.outcome),
            or_null(Some(added.detail).filter(|detail| !detail.is_empty()).map(text)),
        ];
        let old = values.iter().map(|(name, value)| (*name, value.json()));
        let new = self.added.iter().map(String::as_str).zip(answer);
        for (i, (name, value)) in old.chain(new).enumerate() {
            bytes.extend(if i == 0 { b"{" } else { b"," });
            bytes.extend(text(name).bytes().chain(*b":").chain(value.bytes()));
        }
        bytes.extend(b"}\n");
    }
}

impl Value<'_> {
    fn json(&self) -> String {
        match self {
            Self::Text(text) => serde_json::Value::from(*text).to_string(),
            Self::Raw(raw) => (*raw).to_owned(),
        }
    }

    pub(super) fn cell(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Raw("null") => String::new(),
            Self::Raw(raw) => serde_json::from_str(raw).unwrap_or_else(|_| (*raw).to_owned()),
        }
    }
}

fn record<'a>(bytes: &mut Vec<u8>, delimiter: u8, cells: impl Iterator<Item = &'a str>) {
    let mut csv = csv::WriterBuilder::new().delimiter(delimiter).from_writer(bytes);
    csv.write_record(cells).and_then(|()| Ok(csv.flush()?)).expect("memory takes every record");
}

/// Where rows go.
pub(super) enum Sink {
    Stdout(Printer),
    File(WholeFile),
}

impl Sink {
    /// Opens the file, or else stdout. What is read is never written over.
    pub(super) fn open(path: Option<&Path>, read: &Path, printer: Printer) -> Result<Self, Error> {
        let Some(path) = path else { return Ok(Self::Stdout(printer)) };
        guard::refuse_overwrite([read].into_iter(), [&path.to_owned()])?;
        let file = WholeFile::create(path).map_err(|error| Error::Output {
            message: format!("`{}` can't be written: {error}", path.display()),
            hint: "name another file with `--output FILE`".to_owned(),
        })?;
        Ok(Self::File(file))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            // A text must not move the cursor of whoever looks at it.
            Self::Stdout(printer) if std::io::stdout().is_terminal() => {
                let shown = String::from_utf8_lossy(bytes);
                let harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
                printer.document(shown.chars().filter(|c| harmless(*c)).collect::<String>().as_bytes())
            }
            Self::Stdout(printer) => printer.document(bytes),
            Self::File(file) => Ok(file.file().write_all(bytes)?),
        }
    }

    /// Puts the file in its place, if it is worth to be kept.
    pub(super) fn close(self, keep: bool) -> Result<(), Error> {
        match self {
            Self::File(file) if keep => Ok(file.finish()?),
            _ => Ok(()),
        }
    }
}
