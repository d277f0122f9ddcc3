//! The JSON schema of `tunebench.toml`, by which editors complete and check it, made from the types that read it.
//!
//! Made by the tests alone: the program needs no such dependency. `UPDATE_EXAMPLES=1 cargo test schema` writes it anew.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tunebench_providers::{Registry, Setting, SettingType};

use super::{COMMON, Config, KIND};

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

/// A setting, as the schema sees it.
fn setting(setting: &Setting) -> (String, Value) {
    let mut schema = match setting.value {
        SettingType::Text => json!({ "type": "string" }),
        SettingType::Switch => json!({ "type": "boolean" }),
        SettingType::Count | SettingType::Seconds => json!({ "type": "integer", "minimum": 1 }),
        SettingType::Choice(choices) => json!({ "enum": choices }),
        SettingType::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        SettingType::Table => json!({ "type": "object" }),
        _ => json!({}),
    };
    schema["description"] = setting.description().into();
    (setting.name.to_owned(), schema)
}

/// The tables under `[providers]`: those that ship are strict, others may be of a kind that a plugin brings.
pub(super) fn providers(_: &mut SchemaGenerator) -> Schema {
    let registry = Registry::builtin();
    // Hosts that are known by name take the same settings, and share a table.
    let mut names_by_table = BTreeMap::<String, (Value, Vec<&str>)>::new();
    for kind in registry.kinds().filter(|kind| kind.has_usual_instance()) {
        let settings = kind.declared().unwrap_or_default().iter().chain(&COMMON);
        let properties: Map<String, Value> = settings.map(setting).collect();
        let table = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        names_by_table.entry(table.to_string()).or_insert((table, Vec::new())).1.push(kind.name());
    }
    let (mut tables, mut patterns) = (Map::new(), Map::new());
    for (table, names) in names_by_table.into_values() {
        match names.as_slice() {
            [only] => tables.insert((*only).to_owned(), table),
            several => patterns.insert(format!("^({})$", several.join("|")), table),
        };
    }
    let (_, kind) = setting(&KIND);
    let others = json!({ "type": "object", "properties": { "kind": kind }, "required": ["kind"] });
    json_schema!({
        "type": "object",
        "properties": tables,
        "patternProperties": patterns,
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

/// The tables of settings in the docs are those that the providers declare: each stands between two comments.
#[cfg(all(feature = "anthropic", feature = "command", feature = "google", feature = "openai"))]
#[test]
fn the_docs_list_the_settings_of_the_providers() {
    let registry = Registry::builtin();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers.md");
    let published = std::fs::read_to_string(path).unwrap();
    let mut made = published.clone();
    for name in ["anthropic", "gemini", "openai", "vertex"] {
        let declared = registry.kind(name).unwrap().declared().unwrap().iter().chain(&COMMON);
        let rows: String =
            declared.map(|setting| format!("| `{}` | {} |\n", setting.name, setting.description())).collect();
        let (begin, end) = (format!("<!-- settings: {name} -->\n"), "<!-- end of settings -->");
        let from = made.find(&begin).unwrap() + begin.len();
        let to = from + made[from..].find(end).unwrap();
        made.replace_range(from..to, &format!("\n| setting | meaning |\n|---|---|\n{rows}\n"));
    }
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        return std::fs::write(path, &made).unwrap();
    }
    assert!(published == made, "docs/providers.md is old: UPDATE_EXAMPLES=1 cargo test schema");
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
