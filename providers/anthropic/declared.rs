//! The settings of Anthropic.

use crate::Setting;
use crate::settings::{ALLOW_HTTP, CHECK_MODELS, TIMEOUT_SECONDS, words};

/// The header that carries the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyHeader {
    /// `x-api-key: KEY`.
    ApiKey,
    /// `Authorization: Bearer KEY`.
    Bearer,
}

impl KeyHeader {
    /// The one of the two that it is not.
    pub(super) fn other(self) -> Self {
        match self {
            Self::ApiKey => Self::Bearer,
            Self::Bearer => Self::ApiKey,
        }
    }
}

/// How long the fixed part of a prompt is kept at Anthropic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caching {
    /// Not at all.
    Off,
    /// Five minutes from its last use.
    Minutes,
    /// An hour from its last use.
    Hour,
}

pub(super) const HEADERS: [(&str, KeyHeader); 2] =
    [("x-api-key", KeyHeader::ApiKey), ("authorization", KeyHeader::Bearer)];
const HEADER_WORDS: [&str; 2] = words(&HEADERS);
pub(super) const CACHINGS: [(&str, Caching); 3] =
    [("5m", Caching::Minutes), ("1h", Caching::Hour), ("off", Caching::Off)];
const CACHING_WORDS: [&str; 3] = words(&CACHINGS);

pub(super) const SETTINGS: [Setting; 10] = [
    Setting::text("base_url", "the address, without `/v1`")
        .default("`ANTHROPIC_BASE_URL`, else Anthropic itself")
        .unseen(),
    Setting::text(
        "api_key_env",
        "the variable that holds the key, to be named for another server; `\"none\"` for servers without one",
    )
    .default("`ANTHROPIC_API_KEY`, or `ANTHROPIC_AUTH_TOKEN` where only that is set")
    .unseen(),
    ALLOW_HTTP,
    Setting::choice("header", &HEADER_WORDS, "where the key is sent")
        .default("the first, and the other one where that is refused")
        .unseen(),
    CHECK_MODELS,
    Setting::switch("schema", "whether to send schemas").default("true"),
    Setting::switch("stop", "whether to send stop sequences").default("true"),
    Setting::choice(
        "effort",
        &["low", "medium", "high", "xhigh", "max"],
        "lets the model think, so much, instead of not at all",
    ),
    Setting::choice("prompt_caching", &CACHING_WORDS, "how long the task and the shots are kept there")
        .default("\"5m\"")
        .unseen(),
    TIMEOUT_SECONDS,
];
