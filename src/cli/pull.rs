//! `tunebench models pull`.

use std::path::Path;

use tabled::builder::Builder;
use tunebench_providers::ModelRef;
use tunebench_providers::hub::{Fetching, Hub, HubName, RECOMMENDED};

use super::output::Printer;
use super::progress::Progress;
use super::providers::plain;
use crate::config::Document;
use crate::error::Error;
use crate::exit;
use crate::providers::environment;

/// Fetches an encoder, or shows which ones are worth a try. A `.env` file beside the configuration is read, whether there
/// is a configuration or not.
pub(super) async fn pull(name: Option<&str>, config: &Path, printer: Printer) -> Result<u8, Error> {
    let Some(name) = name else {
        let mut table = Builder::default();
        table.push_record(["ENCODER", "LICENSE", "PARAMETERS", "MB", ""]);
        for encoder in RECOMMENDED {
            table.push_record([
                encoder.name.to_owned(),
                encoder.license.to_owned(),
                format!("{:.1} M", encoder.parameters),
                encoder.megabytes.to_string(),
                encoder.about.to_owned(),
            ]);
        }
        printer.data(&plain(table))?;
        printer.note(
            "`tunebench models pull ENCODER` fetches one; then write `base = \"local/encoder:ENCODER\"`",
        );
        return Ok(exit::DONE);
    };
    let hub_name: HubName = name.parse().map_err(|message| Error::Model {
        message,
        hint: Some("`tunebench models pull` lists encoders that are worth a try".to_owned()),
    })?;
    let model = ModelRef::new("local", &format!("encoder:{name}"));
    let model = model.map_err(|error| Error::Model { message: error.to_string(), hint: None })?;
    let failed = |error| Error::provider(&model, error);
    let progress = Progress::new(printer);
    let hub = Hub::new(&environment(&Document::empty(config))?).map_err(failed)?;
    let mut fetched = false;
    let on_bytes = &mut |Fetching { file, done, size, .. }: Fetching<'_>| {
        fetched = true;
        progress.fetching(file, done, size);
    };
    let folder = hub.pull(&hub_name, on_bytes).await.map_err(failed)?;
    if !fetched {
        printer.note("all files are there already");
    }
    printer.note(&format!("write it as `base = \"{model}\"`"));
    printer.data(&folder.display().to_string())?;
    Ok(exit::DONE)
}
