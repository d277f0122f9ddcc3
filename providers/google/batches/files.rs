//! Batches of the Gemini Developer API: a file of requests by the Files API, answered as one job.
//!
//! <https://ai.google.dev/gemini-api/docs/batch-api> (excerpts of 2026) and the official Python package `google-genai` 3.6.1.
//! A batch that waits for more than 48 hours expires without any results, so its parts are kept small.

use std::path::Path;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::super::GoogleProvider;
use super::super::json::{count, text};
use super::super::names::Target;
use crate::http::Answer;
use crate::lines::Lines;
use crate::timeouts;
use crate::{
    BatchCounts, BatchId, BatchJob, BatchLimits, BatchMark, BatchOrder, Cause, FileId, ProviderError,
};

/// What has not begun within two days is lost, and large batches begin late: 2,000 rows at most. The service takes 2 GB.
pub(super) const LIMITS: BatchLimits =
    BatchLimits::new(2_000, 64_000_000).poll_interval(Duration::from_secs(30));

impl GoogleProvider {
    pub(super) fn files_url(&self, path: &[&str], verb: Option<&str>) -> Url {
        self.connection.url(&self.connection.settings.location, path, verb)
    }

    /// The address of uploads or downloads: the same, with one more segment before the version.
    fn beside(&self, segment: &str, path: &[&str], verb: Option<&str>) -> Url {
        let mut url = self.files_url(path, verb);
        let whole = url.path().to_owned();
        let parts: Vec<&str> = whole.trim_start_matches('/').split('/').collect();
        let (before, after) = parts.split_at(parts.len().saturating_sub(path.len() + 1));
        let parts: Vec<&str> = before.iter().copied().chain([segment]).chain(after.iter().copied()).collect();
        url.set_path(&parts.join("/"));
        url
    }

    pub(super) async fn find_uploaded(&self, mark: &BatchMark) -> Result<Option<FileId>, ProviderError> {
        let files = self.pages(self.files_url(&["files"], None), "/files").await?;
        let ours = files
            .iter()
            .find(|file| text(file, "/displayName").and_then(BatchMark::read).as_ref() == Some(mark));
        let name = ours.and_then(|file| text(file, "/name"));
        Ok(name.map(|name| FileId(name.trim_start_matches("files/").to_owned())))
    }

    pub(super) async fn upload_rows(&self, file: &Path, mark: &BatchMark) -> Result<FileId, ProviderError> {
        let size = std::fs::metadata(file).map_err(|error| {
            ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", file.display()))
        })?;
        let begun = self.begin_upload(size.len(), mark).await?;
        let address = begun.header("x-goog-upload-url").and_then(|url| url.parse::<Url>().ok());
        let own = self.files_url(&["files"], None);
        // The key goes along, and to no other place than its own.
        let Some(address) = address.filter(|url| url.origin() == own.origin()) else {
            return Err(begun.broken("the upload got no address of its own server".to_owned()));
        };
        let headers = [("x-goog-upload-offset", "0"), ("x-goog-upload-command", "upload, finalize")];
        let uploaded: Value = self
            .connection
            .send_rows(address, &headers, file, timeouts::PIECE, self.no_about())
            .await?
            .json()?;
        match text(&uploaded, "/file/name") {
            Some(name) => Ok(FileId(name.trim_start_matches("files/").to_owned())),
            None => Err(ProviderError::new(Cause::Server, "the uploaded file got no name")),
        }
    }

    async fn begin_upload(&self, length: u64, mark: &BatchMark) -> Result<Answer, ProviderError> {
        let length = length.to_string();
        let headers = [
            ("x-goog-upload-protocol", "resumable"),
            ("x-goog-upload-command", "start"),
            ("x-goog-upload-header-content-length", length.as_str()),
            ("x-goog-upload-header-content-type", "jsonl"),
            ("content-type", "application/json"),
        ];
        let body = json!({"file": {"displayName": mark.to_string()}}).to_string().into_bytes();
        let url = self.beside("upload", &["files"], None);
        self.connection.send_bytes(Method::POST, url, &headers, body, timeouts::PIECE, self.no_about()).await
    }

    /// Address and body of an order.
    pub(super) fn files_order(
        &self,
        target: &Target,
        order: &BatchOrder,
    ) -> Result<(Url, Value), ProviderError> {
        let (location, path) = self.connection.place(target)?;
        let url = self.connection.url(location, &path, Some("batchGenerateContent"));
        let name = format!("files/{}", order.file.0);
        Ok((
            url,
            json!({"batch": {"displayName": order.mark.to_string(), "inputConfig": {"fileName": name}}}),
        ))
    }

    pub(super) async fn files_jobs(&self) -> Result<Vec<BatchJob>, ProviderError> {
        let jobs = self.pages(self.files_url(&["batches"], None), "/operations").await?;
        Ok(jobs.iter().filter_map(job).collect())
    }

    pub(super) async fn open_file(&self, file: &FileId, offset: u64) -> Result<Lines, ProviderError> {
        let mut last = None;
        // The package asks at the first address, and the guide at the second.
        for url in [
            self.files_url(&["files", &file.0], Some("download")),
            self.beside("download", &["files", &file.0], Some("download")),
        ] {
            let mut url = url;
            url.query_pairs_mut().append_pair("alt", "media");
            match self.connection.lines(url, offset, timeouts::PIECE).await? {
                Ok(lines) => return Ok(lines),
                Err(answer) if answer.status == 404 => last = Some(answer),
                Err(answer) => return Err(self.connection.error(&answer, self.no_about())),
            }
        }
        let gone = Answer { status: 404, headers: HeaderMap::new(), body: Vec::new() };
        Err(self.connection.error(&last.unwrap_or(gone), self.no_about()))
    }

    pub(super) async fn remove_files(&self, job: &BatchJob) -> Result<(), ProviderError> {
        for file in job.input.iter().chain(&job.results) {
            match self.connection.delete(self.files_url(&["files", &file.0], None), self.no_about()).await {
                // Files of other keys are refused as if they were forbidden.
                Err(error) if !matches!(error.cause, Cause::NotFound | Cause::Access) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A batch object, which is an operation with the batch as its metadata; `None` if it has no name.
pub(super) fn job(value: &Value) -> Option<BatchJob> {
    let name = text(value, "/name")?;
    let id = BatchId(name.strip_prefix("batches/").unwrap_or(name).to_owned());
    let said = text(value, "/metadata/state").or_else(|| text(value, "/state")).unwrap_or_default();
    let (status, said) = super::state(said);
    let mut job = BatchJob::new(id, status, said);
    job.mark = text(value, "/metadata/displayName").and_then(BatchMark::read);
    let stat = |name: &str| value.pointer(&format!("/metadata/batchStats/{name}")).and_then(count);
    job.counts = stat("requestCount").map(|total| {
        let failed = stat("failedRequestCount").unwrap_or(0);
        let left = stat("pendingRequestCount").unwrap_or(0).saturating_add(failed);
        let answered = stat("successfulRequestCount").unwrap_or(total.saturating_sub(left));
        BatchCounts::new(total, answered, failed)
    });
    job.created = super::seconds(text(value, "/metadata/createTime"));
    job.error = text(value, "/error/message").map(crate::text::one_line);
    let file = |at: &[&str]| {
        let name = at.iter().find_map(|pointer| text(value, pointer))?;
        Some(FileId(name.strip_prefix("files/").unwrap_or(name).to_owned()))
    };
    job.input = file(&["/metadata/inputConfig/fileName"]);
    job.results = file(&["/metadata/output/responsesFile", "/response/responsesFile"]).into_iter().collect();
    Some(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_wherever_its_results_stand() {
        let mark = BatchMark::new("a".repeat(32), "b".repeat(32));
        for place in ["metadata", "response"] {
            let mut value = json!({"name": "batches/xyz", "metadata": {"displayName": mark.to_string(),
                "state": "BATCH_STATE_RUNNING", "createTime": "2026-11-28T06:00:00Z",
                "inputConfig": {"fileName": "files/in"},
                "batchStats": {"requestCount": "400", "pendingRequestCount": "388"}}});
            match place {
                "metadata" => value["metadata"]["output"] = json!({"responsesFile": "files/out"}),
                _ => value["response"] = json!({"responsesFile": "files/out"}),
            }
            let job = job(&value).unwrap();
            assert_eq!((job.end(), job.mark.as_ref()), (None, Some(&mark)));
            assert_eq!((job.input, job.results), (Some(FileId("in".into())), vec![FileId("out".into())]));
            assert_eq!((job.counts, job.created), (Some(BatchCounts::new(400, 12, 0)), Some(1_795_845_600)));
        }
        assert_eq!(job(&json!({"name": "batches/x"})).unwrap().counts, None);
    }
}
