//! JSON as the services read it: names in either case, numbers as strings, enums by name or number, nothing unknown.

use serde_json::{Map, Value};

use super::{Surface, errors};
use crate::fake::Reply;

/// What a field holds.
pub(super) enum Kind {
    Text,
    Flag,
    /// `int32`.
    Whole,
    /// `int64`: a string on the wire.
    Long,
    Number,
    /// `map<string, string>`.
    Texts,
    /// Names in the order of their wire numbers, from 0.
    Enum(&'static [&'static str]),
    Message(&'static Message),
    List(&'static Kind),
    /// Messages by name.
    Named(&'static Message),
    /// Anything: what the fake has no need to look into.
    Any,
}

/// Who knows a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Both,
    Developer,
    Vertex,
}

/// The fields of a message, in camelCase.
pub(super) struct Message(pub(super) &'static [(&'static str, Kind, Known)]);

/// Reads a message: the same with every name in camelCase, or the error that the service answers.
pub(super) fn read(value: &Value, message: &Message, surface: Surface) -> Result<Map<String, Value>, Reply> {
    Reader(surface).message(value, message, "")
}

struct Reader(Surface);

impl Reader {
    fn message(&self, value: &Value, message: &Message, at: &str) -> Result<Map<String, Value>, Reply> {
        let Some(object) = value.as_object() else {
            return Err(wrong(at, "object", value));
        };
        let mut read = Map::new();
        for (name, value) in object {
            let here = |known: &Known| match known {
                Known::Both => true,
                Known::Developer => self.0 == Surface::Developer,
                Known::Vertex => self.0 == Surface::Vertex,
            };
            let is_meant = |field: &str| field == name || snake(field) == *name;
            let field = message.0.iter().find(|(field, _, known)| is_meant(field) && here(known));
            let Some((field, kind, _)) = field else {
                let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
                let description = format!(
                    "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
                );
                return Err(errors::bad_field(at, &description));
            };
            // To the services a null is a field that was not sent.
            if !value.is_null() {
                let inner = if at.is_empty() { snake(field) } else { format!("{at}.{}", snake(field)) };
                read.insert((*field).to_owned(), self.value(value, kind, &inner)?);
            }
        }
        Ok(read)
    }

    fn value(&self, value: &Value, kind: &Kind, at: &str) -> Result<Value, Reply> {
        let whole = || value.as_i64().or_else(|| value.as_str()?.parse().ok());
        let fits =
            |fits: bool, what: &str| if fits { Ok(value.clone()) } else { Err(wrong(at, what, value)) };
        match kind {
            Kind::Any => Ok(value.clone()),
            Kind::Text => fits(value.is_string(), "TYPE_STRING"),
            Kind::Flag => fits(value.is_boolean(), "TYPE_BOOL"),
            Kind::Whole => match whole().filter(|number| i32::try_from(*number).is_ok()) {
                Some(number) => Ok(number.into()),
                None => Err(wrong(at, "TYPE_INT32", value)),
            },
            Kind::Long => match whole() {
                Some(number) => Ok(number.to_string().into()),
                None => Err(wrong(at, "TYPE_INT64", value)),
            },
            Kind::Number => match value.as_f64().or_else(|| value.as_str()?.parse().ok()) {
                Some(number) => Ok(number.into()),
                None => Err(wrong(at, "TYPE_FLOAT", value)),
            },
            Kind::Texts => {
                fits(value.as_object().is_some_and(|map| map.values().all(Value::is_string)), "TYPE_STRING")
            }
            Kind::Enum(names) => {
                // A number is taken as the number on the wire, which need not be the one in the name.
                let numbered = value.as_u64().and_then(|number| names.get(usize::try_from(number).ok()?));
                match numbered.or_else(|| names.iter().find(|name| value == **name)) {
                    Some(name) => Ok((*name).into()),
                    None => Err(wrong(at, "TYPE_ENUM", value)),
                }
            }
            Kind::Message(message) => self.message(value, message, at).map(Value::Object),
            Kind::List(kind) => {
                let items = value.as_array().ok_or_else(|| wrong(at, "list", value))?;
                let item = |(index, item)| self.value(item, kind, &format!("{at}[{index}]"));
                items.iter().enumerate().map(item).collect()
            }
            Kind::Named(message) => {
                let items = value.as_object().ok_or_else(|| wrong(at, "map", value))?;
                let item = |(name, item): (&String, _)| {
                    Ok((
                        name.clone(),
                        self.message(item, message, &format!("{at}[{name}].value")).map(Value::Object)?,
                    ))
                };
                items.iter().map(item).collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
        }
    }
}

fn wrong(at: &str, what: &str, value: &Value) -> Reply {
    errors::bad_field(at, &format!("Invalid value at '{at}' ({what}), {value}"))
}

fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
