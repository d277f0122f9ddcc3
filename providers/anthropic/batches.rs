//! Message Batches: requests that go along with the order, and answers in one file of lines.
//!
//! <https://docs.claude.com/en/docs/build-with-claude/batch-processing>, read in August 2026, and the types of the official
//! Python package 2.14.0. A batch carries no name of ours, and rows are checked only while it runs.

use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::errors::{About, ErrorBody};
use super::{AnthropicProvider, errors};
use crate::lines::Lines;
use crate::{
    Batch, BatchCounts, BatchEnd, BatchId, BatchJob, BatchLimits, BatchMark, BatchOrder, BatchResults,
    BatchStatus, Cause, CompletionRequest, FileId, ProviderError, ResultsPosition, RowOutcome, RowResult,
    async_trait,
};

const PATH: [&str; 2] = ["messages", "batches"];
/// What the service takes at most.
const ROWS: usize = 100_000;
const BYTES: u64 = 256_000_000;
/// As many batches of the list as a page holds.
const PAGE: &str = "1000";

/// A batch object; `None` if it has no id.
fn job(value: &Value) -> Option<BatchJob> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = text("id")?;
    let said = text("processing_status").unwrap_or("unknown");
    let count = |name: &str| value.pointer(&format!("/request_counts/{name}")).and_then(Value::as_u64);
    let [processing, succeeded, errored, canceled, expired] =
        ["processing", "succeeded", "errored", "canceled", "expired"].map(count);
    let [canceled, expired] = [canceled, expired].map(Option::unwrap_or_default);
    let status = match said {
        "ended" if canceled > 0 => BatchStatus::Ended(BatchEnd::Cancelled),
        "ended" if expired > 0 => BatchStatus::Ended(BatchEnd::Expired),
        "ended" => BatchStatus::Ended(BatchEnd::Completed),
        _ => BatchStatus::Running,
    };
    let mut job = BatchJob::new(BatchId(id.to_owned()), status, said);
    job.counts = succeeded.map(|answered| {
        let failed = errored.unwrap_or_default();
        let rest = processing.unwrap_or_default().saturating_add(canceled).saturating_add(expired);
        BatchCounts::new(answered.saturating_add(failed).saturating_add(rest), answered, failed)
    });
    job.created =
        text("created_at").and_then(|time| time.parse::<Timestamp>().ok()).map(Timestamp::as_second);
    if text("archived_at").is_some() {
        job.error = Some("its answers were kept for 29 days, and are gone".to_owned());
    } else if job.end().is_some() {
        job.results = vec![FileId(id.to_owned())];
    }
    Some(job)
}

/// A line of results, as far as it is read.
#[derive(Debug, Deserialize)]
struct Line {
    custom_id: Option<String>,
    #[serde(default)]
    result: Value,
}

impl AnthropicProvider {
    fn row(&self, line: Result<Vec<u8>, String>, request: &CompletionRequest) -> RowResult {
        let read = line.and_then(|line| {
            serde_json::from_slice::<Line>(&line).map_err(|error| format!("malformed line: {error}"))
        });
        let Line { custom_id, result } = match read {
            Ok(line) => line,
            Err(problem) => return RowResult::new(None, RowOutcome::Unreadable(problem)),
        };
        let outcome = match result.get("type").and_then(Value::as_str) {
            Some("succeeded") => match self.completion(&result["message"], &request.model) {
                Ok(completion) => RowOutcome::Answered(Box::new(completion)),
                Err(error) => RowOutcome::Failed(error),
            },
            Some("errored") => RowOutcome::Failed(self.row_error(&result, &request.model)),
            Some(why @ ("canceled" | "expired")) => RowOutcome::NotRun(why.to_owned()),
            _ => RowOutcome::Unreadable("a line without answer and error".to_owned()),
        };
        RowResult::new(custom_id, outcome)
    }

    fn row_error(&self, result: &Value, model: &str) -> ProviderError {
        let body = ErrorBody::of_value(result).unwrap_or_else(|| ErrorBody {
            message: "the row failed without a reason".to_owned(),
            ..ErrorBody::default()
        });
        let about = About { model: Some(model), key_variable: None };
        self.connection.redacted(errors::of_body(400, &body, about))
    }

    async fn batch_call(&self, id: &BatchId, command: Option<&str>) -> Result<BatchJob, ProviderError> {
        let path: Vec<&str> = PATH.into_iter().chain([id.0.as_str()]).chain(command).collect();
        let answer = match command {
            None => self.connection.get(&path, About::default()).await?,
            Some(_) => self.connection.post(&path).await?,
        };
        job(&answer.json()?).ok_or_else(|| answer.broken(format!("the answer is not about batch {}", id.0)))
    }
}

#[async_trait]
impl Batch for AnthropicProvider {
    fn limits(&self, _model: &str) -> Option<BatchLimits> {
        Some(BatchLimits::new(ROWS, BYTES).without_mark())
    }

    fn write_row(
        &self,
        key: &str,
        request: &CompletionRequest,
        out: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        let dialect = self.dialect(&request.model);
        self.check(request, &dialect)?;
        // A key has nothing that JSON would have to escape.
        out.extend_from_slice(format!(r#"{{"custom_id":"{key}","params":"#).as_bytes());
        out.extend_from_slice(&self.body(request, &dialect)?);
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    async fn upload(&self, _file: &Path, mark: &BatchMark) -> Result<FileId, ProviderError> {
        Ok(FileId(mark.to_string()))
    }

    async fn create(&self, order: &BatchOrder) -> Result<BatchJob, ProviderError> {
        let Some(rows) = &order.rows else {
            return Err(ProviderError::new(
                Cause::Invalid,
                "the requests of the batch are no longer on this machine",
            ));
        };
        let answer = self.connection.post_rows(&PATH, rows).await?;
        let about = About { model: Some(&order.model), key_variable: None };
        if !(200..300).contains(&answer.status) {
            return Err(self.connection.error(&answer, about));
        }
        // Whatever it says, there is a batch now.
        let created: Value = answer.json().map_err(|error| error.may_be_billed(true))?;
        job(&created).ok_or_else(|| answer.broken("the batch got no id".to_owned()).may_be_billed(true))
    }

    async fn list(&self, since: i64) -> Result<Vec<BatchJob>, ProviderError> {
        let mut jobs: Vec<BatchJob> = Vec::new();
        loop {
            let mut query = vec![("limit", PAGE)];
            let last = jobs.last().map(|job| job.id.0.clone());
            query.extend(last.as_deref().map(|last| ("after_id", last)));
            let answer = self.connection.get_with(&PATH, &query, About::default()).await?;
            let page: Value = answer.json()?;
            let listed: Vec<_> =
                page.get("data").and_then(Value::as_array).into_iter().flatten().filter_map(job).collect();
            // A server that ignores `after_id` gives the first page for ever.
            let repeats = listed.first().is_some_and(|first| jobs.iter().any(|known| known.id == first.id));
            let old = |job: &BatchJob| job.created.is_some_and(|created| created < since);
            let enough =
                repeats || listed.iter().any(old) || page.get("has_more") != Some(&Value::Bool(true));
            if !repeats {
                jobs.extend(listed);
            }
            if enough {
                jobs.retain(|job| !old(job));
                return Ok(jobs);
            }
        }
    }

    async fn batch(&self, id: &BatchId) -> Result<BatchJob, ProviderError> {
        self.batch_call(id, None).await
    }

    async fn results<'a>(
        &'a self,
        job: &BatchJob,
        request: &'a CompletionRequest,
        from: ResultsPosition,
    ) -> Result<Box<dyn BatchResults + 'a>, ProviderError> {
        let batch = job.results.first().cloned();
        Ok(Box::new(Results { provider: self, request, batch, position: from, lines: None }))
    }

    async fn cancel(&self, id: &BatchId) -> Result<(), ProviderError> {
        self.batch_call(id, Some("cancel")).await.map(drop)
    }

    /// Requests and answers of a batch are part of it, and go with it.
    async fn clean_up(&self, job: &BatchJob) -> Result<(), ProviderError> {
        if job.end().is_none() {
            return Ok(());
        }
        match self.connection.delete(&[PATH[0], PATH[1], &job.id.0]).await {
            Err(error) if error.cause != Cause::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The lines of the one file of results.
struct Results<'a> {
    provider: &'a AnthropicProvider,
    request: &'a CompletionRequest,
    batch: Option<FileId>,
    position: ResultsPosition,
    lines: Option<Lines>,
}

#[async_trait]
impl BatchResults for Results<'_> {
    async fn next(&mut self) -> Result<Option<RowResult>, ProviderError> {
        let Some(batch) = &self.batch else { return Ok(None) };
        let connection = &self.provider.connection;
        let lines = match &mut self.lines {
            Some(lines) => lines,
            // The address in the batch object may lead elsewhere, and the key goes along.
            None => {
                let path = [PATH[0], PATH[1], batch.0.as_str(), "results"];
                self.lines.insert(connection.lines(&path, self.position.offset).await?)
            }
        };
        let line = lines.next().await.map_err(|error| connection.redacted(error))?;
        self.position.offset = lines.offset();
        Ok(line.map(|line| self.provider.row(line, self.request)))
    }

    fn position(&self) -> ResultsPosition {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn ended(counts: [u64; 5]) -> BatchJob {
        let [processing, succeeded, errored, canceled, expired] = counts;
        let value = json!({
            "id": "msgbatch_01", "type": "message_batch", "processing_status": "ended",
            "request_counts": {"processing": processing, "succeeded": succeeded, "errored": errored,
                "canceled": canceled, "expired": expired},
            "created_at": "2026-11-28T06:00:00.100435Z", "archived_at": null, "results_url": "https://x/results",
        });
        job(&value).unwrap()
    }

    #[test]
    fn how_a_batch_ended_is_in_its_counts() {
        for (counts, end) in [
            ([0, 3, 1, 0, 0], BatchEnd::Completed),
            ([0, 3, 0, 0, 1], BatchEnd::Expired),
            ([0, 3, 0, 1, 1], BatchEnd::Cancelled),
        ] {
            let job = ended(counts);
            assert_eq!(job.end(), Some(end), "{counts:?}");
            assert_eq!(job.counts, Some(BatchCounts::new(counts.iter().sum(), 3, counts[2])));
            assert_eq!((job.created, job.results.len()), (Some(1_795_845_600), 1));
        }
        for status in ["in_progress", "canceling", "paused"] {
            let running = json!({"id": "b", "processing_status": status, "results_url": "x"});
            let job = job(&running).unwrap();
            assert_eq!((job.end(), job.counts, job.results.len()), (None, None, 0), "{status}");
        }
        let old = json!({"id": "b", "processing_status": "ended", "archived_at": "2026-12-28T06:00:00Z"});
        let old = job(&old).unwrap();
        assert!(old.results.is_empty() && old.error.unwrap().contains("29 days"));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(line in prop::collection::vec(any::<u8>(), 0..80), id in "\\PC{0,9}", count in any::<u64>()) {
            let _ = serde_json::from_slice::<Line>(&line);
            let counts = json!({"processing": count, "succeeded": count, "errored": count, "canceled": count});
            job(&json!({"id": id, "processing_status": "ended", "request_counts": counts, "created_at": id}));
        }
    }
}
