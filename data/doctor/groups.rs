//! Groups that stand in two files: rows of one customer or one document are no independent test.

use std::collections::HashMap;

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, agree, excerpt};
use crate::Row;

#[derive(Default)]
pub(super) struct Groups {
    /// Where the first training row of each group is.
    trained: HashMap<String, u64>,
    shared: Rows,
}

impl RowCheck for Groups {
    fn row(&mut self, role: Role, row: &Row) {
        let Some(group) = &row.group else { return };
        match (role, self.trained.get(group)) {
            (Role::Train, None) => {
                self.trained.insert(group.clone(), row.line);
            }
            (Role::Validation | Role::Test, Some(line)) => {
                let detail = || format!("group `{}`, as line {line} of train", excerpt(group));
                self.shared.add(role, || Place::new(role, row.line, &row.text).detail(detail()));
            }
            _ => {}
        }
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        if self.shared.is_empty() {
            return Vec::new();
        }
        vec![Finding {
            severity: Severity::Warning,
            check: Check::SharedGroups,
            reason: format!(
                "{} to a group that training rows belong to",
                agree(self.shared.total, "row", "belongs", "belong")
            ),
            cure: "split the data again with `tunebench split --group COLUMN`, which keeps groups together"
                .into(),
            rows: self.shared,
        }]
    }
}
