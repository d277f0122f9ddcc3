//! Parquet files, turned into JSON Lines: one reader knows what a row is.

use std::collections::BTreeMap;
use std::io::Cursor;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use bytes::Bytes as Buffer;
use serde_json::Value;

use crate::input::Bytes;

/// The rows of a file, each on the line of its number. Classes that Hugging Face's `datasets` has numbered get their names.
pub(crate) fn rows(bytes: Vec<u8>) -> Result<Bytes, String> {
    let problem = |error: ParquetError| error.to_string();
    let reader = SerializedFileReader::new(Buffer::from(bytes)).map_err(problem)?;
    let classes = classes(&reader);
    let mut lines = Vec::new();
    for row in reader.get_row_iter(None).map_err(problem)? {
        let mut row = row.map_err(problem)?.to_json_value();
        for (column, names) in &classes {
            let number =
                row.get(column).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
            if let Some(name) = number.and_then(|number| names.get(number)) {
                row[column] = Value::from(name.as_str());
            }
        }
        lines.extend(row.to_string().into_bytes());
        lines.push(b'\n');
    }
    Ok(Box::new(Cursor::new(lines)))
}

/// The names of the classes of each `ClassLabel` column, from the schema that `datasets` leaves in the file.
fn classes(reader: &SerializedFileReader<Buffer>) -> BTreeMap<String, Vec<String>> {
    let mut classes = BTreeMap::new();
    let notes = reader.metadata().file_metadata().key_value_metadata();
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>) {
            let _ = super::rows([b"PAR1", &bytes[..], b"PAR1"].concat());
        }
    }
}
