//! Prompts that users write themselves: messages with placeholders, as Jinja templates.
//!
//! What stands in a text is a value, never a template: it is inserted as it is and not looked at again. The language is
//! Jinja's without its filters and functions but for a few that can't fail on a text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use minijinja::Environment;
use minijinja::value::Value;
use serde::{Deserialize, Serialize};

use super::jinja::{add, environment, is_plain, names};
use super::{AnswerForm, Item, Message, PromptError, Role};
use crate::tag::{self, Tag};
use crate::{Columns, LabelSet};

/// A prompt as its user wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MessageTemplates {
    /// The messages, with templates for contents. A last one of the assistant that mentions `label` is the answer as it is
    /// taught, and is not sent.
    pub messages: Vec<Message>,
    /// The form of the answer.
    pub answer: AnswerForm,
    /// The tag around the answer, where that is its form.
    pub output_tag: String,
    /// What labels mean, by label.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub descriptions: BTreeMap<String, String>,
    /// Whether texts go in as they are, even where they hold a tag that stands in a message.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub verbatim: bool,
}

impl MessageTemplates {
    /// These messages, with an answer in this form.
    pub fn new(messages: Vec<Message>, answer: AnswerForm) -> Self {
        let (descriptions, verbatim) = Default::default();
        Self { messages, answer, output_tag: "output".into(), descriptions, verbatim }
    }

    /// The columns that the messages show, besides the text.
    pub fn columns(&self) -> Result<Columns, PromptError> {
        let any = LabelSet::new(vec!["label".to_owned()]).expect("one label is a label set");
        Templated::new(self, &any).map(|templated| templated.columns)
    }

    /// A text as a template that renders to just this text.
    pub fn literal(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let braces = from.len() - from.trim_start_matches('{').len();
            match from[braces..].starts_with(['%', '#']) || braces > 1 {
                true => out.push_str(&format!("{{{{ '{}' }}}}", &from[..braces])),
                false => out.push_str(&from[..braces]),
            }
            rest = &from[braces..];
        }
        out.push_str(rest);
        out
    }
}

/// Names that are not columns.
const TEXT: &str = "text";
const ITEM: &str = "item";
const LABEL: &str = "label";
const LABELS: &str = "labels";
const DESCRIPTIONS: &str = "descriptions";
const SHOTS: &str = "shots";

/// Templates that were compiled and tried.
#[derive(Clone)]
pub(super) struct Templated {
    environment: Arc<Environment<'static>>,
    /// Of the messages to send.
    roles: Vec<Role>,
    /// The first message that is not the same for all items; it and what follows are repeated for each solved example.
    turn: usize,
    has_answer: bool,
    /// Whether a message shows the solved examples itself.
    own_shots: bool,
    columns: Columns,
    /// Tags that stand in the messages, which no text may forge.
    tags: Vec<Tag>,
    labels: Value,
    descriptions: Value,
    /// Whether there is more in the messages than names that are put in their places.
    may_fail: bool,
}

impl fmt::Debug for Templated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templated")
            .field("roles", &self.roles)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// The name of the template that teaches the answer.
const ANSWER: &str = "answer";

impl Templated {
    pub(super) fn new(spec: &MessageTemplates, labels: &LabelSet) -> Result<Self, PromptError> {
        let mut environment = environment();
        let bad = |number: usize, error: &dyn fmt::Display| PromptError::BadMessage {
            number,
            reason: error.to_string(),
        };
        let mut messages: &[Message] = &spec.messages;
        let mut has_answer = false;
        if let Some((last, others)) = messages.split_last()
            && last.role == Role::Assistant
        {
            add(&mut environment, ANSWER, &last.content).map_err(|error| bad(messages.len(), &error))?;
            if names(&environment, ANSWER).contains(LABEL) {
                (messages, has_answer) = (others, true);
            }
        }
        let (mut columns, mut whole_rows, mut own_shots, mut turn) = (BTreeSet::new(), false, false, None);
        let mut has_text = false;
        for (index, message) in messages.iter().enumerate() {
            add(&mut environment, &index.to_string(), &message.content)
                .map_err(|error| bad(index + 1, &error))?;
            for name in names(&environment, &index.to_string()) {
                match name.split_once('.').unwrap_or((&name, "")) {
                    (LABELS | DESCRIPTIONS, _) => continue,
                    (LABEL, _) => {
                        return Err(bad(
                            index + 1,
                            &"`label` is what is asked for: only the assistant's last message may contain it",
                        ));
                    }
                    (SHOTS, _) => own_shots = true,
                    (TEXT, _) => has_text = true,
                    (ITEM, "") => (whole_rows, has_text) = (true, true),
                    (ITEM, TEXT) => has_text = true,
                    (ITEM, column) => _ = columns.insert(column.to_owned()),
                    (column, _) => _ = columns.insert(column.to_owned()),
                }
                turn.get_or_insert(index);
            }
        }
        if !has_text && columns.is_empty() {
            return Err(PromptError::NoText);
        }
        let columns = match whole_rows {
            true => Columns::All,
            false if columns.is_empty() => Columns::None,
            false => Columns::Named(columns.into_iter().collect()),
        };
        let templated = Self {
            environment: Arc::new(environment),
            roles: messages.iter().map(|message| message.role).collect(),
            turn: turn.unwrap_or_default(),
            has_answer,
            own_shots,
            columns,
            tags: if spec.verbatim { Vec::new() } else { tags(messages) },
            labels: labels.names().iter().map(String::as_str).collect(),
            descriptions: spec.descriptions.clone().into(),
            may_fail: !messages.iter().all(|message| is_plain(&message.content)),
        };
        templated.try_out(messages.len(), labels)?;
        Ok(templated)
    }

    /// Whether a message may be rendered for some items and not for others, by what they hold.
    pub(super) fn may_fail(&self) -> bool {
        self.may_fail
    }

    /// Renders the messages for an item, without solved examples and with itself as one, to see whether they can be.
    pub(super) fn check(&self, item: Item<'_>, answer: &str) -> Result<(), PromptError> {
        let shots = [self.shot(item, answer)];
        let shown: &[&[Value]] = if self.own_shots { &[&[], &shots] } else { &[&[]] };
        for shots in shown {
            let context = self.context(item, Some(shots));
            for index in self.turn..self.roles.len() {
                self.try_render(&index.to_string(), context.clone()).map_err(|error| {
                    PromptError::BadMessage { number: index + 1, reason: error.to_string() }
                })?;
            }
        }
        Ok(())
    }

    /// Renders each message once, to find what fails for every item.
    fn try_out(&self, messages: usize, labels: &LabelSet) -> Result<(), PromptError> {
        let item = Item::from("text");
        let shots = [self.shot(item, "answer")];
        // A base is asked without solved examples, whatever its prompt shows of them.
        for (index, shots) in (0..messages).flat_map(|index| [(index, &shots[..]), (index, &[])]) {
            let context = self.context(item, Some(shots));
            self.try_render(&index.to_string(), context)
                .map_err(|error| PromptError::BadMessage { number: index + 1, reason: error.to_string() })?;
        }
        for (_, label) in labels.iter().filter(|_| self.has_answer) {
            self.try_render(ANSWER, BTreeMap::from([(LABEL.to_owned(), label.into())])).map_err(|error| {
                PromptError::BadMessage { number: messages + 1, reason: error.to_string() }
            })?;
        }
        Ok(())
    }

    /// The columns that the messages show, besides the text.
    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The messages that are the same for all items.
    pub(super) fn task(&self) -> Vec<Message> {
        (0..self.turn).map(|index| self.message(index, BTreeMap::new())).collect()
    }

    /// What follows: solved examples and the item.
    pub(super) fn turns(&self, shots: &[(Item<'_>, String)], item: Item<'_>) -> Vec<Message> {
        let mut messages = Vec::with_capacity(self.roles.len());
        if self.own_shots {
            let shots: Vec<Value> = shots.iter().map(|(item, answer)| self.shot(*item, answer)).collect();
            self.turn(item, Some(&shots), &mut messages);
            return messages;
        }
        for (shot, answer) in shots {
            self.turn(*shot, None, &mut messages);
            messages.push(Message { role: Role::Assistant, content: answer.clone() });
        }
        self.turn(item, None, &mut messages);
        messages
    }

    fn turn(&self, item: Item<'_>, shots: Option<&[Value]>, messages: &mut Vec<Message>) {
        let context = self.context(item, shots);
        messages.extend((self.turn..self.roles.len()).map(|index| self.message(index, context.clone())));
    }

    /// The answer that names a label, where the messages say how it looks.
    pub(super) fn answer(&self, label: &str) -> Option<String> {
        self.has_answer.then(|| self.render(ANSWER, BTreeMap::from([(LABEL.to_owned(), label.into())])))
    }

    fn message(&self, index: usize, context: Context) -> Message {
        Message { role: self.roles[index], content: self.render(&index.to_string(), context) }
    }

    fn context(&self, item: Item<'_>, shots: Option<&[Value]>) -> Context {
        let mut context = self.item(item);
        let whole = Value::from(context.clone());
        context.insert(ITEM.to_owned(), whole);
        if let Some(shots) = shots {
            context.insert(SHOTS.to_owned(), shots.iter().cloned().collect());
        }
        context
    }

    /// The text and the columns, with what could forge a tag made harmless.
    fn item(&self, item: Item<'_>) -> Context {
        let value = |text: &str| {
            let mut harmless = String::with_capacity(text.len());
            tag::defuse(text, &self.tags, &mut harmless);
            Value::from(harmless)
        };
        let fields = item.fields.into_iter().flat_map(|fields| fields.iter());
        let mut context: Context = fields.map(|(name, cell)| (name.to_owned(), value(cell))).collect();
        context.insert(TEXT.to_owned(), value(item.text));
        context
    }

    /// A solved example, for messages that show it themselves.
    fn shot(&self, item: Item<'_>, answer: &str) -> Value {
        let mut shot = self.item(item);
        shot.insert(ANSWER.to_owned(), answer.into());
        shot.into()
    }

    /// Nothing where the template can't be rendered: then [`check`](Self::check) has said so.
    fn render(&self, template: &str, context: Context) -> String {
        self.try_render(template, context).unwrap_or_default()
    }

    fn try_render(&self, template: &str, mut context: Context) -> Result<String, minijinja::Error> {
        context.insert(LABELS.to_owned(), self.labels.clone());
        context.insert(DESCRIPTIONS.to_owned(), self.descriptions.clone());
        self.environment.get_template(template)?.render(Value::from(context))
    }
}

type Context = BTreeMap<String, Value>;

/// The tags that stand in messages.
fn tags(messages: &[Message]) -> Vec<Tag> {
    let mut tags = Vec::<Tag>::new();
    for part in messages.iter().flat_map(|message| message.content.split('<').skip(1)) {
        let Some((name, _)) = part.split_once('>') else { continue };
        let tag = Tag::new(name.trim_start_matches('/').trim());
        if let Some(tag) = tag.filter(|tag| !tags.iter().any(|known| known.is_same(tag))) {
            tags.push(tag);
        }
    }
    tags
}
