//! The texts of rows that a results folder knows only by their ids: read from the test file, if it is still the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tunebench_data::{self as data, ExampleId, TestSet};
use tunebench_reports::Run;

use crate::config::Config;

/// The texts of these rows, as far as they are at hand; where some are not, also why.
///
/// Those that are `known` already need no file. `config` is the configuration, if there is one: it tells how to read the
/// test file.
pub(crate) fn of(
    run: &Run,
    known: &BTreeMap<ExampleId, String>,
    config: &Path,
    wanted: &BTreeSet<ExampleId>,
) -> (BTreeMap<ExampleId, String>, Option<String>) {
    if !run.manifest.texts {
        return (BTreeMap::new(), None);
    }
    let known = wanted.iter().filter_map(|id| Some((*id, known.get(id)?.clone())));
    let known: BTreeMap<_, _> = known.collect();
    if known.len() == wanted.len() {
        return (known, None);
    }
    match from_file(run, config, wanted) {
        Ok(texts) => (texts, None),
        Err(reason) => (known, Some(reason)),
    }
}

fn from_file(
    run: &Run,
    config: &Path,
    wanted: &BTreeSet<ExampleId>,
) -> Result<BTreeMap<ExampleId, String>, String> {
    of_test_set(&test_set(run, config)?, wanted).map_err(|error| first_line(&error))
}

/// The test file of a run, if it is at hand and has not changed; an error says why it is not.
pub(crate) fn test_set(run: &Run, config: &Path) -> Result<TestSet, String> {
    let file = run.manifest.data.iter().find(|file| file.role == "test");
    let file = file.ok_or("its test file is not known")?;
    let path = Path::new(&file.path);
    if !path.exists() {
        return Err(format!("`{}` does not exist", file.path));
    }
    let source = match Config::read(config) {
        Ok((config, _)) => config.data.source(Path::new(""), path),
        Err(_) => data::Source::new(path),
    };
    let set = source.check(run.labels()).map_err(|error| first_line(&error))?;
    if set.sha256() != file.sha256 {
        return Err(format!("`{}` has changed since", file.path));
    }
    Ok(set)
}

/// What an error says first; the rest would be a list of rows.
fn first_line(error: &data::DataError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The texts of these rows of a test set.
pub(crate) fn of_test_set(
    set: &TestSet,
    wanted: &BTreeSet<ExampleId>,
) -> Result<BTreeMap<ExampleId, String>, data::DataError> {
    let mut texts = BTreeMap::new();
    for example in set.examples()? {
        let example = example?;
        if wanted.contains(&example.id) {
            texts.insert(example.id, example.text);
        }
    }
    Ok(texts)
}
