//! `tunebench split`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tabled::builder::Builder;
use tunebench_data::split::{Parts, Plan, Split};
use tunebench_data::{DataError, Source, percent};

use super::args::Global;
use super::doctor::count;
use super::output::Printer;
use super::providers::plain;
use crate::config::Config;
use crate::error::Error;
use crate::exit;
use crate::guard;
use crate::whole_file::WholeFile;

/// What `split` is told.
#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// The file to split: CSV, TSV or JSONL
    file: PathBuf,

    /// The parts and their shares
    #[arg(long, value_name = "NAME=SHARE,…", default_value = "train=0.8,validation=0.1,test=0.1")]
    into: Parts,

    /// The folder for the parts; each is named after itself, with the extension of the file
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Another seed is another split
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,

    /// The column whose equal values must not be parted, such as a customer
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,

    /// Give each label its exact share; rows that are added later can then move others
    #[arg(long)]
    exact: bool,

    /// The text column, instead of the configuration's
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,

    /// The label column, instead of the configuration's
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,

    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

/// Splits a file, and says what came out.
pub(super) fn split(args: SplitArgs, global: &Global, printer: Printer) -> Result<u8, Error> {
    let source = source(&args, global)?;
    let extension = source.copy_extension();
    let target = |(name, _): (&str, f64)| args.out.join(name).with_extension(&extension);
    let targets: Vec<PathBuf> = args.into.iter().map(target).collect();
    fs_err::create_dir_all(&args.out)?;
    guard::refuse_overwrite([source.path.as_path()].into_iter(), &targets)?;
    let plan = Plan { parts: args.into.clone(), seed: args.seed, exact: args.exact };
    let split = Split::new(&source, &plan).map_err(no_place)?;
    let files = targets.iter().map(|path| WholeFile::create(path)).collect::<Result<Vec<_>, _>>()?;
    for (part, file) in files.into_iter().enumerate() {
        file.write(|out| split.write(part, out))?;
    }
    if args.json {
        let parts = targets.iter().zip(args.into.iter()).enumerate().map(|(part, (path, (name, share)))| {
            let labels: serde_json::Map<_, _> =
                split.counts().iter().map(|(label, counts)| (label.clone(), counts[part].into())).collect();
            json!({ "part": name, "share": share, "path": path, "rows": rows(&split, part), "labels": labels })
        });
        let parts: Vec<_> = parts.collect();
        let all = json!({
            "format_version": 1, "seed": args.seed, "exact": args.exact, "parts": parts,
            "clusters": split.clusters(), "largest_cluster": split.largest(),
        });
        printer.data(&format!("{all:#}"))?;
    } else {
        printer.data(&as_text(&split, &targets))?;
    }
    doubts(&split, args.exact, printer);
    Ok(exit::DONE)
}

/// The file as the configuration reads such files, where there is one; the command line goes before it.
fn source(args: &SplitArgs, global: &Global) -> Result<Source, Error> {
    let mut source = Source::new(&args.file);
    if global.config.exists() {
        let (config, document) = Config::read(&global.config)?;
        source = config.data.source(document.folder(), &args.file);
        source.path.clone_from(&args.file);
    }
    source.group = args.group.clone().or(source.group);
    if let Some(text) = &args.text {
        source.text = text.as_str().into();
    }
    source.label = args.label.clone().unwrap_or(source.label);
    Ok(source)
}

fn no_place(error: DataError) -> Error {
    Error::Data { error, named: None }
}

fn rows(split: &Split, part: usize) -> u64 {
    split.counts().values().map(|counts| counts[part]).sum()
}

fn as_text(split: &Split, targets: &[PathBuf]) -> String {
    let mut table = Builder::new();
    table.push_record(["PART", "ROWS", "SHARE", "ASKED", "LABELS", "FILE"]);
    let all = split.rows().len().max(1) as f64;
    for (part, ((name, share), path)) in split.parts().iter().zip(targets).enumerate() {
        let rows = rows(split, part);
        let labels = split.counts().values().filter(|counts| counts[part] > 0).count();
        table.push_record([
            name.to_owned(),
            rows.to_string(),
            percent(rows as f64 / all),
            percent(share),
            labels.to_string(),
            path.display().to_string(),
        ]);
    }
    let together = split.rows().len() - split.clusters();
    let clusters = match together {
        0 => "no two rows belong to one group".to_owned(),
        _ => format!(
            "{} in {}; the largest has {}",
            count(split.rows().len(), "row"),
            count(split.clusters(), "cluster"),
            count(split.largest(), "row")
        ),
    };
    format!("{}\n\n{clusters}", plain(table))
}

/// What is odd about the split.
fn doubts(split: &Split, exact: bool, printer: Printer) {
    for (part, (name, _)) in split.parts().iter().enumerate() {
        let missing: Vec<_> = split.counts().iter().filter(|(_, counts)| counts[part] == 0).collect();
        if missing.is_empty() {
            continue;
        }
        printer.warn(&format!("{} of {} labels have no row in {name}", missing.len(), split.counts().len()));
        if !exact {
            printer.hint(
                "`--exact` gives each label its share, but rows that are added later can then move others",
            );
        }
    }
    if split.largest() * 10 > split.rows().len() && split.largest() > 10 {
        printer.warn(&format!(
            "{} hang together and are all in one part: shares are met only roughly",
            count(split.largest(), "row")
        ));
    }
}
