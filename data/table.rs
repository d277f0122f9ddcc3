//! Rows of any columns, labelled or not, as they stand in a file or come through a pipe.
//!
//! This is the one reader of all formats: what differs between them ends here. A row is fields under a header, or a JSON
//! object.

mod fields;
mod header;

use std::borrow::Cow;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use serde_json::value::RawValue;

use crate::error::{DataError, HeaderFault, Reason, RowError};
use crate::format::Format;
use crate::input::Input;
use crate::json::{self, Object, spelt};
use crate::records::{Record, Records};
pub(crate) use fields::{FieldBuffer, FieldReader};
pub(crate) use header::DELIMITERS;
use header::Header;

/// Where a table comes from, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSource {
    /// The file, or how messages name what is no file.
    pub path: PathBuf,
    /// How its rows are written, where its content and its name do not tell.
    pub format: Option<Format>,
    /// What parts the fields, where the header does not tell (CSV and TSV).
    pub delimiter: Option<char>,
    /// Whether the first row names the columns (CSV and TSV); without, they are named by their numbers from 1.
    pub header: bool,
    /// The encoding where there is no byte-order mark; UTF-8 when not given.
    pub encoding: Option<String>,
    /// Whether a double quote at the start of a field quotes it (CSV and TSV).
    pub quotes: bool,
    /// Columns that are needed: what parts the fields is told by the header that has them.
    pub wanted: Vec<String>,
}

impl TableSource {
    /// A UTF-8 file with the usual quotes and a header.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            delimiter: None,
            header: true,
            encoding: None,
            quotes: true,
            wanted: Vec::new(),
        }
    }

    /// Opens the file.
    pub fn open(&self) -> Result<Table, DataError> {
        self.table(Input::open(&self.path, self.encoding.as_deref())?)
    }

    /// Reads what comes from elsewhere, such as a pipe.
    pub fn read(&self, bytes: Box<dyn Read + Send>) -> Result<Table, DataError> {
        self.table(Input::new(&self.path, bytes, self.encoding.as_deref())?)
    }

    fn table(&self, input: Input) -> Result<Table, DataError> {
        let named = Format::of_name(&self.path);
        let recognised = Format::recognise(input.head(), self.format, named);
        let format = match input.table() {
            Some(_) => Some(Format::Jsonl),
            // A text without a known name may be a table, if its header says so.
            None => recognised.filter(|format| *format != Format::Lines || self.format.is_some()),
        };
        let header = match format {
            None | Some(Format::Csv | Format::Tsv) => header::find(self, format, input.head())?,
            _ => None,
        };
        let written = match (&header, format.or(recognised)) {
            (Some(header), _) if header.delimiter == b'\t' => Format::Tsv,
            (Some(_), _) => Format::Csv,
            (None, Some(format)) => format,
            (None, None) => return Err(DataError::UnknownFormat(self.path.clone())),
        };
        Table::new(self, input, written, header)
    }
}

/// One row of a table, with all its cells.
#[derive(Debug, Clone)]
pub struct TableRow {
    /// Where it begins, from 1, the header included.
    pub line: u64,
    /// What it holds.
    pub cells: Cells,
}

/// The cells of a row.
#[derive(Debug, Clone)]
pub enum Cells {
    /// One for each of [`Table::columns`].
    Fields(Vec<String>),
    /// The members of a JSON object, in their order, each value as it is spelt.
    Members(Vec<(String, Box<RawValue>)>),
}

/// The rows of a [`TableSource`], read as they are asked for. Bad rows come as faults, and reading goes on behind them.
pub struct Table {
    path: PathBuf,
    format: Format,
    records: Records,
    record: Record,
    fields: FieldReader,
    columns: Vec<String>,
    delimiter: u8,
    /// The bytes of the header.
    head: Vec<u8>,
    header_line: u64,
}

/// The line in which a row begins, and the row.
pub(crate) type ReadRow<'a> = (u64, Result<View<'a>, Reason>);

/// A row that lies in the table's buffers.
pub(crate) enum View<'a> {
    Fields(&'a FieldBuffer),
    Object(Object<'a>),
}

impl Table {
    fn new(
        source: &TableSource,
        mut input: Input,
        format: Format,
        header: Option<Header>,
    ) -> Result<Self, DataError> {
        let path = source.path.clone();
        let delimiter = header.as_ref().map_or(b',', |header| header.delimiter);
        let skipped = header.as_ref().map_or(0, |header| header.skipped);
        // The line that only says what parts the fields.
        let mut head = vec![0; skipped];
        input.read_exact(&mut head).map_err(DataError::io(&path))?;
        let input = BufReader::with_capacity(64 * 1024, input);
        let line = 1 + u64::from(skipped > 0);
        let mut table = Self {
            records: Records::new(input, format, delimiter, source.quotes, line),
            path,
            format,
            record: Record::default(),
            fields: FieldReader::new(format, delimiter, source.quotes),
            columns: Vec::new(),
            delimiter,
            head,
            header_line: 1,
        };
        match header {
            None => table.columns = fields::columns(format),
            Some(header) if source.header => table.read_header(&header)?,
            Some(header) => table.columns = (1..=header.columns).map(|number| number.to_string()).collect(),
        }
        Ok(table)
    }

    fn read_header(&mut self, header: &Header) -> Result<(), DataError> {
        if !self.records.read(&mut self.record).map_err(DataError::io(&self.path))? {
            return Err(DataError::Empty(self.path.clone()));
        }
        self.header_line = self.record.line;
        let fault = |reason| DataError::Header { path: self.path.clone(), line: self.record.line, reason };
        if let Some(quote) = self.record.quote {
            return Err(fault(HeaderFault::Quote(quote)));
        }
        let names = self.fields.read(&self.record.bytes).map_err(|_| fault(HeaderFault::Bytes))?;
        self.columns = header::names(names).map_err(|_| fault(HeaderFault::Bytes))?;
        debug_assert!(self.columns.len() >= header.columns.min(1));
        self.fields.keep_header();
        self.head.extend_from_slice(&self.record.bytes);
        Ok(())
    }

    /// How the rows are written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The names of the columns, as they stand in the header; none for JSON, where each row has its own.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where the column of this name is; for JSON the name alone, which only a row can lack.
    pub fn column(&self, name: &str) -> Result<Column, DataError> {
        if self.is_json() {
            return Ok(Column::Member(name.to_owned()));
        }
        let mut positions = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        let reason = match (positions.next(), positions.next()) {
            (Some((position, _)), None) => return Ok(Column::Field(position)),
            (Some(_), Some(_)) => HeaderFault::Duplicate(name.to_owned()),
            (None, _) if self.columns.first().is_some_and(|first| first == "1") && self.head.is_empty() => {
                HeaderFault::NoNumber { wanted: name.to_owned(), columns: self.columns.len() }
            }
            (None, _) => HeaderFault::Missing { wanted: name.to_owned(), found: self.columns.clone() },
        };
        Err(DataError::Header { path: self.path.clone(), line: self.header_line, reason })
    }

    fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Reads the next row, with the line in which it begins.
    pub(crate) fn read(&mut self) -> Result<Option<ReadRow<'_>>, DataError> {
        loop {
            if !self.records.read(&mut self.record).map_err(DataError::io(&self.path))? {
                return Ok(None);
            }
            if !self.is_json() || !self.record.bytes.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.record.line;
        if let Some(quote) = self.record.quote {
            return Ok(Some((line, Err(Reason::Quote(quote)))));
        }
        let view = if self.is_json() {
            object(&mut self.record.bytes).map(View::Object)
        } else {
            self.fields.row(&self.record.bytes, self.columns.len()).map(View::Fields)
        };
        Ok(Some((line, view)))
    }

    /// The next row with all its cells. The outer error ends the reading; a fault concerns one row only.
    pub fn next_row(&mut self) -> Result<Option<Result<TableRow, RowError>>, DataError> {
        let Some((line, view)) = self.read()? else { return Ok(None) };
        let cells = view.and_then(|view| match view {
            View::Fields(fields) => fields.all().map(Cells::Fields),
            View::Object(object) => {
                let members = object.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                Ok(Cells::Members(members.collect()))
            }
        });
        Ok(Some(cells.map(|cells| TableRow { line, cells }).map_err(|reason| RowError { line, reason })))
    }

    /// After the last row: the SHA-256 of the file's bytes.
    pub(crate) fn into_hex(self) -> Result<String, DataError> {
        self.records.into_hex().map_err(DataError::io(&self.path))
    }

    /// What the records need to be copied: the rest of them, the bytes before the first, and what parts fields.
    pub(crate) fn into_records(self) -> (Records, Vec<u8>, u8) {
        (self.records, self.head, self.delimiter)
    }
}

/// A row of JSON; numbers that only Python writes are taken for `null`.
fn object(bytes: &mut Vec<u8>) -> Result<Object<'_>, Reason> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && Object::parse(text).is_err()
        && let Some(clean) = json::without_nonfinite(text)
    {
        *bytes = clean.into_bytes();
    }
    Object::parse(std::str::from_utf8(bytes).map_err(|_| Reason::Bytes)?)
}

/// Where in a row a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// In the field of this number, from 0.
    Field(usize),
    /// In the member of this name, or at the end of this path.
    Member(String),
}

impl View<'_> {
    /// The text in a column, which must be a string.
    pub(crate) fn text(&self, column: &Column) -> Result<Cow<'_, str>, Reason> {
        match (self, column) {
            (Self::Object(object), Column::Member(name)) => {
                let value = json::locate(object, name)?;
                if value.get() == "null" {
                    return Ok(Cow::Borrowed(""));
                }
                serde_json::from_str(value.get())
                    .map(Cow::Owned)
                    .map_err(|_| Reason::Json(format!("`{name}` must be a string")))
            }
            _ => self.cell(column),
        }
    }

    /// The label in a column.
    pub(crate) fn label(&self, column: &Column) -> Result<String, Reason> {
        match (self, column) {
            (Self::Object(object), Column::Member(name)) => {
                json::from_value(name, json::locate(object, name)?)
            }
            _ => json::from_cell(&self.cell(column)?),
        }
    }

    /// Any value in a column: a string, or JSON as it is spelt.
    pub(crate) fn cell(&self, column: &Column) -> Result<Cow<'_, str>, Reason> {
        match (self, column) {
            (Self::Fields(fields), Column::Field(at)) => fields.get(*at).map(Cow::Borrowed),
            (Self::Object(object), Column::Member(name)) => json::locate(object, name).map(spelt),
            _ => Err(Reason::Json("the row has no such column".to_owned())),
        }
    }

    /// Whether an annotator has rejected the row.
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self, Self::Object(object) if json::is_rejected(object))
    }
}

impl TableRow {
    /// The text in a column.
    pub fn text(&self, column: &Column) -> Result<String, RowError> {
        let fault = |reason| RowError { line: self.line, reason };
        match (&self.cells, column) {
            (Cells::Fields(fields), Column::Field(at)) => Ok(fields.get(*at).cloned().unwrap_or_default()),
            (Cells::Members(members), column @ Column::Member(_)) => {
                let members = members.iter().map(|(name, value)| (name.as_str(), &**value));
                let view = View::Object(members.collect());
                view.text(column).map(Cow::into_owned).map_err(fault)
            }
            _ => Err(fault(Reason::Json("the row has no such column".to_owned()))),
        }
    }
}
