//! The first sheet of an Excel workbook, turned into JSON Lines: one reader knows what a row is.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx, XlsxError};
use serde_json::{Map, Value};

use crate::input::Bytes;

/// The rows of the first sheet, each on the line of its number; the first that is not empty names the columns.
pub(crate) fn rows(bytes: Vec<u8>) -> Result<Bytes, String> {
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|error: XlsxError| error.to_string())?;
    let sheet = book.worksheet_range_at(0).ok_or("it has no sheet")?.map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    // The sheet begins with its first cell that holds something.
    lines.resize(sheet.start().map_or(0, |(row, _)| row as usize), b'\n');
    let mut rows = sheet.rows();
    let names: Vec<String> = rows.next().map(names).unwrap_or_default();
    lines.push(b'\n');
    for row in rows {
        let cells = names.iter().zip(row).filter(|(name, _)| !name.is_empty());
        let cells: Map<String, Value> =
            cells.map(|(name, cell)| (name.clone(), Value::from(text(cell)))).collect();
        if cells.values().any(|cell| cell != "") {
            lines.extend(Value::Object(cells).to_string().into_bytes());
        }
        lines.push(b'\n');
    }
    Ok(Box::new(Cursor::new(lines)))
}

/// The names of the columns; of equal ones the second gets a number.
fn names(header: &[Data]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for cell in header {
        let name = text(cell).trim().to_owned();
        let same = names.iter().filter(|known| **known == name && !name.is_empty()).count();
        names.push(if same > 0 { format!("{name} ({})", same + 1) } else { name });
    }
    names
}

/// A cell as it is read: whole numbers without a point.
fn text(cell: &Data) -> String {
    match cell {
        Data::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        cell => cell.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>) {
            let _ = super::rows([b"PK\x03\x04", &bytes[..]].concat());
        }
    }
}
