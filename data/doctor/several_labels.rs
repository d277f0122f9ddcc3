//! Rows with several labels in one cell: a list, or labels of other rows with a separator between them.

use super::RowCheck;
use super::census::Census;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, agree, excerpt};
use crate::{LabelSet, Reason, RowError, several};

/// Rows whose label is made of labels that other rows have.
pub(super) fn combined(census: &Census, fixed: Option<&LabelSet>) -> Option<Finding> {
    let mut rows = Rows::default();
    let is_label = |name: &str| match fixed {
        Some(fixed) => fixed.get(name).is_some(),
        None => census.has(name),
    };
    for (label, counts) in
        census.all().filter(|(label, _)| fixed.is_none_or(|fixed| fixed.get(label).is_none()))
    {
        if several::parts(label, is_label).is_none() {
            continue;
        }
        for (role, count) in Role::ALL.into_iter().zip(counts).filter(|(_, count)| count.rows > 0) {
            rows.add_many(role, count.rows, || Place::bare(role, count.line).detail(excerpt(label)));
        }
    }
    finding(rows)
}

/// Lists of labels.
#[derive(Default)]
pub(super) struct SeveralLabels(Rows);

impl RowCheck for SeveralLabels {
    fn fault(&mut self, role: Role, fault: &RowError) {
        if let Reason::SeveralLabels(names) = &fault.reason {
            self.0.add(role, || Place::bare(role, fault.line).detail(excerpt(&names.join(", "))));
        }
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        finding(self.0).into_iter().collect()
    }
}

fn finding(rows: Rows) -> Option<Finding> {
    (!rows.is_empty()).then(|| Finding {
        severity: Severity::Error,
        check: Check::SeveralLabels,
        reason: format!("{} several labels in one cell", agree(rows.total, "row", "has", "have")),
        cure: "decide for one label in each of these rows, or take them out; `--fix` leaves those of the training data \
               out. If they are labels of their own, list all labels under `labels`"
            .into(),
        rows,
    })
}
