//! A trained classifier as bytes: magic, version, body, checksum. All numbers are little-endian.
//!
//! Bytes to be read are hostile: every count is compared with what is left of the file before memory is taken
//! for it, so no file makes reading take more than some twenty times its size.

use std::io::{self, Read, Write};

use tunebench_data::{LabelId, LabelSet};
use xxhash_rust::xxh3::xxh3_64;

use super::classifier::{Classifier, MAX_LABELS, stride};
use super::features::{MAX_NGRAMS, Vocabulary};
use super::ngrams::{FIRST_WORD_KEY, KEY_BITS};

const MAGIC: [u8; 8] = *b"tunebLC\n";
const VERSION: u32 = 1;
const CHECKSUM: usize = 8;

/// Files longer than this are no models: 1 GB.
const MAX_BYTES: u64 = 1 << 30;

/// Why a model file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// Reading failed.
    #[error("failed to read the model file")]
    Io(#[from] io::Error),
    /// The file does not begin as a model file does.
    #[error("this is not a model file of the local provider")]
    NotAModel,
    /// The file was written by another version of the program.
    #[error(
        "the model file has format version {found}, this program reads version {VERSION}: train the model again"
    )]
    Version {
        /// The version of the file.
        found: u32,
    },
    /// The file is cut short or altered.
    #[error("the model file is damaged ({0}): train the model again")]
    Damaged(&'static str),
    /// The part of an encoder can't be read, or belongs to other weights.
    #[error("{0}")]
    Encoder(String),
}

impl Classifier {
    /// Writes the model in one go. To replace a file atomically, write to a temporary one and rename it.
    pub fn save(&self, to: &mut (impl Write + ?Sized)) -> io::Result<()> {
        to.write_all(&self.to_bytes())
    }

    /// Reads what [`Self::save`] wrote, to the end; predictions are the same to the bit.
    pub fn load(from: &mut impl Read) -> Result<Self, ModelFileError> {
        let mut bytes = Vec::new();
        from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ModelFileError::NotAModel);
        }
        Self::from_bytes(&bytes)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put(&mut out, VERSION);
        put(&mut out, self.labels.len() as u32);
        for (_, name) in self.labels.iter() {
            put(&mut out, name.len() as u32);
            out.extend_from_slice(name.as_bytes());
        }
        put(&mut out, self.classes.len() as u32);
        self.classes.iter().for_each(|class| put(&mut out, class.0));
        let keys = self.vocabulary.keys();
        put(&mut out, keys.len() as u32);
        put(&mut out, self.vocabulary.columns() as u32);
        put(&mut out, self.vocabulary.first_word_column());
        // Hashes in order are close together, and few columns are far from the one before: both are short.
        let (mut last_key, mut next_column) = (0, 0);
        for (key, column) in keys {
            put_varint(&mut out, key - last_key);
            last_key = key;
            // A new column is the next one; an old one is told by how far back it lies.
            put_varint(&mut out, u64::from(next_column - column));
            next_column = next_column.max(column + 1);
        }
        for floats in [&self.intercepts, self.vocabulary.idf(), &self.scales] {
            floats.iter().for_each(|float| put(&mut out, float.to_bits()));
        }
        for column in self.weights.chunks_exact(stride(self.classes.len())) {
            out.extend(column[..self.classes.len()].iter().map(|&weight| weight as u8));
        }
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, ModelFileError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(ModelFileError::NotAModel)?;
        let found = Cursor(rest).u32()?;
        if found != VERSION {
            return Err(ModelFileError::Version { found });
        }
        let checked = bytes.len().saturating_sub(CHECKSUM).max(MAGIC.len() + 4);
        if xxh3_64(&bytes[..checked]).to_le_bytes() != bytes[checked..] {
            return Err(ModelFileError::Damaged("its checksum is wrong"));
        }
        read_body(Cursor(&bytes[MAGIC.len() + 4..checked]))
    }
}

/// The part between version and checksum. A right checksum proves nothing: anyone can compute it.
fn read_body(mut from: Cursor<'_>) -> Result<Classifier, ModelFileError> {
    let names = from.count(5)?;
    let names = (0..names).map(|_| from.name()).collect::<Result<Vec<_>, _>>()?;
    let labels =
        LabelSet::new(names).map_err(|_| ModelFileError::Damaged("its labels are not a valid label set"))?;

    let classes = from.count(4)?;
    let classes = (0..classes).map(|_| from.u32().map(LabelId)).collect::<Result<Vec<_>, _>>()?;
    let ascending = classes.windows(2).all(|pair| pair[0] < pair[1]);
    check(ascending && (2..=MAX_LABELS).contains(&classes.len()), "its classes are out of order")?;
    check(
        classes.last().is_some_and(|last| last.index() < labels.len()),
        "a class is not one of its labels",
    )?;

    let ngrams = from.count(2)?;
    let columns = from.count(8 + classes.len())?;
    let first_word_column = from.u32()?;
    check(ngrams <= MAX_NGRAMS && columns <= ngrams, "it has too many n-grams")?;
    let mut keys = Vec::with_capacity(ngrams);
    let (mut key, mut next_column) = (0, 0);
    for i in 0..ngrams {
        let step = from.varint()?;
        check(step < 1 << KEY_BITS && (i == 0 || step > 0), "its n-grams are in disorder")?;
        key += step;
        check(key < 1 << KEY_BITS, "its n-grams are in disorder")?;
        let back = from.varint()?;
        let column =
            u64::from(next_column).checked_sub(back).ok_or(ModelFileError::Damaged("a column is missing"))?;
        let column = column as u32;
        check((column as usize) < columns, "a column is missing")?;
        check((column >= first_word_column) == (key >= FIRST_WORD_KEY), "a column is of the wrong kind")?;
        next_column = next_column.max(column + 1);
        keys.push((key, column));
    }
    check(next_column as usize == columns, "a column has no n-gram")?;

    // The limits are far beyond what training can give; within them no score overflows.
    let intercepts = from.floats(classes.len(), -1e9, 1e9)?;
    let idf = from.floats(columns, 0.5, 100.0)?;
    let scales = from.floats(columns, 0.0, 1e9)?;
    check(from.0.len() == columns * classes.len(), "its length is wrong")?;
    let mut weights = vec![0; columns * stride(classes.len())];
    for (to, from) in weights.chunks_exact_mut(stride(classes.len())).zip(from.0.chunks_exact(classes.len()))
    {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from as i8);
    }
    let vocabulary = Vocabulary::from_keys(&keys, idf, first_word_column)
        .ok_or(ModelFileError::Damaged("its n-grams are not valid hashes"))?;
    Ok(Classifier { labels, vocabulary, classes, intercepts, scales, weights })
}

fn check(fine: bool, what: &'static str) -> Result<(), ModelFileError> {
    if fine { Ok(()) } else { Err(ModelFileError::Damaged(what)) }
}

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What has not been read yet.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ModelFileError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(ModelFileError::Damaged("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, ModelFileError> {
        Ok(u32::from_le_bytes(std::array::from_fn({
            let bytes = self.take(4)?;
            |i| bytes[i]
        })))
    }

    /// A number of things that take at least `least` bytes each of what is left.
    fn count(&mut self, least: usize) -> Result<usize, ModelFileError> {
        let count = self.u32()? as usize;
        check(count.saturating_mul(least) <= self.0.len(), "it is cut short")?;
        Ok(count)
    }

    fn name(&mut self) -> Result<String, ModelFileError> {
        let len = self.count(1)?;
        let name = std::str::from_utf8(self.take(len)?);
        name.map(str::to_owned).map_err(|_| ModelFileError::Damaged("a label is not valid UTF-8"))
    }

    fn varint(&mut self) -> Result<u64, ModelFileError> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ModelFileError::Damaged("a number is too long"))
    }

    fn floats(&mut self, count: usize, least: f32, most: f32) -> Result<Vec<f32>, ModelFileError> {
        let bytes = self.take(count * 4)?;
        let floats: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(std::array::from_fn(|i| bytes[i])))
            .collect();
        check(floats.iter().all(|float| (least..=most).contains(float)), "a number is out of range")?;
        Ok(floats)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::classifier::Scratch;
    use super::super::classifier::tests::small;
    use super::*;

    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| small().to_bytes());

    /// A body with the frame that makes it pass the first checks.
    fn framed(body: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        put(&mut bytes, VERSION);
        bytes.extend_from_slice(body);
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn body() -> &'static [u8] {
        &BYTES[MAGIC.len() + 4..BYTES.len() - CHECKSUM]
    }

    /// If the bytes are a model after all, it must at least predict.
    fn survives(bytes: &[u8]) {
        if let Ok(classifier) = Classifier::load(&mut &bytes[..]) {
            let mut scratch = Scratch::default();
            let probabilities = classifier.predict("where is my card? 天气", &mut scratch);
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-3, "{probabilities:?}");
        }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let classifier = small();
        let mut bytes = Vec::new();
        classifier.save(&mut bytes).unwrap();
        let again = Classifier::load(&mut &bytes[..]).unwrap();
        assert_eq!(again, classifier);
        assert_eq!(again.to_bytes(), bytes);
    }

    #[test]
    fn training_gives_the_same_bytes() {
        assert_eq!(small().to_bytes(), *BYTES);
    }

    #[test]
    fn tells_what_is_wrong() {
        let load = |bytes: &[u8]| Classifier::load(&mut &bytes[..]).unwrap_err();
        assert!(matches!(load(b""), ModelFileError::NotAModel));
        assert!(matches!(load(b"PK\x03\x04 and so on"), ModelFileError::NotAModel));
        let mut other = BYTES.clone();
        other[MAGIC.len()] = 2;
        assert!(matches!(load(&other), ModelFileError::Version { found: 2 }));
        assert!(matches!(load(&BYTES[..BYTES.len() - 1]), ModelFileError::Damaged(_)));
        assert!(matches!(load(&[&BYTES[..], &[0]].concat()), ModelFileError::Damaged(_)));
        assert!(matches!(
            load(&framed(&[body(), &[0][..]].concat())),
            ModelFileError::Damaged("its length is wrong")
        ));
    }

    #[test]
    fn every_cut_is_noticed() {
        for end in 0..BYTES.len() {
            assert!(Classifier::load(&mut &BYTES[..end]).is_err(), "{end}");
        }
        for end in 0..body().len() {
            assert!(Classifier::load(&mut &framed(&body()[..end])[..]).is_err(), "{end}");
        }
    }

    #[test]
    fn huge_counts_take_no_memory() {
        // Each position of the body may be a count.
        for position in 0..body().len() - 4 {
            let mut bytes = body().to_vec();
            bytes[position..position + 4].fill(0xff);
            survives(&framed(&bytes));
        }
    }

    proptest! {
        #[test]
        fn every_changed_byte_is_noticed(position in 0..BYTES.len(), change in 1..=255_u8) {
            let mut bytes = BYTES.clone();
            bytes[position] ^= change;
            prop_assert!(Classifier::load(&mut &bytes[..]).is_err());
        }

        #[test]
        fn altered_bodies_do_no_harm(changes in prop::collection::vec((0..body().len(), any::<u8>()), 1..8)) {
            let mut bytes = body().to_vec();
            changes.iter().for_each(|&(position, byte)| bytes[position] = byte);
            survives(&framed(&bytes));
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            survives(&bytes);
            survives(&framed(&bytes));
        }
    }
}
