//! `tunebench tune`.

use serde_json::json;

use super::output::Printer;
use crate::error::Error;
use crate::exit;
use crate::run::Session;

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
