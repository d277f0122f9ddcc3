//! Rows that are conversations, as models are tuned on them: OpenAI's `messages` and Gemini's `contents`.
//!
//! <https://platform.openai.com/docs/guides/supervised-fine-tuning>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning-prepare>.
//! The text is what the user says, the label what the model answers.

use serde_json::value::RawValue;

use super::object::{Object, elements, string};
use crate::error::Reason;

/// What the user says.
pub(super) fn text<'a>(object: &Object<'a>) -> Result<Option<&'a RawValue>, Reason> {
    Ok(turns(object)?.map(|(text, _)| text))
}

/// What the model answers.
pub(super) fn label<'a>(object: &Object<'a>) -> Result<Option<&'a RawValue>, Reason> {
    turns(object)?
        .map(|(_, label)| label.ok_or_else(|| bad("the conversation ends without an answer")))
        .transpose()
}

fn bad(problem: impl Into<String>) -> Reason {
    Reason::Json(problem.into())
}

/// The text and the answer of a conversation with one turn of each.
fn turns<'a>(object: &Object<'a>) -> Result<Option<(&'a RawValue, Option<&'a RawValue>)>, Reason> {
    let (name, content, answers) = if object.get("messages").is_some() {
        ("messages", "content", "assistant")
    } else if object.get("contents").is_some() {
        ("contents", "parts", "model")
    } else {
        return Ok(None);
    };
    let turns = object.get(name).and_then(elements).ok_or_else(|| bad(format!("`{name}` must be a list")))?;
    let (mut asked, mut answer) = (Vec::new(), None);
    for turn in turns {
        let turn = Object::parse(turn.get()).map_err(|_| bad(format!("`{name}` must hold turns only")))?;
        let role = turn
            .get("role")
            .and_then(string)
            .ok_or_else(|| bad(format!("a turn in `{name}` has no role")))?;
        let said = || {
            let said = turn.get(content).and_then(text_of);
            said.ok_or_else(|| bad(format!("a {role} turn in `{name}` must hold exactly one text")))
        };
        match role.as_ref() {
            "user" => asked.push(said()?),
            role if role == answers => answer = Some(said()?),
            "system" | "developer" => {}
            other => return Err(bad(format!("a turn in `{name}` has the role `{other}`"))),
        }
    }
    match asked.as_slice() {
        [] => Err(bad(format!("`{name}` has no user turn"))),
        [text] => Ok(Some((text, answer))),
        turns => Err(bad(format!(
            "`{name}` has {} user turns; a text to classify must be the only one (`tunebench import` reads solved examples)",
            turns.len()
        ))),
    }
}

/// The text of a turn: a string, or the one part that is a text.
fn text_of(content: &RawValue) -> Option<&RawValue> {
    if content.get().starts_with('"') {
        return Some(content);
    }
    match elements(content)?.as_slice() {
        [part] => Object::parse(part.get()).ok()?.get("text").filter(|text| text.get().starts_with('"')),
        _ => None,
    }
}
