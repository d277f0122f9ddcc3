//! Reads tensors from a `.safetensors` file: eight bytes with the length of a header, the header (JSON: name, type, shape
//! and place of each tensor), the numbers. The format's own page: <https://huggingface.co/docs/safetensors>.
//!
//! A file to be read is hostile. Nothing is allocated by what it claims: a tensor is read only if its type, shape and
//! place agree with each other, with the length of the file and with what the caller expects.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::EncoderError;

/// The format's own limit on the header.
const MAX_HEADER: u64 = 100_000_000;
/// How much is read and converted at once.
const CHUNK: usize = 1 << 16;

/// A file that is open, with its header read.
pub(super) struct Safetensors<R = File> {
    path: PathBuf,
    from: R,
    tensors: BTreeMap<String, Entry>,
    /// Where the numbers begin.
    start: u64,
}

/// How many bytes a number takes, and what it is in 32 bits.
type Stored = (usize, fn(&[u8]) -> f32);

#[derive(Debug, Clone, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Safetensors {
    pub(super) fn open(path: &Path) -> Result<Self, EncoderError> {
        let unreadable = |error| EncoderError::Unreadable { file: path.to_owned(), error };
        Self::new(path, File::open(path).map_err(unreadable)?)
    }
}

impl<R: Read + Seek> Safetensors<R> {
    pub(super) fn new(path: &Path, mut from: R) -> Result<Self, EncoderError> {
        let damaged = |what: String| EncoderError::Damaged { file: path.to_owned(), what };
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it is cut short".to_owned()),
            _ => EncoderError::Unreadable { file: path.to_owned(), error },
        };
        let length = from.seek(SeekFrom::End(0)).and_then(|length| from.rewind().map(|()| length));
        let length = length.map_err(unreadable)?;
        let mut eight = [0; 8];
        from.read_exact(&mut eight).map_err(unreadable)?;
        let header = u64::from_le_bytes(eight);
        if header > MAX_HEADER || header > length - 8 {
            return Err(damaged(format!("its header is said to have {header} bytes")));
        }
        let mut bytes = vec![0; header as usize];
        from.read_exact(&mut bytes).map_err(unreadable)?;
        let json: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(format!("its header is not valid JSON: {error}")))?;
        let mut tensors = BTreeMap::new();
        for (name, value) in json {
            if name != "__metadata__" {
                let entry: Entry = serde_json::from_value(value)
                    .map_err(|error| damaged(format!("tensor `{name}`: {error}")))?;
                tensors.insert(name, entry);
            }
        }
        let start = 8 + header;
        check_places(&tensors, length - start).map_err(damaged)?;
        Ok(Self { path: path.to_owned(), from, tensors, start })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Whether a tensor of that shape is there; reads none of its numbers.
    pub(super) fn check(&self, name: &str, shape: &[usize]) -> Result<(), EncoderError> {
        self.place(name, shape).map(|_| ())
    }

    /// Where the numbers of a tensor of that shape begin, and how each is stored.
    fn place(&self, name: &str, shape: &[usize]) -> Result<(u64, Stored), EncoderError> {
        let damaged = |what: String| EncoderError::Damaged { file: self.path.clone(), what };
        let entry = self.tensors.get(name).ok_or_else(|| damaged(format!("it has no tensor `{name}`")))?;
        if !entry.shape.iter().copied().eq(shape.iter().map(|&size| size as u64)) {
            return Err(damaged(format!("tensor `{name}` has shape {:?}, not {shape:?}", entry.shape)));
        }
        let (bytes, widen): Stored = match entry.dtype.as_str() {
            "F32" => (4, |bytes| f32::from_bits(u32::from_le_bytes(array(bytes)))),
            "F16" => (2, |bytes| half(u16::from_le_bytes(array(bytes)))),
            "BF16" => (2, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(array(bytes))) << 16)),
            other => {
                return Err(damaged(format!("tensor `{name}` has type {other}, not F32, F16 or BF16")));
            }
        };
        let (begin, end) = entry.data_offsets;
        let numbers: u64 = entry.shape.iter().product();
        if end - begin != numbers * bytes as u64 {
            return Err(damaged(format!("tensor `{name}` has {} bytes for {numbers} numbers", end - begin)));
        }
        Ok((begin, (bytes, widen)))
    }

    /// Reads a tensor of that shape into `to`. Numbers of 16 bits are widened; one that is not finite is an error.
    pub(super) fn read(&mut self, name: &str, shape: &[usize], to: &mut [f32]) -> Result<(), EncoderError> {
        let damaged = |what: String| EncoderError::Damaged { file: self.path.clone(), what };
        let (begin, (bytes, widen)) = self.place(name, shape)?;
        let unreadable = |error| EncoderError::Unreadable { file: self.path.clone(), error };
        self.from.seek(SeekFrom::Start(self.start + begin)).map_err(unreadable)?;
        let mut buffer = vec![0; CHUNK * bytes];
        for to in to.chunks_mut(CHUNK) {
            let buffer = &mut buffer[..to.len() * bytes];
            self.from.read_exact(buffer).map_err(unreadable)?;
            to.iter_mut().zip(buffer.chunks_exact(bytes)).for_each(|(to, bytes)| *to = widen(bytes));
            if !to.iter().all(|number| number.is_finite()) {
                return Err(damaged(format!("tensor `{name}` has a number that is not finite")));
            }
        }
        Ok(())
    }
}

/// Every tensor lies within the file, and none within another.
fn check_places(tensors: &BTreeMap<String, Entry>, length: u64) -> Result<(), String> {
    let mut places: Vec<_> = tensors.iter().map(|(name, entry)| (entry.data_offsets, name)).collect();
    places.sort_unstable();
    let mut last = 0;
    for ((begin, end), name) in places {
        if begin > end || end > length {
            return Err(format!("tensor `{name}` lies outside of the file: it is cut short or altered"));
        }
        if begin < last {
            return Err(format!("tensor `{name}` overlaps another"));
        }
        last = end;
    }
    Ok(())
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes[i])
}

/// A number of the 16 bits of IEEE 754's binary16.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    match exponent {
        0 => f32::from_bits(sign | (fraction as f32 / (1 << 24) as f32).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn file(header: &str, numbers: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), numbers].concat()
    }

    const HEADER: &str = r#"{"__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
        "b": {"dtype": "F16", "shape": [2], "data_offsets": [8, 12]}}"#;

    fn good() -> Vec<u8> {
        let a = [1.5_f32, -2.0].map(f32::to_le_bytes).concat();
        file(HEADER, &[a, vec![0, 0x3c, 1, 0x80]].concat())
    }

    fn read(bytes: &[u8]) -> Result<Vec<f32>, EncoderError> {
        let mut open = Safetensors::new(Path::new("x.safetensors"), Cursor::new(bytes))?;
        let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
        open.read("a", &[2, 1], &mut a)?;
        open.read("b", &[2], &mut b)?;
        Ok([a, b].concat())
    }

    #[test]
    fn tensors_are_read_by_name() {
        assert_eq!(read(&good()).unwrap(), [1.5, -2.0, 1.0, -(2_f32.powi(-24))]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let says = |header: &str| read(&file(header, &good()[8 + HEADER.len()..])).unwrap_err().to_string();
        assert!(says(&HEADER.replace("[2, 1]", "[1, 2]")).contains("shape"));
        assert!(says(&HEADER.replace("F32", "F64")).contains("type F64"));
        assert!(says(&HEADER.replace("[8, 12]", "[4, 8]")).contains("overlaps"));
        assert!(says(&HEADER.replace("[8, 12]", "[8, 13]")).contains("outside"));
        assert!(says(&HEADER.replace("[0, 8]", "[8, 0]")).contains("outside"));
        assert!(says(&HEADER.replace("[0, 8]", "[0, 4]")).contains("4 bytes for 2 numbers"));
        assert!(says(&HEADER.replace("\"a\"", "\"c\"")).contains("no tensor `a`"));
        assert!(says("[1]").contains("not valid JSON"));
        let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(read(&huge).unwrap_err().to_string().contains("header is said to have"));
        let mut nan = good();
        let at = nan.len() - 12;
        nan[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(read(&nan).unwrap_err().to_string().contains("not finite"));
    }

    #[test]
    fn every_cut_is_noticed() {
        let good = good();
        for end in 0..good.len() {
            assert!(read(&good[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn halves_are_widened() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0, 0.0), (0x0400, 6.103_515_6e-5)]
        {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    proptest! {
        #[test]
        fn altered_files_do_no_harm(changes in prop::collection::vec((0_usize..300, any::<u8>()), 1..6)) {
            let mut bytes = good();
            for (position, byte) in changes {
                let position = position % bytes.len();
                bytes[position] = byte;
            }
            let _ = read(&bytes);
        }

        #[test]
        fn any_header_does_no_harm(header in any::<String>(), length: u64, rest in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&file(&header, &rest));
            let _ = read(&[&length.to_le_bytes()[..], &rest].concat());
        }

        #[test]
        fn any_places_do_no_harm(begin: u64, end: u64, shape in prop::collection::vec(any::<u64>(), 0..4)) {
            let header = format!(
                r#"{{"a": {{"dtype": "F32", "shape": {shape:?}, "data_offsets": [{begin}, {end}]}}}}"#
            );
            let _ = read(&file(&header, &[0; 32]));
        }
    }
}
