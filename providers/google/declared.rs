//! The settings of Google's two services.

use crate::settings::{ALLOW_HTTP, CHECK_MODELS, TIMEOUT_SECONDS, words};
use crate::{Setting, SettingType};

/// Which of Google's two APIs is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    /// The Gemini Developer API: a key, and answers only.
    Developer,
    /// Vertex AI, now called Gemini Enterprise Agent Platform: a project, credentials, answers and fine-tuning.
    Vertex,
}

impl Surface {
    /// How the catalog of models calls it.
    pub(super) fn host(self) -> &'static str {
        match self {
            Self::Developer => "gemini",
            Self::Vertex => "vertex",
        }
    }
}

/// The field that carries the schema of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaField {
    /// `responseSchema`, Google's own dialect.
    Own,
    /// `responseJsonSchema`.
    Json,
}

pub(super) const SCHEMA_FIELDS: [(&str, SchemaField); 2] =
    [("responseSchema", SchemaField::Own), ("responseJsonSchema", SchemaField::Json)];
const SCHEMA_FIELD_WORDS: [&str; 2] = words(&SCHEMA_FIELDS);
/// The thresholds of the safety filters.
pub(super) const THRESHOLDS: [(&str, &str); 5] = [
    ("off", "OFF"),
    ("none", "BLOCK_NONE"),
    ("high", "BLOCK_ONLY_HIGH"),
    ("medium", "BLOCK_MEDIUM_AND_ABOVE"),
    ("low", "BLOCK_LOW_AND_ABOVE"),
];
const THRESHOLD_WORDS: [&str; 5] = words(&THRESHOLDS);

/// What both services have.
const SHARED: [Setting; 11] = [
    Setting::text("base_url", "instead of Google's own hosts; `{location}` in it stands for the location")
        .default("`GOOGLE_GEMINI_BASE_URL` or `GOOGLE_VERTEX_BASE_URL`, else Google itself")
        .unseen(),
    ALLOW_HTTP,
    Setting::new(
        "thinking",
        SettingType::Other(
            "\"minimal\", \"low\", \"medium\", \"high\", a number of tokens (for 2.5 models), or \"default\"",
        ),
        "how much a model thinks; `\"default\"` leaves it to the model",
    )
    .default("the least that the model can"),
    Setting::switch("schema", "whether to send schemas").default("true"),
    Setting::switch("logprobs", "whether to ask for log-probabilities").default("what is known of the model"),
    Setting::switch("stop", "whether to send stop sequences").default("true"),
    Setting::choice("schema_field", &SCHEMA_FIELD_WORDS, "where the schema is put")
        .default("\"responseSchema\""),
    Setting::switch("tuned_schema", "whether tuned models get a schema as well").default("false"),
    Setting::choice("safety", &THRESHOLD_WORDS, "from which probability of harm the filters block")
        .default("Google's own"),
    CHECK_MODELS,
    TIMEOUT_SECONDS,
];

/// What Gemini has besides.
const DEVELOPER: [Setting; 1] = [Setting::text("api_key_env", "the variable that holds the key")
    .default("`GOOGLE_API_KEY`, else `GEMINI_API_KEY`")
    .unseen()];

/// What Vertex AI has besides. The location is part of the address, which tells answers apart.
const VERTEX: [Setting; 8] = [
    Setting::text("project", "the project of Google Cloud")
        .default("`GOOGLE_CLOUD_PROJECT`, or what the login says")
        .unseen(),
    Setting::text("location", "where untuned models are asked")
        .default("`GOOGLE_CLOUD_LOCATION`, else `global`")
        .unseen(),
    Setting::text("tuning_location", "the region where jobs run")
        .default("`location` if it is a region, else one near it")
        .unseen(),
    Setting::text("bucket", "of Cloud Storage, for training files and batches").unseen(),
    Setting::text("credentials", "a key file or login file")
        .default("`GOOGLE_APPLICATION_CREDENTIALS`")
        .unseen(),
    Setting::text("quota_project", "the project that pays for a person's login")
        .default("`GOOGLE_CLOUD_QUOTA_PROJECT`")
        .unseen(),
    Setting::text("access_token_env", "the variable that may hold a ready token")
        .default("`GOOGLE_OAUTH_ACCESS_TOKEN`")
        .unseen(),
    Setting::text("storage_url", "instead of `https://storage.googleapis.com`").unseen(),
];

/// All settings of a service.
pub(super) fn settings(surface: Surface) -> Vec<Setting> {
    let own: &[Setting] = match surface {
        Surface::Developer => &DEVELOPER,
        Surface::Vertex => &VERTEX,
    };
    [&SHARED, own].concat()
}
