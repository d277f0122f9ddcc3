//! Fine-tuning from the file to the model, and what gets in the way.

use std::io::Write;

use serde_json::{Value, json};
use tunebench_data::Example;

use super::{ask, examples, prompt, provider};
use crate::openai::OpenAiProvider;
use crate::openai::fine_tuning::Tuning;
use crate::{
    Cause, FineTuning, Job, JobMark, JobRequest, JobStatus, Provider, ProviderError, Retry, Scope, TuningSpec,
};
use tunebench_fakes::openai::{Failing, FakeOpenAi, Fault};

const BASE: &str = "gpt-4.1-mini-2025-04-14";

fn tuning(provider: &OpenAiProvider) -> &Tuning {
    provider.tuning.as_ref().unwrap()
}

fn spec(base: &str, hyperparameters: Value) -> TuningSpec {
    TuningSpec::new(base, hyperparameters.as_object().unwrap().clone(), 7)
}

fn file(provider: &OpenAiProvider, examples: &[Example]) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    tuning(provider).write_training_file(examples, &prompt(), &mut file).unwrap();
    file.flush().unwrap();
    file
}

async fn order(provider: &OpenAiProvider, mark: &str) -> Result<Job, ProviderError> {
    let tuning = tuning(provider);
    let uploaded = tuning.upload(file(provider, &examples()).path()).await?;
    let held_out = tuning.upload(file(provider, &examples()).path()).await?;
    let spec = spec(BASE, json!({"n_epochs": 4, "batch_size": 3, "suffix": "bank"}));
    let request = JobRequest::new(spec, uploaded, JobMark(mark.into())).validation_file(held_out);
    tuning.create_job(&request).await
}

async fn ended(provider: &OpenAiProvider, mut job: Job) -> Job {
    for _ in 0..20 {
        job = tuning(provider).job(&job.id).await.unwrap();
        if job.status.is_final() {
            return job;
        }
    }
    panic!("the job does not end: {job:?}");
}

#[tokio::test]
async fn from_the_file_to_a_better_model() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({}));
    let tuning = tuning(&provider);
    tuning.check(&spec(BASE, json!({})), &examples(), &prompt()).unwrap();
    assert_eq!(tuning.preflight(&spec(BASE, json!({}))).await.unwrap(), Vec::<String>::new());
    let created = order(&provider, "ab01").await.unwrap();
    assert_eq!((&created.status, created.mark.as_ref()), (&JobStatus::Queued, Some(&JobMark("ab01".into()))));
    let job = ended(&provider, created).await;
    let model = job.tuned_model.clone().unwrap();
    assert!(model.starts_with("ft:gpt-4.1-mini-2025-04-14:fake-org:bank:"), "{model}");
    assert_eq!(job.hyperparameters["n_epochs"], 4);
    assert_eq!(job.hyperparameters["seed"], 7);
    assert!(job.trained_tokens.unwrap() > 0);

    let events = tuning.events(&job.id, 0).await.unwrap();
    let last = events.iter().rev().find_map(|event| event.progress).unwrap();
    assert_eq!((last.step, last.total_steps), (16, Some(16)));
    assert!(events[0].message.starts_with("Created fine-tuning job"));

    let checkpoints = tuning.checkpoints(&job.id).await.unwrap();
    assert_eq!(checkpoints.iter().map(|checkpoint| checkpoint.step).collect::<Vec<_>>(), [8, 12, 16]);
    let losses = tuning.loss_curve(&job.id).await.unwrap();
    assert_eq!(losses.iter().map(|point| point.step).collect::<Vec<_>>(), (1..=16).collect::<Vec<_>>());
    assert!(losses[0].train_loss > losses[15].train_loss && losses[15].valid_loss.is_some());

    let mut right = [0, 0, 0];
    for (right, model) in right.iter_mut().zip([BASE, &model, &checkpoints[0].model]) {
        for example in examples() {
            let completion = provider.complete(&ask(model, &example.text)).await.unwrap();
            *right += usize::from(prompt().parse(&completion.text) == Ok(example.label));
        }
    }
    assert!(right[0] < 12 && right[1] == 12 && right[2] == 12, "{right:?}");
    assert_eq!(provider.model_info(&model).await.unwrap().tuned_from.as_deref(), Some(BASE));
}

#[tokio::test]
async fn an_answer_that_gets_lost_does_not_train_twice() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({}));
    fake.fail(Failing::new(Fault::Reset).on("POST /v1/fine_tuning/jobs").times(1).after_work());
    let error = order(&provider, "ab02").await.unwrap_err();
    assert_eq!((error.cause, error.retry != Retry::Never), (Cause::Network, true));
    let found = tuning(&provider).find_job(&JobMark("ab02".into())).await.unwrap().unwrap();
    assert_eq!(fake.jobs(), [found.id.0]);
    // The files are still in use.
    assert_eq!(fake.files().len(), 2);
}

#[tokio::test]
async fn a_job_that_cannot_start_leaves_no_file_behind() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({}));
    for (fault, cause, scope) in [
        (Fault::TrainingNotAvailable, Cause::Unsupported, Scope::Model),
        (Fault::DailyLimit, Cause::Quota, Scope::Model),
        (Fault::Billing, Cause::Quota, Scope::Provider),
    ] {
        fake.fail(Failing::new(fault.clone()).on("POST /v1/fine_tuning/jobs").times(1));
        let error = order(&provider, "ab03").await.unwrap_err();
        assert_eq!((error.cause, error.scope, error.retry), (cause, scope, Retry::Never), "{fault:?}");
        assert!(error.hint.is_some(), "{fault:?}");
        assert!(fake.files().is_empty(), "{fault:?}");
    }
    fake.fail(Failing::new(Fault::Status(500)).on("POST /v1/fine_tuning/jobs").times(1));
    assert_eq!(order(&provider, "ab04").await.unwrap_err().cause, Cause::Server);
    assert_eq!(fake.files().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_worth_another_try() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({}));
    let request =
        JobRequest::new(spec(BASE, json!({})), crate::FileId("file-new".into()), JobMark("ab05".into()));
    let error = tuning(&provider).create_job(&request).await.unwrap_err();
    assert!(matches!(error.retry, Retry::Later { after: Some(_) }), "{error:?}");
}

#[tokio::test]
async fn a_job_that_fails_says_why() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({}));
    let mut poisoned = examples();
    poisoned[5].text = "<|fim_suffix|>".into();
    let tuning = tuning(&provider);
    assert!(
        tuning.check(&spec(BASE, json!({})), &poisoned, &prompt()).unwrap_err().message.contains("row 6")
    );
    let uploaded = tuning.upload(file(&provider, &poisoned).path()).await.unwrap();
    let request = JobRequest::new(spec(BASE, json!({})), uploaded, JobMark("ab06".into()));
    let job = ended(&provider, tuning.create_job(&request).await.unwrap()).await;
    assert_eq!((&job.status, job.tuned_model), (&JobStatus::Failed, None));
    assert_eq!(job.error.as_deref(), Some("Example 6 contains a special token. (training_file)"));
    assert_eq!(tuning.find_job(&JobMark("ab06".into())).await.unwrap(), None);
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({}));
    let tuning = tuning(&provider);
    let uploaded = tuning.upload(file(&provider, &examples()).path()).await.unwrap();
    for number in 0..205 {
        let mark = JobMark(format!("{number:032x}"));
        tuning.create_job(&JobRequest::new(spec(BASE, json!({})), uploaded.clone(), mark)).await.unwrap();
    }
    let jobs = tuning.jobs().await.unwrap();
    assert_eq!(jobs.len(), 205);
    assert_eq!(jobs[0].mark, Some(JobMark(format!("{:032x}", 204))));
    let first = tuning.find_job(&JobMark(format!("{:032x}", 0))).await.unwrap().unwrap();
    assert_eq!(first.id, jobs[204].id);
    tuning.cancel_job(&first.id).await.unwrap();
    assert_eq!(tuning.find_job(&JobMark(format!("{:032x}", 0))).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_ignores_filter_and_paging_is_asked_no_more_than_needed() {
    let fake = FakeOpenAi::start().unwrap();
    let provider = provider(&fake, json!({}));
    let job = |number: u32, mark: &str| json!({"id": format!("ftjob-{number}"), "status": "running", "metadata": {"tunebench_mark": mark}});
    let page = json!({"data": [job(3, "other"), job(2, "ab07"), job(1, "ab07")], "has_more": true});
    fake.fail(Failing::new(Fault::Answer(200, page)).on("GET /v1/fine_tuning/jobs"));
    let found = tuning(&provider).find_job(&JobMark("ab07".into())).await.unwrap().unwrap();
    assert_eq!(found.id.0, "ftjob-2");
    assert_eq!(fake.stats().count("GET /v1/fine_tuning/jobs"), 2);
}

#[tokio::test]
async fn what_cannot_be_tuned_is_said_before_anything_is_uploaded() {
    let fake = FakeOpenAi::builder().model("gpt-soon", Some("2027-01-14")).start().unwrap();
    let mut provider = provider(&fake, json!({}));
    provider.tuning.as_mut().unwrap().today = || jiff::civil::date(2026, 11, 22);
    let tuning = tuning(&provider);
    let error = tuning.preflight(&spec("gpt-3.5-turbo", json!({}))).await.unwrap_err();
    assert_eq!((error.cause, error.retry), (Cause::Unsupported, Retry::Never));
    assert!(
        error.message.contains("2026-10-23") && error.hint.unwrap().contains("gpt-5.6-terra"),
        "{}",
        error.message
    );
    let warnings = tuning.preflight(&spec("gpt-soon", json!({}))).await.unwrap();
    assert!(warnings[0].contains("2027-01-14"), "{warnings:?}");
    let error = tuning.preflight(&spec("gpt-none", json!({}))).await.unwrap_err();
    assert_eq!(error.cause, Cause::NotFound);
    assert!(fake.files().is_empty() && fake.stats().count("POST /v1/files") == 0);
}

#[test]
fn the_calendar_of_openai_itself() {
    let setup = crate::Setup::new("openai", serde_json::Map::new(), ".");
    if setup.variable("OPENAI_BASE_URL").is_some() {
        return;
    }
    let mut provider = OpenAiProvider::new(&setup).unwrap();
    let tuning = provider.tuning.as_mut().unwrap();
    assert!(
        tuning
            .check(&spec("gpt-6-luna", json!({})), &examples(), &prompt())
            .unwrap_err()
            .message
            .contains(BASE)
    );
    assert!(tuning.check(&spec("responses/gpt-4.1", json!({})), &examples(), &prompt()).is_err());
    let end = Some(jiff::civil::date(2027, 1, 14));
    tuning.today = || jiff::civil::date(2026, 11, 22);
    assert_eq!(tuning.check_dates(BASE, end).unwrap().len(), 2);
    for today in [|| jiff::civil::date(2027, 1, 6), || jiff::civil::date(2027, 1, 14)] {
        tuning.today = today;
        let error = tuning.check_dates(BASE, end).unwrap_err();
        assert_eq!(error.cause, Cause::Unsupported);
        assert!(error.hint.unwrap().contains("decisions/gpt-6-luna"));
    }
    let listed = provider.info().models.into_iter().find(|model| model.id == BASE).unwrap();
    assert_eq!((listed.tunable, listed.shutdown_date.as_deref()), (true, Some("2027-01-14")));
}
