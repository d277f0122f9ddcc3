//! From the bytes of a file to UTF-8, never guessing.
//!
//! A byte-order mark decides, or the zeros of UTF-16, which no other text has; without them a file is UTF-8 unless the user
//! names another encoding.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::input::Peek;

/// What stands in the output for bytes that are invalid in the source encoding. No UTF-8 text holds this
/// byte, so the row readers find it, and name the row, wherever the source had been broken.
const INVALID: u8 = 0xFF;

/// How much is looked at for the zeros of UTF-16.
const HEAD_BYTES: usize = 4096;

/// The encoding with this name or alias (`utf-8`, `windows-1252`, `latin1`, `shift_jis`, …), as the WHATWG
/// encoding standard lists them.
pub(crate) fn named(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
}

/// Reads `source` as UTF-8: strips a byte-order mark, decodes UTF-16 (by its mark or its zeros) and `fallback`.
pub(crate) fn decode<R: Read>(source: R, fallback: Option<&'static Encoding>) -> io::Result<Utf8<R>> {
    let source = Peek::new(source, HEAD_BYTES)?;
    let (encoding, mark) = match *source.head() {
        [0xEF, 0xBB, 0xBF, ..] => (UTF_8, 3),
        [0xFF, 0xFE, ..] => (UTF_16LE, 2),
        [0xFE, 0xFF, ..] => (UTF_16BE, 2),
        _ => (fallback.or_else(|| utf16(source.head())).unwrap_or(UTF_8), 0),
    };
    let pending = source.head()[mark..].to_vec();
    let source = source.into_inner();
    // UTF-8 passes as it is: the row readers check it themselves, row by row.
    let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
    Ok(Utf8 { source, decoder, marked: mark > 0, pending, ended: false, ready: Vec::new(), given: 0 })
}

/// The kind of UTF-16 that a text without a mark is in: every other byte of its line ends, digits and Latin letters is
/// zero.
pub(crate) fn utf16(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let many = head.len() / 8;
    match (zeros(0), zeros(1)) {
        (even, odd) if odd > many && even * 8 < odd => Some(UTF_16LE),
        (even, odd) if even > many && odd * 8 < even => Some(UTF_16BE),
        _ => None,
    }
}

/// The encoding that bytes seem to be in that are not UTF-8: what most old files are in, unless half of the bytes are no
/// ASCII, as in scripts that have more than one encoding.
pub(crate) fn suspect(bytes: &[u8]) -> Option<&'static str> {
    let high = bytes.iter().filter(|byte| **byte >= 0x80).count();
    match utf16(bytes) {
        Some(encoding) => Some(encoding.name()),
        None => (high > 0 && high * 3 < bytes.len()).then_some("windows-1252"),
    }
}

/// A reader of UTF-8 over a source in any encoding; see [`decode`].
pub(crate) struct Utf8<R> {
    source: R,
    decoder: Option<Decoder>,
    marked: bool,
    /// Bytes read from the source and not decoded yet.
    pending: Vec<u8>,
    ended: bool,
    /// Decoded bytes, of which the first `given` have been handed out.
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf8<R> {
    pub(crate) fn into_inner(self) -> R {
        self.source
    }

    /// Whether the source is UTF-8 without a mark, so that what is read here are its very bytes.
    pub(crate) fn is_plain(&self) -> bool {
        self.decoder.is_none() && !self.marked
    }

    /// Decodes one chunk of the source into `ready`.
    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        let mut chunk = std::mem::take(&mut self.pending);
        if chunk.is_empty() {
            chunk.resize(64 * 1024, 0);
            let n = self.source.read(&mut chunk)?;
            chunk.truncate(n);
            self.ended = n == 0;
        }
        let Some(decoder) = &mut self.decoder else {
            self.ready = chunk;
            return Ok(());
        };
        let mut rest = chunk.as_slice();
        loop {
            let room =
                decoder.max_utf8_buffer_length_without_replacement(rest.len()).unwrap_or(usize::MAX / 2);
            let start = self.ready.len();
            self.ready.resize(start + room, 0);
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(rest, &mut self.ready[start..], self.ended);
            self.ready.truncate(start + written);
            rest = &rest[read..];
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::Malformed(..) => self.ready.push(INVALID),
                DecoderResult::OutputFull => {}
            }
        }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && !self.ended {
            self.refill()?;
        }
        let n = out.len().min(self.ready.len() - self.given);
        out[..n].copy_from_slice(&self.ready[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A source that gives one byte at a time, so that every boundary is met.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = out.len().min(1).min(self.0.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn read(bytes: &[u8], fallback: Option<&'static Encoding>) -> Vec<u8> {
        let mut out = Vec::new();
        decode(Drip(bytes), fallback).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let unit = |u: u16| if little { u.to_le_bytes() } else { u.to_be_bytes() };
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(unit).collect()
    }

    #[test]
    fn broken_units_are_marked_where_they_stand() {
        // A lone high surrogate between two letters, then half a unit at the end.
        let bytes = [0xFF, 0xFE, b'a', 0, 0x3D, 0xD8, b'b', 0, b'c'];
        assert_eq!(read(&bytes, None), b"a\xFFb\xFF");
    }

    #[test]
    fn other_encodings_only_when_named() {
        let bytes = b"caf\xe9";
        assert_eq!(read(bytes, named("windows-1252")), "café".as_bytes());
        assert_eq!(read(bytes, None), bytes);
        assert!(named("no-such-encoding").is_none());
    }

    proptest! {
        #[test]
        fn every_text_survives(text in "\\PC*") {
            prop_assert_eq!(&read(&utf16(&text, true), None), text.as_bytes());
            prop_assert_eq!(&read(&utf16(&text, false), None), text.as_bytes());
            let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
            prop_assert_eq!(&read(&marked, None), text.as_bytes());
        }

        #[test]
        fn hostile_bytes_end(bytes: Vec<u8>, name in prop::sample::select(vec!["utf-8", "shift_jis", "gb18030"])) {
            let _ = read(&bytes, named(name));
        }
    }
}
