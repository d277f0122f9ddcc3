//! The rows of two models, side by side.
//!
//! Rows are matched by their id, never by their position, and only rows that both answered are compared.

use std::cmp::Ordering;

use serde::Serialize;
use tunebench_data::ExampleId;

use crate::confusion::ratio;
use crate::{Outcome, Prediction, Predictions};

/// One row of two models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowPair {
    /// The row.
    pub id: ExampleId,
    /// What the base made of it; none when it has no such row, or several of this id.
    pub base: Option<Prediction>,
    /// What the tuned model made of it; none as with the base.
    pub tuned: Option<Prediction>,
    /// Where the row stands among the rows of either, from 0.
    pub places: [Option<usize>; 2],
}

impl RowPair {
    /// Both predictions, base first, if both answered: only such a row is compared.
    pub fn answered(&self) -> Option<[Prediction; 2]> {
        Some([self.base?, self.tuned?]).filter(|both| both.iter().all(Prediction::is_answered))
    }

    /// Whether base and tuned model were right; none unless both answered.
    pub fn correct(&self) -> Option<[bool; 2]> {
        self.answered().map(|both| both.map(|row| row.outcome() == Outcome::Correct))
    }
}

/// Every row that either model has, in the order of the ids.
///
/// Takes four bytes for each row beside the rows themselves.
pub fn pairs<'a>(
    base_rows: &'a Predictions,
    tuned_rows: &'a Predictions,
) -> impl Iterator<Item = RowPair> + use<'a> {
    let (mut base, mut tuned) = (Rows::new(base_rows).peekable(), Rows::new(tuned_rows).peekable());
    std::iter::from_fn(move || {
        let order = match (base.peek(), tuned.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((b, _)), Some((t, _))) => b.cmp(t),
        };
        let b = if order.is_le() { base.next() } else { None };
        let t = if order.is_ge() { tuned.next() } else { None };
        let (id, _) = b.or(t)?;
        let [(base, b), (tuned, t)] = [(base_rows, b), (tuned_rows, t)].map(|(rows, found)| {
            let place = found.and_then(|(_, place)| place);
            (place.map(|place| rows.row(place)), place)
        });
        Some(RowPair { id, base, tuned, places: [b, t] })
    })
}

/// The rows of one model by their ids; nobody knows which of several with one id is the right one.
struct Rows<'a> {
    rows: &'a Predictions,
    /// Positions in the order of their ids: four bytes a row rather than a copy of it.
    order: std::iter::Peekable<std::vec::IntoIter<u32>>,
}

impl<'a> Rows<'a> {
    fn new(rows: &'a Predictions) -> Self {
        Self { rows, order: rows.by_id().into_iter().peekable() }
    }
}

impl Iterator for Rows<'_> {
    type Item = (ExampleId, Option<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows;
        let place = self.order.next()? as usize;
        let id = rows.id(place);
        let mut unique = true;
        while self.order.next_if(|&i| rows.id(i as usize) == id).is_some() {
            unique = false;
        }
        Some((id, unique.then_some(place)))
    }
}

/// How the rows of two models came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Paired {
    /// Both were right.
    pub both_correct: u64,
    /// Only the base was right.
    pub only_base: u64,
    /// Only the tuned model was right.
    pub only_tuned: u64,
    /// Both were wrong, or gave invalid answers.
    pub both_wrong: u64,
    /// Rows that are not compared: not answered by both, present in one only, or present twice in one.
    pub left_out: u64,
}

impl Paired {
    /// Matches the rows of both by their ids; see [`pairs`].
    pub fn of(base: &Predictions, tuned: &Predictions) -> Self {
        let mut paired = Self::default();
        for pair in pairs(base, tuned) {
            paired.add(&pair);
        }
        paired
    }

    pub(crate) fn add(&mut self, pair: &RowPair) {
        *match pair.correct() {
            Some([true, true]) => &mut self.both_correct,
            Some([true, false]) => &mut self.only_base,
            Some([false, true]) => &mut self.only_tuned,
            Some([false, false]) => &mut self.both_wrong,
            None => &mut self.left_out,
        } += 1;
    }

    /// The rows that are compared.
    pub fn compared(&self) -> u64 {
        self.both_correct + self.only_base + self.only_tuned + self.both_wrong
    }

    /// The compared rows that only one of the two got right: the only ones that tell them apart.
    pub fn discordant(&self) -> u64 {
        self.only_base + self.only_tuned
    }

    /// The compared share of all rows that either model has, 0 to 1.
    pub fn coverage(&self) -> Option<f64> {
        ratio(self.compared(), self.compared() + self.left_out)
    }

    /// The accuracy of the base over the compared rows.
    pub fn base_accuracy(&self) -> Option<f64> {
        ratio(self.both_correct + self.only_base, self.compared())
    }

    /// The accuracy of the tuned model over the compared rows.
    pub fn tuned_accuracy(&self) -> Option<f64> {
        ratio(self.both_correct + self.only_tuned, self.compared())
    }

    /// The accuracy of the tuned model minus that of the base, over the compared rows: -1 to 1.
    pub fn difference(&self) -> Option<f64> {
        let compared = self.compared();
        (compared > 0).then(|| (self.only_tuned as f64 - self.only_base as f64) / compared as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, changed, predictions};

    #[test]
    fn an_id_that_stands_twice_is_paired_with_nothing() {
        let base =
            changed(&predictions("aab", "aab"), |at, row| row.id.0 = if at == 1 { 0 } else { row.id.0 });
        let paired = Paired::of(&base, &predictions("aab", "aab"));
        assert_eq!((paired.compared(), paired.left_out), (1, 2));
    }

    #[test]
    fn every_row_of_either_comes_once_and_in_order() {
        let (base, tuned) = (predictions("aab", "ab?"), predictions("aabb", "ab!b"));
        let base = base.iter().rev().collect();
        let rows: Vec<_> = pairs(&base, &tuned).map(|pair| (pair.id.0, pair.correct())).collect();
        let expected = [(0, Some([true, true])), (1, Some([false, false])), (2, None), (3, None)];
        assert_eq!(rows, expected);
        let last = pairs(&base, &tuned).last().unwrap();
        assert!(last.base.is_none() && last.tuned == Some(tuned.row(3)));
    }

    proptest! {
        #[test]
        fn order_of_the_rows_does_not_matter(
            (base, shuffled) in any_predictions(3).prop_flat_map(|rows| (Just(rows.clone()), Just(Vec::from_iter(&rows)).prop_shuffle())),
            other in any_predictions(3),
            cut in any::<prop::sample::Index>(),
        ) {
            // The two share some rows, with answers of their own.
            let mut tuned = other;
            tuned.extend(base.iter().take(if base.is_empty() { 0 } else { cut.index(base.len()) }).map(|p| {
                Prediction { answer: crate::Answer::Label(p.gold), ..p }
            }));
            let forward = Paired::of(&base, &tuned);
            let tuned = tuned.iter().rev().collect();
            prop_assert_eq!(forward, Paired::of(&shuffled.into(), &tuned));
            let backward = Paired::of(&tuned, &base);
            prop_assert_eq!(forward.only_base, backward.only_tuned);
            prop_assert_eq!(forward.left_out, backward.left_out);
        }
    }
}
