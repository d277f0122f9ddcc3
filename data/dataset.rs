//! Checked data: in memory for training, streamed for testing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{DataError, RowError};
use crate::rows::Rows;
use crate::sample;
use crate::source::{Source, unknown};
use crate::{Columns, Example, ExampleId, LabelSet, Shard};

/// Labelled examples in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dataset {
    /// The examples, in the order of the file; at least one.
    pub examples: Vec<Example>,
    /// The labels they are taken from.
    pub labels: LabelSet,
    /// Rows that were left out because an annotator has rejected or ignored them (Prodigy).
    pub left_out: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

impl Dataset {
    /// Examples that are from no file.
    pub fn new(examples: Vec<Example>, labels: LabelSet) -> Self {
        Self { examples, labels, left_out: 0, sha256: String::new() }
    }
}

/// A file whose rows have all been checked and are read again when they are needed, so that a test set of
/// any size fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSet {
    pub(crate) source: Source,
    pub(crate) labels: LabelSet,
    pub(crate) len: usize,
    /// Contents that stand in more than one row; the others need no counting.
    pub(crate) repeated: Arc<HashSet<ExampleId>>,
    /// The examples that are wanted; all of them where this is not set.
    pub(crate) sample: Option<Arc<HashSet<ExampleId>>>,
    pub(crate) left_out: u64,
    pub(crate) sha256: String,
}

impl TestSet {
    /// How many examples there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a checked file has at least one row")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The labels that the examples are taken from.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// The file.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Rows that were left out because an annotator has rejected or ignored them (Prodigy).
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// SHA-256 of the file, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The same file, whose examples carry these other columns with them.
    #[must_use]
    pub fn carrying(&self, fields: Columns) -> Self {
        let mut set = self.clone();
        set.source.fields = fields;
        set
    }

    /// The same file, of which only a sample is read: seeded, each label with its share.
    pub fn sample(self, size: usize, seed: u64) -> Result<Self, DataError> {
        if size >= self.len {
            return Ok(self);
        }
        let rows = self.examples()?.map(|row| row.map(|example| (example.id, example.label)));
        let chosen = sample::stratified(&rows.collect::<Result<Vec<_>, _>>()?, size, seed);
        Ok(Self { len: chosen.len(), sample: Some(chosen.into()), ..self })
    }

    /// The same file, of which only one part is read; `None` if no row is in it.
    pub fn shard(self, shard: Shard) -> Result<Option<Self>, DataError> {
        let mut chosen = HashSet::new();
        for example in self.examples()? {
            let example = example?;
            if shard.holds(&example.text) {
                chosen.insert(example.id);
            }
        }
        let part = Self { len: chosen.len(), sample: Some(chosen.into()), ..self };
        Ok((part.len > 0).then_some(part))
    }

    /// Reads the examples, in the order of the file.
    pub fn examples(&self) -> Result<Examples, DataError> {
        let (labels, repeated) = (self.labels.clone(), self.repeated.clone());
        let (sample, source) = (self.sample.clone(), self.source.clone());
        Ok(Examples { rows: self.source.rows()?, source, labels, repeated, sample, seen: HashMap::new() })
    }
}

/// The examples of a [`TestSet`], read as they are asked for.
///
/// An error means that the file is no longer the one that was checked.
pub struct Examples {
    rows: Rows,
    source: Source,
    labels: LabelSet,
    repeated: Arc<HashSet<ExampleId>>,
    sample: Option<Arc<HashSet<ExampleId>>>,
    seen: HashMap<ExampleId, u32>,
}

impl Iterator for Examples {
    type Item = Result<Example, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match (self.read()?, &self.sample) {
                (Ok(example), Some(wanted)) if !wanted.contains(&example.id) => {}
                (example, _) => return Some(example),
            }
        }
    }
}

impl Examples {
    /// Begins again with the first row.
    pub fn rewind(&mut self) -> Result<(), DataError> {
        self.rows = self.source.rows()?;
        self.seen.clear();
        Ok(())
    }

    /// Reads past the next example, which costs less than to make it; `false` behind the last one.
    pub fn pass_over(&mut self) -> Result<bool, DataError> {
        // Where equal contents are counted, or rows chosen, each has to be known.
        if self.repeated.is_empty() && self.sample.is_none() {
            self.rows.pass_over()
        } else {
            self.next().transpose().map(|example| example.is_some())
        }
    }

    fn read(&mut self) -> Option<Result<Example, DataError>> {
        let row = match self.rows.next_row() {
            Ok(None) => return None,
            Ok(Some(Ok(row))) => row,
            Ok(Some(Err(fault))) => return Some(Err(self.changed(fault))),
            Err(error) => return Some(Err(error)),
        };
        let Some(label) = self.labels.get(&row.label) else {
            let fault = unknown(row, Some(&self.labels));
            return Some(Err(self.changed(fault)));
        };
        let mut id = ExampleId::of(&row.text, &row.label, 0);
        if self.repeated.contains(&id) {
            let repetition = self.seen.entry(id).or_insert(0);
            id = ExampleId::of(&row.text, &row.label, *repetition);
            *repetition += 1;
        }
        Some(Ok(Example::of_row(row, id, label)))
    }

    fn changed(&self, fault: RowError) -> DataError {
        DataError::Rows { path: self.source.path.clone(), faults: vec![fault] }
    }
}
