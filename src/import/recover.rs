//! The prompt and the rows behind a training file: what all rows have in common is the prompt, the rest is the row.

use std::collections::BTreeMap;

use tunebench_data::{AnswerForm, LabelSet, Message, MessageTemplates, Prompt, Role};

use super::affixes::Affixes;
use super::conversation::{Conversation, Speaker};

/// A row without its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) line: u64,
    pub(super) text: String,
    pub(super) label: String,
    /// Other columns.
    pub(super) fields: Vec<(String, String)>,
}

/// What a training file was made of.
#[derive(Debug, Clone)]
pub(super) struct Recovered {
    /// The messages around the item, as templates, with the answer as the last one.
    pub(super) prompt: MessageTemplates,
    pub(super) items: Vec<Item>,
    /// Rows that were made otherwise: their lines, and what is other.
    pub(super) odd: Vec<(u64, String)>,
}

/// What says where the item stands.
struct Shape {
    /// What is said before the answer; `None` for the turn with the item.
    turns: Vec<(Speaker, Option<String>)>,
    item: Affixes,
    answer: Affixes,
}

/// Finds the prompt that most rows have. `None` where no two rows agree on one.
pub(super) fn recover(rows: &[Conversation]) -> Option<Recovered> {
    let shape = Shape::of(rows)?;
    let (mut items, mut odd) = (Vec::new(), Vec::new());
    for row in rows {
        match shape.item(row) {
            Ok(item) => items.push(item),
            Err(reason) => odd.push((row.line, reason.to_owned())),
        }
    }
    let prompt = shape.prompt(items.first()?);
    let mut recovered = Recovered { prompt, items, odd };
    recovered.keep_texts(rows);
    Some(recovered)
}

impl Shape {
    fn of(rows: &[Conversation]) -> Option<Self> {
        // The turns that most rows have: the same speakers, and the same words but in the last turn.
        let mut kinds = BTreeMap::<Vec<(Speaker, &str)>, Vec<&Conversation>>::new();
        for row in rows {
            let Some(((_, _), before)) = row.turns.split_last() else { continue };
            let same = before.iter().map(|(speaker, text)| (*speaker, text.as_str())).collect();
            kinds.entry(same).or_default().push(row);
        }
        let (before, alike) = kinds.into_iter().max_by_key(|(_, rows)| rows.len())?;
        let last: Vec<&str> = alike.iter().map(|row| row.turns[before.len()].1.as_str()).collect();
        let answers: Vec<&str> = alike.iter().map(|row| row.answer.as_str()).collect();
        let mut turns: Vec<_> =
            before.into_iter().map(|(speaker, text)| (speaker, Some(text.to_owned()))).collect();
        turns.push((Speaker::User, None));
        Some(Self { turns, item: Affixes::of(&last), answer: Affixes::of(&answers) })
    }

    fn item(&self, row: &Conversation) -> Result<Item, &'static str> {
        if row.turns.len() != self.turns.len() {
            return Err("it has another number of turns than most rows");
        }
        let mut text = None;
        for ((speaker, said), (expected, same)) in row.turns.iter().zip(&self.turns) {
            match same {
                _ if speaker != expected => return Err("its turns have other roles than those of most rows"),
                Some(same) if said != same => return Err("its instruction is not that of most rows"),
                Some(_) => {}
                None => text = self.item.strip(said),
            }
        }
        let text = text.ok_or("its text is not in the template of most rows")?;
        let label = self.answer.strip(&row.answer).ok_or("its answer has another form than most")?;
        if text.trim().is_empty() {
            return Err("its text is empty");
        }
        if label.is_empty() || label.trim() != label || label.chars().any(char::is_control) {
            return Err("its answer is not a label: it is empty, or has several lines");
        }
        Ok(Item { line: row.line, text: text.to_owned(), label: label.to_owned(), fields: Vec::new() })
    }

    fn prompt(&self, first: &Item) -> MessageTemplates {
        let message = |speaker: &Speaker, content: String| {
            let role = match speaker {
                Speaker::System => Role::System,
                Speaker::User => Role::User,
                Speaker::Model => Role::Assistant,
            };
            Message { role, content }
        };
        let around = |affixes: &Affixes, placeholder: &str| {
            let [before, behind] =
                [&affixes.before, &affixes.behind].map(|text| MessageTemplates::literal(text));
            format!("{before}{{{{ {placeholder} }}}}{behind}")
        };
        let mut messages: Vec<_> = self
            .turns
            .iter()
            .map(|(speaker, text)| {
                let content = text.as_deref().map(MessageTemplates::literal);
                message(speaker, content.unwrap_or_else(|| around(&self.item, "text")))
            })
            .collect();
        messages.push(message(&Speaker::Model, around(&self.answer, "label")));
        let (form, tag) = self.form(first);
        let mut prompt = MessageTemplates::new(messages, form);
        if let Some(tag) = tag {
            prompt.output_tag = tag;
        }
        prompt
    }

    /// The form of the answers, and the tag around them where it is that.
    fn form(&self, first: &Item) -> (AnswerForm, Option<String>) {
        let Affixes { before, behind } = &self.answer;
        if before.trim().is_empty() && behind.trim().is_empty() {
            return (AnswerForm::Plain, None);
        }
        let tag = before.trim().strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        if let Some(tag) = tag.filter(|tag| behind.trim() == format!("</{tag}>")) {
            return (AnswerForm::Tag, Some(tag.to_owned()));
        }
        let object = serde_json::from_str::<BTreeMap<String, String>>(&self.answer.around(&first.label));
        if let Some((member, _)) =
            object.ok().filter(|object| object.len() == 1).and_then(|mut o| o.pop_first())
        {
            return (AnswerForm::Json(member), None);
        }
        let [before, behind] = [before, behind].map(|text| escaped(text.trim()));
        (AnswerForm::Pattern(format!("^\\s*{before}\\s*(.+?)\\s*{behind}\\s*$")), None)
    }
}

impl Recovered {
    /// Has texts stand in the prompt as they are, where making a tag in them harmless would change what the file says.
    fn keep_texts(&mut self, rows: &[Conversation]) {
        let mut labels: Vec<String> = self.items.iter().map(|item| item.label.clone()).collect();
        labels.sort_unstable();
        labels.dedup();
        let Ok(prompt) = LabelSet::new(labels).map(|labels| Prompt::of_messages(self.prompt.clone(), labels))
        else {
            return;
        };
        let Ok(prompt) = prompt else { return };
        let said: BTreeMap<u64, &str> =
            rows.iter().filter_map(|row| Some((row.line, row.turns.last()?.1.as_str()))).collect();
        let same = |item: &Item| {
            let sent = prompt.render(item.text.as_str());
            sent.last().map(|message| message.content.as_str()) == said.get(&item.line).copied()
        };
        self.prompt.verbatim = !self.items.iter().all(same);
    }
}

/// A text that a regular expression takes literally.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$#&-~".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
