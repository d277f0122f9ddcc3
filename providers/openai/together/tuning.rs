//! Files and fine-tuning jobs at Together.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;
use tunebench_data::{Example, Prompt};

use super::jobs::{self, Order};
use super::limits::Limits;
use super::upload::hand_over;
use super::{Together, base_of, object_of, text};
use crate::openai::training_file;
use crate::{
    Cause, Checkpoint, Epochs, FileId, FileStatus, FineTuning, Job, JobEstimate, JobEvent, JobId, JobMark,
    JobRequest, JobStatus, LossPoint, ProviderError, SettingError, TuningSpec, async_trait,
};

impl Together {
    async fn raw_job(&self, id: &JobId) -> Result<Value, ProviderError> {
        self.get(&["v1", "fine-tunes", &id.0], &[]).await
    }

    async fn raw_jobs(&self) -> Result<Vec<Value>, ProviderError> {
        let mut list = self.get(&["v1", "fine-tunes"], &[]).await?;
        match list.get_mut("data").map(Value::take) {
            Some(Value::Array(jobs)) => Ok(jobs),
            _ => Ok(Vec::new()),
        }
    }

    /// A job of a list, with its model: lists leave that out.
    async fn whole(&self, listed: &Value) -> Result<Option<Job>, ProviderError> {
        match jobs::job(listed) {
            Some(job) if job.status == JobStatus::Succeeded && job.tuned_model.is_none() => {
                let mut whole = self.job(&job.id).await?;
                whole.mark = whole.mark.or(job.mark);
                Ok(Some(whole))
            }
            other => Ok(other),
        }
    }

    /// Whether what is tuned from a base can be deployed at all, which not all that can be tuned is.
    async fn check_deployable(&self, base: &str) -> Result<(), ProviderError> {
        let query = [("product", "PRODUCT_FINE_TUNING"), ("search", base)];
        let known = self.pages(&["v2", "supported-models"], &query).await?;
        let Some(known) = known.iter().find(|known| text(known, &["name", "id"]) == Some(base)) else {
            // The list does not hold it: nothing speaks against it.
            return Ok(());
        };
        let profiles = known.get("deploymentProfiles").and_then(Value::as_array);
        match profiles.is_some_and(|profiles| profiles.is_empty()) {
            true => Err(not_deployable(base)),
            false => Ok(()),
        }
    }
}

fn not_deployable(base: &str) -> ProviderError {
    let message = format!("what is tuned from `{base}` can't be deployed, and so would never answer");
    ProviderError::new(Cause::Unsupported, message).hint("tune another base")
}

fn refused(error: SettingError) -> ProviderError {
    ProviderError::new(Cause::Invalid, error.message)
}

#[async_trait]
impl FineTuning for Together {
    fn check(&self, spec: &TuningSpec, examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
        if object_of(&spec.base).is_some() {
            return Err(SettingError::at("base", "a tuned model can't be tuned further here: tune its base"));
        }
        Order::read(spec)?;
        training_file::check(examples, prompt)
    }

    fn epochs(&self, spec: &TuningSpec, _rows: usize) -> Option<Epochs> {
        Some(Epochs::Set(jobs::epochs(spec)))
    }

    async fn preflight(&self, spec: &TuningSpec) -> Result<Vec<String>, ProviderError> {
        if spec.base.ends_with("-Reference") {
            return Err(not_deployable(&spec.base));
        }
        let limits = self.get(&["v1", "fine-tunes", "models", "limits"], &[("model_name", &spec.base)]).await;
        let limits = limits.map_err(|error| match error.cause {
            Cause::NotFound | Cause::Invalid => {
                let message = format!("`{}` can't be tuned: {}", spec.base, error.message);
                ProviderError::new(Cause::NotFound, message)
            }
            _ => error,
        })?;
        let order = Order::read(spec).map_err(refused)?;
        Limits::read(&limits).check(&order).map_err(refused)?;
        self.check_deployable(&spec.base).await?;
        Ok(Vec::new())
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
        let as_what = ("fine-tune", training_file::name(file));
        hand_over(&self.connection, &["v1", "files"], file, as_what).await
    }

    async fn file_status(&self, file: &FileId) -> Result<FileStatus, ProviderError> {
        let found = self.get(&["v1", "files", &file.0], &[]).await?;
        // Files that nobody looks through have no such member.
        Ok(match text(&found, &["processing_status"]).unwrap_or("COMPLETED") {
            "COMPLETED" => FileStatus::Ready,
            "FAILED" | "INVALID_FORMAT" => {
                let said = found.pointer("/validation_report/error").and_then(Value::as_str);
                FileStatus::Refused(said.unwrap_or("no reason is given").to_owned())
            }
            _ => FileStatus::Checking,
        })
    }

    async fn estimate(&self, request: &JobRequest) -> Result<Option<JobEstimate>, ProviderError> {
        let body = jobs::estimate(request).map_err(refused)?;
        let said = self.post(&["v1", "fine-tunes", "estimate-price"], Some(&body)).await?;
        let price = said.get("estimated_total_price").and_then(Value::as_f64);
        let available = said.get("estimation_available").and_then(Value::as_bool).unwrap_or(false);
        let Some(price) = price.filter(|price| available && *price >= 0.0 && price.is_finite()) else {
            return Ok(None);
        };
        let mut estimate = JobEstimate::new(price);
        if said.get("allowed_to_proceed").and_then(Value::as_bool) == Some(false) {
            let limit = said.get("user_limit").and_then(Value::as_f64);
            let limit = limit.map_or_else(String::new, |limit| format!(" of ${limit:.2}"));
            estimate.warnings.push(format!("the job costs more than the credit{limit} at Together"));
        }
        Ok(Some(estimate))
    }

    async fn delete_file(&self, file: &FileId) -> Result<(), ProviderError> {
        self.delete(&["v1", "files", &file.0]).await
    }

    /// Files stay where a job is refused: an upload of what is there already gives the file of somebody else's job.
    async fn create_job(&self, request: &JobRequest) -> Result<Job, ProviderError> {
        let body = jobs::order(request).map_err(refused)?;
        let made = self.post(&["v1", "fine-tunes"], Some(&body)).await?;
        let mut job =
            jobs::job(&made).ok_or_else(|| ProviderError::new(Cause::Server, "the job got no id"))?;
        job.mark = Some(request.mark.clone());
        Ok(job)
    }

    async fn find_job(&self, mark: &JobMark) -> Result<Option<Job>, ProviderError> {
        let listed = self.raw_jobs().await?;
        let found = listed.iter().find(|raw| {
            jobs::job(raw).is_some_and(|job| {
                let usable = !matches!(job.status, JobStatus::Failed | JobStatus::Cancelled);
                job.mark.as_ref() == Some(mark) && usable
            })
        });
        match found {
            Some(raw) => self.whole(raw).await,
            None => Ok(None),
        }
    }

    async fn job(&self, id: &JobId) -> Result<Job, ProviderError> {
        let raw = self.raw_job(id).await?;
        jobs::job(&raw)
            .ok_or_else(|| ProviderError::new(Cause::Server, format!("the answer is not about job {}", id.0)))
    }

    async fn jobs(&self) -> Result<Vec<Job>, ProviderError> {
        let mut jobs = Vec::new();
        for raw in self.raw_jobs().await? {
            jobs.extend(self.whole(&raw).await?);
        }
        Ok(jobs)
    }

    async fn events(&self, id: &JobId, skip: usize) -> Result<Vec<JobEvent>, ProviderError> {
        let list = self.get(&["v1", "fine-tunes", &id.0, "events"], &[]).await?;
        let mut events = list.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        events.sort_by(|a, b| text(a, &["created_at"]).cmp(&text(b, &["created_at"])));
        Ok(events.iter().skip(skip).map(jobs::event).collect())
    }

    async fn checkpoints(&self, id: &JobId) -> Result<Vec<Checkpoint>, ProviderError> {
        let base = self.job(id).await?.base;
        let list = self.get(&["v1", "fine-tunes", &id.0, "checkpoints"], &[]).await?;
        let all = list.get("data").and_then(Value::as_array).into_iter().flatten();
        let mut checkpoints: Vec<_> = all.filter_map(|value| jobs::checkpoint(&base, value)).collect();
        checkpoints.sort_by_key(|checkpoint| checkpoint.step);
        Ok(checkpoints)
    }

    async fn loss_curve(&self, id: &JobId) -> Result<Vec<LossPoint>, ProviderError> {
        Ok(jobs::losses(&self.get(&["v1", "fine-tunes", &id.0, "metrics"], &[]).await?))
    }

    async fn cancel_job(&self, id: &JobId) -> Result<(), ProviderError> {
        self.post(&["v1", "fine-tunes", &id.0, "cancel"], None).await.map(drop)
    }

    /// With its job, by which it would be found again.
    async fn delete_model(&self, model: &str) -> Result<(), ProviderError> {
        let Some(object) = object_of(model) else {
            return Err(ProviderError::new(Cause::NotFound, format!("`{model}` is not a tuned model")));
        };
        let project = self.project().await?;
        let base = base_of(model);
        let made = self.raw_jobs().await?;
        for raw in made.iter().filter(|raw| text(raw, &["model"]) == Some(base)) {
            if let Some(job) = self.whole(raw).await?
                && job.tuned_model.as_deref() == Some(model)
            {
                self.delete(&["v1", "fine-tunes", &job.id.0]).await?;
            }
        }
        self.delete(&["v2", "projects", project, "models", object]).await
    }
}
