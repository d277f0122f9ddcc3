//! The cache of prompts: what stands up to a mark is kept, and read when it comes again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

/// What is shorter is not kept, and nothing is said of that.
const LEAST_TOKENS: u64 = 512;

/// The beginnings of prompts that are kept, by their hashes. None is forgotten.
#[derive(Debug, Default)]
pub(super) struct Cache(HashSet<u64>);

/// The tokens of a prompt, by their prices.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) plain: u64,
    pub(super) written: u64,
    pub(super) read: u64,
}

impl Cache {
    /// What a prompt costs, given what is kept, and keeps what it marks.
    pub(super) fn charge(&mut self, model: &str, body: &Map<String, Value>) -> Input {
        let mut hasher = DefaultHasher::new();
        // Whatever changes the answer to the same words breaks the cache.
        (model, body.get("output_config").map(Value::to_string), body.get("thinking").map(Value::to_string))
            .hash(&mut hasher);
        let (mut tokens, mut kept) = (0, None);
        for (text, marked) in blocks(body) {
            text.hash(&mut hasher);
            tokens += tokens_of(text);
            if marked {
                kept = Some((hasher.finish(), tokens));
            }
        }
        match kept.filter(|(_, marked)| *marked >= LEAST_TOKENS) {
            None => Input { plain: tokens, ..Input::default() },
            Some((hash, marked)) if self.0.insert(hash) => {
                Input { plain: tokens - marked, written: marked, read: 0 }
            }
            Some((_, marked)) => Input { plain: tokens - marked, written: 0, read: marked },
        }
    }
}

/// All texts of a prompt in their order, each with whether a mark stands on it.
pub(super) fn blocks(body: &Map<String, Value>) -> Vec<(&str, bool)> {
    let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
    let contents =
        body.get("system").into_iter().chain(messages.filter_map(|message| message.get("content")));
    let mut all = Vec::new();
    for content in contents {
        match content {
            Value::String(text) => all.push((text.as_str(), false)),
            Value::Array(blocks) => all.extend(blocks.iter().filter_map(|block| {
                Some((block.get("text")?.as_str()?, block.get("cache_control").is_some_and(Value::is_object)))
            })),
            _ => {}
        }
    }
    all
}

/// A rough count.
pub(super) fn tokens_of(text: &str) -> u64 {
    3 + text.len().div_ceil(4) as u64
}
