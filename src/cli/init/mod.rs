//! `tunebench init`.

mod template;

use std::path::{Path, PathBuf};

use clap::Args;
use tunebench_data::{DataError, RowError, SniffError, Sniffed, Source, sniff};

use super::args::Global;
use super::doctor::count;
use super::output::Printer;
use crate::config::quoted;
use crate::error::Error;
use crate::exit;
use crate::whole_file::WholeFile;
use template::Template;

/// The schema of the configuration, for editors; a test makes it from the types.
pub(crate) const SCHEMA: &str = include_str!("../../../docs/tunebench.schema.json");
const SCHEMA_NAME: &str = "tunebench.schema.json";
const ENV_EXAMPLE: &str = include_str!("env.example");
const ENV_NAME: &str = ".env.example";
const IGNORE_NAME: &str = ".gitignore";
/// What no repository should hold: keys, and the ledger with its models.
const IGNORED: &str = ".env\n.tunebench/\n";
/// Where the parts of a single file are put.
const PARTS: &str = "split";

/// What `init` is told.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Labelled data, in any of the forms that docs/data.md lists; by default `train.*` here or in `data/`
    data: Option<PathBuf>,

    /// The test data; by default the file beside DATA that is named `test` where DATA is named `train`
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,

    /// The text column, instead of a guess
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,

    /// The label column, instead of a guess
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,

    /// Write over a configuration that is there
    #[arg(long)]
    force: bool,
}

/// The files that a project is made of.
struct Files {
    train: PathBuf,
    validation: Option<PathBuf>,
    /// None where the one file has to be split first.
    test: Option<PathBuf>,
}

/// Writes a configuration for the data.
pub(super) fn init(args: &InitArgs, global: &Global, printer: Printer) -> Result<u8, Error> {
    let folder = global.config.parent().unwrap_or(Path::new(""));
    let env = folder.join(ENV_NAME);
    if !args.force && global.config.symlink_metadata().is_ok() {
        return Err(Error::Output {
            message: format!("`{}` is there already", global.config.display()),
            hint: "overwrite it with `--force`, or name another configuration with `--config FILE`"
                .to_owned(),
        });
    }
    // Several configurations of a folder share it, and what its owner has written there is not ours.
    let new_env = env.symlink_metadata().is_err();
    let ignore = folder.join(IGNORE_NAME);
    let new_ignore = ignore.symlink_metadata().is_err();
    let files = Files::find(args)?;
    let sniffed = sniff(&files.train, args.text.as_deref(), args.label.as_deref()).map_err(refused)?;
    let schema = global.state.join(SCHEMA_NAME);
    let config = configuration(&files, &sniffed, folder, &schema)?;
    fs_err::create_dir_all(&global.state)?;
    let env_example = new_env.then_some((&env, ENV_EXAMPLE));
    let written = [(&schema, SCHEMA), (&global.config, config.as_str())];
    let ignored = new_ignore.then_some((&ignore, IGNORED));
    for (path, content) in written.into_iter().chain(env_example).chain(ignored) {
        let file = WholeFile::create(path).map_err(|error| Error::Output {
            message: format!("`{}` can't be written: {error}", path.display()),
            hint: "name another place with `--config FILE`".to_owned(),
        })?;
        file.write(|out| out.write_all(content.as_bytes()))?;
    }
    let also: Vec<_> =
        [(new_env, ENV_NAME), (new_ignore, IGNORE_NAME)].into_iter().filter(|(new, _)| *new).collect();
    let also: String = also.into_iter().map(|(_, name)| format!(", {name}")).collect();
    printer.data(&format!("wrote {}{also}", global.config.display()))?;
    if !new_env {
        printer.note(&format!("{} exists already, and is left as it is", env.display()));
    }
    tell(&files, &sniffed, args, global, printer);
    Ok(exit::DONE)
}

impl Files {
    fn find(args: &InitArgs) -> Result<Self, Error> {
        let train = match &args.data {
            Some(path) => path.clone(),
            None => usual("train").ok_or_else(|| Error::Output {
                message: "there is no file `train.csv`, `train.tsv` or `train.jsonl` here or in `data`"
                    .to_owned(),
                hint: "name the labelled data: `tunebench init DATA`".to_owned(),
            })?,
        };
        let test = args.test.clone().or_else(|| beside(&train, "test"));
        let validation = ["validation", "valid", "dev"].iter().find_map(|part| beside(&train, part));
        Ok(Self { train, validation, test })
    }
}

/// `train.csv` and the like, in the usual places.
fn usual(stem: &str) -> Option<PathBuf> {
    let extensions = ["csv", "tsv", "jsonl", "json", "txt"];
    let places = ["", "data"].into_iter().flat_map(|folder| extensions.map(|e| (folder, e)));
    let paths = places.map(|(folder, extension)| Path::new(folder).join(stem).with_extension(extension));
    paths.into_iter().find(|path| path.is_file())
}

/// The file whose name has this part where that of the training data has `train`.
fn beside(train: &Path, part: &str) -> Option<PathBuf> {
    let name = train.file_name()?.to_str()?;
    let path = train.with_file_name(name.replacen("train", part, 1));
    (path != train && path.is_file()).then_some(path)
}

fn configuration(files: &Files, sniffed: &Sniffed, folder: &Path, schema: &Path) -> Result<String, Error> {
    let mut template = Template::new();
    template.schema(&portable(folder, schema)?);
    let (train, test) = match &files.test {
        Some(test) => (files.train.clone(), test.clone()),
        None => (part("train", &files.train), part("test", &files.train)),
    };
    template.set("data", "train", &quoted(&portable(folder, &train)?));
    template.set("data", "test", &quoted(&portable(folder, &test)?));
    if let Some(validation) = &files.validation {
        template.set("data", "validation", &quoted(&portable(folder, validation)?));
    }
    if sniffed.text != "text" {
        template.set("data", "text", &quoted(&sniffed.text));
    }
    if sniffed.label != "label" {
        template.set("data", "label", &quoted(&sniffed.label));
    }
    if let Some(encoding) = sniffed.encoding {
        template.set("data", "encoding", &quoted(encoding));
    }
    if !sniffed.quotes {
        template.set("data", "quotes", "false");
    }
    if !sniffed.header {
        template.set("data", "header", "false");
    }
    if let Some(delimiter) = sniffed.delimiter {
        template.set("data", "delimiter", &quoted(&delimiter.to_string()));
    }
    template.unset("prompt", "instruction");
    Ok(template.text())
}

/// One of the parts that a single file is split into.
fn part(name: &str, file: &Path) -> PathBuf {
    Path::new(PARTS).join(name).with_extension(Source::new(file).copy_extension())
}

/// A path as the configuration in `folder` names it.
fn portable(folder: &Path, path: &Path) -> Result<String, Error> {
    let here = folder.as_os_str().is_empty() || folder == Path::new(".");
    let path = if here || path.is_absolute() { path.to_owned() } else { std::path::absolute(path)? };
    path.into_os_string().into_string().map_err(|path| Error::Output {
        message: format!(
            "the path `{}` is not valid UTF-8, which a configuration has to be",
            path.to_string_lossy()
        ),
        hint: "give the file another name".to_owned(),
    })
}

fn refused(error: SniffError) -> Error {
    match error {
        SniffError::Data(error) => Error::Data { error, named: None },
        error => Error::Output {
            message: error.to_string(),
            hint: "name the columns with `--text COLUMN` and `--label COLUMN`".to_owned(),
        },
    }
}

/// What can't be used of the data, or only since quotes were set to mean nothing.
fn bad_rows(files: &Files, sniffed: &Sniffed, fault: &RowError) -> String {
    let place = format!("{}, line {}: {}", files.train.display(), fault.line, fault.reason);
    match (sniffed.quotes, sniffed.bad_rows) {
        (false, _) => format!("{place}; this is set, because every row can then be read"),
        (true, 1) => place,
        (true, n) => format!("{place}; {n} rows can't be used, `tunebench doctor` shows them"),
    }
}

/// A path as a shell takes it for one word.
fn for_shell(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:=@%,\\".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// What was found, and what comes next.
fn tell(files: &Files, sniffed: &Sniffed, args: &InitArgs, global: &Global, printer: Printer) {
    let Sniffed { text, label, .. } = sniffed;
    let labels = count(sniffed.labels, "label");
    printer.note(&format!(
        "{}: texts in `{}`, labels in `{}` ({labels} in {})",
        files.train.display(),
        text.escape_debug(),
        label.escape_debug(),
        count(sniffed.rows, "row")
    ));
    let guessed = args.text.is_none() && text != "text" || args.label.is_none() && label != "label";
    if guessed {
        printer.note("if these are the wrong columns: --text COLUMN --label COLUMN --force");
    }
    if let Some(fault) = &sniffed.fault {
        printer.warn(&bad_rows(files, sniffed, fault));
    }
    if !sniffed.header {
        printer.note("the first row is taken for data: columns are named by their numbers");
    }
    if let Some(encoding) = sniffed.encoding {
        printer.warn(&format!("the file is not UTF-8; {encoding} is a guess"));
    }
    let mut next = Vec::new();
    match &files.test {
        Some(test) => {
            let mut check = Source::new(test);
            check.text = text.as_str().into();
            check.label.clone_from(label);
            check.header = sniffed.header;
            check.delimiter = sniffed.delimiter;
            if let Err(error @ DataError::Io { .. }) = check.rows() {
                printer.warn(&error.to_string());
            }
        }
        None => next.push(format!(
            "tunebench split {} --into train=0.8,test=0.2 --out {PARTS}",
            for_shell(&files.train)
        )),
    }
    next.push("tunebench run".to_owned());
    let config = match global.config.to_str() {
        Some("tunebench.toml") => String::new(),
        _ => format!(" --config {}", for_shell(&global.config)),
    };
    printer.note("next:");
    next.iter().for_each(|command| printer.note(&format!("  {command}{config}")));
}
