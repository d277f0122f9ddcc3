//! Texts without words, and very long ones.

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, agree};
use crate::Row;

/// Characters from which a text is very long: some 2,500 tokens of English, each of them paid for in every epoch.
const LONG: usize = 10_000;

/// What programs write where there is nothing.
const NOTHING: [&str; 11] =
    ["n/a", "#n/a", "na", "nan", "null", "none", "nil", "undefined", "#value!", "#ref!", "[deleted]"];

#[derive(Default)]
pub(super) struct Lengths {
    wordless: Rows,
    long: Rows,
}

impl RowCheck for Lengths {
    fn row(&mut self, role: Role, row: &Row) {
        let text = row.text.trim();
        if !has_words(text) {
            self.wordless.add(role, || Place::new(role, row.line, text));
        }
        // Bytes are counted for nothing, and are never fewer than characters.
        let length = if text.len() >= LONG { text.chars().count() } else { 0 };
        if length >= LONG {
            self.long.add(role, || Place::new(role, row.line, text).detail(format!("{length} characters")));
        }
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.wordless.is_empty() {
            findings.push(Finding {
                severity: Severity::Warning,
                check: Check::NoWords,
                reason: format!(
                    "{} no word: numbers, signs, a single letter, or a placeholder",
                    agree(self.wordless.total, "text", "holds", "hold")
                ),
                cure: "see whether they are texts at all, and remove those that are not".into(),
                rows: self.wordless,
            });
        }
        if !self.long.is_empty() {
            findings.push(Finding {
                severity: Severity::Note,
                check: Check::LongTexts,
                reason: format!(
                    "{} {LONG} characters or more",
                    agree(self.long.total, "text", "has", "have")
                ),
                cure: "shorten them to the part that decides the label, if possible: long texts cost money"
                    .into(),
                rows: self.long,
            });
        }
        findings
    }
}

fn has_words(text: &str) -> bool {
    let mut letters = text.chars().filter(|c| c.is_alphabetic());
    let word = match (letters.next(), letters.next()) {
        // A single Chinese character can be a word; a single letter is not.
        (Some(only), None) => only >= '\u{2e80}',
        (Some(_), Some(_)) => true,
        (None, _) => false,
    };
    word && !(text.len() <= 12 && NOTHING.iter().any(|nothing| text.eq_ignore_ascii_case(nothing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_text() {
        for text in ["ok", "好", "3 of 4", "à la", "nano", "None of these"] {
            assert!(has_words(text), "{text}");
        }
        for text in ["?", "12.5", "x", "N/A", "null", "👍👍", "---", "7 a", "#N/A"] {
            assert!(!has_words(text), "{text}");
        }
    }
}
