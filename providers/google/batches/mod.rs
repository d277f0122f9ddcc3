//! Batches at Google: a file of requests, answered as one job, and files of answers. The Developer API has files of its own
//! (`files`), and Vertex AI reads from a bucket and writes into it (`bucket`).

mod bucket;
mod files;

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::declared::Surface;
use super::errors::{About, ErrorBody};
use super::json::{count, list, text};
use super::names::Target;
use super::{GoogleProvider, completions};
use crate::lines::Lines;
use crate::{
    AnswerMode, Batch, BatchEnd, BatchId, BatchJob, BatchLimits, BatchMark, BatchOrder, BatchResults,
    BatchStatus, Cause, CompletionRequest, FileId, ProviderError, ResultsPosition, RowOutcome, RowResult,
    async_trait,
};

/// The label of a request that names its row: at Vertex AI rows have no names, and requests come back with their answers.
const ROW: &str = "tunebench_row";
/// As many of a list as a page holds.
const PAGE: &str = "100";

/// A line of results, as far as it is read.
#[derive(Debug, Deserialize)]
struct Line {
    key: Option<String>,
    request: Option<Echo>,
    response: Option<Value>,
    error: Option<Value>,
    status: Option<Value>,
}

/// A request that comes back with its answer.
#[derive(Debug, Deserialize)]
struct Echo {
    #[serde(default)]
    labels: Labels,
}

#[derive(Debug, Default, Deserialize)]
struct Labels {
    tunebench_row: Option<String>,
}

impl GoogleProvider {
    fn is_vertex(&self) -> bool {
        self.connection.settings.surface == Surface::Vertex
    }

    fn no_about(&self) -> About<'_> {
        self.connection.about(None, None)
    }

    /// All pages of a list below a URL.
    async fn pages(&self, url: reqwest::Url, items: &str) -> Result<Vec<Value>, ProviderError> {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("pageSize", PAGE);
            if let Some(token) = &token {
                url.query_pairs_mut().append_pair("pageToken", token);
            }
            let page: Value = self.connection.get(url, self.no_about()).await?.json()?;
            all.extend(list(&page, items).iter().cloned());
            match text(&page, "/nextPageToken") {
                // A server that gives the same page again would do so for ever.
                Some(next) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
                _ => return Ok(all),
            }
        }
    }

    fn row(&self, line: Result<Vec<u8>, String>, request: &CompletionRequest) -> RowResult {
        let read = line.and_then(|line| {
            serde_json::from_slice::<Line>(&line).map_err(|error| format!("malformed line: {error}"))
        });
        let Line { key, request: echo, response, error, status } = match read {
            Ok(line) => line,
            Err(problem) => return RowResult::new(None, RowOutcome::Unreadable(problem)),
        };
        let key = key.or_else(|| echo?.labels.tunebench_row);
        let answer = response.filter(|answer| answer.as_object().is_some_and(|answer| !answer.is_empty()));
        // A row of Vertex AI that failed says so in its status, and has an empty answer.
        let failed = [error, status].into_iter().flatten().find(|said| !said.is_null() && *said != json!(""));
        let outcome = match (answer, failed) {
            (Some(answer), _) => self.answered(&answer, request),
            (None, Some(error)) => RowOutcome::Failed(self.refused(error)),
            (None, None) => RowOutcome::Unreadable("a line without answer and error".to_owned()),
        };
        RowResult::new(key, outcome)
    }

    fn answered(&self, answer: &Value, request: &CompletionRequest) -> RowOutcome {
        let mut completion = completions::completion(answer, request);
        if completions::is_worth_another_try(answer, &completion) {
            // Live, it would be asked for once more.
            let message = "the answer is empty without a reason";
            return RowOutcome::Failed(ProviderError::new(Cause::Server, message));
        }
        let target = self.target(&request.model).ok();
        completion.note = target.and_then(|target| super::routed(&target, &completion)).or(completion.note);
        RowOutcome::Answered(Box::new(completion))
    }

    fn refused(&self, error: Value) -> ProviderError {
        // Vertex AI writes the error of a row as a text, which may hold the service's JSON.
        let error = match error.as_str().map(|said| said.find('{').map_or(said, |at| &said[at..])) {
            Some(said) => match serde_json::from_str::<Value>(said) {
                Ok(mut body) => body.get_mut("error").map(Value::take).unwrap_or(body),
                Err(_) => json!({"code": 400, "message": error}),
            },
            None => error,
        };
        let status = error.get("code").and_then(count).and_then(|code| u16::try_from(code).ok());
        // Codes of rows are those of gRPC as well as of HTTP.
        let status = match status {
            Some(status @ 400..600) => status,
            Some(3 | 9 | 11) => 400,
            Some(7) => 403,
            Some(8) => 429,
            _ => 500,
        };
        let body = ErrorBody::read(json!({ "error": error }).to_string().as_bytes()).unwrap_or_default();
        self.connection.redacted(super::errors::of_body(status, &body, self.no_about()))
    }

    /// The base of a model, as far as it is known without asking: the live answer before a batch has looked it up.
    fn known_base(&self, target: &Target) -> Option<String> {
        match target {
            Target::Endpoint(endpoint) => {
                self.bases.try_lock().ok()?.get(endpoint.to_string().as_str()).cloned().flatten()
            }
            other => other.base().map(str::to_owned),
        }
    }
}

/// Where a batch stands, by its state in either API's spelling; and the state itself, shortened.
fn state(said: &str) -> (BatchStatus, String) {
    let said = said.trim_start_matches("BATCH_STATE_").trim_start_matches("JOB_STATE_").to_lowercase();
    let status = match said.as_str() {
        "succeeded" | "partially_succeeded" => BatchStatus::Ended(BatchEnd::Completed),
        "failed" => BatchStatus::Ended(BatchEnd::Failed),
        "cancelled" => BatchStatus::Ended(BatchEnd::Cancelled),
        "expired" => BatchStatus::Ended(BatchEnd::Expired),
        _ => BatchStatus::Running,
    };
    (status, said)
}

/// When a batch was made, in seconds since 1970.
fn seconds(time: Option<&str>) -> Option<i64> {
    time?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

#[async_trait]
impl Batch for GoogleProvider {
    fn limits(&self, model: &str) -> Option<BatchLimits> {
        let target = self.target(model).ok()?;
        Some(if self.is_vertex() { self.bucket_limits(&target) } else { files::LIMITS })
    }

    fn write_row(
        &self,
        key: &str,
        request: &CompletionRequest,
        out: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        if request.parameters.answer == AnswerMode::Schema && !self.connection.settings.schema {
            return Err(ProviderError::new(Cause::Unsupported, "schemas are switched off for this provider"));
        }
        let target = self.target(&request.model)?;
        let base = self.known_base(&target);
        let mut asked =
            completions::request(request, &self.dialect(&request.model, &target, base.as_deref()));
        let line = if self.is_vertex() {
            asked["labels"] = json!({ROW: key});
            json!({ "request": asked })
        } else {
            json!({ "key": key, "request": asked })
        };
        out.extend_from_slice(line.to_string().as_bytes());
        out.push(b'\n');
        Ok(())
    }

    async fn find_file(&self, mark: &BatchMark) -> Result<Option<FileId>, ProviderError> {
        if self.is_vertex() { self.find_object(mark).await } else { self.find_uploaded(mark).await }
    }

    async fn upload(&self, file: &Path, mark: &BatchMark) -> Result<FileId, ProviderError> {
        if self.is_vertex() { self.store_rows(file, mark).await } else { self.upload_rows(file, mark).await }
    }

    async fn create(&self, order: &BatchOrder) -> Result<BatchJob, ProviderError> {
        let target = self.target(&order.model)?;
        let (url, body) = if self.is_vertex() {
            self.bucket_order(&target, order).await?
        } else {
            self.files_order(&target, order)?
        };
        let answer = self.connection.ask(url, &body).await?;
        if !(200..300).contains(&answer.status) {
            return Err(self.connection.error(&answer, self.about(&target, &order.model)));
        }
        // Whatever it says, there is a batch now.
        let created: Value = answer.json().map_err(|error| error.may_be_billed(true))?;
        let job = if self.is_vertex() { bucket::job(&created) } else { files::job(&created) };
        job.ok_or_else(|| answer.broken("the batch got no name".to_owned()).may_be_billed(true))
    }

    async fn list(&self, since: i64) -> Result<Vec<BatchJob>, ProviderError> {
        let mut jobs = if self.is_vertex() { self.bucket_jobs().await? } else { self.files_jobs().await? };
        jobs.retain(|job| job.mark.is_some() && job.created.is_none_or(|created| created >= since));
        jobs.sort_by_key(|job| std::cmp::Reverse(job.created));
        Ok(jobs)
    }

    async fn batch(&self, id: &BatchId) -> Result<BatchJob, ProviderError> {
        let answer = self.connection.get(self.job_url(id, None)?, self.no_about()).await?;
        let said: Value = answer.json()?;
        let job = if self.is_vertex() { bucket::job(&said) } else { files::job(&said) };
        job.ok_or_else(|| answer.broken(format!("the answer is not about batch {}", id.0)))
    }

    async fn results<'a>(
        &'a self,
        job: &BatchJob,
        request: &'a CompletionRequest,
        from: ResultsPosition,
    ) -> Result<Box<dyn BatchResults + 'a>, ProviderError> {
        let files = match job.results.first() {
            Some(folder) if self.is_vertex() => self.objects_in(folder).await?,
            _ => job.results.clone(),
        };
        Ok(Box::new(Results { provider: self, request, files, position: from, lines: None }))
    }

    async fn cancel(&self, id: &BatchId) -> Result<(), ProviderError> {
        let url = self.job_url(id, Some("cancel"))?;
        self.connection.post(url, &json!({}), self.no_about()).await.map(drop)
    }

    /// The batch itself stays in the list: it is how another machine sees that it was there.
    async fn clean_up(&self, job: &BatchJob) -> Result<(), ProviderError> {
        if self.is_vertex() { self.remove_objects(job).await } else { self.remove_files(job).await }
    }
}

impl GoogleProvider {
    fn job_url(&self, id: &BatchId, verb: Option<&str>) -> Result<reqwest::Url, ProviderError> {
        if self.is_vertex() {
            self.bucket_job_url(id, verb)
        } else {
            Ok(self.files_url(&["batches", &id.0], verb))
        }
    }
}

/// The lines of the files of results, one file after the other.
struct Results<'a> {
    provider: &'a GoogleProvider,
    request: &'a CompletionRequest,
    files: Vec<FileId>,
    position: ResultsPosition,
    lines: Option<Lines>,
}

#[async_trait]
impl BatchResults for Results<'_> {
    async fn next(&mut self) -> Result<Option<RowResult>, ProviderError> {
        loop {
            let Some(file) = self.files.get(self.position.file) else { return Ok(None) };
            let (provider, offset) = (self.provider, self.position.offset);
            let lines = match &mut self.lines {
                Some(lines) => lines,
                None if provider.is_vertex() => self.lines.insert(provider.open_object(file, offset).await?),
                None => self.lines.insert(provider.open_file(file, offset).await?),
            };
            let line = lines.next().await.map_err(|error| provider.connection.redacted(error))?;
            self.position.offset = lines.offset();
            if let Some(line) = line {
                return Ok(Some(provider.row(line, self.request)));
            }
            self.position = ResultsPosition { file: self.position.file + 1, offset: 0 };
            self.lines = None;
        }
    }

    fn position(&self) -> ResultsPosition {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn states_of_both_apis_are_read_and_unknown_ones_are_no_end() {
        for (said, end) in [
            ("BATCH_STATE_RUNNING", None),
            ("BATCH_STATE_UNSPECIFIED", None),
            ("JOB_STATE_PAUSED", None),
            ("JOB_STATE_CANCELLING", None),
            ("", None),
            ("JOB_STATE_SUCCEEDED", Some(BatchEnd::Completed)),
            ("JOB_STATE_PARTIALLY_SUCCEEDED", Some(BatchEnd::Completed)),
            ("BATCH_STATE_EXPIRED", Some(BatchEnd::Expired)),
            ("JOB_STATE_CANCELLED", Some(BatchEnd::Cancelled)),
            ("BATCH_STATE_FAILED", Some(BatchEnd::Failed)),
        ] {
            assert_eq!(state(said).0, end.map_or(BatchStatus::Running, BatchStatus::Ended), "{said}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = serde_json::from_slice::<Line>(&line);
        }
    }
}
