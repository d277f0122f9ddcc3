//! What can be wrong with a data file, told all at once.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::PromptError;
use crate::binary::BinaryKind;

/// How many bad rows a message lists; the rest is counted.
const LISTED: usize = 20;
/// How many of these for an unknown label: they mostly have one cause.
const UNKNOWN_LISTED: usize = 5;

/// A data file that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file can't be opened or read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing tells how the file is written.
    #[error(
        "cannot tell the format of `{}`: it is not JSON, and no header names its columns; set `format` to \"csv\", \"tsv\", \"jsonl\" or \"json\"",
        .0.display()
    )]
    UnknownFormat(PathBuf),
    /// The file holds no text, or is a table of another kind that can't be read.
    #[error("`{}` is {}{}; {}", .path.display(), .kind.name, Problem(.problem), .kind.cure)]
    Binary {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        kind: BinaryKind,
        /// Why it can't be read, where its kind can.
        problem: Option<String>,
    },
    /// Rows are not in the encoding that the file was taken for, and nothing may be done to them before it is known.
    #[error("`{}`, line {line}: invalid bytes, in {rows} of the rows; {}", .path.display(), seems(*.suspected))]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The first such row.
        line: u64,
        /// How many there are.
        rows: usize,
        /// The encoding that the bytes seem to be in.
        suspected: Option<&'static str>,
    },
    /// Nothing would be left of a file.
    #[error("nothing would be left of `{}`: {reason}", .path.display())]
    NothingLeft {
        /// The file.
        path: PathBuf,
        /// What is wrong with its rows.
        reason: String,
    },
    /// The name is not that of an encoding.
    #[error("unknown encoding `{0}`; give a name such as \"utf-8\", \"windows-1252\" or \"shift_jis\"")]
    UnknownEncoding(String),
    /// Fields cannot be separated by this character.
    #[error("`{0}` cannot be a delimiter; it must be one ASCII character, such as \";\" or \"|\"")]
    Delimiter(char),
    /// The file holds no row.
    #[error("`{}` holds no rows", .0.display())]
    Empty(PathBuf),
    /// The header row can't be used.
    #[error("`{}`, line {line}: {reason}", .path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// Where the header stands, from 1.
        line: u64,
        /// What is wrong with it.
        reason: HeaderFault,
    },
    /// Some rows are bad.
    #[error("{}", Listing(.path, .faults))]
    Rows {
        /// The file.
        path: PathBuf,
        /// Every bad row, in the order of the file; at least one.
        faults: Vec<RowError>,
    },
}

impl DataError {
    /// The file that it is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. } | Self::UnknownFormat(path) | Self::Empty(path) => Some(path),
            Self::Header { path, .. } | Self::Rows { path, .. } | Self::Binary { path, .. } => Some(path),
            Self::Encoding { path, .. } | Self::NothingLeft { path, .. } => Some(path),
            Self::UnknownEncoding(_) | Self::Delimiter(_) => None,
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// What is wrong with a header row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// A column that is asked for is not there.
    #[error("no column `{wanted}`; the columns are {}{}", quoted(.found), no_header(.found))]
    Missing {
        /// The column that was asked for.
        wanted: String,
        /// Those that are there.
        found: Vec<String>,
    },
    /// Two columns have the name that is asked for.
    #[error("duplicate column `{0}`: give one of the two another name")]
    Duplicate(String),
    /// A column is asked for by its number, and there are not so many.
    #[error(
        "no column `{wanted}`: without a header, columns are named by their numbers, \"1\" to \"{columns}\""
    )]
    NoNumber {
        /// The column that was asked for.
        wanted: String,
        /// How many there are.
        columns: usize,
    },
    /// The header is not valid in the file's encoding.
    #[error("the header holds invalid bytes; if the file is not UTF-8, set `encoding`")]
    Bytes,
    /// A quote in the header is in the wrong place, so that rows may have become a part of it.
    #[error("{}", Reason::Quote(*.0))]
    Quote(QuoteFault),
}

/// One bad row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Where the row begins, from 1, the header included.
    pub line: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The row has fewer or more fields than the header.
    #[error("{found} field{} instead of {expected}", if *.found == 1 { "" } else { "s" })]
    Ragged {
        /// Fields in the header.
        expected: usize,
        /// Fields in the row.
        found: usize,
    },
    /// The text is empty or only white space.
    #[error("the text is empty")]
    EmptyText,
    /// The label is empty or only white space.
    #[error("the label is empty")]
    EmptyLabel,
    /// The label holds a line break or another control character.
    #[error("the label `{}` holds a control character", .0.escape_debug())]
    UnprintableLabel(String),
    /// The bytes are not valid in the file's encoding.
    #[error("invalid bytes; if the file is not UTF-8, set `encoding`")]
    Bytes,
    /// A quote is opened and never closed, or text follows a closing quote.
    #[error("{0}; if quotes are plain characters in this file, set `quotes = false`")]
    Quote(QuoteFault),
    /// The label is not in the label set.
    #[error("the label `{0}` is not among the labels of the task")]
    UnknownLabel(String),
    /// The label is one of several in a list, or a combination of labels that other rows have.
    #[error("several labels in one row: {}; a row can have one", quoted(.0))]
    SeveralLabels(Vec<String>),
    /// The row is the header once more, as in files that were put together from several.
    #[error("the header is repeated here")]
    RepeatedHeader,
    /// The label is not among those that have been given other names.
    #[error("`label_names` has no name for the label `{0}`")]
    NoLabelName(String),
    /// A JSON object lacks a member.
    #[error("the object has no member `{wanted}`; it has {}", quoted(.found))]
    NoMember {
        /// What was asked for.
        wanted: String,
        /// Members that are there.
        found: Vec<String>,
    },
    /// A row of JSON is not an object, or a member holds something else than it should.
    #[error("{0}")]
    Json(String),
    /// A message of the prompt can't be rendered for what the row holds.
    #[error("the prompt can't be rendered: {0}")]
    Prompt(PromptError),
}

impl Reason {
    /// How many lines the row has taken in that it should not have, its own included, if there are any.
    pub fn swallowed(&self) -> Option<u64> {
        match self {
            Self::Quote(quote) => Some(quote.lines()).filter(|lines| *lines > 1),
            _ => None,
        }
    }
}

/// A quoted field that breaks the rules of RFC 4180, so that rows may have run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteFault {
    /// The file ends inside quotes.
    Unclosed(QuoteLines),
    /// Something other than a delimiter follows the closing quote.
    Trailing(QuoteLines),
}

/// Where a quoted field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuoteLines {
    /// The line of its opening quote, from 1.
    pub opened: u64,
    /// The line of its closing quote; where there is none, the last of the file.
    pub last: u64,
}

impl QuoteFault {
    /// How many lines have run together; 1 where the quote concerns no other row.
    pub fn lines(self) -> u64 {
        let (Self::Unclosed(QuoteLines { opened, last }) | Self::Trailing(QuoteLines { opened, last })) =
            self;
        last - opened + 1
    }
}

impl fmt::Display for QuoteFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unclosed(QuoteLines { opened, last }) if opened == last => {
                f.write_str("a quoted field is never closed")
            }
            Self::Trailing(QuoteLines { opened, last }) if opened == last => {
                f.write_str("text follows the closing quote of a field")
            }
            Self::Unclosed(QuoteLines { opened, last }) => {
                let quote = format_args!("a quote that begins on line {opened} is never closed");
                write!(f, "lines {opened}–{last} ran together: {quote}")
            }
            Self::Trailing(QuoteLines { opened, last }) => {
                let quote = format_args!("a quote that begins on line {opened} ends on line {last}");
                write!(f, "lines {opened}–{last} ran together: {quote}")
            }
        }
    }
}

struct Listing<'a>(&'a Path, &'a [RowError]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, faults) = self;
        let rows = if faults.len() == 1 { "row" } else { "rows" };
        write!(f, "{} bad {rows} in `{}`", faults.len(), path.display())?;
        // Whatever swallows other rows comes first: these are not in the list.
        let (first, rest): (Vec<_>, Vec<_>) =
            faults.iter().partition(|fault| fault.reason.swallowed().is_some());
        let is_unknown = |fault: &RowError| matches!(fault.reason, Reason::UnknownLabel(_));
        let (mut listed, mut unknown) = (0, 0);
        for fault in first.into_iter().chain(rest) {
            unknown += usize::from(is_unknown(fault));
            if listed == LISTED || is_unknown(fault) && unknown > UNKNOWN_LISTED {
                continue;
            }
            listed += 1;
            write!(f, "\n  line {}: {}", fault.line, fault.reason)?;
        }
        if faults.len() > listed {
            write!(f, "\n  … and {} more", faults.len() - listed)?;
        }
        if unknown > 0 {
            f.write_str(UNKNOWN_LABELS)?;
        }
        Ok(())
    }
}

/// What to do about unknown labels.
const UNKNOWN_LABELS: &str = "\n  The labels of the task are those of the training data, or those that `labels` under [data] lists. Where these \
    are other spellings of them, name them in [data.aliases]; where `label` is the wrong column, name the right one.";

/// What went wrong, behind what a file is.
struct Problem<'a>(&'a Option<String>);

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |problem| write!(f, " that cannot be read ({problem})"))
    }
}

fn seems(encoding: Option<&str>) -> String {
    match encoding {
        Some(name) => format!("they seem to be {name}: set `encoding = \"{name}\"`"),
        None => {
            "set `encoding` to what the file was saved in, such as \"shift_jis\" or \"gb18030\"".to_owned()
        }
    }
}

/// A hint where names look like the cells of a row.
fn no_header(names: &[String]) -> &'static str {
    let like_cell = |name: &String| name.parse::<f64>().is_ok() || name.split_whitespace().count() > 4;
    match names.iter().any(like_cell) {
        true => {
            "; if this is the first row, set `header = false` and name columns by their numbers, such as \"1\""
        }
        false => "",
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{}`", name.escape_debug())).collect::<Vec<_>>().join(", ")
}
