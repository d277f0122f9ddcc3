//! A part of the rows, the same on every machine: so that several can share an evaluation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ExampleId;

/// The most parts: all of them are counted when they are joined, also where a damaged manifest names them.
const MOST: u32 = 1000;

/// One of several parts of the rows. A row's part follows from its text alone: other rows and their order don't matter, and rows
/// of one text, which are right or wrong together, are in one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// The part with this number, from 1, of at most 1,000; `None` unless there is such a part.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (of <= MOST && (1..=of).contains(&number)).then_some(Self { number, of })
    }

    /// How many parts there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// All parts that this is one of.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (1..=self.of).map(move |number| Self { number, ..self })
    }

    /// Whether the rows of this text are in this part.
    pub fn holds(self, text: &str) -> bool {
        ExampleId::of(text, "", 0).0 % u64::from(self.of) == u64::from(self.number - 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// A text that names no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid shard `{0}`; expected e.g. 2/8")]
pub struct BadShard(pub String);

impl FromStr for Shard {
    type Err = BadShard;

    fn from_str(text: &str) -> Result<Self, BadShard> {
        let parts = text.split_once('/').and_then(|(a, b)| Self::new(a.parse().ok()?, b.parse().ok()?));
        parts.ok_or_else(|| BadShard(text.to_owned()))
    }
}

impl TryFrom<String> for Shard {
    type Error = BadShard;

    fn try_from(text: String) -> Result<Self, BadShard> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_is_in_exactly_one_part(text: String, of in 1u32..50) {
            let parts = Shard::new(1, of).unwrap().all().filter(|shard| shard.holds(&text));
            prop_assert_eq!(parts.count(), 1);
        }

        #[test]
        fn a_shard_reads_back_and_nothing_else_does(text in "[0-9/+ -]{0,6}") {
            if let Ok(shard) = text.parse::<Shard>() {
                prop_assert_eq!(shard.to_string().parse(), Ok(shard));
            }
        }
    }

    #[test]
    fn what_is_no_part_is_refused() {
        assert_eq!("2/8".parse(), Ok(Shard { number: 2, of: 8 }));
        for bad in ["", "0/8", "9/8", "2", "2/0", "a/b", "1/2/3", "1/1001", "1/4294967295"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
