//! Rows that stand twice in their file, and such that stand there with different labels.

use std::collections::HashMap;

use super::finding::{Check, Finding, Place, Role, Rows, Severity, agree, excerpt};
use super::known::{Known, Prints, Same};
use crate::Row;

/// Looks at the rows of every file as they pass.
#[derive(Default)]
pub(super) struct Duplicates {
    files: [File; 3],
    labels: HashMap<String, u32>,
    names: Vec<String>,
    exact: Rows,
    normalised: Rows,
    conflicts: Rows,
}

/// What is kept of a file: by row, line and label.
#[derive(Default)]
struct File {
    prints: Prints,
    rows: Vec<(u64, u32)>,
}

impl Duplicates {
    /// Looks at a row, given with the normal form of its text.
    pub(super) fn row(&mut self, role: Role, row: &Row, normal: &str) {
        let label = self.label(&row.label);
        let file = &mut self.files[role as usize];
        let same = file.prints.find(&row.text, normal);
        file.prints.add(file.rows.len() as u32, &row.text, normal);
        file.rows.push((row.line, label));
        let Some(same) = same else { return };
        let (Same::Exact(first) | Same::Normalised(first)) = same;
        let (line, other) = file.rows[first as usize];
        let place = || Place::new(role, row.line, &row.text);
        if other != label {
            let (here, there) = (excerpt(&row.label), excerpt(&self.names[other as usize]));
            self.conflicts.add(role, || place().detail(format!("`{here}` here, `{there}` in line {line}")));
            return;
        }
        let rows = if matches!(same, Same::Exact(_)) { &mut self.exact } else { &mut self.normalised };
        rows.add(role, || place().detail(format!("as line {line}")));
    }

    fn label(&mut self, name: &str) -> u32 {
        if let Some(&label) = self.labels.get(name) {
            return label;
        }
        let label = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.labels.insert(name.to_owned(), label);
        label
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        let conflicts = finding(self.conflicts, Severity::Warning, Check::ConflictingLabels, |n| {
            let cure = "decide on one label; `--fix` leaves all of them out of the training data";
            (format!("{} in the same file with another label", agree(n, "text", "stands", "stand")), cure)
        });
        let exact = finding(self.exact, Severity::Warning, Check::Duplicates, |n| {
            let cure = "keep one of each: the others only weigh it; `--fix` does for the training data";
            (
                format!("{} in the same file before, letter for letter", agree(n, "row", "stands", "stand")),
                cure,
            )
        });
        let normalised = finding(self.normalised, Severity::Note, Check::Duplicates, |n| {
            let rows = agree(n, "row", "stands", "stand");
            let cure = "keep one of each, unless the difference matters";
            (format!("{rows} in the same file before, but for case, white space and punctuation"), cure)
        });
        [conflicts, exact, normalised].into_iter().flatten().collect()
    }
}

/// The near duplicates within the training data.
pub(super) fn near(known: &Known) -> Option<Finding> {
    let mut rows = Rows::default();
    for &(row, other) in &known.links {
        let (row, other) = (&known.rows[row as usize], &known.rows[other as usize]);
        let label = if row.label == other.label { "" } else { ", which has another label" };
        let detail = || format!("like line {}{label}", other.line);
        rows.add(known.role, || Place::new(known.role, row.line, &row.text).detail(detail()));
    }
    finding(rows, Severity::Note, Check::NearDuplicates, |n| {
        (
            format!("{} nearly the same as another of the file", agree(n, "row", "is", "are")),
            "see whether they were generated from one template: such rows teach little",
        )
    })
}

fn finding(
    rows: Rows,
    severity: Severity,
    check: Check,
    words: impl FnOnce(u64) -> (String, &'static str),
) -> Option<Finding> {
    if rows.is_empty() {
        return None;
    }
    let (reason, cure) = words(rows.total);
    Some(Finding { severity, check, reason, cure: cure.to_owned(), rows })
}
