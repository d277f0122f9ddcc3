//! The prompt of a classification task: instruction, label set and text, each in its tag.
//!
//! Base and tuned model, training row and test row, all see the same rendering.

use serde::{Deserialize, Serialize};

use crate::answer::{Aliases, AnswerError, AnswerParser};
use crate::tag::{self, Tag};
use crate::{LabelId, LabelSet};

/// The parts of a prompt that a user can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTemplate {
    /// What the model is told to do.
    pub instruction: String,
    /// The tag around the list of labels.
    pub categories_tag: String,
    /// The tag around the text to classify.
    pub item_tag: String,
    /// The tag around the answer.
    pub output_tag: String,
}

impl Default for PromptTemplate {
    fn default() -> Self {
        Self {
            instruction: "Classify the item into exactly one of the categories.".into(),
            categories_tag: "categories".into(),
            item_tag: "item".into(),
            output_tag: "output".into(),
        }
    }
}

/// Why a template makes no prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The name of a tag is no plain word.
    #[error("`{0}` is no name for a tag; use a letter, then letters, digits, `_` or `-`")]
    BadTag(String),
    /// Two of the three tags are the same.
    #[error("the tag `{0}` is used for two parts of the prompt")]
    SameTag(String),
    /// An alias is the name of another label.
    #[error("the alias `{alias}` is itself a label")]
    AliasIsLabel {
        /// The alias.
        alias: String,
    },
    /// An alias stands for what is not a label.
    #[error("the alias `{alias}` stands for `{label}`, which is not a label")]
    UnknownAlias {
        /// The alias.
        alias: String,
        /// What it stands for.
        label: String,
    },
    /// A label could be mistaken for a tag.
    #[error("the label `{label}` holds one of the prompt's tags; set other names under `[prompt]`")]
    TagInLabel {
        /// The label.
        label: String,
    },
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The task.
    System,
    /// The text to classify.
    User,
    /// The answer, in training rows.
    Assistant,
}

/// A message of a conversation with a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// A prompt for one label set: renders texts as messages, and reads answers.
#[derive(Debug, Clone)]
pub struct Prompt {
    template: PromptTemplate,
    labels: LabelSet,
    system: String,
    item: Tag,
    output: Tag,
    /// All three, none of which a text may forge.
    tags: [Tag; 3],
    parser: AnswerParser,
}

impl Prompt {
    /// Checks the template and fits it to the label set.
    pub fn new(template: PromptTemplate, labels: LabelSet) -> Result<Self, PromptError> {
        let tag = |name: &str| Tag::new(name).ok_or_else(|| PromptError::BadTag(name.to_owned()));
        let categories = tag(&template.categories_tag)?;
        let item = tag(&template.item_tag)?;
        let output = tag(&template.output_tag)?;
        for (a, b) in [(&categories, &item), (&categories, &output), (&item, &output)] {
            if a.is_same(b) {
                return Err(PromptError::SameTag(a.to_string()));
            }
        }
        let tags = [categories.clone(), item.clone(), output.clone()];
        if let Some((_, label)) = labels.iter().find(|(_, name)| tag::holds(name, &tags)) {
            return Err(PromptError::TagInLabel { label: label.to_owned() });
        }
        let system = format!(
            "{}\n\n{}\n{}\n{}\n\nAnswer with one of the categories, exactly as it is written there, inside {}{}.",
            template.instruction.trim(),
            categories.open(),
            labels.names().join("\n"),
            categories.close(),
            output.open(),
            output.close(),
        );
        let parser = AnswerParser::new(Some(output.clone()), &labels);
        Ok(Self { template, labels, system, item, output, tags, parser })
    }

    /// The same, with other spellings of labels that count in answers.
    pub fn with_aliases(mut self, aliases: &Aliases) -> Result<Self, PromptError> {
        let mut known = Vec::with_capacity(aliases.len());
        for (alias, name) in aliases {
            if self.labels.get(alias).is_some_and(|label| self.labels.name(label) != name) {
                return Err(PromptError::AliasIsLabel { alias: alias.clone() });
            }
            let label = self.labels.get(name);
            let unknown = || PromptError::UnknownAlias { alias: alias.clone(), label: name.clone() };
            known.push((alias.clone(), label.ok_or_else(unknown)?));
        }
        self.parser = self.parser.aliases(&known);
        Ok(self)
    }

    /// What the prompt was made from.
    pub fn template(&self) -> &PromptTemplate {
        &self.template
    }

    /// The labels to choose from.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// The messages that ask for the label of a text: the task as `system`, the text as `user`.
    ///
    /// The text can't leave its tag, whatever it holds.
    pub fn render(&self, text: &str) -> Vec<Message> {
        self.render_with_shots([], text)
    }

    /// The same, with solved examples between the task and the text.
    pub fn render_with_shots<'a>(
        &self,
        shots: impl IntoIterator<Item = (&'a str, LabelId)>,
        text: &str,
    ) -> Vec<Message> {
        let mut messages = vec![Message { role: Role::System, content: self.system.clone() }];
        self.add_turns(shots, text, &mut messages);
        messages
    }

    /// What follows the task in [`render_with_shots`](Self::render_with_shots): the task is the same for all texts.
    pub fn turns<'a>(&self, shots: impl IntoIterator<Item = (&'a str, LabelId)>, text: &str) -> Vec<Message> {
        let mut messages = Vec::with_capacity(1);
        self.add_turns(shots, text, &mut messages);
        messages
    }

    fn add_turns<'a>(
        &self,
        shots: impl IntoIterator<Item = (&'a str, LabelId)>,
        text: &str,
        messages: &mut Vec<Message>,
    ) {
        for (text, label) in shots {
            messages.push(self.item(text));
            messages.push(Message { role: Role::Assistant, content: self.answer(label) });
        }
        messages.push(self.item(text));
    }

    fn item(&self, text: &str) -> Message {
        let mut content = String::with_capacity(text.len() + 32);
        content.push_str(&self.item.open());
        content.push('\n');
        tag::defuse(text, &self.tags, &mut content);
        content.push('\n');
        content.push_str(&self.item.close());
        Message { role: Role::User, content }
    }

    /// The messages of a training row: those of [`render`](Self::render), then the right answer.
    pub fn render_training(&self, text: &str, label: LabelId) -> Vec<Message> {
        let mut messages = self.render(text);
        messages.push(Message { role: Role::Assistant, content: self.answer(label) });
        messages
    }

    /// The answer that names a label, as a model is trained to give it.
    pub fn answer(&self, label: LabelId) -> String {
        format!("{}{}{}", self.output.open(), self.labels.name(label), self.output.close())
    }

    /// A text after which a model may stop: the answer is complete without it.
    pub fn stop_sequence(&self) -> String {
        self.output.close()
    }

    /// Whether an answer holds a complete output: a closed tag, or JSON with nothing missing. Then nothing that matters
    /// was cut off.
    pub fn is_closed(&self, answer: &str) -> bool {
        self.parser.is_closed(answer)
    }

    /// Whether an answer ends while the model still reasons, before it answers.
    pub fn ends_in_reasoning(&self, answer: &str) -> bool {
        self.parser.ends_in_reasoning(answer)
    }

    /// The label that an answer names.
    ///
    /// What the model says to itself does not count. Else what stands inside the output tag, where there is one, or the
    /// whole; read letter for letter, or without decoration and in other spellings, or as JSON. What could be two labels
    /// is ambiguous. The rules are in `docs/answers.md`.
    pub fn parse(&self, answer: &str) -> Result<LabelId, AnswerError> {
        self.parser.parse(answer, &self.labels)
    }

    /// The label that an answer in JSON names. The same as [`parse`](Self::parse), which reads both forms: some servers
    /// ignore the schema they are sent, and some models like JSON better than tags.
    pub fn parse_json(&self, answer: &str) -> Result<LabelId, AnswerError> {
        self.parse(answer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(names: &[&str]) -> LabelSet {
        LabelSet::new(names.iter().map(ToString::to_string).collect()).unwrap()
    }

    fn prompt() -> Prompt {
        Prompt::new(PromptTemplate::default(), labels(&["refund", "exchange rate"])).unwrap()
    }

    #[test]
    fn looks_like_this() {
        let said: Vec<_> = prompt()
            .render_training("Where is my money?", LabelId(0))
            .into_iter()
            .map(|message| (message.role, message.content))
            .collect();
        let system = "\
Classify the item into exactly one of the categories.

<categories>
refund
exchange rate
</categories>

Answer with one of the categories, exactly as it is written there, inside <output></output>.";
        assert_eq!(
            said,
            [
                (Role::System, system.to_owned()),
                (Role::User, "<item>\nWhere is my money?\n</item>".to_owned()),
                (Role::Assistant, "<output>refund</output>".to_owned()),
            ]
        );
    }

    #[test]
    fn knows_a_complete_answer() {
        let prompt = prompt();
        assert!(prompt.is_closed("so: <output>refund</output> and so on"));
        assert!(prompt.is_closed("refund</output>"));
        assert!(!prompt.is_closed("<output>refund"));
        assert!(!prompt.is_closed("refund"));
    }

    #[test]
    fn reads_json() {
        use AnswerError::*;
        for (answer, label) in [
            (r#"{"label":"refund"}"#, Ok(0)),
            (" \"Exchange  Rate\" ", Ok(1)),
            ("<output>refund</output>", Ok(0)),
            (r#"{"label":"money"}"#, Err(NoLabel)),
            (r#"{"label":""}"#, Err(Empty)),
            (r#"{"label":"refund","or":"exchange rate"}"#, Err(Ambiguous)),
            (r#"{"label":1}"#, Err(NoLabel)),
            (r#"{"label":"refund""#, Err(NoLabel)),
        ] {
            assert_eq!(prompt().parse_json(answer), label.map(LabelId), "{answer}");
        }
    }

    #[test]
    fn bad_templates_are_refused() {
        let with = |categories: &str, item: &str, names: &[&str]| {
            let (categories_tag, item_tag) = (categories.to_owned(), item.to_owned());
            let template = PromptTemplate { categories_tag, item_tag, ..PromptTemplate::default() };
            Prompt::new(template, labels(names)).unwrap_err()
        };
        assert_eq!(with("a b", "item", &["x"]), PromptError::BadTag("a b".into()));
        assert_eq!(with("Item", "item", &["x"]), PromptError::SameTag("Item".into()));
        let label = "</output>".to_owned();
        assert_eq!(with("c", "item", &["x", &label]), PromptError::TagInLabel { label });
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_tag(text in "([</ >]|item|ITEM|categories|output|\\PC)*") {
            let prompt = prompt();
            let user = &prompt.render(&text)[1].content;
            let inside = user.strip_prefix("<item>\n").and_then(|u| u.strip_suffix("\n</item>")).unwrap();
            prop_assert!(!tag::holds(inside, &prompt.tags));
        }

        #[test]
        fn reads_the_answers_it_teaches(names in prop::collection::btree_set("[a-zA-Z0-9_ .ÄéΣß中-]{1,12}", 1..20)) {
            let names: Vec<_> = names.iter().map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
            prop_assume!(!names.is_empty());
            if let Ok(set) = LabelSet::new(names) {
                let prompt = Prompt::new(PromptTemplate::default(), set.clone()).unwrap();
                for (id, _) in set.iter() {
                    prop_assert_eq!(prompt.parse(&prompt.answer(id)), Ok(id));
                }
            }
        }
    }
}
