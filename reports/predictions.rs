//! All rows of one model by columns, so that a million of them take 18 MB: a row as a whole takes 32 bytes.
//!
//! Columns begin as zeros, which the system holds no memory for, and what is never told, such as the probability of the gold
//! label, has no column.

use std::fmt;

use tunebench_data::{ExampleId, LabelId, Latency};

use crate::codes::Codes;
use crate::{Answer, InvalidKind, Prediction, Probability, UnansweredKind};

/// What a model made of its rows, in their order. Labels are numbered from 0 to at most 2³² - 33.
#[derive(Clone, PartialEq, Default)]
pub struct Predictions {
    ids: Vec<u64>,
    gold: Codes,
    answers: Codes,
    probabilities: Told,
    gold_probabilities: Told,
    latencies: Told,
}

impl Predictions {
    /// So many rows that have not been asked about, of the id 0 and the label 0.
    pub fn not_asked(rows: usize) -> Self {
        let (ids, codes) = (vec![0; rows], Codes::zeros(rows));
        Self { ids, gold: codes.clone(), answers: codes, ..Self::default() }
    }

    /// No rows yet, but room for so many.
    pub fn with_capacity(rows: usize) -> Self {
        Self { ids: Vec::with_capacity(rows), ..Self::default() }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The row at this place, from 0; none behind the last.
    pub fn get(&self, at: usize) -> Option<Prediction> {
        Some(Prediction {
            id: ExampleId(*self.ids.get(at)?),
            gold: LabelId(self.gold.get(at)?),
            answer: answer_of(self.answers.get(at)?),
            probability: Probability::from_code(self.probabilities.get(at)),
            gold_probability: Probability::from_code(self.gold_probabilities.get(at)),
            latency: Latency::from_micros(self.latencies.get(at)),
        })
    }

    /// The row at this place, from 0.
    ///
    /// # Panics
    /// If there is none.
    pub fn row(&self, at: usize) -> Prediction {
        self.get(at).expect("a place among the rows")
    }

    /// The id of the row at this place: cheaper than the whole row.
    ///
    /// # Panics
    /// If there is none.
    pub fn id(&self, at: usize) -> ExampleId {
        ExampleId(self.ids[at])
    }

    /// Puts another row at this place; nothing happens behind the last.
    pub fn set(&mut self, at: usize, row: Prediction) {
        let Some(id) = self.ids.get_mut(at) else { return };
        *id = row.id.0;
        self.gold.set(at, row.gold.0);
        self.answers.set(at, code_of(row.answer));
        let rows = self.len();
        self.probabilities.set(at, Probability::code(row.probability), rows);
        self.gold_probabilities.set(at, Probability::code(row.gold_probability), rows);
        self.latencies.set(at, row.latency.map_or(0, Latency::as_micros), rows);
    }

    /// Adds a row at the end.
    pub fn push(&mut self, row: Prediction) {
        let at = self.len();
        self.ids.push(row.id.0);
        self.gold.push(0);
        self.answers.push(0);
        self.set(at, row);
    }

    /// The rows, in their order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rows: self, places: 0..self.len() }
    }

    /// Whether some row tells the probability of its gold label.
    pub fn tell_gold_probabilities(&self) -> bool {
        self.gold_probabilities.any()
    }

    /// Whether these are the same rows in the same order.
    pub(crate) fn are_of_the_rows_of(&self, others: &Self) -> bool {
        self.ids == others.ids
    }

    /// The places of the rows in the order of their ids, four bytes a row.
    pub(crate) fn by_id(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by_key(|at| self.ids[*at as usize]);
        order
    }
}

/// The number that stands for an answer: 0 for a row that was not asked about, then the other kinds, then the labels.
fn code_of(answer: Answer) -> u32 {
    match answer {
        Answer::Unanswered(UnansweredKind::NotAsked) => 0,
        Answer::Unanswered(kind) => 1 + kind as u32,
        Answer::Invalid(kind) => FIRST_INVALID + kind as u32,
        Answer::Label(label) => label.0.saturating_add(FIRST_LABEL),
    }
}

fn answer_of(code: u32) -> Answer {
    let unanswered = |code: u32| UnansweredKind::ALL.get(code as usize).copied().map(Answer::Unanswered);
    let invalid = |code: u32| InvalidKind::ALL.get(code as usize).copied().map(Answer::Invalid);
    let kind = match code {
        FIRST_LABEL.. => Some(Answer::Label(LabelId(code - FIRST_LABEL))),
        FIRST_INVALID.. => invalid(code - FIRST_INVALID),
        1.. => unanswered(code - 1),
        0 => None,
    };
    kind.unwrap_or(Answer::Unanswered(UnansweredKind::NotAsked))
}

const FIRST_INVALID: u32 = 1 + UnansweredKind::ALL.len() as u32;
const FIRST_LABEL: u32 = FIRST_INVALID + InvalidKind::ALL.len() as u32;

/// A column of numbers other than 0, where they are told; it takes memory from the first of them on.
#[derive(Clone, Default)]
struct Told(Vec<u32>);

impl Told {
    /// The number of a row; 0 where it is not told.
    fn get(&self, at: usize) -> u32 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// Sets the number of one of so many rows.
    fn set(&mut self, at: usize, number: u32, rows: usize) {
        match self.0.get_mut(at) {
            Some(place) => *place = number,
            None if number == 0 => {}
            None => {
                if self.0.is_empty() {
                    self.0 = vec![0; rows];
                } else {
                    self.0.resize(rows, 0);
                }
                self.0[at] = number;
            }
        }
    }

    fn any(&self) -> bool {
        self.0.iter().any(|number| *number > 0)
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        (0..self.0.len().max(other.0.len())).all(|at| self.get(at) == other.get(at))
    }
}

/// The rows of [`Predictions`], in their order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    rows: &'a Predictions,
    places: std::ops::Range<usize>,
}

impl Iterator for Iter<'_> {
    type Item = Prediction;

    fn next(&mut self) -> Option<Prediction> {
        self.rows.get(self.places.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Prediction> {
        self.rows.get(self.places.next_back()?)
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Predictions {
    type Item = Prediction;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Extend<Prediction> for Predictions {
    fn extend<I: IntoIterator<Item = Prediction>>(&mut self, rows: I) {
        rows.into_iter().for_each(|row| self.push(row));
    }
}

impl FromIterator<Prediction> for Predictions {
    fn from_iter<I: IntoIterator<Item = Prediction>>(rows: I) -> Self {
        let rows = rows.into_iter();
        let mut all = Self::with_capacity(rows.size_hint().0);
        all.extend(rows);
        all
    }
}

impl From<Vec<Prediction>> for Predictions {
    fn from(rows: Vec<Prediction>) -> Self {
        rows.into_iter().collect()
    }
}

impl fmt::Debug for Predictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_predictions;

    /// Rows of few labels, of so many that they take two bytes, and of more.
    fn any_rows() -> impl Strategy<Value = Vec<Prediction>> {
        prop::sample::select(vec![3, 300, 70_000, u32::MAX - 32])
            .prop_flat_map(|labels| any_predictions(labels).prop_map(|rows| rows.iter().collect()))
    }

    proptest! {
        #[test]
        fn columns_hold_what_rows_hold(
            rows in any_rows(), others in any_rows(), places in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let mut columns: Predictions = rows.iter().copied().collect();
            prop_assert_eq!(columns.iter().collect::<Vec<_>>(), rows.clone());
            prop_assert_eq!((columns.len(), columns.get(rows.len())), (rows.len(), None));
            let mut expected = rows.clone();
            for (other, place) in others.iter().zip(places).filter(|_| !rows.is_empty()) {
                let at = place.index(rows.len());
                expected[at] = *other;
                columns.set(at, *other);
            }
            prop_assert_eq!(columns.iter().rev().collect::<Vec<_>>(), expected.iter().rev().copied().collect::<Vec<_>>());
            prop_assert!(expected.iter().enumerate().all(|(at, row)| columns.row(at) == *row && columns.id(at) == row.id));
            prop_assert_eq!(columns.tell_gold_probabilities(), expected.iter().any(|row| row.gold_probability.is_some()));
            // However it came about, the same rows are the same.
            let mut set = Predictions::not_asked(expected.len());
            expected.iter().enumerate().rev().for_each(|(at, row)| set.set(at, *row));
            prop_assert_eq!(&set, &columns);
            prop_assert_eq!(&Predictions::from(expected), &columns);
        }

        #[test]
        fn rows_that_differ_are_different(rows in any_rows(), other in any_rows(), place in any::<prop::sample::Index>()) {
            prop_assume!(!rows.is_empty() && !other.is_empty());
            let columns: Predictions = rows.iter().copied().collect();
            let (at, mut changed) = (place.index(rows.len()), columns.clone());
            changed.set(at, other[0]);
            prop_assert_eq!(changed == columns, rows[at] == other[0]);
            changed.push(other[0]);
            prop_assert_ne!(changed, columns);
        }
    }

    #[test]
    fn every_answer_has_a_code_of_its_own() {
        let kinds = UnansweredKind::ALL.iter().copied().map(Answer::Unanswered);
        let answers = kinds.chain(InvalidKind::ALL.iter().copied().map(Answer::Invalid));
        for answer in answers.chain([0, 1, u32::MAX - FIRST_LABEL].map(|label| Answer::Label(LabelId(label))))
        {
            assert_eq!(answer_of(code_of(answer)), answer);
        }
        let unknown = Predictions::not_asked(2).row(1);
        assert_eq!(unknown.answer, Answer::Unanswered(UnansweredKind::NotAsked));
        assert_eq!((unknown.probability, unknown.latency), (None, None));
    }

    #[test]
    fn a_row_takes_eighteen_bytes_and_what_is_not_told_none() {
        let mut rows = Predictions::not_asked(100);
        let told = Prediction {
            latency: Latency::from_micros(1),
            probability: Probability::new(0.5),
            ..rows.row(0)
        };
        assert!(rows.probabilities.0.is_empty() && rows.latencies.0.is_empty());
        rows.set(50, told);
        rows.set(51, Prediction { gold: LabelId(1), answer: Answer::Label(LabelId(1)), ..told });
        assert_eq!(
            [&rows.probabilities, &rows.latencies, &rows.gold_probabilities].map(|column| column.0.len()),
            [100, 100, 0]
        );
        assert!(matches!((&rows.gold, &rows.answers), (Codes::Bytes(_), Codes::Bytes(_))));
    }
}
