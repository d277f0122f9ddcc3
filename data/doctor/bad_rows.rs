//! Rows that can't be read, or hold no text or no label, rows that ran together, and files without any other.

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, agree, count};
use crate::{Reason, RowError};

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

/// Rows of Prodigy whose `answer` is not `accept`, by file.
pub(super) fn rejected(by_role: &[(Role, u64)]) -> Option<Finding> {
    let mut rows = Rows::default();
    for &(role, left_out) in by_role.iter().filter(|(_, left_out)| *left_out > 0) {
        let detail = agree(left_out, "row", "is", "are");
        rows.add_many(role, left_out, || Place::bare(role, 0).detail(format!("{detail} left out")));
    }
    (!rows.is_empty()).then(|| Finding {
        severity: Severity::Note,
        check: Check::RejectedRows,
        reason: format!(
            "{} left out: `answer` is `reject` or `ignore`",
            agree(rows.total, "row", "is", "are")
        ),
        cure: "nothing, if Prodigy wrote `answer`: such a row names a label that its text does not have"
            .into(),
        rows,
    })
}

#[derive(Default)]
pub(super) struct BadRows {
    /// Counted by lines: that of the broken quote and those that it swallowed.
    together: Rows,
    alone: Rows,
}

impl RowCheck for BadRows {
    fn fault(&mut self, role: Role, fault: &RowError) {
        match (fault.reason.swallowed(), &fault.reason) {
            // A finding of its own.
            (_, Reason::SeveralLabels(_)) => {}
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
            reason: format!("{} can't be separated: a quote is misplaced", count(together.total, "line")),
            cure: "fix the quote, or set `quotes = false` under `[data]` if quotes are plain characters in this file"
                .into(),
            rows: together,
        };
        let alone = Finding {
            severity: Severity::Error,
            check: Check::BadRows,
            reason: format!("{} can't be used", count(alone.total, "row")),
            cure: "fix the rows; `--fix` leaves those of the training data out".into(),
            rows: alone,
        };
        [together, alone].into_iter().filter(|finding| !finding.rows.is_empty()).collect()
    }
}
