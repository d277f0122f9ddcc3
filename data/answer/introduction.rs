//! Words that say that an answer follows: `Category:`, `**Final answer:**`, `The best label is:`.

use super::fold::{fold, trim};
use crate::tag::Tag;

/// Words for what is asked after.
const NOUNS: &[&str] = &[
    "answer",
    "label",
    "category",
    "categories",
    "class",
    "classification",
    "output",
    "result",
    "response",
    "prediction",
    "intent",
    "topic",
    "type",
    "sentiment",
    "tag",
    "choice",
    "decision",
    "verdict",
    "rating",
    "score",
    // Models answer in the language of the text, or of the instruction.
    "antwort",
    "kategorie",
    "klasse",
    "klassifikation",
    "ergebnis",
    "catégorie",
    "réponse",
    "classe",
    "étiquette",
    "categoría",
    "respuesta",
    "etiqueta",
    "clase",
    "categoria",
    "risposta",
    "etichetta",
    "resposta",
    "antwoord",
    "categorie",
    "kategoria",
    "odpowiedź",
    "ответ",
    "категория",
    "метка",
    "класс",
    "答案",
    "类别",
    "分类",
    "标签",
    "類別",
    "分類",
    "回答",
    "答え",
    "カテゴリ",
    "カテゴリー",
    "ラベル",
    "정답",
    "답변",
    "분류",
    "라벨",
    "카테고리",
    "उत्तर",
    "श्रेणी",
    "الفئة",
    "الإجابة",
    "التصنيف",
];

/// Words that may stand around these without changing what is said.
const AROUND: &[&str] = &[
    "the",
    "a",
    "this",
    "my",
    "final",
    "predicted",
    "correct",
    "chosen",
    "selected",
    "assigned",
    "best",
    "most",
    "likely",
    "appropriate",
    "suitable",
    "matching",
    "single",
    "name",
    "is",
    "of",
    "for",
    "to",
    "item",
    "text",
    "message",
    "input",
    "ticket",
    "finale",
    "die",
    "der",
    "das",
    "la",
    "le",
    "el",
    "est",
    "es",
    "ist",
];

const NEGATIONS: &[&str] = &[
    "not",
    "no",
    "never",
    "none",
    "neither",
    "nor",
    "without",
    "except",
    "exclude",
    "excluded",
    "excluding",
    "cannot",
    "n't",
    "nicht",
    "kein",
    "keine",
    "pas",
    "ne",
    "non",
    "nunca",
    "não",
    "не",
    "不",
];

/// How long an introduction may be, in bytes.
const LONGEST: usize = 120;

/// Knows the words that introduce an answer: the usual ones and those of the prompt.
#[derive(Debug, Clone, Default)]
pub(super) struct Introductions {
    own: Vec<String>,
}

impl Introductions {
    /// With the words of the output tag's name.
    pub(super) fn new(output: Option<&Tag>) -> Self {
        let name = output.map(Tag::to_string).unwrap_or_default();
        Self { own: words(&fold(&name)).map(str::to_owned).collect() }
    }

    /// Whether this is nothing but such words, decoration apart: `**Category**`.
    pub(super) fn is_one(&self, text: &str) -> bool {
        let plain =
            |c: char| c.is_alphanumeric() || c.is_whitespace() || "*_`\"'’#-".contains(c) || is_mark(c);
        if text.len() > LONGEST || !text.chars().all(plain) {
            return false;
        }
        let folded = fold(text);
        let mut noun = false;
        let known = words(&folded).all(|word| {
            let is_noun = NOUNS.contains(&word) || self.own.iter().any(|own| own == word);
            noun |= is_noun;
            is_noun || AROUND.contains(&word)
        });
        known && noun
    }

    /// Splits `Category: x` into the introduction and what it introduces.
    pub(super) fn split<'a>(&self, text: &'a str) -> Option<(&'a str, &'a str)> {
        const SEPARATORS: [&str; 9] = [":", "：", "=>", "->", "→", "=", " - ", " – ", " — "];
        let found = SEPARATORS.iter().filter_map(|separator| Some((text.find(separator)?, separator.len())));
        let (at, length) = found.min_by_key(|&(at, length)| (at, std::cmp::Reverse(length)))?;
        let (before, rest) = (&text[..at], &text[at + length..]);
        if before.contains('\n') || !self.is_one(before) {
            return None;
        }
        // What was opened before the separator may be closed behind it: `**Category:** x`.
        let opened = |c: char| matches!(c, '*' | '_' | '`' | '"' | '\'');
        let open = before.len() - before.trim_start_matches(opened).len();
        let closed = before.len() - before.trim_end_matches(opened).len();
        let mut rest = trim(rest);
        if open > closed
            && let Some(after) = rest.strip_prefix(&before[..open - closed])
        {
            rest = trim(after);
        }
        (!rest.is_empty()).then_some((trim(before), rest))
    }

    /// Whether one of the words stands in a sentence.
    pub(super) fn is_mentioned(&self, sentence: &str) -> bool {
        let folded = fold(sentence);
        words(&folded).any(|word| NOUNS.contains(&word) || self.own.iter().any(|own| own == word))
    }
}

/// Whether a sentence says what is not.
pub(super) fn negates(sentence: &str) -> bool {
    let folded = fold(sentence).replace('’', "'");
    words(&folded).any(|word| NEGATIONS.contains(&word) || word.ends_with("n't"))
}

/// Whether the last word before something takes it back.
pub(super) fn is_negated_by(before: &str) -> bool {
    let line = before.lines().next_back().unwrap_or_default();
    let last = trim(line).rsplit(char::is_whitespace).next().unwrap_or_default();
    !last.ends_with([':', '.', ',', ';', '!', '?', '：', '。']) && negates(last)
}

/// An accent or a vowel sign, which belongs to the letter before it.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{97f}')
}

fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && !is_mark(c))
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Introductions {
        Introductions::new(Tag::new("issue_kind").as_ref())
    }

    #[test]
    fn what_introduces_an_answer() {
        for (text, rest) in [
            ("Category: x", "x"),
            ("**Category:** x", "x"),
            ("**Final answer**: **x**", "**x**"),
            ("\"label\": \"x\"", "\"x\""),
            ("label = x", "x"),
            ("The most appropriate category for this item is: x", "x"),
            ("issue kind: x", "x"),
            ("类别：x", "x"),
            ("Catégorie : x", "x"),
            ("Category: a: b", "a: b"),
        ] {
            assert_eq!(own().split(text).map(|(_, rest)| rest), Some(rest), "{text}");
        }
        for text in [
            "Category",
            "Category:",
            "Not the category: x",
            "Reason: x",
            "The: x",
            "I think: x",
            "a\nlabel: x",
        ] {
            assert_eq!(own().split(text), None, "{text}");
        }
    }

    #[test]
    fn what_takes_back() {
        for text in ["it is not", "this isn’t", "definitely NOT"] {
            assert!(is_negated_by(text), "{text}");
        }
        for text in ["", "not that:", "I do not know, so", "nothing"] {
            assert!(!is_negated_by(text), "{text}");
        }
    }
}
