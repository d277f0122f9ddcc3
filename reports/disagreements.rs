//! The rows worth reading: those on which models differ, and those that none gets right.
//!
//! All are counted; as many as wanted are chosen. The choice depends on nothing but the answers.

use tunebench_data::{ExampleId, LabelId};

use crate::words::words;
use crate::{Answer, Evaluation, Figures, Outcome, Prediction, Predictions, Run};

words! {
    /// What makes a row worth reading; each row has at most one, the first that fits.
    DisagreementKind {
        /// In a comparison the base is right and the tuned model is not.
        Worse = "worse",
        /// In a comparison the tuned model is right and the base is not.
        Better = "better",
        /// Some models are right and others are not, where nothing says which of them are to be compared.
        Split = "split",
        /// All of the models answered, and none is right.
        Wrong = "wrong",
    }
}

/// A row worth reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// The row.
    pub id: ExampleId,
    /// Its gold label.
    pub gold: LabelId,
    /// What makes it worth reading.
    pub kind: DisagreementKind,
    /// The answers, one for each of [`Disagreements::models`]; none where a model does not have the row.
    pub answers: Vec<Option<Answer>>,
}

/// The rows worth reading: how many there are of each kind, and a choice of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreements {
    /// The models that take part, as positions in [`Figures::models`]: those of the comparisons, or all
    /// where there is no comparison.
    pub models: Vec<usize>,
    /// How many rows there are of each kind, in the order of [`DisagreementKind::ALL`].
    pub counts: [u64; DisagreementKind::ALL.len()],
    /// The chosen rows, kind by kind in the same order. Within a kind they stand in the order of their ids,
    /// which are hashes of the content: a choice that favours no row.
    pub rows: Vec<Disagreement>,
}

impl Disagreements {
    /// Chooses at most `limit` rows. Each kind has an equal part of the places; what a kind leaves free goes to the
    /// others, regressions first.
    pub fn of(run: &Run, figures: &Figures, limit: usize) -> Self {
        let mut rows = KindedRows::of(run, figures);
        let mut counts = [0; DisagreementKind::ALL.len()];
        let mut chosen = DisagreementKind::ALL.iter().map(|_| Vec::new()).collect::<Vec<_>>();
        for (kind, row) in rows.by_ref() {
            let number = kind as usize;
            counts[number] += 1;
            if chosen[number].len() < limit {
                chosen[number].push(row);
            }
        }
        Self { models: rows.models, counts, rows: share(chosen, limit) }
    }

    /// Every row worth reading with its kind, in the order of the ids, and where it stands: a model as a position in
    /// [`Figures::models`], and the place among its rows.
    pub(crate) fn kinds(
        run: &Run,
        figures: &Figures,
    ) -> impl Iterator<Item = (DisagreementKind, usize, usize)> {
        let mut rows = KindedRows::of(run, figures);
        std::iter::from_fn(move || {
            let (kind, places) = rows.next_places()?;
            let (model, place) = places.iter().enumerate().find_map(|(i, place)| Some((i, (*place)?)))?;
            Some((kind, rows.models[model], place))
        })
    }

    /// All rows worth reading, chosen or not.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The rows worth reading, in the order of their ids.
struct KindedRows<'a> {
    /// The models that take part, as positions in [`Figures::models`].
    models: Vec<usize>,
    /// Who is compared with whom, among those that take part.
    pairs: Vec<(usize, usize)>,
    cursors: Vec<Cursor<'a>>,
}

impl<'a> KindedRows<'a> {
    fn of(run: &'a Run, figures: &Figures) -> Self {
        let at = |model: &str| figures.models.iter().position(|figures| figures.model == model);
        let pairs: Vec<_> =
            figures.comparisons.iter().filter_map(|c| Some((at(&c.base)?, at(&c.tuned)?))).collect();
        let models: Vec<_> = (0..figures.models.len())
            .filter(|&i| pairs.is_empty() || pairs.iter().any(|&(base, tuned)| base == i || tuned == i))
            .collect();
        let place = |i: usize| models.binary_search(&i).ok();
        let pairs: Vec<_> = pairs.iter().filter_map(|&(b, t)| Some((place(b)?, place(t)?))).collect();
        let find = |i: &usize| {
            let name = &figures.models[*i].model;
            run.evaluations.iter().find(|evaluation| evaluation.model == *name)
        };
        let cursors = models.iter().filter_map(find).map(Cursor::new).collect();
        Self { models, pairs, cursors }
    }
}

impl<'a> KindedRows<'a> {
    /// The next row: what it is, and where it stands among the rows of each model that takes part.
    fn next_places(&mut self) -> Option<(DisagreementKind, Vec<Option<usize>>)> {
        while let Some(id) = self.cursors.iter().filter_map(Cursor::next_id).min() {
            let places: Vec<_> = self.cursors.iter_mut().map(|cursor| cursor.take(id)).collect();
            if let Some(kind) = kind(&self.rows(&places), &self.pairs) {
                return Some((kind, places));
            }
        }
        None
    }

    fn rows(&self, places: &[Option<usize>]) -> Vec<Option<Prediction>> {
        self.cursors
            .iter()
            .zip(places)
            .map(|(cursor, place)| place.map(|place| cursor.rows.row(place)))
            .collect()
    }
}

impl Iterator for KindedRows<'_> {
    type Item = (DisagreementKind, Disagreement);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, places) = self.next_places()?;
        let rows = self.rows(&places);
        let one = rows.iter().flatten().next()?;
        let answers = rows.iter().map(|row| row.map(|row| row.answer)).collect();
        Some((kind, Disagreement { id: one.id, gold: one.gold, kind, answers }))
    }
}

/// What makes a row worth reading, if anything does.
fn kind(rows: &[Option<Prediction>], pairs: &[(usize, usize)]) -> Option<DisagreementKind> {
    let right =
        |i: usize| rows[i].filter(Prediction::is_answered).map(|row| row.outcome() == Outcome::Correct);
    let differs = |base, tuned| pairs.iter().any(|&(b, t)| right(b) == Some(base) && right(t) == Some(tuned));
    let all = |wanted| !rows.is_empty() && (0..rows.len()).all(|i| right(i) == Some(wanted));
    let any = |wanted| (0..rows.len()).any(|i| right(i) == Some(wanted));
    if differs(true, false) {
        Some(DisagreementKind::Worse)
    } else if differs(false, true) {
        Some(DisagreementKind::Better)
    } else if pairs.is_empty() && any(true) && any(false) {
        Some(DisagreementKind::Split)
    } else if all(false) {
        Some(DisagreementKind::Wrong)
    } else {
        None
    }
}

/// At most `limit` of the rows: an equal part of each kind, then what is left, kind by kind.
fn share(mut chosen: Vec<Vec<Disagreement>>, limit: usize) -> Vec<Disagreement> {
    let kinds = chosen.iter().filter(|rows| !rows.is_empty()).count().max(1);
    let mut places: Vec<_> = chosen.iter().map(|rows| rows.len().min(limit / kinds)).collect();
    let mut free = limit - places.iter().sum::<usize>();
    for (places, rows) in places.iter_mut().zip(&chosen) {
        let more = free.min(rows.len() - *places);
        *places += more;
        free -= more;
    }
    chosen.iter_mut().zip(places).flat_map(|(rows, places)| rows.drain(..places)).collect()
}

/// The rows of a model in the order of their ids, each id once: rows of an id that stands twice are nobody's pair.
struct Cursor<'a> {
    rows: &'a Predictions,
    /// Positions in the order of their ids: four bytes a row rather than a copy of it.
    order: Vec<u32>,
    next: usize,
}

impl<'a> Cursor<'a> {
    fn new(evaluation: &'a Evaluation) -> Self {
        let rows = &evaluation.predictions;
        Self { rows, order: rows.by_id(), next: 0 }
    }

    fn next_id(&self) -> Option<ExampleId> {
        Some(self.rows.id(*self.order.get(self.next)? as usize))
    }

    /// Goes past the rows of this id; the place of the row, where there is exactly one.
    fn take(&mut self, id: ExampleId) -> Option<usize> {
        let here = &self.order[self.next..];
        let size = here.iter().take_while(|&&i| self.rows.id(i as usize) == id).count();
        let place = here.first().filter(|_| size == 1).map(|&i| i as usize);
        self.next += size;
        place
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, predictions, run};

    fn kinds(found: &Disagreements) -> Vec<(u64, &'static str)> {
        found.rows.iter().map(|row| (row.id.0, row.kind.name())).collect()
    }

    #[test]
    fn regressions_come_first_and_what_is_unanswered_is_no_disagreement() {
        let run = run(
            &["a", "b", "c"],
            vec![
                ("floor", None, predictions("aaaaaa", "bbbbbb")),
                ("m", None, predictions("aaaaaa", "abba?a")),
                ("t", Some("m"), predictions("aaaaaa", "aab!ab")),
            ],
        );
        let found = Disagreements::of(&run, &Figures::of(&run), 10);
        assert_eq!(kinds(&found), [(3, "worse"), (5, "worse"), (1, "better"), (2, "wrong")]);
        assert_eq!(found.models, [1, 2], "the floor is in no comparison");
        assert_eq!(found.counts, [2, 1, 0, 1]);
    }

    #[test]
    fn every_kind_has_its_part_of_few_places() {
        let run = run(
            &["a", "b"],
            vec![
                ("m", None, predictions("aaaaaaa", "aaaaabb")),
                ("t", Some("m"), predictions("aaaaaaa", "bbbbbab")),
            ],
        );
        let found = Disagreements::of(&run, &Figures::of(&run), 4);
        assert_eq!(kinds(&found), [(0, "worse"), (1, "worse"), (5, "better"), (6, "wrong")]);
        assert_eq!(found.total(), 7);
    }

    #[test]
    fn without_a_comparison_models_are_split() {
        let models = vec![("m", None, predictions("aab", "abb")), ("n", None, predictions("aab", "aaa"))];
        let found = run(&["a", "b"], models);
        let found = Disagreements::of(&found, &Figures::of(&found), 9);
        assert_eq!(kinds(&found), [(1, "split"), (2, "split")]);
        let alone = run(&["a", "b"], vec![("m", None, predictions("aab", "abb"))]);
        assert_eq!(kinds(&Disagreements::of(&alone, &Figures::of(&alone), 9)), [(1, "wrong")]);
    }

    proptest! {
        #[test]
        fn a_choice_is_part_of_the_whole_and_depends_on_no_order(
            base in any_predictions(3), tuned in any_predictions(3), limit in 0usize..20,
        ) {
            let tuned: Predictions = base.iter().zip(&tuned).map(|(b, t)| Prediction { answer: t.answer, ..b }).collect();
            let reversed = tuned.iter().rev().collect();
            let of = |tuned: Predictions, limit| {
                let run = run(&["a", "b", "c"], vec![("m", None, base.clone()), ("t", Some("m"), tuned)]);
                Disagreements::of(&run, &Figures::of(&run), limit)
            };
            let (all, some) = (of(tuned.clone(), usize::MAX), of(tuned, limit));
            prop_assert_eq!(all.rows.len() as u64, all.total());
            prop_assert_eq!(some.rows.len() as u64, all.total().min(limit as u64));
            prop_assert!(some.rows.iter().all(|row| all.rows.contains(row)));
            prop_assert_eq!(some, of(reversed, limit));
        }
    }
}
