//! Raw rows of a file, one after the other: CSV, TSV and JSONL.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::encoding;
use crate::fault::{DataError, Fault, HeaderFault, Reason};
use crate::fields::{Columns, Fields, SharedNames};
use crate::hashed::Hashed;
use crate::scan::Scanner;
use crate::source::{Format, Source};
use crate::table;

/// The bytes of a file as UTF-8, their fingerprint taken on the way.
type Input = encoding::Utf8<Hashed<File>>;

/// One row, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Where the row begins, from 1, the header included.
    pub line: u64,
    /// The text, untouched.
    pub text: String,
    /// The label, without outer white space.
    pub label: String,
    /// The group, without outer white space; never empty.
    pub group: Option<String>,
    /// The other columns that [`Source::fields`] asks for.
    pub fields: Fields,
}

impl Row {
    /// A row without a group and other columns.
    pub fn new(line: u64, text: impl Into<String>, label: impl Into<String>) -> Self {
        Self { line, text: text.into(), label: label.into(), group: None, fields: Fields::default() }
    }
}

/// The rows of a file, read as they are asked for. Bad rows come as faults, and reading goes on behind them.
pub struct Rows {
    reader: Reader,
}

enum Reader {
    Delimited(Delimited),
    Json(JsonLines),
}

impl Rows {
    pub(crate) fn open(source: &Source) -> Result<Self, DataError> {
        let path = &source.path;
        let format = source.format()?;
        let fallback = match &source.encoding {
            Some(name) => {
                Some(encoding::named(name).ok_or_else(|| DataError::UnknownEncoding(name.clone()))?)
            }
            None => None,
        };
        let file = File::open(path).map_err(DataError::io(path))?;
        let input = encoding::decode(Hashed::new(file), fallback).map_err(DataError::io(path))?;
        let reader = match format {
            Format::Csv => Reader::Delimited(Delimited::open(source, input, b',')?),
            Format::Tsv => Reader::Delimited(Delimited::open(source, input, b'\t')?),
            Format::Jsonl => Reader::Json(JsonLines::open(source, input)),
        };
        Ok(Self { reader })
    }

    /// The next row. The outer error ends the reading; a fault concerns one row only.
    pub fn next_row(&mut self) -> Result<Option<Result<Row, Fault>>, DataError> {
        let raw = match &mut self.reader {
            Reader::Delimited(reader) => reader.next()?,
            Reader::Json(reader) => reader.next()?,
        };
        Ok(raw.map(|row| row.and_then(checked)))
    }

    /// After the last row: the SHA-256 of the file's bytes.
    pub(crate) fn finish(self) -> String {
        let input = match self.reader {
            Reader::Delimited(reader) => reader.csv.into_inner().into_inner(),
            Reader::Json(reader) => reader.input.into_inner(),
        };
        input.into_inner().into_hex()
    }
}

/// What holds for a row of any format.
fn checked(row: Row) -> Result<Row, Fault> {
    let reason = if row.text.trim().is_empty() {
        Reason::EmptyText
    } else if row.label.is_empty() {
        Reason::EmptyLabel
    } else if row.label.chars().any(char::is_control) {
        Reason::UnprintableLabel(row.label)
    } else {
        return Ok(row);
    };
    Err(Fault { line: row.line, reason })
}

struct Delimited {
    path: PathBuf,
    csv: csv::Reader<Scanner<Input>>,
    record: csv::ByteRecord,
    columns: usize,
    text: usize,
    label: usize,
    group: Option<usize>,
    /// The other columns that are kept, and their names.
    kept: Vec<usize>,
    kept_names: Arc<[String]>,
}

impl Delimited {
    fn open(source: &Source, input: Input, delimiter: u8) -> Result<Self, DataError> {
        let path = source.path.clone();
        let mut csv = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(source.quotes)
            .has_headers(false)
            .flexible(true)
            .from_reader(Scanner::new(input, delimiter, source.quotes));
        let (names, line) = header(&path, &mut csv)?;
        let fault = |reason| DataError::Header { path: path.clone(), line, reason };
        let column = |wanted: &str| {
            let missing = || HeaderFault::Missing { wanted: wanted.to_owned(), found: names.clone() };
            names.iter().position(|name| name == wanted).ok_or_else(|| fault(missing()))
        };
        let (text, label) = (column(&source.text)?, column(&source.label)?);
        let group = source.group.as_deref().map(column).transpose()?;
        let kept: Vec<usize> = match &source.fields {
            Columns::None => Vec::new(),
            Columns::Named(wanted) => wanted.iter().map(|name| column(name)).collect::<Result<_, _>>()?,
            Columns::All => (0..names.len()).filter(|at| ![text, label].contains(at)).collect(),
        };
        Ok(Self {
            columns: names.len(),
            kept_names: kept.iter().map(|&at| names[at].clone()).collect(),
            path,
            csv,
            record: csv::ByteRecord::new(),
            text,
            label,
            group,
            kept,
        })
    }

    fn next(&mut self) -> Result<Option<Result<Row, Fault>>, DataError> {
        if !read(&self.path, &mut self.csv, &mut self.record)? {
            return Ok(None);
        }
        let (line, quote) = self.csv.get_mut().next_start();
        Ok(Some(match quote {
            Some(quote) => Err(Fault { line, reason: Reason::Quote(quote) }),
            None => self.row(line),
        }))
    }

    fn row(&self, line: u64) -> Result<Row, Fault> {
        let fault = |reason| Fault { line, reason };
        if self.record.len() != self.columns {
            return Err(fault(Reason::Ragged { expected: self.columns, found: self.record.len() }));
        }
        let field = |i: usize| std::str::from_utf8(&self.record[i]).map_err(|_| fault(Reason::Bytes));
        let group = self.group.map(field).transpose()?.map(str::trim).filter(|group| !group.is_empty());
        let kept = self.kept.iter().map(|&at| field(at).map(str::to_owned)).collect::<Result<_, _>>()?;
        Ok(Row {
            line,
            text: field(self.text)?.to_owned(),
            label: field(self.label)?.trim().to_owned(),
            group: group.map(str::to_owned),
            fields: Fields::new(Arc::clone(&self.kept_names), kept),
        })
    }
}

/// The names of the columns, each once, and the line in which they stand.
pub(crate) fn header<R: Read>(
    path: &Path,
    csv: &mut csv::Reader<Scanner<R>>,
) -> Result<(Vec<String>, u64), DataError> {
    let mut record = csv::ByteRecord::new();
    if !read(path, csv, &mut record)? {
        return Err(DataError::Empty(path.to_owned()));
    }
    let (line, quote) = csv.get_mut().next_start();
    let fault = |reason| DataError::Header { path: path.to_owned(), line, reason };
    if let Some(quote) = quote {
        return Err(fault(HeaderFault::Quote(quote)));
    }
    let names = csv::StringRecord::from_byte_record(record).map_err(|_| fault(HeaderFault::Bytes))?;
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    match names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        Some((_, twice)) => Err(fault(HeaderFault::Duplicate(twice.clone()))),
        None => Ok((names, line)),
    }
}

fn read<R: Read>(
    path: &Path,
    csv: &mut csv::Reader<Scanner<R>>,
    record: &mut csv::ByteRecord,
) -> Result<bool, DataError> {
    csv.read_byte_record(record).map_err(|error| DataError::io(path)(error.into()))
}

struct JsonLines {
    path: PathBuf,
    input: BufReader<Input>,
    text: String,
    label: String,
    group: Option<String>,
    fields: Columns,
    names: SharedNames,
    line: u64,
    buffer: Vec<u8>,
}

impl JsonLines {
    fn open(source: &Source, input: Input) -> Self {
        Self {
            path: source.path.clone(),
            input: BufReader::new(input),
            text: source.text.clone(),
            label: source.label.clone(),
            group: source.group.clone(),
            fields: source.fields.clone(),
            names: SharedNames::default(),
            line: 0,
            buffer: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Option<Result<Row, Fault>>, DataError> {
        loop {
            self.buffer.clear();
            let n = self.input.read_until(b'\n', &mut self.buffer).map_err(DataError::io(&self.path))?;
            if n == 0 {
                return Ok(None);
            }
            self.line += 1;
            if !self.buffer.trim_ascii().is_empty() {
                let line = self.line;
                return Ok(Some(self.row().map_err(|reason| Fault { line, reason })));
            }
        }
    }

    fn row(&mut self) -> Result<Row, Reason> {
        let text = std::str::from_utf8(&self.buffer).map_err(|_| Reason::Bytes)?;
        let object: serde_json::Map<String, Value> =
            serde_json::from_str(text).map_err(|error| Reason::Json(format!("no JSON object: {error}")))?;
        let member = |name: &str| object.get(name).ok_or_else(|| table::no_member(name));
        let Value::String(text) = member(&self.text)? else {
            return Err(Reason::Json(format!("`{}` is no string", self.text)));
        };
        // Numbered classes and groups are common, and a number has one spelling only.
        let name = |name: &str| match member(name)? {
            Value::String(value) => Ok(value.trim().to_owned()),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(value.to_string()),
            _ => Err(Reason::Json(format!("`{name}` is no string or number"))),
        };
        let label = name(&self.label)?;
        let group = match &self.group {
            Some(group) if !member(group)?.is_null() => Some(name(group)?).filter(|group| !group.is_empty()),
            _ => None,
        };
        let text = text.clone();
        Ok(Row { line: self.line, text, label, group, fields: self.fields()? })
    }

    /// The members that are kept, in the order of the line or of the names that were asked for.
    fn fields(&mut self) -> Result<Fields, Reason> {
        if self.fields == Columns::None {
            return Ok(Fields::default());
        }
        let members = table::members(&self.buffer)?;
        let value = |name: &str| {
            let value = members.iter().rev().find(|(member, _)| member == name);
            let (_, value) = value.ok_or_else(|| table::no_member(name))?;
            Ok(table::spelt(value))
        };
        match &self.fields {
            Columns::Named(wanted) => {
                let values: Vec<String> = wanted.iter().map(|name| value(name)).collect::<Result<_, _>>()?;
                Ok(self.names.fields(wanted.iter().map(String::as_str).zip(values)))
            }
            _ => {
                let others = members.iter().filter(|(name, _)| *name != self.text && *name != self.label);
                Ok(self.names.fields(others.map(|(name, value)| (name.as_str(), table::spelt(value)))))
            }
        }
    }
}
