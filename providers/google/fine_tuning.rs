//! Fine-tuning at Vertex AI: file, job, model, and how to be rid of them.
//!
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-use-supervised-tuning> as of 2026, and the
//! discovery document of `aiplatform` v1 (2026-11-06). Where the two disagree the document is followed.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use reqwest::Url;
use serde_json::{Value, json};
use tunebench_data::{Example, Prompt};

use super::connection::Connection;
use super::declared::Surface;
use super::json::{list, text};
use super::models::{self, TUNING_REGIONS};
use super::names::{Location, Resource};
use super::storage::Storage;
use super::{job_request, jobs, training_file};
use crate::{
    Cause, Checkpoint, Epochs, FileId, FineTuning, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus,
    ProviderError, Retry, SettingError, TuningSpec, async_trait,
};

/// Where training files lie in the bucket.
const FOLDER: &str = "tunebench";
/// As many as a page holds.
const PAGE: &str = "100";
/// More pages than this are a server that repeats itself.
const MOST_PAGES: usize = 1_000;
/// A model that is missing so long after its job was deleted; one that is newer may not be there yet.
const WARM_UP: Duration = Duration::from_secs(1_800);
/// To take a model off its endpoint and to delete it: minutes at most.
const LONGEST_DELETION: Duration = Duration::from_secs(300);

/// Fine-tuning in one project.
pub(super) struct Tuning {
    connection: Arc<Connection>,
    pub(super) storage: Storage,
    /// Files that were put there by this process, and so belong to no earlier job.
    uploaded: Mutex<HashSet<FileId>>,
    pub(super) today: fn() -> Date,
}

impl Tuning {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let storage = Storage::new(connection.clone());
        Self { connection, storage, uploaded: Mutex::default(), today: || Zoned::now().date() }
    }

    /// All jobs at a location, the newest first. Those of another location are not among them.
    pub(super) async fn list(&self, location: &Location) -> Result<Vec<Value>, ProviderError> {
        let url = self.jobs_url(location)?;
        let mut found: Vec<Value> = Vec::new();
        let mut token = String::new();
        for _ in 0..MOST_PAGES {
            let mut page = url.clone();
            page.query_pairs_mut().append_pair("pageSize", PAGE);
            if !token.is_empty() {
                page.query_pairs_mut().append_pair("pageToken", &token);
            }
            let answer: Value = self.connection.get(page, self.about(location)).await?.json()?;
            found.extend_from_slice(list(&answer, "/tuningJobs"));
            let next = text(&answer, "/nextPageToken").unwrap_or_default();
            if next.is_empty() || next == token {
                break;
            }
            token = next.to_owned();
        }
        found.sort_by_key(|job| std::cmp::Reverse(jobs::created(job)));
        Ok(found)
    }

    /// The job that made a tuned model or a checkpoint. Jobs run elsewhere than their models answer.
    pub(super) async fn job_of(&self, endpoint: &Resource) -> Result<Option<Value>, ProviderError> {
        let mut locations = vec![&self.connection.settings.tuning_location];
        if endpoint.location.is_region() && !locations.contains(&&endpoint.location) {
            locations.push(&endpoint.location);
        }
        for location in locations {
            let jobs = self.list(location).await?;
            // The project in a name may be its number or its id: what stands behind it is compared.
            let is_ours =
                |found: &Resource| found.location == endpoint.location && found.id() == endpoint.id();
            let found = jobs.into_iter().find(|job| jobs::endpoints(job).iter().any(is_ours));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn raw_job(&self, id: &JobId) -> Result<Value, ProviderError> {
        let (location, url) = self.job_url(id, None)?;
        self.connection.get(url, self.about(&location)).await?.json()
    }

    /// A job at the location in its own name.
    fn job_url(&self, id: &JobId, verb: Option<&str>) -> Result<(Location, Url), ProviderError> {
        if let Some(resource) = Resource::parse(&id.0).filter(|resource| resource.kind() == "tuningJobs") {
            let url = self.connection.url_of(&resource, verb);
            return Ok((resource.location, url));
        }
        let location = self.connection.settings.tuning_location.clone();
        let mut path = self.connection.parent(&location)?;
        path.extend(["tuningJobs", &id.0]);
        let url = self.connection.url(&location, &path, verb);
        Ok((location, url))
    }

    fn jobs_url(&self, location: &Location) -> Result<Url, ProviderError> {
        let mut path = self.connection.parent(location)?;
        path.push("tuningJobs");
        Ok(self.connection.url(location, &path, None))
    }

    fn about<'a>(&'a self, location: &'a Location) -> super::errors::About<'a> {
        self.connection.about(None, Some(location.name()))
    }

    /// A resource, or `None` if there is none.
    async fn look(&self, resource: &Resource) -> Result<Option<Value>, ProviderError> {
        match self
            .connection
            .get(self.connection.url_of(resource, None), self.about(&resource.location))
            .await
        {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.cause == Cause::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the model of a job that has succeeded is still there. A new one may need its time to answer, so that a
    /// missing endpoint alone says little.
    async fn has_its_model(&self, job: &Value) -> Result<bool, ProviderError> {
        let named = |pointer| text(job, pointer).and_then(Resource::parse);
        if let Some(endpoint) = named("/tunedModel/endpoint")
            && self.look(&endpoint).await?.is_some()
        {
            return Ok(true);
        }
        let ended: Option<Timestamp> = text(job, "/endTime").and_then(|time| time.parse().ok());
        let is_new =
            ended.is_some_and(|ended| Timestamp::now().duration_since(ended).unsigned_abs() < WARM_UP);
        match named("/tunedModel/model") {
            Some(model) if is_new => Ok(self.look(&model).await?.is_some()),
            _ => Ok(false),
        }
    }

    /// Takes the models off an endpoint and deletes it. What is gone already is as good. Returns the models.
    async fn delete_endpoint(&self, endpoint: &Resource) -> Result<Vec<Resource>, ProviderError> {
        let Some(found) = self.look(endpoint).await? else { return Ok(Vec::new()) };
        let mut models = Vec::new();
        for deployed in list(&found, "/deployedModels") {
            let Some(id) = text(deployed, "/id") else { continue };
            let url = self.connection.url_of(endpoint, Some("undeployModel"));
            let body = json!({"deployedModelId": id});
            let answer = self.connection.post(url, &body, self.about(&endpoint.location)).await?;
            self.carried_out(&endpoint.location, answer.json()?).await?;
            models.extend(text(deployed, "/model").and_then(Resource::parse));
        }
        self.delete_resource(endpoint).await?;
        Ok(models)
    }

    async fn delete_resource(&self, resource: &Resource) -> Result<(), ProviderError> {
        let url = self.connection.url_of(resource, None);
        match self.connection.delete(url, self.about(&resource.location)).await {
            Ok(answer) => self.carried_out(&resource.location, answer.json()?).await,
            Err(error) if error.cause == Cause::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits until an operation is over. These are steps of one deletion, each of which needs the one before.
    async fn carried_out(&self, location: &Location, mut operation: Value) -> Result<(), ProviderError> {
        let (mut pause, mut waited) = (Duration::from_millis(50), Duration::ZERO);
        loop {
            if let Some(message) = text(&operation, "/error/message") {
                return Err(ProviderError::new(Cause::Invalid, crate::text::one_line(message)));
            }
            let done = operation.get("done").and_then(Value::as_bool).unwrap_or(false);
            let Some(name) = text(&operation, "/name").filter(|_| !done) else { return Ok(()) };
            if waited > LONGEST_DELETION {
                let message = format!("{name} is not over after {} seconds", waited.as_secs());
                return Err(ProviderError::new(Cause::Server, message));
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (2 * pause).min(Duration::from_secs(5));
            let path: Vec<_> = name.split('/').collect();
            let url = self.connection.url(location, &path, None);
            operation = self.connection.get(url, self.about(location)).await?.json()?;
        }
    }

    /// Removes the files of a job that could not be started, unless they belong to others as well.
    async fn remove_files(&self, request: &JobRequest) {
        for file in std::iter::once(&request.training_file).chain(&request.validation_file) {
            let ours = self.lock().remove(file);
            if ours {
                // The reason why there is no job matters more than a file that stays behind.
                let _ = self.storage.delete(file).await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<FileId>> {
        self.uploaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the calendar says of tuning `base`.
    pub(super) fn warnings(&self, base: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        let known = models::known(Surface::Vertex, base);
        if let Some((known, day)) = known.and_then(|known| Some((known, known.retires?))) {
            let (gone, doubt) = match known.one_source {
                true => ("is said to stop answering", ", though Google itself was not asked"),
                false => ("stops answering", ""),
            };
            warnings.push(format!(
                "`{base}` {gone} on {day}, and the models tuned from it most likely with it{doubt}"
            ));
        }
        if base.starts_with("gemini-2.5") {
            warnings.push(format!(
                "Google may retire `{base}` at any time since 2026-10-16, and closes its tuning a month before"
            ));
        } else if !TUNING_REGIONS.contains(&self.connection.settings.tuning_location.name()) {
            warnings.push(format!(
                "jobs for `{base}` run in {} only, and `tuning_location` is {}",
                TUNING_REGIONS.join(" and "),
                self.connection.settings.tuning_location
            ));
        }
        warnings
    }
}

#[async_trait]
impl FineTuning for Tuning {
    fn check(&self, spec: &TuningSpec, examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
        if self.connection.settings.check_models {
            job_request::check_base(&spec.base)?;
        }
        job_request::Own::read(spec)?;
        training_file::check(examples, prompt)
    }

    fn epochs(&self, spec: &TuningSpec, _rows: usize) -> Option<Epochs> {
        spec.hyperparameters.get("epoch_count").and_then(serde_json::Value::as_u64).map(Epochs::Set)
    }

    async fn preflight(&self, spec: &TuningSpec) -> Result<Vec<String>, ProviderError> {
        let region = &self.connection.settings.tuning_location;
        self.connection.parent(region)?;
        let mut warnings = self.warnings(&spec.base);
        // What only others say is a warning, and Google's own refusal the proof.
        let known = models::known(Surface::Vertex, &spec.base).filter(|known| !known.one_source);
        if let Some(day) = known.and_then(|known| known.retires).filter(|day| *day <= (self.today)()) {
            let message = format!("`{}` was shut down on {day}", spec.base);
            return Err(ProviderError::new(Cause::Unsupported, message).hint("tune a newer model"));
        }
        match self.storage.location().await? {
            Some(bucket) if !region.is_in(&bucket) => warnings.push(format!(
                "the bucket is in {bucket} and the job runs in {region}: they should be close to each other"
            )),
            _ => {}
        }
        Ok(warnings)
    }

    fn write_training_file(
        &self,
        examples: &[Example],
        prompt: &Prompt,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        training_file::write(examples, prompt, out)
    }

    async fn upload(&self, file: &Path) -> Result<FileId, ProviderError> {
        let (id, is_new) = self.storage.upload(file, FOLDER).await?;
        if is_new {
            self.lock().insert(id.clone());
        }
        Ok(id)
    }

    async fn delete_file(&self, file: &FileId) -> Result<(), ProviderError> {
        // Equal data is one file, however many jobs learn from it.
        let uses = |job: &Job| !job.status.is_final() && job.files.contains(file);
        if let Some(job) = self.jobs().await?.iter().find(|job| uses(job)) {
            let message = format!("{} is kept: job {} still needs it", file.0, job.id.0);
            return Err(ProviderError::new(Cause::Invalid, message));
        }
        self.storage.delete(file).await
    }

    async fn create_job(&self, request: &JobRequest) -> Result<Job, ProviderError> {
        let body =
            job_request::order(request).map_err(|error| ProviderError::new(Cause::Invalid, error.message))?;
        let location = &self.connection.settings.tuning_location;
        let about = self.connection.about(Some(&request.spec.base), Some(location.name()));
        match self.connection.post(self.jobs_url(location)?, &body, about).await {
            Ok(answer) => {
                let created: Value = answer.json()?;
                jobs::job(&created).ok_or_else(|| answer.broken("the job got no name".to_owned()))
            }
            Err(error) => {
                if error.retry == Retry::Never {
                    self.remove_files(request).await;
                }
                Err(error)
            }
        }
    }

    /// The service knows no idempotency key: the mark is a label, and the list is searched for it here.
    async fn find_job(&self, mark: &JobMark) -> Result<Option<Job>, ProviderError> {
        for raw in self.list(&self.connection.settings.tuning_location).await? {
            let Some(job) = jobs::job(&raw).filter(|job| job.mark.as_ref() == Some(mark)) else { continue };
            match job.status {
                JobStatus::Failed | JobStatus::Cancelled => {}
                JobStatus::Succeeded if !self.has_its_model(&raw).await? => {}
                _ => return Ok(Some(job)),
            }
        }
        Ok(None)
    }

    async fn job(&self, id: &JobId) -> Result<Job, ProviderError> {
        let found = self.raw_job(id).await?;
        jobs::job(&found)
            .ok_or_else(|| ProviderError::new(Cause::Server, format!("the answer is not about job {}", id.0)))
    }

    async fn jobs(&self) -> Result<Vec<Job>, ProviderError> {
        let jobs = self.list(&self.connection.settings.tuning_location).await?;
        Ok(jobs.iter().filter_map(jobs::job).collect())
    }

    async fn events(&self, id: &JobId, skip: usize) -> Result<Vec<JobEvent>, ProviderError> {
        Ok(jobs::events(&self.raw_job(id).await?).into_iter().skip(skip).collect())
    }

    async fn checkpoints(&self, id: &JobId) -> Result<Vec<Checkpoint>, ProviderError> {
        Ok(jobs::checkpoints(&self.raw_job(id).await?))
    }

    async fn cancel_job(&self, id: &JobId) -> Result<(), ProviderError> {
        let (location, url) = self.job_url(id, Some("cancel"))?;
        self.connection.post(url, &json!({}), self.about(&location)).await.map(|_| ())
    }

    /// Deletes a tuned model with all its endpoints; of a checkpoint, its endpoint alone.
    async fn delete_model(&self, model: &str) -> Result<(), ProviderError> {
        let endpoint =
            Resource::parse(model).filter(|resource| resource.kind() == "endpoints").ok_or_else(|| {
                ProviderError::new(Cause::NotFound, format!("`{model}` is not a tuned model"))
                    .hint("name its endpoint, as `tunebench jobs list` shows it")
            })?;
        let job = self.job_of(&endpoint).await?;
        let of_job = |pointer| job.as_ref().and_then(|job| Resource::parse(text(job, pointer)?));
        let is_checkpoint = of_job("/tunedModel/endpoint").is_some_and(|main| main.id() != endpoint.id());
        let there = self.look(&endpoint).await?.is_some();
        if !there && (is_checkpoint || job.is_none()) {
            return Err(ProviderError::new(Cause::NotFound, format!("there is no tuned model `{model}`")));
        }
        let mut models = self.delete_endpoint(&endpoint).await?;
        if is_checkpoint {
            return Ok(());
        }
        for other in job.iter().flat_map(jobs::endpoints).filter(|other| other.id() != endpoint.id()) {
            self.delete_endpoint(&other).await?;
        }
        models.extend(of_job("/tunedModel/model"));
        models.dedup_by(|a, b| (&a.location, a.id()) == (&b.location, b.id()));
        for model in &models {
            self.delete_resource(model).await?;
        }
        Ok(())
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_secs(60)
    }
}
