//! `tunebench providers`.

use serde_json::{Value, json};
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};
use tunebench_providers::{Access, Provider};

use super::output::Printer;
use crate::error::Error;
use crate::exit;
use crate::providers::Providers;

/// Lists the providers of this program, as the project sets them up.
pub(super) fn providers(providers: &Providers, as_json: bool, printer: Printer) -> Result<u8, Error> {
    let models = |provider: &dyn Provider| -> Vec<String> {
        provider.known_models().into_iter().map(|model| model.id).collect()
    };
    if as_json {
        let list = providers.iter().map(|(name, provider)| {
            json!({
                "provider": name,
                "fine_tuning": provider.fine_tuning().is_some(),
                "access": access(provider),
                "models": models(provider),
            })
        });
        printer.data(&format!("{:#}", list.collect::<Value>()))?;
        return Ok(exit::DONE);
    }
    let mut table = Builder::new();
    table.push_record(["PROVIDER", "FINE-TUNING", "KEY", "MODELS, AMONG OTHERS"]);
    for (name, provider) in providers.iter() {
        let tunes = if provider.fine_tuning().is_some() { "yes" } else { "no" };
        table.push_record([name, tunes, &access(provider), &models(provider).join(", ")]);
    }
    printer.data(plain(table).trim_end())?;
    Ok(exit::DONE)
}

fn access(provider: &dyn Provider) -> String {
    match provider.access() {
        Access::Open => "none needed".into(),
        Access::Missing(variable) => format!("missing: set {variable}"),
        Access::LoggedOut(command) => format!("missing: run `{command}`"),
        _ => "set".into(),
    }
}

/// A table of words: columns and nothing else.
pub(super) fn plain(table: Builder) -> String {
    let mut table = table.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let lines = table.to_string();
    lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
