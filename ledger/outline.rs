//! Which keys the ledger may have, in little memory: for a row that is new, nothing else has to be looked at.

use rusqlite::Connection;

use super::ContentKey;

/// Bits for each key: with so many, one new key in 32 is taken for one that may be there.
const BITS_PER_KEY: u64 = 32;
/// The most bits, 16 MiB: a larger ledger is outlined more roughly.
const MOST_BITS: u64 = 1 << 27;

/// A set of keys that answers "certainly not" or "perhaps": one bit for each, at the place that the key's first bits
/// name (a Bloom filter with one hash function, and the key is a hash already).
#[derive(Debug)]
pub struct KeyFilter {
    bits: Vec<u64>,
    /// How far a key's first 64 bits are to be moved to the right to name a bit.
    shift: u32,
}

impl KeyFilter {
    /// Reads every key once.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let rows: Option<i64> =
            connection.query_row("SELECT max(rowid) FROM answers", (), |row| row.get(0))?;
        let mut outline = Self::for_keys(rows.unwrap_or(0).unsigned_abs());
        if rows.is_some() {
            // The index of keys has all that is needed; the answers themselves are not read.
            let mut query = connection.prepare("SELECT key FROM answers")?;
            let mut keys = query.query(())?;
            while let Some(row) = keys.next()? {
                if let Ok(key) = row.get_ref(0)?.as_blob() {
                    outline.add(key);
                }
            }
        }
        Ok(outline)
    }

    fn for_keys(keys: u64) -> Self {
        let bits = keys.saturating_mul(BITS_PER_KEY).clamp(64, MOST_BITS).next_power_of_two();
        Self { bits: vec![0; (bits / 64) as usize], shift: 64 - bits.trailing_zeros() }
    }

    fn add(&mut self, key: &[u8]) {
        if let Some(first) = key.first_chunk() {
            let (word, bit) = self.place(first);
            self.bits[word] |= bit;
        }
    }

    /// Whether the ledger had, when the outline was made, perhaps an answer under this key.
    pub fn may_hold(&self, key: &ContentKey) -> bool {
        key.0.first_chunk().is_some_and(|first| {
            let (word, bit) = self.place(first);
            self.bits[word] & bit != 0
        })
    }

    fn place(&self, first: &[u8; 8]) -> (usize, u64) {
        let at = u64::from_be_bytes(*first) >> self.shift;
        ((at / 64) as usize, 1 << (at % 64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_added_may_be_there(keys in prop::collection::vec(any::<[u8; 32]>(), 0..200), declared in 0u64..300) {
            let mut outline = KeyFilter::for_keys(declared);
            keys.iter().for_each(|key| outline.add(key));
            for key in &keys {
                prop_assert!(outline.may_hold(&ContentKey(*key)));
            }
        }
    }

    #[test]
    fn few_new_keys_are_taken_for_old_ones() {
        use sha2::{Digest, Sha256};
        let key = |i: u32| ContentKey(Sha256::digest(i.to_le_bytes()).into());
        let mut outline = KeyFilter::for_keys(1000);
        (0..1000).for_each(|i| outline.add(&key(i).0));
        let mistaken = (1000..11_000).filter(|&i| outline.may_hold(&key(i))).count();
        assert!((200..=400).contains(&mistaken), "{mistaken} of 10,000");
    }
}
