//! Fine-tuning and deployments in Together's way: files go to a store, and a model answers only while it is billed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{KEY, ask, examples, prompt};
use crate::contract::Contract;
use crate::openai::OpenAiProvider;
use crate::openai::hosts::Host;
use crate::{
    Cause, DeploymentMark, DeploymentOrder, DeploymentState, FileStatus, Job, JobMark, JobRequest, Provider,
    ProviderError, Retry, Setup, TuningSpec,
};

use tunebench_fakes::openai::{DeploymentScript, Failing, FakeOpenAi, Fault};

const BASE: &str = "Qwen/Qwen3.5-0.8B";
const MARK: &str = "00112233445566778899aabbccddeeff";
const IDLE: Duration = Duration::from_secs(1_800);

fn fake() -> FakeOpenAi {
    FakeOpenAi::builder().key(KEY).model(BASE, None).start().unwrap()
}

fn provider(fake: &FakeOpenAi) -> OpenAiProvider {
    let settings =
        json!({"base_url": fake.together_url(), "api_key_env": "TUNEBENCH_FAKE_KEY", "check_models": true});
    let setup = Setup::new("together", settings.as_object().cloned().unwrap(), ".");
    let key = [("TUNEBENCH_FAKE_KEY".to_owned(), KEY.to_owned())];
    OpenAiProvider::at_host(&Host::all()["together"], &setup.variables(BTreeMap::from(key))).unwrap()
}

fn spec(hyperparameters: Value) -> TuningSpec {
    TuningSpec::new(BASE, hyperparameters.as_object().cloned().unwrap(), 1)
}

/// Uploads the examples, and waits until they have been looked through.
async fn uploaded(provider: &OpenAiProvider) -> Result<JobRequest, ProviderError> {
    let tuning = provider.fine_tuning().unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    tuning.write_training_file(&examples(), &prompt(), &mut file).unwrap();
    let uploaded = tuning.upload(file.path()).await?;
    while tuning.file_status(&uploaded).await? == FileStatus::Checking {}
    Ok(JobRequest::new(spec(json!({"n_epochs": 2})), uploaded, JobMark(MARK.into())))
}

async fn trained(provider: &OpenAiProvider) -> Job {
    let request = uploaded(provider).await.unwrap();
    let tuning = provider.fine_tuning().unwrap();
    let mut job = tuning.create_job(&request).await.unwrap();
    while !job.status.is_final() {
        job = tuning.job(&job.id).await.unwrap();
    }
    job
}

#[tokio::test]
async fn it_keeps_to_the_contract() {
    let fake = fake();
    let report = Contract::new(&provider(&fake), BASE).secret(KEY).check().await;
    report.assert_kept();
    assert!(!report.to_string().contains("not offered"), "{report}");
    assert!(fake.running().is_empty() && fake.endpoints().is_empty(), "{:?}", fake.endpoints());
    assert!(fake.bill_cents() > 0);
}

#[tokio::test]
async fn a_file_goes_to_the_store_without_the_key_and_only_once() {
    let fake = fake();
    let provider = provider(&fake);
    let first = uploaded(&provider).await.unwrap();
    let second = uploaded(&provider).await.unwrap();
    assert_eq!(first.training_file, second.training_file);
    assert_eq!(fake.stats().count("PUT /together/uploads/{id}"), 1);
    let stored = fake.recorded().into_iter().filter(|exchange| exchange.path.contains("/uploads/"));
    for exchange in stored {
        assert!(!exchange.header_names.iter().any(|name| name == "authorization"), "{exchange:?}");
    }
    // Where the free credit is used up, the service says that the key is wrong.
    fake.fail(Failing::new(Fault::Status(401)).on("POST /together/v1/files"));
    assert!(uploaded(&provider).await.unwrap_err().hint.unwrap().contains("free credit"));
}

#[tokio::test]
async fn no_data_is_sent_to_an_address_that_is_not_safe() {
    use reqwest::header::{HeaderMap, HeaderValue};
    let fake = fake();
    let mut settings = crate::openai::settings::Settings::official();
    settings.base_url = reqwest::Url::parse("https://api.together.ai/v1/").unwrap();
    let setup = Setup::new("together", Default::default(), ".");
    let connection = crate::openai::connection::Connection::new(settings, &setup);
    for (location, good) in [
        ("https://store.example/put?x=1", true),
        ("http://store.example/put", false),
        ("https://10.1.2.3/put", false),
        ("https://169.254.169.254/", false),
        ("file:///etc/passwd", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_str(location).unwrap());
        headers.insert("x-together-file-id", HeaderValue::from_static("file-1"));
        let answer = crate::http::Answer { status: 302, headers, body: Vec::new() };
        assert_eq!(crate::openai::together::upload::place(&connection, &answer).is_ok(), good, "{location}");
    }
    drop(fake);
}

#[tokio::test]
async fn limits_and_price_are_known_before_the_job() {
    let fake =
        FakeOpenAi::builder().key(KEY).model(BASE, None).model("Qwen/x-undeployable", None).start().unwrap();
    let provider = provider(&fake);
    let tuning = provider.fine_tuning().unwrap();
    assert_eq!(tuning.preflight(&spec(json!({}))).await, Ok(Vec::new()));
    for (hyperparameters, words) in
        [(json!({"n_epochs": 21}), "at most 20"), (json!({"learning_rate": 0.5}), "`learning_rate`")]
    {
        let error = tuning.preflight(&spec(hyperparameters)).await.unwrap_err();
        assert!(error.cause == Cause::Invalid && error.message.contains(words), "{error}");
    }
    for (base, words) in [("Qwen/none", "can't be tuned"), ("Qwen/x-undeployable", "never answer")] {
        let error = tuning.preflight(&TuningSpec::new(base, Default::default(), 1)).await.unwrap_err();
        assert!(error.retry == Retry::Never && error.message.contains(words), "{error}");
    }
    let request = uploaded(&provider).await.unwrap();
    let estimate = tuning.estimate(&request).await.unwrap().unwrap();
    assert!(estimate.usd > 0.0 && estimate.warnings.is_empty(), "{estimate:?}");
    fake.fail(
        Failing::new(Fault::Answer(
            200,
            json!({"estimation_available": true, "estimated_total_price": 3.5,
        "allowed_to_proceed": false, "user_limit": 1.0}),
        ))
        .on("estimate-price"),
    );
    let warned = tuning.estimate(&request).await.unwrap().unwrap();
    assert!(warned.usd == 3.5 && warned.warnings[0].contains("of $1.00"), "{warned:?}");
}

#[tokio::test]
async fn a_file_that_is_refused_says_why() {
    let fake = fake();
    let provider = provider(&fake);
    let tuning = provider.fine_tuning().unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"{\"messages\": []}\n").unwrap();
    let id = tuning.upload(file.path()).await.unwrap();
    assert_eq!(tuning.file_status(&id).await, Ok(FileStatus::Checking));
    let FileStatus::Refused(reason) = tuning.file_status(&id).await.unwrap() else { panic!("it is refused") };
    assert!(reason.contains("Example 1"), "{reason}");
}

#[tokio::test]
async fn a_job_tells_losses_and_checkpoints() {
    let fake = fake();
    let provider = provider(&fake);
    let job = trained(&provider).await;
    let tuning = provider.fine_tuning().unwrap();
    assert!(job.tuned_model.as_deref().unwrap().starts_with("Qwen/Qwen3.5-0.8B@ml_"), "{job:?}");
    let losses = tuning.loss_curve(&job.id).await.unwrap();
    assert!(losses.len() > 1 && losses.iter().all(|point| point.train_loss.is_some()), "{losses:?}");
    let checkpoints = tuning.checkpoints(&job.id).await.unwrap();
    assert_eq!(checkpoints.last().map(|last| last.model.as_str()), job.tuned_model.as_deref());
    let found = tuning.find_job(&JobMark(MARK.into())).await.unwrap().unwrap();
    assert_eq!((found.id, found.tuned_model), (job.id, job.tuned_model));
}

#[tokio::test]
async fn a_deployment_is_billed_until_it_has_stopped() {
    let fake = fake();
    let provider = provider(&fake);
    let model = trained(&provider).await.tuned_model.unwrap();
    let deployments = provider.deployments().unwrap();
    let offer = deployments.offer(&model).await.unwrap();
    assert_eq!((offer.usd_per_hour, offer.hardware.as_str()), (Some(3.99), "1x H100 80GB"));
    let mark = DeploymentMark::new(&[7; 6]).unwrap();
    let made = deployments.create(&DeploymentOrder::new(&model, offer, mark.clone(), IDLE)).await.unwrap();
    assert_eq!((made.idle, made.mark.as_ref()), (Some(IDLE), Some(&mark)));
    assert_eq!(fake.running().len(), 1);
    let mut ready = made.clone();
    while ready.served_as.is_none() {
        ready = deployments.deployment(&made.id).await.unwrap().unwrap();
    }
    let request = ask(&model, "where is the plastic").served_as(ready.served_as.as_deref().map(Into::into));
    assert_eq!(provider.complete(&request).await.unwrap().text, "<output>card arrival");
    // Thinking is switched off as for its base, whatever the deployment is called.
    assert!(fake.recorded().last().unwrap().request["reasoning"]["enabled"] == false);
    assert_eq!(provider.complete(&ask(&model, "x")).await.unwrap_err().cause, Cause::Unsupported);
    // A net that nobody holds: nobody asks, and it stops by itself.
    let before = fake.bill_cents();
    fake.pass_minutes(40);
    assert!(fake.running().is_empty() && fake.bill_cents() > before);
    let gone = provider.complete(&request).await.unwrap_err();
    assert!(gone.cause == Cause::NotFound && gone.retry != Retry::Never, "{gone:?}");
    while deployments.deployment(&made.id).await.unwrap().is_some() {
        deployments.take_down(&made.id).await.unwrap();
    }
    assert!(fake.endpoints().is_empty());
}

#[tokio::test]
async fn a_refused_deployment_leaves_no_endpoint_and_one_of_many_is_found() {
    let fake = fake();
    let provider = provider(&fake);
    let model = trained(&provider).await.tuned_model.unwrap();
    let deployments = provider.deployments().unwrap();
    let offer = deployments.offer(&model).await.unwrap();
    let order = |byte: u8| {
        DeploymentOrder::new(&model, offer.clone(), DeploymentMark::new(&[byte; 6]).unwrap(), IDLE)
    };
    fake.fail(Failing::new(Fault::Answer(400, json!({"error": {"message": "No room."}}))).on("/deployments"));
    assert_eq!(deployments.create(&order(1)).await.unwrap_err().retry, Retry::Never);
    assert!(fake.endpoints().is_empty());
    fake.heal();
    for byte in 1..=5 {
        deployments.create(&order(byte)).await.unwrap();
    }
    let listed = deployments.list().await.unwrap();
    assert_eq!(listed.len(), 5);
    assert!(listed.iter().all(|found| found.state == DeploymentState::Preparing && found.mark.is_some()));
    assert!(model.ends_with(&listed[0].model), "{listed:?}");
    // A second one of the same name is refused, and nothing is lost.
    assert!(deployments.create(&order(3)).await.is_err());
    assert_eq!(deployments.list().await.unwrap().len(), 5);
    // Without a price there is none, and not zero.
    let mut script = DeploymentScript::default();
    script.unpriced = true;
    fake.script_deployments(script);
    assert_eq!(deployments.offer(&model).await.unwrap().usd_per_hour, None);
}
