//! Fine-tuning from the file to the model, and what gets in the way.

use std::io::Write;

use serde_json::{Value, json};
use tunebench_data::Example;

use super::{TOKEN, ask, examples, fake, prompt, vertex, with};
use crate::google::GoogleProvider;
use crate::google::fine_tuning::Tuning;
use crate::{
    AnswerMode, Cause, FineTuning, Job, JobMark, JobRequest, JobStatus, Provider, ProviderError, Retry,
    TuningSpec,
};
use tunebench_fakes::google::{Failing, FakeGoogle, Fault};

const BASE: &str = "gemini-3.5-flash";

fn tuning(provider: &GoogleProvider) -> &Tuning {
    provider.tuning.as_ref().unwrap()
}

fn spec(base: &str, hyperparameters: Value) -> TuningSpec {
    TuningSpec::new(base, hyperparameters.as_object().unwrap().clone(), 7)
}

fn file(provider: &GoogleProvider, examples: &[Example]) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    tuning(provider).write_training_file(examples, &prompt(), &mut file).unwrap();
    file.flush().unwrap();
    file
}

async fn order(provider: &GoogleProvider, mark: &str) -> Result<Job, ProviderError> {
    let tuning = tuning(provider);
    let uploaded = tuning.upload(file(provider, &examples()).path()).await?;
    let held_out = tuning.upload(file(provider, &examples()[..6]).path()).await?;
    let spec = spec(BASE, json!({"epoch_count": 3, "adapter_size": 4, "learning_rate_multiplier": 1.5}));
    let request = JobRequest::new(spec, uploaded, JobMark(mark.into())).validation_file(held_out);
    tuning.create_job(&request).await
}

async fn ended(provider: &GoogleProvider, mut job: Job) -> Job {
    for _ in 0..20 {
        job = tuning(provider).job(&job.id).await.unwrap();
        if job.status.is_final() {
            return job;
        }
    }
    panic!("the job does not end: {job:?}");
}

async fn tuned(provider: &GoogleProvider, mark: &str) -> (Job, String) {
    let created = order(provider, mark).await.unwrap();
    let job = ended(provider, created).await;
    let model = job.tuned_model.clone().unwrap();
    (job, model)
}

#[tokio::test]
async fn from_the_file_to_a_better_model() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({}));
    let tuning = tuning(&provider);
    tuning.check(&spec(BASE, json!({})), &examples(), &prompt()).unwrap();
    let warned = tuning.preflight(&spec(BASE, json!({}))).await.unwrap();
    assert!(warned.len() == 1 && warned[0].contains("said to stop answering on 2027-05-19"), "{warned:?}");
    let created = order(&provider, "ab01").await.unwrap();
    assert_eq!((&created.status, created.mark.as_ref()), (&JobStatus::Queued, Some(&JobMark("ab01".into()))));
    let job = ended(&provider, created).await;
    let model = job.tuned_model.clone().unwrap();
    assert_eq!(job.hyperparameters["epoch_count"], 3);
    assert_eq!(job.hyperparameters["adapter_size"], 4);
    assert!(job.trained_tokens.unwrap() > 0);
    assert_eq!(job.files.len(), 2);

    let events = tuning.events(&job.id, 0).await.unwrap();
    assert!(events.iter().any(|event| event.message.contains("12 rows")), "{events:?}");
    let checkpoints = tuning.checkpoints(&job.id).await.unwrap();
    assert_eq!(checkpoints.len(), 3);
    assert_eq!(checkpoints[2].model, model);

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
async fn three_places_for_three_things() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({"location": "global"}));
    let (job, model) = tuned(&provider, "ab02").await;
    // The project in names is its number, and nobody minds.
    assert!(job.id.0.starts_with("projects/123456789012/locations/us-central1/tuningJobs/"), "{job:?}");
    assert!(model.starts_with("projects/123456789012/locations/us/endpoints/"), "{model}");
    provider.complete(&ask(&model, "x")).await.unwrap();
    let asked = fake.recorded().pop().unwrap();
    assert!(asked.path.starts_with("/aiplatform/us/v1/projects/123456789012/locations/us/endpoints/"));
    provider.complete(&ask(BASE, "x")).await.unwrap();
    assert!(fake.recorded().pop().unwrap().path.starts_with("/aiplatform/global/"));
}

#[tokio::test]
async fn a_tuned_model_thinks_as_little_as_its_base_and_gets_no_schema() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({}));
    let (_, model) = tuned(&provider, "ab03").await;
    // As another command would, which knows nothing but the name.
    let provider = vertex(&fake, json!({}));
    let completion =
        provider.complete(&with(&model, "give my money back", AnswerMode::Schema)).await.unwrap();
    assert!(prompt().parse_json(&completion.text).is_ok(), "{}", completion.text);
    let config = fake.recorded().pop().unwrap().request["generationConfig"].clone();
    assert_eq!(config["thinkingConfig"], json!({"thinkingLevel": "MINIMAL"}));
    assert_eq!((config.get("responseSchema"), &config["stopSequences"]), (None, &json!(["</output>"])));
    let lists = |fake: &FakeGoogle| {
        let listed = |path: &str| path.ends_with("/tuningJobs");
        fake.recorded().iter().filter(|exchange| exchange.method == "GET" && listed(&exchange.path)).count()
    };
    let before = lists(&fake);
    provider.complete(&ask(&model, "x")).await.unwrap();
    assert_eq!(lists(&fake), before, "the base is looked up once");
    let own = vertex(&fake, json!({"tuned_schema": true}));
    own.complete(&with(&model, "x", AnswerMode::Schema)).await.unwrap();
    assert!(fake.recorded().pop().unwrap().request["generationConfig"]["responseSchema"].is_object());
}

#[tokio::test]
async fn a_new_model_that_does_not_answer_yet_is_worth_another_try() {
    let fake = fake().cold_calls(1).start().unwrap();
    let provider = vertex(&fake, json!({}));
    let (_, model) = tuned(&provider, "ab04").await;
    let error = provider.complete(&ask(&model, "x")).await.unwrap_err();
    assert_eq!(error.cause, Cause::Server, "{error}");
    assert!(
        matches!(error.retry, Retry::Later { after: Some(_) })
            && error.message.contains("does not answer yet")
    );
    provider.complete(&ask(&model, "x")).await.unwrap();
    let (name, _) = model.rsplit_once('/').unwrap();
    let gone = provider.complete(&ask(&format!("{name}/1"), "x")).await.unwrap_err();
    assert_eq!((gone.cause, gone.retry), (Cause::NotFound, Retry::Never));
}

#[tokio::test]
async fn an_answer_that_gets_lost_does_not_train_twice() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({}));
    fake.fail(Failing::new(Fault::Reset).on("POST /aiplatform/us-central1/v1").times(1).after_work());
    let error = order(&provider, "ab05").await.unwrap_err();
    assert_eq!((error.cause, error.retry != Retry::Never), (Cause::Network, true), "{error}");
    let found = tuning(&provider).find_job(&JobMark("ab05".into())).await.unwrap().unwrap();
    assert_eq!(fake.jobs(), [found.id.0]);
    // The files are still in use.
    assert_eq!(fake.objects().len(), 2);
}

#[tokio::test]
async fn equal_data_is_uploaded_once_and_a_job_that_cannot_start_takes_only_its_own() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({}));
    let refused = || Failing::new(Fault::Status(403)).on("/tuningJobs").times(1);
    fake.fail(refused());
    let error = order(&provider, "ab06").await.unwrap_err();
    assert_eq!((error.cause, error.retry), (Cause::Access, Retry::Never));
    assert!(fake.objects().is_empty(), "{:?}", fake.objects());
    order(&provider, "ab07").await.unwrap();
    let there = fake.objects();
    assert!(there[0].starts_with("gs://fake-bucket/tunebench/"), "{there:?}");
    // Another process, the same data: what belongs to the first job stays.
    let other = vertex(&fake, json!({}));
    fake.heal();
    fake.fail(refused());
    order(&other, "ab08").await.unwrap_err();
    assert_eq!(fake.objects(), there);
}

/// A provider that takes a file of some 700 KB for a large one, and such a file.
fn large(fake: &FakeGoogle) -> (GoogleProvider, tempfile::NamedTempFile) {
    let mut provider = vertex(fake, json!({}));
    provider.tuning.as_mut().unwrap().storage.piece = 256 << 10;
    let many: Vec<Example> = (0..150).flat_map(|_| examples()).collect();
    let file = file(&provider, &many);
    assert!(file.as_file().metadata().unwrap().len() > 2 * (256 << 10));
    (provider, file)
}

#[tokio::test]
async fn a_large_file_goes_in_pieces_and_goes_on_where_it_broke_off() {
    for kept in [None, Some(100 << 10)] {
        let fake = kept.into_iter().fold(fake(), |builder, kept| builder.chunk_kept(kept)).start().unwrap();
        let (provider, file) = large(&fake);
        fake.fail(Failing::new(Fault::Status(503)).on("PUT ").every(2).times(1));
        let error = tuning(&provider).upload(file.path()).await.unwrap_err();
        assert!(matches!(error.retry, Retry::Later { .. }), "{error:?}");
        let begun = fake.recorded().len();
        let uploaded = tuning(&provider).upload(file.path()).await.unwrap();
        let again: Vec<_> = fake.recorded().into_iter().skip(begun).map(|exchange| exchange.method).collect();
        assert!(again.iter().all(|method| method == "PUT"), "no new session: {again:?}");
        assert_eq!(fake.object(&uploaded.0).unwrap(), std::fs::read(file.path()).unwrap());
        // Once more: it is there.
        assert_eq!(tuning(&provider).upload(file.path()).await.unwrap(), uploaded);
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_begun_anew() {
    let fake = fake().start().unwrap();
    let (provider, file) = large(&fake);
    fake.fail(Failing::new(Fault::Reset).on("PUT ").times(1));
    tuning(&provider).upload(file.path()).await.unwrap_err();
    fake.expire_uploads();
    let error = tuning(&provider).upload(file.path()).await.unwrap_err();
    assert!(matches!(error.retry, Retry::Later { .. }), "{error:?}");
    tuning(&provider).upload(file.path()).await.unwrap();
}

#[tokio::test]
async fn a_bucket_is_looked_at_before_anything_is_sent() {
    let fake = fake().bucket("far-away", "europe-west4").bucket("all-around", "us").start().unwrap();
    let preflight = async |bucket: &str| {
        let provider = vertex(&fake, json!({"bucket": bucket}));
        tuning(&provider).preflight(&spec(BASE, json!({}))).await
    };
    assert!(preflight("far-away").await.unwrap().last().unwrap().contains("EUROPE-WEST4"));
    assert_eq!(preflight("all-around").await.unwrap().len(), 1, "its date alone");
    let error = preflight("no-such").await.unwrap_err();
    assert!(error.message.contains("no-such") && error.hint.unwrap().contains("`bucket`"));
    let mut none = super::at_vertex(&fake);
    none.as_object_mut().unwrap().remove("bucket");
    none["access_token_env"] = "TUNEBENCH_FAKE_TOKEN".into();
    let none = GoogleProvider::vertex(&super::setup("vertex", none, json!({}))).unwrap();
    let error = tuning(&none).preflight(&spec(BASE, json!({}))).await.unwrap_err();
    assert!(error.hint.unwrap().contains("gs://"));
    let warned = tuning(&none).warnings("gemini-2.5-flash");
    assert!(warned[0].contains("2026-10-20") && warned[1].contains("2026-10-16"), "{warned:?}");
}

#[tokio::test]
async fn a_job_that_fails_says_why_and_one_that_is_cancelled_is_made_anew() {
    let fake =
        fake().job_states(["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_FAILED"]).start().unwrap();
    let provider = vertex(&fake, json!({}));
    let created = order(&provider, "ab09").await.unwrap();
    let job = ended(&provider, created).await;
    assert_eq!((&job.status, job.tuned_model), (&JobStatus::Failed, None));
    assert!(job.error.unwrap().contains("(code 13)"));
    let again = order(&provider, "ab10").await.unwrap();
    tuning(&provider).cancel_job(&again.id).await.unwrap();
    assert_eq!(ended(&provider, again).await.status, JobStatus::Cancelled);
    for mark in ["ab09", "ab10"] {
        assert_eq!(tuning(&provider).find_job(&JobMark(mark.into())).await.unwrap(), None);
    }
}

#[tokio::test]
async fn long_lists_come_in_pages_and_show_one_place() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({}));
    let uploaded = tuning(&provider).upload(file(&provider, &examples()).path()).await.unwrap();
    for number in 0..105 {
        let mark = JobMark(format!("{number:032x}"));
        tuning(&provider)
            .create_job(&JobRequest::new(spec(BASE, json!({})), uploaded.clone(), mark))
            .await
            .unwrap();
    }
    assert_eq!(tuning(&provider).jobs().await.unwrap().len(), 105);
    let first = tuning(&provider).find_job(&JobMark(format!("{:032x}", 0))).await.unwrap().unwrap();
    assert_eq!(first.id.0, fake.jobs()[0]);
    let elsewhere = vertex(&fake, json!({"tuning_location": "europe-west4"}));
    assert_eq!(tuning(&elsewhere).jobs().await.unwrap(), []);
    // A job is found by its own name from anywhere.
    assert_eq!(tuning(&elsewhere).job(&first.id).await.unwrap().mark, first.mark);
}

#[tokio::test]
async fn deleting_a_model_takes_its_checkpoints_along_and_a_checkpoint_goes_alone() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({}));
    let (job, model) = tuned(&provider, "ab11").await;
    let checkpoints = tuning(&provider).checkpoints(&job.id).await.unwrap();
    tuning(&provider).delete_model(&checkpoints[0].model).await.unwrap();
    assert_eq!(fake.endpoints().len(), 2);
    assert!(tuning(&provider).find_job(&JobMark("ab11".into())).await.unwrap().is_some());
    tuning(&provider).delete_model(&model).await.unwrap();
    assert!(fake.endpoints().is_empty());
    assert_eq!(tuning(&provider).find_job(&JobMark("ab11".into())).await.unwrap(), None);
    for file in &job.files {
        tuning(&provider).delete_file(file).await.unwrap();
    }
    assert!(fake.objects().is_empty());
    let error = tuning(&provider).delete_model("gemini-3.5-flash").await.unwrap_err();
    assert_eq!(error.cause, Cause::NotFound);
    assert!(!format!("{error:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_file_that_a_job_still_needs_is_kept() {
    let fake = fake().start().unwrap();
    let provider = vertex(&fake, json!({}));
    let job = order(&provider, "ab12").await.unwrap();
    let error = tuning(&provider).delete_file(&job.files[0]).await.unwrap_err();
    assert!(error.message.contains("still needs it"), "{error}");
    assert_eq!(fake.objects().len(), 2);
}
