//! How many tokens a text will be where the model's vocabulary is not at hand: from its bytes, in one place for limits, caps,
//! plans and checks.

/// Bytes to a token of English, roughly, with the vocabularies in use.
const USUAL: usize = 4;
/// Fewer bytes to a token are rare in any script.
const FEW: usize = 2;

/// Bytes of UTF-8 to a token, by script: the usual, the fewest and the most.
///
/// Measured on the first article of the Universal Declaration of Human Rights in ten languages with the vocabularies
/// `o200k_base` and `cl100k_base` of OpenAI. The older one takes twice the tokens for Greek, Arabic or Hindi.
const LATIN: [f64; 3] = [4.0, 3.0, 5.0];
const EAST_ASIAN: [f64; 3] = [3.0, 2.2, 4.1];
const OTHER: [f64; 3] = [4.0, 2.0, 9.4];

/// The tokens to expect of a text of so many bytes whose script nobody has looked at.
pub fn expected_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(USUAL) as u64
}

/// As many tokens as such a text hardly exceeds.
pub fn cautious_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(FEW) as u64
}

/// The most tokens that such a text can be: no vocabulary makes more than there are bytes.
pub fn most_tokens(bytes: usize) -> u64 {
    bytes as u64
}

/// How long a text is, in bytes by kind of script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextLength {
    latin: u64,
    east_asian: u64,
    other: u64,
}

impl TextLength {
    /// The length of a text.
    pub fn of(text: &str) -> Self {
        let mut length = Self::default();
        length.add(text);
        length
    }

    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        if text.is_ascii() {
            self.latin += text.len() as u64;
            return;
        }
        for character in text.chars() {
            let bytes = character.len_utf8() as u64;
            match u32::from(character) {
                // Up to the end of Latin Extended-B, and the additional Latin letters.
                ..0x250 | 0x1e00..0x1f00 | 0x2000..0x2070 => self.latin += bytes,
                // Kana, Han, Hangul and what goes with them.
                0x1100..0x1200
                | 0x2e80..0xa000
                | 0xac00..0xd7b0
                | 0xf900..0xfb00
                | 0xff00..0xfff0
                | 0x20000.. => {
                    self.east_asian += bytes;
                }
                _ => self.other += bytes,
            }
        }
    }

    /// The length of so many such texts.
    #[must_use]
    pub fn times(self, n: u64) -> Self {
        let times = |bytes: u64| bytes.saturating_mul(n);
        Self { latin: times(self.latin), east_asian: times(self.east_asian), other: times(self.other) }
    }

    /// The length of both.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            latin: self.latin.saturating_add(more.latin),
            east_asian: self.east_asian.saturating_add(more.east_asian),
            other: self.other.saturating_add(more.other),
        }
    }

    /// All bytes.
    pub fn bytes(self) -> u64 {
        self.latin.saturating_add(self.east_asian).saturating_add(self.other)
    }

    /// The tokens that so much text will be: at least, usually, at most.
    pub fn tokens(self) -> [u64; 3] {
        let tokens = |at: usize| {
            let parts = [(self.latin, LATIN), (self.east_asian, EAST_ASIAN), (self.other, OTHER)];
            parts.iter().map(|(bytes, per_token)| *bytes as f64 / per_token[at]).sum::<f64>().ceil() as u64
        };
        [tokens(2), tokens(0), tokens(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_with_marks_and_quotes_are_latin() {
        assert_eq!(TextLength::of("Größe „ja“").other, 0);
    }

    #[test]
    fn a_figure_for_every_purpose() {
        assert_eq!((expected_tokens(9), cautious_tokens(9), most_tokens(9)), (3, 5, 9));
    }
}
