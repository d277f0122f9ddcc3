//! One row of labelled data, and its identity.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Fields, LabelId, Row};

/// One labelled row.
///
/// [`Example::new`] makes one; what it does not take can be set afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Example {
    /// Identity, from the content.
    pub id: ExampleId,
    /// The text to classify, as it stands in the file.
    pub text: String,
    /// The gold label.
    pub label: LabelId,
    /// The name of the group that it belongs to, where the data has groups.
    pub group: Option<String>,
    /// Where it begins in its file, from 1, to be named in messages; 0 for one that is from no file.
    pub line: u64,
    /// Its other columns, as far as [`Source::fields`](crate::Source::fields) asks for them.
    pub fields: Fields,
}

impl Example {
    /// An example that is from no file, in no group and without other columns.
    pub fn new(id: ExampleId, text: impl Into<String>, label: LabelId) -> Self {
        Self { id, text: text.into(), label, group: None, line: 0, fields: Fields::default() }
    }

    /// What a row of a file is, once its label and identity are known.
    pub(crate) fn of_row(row: Row, id: ExampleId, label: LabelId) -> Self {
        let Row { line, text, group, fields, .. } = row;
        Self { id, text, label, group, line, fields }
    }
}

/// The identity of an example: 64 bits of a SHA-256 over text, label name and repetition.
///
/// It stays the same when rows are added, removed or put in another order, so results of different runs
/// and machines can be paired. Shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExampleId(pub u64);

impl ExampleId {
    /// The identity of a row with this text and label.
    ///
    /// `repetition` is 0 for the first row with this content, 1 for the second, and so on.
    pub fn of(text: &str, label: &str, repetition: u32) -> Self {
        let mut hash = Sha256::new();
        // The length in front keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
        hash.update(label);
        if repetition > 0 {
            hash.update([0]);
            hash.update(repetition.to_le_bytes());
        }
        let digest = hash.finalize();
        Self(u64::from_be_bytes(std::array::from_fn(|i| digest[i])))
    }
}

impl fmt::Display for ExampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is not the 16 hexadecimal digits of an [`ExampleId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an example id (16 hexadecimal digits)")]
pub struct BadExampleId(pub String);

impl FromStr for ExampleId {
    type Err = BadExampleId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(value) if digits => Ok(Self(value)),
            _ => Err(BadExampleId(text.to_owned())),
        }
    }
}

impl Serialize for ExampleId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExampleId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_the_content() {
        let id = ExampleId::of("where is my card", "card_arrival", 0);
        assert_eq!(id, ExampleId::of("where is my card", "card_arrival", 0));
        for other in [
            ExampleId::of("where is my card", "card_arrival", 1),
            ExampleId::of("where is my car", "dcard_arrival", 0),
            ExampleId::of("where is my card", "card_delivery", 0),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn never_changes_between_versions() {
        // Committed baselines hold these digits.
        assert_eq!(ExampleId::of("text", "label", 0).to_string(), "29be91e16c9d097c");
        assert_eq!(ExampleId::of("text", "label", 1).to_string(), "64484e7cac4ba140");
    }

    #[test]
    fn reads_back_what_it_shows() {
        let id = ExampleId(0x00ab_cdef_0123_4567);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "12", "+0abcdef01234567", "00abcdef0123456g", "000abcdef01234567"] {
            assert!(bad.parse::<ExampleId>().is_err(), "{bad}");
        }
    }
}
