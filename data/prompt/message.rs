//! Messages of a conversation with a model, and what they are about.

use serde::{Deserialize, Serialize};

use crate::{Example, Fields};

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

/// What is to be classified: a text, and the other columns of its row.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The text.
    pub text: &'a str,
    /// The other columns, as far as they were read.
    pub fields: Option<&'a Fields>,
}

impl<'a> From<&'a str> for Item<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, fields: None }
    }
}

impl<'a> From<&'a String> for Item<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl<'a> From<&'a Example> for Item<'a> {
    fn from(example: &'a Example) -> Self {
        Self { text: &example.text, fields: Some(&example.fields) }
    }
}
