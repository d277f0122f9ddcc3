//! The settings of OpenAI and of servers that speak its language.

use crate::settings::{ALLOW_HTTP, CHECK_MODELS, TIMEOUT_SECONDS, words};
use crate::{Setting, SettingType};

/// The header that carries the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyHeader {
    /// `Authorization: Bearer KEY`.
    Authorization,
    /// `api-key: KEY`, as Azure has it.
    ApiKey,
}

/// Which API answers a model id without a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// Chat Completions.
    Chat,
    /// Responses.
    Responses,
    /// Decisions.
    Decisions,
}

/// The field that caps the tokens of a chat answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenField {
    /// The older one, which most other servers know.
    MaxTokens,
    /// The newer one, which counts hidden reasoning too.
    MaxCompletionTokens,
}

/// The `system_role` that puts the task into the user's turn.
pub(super) const INTO_USER: &str = "user";

pub(super) const HEADERS: [(&str, KeyHeader); 2] =
    [("authorization", KeyHeader::Authorization), ("api-key", KeyHeader::ApiKey)];
const HEADER_WORDS: [&str; 2] = words(&HEADERS);
pub(super) const APIS: [(&str, Api); 2] = [("chat", Api::Chat), ("responses", Api::Responses)];
const API_WORDS: [&str; 2] = words(&APIS);
pub(super) const TOKEN_FIELDS: [(&str, TokenField); 2] =
    [("max_tokens", TokenField::MaxTokens), ("max_completion_tokens", TokenField::MaxCompletionTokens)];
const TOKEN_FIELD_WORDS: [&str; 2] = words(&TOKEN_FIELDS);
pub(super) const ROLES: [(&str, &str); 4] =
    [("system", "system"), ("developer", "developer"), ("user", INTO_USER), ("none", INTO_USER)];
const ROLE_WORDS: [&str; 4] = words(&ROLES);

const BASE_URL: Setting = Setting::text("base_url", "the address, with `/v1`")
    .default("`OPENAI_BASE_URL`, else OpenAI itself")
    .unseen();
const API_KEY_ENV: Setting = Setting::text(
    "api_key_env",
    "the variable that holds the key; it goes to another server only where it is named here; `\"none\"` for servers without one",
)
.default("`OPENAI_API_KEY`")
.unseen();

/// Of OpenAI itself, and of servers by their address.
pub(super) const SETTINGS: [Setting; 18] = [
    BASE_URL,
    API_KEY_ENV,
    ALLOW_HTTP,
    Setting::choice("header", &HEADER_WORDS, "where the key is sent; `\"api-key\"` for Azure")
        .default("\"authorization\"")
        .unseen(),
    Setting::choice("api", &API_WORDS, "for model names without a prefix").default("\"chat\""),
    Setting::switch("batch", "whether the server has OpenAI's files and batches")
        .default("at OpenAI and the hosts that are known for it")
        .unseen(),
    Setting::switch("fine_tuning", "whether the server has OpenAI's files and fine-tuning jobs")
        .default("only at OpenAI")
        .unseen(),
    CHECK_MODELS,
    Setting::switch("schema", "whether the server takes schemas").default("true"),
    Setting::switch("logprobs", "whether the server gives log-probabilities").default("what is known of the model"),
    Setting::switch("temperature", "whether the server takes a temperature").default("what is known of the model"),
    Setting::switch("stop", "whether the server takes stop sequences").default("what is known of the model"),
    Setting::switch("store", "whether OpenAI may keep texts and answers").default("false").unseen(),
    Setting::choice("max_tokens_field", &TOKEN_FIELD_WORDS, "the name of the output cap")
        .default("what is known of the model"),
    Setting::text("reasoning_effort", "instead of what suits the model"),
    Setting::choice(
        "system_role",
        &ROLE_WORDS,
        "the role of the instruction; `\"user\"` (or `\"none\"`) puts it into the user's turn, for chat templates that take no \
         system message",
    )
    .default("\"system\""),
    Setting::new(
        "extra_body",
        SettingType::Other("a table, such as `{ chat_template_kwargs = { enable_thinking = false } }`"),
        "members that are added to each question",
    ),
    TIMEOUT_SECONDS,
];

/// Of a host that is known by name, which has its own address and key.
pub(super) fn of_host() -> impl Iterator<Item = Setting> {
    SETTINGS.into_iter().map(|setting| match setting.name {
        "base_url" => setting.default("the host's own"),
        "api_key_env" => setting.default("the host's own"),
        _ => setting,
    })
}
