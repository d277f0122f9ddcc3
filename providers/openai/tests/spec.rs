//! Everything that is sent, and everything that the fake answers, against OpenAI's own API description.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{KEY, ask, examples, prompt, provider, with};
use crate::contract::Contract;
use crate::{AnswerMode, JobMark, JobRequest, Provider, TuningSpec};
use tunebench_fakes::openai::{Exchange, Failing, FakeOpenAi, Fault};

/// Beside the repository; not part of it.
const DESCRIPTION: &str = "../../shared/specs/openai.json";

/// Method and path, and the schemas of request and answer. Decisions are not in the description.
const SCHEMAS: &[(&str, &str, &str, &str)] = &[
    ("POST", "/v1/chat/completions", "CreateChatCompletionRequest", "CreateChatCompletionResponse"),
    ("POST", "/v1/responses", "CreateResponse", "Response"),
    ("POST", "/v1/files", "", "OpenAIFile"),
    ("DELETE", "/v1/files/{id}", "", "DeleteFileResponse"),
    ("GET", "/v1/files/{id}/content", "", ""),
    ("GET", "/v1/models", "", "ListModelsResponse"),
    ("GET", "/v1/models/{id}", "", "Model"),
    ("DELETE", "/v1/models/{id}", "", "DeleteModelResponse"),
    ("POST", "/v1/fine_tuning/jobs", "CreateFineTuningJobRequest", "FineTuningJob"),
    ("GET", "/v1/fine_tuning/jobs", "", "ListPaginatedFineTuningJobsResponse"),
    ("GET", "/v1/fine_tuning/jobs/{id}", "", "FineTuningJob"),
    ("POST", "/v1/fine_tuning/jobs/{id}/cancel", "", "FineTuningJob"),
    ("GET", "/v1/fine_tuning/jobs/{id}/events", "", "ListFineTuningJobEventsResponse"),
    ("GET", "/v1/fine_tuning/jobs/{id}/checkpoints", "", "ListFineTuningJobCheckpointsResponse"),
];

#[tokio::test]
async fn all_that_goes_over_the_wire_fits_the_description() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(DESCRIPTION);
    let Ok(text) = std::fs::read_to_string(&file) else {
        tell("spec not present, not checked");
        return;
    };
    let mut schemas =
        Schemas { description: serde_json::from_str(&text).unwrap(), compiled: BTreeMap::new() };
    let nonsense = json!({"model": "gpt-4.1", "messages": "none"});
    assert!(!schemas.faults("CreateChatCompletionRequest", &nonsense).is_empty(), "the check checks nothing");
    let fake = FakeOpenAi::start().unwrap();
    everything(&fake).await;
    let exchanges = fake.recorded();
    let mut checked = BTreeMap::new();
    let mut wrong = Vec::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.status > 0) {
        wrong.extend(check(&mut schemas, exchange, &mut checked));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missed: Vec<_> =
        SCHEMAS.iter().filter(|row| !checked.contains_key(&format!("{} {}", row.0, row.1))).collect();
    assert!(missed.is_empty(), "never called: {missed:?}");
    tell(&format!(
        "{} exchanges of {} kinds fit the description",
        checked.values().sum::<usize>(),
        checked.len()
    ));
}

#[expect(clippy::print_stderr, reason = "a check that was not made must be seen not to be")]
fn tell(what: &str) {
    eprintln!("{what}");
}

/// Every call that the provider makes, and every way to shape it.
async fn everything(fake: &FakeOpenAi) {
    let tuner = provider(fake, json!({"logprobs": true}));
    Contract::new(&tuner, "gpt-4.1-mini-2025-04-14").secret(KEY).check().await.assert_kept();
    let modern = json!({"max_tokens_field": "max_completion_tokens", "reasoning_effort": "low", "store": false,
        "system_role": "developer", "logprobs": true});
    for settings in [json!({}), json!({"logprobs": true, "store": false}), modern] {
        let provider = provider(fake, settings);
        for model in ["gpt-4.1", "gpt-6-luna", "responses/gpt-4.1", "responses/gpt-6-luna", "no-such-model"] {
            for mode in [AnswerMode::Tag, AnswerMode::Schema] {
                // Those that are refused are part of it.
                let _ = provider.complete(&with(model, "What is the rate?", mode)).await;
            }
        }
    }
    let tuning = tuner.fine_tuning().unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    tuning.write_training_file(&examples(), &prompt(), &mut file).unwrap();
    let all = json!({"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.5, "suffix": "s"});
    for (mark, hyperparameters) in [("c1", json!({})), ("c2", json!({"n_epochs": "auto"})), ("c3", all)] {
        let uploaded = tuning.upload(file.path()).await.unwrap();
        let spec =
            TuningSpec::new("gpt-4.1-2025-04-14", hyperparameters.as_object().unwrap().clone(), u64::MAX);
        let request = JobRequest::new(spec, uploaded.clone(), JobMark(mark.into())).validation_file(uploaded);
        let job = tuning.create_job(&request).await.unwrap();
        for _ in 0..4 {
            tuning.job(&job.id).await.unwrap();
        }
        tuning.events(&job.id, 0).await.unwrap();
        tuning.checkpoints(&job.id).await.unwrap();
        assert!(!tuning.loss_curve(&job.id).await.unwrap().is_empty());
        tuning.delete_file(&request.training_file).await.unwrap();
    }
    let uploaded = tuning.upload(file.path()).await.unwrap();
    let spec = TuningSpec::new("gpt-4.1-2025-04-14", serde_json::Map::new(), 0);
    let job = tuning.create_job(&JobRequest::new(spec, uploaded, JobMark("c4".into()))).await.unwrap();
    tuning.cancel_job(&job.id).await.unwrap();
    // The list of models is asked for only where there are no pages.
    fake.fail(Failing::new(Fault::Status(404)).on("GET /v1/models/").times(1));
    tuner.model_info("gpt-4.1").await.unwrap();
    for fault in
        [Fault::Billing, Fault::BadKey, Fault::TrainingNotAvailable, Fault::Status(500), Fault::Status(503)]
    {
        fake.fail(Failing::new(fault).times(1));
        tuner.complete(&ask("gpt-4.1", "x")).await.unwrap_err();
    }
}

struct Schemas {
    description: Value,
    compiled: BTreeMap<String, jsonschema::Validator>,
}

impl Schemas {
    fn faults(&mut self, name: &str, value: &Value) -> Vec<String> {
        let components = &self.description["components"];
        let validator = self.compiled.entry(name.to_owned()).or_insert_with(|| {
            let schema = json!({"$ref": format!("#/components/schemas/{name}"), "components": components});
            jsonschema::draft202012::new(&schema).unwrap()
        });
        validator
            .iter_errors(value)
            .map(|error| format!("{name} at {}: {error}", error.instance_path()))
            .collect()
    }
}

/// What is wrong with a request and its answer.
fn check(schemas: &mut Schemas, exchange: &Exchange, checked: &mut BTreeMap<String, usize>) -> Vec<String> {
    let fits = |pattern: &str| {
        let (pattern, path) = (pattern.split('/'), exchange.path.split('/'));
        pattern.clone().count() == path.clone().count()
            && pattern.zip(path).all(|(p, s)| p == "{id}" || p == s)
    };
    let Some(row) = SCHEMAS.iter().find(|row| row.0 == exchange.method && fits(row.1)) else {
        let known = exchange.path == "/v1/decisions";
        return if known {
            Vec::new()
        } else {
            vec![format!("{} {} is not described", exchange.method, exchange.path)]
        };
    };
    let (method, path, request, answer) = row;
    *checked.entry(format!("{method} {path}")).or_default() += 1;
    let mut wrong = Vec::new();
    if !request.is_empty() {
        wrong.extend(schemas.faults(request, &exchange.request));
    }
    if *path == "/v1/files" {
        for line in exchange.request["file"].as_str().unwrap().lines() {
            wrong.extend(schemas.faults("FineTuneChatRequestInput", &serde_json::from_str(line).unwrap()));
        }
        assert_eq!(exchange.request["purpose"], "fine-tune");
    }
    match exchange.status {
        400.. => wrong.extend(schemas.faults("ErrorResponse", &exchange.answer)),
        _ if answer.is_empty() => {}
        _ => wrong.extend(schemas.faults(answer, &exchange.answer)),
    }
    wrong
}
