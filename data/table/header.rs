//! What parts the fields of a delimited text, and how many columns it has: told by its first record.

use super::TableSource;
use super::fields::{FieldBuffer, FieldReader};
use crate::error::{DataError, Reason};
use crate::format::Format;

/// What may part fields, the likeliest first.
pub(crate) const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// What the first record tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) delimiter: u8,
    pub(super) columns: usize,
    /// The bytes of a line before it that only names the delimiter, as Excel writes and reads it: `sep=;`.
    pub(super) skipped: usize,
}

/// Looks for the delimiter under which the first record has the wanted columns: that of the name or the setting, or else
/// any. Where none has them it is the one that parts it most, to be named in messages; `None` for a text of unknown
/// format that is no table at all.
pub(super) fn find(
    source: &TableSource,
    format: Option<Format>,
    head: &[u8],
) -> Result<Option<Header>, DataError> {
    let (stated, skipped) = match separator_line(head) {
        Some((delimiter, length)) => (Some(delimiter), length),
        None => (None, 0),
    };
    let stated = match source.delimiter {
        Some(delimiter) => Some(u8::try_from(delimiter).map_err(|_| DataError::Delimiter(delimiter))?),
        None => stated,
    };
    let record = first_record(&head[skipped..]);
    let look = |delimiter: u8| {
        let mut reader = FieldReader::new(Format::Csv, delimiter, source.quotes);
        let names = reader.read(record).ok().and_then(|fields| names(fields).ok()).unwrap_or_default();
        let fits = match source.header {
            true => source.wanted.iter().all(|wanted| names.contains(wanted)),
            false => source.wanted.iter().all(|wanted| wanted.parse().is_ok_and(|n: usize| n <= names.len())),
        };
        (Header { delimiter, columns: names.len(), skipped }, fits)
    };
    if let Some(delimiter) = stated {
        return Ok(Some(look(delimiter).0));
    }
    let own = format.and_then(Format::delimiter);
    let candidates =
        own.into_iter().chain(DELIMITERS.into_iter().filter(|delimiter| own != Some(*delimiter)));
    let mut looks: Vec<_> = candidates.map(look).collect();
    // Any text is a table of one column.
    let fits = |(header, fits): &&(Header, bool)| *fits && (own.is_some() || header.columns > 1);
    if let Some((header, _)) = looks.iter().find(fits) {
        return Ok(Some(*header));
    }
    if own.is_none() {
        return Ok(None);
    }
    // Of equals the first.
    looks.reverse();
    Ok(looks.into_iter().map(|(header, _)| header).max_by_key(|header| header.columns))
}

/// The delimiter that a first line names, and the length of that line.
fn separator_line(head: &[u8]) -> Option<(u8, usize)> {
    let end = head.iter().position(|byte| *byte == b'\n')?;
    let line = head[..end].trim_ascii();
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => Some((*delimiter, end + 1)),
        // The tab was taken for white space.
        b"sep=" if head[..end].contains(&b'\t') => Some((b'\t', end + 1)),
        _ => None,
    }
}

/// The first line that is not empty, and what follows: fields may hold line ends.
fn first_record(head: &[u8]) -> &[u8] {
    let start = head.iter().position(|byte| !matches!(byte, b'\n' | b'\r')).unwrap_or(head.len());
    &head[start..]
}

/// The names in a header, without outer white space.
pub(super) fn names(fields: &FieldBuffer) -> Result<Vec<String>, Reason> {
    Ok(fields.all()?.into_iter().map(|name| name.trim().to_owned()).collect())
}
