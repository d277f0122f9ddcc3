//! `tunebench import`.

use std::path::{Path, PathBuf};

use clap::Args;
use tunebench_data::Source;
use tunebench_data::split::{Parts, Plan, Split};

use super::args::Global;
use super::doctor::count;
use super::output::Printer;
use crate::error::Error;
use crate::exit;
use crate::guard;
use crate::import::{Import, Old};
use crate::whole_file::WholeFile;

/// Labels and rows that are shown.
const SHOWN: usize = 5;

/// What `import` is told.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file that a model was tuned on: JSON Lines with `messages` (OpenAI, Together and others), `contents` (Gemini), or
    /// `prompt` and `completion`. Or a promptfoo configuration, as OpenAI exports its hosted evals too
    file: PathBuf,

    /// Rows that no model has learned, in the same form; without, a fifth of FILE is set apart
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,

    /// The model that was tuned on FILE and is to be replaced, such as `ft:gpt-4.1-mini-2025-04-14:acme::Ab12`
    #[arg(long, value_name = "MODEL")]
    tuned: Option<String>,

    /// The model that it was tuned from, where its id does not say so
    #[arg(long, value_name = "MODEL", requires = "tuned")]
    base: Option<String>,

    /// The folder for the rows, beside the configuration
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    out: PathBuf,

    /// Write over a configuration and rows that are there
    #[arg(long)]
    force: bool,
}

/// Makes a project of a training file or a promptfoo configuration, and says what was understood.
pub(super) fn import(args: &ImportArgs, global: &Global, printer: Printer) -> Result<u8, Error> {
    let old = args.tuned.as_deref().map(|tuned| Old::new(tuned, args.base.as_deref())).transpose();
    let old =
        old.map_err(|message| Error::Output { message, hint: "name it with `--base MODEL`".to_owned() })?;
    let train = Import::read(&args.file)?;
    let test = args.test.as_deref().map(Import::read).transpose()?;
    if let Some(test) = test.as_ref().filter(|test| !test.is_like(&train)) {
        printer.warn(&format!(
            "`{}` was made with another prompt; its rows get that of the training file",
            test.path().display()
        ));
    }
    let folder = global.config.parent().unwrap_or(Path::new(""));
    let files = ["train.jsonl", "test.jsonl"].map(|name| args.out.join(name));
    let paths = files.clone().map(|file| folder.join(file));
    if let Some(taken) =
        paths.iter().chain([&global.config]).find(|path| !args.force && path.symlink_metadata().is_ok())
    {
        return Err(Error::Output {
            message: format!("`{}` is there already", taken.display()),
            hint: "overwrite it with `--force`, or name other places with `--config FILE` and `--out FOLDER`"
                .to_owned(),
        });
    }
    let read = [Some(args.file.as_path()), args.test.as_deref()];
    guard::refuse_overwrite(read.iter().flatten().copied(), &paths)?;
    fs_err::create_dir_all(folder.join(&args.out))?;
    // The rows of a promptfoo configuration are there to test with.
    let is_test = train.providers().is_some() && test.is_none();
    match &test {
        Some(test) => {
            train.write_rows(&paths[0])?;
            test.write_rows(&paths[1])?;
        }
        None if is_test => train.write_rows(&paths[1])?,
        None => set_apart(&train, &paths)?,
    }
    let [train_name, test_name] = files.map(|file| file.display().to_string());
    let train_name = (!is_test).then_some(train_name);
    let config = train.configuration(train_name.as_deref(), &test_name, old.as_ref());
    WholeFile::create(&global.config)?.write(|out| out.write_all(config.as_bytes()))?;
    printer.data(&understood(&train, &global.config))?;
    for import in [Some(&train), test.as_ref()].into_iter().flatten() {
        left_out(import, printer);
    }
    if let Some(unknown) =
        train.providers().map(|providers| &providers.unknown).filter(|unknown| !unknown.is_empty())
    {
        let named: Vec<_> = unknown.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
        printer.warn(&format!("no provider here corresponds to {}", named.join(", ")));
        printer.hint("`tunebench providers` lists those that exist, and how to add one");
    }
    if is_test {
        printer.hint("all rows are test rows; `tunebench split` makes training rows of a part of them");
    }
    if test.is_none() && !is_test && old.is_some() {
        printer.warn("the old model has learned the rows that it is tested on, and looks better than it is");
        printer.hint("`--test FILE` names rows that it has not seen");
    }
    printer.note("next: tunebench doctor, then tunebench plan");
    Ok(exit::DONE)
}

/// Writes the rows, and sets a fifth of them apart for the test.
fn set_apart(import: &Import, paths: &[PathBuf; 2]) -> Result<(), Error> {
    let all = tempfile::Builder::new().suffix(".jsonl").tempfile()?;
    import.write_rows(all.path())?;
    let bad = |error| Error::Data { error, named: None };
    let parts: Parts = "train=0.8,test=0.2".parse().expect("these are parts");
    let split = Split::new(&Source::new(all.path()), &Plan { parts, seed: 1, exact: true }).map_err(bad)?;
    if split.counts().values().all(|rows| rows[1] == 0) {
        return Err(Error::Output {
            message:
                "no test rows can be set apart: nearly all rows are alike, and would have to stay together"
                    .to_owned(),
            hint: "name test rows with `--test FILE`".to_owned(),
        });
    }
    for (part, path) in paths.iter().enumerate() {
        WholeFile::create(path)?.write(|out| split.write(part, out))?;
    }
    Ok(())
}

fn understood(import: &Import, config: &Path) -> String {
    let labels = import.labels();
    let mut lines = vec![format!(
        "wrote {}: {} with {}",
        config.display(),
        count(import.rows(), "row"),
        count(labels.len(), "label")
    )];
    for (role, content) in import.messages() {
        lines.push(format!("  {role}: {}", content.escape_debug()));
    }
    let mut most: Vec<_> = labels.into_iter().collect();
    most.sort_by_key(|(label, rows)| (std::cmp::Reverse(*rows), *label));
    let more = most.len().saturating_sub(SHOWN);
    let named: Vec<_> =
        most.iter().take(SHOWN).map(|(label, rows)| format!("{} ({rows})", label.escape_debug())).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    lines.push(format!("  labels: {}{more}", named.join(", ")));
    lines.join("\n")
}

fn left_out(import: &Import, printer: Printer) {
    let left_out = import.left_out();
    if left_out.is_empty() {
        return;
    }
    printer.warn(&format!("{} of `{}` left out", count(left_out.len(), "row"), import.path().display()));
    for (line, reason) in left_out.iter().take(SHOWN) {
        printer.hint(&format!("line {line}: {reason}"));
    }
    if left_out.len() > SHOWN {
        printer.hint(&format!("and {} more", left_out.len() - SHOWN));
    }
}
