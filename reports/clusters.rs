//! Which rows may be right or wrong together, and so tell less than as many rows of their own: the unit of every decision.
//!
//! A row belongs to the cluster of its group, where the data says so: the sentences of one document, the tickets of one
//! customer. Without a group it belongs with the rows of the same text, for a model answers one text in one way. Repeats, which
//! ask one row several times, lie within a row.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Stands for a row that is in no group.
const NO_GROUP: u32 = u32::MAX;

/// Stands for a row that is in no group, and belongs with those of its key.
const KEYED: u32 = u32::MAX - 1;

/// The cluster of each row, in the order of the rows, and the group where that is what makes it: four bytes a row for either.
///
/// Clusters are numbered from 0 in the order of their first rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clusters {
    rows: Vec<u32>,
    count: u32,
    /// None where the data has no groups.
    groups: Option<Groups>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Groups {
    names: Vec<String>,
    rows: Vec<u32>,
}

impl Clusters {
    /// How many clusters there are; a row by itself is one.
    pub fn count(&self) -> u64 {
        self.count.into()
    }

    /// How many rows there are.
    #[expect(clippy::len_without_is_empty, reason = "rows are what is counted, and there is always one")]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether some cluster has more than one row.
    pub fn are_not_rows(&self) -> bool {
        (self.count as usize) < self.rows.len()
    }

    /// The cluster of a row, from 0; none for a row that is not there.
    pub fn of(&self, row: usize) -> Option<usize> {
        self.rows.get(row).map(|cluster| *cluster as usize)
    }

    /// The clusters of some of the rows; none where each of these is one. The groups are left behind.
    pub(crate) fn only(&self, rows: impl Iterator<Item = usize>) -> Option<Self> {
        let mut clustering = Clustering::new(false);
        rows.for_each(|row| clustering.push_keyed(None, u64::from(self.rows[row])));
        clustering.finish()
    }

    /// Whether the data has groups.
    pub fn has_groups(&self) -> bool {
        self.groups.is_some()
    }

    /// The name of a row's group; none for a row that is in no group.
    pub fn group(&self, row: usize) -> Option<&str> {
        let groups = self.groups.as_ref()?;
        let group = groups.rows.get(row).filter(|group| **group != NO_GROUP)?;
        Some(&groups.names[*group as usize])
    }
}

/// Clusters on their way: rows are added at the end. As long as none is in a group, they take eight bytes a row, and twice as many in
/// the end.
#[derive(Debug, Default)]
pub struct Clustering {
    rows: u32,
    groups: HashMap<String, u32>,
    /// The group of each row, or what it is instead; empty as long as all are [`KEYED`].
    of_rows: Vec<u32>,
    /// Of each [`KEYED`] row its key, such as the print of its text.
    keys: Vec<u64>,
    has_groups: bool,
}

impl Clustering {
    /// `has_groups` says whether the data has groups, even if no row should be in any.
    pub fn new(has_groups: bool) -> Self {
        Self { has_groups, ..Self::default() }
    }

    /// Room for so many rows.
    pub fn reserve(mut self, rows: usize) -> Self {
        self.keys.reserve(rows);
        self
    }

    /// A row of this group, if it is in one, and of this text.
    pub fn push(&mut self, group: Option<&str>, text: &str) {
        let mut print = DefaultHasher::new();
        text.hash(&mut print);
        self.push_keyed(group, print.finish());
    }

    /// A row of this group; without one it belongs with the rows of the same key.
    pub fn push_keyed(&mut self, group: Option<&str>, key: u64) {
        if group.is_some() {
            return self.push_group(group);
        }
        self.keys.push(key);
        if !self.of_rows.is_empty() {
            self.of_rows.push(KEYED);
        }
        self.rows += 1;
    }

    /// A row whose text is not known, and which no other row shares therefore.
    pub(crate) fn push_group(&mut self, group: Option<&str>) {
        let next = self.groups.len() as u32;
        let group = match group {
            None => NO_GROUP,
            Some(name) => match self.groups.get(name) {
                Some(group) => *group,
                None => *self.groups.entry(name.to_owned()).or_insert(next),
            },
        };
        self.of_rows.resize(self.rows as usize, KEYED);
        self.of_rows.push(group);
        self.rows += 1;
    }

    /// The clusters; none where each row is one and the data has no groups.
    pub fn finish(mut self) -> Option<Clusters> {
        let repeated = Repeated::of(&self.keys);
        if repeated.keys.is_empty() && self.groups.is_empty() && !self.has_groups {
            return None;
        }
        self.of_rows.resize(self.rows as usize, KEYED);
        let leader = self.leaders(repeated);
        let (rows, count) = numbered(leader);
        let groups = self.has_groups.then(|| {
            let mut names: Vec<_> = self.groups.into_iter().collect();
            names.sort_unstable_by_key(|(_, group)| *group);
            let known = |group: u32| if group == KEYED { NO_GROUP } else { group };
            Groups {
                names: names.into_iter().map(|(name, _)| name).collect(),
                rows: self.of_rows.into_iter().map(known).collect(),
            }
        });
        let clusters = Clusters { rows, count, groups };
        (clusters.has_groups() || clusters.are_not_rows()).then_some(clusters)
    }

    /// Of each row the first one of its cluster.
    fn leaders(&mut self, mut repeated: Repeated) -> Vec<u32> {
        let mut first = vec![None; self.groups.len()];
        let mut keys = std::mem::take(&mut self.keys).into_iter();
        let rows = self.of_rows.iter().zip(0u32..);
        let leader = rows.map(|(group, row)| match *group {
            NO_GROUP => row,
            KEYED => keys.next().and_then(|key| repeated.first(key, row)).unwrap_or(row),
            group => *first[group as usize].get_or_insert(row),
        });
        leader.collect()
    }
}

/// The keys that more than one row has, each with the first of these rows.
struct Repeated {
    keys: Vec<u64>,
    first: Vec<Option<u32>>,
}

impl Repeated {
    fn of(keys: &[u64]) -> Self {
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        let keys: Vec<_> =
            sorted.chunk_by(|a, b| a == b).filter(|same| same.len() > 1).map(|same| same[0]).collect();
        Self { first: vec![None; keys.len()], keys }
    }

    /// The first row with this key, which is this one where there was none; none for a key that does not come again.
    fn first(&mut self, key: u64, row: u32) -> Option<u32> {
        let place = self.keys.binary_search(&key).ok()?;
        Some(*self.first[place].get_or_insert(row))
    }
}

/// From the first row of each row's cluster to numbers in the order of these first rows, and how many there are.
fn numbered(mut leader: Vec<u32>) -> (Vec<u32>, u32) {
    let mut count = 0;
    for row in 0..leader.len() {
        let first = leader[row] as usize;
        // A first row comes before the others, and has its number by then.
        leader[row] = if first == row { count } else { leader[first] };
        count += u32::from(first == row);
    }
    (leader, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clusters(rows: &[(&str, &str)], has_groups: bool) -> Option<Clusters> {
        let mut clustering = Clustering::new(has_groups);
        for (group, text) in rows {
            clustering.push(Some(*group).filter(|group| !group.is_empty()), text);
        }
        clustering.finish()
    }

    fn numbers(clusters: &Clusters) -> Vec<usize> {
        (0..clusters.len()).filter_map(|row| clusters.of(row)).collect()
    }

    #[test]
    fn a_row_goes_with_its_group_or_else_with_its_text() {
        let rows = [("", "x"), ("b", "x"), ("a", "y"), ("", "x"), ("b", "z"), ("", "y")];
        let found = clusters(&rows, true).unwrap();
        assert_eq!(numbers(&found), [0, 1, 2, 0, 1, 3]);
        assert_eq!((found.len(), found.count(), found.of(6)), (6, 4, None));
        assert!((0..6).all(|row| found.group(row).unwrap_or_default() == rows[row].0));
    }

    #[test]
    fn a_row_whose_text_nobody_knows_is_alone_wherever_it_stands() {
        let mut clustering = Clustering::new(false).reserve(6);
        clustering.push(None, "x");
        clustering.push_group(None);
        clustering.push(None, "x");
        clustering.push_group(None);
        clustering.push(Some("a"), "y");
        clustering.push(Some("a"), "x");
        let found = clustering.finish().unwrap();
        assert_eq!(numbers(&found), [0, 1, 0, 2, 3, 3]);
        assert_eq!((found.len(), found.count(), found.has_groups()), (6, 4, false));
    }

    #[test]
    fn rows_by_themselves_need_no_clusters() {
        assert_eq!(clusters(&[("", "x"), ("", "y")], false), None);
        let grouped = clusters(&[("a", "x"), ("b", "x")], true).unwrap();
        assert!(!grouped.are_not_rows() && grouped.group(1) == Some("b"));
        assert!(clusters(&[("", "x"), ("", "x")], false).unwrap().are_not_rows());
    }

    proptest! {
        #[test]
        fn rows_share_a_cluster_just_where_they_share_a_group_or_a_text(
            rows in prop::collection::vec((prop::option::of(0u8..4), 0u8..4), 1..30),
        ) {
            let mut clustering = Clustering::new(true);
            for (group, text) in &rows {
                clustering.push(group.map(|group| group.to_string()).as_deref(), &text.to_string());
            }
            let found = clustering.finish().unwrap();
            for (i, one) in rows.iter().enumerate() {
                for (j, other) in rows.iter().enumerate().take(i) {
                    let together = one.0 == other.0 && (one.0.is_some() || one.1 == other.1);
                    prop_assert_eq!(found.of(i) == found.of(j), together);
                }
            }
            // From the numbers the same clusters come back.
            let mut again = Clustering::new(true);
            for ((group, _), number) in rows.iter().zip(numbers(&found)) {
                again.push_keyed(group.map(|group| group.to_string()).as_deref(), number as u64 * 7);
            }
            prop_assert_eq!(again.finish(), Some(found));
        }
    }
}
