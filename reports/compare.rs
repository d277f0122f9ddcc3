//! Two models on the same rows: which got right what the other got wrong, and whether that proves anything.
//!
//! Rows are matched by their id, never by their position, and only rows that both answered are compared.

use std::cmp::Ordering;

use serde::Serialize;

use crate::confusion::ratio;
use crate::words::words;
use crate::{Evaluation, Outcome, Prediction, mcnemar_exact};

/// A difference counts as proven when the p-value is at most this.
pub const ALPHA: f64 = 0.05;

words! {
    /// What a comparison says of the tuned model, measured by its base.
    Verdict {
        /// More accurate, at the level of [`ALPHA`].
        Better = "better",
        /// Less accurate, at the level of [`ALPHA`].
        Worse = "worse",
        /// The rows do not prove a difference; this is no proof that there is none.
        NotProven = "not_proven",
        /// Too few of the rows were answered by both to say anything.
        Incomplete = "incomplete",
    }
}

/// The rows of two models, side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
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
    /// Matches the rows of both by their ids.
    pub fn of(base: &[Prediction], tuned: &[Prediction]) -> Self {
        let (base_order, tuned_order) = (by_id(base), by_id(tuned));
        let (mut left, mut right) = (Groups::new(base, &base_order), Groups::new(tuned, &tuned_order));
        let (mut base_next, mut tuned_next) = (left.next(), right.next());
        let mut paired = Self::default();
        loop {
            let order = match (&base_next, &tuned_next) {
                (None, None) => return paired,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(b), Some(t)) => b.first.id.cmp(&t.first.id),
            };
            let b = if order.is_le() { std::mem::replace(&mut base_next, left.next()) } else { None };
            let t = if order.is_ge() { std::mem::replace(&mut tuned_next, right.next()) } else { None };
            match (b.and_then(Group::answered), t.and_then(Group::answered)) {
                (Some(true), Some(true)) => paired.both_correct += 1,
                (Some(true), Some(false)) => paired.only_base += 1,
                (Some(false), Some(true)) => paired.only_tuned += 1,
                (Some(false), Some(false)) => paired.both_wrong += 1,
                _ => paired.left_out += 1,
            }
        }
    }

    /// The rows that are compared.
    pub fn compared(&self) -> u64 {
        self.both_correct + self.only_base + self.only_tuned + self.both_wrong
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

/// Positions in the order of their ids: four bytes a row rather than a copy of it.
fn by_id(rows: &[Prediction]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows.len()).map(|i| i as u32).collect();
    order.sort_unstable_by_key(|&i| rows[i as usize].id);
    order
}

/// All rows of one id: one, unless something is wrong.
struct Group<'a> {
    first: &'a Prediction,
    unique: bool,
}

impl Group<'_> {
    /// Whether the answer is correct; none without an answer, or when nobody knows which of several it is.
    fn answered(self) -> Option<bool> {
        (self.unique && self.first.is_answered()).then(|| self.first.outcome() == Outcome::Correct)
    }
}

struct Groups<'a> {
    rows: &'a [Prediction],
    order: &'a [u32],
}

impl<'a> Groups<'a> {
    fn new(rows: &'a [Prediction], order: &'a [u32]) -> Self {
        Self { rows, order }
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        let first = &self.rows[*self.order.first()? as usize];
        let size = self.order.iter().take_while(|&&i| self.rows[i as usize].id == first.id).count();
        self.order = &self.order[size..];
        Some(Group { first, unique: size == 1 })
    }
}

/// A base model and a model that was tuned from it, or any two models on the same rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The reference of the base.
    pub base: String,
    /// The reference of the tuned model.
    pub tuned: String,
    /// The rows of both.
    pub paired: Paired,
    /// See [`Paired::difference`]; none when the verdict is [`Verdict::Incomplete`].
    pub difference: Option<f64>,
    /// See [`mcnemar_exact`]; none when the verdict is [`Verdict::Incomplete`].
    pub mcnemar_p: Option<f64>,
    /// What follows.
    pub verdict: Verdict,
}

impl Comparison {
    /// Whether the one was tuned from the other, rather than being its possible replacement.
    pub(crate) fn is_own_base(&self, figures: &crate::Figures) -> bool {
        figures.model(&self.tuned).is_some_and(|tuned| tuned.tuned_from.as_ref() == Some(&self.base))
    }

    /// Compares two models; incomplete when the rows that both answered are a smaller share than
    /// `min_coverage` of all rows that either has, even if each model alone reaches it.
    pub fn of(base: &Evaluation, tuned: &Evaluation, min_coverage: f64) -> Self {
        let paired = Paired::of(&base.predictions, &tuned.predictions);
        let complete = paired.coverage().is_some_and(|coverage| coverage > 0.0 && coverage >= min_coverage);
        let mcnemar_p = complete.then(|| mcnemar_exact(paired.only_base, paired.only_tuned));
        let verdict = match (mcnemar_p, paired.only_tuned.cmp(&paired.only_base)) {
            (None, _) => Verdict::Incomplete,
            (Some(p), Ordering::Greater) if p <= ALPHA => Verdict::Better,
            (Some(p), Ordering::Less) if p <= ALPHA => Verdict::Worse,
            _ => Verdict::NotProven,
        };
        Self {
            base: base.model.clone(),
            tuned: tuned.model.clone(),
            paired,
            difference: paired.difference().filter(|_| complete),
            mcnemar_p,
            verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, predictions};

    fn compare(gold: &str, base: &str, tuned: &str, min_coverage: f64) -> Comparison {
        let evaluation = |model: &str, answers| Evaluation {
            model: model.to_owned(),
            tuned_from: None,
            predictions: predictions(gold, answers),
            groups: None,
        };
        Comparison::of(&evaluation("base", base), &evaluation("tuned", tuned), min_coverage)
    }

    #[test]
    fn counts_only_what_both_answered() {
        let comparison = compare("aaaaaaa", "aab!?ab", "abab??a", 0.5);
        let expected = Paired { both_correct: 1, only_base: 1, only_tuned: 2, both_wrong: 1, left_out: 2 };
        assert_eq!(comparison.paired, expected);
        assert_eq!(comparison.difference, Some(0.2));
        assert_eq!(comparison.mcnemar_p, Some(1.0));
        assert_eq!(comparison.verdict, Verdict::NotProven);
    }

    #[test]
    fn six_rows_are_the_fewest_that_prove_anything() {
        assert_eq!(compare("aaaaa", "bbbbb", "aaaaa", 1.0).verdict, Verdict::NotProven);
        assert_eq!(compare("aaaaaa", "bbbbbb", "aaaaaa", 1.0).verdict, Verdict::Better);
        assert_eq!(compare("aaaaaa", "aaaaaa", "!!bbbb", 1.0).verdict, Verdict::Worse);
    }

    #[test]
    fn below_the_limit_nothing_is_said() {
        // Each answered 90 %, both together only 80 %.
        let comparison = compare("aaaaaaaaaa", "?bbbbbbbbb", "aaaaaaaaa?", 0.9);
        assert_eq!(comparison.verdict, Verdict::Incomplete);
        assert_eq!((comparison.difference, comparison.mcnemar_p), (None, None));
        assert_eq!(compare("", "", "", 0.0).verdict, Verdict::Incomplete);
        assert_eq!(compare("a", "?", "a", 0.0).verdict, Verdict::Incomplete);
    }

    #[test]
    fn an_id_that_stands_twice_is_paired_with_nothing() {
        let mut base = predictions("aab", "aab");
        base[1].id = base[0].id;
        let paired = Paired::of(&base, &predictions("aab", "aab"));
        assert_eq!((paired.compared(), paired.left_out), (1, 2));
    }

    proptest! {
        #[test]
        fn order_of_the_rows_does_not_matter(
            (base, shuffled) in any_predictions(3).prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
            other in any_predictions(3),
            cut in any::<prop::sample::Index>(),
        ) {
            // The two share some rows, with answers of their own.
            let mut tuned = other;
            tuned.extend(base.iter().take(if base.is_empty() { 0 } else { cut.index(base.len()) }).map(|p| {
                Prediction { answer: crate::Answer::Label(p.gold), ..*p }
            }));
            let forward = Paired::of(&base, &tuned);
            tuned.reverse();
            prop_assert_eq!(forward, Paired::of(&shuffled, &tuned));
            let backward = Paired::of(&tuned, &base);
            prop_assert_eq!(forward.only_base, backward.only_tuned);
            prop_assert_eq!(forward.left_out, backward.left_out);
        }
    }
}
