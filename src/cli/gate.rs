//! `tunebench gate`: results against limits and a committed baseline, for CI.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use tunebench_reports::{Changes, Evaluation, Figures, Run};

use super::limit_args::LimitArgs;
use super::output::Printer;
use super::words::wrapped;
use crate::config::Config;
use crate::error::Error;
use crate::gate::baseline::Baseline;
use crate::gate::checks::{Outcome, judge};
use crate::gate::ci::{GateReport, Regressed};
use crate::gate::{GateError, Measured, Settings, facts, gated, matched};
use crate::results::Results;
use crate::whole_file::WholeFile;

/// Where the baseline is, if nobody says otherwise: beside the configuration.
const BASELINE: &str = "tunebench.baseline";

/// What to check, and where to tell of it.
#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    /// The folder with the results to check
    #[arg(long, value_name = "DIR", env = "TUNEBENCH_RESULTS", default_value = "results")]
    results: PathBuf,

    /// Write the results as the new baseline, and show what changed, instead of checking
    #[arg(long)]
    update_baseline: bool,

    /// Print the judgement as JSON
    #[arg(long)]
    json: bool,

    /// Write JUnit's XML to this file, a case for each check
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// With --junit: also a case for each row that the baseline got right and the model does not
    #[arg(long, requires = "junit")]
    junit_examples: bool,

    /// Write Markdown for a pull request's comment to this file; its first line is always the same
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Write a code quality report for GitLab to this file
    #[arg(long, value_name = "FILE")]
    code_quality: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitArgs,
}

/// Judges the results, or makes them the baseline.
pub(super) fn gate(args: GateArgs, config: &Path, printer: Printer) -> Result<u8, Error> {
    let files = Files::open(&args)?;
    // The job that checks may have the results and the baseline only.
    let configured = config.exists().then(|| Config::read(config)).transpose()?;
    let folder = config.parent().unwrap_or(Path::new(""));
    // A path of the command line starts here, one of the configuration starts there.
    let asked = Settings::from(args.limits.clone());
    let path = asked.baseline.clone();
    let (config_gate, document) =
        configured.map_or_else(Default::default, |(config, document)| (config.gate, Some(document)));
    let settings = asked.clone().or(config_gate);
    let path =
        path.unwrap_or_else(|| folder.join(settings.baseline.as_deref().unwrap_or(Path::new(BASELINE))));

    let mut run = Results::open(&args.results)?.read()?;
    let checks = settings.checks(run.manifest.min_coverage)?;
    run.manifest.min_coverage = checks.min_coverage;
    settings
        .check_margin(&run.manifest.metric())
        .and_then(|()| settings.check_results(&run))
        .and_then(|()| settings.check_labels(run.labels()))
        .map_err(|mistake| match &document {
            Some(document) if !asked.names(&mistake) => Error::Config(document.gate(&mistake)),
            _ => GateError::Setting(mistake).into(),
        })?;
    let figures = Figures::of(&run);
    let gated = gated(&run, &settings.models)?;
    if args.update_baseline {
        return update(&run, &figures, &gated, &path, printer);
    }
    let baseline = if settings.needs_baseline() { Some(read(&path)?) } else { None };
    let measured = facts(&run, &figures, &gated, baseline.as_ref(), &checks)?;
    let all: Vec<_> = measured.iter().map(|one| one.facts.clone()).collect();
    let judgement = judge(&all, &checks);
    let told = GateReport {
        exit_code: judgement.outcome.code(),
        judgement,
        notes: measured.iter().flat_map(|one| notes(&run, one)).collect(),
        regressed: measured.iter().flat_map(|one| regressed(&run, one)).collect(),
    };
    // Where no terminal ends the lines, one check stays one line.
    let text = || printer.width().map_or_else(|| told.text(), |width| wrapped(&told.text(), width));
    printer.data(&if args.json { told.json() } else { text() })?;
    files.write(&told, args.junit_examples, config)?;
    github(&told, config, args.json, printer)?;
    Ok(told.exit_code)
}

fn read(path: &Path) -> Result<Baseline, GateError> {
    let bytes = fs_err::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GateError::Missing(path.to_owned()),
        _ => GateError::Unreadable { path: path.to_owned(), error },
    })?;
    Baseline::from_bytes(&bytes).map_err(|error| GateError::Baseline { path: path.to_owned(), error })
}

/// What is not the same as in the baseline, though the rows are.
fn notes(run: &Run, measured: &Measured) -> Vec<String> {
    let (Some(before), model) = (measured.before, &measured.evaluation.model) else { return Vec::new() };
    let mut notes = Vec::new();
    if before.model != *model {
        notes.push(format!("{model} is compared with {} of the baseline.", before.model));
    }
    let now = run.manifest.model(model).and_then(|record| record.prompt_sha256.as_ref());
    if before.prompt.as_ref() != now {
        notes.push(format!("{model} was asked with another prompt than in the baseline."));
    }
    notes
}

fn regressed(run: &Run, measured: &Measured) -> Vec<Regressed> {
    let Some(baseline) = &measured.baseline else { return Vec::new() };
    let name = |label| run.labels().name(label);
    let changes = Changes::of(baseline, measured.evaluation, usize::MAX, 0);
    let rows = changes.worse.iter();
    rows.map(|row| Regressed::new(&measured.facts.model, row.id, name(row.gold), row.wrong, name)).collect()
}

/// Writes the results as the new baseline.
fn update(
    run: &Run,
    figures: &Figures,
    gated: &[&Evaluation],
    path: &Path,
    printer: Printer,
) -> Result<u8, Error> {
    let new = Baseline::of(run, figures, gated)?;
    // One that can't be read may be replaced: it is what the user asks for.
    let old = match read(path) {
        Ok(old) => Some(old),
        Err(GateError::Missing(_)) => None,
        Err(error) => {
            printer.warn(&format!("the old baseline can't be read, and is replaced: {error}"));
            None
        }
    };
    let file = WholeFile::create(path).map_err(|error| unwritable(path, &error))?;
    file.write(|out| out.write_all(new.to_text().as_bytes())).map_err(|error| unwritable(path, &error))?;
    let replaced = old.as_ref().map_or_else(|| vec![None; gated.len()], |old| matched(run, gated, old));
    for (model, before) in new.models.iter().zip(replaced) {
        let percent = |share: Option<f64>| share.map_or_else(|| "none".to_owned(), tunebench_data::percent);
        let mut line = format!("{}: accuracy {}", model.model, percent(model.accuracy));
        if let Some(before) = before {
            let same = model.rows.iter().filter(|(id, row)| before.rows.get(id) == Some(row)).count();
            let (added, removed) = (
                model.rows.keys().filter(|id| !before.rows.contains_key(id)).count(),
                before.rows.keys().filter(|id| !model.rows.contains_key(id)).count(),
            );
            let changed = model.rows.len() - same - added;
            line = format!(
                "{line}, before {}; of {} rows {changed} changed, {added} new, {removed} gone",
                percent(before.accuracy),
                model.rows.len()
            );
        } else {
            line = format!("{line}; {} rows, none before", model.rows.len());
        }
        printer.data(&tunebench_reports::render::clean(&line))?;
    }
    printer.note(&format!("baseline: {}; commit it", path.display()));
    Ok(Outcome::Passed.code())
}

/// The files that CI systems read, opened before the work so that a bad place fails early.
struct Files {
    junit: Option<(WholeFile, PathBuf)>,
    markdown: Option<(WholeFile, PathBuf)>,
    code_quality: Option<(WholeFile, PathBuf)>,
}

impl Files {
    fn open(args: &GateArgs) -> Result<Self, Error> {
        let open = |path: &Option<PathBuf>| {
            let open = |path: &PathBuf| match WholeFile::create(path) {
                Ok(file) => Ok((file, path.clone())),
                Err(error) => Err(unwritable(path, &error)),
            };
            path.as_ref().map(open).transpose()
        };
        let (junit, markdown) = (open(&args.junit)?, open(&args.markdown)?);
        Ok(Self { junit, markdown, code_quality: open(&args.code_quality)? })
    }

    fn write(self, told: &GateReport, examples: bool, config: &Path) -> Result<(), Error> {
        let shown = config.display().to_string();
        let contents: [(_, &dyn Fn() -> String); 3] = [
            (self.junit, &|| told.junit(examples)),
            (self.markdown, &|| told.markdown()),
            (self.code_quality, &|| told.code_quality(&shown)),
        ];
        for (file, content) in contents {
            let Some((file, path)) = file else { continue };
            let content = content();
            file.write(|out| out.write_all(content.as_bytes())).map_err(|error| unwritable(&path, &error))?;
        }
        Ok(())
    }
}

/// What GitHub shows: marks in the log and a page of its own.
fn github(told: &GateReport, config: &Path, json: bool, printer: Printer) -> Result<(), Error> {
    if std::env::var("GITHUB_ACTIONS").as_deref() != Ok("true") {
        return Ok(());
    }
    for line in told.annotations(&config.display().to_string()) {
        // GitHub reads both streams; JSON must stay JSON.
        if json { printer.command(&line) } else { printer.data(&line)? }
    }
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        // Steps add to one file.
        let mut file = fs_err::OpenOptions::new().create(true).append(true).open(PathBuf::from(path))?;
        writeln!(file, "{}", told.markdown())?;
    }
    Ok(())
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::Output {
        message: format!("`{}` can't be written: {error}", path.display()),
        hint: "name a file in an existing folder".to_owned(),
    }
}
