//! Label Studio's JSON export of a text classification: <https://labelstud.io/guide/export>.
//!
//! The text is in `data`, the label among the results of an annotation. Its smaller exports, `JSON_MIN` and CSV, have
//! columns.

use serde_json::value::RawValue;

use super::object::{Object, elements, spelt};
use crate::error::Reason;

/// The one string of the task, or its `text`.
pub(super) fn text<'a>(object: &Object<'a>) -> Result<Option<&'a RawValue>, Reason> {
    let Some(annotated) = object.get("annotations").and(object.get("data")) else { return Ok(None) };
    let Ok(data) = Object::parse(annotated.get()) else { return Ok(None) };
    if let Some(text) = data.get(super::TEXT) {
        return Ok(Some(text));
    }
    let strings: Vec<_> = data.iter().filter(|(_, value)| value.get().starts_with('"')).collect();
    match strings.as_slice() {
        [(_, text)] => Ok(Some(text)),
        _ => Err(Reason::Json(
            "`data` has no `text`; name the text by its path, such as `text = \"data.body\"`".into(),
        )),
    }
}

/// The choice of the annotators, as a list; an error where they differ.
pub(super) fn label<'a>(object: &Object<'a>) -> Result<Option<&'a RawValue>, Reason> {
    let Some(annotations) = object.get("data").and(object.get("annotations")).and_then(elements) else {
        return Ok(None);
    };
    let mut chosen: Vec<&RawValue> = Vec::new();
    for annotation in annotations {
        let Ok(annotation) = Object::parse(annotation.get()) else { continue };
        if annotation.get("was_cancelled").is_some_and(|cancelled| cancelled.get() == "true") {
            continue;
        }
        for result in annotation.get("result").and_then(elements).unwrap_or_default() {
            let choices = Object::parse(result.get()).ok().and_then(|result| result.path("value.choices"));
            if let Some(choices) =
                choices.filter(|choices| chosen.iter().all(|known| known.get() != choices.get()))
            {
                chosen.push(choices);
            }
        }
    }
    match chosen.as_slice() {
        [] => Err(Reason::EmptyLabel),
        [choices] => Ok(Some(choices)),
        several => {
            let names = several.iter().flat_map(|choices| elements(choices).unwrap_or_default());
            Err(Reason::SeveralLabels(names.map(|name| spelt(name).into_owned()).collect()))
        }
    }
}
