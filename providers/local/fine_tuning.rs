//! Fine-tuning jobs of the embedded provider: a thread for each, all state on disk.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tunebench_data::{Example, LabelId, LabelSet, Prompt};

use super::classifier::{Classifier, TrainError};
use super::models::LEXICAL;
use super::softmax::{EpochReport, Hyperparameters as Options};
use super::store::{Store, TrainingLock};
use crate::{
    Cause, FileId, FineTuning, Hyperparameters, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus,
    LossPoint, ProviderError, SettingError, TrainingProgress, TuningSpec, async_trait,
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
    /// Flags that stop the jobs that this process trains.
    training: Mutex<HashMap<JobId, Arc<AtomicBool>>>,
}

impl Jobs {
    pub(super) fn new(store: Store) -> Self {
        Self { store, training: Mutex::default() }
    }

    fn start(&self, request: &JobRequest, lock: TrainingLock) -> Result<Job, ProviderError> {
        let options =
            options(&request.spec).map_err(|error| ProviderError::new(Cause::Invalid, error.message))?;
        let mut job = Job::new(job_id(&request.mark), JobStatus::Running, &request.spec.base);
        job.mark = Some(request.mark.clone());
        job.hyperparameters = resolved(&options);
        self.store.clear_events(&job.id)?;
        self.store.put_job(&job)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut training = self.training.lock().unwrap_or_else(PoisonError::into_inner);
        training.insert(job.id.clone(), stop.clone());
        let (store, file, started) = (self.store.clone(), request.training_file.clone(), job.clone());
        thread::spawn(move || {
            let ended = train(&store, started, &file, &options, &stop);
            // There is nobody left to tell if the disk is full now: the job then counts as abandoned.
            let _ = store.put_job(&ended);
            drop(lock);
        });
        Ok(job)
    }
}

/// Trains to the end and says how it ended.
fn train(store: &Store, mut job: Job, file: &FileId, options: &Options, stop: &AtomicBool) -> Job {
    match fit(store, &job, file, options, stop) {
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

fn fit(
    store: &Store,
    job: &Job,
    file: &FileId,
    options: &Options,
    stop: &AtomicBool,
) -> Result<String, Ended> {
    let say = |message: String, progress| {
        // A lost event costs a line on the screen, not the job.
        let _ = store.add_event(&job.id, &JobEvent { message, progress });
    };
    let rows = TrainingRows::read(store, file)?;
    say(format!("training on {} rows", rows.texts.len()), None);
    let mut on_epoch = |report: EpochReport| {
        let (step, last) = (u64::from(report.epoch), u64::from(report.epochs));
        let total_steps = Some(if report.converged { step } else { last });
        let progress = TrainingProgress { step, total_steps, train_loss: Some(report.loss) };
        say(format!("epoch {step} of {last}: loss {:.4}", report.loss), Some(progress));
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let texts: Vec<&str> = rows.texts.iter().map(String::as_str).collect();
    let classifier = Classifier::train(&texts, &rows.labels, &rows.set, options, &mut on_epoch)?;
    let model = model_id(job.mark.as_ref().expect("every job of this provider has a mark"));
    store.put_model(&model, &classifier)?;
    say(format!("model {model} is ready"), None);
    Ok(model)
}

enum Ended {
    Cancelled,
    Failed(String),
}

impl From<TrainError> for Ended {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Cancelled => Self::Cancelled,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<ProviderError> for Ended {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error.message)
    }
}

/// A training file in memory; its label set is what it holds.
struct TrainingRows {
    texts: Vec<String>,
    labels: Vec<LabelId>,
    set: LabelSet,
}

impl TrainingRows {
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
fn model_id(mark: &JobMark) -> String {
    format!("{LEXICAL}-ft-{}", mark.0.get(..12).unwrap_or(&mark.0))
}

/// The hyperparameters as the user wrote them, checked.
fn options(spec: &TuningSpec) -> Result<Options, SettingError> {
    if spec.base != LEXICAL {
        return Err(SettingError::at(
            "base",
            format!("`{}` cannot be tuned; the local provider tunes `{LEXICAL}`", spec.base),
        ));
    }
    let mut options = Options { seed: spec.seed, ..Options::default() };
    for (name, value) in &spec.hyperparameters {
        let wrong = |wanted: &str| SettingError::at(name, format!("`{name}` must be {wanted}"));
        match name.as_str() {
            "epochs" => {
                let epochs = value.as_u64().filter(|n| (1..=10_000).contains(n));
                options.epochs = epochs.ok_or_else(|| wrong("a whole number from 1 to 10000"))? as u32;
            }
            "l2" => {
                let l2 = value.as_f64().filter(|l2| (1e-4..=1e4).contains(l2));
                options.l2 = l2.ok_or_else(|| wrong("a number from 0.0001 to 10000"))? as f32;
            }
            _ => {
                let message = format!("unknown hyperparameter `{name}`, expected one of `epochs`, `l2`");
                return Err(SettingError::at(name, message));
            }
        }
    }
    Ok(options)
}

fn resolved(options: &Options) -> Hyperparameters {
    // In decimal digits as the user would write them, not with the tail of the binary fraction.
    let l2 = options.l2.to_string().parse::<f64>().unwrap_or_default();
    [("epochs", options.epochs.into()), ("l2", l2.into())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[async_trait]
impl FineTuning for Jobs {
    fn check(&self, spec: &TuningSpec, examples: &[Example], prompt: &Prompt) -> Result<(), SettingError> {
        options(spec)?;
        let Some(first) = examples.first() else {
            return Err(SettingError::new("there are no training examples"));
        };
        if examples.iter().all(|example| example.label == first.label) {
            let label = prompt.labels().name(first.label);
            return Err(SettingError::new(format!(
                "every training example has the label `{label}`; there is nothing to tell apart"
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
        self.store.events(id, skip)
    }

    async fn loss_curve(&self, id: &JobId) -> Result<Vec<LossPoint>, ProviderError> {
        let steps = self.store.events(id, 0)?.into_iter().filter_map(|event| event.progress);
        let point = |p: TrainingProgress| LossPoint {
            step: p.step,
            train_loss: p.train_loss,
            ..LossPoint::default()
        };
        Ok(steps.map(point).collect())
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
