//! The column that holds the text, or several that make it together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::RowError;
use crate::table::{Column, TableRow};

/// The names of the columns that make a text: one as a rule, several where a text has parts, such as a subject and a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMore", into = "OneOrMore")]
pub struct TextColumns(Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "the text column must be a name, or a list of names")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// A list of columns without any.
#[derive(Debug, thiserror::Error)]
#[error("`text` names no column")]
pub struct NoTextColumn;

impl TextColumns {
    /// What stands between the texts of two columns.
    pub const BETWEEN: &str = "\n\n";

    /// The names, at least one.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The text of a row of a table, in which the columns stand here.
    pub fn text(&self, row: &TableRow, columns: &[Column]) -> Result<String, RowError> {
        self.join(|at| row.text(&columns[at]))
    }

    /// The text that the columns' cells make: an empty line between two, and nothing for one that is empty.
    pub(crate) fn join<E>(&self, mut cell: impl FnMut(usize) -> Result<String, E>) -> Result<String, E> {
        if self.0.len() == 1 {
            return cell(0);
        }
        let mut text = String::new();
        for at in 0..self.0.len() {
            let part = cell(at)?;
            if part.trim().is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push_str(Self::BETWEEN);
            }
            text.push_str(&part);
        }
        Ok(text)
    }
}

impl From<&str> for TextColumns {
    fn from(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }
}

impl From<String> for TextColumns {
    fn from(name: String) -> Self {
        Self(vec![name])
    }
}

impl TryFrom<OneOrMore> for TextColumns {
    type Error = NoTextColumn;

    fn try_from(names: OneOrMore) -> Result<Self, NoTextColumn> {
        match names {
            OneOrMore::One(name) => Ok(Self(vec![name])),
            OneOrMore::More(names) if names.is_empty() => Err(NoTextColumn),
            OneOrMore::More(names) => Ok(Self(names)),
        }
    }
}

impl From<TextColumns> for OneOrMore {
    fn from(TextColumns(mut names): TextColumns) -> Self {
        match names.len() {
            1 => Self::One(names.remove(0)),
            _ => Self::More(names),
        }
    }
}

impl fmt::Display for TextColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" + "))
    }
}
