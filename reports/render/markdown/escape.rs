//! Text that is nobody's Markdown: in what GitHub and GitLab show, it stands as it is and does nothing.
//!
//! Names become code, which neither of them searches for mentions, references and addresses.

use super::super::text::clean;

/// Longer names help nobody in a table.
const LONGEST: usize = 120;

/// A name as code, on one line. Usual names stay readable in the source as well.
pub fn code(name: &str) -> String {
    let name = cut(name);
    let usual = |c: char| c.is_alphanumeric() || " _-./:+=#@,()".contains(c);
    // Backticks keep nothing but a name without backticks whole, and lose spaces at its ends; a table takes pipes out of it.
    if !name.is_empty() && name.trim() == name && name.chars().all(usual) {
        return format!("`{name}`");
    }
    html_code(&name)
}

/// A name as code where Markdown is not read, such as in a `<summary>`.
pub(super) fn html_code(name: &str) -> String {
    format!("<code>{}</code>", entities(&cut(name)))
}

/// A sentence with names in it, on one line.
///
/// Mentions and references are searched for after entities are read: something without width keeps them apart.
pub fn text(sentence: &str) -> String {
    entities(&clean(sentence)).replace("&#64;", "&#64;\u{200b}").replace("&#35;", "&#35;\u{200b}")
}

/// A figure, which may be said to be less or more than a number, on one line.
pub(super) fn figure(figure: &str) -> String {
    // The spaces that align figures in a terminal mean nothing here.
    let figure = figure.split_whitespace().collect::<Vec<_>>().join(" ");
    figure.replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(name: &str) -> String {
    let name = clean(name);
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

/// Every character that could mean something is written as an entity, which means nothing (CommonMark 0.31, section 2.5).
fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let literal = match c {
            _ if c.is_alphanumeric() || !c.is_ascii() => true,
            // At its beginning, a line could become a list or a heading.
            _ if at == 0 => false,
            '.' | ')' if text[..at].bytes().all(|b| b.is_ascii_digit()) => false,
            // An address begins with one of these; a number and a share are full of them.
            '.' => !text[..at].to_ascii_lowercase().ends_with("www"),
            ':' => !text[at..].starts_with("://"),
            ' ' => !text[..at].ends_with(' ') && at + 1 < text.len(),
            _ => "-/,;%()?'+=".contains(c),
        };
        match c {
            _ if literal => escaped.push(c),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            _ => escaped.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_readable() {
        assert_eq!(code("openai/ft:gpt-4.1-mini:acme::B1x"), "`openai/ft:gpt-4.1-mini:acme::B1x`");
        assert_eq!(code("card_arrival"), "`card_arrival`");
        assert_eq!(
            text("m: 3 of 10 rows have no answer, 5.2 % (sic)."),
            "m: 3 of 10 rows have no answer, 5.2 % (sic)."
        );
    }

    #[test]
    fn hostile_names_do_nothing() {
        assert_eq!(code("a|b`<script>\n"), "<code>a&#124;b&#96;&lt;script&gt;\u{fffd}</code>");
        assert_eq!(code(" x"), "<code>&#32;x</code>");
        assert_eq!(code(""), "<code></code>");
        assert_eq!(text("ask @octocat about #1"), "ask &#64;\u{200b}octocat about &#35;\u{200b}1");
        assert_eq!(text("1. a"), "1&#46; a");
        assert_eq!(text("http://x.y www.x.y"), "http&#58;//x.y www&#46;x.y");
    }
}
