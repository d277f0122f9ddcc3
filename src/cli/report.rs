//! `tunebench report`, and how every command shows figures.

use std::path::Path;

use tunebench_reports::Report;
use tunebench_reports::render::json::Summary;
use tunebench_reports::render::terminal;

use super::args::OutputArgs;
use super::output::Printer;
use crate::compare::{CompareError, read_foreign};
use crate::error::Error;
use crate::exit;
use crate::results::Results;

/// Computes all figures again from the predictions.
pub(super) fn report(output: &OutputArgs, printer: Printer) -> Result<u8, Error> {
    let results = Results::open(&output.results)?;
    let run = results.read()?;
    let report = Report::new(&run);
    results.write(&report)?;
    print(&report, &results, output.json, printer)?;
    Ok(exit::DONE)
}

/// Prints the figures of another tool's results.
pub(super) fn foreign(file: &Path, as_json: bool, printer: Printer) -> Result<u8, Error> {
    let source = read_foreign(file).map_err(CompareError::from)?;
    let report = Report::new(&source.run);
    let text = match as_json {
        true => Summary::new(&report).to_json(),
        false => {
            String::from_utf8_lossy(&Terminal { style: printer.table_style() }.render(&report)).into_owned()
        }
    };
    printer.data(text.trim_end())?;
    Ok(exit::DONE)
}

/// Prints the figures; the last line says where they lie.
pub(super) fn print(
    report: &Report,
    results: &Results,
    as_json: bool,
    printer: Printer,
) -> Result<(), Error> {
    let place = format!("results: {}", results.folder().display());
    if as_json {
        printer.data(Summary::new(report).to_json().trim_end())?;
        printer.note(&place);
        return Ok(());
    }
    let tables = terminal::render(report, &printer.table_style());
    printer.data(tables.trim_end())?;
    printer.data(&format!("\n{place}"))
}
