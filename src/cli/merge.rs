//! `tunebench merge`.

use std::path::{Path, PathBuf};

use clap::Args;
use tunebench_reports::{Report, Run};

use super::args::{Global, OutputArgs};
use super::output::Printer;
use super::report::{conclude, filled};
use crate::error::Error;
use crate::evaluate::KeptRows;
use crate::exit;
use crate::ledger::Ledger;
use crate::merge::merge as joined;
use crate::project::ledger_path;
use crate::results::Results;

/// What `merge` is told.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Results folders of shards, which are joined in `--results`; and ledger files, which are taken in by the ledger of
    /// `--state-dir`
    #[arg(required = true, value_name = "FOLDER|LEDGER")]
    inputs: Vec<PathBuf>,

    #[command(flatten)]
    output: OutputArgs,
}

/// Joins what was given, and reports on the whole.
pub(super) fn merge(args: &MergeArgs, global: &Global, printer: Printer) -> Result<u8, Error> {
    if let Some(missing) = args.inputs.iter().find(|input| !input.exists()) {
        return Err(Error::Output {
            message: format!("there is no file or folder `{}`", missing.display()),
            hint: "name results folders of shards, or ledgers such as `.tunebench/ledger.sqlite`".to_owned(),
        });
    }
    let (folders, ledgers): (Vec<_>, Vec<_>) = args.inputs.iter().partition(|input| input.is_dir());
    if !ledgers.is_empty() {
        join_ledgers(&ledgers, &global.state, printer)?;
    }
    if folders.is_empty() {
        return Ok(exit::DONE);
    }
    let parts = folders.iter().map(|folder| Results::open(folder)).collect::<Result<Vec<_>, _>>()?;
    let read = |part: &Results| Ok::<_, Error>((part.folder().to_owned(), part.read()?));
    let runs = parts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (results, target) = (Results::create(&args.output.results)?, args.output.format.open(printer)?);
    let run = joined(runs)?;
    if !run.manifest.missing_shards.is_empty() {
        let missing: Vec<_> = run.manifest.missing_shards.iter().map(ToString::to_string).collect();
        printer.warn(&format!("shards are missing: {}", missing.join(", ")));
    }
    for model in 0..run.evaluations.len() {
        let mut kept = kept_rows(&parts, &run, model, &results)?;
        results.keep(&run, model, &mut kept)?;
    }
    results.keep_texts(&run, parts.iter().flat_map(Results::every_text))?;
    let report = filled(Report::new(&run), &results)?;
    conclude(&report, &results, target, printer)
}

/// What the parts know of the rows of a model, in the order of the whole.
fn kept_rows(parts: &[Results], run: &Run, model: usize, results: &Results) -> Result<KeptRows, Error> {
    // Joined rows stand in the order of their ids.
    let ids: Vec<_> = run.evaluations[model].predictions.iter().map(|row| row.id).collect();
    let mut kept = KeptRows::new(results.folder(), ids.len())?;
    for part in parts {
        let mut details = part.details(&run.manifest.models[model])?;
        while let Some((id, row)) = details.next_row()? {
            if let Ok(index) = ids.binary_search(&id) {
                kept.put(index, &row)?;
            }
        }
    }
    Ok(kept)
}

fn join_ledgers(ledgers: &[&PathBuf], state: &Path, printer: Printer) -> Result<(), Error> {
    fs_err::create_dir_all(state)?;
    let ledger = Ledger::open(ledger_path(state))?;
    for other in ledgers {
        let merged = ledger.merge(other)?;
        printer.note(&format!(
            "{}: {} answers, {} runs, {} jobs and {} batches were not here",
            other.display(),
            merged.answers,
            merged.runs,
            merged.jobs,
            merged.batches
        ));
    }
    let open = ledger.batches(true)?;
    if !open.is_empty() {
        let rows = open.iter().map(|batch| batch.rows as usize).sum();
        printer.note(&format!(
            "{} in {} {} are still running at their providers",
            super::doctor::count(rows, "row"),
            open.len(),
            if open.len() == 1 { "batch" } else { "batches" }
        ));
        printer
            .hint("the command that made them resumes them from here, and so does `tunebench batches watch`");
    }
    Ok(())
}
