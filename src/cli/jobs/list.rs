//! `tunebench jobs list`: the jobs that the providers know of, and those of which only the ledger knows: at a provider
//! that is not reached now, deleted there, or ordered without an answer to the order.

use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_providers::{Access, Job};
use tunebench_reports::render::clean;

use crate::cli::output::Printer;
use crate::cli::providers::plain;
use crate::error::Error;
use crate::exit;
use crate::ledger::{JobRecord, Ledger};
use crate::providers::Providers;

/// A line of the list.
enum Listed<'a> {
    /// As its provider says.
    There(&'a str, Job),
    /// As the ledger remembers.
    Remembered(JobRecord),
}

pub(super) async fn list(
    providers: &Providers,
    ledger: Option<&Ledger>,
    as_json: bool,
    printer: Printer,
) -> Result<u8, Error> {
    let mut listed = Vec::new();
    let mut code = exit::DONE;
    for (name, provider) in providers.iter() {
        let Some(tuning) = provider.fine_tuning() else { continue };
        if let Access::Missing(_) | Access::LoggedOut(_) | Access::Withheld(_) = provider.info().access {
            continue;
        }
        match tuning.jobs().await {
            Ok(jobs) => listed.extend(jobs.into_iter().map(|job| Listed::There(name, job))),
            Err(error) => {
                printer.warn(&format!("{name}: {error}"));
                code = exit::INCOMPLETE;
            }
        }
    }
    let remembered = ledger.map(Ledger::jobs).transpose()?.unwrap_or_default();
    let only_here = |record: &JobRecord| {
        !listed.iter().any(|line| match line {
            Listed::There(provider, job) => {
                *provider == record.order.provider && Some(&job.id) == record.id.as_ref()
            }
            Listed::Remembered(_) => false,
        })
    };
    let remembered: Vec<_> = remembered.into_iter().filter(only_here).map(Listed::Remembered).collect();
    listed.extend(remembered);
    if as_json {
        printer.data(&format!("{:#}", listed.iter().map(Listed::json).collect::<Value>()))?;
    } else if listed.is_empty() {
        printer.note("there are no jobs");
    } else {
        let mut table = Builder::new();
        table.push_record(["JOB", "STATUS", "BASE", "TUNED MODEL"]);
        listed.iter().for_each(|line| table.push_record(line.cells().map(|cell| clean(&cell))));
        printer.data(&plain(table))?;
    }
    Ok(code)
}

impl Listed<'_> {
    fn cells(&self) -> [String; 4] {
        let (provider, id, status, base, model, error) = match self {
            Self::There(provider, job) => {
                let status = job.status.to_string();
                (*provider, Some(&job.id), status, &job.base, &job.tuned_model, &job.error)
            }
            Self::Remembered(record) => {
                let JobRecord { order, id, tuned_model, error, .. } = record;
                (order.provider.as_str(), id.as_ref(), remembered(record), &order.base, tuned_model, error)
            }
        };
        let id = id.map_or_else(|| "(not known)".to_owned(), |id| format!("{provider}/{}", id.0));
        let model = model.as_ref().map(|model| format!("{provider}/{model}"));
        [id, status, format!("{provider}/{base}"), model.or_else(|| error.clone()).unwrap_or_default()]
    }

    fn json(&self) -> Value {
        match self {
            Self::There(provider, job) => json!({ "provider": provider, "job": job }),
            Self::Remembered(record) => json!({
                "provider": record.order.provider,
                "job": null,
                "remembered": {
                    "id": record.id,
                    "mark": record.order.mark,
                    "base": record.order.base,
                    "hyperparameters": record.order.hyperparameters,
                    "status": record.status,
                    "tuned_model": record.tuned_model,
                    "error": record.error,
                    "ordered": time(Some(record.recorded)),
                    "last_seen": time(record.updated),
                },
            }),
        }
    }
}

/// The status of a job that was not asked about now.
fn remembered(record: &JobRecord) -> String {
    match (&record.status, time(record.updated)) {
        (Some(status), Some(seen)) if !status.is_final() => format!("{status} on {seen}"),
        (Some(status), _) => status.to_string(),
        (None, _) => "ordered, no answer seen".to_owned(),
    }
}

/// Microseconds since 1970 in RFC 3339, to the second.
fn time(micros: Option<i64>) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(micros?).ok()?;
    Some(time.round(jiff::Unit::Second).ok()?.to_string())
}
