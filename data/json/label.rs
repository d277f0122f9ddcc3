//! The label in a value or a cell: a name, or a list of one name as annotation tools write it.

use serde_json::Value;
use serde_json::value::RawValue;

use super::object::string;
use crate::error::Reason;

/// The label that a value of JSON names. Numbers are common, and a number has one spelling only.
pub(crate) fn from_value(column: &str, value: &RawValue) -> Result<String, Reason> {
    match string(value) {
        Some(name) => from_cell(&name),
        None => serde_json::from_str(value.get())
            .ok()
            .and_then(names)
            .map_or_else(|| Err(Reason::Json(format!("`{column}` must be a string or a number"))), one),
    }
}

/// The label in a cell; a list or Label Studio's `{"choices": …}` where the cell holds one.
pub(crate) fn from_cell(cell: &str) -> Result<String, Reason> {
    let cell = cell.trim();
    let list = match cell.as_bytes() {
        [b'[', .., b']'] | [b'{', .., b'}'] => {
            let parsed = serde_json::from_str(cell).ok().and_then(names);
            // As Python prints a list.
            parsed.or_else(|| serde_json::from_str(&cell.replace('\'', "\"")).ok().and_then(names))
        }
        _ => None,
    };
    list.map_or_else(|| Ok(cell.to_owned()), one)
}

fn names(value: Value) -> Option<Vec<String>> {
    match value {
        Value::String(name) => Some(vec![name.trim().to_owned()]),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(vec![value.to_string()]),
        Value::Array(values) => {
            let scalar = |value: &Value| !value.is_array() && !value.is_object() && !value.is_null();
            values.iter().all(scalar).then(|| values.into_iter().filter_map(names).flatten().collect())
        }
        Value::Object(mut object) => match object.remove("choices") {
            Some(choices) if object.is_empty() => names(choices),
            _ => None,
        },
        Value::Null => None,
    }
}

fn one(names: Vec<String>) -> Result<String, Reason> {
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) if names.is_empty() => Ok(String::new()),
        Err(names) => Err(Reason::SeveralLabels(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_one_is_its_label() {
        for (cell, label) in [
            (" billing ", Ok("billing")),
            ("[\"billing\"]", Ok("billing")),
            ("['billing']", Ok("billing")),
            ("[3]", Ok("3")),
            ("{\"choices\": [\"billing\"]}", Ok("billing")),
            ("[]", Ok("")),
            // No list of names.
            ("[billing]", Ok("[billing]")),
            ("{\"a\": 1}", Ok("{\"a\": 1}")),
            ("{\"choices\": [\"a\", \"b\"]}", Err(["a", "b"])),
            ("['a', 'b']", Err(["a", "b"])),
        ] {
            let several = |names: [&str; 2]| Reason::SeveralLabels(names.map(str::to_owned).to_vec());
            assert_eq!(from_cell(cell), label.map(str::to_owned).map_err(several), "{cell}");
        }
    }
}
