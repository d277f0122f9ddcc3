//! All rows of a run in one order, with the place of each among the rows of every model.

use hashbrown::HashTable;
use tunebench_data::{ExampleId, LabelId};

use crate::{Disagreements, Evaluation, Figures, Prediction, Run, Slices};

/// A model does not have the row.
const NOWHERE: u32 = u32::MAX;
/// The row is not worth reading.
const NOTHING: u8 = u8::MAX;

/// The rows of all models, in the order of the first one; what only others have follows.
pub(super) struct RowTable<'a> {
    models: Vec<&'a Evaluation>,
    ids: Vec<ExampleId>,
    /// Row by row, four bytes for each model.
    places: Vec<u32>,
    /// Row by row what makes it worth reading, or [`NOTHING`].
    kinds: Vec<u8>,
}

impl<'a> RowTable<'a> {
    /// The models stand in the order of the figures.
    pub(super) fn of(run: &'a Run, figures: &Figures) -> Self {
        let find = |name: &str| run.evaluations.iter().find(|evaluation| evaluation.model == name);
        let models: Vec<_> = figures.models.iter().filter_map(|model| find(&model.model)).collect();
        let expected = models.first().map_or(0, |model| model.predictions.len());
        let mut ids: Vec<ExampleId> = Vec::with_capacity(expected);
        let mut places: Vec<u32> = Vec::with_capacity(expected * models.len());
        // The rows by their ids, which are hashes: four bytes a row.
        let mut rows = HashTable::with_capacity(expected);
        for (model, evaluation) in models.iter().enumerate() {
            for (place, prediction) in evaluation.predictions.iter().enumerate() {
                let id = prediction.id;
                let hash = |row: &u32| ids[*row as usize].0;
                let known = rows.entry(id.0, |row| ids[*row as usize] == id, hash);
                let row = *known.or_insert(ids.len() as u32).get() as usize;
                if row == ids.len() {
                    ids.push(id);
                    places.resize(ids.len() * models.len(), NOWHERE);
                }
                let known = &mut places[row * models.len() + model];
                if *known == NOWHERE {
                    *known = place as u32;
                }
            }
        }
        let mut kinds = vec![NOTHING; ids.len()];
        for (id, kind) in Disagreements::kinds(run, figures) {
            if let Some(row) = rows.find(id.0, |row| ids[*row as usize] == id) {
                kinds[*row as usize] = kind as u8;
            }
        }
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

    /// The first model that knows how its rows are parted, and how; none where none does.
    fn parted(&self) -> Option<(usize, &'a Slices)> {
        let slices = self.models.iter().map(|model| model.slices.as_deref());
        slices.enumerate().find_map(|(model, slices)| Some((model, slices?)))
    }

    /// The properties by which rows can be chosen, with their values.
    pub(super) fn properties(&self) -> Vec<(&'a str, Vec<&'a str>)> {
        let parted = self.parted().into_iter();
        parted.flat_map(|(_, slices)| slices.choices()).map(|(name, values, _)| (name, values)).collect()
    }

    /// Of a property the value of each row, by its number.
    pub(super) fn values(&self, property: usize) -> impl Fn(usize) -> Option<usize> + Clone + '_ {
        let parted =
            self.parted().and_then(|(model, slices)| Some((model, slices.choices().nth(property)?.2)));
        move |row| {
            let (model, values) = parted?;
            let place = *self.places.get(row * self.models.len() + model)?;
            values.get(place as usize).map(|value| *value as usize)
        }
    }

    /// The gold label of a row: that of the first model which has the row.
    pub(super) fn gold(&self, row: usize) -> Option<LabelId> {
        (0..self.models()).find_map(|model| Some(self.prediction(row, model)?.gold))
    }

    /// What makes a row worth reading, as a position in `DisagreementKind::ALL`.
    pub(super) fn kind(&self, row: usize) -> Option<u8> {
        self.kinds.get(row).copied().filter(|kind| *kind != NOTHING)
    }
}
