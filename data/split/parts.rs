//! The parts of a split: names and shares.

use std::fmt;
use std::str::FromStr;

/// Names with shares that add up to 1, such as `train=0.8,validation=0.1,test=0.1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts(Vec<(String, f64)>);

/// Why a text is no list of parts.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadParts {
    /// An item is no name with a share.
    #[error("invalid part `{0}`; expected NAME=SHARE, such as test=0.2")]
    Item(String),
    /// A name can't be that of a file.
    #[error("invalid name for a part: `{0}`; use letters, digits, `_` and `-`")]
    Name(String),
    /// A name stands twice.
    #[error("duplicate part `{0}`")]
    Twice(String),
    /// The shares do not add up to 1.
    #[error("the shares add up to {0}, not to 1")]
    Sum(f64),
    /// One part is no split.
    #[error("there must be two parts at least, and 100 at most")]
    Number,
}

impl Parts {
    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there are two parts at least")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Names and shares.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, share)| (name.as_str(), *share))
    }

    /// So many parts of the same size, without names that anyone sees.
    pub(super) fn equal(parts: usize) -> Self {
        Self((0..parts).map(|part| (part.to_string(), 1.0 / parts as f64)).collect())
    }

    /// The part in which a number from 0 up to 1 falls.
    pub(super) fn at(&self, place: f64) -> usize {
        let mut end = 0.0;
        let found = self.0.iter().position(|(_, share)| {
            end += share;
            place < end
        });
        found.unwrap_or(self.0.len() - 1)
    }
}

impl FromStr for Parts {
    type Err = BadParts;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::<(String, f64)>::new();
        for item in text.split(',') {
            let bad = || BadParts::Item(item.trim().to_owned());
            let (name, share) = item.split_once('=').ok_or_else(bad)?;
            let share: f64 = share.trim().parse().map_err(|_| bad())?;
            let name = name.trim();
            if !(share > 0.0 && share < 1.0) {
                return Err(bad());
            }
            let usual = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(usual) {
                return Err(BadParts::Name(name.to_owned()));
            }
            if parts.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(BadParts::Twice(name.to_owned()));
            }
            parts.push((name.to_owned(), share));
        }
        if !(2..=100).contains(&parts.len()) {
            return Err(BadParts::Number);
        }
        let sum: f64 = parts.iter().map(|(_, share)| share).sum();
        // Thirds are written with a few digits.
        if (sum - 1.0).abs() > 1e-3 {
            return Err(BadParts::Sum((sum * 1e6).round() / 1e6));
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.iter().map(|(name, share)| format!("{name}={share}")).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_back() {
        let parts: Parts = "train=0.8, validation=0.1,test=0.1".parse().unwrap();
        assert_eq!(parts.to_string(), "train=0.8,validation=0.1,test=0.1");
        assert_eq!([0.0, 0.79, 0.81, 0.95, 0.999_999].map(|place| parts.at(place)), [0, 0, 1, 2, 2]);
        assert!("a=0.333,b=0.333,c=0.333".parse::<Parts>().is_ok());
    }

    #[test]
    fn what_is_no_list_of_parts() {
        for (text, words) in [
            ("train", "invalid part"),
            ("train=x,test=0.2", "invalid part"),
            ("train=1.2,test=-0.2", "invalid part"),
            ("a/b=0.5,test=0.5", "invalid name"),
            ("test=0.5,Test=0.5", "duplicate"),
            ("train=0.8,test=0.1", "add up to 0.9,"),
            ("train=0.9999", "two parts"),
        ] {
            let message = text.parse::<Parts>().unwrap_err().to_string();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
