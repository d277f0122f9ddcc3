//! Which keys the ledger may have, in little memory: for a row that is new, nothing else has to be looked at.

use rusqlite::Connection;

use super::ContentKey;

/// Bits for each key.
const BITS_PER_KEY: u64 = 32;
/// The most bits, 16 MiB: in a larger ledger more new keys are taken for known ones.
const MOST_BITS: u64 = 1 << 27;
/// Where the bits of a key are, one in each word: together they are one line of the processor's cache.
type Block = [u64; 8];

/// A set of keys that answers "certainly not" or "perhaps": a blocked Bloom filter (Putze, Sanders and Singler, 2009). A
/// key is a hash already, so its own bytes say where its bits are. With 32 bits for each key, one new key in some ten
/// thousand is taken for one that may be there.
#[derive(Debug)]
pub struct KeyFilter {
    blocks: Vec<Block>,
    newest: i64,
}

impl KeyFilter {
    /// Reads every key once.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let newest = Self::newest_in(connection)?;
        let mut filter = Self { newest, ..Self::for_keys(newest.unsigned_abs()) };
        // The index of keys has all that is needed; the answers themselves are not read.
        let mut query = connection.prepare("SELECT key FROM answers")?;
        let mut keys = query.query(())?;
        while let Some(row) = keys.next()? {
            if let Ok(key) = row.get_ref(0)?.as_blob() {
                filter.add(key);
            }
        }
        Ok(filter)
    }

    /// The number of the answer that had been added last when the filter was made: while that stays, it knows every key.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    pub(super) fn newest_in(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row("SELECT coalesce(max(rowid), 0) FROM answers", (), |row| row.get(0))
    }

    fn for_keys(keys: u64) -> Self {
        let bits = keys.saturating_mul(BITS_PER_KEY).clamp(512, MOST_BITS).next_power_of_two();
        Self { blocks: vec![Block::default(); (bits / 512) as usize], newest: 0 }
    }

    fn add(&mut self, key: &[u8]) {
        if let Some(key) = key.first_chunk() {
            let (block, bits) = self.place(key);
            self.blocks[block].iter_mut().zip(bits).for_each(|(word, bit)| *word |= bit);
        }
    }

    /// Whether the ledger had, when the filter was made, perhaps an answer under this key.
    pub fn may_hold(&self, key: &ContentKey) -> bool {
        key.0.first_chunk().is_some_and(|key| {
            let (block, bits) = self.place(key);
            self.blocks[block].iter().zip(bits).all(|(word, bit)| word & bit == bit)
        })
    }

    /// The block of a key, from its first eight bytes, and the bits in it: one in each word, from the next eight.
    fn place(&self, key: &[u8; 16]) -> (usize, Block) {
        let [block, bits] = [0, 8].map(|at| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&key[at..at + 8]);
            u64::from_be_bytes(bytes)
        });
        let mut places = Block::default();
        for (at, place) in places.iter_mut().enumerate() {
            *place = 1 << (bits >> (6 * at) & 63);
        }
        ((block % self.blocks.len() as u64) as usize, places)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_added_may_be_there(keys in prop::collection::vec(any::<[u8; 32]>(), 0..200), declared in 0u64..300) {
            let mut filter = KeyFilter::for_keys(declared);
            keys.iter().for_each(|key| filter.add(key));
            for key in &keys {
                prop_assert!(filter.may_hold(&ContentKey(*key)));
            }
        }
    }

    #[test]
    fn few_new_keys_are_taken_for_old_ones() {
        use sha2::{Digest, Sha256};
        let key = |i: u32| ContentKey(Sha256::digest(i.to_le_bytes()).into());
        let mut filter = KeyFilter::for_keys(1000);
        (0..1000).for_each(|i| filter.add(&key(i).0));
        let mistaken = (1000..11_000).filter(|&i| filter.may_hold(&key(i))).count();
        assert!(mistaken <= 5, "{mistaken} of 10,000");
    }
}
