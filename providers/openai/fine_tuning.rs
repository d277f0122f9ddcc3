//! Files and fine-tuning jobs.
//!
//! <https://developers.openai.com/api/reference/resources/fine_tuning>, read in July 2026, and the types of the official
//! Python package of November 2026.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;
use jiff::civil::Date;
use reqwest::multipart::Form;
use serde_json::Value;
use tunebench_data::{Example, Prompt};

use super::connection::Connection;
use super::errors::{About, ErrorBody};
use super::jobs::{self, MARK};
use super::{loss_curve, models, training_file};
use crate::{
    Cause, Checkpoint, Epochs, FileId, FineTuning, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus,
    LossPoint, ProviderError, Retry, Scope, SettingError, TuningSpec, async_trait,
};

/// Fine-tuning at OpenAI, or where the user says that there is such a thing.
pub(super) struct Tuning {
    connection: Arc<Connection>,
    pub(super) today: fn() -> Date,
}

impl Tuning {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self { connection, today: || Zoned::now().date() }
    }

    async fn raw_job(&self, id: &JobId) -> Result<Value, ProviderError> {
        self.connection.get(&["fine_tuning", "jobs", &id.0], &[], About::default()).await?.json()
    }

    /// A file that was uploaded a moment ago may not be found yet; anything else that is refused stays refused.
    fn not_started(&self, answer: &crate::http::Answer) -> ProviderError {
        let error = self.connection.error(answer, About::default());
        let said = ErrorBody::read(&answer.body).unwrap_or_default();
        let about_file = matches!(said.param.as_deref(), Some("training_file" | "validation_file"));
        // The one error for a file that is not there is also the one for a file of another project.
        let missing = ["not found", "not exist", "no such", "cannot be found", "not ready"];
        let missing = missing.iter().any(|words| said.message.to_lowercase().contains(words));
        if about_file && matches!(answer.status, 400 | 404) && missing {
            return error.scope(Scope::Request).retry(Retry::Later { after: Some(Duration::from_secs(2)) });
        }
        error
    }

    /// What the calendar says of tuning `base`, where its dates are OpenAI's.
    pub(super) fn check_dates(
        &self,
        base: &str,
        shutdown: Option<Date>,
    ) -> Result<Vec<String>, ProviderError> {
        let today = (self.today)();
        let settings = &self.connection.settings;
        let untuned = models::replacement(base).map(|model| format!(", or compare with `{model}` untuned"));
        let instead =
            format!("tune elsewhere (another provider, or `local/lexical`){}", untuned.unwrap_or_default());
        let mut warnings = Vec::new();
        if let Some(day) = shutdown {
            if day <= today {
                let message = format!("`{base}` was shut down on {day}, with every model tuned from it");
                return Err(ProviderError::new(Cause::Unsupported, message).hint(instead));
            }
            if today.until((jiff::Unit::Day, day)).is_ok_and(|span| span.get_days() <= 180) {
                warnings.push(format!(
                    "`{base}` and every model tuned from it stop answering on {day}; then {instead}"
                ));
            }
        }
        let closing =
            models::training_closes(base).filter(|_| settings.official && settings.fine_tuning.is_none());
        if let Some(closes) = closing {
            if closes <= today {
                let message = format!("OpenAI has started no fine-tuning jobs since {closes}");
                let hint = format!("{instead}; if OpenAI has changed its mind, set `fine_tuning = true`");
                return Err(ProviderError::new(Cause::Unsupported, message).hint(hint));
            }
            warnings.push(format!(
                "OpenAI starts no fine-tuning jobs from {closes} on, and already refuses organisations that did not \
                 use a tuned model lately"
            ));
        }
        Ok(warnings)
    }
}

#[async_trait]
impl FineTuning for Tuning {
    fn check(&self, spec: &TuningSpec, examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
        let settings = &self.connection.settings;
        if spec.base.starts_with("responses/") || spec.base.starts_with("decisions/") {
            let message =
                format!("`{}` can't be fine-tuned by this name: write it without its prefix", spec.base);
            return Err(SettingError::at("base", message));
        }
        // Whoever says that this server tunes knows better than the table which models it tunes.
        if settings.official && settings.fine_tuning.is_none() && !models::is_tunable(&spec.base) {
            let message =
                format!("`{}` cannot be tuned; OpenAI tunes {}", spec.base, models::tunable().join(", "));
            return Err(SettingError::at("base", message));
        }
        jobs::hyperparameters(spec, settings.tuning())?;
        training_file::check(examples, prompt)
    }

    fn epochs(&self, spec: &TuningSpec, rows: usize) -> Option<Epochs> {
        let set = spec.hyperparameters.get("n_epochs").and_then(Value::as_u64);
        Some(set.map_or_else(|| Epochs::Expected(jobs::auto_epochs(rows as u64)), Epochs::Set))
    }

    fn tuned_price_name(&self, base: &str) -> String {
        if base.starts_with("ft:") { base.to_owned() } else { format!("ft:{base}") }
    }

    async fn preflight(&self, spec: &TuningSpec) -> Result<Vec<String>, ProviderError> {
        let settings = &self.connection.settings;
        let then = settings.tuning().and_then(|host| host.then.clone());
        let mut shutdown = settings.official.then(|| models::shutdown_date(&spec.base)).flatten();
        if settings.check_models {
            let about = About { model: Some(&spec.base), key_variable: None };
            match self.connection.get(&["models", &spec.base], &[], about).await {
                Ok(answer) => {
                    let said = super::shutdown_date(&answer.json()?).and_then(|day| day.parse().ok());
                    shutdown = said.or(shutdown);
                }
                // What is gone may be gone since its day: say so rather than `not found`.
                Err(error) if error.cause == Cause::NotFound => {
                    self.check_dates(&spec.base, shutdown)?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        let mut warnings = self.check_dates(&spec.base, shutdown)?;
        warnings.extend(then);
        Ok(warnings)
    }

    fn write_training_file(
        &self,
        examples: &[Example],
        prompt: &Prompt,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.connection.settings.tuning().is_some_and(|host| host.byte_order_mark) {
            out.write_all("\u{feff}".as_bytes())?;
        }
        training_file::write(examples, prompt, out)
    }

    async fn upload(&self, file: &Path) -> Result<FileId, ProviderError> {
        let form = Form::new().text("purpose", "fine-tune").part("file", training_file::part(file).await?);
        let answer = self.connection.upload(&["files"], form).await?;
        let uploaded: Value = answer.json()?;
        match uploaded.get("id").and_then(Value::as_str) {
            Some(id) => Ok(FileId(id.to_owned())),
            None => Err(answer.broken("the uploaded file got no id".to_owned())),
        }
    }

    async fn delete_file(&self, file: &FileId) -> Result<(), ProviderError> {
        self.connection.delete(&["files", &file.0], About::default()).await.map(|_| ())
    }

    async fn create_job(&self, request: &JobRequest) -> Result<Job, ProviderError> {
        let host = self.connection.settings.tuning();
        let body =
            jobs::order(request, host).map_err(|error| ProviderError::new(Cause::Invalid, error.message))?;
        let answer = self.connection.ask(&["fine_tuning", "jobs"], body.to_string().as_bytes()).await;
        let answer = answer.map_err(|error| self.connection.redacted(error))?;
        if (200..300).contains(&answer.status) {
            let created: Value = answer.json()?;
            return jobs::job(&created).ok_or_else(|| answer.broken("the job got no id".to_owned()));
        }
        let error = self.not_started(&answer);
        if error.retry == Retry::Never {
            training_file::remove(self, request).await;
        }
        Err(error)
    }

    async fn find_job(&self, mark: &JobMark) -> Result<Option<Job>, ProviderError> {
        // Servers that do not know the filter ignore it, and then give all jobs.
        let fits = |item: &Value| {
            let job = jobs::job(item)?;
            let usable = !matches!(job.status, JobStatus::Failed | JobStatus::Cancelled);
            (job.mark.as_ref() == Some(mark) && usable).then_some(job)
        };
        let filter = (format!("metadata[{MARK}]"), mark.0.clone());
        let jobs =
            self.connection.list(&["fine_tuning", "jobs"], Some((&filter.0, &filter.1)), |_| false).await?;
        for job in jobs.iter().filter_map(fits) {
            // Where the list of models does not hold all that are there, it says nothing of this one.
            let listed = job.tuned_model.as_deref().filter(|_| self.connection.settings.check_models);
            let Some(model) = listed else { return Ok(Some(job)) };
            // A job whose model was deleted is of no use any more.
            let about = About { model: Some(model), key_variable: None };
            match self.connection.get(&["models", model], &[], about).await {
                Err(error) if error.cause == Cause::NotFound => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(Some(job)),
            }
        }
        Ok(None)
    }

    async fn job(&self, id: &JobId) -> Result<Job, ProviderError> {
        let found = self.raw_job(id).await?;
        let mut job = jobs::job(&found).ok_or_else(|| {
            ProviderError::new(Cause::Server, format!("the answer is not about job {}", id.0))
        })?;
        if job.status == JobStatus::Succeeded && job.tuned_model.is_none() {
            job.error = self.connection.settings.tuning().and_then(|host| host.then.clone());
        }
        Ok(job)
    }

    async fn jobs(&self) -> Result<Vec<Job>, ProviderError> {
        Ok(self
            .connection
            .list(&["fine_tuning", "jobs"], None, |_| false)
            .await?
            .iter()
            .filter_map(jobs::job)
            .collect())
    }

    async fn events(&self, id: &JobId, skip: usize) -> Result<Vec<JobEvent>, ProviderError> {
        let mut events =
            self.connection.list(&["fine_tuning", "jobs", &id.0, "events"], None, |_| false).await?;
        // The newest come first; of those of one second, the order of the list says which.
        events.reverse();
        events.sort_by_key(|event| event.get("created_at").and_then(Value::as_i64));
        Ok(events.iter().skip(skip).map(jobs::event).collect())
    }

    async fn checkpoints(&self, id: &JobId) -> Result<Vec<Checkpoint>, ProviderError> {
        let list =
            self.connection.list(&["fine_tuning", "jobs", &id.0, "checkpoints"], None, |_| false).await?;
        let mut checkpoints: Vec<_> = list.iter().filter_map(jobs::checkpoint).collect();
        checkpoints.sort_by_key(|checkpoint| checkpoint.step);
        Ok(checkpoints)
    }

    async fn loss_curve(&self, id: &JobId) -> Result<Vec<LossPoint>, ProviderError> {
        let job = self.raw_job(id).await?;
        let Some(file) = job.pointer("/result_files/0").and_then(Value::as_str) else {
            return Ok(Vec::new());
        };
        let answer = self.connection.get(&["files", file, "content"], &[], About::default()).await?;
        Ok(loss_curve::read(&answer.body))
    }

    async fn cancel_job(&self, id: &JobId) -> Result<(), ProviderError> {
        self.connection.post(&["fine_tuning", "jobs", &id.0, "cancel"], None).await.map(|_| ())
    }

    async fn delete_model(&self, model: &str) -> Result<(), ProviderError> {
        let about = About { model: Some(model), key_variable: None };
        let answer =
            self.connection.delete(&["models", model], about).await.map_err(|error| match error.cause {
                Cause::Access => error.hint("only an owner of the organisation may delete its models"),
                _ => error,
            })?;
        match answer.json::<Value>()?.get("deleted").and_then(Value::as_bool) {
            Some(false) => Err(answer.broken(format!("`{model}` was not deleted"))),
            _ => Ok(()),
        }
    }
}
