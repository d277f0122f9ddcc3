//! The text of a file on its way to its rows: unpacked, decoded to UTF-8, with a look at its beginning.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::encoding::{self, Utf8};
use crate::error::DataError;
use crate::format::Format;
use crate::unpack::{Unpacked, Unreadable};

/// How much of a text is looked at before its first row is read.
const HEAD_BYTES: usize = 64 * 1024;

/// What is read, from wherever it comes.
pub(crate) type Bytes = Box<dyn Read + Send>;

/// The text of a file, in UTF-8.
pub(crate) struct Input {
    text: Peek<Utf8<Unpacked>>,
    /// The format, where the file is a table of another kind.
    table: Option<Format>,
}

impl Input {
    /// Opens a file. `encoding` is that of a text without a byte-order mark.
    pub(crate) fn open(path: &Path, encoding: Option<&str>) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io(path))?;
        Self::unpack(path, Unpacked::on_disk(path, file), encoding)
    }

    /// Reads what messages call `path`.
    pub(crate) fn new(path: &Path, bytes: Bytes, encoding: Option<&str>) -> Result<Self, DataError> {
        Self::unpack(path, Unpacked::new(bytes), encoding)
    }

    fn unpack(
        path: &Path,
        unpacked: Result<(Unpacked, Option<Format>), Unreadable>,
        encoding: Option<&str>,
    ) -> Result<Self, DataError> {
        let fallback = match encoding {
            None => None,
            Some(name) => {
                Some(encoding::named(name).ok_or_else(|| DataError::UnknownEncoding(name.to_owned()))?)
            }
        };
        let (unpacked, table) = unpacked.map_err(|error| match error {
            Unreadable::Io(error) => DataError::io(path)(error),
            Unreadable::Binary(kind) => DataError::Binary { path: path.to_owned(), kind, problem: None },
            #[cfg(any(feature = "parquet", feature = "xlsx"))]
            Unreadable::Table(kind, problem) => {
                DataError::Binary { path: path.to_owned(), kind, problem: Some(problem) }
            }
        })?;
        let text = encoding::decode(unpacked, fallback).map_err(DataError::io(path))?;
        let text = Peek::new(text, HEAD_BYTES).map_err(DataError::io(path))?;
        Ok(Self { text, table })
    }

    /// The beginning of the text.
    pub(crate) fn head(&self) -> &[u8] {
        self.text.head()
    }

    /// The format of a file that is a table of another kind, whose text is JSON Lines.
    pub(crate) fn table(&self) -> Option<Format> {
        self.table
    }

    /// Whether the file is plain UTF-8 without a mark, so that what is read here are its very bytes.
    pub(crate) fn is_plain(&self) -> bool {
        self.text.rest.is_plain()
    }

    /// After the last row: the SHA-256 of the file on disk.
    pub(crate) fn into_hex(self) -> io::Result<String> {
        self.text.rest.into_inner().into_hex()
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.text.read(out)
    }
}

/// A reader whose beginning can be looked at before it is read.
pub(crate) struct Peek<R> {
    head: Vec<u8>,
    given: usize,
    rest: R,
}

impl<R: Read> Peek<R> {
    /// Looks at the first bytes, at most `length`, and at the first line that is not empty if it is within these: more
    /// of a pipe may come late, or never.
    pub(crate) fn new(mut rest: R, length: usize) -> io::Result<Self> {
        let mut head = vec![0; length];
        let mut filled = 0;
        while filled < length && !holds_line(&head[..filled]) {
            match rest.read(&mut head[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(filled);
        Ok(Self { head, given: 0, rest })
    }

    /// The first bytes, as long as none have been read.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn into_inner(self) -> R {
        self.rest
    }
}

impl<R: Read> Read for Peek<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = &self.head[self.given..];
        if left.is_empty() {
            self.head = Vec::new();
            self.given = 0;
            return self.rest.read(out);
        }
        let n = out.len().min(left.len());
        out[..n].copy_from_slice(&left[..n]);
        self.given += n;
        Ok(n)
    }
}

fn holds_line(bytes: &[u8]) -> bool {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    bytes[start..].contains(&b'\n')
}
