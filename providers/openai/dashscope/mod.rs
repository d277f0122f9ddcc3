//! Fine-tuning at Alibaba Model Studio (DashScope): an API of its own beside the answers, which are of OpenAI's shape.
//!
//! A tuned model answers only when it is deployed. Its deployment (plan `lora`) is paid by the token like any other answer
//! and costs nothing while nobody asks, so it is made when training is done: until the model answers, its job is said to
//! run. Deleting the model deletes deployment and job.
//!
//! From the Python package `dashscope` 2.0.2 (`v2`) and Alibaba's pages on fine-tuning of June to October 2026.

mod jobs;

use std::io::{self, Write};
use std::path::Path;

use reqwest::multipart::Form;
use serde_json::{Value, json};
use tunebench_data::{Example, Prompt};

use self::jobs::{Deployment, State};
use super::connection::Connection;
use super::errors::{self, About, ErrorBody};
use super::settings::Settings;
use super::training_file;
use crate::http::Answer;
use crate::{
    Cause, Epochs, FileId, FineTuning, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus, ProviderError,
    SettingError, Setup, TuningSpec, async_trait,
};

/// As many as a page of a list is asked to hold.
const PAGE: usize = 50;
/// As many lines of a log.
const LINES: usize = 1_000;

/// Fine-tuning at Alibaba.
pub(super) struct DashScope {
    connection: Connection,
}

impl DashScope {
    /// Beside the address at which models answer.
    pub(super) fn new(settings: &Settings, setup: &Setup) -> Self {
        let mut settings = settings.clone();
        let path = settings.base_url.path().to_owned();
        let root = path.strip_suffix("compatible-mode/v1/").unwrap_or(&path);
        settings.base_url.set_path(&format!("{root}api/v1/"));
        Self { connection: Connection::new(settings, setup) }
    }

    /// The body of an answer, which may be an error whatever its status says.
    fn read(&self, answer: &Answer) -> Result<Value, ProviderError> {
        let body: Value = answer.json().map_err(|error| self.connection.redacted(error))?;
        let code = body.get("code").and_then(Value::as_str).filter(|code| !code.is_empty());
        match code {
            None => Ok(body),
            Some(_) => Err(self.refused(&body)),
        }
    }

    fn refused(&self, body: &Value) -> ProviderError {
        let said = ErrorBody::of_value(body).unwrap_or_default();
        let about = About { model: None, key_variable: self.connection.settings.key_variable.as_deref() };
        self.connection.redacted(errors::of_body(400, &said, about))
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ProviderError> {
        self.read(&self.connection.get(path, query, About::default()).await?)
    }

    async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Value, ProviderError> {
        self.read(&self.connection.post(path, body).await?)
    }

    async fn delete(&self, path: &[&str]) -> Result<(), ProviderError> {
        self.read(&self.connection.delete(path, About::default()).await?).map(|_| ())
    }

    /// All items of a list, page by page.
    async fn list(&self, path: &str, items: &str) -> Result<Vec<Value>, ProviderError> {
        let mut all: Vec<Value> = Vec::new();
        for page in 1.. {
            let (page, size) = (page.to_string(), PAGE.to_string());
            let body = self.get(&[path], &[("page_no", &page), ("page_size", &size)]).await?;
            let found = body.pointer(&format!("/output/{items}")).and_then(Value::as_array);
            let found = found.cloned().unwrap_or_default();
            let total = body.pointer("/output/total").and_then(Value::as_u64);
            // A server that ignores the page gives the first one for ever.
            let ends = found.is_empty() || all.ends_with(&found);
            let short = found.len() < PAGE;
            if !ends {
                all.extend(found);
            }
            if ends || total.map_or(short, |total| all.len() as u64 >= total) {
                break;
            }
        }
        Ok(all)
    }

    async fn raw_job(&self, id: &JobId) -> Result<Value, ProviderError> {
        let body = self.get(&["fine-tunes", &id.0], &[]).await?;
        Ok(body.get("output").cloned().unwrap_or_default())
    }

    /// What there is of a model that was trained.
    async fn deployment(&self, trained: &str) -> Result<Option<Deployment>, ProviderError> {
        let all = self.list("deployments", "deployments").await?;
        let mut of_model = all.iter().filter_map(jobs::deployment).filter(|found| found.trained == trained);
        // One that is being deleted is as good as none.
        Ok(of_model.find(|found| found.state != State::Gone))
    }

    /// A job with its deployment: it has succeeded when its model answers, and not before.
    fn deployed(mut job: Job, deployment: Option<&Deployment>) -> Job {
        match deployment.map(|found| (&found.state, &found.name)) {
            Some((State::Answers, name)) => job.tuned_model = Some(name.clone()),
            Some((State::Failed, _)) => {
                job.status = JobStatus::Failed;
                job.error = Some("the model was trained, but its deployment failed".to_owned());
            }
            _ => job.status = JobStatus::Other("being deployed".to_owned()),
        }
        job
    }

    async fn deploy(&self, trained: &str) -> Result<Option<Deployment>, ProviderError> {
        let order = json!({"model_name": trained, "plan": "lora", "capacity": 1});
        let made = self.post(&["deployments"], Some(&order)).await?;
        Ok(made.get("output").and_then(jobs::deployment))
    }
}

#[async_trait]
impl FineTuning for DashScope {
    fn check(&self, spec: &TuningSpec, examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
        jobs::hyperparameters(spec)?;
        training_file::check(examples, prompt)
    }

    fn epochs(&self, spec: &TuningSpec, _rows: usize) -> Option<Epochs> {
        let set = spec.hyperparameters.get("n_epochs").and_then(Value::as_u64);
        Some(Epochs::Set(set.unwrap_or(jobs::EPOCHS)))
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
        // The part has a name of its own here, and the id stands deep.
        let form = Form::new().part("files", training_file::part(file).await?);
        let answer = self.connection.upload(&["files"], form).await?;
        let body = self.read(&answer)?;
        let id = body.pointer("/data/uploaded_files/0/file_id").and_then(Value::as_str);
        match id {
            Some(id) => Ok(FileId(id.to_owned())),
            None => Err(answer.broken("the uploaded file got no id".to_owned())),
        }
    }

    async fn delete_file(&self, file: &FileId) -> Result<(), ProviderError> {
        self.delete(&["files", &file.0]).await
    }

    async fn create_job(&self, request: &JobRequest) -> Result<Job, ProviderError> {
        let body = jobs::order(request).map_err(|error| ProviderError::new(Cause::Invalid, error.message))?;
        let made = self.post(&["fine-tunes"], Some(&body)).await;
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                if error.retry == crate::Retry::Never {
                    training_file::remove(self, request).await;
                }
                return Err(error);
            }
        };
        let job = made.get("output").and_then(jobs::job);
        let mut job = job.ok_or_else(|| ProviderError::new(Cause::Server, "the job got no id"))?;
        // Not every answer repeats the name that was ordered.
        job.mark = Some(request.mark.clone());
        Ok(job)
    }

    /// Looks, and deploys nothing: whoever goes on to look at the job itself wants its model.
    async fn find_job(&self, mark: &JobMark) -> Result<Option<Job>, ProviderError> {
        let all = self.list("fine-tunes", "jobs").await?;
        let found = all.iter().find_map(|raw| {
            let job = jobs::job(raw)?;
            let usable = !matches!(job.status, JobStatus::Failed | JobStatus::Cancelled);
            (job.mark.as_ref() == Some(mark) && usable).then_some((job, raw))
        });
        let Some((job, raw)) = found else { return Ok(None) };
        match jobs::trained(raw).filter(|_| job.status == JobStatus::Succeeded) {
            Some(trained) => Ok(Some(Self::deployed(job, self.deployment(trained).await?.as_ref()))),
            None => Ok(Some(job)),
        }
    }

    /// The job as it stands; one of ours whose training is done gets its deployment, unless it has one.
    async fn job(&self, id: &JobId) -> Result<Job, ProviderError> {
        let raw = self.raw_job(id).await?;
        let job = jobs::job(&raw).ok_or_else(|| {
            ProviderError::new(Cause::Server, format!("the answer is not about job {}", id.0))
        })?;
        let Some(trained) = jobs::trained(&raw).filter(|_| job.status == JobStatus::Succeeded) else {
            return Ok(job);
        };
        let mut deployment = self.deployment(trained).await?;
        if deployment.is_none() && job.mark.is_some() {
            deployment = self.deploy(trained).await?;
        }
        Ok(Self::deployed(job, deployment.as_ref()))
    }

    async fn jobs(&self) -> Result<Vec<Job>, ProviderError> {
        let deployments = self.list("deployments", "deployments").await?;
        let deployments: Vec<_> = deployments.iter().filter_map(jobs::deployment).collect();
        let all = self.list("fine-tunes", "jobs").await?;
        let jobs = all.iter().filter_map(|raw| {
            let job = jobs::job(raw)?;
            let Some(trained) = jobs::trained(raw).filter(|_| job.status == JobStatus::Succeeded) else {
                return Some(job);
            };
            let of_model = deployments.iter().find(|found| found.trained == trained);
            Some(Self::deployed(job, of_model.filter(|found| found.state != State::Gone)))
        });
        Ok(jobs.collect())
    }

    async fn events(&self, id: &JobId, skip: usize) -> Result<Vec<JobEvent>, ProviderError> {
        let mut events = Vec::new();
        loop {
            let (offset, line) = ((skip + events.len() + 1).to_string(), LINES.to_string());
            let query = [("offset", offset.as_str()), ("line", line.as_str())];
            let body = self.get(&["fine-tunes", &id.0, "logs"], &query).await?;
            let lines = jobs::log_lines(body.pointer("/output/logs"));
            let full = lines.len() >= LINES;
            events.extend(lines.into_iter().map(|message| JobEvent { message, progress: None }));
            if !full {
                return Ok(events);
            }
        }
    }

    async fn cancel_job(&self, id: &JobId) -> Result<(), ProviderError> {
        self.post(&["fine-tunes", &id.0, "cancel"], None).await.map(|_| ())
    }

    async fn delete_model(&self, model: &str) -> Result<(), ProviderError> {
        let body = self.get(&["deployments", model], &[]).await?;
        let found = body.get("output").and_then(jobs::deployment);
        self.delete(&["deployments", model]).await?;
        let Some(found) = found else { return Ok(()) };
        // Without its job, nothing makes the model answer again.
        for raw in self.list("fine-tunes", "jobs").await? {
            if jobs::trained(&raw) == Some(&found.trained)
                && let Some(job) = jobs::job(&raw)
            {
                self.delete(&["fine-tunes", &job.id.0]).await?;
            }
        }
        Ok(())
    }
}
