//! What every renderer is given: a run, its figures, and what else a reader wants to see.

use std::collections::BTreeMap;

use tunebench_data::ExampleId;

use crate::render::html::PageRows;
use crate::{Caveat, Disagreements, Figures, LossPoint, Run};

/// A run together with its figures: what every renderer is given.
#[derive(Debug)]
pub struct Report<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its figures.
    pub figures: Figures,
    /// The texts of rows, where the data is at hand; see [`wanted_texts`](Self::wanted_texts).
    pub texts: BTreeMap<ExampleId, String>,
    /// All rows as the page shows them, where they were collected; else it shows what is known here.
    pub rows: Option<PageRows>,
    /// Some answers that name no label, by the reference of the model; see [`unreadable_models`](Self::unreadable_models).
    pub unreadable_answers: BTreeMap<String, Vec<String>>,
    /// The loss curves of trainings, by the reference of the tuned model.
    pub losses: BTreeMap<String, Vec<LossPoint>>,
    /// Earlier runs of the same models on the same rows, by the reference of the model, the oldest first.
    pub history: BTreeMap<String, Vec<PastRun>>,
}

/// How a model did in an earlier run.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    /// The run.
    pub id: String,
    /// When it began, in RFC 3339.
    pub started: String,
    /// The share of right answers.
    pub accuracy: f64,
}

impl<'a> Report<'a> {
    /// Computes the figures of a run; see [`Figures::of`].
    pub fn new(run: &'a Run) -> Self {
        let (texts, rows, unreadable_answers, losses, history) = Default::default();
        Self { run, figures: Figures::of(run), texts, rows, unreadable_answers, losses, history }
    }

    /// The rows whose texts a report of at most `limit` rows shows: see [`Disagreements::of`].
    pub fn wanted_texts(&self, limit: usize) -> Vec<ExampleId> {
        Disagreements::of(self.run, &self.figures, limit).rows.into_iter().map(|row| row.id).collect()
    }

    /// The report with the texts of rows.
    pub fn with_texts(self, texts: BTreeMap<ExampleId, String>) -> Self {
        Self { texts, ..self }
    }

    /// The models so many of whose answers name no label that there is no verdict: some of these answers should be shown.
    pub fn unreadable_models(&self) -> impl Iterator<Item = &str> {
        self.figures.doubts.iter().filter_map(|doubt| match doubt {
            Caveat::Unreadable { model, .. } => Some(model.as_str()),
            _ => None,
        })
    }

    /// The report with some answers that name no label, by the reference of the model.
    pub fn with_unreadable_answers(self, unreadable_answers: BTreeMap<String, Vec<String>>) -> Self {
        Self { unreadable_answers, ..self }
    }

    /// The report with all rows as the page shows them.
    pub fn with_rows(self, rows: PageRows) -> Self {
        Self { rows: Some(rows), ..self }
    }

    /// The report with what earlier runs say of its models, the oldest first.
    pub fn with_history(mut self, past: impl IntoIterator<Item = (String, PastRun)>) -> Self {
        for (model, run) in past {
            self.history.entry(model).or_default().push(run);
        }
        self
    }

    /// The report with the loss curves of trainings.
    pub fn with_losses(self, losses: BTreeMap<String, Vec<LossPoint>>) -> Self {
        Self { losses, ..self }
    }
}
