//! What answers: a rule that compares words with labels, and that learns from training files.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

/// What the fake is asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Question {
    /// The model asked.
    pub model: String,
    /// Role and content of each message.
    pub messages: Vec<(String, String)>,
    /// The labels to choose from: of the schema, of the choices, or of the list in the system message.
    pub labels: Vec<String>,
    /// The name of the output tag, where the prompt asks for one.
    pub tag: Option<String>,
    /// What the answer is to look like.
    pub form: Form,
    /// What the model learned, for a tuned one.
    memory: Option<Arc<Memory>>,
}

/// The form that an answer is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Text: the label alone, or inside the output tag.
    #[default]
    Text,
    /// A JSON object with the label as this member.
    Member(String),
    /// A JSON string.
    Quoted,
}

/// What a model says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The text, before stop sequence and output cap.
    pub text: String,
    /// Set for an answer that declines. Google: the reason for which the prompt is blocked, such as `SAFETY`.
    pub refusal: Option<String>,
    /// Instead of `stop` or `length`, in the words of the service: `content_filter`, `SAFETY`.
    pub finish: Option<String>,
    /// Another model than the one asked that is to say it.
    pub model: Option<String>,
    /// How many tokens it thinks before it says a word, if not as many as such a model does; Google only.
    pub thoughts: Option<u64>,
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// Answers a question.
pub type Brain = Arc<dyn Fn(&Question) -> Said + Send + Sync>;

impl Question {
    pub(crate) fn new(model: &str, messages: Vec<(String, String)>, memory: Option<Arc<Memory>>) -> Self {
        let system =
            messages.iter().find(|(role, _)| role != "user").map(|(_, text)| text.as_str()).unwrap_or("");
        let (labels, tag) = (listed(system), output_tag(system));
        Self { model: model.to_owned(), messages, labels, tag, form: Form::Text, memory }
    }

    /// The last message of the user, without the tag around it.
    pub fn item(&self) -> &str {
        let last = self.messages.iter().rev().find(|(role, _)| role == "user");
        inner(last.map_or("", |(_, text)| text))
    }

    /// Whether the model was tuned.
    pub fn is_tuned(&self) -> bool {
        self.memory.is_some()
    }

    /// A label as the prompt wants it: as JSON, or inside the output tag.
    pub fn answer(&self, label: &str) -> String {
        match (&self.form, &self.tag) {
            (Form::Member(name), _) => json!({ name: label }).to_string(),
            (Form::Quoted, _) => json!(label).to_string(),
            (Form::Text, Some(tag)) => format!("<{tag}>{label}</{tag}>"),
            (Form::Text, None) => label.to_owned(),
        }
    }

    /// The label that the built-in rule finds: the one learned for such words, else the one whose name has the most
    /// words in common with the item, else the first.
    pub fn guess(&self) -> &str {
        let words = words(self.item());
        let learned = self.memory.as_ref().and_then(|memory| memory.recall(&words));
        if let Some(label) = learned.and_then(|label| self.labels.iter().find(|known| **known == label)) {
            return label;
        }
        let common = |label: &String| self::words(label).iter().filter(|word| words.contains(word)).count();
        let best = self.labels.iter().rev().max_by_key(|label| common(label));
        best.map_or("", String::as_str)
    }
}

/// The rule that answers when no other is given.
pub(super) fn by_words(question: &Question) -> Said {
    question.answer(question.guess()).into()
}

/// Which words went with which label in a training file.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    labels: HashMap<String, (f64, HashMap<String, f64>)>,
}

impl Memory {
    pub(crate) fn learn(&mut self, item: &str, answer: &str) {
        let (rows, counts) = self.labels.entry(inner(answer).to_owned()).or_default();
        *rows += 1.0;
        for word in words(inner(item)) {
            *counts.entry(word).or_default() += 1.0;
        }
    }

    /// Naive Bayes; ties go to the label that comes first in the alphabet.
    fn recall(&self, words: &[String]) -> Option<String> {
        let score = |(rows, counts): &(f64, HashMap<String, f64>)| {
            let seen = |word: &String| (counts.get(word).copied().unwrap_or_default() + 0.1) / (rows + 1.0);
            rows.ln() + words.iter().map(|word| seen(word).ln()).sum::<f64>()
        };
        let mut scored: Vec<_> = self.labels.iter().map(|(label, known)| (score(known), label)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        scored.first().map(|(_, label)| (*label).clone())
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).map(str::to_lowercase).collect()
}

/// What stands between the first tag and the last, or all.
pub(crate) fn inner(text: &str) -> &str {
    let text = text.trim();
    let opened = text.strip_prefix('<').and_then(|rest| Some(rest.split_once('>')?.1));
    let closed = opened.and_then(|rest| Some(rest.rsplit_once("</")?.0));
    closed.unwrap_or(text).trim()
}

/// The lines of the first list in a system message: between a tag that stands alone on its line and the next.
fn listed(system: &str) -> Vec<String> {
    let is_tag = |line: &&str| line.starts_with('<') && line.ends_with('>');
    let lines = system.lines().skip_while(|line| !is_tag(line)).skip(1);
    lines.take_while(|line| !is_tag(line)).map(str::to_owned).collect()
}

/// The tag of which the system message says that the answer belongs inside: `<output></output>`.
fn output_tag(system: &str) -> Option<String> {
    let end = system.rfind("></")?;
    let name = &system[system[..end].rfind('<')? + 1..end];
    system[end..].starts_with(&format!("></{name}>")).then(|| name.to_owned())
}

/// The label that an answer names, in any form.
pub(crate) fn named(text: &str) -> String {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let label =
        json.as_ref().and_then(|json| json.as_str().or_else(|| json.as_object()?.values().next()?.as_str()));
    label.unwrap_or_else(|| inner(text)).to_owned()
}

/// Tokens as the fakes have them: up to four characters, cut where words and signs meet.
pub(crate) fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut length) = (Vec::new(), 0, 0);
    let mut last = None;
    for (at, c) in text.char_indices() {
        let word = c.is_alphanumeric();
        if at > start && (length == 4 || last != Some(word)) {
            pieces.push(&text[start..at]);
            (start, length) = (at, 0);
        }
        length += 1;
        last = Some(word);
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}
