//! The form in which texts are compared.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Compatibility form (NFKC), lower case, and each run of white space, punctuation and symbols as one space.
///
/// A text of nothing but punctuation and symbols keeps them: `:-)` and `:-(` are not the same.
pub(crate) fn normal_form(text: &str) -> String {
    let folded = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        // Lower-casing can undo the compatibility form: once more.
        let lower = text.nfkc().collect::<String>().to_lowercase();
        lower.nfkc().collect::<String>()
    };
    let words = join(folded.split(|c: char| !is_word(c)));
    if words.is_empty() { join(folded.split_whitespace()) } else { words }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_the_same() {
        for (a, b) in [
            ("Where is my card?", "where  is my card"),
            ("don't", "DON\u{2019}T"),
            ("café", "cafe\u{301}"),
            ("ＡＢＣ　１２", "abc 12"),
            ("ﬁne", "fine"),
        ] {
            assert_eq!(normal_form(a), normal_form(b));
        }
        for (a, b) in [(":-)", ":-("), ("card", "cards"), ("क्या", "कया"), ("not here", "nothere")]
        {
            assert_ne!(normal_form(a), normal_form(b));
        }
    }

    proptest! {
        #[test]
        fn once_is_enough(text in "\\PC*") {
            let once = normal_form(&text);
            prop_assert_eq!(normal_form(&once), once);
        }
    }
}
