//! Parquet files, turned into JSON Lines: one reader knows what a row is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::reader::RowIter;
use bytes::Bytes as Buffer;
use serde_json::Value;

use crate::input::Bytes;

/// The rows of a file that was read already, each on the line of its number.
pub(crate) fn rows(bytes: Vec<u8>) -> Result<Bytes, String> {
    lines(SerializedFileReader::new(Buffer::from(bytes)))
}

/// The same of a file on disk, of which no more than a part of its row group is in memory.
pub(crate) fn rows_on_disk(path: &Path) -> Result<Bytes, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    lines(SerializedFileReader::new(file))
}

fn lines(reader: Result<impl FileReader + 'static, ParquetError>) -> Result<Bytes, String> {
    let reader = reader.map_err(|error| error.to_string())?;
    let classes = classes(reader.metadata());
    let rows = RowIter::from_file_into(Box::new(reader));
    Ok(Box::new(Lines { rows, classes, line: Vec::new(), given: 0 }))
}

/// Rows as they are read.
struct Lines {
    rows: RowIter<'static>,
    /// The names of the classes that Hugging Face's `datasets` has numbered, by column.
    classes: BTreeMap<String, Vec<String>>,
    line: Vec<u8>,
    given: usize,
}

impl Lines {
    fn next_line(&mut self) -> io::Result<()> {
        self.line.clear();
        self.given = 0;
        let Some(row) = self.rows.next() else { return Ok(()) };
        let row = row.map_err(io::Error::other)?;
        // Member by member, for a map would sort the columns.
        for (i, (column, field)) in row.get_column_iter().enumerate() {
            let value = self.named(column, field.to_json_value());
            let before = if i == 0 { '{' } else { ',' };
            write!(self.line, "{before}{}:{value}", Value::from(column.as_str()))?;
        }
        self.line.extend(if row.len() == 0 { &b"{}\n"[..] } else { b"}\n" });
        Ok(())
    }

    /// A number that stands for a class, as the name of that class.
    fn named(&self, column: &str, value: Value) -> Value {
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        let name = number.and_then(|number| self.classes.get(column)?.get(number));
        name.map_or(value, |name| Value::from(name.as_str()))
    }
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.line.len() {
            self.next_line()?;
        }
        let n = (&self.line[self.given..]).read(out)?;
        self.given += n;
        Ok(n)
    }
}

/// The names of the classes of each `ClassLabel` column, from the schema that `datasets` leaves in the file.
fn classes(metadata: &ParquetMetaData) -> BTreeMap<String, Vec<String>> {
    let mut classes = BTreeMap::new();
    let notes = metadata.file_metadata().key_value_metadata();
    let note = notes.into_iter().flatten().find(|note| note.key == "huggingface");
    let schema = note.and_then(|note| serde_json::from_str::<Value>(note.value.as_deref()?).ok());
    let features =
        schema.as_ref().and_then(|schema| schema.pointer("/info/features")).and_then(Value::as_object);
    for (column, feature) in features.into_iter().flatten() {
        let names = feature.get("names").and_then(Value::as_array);
        let names = names.map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        if let Some(names) = names.filter(|_| feature["_type"] == "ClassLabel") {
            classes.insert(column.clone(), names);
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>) {
            if let Ok(mut lines) = super::rows([b"PAR1", &bytes[..], b"PAR1"].concat()) {
                let _ = lines.read_to_end(&mut Vec::new());
            }
        }
    }
}
