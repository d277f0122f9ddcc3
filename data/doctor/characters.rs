//! Characters that no reader sees, and such as were garbled on the way.

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, agree};
use crate::Row;

#[derive(Default)]
pub(super) struct Characters {
    hidden: Rows,
    garbled: Rows,
}

/// Whether the character says nothing and is not seen: controls other than tab and line ends, marks of the reading
/// order, and spaces without width. Joiners stay: some languages, and emoji, are written with them.
pub(super) fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl RowCheck for Characters {
    fn row(&mut self, role: Role, row: &Row) {
        let text = row.text.as_str();
        if let Some(c) = text.chars().find(|&c| is_hidden(c)) {
            self.hidden.add(role, || Place::new(role, row.line, text).detail(format!("U+{:04X}", c as u32)));
        }
        if let Some(garbled) = garbled(text) {
            self.garbled.add(role, || Place::new(role, row.line, text).detail(format!("`{garbled}`")));
        }
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.hidden.is_empty() {
            findings.push(Finding {
                severity: Severity::Warning,
                check: Check::HiddenCharacters,
                reason: format!("{} invisible characters", agree(self.hidden.total, "text", "holds", "hold")),
                cure: "take them out; `--fix` does".into(),
                rows: self.hidden,
            });
        }
        if !self.garbled.is_empty() {
            findings.push(Finding {
                severity: Severity::Warning,
                check: Check::GarbledCharacters,
                reason: format!(
                    "{} decoded with a wrong encoding at some earlier point",
                    agree(self.garbled.total, "text", "was", "were")
                ),
                cure: "export the data anew as UTF-8, or set `encoding` to what the file is in".into(),
                rows: self.garbled,
            });
        }
        findings
    }
}

/// A replacement character, or UTF-8 that was read as Windows-1252: `Ã©` for `é`, `â€™` for `’`.
fn garbled(text: &str) -> Option<&str> {
    if text.is_ascii() {
        return None;
    }
    let mut before = None;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        match (before, c) {
            (_, char::REPLACEMENT_CHARACTER) => return Some(&text[at..end]),
            // No word of any language has these pairs: the second is a sign, not a letter.
            (Some((start, 'Ã' | 'Â')), '\u{80}'..='\u{a9}' | '\u{ab}'..='\u{b9}' | '\u{bb}'..='\u{bf}')
            | (Some((start, 'â')), '€' | '\u{80}') => return Some(&text[start..end]),
            _ => before = Some((at, c)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbled_text_is_told_from_foreign_text() {
        assert_eq!(garbled("cafÃ© au lait"), Some("Ã©"));
        assert_eq!(garbled("donâ€™t"), Some("â€"));
        assert_eq!(garbled("lost \u{fffd} here"), Some("\u{fffd}"));
        for text in ["São Paulo, AÇÃO, NÃO", "âge, pâte", "5 €", "Ânimo", "plain"] {
            assert_eq!(garbled(text), None, "{text}");
        }
    }

    #[test]
    fn joiners_and_line_ends_are_no_hidden_characters() {
        assert!(['\n', '\t', '\r', '\u{200d}', '\u{200c}', 'é', '\u{a0}'].iter().all(|&c| !is_hidden(c)));
        assert!(['\0', '\u{7f}', '\u{85}', '\u{202e}', '\u{200b}'].iter().all(|&c| is_hidden(c)));
    }
}
