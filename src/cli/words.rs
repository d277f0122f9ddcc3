//! Text in columns of a terminal, for people.

/// The width that everything fits in that is no table.
const WIDTH: usize = 80;

/// A line for each `label` with its text, which is broken between words and keeps to its column.
pub(super) fn entry(indent: usize, column: usize, label: &str, text: &str) -> String {
    let mut lines = vec![format!("{:indent$}{label:<width$}", "", width = column - indent)];
    let mut fresh = true;
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if !fresh && line + 1 + word.chars().count() > WIDTH {
            lines.push(" ".repeat(column));
            fresh = true;
        }
        if let Some(line) = lines.last_mut() {
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
        fresh = false;
    }
    lines.join("\n")
}

/// The text with its long lines broken between words. What follows hangs below the last column of the line, which two
/// spaces or more set apart, or else a little further in than the line itself.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let mut out = Vec::new();
    for line in text.lines() {
        let start = line.len() - line.trim_start().len();
        let column = line[start..].match_indices("  ").map(|(at, _)| start + at).last();
        let column = column.map(|at| line.len() - line[at..].trim_start().len());
        // A column that leaves little room is none.
        let indent = column.filter(|column| column * 2 <= width).unwrap_or(start + 2);
        let (mut now, mut fresh) = (line[..start].to_owned(), true);
        for word in line[start..].split(' ') {
            if !fresh && now.chars().count() + 1 + word.chars().count() > width && !word.is_empty() {
                out.push(now.trim_end().to_owned());
                (now, fresh) = (" ".repeat(indent), true);
            }
            if !fresh {
                now.push(' ');
            }
            now.push_str(word);
            fresh = false;
        }
        out.push(now);
    }
    out.join("\n")
}

/// `1,234,567`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_to_their_column() {
        let text = entry(2, 10, "models", &"gpt-4.1-mini-2025-04-14, ".repeat(5));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "  models  gpt-4.1-mini-2025-04-14, gpt-4.1-mini-2025-04-14,");
        assert_eq!(lines.len(), 3);
        assert!(lines[1..].iter().all(|line| line.starts_with("          gpt")), "{text}");
        assert_eq!(entry(0, 4, "a", "").trim_end(), "a");
        let longest = entry(0, 4, "a", &"x".repeat(90));
        assert_eq!(longest.lines().count(), 1, "a word is never broken");
    }

    #[test]
    fn long_lines_hang_below_their_last_column() {
        let text = " local/lexical\n   passed   accuracy: 92.2 % of 400 rows, at least 90 %\n\n and a note of several words";
        let expected = " local/lexical
   passed   accuracy: 92.2 %
            of 400 rows, at
            least 90 %

 and a note of several words";
        assert_eq!(wrapped(text, 28), expected);
        assert_eq!(wrapped(text, 200), text);
        assert_eq!(wrapped("é 银 unbreakable", 3), "é 银\n  unbreakable");
    }

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
