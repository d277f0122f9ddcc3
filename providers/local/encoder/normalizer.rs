//! Text to words as BERT's vocabularies expect them: control characters go, case and accents go where the vocabulary has
//! none, and punctuation and ideographs stand alone.
//!
//! After the "basic tokenizer" of BERT's published code, with the categories of Unicode that the `tokenizers` library
//! takes for them.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// What is done to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Normalizer {
    pub(super) clean: bool,
    pub(super) split_ideographs: bool,
    pub(super) strip_accents: bool,
    pub(super) lowercase: bool,
}

impl Normalizer {
    /// Hands over the words of a text, each as its characters.
    pub(super) fn words(self, text: &str, mut word: impl FnMut(&[char])) {
        let mut current = Vec::new();
        let mut take = |c: char| {
            let alone = is_punctuation(c) || self.split_ideographs && is_ideograph(c);
            if !alone && !c.is_whitespace() {
                current.push(c);
                return;
            }
            if !current.is_empty() {
                word(&current);
                current.clear();
            }
            if alone {
                word(&[c]);
            }
        };
        let cleaned = text.chars().filter(|&c| !self.clean || is_kept(c));
        if self.strip_accents {
            for c in cleaned.nfd().filter(|&c| category(c) != GeneralCategory::NonspacingMark) {
                self.lower(c, &mut take);
            }
        } else {
            cleaned.for_each(|c| self.lower(c, &mut take));
        }
        if !current.is_empty() {
            word(&current);
        }
    }

    fn lower(self, c: char, take: &mut impl FnMut(char)) {
        if self.lowercase {
            c.to_lowercase().for_each(take);
        } else {
            take(c);
        }
    }
}

fn category(c: char) -> GeneralCategory {
    get_general_category(c)
}

/// All but control, format and private characters; white space is none of them.
fn is_kept(c: char) -> bool {
    use GeneralCategory::{Control, Format, PrivateUse};
    matches!(c, '\t' | '\n' | '\r')
        || c != '\u{fffd}' && !matches!(category(c), Control | Format | PrivateUse)
}

fn is_punctuation(c: char) -> bool {
    use GeneralCategory::*;
    c.is_ascii_punctuation()
        || !c.is_ascii()
            && matches!(
                category(c),
                ConnectorPunctuation
                    | DashPunctuation
                    | ClosePunctuation
                    | FinalPunctuation
                    | InitialPunctuation
                    | OtherPunctuation
                    | OpenPunctuation
            )
}

/// The blocks of Chinese characters that BERT's code names.
fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b81f}' | '\u{2b920}'..='\u{2ceaf}'
        | '\u{2f800}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNCASED: Normalizer =
        Normalizer { clean: true, split_ideographs: true, strip_accents: true, lowercase: true };

    fn words(normalizer: Normalizer, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        normalizer.words(text, |word| words.push(word.iter().collect()));
        words
    }

    #[test]
    fn splits_and_simplifies() {
        assert_eq!(words(UNCASED, "Héllo, W\u{0}örld!\u{200b}?"), ["hello", ",", "world", "!", "?"]);
        assert_eq!(words(UNCASED, "我是a猫 don't\u{3000}x"), ["我", "是", "a", "猫", "don", "'", "t", "x"]);
        assert_eq!(words(UNCASED, " \n\t"), [""; 0]);
        let cased = Normalizer { strip_accents: false, lowercase: false, ..UNCASED };
        assert_eq!(words(cased, "Héllo"), ["Héllo"]);
    }
}
