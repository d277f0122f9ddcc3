//! Rows that stand in two files: what a model was trained on says nothing about what it can.

use super::finding::{Check, Finding, Place, Role, Rows, Severity, percent};
use super::known::{Known, Like};
use crate::Row;

/// The share of test rows from which a leak makes a result meaningless: good models are no further apart.
const SHARE: f64 = 0.01;

/// What one file holds of another.
#[derive(Default)]
struct Leak {
    exact: u64,
    /// Exact and normalised.
    same: Rows,
    near: Rows,
}

/// The rows of each file beside those of the files before it.
#[derive(Default)]
pub(super) struct Leaks {
    known: Vec<Known>,
    /// By known file and by file that was read after it.
    leaks: [[Leak; 3]; 2],
    rows: [u64; 3],
}

impl Leaks {
    /// Keeps a file to look for its rows in those that follow.
    pub(super) fn know(&mut self, known: Known) {
        self.known.push(known);
    }

    /// Looks for a row, given with the normal form of its text, in the files before.
    pub(super) fn row(&mut self, role: Role, row: &Row, normal: &str) {
        self.rows[role as usize] += 1;
        for known in &self.known {
            let Some(like) = known.like(&row.text, normal) else { continue };
            let leak = &mut self.leaks[known.role as usize][role as usize];
            let (Like::Exact(other) | Like::Normalised(other) | Like::Near(other, _)) = like;
            leak.exact += u64::from(matches!(like, Like::Exact(_)));
            let (rows, how) = match like {
                Like::Exact(_) => (&mut leak.same, "as".to_owned()),
                Like::Normalised(_) => (&mut leak.same, "but for case, space and punctuation as".to_owned()),
                Like::Near(_, similarity) => (&mut leak.near, format!("{:.0} % like", 100.0 * similarity)),
            };
            rows.add(role, || {
                let label = if row.label == other.label { "" } else { ", which has another label" };
                let detail = format!("{how} line {} of {}{label}", other.line, known.role);
                Place::new(role, row.line, &row.text).detail(detail)
            });
        }
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (from, leaks) in Role::ALL.into_iter().zip(self.leaks) {
            for (to, leak) in Role::ALL.into_iter().zip(leaks) {
                let all = self.rows[to as usize];
                findings.extend(same(from, to, leak.exact, leak.same, all));
                findings.extend(near(from, to, leak.near, all));
            }
        }
        findings
    }
}

fn same(from: Role, to: Role, exact: u64, rows: Rows, all: u64) -> Option<Finding> {
    if rows.is_empty() {
        return None;
    }
    let share = rows.total as f64 / all as f64;
    let severity = match (from, to) {
        (Role::Train, Role::Test) if share >= SHARE => Severity::Error,
        // Tuning refuses this.
        (Role::Train, Role::Validation) if exact > 0 => Severity::Error,
        _ => Severity::Warning,
    };
    let cure = match from {
        Role::Train => "take them out of the training data; `--fix` does",
        _ => "take them out of one of the two files",
    };
    Some(Finding {
        severity,
        check: Check::Leaks,
        reason: format!(
            "{} of {all} {} rows ({}) {} in the {} data: {exact} letter for letter, {} but for case, \
             white space and punctuation",
            rows.total,
            to.word(),
            percent(rows.total, all),
            if rows.total == 1 { "stands" } else { "stand" },
            from.word(),
            rows.total - exact
        ),
        cure: cure.into(),
        rows,
    })
}

fn near(from: Role, to: Role, rows: Rows, all: u64) -> Option<Finding> {
    if rows.is_empty() {
        return None;
    }
    let worth_a_look = to == Role::Test && rows.total as f64 >= SHARE * all as f64;
    Some(Finding {
        severity: if worth_a_look { Severity::Warning } else { Severity::Note },
        check: Check::NearLeaks,
        reason: format!(
            "{} of {all} {} rows ({}) {} nearly the same as a row of the {} data",
            rows.total,
            to.word(),
            percent(rows.total, all),
            if rows.total == 1 { "is" } else { "are" },
            from.word()
        ),
        cure: "if they are the same case twice, take them out of one of the files; `tunebench split` keeps them \
               together"
            .into(),
        rows,
    })
}
