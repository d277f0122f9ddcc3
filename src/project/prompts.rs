//! The prompts of a configuration, fitted to the labels and held against the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tunebench_data::{Columns, DataError, Dataset, Example, LabelSet, Prompt, Reason, RowError, TestSet};

use crate::config::{Config, ConfigError, Document, Step};
use crate::error::Error;

/// The columns that any of the prompts shows.
pub(super) fn columns(config: &Config, document: &Document) -> Result<Columns, ConfigError> {
    let mut all = BTreeSet::new();
    for (name, settings) in config.prompt.all() {
        match settings.columns(document.folder()).map_err(|mistake| misprompt(document, name, mistake))? {
            Columns::Named(columns) => all.extend(columns),
            Columns::All => return Ok(Columns::All),
            _ => {}
        }
    }
    Ok(if all.is_empty() { Columns::None } else { Columns::Named(all.into_iter().collect()) })
}

/// The common prompt, and those with names.
pub(super) type Prompts = (Arc<Prompt>, BTreeMap<String, Arc<Prompt>>);

pub(super) fn prompts(
    config: &Config,
    document: &Document,
    labels: &LabelSet,
) -> Result<Prompts, ConfigError> {
    let (mut common, mut named) = (None, BTreeMap::new());
    for (name, settings) in config.prompt.all() {
        let form = config.evaluation.form();
        let prompt = settings.fitted(labels.clone(), form, &config.labels, document.folder());
        let prompt = prompt.map_err(|mistake| misprompt(document, name, mistake))?;
        let prompt = prompt
            .with_aliases(&config.data.aliases)
            .map_err(|error| document.error(&[Step::Key("data"), Step::Key("aliases")], error.to_string()))?;
        match name {
            Some(name) => _ = named.insert(name.to_owned(), Arc::new(prompt)),
            None => common = Some(Arc::new(prompt)),
        }
    }
    Ok((common.expect("the prompt without a name is among them"), named))
}

/// A mistake in a prompt, at its setting.
fn misprompt(
    document: &Document,
    name: Option<&str>,
    (setting, message): (Option<&str>, String),
) -> ConfigError {
    let steps: Vec<Step<'_>> = [Some("prompt"), name, setting].into_iter().flatten().map(Step::Key).collect();
    document.error(&steps, message)
}

/// Whether each prompt can show every row.
pub(super) fn check_rows(
    (common, named): &Prompts,
    document: &Document,
    train: Option<(&Dataset, &Path)>,
    test: &TestSet,
) -> Result<(), Error> {
    for prompt in [common].into_iter().chain(named.values()).filter(|prompt| prompt.may_fail()) {
        renders(prompt, train).map_err(|error| Error::data(error, document, "train"))?;
        renders_test(prompt, test).map_err(|error| Error::data(error, document, "test"))?;
    }
    Ok(())
}

/// Whether a prompt can show every row that is learned from.
fn renders(prompt: &Prompt, train: Option<(&Dataset, &Path)>) -> Result<(), DataError> {
    let Some((train, path)) = train else { return Ok(()) };
    let faults: Vec<_> = train.examples.iter().filter_map(|example| unrendered(prompt, example)).collect();
    if faults.is_empty() { Ok(()) } else { Err(DataError::Rows { path: path.to_owned(), faults }) }
}

/// Whether a prompt can show every row that is measured on.
fn renders_test(prompt: &Prompt, test: &TestSet) -> Result<(), DataError> {
    let mut faults = Vec::new();
    for example in test.examples()? {
        faults.extend(unrendered(prompt, &example?));
    }
    if faults.is_empty() { Ok(()) } else { Err(DataError::Rows { path: test.source().path.clone(), faults }) }
}

fn unrendered(prompt: &Prompt, example: &Example) -> Option<RowError> {
    let error = prompt.check(example).err()?;
    Some(RowError { line: example.line, reason: Reason::Prompt(error) })
}
