//! A JSON object whose members keep their order and their spelling.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::Reason;

/// The members of an object, which lie in the text that it was read from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads an object.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Reason> {
        serde_json::from_str(text).map_err(|error| Reason::Json(format!("not a JSON object: {error}")))
    }

    /// The member of this name; the last, where there are several.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(member, _)| member == name).map(|(_, value)| *value)
    }

    /// The member of this name, or else what lies at the end of a path of names and positions between dots.
    pub(crate) fn path(&self, path: &str) -> Option<&'a RawValue> {
        if let Some(value) = self.get(path) {
            return Some(value);
        }
        // A name may have dots itself: the longest that fits goes first.
        path.rmatch_indices('.').find_map(|(dot, _)| below(self.get(&path[..dot])?, &path[dot + 1..]))
    }

    /// The members, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.iter().map(|(name, _)| name.to_owned()).collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a RawValue)> for Object<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a RawValue)>>(members: I) -> Self {
        Self(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }
}

/// What lies at the end of a path that begins inside of a value.
fn below<'a>(value: &'a RawValue, path: &str) -> Option<&'a RawValue> {
    match value.get().as_bytes().first()? {
        b'{' => Object::parse(value.get()).ok()?.path(path),
        b'[' => {
            let (position, rest) = match path.split_once('.') {
                Some((position, rest)) => (position, Some(rest)),
                None => (path, None),
            };
            let element = *elements(value)?.get(position.parse::<usize>().ok()?)?;
            rest.map_or(Some(element), |rest| below(element, rest))
        }
        _ => None,
    }
}

/// The elements of an array.
pub(crate) fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// A string.
pub(crate) fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Name<'_>>(value.get()).ok().map(|name| name.0)
}

/// A value as a cell of text: a string without its quotes, `null` as nothing, all else as it is spelt.
pub(crate) fn spelt(value: &RawValue) -> Cow<'_, str> {
    match value.get() {
        "null" => Cow::Borrowed(""),
        text => string(value).unwrap_or(Cow::Borrowed(text)),
    }
}

/// A string that lies in the text where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_go_through_objects_and_arrays() {
        let text = r#"{"data":{"body":"a","x.y":2},"list":[{"v":"b"}],"data.odd":3,"n":1.50,"n":1.25}"#;
        let object = Object::parse(text).unwrap();
        let at = |path: &str| object.path(path).map(|value| value.get());
        assert_eq!(at("data.body"), Some("\"a\""));
        assert_eq!(at("data.x.y"), Some("2"));
        assert_eq!(at("list.0.v"), Some("\"b\""));
        assert_eq!(at("data.odd"), Some("3"));
        assert_eq!(at("n"), Some("1.25"));
        assert_eq!((at("list.1"), at("data.none"), at("n.x"), at(".")), (None, None, None, None));
    }

    proptest! {
        #[test]
        fn hostile_text_ends(text in "[\\[\\]{}\":,.a0 ]*|\\PC*", path in "[a.0]*") {
            if let Ok(object) = Object::parse(&text) {
                let _ = object.path(&path);
            }
        }
    }
}
