//! Compressed files, and tables that are no text: unpacked by their first bytes, whatever their names say.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use crate::binary::{self, BinaryKind};
use crate::format::Format;
use crate::hashed::Hashed;
use crate::input::{Bytes, Peek};

/// How much tells what a file is.
const MAGIC_BYTES: usize = 512;

/// The bytes of a file as they stand on disk.
type Packed = BufReader<Peek<Hashed<Bytes>>>;

/// The bytes of a file, unpacked where they were packed.
pub(crate) enum Unpacked {
    Plain(Packed),
    Gzip(Box<MultiGzDecoder<Packed>>),
    Zstd(Box<Frames>),
    /// The rows of a table that is no text, as JSON Lines.
    #[cfg(any(feature = "parquet", feature = "xlsx"))]
    Rows {
        lines: Bytes,
        read: Packed,
    },
}

/// Why there is no text in a file.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Io(io::Error),
    Binary(BinaryKind),
    /// A table of this kind whose content makes no sense.
    #[cfg(any(feature = "parquet", feature = "xlsx"))]
    Table(BinaryKind, String),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Unpacked {
    /// Unpacks a file on disk, of which a part alone can be read.
    pub(crate) fn on_disk(path: &Path, file: File) -> Result<(Self, Option<Format>), Unreadable> {
        let packed = Peek::new(Hashed::new(Box::new(file) as Bytes), MAGIC_BYTES)?;
        #[cfg(feature = "parquet")]
        if packed.head().starts_with(b"PAR1") && path.is_file() {
            let kind = binary::kind_of(Format::Parquet);
            let lines =
                crate::parquet::rows_on_disk(path).map_err(|problem| Unreadable::Table(kind, problem))?;
            let read = BufReader::with_capacity(64 * 1024, packed);
            return Ok((Self::Rows { lines, read }, Some(Format::Parquet)));
        }
        let _ = path;
        Self::peeked(packed)
    }

    /// Unpacks a file, and says in which format its rows are where its bytes alone tell.
    pub(crate) fn new(bytes: Bytes) -> Result<(Self, Option<Format>), Unreadable> {
        Self::peeked(Peek::new(Hashed::new(bytes), MAGIC_BYTES)?)
    }

    fn peeked(packed: Peek<Hashed<Bytes>>) -> Result<(Self, Option<Format>), Unreadable> {
        let head = packed.head().to_vec();
        let packed = BufReader::with_capacity(64 * 1024, packed);
        if head.starts_with(b"\x1f\x8b") {
            return Ok((Self::Gzip(Box::new(MultiGzDecoder::new(packed))), None));
        }
        if head.starts_with(b"\x28\xb5\x2f\xfd") {
            return Ok((Self::Zstd(Box::new(Frames { packed: Some(packed), frame: None })), None));
        }
        #[cfg(feature = "parquet")]
        if head.starts_with(b"PAR1") {
            return Self::table(packed, Format::Parquet, crate::parquet::rows);
        }
        #[cfg(feature = "xlsx")]
        if binary::is_workbook(&head) {
            return Self::table(packed, Format::Xlsx, crate::xlsx::rows);
        }
        match binary::kind(&head) {
            Some(kind) => Err(Unreadable::Binary(kind)),
            None => Ok((Self::Plain(packed), None)),
        }
    }

    /// Reads a whole table: both formats are read from their end.
    #[cfg(any(feature = "parquet", feature = "xlsx"))]
    fn table(
        mut read: Packed,
        format: Format,
        rows: fn(Vec<u8>) -> Result<Bytes, String>,
    ) -> Result<(Self, Option<Format>), Unreadable> {
        let mut bytes = Vec::new();
        read.read_to_end(&mut bytes)?;
        let kind = binary::kind_of(format);
        let lines = rows(bytes).map_err(|problem| Unreadable::Table(kind, problem))?;
        Ok((Self::Rows { lines, read }, Some(format)))
    }

    /// The SHA-256 of the file on disk, all of it.
    pub(crate) fn into_hex(self) -> io::Result<String> {
        let mut packed = match self {
            Self::Plain(packed) => packed,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(frames) => match *frames {
                Frames { packed: Some(packed), .. } => packed,
                Frames { frame: Some(frame), .. } => frame.into_inner(),
                Frames { .. } => return Err(io::Error::other("the zstd file could not be read to its end")),
            },
            #[cfg(any(feature = "parquet", feature = "xlsx"))]
            Self::Rows { read, .. } => read,
        };
        io::copy(&mut packed, &mut io::sink())?;
        Ok(packed.into_inner().into_inner().into_hex())
    }
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(packed) => packed.read(out),
            Self::Gzip(decoder) => decoder.read(out),
            Self::Zstd(frames) => frames.read(out),
            #[cfg(any(feature = "parquet", feature = "xlsx"))]
            Self::Rows { lines, .. } => lines.read(out),
        }
    }
}

/// The frames of a zstd file, one after the other: parallel compressors write several.
pub(crate) struct Frames {
    /// What follows the frame that was read last.
    packed: Option<Packed>,
    frame: Option<StreamingDecoder<Packed, ruzstd::decoding::FrameDecoder>>,
}

impl Read for Frames {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let n = frame.read(out)?;
                if n > 0 || out.is_empty() {
                    return Ok(n);
                }
                self.packed = self.frame.take().map(StreamingDecoder::into_inner);
            }
            let Some(packed) = &mut self.packed else { return Ok(0) };
            if packed.fill_buf()?.is_empty() {
                return Ok(0);
            }
            if let Some(packed) = self.packed.take() {
                self.frame = Some(StreamingDecoder::new(packed).map_err(io::Error::other)?);
            }
        }
    }
}
