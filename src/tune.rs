//! Fine-tuning, the same way at every provider: training file, job, events, model.
//!
//! A job is looked for by its mark before one is made, so the same command twice trains once.

mod create_job;
mod prepare;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tunebench_data::{Dataset, Prompt};
use tunebench_providers::{
    FineTuning, Job, JobEvent, JobId, JobMark, JobStatus, LossPoint, ModelRef, Provider, ProviderError,
    SettingError, TuningSpec,
};

use crate::budget::{Budget, BudgetError, Cost, Price};
use crate::cancel::Cancel;
use crate::evaluate::retry::{Failure, Retries};
use crate::ledger::{Ledger, LedgerError, NewJob};

pub use watch::watch;

/// What is to be tuned.
pub struct Tuning<'a> {
    /// Where.
    pub provider: &'a dyn FineTuning,
    /// Who that belongs to.
    pub host: &'a dyn Provider,
    /// Where that is reached; empty for its usual place.
    pub base_url: String,
    /// Whether it trains here: then its own files say all that there is to say of a job.
    pub in_process: bool,
    /// The base model.
    pub base: &'a ModelRef,
    /// Base, hyperparameters and seed, as the provider reads them.
    pub spec: &'a TuningSpec,
    /// What is learned from.
    pub train: &'a Dataset,
    /// What the provider may measure the loss on meanwhile.
    pub validation: Option<&'a Dataset>,
    /// How it is put to the model.
    pub prompt: &'a Prompt,
    /// The folder for training files.
    pub folder: &'a Path,
    /// How its job is followed.
    pub pace: PollSchedule,
    /// What the base model costs, where that is known.
    pub price: Option<Price>,
}

/// How a job is followed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PollSchedule {
    /// The time between two looks; where not set, what suits the provider.
    pub interval: Option<Duration>,
    /// When to stop looking, though the job goes on; where not set, never.
    pub timeout: Option<Duration>,
}

/// What happens while a model is tuned.
#[derive(Debug, Clone, PartialEq)]
pub enum TuneEvent {
    /// A job of an earlier command was found.
    Found(Job),
    /// A job was made.
    Created(Job),
    /// Something happened in the job.
    Job(JobEvent),
    /// What the provider expects the job to cost.
    Estimate(Cost),
    /// Something to know before money is spent, such as the day on which the model will be shut down.
    Warning(String),
    /// The provider was not reached; it will be asked again.
    Unreachable(ProviderError),
}

/// What tuning shares with the rest of a command.
pub struct TuneContext<'a> {
    /// Where jobs are recorded before they are made; none for jobs that run here.
    pub ledger: Option<&'a Ledger>,
    /// The repeats of failed requests.
    pub retries: &'a Retries,
    /// Whether it is to end early.
    pub cancel: &'a Cancel,
    /// What may be spent.
    pub budget: &'a Budget,
    /// The most tokens that a job may be billed for, by the estimate of a plan.
    pub most_tokens: fn(&Tuning<'_>) -> u64,
}

/// Where the job of a tuning stands, as far as is known without asking anybody.
#[derive(Debug, Clone, PartialEq)]
pub enum TuningState {
    /// There is none, or none that was seen to be made.
    New,
    /// It was made by an earlier command, and had not ended.
    UnderWay(JobId),
    /// There is the model.
    Done(Box<TunedModel>),
}

/// Why there is not a tuned model.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The hyperparameters or the data are wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The training file can't be written.
    #[error("cannot write the training file: {0}")]
    File(#[from] std::io::Error),
    /// The provider refused or failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The job can't be recorded, and so must not be made.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The job may cost more than is left, or nobody knows what it costs.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The job ended without a model.
    #[error("job {} {}", .0.id.0, ending(.0))]
    Ended(Box<Job>),
    /// The job took longer than the user wants to wait.
    #[error("job {} is still {} after the time that it was given", .0.id.0, .0.status)]
    TimedOut(Box<Job>),
    /// The user asked for the end while the job went on.
    #[error("interrupted while job {} was under way", .0.id.0)]
    Interrupted(Box<Job>),
    /// The user asked for the end before there was a job, or before the provider said that there is one.
    #[error("interrupted before the job was made")]
    Cancelled,
    /// The time was over or the user asked for the end, and with this program ends a job that it does itself.
    #[error("job {} ended with this program before it was done", .0.id.0)]
    Stopped(Box<Job>),
}

fn ending(job: &Job) -> String {
    match (&job.status, &job.error) {
        (JobStatus::Cancelled, _) => "was cancelled".into(),
        (JobStatus::Succeeded, Some(then)) => format!("succeeded, and its model does not answer yet: {then}"),
        (JobStatus::Succeeded, None) => "succeeded, but names no model".into(),
        (_, Some(error)) => format!("failed: {error}"),
        (_, None) => "failed; the provider gives no reason".into(),
    }
}

impl Tuning<'_> {
    /// Tunes, or takes over what an earlier command began or finished.
    pub async fn run<'b>(
        &'b self,
        context: &TuneContext<'b>,
        mut observe: impl FnMut(TuneEvent),
    ) -> Result<TunedModel, TuneError> {
        let order = self.prepare()?;
        let order_mark = order.mark.clone();
        if let Some(known) = self.on_record(context.ledger, &order.mark)? {
            return Ok(known);
        }
        let (job, number, reservation) = match self.find_job(context, &order.mark).await? {
            Some(job) => {
                observe(TuneEvent::Found(job.clone()));
                let number = self.recorded(context, &order, &job)?;
                (job, number, None)
            }
            None => self.order(context, order, &mut observe).await?,
        };
        let keep = |job: &Job| match (context.ledger, number) {
            (Some(ledger), Some(number)) => ledger.update_job(number, job),
            _ => Ok(()),
        };
        keep(&job)?;
        let job = if job.status.is_final() {
            job
        } else {
            let mut seen = 0;
            let mut counting = |event| {
                seen += usize::from(matches!(event, TuneEvent::Job(_)));
                observe(event);
            };
            let ended = watch(self.provider, job, self.pace, context.cancel, &mut counting).await;
            let ended = match ended {
                Err(TuneError::TimedOut(job) | TuneError::Interrupted(job)) if self.in_process => {
                    return Err(TuneError::Stopped(Box::new(self.stop(*job, seen, &mut observe).await)));
                }
                other => other?,
            };
            keep(&ended)?;
            ended
        };
        // Where the provider does not say what it bills, the estimate stands.
        if let (Some(reservation), Some(tokens)) = (reservation, job.trained_tokens) {
            reservation.settle_training(tokens);
        }
        let tuned = self.model_of(job)?;
        self.keep_losses(&tuned.job, &order_mark).await;
        Ok(tuned)
    }

    /// Where the losses of a job are kept, once they are known.
    pub fn losses(folder: &Path, mark: &JobMark) -> PathBuf {
        folder.join(format!("{}-losses.csv", mark.0))
    }

    /// Asks for the losses once, when the job is new; without them a report lacks a file and nothing else.
    async fn keep_losses(&self, job: &Job, mark: &JobMark) {
        let path = Self::losses(self.folder, mark);
        if path.exists() {
            return;
        }
        if let Ok(points) = self.provider.loss_curve(&job.id).await
            && !points.is_empty()
        {
            let mut csv = String::from("step,train_loss,train_accuracy,valid_loss,valid_accuracy\n");
            for LossPoint { step, train_loss, train_accuracy, valid_loss, valid_accuracy } in points {
                let cell = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
                let cells = [train_loss, train_accuracy, valid_loss, valid_accuracy].map(cell).join(",");
                csv.push_str(&format!("{step},{cells}\n"));
            }
            let _ = fs_err::write(path, csv);
        }
    }

    /// The model that an earlier command made from the same data and settings.
    pub async fn find(&self, context: &TuneContext<'_>) -> Result<Option<TunedModel>, TuneError> {
        let order = self.prepare()?;
        if let Some(known) = self.on_record(context.ledger, &order.mark)? {
            return Ok(Some(known));
        }
        let job = self.find_job(context, &order.mark).await?;
        job.filter(|job| job.status == JobStatus::Succeeded).map(|job| self.model_of(job)).transpose()
    }

    /// Writes the training file to `path`, without a key and without a network.
    pub fn export(&self, path: &Path) -> Result<usize, TuneError> {
        let order = self.prepare()?;
        fs_err::copy(&order.file, path)?;
        Ok(self.train.examples.len())
    }

    /// A job that the ledger knows to have succeeded needs no provider to be asked.
    fn on_record(&self, ledger: Option<&Ledger>, mark: &JobMark) -> Result<Option<TunedModel>, TuneError> {
        let Some(ledger) = ledger else { return Ok(None) };
        let records = ledger
            .jobs_with_mark(mark)?
            .into_iter()
            .filter(|record| record.status == Some(JobStatus::Succeeded) && self.is_ours(&record.order));
        for record in records {
            let (Some(id), tuned_model) = (record.id, record.tuned_model) else { continue };
            let mut job = Job::new(id, JobStatus::Succeeded, record.order.base);
            (job.mark, job.tuned_model) = (Some(record.order.mark), tuned_model);
            job.hyperparameters = record.order.hyperparameters;
            return self.model_of(job).map(Some);
        }
        Ok(None)
    }

    async fn find_job(&self, context: &TuneContext<'_>, mark: &JobMark) -> Result<Option<Job>, TuneError> {
        patiently(context, async || self.provider.find_job(mark).await).await
    }

    /// Whether an order went to this provider, at this place.
    fn is_ours(&self, order: &NewJob) -> bool {
        order.provider == self.base.provider() && order.base_url == self.base_url
    }

    /// Where its job stands, by the ledger, or by the provider's own files if it trains here. Writes nothing.
    pub async fn standing(&self, ledger: Option<&Ledger>) -> Result<TuningState, TuneError> {
        let mark = self.mark_of_data()?;
        if self.in_process {
            let job = self.provider.find_job(&mark).await?;
            let done = job.filter(|job| job.status == JobStatus::Succeeded).map(|job| self.model_of(job));
            return Ok(done
                .transpose()?
                .map_or(TuningState::New, |model| TuningState::Done(Box::new(model))));
        }
        let Some(ledger) = ledger else { return Ok(TuningState::New) };
        if let Some(model) = self.on_record(Some(ledger), &mark)? {
            return Ok(TuningState::Done(Box::new(model)));
        }
        let failed = |status: &JobStatus| matches!(status, JobStatus::Failed | JobStatus::Cancelled);
        let mut records = ledger.jobs_with_mark(&mark)?.into_iter();
        let under_way = records.find_map(|record| {
            let goes_on = self.is_ours(&record.order) && !record.status.as_ref().is_some_and(failed);
            record.id.filter(|_| goes_on)
        });
        Ok(under_way.map_or(TuningState::New, TuningState::UnderWay))
    }

    fn model_of(&self, job: Job) -> Result<TunedModel, TuneError> {
        let model = job.tuned_model.as_deref().filter(|_| job.status == JobStatus::Succeeded);
        match model.map(|model| ModelRef::new(self.base.provider(), model)) {
            Some(Ok(model)) => Ok(TunedModel { model, job }),
            _ => Err(TuneError::Ended(Box::new(job))),
        }
    }
}

/// Tries again where that may help, until the user asks for the end.
async fn patiently<T>(
    context: &TuneContext<'_>,
    attempt: impl AsyncFn() -> Result<T, ProviderError>,
) -> Result<T, TuneError> {
    let attempt = || async { attempt().await.map_err(Failure::Provider) };
    context.retries.run(0, context.cancel, attempt).await.map_err(|failure| match failure {
        Failure::Provider(error) | Failure::Aborted(error) => TuneError::Provider(error),
        Failure::Cancelled => TuneError::Cancelled,
    })
}

/// A fine-tuned model and the job that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct TunedModel {
    /// How to ask it.
    pub model: ModelRef,
    /// How it came about.
    pub job: Job,
}
