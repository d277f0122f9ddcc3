//! The fields of a record that is no JSON.

use crate::error::Reason;
use crate::format::{FASTTEXT_LABEL, Format};

/// The fields of one record, end to end.
#[derive(Debug, Default)]
pub(crate) struct FieldBuffer {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    used: usize,
}

impl FieldBuffer {
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    fn bytes(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }

    /// A field; nothing where the record has none of this number.
    pub(crate) fn get(&self, at: usize) -> Result<&str, Reason> {
        if at >= self.used {
            return Ok("");
        }
        std::str::from_utf8(self.bytes(at)).map_err(|_| Reason::Bytes)
    }

    /// All fields.
    pub(crate) fn all(&self) -> Result<Vec<String>, Reason> {
        (0..self.used).map(|at| self.get(at).map(str::to_owned)).collect()
    }

    /// All fields, whatever bytes they hold.
    pub(crate) fn raw(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.used).map(|at| self.bytes(at))
    }

    fn set(&mut self, fields: &[&str]) {
        self.bytes.clear();
        self.ends.clear();
        for field in fields {
            self.bytes.extend_from_slice(field.as_bytes());
            self.ends.push(self.bytes.len());
        }
        self.used = fields.len();
    }

    /// Whether each field is the same as in another record.
    fn equals(&self, other: &[Vec<u8>]) -> bool {
        self.used == other.len() && self.raw().eq(other.iter().map(Vec::as_slice))
    }
}

/// Reads the fields of one record after the other.
pub(crate) struct FieldReader {
    format: Format,
    csv: csv_core::Reader,
    buffer: FieldBuffer,
    /// The fields of the header, to know it when it comes again.
    header: Vec<Vec<u8>>,
}

impl FieldReader {
    pub(crate) fn new(format: Format, delimiter: u8, quotes: bool) -> Self {
        let csv = csv_core::ReaderBuilder::new().delimiter(delimiter).quoting(quotes).build();
        Self { format, csv, buffer: FieldBuffer::default(), header: Vec::new() }
    }

    /// Remembers the record that was read last as the header.
    pub(super) fn keep_header(&mut self) {
        self.header = self.buffer.raw().map(<[u8]>::to_vec).collect();
    }

    /// The fields of a row, which must be as many as there are columns.
    pub(super) fn row(&mut self, record: &[u8], columns: usize) -> Result<&FieldBuffer, Reason> {
        self.read(record)?;
        if self.buffer.len() != columns {
            return Err(Reason::Ragged { expected: columns, found: self.buffer.len() });
        }
        // A file of one column may well have a row that says what its header does.
        if columns > 1 && self.buffer.equals(&self.header) {
            return Err(Reason::RepeatedHeader);
        }
        Ok(&self.buffer)
    }

    /// The fields of a record.
    pub(crate) fn read(&mut self, record: &[u8]) -> Result<&FieldBuffer, Reason> {
        match self.format {
            Format::Csv | Format::Tsv => self.split(record),
            Format::FastText => {
                let (text, label) = fasttext(line(record)?)?;
                self.buffer.set(&[text, label]);
            }
            _ => self.buffer.set(&[line(record)?]),
        }
        Ok(&self.buffer)
    }

    fn split(&mut self, record: &[u8]) {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};
        let FieldBuffer { bytes, ends, used } = &mut self.buffer;
        bytes.resize(bytes.len().max(record.len() + 1), 0);
        ends.resize(ends.len().max(16), 0);
        let (mut written, mut last) = (0, false);
        *used = 0;
        let mut rest = record;
        loop {
            let (result, n, out, fields) =
                self.csv.read_record(rest, &mut bytes[written..], &mut ends[*used..]);
            rest = &rest[n..];
            written += out;
            *used += fields;
            match result {
                OutputFull => bytes.resize(bytes.len() * 2, 0),
                OutputEndsFull => ends.resize(ends.len() * 2, 0),
                Record | End => break,
                // The last record of a file may lack its line end.
                InputEmpty if !last => {
                    last = true;
                    rest = b"\n";
                }
                InputEmpty => break,
            }
        }
    }
}

/// A line without its end.
fn line(record: &[u8]) -> Result<&str, Reason> {
    let line = record.strip_suffix(b"\n").unwrap_or(record);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    std::str::from_utf8(line).map_err(|_| Reason::Bytes)
}

/// The text and the label of a line of fastText.
fn fasttext(line: &str) -> Result<(&str, &str), Reason> {
    let (mut labels, mut rest) = (Vec::new(), line.trim_start());
    while let Some(labelled) = rest.strip_prefix(FASTTEXT_LABEL) {
        let end = labelled.find(char::is_whitespace).unwrap_or(labelled.len());
        labels.push(&labelled[..end]);
        rest = labelled[end..].trim_start();
    }
    match labels.as_slice() {
        [] => Ok((rest, "")),
        [label] => Ok((rest, label)),
        several => Err(Reason::SeveralLabels(several.iter().map(|label| (*label).to_owned()).collect())),
    }
}

/// The columns of a format that has no header.
pub(super) fn columns(format: Format) -> Vec<String> {
    let names: &[&str] = match format {
        Format::FastText => &["text", "label"],
        Format::Lines => &["text"],
        _ => &[],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}
