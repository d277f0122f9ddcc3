//! The runs that a results folder keeps: the latest in the folder itself, earlier ones below `runs/`, each under its id.
//!
//! An id is the time at which the run began, as in `20261128-090012`; a second one of the same second gets a number.

use std::path::{Path, PathBuf};

use tunebench_reports::{Manifest, PastRun, Run};

use super::{Results, ResultsError};

/// The folder of earlier runs.
pub(crate) const RUNS: &str = "runs";
/// Where versions before 0.1 kept the one earlier run that they kept.
const PREVIOUS: &str = "previous";

/// Of how many earlier runs a report tells: more make no readable chart, and each has to be read.
const SHOWN: usize = 50;

/// A run that is kept.
#[derive(Debug, Clone)]
pub struct KeptRun {
    /// By which it is called.
    pub id: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// Whether it is the latest, whose place is the results folder itself.
    pub latest: bool,
    /// How it was made.
    pub manifest: Manifest,
}

/// All runs of a results folder that can be read, the newest first.
pub fn list(results: &Path) -> Vec<KeptRun> {
    newest(results, usize::MAX)
}

/// The newest runs, and no more than `earlier` of those before the latest.
fn newest(results: &Path, earlier: usize) -> Vec<KeptRun> {
    let root = root(results);
    let below = fs_err::read_dir(root.join(RUNS)).into_iter().flatten().flatten();
    let mut folders: Vec<_> = below.map(|entry| entry.path()).chain([root.join(PREVIOUS)]).collect();
    // Names begin with the time.
    folders.sort_unstable_by(|a, b| b.cmp(a));
    let earlier = folders.into_iter().filter_map(|folder| kept(folder, false)).take(earlier);
    let mut runs: Vec<_> = earlier.chain(kept(root.to_owned(), true)).collect();
    runs.sort_by(|a, b| (b.latest, &b.manifest.started, &b.id).cmp(&(a.latest, &a.manifest.started, &a.id)));
    runs
}

/// The run that is meant by an id or by so much of its beginning that no other begins so.
pub fn find(results: &Path, name: &str) -> Option<KeptRun> {
    let is_id = name.len() >= 4 && name.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let mut runs = list(results).into_iter().filter(|run| is_id && run.id.starts_with(name));
    let first = runs.next()?;
    let exact = first.id == name;
    let others: Vec<_> = runs.collect();
    if let Some(other) = others.iter().find(|other| other.id == name) {
        return Some(other.clone());
    }
    (exact || others.is_empty()).then_some(first)
}

/// A place for a run that makes room for another.
pub(crate) fn place_for(results: &Path, manifest: &Manifest) -> PathBuf {
    let runs = results.join(RUNS);
    let id = id_of(manifest);
    let numbered = (2u32..).map(|number| format!("{id}-{number}"));
    let mut names = std::iter::once(id.clone()).chain(numbered).map(|name| runs.join(name));
    names.find(|place| !place.exists()).unwrap_or_else(|| runs.join(&id))
}

/// How the models of a run did on the same test data before, as far as the last fifty runs tell.
pub fn past(results: &Path, run: &Run) -> Vec<(String, PastRun)> {
    let test = |manifest: &Manifest| {
        manifest.data.iter().find(|file| file.role == "test").map(|file| file.sha256.clone())
    };
    let is_earlier = |kept: &KeptRun| {
        let Manifest { started, shard, .. } = &kept.manifest;
        *started < run.manifest.started && shard.is_none() && test(&kept.manifest) == test(&run.manifest)
    };
    let mut past = Vec::new();
    for kept in newest(results, SHOWN).into_iter().rev().filter(is_earlier) {
        for record in kept.manifest.models.iter().filter(|record| run.manifest.model(&record.model).is_some())
        {
            if let Some(accuracy) = record.accuracy(kept.manifest.min_coverage) {
                let started = kept.manifest.started.clone();
                past.push((record.model.clone(), PastRun { id: kept.id.clone(), started, accuracy }));
            }
        }
    }
    past
}

/// Takes a run away for good; the latest stays, since a results folder without one is none.
pub fn delete(run: &KeptRun) -> Result<(), ResultsError> {
    if !run.latest {
        fs_err::remove_dir_all(&run.folder)?;
    }
    Ok(())
}

/// The results folder to which a folder belongs: itself, or that of which it is an earlier run.
pub(crate) fn root(folder: &Path) -> &Path {
    let parent = folder.parent().unwrap_or(folder);
    match parent.file_name() {
        Some(name) if name == RUNS => parent.parent().unwrap_or(folder),
        _ => folder,
    }
}

fn kept(folder: PathBuf, latest: bool) -> Option<KeptRun> {
    let manifest = Results::open(&folder).and_then(|results| results.manifest()).ok()?;
    let named = folder.file_name().filter(|_| folder.parent().is_some_and(|parent| parent.ends_with(RUNS)));
    let id = named.map_or_else(|| id_of(&manifest), |name| name.to_string_lossy().into_owned());
    Some(KeptRun { id, folder, latest, manifest })
}

/// `2026-11-28T09:00:12Z` as `20261128-090012`.
fn id_of(manifest: &Manifest) -> String {
    let digits: String = manifest.started.chars().filter(char::is_ascii_digit).take(14).collect();
    match digits.split_at_checked(8) {
        Some((day, time)) if time.len() == 6 => format!("{day}-{time}"),
        _ => "00000000-000000".to_owned(),
    }
}
