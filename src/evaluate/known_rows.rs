//! Which rows of a test set the ledger may know, found out once by whoever asks first: the plan, mostly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ledger::{KeyFilter, Scope};

/// Some rows of a file, by their places: one bit for each row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RowSet {
    bits: Vec<u64>,
    len: usize,
}

impl RowSet {
    /// How many rows are in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        self.bits.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, row: usize) {
        if self.contains(row) {
            return;
        }
        if self.bits.len() <= row / 64 {
            self.bits.resize(row / 64 + 1, 0);
        }
        self.bits[row / 64] |= 1 << (row % 64);
        self.len += 1;
    }
}

/// The rows that the ledger may know of each evaluation of a command, and by which filter that was found out.
#[derive(Debug, Default)]
pub(crate) struct KnownRows(Mutex<HashMap<Scope, (i64, Arc<RowSet>)>>);

impl KnownRows {
    pub(crate) fn put(&self, scope: &Scope, filter: &KeyFilter, rows: RowSet) {
        self.lock().insert(*scope, (filter.newest(), Arc::new(rows)));
    }

    /// What was found out, unless the ledger has got answers since.
    pub(crate) fn take(&self, scope: &Scope, filter: &KeyFilter) -> Option<Arc<RowSet>> {
        let found = self.lock().remove(scope);
        found.filter(|(newest, _)| *newest == filter.newest()).map(|(_, rows)| rows)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Scope, (i64, Arc<RowSet>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_set_holds_what_was_put_in(rows in prop::collection::vec(0usize..500, 0..100)) {
            let mut set = RowSet::default();
            rows.iter().for_each(|row| set.insert(*row));
            let expected: BTreeSet<_> = rows.into_iter().collect();
            prop_assert_eq!(set.len(), expected.len());
            prop_assert!((0..600).all(|row| set.contains(row) == expected.contains(&row)));
        }
    }
}
