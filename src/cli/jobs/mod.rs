//! `tunebench jobs`: what is being trained, and by whose order.

mod delete;
mod list;
mod name;

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
use crate::tune::{PollSchedule, TuneError, watch};

/// Carries out one of the commands.
pub(super) async fn jobs(
    command: JobsCommand,
    providers: &Providers,
    ledger: Option<&Ledger>,
    cancel: &Cancel,
    listener: &dyn Listener,
    printer: Printer,
) -> Result<u8, Error> {
    let resolved = |name: String| async move { name::resolve(&name, providers, ledger).await };
    match command {
        JobsCommand::List { json } => list::list(providers, ledger, json, printer).await,
        JobsCommand::Watch { job } => {
            let name = resolved(job).await?;
            let tuning = fine_tuning(providers, &name)?;
            let job = tuning
                .job(&JobId(name.model().into()))
                .await
                .map_err(|error| Error::provider(&name, error))?;
            let base = ModelRef::new(name.provider(), &job.base).unwrap_or_else(|_| name.clone());
            let mut observe = |event| listener.tuning(&base, event);
            let job = watch(tuning, job, PollSchedule::default(), cancel, &mut observe).await;
            let job = job.map_err(|error| Error::tune(&base, error))?;
            match (&job.status, &job.tuned_model) {
                (JobStatus::Succeeded, Some(model)) => {
                    printer.data(&format!("{}/{model}", name.provider()))?
                }
                _ => return Err(Error::tune(&base, TuneError::Ended(Box::new(job)))),
            }
            Ok(exit::DONE)
        }
        JobsCommand::Cancel { job } => end(providers, &resolved(job).await?, printer).await,
        JobsCommand::Show { job } => show(providers, &resolved(job).await?, printer).await,
        JobsCommand::Delete { name, yes } => {
            delete::delete(providers, ledger, &resolved(name).await?, yes, printer).await
        }
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
        printer.note(&format!("cancellation of {name} requested"));
    }
    Ok(exit::DONE)
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
