//! What a data file seems to be, from its content: format, encoding, and which columns hold text and label.
//!
//! A guess is a proposal of `init` that is shown to the user, never a way to read data behind their back; what parts the fields of
//! a file that is read, `table/header.rs` finds.

mod census;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Reason, RowError};
use crate::format::Format;
use crate::input::Input;
use crate::table::{Cells, DELIMITERS, TableRow, TableSource};
use crate::{binary, encoding};

use census::{Census, LABEL_NAMES, OTHER_NAMES, TEXT_NAMES, census, rank};

/// How much of a file is looked at for its encoding and format.
const HEAD_BYTES: u64 = 4 << 20;
/// How many rows tell whether the first is a header.
const HEADER_ROWS: usize = 500;

/// What a file seems to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sniffed {
    /// Its format, whatever its name says.
    pub format: Format,
    /// Its encoding, where it is not UTF-8 and has no byte-order mark.
    pub encoding: Option<&'static str>,
    /// Whether double quotes quote fields.
    pub quotes: bool,
    /// Whether the first row names the columns; without, they are named by their numbers.
    pub header: bool,
    /// What parts the fields, where neither the name nor a header tells.
    pub delimiter: Option<char>,
    /// The column of the texts.
    pub text: String,
    /// The column of the labels.
    pub label: String,
    /// How many rows were looked at.
    pub rows: usize,
    /// How many different labels they have.
    pub labels: usize,
    /// How many more rows can't be used as they are.
    pub bad_rows: usize,
    /// The worst of them: the one that has swallowed the most others, else the first. Where `quotes` is false, the row
    /// because of which it is.
    pub fault: Option<RowError>,
}

/// Why a file can't be guessed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SniffError {
    /// It can't be read at all.
    #[error(transparent)]
    Data(#[from] DataError),
    /// No column looks like one of those that are needed.
    #[error("no column of `{}` looks like {wanted}; the columns are {}", .path.display(), .found.join(", "))]
    Column {
        /// The file.
        path: PathBuf,
        /// What is needed.
        wanted: &'static str,
        /// The columns that are there.
        found: Vec<String>,
    },
}

/// Looks at a file. Columns that the user names are not guessed.
pub fn sniff(path: &Path, text: Option<&str>, label: Option<&str>) -> Result<Sniffed, SniffError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(DataError::io(path))?;
    file.take(HEAD_BYTES).read_to_end(&mut head).map_err(DataError::io(path))?;
    let mut source = TableSource::new(path);
    // What is packed is not looked at from outside.
    let encoding = if binary::kind(&head).is_some() { None } else { encoding(&head) };
    source.encoding = encoding.map(str::to_owned);
    source.wanted = [text, label].into_iter().flatten().map(str::to_owned).collect();
    let delimiter = delimiter(&source)?;
    source.delimiter = delimiter.map(char::from);
    source.header = delimiter.is_none() || has_header(&source)?;
    let mut columns = census(&source)?;
    if columns.fault.as_ref().is_some_and(|fault| matches!(fault.reason, Reason::Quote(_))) {
        source.quotes = false;
        let without = census(&source)?;
        source.quotes = without.fault.is_some();
        if !source.quotes {
            columns = Census { fault: columns.fault, ..without };
        }
    }
    let (quotes, format, header) = (source.quotes, columns.format, source.header);
    // With a header, its columns tell what parts them.
    let delimiter = source.delimiter.filter(|delimiter| {
        let own = Format::of_name(path).and_then(Format::delimiter).map(char::from);
        !header && own != Some(*delimiter)
    });
    let Census { columns, rows, bad_rows, fault, .. } = columns;
    if rows == 0 {
        let path = path.to_owned();
        return Err(match fault {
            Some(fault) => DataError::Rows { path, faults: vec![fault] },
            None => DataError::Empty(path),
        }
        .into());
    }
    let missing = |wanted| SniffError::Column {
        path: path.to_owned(),
        wanted,
        found: columns.iter().map(|column| format!("`{}`", column.name.escape_debug())).collect(),
    };
    let named = |name: &str| columns.iter().find(|column| column.name == name);
    let text = match text {
        Some(name) => named(name).ok_or_else(|| missing("the text column that was named")),
        None => {
            let texts = columns.iter().filter(|column| label != Some(column.name.as_str()));
            let best = texts.max_by(|a, b| a.as_text(rows).total_cmp(&b.as_text(rows)));
            best.filter(|column| column.as_text(rows) > 0.0).ok_or_else(|| missing("texts"))
        }
    }?;
    let label = match label {
        Some(name) => named(name).ok_or_else(|| missing("the label column that was named")),
        None => {
            let labels =
                columns.iter().filter(|column| column.name != text.name && column.may_be_label(rows));
            labels.min_by_key(|column| column.unlike_label()).ok_or_else(|| missing("labels"))
        }
    }?;
    Ok(Sniffed {
        format,
        encoding,
        quotes,
        header,
        delimiter,
        text: text.name.clone(),
        label: label.name.clone(),
        rows,
        labels: label.values.len(),
        bad_rows,
        fault,
    })
}

/// Whether the first row names the columns. It does not where a cell of it stands in rows below, too, as a label does,
/// and none is a usual name of a column.
fn has_header(source: &TableSource) -> Result<bool, DataError> {
    let mut source = source.clone();
    source.header = false;
    let mut table = source.open()?;
    let Some(Ok(TableRow { cells: Cells::Fields(first), .. })) = table.next_row()? else { return Ok(true) };
    let usual = |cell: &String| {
        let names = [&TEXT_NAMES[..], &LABEL_NAMES[..], &OTHER_NAMES[..]];
        let cell = cell.trim();
        cell.is_empty()
            || source.wanted.iter().any(|wanted| wanted == cell)
            || names.iter().any(|names| rank(names, cell).is_some())
    };
    if first.iter().any(usual) {
        return Ok(true);
    }
    for _ in 0..HEADER_ROWS {
        let Some(row) = table.next_row()? else { break };
        let Ok(TableRow { cells: Cells::Fields(cells), .. }) = row else { continue };
        // A whole header that comes again is a fault, and no label.
        if cells != first && cells.iter().zip(&first).any(|(cell, first)| cell == first) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The encoding of a file that is not UTF-8 and does not show what it is: what it seems to be.
fn encoding(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") || encoding::utf16(head).is_some() {
        return None;
    }
    match std::str::from_utf8(head) {
        Ok(_) => None,
        // The head may end inside a character.
        Err(error) if error.error_len().is_none() && head.len() as u64 == HEAD_BYTES => None,
        Err(_) => encoding::suspect(head).or(Some("windows-1252")),
    }
}

/// What parts the fields of the first rows, where they are no JSON: what the name says where both would do.
fn delimiter(source: &TableSource) -> Result<Option<u8>, SniffError> {
    let path = &source.path;
    let input = Input::open(path, source.encoding.as_deref())?;
    let named = Format::of_name(path).filter(|format| *format != Format::Lines);
    let recognised = Format::recognise(input.head(), None, named);
    if input.table().is_some() || recognised.is_some_and(|format| format.delimiter().is_none()) {
        return Ok(None);
    }
    let named = recognised.and_then(Format::delimiter);
    let mut head = Vec::new();
    input.take(HEAD_BYTES).read_to_end(&mut head).map_err(DataError::io(path))?;
    let head = head.trim_ascii_start();
    let fit = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.delimiter(delimiter).has_headers(false).flexible(true).from_reader(head);
        let counts: Vec<usize> =
            reader.into_byte_records().take(50).map_while(Result::ok).map(|record| record.len()).collect();
        // A line that names the delimiter is no row.
        let named = usize::from(head.starts_with(b"sep="));
        let counts = counts.get(named..).unwrap_or_default();
        let columns = counts.first().copied().unwrap_or(0);
        let alike = counts.iter().filter(|&&count| count == columns).count();
        if columns < 2 { 0.0 } else { alike as f64 / counts.len() as f64 }
    };
    let named_fit = named.map_or(0.0, fit);
    if named_fit > 0.8 {
        return Ok(named);
    }
    let fits = DELIMITERS.map(|delimiter| (delimiter, fit(delimiter)));
    // Of equals the first.
    let best = fits.into_iter().rev().max_by(|a, b| a.1.total_cmp(&b.1));
    match best.filter(|(_, fit)| *fit > named_fit) {
        Some((delimiter, _)) => Ok(Some(delimiter)),
        None if named.is_none() => Err(DataError::UnknownFormat(path.to_owned()).into()),
        None => Ok(named),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(name: &str, bytes: &[u8]) -> Result<Sniffed, SniffError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        sniff(&path, None, None)
    }

    /// Rows of a number, a kind, a sentence and a language.
    fn rows(head: &str, delimiter: char, row: impl Fn(usize, &str) -> String) -> String {
        let kinds = ["billing", "outage", "praise"];
        let rows = (0..30).map(|i| row(i, kinds[i % 3]) + "\n");
        head.replace(',', &delimiter.to_string()) + "\n" + &rows.collect::<String>()
    }

    fn found(sniffed: &Sniffed) -> (Format, &str, &str, usize) {
        (sniffed.format, &sniffed.text, &sniffed.label, sniffed.labels)
    }

    #[test]
    fn columns_are_known_by_their_content() {
        let file = rows("id,kind,what was said,lang", ',', |i, kind| {
            format!("{i},{kind},\"case {i}, about {kind} as always\",{}", ["en", "de"][i % 2])
        });
        let sniffed = look("cases.csv", file.as_bytes()).unwrap();
        assert_eq!(found(&sniffed), (Format::Csv, "what was said", "kind", 3));
        assert_eq!((sniffed.rows, sniffed.encoding, sniffed.quotes), (30, None, true));
    }

    #[test]
    fn a_name_weighs_more_than_the_shape() {
        let file = rows("stars,language,category,comment,url", '\t', |i, kind| {
            let url = format!("https://example.org/a/very/long/address/of/case/{}", i * 7919);
            format!("{}\t{}\t{kind}\tcase {i}\t{url}", i % 2, ["en", "de"][i % 2])
        });
        assert_eq!(
            found(&look("cases.tsv", file.as_bytes()).unwrap()),
            (Format::Tsv, "comment", "category", 3)
        );
    }

    #[test]
    fn the_content_decides_over_the_name() {
        let tabs = rows("text,label", '\t', |i, kind| format!("a case, number {i}\t{kind}"));
        assert_eq!(look("cases.csv", tabs.as_bytes()).unwrap().format, Format::Tsv);
        assert_eq!(look("cases", tabs.as_bytes()).unwrap().format, Format::Tsv);
        let lines: String =
            (0..9).map(|i| format!("{{\"q\":\"case number {i}\",\"y\":{}}}\n", i % 2)).collect();
        assert_eq!(found(&look("cases", lines.as_bytes()).unwrap()), (Format::Jsonl, "q", "y", 2));
        let semicolons = rows("text,label", ';', |i, kind| format!("case {i};{kind}"));
        assert_eq!(
            found(&look("cases.csv", semicolons.as_bytes()).unwrap()),
            (Format::Csv, "text", "label", 3)
        );
    }

    #[test]
    fn encodings_and_quotes_are_proposed_where_the_file_needs_them() {
        let file = rows("text,label", ',', |i, kind| format!("für den Fall {i},{kind}"));
        let latin: Vec<u8> = file.chars().map(|c| c as u8).collect();
        assert_eq!(look("a.csv", &latin).unwrap().encoding, Some("windows-1252"));
        let wide: Vec<u8> = file.encode_utf16().flat_map(u16::to_le_bytes).collect();
        // Its zeros tell.
        assert_eq!(look("a.csv", &wide).unwrap().encoding, None);
        assert_eq!(look("a.csv", file.as_bytes()).unwrap().encoding, None);
        let inches = rows("text,label", '\t', |i, kind| format!("\"{i}\" wide and so on\t{kind}"));
        assert!(!look("a.tsv", inches.as_bytes()).unwrap().quotes);
    }

    #[test]
    fn a_first_row_that_is_a_row_is_no_header() {
        let bare = rows("billing,where is the money,x", '|', |i, kind| format!("{kind}|case {i} of it|{i}"));
        let sniffed = look("a.txt", bare.as_bytes()).unwrap();
        assert_eq!((sniffed.header, sniffed.delimiter, sniffed.rows), (false, Some('|'), 31));
        assert_eq!((sniffed.text.as_str(), sniffed.label.as_str()), ("2", "1"));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let refused = look("a.csv", b"id,number\n1,2\n2,3\n3,4\n").unwrap_err().to_string();
        assert!(refused.ends_with("looks like texts; the columns are `id`, `number`"), "{refused}");
        let refused = look("a.csv", b"text,other\none a,x\ntwo b,y\nthree c,z\n").unwrap_err().to_string();
        assert!(refused.contains("looks like labels"), "{refused}");
    }

    proptest! {
        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>, name in prop::sample::select(vec!["a.csv", "a.jsonl", "a"])) {
            let _ = look(name, &bytes);
        }
    }
}
