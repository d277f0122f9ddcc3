//! Text for people: hostile characters taken out, measured and cut by the columns it really takes.

use std::collections::HashMap;

pub(super) use tunebench_data::is_hostile;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that a text takes; a Chinese character takes two.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text without any character that could move the cursor, colour the terminal or turn the reading order.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The longest beginning that takes at most `columns`.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > columns
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The longest end that takes at most `columns`.
fn tail(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let before = text.char_indices().rev().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > columns
    });
    &text[before.map_or(0, |(at, c)| at + c.len_utf8())..]
}

/// The names, cleaned and cut to at most `columns` each, so that different names stay different.
///
/// A name is cut at its end; where that makes two the same, in its middle; and where even that does not tell
/// them apart, it gets a number.
pub(super) fn shorten(names: &[&str], columns: Option<usize>) -> Vec<String> {
    let full: Vec<_> = names.iter().map(|name| clean(name)).collect();
    let Some(columns) = columns.map(|columns| columns.max(4)) else { return full };
    let mut short = full.clone();
    // How much of the end is kept, in ever larger parts.
    for kept in [0, columns / 4, columns / 2, columns * 3 / 4] {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for name in &short {
            *times.entry(name).or_default() += 1;
        }
        short = full
            .iter()
            .zip(&short)
            .map(|(full, last)| {
                // Only what is too long is cut, and only what is not unique yet is cut in another way.
                if width(full) <= columns || (width(last) <= columns && times[last.as_str()] == 1) {
                    return last.clone();
                }
                let tail = tail(full, kept);
                format!("{}…{tail}", head(full, columns - 1 - width(tail)))
            })
            .collect();
    }
    number_doubles(short, columns)
}

fn number_doubles(mut names: Vec<String>, columns: usize) -> Vec<String> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for name in &names {
        *taken.entry(name.clone()).or_default() += 1;
    }
    let mut number = 0;
    for name in &mut names {
        if taken[name.as_str()] == 1 {
            continue;
        }
        let old = name.clone();
        while taken.contains_key(name.as_str()) {
            number += 1;
            let suffix = format!("…{number}");
            *name = format!(
                "{}{suffix}",
                head(old.trim_end_matches('…'), columns.saturating_sub(width(&suffix)))
            );
        }
        taken.insert(name.clone(), 1);
    }
    names
}

/// The text in lines of at most `columns`, broken at spaces, the second and later ones indented.
///
/// A word that is too long for a line keeps its length.
pub(super) fn wrap(text: &str, columns: usize, indent: &str) -> String {
    let mut lines = String::new();
    let mut used = 0;
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 && used + 1 + width(word) > columns {
            lines.push('\n');
            lines.push_str(indent);
            used = width(indent);
        } else if i > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += width(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_where_names_stay_different() {
        let names = ["card_arrival", "card_delivery_estimate", "card_delivery_expected", "short"];
        assert_eq!(
            shorten(&names, Some(14)),
            ["card_arrival", "card_deliv…ate", "card_deliv…ted", "short"].map(str::to_owned)
        );
        assert_eq!(shorten(&names, None), names);
    }

    #[test]
    fn a_wide_character_is_never_cut_in_half() {
        assert_eq!(shorten(&["银行卡到账时间查询"], Some(10)), ["银行卡到…"]);
        assert_eq!(shorten(&["a银行卡到账"], Some(6)), ["a银行…"]);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_could_steer_it() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\u{9b}"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
    }

    #[test]
    fn wraps_at_spaces() {
        assert_eq!(wrap("one two three", 8, "  "), "one two\n  three");
        assert_eq!(wrap("unbreakable", 3, ""), "unbreakable");
    }

    proptest! {
        #[test]
        fn different_names_stay_different(
            names in prop::collection::hash_set("[ab银é-]{0,30}|\\PC{1,40}", 1..12), columns in 8usize..40,
        ) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            // Hostile characters become one and the same, and so may whole names.
            prop_assume!(names.iter().map(|name| clean(name)).collect::<HashSet<_>>().len() == names.len());
            let short = shorten(&names, Some(columns));
            prop_assert_eq!(short.iter().collect::<HashSet<_>>().len(), names.len());
        }

        #[test]
        fn short_names_fit(names in prop::collection::vec("[a-c银行_]{0,60}", 1..40), columns in 8usize..40) {
            for name in shorten(&names.iter().map(String::as_str).collect::<Vec<_>>(), Some(columns)) {
                prop_assert!(width(&name) <= columns, "{} is wider than {}", name, columns);
            }
        }
    }
}
