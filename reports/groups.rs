//! Which rows belong together, where the data says so: the sentences of one document, the tickets of one customer.

use std::collections::HashMap;

/// Stands for a row that is in no group.
const ALONE: u32 = u32::MAX;

/// The group of each row, in the order of the rows: four bytes a row, and each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    names: Vec<String>,
    rows: Vec<u32>,
}

impl Groups {
    /// How many rows there are.
    #[expect(clippy::len_without_is_empty, reason = "rows are what is counted, and there is always one")]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many groups there are; a row that is in none counts as one.
    pub fn count(&self) -> u64 {
        let alone = self.rows.iter().filter(|group| **group == ALONE).count();
        (self.names.len() + alone) as u64
    }

    /// The names of the groups, in the order of their first rows.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The position in [`names`](Self::names) of a row's group; none for a row that is in no group, or is not there.
    pub fn of(&self, row: usize) -> Option<usize> {
        self.rows.get(row).filter(|group| **group != ALONE).map(|group| *group as usize)
    }

    /// The name of a row's group.
    pub fn name(&self, row: usize) -> Option<&str> {
        self.of(row).map(|group| self.names[group].as_str())
    }
}

/// Groups from the names of the rows' groups, row by row; none for a row that is in no group.
impl FromIterator<Option<String>> for Groups {
    fn from_iter<T: IntoIterator<Item = Option<String>>>(rows: T) -> Self {
        let mut grouping = Grouping::default();
        rows.into_iter().for_each(|name| grouping.push(name.as_deref()));
        grouping.finish()
    }
}

/// Groups on their way: rows are added at the end.
#[derive(Debug, Default)]
pub(crate) struct Grouping {
    known: HashMap<String, u32>,
    rows: Vec<u32>,
}

impl Grouping {
    pub(crate) fn push(&mut self, name: Option<&str>) {
        let next = self.known.len() as u32;
        self.rows.push(match name {
            None => ALONE,
            Some(name) => match self.known.get(name) {
                Some(group) => *group,
                None => *self.known.entry(name.to_owned()).or_insert(next),
            },
        });
    }

    pub(crate) fn finish(self) -> Groups {
        let mut names: Vec<_> = self.known.into_iter().collect();
        names.sort_unstable_by_key(|(_, group)| *group);
        Groups { names: names.into_iter().map(|(name, _)| name).collect(), rows: self.rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_kept_once_and_a_row_may_be_in_no_group() {
        let rows = ["b", "a", "", "b"].map(|name| (!name.is_empty()).then(|| name.to_owned()));
        let groups: Groups = rows.clone().into_iter().collect();
        assert_eq!(groups.names(), ["b", "a"]);
        assert_eq!(
            (0..5).map(|row| groups.of(row)).collect::<Vec<_>>(),
            [Some(0), Some(1), None, Some(0), None]
        );
        assert!((0..4).all(|row| groups.name(row) == rows[row].as_deref()));
        assert_eq!((groups.len(), groups.count()), (4, 3));
    }
}
