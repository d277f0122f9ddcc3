//! The rows that one of two models gets right and the other does not: what a change of model wins and loses.

use tunebench_data::{ExampleId, LabelId};

use crate::{Answer, Evaluation, pairs};

/// A row that one of two models gets right and the other does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub id: ExampleId,
    /// Its gold label, which is the answer of the model that is right.
    pub gold: LabelId,
    /// What the model that is wrong made of it.
    pub wrong: Answer,
}

/// The rows of two models that differ, of those that both answered: as many as wanted of each kind, in the order of their
/// ids. Those are hashes, so that a part of the rows favours none. How many there are in all says
/// [`Paired`](crate::Paired).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The base is right, the tuned model is not.
    pub worse: Vec<Change>,
    /// The tuned model is right, the base is not.
    pub better: Vec<Change>,
}

impl Changes {
    /// At most so many rows that got worse, and so many that got better.
    pub fn of(base: &Evaluation, tuned: &Evaluation, worse: usize, better: usize) -> Self {
        let mut changes = Self::default();
        for pair in pairs(&base.predictions, &tuned.predictions) {
            let Some([b, t]) = pair.answered() else { continue };
            let (kind, limit, wrong) = match pair.correct() {
                Some([true, false]) => (&mut changes.worse, worse, t.answer),
                Some([false, true]) => (&mut changes.better, better, b.answer),
                _ => continue,
            };
            if kind.len() < limit {
                kind.push(Change { id: pair.id, gold: b.gold, wrong });
            }
        }
        changes
    }

    /// The rows of both kinds.
    pub fn ids(&self) -> impl Iterator<Item = ExampleId> {
        self.worse.iter().chain(&self.better).map(|change| change.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::predictions;
    use crate::{InvalidKind, Paired};

    #[test]
    fn only_rows_that_both_answered_change() {
        let evaluation = |answers| Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: predictions("aaaaaaaa", answers),
            clusters: None,
            slices: None,
        };
        let (base, tuned) = (evaluation("aabbaa?b"), evaluation("ab!abbaa"));
        let all = Changes::of(&base, &tuned, 9, 9);
        let rows = |changes: &[Change]| changes.iter().map(|change| change.id.0).collect::<Vec<_>>();
        assert_eq!((rows(&all.worse), rows(&all.better)), (vec![1, 4, 5], vec![3, 7]));
        let paired = Paired::of(&base.predictions, &tuned.predictions);
        assert_eq!((paired.only_base, paired.only_tuned), (3, 2));
        assert_eq!(all.worse[0].wrong, Answer::Label(LabelId(1)));
        let one = Changes::of(&evaluation("aaaaaaaa"), &evaluation("!aaaaaab"), 1, 0);
        assert_eq!((rows(&one.worse), one.better.len()), (vec![0], 0));
        assert_eq!(one.worse[0].wrong, Answer::Invalid(InvalidKind::NoLabel));
    }
}
