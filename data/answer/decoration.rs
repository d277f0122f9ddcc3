//! What models put around a label, taken off one layer at a time.
//!
//! No layer decides anything: what is left in the end must be a label as a whole.

use std::borrow::Cow;

use super::fold::trim;
use super::introduction::Introductions;

/// A text without its outermost layer.
#[derive(Debug, PartialEq)]
pub(super) struct Peeled<'a> {
    /// What is left; never longer than what it was.
    pub(super) rest: Cow<'a, str>,
    /// What was taken off, where it might be a label itself: a number, the name of a code block.
    pub(super) beside: Option<&'a str>,
    /// Whether it said that an answer follows: `Category:`.
    pub(super) introduced: bool,
}

impl<'a> Peeled<'a> {
    fn of(rest: &'a str) -> Self {
        Self { rest: rest.into(), beside: None, introduced: false }
    }

    fn beside(rest: &'a str, beside: &'a str) -> Self {
        Self { beside: Some(beside), ..Self::of(rest) }
    }
}

/// Takes off the outermost layer; `None` where there is none. The text must be trimmed.
pub(super) fn peel<'a>(text: &'a str, introductions: &Introductions) -> Option<Peeled<'a>> {
    fence(text)
        .or_else(|| special_token(text).map(Peeled::of))
        .or_else(|| element(text, introductions).map(Peeled::of))
        .or_else(|| pair(text).map(Peeled::of))
        .or_else(|| run(text).map(Peeled::of))
        .or_else(|| latex(text).map(Peeled::of))
        .or_else(|| mark(text).map(Peeled::of))
        .or_else(|| number(text))
        .or_else(|| {
            let (before, rest) = introductions.split(text)?;
            Some(Peeled { introduced: true, ..Peeled::beside(rest, before) })
        })
        .or_else(|| full_stop(text).map(Peeled::of))
        .or_else(|| unescaped(text).map(|rest| Peeled { rest: rest.into(), beside: None, introduced: false }))
}

/// A block of code, with or without a name for its language, closed or cut off.
fn fence(text: &str) -> Option<Peeled<'_>> {
    let mark = ["```", "~~~"].into_iter().find(|mark| text.starts_with(mark))?;
    let body = text[mark.len()..].trim_start_matches(&mark[..1]);
    let (info, body) = body.split_once('\n')?;
    let body = body.trim_end();
    let body = body.strip_suffix(mark).unwrap_or(body);
    match trim(body) {
        "" => Some(Peeled::of(info)),
        body => Some(Peeled::beside(body, trim(info))),
    }
}

/// What a server should have kept to itself: `<|im_end|>`, `</s>`.
fn special_token(text: &str) -> Option<&str> {
    const WORDS: [&str; 7] = ["</s>", "<s>", "<eos>", "<bos>", "<end_of_turn>", "<start_of_turn>", "[/INST]"];
    let plain = WORDS.iter().find_map(|word| text.strip_suffix(word).or_else(|| text.strip_prefix(word)));
    let name =
        |token: &str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain
        .or_else(|| {
            let start = text.strip_suffix("|>")?.rfind("<|")?;
            name(&text[start + 2..text.len() - 2]).then(|| &text[..start])
        })
        .or_else(|| {
            let (token, rest) = text.strip_prefix("<|")?.split_once("|>")?;
            name(token).then_some(rest)
        })
}

const PAIRS: [(&str, &str); 24] = [
    ("“", "”"),
    ("”", "”"),
    ("„", "“"),
    ("„", "”"),
    ("‘", "’"),
    ("‚", "‘"),
    ("«", "»"),
    ("»", "«"),
    ("‹", "›"),
    ("「", "」"),
    ("『", "』"),
    ("《", "》"),
    ("【", "】"),
    ("＂", "＂"),
    ("´", "´"),
    ("(", ")"),
    ("（", "）"),
    ("[", "]"),
    ("{", "}"),
    ("<", ">"),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
    ("\\\"", "\\\""),
    ("``", "''"),
];

/// Quotes and brackets. Where they close on the way, they are not around the whole.
fn pair(text: &str) -> Option<&str> {
    PAIRS.iter().find_map(|(open, close)| {
        let inside = text.strip_prefix(open)?.strip_suffix(close)?;
        let within =
            if open == close { inside } else { inside.split_once(open).map_or(inside, |(first, _)| first) };
        (!within.contains(close)).then(|| inner(inside))?
    })
}

/// Emphasis, code, formulas and quotes: as many of one character on both sides, and not as many on the way. `~~struck out~~` means
/// the opposite and stays.
fn run(text: &str) -> Option<&str> {
    let first = text.chars().next().filter(|c| matches!(c, '*' | '_' | '`' | '$' | '=' | '"' | '\''))?;
    let length = |run: &str| text.len() - run.len();
    let before = length(text.trim_start_matches(first));
    let after = length(text.trim_end_matches(first));
    let marks = before.min(after);
    if marks == 0 || first == '=' && marks < 2 {
        return None;
    }
    let inside = text.get(marks..text.len() - marks)?;
    // Underscores are in labels, too.
    let closes = first != '_' && inside.contains(&text[..marks]);
    (!closes).then(|| inner(inside))?
}

/// `\boxed{…}`, `\text{…}` and the like around the whole.
fn latex(text: &str) -> Option<&str> {
    let (command, rest) = text.strip_prefix('\\')?.split_once('{')?;
    let known = [
        "boxed", "fbox", "text", "textbf", "textit", "texttt", "textrm", "mathrm", "mathbf", "mathit", "emph",
    ]
    .contains(&command.trim_end());
    let inside = rest.strip_suffix('}')?;
    (known && is_balanced(inside)).then(|| inner(inside))?
}

fn is_balanced(text: &str) -> bool {
    let mut depth = 0i32;
    for byte in text.bytes() {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// An element of HTML around the whole: one that only emphasises, or one that is named for an answer.
fn element<'a>(text: &'a str, introductions: &Introductions) -> Option<&'a str> {
    const EMPHASIS: [&str; 13] =
        ["b", "strong", "i", "em", "u", "mark", "code", "kbd", "pre", "p", "span", "div", "li"];
    let (name, rest) = text.strip_prefix('<')?.split_once('>')?;
    let known = EMPHASIS.iter().any(|known| known.eq_ignore_ascii_case(name)) || introductions.is_one(name);
    let rest = rest.strip_suffix('>')?;
    let (inside, end) = rest.rsplit_once("</")?;
    (known && end.trim().eq_ignore_ascii_case(name)).then(|| inner(inside))?
}

const MARKS: [&str; 15] = ["•", "·", "‣", "◦", "▪", "➡", "→", "⇒", "▶", "►", "👉", "✅", "✔", "☑", "🏷"];

/// A heading, a quotation, an item of a list, an arrow. A `-` before a number is its sign.
fn mark(text: &str) -> Option<&str> {
    if let Some(rest) = MARKS.iter().find_map(|mark| text.strip_prefix(mark)) {
        return inner(rest);
    }
    if let Some(rest) = ["->", "=>", "-->", "==>", "- [x]", "* [x]", "[x]", "[X]", ">"]
        .iter()
        .find_map(|mark| text.strip_prefix(mark))
    {
        return inner(rest);
    }
    if text.starts_with('#') {
        let rest = text.trim_start_matches('#');
        return (text.len() - rest.len() <= 6 && rest.starts_with(char::is_whitespace))
            .then(|| inner(rest))?;
    }
    let rest = text.strip_prefix(['-', '*', '+', '–', '—'])?;
    let item = rest.starts_with(char::is_whitespace);
    let rest = inner(rest)?;
    (item && !rest.starts_with(|c: char| c.is_numeric())).then_some(rest)
}

/// The number of an item: `1.`, `2)`, `(3)`, `#4:`. Where numbers are labels, it may be one.
fn number(text: &str) -> Option<Peeled<'_>> {
    let bracketed = text.strip_prefix('(');
    let plain = bracketed.or_else(|| text.strip_prefix('#')).unwrap_or(text);
    let digits = plain.len() - plain.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if !(1..=3).contains(&digits) {
        return None;
    }
    let (number, rest) = plain.split_at(digits);
    let rest = match bracketed {
        Some(_) => rest.strip_prefix(')')?,
        None => rest.strip_prefix(['.', ')', ':']).or_else(|| rest.strip_prefix(" - "))?,
    };
    // `1.5` is one number.
    let spaced = rest.starts_with(char::is_whitespace) || !rest.starts_with(|c: char| c.is_ascii_digit());
    spaced.then(|| Some(Peeled::beside(inner(rest)?, number)))?
}

/// One full stop or exclamation mark at the end; an ellipsis says that more would follow.
fn full_stop(text: &str) -> Option<&str> {
    let rest = text.strip_suffix(['.', '。', '．', '｡', '।', '!', '！'])?;
    (!rest.ends_with(['.', '!', '！'])).then(|| inner(rest))?
}

/// The whole with `\_` as `_` and `&lt;` as `<`, where there are such.
pub(super) fn unescaped(text: &str) -> Option<String> {
    const ENTITIES: [(&str, &str); 6] =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")];
    let mut out = text.to_owned();
    for (entity, character) in ENTITIES {
        out = out.replace(entity, character);
    }
    let mut plain = String::with_capacity(out.len());
    let mut characters = out.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\\' && characters.peek().is_some_and(|next| next.is_ascii_punctuation() || *next == ' ') {
            continue;
        }
        plain.push(c);
    }
    (plain.len() < text.len()).then_some(plain)
}

/// What is inside, unless that is nothing.
fn inner(text: &str) -> Option<&str> {
    Some(trim(text)).filter(|inside| !inside.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layer(text: &str) -> Option<String> {
        peel(text, &Introductions::default()).map(|peeled| peeled.rest.into_owned())
    }

    #[test]
    fn one_layer_at_a_time() {
        for (text, rest) in [
            ("**x**", "x"),
            ("***x**", "*x"),
            ("\"x\"", "x"),
            ("```json\nx\n```", "x"),
            ("```x", "```x"),
            ("```x```", "x"),
            ("\\boxed{\\text{x}}", "\\text{x}"),
            ("\\text{x} or \\text{y}", "\\text{x} or \\text{y}"),
            ("<b>x</B>", "x"),
            ("<not>x</not>", "<not>x</not>"),
            ("- x", "x"),
            ("- 1", "- 1"),
            ("2) x", "x"),
            ("1.5", "1.5"),
            ("x.", "x"),
            ("x...", "x..."),
            ("~~x~~", "~~x~~"),
            ("a\\_b", "a_b"),
            ("x<|im_end|>", "x"),
            ("# x", "x"),
            ("#x", "#x"),
            ("Label: x", "x"),
            ("**", "**"),
            ("\"\"", "\"\""),
        ] {
            assert_eq!(layer(text).as_deref().unwrap_or(text), rest, "{text}");
        }
    }

    proptest! {
        #[test]
        fn always_shorter(text in "([*_`\"'<>(){}$\\\\.#1-]|Label:|```|\\|>|<\\||&lt;|\\PC){0,16}") {
            let text = trim(&text);
            if let Some(rest) = layer(text) {
                prop_assert!(rest.len() < text.len());
            }
        }
    }
}
