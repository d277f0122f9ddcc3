//! Copies of a file with some of its records, each with all its columns as it stands there.

use std::io::{self, Write};

use serde_json::value::RawValue;

use crate::error::DataError;
use crate::format::{FASTTEXT_LABEL, Format};
use crate::json::{self, Object};
use crate::records::{Record, Records};
use crate::source::Source;
use crate::table::{Column, FieldReader};

/// The records of a file, to be copied.
pub(crate) struct Copies {
    records: Records,
    record: Record,
    layout: Layout,
    path: std::path::PathBuf,
}

/// What a copy of a file looks like around and within its records.
pub(crate) struct Layout {
    format: Format,
    delimiter: u8,
    quotes: bool,
    /// What stands before the records: a mark if there was one, and the header.
    head: Vec<u8>,
    line_end: &'static [u8],
    text: Vec<Column>,
    label: Column,
}

/// How a record is to be changed.
pub(crate) struct Edit<'a> {
    /// What becomes of each text column.
    pub(crate) text: Option<&'a dyn Fn(&str) -> String>,
    pub(crate) label: Option<&'a str>,
}

impl Copies {
    /// Opens a file, and reads its header.
    pub(crate) fn open(source: &Source) -> Result<Self, DataError> {
        let table = source.table().open()?;
        let text = source.text.names().iter().map(|name| table.column(name)).collect::<Result<_, _>>()?;
        let (label, format) = (table.column(&source.label)?, table.format());
        let (records, header, delimiter) = table.into_records();
        let line_end: &[u8] = if header.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        // With a mark, what is written is read as UTF-8, whichever encoding the user has set for the original.
        let mut head = if records.is_plain() { Vec::new() } else { b"\xEF\xBB\xBF".to_vec() };
        head.extend(header);
        if format == Format::Json {
            head.extend(b"[\n");
        }
        let layout = Layout { format, delimiter, quotes: source.quotes, head, line_end, text, label };
        Ok(Self { records, record: Record::default(), layout, path: source.path.clone() })
    }

    /// Reads the next record, and gives the line in which it begins.
    pub(crate) fn next(&mut self) -> Result<Option<u64>, DataError> {
        let more = self.records.read(&mut self.record).map_err(DataError::io(&self.path))?;
        Ok(more.then_some(self.record.line))
    }

    /// Begins a copy.
    pub(crate) fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.layout.head)
    }

    /// Writes the record that was read last; `first` if it is the first of the copy.
    pub(crate) fn write(&self, edit: Option<&Edit<'_>>, first: bool, out: &mut dyn Write) -> io::Result<()> {
        if self.layout.format == Format::Json && !first {
            out.write_all(b",\n")?;
        }
        let edited = edit.and_then(|edit| self.layout.edited(&self.record.bytes, edit));
        let bytes = edited.as_deref().unwrap_or(&self.record.bytes);
        out.write_all(bytes)?;
        // The last record of a file may lack its line end.
        let ended = bytes.is_empty() || bytes.ends_with(b"\n") || bytes.ends_with(b"\r");
        if ended || self.layout.format == Format::Json { Ok(()) } else { out.write_all(self.layout.line_end) }
    }

    /// Ends a copy.
    pub(crate) fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.layout.format == Format::Json { out.write_all(b"\n]\n") } else { Ok(()) }
    }
}

impl Layout {
    /// The record with another text or label; nothing else in it is touched, but the quoting of its fields. `None` where
    /// it can't be read.
    fn edited(&self, record: &[u8], edit: &Edit<'_>) -> Option<Vec<u8>> {
        match self.format {
            Format::Json | Format::Jsonl => self.edited_object(record, edit),
            _ => self.edited_fields(record, edit),
        }
    }

    fn edited_fields(&self, record: &[u8], edit: &Edit<'_>) -> Option<Vec<u8>> {
        let mut reader = FieldReader::new(self.format, self.delimiter, self.quotes);
        let mut fields: Vec<Vec<u8>> = reader.read(record).ok()?.raw().map(<[u8]>::to_vec).collect();
        let at = |column: &Column| if let Column::Field(at) = column { *at } else { usize::MAX };
        if let Some(change) = edit.text {
            for column in &self.text {
                let Some(field) = fields.get_mut(at(column)) else { continue };
                *field = change(std::str::from_utf8(field).ok()?).into_bytes();
            }
        }
        if let Some((field, label)) = fields.get_mut(at(&self.label)).zip(edit.label) {
            *field = label.as_bytes().to_vec();
        }
        if self.format == Format::FastText {
            let [text, label] = <[Vec<u8>; 2]>::try_from(fields).ok()?;
            return Some([FASTTEXT_LABEL.as_bytes(), &label, b" ", &text, b"\n"].concat());
        }
        let style = if self.quotes { csv::QuoteStyle::Necessary } else { csv::QuoteStyle::Never };
        let end = if self.line_end == b"\r\n" { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new();
        let mut writer =
            writer.delimiter(self.delimiter).quote_style(style).terminator(end).from_writer(Vec::new());
        writer.write_byte_record(&fields.into()).ok()?;
        writer.into_inner().ok()
    }

    /// Replaces values where they stand in the JSON.
    fn edited_object(&self, record: &[u8], edit: &Edit<'_>) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(record).ok()?;
        let clean = Object::parse(text).err().and_then(|_| json::without_nonfinite(text));
        let text = clean.as_deref().unwrap_or(text);
        let object = Object::parse(text).ok()?;
        let find = |column: &Column| match column {
            Column::Member(name) => json::locate(&object, name).ok(),
            Column::Field(_) => None,
        };
        let mut edits: Vec<(&RawValue, String)> = Vec::new();
        for value in self.text.iter().filter_map(find) {
            if let Some((change, old)) = edit.text.zip(serde_json::from_str::<String>(value.get()).ok()) {
                edits.push((value, change(&old)));
            }
        }
        if let Some((value, label)) = find(&self.label).zip(edit.label) {
            let list = serde_json::from_str::<Vec<&RawValue>>(value.get()).ok();
            let inner = list.and_then(|list| list.first().copied());
            edits.push((inner.unwrap_or(value), label.to_owned()));
        }
        // A value is a part of the text: its address tells where it stands.
        let start = |value: &RawValue| value.get().as_ptr() as usize - text.as_ptr() as usize;
        edits.sort_by_key(|(value, _)| std::cmp::Reverse(start(value)));
        let mut edited = text.to_owned();
        for (value, new) in edits {
            let at = start(value);
            edited.replace_range(at..at + value.get().len(), &serde_json::Value::from(new).to_string());
        }
        Some(edited.into_bytes())
    }
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

    /// A copy of all records, and the lines in which they begin.
    fn copy(extension: &str, bytes: &[u8], edit: Option<&Edit<'_>>) -> (Vec<u8>, Vec<u64>) {
        let (source, _file) = file(extension, bytes);
        let mut copies = Copies::open(&source).unwrap();
        let (mut out, mut lines) = (Vec::new(), Vec::new());
        copies.begin(&mut out).unwrap();
        while let Some(line) = copies.next().unwrap() {
            copies.write(edit, lines.is_empty(), &mut out).unwrap();
            lines.push(line);
        }
        copies.end(&mut out).unwrap();
        (out, lines)
    }

    #[test]
    fn records_keep_their_bytes() {
        let csv: &[u8] = b"\n id,text,label\r\n7,\"a\r\nb\",x\r\n\r\n8,c\xFF,y";
        let (copied, lines) = copy("csv", csv, None);
        assert_eq!((copied, lines), ([&csv[1..], b"\r\n"].concat(), vec![3, 6]));
        let (copied, lines) = copy("jsonl", b"{\"a\":1}\n\n [2]", None);
        assert_eq!((copied, lines), (b"{\"a\":1}\n\n [2]\n".to_vec(), vec![1, 2, 3]));
        let (copied, lines) = copy("json", b" [\n{\"a\":\n\"]\\\"\"}, {\"b\":[1]}\n]", None);
        assert_eq!((copied, lines), (b"[\n{\"a\":\n\"]\\\"\"},\n{\"b\":[1]}\n]\n".to_vec(), vec![2, 3]));
        let (copied, _) = copy("csv", b"sep=;\ntext;label\na;b", None);
        assert_eq!(copied, b"sep=;\ntext;label\na;b\n");
    }

    #[test]
    fn what_is_no_plain_utf8_gets_a_mark() {
        let wide: Vec<u8> = "\u{feff}text,label\né,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(copy("csv", &wide, None).0, "\u{feff}text,label\né,b\n".as_bytes());
    }

    #[test]
    fn an_edit_leaves_the_other_columns_alone() {
        let text = |_: &str| "new, \"so\"".to_owned();
        let edited = |extension: &str, bytes: &[u8], label| {
            let copied = copy(extension, bytes, Some(&Edit { text: Some(&text), label })).0;
            String::from_utf8_lossy(&copied).into_owned()
        };
        assert_eq!(
            edited("csv", b"id,text,label\n7,old,x\n", None),
            "id,text,label\n7,\"new, \"\"so\"\"\",x\n"
        );
        assert_eq!(
            edited(
                "jsonl",
                "{\"n\": 1.50, \"label\" :\"x\", \"text\":\"\\u0001a\", \"é\":[]}\n".as_bytes(),
                Some("y")
            ),
            "{\"n\": 1.50, \"label\" :\"y\", \"text\":\"new, \\\"so\\\"\", \"é\":[]}\n"
        );
        assert_eq!(
            edited("jsonl", b"{\"text\":\"a\",\"label\":[ \"x\" ],\"n\":NaN}", Some("y")),
            "{\"text\":\"new, \\\"so\\\"\",\"label\":[ \"y\" ],\"n\":null}\n"
        );
        assert_eq!(edited("txt", b"__label__x old", Some("y")), "__label__y new, \"so\"\n");
        let chat = b"{\"messages\":[{\"role\":\"user\",\"content\":\"old\"},{\"role\":\"assistant\",\"content\":\"x\"}]}\n";
        assert_eq!(
            edited("jsonl", chat, Some("y")),
            "{\"messages\":[{\"role\":\"user\",\"content\":\"new, \\\"so\\\"\"},{\"role\":\"assistant\",\"content\":\"y\"}]}\n"
        );
    }

    proptest! {
        /// Records and rows number their lines alike, so that what was said of a row is done to its record.
        #[test]
        fn every_row_has_its_record(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "text,label\n([a\n\r,\t \u{feff}]|\"[a\n,]*\"|text|label)*".prop_map(String::into_bytes),
                "text;label\n([a\n\r;\t ]|\"[a\n;]*\"|text|label)*".prop_map(String::into_bytes),
                "(\\{\"text\":\"x\",\"label\":(\"a\"|1|\\{|\\[\"a\"\\])\\}\r?\n?)*".prop_map(String::into_bytes),
                "\\[(\\{\"text\":\"x\",\"label\":(\"a\"|\\{)\\},?\n?)*\\]?".prop_map(String::into_bytes),
                "(__label__[ab]? ?[ab]*\n)*".prop_map(String::into_bytes),
            ],
            extension in prop::sample::select(vec!["csv", "tsv", "jsonl", "json", "txt"]),
        ) {
            let (source, _file) = file(extension, &bytes);
            let Ok(mut rows) = source.rows() else { return Ok(()) };
            let mut lines = Vec::new();
            while let Some(row) = rows.next_row().unwrap() {
                lines.push(row.map_or_else(|fault| fault.line, |row| row.line));
            }
            let text = |text: &str| text.to_owned();
            let (_, all) = copy(extension, &bytes, Some(&Edit { text: Some(&text), label: Some("y") }));
            prop_assert!(lines.iter().all(|line| all.contains(line)), "{:?} {:?}", lines, all);
        }
    }
}
