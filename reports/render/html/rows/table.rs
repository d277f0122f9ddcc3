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
    /// The rows that the first model does not have.
    further: Vec<ExampleId>,
    /// Of each model where it has each row; none where its rows are those of the first model, in the same order.
    places: Vec<Option<Vec<u32>>>,
    /// Row by row what makes it worth reading, or [`NOTHING`].
    kinds: Vec<u8>,
}

impl<'a> RowTable<'a> {
    /// The models stand in the order of the figures.
    pub(super) fn of(run: &'a Run, figures: &Figures) -> Self {
        let find = |name: &str| run.evaluations.iter().find(|evaluation| evaluation.model == name);
        let models: Vec<_> = figures.models.iter().filter_map(|model| find(&model.model)).collect();
        let mut table = Self { models, further: Vec::new(), places: Vec::new(), kinds: Vec::new() };
        let same = |one: &&Evaluation| one.predictions.are_of_the_rows_of(&table.models[0].predictions);
        let index = if table.models.iter().all(same) {
            table.places.resize(table.models.len(), None);
            None
        } else {
            Some(table.find_places())
        };
        table.kinds.resize(table.len(), NOTHING);
        for (kind, model, place) in Disagreements::kinds(run, figures) {
            let row = match &index {
                None => Some(place),
                Some(index) => table.find(index, table.models[model].predictions.id(place)),
            };
            if let Some(row) = row {
                table.kinds[row] = kind as u8;
            }
        }
        table
    }

    /// How many rows the first model has.
    fn of_first(&self) -> usize {
        self.models.first().map_or(0, |model| model.predictions.len())
    }

    /// Finds out where each model has each row. What comes of it are the rows by their ids, which are hashes: four bytes a row.
    fn find_places(&mut self) -> HashTable<u32> {
        let models = self.models.clone();
        let mut index = HashTable::with_capacity(self.of_first());
        for row in 0..self.of_first() {
            index.insert_unique(self.id(row).0, row as u32, |row| self.id(*row as usize).0);
        }
        for model in models {
            let mut places = vec![NOWHERE; self.len()];
            for (place, prediction) in model.predictions.iter().enumerate() {
                let row = self.find(&index, prediction.id).unwrap_or_else(|| {
                    self.further.push(prediction.id);
                    let row = self.len() - 1;
                    index.insert_unique(prediction.id.0, row as u32, |row| self.id(*row as usize).0);
                    places.push(NOWHERE);
                    row
                });
                if places[row] == NOWHERE {
                    places[row] = place as u32;
                }
            }
            self.places.push(Some(places));
        }
        index
    }

    fn find(&self, index: &HashTable<u32>, id: ExampleId) -> Option<usize> {
        index.find(id.0, |row| self.id(*row as usize) == id).map(|row| *row as usize)
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.of_first() + self.further.len()
    }

    /// The id of one of these rows.
    pub(super) fn id(&self, row: usize) -> ExampleId {
        match row.checked_sub(self.of_first()) {
            None => self.models[0].predictions.id(row),
            Some(further) => self.further[further],
        }
    }

    /// Where a model has a row.
    fn place(&self, row: usize, model: usize) -> Option<usize> {
        match self.places.get(model)? {
            None => Some(row),
            Some(places) => places.get(row).map(|place| *place as usize),
        }
    }

    /// How many models there are.
    pub(super) fn models(&self) -> usize {
        self.models.len()
    }

    /// What a model made of a row.
    pub(super) fn prediction(&self, row: usize, model: usize) -> Option<Prediction> {
        self.models[model].predictions.get(self.place(row, model)?)
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
            values.get(self.place(row, model)?).map(|value| value as usize)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{predictions, run};

    #[test]
    fn rows_are_found_in_each_model_whatever_their_order() {
        let rows = predictions("aabb", "abab");
        let mut other = predictions("aabba", "abbba");
        other = other.iter().rev().filter(|row| row.id.0 != 1).collect();
        for (second, order) in [(rows.clone(), vec![0, 1, 2, 3]), (other, vec![0, 1, 2, 3, 4])] {
            let run = run(&["a", "b"], vec![("m", None, rows.clone()), ("t", Some("m"), second)]);
            let table = RowTable::of(&run, &Figures::of(&run));
            assert_eq!((0..table.len()).map(|row| table.id(row).0).collect::<Vec<_>>(), order);
            for (model, evaluation) in run.evaluations.iter().enumerate() {
                for row in 0..table.len() {
                    let id = table.id(row);
                    let expected = evaluation.predictions.iter().find(|row| row.id == id);
                    assert_eq!(table.prediction(row, model), expected);
                }
            }
            let kinds: Vec<_> = Disagreements::kinds(&run, &Figures::of(&run)).collect();
            assert_eq!((0..table.len()).filter(|row| table.kind(*row).is_some()).count(), kinds.len());
        }
    }
}
