//! `tunebench tune`.

use std::path::Path;

use serde_json::json;
use tunebench_reports::slugs;

use super::output::Printer;
use crate::error::Error;
use crate::exit;
use crate::project::Project;
use crate::run::Session;

/// Writes the training file of each model that is to be tuned: into a folder under its base's name, or, of a single
/// model, under the name that is given.
pub(super) fn export(project: &Project, target: &Path, printer: Printer) -> Result<u8, Error> {
    let training_folder = project.training_folder();
    let tuned: Vec<_> = project.models.iter().filter(|entry| entry.tune.is_some()).collect();
    let names: Vec<String> = tuned.iter().map(|entry| entry.base.to_string()).collect();
    let named = tuned.len() == 1 && target.extension().is_some_and(|extension| extension == "jsonl");
    for (entry, name) in tuned.into_iter().zip(slugs(&names)) {
        let Some(tuning) = project.tuning(entry, &training_folder) else { continue };
        let path = match named {
            true => target.to_owned(),
            false => target.join(format!("{name}.jsonl")),
        };
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
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
