//! Which files are read, and line by line what is in them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ignore::{WalkBuilder, WalkState};
use serde_json::Value;

use super::{Confidence, Hit, confidence, is_prose, recognise};

/// Longer files are not read, and named.
const LARGEST: u64 = 5_000_000;
/// Longer lines are made by machines.
const LONGEST_LINE: usize = 5_000;
/// Of records, as many lines as show what they are.
const RECORDS: usize = 100;
/// A line with this is passed over.
const PRAGMA: &str = "tunebench: ignore";
/// A file with this near its beginning is passed over.
const FILE_PRAGMA: &str = "tunebench: ignore file";

/// A file that was not read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What a scan brought.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scanned {
    /// Places where a model is used, or most likely is, by file and line.
    pub hits: Vec<Hit>,
    /// How often models are only spoken of.
    pub mentions: u64,
    /// Files that were read.
    pub files: u64,
    /// Files that were not.
    pub skipped: Vec<Skipped>,
}

/// Looks through files and folders. What `.gitignore` names is left out, but for `.env` files of the folders themselves.
pub fn scan(paths: &[PathBuf]) -> Scanned {
    let Some((first, others)) = paths.split_first() else { return Scanned::default() };
    let mut walk = WalkBuilder::new(first);
    for path in others {
        walk.add(path);
    }
    // Settings lie in files that begin with a dot.
    walk.hidden(false).require_git(false);
    walk.filter_entry(|entry| entry.file_name() != ".git");
    let found = Mutex::new(Scanned::default());
    walk.build_parallel().run(|| {
        Box::new(|entry| {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    read(entry.path(), &found)
                }
                Ok(_) => {}
                Err(error) => {
                    let skipped = Skipped { path: PathBuf::new(), reason: error.to_string() };
                    lock(&found).skipped.push(skipped);
                }
            }
            WalkState::Continue
        })
    });
    for file in paths.iter().flat_map(|path| environment_files(path)) {
        let known = lock(&found).hits.iter().any(|hit| hit.path == file);
        if !known {
            read(&file, &found);
        }
    }
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.hits.sort_by(|a, b| (&a.path, a.cell, a.line, &a.id).cmp(&(&b.path, b.cell, b.line, &b.id)));
    found.hits.dedup();
    found.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The files in a folder that hold settings and are ignored by most.
fn environment_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".env"));
    named.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

fn read(path: &Path, found: &Mutex<Scanned>) {
    let skip = |reason: String| lock(found).skipped.push(Skipped { path: path.to_owned(), reason });
    match std::fs::metadata(path) {
        Ok(about) if about.len() > LARGEST => return skip("longer than 5 MB".to_owned()),
        Ok(_) => {}
        Err(error) => return skip(error.to_string()),
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return skip(error.to_string()),
    };
    if bytes.iter().take(8_192).any(|&byte| byte == 0) {
        return;
    }
    let text = String::from_utf8_lossy(&bytes);
    let (hits, mentions) =
        if recognise::may_hold_ids(&text) { in_text(path, &text) } else { (Vec::new(), 0) };
    let mut found = lock(found);
    found.files += 1;
    found.mentions += mentions;
    found.hits.extend(hits);
}

/// What a file says, and how often it only speaks of models.
fn in_text(path: &Path, text: &str) -> (Vec<Hit>, u64) {
    let is = |extension: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
    if text.lines().take(10).any(|line| line.contains(FILE_PRAGMA)) {
        return (Vec::new(), 0);
    }
    let cells = if is("ipynb") { cells(text) } else { None };
    let mut hits = Vec::new();
    let mut mentions = 0;
    let mut look = |cell: Option<usize>, text: &str, most: usize| {
        for (line, number) in text.lines().zip(1..).take(most) {
            if line.len() > LONGEST_LINE || line.contains(PRAGMA) {
                continue;
            }
            for found in recognise::ids(line) {
                match confidence(line, &found, is_prose(path)) {
                    Confidence::Mention => mentions += 1,
                    confidence => hits.push(Hit {
                        path: path.to_owned(),
                        line: number,
                        cell,
                        host: found.host.to_owned(),
                        id: found.id.to_owned(),
                        confidence,
                    }),
                }
            }
        }
    };
    match cells {
        Some(cells) => cells.iter().for_each(|(number, source)| look(Some(*number), source, usize::MAX)),
        None => look(None, text, if is("jsonl") { RECORDS } else { usize::MAX }),
    }
    (hits, mentions)
}

/// The code of a notebook, cell by cell; what its cells printed is not looked at.
fn cells(text: &str) -> Option<Vec<(usize, String)>> {
    let notebook: Value = serde_json::from_str(text).ok()?;
    let cells = notebook.get("cells")?.as_array()?.iter().zip(1..);
    let code = cells.filter(|(cell, _)| cell.get("cell_type").is_none_or(|kind| kind == "code"));
    let source = |cell: &Value| match cell.get("source") {
        Some(Value::String(source)) => source.clone(),
        Some(Value::Array(lines)) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    };
    Some(code.map(|(cell, number)| (number, source(cell))).collect())
}

fn lock(found: &Mutex<Scanned>) -> std::sync::MutexGuard<'_, Scanned> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}
