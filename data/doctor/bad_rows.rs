//! Rows that can't be read, or hold no text or no label, and files without any other.

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, count};
use crate::Fault;

/// A file in which there is nothing to read.
pub(super) fn empty(role: Role) -> Finding {
    Finding {
        severity: Severity::Error,
        check: Check::EmptyFiles,
        reason: format!("the {} data holds no row that can be used", role.word()),
        cure: "see whether this is the right file, and whether `text` and `label` name its columns".into(),
        rows: Rows::default(),
    }
}

#[derive(Default)]
pub(super) struct BadRows(Rows);

impl RowCheck for BadRows {
    fn fault(&mut self, role: Role, fault: &Fault) {
        self.0.add(role, || Place::bare(role, fault.line).detail(fault.reason.to_string()));
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        if self.0.is_empty() {
            return Vec::new();
        }
        vec![Finding {
            severity: Severity::Error,
            check: Check::BadRows,
            reason: format!("{} can't be used", count(self.0.total, "row")),
            cure: "mend the rows; `--fix` leaves those of the training data out".into(),
            rows: self.0,
        }]
    }
}
