//! What others say, made fit for a message of ours.

use tunebench_data::is_hostile;

/// A text of a server in one line, without characters that could steer a terminal.
pub(crate) fn flat(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !is_hostile(c));
    line
}

/// The same, cut to what fits a message: at most 300 characters. A secret must be out of it before.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = flat(text);
    if let Some((end, _)) = line.char_indices().nth(300) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_short_line() {
        assert_eq!(one_line(" <html>\r\n <b>\u{1b}[31mno</b>"), "<html> <b>[31mno</b>");
        let long = one_line(&"é".repeat(1_000));
        assert_eq!(long.chars().count(), 301);
    }
}
