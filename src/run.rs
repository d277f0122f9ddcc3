//! The main job: tune what is to be tuned, put every model to the test, gather what they answered.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tunebench_providers::{Job, ModelInfo, ModelRef};
use tunebench_reports::{DataFile, Evaluation, MANIFEST_VERSION, Manifest, ModelRecord, Run, slugs};

use crate::cancel::Cancel;
use crate::error::Error;
use crate::evaluate::{Answers, Tally, evaluate};
use crate::project::Project;
use crate::tune::{TuneEvent, TunedModel};

/// Is told what happens, to show it or to record it. What is told here is never needed for the result.
pub trait Listener: Send + Sync {
    /// A model is being tuned.
    fn tuning(&self, base: &ModelRef, event: TuneEvent) {
        let _ = (base, event);
    }

    /// A model has been tuned, or was found to be.
    fn tuned(&self, base: &ModelRef, tuned: &TunedModel) {
        let _ = (base, tuned);
    }

    /// A model is being asked; told some ten times a second.
    fn evaluating(&self, model: &ModelRef, tally: &Tally) {
        let _ = (model, tally);
    }

    /// A model has been asked about every row, or as many as could be.
    fn evaluated(&self, model: &ModelRef, answers: &Answers) {
        let _ = (model, answers);
    }
}

/// A model to measure, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// How to ask it.
    pub model: ModelRef,
    /// Its base, for a fine-tuned model.
    pub tuned_from: Option<ModelRef>,
    /// The job that made it.
    pub job: Option<Job>,
}

impl Subject {
    /// A model as it is.
    pub fn plain(model: ModelRef) -> Self {
        Self { model, tuned_from: None, job: None }
    }
}

/// The work on one project.
pub struct Session<'a> {
    /// What is to be done.
    pub project: &'a Project,
    /// Whether it is to end early.
    pub cancel: Cancel,
    /// Who is told about it.
    pub listener: Arc<dyn Listener>,
}

impl Session<'_> {
    /// Tunes every model that the configuration wants tuned, one after the other.
    pub async fn tune(&self) -> Result<Vec<TunedModel>, Error> {
        let folder = self.project.training_folder();
        let mut models = Vec::new();
        for entry in &self.project.models {
            let Some(tuning) = self.project.tuning(entry, &folder) else { continue };
            let observe = |event| self.listener.tuning(&entry.base, event);
            let tuned = tuning.run(&self.cancel, observe).await;
            let tuned = tuned.map_err(|error| Error::tune(&entry.base, error))?;
            self.listener.tuned(&entry.base, &tuned);
            models.push(tuned);
        }
        Ok(models)
    }

    /// All models of the configuration: each base, then what has been tuned from it. Where a tuned model is wanted and
    /// not there, its base is in the second list.
    pub async fn subjects(&self) -> Result<(Vec<Subject>, Vec<ModelRef>), Error> {
        let folder = self.project.training_folder();
        let (mut subjects, mut untuned) = (Vec::<Subject>::new(), Vec::new());
        for entry in &self.project.models {
            if subjects.iter().all(|subject| subject.model != entry.base) {
                subjects.push(Subject::plain(entry.base.clone()));
            }
            let Some(tuning) = self.project.tuning(entry, &folder) else { continue };
            let found = tuning.find().await.map_err(|error| Error::tune(&entry.base, error))?;
            match found {
                Some(TunedModel { model, job }) => {
                    subjects.push(Subject { model, tuned_from: Some(entry.base.clone()), job: Some(job) });
                }
                None => untuned.push(entry.base.clone()),
            }
        }
        Ok((subjects, untuned))
    }

    /// The given models; one that its provider knows to be tuned is paired with its base.
    pub async fn named(&self, models: Vec<ModelRef>) -> Result<Vec<Subject>, Error> {
        let mut subjects = Vec::<Subject>::new();
        for model in models {
            let info = self.project.candidate(&model)?.provider.model_info(model.model()).await;
            let info = info.map_err(|error| Error::provider(&model, error))?;
            let tuned_from = info.tuned_from.and_then(|base| ModelRef::new(model.provider(), &base).ok());
            if subjects.iter().all(|subject| subject.model != model) {
                subjects.push(Subject { model, tuned_from, job: None });
            }
        }
        Ok(subjects)
    }

    /// Puts the models to the test. `save` is given the run after each model, so that an accident costs one model.
    pub async fn evaluate(
        &self,
        subjects: &[Subject],
        mut save: impl FnMut(&Run) -> Result<(), Error>,
    ) -> Result<Run, Error> {
        let mut run = Run { manifest: self.manifest(), evaluations: Vec::new() };
        let names: Vec<String> = subjects.iter().map(|subject| subject.model.to_string()).collect();
        for (subject, file) in subjects.iter().zip(slugs(&names)) {
            if self.cancel.requested() {
                run.manifest.complete = false;
                break;
            }
            let candidate = self.project.candidate(&subject.model)?;
            // A model that does not exist is a mistake to be told before the first row.
            let info = candidate.provider.model_info(subject.model.model()).await;
            let info = info.map_err(|error| Error::provider(&subject.model, error))?;
            let (listener, model) = (self.listener.clone(), subject.model.clone());
            let observe = move |tally: &Tally| listener.evaluating(&model, tally);
            let answers = evaluate(&candidate, &self.project.test, &self.cancel, observe).await?;
            self.listener.evaluated(&subject.model, &answers);
            run.manifest.complete &= answers.stopped_by.is_none() && !self.cancel.requested();
            run.manifest.models.push(record(subject, file, info, &answers));
            run.evaluations.push(Evaluation {
                model: subject.model.to_string(),
                tuned_from: subject.tuned_from.as_ref().map(ToString::to_string),
                predictions: answers.predictions,
            });
            run.manifest.finished = Some(now());
            save(&run)?;
        }
        Ok(run)
    }

    fn manifest(&self) -> Manifest {
        let Project { config, train, train_path, test, .. } = self.project;
        let file = |role: &str, path: &Path, sha256: &str, rows: usize| DataFile {
            role: role.to_owned(),
            path: path.display().to_string(),
            sha256: sha256.to_owned(),
            rows: rows as u64,
        };
        let train = train.as_ref().zip(train_path.as_ref());
        let train = train.map(|(train, path)| file("train", path, &train.sha256, train.examples.len()));
        let data = train.into_iter().chain([file("test", &test.source().path, test.sha256(), test.len())]);
        Manifest {
            format_version: MANIFEST_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            started: now(),
            finished: None,
            complete: true,
            min_coverage: config.evaluation.min_coverage,
            seed: config.seed,
            data: data.collect(),
            labels: test.labels().clone(),
            prompt: serde_json::to_value(self.project.template()).expect("a template is plain data"),
            models: Vec::new(),
        }
    }
}

fn record(subject: &Subject, file: String, info: ModelInfo, answers: &Answers) -> ModelRecord {
    ModelRecord {
        model: subject.model.to_string(),
        tuned_from: subject.tuned_from.as_ref().map(ToString::to_string),
        file,
        description: info.description,
        answered_by: answers.answered_by.clone(),
        job_id: subject.job.as_ref().map(|job| job.id.0.clone()),
        hyperparameters: subject.job.as_ref().map_or(Value::Null, |job| job.hyperparameters.clone().into()),
    }
}

fn now() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Second).map_or_else(|_| String::new(), |time| time.to_string())
}
