//! The tags that mark the parts of a prompt and of an answer, and the texts that try to forge them.

use std::fmt;

/// The name of a tag, such as `output`: a letter, then letters, digits, `_` or `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag(String);

/// A tag found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) closing: bool,
}

impl Tag {
    pub(crate) fn new(name: &str) -> Option<Self> {
        let mut chars = name.chars();
        let valid = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        valid.then(|| Self(name.to_owned()))
    }

    /// Whether both are found in the same places.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn open(&self) -> String {
        format!("<{}>", self.0)
    }

    pub(crate) fn close(&self) -> String {
        format!("</{}>", self.0)
    }

    /// The first such tag at or after `from`, in any case and with white space inside: `</ Output >`.
    pub(crate) fn find(&self, text: &str, from: usize) -> Option<Found> {
        let (start, closing, name_end) = self.head(text, from, text[from..].match_indices('<'))?;
        let rest = text[name_end..].trim_start();
        if rest.starts_with('>') {
            return Some(Found { start, end: text.len() - rest.len() + 1, closing });
        }
        self.find(text, name_end)
    }

    /// The first beginning of such a tag: where it starts, whether it closes, and where the name ends. Brackets are given as
    /// they are found in the text after `from`.
    fn head<'t>(
        &self,
        text: &str,
        from: usize,
        brackets: impl Iterator<Item = (usize, &'t str)>,
    ) -> Option<(usize, bool, usize)> {
        for (offset, bracket) in brackets {
            let start = from + offset;
            let mut rest = text[start + bracket.len()..].trim_start();
            let closing = rest.starts_with('/');
            if closing {
                rest = rest[1..].trim_start();
            }
            let named = rest.get(..self.0.len()).is_some_and(|name| name.eq_ignore_ascii_case(&self.0));
            if named && !rest[self.0.len()..].starts_with(is_name_char) {
                return Some((start, closing, text.len() - rest.len() + self.0.len()));
            }
        }
        None
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Whether a reader, human or model, may take the character for `<`.
fn is_bracket(c: char) -> bool {
    matches!(c, '<' | '＜' | '﹤')
}

/// Whether the text holds the beginning of one of the tags.
pub(crate) fn holds(text: &str, tags: &[Tag]) -> bool {
    tags.iter().any(|tag| tag.head(text, 0, text.match_indices(is_bracket)).is_some())
}

/// Writes `text` to `out` with every beginning of one of the tags made harmless: its bracket becomes `&lt;`.
/// All else stays as it is, so that ordinary texts, mark-up included, reach the model untouched.
pub(crate) fn defuse(text: &str, tags: &[Tag], out: &mut String) {
    let mut from = 0;
    // Few texts hold a bracket; the wide ones begin with the byte EF.
    if memchr::memchr2(b'<', 0xEF, text.as_bytes()).is_none() {
        return out.push_str(text);
    }
    while let Some(start) = tags
        .iter()
        .filter_map(|tag| tag.head(text, from, text[from..].match_indices(is_bracket)))
        .map(|(start, ..)| start)
        .min()
    {
        out.push_str(&text[from..start]);
        out.push_str("&lt;");
        from = start + text[start..].chars().next().map_or(1, char::len_utf8);
    }
    out.push_str(&text[from..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag(name: &str) -> Tag {
        Tag::new(name).unwrap()
    }

    #[test]
    fn a_name_is_a_word() {
        for bad in ["", "1a", "a b", "a>", "é", "-a"] {
            assert_eq!(Tag::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn finds_tags_as_models_write_them() {
        let found = |start, end, closing| Some(Found { start, end, closing });
        assert_eq!(tag("output").find("x<output>y", 0), found(1, 9, false));
        assert_eq!(tag("output").find("< / OUTPUT >", 0), found(0, 12, true));
        assert_eq!(tag("out").find("<output><outer><out", 0), None);
        assert_eq!(tag("out").find("<out <out>", 0), found(5, 10, false));
    }

    #[test]
    fn only_forged_tags_are_changed() {
        let mut out = String::new();
        defuse("a < b, <b>bold</b>, <item>, ＜/ITEM ＞, <items>", &[tag("item")], &mut out);
        assert_eq!(out, "a < b, <b>bold</b>, &lt;item>, &lt;/ITEM ＞, <items>");
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_tag(text in "([<＜/ >a-b]|item|ITEM|output|&lt;|\\PC)*") {
            let tags = [tag("item"), tag("output")];
            let mut out = String::new();
            defuse(&text, &tags, &mut out);
            prop_assert!(!holds(&out, &tags));
            if !holds(&text, &tags) {
                prop_assert_eq!(out, text);
            }
        }
    }
}
