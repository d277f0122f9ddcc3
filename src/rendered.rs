//! The messages that a model is sent, rendered to be shown.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tunebench_data::{Columns, Fields, Item, Message, Role, hex};
use tunebench_reports::PromptMessage;

use crate::error::Error;
use crate::evaluate::EvalTarget;
use crate::variants::ModelVariant;

/// What stands for the text of a row in a prompt that is shown once for all rows.
const PLACEHOLDER: &str = "{text}";

/// The messages of a prompt with a placeholder for each column, as reports show them once for all rows.
pub(crate) fn sketched(candidate: &EvalTarget) -> Option<Vec<PromptMessage>> {
    let fields = match candidate.prompt.columns() {
        Columns::Named(names) => Fields::of(names.iter().map(|name| (name.as_str(), format!("{{{name}}}")))),
        _ => Fields::default(),
    };
    rendered(candidate, Item { text: PLACEHOLDER, fields: Some(&fields) })
}

/// The messages of a prompt. Nothing is sent to a model that is computed here.
pub(crate) fn rendered(candidate: &EvalTarget, item: Item<'_>) -> Option<Vec<PromptMessage>> {
    if candidate.in_process() {
        return None;
    }
    let message = |Message { role, content }: Message| {
        let role = match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        PromptMessage { role: role.to_owned(), content }
    };
    Some(messages(candidate, item).into_iter().map(message).collect())
}

/// What is sent about an item, with its solved examples.
pub(crate) fn messages(candidate: &EvalTarget, item: Item<'_>) -> Vec<Message> {
    let shots = candidate.shots.before(item.text);
    candidate.prompt.render_with_shots(shots.items(), item)
}

/// Texts come without their rows: a prompt that shows more of a row can't be asked with.
pub(crate) fn shows_texts_only(candidate: &EvalTarget) -> Result<(), Error> {
    let columns = match candidate.prompt.columns() {
        Columns::None => return Ok(()),
        Columns::Named(names) => format!("the columns `{}`", names.join("`, `")),
        _ => "whole rows".to_owned(),
    };
    Err(Error::Model {
        message: format!("the prompt of `{}` shows {columns}, but the input has only texts", candidate.name),
        hint: Some("choose a prompt that shows `{{ text }}` alone; `data.text` can join columns".to_owned()),
    })
}

/// The prompts of these models, each once by its [fingerprint](prompt_sha256).
pub(crate) fn prompts<'a>(
    models: impl IntoIterator<Item = &'a (&'a ModelVariant, EvalTarget)>,
) -> BTreeMap<String, Vec<PromptMessage>> {
    let prompt = |(subject, candidate): &(&ModelVariant, EvalTarget)| {
        Some((prompt_sha256(subject, candidate), sketched(candidate)?))
    };
    models.into_iter().filter_map(prompt).collect()
}

/// See [`ModelRecord::prompt_sha256`](tunebench_reports::ModelRecord::prompt_sha256).
pub(crate) fn prompt_sha256(subject: &ModelVariant, candidate: &EvalTarget) -> String {
    // Of examples that are chosen for each text, the rule is what is common.
    let rule = subject.shots.as_ref().map(|(spec, _)| spec.to_string());
    let common = serde_json::to_vec(&(messages(candidate, "".into()), rule, candidate.parameters.answer));
    let digest = Sha256::digest(common.expect("messages are plain data"));
    hex(&digest[..])
}
