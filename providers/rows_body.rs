//! A file of rows as the body of a request, read as it is sent: a batch may be larger than memory allows.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use reqwest::Body;
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_LENGTH;

use crate::{Cause, ProviderError};

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// How rows stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One a line, as in the file.
    #[cfg_attr(
        not(any(feature = "google", feature = "openai")),
        expect(dead_code, reason = "Anthropic takes no file as it is")
    )]
    Lines,
    /// As the elements of an array of JSON, between these texts.
    #[cfg_attr(
        not(feature = "anthropic"),
        expect(dead_code, reason = "only Anthropic takes rows in its JSON")
    )]
    Array { before: &'static str, after: &'static str },
}

/// Gives a request a file of rows as its body. Each line of the file ends in a line feed, and none is blank.
pub(crate) fn with_rows(
    request: RequestBuilder,
    path: &Path,
    form: Form,
) -> Result<RequestBuilder, ProviderError> {
    let (body, length) = RowsBody::open(path, form).map_err(|error| {
        ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", path.display()))
    })?;
    // Told beforehand, since not every server takes a body in chunks.
    Ok(request.header(CONTENT_LENGTH, length).body(Body::wrap_stream(body)))
}

struct RowsBody {
    file: File,
    form: Form,
    /// Bytes of the file that are still to come.
    left: u64,
    begun: bool,
    ended: bool,
}

impl RowsBody {
    /// The body, and how long it is.
    fn open(path: &Path, form: Form) -> io::Result<(Self, u64)> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        let length = match form {
            Form::Lines => left,
            // Without the last line feed, behind which no comma may stand.
            Form::Array { before, after } => {
                left.saturating_sub(1) + before.len() as u64 + after.len() as u64
            }
        };
        Ok((Self { file, form, left, begun: false, ended: false }, length))
    }

    fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Form::Array { before, after } = self.form else { return self.read() };
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Some(before.into()));
        }
        if let Some(mut piece) = self.read()? {
            if self.left == 0 {
                piece.pop();
            }
            // A line feed within a row is escaped, so that each one ends a row.
            piece.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b',');
            return Ok(Some(piece));
        }
        Ok((!std::mem::replace(&mut self.ended, true)).then(|| after.into()))
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut piece = vec![0; PIECE.min(usize::try_from(self.left).unwrap_or(PIECE))];
        if piece.is_empty() {
            return Ok(None);
        }
        self.file.read_exact(&mut piece)?;
        self.left -= piece.len() as u64;
        Ok(Some(piece))
    }
}

impl Stream for RowsBody {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.piece().transpose())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn written(rows: &[String], form: Form) -> (Vec<u8>, u64) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        rows.iter().for_each(|row| writeln!(file, "{row}").unwrap());
        file.flush().unwrap();
        let (mut body, length) = RowsBody::open(file.path(), form).unwrap();
        let mut all = Vec::new();
        while let Some(piece) = body.piece().unwrap() {
            all.extend(piece);
        }
        (all, length)
    }

    proptest! {
        #[test]
        fn rows_become_an_array_of_the_length_that_is_told(texts in prop::collection::vec("\\PC{0,40}", 1..20), long in 0usize..200_000) {
            let texts: Vec<_> = texts.into_iter().chain(["x".repeat(long)]).collect();
            let rows: Vec<_> = texts.iter().map(|text| serde_json::to_string(text).unwrap()).collect();
            let form = Form::Array { before: "{\"rows\":[", after: "]}" };
            let (body, length) = written(&rows, form);
            prop_assert_eq!(body.len() as u64, length);
            let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(&read["rows"], &serde_json::json!(texts));
            let (lines, length) = written(&rows, Form::Lines);
            prop_assert_eq!((lines.len() as u64, lines.iter().filter(|&&b| b == b'\n').count()), (length, rows.len()));
        }
    }
}
