//! Fine-tuning jobs of the embedded provider: a thread for each, all state on disk.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tunebench_data::{Example, LabelSet, Prompt};

use super::models::{ENCODER, Models};
use super::store::{Store, StoredEvent, TrainingLock};
use super::trainer::{Ended, Step, Trainer, TrainingRows, Watcher, WriteModel};
use crate::{
    Cause, FileId, FineTuning, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus, LossPoint,
    ProviderError, SettingError, TrainingProgress, TuningSpec, async_trait,
};

/// A line of a training file.
#[derive(Serialize, Deserialize)]
struct TrainingRow<'a> {
    text: Cow<'a, str>,
    label: Cow<'a, str>,
}

/// The jobs of this folder, some of them in training here.
pub(super) struct Jobs {
    store: Store,
    models: Arc<Models>,
    /// Flags that stop the jobs that this process trains.
    training: Mutex<HashMap<JobId, Arc<AtomicBool>>>,
}

impl Jobs {
    pub(super) fn new(store: Store, models: Arc<Models>) -> Self {
        Self { store, models, training: Mutex::default() }
    }

    fn start(&self, request: &JobRequest, lock: TrainingLock) -> Result<Job, ProviderError> {
        let trainer =
            Trainer::new(&request.spec).map_err(|error| ProviderError::new(Cause::Invalid, error.message))?;
        let mut job = Job::new(job_id(&request.mark), JobStatus::Running, &request.spec.base);
        job.mark = Some(request.mark.clone());
        job.hyperparameters = trainer.resolved();
        self.store.clear_events(&job.id)?;
        self.store.put_job(&job, None)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut training = self.training.lock().unwrap_or_else(PoisonError::into_inner);
        training.insert(job.id.clone(), stop.clone());
        let work = Work {
            store: self.store.clone(),
            models: self.models.clone(),
            trainer,
            training_file: request.training_file.clone(),
            validation_file: request.validation_file.clone(),
            stop,
        };
        let started = job.clone();
        thread::spawn(move || {
            let clock = Instant::now();
            let ended = train(&work, started);
            // There is nobody left to tell if the disk is full now: the job then counts as abandoned.
            let _ = work.store.put_job(&ended, Some(clock.elapsed().as_secs_f64()));
            drop(lock);
        });
        Ok(job)
    }
}

/// Trains to the end and says how it ended.
fn train(work: &Work, mut job: Job) -> Job {
    match work.fit(&job) {
        Ok(model) => {
            job.status = JobStatus::Succeeded;
            job.tuned_model = Some(model);
        }
        Err(Ended::Cancelled) => job.status = JobStatus::Cancelled,
        Err(Ended::Failed(message)) => {
            job.status = JobStatus::Failed;
            job.error = Some(message);
        }
    }
    job
}

/// A job and what it takes.
struct Work {
    store: Store,
    models: Arc<Models>,
    trainer: Trainer,
    training_file: FileId,
    validation_file: Option<FileId>,
    /// Whether its end is asked for.
    stop: Arc<AtomicBool>,
}

impl Work {
    fn fit(&self, job: &Job) -> Result<String, Ended> {
        let Self { store, models, trainer, stop, .. } = self;
        let model = model_id(trainer, job.mark.as_ref().expect("every job of this provider has a mark"));
        let mut events = Events { store, job: &job.id, model: &model, kept: None, stop };
        let rows = TrainingRows::read(store, &self.training_file)?;
        let validation = self.validation_file.as_ref().map(|file| TrainingRows::read(store, file));
        let validation = validation.transpose()?;
        events.say(format!("training on {} rows", rows.texts.len()), None);
        if let Err(ended) = trainer.train(&rows, validation.as_ref(), models, &mut events) {
            if let Some(kept) = &events.kept {
                events.say(format!("the training ended early; what it had learned is local/{kept}"), None);
            }
            return Err(ended);
        }
        if let Some(kept) = &events.kept {
            store.rename_model(kept, &model)?;
        }
        events.say(format!("model {model} is ready"), None);
        Ok(model)
    }
}

/// Writes down what happens in a job, and looks whether its end is asked for.
struct Events<'a> {
    store: &'a Store,
    job: &'a JobId,
    /// The model to be.
    model: &'a str,
    /// The model of the last epoch under a name of its own, should the job end here.
    kept: Option<String>,
    stop: &'a AtomicBool,
}

impl Watcher for Events<'_> {
    fn say(&mut self, message: String, step: Option<Step>) {
        let progress = step.map(|Step { total, losses: LossPoint { step, train_loss, .. } }| {
            TrainingProgress { step, total_steps: Some(total), train_loss }
        });
        let event = JobEvent { message, progress };
        let losses = step.map(|step| step.losses).filter(|losses| losses.train_loss.is_some());
        // A lost event costs a line on the screen, not the job.
        let _ = self.store.add_event(self.job, &StoredEvent { event, losses });
    }

    fn keep(&mut self, epoch: Option<u32>, write: WriteModel<'_>) -> Result<(), Ended> {
        let Some(epoch) = epoch else { return Ok(self.store.put_model(self.model, write)?) };
        let name = format!("{}-epoch-{epoch}", self.model);
        self.store.put_model(&name, write)?;
        if let Some(before) = self.kept.replace(name) {
            let _ = self.store.delete_model(&before);
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl TrainingRows {
    /// A training file; the label set is what it holds.
    fn read(store: &Store, file: &FileId) -> Result<Self, Ended> {
        let (mut texts, mut names) = (Vec::new(), Vec::new());
        for (number, line) in store.open_file(file)?.lines().enumerate() {
            let bad = |error: String| Ended::Failed(format!("training file, line {}: {error}", number + 1));
            let line = line.map_err(|error| bad(error.to_string()))?;
            let row: TrainingRow = serde_json::from_str(&line).map_err(|error| bad(error.to_string()))?;
            texts.push(row.text.into_owned());
            names.push(row.label.into_owned());
        }
        let distinct: BTreeSet<&String> = names.iter().collect();
        let set = LabelSet::new(distinct.into_iter().cloned().collect());
        let set = set.map_err(|error| Ended::Failed(format!("training file: {error}")))?;
        let labels = names.iter().filter_map(|name| set.get(name)).collect();
        Ok(Self { texts, labels, set })
    }
}

fn job_id(mark: &JobMark) -> JobId {
    JobId(format!("ftjob-{}", mark.0))
}

/// Twelve digits of the mark tell jobs of a project apart, and can still be read out.
fn model_id(trainer: &Trainer, mark: &JobMark) -> String {
    format!("{}-ft-{}", trainer.family(), mark.0.get(..12).unwrap_or(&mark.0))
}

#[async_trait]
impl FineTuning for Jobs {
    fn check(&self, spec: &TuningSpec, examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
        Trainer::new(spec)?;
        let Some(first) = examples.first() else {
            return Err(SettingError::new("there are no training examples"));
        };
        if examples.iter().all(|example| example.label == first.label) {
            let label = prompt.labels().name(first.label);
            return Err(SettingError::new(format!(
                "every training example has the label `{label}`; at least two labels are needed"
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
            let label = prompt.labels().name(example.label);
            let row = TrainingRow { text: example.text.as_str().into(), label: label.into() };
            serde_json::to_writer(&mut *out, &row)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    async fn upload(&self, file: &Path) -> Result<FileId, ProviderError> {
        self.store.add_file(file)
    }

    async fn preflight(&self, spec: &TuningSpec) -> Result<Vec<String>, ProviderError> {
        // An encoder that is not there is told of before there is a job.
        if let Some(name) = spec.base.strip_prefix(ENCODER) {
            self.models.check_encoder(name)?;
        }
        Ok(Vec::new())
    }

    async fn create_job(&self, request: &JobRequest) -> Result<Job, ProviderError> {
        let id = job_id(&request.mark);
        match self.store.lock(&id)? {
            Some(lock) => self.start(request, lock),
            // Another process, or an earlier call, is at it.
            None => self.store.job(&id),
        }
    }

    async fn find_job(&self, mark: &JobMark) -> Result<Option<Job>, ProviderError> {
        let id = job_id(mark);
        let job = match self.store.job(&id) {
            Ok(job) => job,
            Err(error) if error.cause == Cause::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let lost = job.tuned_model.as_deref().is_some_and(|model| !self.store.has_model(model));
        let ended = matches!(job.status, JobStatus::Failed | JobStatus::Cancelled);
        Ok((!lost && !ended && self.store.is_current(&id)?).then_some(job))
    }

    async fn job(&self, id: &JobId) -> Result<Job, ProviderError> {
        self.store.job(id)
    }

    async fn jobs(&self) -> Result<Vec<Job>, ProviderError> {
        self.store.jobs()
    }

    async fn events(&self, id: &JobId, skip: usize) -> Result<Vec<JobEvent>, ProviderError> {
        Ok(self.store.events(id, skip)?.into_iter().map(|stored| stored.event).collect())
    }

    async fn loss_curve(&self, id: &JobId) -> Result<Vec<LossPoint>, ProviderError> {
        Ok(self.store.events(id, 0)?.into_iter().filter_map(|stored| stored.losses).collect())
    }

    async fn cancel_job(&self, id: &JobId) -> Result<(), ProviderError> {
        let job = self.store.job(id)?;
        let training = self.training.lock().unwrap_or_else(PoisonError::into_inner);
        match training.get(id) {
            Some(stop) => stop.store(true, Ordering::Relaxed),
            None if job.status.is_final() => {}
            None => {
                return Err(ProviderError::new(Cause::Unsupported, "another program trains this job")
                    .hint("stop that program"));
            }
        }
        Ok(())
    }

    async fn delete_model(&self, model: &str) -> Result<(), ProviderError> {
        self.store.delete_model(model)?;
        let job = self.store.jobs()?.into_iter().find(|job| job.tuned_model.as_deref() == Some(model));
        job.map_or(Ok(()), |job| self.store.delete_job(&job.id))
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(20)
    }
}
