//! The content key: equal requests have equal keys, and no others do.
//!
//! A key is the SHA-256 of a versioned encoding in which every part is preceded by its length, so that no two
//! requests have the same encoding. What does not shape an answer (concurrency, limits, the order of the file) is not
//! part of it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tunebench_data::{Message, Role, hex};

/// Changes with the encoding: keys of another encoding are other keys.
const ENCODING: &[u8] = b"tunebench content key 1";

const NAME_DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The name of a request in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentKey(pub(super) [u8; 32]);

impl ContentKey {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// In 52 lower-case letters and digits, as a row of a batch is called: the provider's answer then tells by itself what
    /// it is the answer to.
    pub fn to_name(self) -> String {
        // Base 32 (RFC 4648) in lower case: hexadecimal digits would be longer than names of 63 characters allow.
        let bits = |at: usize| (0..5).fold(0, |digit, bit| digit << 1 | self.bit(at * 5 + bit));
        (0..52).map(|at| char::from(NAME_DIGITS[bits(at)])).collect()
    }

    /// Reads what [`to_name`](Self::to_name) wrote.
    pub fn of_name(name: &str) -> Option<Self> {
        if name.len() != 52 {
            return None;
        }
        let mut key = Self([0; 32]);
        for (at, letter) in name.bytes().enumerate() {
            let digit = NAME_DIGITS.iter().position(|&known| known == letter)?;
            for bit in (0..5).filter(|bit| digit >> (4 - bit) & 1 == 1) {
                let place = at * 5 + bit;
                *key.0.get_mut(place / 8)? |= 0x80 >> (place % 8);
            }
        }
        Some(key)
    }

    fn bit(self, at: usize) -> usize {
        self.0.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1))
    }
}

impl fmt::Display for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKey({self})")
    }
}

#[cfg(test)]
mod name_tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_read_back_and_nothing_else_is(bytes in any::<[u8; 32]>(), other in "\\PC{0,60}") {
            let name = ContentKey(bytes).to_name();
            prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) && name.len() == 52);
            prop_assert_eq!(ContentKey::of_name(&name), Some(ContentKey(bytes)));
            if let Some(key) = ContentKey::of_name(&other) {
                prop_assert_eq!(key.to_name(), other);
            }
        }
    }
}

/// Which rows are asked again together: see [`Ledger::freshen`](super::Ledger::freshen).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope(pub(super) [u8; 32]);

/// What all requests of an evaluation have in common, the messages apart.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a, P> {
    /// The name of the provider.
    pub provider: &'a str,
    /// Where it is reached; empty for its usual place.
    pub base_url: &'a str,
    /// The model, by the provider's own id.
    pub model: &'a str,
    /// Everything that shapes the answer. What is null counts as absent, so that a parameter that is added later and
    /// not set leaves the keys as they are.
    pub parameters: P,
    /// What else shapes the answer, in the provider's own words.
    pub answer: &'a str,
}

/// The part of the key that is the same for many rows, hashed once.
#[derive(Clone)]
pub struct KeyPrefix {
    hash: Sha256,
}

impl KeyPrefix {
    /// Begins the keys of an evaluation. Fails only where the parameters are no JSON.
    pub fn new<P: Serialize>(identity: &Identity<'_, P>) -> Result<Self, serde_json::Error> {
        let mut parameters = String::new();
        canonical(&serde_json::to_value(&identity.parameters)?, &mut parameters);
        let mut hash = Sha256::new();
        for text in [identity.provider, identity.base_url, identity.model, &parameters, identity.answer] {
            part(&mut hash, text.as_bytes());
        }
        let mut prefix = Sha256::new();
        part(&mut prefix, ENCODING);
        prefix.update(hash.finalize());
        Ok(Self { hash: prefix })
    }

    /// Takes in messages that begin every request, such as the task.
    #[must_use]
    pub fn with_messages(mut self, messages: &[Message]) -> Self {
        messages.iter().for_each(|message| say(&mut self.hash, message));
        self
    }

    /// The key of the request that ends with these messages. `repeat` tells equal requests apart that are to be
    /// answered separately.
    pub fn key(&self, messages: &[Message], repeat: u32) -> ContentKey {
        let mut hash = self.hash.clone();
        messages.iter().for_each(|message| say(&mut hash, message));
        hash.update([0]);
        hash.update(repeat.to_le_bytes());
        ContentKey(hash.finalize().into())
    }

    /// The name of the rows of this evaluation that `parts` (data, prompt) tell from others.
    pub fn scope(&self, parts: &[&[u8]]) -> Scope {
        let mut hash = self.hash.clone();
        hash.update([255]);
        parts.iter().for_each(|bytes| part(&mut hash, bytes));
        Scope(hash.finalize().into())
    }
}

impl Scope {
    /// The first half of it in 32 hexadecimal digits, as batches carry it.
    pub fn short(&self) -> String {
        hex(&self.0[..16])
    }
}

impl fmt::Debug for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPrefix")
    }
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// A message begins with a byte from 1 to 3; what follows the last one begins with another.
fn say(hash: &mut Sha256, message: &Message) {
    let role = match message.role {
        Role::System => 1,
        Role::User => 2,
        Role::Assistant => 3,
    };
    hash.update([role]);
    part(hash, message.content.as_bytes());
}

/// JSON without white space, with sorted keys, without members that are null.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().filter(|(_, value)| !value.is_null()).collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(value, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Request {
        names: [String; 4],
        temperature: Option<u8>,
        messages: Vec<Message>,
        repeat: u32,
    }

    impl Request {
        fn prefix(&self) -> KeyPrefix {
            let [provider, base_url, model, answer] = &self.names;
            let parameters = json!({ "temperature": self.temperature });
            KeyPrefix::new(&Identity { provider, base_url, model, parameters, answer }).unwrap()
        }

        fn key(&self) -> ContentKey {
            self.prefix().key(&self.messages, self.repeat)
        }
    }

    fn request() -> impl Strategy<Value = Request> {
        let role = prop_oneof![Just(Role::System), Just(Role::User), Just(Role::Assistant)];
        let message = (role, "[ab]{0,3}").prop_map(|(role, content)| Message { role, content });
        let names = prop::array::uniform4("[ab]{0,2}");
        (names, prop::option::of(0..2u8), prop::collection::vec(message, 0..4), 0..2u32).prop_map(
            |(names, temperature, messages, repeat)| Request { names, temperature, messages, repeat },
        )
    }

    proptest! {
        // The strategy is so narrow that equal requests occur, and requests whose parts only lie differently.
        #[test]
        fn keys_are_equal_exactly_where_requests_are(a in request(), b in request()) {
            prop_assert_eq!(a.key() == b.key(), a == b);
        }

        #[test]
        fn messages_may_be_taken_in_early(request in request(), at in 0usize..4) {
            let (early, late) = request.messages.split_at(at.min(request.messages.len()));
            prop_assert_eq!(request.prefix().with_messages(early).key(late, request.repeat), request.key());
        }

        #[test]
        fn no_key_is_a_scope(request in request(), parts in prop::collection::vec(any::<Vec<u8>>(), 0..3)) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_ne!(request.prefix().scope(&parts).0, request.key().0);
        }
    }

    #[test]
    fn the_order_and_the_absence_of_parameters_do_not_matter() {
        let key = |parameters: Value| {
            let identity = Identity { provider: "p", base_url: "", model: "m", parameters, answer: "tag" };
            KeyPrefix::new(&identity).unwrap().key(&[], 0)
        };
        assert_eq!(
            key(json!({"a": 1, "b": {"c": [1, {}]}})),
            key(json!({"b": {"c": [1, {}]}, "a": 1, "d": null}))
        );
        assert_ne!(key(json!({"a": 1})), key(json!({"a": 1.0})));
        assert_ne!(key(json!({"a": [null]})), key(json!({"a": []})));
    }

    #[test]
    fn a_key_never_changes() {
        let identity =
            Identity { provider: "openai", base_url: "", model: "gpt", parameters: json!({}), answer: "tag" };
        let message = Message { role: Role::User, content: "hello".into() };
        let key = KeyPrefix::new(&identity).unwrap().key(&[message], 0);
        assert_eq!(key.to_string(), "e8be8520314a845e3bc3ecf6c7c1ea2dbc4113f433aafdd9a121929b21243cca");
    }
}
