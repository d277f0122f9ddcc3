//! `tunebench runs`: what a results folder keeps of earlier runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_reports::ModelRecord;
use tunebench_reports::render::{clean, percent};

use super::consent;
use super::doctor::count;
use super::output::Printer;
use super::providers::plain;
use crate::error::Error;
use crate::exit;
use crate::history::{self, KeptRun};

/// What `runs` is told.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,

    #[command(flatten)]
    place: Place,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Place {
    /// The folder for results
    #[arg(long, value_name = "DIR", env = "TUNEBENCH_RESULTS", default_value = "results")]
    results: PathBuf,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Delete earlier runs; the latest always stays, and so does the ledger
    Prune {
        /// The runs to delete, by their ids
        #[arg(required_unless_present_any = ["keep", "incomplete"])]
        runs: Vec<String>,
        /// Delete all but so many of the newest, the latest included
        #[arg(long, value_name = "N")]
        keep: Option<usize>,
        /// Delete those that did not come to their end
        #[arg(long)]
        incomplete: bool,
        /// Delete without asking; needed without a terminal
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Lists or deletes runs.
pub(super) fn runs(args: &RunsArgs, printer: Printer) -> Result<u8, Error> {
    match &args.command {
        None => list(&history::list(&args.place.results), args, printer),
        Some(RunsCommand::Prune { runs, keep, incomplete, yes, place }) => {
            let kept = history::list(&place.results);
            let mut chosen = named(runs, place)?;
            let more = kept.into_iter().enumerate().filter(|(i, run)| {
                keep.is_some_and(|keep| *i >= keep) || *incomplete && !run.manifest.complete
            });
            chosen.extend(more.map(|(_, run)| run));
            chosen.retain(|run| !run.latest);
            chosen.sort_by(|a, b| a.id.cmp(&b.id));
            chosen.dedup_by(|a, b| a.id == b.id);
            prune(&chosen, *yes, printer)
        }
    }
}

fn named(names: &[String], place: &Place) -> Result<Vec<KeptRun>, Error> {
    let find = |name: &String| {
        history::find(&place.results, name).ok_or_else(|| Error::Model {
            message: format!("there is no run `{name}` in `{}`", place.results.display()),
            hint: Some("`tunebench runs` lists those that are kept".to_owned()),
        })
    };
    names.iter().map(find).collect()
}

fn prune(chosen: &[KeptRun], yes: bool, printer: Printer) -> Result<u8, Error> {
    if chosen.is_empty() {
        printer.note("there is nothing to delete");
        return Ok(exit::DONE);
    }
    let ids: Vec<_> = chosen.iter().map(|run| run.id.as_str()).collect();
    consent::to_delete(&format!("{}: {}", count(ids.len(), "run"), ids.join(", ")), yes, printer)?;
    for run in chosen {
        history::delete(run)?;
        printer.note(&format!("deleted {}", run.id));
    }
    Ok(exit::DONE)
}

fn list(runs: &[KeptRun], args: &RunsArgs, printer: Printer) -> Result<u8, Error> {
    if args.json {
        printer.data(&format!("{:#}", runs.iter().map(as_json).collect::<Value>()))?;
        return Ok(exit::DONE);
    }
    if runs.is_empty() {
        printer.note(&format!("there are no runs in {}", args.place.results.display()));
        return Ok(exit::DONE);
    }
    let mut table = Builder::new();
    table.push_record(["RUN", "STATE", "ROWS", "MODEL", "ACCURACY"]);
    for run in runs {
        let mut head = [run.id.clone(), state(run).to_owned(), rows(run)];
        for record in &run.manifest.models {
            let accuracy = record.accuracy(run.manifest.min_coverage);
            let accuracy = accuracy.map_or_else(|| "–".to_owned(), percent);
            let [id, state, rows] = std::mem::take(&mut head);
            table.push_record([id, state, rows, clean(&record.model), accuracy]);
        }
        if run.manifest.models.is_empty() {
            let [id, state, rows] = head;
            table.push_record([id, state, rows, String::new(), String::new()]);
        }
    }
    printer.data(&plain(table))?;
    Ok(exit::DONE)
}

fn state(run: &KeptRun) -> &'static str {
    match (run.latest, run.manifest.complete) {
        (true, true) => "latest",
        (true, false) => "latest, incomplete",
        (false, true) => "",
        (false, false) => "incomplete",
    }
}

fn rows(run: &KeptRun) -> String {
    let test = run.manifest.data.iter().find(|file| file.role == "test");
    test.map_or_else(String::new, |file| file.rows.to_string())
}

fn as_json(run: &KeptRun) -> Value {
    let model = |record: &ModelRecord| {
        json!({
            "model": record.model,
            "accuracy": record.accuracy(run.manifest.min_coverage),
            "paid_usd": record.paid_usd,
        })
    };
    json!({
        "id": run.id,
        "folder": run.folder,
        "latest": run.latest,
        "started": run.manifest.started,
        "finished": run.manifest.finished,
        "complete": run.manifest.complete,
        "ended_by": run.manifest.ended_by,
        "models": run.manifest.models.iter().map(model).collect::<Value>(),
    })
}
