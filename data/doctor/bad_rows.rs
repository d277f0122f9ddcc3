//! Rows that can't be read, or hold no text or no label, rows that ran together, and files without any other.

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, count};
use crate::{Fault, Reason};

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
pub(super) struct BadRows {
    /// Counted by lines: that of the broken quote and those that it swallowed.
    together: Rows,
    alone: Rows,
}

impl RowCheck for BadRows {
    fn fault(&mut self, role: Role, fault: &Fault) {
        match (fault.reason.swallowed(), &fault.reason) {
            (Some(lines), Reason::Quote(quote)) => {
                self.together
                    .add_many(role, lines, || Place::bare(role, fault.line).detail(quote.to_string()));
            }
            _ => self.alone.add(role, || Place::bare(role, fault.line).detail(fault.reason.to_string())),
        }
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        let Self { together, alone } = *self;
        let together = Finding {
            severity: Severity::Error,
            check: Check::BrokenQuotes,
            reason: format!("{} can't be told apart: a quote is in the wrong place", count(together.total, "line")),
            cure: "mend the quote, or set `quotes = false` under `[data]` if quotes are plain characters in this file"
                .into(),
            rows: together,
        };
        let alone = Finding {
            severity: Severity::Error,
            check: Check::BadRows,
            reason: format!("{} can't be used", count(alone.total, "row")),
            cure: "mend the rows; `--fix` leaves those of the training data out".into(),
            rows: alone,
        };
        [together, alone].into_iter().filter(|finding| !finding.rows.is_empty()).collect()
    }
}
