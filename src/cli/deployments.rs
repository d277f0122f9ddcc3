//! `tunebench deployments`: what is deployed, and how it comes down.

use std::time::Duration;

use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_providers::{Deployment, DeploymentMark, Deployments, Provider};
use tunebench_reports::render::clean;

use super::args::DeploymentsCommand;
use super::output::Printer;
use super::providers::plain;
use crate::budget::Cost;
use crate::deploy::{DeployEvent, UNSEEN, down, gone, orphans};
use crate::error::Error;
use crate::exit;
use crate::ledger::{DeploymentRecord, Ledger, now};
use crate::providers::Providers;

/// Carries out one of the commands.
pub(super) async fn deployments(
    command: DeploymentsCommand,
    providers: &Providers,
    ledger: Option<&Ledger>,
    poll: Option<Duration>,
    printer: Printer,
) -> Result<u8, Error> {
    match command {
        DeploymentsCommand::List { json } => list(providers, ledger, json, printer).await,
        DeploymentsCommand::Stop { names, all } => stop(providers, ledger, &names, all, poll, printer).await,
    }
}

/// Says so where a deployment of an earlier command may still run. Where the ledger can't be read, that is told by whoever
/// works with it.
pub(super) fn warn_of_orphans(ledger: &Ledger, printer: Printer) {
    let left = orphans(ledger).unwrap_or_default();
    for record in &left {
        let (price, since) = (Cost::from_nanos(record.order.nanos_per_hour), time(record.recorded));
        let target = &record.order.target;
        printer.warn(&format!(
            "{} of {}/{} may still run, at {price} an hour, since {}",
            record.mark,
            target.provider,
            target.model,
            since.unwrap_or_default()
        ));
    }
    if !left.is_empty() {
        printer.hint("`tunebench deployments stop` takes it down; evaluating its model takes it over");
    }
}

/// A deployment as the ledger, its provider or both know it.
struct Listed {
    provider: String,
    record: Option<DeploymentRecord>,
    /// As its provider says now; none where it says that there is no such thing.
    now: Option<Deployment>,
    /// Whether the provider was asked.
    asked: bool,
}

impl Listed {
    fn mark(&self) -> Option<&DeploymentMark> {
        let recorded = self.record.as_ref().map(|record| &record.mark);
        recorded.or_else(|| self.now.as_ref()?.mark.as_ref())
    }

    fn name(&self) -> String {
        self.mark().map(ToString::to_string).unwrap_or_default()
    }

    fn model(&self) -> String {
        let recorded = self.record.as_ref().map(|record| record.order.target.model.clone());
        recorded.or_else(|| self.now.as_ref().map(|now| now.model.clone())).unwrap_or_default()
    }

    fn state(&self) -> String {
        match &self.now {
            Some(now) => now.said.clone(),
            None if self.asked => "not there".to_owned(),
            None => "not asked: its key is not set".to_owned(),
        }
    }

    /// Whether it may be on the bill.
    fn may_cost(&self) -> bool {
        match &self.now {
            Some(now) => now.state.may_cost(),
            None => self.record.is_some(),
        }
    }
}

/// All that the ledger and the providers whose keys are set know of. What a provider does not know any more, and was not
/// ordered a moment ago, is taken off the record.
async fn known(providers: &Providers, ledger: Option<&Ledger>) -> Result<(Vec<Listed>, Vec<String>), Error> {
    let mut records = ledger.map(Ledger::open_deployments).transpose()?.unwrap_or_default();
    let (mut listed, mut failed) = (Vec::new(), Vec::new());
    for (name, _, offered) in offering(providers) {
        match offered.list().await {
            Ok(found) => {
                for now in found {
                    let at = records.iter().position(|record| now.mark.as_ref() == Some(&record.mark));
                    let record = at.map(|at| records.swap_remove(at));
                    listed.push(Listed { provider: name.to_owned(), record, now: Some(now), asked: true });
                }
            }
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    let asked = |record: &DeploymentRecord| {
        let target = &record.order.target;
        let reached = |(name, provider, _): (&str, &dyn Provider, _)| {
            name == target.provider && provider.info().base_url == target.base_url
        };
        let failed = failed.iter().any(|message| message.starts_with(&format!("{}: ", target.provider)));
        !failed && offering(providers).any(reached)
    };
    for record in records {
        let (provider, asked) = (record.order.target.provider.clone(), asked(&record));
        listed.push(Listed { provider, record: Some(record), now: None, asked });
    }
    Ok((listed, failed))
}

/// The providers with deployments whose keys are set.
fn offering(providers: &Providers) -> impl Iterator<Item = (&str, &dyn Provider, &dyn Deployments)> {
    let ready = |provider: &dyn Provider| provider.info().access.is_granted();
    let able = providers.iter().filter(move |(_, provider)| ready(*provider));
    able.filter_map(|(name, provider)| Some((name, provider, provider.deployments()?)))
}

async fn list(
    providers: &Providers,
    ledger: Option<&Ledger>,
    as_json: bool,
    printer: Printer,
) -> Result<u8, Error> {
    let (listed, failed) = known(providers, ledger).await?;
    failed.iter().for_each(|message| printer.warn(message));
    let code = if failed.is_empty() { exit::DONE } else { exit::INCOMPLETE };
    if as_json {
        printer.data(&format!("{:#}", listed.iter().map(json_of).collect::<Value>()))?;
        return Ok(code);
    }
    if listed.is_empty() {
        printer.note("nothing is deployed");
        return Ok(code);
    }
    let mut table = Builder::new();
    table.push_record(["NAME", "MODEL", "STATE", "SINCE", "$/HOUR", "ORDERED"]);
    for one in &listed {
        let price = one.record.as_ref().map(|record| Cost::from_nanos(record.order.nanos_per_hour));
        let ordered = match &one.record {
            Some(record) if record.in_use => "here, in use",
            Some(_) => "here",
            None => "elsewhere",
        };
        table.push_record([
            one.name(),
            clean(&format!("{}/{}", one.provider, one.model())),
            clean(&one.state()),
            since(one).unwrap_or_default(),
            price.map_or_else(|| "?".into(), |price| price.to_string()),
            ordered.into(),
        ]);
    }
    printer.data(&plain(table))?;
    Ok(code)
}

fn json_of(one: &Listed) -> Value {
    json!({
        "name": one.name(),
        "provider": one.provider,
        "model": one.model(),
        "state": one.state(),
        "may_cost": one.may_cost(),
        "since": since(one),
        "hardware": one.record.as_ref().map(|record| record.order.hardware.clone())
            .or_else(|| one.now.as_ref()?.hardware.clone()),
        "usd_per_hour": one.record.as_ref().map(|record| Cost::from_nanos(record.order.nanos_per_hour).dollars()),
        "ordered_here": one.record.is_some(),
        "in_use": one.record.as_ref().is_some_and(|record| record.in_use),
    })
}

fn since(one: &Listed) -> Option<String> {
    let recorded = one.record.as_ref().map(|record| record.recorded);
    time(recorded.or_else(|| Some(one.now.as_ref()?.created?.saturating_mul(1_000_000)))?)
}

/// Microseconds since 1970 in RFC 3339, to the second.
fn time(micros: i64) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(time.round(jiff::Unit::Second).ok()?.to_string())
}

/// Takes down what was ordered here and is in no use, or what is named, or all that has a mark of ours.
async fn stop(
    providers: &Providers,
    ledger: Option<&Ledger>,
    names: &[String],
    all: bool,
    poll: Option<Duration>,
    printer: Printer,
) -> Result<u8, Error> {
    let (listed, failed) = known(providers, ledger).await?;
    failed.iter().for_each(|message| printer.warn(message));
    if let Some(unknown) = names.iter().find(|name| !listed.iter().any(|one| one.name() == **name)) {
        return Err(Error::Model {
            message: format!("no deployment `{unknown}` is known here"),
            hint: Some("name it as `tunebench deployments list` does".to_owned()),
        });
    }
    let wanted = |one: &Listed| {
        let here = one.record.as_ref().is_some_and(|record| !record.in_use);
        if names.is_empty() { here || all } else { names.contains(&one.name()) }
    };
    let (mut stopped, mut left) = (0, failed.len());
    for one in listed.iter().filter(|one| wanted(one)) {
        match taken_down(providers, ledger, one, poll, printer).await {
            Ok(()) => stopped += 1,
            Err(reason) => {
                left += 1;
                printer.warn(&reason);
            }
        }
    }
    if stopped + left == 0 {
        printer.note("nothing to stop");
    }
    Ok(if left == 0 { exit::DONE } else { exit::INCOMPLETE })
}

/// Takes one down; the error says what may still run.
async fn taken_down(
    providers: &Providers,
    ledger: Option<&Ledger>,
    one: &Listed,
    poll: Option<Duration>,
    printer: Printer,
) -> Result<(), String> {
    let name = one.name();
    let Some(standing) = &one.now else {
        if !one.asked {
            return Err(format!("{name} may still run: the key of {} is not set", one.provider));
        }
        if let (Some(ledger), Some(record)) = (ledger, &one.record) {
            if record.id.is_none() && now() - record.recorded < UNSEEN {
                return Err(format!(
                    "{name} was created a moment ago and may not be listed yet: try again in two minutes"
                ));
            }
            ledger.end_deployment(&record.mark).map_err(|error| error.to_string())?;
        }
        printer.note(&format!("{name} no longer exists"));
        return Ok(());
    };
    let found = offering(providers).find(|(known, ..)| *known == one.provider);
    let Some((_, _, offered)) = found else { return Err(format!("{name} may still run")) };
    let poll = poll.unwrap_or(offered.poll_interval());
    let tell = |event: &DeployEvent| {
        if let DeployEvent::Unreachable(error) = event {
            printer.note(&format!("{name}: {error}; asking again"));
        }
    };
    printer.note(&format!("{name}: taking it down"));
    match (&one.record, ledger) {
        (Some(record), Some(ledger)) => {
            let down = down(offered, ledger, record, &standing.id, poll, &tell).await;
            down.map_err(|error| error.to_string())?;
        }
        _ => gone(offered, &standing.id, poll, &tell)
            .await
            .map_err(|reason| format!("{name} may still run: {reason}"))?,
    }
    printer.note(&format!("{name} is gone"));
    Ok(())
}
