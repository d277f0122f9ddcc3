//! The fine-tuning half of the contract.

use std::io::Write;

use tunebench_data::Example;

use super::{Contract, deployments};
use crate::{
    CompletionRequest, FileStatus, FineTuning, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus,
    ProviderError, TuningSpec,
};

const SPEC: &str = "hyperparameters and data are checked before anything is sent";
const FILE: &str = "the training file holds every example, one a line";
const FRESH: &str = "a mark that was never used finds no job";
const JOB: &str = "a job runs to its end, and only then names a model";
const FOUND: &str = "a job is found again by its mark, and is in the list";
const EVENTS: &str = "events are given in order and can be skipped";
const MODEL: &str = "the tuned model is known and answers";
const ENDED: &str = "a job that has ended can't be cancelled any more";
const UNKNOWN: &str = "an unknown job is a clean error";
const DELETED: &str = "a deleted model is gone, and its job is not found any more";

/// Looks at a job at most so often; a fake service needs a few, a real one would need hours.
const LOOKS: usize = 2_000;

pub(super) async fn check(contract: &mut Contract<'_>) {
    let provider = contract.provider;
    let Some(tuning) = provider.fine_tuning() else {
        contract.not_offered("fine-tuning");
        return;
    };
    let verdict = check_spec(contract, tuning);
    contract.found(SPEC, verdict);
    let written = write_file(contract, tuning);
    let verdict = written.as_ref().map(|_| ()).map_err(Clone::clone);
    contract.found(FILE, verdict);
    let Ok(file) = written else { return };

    let mark = JobMark(format!("{:032x}", std::process::id()));
    let none = tuning.find_job(&mark).await;
    contract
        .found(FRESH, none.map_err(told).and_then(|job| job.map_or(Ok(()), |job| Err(format!("{job:?}")))));
    let verdict = unknown_job(contract, tuning).await;
    contract.found(UNKNOWN, verdict);

    let ended = run_job(contract, tuning, file.path(), &mark).await;
    let verdict = ended.as_ref().map(|_| ()).map_err(Clone::clone);
    contract.found(JOB, verdict);
    let Ok((job, model)) = ended else { return };
    contract.found(FOUND, is_found(tuning, &mark, &job).await);
    contract.found(EVENTS, events(tuning, &job.id).await);
    let verdict = model_answers(contract, &model).await;
    contract.found(MODEL, verdict);
    contract.found(ENDED, stays_ended(tuning, &job).await);
    let verdict = delete(contract, tuning, &mark, &model).await;
    contract.found(DELETED, verdict);
}

fn told(error: ProviderError) -> String {
    error.to_string()
}

fn spec(contract: &Contract<'_>) -> TuningSpec {
    TuningSpec::new(&contract.model, contract.hyperparameters.clone(), 1)
}

fn check_spec(contract: &Contract<'_>, tuning: &dyn FineTuning) -> Result<(), String> {
    let good = spec(contract);
    let examples = &contract.train.examples;
    tuning
        .check(&good, examples, &contract.prompt)
        .map_err(|error| format!("a good spec is refused: {error}"))?;
    let mut bad = good.clone();
    bad.hyperparameters.insert("no_such_hyperparameter".into(), 1.into());
    match tuning.check(&bad, examples, &contract.prompt) {
        Err(error) if error.setting.as_deref() == Some("no_such_hyperparameter") => {}
        Err(error) => return Err(format!("the unknown hyperparameter is not named: {error}")),
        Ok(()) => return Err("an unknown hyperparameter is taken".into()),
    }
    match tuning.check(&good, &[], &contract.prompt) {
        Err(_) => Ok(()),
        Ok(()) => Err("training on nothing is taken".into()),
    }
}

fn write_file(contract: &Contract<'_>, tuning: &dyn FineTuning) -> Result<tempfile::NamedTempFile, String> {
    let write = |examples: &[Example]| {
        let mut bytes = Vec::new();
        tuning.write_training_file(examples, &contract.prompt, &mut bytes).map(|()| bytes)
    };
    let bytes = write(&contract.train.examples).map_err(|error| error.to_string())?;
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
    if lines != contract.train.examples.len() {
        return Err(format!("{lines} lines for {} examples", contract.train.examples.len()));
    }
    if write(&contract.train.examples).ok().as_ref() != Some(&bytes) {
        return Err("written twice, the file is not the same".into());
    }
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().map_err(|error| error.to_string())?;
    file.write_all(&bytes).and_then(|()| file.flush()).map_err(|error| error.to_string())?;
    Ok(file)
}

async fn unknown_job(contract: &Contract<'_>, tuning: &dyn FineTuning) -> Result<(), String> {
    match tuning.job(&JobId("no-such-job".into())).await {
        Ok(job) => Err(format!("{job:?}")),
        Err(error) => contract.is_clean(&error),
    }
}

async fn run_job(
    contract: &Contract<'_>,
    tuning: &dyn FineTuning,
    file: &std::path::Path,
    mark: &JobMark,
) -> Result<(Job, String), String> {
    let uploaded = tuning.upload(file).await.map_err(told)?;
    for _ in 0..LOOKS {
        match tuning.file_status(&uploaded).await.map_err(told)? {
            FileStatus::Ready => break,
            FileStatus::Checking => pause(tuning).await,
            FileStatus::Refused(reason) => return Err(format!("the file is refused: {reason}")),
        }
    }
    let request = JobRequest::new(spec(contract), uploaded, mark.clone());
    let mut job = tuning.create_job(&request).await.map_err(told)?;
    for _ in 0..LOOKS {
        if job.status != JobStatus::Succeeded && job.tuned_model.is_some() {
            return Err(format!("a model is named while the job is {:?}", job.status));
        }
        if job.status.is_final() {
            break;
        }
        pause(tuning).await;
        job = tuning.job(&job.id).await.map_err(told)?;
    }
    match (&job.status, job.tuned_model.clone()) {
        (JobStatus::Succeeded, Some(model)) => Ok((job, model)),
        _ => Err(format!("the job ended as {job:?}")),
    }
}

/// A fake service is asked as often as it likes to be.
async fn pause(tuning: &dyn FineTuning) {
    tokio::time::sleep(tuning.poll_interval().min(std::time::Duration::from_millis(20))).await;
}

async fn is_found(tuning: &dyn FineTuning, mark: &JobMark, job: &Job) -> Result<(), String> {
    match tuning.find_job(mark).await.map_err(told)? {
        Some(found) if found.id == job.id => {}
        other => return Err(format!("instead of {:?}: {other:?}", job.id)),
    }
    let listed = tuning.jobs().await.map_err(told)?.iter().any(|listed| listed.id == job.id);
    if listed { Ok(()) } else { Err("it is not in the list".into()) }
}

async fn events(tuning: &dyn FineTuning, job: &JobId) -> Result<(), String> {
    let all = tuning.events(job, 0).await.map_err(told)?;
    let rest: Vec<JobEvent> = tuning.events(job, 1).await.map_err(told)?;
    if all.get(1..).unwrap_or_default() != rest {
        return Err("without the first event, the others are not what they were".into());
    }
    // A job may have parts, each with a total of its own.
    let progress: Vec<_> = all.iter().filter_map(|event| event.progress).collect();
    let parts = progress.chunk_by(|a, b| a.total_steps == b.total_steps);
    match parts.map(|part| part.iter().map(|at| at.step).collect::<Vec<_>>()).find(|part| !part.is_sorted()) {
        None => Ok(()),
        Some(part) => Err(format!("steps are {part:?}")),
    }
}

async fn model_answers(contract: &mut Contract<'_>, model: &str) -> Result<(), String> {
    let provider = contract.provider;
    let info = provider.model_info(model).await.map_err(told)?;
    if info.id != model {
        return Err(format!("asked for `{model}`, got `{}`", info.id));
    }
    let completion = match provider.deployments() {
        Some(deployed) if deployed.is_needed(model) => {
            deployments::asked_while_deployed(contract, deployed, model).await?
        }
        _ => {
            let request =
                CompletionRequest::new(model.into(), contract.prompt.clone(), "Where is my new card?");
            provider.complete(&request).await.map_err(told)?
        }
    };
    contract.is_sound(&completion)
}

async fn stays_ended(tuning: &dyn FineTuning, job: &Job) -> Result<(), String> {
    // Some services refuse, others say nothing: both will do, as long as the job stays as it is.
    let _ = tuning.cancel_job(&job.id).await;
    let now = tuning.job(&job.id).await.map_err(told)?;
    if now.status == job.status { Ok(()) } else { Err(format!("it is now {:?}", now.status)) }
}

async fn delete(
    contract: &Contract<'_>,
    tuning: &dyn FineTuning,
    mark: &JobMark,
    model: &str,
) -> Result<(), String> {
    tuning.delete_model(model).await.map_err(told)?;
    if contract.provider.model_info(model).await.is_ok() {
        return Err("the model is still known".into());
    }
    match tuning.find_job(mark).await.map_err(told)? {
        None => Ok(()),
        Some(job) => Err(format!("the job is still found: {job:?}")),
    }
}
