//! Disjoint sets: which rows belong together.

/// Rows in sets that can be joined (union-find with path halving; the smallest row stands for its set).
#[derive(Debug, Clone)]
pub(crate) struct DisjointSets(Vec<u32>);

impl DisjointSets {
    /// Each of so many rows in a set of its own.
    pub(crate) fn new(rows: usize) -> Self {
        Self((0..rows as u32).collect())
    }

    /// The smallest row of the set.
    pub(crate) fn find(&mut self, row: u32) -> u32 {
        let mut at = row;
        while self.0[at as usize] != at {
            let above = self.0[self.0[at as usize] as usize];
            self.0[at as usize] = above;
            at = above;
        }
        at
    }

    /// Joins the sets of two rows; `false` if they were one already.
    pub(crate) fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b) as usize] = a.min(b);
        a != b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_row_stands_for_all() {
        let mut sets = DisjointSets::new(6);
        assert!(sets.join(4, 5) && sets.join(2, 5) && sets.join(2, 3));
        assert!(!sets.join(3, 4));
        assert_eq!([0, 1, 2, 3, 4, 5].map(|row| sets.find(row)), [0, 1, 2, 2, 2, 2]);
    }
}
