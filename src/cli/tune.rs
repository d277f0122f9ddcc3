//! `tunebench tune`.

use std::path::Path;

use serde_json::json;
use tunebench_reports::slugs;

use super::output::Printer;
use crate::error::Error;
use crate::exit;
use crate::project::Project;
use crate::run::Session;

/// Writes the training file of each model that is to be tuned, named after its base.
pub(super) fn export(project: &Project, folder: &Path, printer: Printer) -> Result<u8, Error> {
    fs_err::create_dir_all(folder)?;
    let training_folder = project.training_folder();
    let tuned: Vec<_> = project.models.iter().filter(|entry| entry.tune.is_some()).collect();
    let names: Vec<String> = tuned.iter().map(|entry| entry.base.to_string()).collect();
    for (entry, name) in tuned.into_iter().zip(slugs(&names)) {
        let Some(tuning) = project.tuning(entry, &training_folder) else { continue };
        let path = folder.join(format!("{name}.jsonl"));
        let rows = tuning.export(&path).map_err(|error| Error::tune(&entry.base, error))?;
        printer.note(&format!("{rows} rows for {}", entry.base));
        printer.data(&path.display().to_string())?;
    }
    Ok(exit::DONE)
}

/// Tunes, and prints each tuned model with its base.
pub(super) async fn tune(session: &Session<'_>, as_json: bool, printer: Printer) -> Result<u8, Error> {
    let tuned = session.tune().await?;
    if as_json {
        let list: Vec<_> = tuned
            .iter()
            .map(|tuned| json!({ "model": tuned.model.to_string(), "base": tuned.job.base, "job": tuned.job.id.0 }))
            .collect();
        printer.data(&format!("{:#}", serde_json::Value::from(list)))?;
        return Ok(exit::DONE);
    }
    for tuned in &tuned {
        printer.data(&tuned.model.to_string())?;
    }
    if tuned.is_empty() {
        printer.warn("no model of the configuration is to be tuned");
        printer.hint("add `tune = {}` to a `[[model]]`");
    }
    Ok(exit::DONE)
}
