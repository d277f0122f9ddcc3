//! What most texts of a list have in common at their beginning and at their end: the template that they were made with.

use std::collections::HashMap;

/// Of so many texts in ten, all but those few that were made otherwise have the template.
const NINE: usize = 9;

/// What stands before and behind the part that differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Affixes {
    pub(super) before: String,
    pub(super) behind: String,
}

impl Affixes {
    /// The template of most of these texts. It ends with a mark, such as a colon or a line break: that all texts begin
    /// with the same word may be chance.
    pub(super) fn of(texts: &[&str]) -> Self {
        let before: String = common(texts.iter().map(|text| text.chars())).into_iter().collect();
        let before = before[..end_of_mark(&before)].to_owned();
        let rest: Vec<&str> = texts.iter().filter_map(|text| text.strip_prefix(before.as_str())).collect();
        let mut behind = common(rest.iter().map(|text| text.chars().rev()));
        behind.reverse();
        let behind: String = behind.into_iter().collect();
        let behind = behind[start_of_mark(&behind)..].to_owned();
        Self { before, behind }
    }

    /// The part that differs, of a text that was made with this template.
    pub(super) fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        text.strip_prefix(self.before.as_str())?.strip_suffix(self.behind.as_str())
    }

    /// The text that was made of a part.
    pub(super) fn around(&self, part: &str) -> String {
        format!("{}{part}{}", self.before, self.behind)
    }
}

/// The characters that nine in ten of the texts begin with.
fn common(texts: impl Iterator<Item = impl Iterator<Item = char>>) -> Vec<char> {
    let mut alive: Vec<_> = texts.collect();
    let all = alive.len();
    let mut common = Vec::new();
    // One text has nothing in common with others.
    if all < 2 {
        return common;
    }
    loop {
        let next: Vec<Option<char>> = alive.iter_mut().map(Iterator::next).collect();
        let mut counts = HashMap::<char, usize>::new();
        next.iter().flatten().for_each(|c| *counts.entry(*c).or_default() += 1);
        let Some((&most, &count)) = counts.iter().max_by_key(|(c, count)| (**count, **c)) else { break };
        if count * 10 < all * NINE {
            break;
        }
        common.push(most);
        let mut next = next.into_iter();
        alive.retain(|_| next.next().flatten() == Some(most));
    }
    common
}

/// Where the last mark of a beginning ends, with the spaces behind it.
fn end_of_mark(text: &str) -> usize {
    let mark = |c: char| matches!(c, '\n' | '>' | '"' | '\'' | ':' | ']' | '}' | '|' | '`' | '=');
    let end = text.rfind(mark).map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
    let spaces = |from: usize| from + text[from..].len() - text[from..].trim_start_matches([' ', '\t']).len();
    spaces(end)
}

/// Where the first mark of an end begins, with the spaces before it.
fn start_of_mark(text: &str) -> usize {
    let mark = |c: char| matches!(c, '\n' | '<' | '"' | '\'' | '[' | '{' | '|' | '`' | '#' | '→');
    let arrow = ["->", "=>", "--"].into_iter().filter_map(|arrow| text.find(arrow)).min();
    let start = text.find(mark).into_iter().chain(arrow).min().unwrap_or(text.len());
    text[..start].trim_end_matches([' ', '\t']).len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(texts: &[&str]) -> (String, String) {
        let Affixes { before, behind } = Affixes::of(texts);
        (before, behind)
    }

    #[test]
    fn templates_end_with_marks() {
        let own = |before: &str, behind: &str| (before.to_owned(), behind.to_owned());
        assert_eq!(
            of(&["Text: The card\n\n###\n\n", "Text: The bill\n\n###\n\n"]),
            own("Text: ", "\n\n###\n\n")
        );
        assert_eq!(of(&["the card is lost ->", "the bill is lost ->"]), own("", " ->"));
        assert_eq!(of(&["{\"label\": \"card\"}", "{\"label\": \"car\"}"]), own("{\"label\": \"", "\"}"));
        assert_eq!(of(&["I lost my card.", "I lost my bill."]), own("", ""));
        assert_eq!(of(&[" refund", " card"]), own(" ", ""));
        assert_eq!(of(&["only: one"]), own("", ""));
    }

    #[test]
    fn a_few_odd_rows_do_not_hide_it() {
        let mut texts: Vec<String> = (0..19).map(|row| format!("Message: number {row}")).collect();
        texts.push("something else".to_owned());
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let affixes = Affixes::of(&texts);
        assert_eq!(affixes.before, "Message: ");
        assert_eq!(affixes.strip(texts[19]), None);
    }

    proptest! {
        #[test]
        fn what_is_stripped_can_be_put_back(texts in prop::collection::vec("(Text: |\n|<|x|\\PC)*", 0..6)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let affixes = Affixes::of(&texts);
            for text in texts {
                if let Some(part) = affixes.strip(text) {
                    prop_assert_eq!(affixes.around(part), text);
                }
            }
        }
    }
}
