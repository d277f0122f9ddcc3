//! `tunebench providers`.

use futures::future::join_all;
use serde_json::{Value, json};
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};
use tunebench_providers::contract::{Contract, Verdict};
use tunebench_providers::{Access, Provider, ProviderFacts, ProviderInfo};

use super::output::Printer;
use super::words::entry;
use crate::error::Error;
use crate::exit;
use crate::providers::Providers;

/// Where the texts begin.
const COLUMN: usize = 10;
/// Where the meanings of settings begin.
const SETTING_COLUMN: usize = 22;

/// A provider, and what it said of itself when it was listed.
struct Listed<'a> {
    name: &'a str,
    provider: &'a dyn Provider,
    info: ProviderInfo,
}

/// Lists the providers of this program, as the project sets them up.
pub(super) async fn providers(providers: &Providers, as_json: bool, printer: Printer) -> Result<u8, Error> {
    join_all(providers.iter().map(|(_, provider)| provider.prepare())).await;
    let listed = providers.iter().map(|(name, provider)| Listed { name, provider, info: provider.info() });
    let mut all: Vec<_> = listed.collect();
    all.sort_by_key(|listed| rank(&listed.info.access));
    if as_json {
        printer.data(&format!("{:#}", all.iter().map(Listed::json).collect::<Value>()))?;
        return Ok(exit::DONE);
    }
    let (plain_ones, others): (Vec<_>, Vec<_>) = all.into_iter().partition(Listed::is_plain);
    let mut blocks: Vec<_> = others.iter().map(Listed::block).collect();
    if !plain_ones.is_empty() {
        let mut table = Builder::default();
        table.push_record(["MORE HOSTS", "KEY", "AT"]);
        for Listed { name, info, .. } in plain_ones {
            let key = access(&info.access);
            table.push_record([name, key.trim_start_matches("missing: "), &host(&info.base_url)]);
        }
        blocks.push(plain(table));
    }
    printer.data(&blocks.join("\n\n"))?;
    Ok(exit::DONE)
}

impl Listed<'_> {
    fn models(&self) -> Vec<&str> {
        self.info.models.iter().map(|model| model.id.as_str()).collect()
    }

    fn json(&self) -> Value {
        json!({
            "provider": self.name,
            "fine_tuning": self.provider.fine_tuning().is_some(),
            "deployments": self.provider.deployments().is_some(),
            "facts": facts_as_json(&self.info.facts),
            "access": access(&self.info.access),
            "base_url": self.info.base_url,
            "models": self.models(),
        })
    }

    /// Whether nothing more is to be said of it than where it is.
    fn is_plain(&self) -> bool {
        let facts = &self.info.facts;
        let stated = !limits(facts).is_empty() || !more_abilities(facts).is_empty();
        self.info.models.is_empty() && self.provider.fine_tuning().is_none() && !stated
    }

    /// What there is to say of it, a line for each thing.
    fn block(&self) -> String {
        let facts = &self.info.facts;
        let entries = [
            ("key", access(&self.info.access)),
            ("can", self.abilities()),
            ("limits", limits(facts)),
            ("models", self.models().join(", ")),
            ("checked", facts.checked.clone().unwrap_or_default()),
        ];
        let entries = entries.into_iter().filter(|(_, text)| !text.is_empty());
        let lines = entries.map(|(label, text)| entry(2, COLUMN, label, &text));
        std::iter::once(self.name.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
    }

    /// What it offers, in words.
    fn abilities(&self) -> String {
        let Self { provider, info, .. } = self;
        let tunable: Vec<_> =
            info.models.iter().filter(|model| model.tunable).map(|model| model.id.as_str()).collect();
        let tuning = match (provider.fine_tuning().is_some(), tunable.is_empty()) {
            (false, _) => String::new(),
            (true, true) => "; fine-tuning".to_owned(),
            (true, false) => format!("; fine-tuning of {}", tunable.join(", ")),
        };
        let place = if info.in_process() { "answers, computed here" } else { "answers" };
        let deployed =
            if provider.deployments().is_some() { " (answers while deployed, by the minute)" } else { "" };
        let batches = if provider.batches().is_some() { "; batches" } else { "" };
        let said = format!("{place}{tuning}{deployed}{batches}");
        let more = more_abilities(&info.facts).into_iter().filter(|what| !said.contains(what));
        more.fold(said.clone(), |all, what| format!("{all}; {what}"))
    }
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

/// Says what can be set of a provider.
pub(super) fn settings(providers: &Providers, name: &str, printer: Printer) -> Result<u8, Error> {
    named(providers, name)?;
    let Some(settings) = providers.settings(name) else {
        printer.note(&format!("{name} checks its settings by itself, and lists none"));
        return Ok(exit::DONE);
    };
    let lines = settings.map(|setting| entry(0, SETTING_COLUMN, setting.name, &setting.description()));
    printer.data(&lines.collect::<Vec<_>>().join("\n"))?;
    Ok(exit::DONE)
}

/// A provider that the user names.
fn named<'a>(providers: &'a Providers, name: &str) -> Result<&'a dyn Provider, Error> {
    providers.by_name(name).ok_or_else(|| Error::Model {
        message: format!("unknown provider `{name}`"),
        hint: Some(providers.suggestion(name)),
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
    let provider = named(providers, name)?;
    provider.prepare().await;
    let ProviderInfo { models: known, access, .. } = provider.info();
    let first = known.iter().find(|info| info.tunable).or(known.first()).map(|info| info.id.clone());
    let model = model.or(first).ok_or_else(|| Error::Model {
        message: format!("`{name}` names no model of its own"),
        hint: Some("name one with `--model`".to_owned()),
    })?;
    if !agreed && access != Access::Open {
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
fn rank(access: &Access) -> u8 {
    match access {
        Access::Ready => 0,
        Access::Open => 1,
        _ => 2,
    }
}

/// A key, in words.
fn access(access: &Access) -> String {
    match access {
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
