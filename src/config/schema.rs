//! The JSON schema of `tunebench.toml`, by which editors complete and check it, made from the types that read it.
//!
//! Made by the tests alone: the program needs no such dependency. `UPDATE_EXAMPLES=1 cargo test schema` writes it anew.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tunebench_providers::{Registry, Setup};

use super::Config;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tunebench.schema.json");

/// `tunebench_data::Format`, as the schema sees it.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the schema of it is used")]
pub(super) enum Format {
    Csv,
    Tsv,
    Jsonl,
    Json,
    FastText,
    Lines,
    Parquet,
    Xlsx,
}

/// `tunebench_data::TextColumns`, as the schema sees it.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the schema of it is used")]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// `tunebench_providers::AnswerMode`, as the schema sees it.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the schema of it is used")]
pub(super) enum AnswerMode {
    Tag,
    Schema,
}

/// `tunebench_reports::Costs`, as the schema sees it.
#[derive(JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Costs {
    /// A wrong label of which nothing else is said, at least 0; where not set, 1.
    wrong: Option<f64>,
    /// An answer that names no label, where nothing else is said; where not set, as a wrong label.
    invalid: Option<f64>,
    /// By gold label, and then by the label that was answered.
    of: Option<BTreeMap<String, BTreeMap<String, f64>>>,
    /// An answer that names no label, by gold label.
    invalid_of: Option<BTreeMap<String, f64>>,
}

/// `tunebench_data::AnswerForm`, as the schema sees it.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the schema of it is used")]
pub(super) enum AnswerForm {
    Tag,
    Schema,
    Plain,
    Json(String),
    Pattern(String),
}

/// `tunebench_data::Role`, as the schema sees it.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the schema of it is used")]
pub(super) enum Role {
    System,
    User,
    Assistant,
}

/// What every provider with an address has.
const ALLOW_HTTP: (&str, Kind, &str) =
    ("allow_http", Kind::Switch, "whether another machine may be reached by plain http://");

/// The settings of Anthropic.
const ANTHROPIC: [(&str, Kind, &str); 11] = [
    ALLOW_HTTP,
    ("base_url", Kind::Text, "by default ANTHROPIC_BASE_URL, else Anthropic itself"),
    ("api_key_env", Kind::Text, "the variable that holds the key; \"none\" for servers without one"),
    (
        "header",
        Kind::One(&["x-api-key", "authorization"]),
        "where the key is sent; by default whichever is taken",
    ),
    ("check_models", Kind::Switch, "whether to look the model up before the first row is sent"),
    ("schema", Kind::Switch, "whether to send schemas"),
    ("stop", Kind::Switch, "whether to send stop sequences"),
    (
        "effort",
        Kind::One(&["low", "medium", "high", "xhigh", "max"]),
        "lets the model think, so much, instead of not at all",
    ),
    ("prompt_caching", Kind::One(&["5m", "1h", "off"]), "how long the task and the shots are kept there"),
    ("timeout_seconds", Kind::Count, "for one answer"),
    ("kind", Kind::One(&["anthropic"]), "the language that the server speaks"),
];

/// The settings of OpenAI and its likes.
const OPENAI: [(&str, Kind, &str); 19] = [
    ALLOW_HTTP,
    ("base_url", Kind::Text, "with /v1; by default OPENAI_BASE_URL, else OpenAI itself"),
    ("api_key_env", Kind::Text, "the variable that holds the key; \"none\" for servers without one"),
    ("header", Kind::One(&["authorization", "api-key"]), "where the key is sent; \"api-key\" for Azure"),
    ("api", Kind::One(&["chat", "responses"]), "for model names without a prefix"),
    ("batch", Kind::Switch, "whether the server has OpenAI's files and batches"),
    ("fine_tuning", Kind::Switch, "whether the server has OpenAI's files and fine-tuning jobs"),
    ("check_models", Kind::Switch, "whether to look the model up before the first row is sent"),
    ("schema", Kind::Switch, "whether the server takes schemas"),
    ("logprobs", Kind::Switch, "whether the server gives log-probabilities"),
    ("temperature", Kind::Switch, "whether the server takes a temperature"),
    ("stop", Kind::Switch, "whether the server takes stop sequences"),
    ("store", Kind::Switch, "whether OpenAI may keep texts and answers"),
    ("max_tokens_field", Kind::One(&["max_tokens", "max_completion_tokens"]), "the name of the output cap"),
    ("reasoning_effort", Kind::Text, "instead of what suits the model"),
    ("system_role", Kind::One(&["system", "developer", "user", "none"]), "the role of the instruction"),
    ("extra_body", Kind::Any, "members that are added to each question"),
    ("timeout_seconds", Kind::Count, "for one answer"),
    ("kind", Kind::One(&["openai"]), "the language that the server speaks"),
];

/// The settings of both of Google's.
const GOOGLE: [(&str, Kind, &str); 12] = [
    ALLOW_HTTP,
    ("base_url", Kind::Text, "instead of Google's own hosts; {location} in it stands for the location"),
    ("thinking", Kind::Any, "\"minimal\", \"low\", \"medium\", \"high\", a number of tokens, or \"default\""),
    ("schema", Kind::Switch, "whether to send schemas"),
    ("logprobs", Kind::Switch, "whether to ask for log-probabilities"),
    ("stop", Kind::Switch, "whether to send stop sequences"),
    ("schema_field", Kind::One(&["responseSchema", "responseJsonSchema"]), "where the schema is put"),
    ("tuned_schema", Kind::Switch, "whether tuned models get a schema as well"),
    (
        "safety",
        Kind::One(&["low", "medium", "high", "none", "off"]),
        "from which probability of harm the filters block",
    ),
    ("check_models", Kind::Switch, "whether to look models up"),
    ("timeout_seconds", Kind::Count, "for one answer"),
    ("kind", Kind::One(&["gemini", "vertex"]), "which of Google's services"),
];

/// What Gemini has besides.
const GEMINI: [(&str, Kind, &str); 1] = [("api_key_env", Kind::Text, "the variable that holds the key")];

/// What Vertex AI has besides.
const VERTEX: [(&str, Kind, &str); 8] = [
    ("project", Kind::Text, "by default GOOGLE_CLOUD_PROJECT, or what the login says"),
    ("location", Kind::Text, "where untuned models are asked"),
    ("tuning_location", Kind::Text, "where models are tuned"),
    ("bucket", Kind::Text, "where training files are put"),
    ("credentials", Kind::Text, "a key file or login file"),
    ("quota_project", Kind::Text, "the project that pays for a person's login"),
    ("access_token_env", Kind::Text, "the variable that may hold a ready token"),
    ("storage_url", Kind::Text, "instead of Google's own storage"),
];

/// What every provider has.
const LIMITS: [(&str, Kind, &str); 3] = [
    ("requests_per_minute", Kind::Count, "the limit to keep to"),
    ("tokens_per_minute", Kind::Count, "the limit to keep to"),
    (
        "window_seconds",
        Kind::Count,
        "over which the provider counts: 10 for one that allows 600 a minute as 100 in 10 s",
    ),
];

/// What a setting may be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Switch,
    Count,
    One(&'static [&'static str]),
    Any,
}

impl Kind {
    fn schema(self, description: &str) -> Value {
        let mut schema = match self {
            Self::Text => json!({ "type": "string" }),
            Self::Switch => json!({ "type": "boolean" }),
            Self::Count => json!({ "type": "integer", "minimum": 1 }),
            Self::One(values) => json!({ "enum": values }),
            Self::Any => json!({}),
        };
        schema["description"] = description.into();
        schema
    }
}

type Settings = Vec<(&'static str, Kind, &'static str)>;

/// The settings of each provider that ships with the program.
fn built_in() -> [(&'static str, Settings); 5] {
    let local: &[(&str, Kind, &str)] = &[("kind", Kind::One(&["local"]), "the embedded provider")];
    [
        ("anthropic", ANTHROPIC.to_vec()),
        ("gemini", [&GOOGLE[..], &GEMINI].concat()),
        ("local", local.to_vec()),
        ("openai", OPENAI.to_vec()),
        ("vertex", [&GOOGLE[..], &VERTEX].concat()),
    ]
}

/// The tables under `[providers]`: those that ship are strict, others may be of a kind that a plugin brings.
pub(super) fn providers(_: &mut SchemaGenerator) -> Schema {
    let table = |settings: Settings| {
        let all = settings.into_iter().chain(LIMITS);
        let properties: Map<String, Value> =
            all.map(|(name, kind, text)| (name.to_owned(), kind.schema(text))).collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    };
    let tables: Map<String, Value> =
        built_in().into_iter().map(|(name, settings)| (name.to_owned(), table(settings))).collect();
    // Hosts that are known by name, which take what every server of the kind takes.
    let registry = Registry::builtin();
    let hosts: Vec<_> = registry
        .kinds()
        .filter(|name| registry.has_usual_instance(name) && !tables.contains_key(*name))
        .collect();
    let of_host: Settings = OPENAI
        .into_iter()
        .map(|(name, kind, text)| match name {
            "kind" => (name, Kind::Text, "\"openai\", or another host whose settings to begin with"),
            _ => (name, kind, text),
        })
        .collect();
    let pattern = format!("^({})$", hosts.join("|"));
    let kind = json!({ "type": "string", "description": "the kind of provider, such as \"openai\"" });
    let others = json!({ "type": "object", "properties": { "kind": kind }, "required": ["kind"] });
    json_schema!({
        "type": "object",
        "properties": tables,
        "patternProperties": { pattern: table(of_host) },
        "additionalProperties": others,
    })
}

/// The tables under `[known_models]`.
pub(super) fn known_models(_: &mut SchemaGenerator) -> Schema {
    let (number, text, switch) =
        (json!({"type": "number"}), json!({"type": "string"}), json!({"type": "boolean"}));
    let day = json!({"type": "string", "format": "date"});
    let texts = json!({"type": "array", "items": text});
    let later = json!({
        "type": "object",
        "properties": { "from": day, "input": number, "cached_input": number, "output": number },
        "required": ["from"],
        "additionalProperties": false,
    });
    let properties = json!({
        "aliases": texts,
        "input": number, "cached_input": number, "output": number, "cache_write": number, "training": number, "hour": number, "batch": number,
        "later": later,
        "unpriced": switch, "one_source": switch, "tunable": switch,
        "retires": day, "not_before": day, "tunable_until": day, "date": day,
        "replacement": text, "note": text,
        "source": { "anyOf": [text, texts] },
    });
    let entry = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    json_schema!({ "type": "object", "additionalProperties": entry })
}

fn made() -> String {
    let schema = schemars::schema_for!(Config);
    let mut schema = serde_json::to_value(schema).unwrap();
    schema["title"] = "tunebench.toml".into();
    format!("{schema:#}\n")
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let made = made();
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        std::fs::write(PATH, &made).unwrap();
    }
    let published = std::fs::read_to_string(PATH).unwrap();
    assert!(published == made, "docs/tunebench.schema.json is old: UPDATE_EXAMPLES=1 cargo test schema");
}

#[test]
fn every_configuration_of_the_repository_is_valid_by_it() {
    let schema: Value = serde_json::from_str(&made()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["tunebench.toml", "examples/replace-a-tuned-model.toml"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let value: Value = toml::from_str(&text).unwrap();
        let errors: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
    }
    for wrong in [
        "[data]\ntset = \"a.csv\"",
        "[data]\ntest = \"a.csv\"\nformat = \"xml\"",
        "[data]\ntest = \"a.csv\"\n[providers.openai]\nbase_urll = \"x\"",
        "[data]\ntest = \"a.csv\"\n[providers.groq]\nbase_urll = \"x\"",
        "[data]\ntest = \"a.csv\"\n[providers.mine]\nbase_url = \"x\"",
        "[data]\ntest = \"a.csv\"\n[[model]]\nbase = \"a/b\"\nshots = { k = 0 }",
    ] {
        let value: Value = toml::from_str(wrong).unwrap();
        assert!(!schema.is_valid(&value), "{wrong}");
    }
}

/// The providers themselves say which settings they have.
#[cfg(all(feature = "anthropic", feature = "google", feature = "openai"))]
#[test]
fn the_settings_of_the_providers_are_all_there() {
    for (name, settings) in built_in().into_iter().filter(|(name, _)| *name != "local") {
        let unknown = Map::from_iter([("no_such".to_owned(), Value::from(1))]);
        let setup = Setup::new(name, unknown, "unused");
        let Some(Err(error)) = Registry::builtin().create(name, &setup) else {
            panic!("{name} takes anything")
        };
        let (_, known) = error.message.split_once("there are ").unwrap();
        let mut known: Vec<&str> = known.split(", ").map(|name| name.trim_matches('`')).collect();
        let mut ours: Vec<&str> =
            settings.iter().map(|(name, ..)| *name).filter(|name| *name != "kind").collect();
        known.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, known, "{name}");
    }
}

/// A format or an answer mode that is added has to be added here.
#[test]
fn the_choices_are_those_of_the_types() {
    use tunebench_data::Format as OfData;
    use tunebench_providers::AnswerMode as OfProviders;
    let format = |format: OfData| match format {
        OfData::Csv => "csv",
        OfData::Tsv => "tsv",
        OfData::Jsonl => "jsonl",
        OfData::Json => "json",
        OfData::FastText => "fasttext",
        OfData::Lines => "lines",
        OfData::Parquet => "parquet",
        OfData::Xlsx => "xlsx",
    };
    let answer = |mode: OfProviders| match mode {
        OfProviders::Tag => "tag",
        OfProviders::Schema => "schema",
    };
    let defs: Value = serde_json::from_str(&made()).unwrap();
    let text = defs["$defs"].to_string();
    for choice in [
        format(OfData::Csv),
        format(OfData::Tsv),
        format(OfData::Jsonl),
        format(OfData::Json),
        format(OfData::FastText),
        format(OfData::Lines),
        format(OfData::Parquet),
        format(OfData::Xlsx),
        answer(OfProviders::Tag),
        answer(OfProviders::Schema),
    ] {
        assert!(text.contains(&format!("\"{choice}\"")), "{choice}: {text}");
    }
}
