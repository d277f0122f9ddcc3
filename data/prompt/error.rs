//! What makes no prompt.

/// Why a template makes no prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The name of a tag is not a plain word.
    #[error("`{0}` is not a name for a tag; use a letter, then letters, digits, `_` or `-`")]
    BadTag(String),
    /// Two of the three tags are the same.
    #[error("the tag `{0}` is used for two parts of the prompt")]
    SameTag(String),
    /// A label could be mistaken for a tag.
    #[error("the label `{label}` holds one of the prompt's tags; set other names under `[prompt]`")]
    TagInLabel {
        /// The label.
        label: String,
    },
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
    /// A message of the template can't be rendered.
    #[error("message {number}: {reason}")]
    BadMessage {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// The text would not be sent.
    #[error("no message holds the text; write `{{{{ text }}}}` where it belongs")]
    NoText,
    /// A pattern can't be used.
    #[error("`pattern`: {0}")]
    BadPattern(String),
    /// An answer as the prompt teaches it would not be read as its label.
    #[error(
        "an answer as it is taught, `{answer}`, is not read as the label `{label}`; `answer` and the last message disagree"
    )]
    Unreadable {
        /// The answer.
        answer: String,
        /// The label that it should name.
        label: String,
    },
    /// A description is of what is not a label.
    #[error("`{0}` has a description, but is not a label")]
    UnknownDescription(String),
}
