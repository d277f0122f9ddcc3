//! The default prompt: instruction, label set and text, each in its tag. How a text is kept from closing its tag: `data/tag.rs`.

use serde::{Deserialize, Serialize};

use super::{AnswerForm, Item, Message, PromptError, Role};
use crate::LabelSet;
use crate::tag::{self, Tag};

/// The parts of the default prompt that a user can set.
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

/// A template that was fitted to a label set.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    item: Tag,
    pub(super) output: Tag,
    /// All three, none of which a text may forge.
    tags: [Tag; 3],
}

impl Tagged {
    pub(super) fn new(template: &PromptTemplate, labels: &LabelSet) -> Result<Self, PromptError> {
        let tag = |name: &str| Tag::new(name).ok_or_else(|| PromptError::BadTag(name.to_owned()));
        let categories = tag(&template.categories_tag)?;
        let item = tag(&template.item_tag)?;
        let output = tag(&template.output_tag)?;
        for (a, b) in [(&categories, &item), (&categories, &output), (&item, &output)] {
            if a.is_same(b) {
                return Err(PromptError::SameTag(a.to_string()));
            }
        }
        let tags = [categories, item.clone(), output.clone()];
        if let Some((_, label)) = labels.iter().find(|(_, name)| tag::holds(name, &tags)) {
            return Err(PromptError::TagInLabel { label: label.to_owned() });
        }
        Ok(Self { item, output, tags })
    }

    /// The task, which is the same for all texts.
    pub(super) fn task(&self, instruction: &str, labels: &LabelSet, form: &AnswerForm) -> Message {
        let [categories, ..] = &self.tags;
        let content = format!(
            "{}\n\n{}\n{}\n{}\n\n{}",
            instruction.trim(),
            categories.open(),
            labels.names().join("\n"),
            categories.close(),
            form.request(&self.output),
        );
        Message { role: Role::System, content }
    }

    /// The text in its tag, which it can't leave.
    pub(super) fn item(&self, item: Item<'_>) -> Message {
        let mut content = String::with_capacity(item.text.len() + 32);
        content.push_str(&self.item.open());
        content.push('\n');
        tag::defuse(item.text, &self.tags, &mut content);
        content.push('\n');
        content.push_str(&self.item.close());
        Message { role: Role::User, content }
    }
}
