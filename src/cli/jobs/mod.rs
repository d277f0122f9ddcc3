//! `tunebench jobs`: what is being trained, and by whose order.

mod list;

use serde_json::json;
use tunebench_providers::{FineTuning, JobId, JobStatus, ModelRef};

use super::args::JobsCommand;
use super::output::Printer;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::exit;
use crate::ledger::Ledger;
use crate::providers::Providers;
use crate::run::Listener;
use crate::tune::{Pace, TuneError, watch};

/// Carries out one of the commands; a job is named as `provider/job`.
pub(super) async fn jobs(
    command: JobsCommand,
    providers: &Providers,
    ledger: Option<&Ledger>,
    cancel: &Cancel,
    listener: &dyn Listener,
    printer: Printer,
) -> Result<u8, Error> {
    match command {
        JobsCommand::List { json } => list::list(providers, ledger, json, printer).await,
        JobsCommand::Watch { job: name } => {
            let tuning = fine_tuning(providers, &name)?;
            let job = tuning
                .job(&JobId(name.model().into()))
                .await
                .map_err(|error| Error::provider(&name, error))?;
            let base = ModelRef::new(name.provider(), &job.base).unwrap_or_else(|_| name.clone());
            let mut observe = |event| listener.tuning(&base, event);
            let job = watch(tuning, job, Pace::default(), cancel, &mut observe).await;
            let job = job.map_err(|error| Error::tune(&base, error))?;
            match (&job.status, &job.tuned_model) {
                (JobStatus::Succeeded, Some(model)) => {
                    printer.data(&format!("{}/{model}", name.provider()))?
                }
                _ => return Err(Error::tune(&base, TuneError::Ended(Box::new(job)))),
            }
            Ok(exit::DONE)
        }
        JobsCommand::Cancel { job: name } => end(providers, &name, printer).await,
        JobsCommand::Show { job: name } => show(providers, &name, printer).await,
        JobsCommand::Delete { name } => delete(providers, ledger, &name, printer).await,
    }
}

/// Asks for the end of a job that goes on.
async fn end(providers: &Providers, name: &ModelRef, printer: Printer) -> Result<u8, Error> {
    let tuning = fine_tuning(providers, name)?;
    let failed = |error| Error::provider(name, error);
    let id = JobId(name.model().into());
    let job = tuning.job(&id).await.map_err(failed)?;
    if job.status.is_final() {
        printer.note(&format!("{name} has ended already: {}", job.status));
    } else {
        tuning.cancel_job(&id).await.map_err(failed)?;
        printer.note(&format!("asked for the end of {name}"));
    }
    Ok(exit::DONE)
}

/// Deletes a tuned model with the files of its job. It is named by its own name or by that of its job.
async fn delete(
    providers: &Providers,
    ledger: Option<&Ledger>,
    name: &ModelRef,
    printer: Printer,
) -> Result<u8, Error> {
    let tuning = fine_tuning(providers, name)?;
    let failed = |error| Error::provider(name, error);
    let jobs = tuning.jobs().await.map_err(failed)?;
    let job = jobs.iter().find(|job| job.id.0 == name.model());
    if let Some(job) = job.filter(|job| !job.status.is_final()) {
        return Err(Error::Model {
            message: format!("{name} is {}", job.status),
            hint: Some(format!("end it first: `tunebench jobs cancel {name}`")),
        });
    }
    let model = match job {
        Some(job) => job.tuned_model.clone(),
        None => Some(remembered(ledger, name)?.unwrap_or_else(|| name.model().to_owned())),
    };
    if let Some(model) = &model {
        tuning.delete_model(model).await.map_err(failed)?;
        printer.note(&format!("deleted {}/{model}", name.provider()));
    } else {
        printer.note(&format!("{name} made no model; its files are deleted"));
    }
    let job = job.or_else(|| jobs.iter().find(|job| job.tuned_model == model));
    for file in job.iter().flat_map(|job| &job.files) {
        if let Err(error) = tuning.delete_file(file).await {
            printer.warn(&format!("file {} was not deleted: {error}", file.0));
        }
    }
    Ok(exit::DONE)
}

/// The model of a job that only the ledger lists.
fn remembered(ledger: Option<&Ledger>, name: &ModelRef) -> Result<Option<String>, Error> {
    let records = ledger.map(Ledger::jobs).transpose()?.unwrap_or_default();
    let mut ours = records.into_iter().filter(|record| record.order.provider == name.provider());
    let record = ours.find(|record| record.id.as_ref().is_some_and(|id| id.0 == name.model()));
    Ok(record.and_then(|record| record.tuned_model))
}

/// Everything that the provider says of a job, as JSON: it is for people and for programs alike.
async fn show(providers: &Providers, name: &ModelRef, printer: Printer) -> Result<u8, Error> {
    let tuning = fine_tuning(providers, name)?;
    let failed = |error| Error::provider(name, error);
    let id = JobId(name.model().into());
    let job = tuning.job(&id).await.map_err(failed)?;
    let mut shown = json!({
        "provider": name.provider(),
        "events": tuning.events(&id, 0).await.map_err(failed)?,
        "checkpoints": tuning.checkpoints(&id).await.map_err(failed)?,
        "job": job,
    });
    if job.status == JobStatus::Succeeded {
        shown["loss_curve"] = json!(tuning.loss_curve(&id).await.map_err(failed)?);
    }
    printer.data(&format!("{shown:#}"))?;
    Ok(exit::DONE)
}

fn fine_tuning<'a>(providers: &'a Providers, name: &ModelRef) -> Result<&'a dyn FineTuning, Error> {
    let slot = providers.get(name).ok_or_else(|| Error::unknown_provider(name, providers))?;
    slot.provider.fine_tuning().ok_or_else(|| Error::Model {
        message: format!("the provider `{}` does not offer fine-tuning", name.provider()),
        hint: None,
    })
}
