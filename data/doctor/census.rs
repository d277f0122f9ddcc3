//! How often each label stands in each file.

use std::collections::BTreeMap;

use super::finding::Role;
use crate::Row;

/// Rows by label and file.
#[derive(Debug, Default)]
pub(super) struct Census {
    labels: BTreeMap<String, [Count; 3]>,
    rows: [u64; 3],
}

/// The rows of one label in one file.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Count {
    pub(super) rows: u64,
    /// Where the first of them is.
    pub(super) line: u64,
}

impl Census {
    pub(super) fn add(&mut self, role: Role, row: &Row) {
        self.rows[role as usize] += 1;
        if !self.labels.contains_key(&row.label) {
            self.labels.insert(row.label.clone(), Default::default());
        }
        let counts = self.labels.get_mut(&row.label).expect("it was put there if it was missing");
        let count = &mut counts[role as usize];
        if count.rows == 0 {
            count.line = row.line;
        }
        count.rows += 1;
    }

    /// Whether any file has this label.
    pub(super) fn has(&self, label: &str) -> bool {
        self.labels.contains_key(label)
    }

    /// Rows that could be read.
    pub(super) fn rows(&self, role: Role) -> u64 {
        self.rows[role as usize]
    }

    /// The labels of a file, in byte order.
    pub(super) fn labels(&self, role: Role) -> impl Iterator<Item = (&str, Count)> {
        let all = self.labels.iter().map(move |(name, counts)| (name.as_str(), counts[role as usize]));
        all.filter(|(_, count)| count.rows > 0)
    }

    /// All labels, with their rows in all files.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &[Count; 3])> {
        self.labels.iter().map(|(name, counts)| (name.as_str(), counts))
    }
}
