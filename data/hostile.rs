//! Characters of a text that could steer what shows it.

/// Whether a character could move the cursor, colour the terminal or turn the reading order.
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::is_hostile;

    #[test]
    fn what_steers_is_told_from_what_is_read() {
        assert!("\u{1b}\u{9b}\r\n\t\u{7f}\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}".chars().all(is_hostile));
        assert!(!"a ß שלום 银行 👩\u{200d}🚀".chars().any(is_hostile));
    }
}
