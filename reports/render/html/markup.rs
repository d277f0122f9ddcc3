//! HTML in the making: what stands in the source is markup, everything else is escaped.
//!
//! No text of a user can become markup, because [`Markup::add`] takes markup only as a literal: its type demands a
//! text that lives as long as the program, and all that fills its gaps goes through [`Piece`].

/// A piece of a page, ready to be put into a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

/// What may stand in a gap of a template, between tags or within the quotes of an attribute.
pub(super) trait Piece {
    /// Appends itself, escaped.
    fn write(&self, html: &mut String);
}

impl Markup {
    /// Appends a template whose gaps `{}` are filled, in their order.
    ///
    /// # Panics
    /// If there are not as many pieces as gaps.
    pub(super) fn add(&mut self, template: &'static str, pieces: &[&dyn Piece]) -> &mut Self {
        let mut parts = template.split("{}");
        self.0.push_str(parts.next().unwrap_or_default());
        let mut pieces = pieces.iter();
        for part in parts {
            pieces.next().expect("each gap has a piece").write(&mut self.0);
            self.0.push_str(part);
        }
        assert!(pieces.next().is_none(), "each piece has a gap in `{template}`");
        self
    }

    /// A template with its gaps filled: see [`add`](Self::add).
    pub(super) fn of(template: &'static str, pieces: &[&dyn Piece]) -> Self {
        let mut markup = Self::default();
        markup.add(template, pieces);
        markup
    }

    /// Appends markup that holds `{}` for reasons of its own, such as a style sheet.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends JSON as the content of an element that is never run.
    ///
    /// # Panics
    /// If it could end the element.
    pub(super) fn json(&mut self, json: &str) -> &mut Self {
        assert!(!json.contains('<'), "JSON within a page has no `<`");
        self.0.push_str(json);
        self
    }

    /// Appends the same for each item.
    pub(super) fn each<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut add: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for item in items {
            add(self, item);
        }
        self
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of the page.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl Piece for Markup {
    fn write(&self, html: &mut String) {
        html.push_str(&self.0);
    }
}

impl Piece for str {
    fn write(&self, html: &mut String) {
        for c in self.chars() {
            match visible(c) {
                Some(sign) => html.push_str(&sign),
                None => escape(c, html),
            }
        }
    }
}

impl Piece for &str {
    fn write(&self, html: &mut String) {
        (**self).write(html);
    }
}

impl Piece for String {
    fn write(&self, html: &mut String) {
        self.as_str().write(html);
    }
}

impl Piece for u64 {
    fn write(&self, html: &mut String) {
        html.push_str(&self.to_string());
    }
}

impl Piece for usize {
    fn write(&self, html: &mut String) {
        html.push_str(&self.to_string());
    }
}

/// A coordinate: at most two decimals, which is finer than a screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct At(pub(super) f64);

impl Piece for At {
    fn write(&self, html: &mut String) {
        let text = format!("{:.2}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        html.push_str(if text == "-0" { "0" } else { text });
    }
}

/// The figure that a mark of a chart stands for: exact enough to find the mark's place again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure(pub(super) f64);

impl Piece for Figure {
    fn write(&self, html: &mut String) {
        let text = format!("{:.6}", self.0);
        html.push_str(text.trim_end_matches('0').trim_end_matches('.'));
    }
}

/// A name or text of the user, between tags: kept from turning the reading order of what surrounds it, its invisible
/// characters shown, cut after so many bytes of markup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foreign<'a> {
    text: &'a str,
    most: usize,
    /// Whether lines may break where the parts of a name end.
    parted: bool,
}

/// The bytes of markup that a name may take in a table.
const NAME: usize = 300;

/// The name of a label or a model.
pub(super) fn name(text: &str) -> Foreign<'_> {
    Foreign { text, most: NAME, parted: true }
}

/// A text of at most `most` bytes of markup, a few more for the last character and the sign that it was cut.
pub(super) fn text(text: &str, most: usize) -> Foreign<'_> {
    Foreign { text, most, parted: false }
}

impl Piece for Foreign<'_> {
    fn write(&self, html: &mut String) {
        html.push_str("<bdi>");
        let start = html.len();
        for c in self.text.chars() {
            if html.len() - start >= self.most {
                html.push_str("<i>… cut</i>");
                break;
            }
            match visible(c) {
                Some(sign) => {
                    html.push_str("<i>");
                    html.push_str(&sign);
                    html.push_str("</i>");
                }
                None => escape(c, html),
            }
            if self.parted && matches!(c, '_' | '/' | ':') {
                html.push_str("<wbr>");
            }
        }
        html.push_str("</bdi>");
    }
}

fn escape(c: char, html: &mut String) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        other => html.push(other),
    }
}

/// Whether a character would not be seen, turns the reading order or is not allowed in HTML.
pub(super) fn is_unseen(c: char) -> bool {
    visible(c).is_some()
}

/// A sign for a character that would not be seen, that turns the reading order or that HTML does not allow.
fn visible(c: char) -> Option<String> {
    match c {
        '\t' | '\n' => None,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}'
        | '\u{ffff}'
        // Letters that no font shows and every model reads.
        | '\u{e0000}'..='\u{e007f}' => Some(format!("U+{:04X}", u32::from(c))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn between(text: &str) -> String {
        Markup::of("{}", &[&text]).into_string()
    }

    #[test]
    fn markup_in_a_text_is_text() {
        assert_eq!(
            between("<script>alert('\"&')</script> ]]> -->"),
            "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt; ]]&gt; --&gt;"
        );
        // A gap within a text is no gap.
        assert_eq!(Markup::of("<b>{}</b>{}", &[&"{}", &"x"]).into_string(), "<b>{}</b>x");
    }

    #[test]
    fn what_cannot_be_seen_is_shown_and_what_turns_the_order_is_contained() {
        let hostile = "a\u{202e}b\0\u{1b}\u{200f}\r";
        assert_eq!(between(hostile), "aU+202EbU+0000U+001BU+200FU+000D");
        assert_eq!(
            Markup::of("{}", &[&name(hostile)]).into_string(),
            "<bdi>a<i>U+202E</i>b<i>U+0000</i><i>U+001B</i><i>U+200F</i><i>U+000D</i></bdi>"
        );
        // What joins the parts of an emoji, and Hebrew itself, stay as they are.
        assert_eq!(between("👩\u{200d}🚒 שלום"), "👩\u{200d}🚒 שלום");
    }

    #[test]
    fn coordinates_are_short() {
        let at = |value| Markup::of("{}", &[&At(value)]).into_string();
        assert_eq!(
            [at(12.0), at(0.126), at(-0.001), at(100.5)],
            ["12", "0.13", "0", "100.5"].map(str::to_owned)
        );
    }

    #[test]
    #[should_panic(expected = "each gap has a piece")]
    fn a_gap_without_a_piece_is_a_mistake() {
        let _ = Markup::of("{}{}", &[&"a"]);
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_or_grows_without_bound(text in any::<String>(), most in 0usize..200) {
            let plain = between(&text);
            let forbidden = ['<', '>', '"', '\'', '\0', '\u{202e}'];
            prop_assert!(!plain.contains(forbidden));
            let foreign = Markup::of("{}", &[&super::text(&text, most)]).into_string();
            let inner = foreign.replace("<bdi>", "").replace("</bdi>", "").replace("<i>", "").replace("</i>", "");
            prop_assert!(!inner.contains(['<', '>', '"', '\'']));
            prop_assert!(foreign.len() <= most + 60);
        }
    }
}
