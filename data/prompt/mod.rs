//! The prompt of a classification task: renders items as messages, and reads answers.
//!
//! Base and tuned model, training row and test row, batch and plugin: all see the same rendering, and in each the
//! instruction, the solved examples, the training rows and the reading agree on one form of answer.

mod error;
mod form;
mod jinja;
mod message;
mod tagged;
mod templated;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

pub use self::error::PromptError;
pub use self::form::AnswerForm;
pub use self::message::{Item, Message, Role};
pub use self::tagged::PromptTemplate;
pub use self::templated::MessageTemplates;

use self::tagged::Tagged;
use self::templated::Templated;
use crate::answer::{Aliases, AnswerError, AnswerParser};
use crate::tag::Tag;
use crate::{Columns, LabelId, LabelSet};

/// A prompt for one label set: renders items as messages, and reads answers.
#[derive(Debug, Clone)]
pub struct Prompt {
    template: PromptTemplate,
    labels: LabelSet,
    form: AnswerForm,
    output: Tag,
    layout: Layout,
    task: Vec<Message>,
    parser: AnswerParser,
    descriptions: Arc<BTreeMap<String, String>>,
}

/// How an item becomes messages.
#[derive(Debug, Clone)]
enum Layout {
    /// By the default prompt.
    Tagged(Tagged),
    /// By messages of the user's own.
    Templated(Box<Templated>, MessageTemplates),
}

impl Prompt {
    /// The default prompt, with an answer inside the output tag: checks the template and fits it to the label set.
    pub fn new(template: PromptTemplate, labels: LabelSet) -> Result<Self, PromptError> {
        Self::with_form(template, labels, AnswerForm::Tag)
    }

    /// The default prompt, with an answer in another form.
    pub fn with_form(
        template: PromptTemplate,
        labels: LabelSet,
        form: AnswerForm,
    ) -> Result<Self, PromptError> {
        if matches!(form, AnswerForm::Pattern(_)) {
            let message = "the default prompt does not say how to answer so; write `messages` that do";
            return Err(PromptError::BadPattern(message.to_owned()));
        }
        let tagged = Tagged::new(&template, &labels)?;
        let output = tagged.output.clone();
        let task = vec![tagged.task(&template.instruction, &labels, &form)];
        let parser = AnswerParser::new(Some(output.clone()), &labels).form(&form)?;
        let (layout, descriptions) = (Layout::Tagged(tagged), Arc::default());
        Ok(Self { template, labels, form, output, layout, task, parser, descriptions })
    }

    /// A prompt of the user's own messages.
    pub fn of_messages(spec: MessageTemplates, labels: LabelSet) -> Result<Self, PromptError> {
        let output =
            Tag::new(&spec.output_tag).ok_or_else(|| PromptError::BadTag(spec.output_tag.clone()))?;
        check_descriptions(&spec.descriptions, &labels)?;
        let descriptions = Arc::new(spec.descriptions.clone());
        let templated = Templated::new(&spec, &labels)?;
        let task = templated.task();
        let form = spec.answer.clone();
        let own = (form == AnswerForm::Tag).then(|| output.clone());
        let parser = AnswerParser::new(own, &labels).form(&form)?;
        let instruction =
            task.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n");
        let template =
            PromptTemplate { instruction, output_tag: spec.output_tag.clone(), ..PromptTemplate::default() };
        let layout = Layout::Templated(Box::new(templated), spec);
        let prompt = Self { template, labels, form, output, layout, task, parser, descriptions };
        prompt.check_answers()?;
        Ok(prompt)
    }

    /// What is taught must be understood.
    fn check_answers(&self) -> Result<(), PromptError> {
        for (id, label) in self.labels.iter() {
            let answer = self.answer(id);
            // How an answer by pattern looks, only a last message can say.
            let taught = !matches!(self.form, AnswerForm::Pattern(_)) || answer != label;
            if taught && self.parse(&answer) != Ok(id) {
                return Err(PromptError::Unreadable { answer, label: label.to_owned() });
            }
        }
        Ok(())
    }

    /// The same, with what labels mean: the default prompt does not show it, but models that compare texts with labels
    /// look at it.
    pub fn with_descriptions(mut self, descriptions: BTreeMap<String, String>) -> Result<Self, PromptError> {
        check_descriptions(&descriptions, &self.labels)?;
        self.descriptions = Arc::new(descriptions);
        Ok(self)
    }

    /// What a label means, where that is known.
    pub fn label_description(&self, label: LabelId) -> Option<&str> {
        self.descriptions.get(self.labels.name(label)).map(String::as_str)
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

    /// What the default prompt was made from. Of a prompt of the user's own messages, the instruction is what is the same
    /// for all items.
    pub fn template(&self) -> &PromptTemplate {
        &self.template
    }

    /// All that the prompt was made from, for a record of it.
    pub fn description(&self) -> Value {
        let described = match &self.layout {
            Layout::Tagged(_) => serde_json::to_value(&self.template),
            Layout::Templated(_, spec) => serde_json::to_value(spec),
        };
        let mut described = described.expect("templates are plain data");
        if let (Layout::Tagged(_), false, Value::Object(members)) =
            (&self.layout, self.form == AnswerForm::Tag, &mut described)
        {
            members
                .insert("answer".to_owned(), serde_json::to_value(&self.form).expect("a form is plain data"));
        }
        described
    }

    /// The form of the answer.
    pub fn form(&self) -> &AnswerForm {
        &self.form
    }

    /// The labels to choose from.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// The columns of a row that the messages show, besides the text.
    pub fn columns(&self) -> &Columns {
        match &self.layout {
            Layout::Tagged(_) => &Columns::None,
            Layout::Templated(templated, _) => templated.columns(),
        }
    }

    /// Whether the messages can be rendered for some items and not for others: then each item is to be
    /// [checked](Self::check) before it is rendered.
    pub fn may_fail(&self) -> bool {
        matches!(&self.layout, Layout::Templated(templated, _) if templated.may_fail())
    }

    /// Whether the messages can be rendered for an item. A message that can't be is empty in [`render`](Self::render).
    pub fn check<'a>(&self, item: impl Into<Item<'a>>) -> Result<(), PromptError> {
        match &self.layout {
            Layout::Templated(templated, _) if templated.may_fail() => {
                templated.check(item.into(), &self.answer(LabelId(0)))
            }
            _ => Ok(()),
        }
    }

    /// The messages that ask for the label of an item.
    ///
    /// The text can't leave its place, whatever it holds.
    pub fn render<'a>(&self, item: impl Into<Item<'a>>) -> Vec<Message> {
        self.render_with_shots(None::<(Item<'a>, LabelId)>, item)
    }

    /// The same, with solved examples between the task and the item.
    pub fn render_with_shots<'a, S: Into<Item<'a>>>(
        &self,
        shots: impl IntoIterator<Item = (S, LabelId)>,
        item: impl Into<Item<'a>>,
    ) -> Vec<Message> {
        let mut messages = self.task.clone();
        self.add_turns(shots, item.into(), &mut messages);
        messages
    }

    /// How [`render`](Self::render) begins for all items, whatever solved examples there are; it may be empty.
    pub fn task(&self) -> &[Message] {
        &self.task
    }

    /// What follows the [`task`](Self::task) in [`render_with_shots`](Self::render_with_shots).
    pub fn turns<'a, S: Into<Item<'a>>>(
        &self,
        shots: impl IntoIterator<Item = (S, LabelId)>,
        item: impl Into<Item<'a>>,
    ) -> Vec<Message> {
        let mut messages = Vec::with_capacity(1);
        self.add_turns(shots, item.into(), &mut messages);
        messages
    }

    fn add_turns<'a, S: Into<Item<'a>>>(
        &self,
        shots: impl IntoIterator<Item = (S, LabelId)>,
        item: Item<'a>,
        messages: &mut Vec<Message>,
    ) {
        let shots = shots.into_iter().map(|(shot, label)| (shot.into(), self.answer(label)));
        match &self.layout {
            Layout::Tagged(tagged) => {
                for (shot, content) in shots {
                    messages.push(tagged.item(shot));
                    messages.push(Message { role: Role::Assistant, content });
                }
                messages.push(tagged.item(item));
            }
            Layout::Templated(templated, _) => {
                let shots: Vec<_> = shots.collect();
                messages.extend(templated.turns(&shots, item));
            }
        }
    }

    /// The messages of a training row: those of [`render`](Self::render), then the right answer.
    pub fn render_training<'a>(&self, item: impl Into<Item<'a>>, label: LabelId) -> Vec<Message> {
        let mut messages = self.render(item);
        messages.push(Message { role: Role::Assistant, content: self.answer(label) });
        messages
    }

    /// The answer that names a label, as a model is trained to give it.
    pub fn answer(&self, label: LabelId) -> String {
        let name = self.labels.name(label);
        let own = match &self.layout {
            Layout::Tagged(_) => None,
            Layout::Templated(templated, _) => templated.answer(name),
        };
        own.unwrap_or_else(|| self.form.answer(&self.output, name))
    }

    /// A text after which a model may stop: the answer is complete without it. Only an answer inside a tag has one.
    pub fn stop(&self) -> Option<String> {
        (self.form == AnswerForm::Tag).then(|| self.output.close())
    }

    /// The end of the output tag, whether or not the answer is asked for inside it; see [`stop`](Self::stop).
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

    /// The label that an answer in JSON names. The same as [`parse`](Self::parse), which reads every form: some servers
    /// ignore the schema they are sent, and some models like JSON better than tags.
    pub fn parse_json(&self, answer: &str) -> Result<LabelId, AnswerError> {
        self.parse(answer)
    }
}

fn check_descriptions(descriptions: &BTreeMap<String, String>, labels: &LabelSet) -> Result<(), PromptError> {
    match descriptions.keys().find(|name| labels.get(name).is_none()) {
        Some(unknown) => Err(PromptError::UnknownDescription(unknown.clone())),
        None => Ok(()),
    }
}
