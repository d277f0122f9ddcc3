//! Everything that is sent, and everything that the fake answers, against Google's discovery documents.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{KEY, TOKEN, ask, examples, fake, gemini, prompt, vertex, with};
use crate::test_kit::Contract;
use crate::test_kit::google::{Exchange, Failing, FakeGoogle, Fault};
use crate::{AnswerMode, JobMark, JobRequest, Provider, TuningSpec};

/// Beside the repository; not part of it.
const DESCRIPTIONS: &str = "../../shared/specs";

/// A description, and what stands before its paths at the fake.
const SERVICES: [(&str, &str, &str); 4] = [
    ("google-aiplatform.json", "/aiplatform/", ""),
    ("google-generativelanguage.json", "/generativelanguage/", ""),
    ("google-storage.json", "/upload/storage/v1/", "upload"),
    ("google-storage.json", "/storage/v1/", ""),
];

/// Calls that must have been made for the check to mean something.
const WANTED: [&str; 14] = [
    "generativelanguage.models.generateContent",
    "generativelanguage.models.get",
    "aiplatform.projects.locations.publishers.models.generateContent",
    "aiplatform.projects.locations.publishers.models.countTokens",
    "aiplatform.projects.locations.endpoints.generateContent",
    "aiplatform.projects.locations.endpoints.get",
    "aiplatform.projects.locations.endpoints.undeployModel",
    "aiplatform.projects.locations.endpoints.delete",
    "aiplatform.projects.locations.models.delete",
    "aiplatform.projects.locations.tuningJobs.create",
    "aiplatform.projects.locations.tuningJobs.list",
    "aiplatform.projects.locations.tuningJobs.cancel",
    "storage.objects.insert",
    "storage.objects.delete",
];

#[tokio::test]
async fn all_that_goes_over_the_wire_fits_the_descriptions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(DESCRIPTIONS);
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        Some(Description::of(serde_json::from_str(&text).unwrap()))
    };
    let Some(mut services) = SERVICES.iter().map(|(file, ..)| read(file)).collect::<Option<Vec<_>>>() else {
        tell("specs not present, not checked");
        return;
    };
    let nonsense = json!({"contents": "none"});
    let wrong = services[0].faults("GoogleCloudAiplatformV1GenerateContentRequest", &nonsense);
    assert!(!wrong.is_empty(), "the check checks nothing");
    let fake = fake().start().unwrap();
    everything(&fake).await;
    let mut checked = BTreeMap::<String, usize>::new();
    let mut wrong = Vec::new();
    for exchange in fake.recorded().iter().filter(|exchange| exchange.status > 0) {
        wrong.extend(check(&mut services, exchange, &mut checked));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missed: Vec<_> = WANTED.iter().filter(|wanted| !checked.contains_key(**wanted)).collect();
    assert!(missed.is_empty(), "never called: {missed:?}");
    let all: usize = checked.values().sum();
    tell(&format!("{all} exchanges of {} kinds fit the descriptions", checked.len()));
}

#[expect(clippy::print_stderr, reason = "a check that was not made must be seen not to be")]
fn tell(what: &str) {
    eprintln!("{what}");
}

/// Every call that the provider makes, and every way to shape it.
async fn everything(fake: &FakeGoogle) {
    let tuner = vertex(fake, json!({}));
    Contract::new(&tuner, "gemini-3.5-flash").secret(TOKEN).check().await.assert_kept();
    Contract::new(&gemini(fake, json!({})), "gemini-3.5-flash").secret(KEY).check().await.assert_kept();
    let shaped =
        json!({"thinking": "low", "safety": "high", "schema_field": "responseJsonSchema", "logprobs": true});
    for settings in [json!({}), shaped, json!({"stop": false, "thinking": "default"})] {
        let (gemini, vertex) = (gemini(fake, settings.clone()), vertex(fake, settings));
        for model in
            ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.5-flash", "gemini-3.8-flash", "no-such-model"]
        {
            for mode in [AnswerMode::Tag, AnswerMode::Schema] {
                // Those that are refused are part of it.
                let _ = gemini.complete(&with(model, "What is the rate?", mode)).await;
                let _ = vertex.complete(&with(model, "What is the rate?", mode)).await;
            }
        }
    }
    let tuning = tuner.fine_tuning().unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    tuning.write_training_file(&examples(), &prompt(), &mut file).unwrap();
    let all = json!({"epoch_count": 2, "adapter_size": 8, "learning_rate_multiplier": 0.5, "display_name": "d",
        "labels": {"team": "cards"}, "export_last_checkpoint_only": true, "service_account": "a@b", "kms_key": "k"});
    for (mark, hyperparameters) in [("c1", json!({})), ("c2", all)] {
        let uploaded = tuning.upload(file.path()).await.unwrap();
        let spec = TuningSpec::new("gemini-3.5-flash-lite", hyperparameters.as_object().cloned().unwrap(), 1);
        tuning.preflight(&spec).await.unwrap();
        let request = JobRequest::new(spec, uploaded.clone(), JobMark(mark.into())).validation_file(uploaded);
        let job = tuning.create_job(&request).await.unwrap();
        tuning.job(&job.id).await.unwrap();
        tuning.cancel_job(&job.id).await.unwrap();
        tuning.job(&job.id).await.unwrap();
        tuning.delete_file(&request.training_file).await.unwrap();
    }
    for fault in [Fault::DailyLimit, Fault::BadKey, Fault::Status(500), Fault::Status(503)] {
        fake.fail(Failing::new(fault).times(1));
        tuner.complete(&ask("gemini-3.5-flash", "x")).await.unwrap_err();
    }
}

/// A discovery document, as JSON Schema.
struct Description {
    methods: Value,
    schemas: Value,
    compiled: BTreeMap<String, jsonschema::Validator>,
}

impl Description {
    fn of(mut document: Value) -> Self {
        let pruned = document["x-pruned"].take();
        let pruned: Vec<_> = pruned.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut schemas = document["schemas"].take();
        for (name, schema) in schemas.as_object_mut().unwrap() {
            to_json_schema(schema, !pruned.contains(&name.as_str()));
        }
        Self { methods: document["methods"].take(), schemas, compiled: BTreeMap::new() }
    }

    fn faults(&mut self, name: &str, value: &Value) -> Vec<String> {
        let schemas = &self.schemas;
        let validator = self.compiled.entry(name.to_owned()).or_insert_with(|| {
            let schema = json!({"$ref": format!("#/schemas/{name}"), "schemas": schemas});
            jsonschema::draft202012::new(&schema).unwrap()
        });
        let faults = validator.iter_errors(value);
        faults.map(|error| format!("{name} at {}: {error}", error.instance_path())).collect()
    }

    /// The method that a call is of.
    fn method(&self, verb: &str, path: &str) -> Option<&Value> {
        let methods = self.methods.as_object()?.values();
        methods.filter(|method| method["httpMethod"] == verb).find(|method| {
            let pattern = method["flatPath"].as_str().or(method["path"].as_str()).unwrap_or_default();
            fits(pattern, path)
        })
    }
}

/// References by name, fields that are all that there are, and no types that JSON Schema does not know.
fn to_json_schema(schema: &mut Value, closed: bool) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::String(name)) = object.get("$ref") {
        let name = format!("#/schemas/{name}");
        *object = Map::from_iter([("$ref".to_owned(), name.into())]);
        return;
    }
    if object.get("type").is_some_and(|kind| kind == "any") {
        object.remove("type");
    }
    // Zero as a number is as good as "0", on the way in.
    object.remove("id");
    object.remove("required");
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| to_json_schema(property, true));
        if closed {
            object.entry("additionalProperties").or_insert(false.into());
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(inner) {
            to_json_schema(inner, true);
        }
    }
}

/// Whether a path is of a pattern such as `v1/{+name}:cancel` or `v1/projects/{projectsId}/tuningJobs`.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, verb) = split_verb(pattern);
    let (path, asked) = split_verb(path);
    if verb != asked {
        return false;
    }
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    // `{+name}` is a kind and an id.
    let many = pattern.iter().filter(|segment| segment.starts_with("{+")).count();
    let mut rest = path.as_slice();
    pattern.len() + many == path.len()
        && pattern.iter().all(|segment| {
            let taken = if segment.starts_with("{+") { 2 } else { 1 };
            let (now, after) = rest.split_at(taken);
            rest = after;
            segment.starts_with('{') || now == [*segment]
        })
}

/// A path and its verb, which stands behind a colon outside of braces.
fn split_verb(path: &str) -> (&str, &str) {
    path.rsplit_once(':').unwrap_or((path, ""))
}

/// What is wrong with a request and its answer.
fn check(
    services: &mut [Description],
    exchange: &Exchange,
    checked: &mut BTreeMap<String, usize>,
) -> Vec<String> {
    let call = format!("{} {}", exchange.method, exchange.path);
    let found = SERVICES.iter().position(|(_, prefix, _)| exchange.path.starts_with(prefix));
    let Some(index) = found else { return vec![format!("{call} is of no service")] };
    let (file, prefix, kind) = SERVICES[index];
    let mut path = &exchange.path[prefix.len()..];
    if file == "google-aiplatform.json" {
        path = path.split_once('/').unwrap().1;
    }
    // The content of an object is not described, and neither is the way of its pieces.
    let (asked, answered) = match (kind, exchange.method.as_str()) {
        ("upload", _) => (None, Some("Object".to_owned())),
        _ => (Some("request"), None),
    };
    let Some(method) =
        services[index].method(if kind == "upload" { "POST" } else { &exchange.method }, path).cloned()
    else {
        return vec![format!("{call} is not described")];
    };
    *checked.entry(method["id"].as_str().unwrap().to_owned()).or_default() += 1;
    let name = |of: &str| method[of]["$ref"].as_str().map(str::to_owned);
    let mut wrong = Vec::new();
    if let Some(request) = asked.and_then(name) {
        wrong.extend(services[index].faults(&request, &exchange.request));
    }
    if (200..300).contains(&exchange.status)
        && let Some(answer) = answered.or(name("response")).filter(|_| exchange.answer.is_object())
    {
        wrong.extend(services[index].faults(&answer, &exchange.answer));
    }
    wrong.into_iter().map(|fault| format!("{call}: {fault}")).collect()
}
