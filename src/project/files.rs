//! The labelled files of a project: where they are, how they are read, and whether they fit together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tunebench_data::{Columns, DataError, Dataset, LabelSet, Shard, Source, TestSet};

use super::{Overrides, prompts};
use crate::config::{Config, Document, Step};
use crate::error::Error;

/// Names of parts of the rows that every project has.
const OWN_SLICES: [&str; 2] = ["length", "script"];

/// The labelled files, none of which has been read.
pub(super) struct Files<'a> {
    config: &'a Config,
    document: &'a Document,
    train: Option<Source>,
    test: Source,
    validation: Option<Source>,
    /// The labels, where the configuration lists them.
    listed: Option<LabelSet>,
}

impl<'a> Files<'a> {
    pub(super) fn new(
        config: &'a Config,
        document: &'a Document,
        overrides: &Overrides,
    ) -> Result<Self, Error> {
        let place = [Step::Key("data"), Step::Key("labels")];
        let listed = config.data.labels.clone().map(LabelSet::new).transpose();
        let listed = listed.map_err(|error| document.error(&place, error.to_string()))?;
        let fields = prompts::columns(config, document)?;
        let source = |path: &Path| {
            let mut source = config.data.source(document.folder(), path);
            source.fields = fields.clone();
            source
        };
        let given = |own: &Option<PathBuf>, configured: Option<&PathBuf>| match own {
            Some(path) => std::path::absolute(path).map(Some),
            None => Ok(configured.cloned()),
        };
        let train = given(&overrides.train, config.data.train.as_ref())?;
        let test = given(&overrides.test, None)?.unwrap_or_else(|| config.data.test.clone());
        Ok(Self {
            config,
            document,
            train: train.as_deref().map(source),
            test: source(&test),
            validation: config.data.validation.as_deref().map(source),
            listed,
        })
    }

    /// How the training file is read, where there is one.
    pub(super) fn train_source(&self) -> Option<&Source> {
        self.train.as_ref()
    }

    /// What is learned from, where there is such data, and the labels. Without it, the labels are those of the test data.
    pub(super) fn train(&self) -> Result<(Option<Dataset>, LabelSet), Error> {
        let train = self.train.as_ref().map(|train| train.load(self.listed.as_ref())).transpose();
        let train = train.map_err(|error| {
            let later = [Some(&self.test), self.validation.as_ref()];
            all_bad_rows(error, self.document, "train", &later, self.listed.as_ref())
        })?;
        let labels = train.as_ref().map(|train| train.labels.clone()).or_else(|| self.listed.clone());
        let labels = match labels {
            Some(labels) => labels,
            None => self.test.load(None).map_err(|error| self.bad_test(error, None))?.labels,
        };
        Ok((train, labels))
    }

    /// What is measured on: all of it, a sample, or a part.
    pub(super) fn test(&self, labels: &LabelSet, shard: Option<Shard>) -> Result<TestSet, Error> {
        let bad = |error| Error::data(error, self.document, "test");
        let mut test = self.test.check(labels).map_err(|error| self.bad_test(error, Some(labels)))?;
        if let Some(size) = self.config.evaluation.sample {
            test = test.sample(size.get(), self.config.seed).map_err(bad)?;
        }
        if let Some(shard) = shard {
            test = test.shard(shard).map_err(bad)?.ok_or_else(|| Error::Model {
                message: format!("no test row is in shard {shard}"),
                hint: Some("take fewer shards".to_owned()),
            })?;
        }
        self.check_slices(&test)?;
        Ok(test)
    }

    fn bad_test(&self, error: DataError, labels: Option<&LabelSet>) -> Error {
        all_bad_rows(error, self.document, "test", &[self.validation.as_ref()], labels)
    }

    /// The columns by which the rows are parted must be there, under names that are free.
    fn check_slices(&self, test: &TestSet) -> Result<(), Error> {
        let slices = &self.config.data.slices;
        if slices.is_empty() {
            return Ok(());
        }
        let place = [Step::Key("data"), Step::Key("slices")];
        let sliced = test.carrying(Columns::Named(slices.clone()));
        let first = sliced.examples().and_then(|mut rows| rows.next().transpose());
        first.map_err(|error| self.document.error(&place, error.to_string()))?;
        match slices.iter().find(|name| OWN_SLICES.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let message = format!("`{name}` is the name of a built-in slice, the {name} of the text");
                Err(self.document.error(&place, message).hint("give the column another name").into())
            }
        }
    }

    /// What a provider may measure the loss on while it trains.
    pub(super) fn validation(
        &self,
        train: Option<&Dataset>,
        labels: &LabelSet,
    ) -> Result<Option<Dataset>, Error> {
        let Some(source) = &self.validation else { return Ok(None) };
        let set = source.load(Some(labels));
        let set = set.map_err(|error| Error::data(error, self.document, "validation"))?;
        disjoint(train, &set, &source.path)?;
        Ok(Some(set))
    }
}

/// The error of a file; of bad rows, with those of the files that would be read after it. Where the labels are not known,
/// no row of these is bad for its label.
fn all_bad_rows(
    error: DataError,
    document: &Document,
    key: &str,
    later: &[Option<&Source>],
    labels: Option<&LabelSet>,
) -> Error {
    let are_rows = |error: &DataError| matches!(error, DataError::Rows { .. });
    let check = |source: &&Source| match labels {
        Some(labels) => source.check(labels).err(),
        None => source.load(None).err(),
    };
    let later = later.iter().flatten().filter(|_| are_rows(&error));
    let others: Vec<_> = later.filter_map(check).filter(are_rows).collect();
    if others.is_empty() {
        Error::data(error, document, key)
    } else {
        Error::BadRows(std::iter::once(error).chain(others).collect())
    }
}

/// A loss on rows that were learned says nothing.
fn disjoint(train: Option<&Dataset>, validation: &Dataset, path: &Path) -> Result<(), Error> {
    let known: HashMap<&str, u64> =
        train.into_iter().flat_map(|train| &train.examples).map(|e| (e.text.as_str(), e.line)).collect();
    match validation.examples.iter().find_map(|e| Some((e.line, known.get(e.text.as_str())?))) {
        None => Ok(()),
        Some((here, there)) => Err(Error::Overlap { path: path.to_owned(), here, there: *there }),
    }
}
