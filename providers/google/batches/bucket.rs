//! Batches of Vertex AI: requests lie in the bucket of the project, and answers are written into it.
//!
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage> (second half
//! of 2026) and the discovery document of `aiplatform` v1 (2026-11-06). A row waits for up to three days and runs for
//! up to one.

use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};

use super::super::GoogleProvider;
use super::super::json::{count, list, text};
use super::super::names::{Location, Resource, Target};
use super::super::storage::Storage;
use crate::lines::Lines;
use crate::{
    BatchCounts, BatchEnd, BatchId, BatchJob, BatchLimits, BatchMark, BatchOrder, Cause, FileId,
    ProviderError, Scope,
};

/// What the service takes of one file.
const ROWS: usize = 200_000;
const BYTES: u64 = 1_000_000_000;
/// Where the requests of a batch lie in the bucket, and its answers beside them.
const FOLDER: &str = "tunebench/batches";
/// Labels of a job, by which it is found again.
const SCOPE: &str = "tunebench_scope";
const PART: &str = "tunebench_part";
const TOOL: &str = "tunebench_tool";

impl GoogleProvider {
    /// The limits, and remembers where the model is asked: a list of batches shows one place.
    pub(super) fn bucket_limits(&self, target: &Target) -> BatchLimits {
        if let Ok((location, _)) = self.connection.place(target) {
            let mut places = self.batch_places.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !places.contains(location) {
                places.push(location.clone());
            }
        }
        let window = Duration::from_secs(4 * 24 * 3_600);
        BatchLimits::new(ROWS, BYTES).window(window).poll_interval(Duration::from_secs(30))
    }

    fn storage(&self) -> Result<&Storage, ProviderError> {
        self.tuning
            .as_ref()
            .map(|tuning| &tuning.storage)
            .ok_or_else(|| ProviderError::new(Cause::Unsupported, "the Developer API has no buckets"))
    }

    pub(super) async fn find_object(&self, mark: &BatchMark) -> Result<Option<FileId>, ProviderError> {
        let there = self.storage()?.objects(&format!("{FOLDER}/{mark}/requests/")).await?;
        Ok(there.into_iter().next())
    }

    pub(super) async fn store_rows(&self, file: &Path, mark: &BatchMark) -> Result<FileId, ProviderError> {
        let (id, _) = self.storage()?.upload(file, &format!("{FOLDER}/{mark}/requests")).await?;
        Ok(id)
    }

    /// Address and body of an order.
    pub(super) async fn bucket_order(
        &self,
        target: &Target,
        order: &BatchOrder,
    ) -> Result<(Url, Value), ProviderError> {
        let (location, path) = self.connection.place(target)?;
        let model = match target {
            Target::Publisher { publisher, model } => format!("publishers/{publisher}/models/{model}"),
            Target::Endpoint(endpoint) => self.deployed_on(endpoint).await?,
            Target::Named(_) | Target::Developer(_) => path.join("/"),
        };
        let requests = &order.file.0;
        let (folder, _) = requests.split_once("/requests/").unwrap_or((requests.as_str(), ""));
        let body = json!({
            "displayName": format!("tunebench {}", order.mark.part),
            "model": model,
            "labels": {SCOPE: order.mark.scope, PART: order.mark.part, TOOL: "tunebench"},
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [requests]}},
            "outputConfig": {"predictionsFormat": "jsonl",
                "gcsDestination": {"outputUriPrefix": format!("{folder}/answers/")}},
        });
        Ok((self.jobs_url(location)?, body))
    }

    /// A batch wants the tuned model itself, not the endpoint at which it answers.
    async fn deployed_on(&self, endpoint: &Resource) -> Result<String, ProviderError> {
        let url = self.connection.url_of(endpoint, None);
        let found: Value = self.connection.get(url, self.no_about()).await?.json()?;
        let model = list(&found, "/deployedModels").first().and_then(|model| text(model, "/model"));
        model.map(str::to_owned).ok_or_else(|| {
            ProviderError::new(Cause::NotFound, format!("no model is deployed on `{endpoint}`"))
                .scope(Scope::Model)
        })
    }

    fn jobs_url(&self, location: &Location) -> Result<Url, ProviderError> {
        let mut path = self.connection.parent(location)?;
        path.push("batchPredictionJobs");
        Ok(self.connection.url(location, &path, None))
    }

    pub(super) fn bucket_job_url(&self, id: &BatchId, verb: Option<&str>) -> Result<Url, ProviderError> {
        let resource = Resource::parse(&id.0).filter(|resource| resource.kind() == "batchPredictionJobs");
        let resource = resource.ok_or_else(|| {
            ProviderError::new(Cause::NotFound, format!("`{}` is not the name of a batch", id.0)).hint(
                "write it as `tunebench batches list` does: `projects/…/locations/…/batchPredictionJobs/…`",
            )
        })?;
        Ok(self.connection.url_of(&resource, verb))
    }

    /// Our batches where untuned models are asked, and where others were meant to be.
    pub(super) async fn bucket_jobs(&self) -> Result<Vec<BatchJob>, ProviderError> {
        let mut places = vec![self.connection.settings.location.clone()];
        let seen = self.batch_places.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        places.extend(seen.into_iter().filter(|place| *place != self.connection.settings.location));
        let mut jobs = Vec::new();
        for place in places {
            let mut url = self.jobs_url(&place)?;
            url.query_pairs_mut().append_pair("filter", &format!("labels.{TOOL}=tunebench"));
            jobs.extend(self.pages(url, "/batchPredictionJobs").await?.iter().filter_map(job));
        }
        Ok(jobs)
    }

    /// The files of answers in a folder, by name.
    pub(super) async fn objects_in(&self, folder: &FileId) -> Result<Vec<FileId>, ProviderError> {
        let storage = self.storage()?;
        let prefix = format!("{}/", storage.name_of(folder)?.trim_end_matches('/'));
        let mut objects = storage.objects(&prefix).await?;
        objects.retain(|object| object.0.ends_with(".jsonl"));
        objects.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(objects)
    }

    pub(super) async fn open_object(&self, file: &FileId, offset: u64) -> Result<Lines, ProviderError> {
        self.storage()?.lines(file, offset).await
    }

    /// Removes requests and answers from the bucket, where they would be paid for.
    pub(super) async fn remove_objects(&self, job: &BatchJob) -> Result<(), ProviderError> {
        let storage = self.storage()?;
        let mut objects: Vec<_> = job.input.iter().cloned().collect();
        for folder in &job.results {
            let prefix = format!("{}/", storage.name_of(folder)?.trim_end_matches('/'));
            objects.extend(storage.objects(&prefix).await?);
        }
        for object in objects {
            storage.delete(&object).await?;
        }
        Ok(())
    }
}

/// A batch; `None` if it has no name.
pub(super) fn job(value: &Value) -> Option<BatchJob> {
    let (status, said) = super::state(text(value, "/state").unwrap_or_default());
    let mut job = BatchJob::new(BatchId(text(value, "/name")?.to_owned()), status, said);
    let label = |name: &str| text(value, &format!("/labels/{name}"));
    job.mark = label(SCOPE).zip(label(PART)).map(|(scope, part)| BatchMark::new(scope, part));
    let stat = |name: &str| value.pointer(&format!("/completionStats/{name}")).and_then(count);
    let (answered, failed) = (stat("successfulCount"), stat("failedCount"));
    job.counts = answered.or(failed).map(|_| {
        let (answered, failed) = (answered.unwrap_or(0), failed.unwrap_or(0));
        // Where it is not known, it is -1.
        let left = stat("incompleteCount").unwrap_or(0);
        BatchCounts::new(answered.saturating_add(failed).saturating_add(left), answered, failed)
    });
    job.created = super::seconds(text(value, "/createTime"));
    job.error = text(value, "/error/message").map(crate::text::one_line);
    job.input = text(value, "/inputConfig/gcsSource/uris/0").map(|uri| FileId(uri.to_owned()));
    let folder = text(value, "/outputInfo/gcsOutputDirectory");
    job.results = folder.map(|folder| FileId(folder.to_owned())).into_iter().collect();
    job.results_pending = job.end() == Some(BatchEnd::Completed)
        && job.results.is_empty()
        && answered.is_some_and(|answered| answered > 0);
    Some(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_with_counts_that_are_texts_and_may_be_unknown() {
        let (scope, part) = ("a".repeat(32), "b".repeat(32));
        let mut value = json!({
            "name": "projects/1/locations/us-central1/batchPredictionJobs/4", "state": "JOB_STATE_PARTIALLY_SUCCEEDED",
            "labels": {SCOPE: scope, PART: part}, "createTime": "2026-11-28T06:00:00Z",
            "inputConfig": {"gcsSource": {"uris": ["gs://b/in.jsonl"]}},
            "outputInfo": {"gcsOutputDirectory": "gs://b/out/prediction-1"},
            "completionStats": {"successfulCount": "398", "failedCount": "2", "incompleteCount": "-1"},
        });
        let read = job(&value).unwrap();
        assert_eq!((read.end(), read.mark), (Some(BatchEnd::Completed), Some(BatchMark::new(scope, part))));
        assert_eq!(read.counts, Some(BatchCounts::new(400, 398, 2)));
        assert_eq!(read.results, [FileId("gs://b/out/prediction-1".into())]);
        assert!(!read.results_pending);
        value["outputInfo"] = Value::Null;
        assert!(job(&value).unwrap().results_pending, "it ended, and does not say yet where its answers are");
    }
}
