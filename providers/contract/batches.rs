//! The batch half of the contract.

use std::collections::BTreeSet;
use std::io::Write;

use super::Contract;
use crate::{
    Batch, BatchId, BatchJob, BatchMark, BatchOrder, CompletionRequest, ProviderError, ResultsPosition,
    RowOutcome,
};

const LIMITS: &str = "a batch has room for rows, bytes and time";
const ROW: &str = "a row is one line, the same for the same request";
const UNKNOWN_BATCH: &str = "an unknown batch is a clean error";
const BATCH: &str = "a batch runs to its end";
const LISTED: &str = "a batch is in the list, with its mark where marks are kept";
const RESULTS: &str = "each row is answered under its key";
const RESUMED: &str = "results are read on from a position";
const ENDED: &str = "a batch that has ended stays so, whoever cancels it";
const CLEANED: &str = "what is cleaned up once can be cleaned up again";

/// Looks at a batch at most so often; a fake service needs a few, a real one would need hours.
const LOOKS: usize = 2_000;
const TEXTS: [&str; 4] =
    ["Where is my new card?", "Is the rate for euros good?", "I want my\nmoney \"back\"", "日本語"];

pub(super) async fn check(contract: &mut Contract<'_>) {
    let provider = contract.provider;
    let limits = provider.batches().and_then(|batch| Some((batch, batch.limits(&contract.model)?)));
    let Some((batch, limits)) = limits else {
        contract.not_offered("batches");
        return;
    };
    let room =
        limits.rows > 0 && limits.bytes > 0 && !limits.window.is_zero() && !limits.poll_interval.is_zero();
    contract.found(LIMITS, if room { Ok(()) } else { Err(format!("{limits:?}")) });
    let requests: Vec<_> = TEXTS.iter().map(|text| contract.request(&contract.model, text)).collect();
    let written = written(batch, &requests);
    contract.found(ROW, written.as_ref().map(|_| ()).map_err(Clone::clone));
    let Ok(file) = written else { return };
    let unknown = match batch.batch(&BatchId("no-such-batch".into())).await {
        Ok(job) => Err(format!("{job:?}")),
        Err(error) => contract.is_clean(&error),
    };
    contract.found(UNKNOWN_BATCH, unknown);
    let mark = BatchMark::new(format!("{:032x}", std::process::id()), format!("{:032x}", limits.rows));
    let ended = ended(batch, &contract.model, file.path(), &mark).await;
    contract.found(BATCH, ended.as_ref().map(|_| ()).map_err(Clone::clone));
    let Ok(job) = ended else { return };
    let listed = listed(batch, &job, limits.keeps_mark.then_some(&mark)).await;
    contract.found(LISTED, listed);
    let all = read(contract, batch, &job, &requests[0], ResultsPosition::default()).await;
    let verdict = all.as_ref().map_err(Clone::clone).and_then(|(keys, _)| complete(keys));
    contract.found(RESULTS, verdict);
    if let Ok((keys, Some(position))) = all {
        let rest = read(contract, batch, &job, &requests[0], position).await;
        let verdict = rest.and_then(|(rest, _)| match rest.len() + 1 == keys.len() {
            true => Ok(()),
            false => Err(format!("{} rows behind the first of {}", rest.len(), keys.len())),
        });
        contract.found(RESUMED, verdict);
    }
    contract.found(ENDED, stays_ended(batch, &job).await);
    let verdict = match batch.clean_up(&job).await {
        Ok(()) => batch.clean_up(&job).await.map_err(told),
        Err(error) => Err(told(error)),
    };
    contract.found(CLEANED, verdict);
}

fn told(error: ProviderError) -> String {
    error.to_string()
}

fn key(row: usize) -> String {
    format!("{}{row}", "a".repeat(51))
}

fn written(batch: &dyn Batch, requests: &[CompletionRequest]) -> Result<tempfile::NamedTempFile, String> {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().map_err(|error| error.to_string())?;
    for (row, request) in requests.iter().enumerate() {
        let line = || {
            let mut line = Vec::new();
            batch.write_row(&key(row), request, &mut line).map(|()| line)
        };
        let written = line().map_err(told)?;
        if !written.ends_with(b"\n") || written.iter().filter(|&&byte| byte == b'\n').count() != 1 {
            return Err(format!("row {row} is not one line"));
        }
        if line().map_err(told)? != written {
            return Err(format!("row {row}, written twice, is not the same"));
        }
        file.write_all(&written).map_err(|error| error.to_string())?;
    }
    file.flush().map_err(|error| error.to_string())?;
    Ok(file)
}

async fn ended(
    batch: &dyn Batch,
    model: &str,
    file: &std::path::Path,
    mark: &BatchMark,
) -> Result<BatchJob, String> {
    let uploaded = batch.upload(file, mark).await.map_err(told)?;
    let order = BatchOrder::new(model, uploaded, mark.clone()).rows(file);
    let mut job = batch.create(&order).await.map_err(told)?;
    for _ in 0..LOOKS {
        if job.end().is_some() && !job.results_pending {
            return Ok(job);
        }
        job = batch.batch(&job.id).await.map_err(told)?;
    }
    Err(format!("it is still {}", job.said))
}

async fn listed(batch: &dyn Batch, job: &BatchJob, mark: Option<&BatchMark>) -> Result<(), String> {
    let jobs = batch.list(0).await.map_err(told)?;
    match jobs.iter().find(|listed| listed.id == job.id) {
        None => Err("it is not there".into()),
        Some(listed) if mark.is_some() && listed.mark.as_ref() != mark => Err(format!("{:?}", listed.mark)),
        Some(_) => Ok(()),
    }
}

/// The keys of the rows behind a position, and the position behind the first of them.
async fn read(
    contract: &Contract<'_>,
    batch: &dyn Batch,
    job: &BatchJob,
    template: &CompletionRequest,
    from: ResultsPosition,
) -> Result<(Vec<String>, Option<ResultsPosition>), String> {
    let mut results = batch.results(job, template, from).await.map_err(told)?;
    let (mut keys, mut second) = (Vec::new(), None);
    while let Some(row) = results.next().await.map_err(told)? {
        match &row.outcome {
            RowOutcome::Answered(completion) => contract.is_sound(completion)?,
            RowOutcome::Failed(error) => contract.is_clean(error)?,
            other => return Err(format!("{other:?}")),
        }
        keys.push(row.key.ok_or("a row without its key")?);
        second.get_or_insert(results.position());
    }
    Ok((keys, second))
}

fn complete(keys: &[String]) -> Result<(), String> {
    let found: BTreeSet<_> = keys.iter().cloned().collect();
    let wanted: BTreeSet<_> = (0..TEXTS.len()).map(key).collect();
    if found == wanted && keys.len() == wanted.len() { Ok(()) } else { Err(format!("{keys:?}")) }
}

async fn stays_ended(batch: &dyn Batch, job: &BatchJob) -> Result<(), String> {
    // Refusing is as good as doing nothing.
    let _ = batch.cancel(&job.id).await;
    let now = batch.batch(&job.id).await.map_err(told)?;
    if now.end() == job.end() { Ok(()) } else { Err(format!("it was {}, and is {}", job.said, now.said)) }
}
