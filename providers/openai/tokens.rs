//! Token counts by OpenAI's own vocabularies, which the feature `tiktoken` puts into the program.

use tiktoken_rs::bpe_for_model;
use tunebench_data::Message;

use super::models::base_of;

/// What each message costs beside its content, and what the beginning of the answer does; both from OpenAI's cookbook
/// ("How to count tokens with tiktoken").
const PER_MESSAGE: u64 = 3;
const BEFORE_THE_ANSWER: u64 = 3;

/// The tokens of a request; `None` for a model whose vocabulary is not published.
pub(super) fn count(model: &str, messages: &[Message]) -> Option<u64> {
    let vocabulary = bpe_for_model(base_of(model)).ok()?;
    let role = |message: &Message| match message.role {
        tunebench_data::Role::System => "system",
        tunebench_data::Role::User => "user",
        tunebench_data::Role::Assistant => "assistant",
    };
    let tokens = |text: &str| vocabulary.encode_ordinary(text).len() as u64;
    let each = messages.iter().map(|message| PER_MESSAGE + tokens(role(message)) + tokens(&message.content));
    Some(BEFORE_THE_ANSWER + each.sum::<u64>())
}

#[cfg(test)]
mod tests {
    use tunebench_data::Role;

    use super::*;

    fn say(content: &str) -> Vec<Message> {
        vec![Message { role: Role::User, content: content.into() }]
    }

    #[test]
    fn a_tuned_model_has_the_vocabulary_of_its_base_and_an_unknown_one_none() {
        // "hello world" is two tokens in both vocabularies.
        for model in ["gpt-4.1-mini-2025-04-14", "ft:gpt-4.1-mini-2025-04-14:acme::x", "gpt-4"] {
            assert_eq!(count(model, &say("hello world")), Some(3 + 3 + 1 + 2), "{model}");
        }
        assert_eq!(count("nobody-knows", &say("hello")), None);
    }

    #[test]
    fn special_tokens_in_a_text_are_text() {
        assert!(count("gpt-4.1", &say("<|endoftext|>")).is_some_and(|tokens| tokens > 3 + 3 + 1 + 1));
    }
}
