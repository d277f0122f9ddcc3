//! What may be personal data or a secret, and is about to be sent out.
//!
//! A look at the form only: names and addresses are not found, and what is found may be harmless. What was found is
//! never shown whole.

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, count};
use super::patterns::{Kind, find};
use crate::Row;

#[derive(Default)]
pub(super) struct Personal {
    data: Kinds,
    secrets: Kinds,
}

/// Rows, and how many of them hold which kind.
#[derive(Default)]
struct Kinds {
    rows: Rows,
    counts: Vec<(Kind, u64)>,
}

impl Kinds {
    fn add(&mut self, role: Role, line: u64, found: &[(Kind, &str)]) {
        if found.is_empty() {
            return;
        }
        for &(kind, _) in found {
            match self.counts.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => self.counts.push((kind, 1)),
            }
        }
        self.rows.add(role, || {
            let masked: Vec<_> = found.iter().map(|(kind, text)| format!("{kind} {}", mask(text))).collect();
            Place::bare(role, line).detail(masked.join(", "))
        });
    }

    fn finding(self, check: Check, what: &str, cure: &str) -> Option<Finding> {
        let kinds: Vec<_> = self.counts.iter().map(|(kind, n)| format!("{kind} in {n}")).collect();
        let reason = format!("{} may hold {what}: {}", count(self.rows.total, "text"), kinds.join(", "));
        let finding =
            Finding { severity: Severity::Warning, check, reason, cure: cure.to_owned(), rows: self.rows };
        (finding.rows.total > 0).then_some(finding)
    }
}

impl RowCheck for Personal {
    fn row(&mut self, role: Role, row: &Row) {
        let found = find(&row.text);
        let (secrets, data): (Vec<_>, Vec<_>) = found.into_iter().partition(|(kind, _)| kind.is_secret());
        self.data.add(role, row.line, &data);
        self.secrets.add(role, row.line, &secrets);
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        let data = self.data.finding(
            Check::PersonalData,
            "personal data",
            "see whether it may be sent to the providers; put placeholders in its place if not",
        );
        let secrets = self.secrets.finding(
            Check::Secrets,
            "secrets",
            "remove them before anything is sent, and revoke those that are real",
        );
        data.into_iter().chain(secrets).collect()
    }
}

/// The first characters: enough to find it in the row, too little to use it.
fn mask(text: &str) -> String {
    text.chars().take(4).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_not_shown() {
        let mut check = Box::<Personal>::default();
        let text = "mail anna.miller@example.org, key sk-abcdefghijklmnopqrstuvwxyz0123456789";
        check.row(Role::Train, &Row::new(2, text, "a"));
        let findings = check.findings();
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[0].reason, "1 text may hold personal data: e-mail address in 1");
        let shown = format!("{findings:?}");
        assert!(!shown.contains("miller") && !shown.contains("mnop"), "{shown}");
    }
}
