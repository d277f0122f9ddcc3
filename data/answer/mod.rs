//! From what a model said to a label, or to the reason why it named none.
//!
//! The rules are written down for users in `docs/answers.md`. What holds for all of them: what is read must be a label
//! as a whole, decoration apart. Nothing is searched for in a sentence, and where two labels are possible, none is read.

mod decoration;
mod fold;
mod introduction;
mod json;
mod lines;
mod marked;
mod reasoning;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

pub(crate) use fold::fold;
use regex::Regex;

use self::decoration::{peel, unescaped};
use self::fold::{fold_separators, trim};
use self::introduction::Introductions;
use self::json::{Json, Named};
use self::reasoning::Reasoning;
use crate::tag::Tag;
use crate::{AnswerForm, LabelId, LabelSet, PromptError};

/// The member that names the label in an answer by schema.
pub const SCHEMA_MEMBER: &str = "label";

/// Layers of decoration that are taken off at most.
const MOST_LAYERS: usize = 16;

/// How many times as long as a label another spelling of it may be: full-width letters take three bytes, letters of the
/// mathematical alphabets four, and white space may be wide.
const LONGEST_SPELLING: usize = 8;

/// Why an answer names no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
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
    /// It ends while the model still reasons.
    #[error("the answer ends within the model's reasoning")]
    Unfinished,
}

/// Other spellings, with the labels that they stand for.
pub type Aliases = BTreeMap<String, String>;

/// Reads answers: exactly first, then without what models put around a label.
#[derive(Debug, Clone)]
pub(crate) struct AnswerParser {
    output: Option<Tag>,
    /// Its only group holds the label, where answers are read so.
    pattern: Option<Regex>,
    member: String,
    introductions: Introductions,
    reasoning: Reasoning,
    aliases: HashMap<String, LabelId>,
    /// By [`fold`]; `None` where several labels fold alike.
    folded: HashMap<String, Option<LabelId>>,
    /// By [`fold_separators`].
    joined: HashMap<String, Option<LabelId>>,
    /// No spelling has more bytes.
    longest: usize,
}

/// What a text names as a whole.
#[derive(Debug, Clone, Copy)]
struct Reading {
    label: Result<LabelId, AnswerError>,
    /// Whether words before it said that it is the answer.
    introduced: bool,
}

/// What a text without any layer to take off is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Match {
    /// A label or an alias, letter for letter.
    Exactly(LabelId),
    /// Another spelling of one label.
    Like(LabelId),
    /// A spelling of several.
    Several,
    Nothing,
}

impl AnswerParser {
    /// `output` is the tag around an answer, where the prompt asks for one.
    pub(crate) fn new(output: Option<Tag>, labels: &LabelSet) -> Self {
        let introductions = Introductions::new(output.as_ref());
        let reasoning = Reasoning::new(output.as_ref(), labels);
        let member = SCHEMA_MEMBER.to_owned();
        let (aliases, folded, joined, longest) = Default::default();
        let pattern = None;
        let mut parser =
            Self { output, pattern, member, introductions, reasoning, aliases, folded, joined, longest };
        labels.iter().for_each(|(id, name)| parser.spell(name, id));
        parser
    }

    /// The same, for answers in another form than the tag.
    pub(crate) fn form(mut self, form: &AnswerForm) -> Result<Self, PromptError> {
        match form {
            AnswerForm::Json(member) => self.member.clone_from(member),
            AnswerForm::Pattern(pattern) => {
                let regex =
                    Regex::new(pattern).map_err(|error| PromptError::BadPattern(error.to_string()))?;
                if regex.captures_len() != 2 {
                    let groups = regex.captures_len() - 1;
                    let message = format!(
                        "it has {groups} groups; exactly one must hold the label, others are `(?:…)`"
                    );
                    return Err(PromptError::BadPattern(message));
                }
                self.pattern = Some(regex);
            }
            _ => {}
        }
        Ok(self)
    }

    /// The same, with other spellings of labels.
    pub(crate) fn aliases(mut self, aliases: &[(String, LabelId)]) -> Self {
        for (alias, id) in aliases {
            self.spell(alias, *id);
            self.aliases.insert(alias.clone(), *id);
        }
        self
    }

    fn spell(&mut self, name: &str, id: LabelId) {
        self.longest = self.longest.max(LONGEST_SPELLING.saturating_mul(name.len()));
        for (spellings, key) in [(&mut self.folded, fold(name)), (&mut self.joined, fold_separators(name))] {
            let spelling = spellings.entry(key).or_insert(Some(id));
            if *spelling != Some(id) {
                *spelling = None;
            }
        }
    }

    /// The label that an answer names.
    pub(crate) fn parse(&self, answer: &str, labels: &LabelSet) -> Result<LabelId, AnswerError> {
        if let Some(label) = labels.get(trim(answer)) {
            return Ok(label);
        }
        let said = self.reasoning.strip(answer).map_err(|_| AnswerError::Unfinished)?;
        if let Some(pattern) = &self.pattern {
            return self.of_pattern(pattern, &said, labels);
        }
        let label = self.of_said(&said, labels);
        if label != Err(AnswerError::NoLabel) {
            return label;
        }
        unescaped(&said).map_or(label, |plain| self.of_said(&plain, labels))
    }

    /// Whether an answer opens a block of reasoning that it does not close.
    pub(crate) fn ends_in_reasoning(&self, answer: &str) -> bool {
        self.reasoning.strip(answer).is_err()
    }

    /// Whether what an answer names can't be the beginning of something longer.
    pub(crate) fn is_closed(&self, answer: &str) -> bool {
        let Ok(said) = self.reasoning.strip(answer) else { return false };
        if let Some(pattern) = &self.pattern {
            return pattern.find(&said).is_some_and(|found| found.end() < said.len());
        }
        let closed = self.output.as_ref().and_then(|output| {
            let tag = output.find(&said, 0)?;
            Some(tag.closing || output.find(&said, tag.end).is_some())
        });
        closed.unwrap_or_else(|| Json::whole(trim(&said)).is_some() || !Json::objects(&said).is_empty())
    }

    /// What all matches say together.
    fn of_pattern(&self, pattern: &Regex, said: &str, labels: &LabelSet) -> Result<LabelId, AnswerError> {
        let groups = pattern.captures_iter(said).filter_map(|found| found.get(1));
        let mut labelled = groups.map(|group| self.read(group.as_str(), labels).label).peekable();
        match labelled.peek() {
            None if trim(said).is_empty() => Err(AnswerError::Empty),
            None => Err(AnswerError::NoLabel),
            Some(_) => agreed(labelled),
        }
    }

    fn of_said(&self, said: &str, labels: &LabelSet) -> Result<LabelId, AnswerError> {
        if let Some(outputs) = self.output.as_ref().and_then(|tag| marked::outputs(tag, said)) {
            return self.of_parts(&outputs, labels);
        }
        let label = self.read(said, labels).label;
        if label != Err(AnswerError::NoLabel) {
            return label;
        }
        if let Some(contents) = marked::contents(said) {
            return self.of_parts(&contents, labels);
        }
        let objects = Json::objects(said);
        if !objects.is_empty() {
            return agreed(objects.iter().map(|object| self.of_json(object, labels)));
        }
        self.of_lines(said, labels)
    }

    /// What parts of an answer say together; one that is taken back names no label.
    fn of_parts(&self, parts: &[Option<&str>], labels: &LabelSet) -> Result<LabelId, AnswerError> {
        agreed(parts.iter().map(|part| match part {
            Some(part) => self.read(part, labels).label,
            None => Err(AnswerError::NoLabel),
        }))
    }

    /// Reads a text as a whole: takes one layer of decoration after the other off it.
    ///
    /// The first layer that is a label letter for letter counts. Of other spellings, all layers must mean the same label,
    /// and so must what was taken off beside it.
    fn read(&self, text: &str, labels: &LabelSet) -> Reading {
        let mut text = Cow::Borrowed(trim(text));
        if text.is_empty() {
            return Reading { label: Err(AnswerError::Empty), introduced: false };
        }
        let (mut named, mut beside, mut introduced) = (Candidates::default(), Candidates::default(), false);
        for _ in 0..MOST_LAYERS {
            match self.find(&text, labels) {
                Match::Exactly(label) => {
                    named.add(label);
                    break;
                }
                Match::Like(label) => named.add(label),
                Match::Several => named.several = true,
                Match::Nothing => {}
            }
            if let Some(json) = Json::whole(&text) {
                match self.of_json(&json, labels) {
                    Ok(label) => named.add(label),
                    Err(error) => return Reading { label: Err(error), introduced },
                }
                break;
            }
            let Some(peeled) = peel(&text, &self.introductions) else { break };
            introduced |= peeled.introduced;
            match peeled.beside.map_or(Match::Nothing, |beside| self.find(beside, labels)) {
                Match::Exactly(label) | Match::Like(label) => beside.add(label),
                Match::Several => beside.several = true,
                Match::Nothing => {}
            }
            text = trim(&peeled.rest).to_owned().into();
        }
        Reading { label: named.label(beside), introduced }
    }

    fn find(&self, text: &str, labels: &LabelSet) -> Match {
        if let Some(label) = labels.get(text).or_else(|| self.aliases.get(text).copied()) {
            return Match::Exactly(label);
        }
        if text.len() > self.longest {
            return Match::Nothing;
        }
        let spelt = self.folded.get(&fold(text)).or_else(|| self.joined.get(&fold_separators(text)));
        match spelt {
            Some(Some(label)) => Match::Like(*label),
            Some(None) => Match::Several,
            None => Match::Nothing,
        }
    }

    fn of_json(&self, json: &Json, labels: &LabelSet) -> Result<LabelId, AnswerError> {
        let Named::Text(text, others) = json.named(&self.member, &self.introductions) else {
            return Err(AnswerError::NoLabel);
        };
        let label = self.read(text, labels).label?;
        let mut others = others.into_iter().map(|other| self.find(trim(other), labels));
        let another = others.any(|other| match other {
            Match::Exactly(other) | Match::Like(other) => other != label,
            Match::Several => true,
            Match::Nothing => false,
        });
        if another { Err(AnswerError::Ambiguous) } else { Ok(label) }
    }
}

/// The labels that a text may mean.
#[derive(Debug, Default)]
struct Candidates {
    one: Option<LabelId>,
    several: bool,
}

impl Candidates {
    fn add(&mut self, label: LabelId) {
        self.several |= self.one.is_some_and(|known| known != label);
        self.one = Some(label);
    }

    /// The only one, if what stood beside it does not speak for another.
    fn label(self, beside: Self) -> Result<LabelId, AnswerError> {
        let label = match self.one {
            _ if self.several => return Err(AnswerError::Ambiguous),
            None => return Err(AnswerError::NoLabel),
            Some(label) => label,
        };
        let other = beside.several || beside.one.is_some_and(|other| other != label);
        if other { Err(AnswerError::Ambiguous) } else { Ok(label) }
    }
}

/// What several places of an answer say together; empty ones do not count.
fn agreed(each: impl Iterator<Item = Result<LabelId, AnswerError>>) -> Result<LabelId, AnswerError> {
    let mut named = Err(AnswerError::Empty);
    for this in each {
        named = match (named, this) {
            (Err(AnswerError::Empty), this) => this,
            (so_far, Err(AnswerError::Empty)) => so_far,
            (Ok(one), Ok(other)) if one == other => Ok(one),
            (Err(AnswerError::NoLabel), Err(AnswerError::NoLabel)) => Err(AnswerError::NoLabel),
            _ => return Err(AnswerError::Ambiguous),
        };
    }
    named
}
