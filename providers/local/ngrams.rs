//! Text to counted keys of word 1-2-grams and of character n-grams, for any script.
//!
//! Nothing is allocated per n-gram: a key is 40 bits of an xxh3 hash, and equal keys are counted in a small
//! table that is kept from text to text.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Only so many characters of a text are read; what follows is ignored.
///
/// It bounds a text to half a million n-grams: some twenty milliseconds and 20 MB of scratch.
pub const MAX_CHARACTERS: usize = 100_000;

/// Bits of a key. The top one tells word n-grams (1) from character n-grams (0).
pub(super) const KEY_BITS: u32 = 40;
/// The first key of a word n-gram.
pub(super) const FIRST_WORD_KEY: u64 = 1 << (KEY_BITS - 1);

const COUNT_BITS: u32 = u64::BITS - KEY_BITS;
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The longest character n-gram; an n-gram does not reach beyond the white space around a word.
const LONGEST: usize = 5;

/// Reads texts; keep it to save the allocations.
#[derive(Debug)]
pub(super) struct NgramReader {
    /// Characters of the shortest character n-gram.
    shortest: usize,
    /// The text in lower case, every run of white space one space, one space before and after.
    bytes: Vec<u8>,
    /// Where each character of `bytes` starts.
    starts: Vec<u32>,
    /// Hashes of the words.
    words: Vec<u64>,
    counts: Counts,
}

impl Default for NgramReader {
    fn default() -> Self {
        Self::from(2)
    }
}

impl NgramReader {
    /// A reader of character n-grams from `shortest` characters, 1 to 5, up to 5.
    pub(super) fn from(shortest: usize) -> Self {
        let (bytes, starts, words) = (Vec::new(), Vec::new(), Vec::new());
        Self { shortest, bytes, starts, words, counts: Counts::default() }
    }

    /// The distinct n-grams of a text with their counts (key, count), in order of first occurrence.
    pub(super) fn read(&mut self, text: &str) -> impl ExactSizeIterator<Item = (u64, u32)> + '_ {
        self.normalise(text);
        self.counts.clear(self.starts.len() * (LONGEST - self.shortest + 1) + self.words.len() * 2);
        self.count_characters();
        self.count_words();
        self.counts.iter()
    }

    fn normalise(&mut self, text: &str) {
        self.bytes.clear();
        self.starts.clear();
        self.words.clear();
        self.push(' ');
        let mut word = None;
        for c in text.chars().take(MAX_CHARACTERS) {
            let start = self.bytes.len();
            if c.is_ascii() {
                // Control characters separate, too: they carry no meaning, and a text may be full of them.
                if c > ' ' && c != '\u{7f}' {
                    self.push(c.to_ascii_lowercase());
                } else if self.bytes.last() != Some(&b' ') {
                    self.push(' ');
                }
            } else if !c.is_whitespace() && !c.is_control() {
                c.to_lowercase().for_each(|c| self.push(c));
            } else if self.bytes.last() != Some(&b' ') {
                self.push(' ');
            }
            let alone = stands_alone(c);
            if alone || !(c.is_alphanumeric() || c == '_') {
                self.end_word(&mut word, start);
            }
            if alone {
                word = Some(start);
                let end = self.bytes.len();
                self.end_word(&mut word, end);
            } else if word.is_none() && (c.is_alphanumeric() || c == '_') {
                word = Some(start);
            }
        }
        let end = self.bytes.len();
        self.end_word(&mut word, end);
        if self.bytes.last() != Some(&b' ') {
            self.push(' ');
        }
        self.starts.push(self.bytes.len() as u32);
    }

    fn push(&mut self, c: char) {
        self.starts.push(self.bytes.len() as u32);
        if c.is_ascii() {
            self.bytes.push(c as u8);
        } else {
            self.bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn end_word(&mut self, word: &mut Option<usize>, end: usize) {
        if let Some(start) = word.take() {
            self.words.push(xxh3_64_with_seed(&self.bytes[start..end], 1));
        }
    }

    fn count_characters(&mut self) {
        let characters = self.starts.len() - 1;
        let mut first = 0;
        // Each piece is a word with the space before and after it: " card ".
        while first + 1 < characters {
            let mut last = first + 1;
            while self.bytes[self.starts[last] as usize] != b' ' {
                last += 1;
            }
            let piece = &self.starts[first..=last + 1];
            for i in 0..piece.len() - self.shortest.min(piece.len()) {
                let longest = LONGEST.min(piece.len() - 1 - i);
                for n in self.shortest..=longest {
                    let hash = xxh3_64(&self.bytes[piece[i] as usize..piece[i + n] as usize]);
                    self.counts.add(hash >> (u64::BITS - KEY_BITS + 1));
                }
            }
            first = last;
        }
    }

    fn count_words(&mut self) {
        let mut add = |hash: u64| self.counts.add(FIRST_WORD_KEY | (hash >> (u64::BITS - KEY_BITS + 1)));
        for (i, &word) in self.words.iter().enumerate() {
            add(word);
            if let Some(&next) = self.words.get(i + 1) {
                let mut pair = [0; 16];
                pair[..8].copy_from_slice(&word.to_le_bytes());
                pair[8..].copy_from_slice(&next.to_le_bytes());
                add(xxh3_64_with_seed(&pair, 2));
            }
        }
    }
}

/// Whether a character is a word by itself: Chinese and Japanese are written without spaces.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphanumeric()
}

/// Counts keys in an open-addressing table of `key << 24 | count`; an unused slot is 0.
#[derive(Debug, Default)]
struct Counts {
    slots: Vec<u64>,
    /// Positions of the used slots, by first use.
    used: Vec<u32>,
    /// How far a key is shifted to give its position; follows from the size in use.
    shift: u32,
}

impl Counts {
    /// Makes room for `most` distinct keys and forgets all keys.
    fn clear(&mut self, most: usize) {
        for &position in &self.used {
            self.slots[position as usize] = 0;
        }
        self.used.clear();
        let size = (2 * most).next_power_of_two().max(1024);
        if self.slots.len() < size {
            self.slots.resize(size, 0);
        }
        self.shift = KEY_BITS - 1 - size.trailing_zeros();
    }

    fn add(&mut self, key: u64) {
        let mask = (1 << (KEY_BITS - 1 - self.shift)) - 1;
        // Word keys have the top bit on top of the position's bits: the mask takes it off.
        let mut position = (key >> self.shift) as usize & mask;
        loop {
            let slot = &mut self.slots[position];
            if *slot == 0 {
                *slot = key << COUNT_BITS | 1;
                self.used.push(position as u32);
                return;
            }
            if *slot >> COUNT_BITS == key {
                *slot += u64::from(*slot & MAX_COUNT < MAX_COUNT);
                return;
            }
            position = (position + 1) & mask;
        }
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u32)> + '_ {
        self.used.iter().map(|&position| {
            let slot = self.slots[position as usize];
            (slot >> COUNT_BITS, (slot & MAX_COUNT) as u32)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str) -> HashMap<u64, u32> {
        NgramReader::default().read(text).collect()
    }

    fn groups(text: &str) -> (usize, usize) {
        let keys = keys(text);
        let words = keys.keys().filter(|&&key| key >= FIRST_WORD_KEY).count();
        (keys.len() - words, words)
    }

    #[test]
    fn counts_by_hand() {
        // " ab ": 3 of two, 2 of three, 1 of four; "ab".
        assert_eq!(groups("ab"), (6, 1));
        // " a ", " b ": 2 + 1 each, "a", "b", "a b".
        assert_eq!(groups("a b"), (6, 3));
        assert_eq!(keys("ab ab").values().max(), Some(&2));
        assert_eq!(groups("don't"), (6 + 5 + 4 + 3, 3));
    }

    #[test]
    fn case_and_white_space_do_not_count() {
        assert_eq!(keys("Where IS\n\tmy ÄRGER"), keys("  where is my  ärger\u{a0}"));
        assert_eq!(keys(" \n\u{3000}\u{0}"), HashMap::new());
        assert_ne!(keys("a b"), keys("b a"));
    }

    #[test]
    fn ideographs_are_words() {
        // 天 气 and 天气; with the spaces around it 4 characters: 3 + 2 + 1.
        assert_eq!(groups("天气"), (6, 3));
        assert_eq!(groups("😀"), (3, 0));
        // A word beside an ideograph ends there.
        assert_eq!(groups("ab天").1, groups("ab 天").1);
    }

    #[test]
    fn a_long_text_is_read_to_the_bound() {
        let bound = "ab c ".repeat(MAX_CHARACTERS / 5);
        assert_eq!(keys(&bound), keys(&format!("{bound}something else")));
        let distinct: String = (0..60_000).map(|i| char::from_u32(0x20000 + i).unwrap()).collect();
        let (characters, words) = groups(&distinct);
        assert!(characters > 239_000 && words > 119_000, "{characters} {words}");
    }

    #[test]
    fn scratch_does_not_leak_from_text_to_text() {
        let mut reader = NgramReader::default();
        let long = "many words that fill the table ".repeat(200);
        for text in ["one", &long, "two", "", "one"] {
            assert_eq!(reader.read(text).collect::<HashMap<_, _>>(), keys(text));
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in any::<String>()) {
            let mut reader = NgramReader::default();
            let found: Vec<_> = reader.read(&text).collect();
            let distinct: HashSet<_> = found.iter().map(|&(key, _)| key).collect();
            prop_assert_eq!(found.len(), distinct.len());
            prop_assert!(found.iter().all(|&(key, count)| key < 1 << KEY_BITS && count > 0));
        }
    }
}
