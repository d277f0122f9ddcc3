//! The records of a file as bytes, to write some of them elsewhere as they are, with all their columns.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

use serde_json::value::RawValue;

use crate::encoding::{self, Utf8};
use crate::fault::DataError;
use crate::scan::{Machine, Step};
use crate::source::{Format, Source};

/// A record with its line end, in UTF-8 unless it was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where it begins, from 1; the same number that its [`Row`](crate::Row) has.
    pub(crate) line: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The records of a file, read as they are asked for. Empty lines belong to the record before them.
pub(crate) struct Records {
    source: Source,
    input: io::Bytes<BufReader<Utf8<File>>>,
    cutter: Cutter,
    /// The record that is being read.
    open: Option<Record>,
}

/// Says where records begin.
enum Cutter {
    Delimited(Machine),
    /// Every line is a record: the line, and whether the next byte is its first.
    Lines(u64, bool),
}

impl Cutter {
    /// The line of the record that begins with this byte, if one does.
    fn step(&mut self, byte: u8) -> Option<u64> {
        match self {
            Self::Delimited(machine) => (machine.step(byte) == Step::Begins).then(|| machine.record_line()),
            Self::Lines(line, first) => {
                let begins = first.then_some(*line);
                *first = byte == b'\n';
                *line += u64::from(*first);
                begins
            }
        }
    }
}

impl Records {
    /// Opens a file, and reads its header.
    pub(crate) fn open(source: &Source) -> Result<(Layout, Self), DataError> {
        let format = source.format()?;
        let cutter = match format.delimiter() {
            Some(delimiter) => Cutter::Delimited(Machine::new(delimiter, source.quotes)),
            None => Cutter::Lines(1, true),
        };
        let fallback = source.encoding.as_deref().and_then(encoding::named);
        let file = File::open(&source.path).map_err(DataError::io(&source.path))?;
        let input = encoding::decode(file, fallback).map_err(DataError::io(&source.path))?;
        let plain = input.is_plain();
        let input = BufReader::new(input).bytes();
        let mut records = Self { source: source.clone(), input, cutter, open: None };
        let header = if format.delimiter().is_some() { records.next()? } else { None };
        Ok((Layout::new(source, format, plain, header), records))
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, DataError> {
        for byte in self.input.by_ref() {
            let byte = byte.map_err(DataError::io(&self.source.path))?;
            if let Some(line) = self.cutter.step(byte) {
                let finished = self.open.replace(Record { line, bytes: vec![byte] });
                if finished.is_some() {
                    return Ok(finished);
                }
            } else if let Some(open) = &mut self.open {
                open.bytes.push(byte);
            }
        }
        Ok(self.open.take())
    }
}

/// What holds for all records of a file.
pub(crate) struct Layout {
    source: Source,
    delimiter: Option<u8>,
    head: Vec<u8>,
    /// The names of the columns; none for JSONL.
    columns: Vec<String>,
    line_end: &'static [u8],
}

impl Layout {
    fn new(source: &Source, format: Format, plain: bool, header: Option<Record>) -> Self {
        let header = header.map(|record| record.bytes).unwrap_or_default();
        let line_end: &[u8] = if header.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        // With a mark, what is written is read as UTF-8, whichever encoding the user has set for the original.
        let head = if plain { Vec::new() } else { b"\xEF\xBB\xBF".to_vec() };
        let columns = Vec::new();
        let mut layout =
            Self { source: source.clone(), delimiter: format.delimiter(), head, columns, line_end };
        let names = layout.fields(&header);
        layout.columns = names.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let mut head = std::mem::take(&mut layout.head);
        head.extend(layout.ended(&header).as_ref());
        layout.head = head;
        layout
    }

    /// What stands before the records: a mark if there was one, and the header.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The record with the line end that the last one of a file may lack.
    pub(crate) fn ended<'a>(&self, record: &'a [u8]) -> Cow<'a, [u8]> {
        if record.is_empty() || record.ends_with(b"\n") || record.ends_with(b"\r") {
            Cow::Borrowed(record)
        } else {
            Cow::Owned([record, self.line_end].concat())
        }
    }

    /// The record with another text or label; nothing else in it is touched, but the quoting of its fields.
    pub(crate) fn edited(&self, record: &[u8], text: Option<&str>, label: Option<&str>) -> Vec<u8> {
        let edits = [(&self.source.text, text), (&self.source.label, label)];
        let edits = edits.into_iter().filter_map(|(column, value)| Some((column.as_str(), value?)));
        match self.delimiter {
            Some(delimiter) => self.edited_fields(record, delimiter, edits),
            None => edited_members(record, edits),
        }
    }

    fn edited_fields<'a>(
        &self,
        record: &[u8],
        delimiter: u8,
        edits: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Vec<u8> {
        let mut fields: Vec<Vec<u8>> = self.fields(record).iter().map(<[u8]>::to_vec).collect();
        for (column, value) in edits {
            let position = self.columns.iter().position(|name| name == column);
            if let Some(field) = position.and_then(|position| fields.get_mut(position)) {
                *field = value.as_bytes().to_vec();
            }
        }
        let style = if self.source.quotes { csv::QuoteStyle::Necessary } else { csv::QuoteStyle::Never };
        let end = if self.line_end == b"\r\n" { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new();
        let mut writer =
            writer.delimiter(delimiter).quote_style(style).terminator(end).from_writer(Vec::new());
        writer.write_byte_record(&fields.into()).expect("memory takes every record");
        writer.into_inner().expect("memory takes every record")
    }

    fn fields(&self, record: &[u8]) -> csv::ByteRecord {
        let mut fields = csv::ByteRecord::new();
        if let Some(delimiter) = self.delimiter {
            let mut reader = csv::ReaderBuilder::new();
            let reader =
                reader.delimiter(delimiter).quoting(self.source.quotes).has_headers(false).flexible(true);
            reader.from_reader(record).read_byte_record(&mut fields).expect("memory can always be read");
        }
        fields
    }
}

/// Replaces the values of members where they stand in a line of JSON; a line that is no object stays as it is.
fn edited_members<'a>(line: &[u8], edits: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let parsed = std::str::from_utf8(line).ok().map(serde_json::from_str::<HashMap<String, &RawValue>>);
    let Some(Ok(members)) = parsed else { return line.to_vec() };
    let mut places: Vec<_> = edits
        .filter_map(|(name, value)| {
            let old = members.get(name)?.get();
            // The value is a part of the line: its address tells where it stands.
            Some((old.as_ptr() as usize - line.as_ptr() as usize, old.len(), serde_json::Value::from(value)))
        })
        .collect();
    places.sort_by_key(|&(start, ..)| std::cmp::Reverse(start));
    let mut edited = line.to_vec();
    for (start, length, value) in places {
        edited.splice(start..start + length, value.to_string().into_bytes());
    }
    edited
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn file(extension: &str, bytes: &[u8]) -> (Source, tempfile::NamedTempFile) {
        let mut file = tempfile::Builder::new().suffix(&format!(".{extension}")).tempfile().unwrap();
        file.write_all(bytes).unwrap();
        (Source::new(file.path()), file)
    }

    fn read(extension: &str, bytes: &[u8]) -> (Vec<u8>, Vec<Record>, Layout) {
        let (source, _file) = file(extension, bytes);
        let (layout, mut records) = Records::open(&source).unwrap();
        let mut all = Vec::new();
        while let Some(record) = records.next().unwrap() {
            all.push(record);
        }
        (layout.head().to_vec(), all, layout)
    }

    fn record(line: u64, bytes: &[u8]) -> Record {
        Record { line, bytes: bytes.to_vec() }
    }

    #[test]
    fn records_keep_their_bytes() {
        let (head, records, layout) = read("csv", b"\n id,text,label\r\n7,\"a\r\nb\",x\r\n\r\n8,c\xFF,y");
        assert_eq!(head, b" id,text,label\r\n");
        assert_eq!(records, [record(3, b"7,\"a\r\nb\",x\r\n\r\n"), record(6, b"8,c\xFF,y")]);
        assert_eq!(&*layout.ended(&records[1].bytes), b"8,c\xFF,y\r\n");
        let (head, records, _) = read("jsonl", b"{\"a\":1}\n\n [2]");
        assert_eq!((head, records.len()), (vec![], 3));
        assert_eq!(records[2], record(3, b" [2]"));
    }

    #[test]
    fn what_is_no_plain_utf8_gets_a_mark() {
        let wide: Vec<u8> = "\u{feff}text,label\né,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (head, records, _) = read("csv", &wide);
        assert_eq!(head, "\u{feff}text,label\n".as_bytes());
        assert_eq!(records[0].bytes, "é,b\n".as_bytes());
    }

    #[test]
    fn an_edit_leaves_the_other_columns_alone() {
        let (_, records, layout) = read("csv", b"id,text,label\n\xFF7,old,x\n");
        assert_eq!(
            layout.edited(&records[0].bytes, Some("new, \"so\""), None),
            b"\xFF7,\"new, \"\"so\"\"\",x\n"
        );
        let line = "{\"n\": 1.50, \"label\" :\"x\", \"text\":\"\\u0001a\", \"é\":[]}\n";
        let (_, records, layout) = read("jsonl", line.as_bytes());
        let edited = layout.edited(&records[0].bytes, Some("a\"b"), Some("y"));
        let expected = "{\"n\": 1.50, \"label\" :\"y\", \"text\":\"a\\\"b\", \"é\":[]}\n";
        assert_eq!(String::from_utf8(edited).unwrap(), expected);
    }

    proptest! {
        /// Records and rows number their lines alike, so that what was said of a row is done to its record.
        #[test]
        fn every_row_has_its_record(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "text,label\n([a\n\r,\t \u{feff}]|\"[a\n,]*\"|text|label)*".prop_map(String::into_bytes),
                "(\\{\"text\":\"x\",\"label\":(\"a\"|1|\\{)\\}\r?\n?)*".prop_map(String::into_bytes),
            ],
            extension in prop::sample::select(vec!["csv", "tsv", "jsonl"]),
        ) {
            let (source, _file) = file(extension, &bytes);
            let Ok(mut rows) = source.rows() else { return Ok(()) };
            let mut lines = Vec::new();
            while let Some(row) = rows.next_row().unwrap() {
                lines.push(row.map_or_else(|fault| fault.line, |row| row.line));
            }
            let (layout, mut records) = Records::open(&source).unwrap();
            let mut all = Vec::new();
            while let Some(record) = records.next().unwrap() {
                let _ = layout.edited(&record.bytes, Some("x"), Some("y"));
                all.push(record.line);
            }
            prop_assert!(lines.iter().all(|line| all.contains(line)), "{:?} {:?}", lines, all);
        }
    }
}
