//! What was read before, to tell whether a row stands there already.

use std::collections::HashMap;

use super::finding::Role;
use crate::Row;
use crate::similar::{DisjointSets, Index, Links, normal_form, print};

/// Which texts a file holds: eight bytes for each, twice.
#[derive(Debug, Default)]
pub(super) struct Prints {
    exact: HashMap<u64, u32>,
    normal: HashMap<u64, u32>,
}

/// How a row is the same as an earlier one, given by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Same {
    /// Letter for letter.
    Exact(u32),
    /// But for case, white space, punctuation and Unicode form.
    Normalised(u32),
}

impl Prints {
    /// Looks for a text, given with its normal form.
    pub(super) fn find(&self, text: &str, normal: &str) -> Option<Same> {
        let exact = self.exact.get(&print(text)).map(|&row| Same::Exact(row));
        exact.or_else(|| self.normal.get(&print(normal)).map(|&row| Same::Normalised(row)))
    }

    /// Remembers a text under the number of its row, if it is the first like this.
    pub(super) fn add(&mut self, row: u32, text: &str, normal: &str) {
        self.exact.entry(print(text)).or_insert(row);
        self.normal.entry(print(normal)).or_insert(row);
    }
}

/// A file in memory, in which all grades of likeness can be looked for.
pub(super) struct Known {
    pub(super) role: Role,
    pub(super) rows: Vec<Row>,
    prints: Prints,
    index: Index,
    /// The near duplicates among its own rows.
    pub(super) links: Links,
}

/// How a text is like a row of a [`Known`] file.
pub(super) enum Like<'a> {
    Exact(&'a Row),
    Normalised(&'a Row),
    /// With the similarity.
    Near(&'a Row, f64),
}

impl Known {
    pub(super) fn new(role: Role, rows: Vec<Row>) -> Self {
        let mut prints = Prints::default();
        let mut different = Vec::new();
        for (number, row) in (0u32..).zip(&rows) {
            let normal = normal_form(&row.text);
            if prints.find(&row.text, &normal).is_none() {
                different.push(number);
            }
            prints.add(number, &row.text, &normal);
        }
        let text = |number: u32| rows[number as usize].text.as_str();
        let index = Index::new(different.into_iter().map(|number| (number, text(number))));
        let links = index.links(&mut DisjointSets::new(rows.len()), text);
        Self { role, rows, prints, index, links }
    }

    /// The row that is most like a text.
    pub(super) fn like(&self, text: &str, normal: &str) -> Option<Like<'_>> {
        let row = |number: u32| &self.rows[number as usize];
        match self.prints.find(text, normal) {
            Some(Same::Exact(number)) => Some(Like::Exact(row(number))),
            Some(Same::Normalised(number)) => Some(Like::Normalised(row(number))),
            None => {
                let nearest = self.index.nearest(normal, |number| row(number).text.as_str());
                nearest.map(|(number, similarity)| Like::Near(row(number), similarity))
            }
        }
    }
}
