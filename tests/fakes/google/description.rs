//! Exchanges against Google's own descriptions of its APIs, where these lie beside the repository.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Exchange;

const PLACE: &str = "../../../shared/specs";
const VERTEX: &str = "google-aiplatform.json";
const DEVELOPER: &str = "google-generativelanguage.json";
const STORAGE: &str = "google-storage.json";

/// Method and path behind the fake's prefix, the description, and the schemas of request and answer. In the schemas of
/// Vertex, `~` stands for `GoogleCloudAiplatformV1`.
const CALLS: &[(&str, &str, &str, &str, &str)] = &[
    ("GET", "generativelanguage/v1beta/models", DEVELOPER, "", "ListModelsResponse"),
    ("GET", "generativelanguage/v1beta/models/*", DEVELOPER, "", "Model"),
    (
        "POST",
        "generativelanguage/v1beta/models/*:generateContent",
        DEVELOPER,
        "GenerateContentRequest",
        "GenerateContentResponse",
    ),
    (
        "POST",
        "generativelanguage/v1beta/models/*:countTokens",
        DEVELOPER,
        "CountTokensRequest",
        "CountTokensResponse",
    ),
    ("GET", "v1/publishers/google/models/*", VERTEX, "", "~PublisherModel"),
    (
        "POST",
        "v1/projects/*/locations/*/publishers/google/models/*:generateContent",
        VERTEX,
        "~GenerateContentRequest",
        "~GenerateContentResponse",
    ),
    (
        "POST",
        "v1/projects/*/locations/*/publishers/google/models/*:countTokens",
        VERTEX,
        "~CountTokensRequest",
        "~CountTokensResponse",
    ),
    (
        "POST",
        "v1/projects/*/locations/*/endpoints/*:generateContent",
        VERTEX,
        "~GenerateContentRequest",
        "~GenerateContentResponse",
    ),
    (
        "POST",
        "v1/projects/*/locations/*/endpoints/*:countTokens",
        VERTEX,
        "~CountTokensRequest",
        "~CountTokensResponse",
    ),
    (
        "POST",
        "v1/projects/*/locations/*/endpoints/*:undeployModel",
        VERTEX,
        "~UndeployModelRequest",
        "GoogleLongrunningOperation",
    ),
    ("GET", "v1/projects/*/locations/*/endpoints/*", VERTEX, "", "~Endpoint"),
    ("DELETE", "v1/projects/*/locations/*/endpoints/*", VERTEX, "", "GoogleLongrunningOperation"),
    ("GET", "v1/projects/*/locations/*/endpoints/*/operations/*", VERTEX, "", "GoogleLongrunningOperation"),
    (
        "GET",
        "v1/projects/*/locations/*/models/*:listCheckpoints",
        VERTEX,
        "",
        "~ListModelVersionCheckpointsResponse",
    ),
    ("GET", "v1/projects/*/locations/*/models/*", VERTEX, "", "~Model"),
    ("DELETE", "v1/projects/*/locations/*/models/*", VERTEX, "", "GoogleLongrunningOperation"),
    ("GET", "v1/projects/*/locations/*/models/*/operations/*", VERTEX, "", "GoogleLongrunningOperation"),
    ("POST", "v1/projects/*/locations/*/tuningJobs", VERTEX, "~TuningJob", "~TuningJob"),
    ("GET", "v1/projects/*/locations/*/tuningJobs", VERTEX, "", "~ListTuningJobsResponse"),
    ("GET", "v1/projects/*/locations/*/tuningJobs/*", VERTEX, "", "~TuningJob"),
    (
        "POST",
        "v1/projects/*/locations/*/tuningJobs/*:cancel",
        VERTEX,
        "~CancelTuningJobRequest",
        "GoogleProtobufEmpty",
    ),
    ("GET", "storage/v1/b/*", STORAGE, "", "Bucket"),
    ("GET", "storage/v1/b/*/iam/testPermissions", STORAGE, "", "TestIamPermissionsResponse"),
    ("GET", "storage/v1/b/*/o", STORAGE, "", "Objects"),
    ("GET", "storage/v1/b/*/o/*", STORAGE, "", "Object"),
    ("DELETE", "storage/v1/b/*/o/*", STORAGE, "", ""),
    ("POST", "upload/storage/v1/b/*/o", STORAGE, "", "Object"),
    ("PUT", "upload/storage/v1/b/*/o", STORAGE, "", "Object"),
    ("POST", "token", "", "", ""),
];

/// The same of files of requests and of batches, which the test of the provider makes and that of the fake does not.
const BATCH_CALLS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "POST",
        "v1/projects/*/locations/*/batchPredictionJobs",
        VERTEX,
        "~BatchPredictionJob",
        "~BatchPredictionJob",
    ),
    ("GET", "v1/projects/*/locations/*/batchPredictionJobs", VERTEX, "", "~ListBatchPredictionJobsResponse"),
    ("GET", "v1/projects/*/locations/*/batchPredictionJobs/*", VERTEX, "", "~BatchPredictionJob"),
    (
        "POST",
        "v1/projects/*/locations/*/batchPredictionJobs/*:cancel",
        VERTEX,
        "~CancelBatchPredictionJobRequest",
        "GoogleProtobufEmpty",
    ),
    ("POST", "generativelanguage/upload/v1beta/files", DEVELOPER, "", "CreateFileResponse"),
    ("GET", "generativelanguage/v1beta/files", DEVELOPER, "", "ListFilesResponse"),
    ("GET", "generativelanguage/v1beta/files/*:download", DEVELOPER, "", ""),
    ("GET", "generativelanguage/v1beta/files/*", DEVELOPER, "", "File"),
    ("DELETE", "generativelanguage/v1beta/files/*", DEVELOPER, "", ""),
    (
        "POST",
        "generativelanguage/v1beta/models/*:batchGenerateContent",
        DEVELOPER,
        "BatchGenerateContentRequest",
        "Operation",
    ),
    ("GET", "generativelanguage/v1beta/batches", DEVELOPER, "", "ListOperationsResponse"),
    ("GET", "generativelanguage/v1beta/batches/*", DEVELOPER, "", "Operation"),
    ("POST", "generativelanguage/v1beta/batches/*:cancel", DEVELOPER, "", ""),
];

/// The descriptions, with the schemas in JSON Schema.
pub struct Descriptions {
    files: BTreeMap<&'static str, Value>,
    compiled: BTreeMap<String, jsonschema::Validator>,
    /// How often each call was checked.
    pub checked: BTreeMap<&'static str, usize>,
}

impl Descriptions {
    /// Reads them; `None` where they are not there.
    pub fn load() -> Option<Self> {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(PLACE);
        let read = |name| {
            let text = std::fs::read_to_string(place.join(name)).ok()?;
            Some((name, serde_json::from_str::<Value>(&text).expect("a description is JSON")))
        };
        let files = [VERTEX, DEVELOPER, STORAGE].into_iter().map(read).collect::<Option<_>>()?;
        Some(Self { files, compiled: BTreeMap::new(), checked: BTreeMap::new() })
    }

    /// The names of the fields of a message.
    pub fn fields(&self, is_vertex: bool, name: &str) -> Vec<String> {
        let file = &self.files[if is_vertex { VERTEX } else { DEVELOPER }];
        let schema = &file["schemas"][name.replace('~', "GoogleCloudAiplatformV1")]["properties"];
        let fields = schema.as_object().unwrap_or_else(|| panic!("{name} is not described"));
        fields.iter().filter(|(_, field)| field["readOnly"] != true).map(|(name, _)| name.clone()).collect()
    }

    fn faults(&mut self, file: &'static str, name: &str, value: &Value) -> Vec<String> {
        let name = name.replace('~', "GoogleCloudAiplatformV1");
        let description = &self.files[file];
        let validator = self.compiled.entry(format!("{file} {name}")).or_insert_with(|| {
            let pruned = description["x-pruned"].as_array().cloned().unwrap_or_default();
            let schemas = description["schemas"].as_object().expect("a description has schemas");
            let definition = |(name, schema): (&String, &Value)| {
                let is_pruned = pruned.iter().any(|pruned| pruned == name);
                (name.clone(), if is_pruned { json!({}) } else { converted(schema) })
            };
            let definitions: Map<_, _> = schemas.iter().map(definition).collect();
            let schema = json!({"$ref": format!("#/$defs/{name}"), "$defs": definitions});
            jsonschema::draft202012::new(&schema).expect("a description can be compiled")
        });
        let told =
            |error: jsonschema::ValidationError<'_>| format!("{name} at {}: {error}", error.instance_path());
        validator.iter_errors(value).map(told).collect()
    }

    /// What is wrong with a request and its answer.
    pub fn check(&mut self, exchange: &Exchange) -> Vec<String> {
        if exchange.status == 0 || exchange.path.starts_with("/computeMetadata/") {
            return Vec::new();
        }
        let path = exchange.path.trim_start_matches('/');
        // Of Vertex, the place is left out.
        let path =
            path.strip_prefix("aiplatform/").and_then(|path| Some(path.split_once('/')?.1)).unwrap_or(path);
        let found =
            CALLS.iter().chain(BATCH_CALLS).find(|call| call.0 == exchange.method && fits(call.1, path));
        let Some(&(method, pattern, file, request, answer)) = found else {
            return vec![format!("{method} {path} is not described", method = exchange.method)];
        };
        let mut wrong = Vec::new();
        if !request.is_empty() && exchange.status < 400 {
            wrong.extend(self.faults(file, request, &exchange.request));
        }
        match exchange.status {
            400.. if file.is_empty() || exchange.answer.is_null() => {}
            status @ 400.. if exchange.answer["error"]["code"] == status => {}
            400.. => wrong.push(format!("{method} {path}: no error: {}", exchange.answer)),
            _ if answer.is_empty() || exchange.answer.is_null() => {}
            _ => {
                wrong.extend(self.faults(file, answer, &exchange.answer));
                *self.checked.entry(pattern).or_default() += 1;
            }
        }
        wrong
    }

    /// Calls that answer something, and of which none was checked.
    pub fn missed(&self) -> Vec<&'static str> {
        let wanted = CALLS.iter().filter(|call| !call.4.is_empty());
        wanted.map(|call| call.1).filter(|pattern| !self.checked.contains_key(pattern)).collect()
    }
}

/// Whether a path is one of a pattern, in which `*` stands for a name.
fn fits(pattern: &str, path: &str) -> bool {
    let segment = |(pattern, segment): (&str, &str)| match pattern.split_once('*') {
        None => pattern == segment,
        // A time in the name of an object is no verb.
        Some((_, "")) => {
            segment.split_once(':').is_none_or(|(_, verb)| verb.starts_with(|c: char| c.is_ascii_digit()))
        }
        Some((_, verb)) => segment.ends_with(verb),
    };
    pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(segment)
}

/// A schema of a discovery document in JSON Schema, with nothing that it does not name.
fn converted(schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return json!({"$ref": format!("#/$defs/{name}")});
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let properties: Map<_, _> =
                properties.map(|(name, schema)| (name.clone(), converted(schema))).collect();
            let more = schema.get("additionalProperties").map_or(Value::Bool(false), converted);
            json!({"type": "object", "properties": properties, "additionalProperties": more})
        }
        // Details of an error may hold anything.
        Some("array") if schema["items"]["additionalProperties"].is_object() => json!({"type": "array"}),
        Some("array") => json!({"type": "array", "items": converted(&schema["items"])}),
        Some("any") | None => json!({}),
        Some(kind) => {
            let mut converted = json!({ "type": kind });
            if let Some(names) = schema.get("enum") {
                converted["enum"] = names.clone();
            }
            converted
        }
    }
}
