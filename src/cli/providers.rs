//! `tunebench providers`.

use std::path::Path;

use serde_json::{Value, json};
use tabled::builder::Builder;
use tabled::settings::Style;
use tunebench_providers::{Access, Provider, Registry, Setup};

use super::output::Printer;
use crate::error::Error;
use crate::exit;

/// Lists the providers of this program.
pub(super) fn providers(
    registry: &Registry,
    state: &Path,
    as_json: bool,
    printer: Printer,
) -> Result<u8, Error> {
    let setup = |name: &str| Setup::new(name, serde_json::Map::new(), state.join(name));
    let all = registry.kinds().filter_map(|name| Some((name, registry.create(name, &setup(name))?)));
    // A provider that can't be made without settings is listed all the same.
    let all: Vec<_> = all.map(|(name, provider)| (name, provider.map_err(|error| error.message))).collect();
    if as_json {
        let list: Vec<Value> = all
            .iter()
            .map(|(name, provider)| match provider {
                Ok(provider) => json!({
                    "provider": name,
                    "fine_tuning": provider.fine_tuning().is_some(),
                    "key": key(provider.as_ref()),
                    "models": provider.known_models().into_iter().map(|model| model.id).collect::<Vec<_>>(),
                }),
                Err(error) => json!({ "provider": name, "error": error }),
            })
            .collect();
        printer.data(&format!("{:#}", Value::from(list)))?;
        return Ok(exit::DONE);
    }
    let mut table = Builder::new();
    table.push_record(["provider", "evaluate", "fine-tune", "key", "models"]);
    for (name, provider) in &all {
        let row = match provider {
            Ok(provider) => {
                let tunes = if provider.fine_tuning().is_some() { "yes" } else { "no" };
                let models: Vec<String> = provider.known_models().into_iter().map(|model| model.id).collect();
                [(*name).to_owned(), "yes".into(), tunes.into(), key(provider.as_ref()), models.join(", ")]
            }
            Err(error) => [(*name).to_owned(), "-".into(), "-".into(), error.clone(), String::new()],
        };
        table.push_record(row);
    }
    printer.data(&table.build().with(Style::sharp()).to_string())?;
    Ok(exit::DONE)
}

fn key(provider: &dyn Provider) -> String {
    match provider.access() {
        Access::Open => "none needed".into(),
        Access::Ready => "set".into(),
        Access::Missing(variable) => format!("missing: set {variable}"),
    }
}
