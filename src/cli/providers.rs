//! `tunebench providers`.

use serde_json::{Value, json};
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};
use tunebench_providers::contract::{Contract, Verdict};
use tunebench_providers::{Access, Provider, ProviderFacts};

use super::output::Printer;
use super::words::entry;
use crate::error::Error;
use crate::exit;
use crate::providers::Providers;

/// Where the texts begin.
const COLUMN: usize = 10;

/// Lists the providers of this program, as the project sets them up.
pub(super) fn providers(providers: &Providers, as_json: bool, printer: Printer) -> Result<u8, Error> {
    let models = |provider: &dyn Provider| -> Vec<String> {
        provider.known_models().into_iter().map(|model| model.id).collect()
    };
    let mut all: Vec<_> = providers.iter().collect();
    all.sort_by_key(|(_, provider)| rank(*provider));
    if as_json {
        let list = all.iter().map(|(name, provider)| {
            json!({
                "provider": name,
                "fine_tuning": provider.fine_tuning().is_some(),
                "deployments": provider.deployments().is_some(),
                "facts": facts_as_json(&provider.facts()),
                "access": access(*provider),
                "base_url": provider.base_url(),
                "models": models(*provider),
            })
        });
        printer.data(&format!("{:#}", list.collect::<Value>()))?;
        return Ok(exit::DONE);
    }
    // Hosts of which nothing more is to be said than where they are.
    let is_plain = |provider: &dyn Provider| {
        let facts = provider.facts();
        let told = !limits(&facts).is_empty() || !more_abilities(&facts).is_empty();
        provider.known_models().is_empty() && provider.fine_tuning().is_none() && !told
    };
    let (plain_ones, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, provider)| is_plain(*provider));
    let mut blocks: Vec<_> = others
        .iter()
        .map(|(name, provider)| {
            let mut lines = vec![(*name).to_owned()];
            let known = models(*provider);
            let facts = provider.facts();
            let entries = [
                ("key", access(*provider)),
                ("can", abilities(*provider, &facts)),
                ("limits", limits(&facts)),
                ("models", known.join(", ")),
                ("checked", facts.checked.unwrap_or_default()),
            ];
            let entries = entries.into_iter().filter(|(_, text)| !text.is_empty());
            lines.extend(entries.map(|(label, text)| entry(2, COLUMN, label, &text)));
            lines.join("\n")
        })
        .collect();
    if !plain_ones.is_empty() {
        let mut table = Builder::default();
        table.push_record(["MORE HOSTS", "KEY", "AT"]);
        for (name, provider) in plain_ones {
            let (key, address) = (access(provider), provider.base_url());
            table.push_record([name, key.trim_start_matches("missing: "), &host(&address)]);
        }
        blocks.push(plain(table));
    }
    printer.data(&blocks.join("\n\n"))?;
    Ok(exit::DONE)
}

/// What a host is known to do besides answering, whether or not it is set up for that.
fn more_abilities(facts: &ProviderFacts) -> Vec<&'static str> {
    let can = [facts.batch.map(|_| "batches"), facts.tuning.as_ref().map(|_| "fine-tuning")];
    can.into_iter().flatten().collect()
}

/// What is known of rate limits.
fn limits(facts: &ProviderFacts) -> String {
    let number = facts.requests_per_minute.map(|number| format!("{number} requests a minute"));
    number.into_iter().chain(facts.limits.clone()).collect::<Vec<_>>().join("; ")
}

fn facts_as_json(facts: &ProviderFacts) -> Value {
    json!({
        "requests_per_minute": facts.requests_per_minute,
        "limits": facts.limits,
        "batch": facts.batch.map(|(rows, bytes)| json!({ "rows": rows, "bytes": bytes })),
        "tuning": facts.tuning,
        "source": facts.source,
        "checked": facts.checked,
    })
}

/// Puts a provider through the contract, with one of its models.
pub(super) async fn check(
    providers: &Providers,
    name: &str,
    model: Option<String>,
    agreed: bool,
    printer: Printer,
) -> Result<u8, Error> {
    let wrong = |message: String, hint: String| Error::Model { message, hint: Some(hint) };
    let provider = providers
        .by_name(name)
        .ok_or_else(|| wrong(format!("unknown provider `{name}`"), providers.suggestion(name)))?;
    let known = provider.known_models();
    let first = known.iter().find(|info| info.tunable).or(known.first()).map(|info| info.id.clone());
    let model = model.or(first).ok_or_else(|| {
        wrong(format!("`{name}` names no model of its own"), "name one with `--model`".to_owned())
    })?;
    if !agreed && provider.access() != Access::Open {
        return Err(Error::Unasked(format!("checking {name}/{model} sends requests that may cost money")));
    }
    let report = Contract::new(provider, &model).check().await;
    printer.note(&format!("the contract of a provider, with {name}/{model}"));
    printer.data(report.to_string().trim_end())?;
    let kept = report.findings.iter().all(|finding| !matches!(finding.verdict, Verdict::Broken(_)));
    Ok(if kept { exit::DONE } else { exit::FAILED })
}

/// The machine of an address; nothing where a variable that is not set would be a part of it.
fn host(address: &str) -> String {
    let (_, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('{') { String::new() } else { host.to_owned() }
}

/// Those that can be used at once come first.
fn rank(provider: &dyn Provider) -> u8 {
    match provider.access() {
        Access::Ready => 0,
        Access::Open => 1,
        _ => 2,
    }
}

/// What it offers, in words.
fn abilities(provider: &dyn Provider, facts: &ProviderFacts) -> String {
    let known = provider.known_models();
    let tunable: Vec<_> = known.iter().filter(|info| info.tunable).map(|info| info.id.as_str()).collect();
    let tuning = match (provider.fine_tuning().is_some(), tunable.is_empty()) {
        (false, _) => String::new(),
        (true, true) => "; fine-tuning".to_owned(),
        (true, false) => format!("; fine-tuning of {}", tunable.join(", ")),
    };
    let place = if provider.in_process() { "answers, computed here" } else { "answers" };
    let deployed =
        if provider.deployments().is_some() { " (answers while deployed, by the minute)" } else { "" };
    let batches = if provider.batches().is_some() { "; batches" } else { "" };
    let said = format!("{place}{tuning}{deployed}{batches}");
    let more = more_abilities(facts).into_iter().filter(|what| !said.contains(what));
    more.fold(said.clone(), |all, what| format!("{all}; {what}"))
}

fn access(provider: &dyn Provider) -> String {
    match provider.access() {
        Access::Open => "none needed".into(),
        Access::Missing(variable) => format!("missing: set {variable}"),
        Access::LoggedOut(command) => format!("missing: run `{command}`"),
        Access::Unavailable(reason) => format!("does not work: {reason}"),
        Access::Withheld(reason) => format!("withheld: {reason}"),
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
