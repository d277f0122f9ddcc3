//! Counted n-grams to TF-IDF: the n-grams worth a weight, and the vectors they span.
//!
//! N-grams that occur in exactly the same training rows with the same counts share one column. This loses
//! nothing under an L2 penalty (m equal columns are one column sqrt(m) times as long), and it halves the columns:
//! less to train, to look up and to store.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::ngrams::{FIRST_WORD_KEY, KEY_BITS, NgramReader};
use super::numeric::ln;

/// At most so many n-grams are kept, those found in the most rows.
pub const MAX_NGRAMS: usize = 1 << 20;

/// Counting forgets the rarest n-grams whenever it holds more than this: some 150 MB.
const MAX_CANDIDATES: usize = 1 << 22;

const COLUMN_BITS: u32 = u64::BITS - KEY_BITS;

/// Hashes at most half full do not need a tenth of these steps; keys made up to crowd the table do.
const MAX_PROBE: usize = 4096;

/// Which n-gram belongs to which column, and what an occurrence weighs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vocabulary {
    /// Open-addressing table of `key << 24 | column + 1`, in the order of the keys; an unused slot is 0.
    slots: Vec<u64>,
    shift: u32,
    /// Inverse document frequency of each column: ln((1 + rows) / (1 + rows with it)) + 1.
    idf: Vec<f32>,
    /// Columns from here on are of word n-grams, those before of character n-grams.
    first_word_column: u32,
}

/// The training rows, sparse.
#[derive(Debug)]
pub(super) struct Matrix {
    /// Where each row starts in `entries`; one more than there are rows.
    starts: Vec<usize>,
    /// (column, value)
    entries: Vec<(u32, f32)>,
    /// How many n-grams share each column.
    pub(super) sharers: Vec<u32>,
}

impl Matrix {
    /// Rows of which no number is left out, `width` each.
    pub(super) fn dense(values: &[f32], width: usize) -> Self {
        Self {
            starts: (0..=values.len() / width).map(|row| row * width).collect(),
            entries: values.chunks_exact(width).flat_map(|row| (0..).zip(row.iter().copied())).collect(),
            sharers: vec![1; width],
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn columns(&self) -> usize {
        self.sharers.len()
    }

    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[row]..self.starts[row + 1]]
    }
}

/// What reading a text needs; keep it to save the allocations.
#[derive(Debug, Default)]
pub(super) struct Reading {
    ngrams: NgramReader,
    /// For each column the sum so far; all zero between texts.
    sums: Vec<f32>,
    /// The columns with a sum.
    touched: Vec<u32>,
    /// The result of the last reading: (column, value).
    pub(super) vector: Vec<(u32, f32)>,
}

impl Vocabulary {
    /// Learns the vocabulary of at least one text: all its n-grams or the `most` that are in the most texts.
    ///
    /// An n-gram of a single text is kept, too: those of one text share a column, so they cost little, and
    /// without them rare words are lost, which was worth a point on small sets.
    pub(super) fn learn(texts: &[&str], most: usize) -> (Self, Matrix) {
        let mut ngrams = NgramReader::default();
        let frequent = frequent_ngrams(texts, most, &mut ngrams);
        let first_word = frequent.partition_point(|&(key, _)| key < FIRST_WORD_KEY);
        let by_key =
            Table::new(frequent.iter().enumerate().map(|(id, &(key, _))| (key, id as u32)), frequent.len());

        let mut starts = vec![0];
        let mut entries: Vec<(u32, f32)> = Vec::new();
        // Equal columns have equal signatures. Unequal ones, too, about once in a million vocabularies.
        let mut signatures = vec![0_u64; frequent.len()];
        for (row, text) in texts.iter().enumerate() {
            for (key, count) in ngrams.read(text) {
                if let Some(id) = by_key.get(key) {
                    entries.push((id, count as f32));
                    let occurrence = (row as u64) << 24 | u64::from(count);
                    let signature = &mut signatures[id as usize];
                    *signature = mix(*signature ^ mix(occurrence));
                }
            }
            starts.push(entries.len());
        }

        // The first n-gram with a signature stands for all of them.
        let mut columns: HashMap<(u64, bool), u32, BuildHasherDefault<KeyHasher>> = HashMap::default();
        let mut sharers: Vec<u32> = Vec::new();
        let mut idf = Vec::new();
        let mut first_word_column = 0;
        let rows = texts.len() as f32;
        let column_of: Vec<(u32, bool)> = signatures
            .iter()
            .enumerate()
            .map(|(id, &signature)| {
                let next = sharers.len() as u32;
                let column = *columns.entry((signature, id >= first_word)).or_insert(next);
                if column < next {
                    sharers[column as usize] += 1;
                    return (column, false);
                }
                sharers.push(1);
                idf.push(ln((1.0 + rows) / (1 + frequent[id].1) as f32) + 1.0);
                first_word_column += u32::from(id < first_word);
                (column, true)
            })
            .collect();
        drop(columns);

        // What remains of each row moves to the front, so that the memory is needed only once.
        let mut end = 0;
        let mut start = 0;
        for next in &mut starts[1..] {
            let row = start..*next;
            start = *next;
            let mut squares = [0_f32; 2];
            for (id, value) in &mut entries[row.clone()] {
                *value = term_weight(*value) * idf[column_of[*id as usize].0 as usize];
                squares[usize::from(*id as usize >= first_word)] += *value * *value;
            }
            for i in row {
                let (id, value) = entries[i];
                let (column, stands) = column_of[id as usize];
                if stands {
                    let length = squares[usize::from(id as usize >= first_word)].sqrt();
                    entries[end] = (column, value * (sharers[column as usize] as f32).sqrt() / length);
                    end += 1;
                }
            }
            *next = end;
        }
        entries.truncate(end);
        entries.shrink_to_fit();

        let keys = frequent.iter().zip(&column_of).map(|(&(key, _), &(column, _))| (key, column));
        let table = Table::new(keys, frequent.len());
        (
            Self { slots: table.slots, shift: table.shift, idf, first_word_column },
            Matrix { starts, entries, sharers },
        )
    }

    /// Makes a vocabulary of (key, column), as [`Self::keys`] gives. The keys must be distinct and below
    /// 2^40, the columns those of `idf`. None if the keys crowd as no hashes do.
    pub(super) fn from_keys(keys: &[(u64, u32)], idf: Vec<f32>, first_word_column: u32) -> Option<Self> {
        let table = Table::new(keys.iter().copied(), keys.len());
        let crowded = table.longest_probe > MAX_PROBE;
        (!crowded).then_some(Self { slots: table.slots, shift: table.shift, idf, first_word_column })
    }

    /// All (key, column) in ascending order of the keys.
    pub(super) fn keys(&self) -> Vec<(u64, u32)> {
        let mut keys: Vec<_> =
            self.slots.iter().filter(|&&slot| slot != 0).map(|&slot| unpack(slot)).collect();
        keys.sort_unstable();
        keys
    }

    pub(super) fn idf(&self) -> &[f32] {
        &self.idf
    }

    pub(super) fn first_word_column(&self) -> u32 {
        self.first_word_column
    }

    pub(super) fn columns(&self) -> usize {
        self.idf.len()
    }

    /// Reads a text into `reading.vector`. N-grams that training did not keep are passed over.
    pub(super) fn read(&self, text: &str, reading: &mut Reading) {
        let Reading { ngrams, sums, touched, vector } = reading;
        if sums.len() < self.idf.len() {
            sums.resize(self.idf.len(), 0.0);
        }
        touched.clear();
        vector.clear();
        let mut squares = [0_f32; 2];
        for (key, count) in ngrams.read(text) {
            if let Some(column) = find(&self.slots, self.shift, key) {
                let value = term_weight(count as f32) * self.idf[column as usize];
                squares[usize::from(key >= FIRST_WORD_KEY)] += value * value;
                let sum = &mut sums[column as usize];
                if *sum == 0.0 {
                    touched.push(column);
                }
                *sum += value;
            }
        }
        let scales = squares.map(|squares| 1.0 / squares.sqrt());
        vector.extend(touched.iter().map(|&column| {
            let sum = std::mem::take(&mut sums[column as usize]);
            (column, sum * scales[usize::from(column >= self.first_word_column)])
        }));
    }
}

/// What `count` occurrences in one text weigh: long texts repeat themselves, so the second counts for less.
fn term_weight(count: f32) -> f32 {
    if count > 1.0 { 1.0 + ln(count) } else { 1.0 }
}

/// The n-grams to keep with the number of texts they occur in, in ascending order of the keys.
fn frequent_ngrams(texts: &[&str], most: usize, ngrams: &mut NgramReader) -> Vec<(u64, u32)> {
    let mut counts: HashMap<u64, u32, BuildHasherDefault<KeyHasher>> = HashMap::default();
    for text in texts {
        for (key, _) in ngrams.read(text) {
            *counts.entry(key).or_insert(0) += 1;
        }
        let mut rarest = 1;
        while counts.len() > MAX_CANDIDATES {
            counts.retain(|_, count| *count > rarest);
            rarest += 1;
        }
    }
    let mut kept: Vec<_> = counts.into_iter().collect();
    if kept.len() > most {
        // Among equally frequent ones, the hash decides, but not as it stands: the lowest keys would all lie
        // in one corner of the table.
        kept.select_nth_unstable_by_key(most, |&(key, count)| (std::cmp::Reverse(count), mix(key)));
        kept.truncate(most);
    }
    kept.sort_unstable();
    kept
}

/// An immutable map from keys to numbers below 2^24 - 1.
struct Table {
    slots: Vec<u64>,
    shift: u32,
    longest_probe: usize,
}

impl Table {
    fn new(pairs: impl Iterator<Item = (u64, u32)>, len: usize) -> Self {
        let size = (2 * len).next_power_of_two().max(64);
        let mut slots = vec![0; size];
        // The bit that tells words from characters does not take part: it would crowd one half.
        let shift = KEY_BITS - 1 - size.trailing_zeros();
        let mut longest_probe = 0;
        for (key, value) in pairs {
            let mut position = (key >> shift) as usize & (size - 1);
            let mut probe = 0;
            while slots[position] != 0 {
                position = (position + 1) & (size - 1);
                probe += 1;
            }
            longest_probe = longest_probe.max(probe);
            if longest_probe > MAX_PROBE {
                break;
            }
            slots[position] = key << COLUMN_BITS | u64::from(value + 1);
        }
        Self { slots, shift, longest_probe }
    }

    fn get(&self, key: u64) -> Option<u32> {
        find(&self.slots, self.shift, key)
    }
}

fn unpack(slot: u64) -> (u64, u32) {
    (slot >> COLUMN_BITS, (slot & ((1 << COLUMN_BITS) - 1)) as u32 - 1)
}

#[inline]
fn find(slots: &[u64], shift: u32, key: u64) -> Option<u32> {
    let mask = slots.len() - 1;
    let mut position = (key >> shift) as usize & mask;
    loop {
        let slot = slots[position];
        if slot == 0 {
            return None;
        }
        if slot >> COLUMN_BITS == key {
            return Some(unpack(slot).1);
        }
        position = (position + 1) & mask;
    }
}

/// Spreads the bits of a number (the finaliser of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// For keys that are hashes already: fast, and safe because the map's order is never used.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = (self.0 ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(32);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXTS: [&str; 5] =
        ["where is my card", "my card was declined", "天气怎么样", "card card card", "zzz zzz"];

    #[test]
    fn both_groups_have_length_one() {
        let (vocabulary, matrix) = Vocabulary::learn(&TEXTS, MAX_NGRAMS);
        for row in 0..TEXTS.len() {
            let mut squares = [0.0; 2];
            for &(column, value) in matrix.row(row) {
                squares[usize::from(column >= vocabulary.first_word_column())] += value * value;
            }
            assert!(squares.iter().all(|square| (square - 1.0_f32).abs() < 1e-5), "{squares:?}");
        }
    }

    #[test]
    fn reading_gives_the_training_rows() {
        let (vocabulary, matrix) = Vocabulary::learn(&TEXTS, MAX_NGRAMS);
        let mut reading = Reading::default();
        for (row, text) in TEXTS.iter().enumerate() {
            vocabulary.read(text, &mut reading);
            let mut found = reading.vector.clone();
            let mut expected = matrix.row(row).to_vec();
            found.sort_by_key(|entry| entry.0);
            expected.sort_by_key(|entry| entry.0);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                // A column of m n-grams is sqrt(m) long, and reading adds up m values.
                let sharers = (matrix.sharers[expected.0 as usize] as f32).sqrt();
                assert_eq!(found.0, expected.0);
                assert!((found.1 / sharers - expected.1).abs() < 1e-5, "{found:?} {expected:?}");
            }
        }
    }

    #[test]
    fn n_grams_that_go_together_share_a_column() {
        let (vocabulary, matrix) = Vocabulary::learn(&["abcde", "fghij"], MAX_NGRAMS);
        // One column for the characters of each text and one for its word.
        assert_eq!((matrix.columns(), vocabulary.first_word_column()), (4, 2));
        assert_eq!(matrix.sharers.iter().sum::<u32>() as usize, vocabulary.keys().len());
        assert_eq!(matrix.entries(), 4);
    }

    #[test]
    fn keeps_the_most_frequent_when_there_are_too_many() {
        let (vocabulary, _) = Vocabulary::learn(&["ab xy", "ab cd", "ab ef"], 7);
        let mut reading = Reading::default();
        vocabulary.read("ab", &mut reading);
        assert_eq!(vocabulary.keys().len(), 7);
        assert_eq!(reading.vector.len(), 2);
        vocabulary.read("xy cd ef", &mut reading);
        assert_eq!(reading.vector, []);
    }

    #[test]
    fn unknown_n_grams_are_passed_over() {
        let (vocabulary, _) = Vocabulary::learn(&TEXTS, MAX_NGRAMS);
        let mut reading = Reading::default();
        for text in ["", " ", "qqqq", "Ω"] {
            vocabulary.read(text, &mut reading);
            assert_eq!(reading.vector, [], "{text}");
        }
        let (nothing, matrix) = Vocabulary::learn(&["", " \n"], MAX_NGRAMS);
        nothing.read("anything", &mut reading);
        assert_eq!((reading.vector.len(), matrix.rows(), matrix.entries()), (0, 2, 0));
    }

    #[test]
    fn crowded_keys_are_refused() {
        let crowded: Vec<_> = (0..20_000).map(|key| (key, 0)).collect();
        assert!(Vocabulary::from_keys(&crowded, vec![1.0], 1).is_none());
    }

    proptest! {
        #[test]
        fn any_texts_give_finite_values(texts in prop::collection::vec(".{0,40}", 1..8), other in any::<String>()) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (vocabulary, matrix) = Vocabulary::learn(&texts, 50);
            let mut reading = Reading::default();
            vocabulary.read(&other, &mut reading);
            let all = (0..matrix.rows()).flat_map(|row| matrix.row(row)).chain(&reading.vector);
            for &(column, value) in all {
                prop_assert!((column as usize) < vocabulary.columns() && value.is_finite() && value > 0.0);
            }
            let keys = vocabulary.keys();
            let again = Vocabulary::from_keys(&keys, vocabulary.idf().to_vec(), vocabulary.first_word_column());
            prop_assert_eq!(again, Some(vocabulary));
        }
    }
}
