//! Batches of the Gemini Developer API: a file of requests by the Files API, answered as one job.
//!
//! <https://ai.google.dev/gemini-api/docs/batch-api> (excerpts of 2026) and the official Python package `google-genai` 3.6.1.
//! A batch that waits for more than 48 hours expires without any results, so its parts are kept small.

use std::path::Path;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::ErrorBody;
use super::json::{count, list, text};
use super::settings::Surface;
use super::{GoogleProvider, completions};
use crate::http::Answer;
use crate::lines::Lines;
use crate::{
    AnswerMode, Batch, BatchCounts, BatchEnd, BatchId, BatchJob, BatchLimits, BatchMark, BatchOrder,
    BatchResults, BatchStatus, Cause, CompletionRequest, FileId, ProviderError, ResultsPosition, RowOutcome,
    RowResult, async_trait,
};

/// Rows of one batch: what has not begun within two days is lost, and large batches begin late.
const ROWS: usize = 2_000;
/// Bytes of one file, which is handed over in one piece; the service takes 2 GB.
const BYTES: u64 = 64_000_000;
/// For a file of requests.
const UPLOAD: Duration = Duration::from_secs(600);
/// For the answers of a batch.
const DOWNLOAD: Duration = Duration::from_secs(600);
const PAGE: &str = "100";

/// A line of results, as far as it is read.
#[derive(Debug, Deserialize)]
struct Line {
    key: Option<String>,
    response: Option<Value>,
    error: Option<Value>,
}

impl GoogleProvider {
    /// Whether there are batches: by the Developer API only.
    pub(super) fn takes_batches(&self) -> bool {
        self.connection.settings.surface == Surface::Developer
    }

    fn batch_url(&self, path: &[&str], verb: Option<&str>) -> Url {
        self.connection.url(&self.connection.settings.location, path, verb)
    }

    /// The address of uploads or downloads: the same, with one more segment before the version.
    fn beside(&self, segment: &str, path: &[&str], verb: Option<&str>) -> Url {
        let mut url = self.batch_url(path, verb);
        let whole = url.path().to_owned();
        let parts: Vec<&str> = whole.trim_start_matches('/').split('/').collect();
        let (before, after) = parts.split_at(parts.len().saturating_sub(path.len() + 1));
        let parts: Vec<&str> = before.iter().copied().chain([segment]).chain(after.iter().copied()).collect();
        url.set_path(&parts.join("/"));
        url
    }

    fn no_about(&self) -> super::errors::About<'_> {
        self.connection.about(None, None)
    }

    async fn pages(&self, path: &[&str], items: &str) -> Result<Vec<Value>, ProviderError> {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut url = self.batch_url(path, None);
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
            serde_json::from_slice::<Line>(&line)
                .map_err(|error| format!("a line that is not as it should be: {error}"))
        });
        let Line { key, response, error } = match read {
            Ok(line) => line,
            Err(problem) => return RowResult::new(None, RowOutcome::Unreadable(problem)),
        };
        let outcome = match (response.filter(Value::is_object), error.filter(|error| !error.is_null())) {
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
}

/// A batch object, which is an operation with the batch as its metadata; `None` if it has no name.
fn job(value: &Value) -> Option<BatchJob> {
    let name = text(value, "/name")?;
    let id = BatchId(name.strip_prefix("batches/").unwrap_or(name).to_owned());
    let state = text(value, "/metadata/state").or_else(|| text(value, "/state")).unwrap_or_default();
    let said = state.trim_start_matches("BATCH_STATE_").trim_start_matches("JOB_STATE_").to_lowercase();
    let status = match said.as_str() {
        "succeeded" => BatchStatus::Ended(BatchEnd::Completed),
        "failed" => BatchStatus::Ended(BatchEnd::Failed),
        "cancelled" => BatchStatus::Ended(BatchEnd::Cancelled),
        "expired" => BatchStatus::Ended(BatchEnd::Expired),
        _ => BatchStatus::Running,
    };
    let mut job = BatchJob::new(id, status, said);
    job.mark = text(value, "/metadata/displayName").and_then(BatchMark::read);
    let stat = |name: &str| value.pointer(&format!("/metadata/batchStats/{name}")).and_then(count);
    job.counts = stat("requestCount").map(|total| {
        let failed = stat("failedRequestCount").unwrap_or(0);
        let left = stat("pendingRequestCount").unwrap_or(0).saturating_add(failed);
        let answered = stat("successfulRequestCount").unwrap_or(total.saturating_sub(left));
        BatchCounts::new(total, answered, failed)
    });
    let created = text(value, "/metadata/createTime").and_then(|time| time.parse::<jiff::Timestamp>().ok());
    job.created = created.map(jiff::Timestamp::as_second);
    job.error = text(value, "/error/message").map(crate::text::one_line);
    let file = |at: &[&str]| {
        let name = at.iter().find_map(|pointer| text(value, pointer))?;
        Some(FileId(name.strip_prefix("files/").unwrap_or(name).to_owned()))
    };
    job.input = file(&["/metadata/inputConfig/fileName"]);
    job.results = file(&["/metadata/output/responsesFile", "/response/responsesFile"]).into_iter().collect();
    Some(job)
}

#[async_trait]
impl Batch for GoogleProvider {
    fn limits(&self, model: &str) -> Option<BatchLimits> {
        let known = self.takes_batches() && self.target(model).is_ok();
        known.then(|| BatchLimits::new(ROWS, BYTES).poll_interval(Duration::from_secs(30)))
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
        let dialect = self.dialect(&request.model, &target, target.base());
        let line = json!({ "key": key, "request": completions::request(request, &dialect) });
        out.extend_from_slice(line.to_string().as_bytes());
        out.push(b'\n');
        Ok(())
    }

    async fn find_file(&self, mark: &BatchMark) -> Result<Option<FileId>, ProviderError> {
        let files = self.pages(&["files"], "/files").await?;
        let ours = files
            .iter()
            .find(|file| text(file, "/displayName").and_then(BatchMark::read).as_ref() == Some(mark));
        let name = ours.and_then(|file| text(file, "/name"));
        Ok(name.map(|name| FileId(name.trim_start_matches("files/").to_owned())))
    }

    async fn upload(&self, file: &Path, mark: &BatchMark) -> Result<FileId, ProviderError> {
        let bytes = std::fs::read(file).map_err(|error| {
            ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", file.display()))
        })?;
        let begun = self.begin_upload(&bytes, mark).await?;
        let address = begun.header("x-goog-upload-url").and_then(|url| url.parse::<Url>().ok());
        let own = self.batch_url(&["files"], None);
        // The key goes along, and to no other place than its own.
        let Some(address) = address.filter(|url| url.origin() == own.origin()) else {
            return Err(begun.broken("the upload got no address of its own server".to_owned()));
        };
        let headers = [("x-goog-upload-offset", "0"), ("x-goog-upload-command", "upload, finalize")];
        let uploaded: Value = self
            .connection
            .send_bytes(Method::POST, address, &headers, bytes, UPLOAD, self.no_about())
            .await?
            .json()?;
        match text(&uploaded, "/file/name") {
            Some(name) => Ok(FileId(name.trim_start_matches("files/").to_owned())),
            None => Err(ProviderError::new(Cause::Server, "the uploaded file got no name")),
        }
    }

    async fn create(&self, order: &BatchOrder) -> Result<BatchJob, ProviderError> {
        let target = self.target(&order.model)?;
        let (location, path) = self.connection.place(&target)?;
        let url = self.connection.url(location, &path, Some("batchGenerateContent"));
        let name = format!("files/{}", order.file.0);
        let body =
            json!({"batch": {"displayName": order.mark.to_string(), "inputConfig": {"fileName": name}}});
        let answer = self.connection.ask(url, &body).await?;
        if !(200..300).contains(&answer.status) {
            return Err(self.connection.error(&answer, self.about(&target, &order.model)));
        }
        // Whatever it says, there is a batch now.
        let created: Value = answer.json().map_err(|error| error.may_be_billed(true))?;
        job(&created).ok_or_else(|| answer.broken("the batch got no name".to_owned()).may_be_billed(true))
    }

    async fn list(&self, since: i64) -> Result<Vec<BatchJob>, ProviderError> {
        let jobs = self.pages(&["batches"], "/operations").await?;
        let mut ours: Vec<_> = jobs.iter().filter_map(job).filter(|job| job.mark.is_some()).collect();
        ours.retain(|job| job.created.is_none_or(|created| created >= since));
        ours.sort_by_key(|job| std::cmp::Reverse(job.created));
        Ok(ours)
    }

    async fn batch(&self, id: &BatchId) -> Result<BatchJob, ProviderError> {
        let answer = self.connection.get(self.batch_url(&["batches", &id.0], None), self.no_about()).await?;
        job(&answer.json::<Value>()?)
            .ok_or_else(|| answer.broken(format!("the answer is not about batch {}", id.0)))
    }

    async fn results<'a>(
        &'a self,
        job: &BatchJob,
        request: &'a CompletionRequest,
        from: ResultsPosition,
    ) -> Result<Box<dyn BatchResults + 'a>, ProviderError> {
        let file = job.results.get(from.file).cloned();
        Ok(Box::new(Results { provider: self, request, file, position: from, lines: None }))
    }

    async fn cancel(&self, id: &BatchId) -> Result<(), ProviderError> {
        let url = self.batch_url(&["batches", &id.0], Some("cancel"));
        self.connection.post(url, &json!({}), self.no_about()).await.map(drop)
    }

    /// The batch itself stays in the list: it is how another machine sees that it was there.
    async fn clean_up(&self, job: &BatchJob) -> Result<(), ProviderError> {
        for file in job.input.iter().chain(&job.results) {
            match self.connection.delete(self.batch_url(&["files", &file.0], None), self.no_about()).await {
                // Files of other keys are refused as if they were forbidden.
                Err(error) if !matches!(error.cause, Cause::NotFound | Cause::Access) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl GoogleProvider {
    async fn begin_upload(&self, bytes: &[u8], mark: &BatchMark) -> Result<Answer, ProviderError> {
        let length = bytes.len().to_string();
        let headers = [
            ("x-goog-upload-protocol", "resumable"),
            ("x-goog-upload-command", "start"),
            ("x-goog-upload-header-content-length", length.as_str()),
            ("x-goog-upload-header-content-type", "jsonl"),
            ("content-type", "application/json"),
        ];
        let body = json!({"file": {"displayName": mark.to_string()}}).to_string().into_bytes();
        let url = self.beside("upload", &["files"], None);
        self.connection.send_bytes(Method::POST, url, &headers, body, UPLOAD, self.no_about()).await
    }

    async fn open(&self, file: &FileId, offset: u64) -> Result<Lines, ProviderError> {
        let mut last = None;
        // The package asks at the first address, and the guide at the second.
        for url in [
            self.batch_url(&["files", &file.0], Some("download")),
            self.beside("download", &["files", &file.0], Some("download")),
        ] {
            let mut url = url;
            url.query_pairs_mut().append_pair("alt", "media");
            match self.connection.lines(url, offset, DOWNLOAD).await? {
                Ok(lines) => return Ok(lines),
                Err(answer) if answer.status == 404 => last = Some(answer),
                Err(answer) => return Err(self.connection.error(&answer, self.no_about())),
            }
        }
        let gone = Answer { status: 404, headers: HeaderMap::new(), body: Vec::new() };
        Err(self.connection.error(&last.unwrap_or(gone), self.no_about()))
    }
}

/// The lines of the one file of results.
struct Results<'a> {
    provider: &'a GoogleProvider,
    request: &'a CompletionRequest,
    file: Option<FileId>,
    position: ResultsPosition,
    lines: Option<Lines>,
}

#[async_trait]
impl BatchResults for Results<'_> {
    async fn next(&mut self) -> Result<Option<RowResult>, ProviderError> {
        let Some(file) = &self.file else { return Ok(None) };
        let lines = match &mut self.lines {
            Some(lines) => lines,
            None => self.lines.insert(self.provider.open(file, self.position.offset).await?),
        };
        let line = lines.next().await.map_err(|error| self.provider.connection.redacted(error))?;
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

    use super::*;

    #[test]
    fn a_batch_is_read_wherever_its_results_stand() {
        let mark = BatchMark::new("a".repeat(32), "b".repeat(32));
        let value = |state: &str, place: &str| {
            let mut value = json!({"name": "batches/xyz", "metadata": {"displayName": mark.to_string(), "state": state,
                "createTime": "2026-11-28T06:00:00Z", "inputConfig": {"fileName": "files/in"},
                "batchStats": {"requestCount": "400", "pendingRequestCount": "388"}}});
            match place {
                "metadata" => value["metadata"]["output"] = json!({"responsesFile": "files/out"}),
                _ => value["response"] = json!({"responsesFile": "files/out"}),
            }
            job(&value).unwrap()
        };
        for (state, end) in [
            ("BATCH_STATE_RUNNING", None),
            ("BATCH_STATE_UNSPECIFIED", None),
            ("JOB_STATE_SUCCEEDED", Some(BatchEnd::Completed)),
            ("BATCH_STATE_EXPIRED", Some(BatchEnd::Expired)),
        ] {
            for place in ["metadata", "response"] {
                let job = value(state, place);
                assert_eq!((job.end(), job.mark.as_ref()), (end, Some(&mark)), "{state}");
                assert_eq!(job.results, [FileId("out".into())]);
                assert_eq!(job.counts, Some(BatchCounts::new(400, 12, 0)));
            }
        }
        assert_eq!(job(&json!({"name": "batches/x"})).unwrap().counts, None);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = serde_json::from_slice::<Line>(&line);
        }
    }
}
