//! From what a model said to a label, or to the reason why it named none.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use crate::tag::Tag;
use crate::{LabelId, LabelSet};

/// Why an answer names no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AnswerError {
    /// Nothing was said.
    #[error("the answer is empty")]
    Empty,
    /// What was said is not a label.
    #[error("the answer names no label")]
    NoLabel,
    /// It may be one label or another.
    #[error("the answer may mean more than one label")]
    Ambiguous,
}

/// Reads answers, exactly first and then leniently.
///
/// 1. If the answer holds the output tag, only what stands inside counts; a missing closing tag (often eaten by a
///    stop sequence) or opening tag is forgiven. Several outputs must name the same label.
/// 2. A label, letter for letter, outer white space apart.
/// 3. A label after folding both: compatibility form (NFKC), lower case, runs of white space as one space.
///    Labels that fold alike are ambiguous, never a guess.
#[derive(Debug, Clone)]
pub(crate) struct AnswerParser {
    output: Tag,
    /// By folded name; `None` where several labels fold alike.
    folded: HashMap<String, Option<LabelId>>,
}

impl AnswerParser {
    pub(crate) fn new(output: Tag, labels: &LabelSet) -> Self {
        let mut folded = HashMap::with_capacity(labels.len());
        for (id, name) in labels.iter() {
            folded.entry(fold(name)).and_modify(|known| *known = None).or_insert(Some(id));
        }
        Self { output, folded }
    }

    pub(crate) fn parse(&self, answer: &str, labels: &LabelSet) -> Result<LabelId, AnswerError> {
        let mut named = Err(AnswerError::Empty);
        for content in self.outputs(answer) {
            named = match (named, self.label(content, labels)) {
                (Err(AnswerError::Empty), this) => this,
                (so_far, Err(AnswerError::Empty)) => so_far,
                (Ok(one), Ok(other)) if one == other => Ok(one),
                (Err(AnswerError::NoLabel), Err(AnswerError::NoLabel)) => Err(AnswerError::NoLabel),
                _ => return Err(AnswerError::Ambiguous),
            };
        }
        named
    }

    /// What stands inside output tags; the whole answer when there is none.
    fn outputs<'a>(&self, answer: &'a str) -> Vec<&'a str> {
        let mut contents = Vec::new();
        let mut opened = None;
        let mut from = 0;
        while let Some(tag) = self.output.find(answer, from) {
            match opened.take() {
                Some(start) => contents.push(&answer[start..tag.start]),
                // A closing tag with nothing open: the prompt itself may have ended with the opening one.
                None if tag.closing && contents.is_empty() => contents.push(&answer[..tag.start]),
                None => {}
            }
            if !tag.closing {
                opened = Some(tag.end);
            }
            from = tag.end;
        }
        match opened {
            Some(start) => contents.push(&answer[start..]),
            None if contents.is_empty() => contents.push(answer),
            None => {}
        }
        contents
    }

    fn label(&self, content: &str, labels: &LabelSet) -> Result<LabelId, AnswerError> {
        let content = content.trim();
        if content.is_empty() {
            return Err(AnswerError::Empty);
        }
        if let Some(id) = labels.get(content) {
            return Ok(id);
        }
        match self.folded.get(&fold(content)) {
            Some(Some(id)) => Ok(*id),
            Some(None) => Err(AnswerError::Ambiguous),
            None => Err(AnswerError::NoLabel),
        }
    }
}

/// Compatibility form, lower case, single spaces.
pub(crate) fn fold(text: &str) -> String {
    let lower = text.nfkc().collect::<String>().to_lowercase();
    // Lower-casing can undo the normal form: once more.
    let normal = lower.nfkc().collect::<String>();
    normal.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(answer: &str, names: &[&str]) -> Result<String, AnswerError> {
        let labels = LabelSet::new(names.iter().map(ToString::to_string).collect()).unwrap();
        let parser = AnswerParser::new(Tag::new("output").unwrap(), &labels);
        parser.parse(answer, &labels).map(|id| labels.name(id).to_owned())
    }

    #[test]
    fn what_is_forgiven() {
        let names = ["refund", "Card Arrival", "café"];
        for (answer, label) in [
            ("refund", "refund"),
            ("<output>refund</output>", "refund"),
            ("<output>refund", "refund"),
            ("refund</output>", "refund"),
            ("The customer wants money back.\n<Output>\n refund \n</ output >", "refund"),
            ("<output>REFUND</output>", "refund"),
            ("card\n  arrival", "Card Arrival"),
            ("cafe\u{301}", "café"),
            ("ｒｅｆｕｎｄ", "refund"),
            ("<output>refund</output> so <output>Refund</output>", "refund"),
            ("<output></output><output>refund</output>", "refund"),
        ] {
            assert_eq!(parse(answer, &names).as_deref(), Ok(label), "{answer:?}");
        }
    }

    #[test]
    fn what_is_not() {
        use AnswerError::*;
        let names = ["refund", "exchange", "US", "us"];
        for (answer, error) in [
            ("", Empty),
            (" \n", Empty),
            ("<output>\n</output>", Empty),
            ("I think it is refund", NoLabel),
            ("refund, exchange", NoLabel),
            ("<output>money</output> refund", NoLabel),
            ("<output>refund</output><output>exchange</output>", Ambiguous),
            ("<output>refund</output><output>money</output>", Ambiguous),
            ("Us", Ambiguous),
        ] {
            assert_eq!(parse(answer, &names), Err(error), "{answer:?}");
        }
        // Letter for letter, even labels that fold alike can be told apart.
        assert_eq!(parse("US", &names).as_deref(), Ok("US"));
    }

    proptest! {
        #[test]
        fn never_panics_and_names_only_labels(answer in "(</?output>|[<>/ ]|refund|\\PC)*") {
            if let Ok(name) = parse(&answer, &["refund", "exchange"]) {
                prop_assert!(fold(&answer).contains(&name));
            }
        }

        #[test]
        fn folding_is_idempotent(text in "\\PC*") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn every_label_is_read_back(name in "[^\\pC\\s<>]([^\\pC<>]*[^\\pC\\s<>])?") {
            prop_assert_eq!(parse(&format!("<output>{name}</output>"), &[&name]), Ok(name));
        }
    }
}
