//! Fine-tuning, the same way at every provider: training file, job, events, model.
//!
//! A job is looked for by its mark before one is made, so the same command twice trains once.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tunebench_data::{Dataset, Prompt};
use tunebench_providers::{
    FineTuning, Job, JobEvent, JobMark, JobRequest, JobStatus, ModelRef, ProviderError, Retry, SettingError,
    TuningSpec,
};

use crate::cancel::Cancel;

/// What is to be tuned.
pub struct Tuning<'a> {
    /// Where.
    pub provider: &'a dyn FineTuning,
    /// The base model.
    pub base: &'a ModelRef,
    /// Base, hyperparameters and seed, as the provider reads them.
    pub spec: &'a TuningSpec,
    /// What is learned from.
    pub train: &'a Dataset,
    /// How it is put to the model.
    pub prompt: &'a Prompt,
    /// The folder for training files.
    pub folder: &'a Path,
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
    /// The provider was not reached; it will be asked again.
    Unreachable(ProviderError),
}

/// Why there is no tuned model.
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
    /// The job ended without a model.
    #[error("job {} {}", .0.id.0, ending(.0))]
    Ended(Box<Job>),
    /// The user asked for the end while the job went on.
    #[error("interrupted while job {} was under way", .0.id.0)]
    Interrupted(Box<Job>),
}

fn ending(job: &Job) -> String {
    match (&job.status, &job.error) {
        (JobStatus::Cancelled, _) => "was cancelled".into(),
        (JobStatus::Succeeded, _) => "succeeded, but names no model".into(),
        (_, Some(error)) => format!("failed: {error}"),
        (_, None) => "failed; the provider gives no reason".into(),
    }
}

impl Tuning<'_> {
    /// Tunes, or takes over what an earlier command began or finished.
    pub async fn run(
        &self,
        cancel: &Cancel,
        mut observe: impl FnMut(TuneEvent),
    ) -> Result<TunedModel, TuneError> {
        let (file, mark) = self.prepare()?;
        let job = match self.provider.find_job(&mark).await? {
            Some(job) => {
                observe(TuneEvent::Found(job.clone()));
                job
            }
            None => {
                let uploaded = self.provider.upload(&file).await?;
                let job =
                    self.provider.create_job(&JobRequest::new(self.spec.clone(), uploaded, mark)).await?;
                observe(TuneEvent::Created(job.clone()));
                job
            }
        };
        let job =
            if job.status.is_final() { job } else { watch(self.provider, job, cancel, &mut observe).await? };
        self.model_of(job)
    }

    /// The model that an earlier command made from the same data and settings.
    pub async fn find(&self) -> Result<Option<TunedModel>, TuneError> {
        let (_, mark) = self.prepare()?;
        let job = self.provider.find_job(&mark).await?.filter(|job| job.status == JobStatus::Succeeded);
        job.map(|job| self.model_of(job)).transpose()
    }

    /// Checks everything that can be checked here, writes the training file, and names the job.
    fn prepare(&self) -> Result<(PathBuf, JobMark), TuneError> {
        self.provider.check(self.spec, &self.train.examples, self.prompt)?;
        fs_err::create_dir_all(self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(self.folder)?;
        let mut hashed =
            HashingWriter { out: std::io::BufWriter::new(file.as_file_mut()), hash: Sha256::new() };
        self.provider.write_training_file(&self.train.examples, self.prompt, &mut hashed)?;
        let content = hashed.finish()?;
        let mark = self.mark(&content);
        let path = self.folder.join(format!("{}.jsonl", mark.0));
        file.persist(&path).map_err(|error| error.error)?;
        Ok((path, mark))
    }

    /// Equal training files, bases, hyperparameters and seeds have equal marks.
    fn mark(&self, content: &[u8]) -> JobMark {
        let hyperparameters = serde_json::to_string(&self.spec.hyperparameters).expect("JSON stays JSON");
        let mut hash = Sha256::new();
        for part in [
            self.base.to_string().as_bytes(),
            hyperparameters.as_bytes(),
            &self.spec.seed.to_le_bytes(),
            content,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        JobMark(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    fn model_of(&self, job: Job) -> Result<TunedModel, TuneError> {
        let model = job.tuned_model.as_deref().filter(|_| job.status == JobStatus::Succeeded);
        match model.map(|model| ModelRef::new(self.base.provider(), model)) {
            Some(Ok(model)) => Ok(TunedModel { model, job }),
            _ => Err(TuneError::Ended(Box::new(job))),
        }
    }
}

/// Follows a job to its end, through whatever the network does meanwhile. When the end is asked for, the job goes on
/// without being watched.
pub async fn watch(
    provider: &dyn FineTuning,
    mut job: Job,
    cancel: &Cancel,
    observe: &mut impl FnMut(TuneEvent),
) -> Result<Job, TuneError> {
    let mut seen = 0;
    loop {
        // Status first: events that come before the end are then all there.
        match provider.job(&job.id).await {
            Ok(now) => job = now,
            Err(error) => unreachable_for_now(error, observe)?,
        }
        match provider.events(&job.id, seen).await {
            Ok(events) => {
                seen += events.len();
                events.into_iter().for_each(|event| observe(TuneEvent::Job(event)));
            }
            Err(error) => unreachable_for_now(error, observe)?,
        }
        if job.status.is_final() {
            return Ok(job);
        }
        tokio::select! {
            () = tokio::time::sleep(provider.poll_interval()) => {}
            () = cancel.wait() => return Err(TuneError::Interrupted(Box::new(job))),
        }
    }
}

/// A failed look at a job is no failed job.
fn unreachable_for_now(error: ProviderError, observe: &mut impl FnMut(TuneEvent)) -> Result<(), TuneError> {
    if error.retry == Retry::Never {
        return Err(error.into());
    }
    observe(TuneEvent::Unreachable(error));
    Ok(())
}

/// A fine-tuned model and the job that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct TunedModel {
    /// How to ask it.
    pub model: ModelRef,
    /// How it came about.
    pub job: Job,
}

/// Takes the fingerprint of what passes.
struct HashingWriter<W> {
    out: W,
    hash: Sha256,
}

impl<W: std::io::Write> HashingWriter<W> {
    fn finish(mut self) -> std::io::Result<Vec<u8>> {
        self.out.flush()?;
        Ok(self.hash.finalize().to_vec())
    }
}

impl<W: std::io::Write> std::io::Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
