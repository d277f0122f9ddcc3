//! `tunebench scan`.

use std::path::PathBuf;

use clap::Args;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_providers::catalog::Catalog;

use super::output::Printer;
use super::providers::plain;
use crate::error::Error;
use crate::exit;
use crate::scan::{self, Confidence, Hit, Scanned};

/// The version of what `--json` prints; a change that breaks readers raises it.
const FORMAT_VERSION: u32 = 1;

/// What `scan` is told.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Files and folders
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,

    /// End with exit code 1 if a model retires within so many days or weeks, or has retired
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = days)]
    within: i32,

    /// Write a project that compares what retires with its replacements into this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Days, from a text such as `90d` or `12w`.
fn days(text: &str) -> Result<i32, String> {
    let wrong = || "a number of days or weeks, such as 90d or 12w".to_owned();
    let (number, factor) = match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(days), _) => (days, 1),
        (_, Some(weeks)) => (weeks, 7),
        _ => (text, 1),
    };
    let number: u16 = number.parse().map_err(|_| wrong())?;
    Ok(i32::from(number) * factor)
}

/// Looks for ids of models in files, and tells which of them retire.
pub(super) fn scan(args: &ScanArgs, catalog: &Catalog, today: Date, printer: Printer) -> Result<u8, Error> {
    for path in &args.paths {
        // A path that is not there would look like one without findings.
        fs_err::metadata(path)?;
    }
    let scanned = scan::scan(&args.paths);
    let limit = today.checked_add(args.within.days()).unwrap_or(Date::MAX);
    let ends = |hit: &Hit| hit.known(catalog).is_some_and(|known| known.is_retired(limit));
    let ending: Vec<&Hit> = scanned.hits.iter().filter(|hit| ends(hit)).collect();
    if args.json {
        printer.data(&format!("{:#}", as_json(&scanned, catalog, &ends)))?;
    } else if scanned.hits.is_empty() {
        printer.note("no model is named in these files");
    } else {
        printer.data(&table(&scanned, catalog))?;
    }
    if !args.json {
        say_the_rest(&scanned, ending.len(), limit, printer);
    }
    if let Some(path) = &args.write {
        match scan::project(&ending, catalog) {
            Some(text) => write(path, &text, printer)?,
            None => printer.note(&format!("nothing retires by {limit}: no project is written")),
        }
    }
    Ok(if ending.is_empty() { exit::DONE } else { exit::FAILED })
}

fn table(scanned: &Scanned, catalog: &Catalog) -> String {
    let mut rows: Vec<_> = scanned.hits.iter().map(|hit| (hit.known(catalog), hit)).collect();
    rows.sort_by_key(|(known, _)| known.and_then(|known| known.retires).unwrap_or(Date::MAX));
    let mut table = Builder::default();
    table.push_record(["RETIRES", "MODEL", "INSTEAD", "WHERE"]);
    for (known, hit) in rows {
        let retires = match known {
            None => "unknown".to_owned(),
            Some(known) => {
                let doubt = if known.one_source { "?" } else { "" };
                known.retires.map_or_else(|| "no date".to_owned(), |day| format!("{day}{doubt}"))
            }
        };
        let instead = known.and_then(|known| known.replacement.as_deref()).unwrap_or_default();
        table.push_record([&retires, &format!("{}/{}", hit.host, hit.id), instead, &hit.place()]);
    }
    plain(table)
}

fn say_the_rest(scanned: &Scanned, ending: usize, limit: Date, printer: Printer) {
    let count = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    printer.note(&format!(
        "{} in {}; {} that only mention a model",
        count(scanned.hits.len() as u64, "use"),
        count(scanned.files, "file"),
        count(scanned.mentions, "place"),
    ));
    for skipped in &scanned.skipped {
        printer.note(&format!("not read: {}: {}", skipped.path.display(), skipped.reason));
    }
    if ending > 0 {
        printer.note(&format!("{} of a model that retires by {limit}", count(ending as u64, "use")));
    }
}

fn as_json(scanned: &Scanned, catalog: &Catalog, ends: &dyn Fn(&Hit) -> bool) -> Value {
    let hits = scanned.hits.iter().map(|hit| {
        let known = hit.known(catalog);
        json!({
            "file": hit.path,
            "cell": hit.cell,
            "line": hit.line,
            "model": format!("{}/{}", hit.host, hit.id),
            "tuned": hit.is_tuned(),
            "sure": hit.confidence == Confidence::Sure,
            "known": known.is_some(),
            "retires": known.and_then(|known| known.retires).map(|day| day.to_string()),
            "one_source": known.is_some_and(|known| known.one_source),
            "replacement": known.and_then(|known| known.replacement.as_deref()),
            "within": ends(hit),
        })
    });
    let skipped = scanned.skipped.iter().map(|one| json!({"file": one.path, "reason": one.reason}));
    json!({
        "format_version": FORMAT_VERSION,
        "hits": hits.collect::<Vec<_>>(),
        "mentions": scanned.mentions,
        "files": scanned.files,
        "skipped": skipped.collect::<Vec<_>>(),
    })
}

fn write(path: &std::path::Path, text: &str, printer: Printer) -> Result<(), Error> {
    if path.exists() {
        return Err(Error::Output {
            message: format!("`{}` is there already", path.display()),
            hint: "name another file with `--write`".to_owned(),
        });
    }
    fs_err::write(path, text)?;
    printer.note(&format!("{}: name your data in it, then `tunebench plan`", path.display()));
    Ok(())
}
