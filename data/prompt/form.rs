//! The forms in which a model may be asked to name a label.

use serde::{Deserialize, Serialize};

use crate::answer::SCHEMA_MEMBER;
use crate::tag::Tag;

/// The form in which a model is asked to name the label. Instruction, solved examples and training rows all speak it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AnswerForm {
    /// Inside the output tag, whose end also ends the answer.
    #[default]
    Tag,
    /// As JSON that a schema confines to the labels: `{"label": "…"}`.
    Schema,
    /// The label and nothing else.
    Plain,
    /// As a JSON object with this member, without a schema.
    Json(String),
    /// Wherever the only group of this regular expression finds it.
    Pattern(String),
}

impl AnswerForm {
    /// The member of a JSON object that names the label, where that is the form.
    pub(super) fn member(&self) -> Option<&str> {
        match self {
            Self::Schema => Some(SCHEMA_MEMBER),
            Self::Json(member) => Some(member),
            Self::Tag | Self::Plain | Self::Pattern(_) => None,
        }
    }

    /// An answer in this form; a pattern alone does not tell how one looks.
    pub(super) fn answer(&self, output: &Tag, label: &str) -> String {
        match (self, self.member()) {
            (_, Some(member)) => serde_json::json!({ member: label }).to_string(),
            (Self::Tag, None) => format!("{}{label}{}", output.open(), output.close()),
            (_, None) => label.to_owned(),
        }
    }

    /// How the default prompt asks for it.
    pub(super) fn request(&self, output: &Tag) -> String {
        const ONE: &str = "Answer with one of the categories, exactly as it is written there,";
        match (self, self.member()) {
            (_, Some(member)) => format!("{ONE} as JSON: {}", serde_json::json!({ member: "..." })),
            (Self::Tag, None) => format!("{ONE} inside {}{}.", output.open(), output.close()),
            (_, None) => format!("{ONE} and nothing else."),
        }
    }
}
