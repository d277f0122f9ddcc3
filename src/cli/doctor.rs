//! `tunebench doctor`, and the look at the data before a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anstyle::Style;
use clap::Args;
use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_data::doctor::{Change, Check, Diagnosis, Finding, JudgedRow, Severity};
use tunebench_providers::Registry;

use super::args::{DataArgs, Global};
use super::output::{ERROR, HINT, Printer, WARNING};
#[cfg(feature = "local")]
use super::progress::{Progress, seconds};
use super::providers::plain;
#[cfg(feature = "local")]
use crate::budget::Cost;
use crate::doctor::{DataCheck, FixedData, LabelErrors};
use crate::error::Error;
use crate::exit;
use crate::project::Overrides;

/// The version of what `--json` prints; a change that breaks readers raises it.
const FORMAT_VERSION: u32 = 1;
/// Places of a finding that are shown; JSON has them all, up to a thousand.
const SHOWN: usize = 3;

/// What `doctor` is told.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    data: DataArgs,

    /// End with exit code 2 on warnings as well
    #[arg(long)]
    strict: bool,

    /// Write cleaned copies of the files into this folder, and look at these
    ///
    /// Hidden characters are taken out, and labels that differ only by case, space or Unicode form become one. From the
    /// training data, rows are removed that can't be used, that are also in the test or validation data, whose text has
    /// several labels, or that are duplicates. Nothing is removed from test and validation data, and the files
    /// themselves stay as they are. No label is changed because it is likely wrong. `changes.csv` in the folder lists
    /// every change. Where a broken quote has merged rows, no copy is made: it is unknown which rows these were.
    #[arg(long, value_name = "OUT")]
    fix: Option<PathBuf>,

    /// Write all rows to this CSV file, those whose label is likely wrong first
    ///
    /// The embedded classifier says how well each row's label fits its text, as learned from the other rows. With this,
    /// it does so for large files as well, however long it takes.
    #[arg(long, value_name = "FILE")]
    label_errors: Option<PathBuf>,

    /// Look through this encoder as well: a folder, or a name fetched by `models pull`
    ///
    /// It finds paraphrases, and judges labels by what texts mean. A small encoder reads some 200
    /// short texts a second on each core.
    #[cfg(feature = "local")]
    #[arg(long, value_name = "NAME")]
    encoder: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Looks at the data of a project, and cures copies of it if asked to.
pub(super) fn doctor(
    args: DoctorArgs,
    global: &Global,
    registry: &Registry,
    printer: Printer,
) -> Result<u8, Error> {
    let overrides = Overrides {
        train: args.data.train.clone(),
        test: args.data.test.clone(),
        concurrency: None,
        shard: None,
    };
    let mut patient = DataCheck::open(&global.config, overrides)?;
    if !patient.is_configured() {
        let config = global.config.display();
        printer.note(&format!("there is no {config}: texts are read from `text`, labels from `label`"));
    }
    let mut cured = None;
    if let Some(folder) = &args.fix {
        let FixedData { patient: copy, changes, log } = patient.cure(folder)?;
        patient = copy;
        cured = Some((changes, log));
    }
    let mut diagnosis = patient.examine()?;
    diagnosis.add(patient.provider_limits(registry, &global.state)?);
    let label_errors = label_errors(&args, &patient, &mut diagnosis, printer)?;
    diagnosis.add(label_errors.finding());
    if let Some(path) = &args.label_errors {
        patient.write_label_errors(&label_errors, path)?;
    }
    if args.json {
        let mut all = as_json(&patient, &diagnosis);
        all["label_errors"] = label_errors.likely().map(label_error_as_json).collect();
        if let Some((changes, log)) = &cured {
            all["fixed"] = json!({ "log": log, "changes": changes });
        }
        printer.data(&format!("{all:#}"))?;
    } else {
        if let Some((changes, log)) = &cured {
            printer.data(&as_fixed(changes, log))?;
        }
        printer.data(&as_text(&patient, &diagnosis))?;
    }
    let bad =
        diagnosis.count(Severity::Error) + if args.strict { diagnosis.count(Severity::Warning) } else { 0 };
    Ok(if bad > 0 { exit::USAGE } else { exit::DONE })
}

/// The search for label errors, by an encoder where one is named.
fn label_errors(
    args: &DoctorArgs,
    patient: &DataCheck,
    diagnosis: &mut Diagnosis,
    printer: Printer,
) -> Result<LabelErrors, Error> {
    #[cfg(feature = "local")]
    if let Some(name) = &args.encoder {
        let reader = patient.reader(name)?;
        let progress = Progress::new(printer);
        let title = "through the encoder";
        let on_texts = &mut |done, total| progress.labelling(title, done, Some(total), Cost::ZERO);
        let found = patient.in_meaning(&reader, diagnosis, on_texts);
        let rows: u64 = diagnosis.files.iter().map(|file| file.rows).sum();
        let took = seconds(progress.end(title));
        printer.note(&format!(
            "{} went through the encoder and were compared in {took}",
            count(rows as usize, "text")
        ));
        return found;
    }
    let _ = printer;
    patient.label_errors(diagnosis, args.label_errors.is_some())
}

/// Looks at the data before it is used: an error ends the command, warnings are counted.
pub(super) fn before_run(config: &Path, overrides: Overrides, printer: Printer) -> Result<(), Error> {
    let diagnosis = DataCheck::open(config, overrides)?.examine()?;
    let of = |severity| diagnosis.findings.iter().filter(move |finding| finding.severity == severity);
    let told = |finding: &Finding| format!("{}\n{}  cure: {}", finding.reason, places(finding), finding.cure);
    let errors: Vec<String> = of(Severity::Error).map(told).collect();
    if !errors.is_empty() {
        return Err(Error::Unfit(errors.join("\n")));
    }
    for finding in of(Severity::Note).filter(|finding| finding.check == Check::RejectedRows) {
        printer.note(&finding.reason);
    }
    match of(Severity::Warning).count() {
        0 => {}
        1 => printer.note("the data has 1 warning: see `tunebench doctor`"),
        n => printer.note(&format!("the data has {n} warnings: see `tunebench doctor`")),
    }
    Ok(())
}

/// What was done, by the finding that it cures.
fn as_fixed(changes: &[Change], log: &Path) -> String {
    let mut done = BTreeMap::<_, usize>::new();
    for change in changes {
        *done.entry((change.file, change.action, change.check)).or_default() += 1;
    }
    let mut table = Builder::new();
    for ((file, action, check), n) in done {
        table.push_record([file.to_string(), format!("{} {action}", count(n, "row")), format!("[{check}]")]);
    }
    let list = if changes.is_empty() { "nothing to fix".to_owned() } else { plain(table) };
    format!("{list}\neach change: {}\n", log.display())
}

fn as_text(patient: &DataCheck, diagnosis: &Diagnosis) -> String {
    let mut table = Builder::new();
    for file in &diagnosis.files {
        let path = patient.source(file.file).map(|source| source.path.display().to_string());
        let (rows, labels) = (count(file.rows as usize, "row"), count(file.labels as usize, "label"));
        table.push_record([file.file.to_string(), rows, labels, path.unwrap_or_default()]);
    }
    let mut text = plain(table);
    for finding in &diagnosis.findings {
        text.push_str("\n\n");
        text.push_str(&finding_as_text(finding));
    }
    let counts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
        .map(|(severity, word)| (diagnosis.count(severity), word));
    let found = counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| count(n, word));
    let found = found.collect::<Vec<_>>().join(", ");
    text = text + "\n\n" + if found.is_empty() { "nothing found" } else { &found };
    if diagnosis.findings.iter().any(|finding| finding.rows.listed.len() > SHOWN) {
        text.push_str("; `--json` lists all rows");
    }
    text
}

fn finding_as_text(finding: &Finding) -> String {
    let (style, word) = match finding.severity {
        Severity::Error => (ERROR, "error"),
        Severity::Warning => (WARNING, "warning"),
        Severity::Note => (Style::new().bold(), "note"),
    };
    let head = format!("{style}{word}:{style:#} {} [{}]\n", finding.reason, finding.check);
    head + &places(finding) + &format!("  {HINT}cure:{HINT:#} {}", finding.cure)
}

/// The first rows of a finding, a line for each, and how many there are.
fn places(finding: &Finding) -> String {
    let mut text = String::new();
    let listed = &finding.rows.listed;
    let mut table = Builder::new();
    for place in listed.iter().take(SHOWN) {
        let line = if place.line > 0 {
            format!("{}, line {}", place.file, place.line)
        } else {
            place.file.to_string()
        };
        let quoted = if place.text.is_empty() { String::new() } else { format!("\"{}\"", place.text) };
        table.push_record([line, place.detail.clone(), quoted]);
    }
    for line in plain(table).lines() {
        text.push_str(&format!("  {line}\n"));
    }
    if finding.rows.listed.len() > SHOWN {
        text.push_str(&format!("  … {}\n", spread(finding)));
    }
    text
}

/// How many rows there are in all, and in which files if in several.
fn spread(finding: &Finding) -> String {
    let all = format!("{} in all", count(finding.rows.total as usize, "row"));
    let files: Vec<_> = finding.rows.files.iter().map(|(file, rows)| format!("{rows} in {file}")).collect();
    if files.len() > 1 { format!("{all}: {}", files.join(", ")) } else { all }
}

fn as_json(patient: &DataCheck, diagnosis: &Diagnosis) -> Value {
    let files = diagnosis.files.iter().map(|examined| {
        let path = patient.source(examined.file).map(|source| source.path.display().to_string());
        json!({ "file": examined.file, "path": path, "rows": examined.rows, "labels": examined.labels })
    });
    json!({
        "format_version": FORMAT_VERSION,
        "files": files.collect::<Value>(),
        "errors": diagnosis.count(Severity::Error),
        "warnings": diagnosis.count(Severity::Warning),
        "notes": diagnosis.count(Severity::Note),
        "findings": diagnosis.findings,
    })
}

fn label_error_as_json(found: JudgedRow<'_>) -> Value {
    let JudgedRow { file, row, suggested, judgement } = found;
    json!({
        "file": file,
        "line": row.line,
        "label": row.label,
        "suggested": suggested,
        "probability": judgement.probability,
        "self_confidence": judgement.self_confidence,
        "normalized_margin": judgement.normalized_margin,
    })
}

/// `1 row`, `2 rows`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
