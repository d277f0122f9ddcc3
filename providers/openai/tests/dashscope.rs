//! Fine-tuning in Alibaba's way: a model answers when it is deployed, and its job is done no sooner.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{KEY, ask, examples, prompt};
use crate::contract::Contract;
use crate::openai::OpenAiProvider;
use crate::openai::hosts::Host;
use crate::{
    Cause, Job, JobMark, JobRequest, JobStatus, Provider, ProviderError, Retry, Scope, Setup, TuningSpec,
};
use tunebench_fakes::openai::{Failing, FakeOpenAi, Fault};

const BASE: &str = "qwen3-14b";
const MARK: &str = "00112233445566778899aabbccddeeff";

fn fake() -> FakeOpenAi {
    FakeOpenAi::builder().key(KEY).model(BASE, None).start().unwrap()
}

fn provider(fake: &FakeOpenAi) -> OpenAiProvider {
    let settings =
        json!({"base_url": fake.dashscope_url(), "api_key_env": "TUNEBENCH_FAKE_KEY", "check_models": true});
    let setup = Setup::new("dashscope", settings.as_object().cloned().unwrap(), ".");
    let key = [("TUNEBENCH_FAKE_KEY".to_owned(), KEY.to_owned())];
    OpenAiProvider::at_host(&Host::all()["dashscope"], &setup.variables(BTreeMap::from(key))).unwrap()
}

async fn ordered(provider: &OpenAiProvider) -> Result<Job, ProviderError> {
    let tuning = provider.fine_tuning().unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    tuning.write_training_file(&examples(), &prompt(), &mut file).unwrap();
    let uploaded = tuning.upload(file.path()).await?;
    let numbers = json!({"n_epochs": 2, "learning_rate": 0.0001}).as_object().cloned().unwrap();
    let request = JobRequest::new(TuningSpec::new(BASE, numbers, 1), uploaded, JobMark(MARK.into()));
    tuning.create_job(&request).await
}

#[tokio::test]
async fn it_keeps_to_the_contract() {
    let fake = fake();
    let report = Contract::new(&provider(&fake), BASE).secret(KEY).check().await;
    report.assert_kept();
    let not_offered =
        report.findings.iter().filter(|finding| finding.verdict == crate::contract::Verdict::NotOffered);
    assert_eq!(not_offered.map(|finding| finding.rule).collect::<Vec<_>>(), ["batches"]);
    assert_eq!(fake.deployments(), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_is_done_when_its_model_answers_and_deletes_all_of_it() {
    let fake = fake();
    let provider = provider(&fake);
    let tuning = provider.fine_tuning().unwrap();
    let mut job = ordered(&provider).await.unwrap();
    let mut seen = vec![job.status.to_string()];
    for _ in 0..20 {
        job = tuning.job(&job.id).await.unwrap();
        seen.push(job.status.to_string());
        if job.status.is_final() {
            break;
        }
    }
    seen.dedup();
    assert_eq!(seen, ["queued", "running", "being deployed", "succeeded"]);
    let model = job.tuned_model.clone().unwrap();
    assert_eq!(fake.deployments(), [model.as_str()]);
    assert!(job.trained_tokens.unwrap() > 0 && job.hyperparameters["learning_rate"] == "1e-4");
    assert_eq!(
        provider.complete(&ask(&model, "where is the plastic")).await.unwrap().text,
        "<output>card arrival"
    );
    // Looked at again, it is not deployed again.
    tuning.job(&job.id).await.unwrap();
    assert_eq!(fake.deployments().len(), 1);
    let events = tuning.events(&job.id, 0).await.unwrap();
    assert_eq!(tuning.events(&job.id, 2).await.unwrap(), events[2..]);
    tuning.delete_model(&model).await.unwrap();
    assert!(fake.deployments().is_empty() && tuning.jobs().await.unwrap().is_empty());
}

#[tokio::test]
async fn looking_for_a_job_deploys_nothing_and_neither_does_a_strangers() {
    let fake = fake();
    let provider = provider(&fake);
    let tuning = provider.fine_tuning().unwrap();
    let id = ordered(&provider).await.unwrap().id;
    let mut looks = 0;
    // The fake moves a job on when it is looked at by its id; here by a client that deploys nothing.
    let looked = async || {
        let url = format!("{}/fine-tunes/{}", fake.dashscope_url().replace("compatible-mode", "api"), id.0);
        reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(url)
            .bearer_auth(KEY)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    while !looked().await.contains("SUCCEEDED") {
        looks += 1;
        assert!(looks < 20);
    }
    let found = tuning.find_job(&JobMark(MARK.into())).await.unwrap().unwrap();
    assert_eq!((found.status, found.tuned_model), (JobStatus::Other("being deployed".into()), None));
    tuning.jobs().await.unwrap();
    assert!(fake.deployments().is_empty());
}

#[tokio::test]
async fn an_error_is_one_whatever_its_status() {
    let fake = fake();
    let provider = provider(&fake);
    for (status, code, cause, scope, again) in [
        (400, "Arrearage", Cause::Quota, Scope::Provider, false),
        (200, "Throttling.RateQuota", Cause::RateLimit, Scope::Request, true),
        (200, "InvalidParameter", Cause::Invalid, Scope::Request, false),
        (403, "AccessDenied.Unpurchased", Cause::Access, Scope::Provider, false),
        (500, "InternalError", Cause::Server, Scope::Request, true),
        (401, "InvalidApiKey", Cause::Access, Scope::Provider, false),
    ] {
        fake.heal();
        let body = json!({"request_id": "r", "code": code, "message": "Said so."});
        fake.fail(Failing::new(Fault::Answer(status, body)).on("/fine-tunes"));
        let error = ordered(&provider).await.unwrap_err();
        let found = (error.cause, error.scope, error.retry != Retry::Never);
        assert_eq!(found, (cause, scope, again), "{status} {code}: {error}");
    }
    // What can never become a job leaves no file behind.
    fake.heal();
    let before = fake.files().len();
    fake.fail(Failing::new(Fault::Answer(400, Value::Null)).on("POST /api/v1/fine-tunes").times(1));
    assert_eq!(ordered(&provider).await.unwrap_err().cause, Cause::Invalid);
    assert_eq!(fake.files().len(), before);
}
