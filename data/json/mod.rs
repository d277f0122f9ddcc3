//! Rows that are JSON objects: their members, by name, by path, or by the place where a known tool puts text and label.

mod chat;
mod label;
mod label_studio;
mod nonfinite;
mod object;

pub(crate) use label::{from_cell, from_value};
pub use nonfinite::without_nonfinite;
pub(crate) use object::{Object, spelt};

use serde_json::value::RawValue;

use crate::error::Reason;

/// What the text of a row is called where a tool's format has no column for it.
pub(crate) const TEXT: &str = "text";
/// What its label is called there.
pub(crate) const LABEL: &str = "label";

/// Where the value of a column stands in an object: its own member, the member at the end of a path such as `data.body`,
/// or where the tool that wrote the row has it.
pub(crate) fn locate<'a>(object: &Object<'a>, column: &str) -> Result<&'a RawValue, Reason> {
    if let Some(value) = object.path(column) {
        return Ok(value);
    }
    let known = match column {
        TEXT => chat::text(object)?.or(label_studio::text(object)?),
        LABEL => match chat::label(object)? {
            Some(label) => Some(label),
            // Prodigy's choices.
            None => label_studio::label(object)?.or_else(|| object.get("accept")),
        },
        _ => None,
    };
    known.ok_or_else(|| Reason::NoMember { wanted: column.to_owned(), found: object.names() })
}

/// Whether an annotator has said no to a row, or nothing: Prodigy keeps it, but its label is not that of its text.
pub(crate) fn is_rejected(object: &Object<'_>) -> bool {
    let made_by_prodigy = object.get("_task_hash").or(object.get("_input_hash")).is_some();
    made_by_prodigy
        && object.get("answer").is_some_and(|answer| matches!(answer.get(), "\"reject\"" | "\"ignore\""))
}
