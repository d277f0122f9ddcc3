//! The rows of a training file as conversations, whichever provider it was written for.

use serde::Deserialize;
use serde_json::Value;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Speaker {
    System,
    User,
    Model,
}

/// A row: what is said before the answer, and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conversation {
    /// Where the row is, from 1.
    pub(super) line: u64,
    pub(super) turns: Vec<(Speaker, String)>,
    pub(super) answer: String,
}

/// A row as one of the formats has it; other members are of no concern.
#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    /// OpenAI, Together and most others.
    Messages { messages: Vec<Message> },
    /// Gemini, by Vertex AI.
    Contents {
        #[serde(rename = "systemInstruction", alias = "system_instruction")]
        system: Option<Content>,
        contents: Vec<Content>,
    },
    /// What OpenAI's completion models were tuned on, and Together's instruction format.
    Pair { prompt: String, completion: String },
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Value,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    role: String,
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    text: String,
}

/// Reads a row. An error says what is wrong with it.
pub(super) fn read(line: u64, text: &str) -> Result<Conversation, String> {
    let row: Row = serde_json::from_str(text)
        .map_err(|_| "neither `messages`, nor `contents`, nor `prompt` and `completion`".to_owned())?;
    let mut turns = match row {
        Row::Messages { messages } => messages.into_iter().map(message).collect::<Result<Vec<_>, _>>()?,
        Row::Contents { system, contents } => {
            let system = system.map(|system| Ok((Speaker::System, joined(system)?)));
            let turns = contents.into_iter().map(|content| Ok((speaker(&content.role)?, joined(content)?)));
            system.into_iter().chain(turns).collect::<Result<Vec<_>, String>>()?
        }
        Row::Pair { prompt, completion } => vec![(Speaker::User, prompt), (Speaker::Model, completion)],
    };
    match turns.pop() {
        Some((Speaker::Model, answer)) => Ok(Conversation { line, turns, answer }),
        _ => Err("the conversation does not end with an answer".to_owned()),
    }
}

fn speaker(role: &str) -> Result<Speaker, String> {
    match role {
        "system" | "developer" => Ok(Speaker::System),
        "user" => Ok(Speaker::User),
        "assistant" | "model" => Ok(Speaker::Model),
        other => Err(format!("a turn has the role `{}`", other.escape_debug())),
    }
}

fn message(message: Message) -> Result<(Speaker, String), String> {
    let text = match message.content {
        Value::String(text) => text,
        Value::Array(parts) => match parts.as_slice() {
            [part] => part["text"].as_str().map(str::to_owned).ok_or("a turn holds more than text")?,
            _ => return Err("a turn has several parts".to_owned()),
        },
        _ => return Err("a turn holds no text".to_owned()),
    };
    Ok((speaker(&message.role)?, text))
}

fn joined(content: Content) -> Result<String, String> {
    match <[Part; 1]>::try_from(content.parts) {
        Ok([part]) => Ok(part.text),
        Err(_) => Err("a turn has several parts".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_format_is_the_same_conversation() {
        let turns = vec![(Speaker::System, "Sort.".to_owned()), (Speaker::User, "a".to_owned())];
        for row in [
            r#"{"messages":[{"role":"system","content":"Sort."},{"role":"user","content":"a"},{"role":"assistant","content":"x","weight":1}]}"#,
            r#"{"systemInstruction":{"role":"system","parts":[{"text":"Sort."}]},"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"x"}]}]}"#,
        ] {
            assert_eq!(read(3, row), Ok(Conversation { line: 3, turns: turns.clone(), answer: "x".into() }));
        }
        let pair = read(1, r#"{"prompt":"a ->","completion":" x"}"#).unwrap();
        assert_eq!((pair.turns, pair.answer.as_str()), (vec![(Speaker::User, "a ->".to_owned())], " x"));
        assert!(read(1, r#"{"messages":[{"role":"tool","content":"a"}]}"#).unwrap_err().contains("`tool`"));
        let unanswered = read(1, r#"{"messages":[{"role":"user","content":"a"}]}"#);
        assert_eq!(unanswered, Err("the conversation does not end with an answer".to_owned()));
    }

    proptest! {
        #[test]
        fn hostile_text_ends(text in "[\\[\\]{}\":,a]*|\\PC*") {
            let _ = read(1, &text);
        }
    }
}
