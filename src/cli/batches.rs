//! `tunebench batches`: what providers are answering, and what they have answered.

use std::sync::Arc;

use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_providers::{Batch, BatchId, BatchJob, ModelRef};
use tunebench_reports::render::clean;

use super::args::BatchesCommand;
use super::doctor::count;
use super::output::Printer;
use super::progress::Progress;
use super::providers::plain;
use crate::batch::Left;
use crate::error::Error;
use crate::exit;
use crate::ledger::{BatchRecord, Ledger};
use crate::project::Project;
use crate::run::{Batched, Batching, Session, Spending};

/// Carries out one of the commands.
pub(super) async fn batches(
    command: BatchesCommand,
    project: &Project,
    ledger: Option<&Ledger>,
    printer: Printer,
) -> Result<u8, Error> {
    match command {
        BatchesCommand::List { json } => list(project, ledger, json, printer).await,
        BatchesCommand::Cancel { batch } => cancel(project, ledger, &batch, printer).await,
        BatchesCommand::Watch { keep } => come_back(project, keep, false, printer).await,
        BatchesCommand::Fetch { keep } => come_back(project, keep, true, printer).await,
    }
}

/// Whether a command ends while batches go on: then says how to come back.
pub(super) fn left_running(
    batched: &Batched,
    session: &Session<'_>,
    again: &str,
    printer: Printer,
) -> Option<u8> {
    let no_wait = session.batching().no_wait;
    if !(session.is_cancelled() || no_wait) || batched.left().next().is_none() && !batched.has_rest() {
        return None;
    }
    for (model, left) in batched.left() {
        let rows = left.iter().map(|left| left.rows as usize).sum();
        let ids: Vec<_> = left.iter().filter_map(|left| Some(left.id.as_ref()?.0.as_str())).collect();
        printer.note(&format!(
            "{model}: {} in {} go on: {}",
            count(rows, "row"),
            batch_count(left),
            ids.join(", ")
        ));
    }
    if batched.has_rest() {
        printer.note("not all rows are submitted yet: the same command submits the rest");
    }
    printer.hint(&format!("{again} resumes them, and so does `tunebench batches watch`"));
    let aborted = batched
        .aborts()
        .map(|(model, abort)| printer.warn(&format!("{model}: ended early: {abort}")))
        .count();
    Some(if no_wait && aborted == 0 && !session.is_cancelled() { exit::DONE } else { exit::INCOMPLETE })
}

fn batch_count(left: &[Left]) -> String {
    if left.len() == 1 { "1 batch".to_owned() } else { format!("{} batches", left.len()) }
}

/// Comes back to the batches under way, and keeps what they have brought.
async fn come_back(
    project: &Project,
    keep_files: bool,
    no_wait: bool,
    printer: Printer,
) -> Result<u8, Error> {
    let progress = Arc::new(Progress::new(printer));
    let batching = Batching { on: true, no_wait, keep_files, only_come_back: true };
    let spending = Spending { batching, ..Spending::default() };
    let session = Session::new(project, super::cancel(&progress), progress.clone(), spending);
    let batched = session.come_back_to_batches().await?;
    for id in &batched.of_other_settings {
        printer.warn(&format!("batch {id} was made with another prompt or other settings"));
        printer.hint("restore those to keep its answers");
    }
    if batched.is_empty() {
        let others = !batched.of_other_settings.is_empty();
        printer.note(if others { "no other batches are under way" } else { "no batches are under way" });
        return Ok(if others { exit::INCOMPLETE } else { exit::DONE });
    }
    for (model, abort) in batched.aborts() {
        printer.warn(&format!("{model}: {abort}"));
        abort.hint().iter().for_each(|hint| printer.hint(hint));
    }
    for (model, failures) in batched.failures() {
        printer.warn(&format!("{model}: {failures}"));
    }
    let aborted = batched.aborts().next().is_some();
    if let Some(code) = left_running(&batched, &session, "the command that made them", printer) {
        return Ok(if aborted { exit::INCOMPLETE } else { code });
    }
    printer.hint("the command that made them goes on with their answers");
    Ok(if aborted || session.is_cancelled() { exit::INCOMPLETE } else { exit::DONE })
}

/// A line of the list.
struct Listed {
    provider: String,
    record: Option<BatchRecord>,
    /// As its provider says now.
    job: Option<BatchJob>,
}

async fn list(
    project: &Project,
    ledger: Option<&Ledger>,
    as_json: bool,
    printer: Printer,
) -> Result<u8, Error> {
    let records = ledger.map(|ledger| ledger.batches(false)).transpose()?.unwrap_or_default();
    let mut listed: Vec<Listed> = records
        .into_iter()
        .map(|record| Listed {
            provider: record.order.target.provider.clone(),
            record: Some(record),
            job: None,
        })
        .collect();
    let mut code = exit::DONE;
    let since = crate::ledger::now() / 1_000_000 - 31 * 24 * 3_600;
    for (name, provider) in project.batch_providers() {
        let jobs = match provider.list(since).await {
            Ok(jobs) => jobs,
            Err(error) => {
                printer.warn(&format!("{name}: {error}"));
                code = exit::INCOMPLETE;
                continue;
            }
        };
        for job in jobs {
            let known = listed.iter_mut().find(|line| line.provider == name && line.id() == Some(&job.id));
            match known {
                Some(line) => line.job = Some(job),
                // Another machine or another project made it.
                None => listed.push(Listed { provider: name.clone(), record: None, job: Some(job) }),
            }
        }
    }
    if as_json {
        printer.data(&format!("{:#}", listed.iter().map(Listed::json).collect::<Value>()))?;
    } else if listed.is_empty() {
        printer.note("there are no batches");
    } else {
        let mut table = Builder::new();
        table.push_record(["BATCH", "STATUS", "MODEL", "ROWS", "ANSWERED", "HERE"]);
        listed.iter().for_each(|line| table.push_record(line.cells().map(|cell| clean(&cell))));
        printer.data(&plain(table))?;
    }
    Ok(code)
}

impl Listed {
    fn id(&self) -> Option<&BatchId> {
        self.record.as_ref().and_then(|record| record.id.as_ref()).or(self.job.as_ref().map(|job| &job.id))
    }

    fn status(&self) -> String {
        let said = self.job.as_ref().map(|job| job.said.clone());
        let remembered = || self.record.as_ref()?.said.clone();
        said.or_else(remembered).unwrap_or_else(|| "not known".to_owned())
    }

    fn cells(&self) -> [String; 6] {
        let id =
            self.id().map_or_else(|| "(not known)".to_owned(), |id| format!("{}/{}", self.provider, id.0));
        let counts = self.job.as_ref().and_then(|job| job.counts);
        let (model, rows, answered, here) = match &self.record {
            Some(record) => {
                let answered =
                    if record.state.is_open() { counts.map(|c| c.answered) } else { Some(record.answered) };
                (record.order.subject.clone(), Some(record.rows), answered, record.state.word().to_owned())
            }
            None => {
                (String::new(), counts.map(|c| c.total), counts.map(|c| c.answered), "not known".to_owned())
            }
        };
        let number = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
        [id, self.status(), model, number(rows), number(answered), here]
    }

    fn json(&self) -> Value {
        let job = self.job.as_ref().map(|job| {
            json!({
                "status": job.said,
                "ended": job.end().is_some(),
                "rows": job.counts.map(|counts| counts.total),
                "answered": job.counts.map(|counts| counts.answered),
                "failed": job.counts.map(|counts| counts.failed),
                "error": job.error,
            })
        });
        let record = self.record.as_ref().map(|record| {
            json!({
                "model": record.order.subject,
                "state": record.state.word(),
                "rows": record.rows,
                "answered": record.answered,
                "failed": record.failed,
                "handed_in": time(record.recorded),
                "last_seen": record.updated.and_then(time),
                "error": record.error,
            })
        });
        json!({ "provider": self.provider, "id": self.id(), "provider_says": job, "ledger": record })
    }
}

/// Microseconds since 1970 in RFC 3339, to the second.
fn time(micros: i64) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(time.round(jiff::Unit::Second).ok()?.to_string())
}

async fn cancel(
    project: &Project,
    ledger: Option<&Ledger>,
    name: &str,
    printer: Printer,
) -> Result<u8, Error> {
    let (provider, id) = resolved(project, ledger, name)?;
    let Some((_, batches)) = project.batch_providers().find(|(known, _)| *known == provider) else {
        let message = format!("the provider `{provider}` offers no batches here, or its key is not set");
        return Err(Error::Model { message, hint: None });
    };
    let failed = |error| match ModelRef::new(&provider, &id.0) {
        Ok(name) => Error::provider(&name, error),
        Err(error) => Error::Model { message: error.to_string(), hint: None },
    };
    end(batches, &id, &provider, printer).await.map_err(failed)?;
    Ok(exit::DONE)
}

async fn end(
    batches: &dyn Batch,
    id: &BatchId,
    provider: &str,
    printer: Printer,
) -> Result<(), tunebench_providers::ProviderError> {
    let job = batches.batch(id).await?;
    if job.end().is_some() {
        printer.note(&format!("{provider}/{} has ended already: {}", id.0, job.said));
    } else {
        batches.cancel(id).await?;
        printer.note(&format!("cancellation of {provider}/{} requested", id.0));
    }
    printer.hint("`tunebench batches fetch` keeps what it has answered");
    Ok(())
}

/// The provider of a batch, and its name there.
fn resolved(project: &Project, ledger: Option<&Ledger>, name: &str) -> Result<(String, BatchId), Error> {
    if let Some((provider, id)) = name.split_once('/')
        && project.batch_providers().any(|(known, _)| known == provider)
    {
        return Ok((provider.to_owned(), BatchId(id.to_owned())));
    }
    let records = ledger.map(|ledger| ledger.batches(false)).transpose()?.unwrap_or_default();
    let known = records.into_iter().find(|record| record.id.as_ref().is_some_and(|id| id.0 == name));
    match known {
        Some(record) => Ok((record.order.target.provider, BatchId(name.to_owned()))),
        None => Err(Error::Model {
            message: format!("no batch `{name}` is known here"),
            hint: Some("name it as `tunebench batches list` does".to_owned()),
        }),
    }
}
