//! What the training files of several services have in common.

use tunebench_data::{Example, Message};

use crate::SettingError;

/// A token is about four bytes of English, and fewer of most other languages.
const BYTES_PER_TOKEN: usize = 4;
/// What each message costs beside its content, by OpenAI's cookbook.
const TOKENS_PER_MESSAGE: usize = 3;

/// Where a row stands: its line, or its number where the file's line is not known.
pub(crate) fn place(index: usize, example: &Example) -> String {
    match example.line {
        0 => format!("training row {}", index + 1),
        line => format!("line {line}"),
    }
}

/// Refuses a row so long that a service would cut it off, and its label with it.
pub(crate) fn check_length(place: &str, messages: &[Message], longest: usize) -> Result<(), SettingError> {
    let tokens: usize = messages
        .iter()
        .map(|message| message.content.len().div_ceil(BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE)
        .sum();
    if tokens <= longest {
        return Ok(());
    }
    Err(SettingError::new(format!(
        "{place} has about {tokens} tokens (an estimate, from its length) and would be cut at {longest}, so that its \
         label is lost; shorten the text or remove the row"
    )))
}
