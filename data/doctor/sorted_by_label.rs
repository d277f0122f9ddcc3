//! Files in the order of their labels.

use super::RowCheck;
use super::finding::{Check, Finding, Role, Rows, Severity};
use crate::Row;
use std::collections::HashMap;

/// Shorter files can be in order by chance.
const FEWEST: u64 = 30;

/// How often the label changes from one row to the next.
#[derive(Default)]
pub(super) struct SortedByLabel([File; 3]);

#[derive(Default)]
struct File {
    rows: u64,
    changes: u64,
    counts: HashMap<String, u64>,
    last: String,
}

impl RowCheck for SortedByLabel {
    fn row(&mut self, role: Role, row: &Row) {
        let file = &mut self.0[role as usize];
        if file.rows > 0 && file.last != row.label {
            file.changes += 1;
        }
        file.rows += 1;
        match file.counts.get_mut(&row.label) {
            Some(count) => *count += 1,
            None => {
                file.counts.insert(row.label.clone(), 1);
            }
        }
        file.last.clone_from(&row.label);
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        let sorted = Role::ALL.into_iter().zip(self.0).filter(|(_, file)| file.is_sorted());
        let names: Vec<String> = sorted.map(|(role, _)| role.to_string()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        vec![Finding {
            severity: Severity::Note,
            check: Check::SortedRows,
            reason: format!("rows are sorted by label ({})", names.join(", ")),
            cure: "shuffle them: not every provider does, and a part of a sorted file is not representative"
                .into(),
            rows: Rows::default(),
        }]
    }
}

impl File {
    /// In random order, two neighbours differ with probability 1 − Σ p². A tenth of that is no random order.
    fn is_sorted(&self) -> bool {
        let share = |count: u64| count as f64 / self.rows as f64;
        let differ = 1.0 - self.counts.values().map(|&count| share(count).powi(2)).sum::<f64>();
        let expected = self.rows as f64 * differ;
        self.rows >= FEWEST && self.counts.len() > 1 && (self.changes as f64) < 0.1 * expected
    }
}
