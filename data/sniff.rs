//! What a data file seems to be, from its content: format, encoding, and which columns hold text and label.
//!
//! A guess is a proposal that is shown to the user, never a way to read data behind their back.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::fault::{DataError, Fault, Reason};
use crate::source::Format;
use crate::table::{Cells, TableFormat, TableSource};

/// How much of a file is looked at for its encoding and format.
const HEAD_BYTES: u64 = 4 << 20;
/// How many rows are looked at for the meaning of columns.
const ROWS: usize = 20_000;
/// More different values than this are no label set.
const LABELS: usize = 1000;
/// A longer name is no label.
const LABEL_CHARS: f64 = 60.0;

/// Usual names of text columns, the surest first.
const TEXT_NAMES: [&str; 14] = [
    "text",
    "message",
    "utterance",
    "sentence",
    "content",
    "query",
    "question",
    "body",
    "comment",
    "review",
    "description",
    "input",
    "prompt",
    "title",
];
/// Usual names of label columns, the surest first.
const LABEL_NAMES: [&str; 12] = [
    "label",
    "category",
    "class",
    "intent",
    "target",
    "topic",
    "tag",
    "sentiment",
    "labels",
    "output",
    "gold",
    "type",
];
/// Columns with few values that are no labels.
const OTHER_NAMES: [&str; 6] = ["split", "lang", "language", "source", "date", "id"];

/// What a file seems to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sniffed {
    /// Its format, whatever its name says.
    pub format: Format,
    /// Its encoding, where it is not UTF-8 and has no byte-order mark.
    pub encoding: Option<&'static str>,
    /// Whether double quotes quote fields.
    pub quotes: bool,
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
    pub fault: Option<Fault>,
}

/// Why a file can't be guessed.
#[derive(Debug, thiserror::Error)]
pub enum SniffError {
    /// It can't be read at all.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Its fields are parted by something else than a comma or a tab.
    #[error("the fields of `{}` are parted by `{delimiter}`; save it with commas or tabs", .path.display())]
    Delimiter {
        /// The file.
        path: PathBuf,
        /// What parts its fields.
        delimiter: char,
    },
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
    let encoding = encoding(&head);
    let format = format(path, &head)?;
    let source = |quotes| TableSource {
        encoding: encoding.map(str::to_owned),
        quotes,
        ..TableSource::new(path, format.into())
    };
    let (mut quotes, mut columns) = (true, census(&source(true))?);
    if columns.fault.as_ref().is_some_and(|fault| matches!(fault.reason, Reason::Quote(_))) {
        let without = census(&source(false))?;
        if without.fault.is_none() {
            (quotes, columns) = (false, Census { fault: columns.fault, ..without });
        }
    }
    let Census { columns, rows, bad_rows, fault } = columns;
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
        text: text.name.clone(),
        label: label.name.clone(),
        rows,
        labels: label.values.len(),
        bad_rows,
        fault,
    })
}

/// What the values of a column are like.
struct Stats {
    name: String,
    /// Values that are not blank.
    filled: usize,
    chars: usize,
    with_space: usize,
    numbers: usize,
    /// Different values, up to one more than a label set may have, and how many more of them were new then.
    values: HashSet<String>,
    more: usize,
}

impl Stats {
    fn new(name: &str) -> Self {
        let (filled, chars, with_space, numbers, values, more) = Default::default();
        Self { name: name.to_owned(), filled, chars, with_space, numbers, values, more }
    }

    fn see(&mut self, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        self.filled += 1;
        self.chars += value.chars().count();
        self.with_space += usize::from(value.contains(char::is_whitespace));
        self.numbers += usize::from(value.parse::<f64>().is_ok());
        if self.values.len() <= LABELS {
            self.values.insert(value.to_owned());
        } else {
            self.more += usize::from(!self.values.contains(value));
        }
    }

    fn mean_chars(&self) -> f64 {
        self.chars as f64 / self.filled.max(1) as f64
    }

    /// How much like the column of the texts it is: long, different, in words.
    fn as_text(&self, rows: usize) -> f64 {
        if self.filled * 2 < rows || self.numbers * 10 > self.filled * 9 {
            return 0.0;
        }
        let different = (self.values.len() + self.more) as f64 / self.filled.max(1) as f64;
        let words = 0.1 + self.with_space as f64 / self.filled.max(1) as f64;
        let named = if rank(&TEXT_NAMES, &self.name).is_some() { 4.0 } else { 1.0 };
        self.mean_chars() * different * words * named
    }

    /// Whether it has few short values that stand in many rows.
    fn may_be_label(&self, rows: usize) -> bool {
        let different = self.values.len();
        (2..=LABELS).contains(&different)
            && self.filled * 10 >= rows * 9
            && different * 2 <= self.filled.max(4)
            && self.mean_chars() <= LABEL_CHARS
    }

    /// How much less like the column of the labels than others it is.
    fn unlike_label(&self) -> (usize, bool, bool, usize) {
        let name = rank(&LABEL_NAMES, &self.name).unwrap_or(usize::MAX);
        let other = rank(&OTHER_NAMES, &self.name).is_some();
        (name, other, self.numbers == self.filled, self.values.len())
    }
}

fn rank(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|known| name.eq_ignore_ascii_case(known))
}

struct Census {
    columns: Vec<Stats>,
    rows: usize,
    bad_rows: usize,
    /// The worst of them.
    fault: Option<Fault>,
}

fn census(source: &TableSource) -> Result<Census, DataError> {
    let mut table = source.open()?;
    let mut census = Census {
        columns: table.columns().iter().map(|name| Stats::new(name)).collect(),
        rows: 0,
        bad_rows: 0,
        fault: None,
    };
    while census.rows < ROWS {
        let row = match table.next_row()? {
            None => break,
            Some(Ok(row)) => row,
            Some(Err(fault)) => {
                census.bad_rows += 1;
                // Of equals the first.
                if census.fault.as_ref().is_none_or(|known| weight(known) < weight(&fault)) {
                    census.fault = Some(fault);
                }
                continue;
            }
        };
        census.rows += 1;
        match row.cells {
            Cells::Fields(fields) => {
                census.columns.iter_mut().zip(&fields).for_each(|(column, field)| column.see(field));
            }
            Cells::Members(members) => {
                for (name, value) in members {
                    let known = census.columns.iter().position(|column| column.name == name);
                    let at = known.unwrap_or_else(|| {
                        census.columns.push(Stats::new(&name));
                        census.columns.len() - 1
                    });
                    match serde_json::from_str(value.get()) {
                        Ok(serde_json::Value::String(text)) => census.columns[at].see(&text),
                        Ok(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                            census.columns[at].see(&value.to_string());
                        }
                        // Lists and objects are neither texts nor labels.
                        _ => {}
                    }
                }
            }
        }
    }
    Ok(census)
}

/// How much a fault says of the file: broken quotes come before all else.
fn weight(fault: &Fault) -> u64 {
    match fault.reason {
        Reason::Quote(quote) => quote.lines(),
        _ => 0,
    }
}

/// The encoding of bytes without a mark that are not UTF-8: UTF-16 by its zeros, else what most old files are in.
fn encoding(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return None;
    }
    let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let many = head.len() / 8;
    match (zeros(0), zeros(1)) {
        (even, odd) if odd > many && even * 8 < odd => return Some("utf-16le"),
        (even, odd) if even > many && odd * 8 < even => return Some("utf-16be"),
        _ => {}
    }
    match std::str::from_utf8(head) {
        Ok(_) => None,
        // The head may end inside a character.
        Err(error) if error.error_len().is_none() && head.len() as u64 == HEAD_BYTES => None,
        Err(_) => Some("windows-1252"),
    }
}

/// The format that the first rows have; what the name says where both would do.
fn format(path: &Path, head: &[u8]) -> Result<Format, SniffError> {
    let named = match TableFormat::of(path) {
        Some(TableFormat::Csv) => Some(Format::Csv),
        Some(TableFormat::Tsv) => Some(Format::Tsv),
        Some(TableFormat::Jsonl) => Some(Format::Jsonl),
        Some(TableFormat::Lines) | None => None,
    };
    // Zeros are the other halves of UTF-16.
    let head: Vec<u8> = head.iter().copied().filter(|byte| *byte != 0).collect();
    let start = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head).trim_ascii_start();
    if named == Some(Format::Jsonl) || named.is_none() && start.starts_with(b"{") {
        return Ok(Format::Jsonl);
    }
    let fit = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.delimiter(delimiter).has_headers(false).flexible(true).from_reader(start);
        let counts: Vec<usize> =
            reader.into_byte_records().take(50).map_while(Result::ok).map(|record| record.len()).collect();
        let columns = counts.first().copied().unwrap_or(0);
        let alike = counts.iter().filter(|&&count| count == columns).count();
        if columns < 2 { 0.0 } else { alike as f64 / counts.len() as f64 }
    };
    let named_fit = named.and_then(Format::delimiter).map_or(0.0, fit);
    if let Some(named) = named.filter(|_| named_fit > 0.8) {
        return Ok(named);
    }
    let fits = [b',', b'\t', b';', b'|'].map(|delimiter| (delimiter, fit(delimiter)));
    // Of equals the first.
    let best = fits.into_iter().rev().max_by(|a, b| a.1.total_cmp(&b.1));
    match best.filter(|(_, fit)| *fit > named_fit) {
        Some((b'\t', _)) => Ok(Format::Tsv),
        Some((delimiter @ (b';' | b'|'), _)) => {
            Err(SniffError::Delimiter { path: path.to_owned(), delimiter: delimiter.into() })
        }
        Some(_) => Ok(Format::Csv),
        None => named.ok_or_else(|| DataError::UnknownFormat(path.to_owned()).into()),
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
        let refused = look("cases.csv", semicolons.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains("parted by `;`"), "{refused}");
    }

    #[test]
    fn encodings_and_quotes_are_proposed_where_the_file_needs_them() {
        let file = rows("text,label", ',', |i, kind| format!("für den Fall {i},{kind}"));
        let latin: Vec<u8> = file.chars().map(|c| c as u8).collect();
        assert_eq!(look("a.csv", &latin).unwrap().encoding, Some("windows-1252"));
        let wide: Vec<u8> = file.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(look("a.csv", &wide).unwrap().encoding, Some("utf-16le"));
        assert_eq!(look("a.csv", file.as_bytes()).unwrap().encoding, None);
        let inches = rows("text,label", '\t', |i, kind| format!("\"{i}\" wide and so on\t{kind}"));
        assert!(!look("a.tsv", inches.as_bytes()).unwrap().quotes);
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
