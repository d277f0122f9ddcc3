//! What the training files of several services have in common.

use tunebench_data::{Example, Message, expected_tokens};

use crate::SettingError;

/// What each message costs beside its content, by OpenAI's cookbook.
const TOKENS_PER_MESSAGE: u64 = 3;

/// Where a row stands: its line, or its number where the file's line is not known.
pub(crate) fn place(index: usize, example: &Example) -> String {
    match example.line {
        0 => format!("training row {}", index + 1),
        line => format!("line {line}"),
    }
}

/// Refuses a row so long that a service would cut it off, and its label with it.
pub(crate) fn check_length(place: &str, messages: &[Message], longest: usize) -> Result<(), SettingError> {
    let tokens: u64 =
        messages.iter().map(|message| expected_tokens(message.content.len()) + TOKENS_PER_MESSAGE).sum();
    if tokens <= longest as u64 {
        return Ok(());
    }
    Err(SettingError::new(format!(
        "{place} has about {tokens} tokens (an estimate, from its length) and would be cut at {longest}, so that its \
         label is lost; shorten the text or remove the row"
    )))
}
