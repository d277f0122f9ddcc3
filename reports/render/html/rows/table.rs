//! All rows of a run in one order, with the place of each among the rows of every model.

use std::collections::HashMap;

use tunebench_data::{ExampleId, LabelId};

use crate::{Disagreements, Evaluation, Figures, Prediction, Run};

/// A model does not have the row.
const NOWHERE: u32 = u32::MAX;

/// The rows of all models, in the order of the first one; what only others have follows.
pub(super) struct RowTable<'a> {
    models: Vec<&'a Evaluation>,
    ids: Vec<ExampleId>,
    /// Row by row, four bytes for each model.
    places: Vec<u32>,
    kinds: HashMap<ExampleId, u8>,
}

impl<'a> RowTable<'a> {
    /// The models stand in the order of the figures.
    pub(super) fn of(run: &'a Run, figures: &Figures) -> Self {
        let find = |name: &str| run.evaluations.iter().find(|evaluation| evaluation.model == name);
        let models: Vec<_> = figures.models.iter().filter_map(|model| find(&model.model)).collect();
        let (mut ids, mut places, mut rows) = (Vec::new(), Vec::new(), HashMap::new());
        for (model, evaluation) in models.iter().enumerate() {
            for (place, prediction) in evaluation.predictions.iter().enumerate() {
                let row = *rows.entry(prediction.id).or_insert_with(|| {
                    ids.push(prediction.id);
                    places.resize(ids.len() * models.len(), NOWHERE);
                    ids.len() - 1
                });
                let known: &mut u32 = &mut places[row * models.len() + model];
                if *known == NOWHERE {
                    *known = place as u32;
                }
            }
        }
        let kinds = Disagreements::kinds(run, figures).map(|(id, kind)| (id, kind as u8)).collect();
        Self { models, ids, places, kinds }
    }

    /// The ids of the rows, in their order.
    pub(super) fn ids(&self) -> &[ExampleId] {
        &self.ids
    }

    /// How many models there are.
    pub(super) fn models(&self) -> usize {
        self.models.len()
    }

    /// What a model made of a row.
    pub(super) fn prediction(&self, row: usize, model: usize) -> Option<&'a Prediction> {
        let place = *self.places.get(row * self.models.len() + model)?;
        self.models[model].predictions.get(place as usize)
    }

    /// The gold label of a row: that of the first model which has the row.
    pub(super) fn gold(&self, row: usize) -> Option<LabelId> {
        (0..self.models()).find_map(|model| Some(self.prediction(row, model)?.gold))
    }

    /// What makes a row worth reading, as a position in `DisagreementKind::ALL`.
    pub(super) fn kind(&self, row: usize) -> Option<u8> {
        self.kinds.get(&self.ids[row]).copied()
    }
}
