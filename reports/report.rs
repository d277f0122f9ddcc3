//! What every renderer is given: a run, its figures, and what else a reader wants to see.

use std::collections::BTreeMap;

use tunebench_data::ExampleId;

use crate::{Disagreements, Figures, LossPoint, Run};

/// A run together with its figures: what every renderer is given.
#[derive(Debug)]
pub struct Report<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its figures.
    pub figures: Figures,
    /// The texts of rows, where the data is at hand; see [`wanted_texts`](Self::wanted_texts).
    pub texts: BTreeMap<ExampleId, String>,
    /// The loss curves of trainings, by the reference of the tuned model.
    pub losses: BTreeMap<String, Vec<LossPoint>>,
}

impl<'a> Report<'a> {
    /// Computes the figures of a run; see [`Figures::of`].
    pub fn new(run: &'a Run) -> Self {
        Self { run, figures: Figures::of(run), texts: BTreeMap::new(), losses: BTreeMap::new() }
    }

    /// The rows whose texts a report of at most `limit` rows shows: see [`Disagreements::of`].
    pub fn wanted_texts(&self, limit: usize) -> Vec<ExampleId> {
        Disagreements::of(self.run, &self.figures, limit).rows.into_iter().map(|row| row.id).collect()
    }

    /// The report with the texts of rows.
    pub fn with_texts(self, texts: BTreeMap<ExampleId, String>) -> Self {
        Self { texts, ..self }
    }

    /// The report with the loss curves of trainings.
    pub fn with_losses(self, losses: BTreeMap<String, Vec<LossPoint>>) -> Self {
        Self { losses, ..self }
    }
}
