//! The closed list of labels that answers are chosen from.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A label, as its position in the [`LabelSet`]: four bytes a row instead of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LabelId(pub u32);

impl LabelId {
    /// The position in the label set, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The labels of a task: non-empty, distinct, in a fixed order.
///
/// Serialised as a plain list of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LabelSet {
    names: Vec<String>,
    ids: HashMap<String, LabelId>,
}

/// Why a list of names is no label set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelSetError {
    /// There is no label at all.
    #[error("there are no labels")]
    None,
    /// A name is empty or only white space.
    #[error("label {position} is empty")]
    Empty {
        /// Where in the list, from 1.
        position: usize,
    },
    /// A name begins or ends with white space, or holds a line break or another control character, and so
    /// could not stand on a line of its own in a prompt.
    #[error("label `{}` has outer white space, a line break or another control character", .name.escape_debug())]
    Unprintable {
        /// The name.
        name: String,
    },
    /// A name stands twice.
    #[error("duplicate label `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
}

impl LabelSet {
    /// Makes a label set that keeps the given order.
    pub fn new(names: Vec<String>) -> Result<Self, LabelSetError> {
        if names.is_empty() {
            return Err(LabelSetError::None);
        }
        let mut ids = HashMap::with_capacity(names.len());
        for (position, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(LabelSetError::Empty { position: position + 1 });
            }
            if name.trim() != name || name.chars().any(char::is_control) {
                return Err(LabelSetError::Unprintable { name: name.clone() });
            }
            if ids.insert(name.clone(), LabelId(position as u32)).is_some() {
                return Err(LabelSetError::Duplicate { name: name.clone() });
            }
        }
        Ok(Self { names, ids })
    }

    /// How many labels there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a label set is never empty")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The name of a label.
    ///
    /// # Panics
    /// If `id` belongs to another, larger set.
    pub fn name(&self, id: LabelId) -> &str {
        &self.names[id.index()]
    }

    /// The label with exactly this name.
    pub fn get(&self, name: &str) -> Option<LabelId> {
        self.ids.get(name).copied()
    }

    /// All labels with their names, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (LabelId, &str)> {
        self.names.iter().enumerate().map(|(i, name)| (LabelId(i as u32), name.as_str()))
    }

    /// All names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl TryFrom<Vec<String>> for LabelSet {
    type Error = LabelSetError;

    fn try_from(names: Vec<String>) -> Result<Self, Self::Error> {
        Self::new(names)
    }
}

impl From<LabelSet> for Vec<String> {
    fn from(set: LabelSet) -> Self {
        set.names
    }
}

impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Result<LabelSet, LabelSetError> {
        LabelSet::new(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn keeps_the_given_order() {
        let labels = set(&["spam", "ham"]).unwrap();
        assert_eq!(labels.get("ham"), Some(LabelId(1)));
        assert_eq!(labels.name(LabelId(0)), "spam");
        assert_eq!(labels.get("Ham"), None);
    }

    #[test]
    fn refuses_what_could_not_be_told_apart_in_a_prompt() {
        assert_eq!(set(&[]), Err(LabelSetError::None));
        assert_eq!(set(&["a", " "]), Err(LabelSetError::Empty { position: 2 }));
        assert_eq!(set(&["a", "a"]), Err(LabelSetError::Duplicate { name: "a".into() }));
        for name in ["a\nb", " a", "a\t", "\u{7}"] {
            assert_eq!(set(&[name]), Err(LabelSetError::Unprintable { name: name.into() }));
        }
    }

    #[test]
    fn is_stored_as_a_plain_list() {
        let labels = set(&["x", "y"]).unwrap();
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(json, r#"["x","y"]"#);
        assert_eq!(serde_json::from_str::<LabelSet>(&json).unwrap(), labels);
        assert!(serde_json::from_str::<LabelSet>(r#"["x","x"]"#).is_err());
    }
}
