//! Rows of any columns, labelled or not, as they stand in a file or come through a pipe.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::encoding::{self, Utf8};
use crate::fault::{DataError, Fault, HeaderFault, Reason};
use crate::rows::header;
use crate::scan::Scanner;
use crate::source::Format;

/// The column of a file that is nothing but texts.
const LINES_COLUMN: &str = "text";

/// How the rows of a table are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// Tab-separated values with a header, quoted as CSV is.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// One text a line, without a header.
    Lines,
}

impl From<Format> for TableFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv,
            Format::Tsv => Self::Tsv,
            Format::Jsonl => Self::Jsonl,
        }
    }
}

impl TableFormat {
    /// The format that a name tells, by its extension.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "txt" => Some(Self::Lines),
            _ => None,
        }
    }
}

/// Where a table comes from, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSource {
    /// The file, or how messages name what is no file.
    pub path: PathBuf,
    /// How its rows are written.
    pub format: TableFormat,
    /// The encoding where there is no byte-order mark; UTF-8 when not given.
    pub encoding: Option<String>,
    /// Whether a double quote at the start of a field quotes it (CSV and TSV).
    pub quotes: bool,
}

impl TableSource {
    /// A UTF-8 file with the usual quotes.
    pub fn new(path: impl Into<PathBuf>, format: TableFormat) -> Self {
        Self { path: path.into(), format, encoding: None, quotes: true }
    }

    /// Opens the file.
    pub fn open(&self) -> Result<Table, DataError> {
        self.read(Box::new(File::open(&self.path).map_err(DataError::io(&self.path))?))
    }

    /// Reads what comes from elsewhere, such as a pipe.
    pub fn read(&self, input: Box<dyn Read + Send>) -> Result<Table, DataError> {
        let fallback = match &self.encoding {
            Some(name) => {
                Some(encoding::named(name).ok_or_else(|| DataError::UnknownEncoding(name.clone()))?)
            }
            None => None,
        };
        let path = self.path.clone();
        let input = encoding::decode(input, fallback).map_err(DataError::io(&path))?;
        let delimiter = match self.format {
            TableFormat::Csv => b',',
            TableFormat::Tsv => b'\t',
            TableFormat::Jsonl => {
                return Ok(Table::of_lines(path, input, Vec::new(), true));
            }
            TableFormat::Lines => {
                return Ok(Table::of_lines(path, input, vec![LINES_COLUMN.to_owned()], false));
            }
        };
        let mut csv = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(self.quotes)
            .has_headers(false)
            .flexible(true)
            .from_reader(Scanner::new(input, delimiter, self.quotes));
        let (columns, _) = header(&path, &mut csv)?;
        let reader = Reader::Delimited { csv, buffer: csv::ByteRecord::new() };
        Ok(Table { path, columns, reader })
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
    columns: Vec<String>,
    reader: Reader,
}

type Input = Utf8<Box<dyn Read + Send>>;

enum Reader {
    Delimited { csv: csv::Reader<Scanner<Input>>, buffer: csv::ByteRecord },
    Lines { input: BufReader<Input>, json: bool, line: u64, buffer: Vec<u8> },
}

impl Table {
    fn of_lines(path: PathBuf, input: Input, columns: Vec<String>, json: bool) -> Self {
        let reader = Reader::Lines { input: BufReader::new(input), json, line: 0, buffer: Vec::new() };
        Self { path, columns, reader }
    }

    /// The names of the columns; none for JSONL, where each row has its own.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where the column of this name is; for JSONL the name alone, which only a row can lack.
    pub fn column(&self, name: &str) -> Result<Column, DataError> {
        if matches!(self.reader, Reader::Lines { json: true, .. }) {
            return Ok(Column::Member(name.to_owned()));
        }
        let position = self.columns.iter().position(|column| column == name);
        position.map(Column::Field).ok_or_else(|| DataError::Header {
            path: self.path.clone(),
            line: 1,
            reason: HeaderFault::Missing { wanted: name.to_owned(), found: self.columns.clone() },
        })
    }

    /// The next row. The outer error ends the reading; a fault concerns one row only.
    pub fn next_row(&mut self) -> Result<Option<Result<TableRow, Fault>>, DataError> {
        match &mut self.reader {
            Reader::Delimited { csv, buffer } => {
                if !csv.read_byte_record(buffer).map_err(|error| DataError::io(&self.path)(error.into()))? {
                    return Ok(None);
                }
                let (line, quote) = csv.get_mut().next_start();
                let cells = match quote {
                    Some(quote) => Err(Reason::Quote(quote)),
                    None => fields(buffer, self.columns.len()),
                };
                Ok(Some(cells.map(|cells| TableRow { line, cells }).map_err(|reason| Fault { line, reason })))
            }
            Reader::Lines { input, json, line, buffer } => loop {
                buffer.clear();
                if input.read_until(b'\n', buffer).map_err(DataError::io(&self.path))? == 0 {
                    return Ok(None);
                }
                *line += 1;
                if *json && buffer.trim_ascii().is_empty() {
                    continue;
                }
                let cells = if *json { members(buffer).map(Cells::Members) } else { whole_line(buffer) };
                let line = *line;
                return Ok(Some(
                    cells.map(|cells| TableRow { line, cells }).map_err(|reason| Fault { line, reason }),
                ));
            },
        }
    }
}

/// Where in a row a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// In the field of this number, from 0.
    Field(usize),
    /// In the member of this name.
    Member(String),
}

impl TableRow {
    /// The text in a column.
    pub fn text(&self, column: &Column) -> Result<String, Fault> {
        let fault = |text: String| Fault { line: self.line, reason: Reason::Json(text) };
        match (&self.cells, column) {
            (Cells::Fields(fields), Column::Field(at)) => Ok(fields.get(*at).cloned().unwrap_or_default()),
            (Cells::Members(members), Column::Member(name)) => {
                let value = members.iter().rev().find(|(member, _)| member == name);
                let (_, value) = value.ok_or_else(|| fault(format!("the object has no member `{name}`")))?;
                serde_json::from_str(value.get()).map_err(|_| fault(format!("`{name}` is no string")))
            }
            _ => Err(fault("the row has no such column".to_owned())),
        }
    }
}

fn fields(record: &csv::ByteRecord, columns: usize) -> Result<Cells, Reason> {
    if record.len() != columns {
        return Err(Reason::Ragged { expected: columns, found: record.len() });
    }
    let field = |field: &[u8]| std::str::from_utf8(field).map(str::to_owned).map_err(|_| Reason::Bytes);
    record.iter().map(field).collect::<Result<_, _>>().map(Cells::Fields)
}

fn whole_line(line: &[u8]) -> Result<Cells, Reason> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| Reason::Bytes)?;
    Ok(Cells::Fields(vec![text.to_owned()]))
}

/// The members of a line of JSON, in their order.
pub(crate) fn members(line: &[u8]) -> Result<Vec<(String, Box<RawValue>)>, Reason> {
    let text = std::str::from_utf8(line).map_err(|_| Reason::Bytes)?;
    let members: Members =
        serde_json::from_str(text).map_err(|error| Reason::Json(format!("no JSON object: {error}")))?;
    Ok(members.0)
}

pub(crate) fn no_member(name: &str) -> Reason {
    Reason::Json(format!("the object has no member `{name}`"))
}

/// A value of JSON as a cell of text: a string without its quotes, `null` as nothing, all else as it is spelt.
pub(crate) fn spelt(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        text => serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
    }
}

/// The members of a JSON object in their order, which a map would lose.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], format: TableFormat) -> Result<Vec<Result<TableRow, Fault>>, DataError> {
        let mut table =
            TableSource::new("stdin", format).read(Box::new(std::io::Cursor::new(bytes.to_vec())))?;
        let mut rows = Vec::new();
        while let Some(row) = table.next_row()? {
            rows.push(row);
        }
        Ok(rows)
    }

    #[test]
    fn rows_keep_all_that_stands_in_them() {
        let rows = read(b"id,text\n7,\"a, b\"\n8\n9,\xFF\n", TableFormat::Csv).unwrap();
        assert!(matches!(&rows[0], Ok(TableRow { line: 2, cells: Cells::Fields(f) }) if f == &["7", "a, b"]));
        assert_eq!(rows[1].as_ref().unwrap_err().reason, Reason::Ragged { expected: 2, found: 1 });
        assert_eq!(rows[2].as_ref().unwrap_err(), &Fault { line: 4, reason: Reason::Bytes });

        let rows = read(b"{\"z\":1.50,\"text\":\"\\u0061\",\"a\":null}\n\n[]\n", TableFormat::Jsonl).unwrap();
        let Ok(row) = &rows[0] else { panic!("{rows:?}") };
        let Cells::Members(members) = &row.cells else { panic!("{row:?}") };
        let spelt: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
        assert_eq!(spelt, [("z", "1.50"), ("text", "\"\\u0061\""), ("a", "null")]);
        assert_eq!(row.text(&Column::Member("text".into())).unwrap(), "a");
        assert!(row.text(&Column::Member("z".into())).is_err());
        assert_eq!(rows[1].as_ref().unwrap_err().line, 3);

        let rows = read(b"one\r\n\ntwo", TableFormat::Lines).unwrap();
        let texts: Vec<_> =
            rows.iter().map(|row| row.as_ref().unwrap().text(&Column::Field(0)).unwrap()).collect();
        assert_eq!(texts, ["one", "", "two"]);
    }

    #[test]
    fn quotes_that_swallow_rows_are_told_once() {
        let rows = read(b"text\n\"a\nb\n", TableFormat::Csv).unwrap();
        let faults: Vec<_> = rows.iter().filter_map(|row| row.as_ref().err()).collect();
        assert_eq!(faults.len(), 1, "{rows:?}");
        assert_eq!(faults[0].line, 2);
    }

    proptest! {
        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>) {
            for format in [TableFormat::Csv, TableFormat::Tsv, TableFormat::Jsonl, TableFormat::Lines] {
                let _ = read(&bytes, format);
            }
        }
    }
}
