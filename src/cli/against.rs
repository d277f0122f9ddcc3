//! `tunebench report --against RUN`: a run beside an earlier one.

use std::path::Path;

use tunebench_reports::render::html::LISTED;
use tunebench_reports::{BesideError, Report, beside, earlier_name};

use super::args::OutputArgs;
use super::output::Printer;
use crate::doctor::doubted;
use crate::error::Error;
use crate::exit;
use crate::history;
use crate::results::{AGAINST, Results};

/// Reports on the run in `folder` beside an earlier one, and writes a page on both into that folder.
pub(super) fn against(
    folder: &Path,
    earlier: &str,
    config: &Path,
    output: &OutputArgs,
    printer: Printer,
) -> Result<u8, Error> {
    let now = Results::open(folder)?;
    let kept = history::find(&output.results, earlier).ok_or_else(|| Error::Output {
        message: format!("there is no run `{earlier}` in `{}`", output.results.display()),
        hint: "`tunebench runs` lists the runs that are kept".to_owned(),
    })?;
    let target = output.format.open(printer)?;
    if kept.folder == folder {
        return Err(Error::Output {
            message: format!("run {} can't be compared with itself", kept.id),
            hint: "`tunebench runs` lists the earlier ones".to_owned(),
        });
    }
    let then = Results::open(&kept.folder)?;
    let (run_then, run_now) = (then.read()?, now.read()?);
    let mut both = beside(&run_then, &kept.id, &run_now).map_err(|error| refused(&kept.id, &error))?;
    both.run.manifest.doubted = doubted([&run_now, &run_then], config);
    if !both.left_out.is_empty() {
        printer.note(&format!("in one of the runs only: {}", both.left_out.join(", ")));
    }
    if both.not_common > 0 {
        printer.warn(&format!("{} rows that only one of the runs has are left out", both.not_common));
    }
    let report = Report::new(&both.run);
    let texts = now.texts(&report.wanted_texts(LISTED).into_iter().collect());
    let report = report.with_texts(texts);
    let rows = now.page_rows(&report, AGAINST, |name| {
        let is_earlier = |model: &&str| earlier_name(&kept.id, model) == name;
        let models = run_then.manifest.models.iter().map(|record| record.model.as_str());
        match models.filter(is_earlier).find_map(|model| run_then.manifest.model(model)) {
            Some(record) => Some((&then, record)),
            None => Some((&now, run_now.manifest.model(name)?)),
        }
    })?;
    let report = report.with_rows(rows);
    let page = now.write_against(&report)?;
    target.show(&report, Some(&format!("page, for a browser: {}", page.display())), printer)?;
    Ok(exit::DONE)
}

fn refused(id: &str, error: &BesideError) -> Error {
    let hint = match error {
        BesideError::NoModel => {
            "compare two models of different names with `tunebench compare RUN:MODEL MODEL`"
        }
        BesideError::NoRow | BesideError::Gold { .. } => {
            "the test data has changed since; only runs on the same rows say something about each other"
        }
    };
    Error::Output { message: format!("this run can't be compared with {id}: {error}"), hint: hint.to_owned() }
}
