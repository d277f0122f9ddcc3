//! `tunebench jobs delete`: a tuned model and the files of its job, with the user's agreement.

use tunebench_providers::{Cause, FineTuning, Job, ModelRef, ProviderError};

use super::fine_tuning;
use crate::cli::consent;
use crate::cli::output::Printer;
use crate::error::Error;
use crate::exit;
use crate::ledger::Ledger;
use crate::providers::Providers;

/// Deletes a tuned model with the files of its job, and takes it off the record, so that it is trained anew when it is
/// wanted again. It is named by its own name or by that of its job.
pub(super) async fn delete(
    providers: &Providers,
    ledger: Option<&Ledger>,
    name: &ModelRef,
    yes: bool,
    printer: Printer,
) -> Result<u8, Error> {
    let tuning = fine_tuning(providers, name)?;
    let failed = |error: ProviderError| Error::provider(name, error);
    let jobs = tuning.jobs().await.map_err(failed)?;
    let named = jobs.iter().find(|job| job.id.0 == name.model());
    if let Some(job) = named.filter(|job| !job.status.is_final()) {
        return Err(Error::Model {
            message: format!("{name} is {}", job.status),
            hint: Some(format!("end it first: `tunebench jobs cancel {name}`")),
        });
    }
    let model = match named {
        Some(job) => job.tuned_model.clone(),
        None => Some(remembered(ledger, name)?.unwrap_or_else(|| name.model().to_owned())),
    };
    let job = named.or_else(|| jobs.iter().find(|job| model.is_some() && job.tuned_model == model));
    consent::to_delete(&in_words(name, model.as_deref(), job), yes, printer)?;
    match &model {
        Some(model) => {
            let deleted = tuning.delete_model(model).await;
            let forgotten = match &deleted {
                Ok(()) => forget(ledger, name, model)?,
                Err(error) if error.cause == Cause::NotFound => forget(ledger, name, model)?,
                Err(_) => 0,
            };
            match deleted {
                Ok(()) => printer.note(&format!("deleted {}/{model}", name.provider())),
                Err(_) if forgotten > 0 => printer
                    .note(&format!("{}/{model} was deleted earlier; its record is removed", name.provider())),
                Err(error) => return Err(failed(error)),
            }
        }
        None => printer.note(&format!("{name} made no model; its files are deleted")),
    }
    delete_files(tuning, job, printer).await;
    Ok(exit::DONE)
}

async fn delete_files(tuning: &dyn FineTuning, job: Option<&Job>, printer: Printer) {
    for file in job.iter().flat_map(|job| &job.files) {
        if let Err(error) = tuning.delete_file(file).await {
            printer.warn(&format!("file {} was not deleted: {error}", file.0));
        }
    }
}

/// What goes, for the question.
fn in_words(name: &ModelRef, model: Option<&str>, job: Option<&Job>) -> String {
    let files: Vec<_> = job.iter().flat_map(|job| &job.files).map(|file| file.0.as_str()).collect();
    let model = model.map(|model| format!("the model {}/{model}", name.provider()));
    let files = match &files[..] {
        [] => None,
        [only] => Some(format!("the file {only}")),
        all => Some(format!("the files {}", all.join(", "))),
    };
    let parts: Vec<_> = model.into_iter().chain(files).collect();
    if parts.is_empty() { format!("what {name} left") } else { parts.join(" and ") }
}

/// Takes a model off the record; tells how many jobs had made it.
fn forget(ledger: Option<&Ledger>, name: &ModelRef, model: &str) -> Result<usize, Error> {
    Ok(ledger.map(|ledger| ledger.forget_model(name.provider(), model)).transpose()?.unwrap_or(0))
}

/// The model of a job that only the ledger lists.
fn remembered(ledger: Option<&Ledger>, name: &ModelRef) -> Result<Option<String>, Error> {
    let records = ledger.map(Ledger::jobs).transpose()?.unwrap_or_default();
    let mut ours = records.into_iter().filter(|record| record.order.provider == name.provider());
    let record = ours.find(|record| record.id.as_ref().is_some_and(|id| id.0 == name.model()));
    Ok(record.and_then(|record| record.tuned_model))
}
