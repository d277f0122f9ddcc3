//! Spellings of a label that mean the same.

use unicode_normalization::UnicodeNormalization;

/// Compatibility form, lower case, single spaces.
pub(crate) fn fold(text: &str) -> String {
    let lower = text.nfkc().collect::<String>().to_lowercase();
    // Lower-casing can undo the normal form: once more.
    let normal = lower.nfkc().collect::<String>();
    normal.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What [`fold`] makes, with `_`, `-` and space taken for each other inside, without invisible characters, and with plain
/// apostrophes.
///
/// A separator at the beginning or the end stays: `-1` is not `1`.
pub(super) fn fold_separators(text: &str) -> String {
    let folded = fold(text);
    let mut out = String::with_capacity(folded.len());
    let mut gap = String::new();
    for c in folded.chars().filter(|c| !is_invisible(*c)) {
        if is_separator(c) {
            gap.push(c);
            continue;
        }
        if out.is_empty() {
            out.push_str(&gap);
        } else if !gap.is_empty() {
            out.push(' ');
        }
        gap.clear();
        out.push(if matches!(c, '‘' | '’' | 'ʼ' | '′') { '\'' } else { c });
    }
    out.push_str(&gap);
    out
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '_' | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Characters that nobody sees: soft hyphens, joiners, marks of direction, byte-order marks, variation selectors.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{fe0e}' | '\u{fe0f}' | '\u{feff}'
    )
}

/// Without white space and invisible characters at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn separators_are_one_inside_and_kept_outside() {
        for (text, folded) in [
            ("Card_Arrival", "card arrival"),
            ("card - arrival", "card arrival"),
            ("card\u{2011}arri\u{200b}val", "card arrival"),
            ("-1", "-1"),
            ("\u{2212}1", "\u{2212}1"),
            ("_x_", "_x_"),
            ("don’t know", "don't know"),
            ("--", "--"),
        ] {
            assert_eq!(fold_separators(text), folded, "{text}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(text in "\\PC*") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
