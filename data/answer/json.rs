//! The label in an answer that is JSON.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::introduction::Introductions;

/// How deep a label may lie: `{"result": [{"label": "x"}]}`.
const DEEPEST: usize = 4;
/// How many braces are tried in prose.
const MOST_TRIES: usize = 64;

/// JSON that keeps repeated members, as a tree.
#[derive(Debug)]
pub(super) enum Json {
    /// A text, a number or a truth value, as it would stand in a text; only texts are texts.
    Scalar {
        text: String,
        is_text: bool,
    },
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    Null,
}

/// What JSON names as its answer.
#[derive(Debug, PartialEq)]
pub(super) enum Named<'a> {
    /// This text, and other texts beside it.
    Text(&'a str, Vec<&'a str>),
    /// Several texts, none of which stands out, or none at all.
    Unclear,
}

impl Json {
    /// The whole of a text.
    pub(super) fn whole(text: &str) -> Option<Self> {
        let first = text.as_bytes().first()?;
        matches!(first, b'{' | b'[' | b'"').then(|| serde_json::from_str(text).ok())?
    }

    /// All objects that stand in a text.
    pub(super) fn objects(text: &str) -> Vec<Self> {
        let (mut found, mut from) = (Vec::new(), 0);
        for _ in 0..MOST_TRIES {
            let Some(start) = text[from..].find('{').map(|at| from + at) else { break };
            let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter();
            from = match stream.next() {
                Some(Ok(object)) => {
                    found.push(object);
                    start + stream.byte_offset()
                }
                _ => start + 1,
            };
        }
        found
    }

    /// What it names: of an object the member `member`, else the only text, else the one whose name introduces an answer.
    pub(super) fn named(&self, member: &str, introductions: &Introductions) -> Named<'_> {
        self.named_within(member, introductions, DEEPEST)
    }

    fn named_within(&self, member: &str, introductions: &Introductions, depth: usize) -> Named<'_> {
        match self {
            Self::Scalar { text, .. } => Named::Text(text, Vec::new()),
            Self::List(list) => match list.as_slice() {
                [only] if depth > 0 => only.named_within(member, introductions, depth - 1),
                _ => Named::Unclear,
            },
            Self::Object(members) => {
                let Some((name, value)) = the_answer(members, member, introductions) else {
                    return Named::Unclear;
                };
                let Named::Text(text, mut others) = (match value {
                    value @ Self::Scalar { .. } => value.named_within(member, introductions, 0),
                    value if depth > 0 => value.named_within(member, introductions, depth - 1),
                    _ => Named::Unclear,
                }) else {
                    return Named::Unclear;
                };
                // A member that is there twice says two things.
                let beside = members.iter().filter(|(_, other)| !std::ptr::eq(other, value));
                others.extend(beside.filter_map(|(other, value)| match value {
                    Self::Scalar { text, is_text } if *is_text || other == name => Some(text.as_str()),
                    _ => None,
                }));
                Named::Text(text, others)
            }
            Self::Null => Named::Unclear,
        }
    }
}

fn the_answer<'a>(
    members: &'a [(String, Json)],
    member: &str,
    introductions: &Introductions,
) -> Option<&'a (String, Json)> {
    let only = |fits: &dyn Fn(&(String, Json)) -> bool| {
        let mut fitting = members.iter().filter(|member| fits(member));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let is_text = |value: &Json| matches!(value, Json::Scalar { is_text: true, .. });
    members
        .iter()
        .find(|(name, _)| name == member)
        .or_else(|| members.first().filter(|_| members.len() == 1))
        .or_else(|| only(&|(_, value)| is_text(value)))
        .or_else(|| only(&|(name, value)| is_text(value) && introductions.is_one(name)))
        .or_else(|| only(&|(name, _)| introductions.is_one(name)))
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tree;

        impl<'de> Visitor<'de> for Tree {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
                Ok(Json::Scalar { text: truth.to_string(), is_text: false })
            }

            fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
                Ok(Json::Scalar { text: number.to_string(), is_text: false })
            }

            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::Scalar { text: number.to_string(), is_text: false })
            }

            fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
                let text = Number::from_f64(number).map_or_else(|| number.to_string(), |n| n.to_string());
                Ok(Json::Scalar { text, is_text: false })
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Scalar { text: text.to_owned(), is_text: true })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(value) = list.next_element()? {
                    all.push(value);
                }
                Ok(Json::List(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(Json::Object(all))
            }
        }

        deserializer.deserialize_any(Tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(json: &str) -> Option<(String, usize)> {
        match Json::whole(json)?.named("label", &Introductions::default()) {
            Named::Text(text, others) => Some((text.to_owned(), others.len())),
            Named::Unclear => None,
        }
    }

    #[test]
    fn one_member_is_the_answer() {
        let some = |text: &str, others| Some((text.to_owned(), others));
        for (json, answer) in [
            ("\"x\"", some("x", 0)),
            ("[\"x\"]", some("x", 0)),
            (r#"{"label":"x"}"#, some("x", 0)),
            (r#"{"why":"y","label":"x"}"#, some("x", 1)),
            (r#"{"kind":"x","confidence":0.5}"#, some("x", 0)),
            (r#"{"why":"y","category":"x"}"#, some("x", 1)),
            (r#"{"label":"x","label":"y"}"#, some("x", 1)),
            (r#"{"label":3}"#, some("3", 0)),
            (r#"{"result":{"label":"x"}}"#, some("x", 0)),
            (r#"{"why":"y","what":"x"}"#, None),
            ("[\"x\",\"y\"]", None),
            ("{}", None),
            ("null", None),
            ("x", None),
        ] {
            assert_eq!(named(json), answer, "{json}");
        }
    }

    #[test]
    fn objects_are_found_in_prose() {
        let objects = |text| Json::objects(text).len();
        assert_eq!(objects("Here {it} is: {\"label\":\"x\"}, or {\"a\":{}}."), 2);
        assert_eq!(objects(&"{".repeat(10_000)), 0);
    }
}
