//! `tunebench compare`: two models that were measured, wherever that was, on the rows that both have.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use tunebench_reports::render::compared::{ComparedModels, json};
use tunebench_reports::render::terminal;
use tunebench_reports::{Changes, Comparison, Report, Verdict};

use super::output::Printer;
use super::report::FormatArgs;
use crate::compare::{CompareError, CompareRequest, Finder, JoinedRun};
use crate::error::Error;
use crate::exit;

/// Rows of each kind that are listed for people.
const LISTED: usize = 10;

/// Two models, and what is asked about them.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The model that is there: MODEL of the results at hand, RUN or RUN:MODEL of an earlier run (see `tunebench runs`), DIR
    /// or DIR:MODEL of another results folder, or FILE or FILE:MODEL of promptfoo (JSON), inspect_ai (JSON log) or
    /// lm-eval (samples)
    a: String,

    /// The model that may take its place, named in the same way
    b: String,

    /// Test whether B is no worse than A by this margin: a loss above 0 (of a share: below 1) that is acceptable
    #[arg(long, value_name = "MARGIN", value_parser = margin)]
    non_inferior: Option<f64>,

    /// The figure that decides: accuracy, macro_f1, recall:LABEL, precision:LABEL or cost [default: what A was measured for]
    #[arg(long, value_name = "FIGURE")]
    primary: Option<String>,

    /// Hold the verdict however often one looks while rows are added: a test that needs more rows for it
    #[arg(long)]
    any_time: bool,

    /// Compare on the rows that both have, and leave out the others
    #[arg(long)]
    common: bool,

    /// Which rows to list, of those that one of the models gets right and the other does not
    #[arg(long, value_name = "WHICH", default_value = "all")]
    rows: Rows,

    /// The most rows to list of each kind [default: 10, and all with --json]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Also write a full report on the two to this file; its extension sets the format
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// The folder with the results at hand
    #[arg(long, value_name = "DIR", env = "TUNEBENCH_RESULTS", default_value = "results")]
    results: PathBuf,

    /// Print the comparison and its rows as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// Those that only A gets right
    Worse,
    /// Those that only B gets right
    Better,
    /// Both
    All,
    /// None
    None,
}

fn margin(text: &str) -> Result<f64, String> {
    let margin = text.parse().ok().filter(|margin: &f64| *margin > 0.0 && margin.is_finite());
    margin.ok_or_else(|| {
        "a share above 0 and below 1, such as 0.02 for two points, or an amount above 0".to_owned()
    })
}

/// Compares, and says by the exit code how it came out.
pub(super) fn compare(args: &CompareArgs, config: &Path, printer: Printer) -> Result<u8, Error> {
    // A bad place for the report should fail before the work.
    let file = args.report.as_deref().map(FormatArgs::file);
    let target = file.map(|file| file.open(printer)).transpose()?;
    let mut finder = Finder::new(&args.results);
    let find = |operand, finder: &mut Finder| finder.find(operand).map_err(CompareError::from);
    let (a, b) = (find(&args.a, &mut finder)?, find(&args.b, &mut finder)?);
    let models = [(args.a.as_str(), &a), (args.b.as_str(), &b)];
    let question = CompareRequest {
        models,
        margin: args.non_inferior,
        primary: args.primary.clone(),
        any_time: args.any_time,
        common: args.common,
        config,
    };
    let JoinedRun { run, not_common } = question.join()?;

    let report = Report::new(&run);
    let limit = args.limit.unwrap_or(if args.json { usize::MAX } else { LISTED });
    let limit = |wanted| if [wanted, Rows::All].contains(&args.rows) { limit } else { 0 };
    let (worse, better) = (limit(Rows::Worse), limit(Rows::Better));
    let changes = Changes::of(&run.evaluations[0], &run.evaluations[1], worse, better);
    let (texts, missing) = question.texts(&changes.ids().collect());
    let told = ComparedModels { report: &report, changes: &changes, texts: &texts, not_common };
    let text = if args.json { json(&told) } else { terminal::compared(&told, &printer.table_style()) };
    printer.data(text.trim_end())?;
    if let Some(reason) = missing {
        printer.note(&format!("rows are shown without their texts: {reason}"));
    }
    if let Some(target) = target {
        target.show(&report, None, printer)?;
    }
    Ok(report.figures.comparisons.first().map_or(exit::INCOMPLETE, code))
}

/// What the comparison means for a script.
fn code(comparison: &Comparison) -> u8 {
    match (comparison.verdict, comparison.non_inferiority) {
        (Verdict::Incomplete | Verdict::Unreadable, _) => exit::INCOMPLETE,
        (_, None) => exit::DONE,
        (_, Some(test)) if test.proven => exit::DONE,
        (_, Some(_)) if comparison.loses_margin() == Some(true) => exit::FAILED,
        // The rows would decide, if only all were answered.
        (_, Some(_)) if comparison.withheld.is_some() => exit::INCOMPLETE,
        _ => exit::INCONCLUSIVE,
    }
}
