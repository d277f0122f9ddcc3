//! Fine-tuning by a program: it is given the path of a training file, and keeps jobs and models by itself.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tunebench_data::{Example, Message, Prompt};

use super::{CommandProvider, Shared, absolute};
use crate::text::one_line;
use crate::{
    FileId, FineTuning, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus, ProviderError, SettingError,
    TrainingProgress, TuningSpec, async_trait,
};

/// A line of a training file: the row, and the conversation that a language model would be trained on.
#[derive(Serialize)]
struct TrainingRow<'a> {
    text: &'a str,
    label: &'a str,
    messages: Vec<Message>,
}

/// A job, as the program writes it.
#[derive(Deserialize)]
struct ToldJob {
    id: String,
    #[serde(default)]
    mark: Option<String>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    base: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    hyperparameters: Map<String, Value>,
}

impl From<ToldJob> for Job {
    fn from(told: ToldJob) -> Self {
        let status = match told.status.as_str() {
            "queued" => JobStatus::Queued,
            "running" => JobStatus::Running,
            "succeeded" => JobStatus::Succeeded,
            "failed" => JobStatus::Failed,
            "cancelled" => JobStatus::Cancelled,
            other => JobStatus::Other(one_line(other)),
        };
        // A model that is named too early is none yet.
        let model = told.model.filter(|_| status == JobStatus::Succeeded);
        let mut job = Self::new(JobId(told.id), status, told.base);
        job.mark = told.mark.map(JobMark);
        job.tuned_model = model;
        job.error = told.error.map(|error| one_line(&error));
        job.hyperparameters = told.hyperparameters;
        job
    }
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    job: Option<ToldJob>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    jobs: Vec<ToldJob>,
}

#[derive(Deserialize)]
struct Events {
    #[serde(default)]
    events: Vec<ToldEvent>,
}

#[derive(Deserialize)]
struct ToldEvent {
    #[serde(default)]
    message: String,
    #[serde(default)]
    step: Option<u64>,
    #[serde(default)]
    total_steps: Option<u64>,
    #[serde(default)]
    loss: Option<f64>,
}

/// An answer of which only the arrival matters.
#[derive(Deserialize)]
struct Done {}

impl CommandProvider {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    async fn job_call(&self, method: &str, id: &JobId) -> Result<Job, ProviderError> {
        Ok(self.shared().call::<ToldJob>(method, &json!({ "job": id.0 })).await?.into())
    }
}

#[async_trait]
impl FineTuning for CommandProvider {
    fn check(&self, spec: &TuningSpec, examples: &[Example], _prompt: &Prompt) -> Result<(), SettingError> {
        let hello = self.shared().hello_now().map_err(|error| SettingError::new(error.to_string()))?;
        let tuning = hello.fine_tuning.clone().unwrap_or_default();
        if let Some(model) =
            hello.models.iter().find(|model| model.id == spec.base).filter(|model| !model.tunable)
        {
            return Err(SettingError::at(
                "base",
                format!("`{}` can't be fine-tuned by this program", model.id),
            ));
        }
        for name in spec.hyperparameters.keys() {
            if !tuning.hyperparameters.contains(name) {
                let known = tuning.hyperparameters.iter().map(String::as_str);
                return Err(SettingError::unknown("hyperparameter", name, known));
            }
        }
        let needed = tuning.min_rows.max(1);
        if examples.len() < needed {
            return Err(SettingError::new(format!(
                "{} training rows; the program needs {needed}",
                examples.len()
            )));
        }
        Ok(())
    }

    fn write_training_file(
        &self,
        examples: &[Example],
        prompt: &Prompt,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for example in examples {
            let (text, label) = (example.text.as_str(), prompt.labels().name(example.label));
            let messages = prompt.render_training(text, example.label);
            serde_json::to_writer(&mut *out, &TrainingRow { text, label, messages })?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    async fn upload(&self, file: &Path) -> Result<FileId, ProviderError> {
        Ok(FileId(absolute(file)))
    }

    async fn create_job(&self, request: &JobRequest) -> Result<Job, ProviderError> {
        let params = json!({
            "base": request.spec.base,
            "hyperparameters": request.spec.hyperparameters,
            "seed": request.spec.seed,
            "training_file": request.training_file.0,
            "validation_file": request.validation_file.as_ref().map(|file| &file.0),
            "mark": request.mark.0,
        });
        Ok(self.shared().call::<ToldJob>("create_job", &params).await?.into())
    }

    async fn find_job(&self, mark: &JobMark) -> Result<Option<Job>, ProviderError> {
        let found: Found = self.shared().call("find_job", &json!({ "mark": mark.0 })).await?;
        Ok(found.job.map(Job::from))
    }

    async fn job(&self, id: &JobId) -> Result<Job, ProviderError> {
        self.job_call("job", id).await
    }

    async fn jobs(&self) -> Result<Vec<Job>, ProviderError> {
        let listed: Listed = self.shared().call("jobs", &json!({})).await?;
        Ok(listed.jobs.into_iter().map(Job::from).collect())
    }

    async fn events(&self, id: &JobId, skip: usize) -> Result<Vec<JobEvent>, ProviderError> {
        let events: Events = self.shared().call("events", &json!({ "job": id.0, "skip": skip })).await?;
        let event = |told: ToldEvent| JobEvent {
            message: one_line(&told.message),
            progress: told.step.map(|step| TrainingProgress {
                step,
                total_steps: told.total_steps,
                train_loss: told.loss.filter(|loss| loss.is_finite()),
            }),
        };
        Ok(events.events.into_iter().map(event).collect())
    }

    async fn cancel_job(&self, id: &JobId) -> Result<(), ProviderError> {
        self.shared().call::<Done>("cancel_job", &json!({ "job": id.0 })).await.map(drop)
    }

    async fn delete_model(&self, model: &str) -> Result<(), ProviderError> {
        self.shared().call::<Done>("delete_model", &json!({ "model": model })).await.map(drop)
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_secs(1)
    }
}
