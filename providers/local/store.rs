//! What the provider keeps on disk: training files, jobs with their events, models.
//!
//! ```text
//! files/<sha256>.jsonl    training files
//! jobs/<id>.json          a job as it stands; <id>.events, a JSON object a line; <id>.lock, held while it trains
//! models/<model>.bin      tuned models
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::trainer::WriteModel;
use crate::{Cause, FileId, Job, JobEvent, JobId, JobStatus, LossPoint, ProviderError};

/// Raised whenever the same data and settings would train another model: older jobs are then not taken over.
const TRAINER: u32 = 3;

/// Longer files are no models: 4 GB.
const MAX_MODEL: u64 = 1 << 32;

/// The folder that all of this lies in.
#[derive(Debug, Clone)]
pub(super) struct Store {
    root: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct StoredJob {
    trainer: u32,
    job: Job,
    /// How long the training took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

/// An event as it is kept: beside what all providers tell, all that was measured there.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredEvent {
    #[serde(flatten)]
    pub(super) event: JobEvent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) losses: Option<LossPoint>,
}

/// The right to train a job, given back when it is dropped, also by the end of the process.
pub(super) struct TrainingLock(#[expect(dead_code, reason = "held, not read")] File);

impl Store {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn path(&self, folder: &str, name: &str, extension: &str) -> Result<PathBuf, ProviderError> {
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(safe) {
            return Err(ProviderError::new(
                Cause::NotFound,
                format!("there is no model or job `{name}` here"),
            ));
        }
        Ok(self.root.join(folder).join(format!("{name}.{extension}")))
    }

    /// Copies a training file into the store, under its content's name.
    pub(super) fn add_file(&self, source: &Path) -> Result<FileId, ProviderError> {
        let content = fs::read(source).map_err(|error| failed("read", source, error))?;
        let name = format!("file-{:016x}", xxhash_rust::xxh3::xxh3_64(&content));
        write(&self.path("files", &name, "jsonl")?, &content)?;
        Ok(FileId(name))
    }

    pub(super) fn open_file(&self, id: &FileId) -> Result<BufReader<File>, ProviderError> {
        open(&self.path("files", &id.0, "jsonl")?, &id.0)
    }

    /// The job as it stands. One that claims to be training while nobody does has failed.
    pub(super) fn job(&self, id: &JobId) -> Result<Job, ProviderError> {
        let job = self.read_job(id)?.job;
        if job.status.is_final() || self.lock(id)?.is_none() {
            return Ok(job);
        }
        // Its trainer may have finished between the two looks.
        let mut job = self.read_job(id)?.job;
        if !job.status.is_final() {
            job.status = JobStatus::Failed;
            job.tuned_model = None;
            job.error = Some("the program that trained it ended before the job did".into());
        }
        Ok(job)
    }

    /// Whether this version would train the same model again.
    pub(super) fn is_current(&self, id: &JobId) -> Result<bool, ProviderError> {
        Ok(self.read_job(id)?.trainer == TRAINER)
    }

    fn read_job(&self, id: &JobId) -> Result<StoredJob, ProviderError> {
        let path = self.path("jobs", &id.0, "json")?;
        let bytes = fs::read(&path).map_err(|error| missing(&id.0, &path, error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            ProviderError::new(Cause::Server, format!("`{}` is damaged: {error}", path.display()))
                .hint("delete the file; the job can be trained again")
        })
    }

    pub(super) fn put_job(&self, job: &Job, seconds: Option<f64>) -> Result<(), ProviderError> {
        let stored = StoredJob { trainer: TRAINER, job: job.clone(), seconds };
        let json = serde_json::to_vec_pretty(&stored).expect("a job is plain data");
        write(&self.path("jobs", &job.id.0, "json")?, &json)
    }

    /// All jobs, the newest first.
    pub(super) fn jobs(&self) -> Result<Vec<Job>, ProviderError> {
        let folder = self.root.join("jobs");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("list", &folder, error)),
        };
        let mut found: Vec<(SystemTime, JobId)> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let id = (path.extension()? == "json")
                    .then(|| path.file_stem()?.to_str().map(str::to_owned))??;
                Some((fs::metadata(&path).and_then(|m| m.modified()).ok()?, JobId(id)))
            })
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        found.iter().map(|(_, id)| self.job(id)).collect()
    }

    /// Takes the right to train a job; `None` if somebody else has it.
    pub(super) fn lock(&self, id: &JobId) -> Result<Option<TrainingLock>, ProviderError> {
        let path = self.path("jobs", &id.0, "lock")?;
        create_folder(&path)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| failed("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(TrainingLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path, error)),
        }
    }

    /// Forgets the events of an earlier attempt.
    pub(super) fn clear_events(&self, id: &JobId) -> Result<(), ProviderError> {
        write(&self.path("jobs", &id.0, "events")?, b"")
    }

    pub(super) fn add_event(&self, id: &JobId, event: &StoredEvent) -> Result<(), ProviderError> {
        let path = self.path("jobs", &id.0, "events")?;
        let mut line = serde_json::to_vec(event).expect("an event is plain data");
        line.push(b'\n');
        let file = OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all(&line)).map_err(|error| failed("write", &path, error))
    }

    /// The events behind the first `skip`; a line that is being written is left for the next look.
    pub(super) fn events(&self, id: &JobId, skip: usize) -> Result<Vec<StoredEvent>, ProviderError> {
        let path = self.path("jobs", &id.0, "events")?;
        let file = open(&path, &id.0)?;
        let lines = file.lines().skip(skip).map_while(Result::ok);
        Ok(lines.map_while(|line| serde_json::from_str(&line).ok()).collect())
    }

    pub(super) fn put_model(&self, model: &str, write: WriteModel<'_>) -> Result<(), ProviderError> {
        write_by(&self.path("models", model, "bin")?, write)
    }

    pub(super) fn rename_model(&self, from: &str, to: &str) -> Result<(), ProviderError> {
        let (from, to) = (self.path("models", from, "bin")?, self.path("models", to, "bin")?);
        fs::rename(&from, &to).map_err(|error| failed("rename", &from, error))
    }

    /// The file of a model, as far as it could be one.
    pub(super) fn model(&self, model: &str) -> Result<Vec<u8>, ProviderError> {
        let path = self.path("models", model, "bin")?;
        let mut bytes = Vec::new();
        let read = open(&path, model)?.take(MAX_MODEL).read_to_end(&mut bytes);
        read.map_err(|error| failed("read", &path, error))?;
        Ok(bytes)
    }

    /// That a model's file is of no use.
    pub(super) fn unusable(&self, model: &str, why: impl std::fmt::Display) -> ProviderError {
        let path = self.path("models", model, "bin").unwrap_or_default();
        ProviderError::new(Cause::Server, format!("cannot load `{}`: {why}", path.display()))
            .scope(crate::Scope::Model)
            .retry(crate::Retry::Never)
            .hint("delete the file and tune again")
    }

    /// How long it took to train a model, in seconds, where that is known.
    pub(super) fn training_seconds(&self, model: &str) -> Option<f64> {
        let jobs = fs::read_dir(self.root.join("jobs")).ok()?.filter_map(|entry| {
            let path = entry.ok()?.path();
            let stem = path.file_stem().filter(|_| path.extension().is_some_and(|e| e == "json"))?;
            self.read_job(&JobId(stem.to_str()?.to_owned())).ok()
        });
        let mut jobs = jobs.filter(|stored| stored.job.tuned_model.as_deref() == Some(model));
        jobs.next()?.seconds
    }

    pub(super) fn has_model(&self, model: &str) -> bool {
        self.path("models", model, "bin").is_ok_and(|path| path.exists())
    }

    /// The names of all models, in alphabetical order.
    pub(super) fn models(&self) -> Vec<String> {
        let files = fs::read_dir(self.root.join("models")).into_iter().flatten();
        let mut names: Vec<String> = files
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let stem = path.file_stem().filter(|_| path.extension().is_some_and(|e| e == "bin"))?;
                Some(stem.to_str()?.to_owned())
            })
            .collect();
        names.sort_unstable();
        names
    }

    pub(super) fn delete_model(&self, model: &str) -> Result<(), ProviderError> {
        let path = self.path("models", model, "bin")?;
        fs::remove_file(&path).map_err(|error| missing(model, &path, error))
    }

    pub(super) fn delete_job(&self, id: &JobId) -> Result<(), ProviderError> {
        for extension in ["json", "events", "lock"] {
            let path = self.path("jobs", &id.0, extension)?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("delete", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn create_folder(path: &Path) -> Result<(), ProviderError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| failed("create", folder, error))
}

/// Writes a file whole or not at all.
fn write(path: &Path, content: &[u8]) -> Result<(), ProviderError> {
    write_by(path, &mut |out| out.write_all(content))
}

/// The same for what is never in memory as a whole.
fn write_by(path: &Path, content: WriteModel<'_>) -> Result<(), ProviderError> {
    create_folder(path)?;
    let folder = path.parent().unwrap_or(path);
    let result = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        content(file.as_file_mut())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    });
    result.map_err(|error| failed("write", path, error))
}

fn open(path: &Path, name: &str) -> Result<BufReader<File>, ProviderError> {
    File::open(path).map(BufReader::new).map_err(|error| missing(name, path, error))
}

fn missing(name: &str, path: &Path, error: io::Error) -> ProviderError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            ProviderError::new(Cause::NotFound, format!("there is no model or job `{name}` here"))
        }
        _ => failed("read", path, error),
    }
}

fn failed(action: &str, path: &Path, error: io::Error) -> ProviderError {
    ProviderError::new(Cause::Server, format!("cannot {action} `{}`: {error}", path.display()))
        .scope(crate::Scope::Provider)
        .retry(crate::Retry::Never)
}
