//! Files in different scripts: what is learned in one is of little use in another.
//!
//! Languages of the same script are not told apart.

use std::collections::BTreeMap;

use unicode_script::{Script, UnicodeScript};

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, percent};
use crate::Row;

/// A script is missed in training if it has this share of the test rows, and a tenth of it in training.
const SHARE: f64 = 0.01;

/// Rows by the script that most of their letters are in.
#[derive(Default)]
pub(super) struct Scripts {
    rows: [u64; 3],
    scripts: BTreeMap<&'static str, [Rows; 3]>,
}

impl RowCheck for Scripts {
    fn row(&mut self, role: Role, row: &Row) {
        self.rows[role as usize] += 1;
        if let Some(script) = main_script(&row.text) {
            let rows = &mut self.scripts.entry(script).or_default()[role as usize];
            rows.add(role, || Place::new(role, row.line, &row.text));
        }
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        let [train, .., test] = self.rows;
        if train == 0 || test == 0 {
            return Vec::new();
        }
        let share = |count: u64, all: u64| count as f64 / all as f64;
        let missed = self.scripts.into_iter().filter_map(|(script, [learned, _, asked])| {
            let (known, wanted) = (share(learned.total, train), share(asked.total, test));
            (wanted >= SHARE && known < wanted / 10.0).then(|| Finding {
                severity: Severity::Warning,
                check: Check::Scripts,
                reason: format!(
                    "{} of the test texts are in {script} script, and {} of the training texts",
                    percent(asked.total, test),
                    percent(learned.total, train)
                ),
                cure: "add such texts to the training data, or measure them apart".into(),
                rows: asked,
            })
        });
        missed.collect()
    }
}

/// The script of most letters; the first in the text of equals, none where there is no letter.
pub fn main_script(text: &str) -> Option<&'static str> {
    if text.is_ascii() {
        return text.bytes().any(|b| b.is_ascii_alphabetic()).then(|| Script::Latin.full_name());
    }
    let mut counts: Vec<(Script, usize)> = Vec::new();
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        let script = match c.script() {
            Script::Common | Script::Inherited | Script::Unknown => continue,
            // Japanese is written in three; which of them leads says nothing.
            Script::Hiragana | Script::Katakana => Script::Han,
            script => script,
        };
        match counts.iter_mut().find(|(known, _)| *known == script) {
            Some((_, count)) => *count += 1,
            None => counts.push((script, 1)),
        }
    }
    counts.into_iter().rev().max_by_key(|&(_, count)| count).map(|(script, _)| script.full_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_a_text_is_that_of_most_letters() {
        for (text, script) in [
            ("hello мир, how are you", Some("Latin")),
            ("привет, world и мир", Some("Cyrillic")),
            ("カードが届きません", Some("Han")),
            ("كيف حالك", Some("Arabic")),
            ("12 - 5 = 7!", None),
        ] {
            assert_eq!(main_script(text), script, "{text}");
        }
    }
}
