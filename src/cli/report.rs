//! `tunebench report`, and how every command shows figures.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use tunebench_data::Example;
use tunebench_reports::render::html::LISTED;
use tunebench_reports::render::{Renderer, renderers, terminal};
use tunebench_reports::{ModelRecord, Report};

use super::args::OutputArgs;
use super::output::Printer;
use crate::compare::{CompareError, read_foreign};
use crate::error::Error;
use crate::evaluate::EvaluateError;
use crate::exit;
use crate::history;
use crate::results::{PAGE, Results};
use crate::texts;
use crate::whole_file::WholeFile;

/// In which form figures are shown.
#[derive(Debug, Args)]
pub(crate) struct FormatArgs {
    /// Print all figures as JSON instead of tables: short for `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// The format to print; for a file, its extension sets it as well
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<String>,

    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Show Cohen's kappa and Matthews' correlation in the table of models, too
    #[arg(long)]
    wide: bool,

    /// Show the figures of each label, where there are more than ten, too
    #[arg(long)]
    labels: bool,

    /// Show what was taken for what, where there are more than ten labels, too
    #[arg(long)]
    confusion: bool,

    /// Whether nothing but the name of the file can tell the format.
    #[arg(skip)]
    by_name: bool,
}

fn formats() -> PossibleValuesParser {
    let formats = renderers(terminal::Style::default()).into_iter();
    PossibleValuesParser::new(formats.map(|format| PossibleValue::new(format.name()).help(format.about())))
}

/// The predictions in one file besides.
#[derive(Debug, Args)]
pub(crate) struct PredictionsArgs {
    /// Also write the predictions of all models for all rows to this Parquet file
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    predictions: Option<PathBuf>,
}

#[cfg(feature = "parquet")]
impl PredictionsArgs {
    fn are_wanted(&self) -> bool {
        self.predictions.is_some()
    }

    fn write(&self, results: &Results, run: &tunebench_reports::Run) -> Result<(), Error> {
        let Some(path) = &self.predictions else { return Ok(()) };
        let mut file = WholeFile::create(path).map_err(|error| unwritable(path, &error))?;
        let written = results.write_parquet(&run.manifest, file.file());
        written.and_then(|()| file.finish()).map_err(|error| unwritable(path, &error))
    }
}

#[cfg(not(feature = "parquet"))]
impl PredictionsArgs {
    fn are_wanted(&self) -> bool {
        false
    }

    fn write(&self, _: &Results, _: &tunebench_reports::Run) -> Result<(), Error> {
        Ok(())
    }
}

/// A format, and the place where the report will go.
pub(super) struct Target {
    renderer: Box<dyn Renderer>,
    file: Option<(WholeFile, PathBuf)>,
}

impl FormatArgs {
    /// A file whose extension tells the format.
    pub(super) fn file(path: &Path) -> Self {
        let (json, format, wide, labels, confusion) = Default::default();
        Self { json, format, output: Some(path.to_owned()), wide, labels, confusion, by_name: true }
    }

    /// Opens the place, so that a bad one fails before the long work.
    pub(super) fn open(&self, printer: Printer) -> Result<Target, Error> {
        let path = self.output.as_deref().filter(|path| *path != Path::new("-"));
        // What a file holds does not depend on the terminal.
        let style = path.map_or_else(|| printer.table_style(), |_| terminal::Style::default());
        let Self { wide, labels, confusion, .. } = *self;
        let style = terminal::Style { wide, labels, confusion, ..style };
        let named = if self.json { Some("json") } else { self.format.as_deref() };
        let is_wanted = |renderer: &dyn Renderer| match (named, path) {
            (Some(name), _) => renderer.name() == name,
            (None, Some(path)) => path.extension().is_some_and(|extension| extension == renderer.extension()),
            (None, None) => renderer.name() == terminal::NAME,
        };
        let renderer = renderers(style).into_iter().find(|renderer| is_wanted(renderer.as_ref()));
        let renderer = renderer.ok_or_else(|| unknown_format(path, self.by_name))?;
        let open = |path: &Path| match WholeFile::create(path) {
            Ok(file) => Ok((file, path.to_owned())),
            Err(error) => Err(unwritable(path, &error)),
        };
        Ok(Target { renderer, file: path.map(open).transpose()? })
    }
}

fn unknown_format(path: Option<&Path>, by_name: bool) -> Error {
    let path = path.unwrap_or(Path::new("-")).display();
    let formats = renderers(terminal::Style::default());
    let list = |word: &dyn Fn(&dyn Renderer) -> String| {
        formats.iter().map(|format| word(format.as_ref())).collect::<Vec<_>>().join(", ")
    };
    Error::Output {
        message: format!("the name `{path}` does not show the format of the report"),
        hint: if by_name {
            let extensions = list(&|format| format!(".{}", format.extension()));
            format!("use one of the extensions {extensions}")
        } else {
            format!("add `--format` with one of {}", list(&|format| format.name().to_owned()))
        },
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::Output {
        message: format!("`{}` can't be written: {error}", path.display()),
        hint: "name another file with `--output FILE`".to_owned(),
    }
}

/// Computes all figures again from the predictions.
pub(super) fn report(
    folder: &Path,
    config: &Path,
    predictions: &PredictionsArgs,
    output: &OutputArgs,
    printer: Printer,
) -> Result<u8, Error> {
    let results = Results::open(folder)?;
    let target = output.format.open(printer)?;
    let run = results.read()?;
    predictions.write(&results, &run)?;
    let report = Report::new(&run);
    let missing = find_texts(&report, &results, config)?;
    let stays = missing.is_some() && results.has_page();
    if let Some(reason) = missing {
        printer.warn(&match stays {
            true => {
                format!("the page is left as it was, since the texts of its rows are not available: {reason}")
            }
            false => format!("the page shows rows without their texts: {reason}"),
        });
    }
    let report = if stays {
        let report = dressed(report, &results)?;
        results.write_but_page(&report)?;
        report
    } else {
        let report = filled(report, &results)?;
        results.write(&report)?;
        report
    };
    print(&report, &results, target, printer)?;
    Ok(exit::DONE)
}

/// Sees to it that the texts of the rows which the page lists are kept in the results folder; else says why they are not.
fn find_texts(report: &Report, results: &Results, config: &Path) -> Result<Option<String>, Error> {
    let run = report.run;
    let wanted: BTreeSet<_> = report.wanted_texts(LISTED).into_iter().collect();
    if !run.manifest.texts || results.texts(&wanted).len() == wanted.len() {
        return Ok(None);
    }
    let set = match texts::test_set(run, config) {
        Ok(set) => set,
        Err(reason) => return Ok(Some(reason)),
    };
    let examples = set.examples().map_err(EvaluateError::from)?;
    let text = |example: Result<Example, _>| {
        let example = example.map_err(EvaluateError::from)?;
        Ok::<_, Error>((example.id, example.text))
    };
    results.keep_texts(run, examples.map(text))?;
    Ok(None)
}

/// A report with all that its results folder knows, but for the rows.
fn dressed<'a>(report: Report<'a>, results: &Results) -> Result<Report<'a>, Error> {
    let run = report.run;
    let answers = results.unreadable_answers(&report)?;
    let report = report.with_unreadable_answers(answers).with_losses(results.losses(&run.manifest)?);
    Ok(report.with_history(results.past(run)))
}

/// A report with all that its results folder knows. Rows that have no room in the page are written beside it.
pub(super) fn filled<'a>(report: Report<'a>, results: &Results) -> Result<Report<'a>, Error> {
    let run = report.run;
    let texts = results.texts(&report.wanted_texts(LISTED).into_iter().collect());
    let report = dressed(report, results)?.with_texts(texts);
    let rows = results.page_rows(&report, PAGE, |model| Some((results, run.manifest.model(model)?)))?;
    Ok(report.with_rows(rows))
}

/// Reports on what is named: an earlier run of the results folder, or another tool's results.
pub(super) fn named(
    file: &Path,
    config: &Path,
    predictions: &PredictionsArgs,
    output: &OutputArgs,
    printer: Printer,
) -> Result<u8, Error> {
    let run = file.to_str().filter(|_| !file.exists()).and_then(|id| history::find(&output.results, id));
    match run {
        Some(run) => report(&run.folder, config, predictions, output, printer),
        None if predictions.are_wanted() => Err(Error::Output {
            message: format!("`{}` is another tool's file, which is not written as Parquet", file.display()),
            hint: "leave `--predictions` out".to_owned(),
        }),
        None => foreign(file, output, printer),
    }
}

/// The folder of a kept run.
pub(super) fn folder_of(run: &Path, output: &OutputArgs) -> Result<PathBuf, Error> {
    let kept = run.to_str().and_then(|id| history::find(&output.results, id));
    kept.map(|kept| kept.folder).ok_or_else(|| Error::Output {
        message: format!("there is no run `{}` in `{}`", run.display(), output.results.display()),
        hint: "`tunebench runs` lists the runs that are kept".to_owned(),
    })
}

/// Shows the figures of another tool's results.
fn foreign(file: &Path, output: &OutputArgs, printer: Printer) -> Result<u8, Error> {
    let source = read_foreign(file).map_err(CompareError::from)?;
    let report = Report::new(&source.run).with_texts(source.texts);
    output.format.open(printer)?.show(&report, None, printer)?;
    Ok(exit::DONE)
}

/// Writes and shows a run that has come to its end, whole or not.
pub(super) fn conclude(
    report: &Report,
    results: &Results,
    target: Target,
    printer: Printer,
) -> Result<u8, Error> {
    results.write(report)?;
    let manifest = &report.run.manifest;
    let complete = manifest.complete;
    print(report, results, target, printer)?;
    if let Some(before) = results.before() {
        let is_there = |record: &ModelRecord| manifest.model(&record.model).is_some();
        // Whoever loses nothing by it need not hear of it each time.
        if !complete && before.manifest.complete || !before.manifest.models.iter().all(is_there) {
            let id = &before.id;
            printer.note(&format!("the previous run is kept as {id}: `tunebench report {id}` shows it"));
        }
    }
    let measured = report.figures.models.iter().all(|model| model.scores.is_some());
    Ok(if measured && complete { exit::DONE } else { exit::INCOMPLETE })
}

/// Shows the figures; the last line says where they lie.
fn print(report: &Report, results: &Results, target: Target, printer: Printer) -> Result<(), Error> {
    let (folder, page) = (results.folder(), results.folder().join("report.html"));
    let open = printer
        .open_command()
        .map_or(String::new(), |command| format!(", to open with `{command} {}`", page.display()));
    let place = format!("results: {}\npage: {}{open}", folder.display(), page.display());
    target.show(report, Some(&place), printer)
}

impl Target {
    /// Shows a report, and then the place of its results.
    pub(super) fn show(self, report: &Report, place: Option<&str>, printer: Printer) -> Result<(), Error> {
        let bytes = self.renderer.render(report);
        match self.file {
            Some((file, path)) => {
                file.write(|out| out.write_all(&bytes)).map_err(|error| unwritable(&path, &error))?;
                printer.note(&format!("report: {}", path.display()));
            }
            None if self.renderer.name() == terminal::NAME => {
                printer.data(String::from_utf8_lossy(&bytes).trim_end())?;
                return place.map_or(Ok(()), |place| printer.data(&format!("\n{place}")));
            }
            None => printer.document(&bytes)?,
        }
        place.into_iter().for_each(|place| printer.note(place));
        Ok(())
    }
}
