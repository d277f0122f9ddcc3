//! Rows that can't be read, or hold no text or no label.

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, count};
use crate::Fault;

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
