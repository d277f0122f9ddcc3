//! Two models of different runs, brought together on the rows that both were asked about.
//!
//! Rows are the same when their ids are: made from text and gold label, they are the same on every machine and in every
//! file. Rows of one side only are never passed over in silence: [`Overlap`] tells of them, and why there may be some.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use tunebench_data::{ExampleId, LabelId, LabelSet};

use crate::{
    Answer, Clustering, Clusters, Evaluation, Manifest, ModelRecord, Prediction, Predictions, Run, Slicing,
    pairs, slugs,
};

/// One of two models, and the run that it is from.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonSide<'a> {
    /// How it is called beside the other.
    pub name: &'a str,
    /// Its run.
    pub run: &'a Run,
    /// Its rows, those of one of the run's models.
    pub evaluation: &'a Evaluation,
}

impl ComparisonSide<'_> {
    fn gold(&self, row: Prediction) -> &str {
        self.run.labels().name(row.gold)
    }
}

/// Which rows two models have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overlap {
    /// How many rows both have.
    pub common: u64,
    /// The rows that only the first has.
    pub only_base: Vec<ExampleId>,
    /// The rows that only the second has.
    pub only_tuned: Vec<ExampleId>,
    /// Rows that both have, though with different gold labels: nothing can be compared then.
    pub other_gold: Vec<OtherGold>,
}

/// A row whose gold labels differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherGold {
    /// The row.
    pub id: ExampleId,
    /// Its gold label in the first run.
    pub base: String,
    /// Its gold label in the second.
    pub tuned: String,
}

impl Overlap {
    /// Matches the rows by their ids.
    pub fn of(base: &ComparisonSide, tuned: &ComparisonSide) -> Self {
        let mut overlap = Self::default();
        for pair in pairs(&base.evaluation.predictions, &tuned.evaluation.predictions) {
            match (pair.base, pair.tuned) {
                (Some(b), Some(t)) => {
                    overlap.common += 1;
                    let (b, t) = (base.gold(b), tuned.gold(t));
                    if b != t {
                        let (base, tuned) = (b.to_owned(), t.to_owned());
                        overlap.other_gold.push(OtherGold { id: pair.id, base, tuned });
                    }
                }
                (Some(_), None) => overlap.only_base.push(pair.id),
                (None, Some(_)) => overlap.only_tuned.push(pair.id),
                // Such an id stands twice in both; readers refuse that.
                (None, None) => {}
            }
        }
        overlap
    }

    /// Whether both have the same rows with the same gold labels.
    pub fn is_whole(&self) -> bool {
        self.only_base.is_empty() && self.only_tuned.is_empty() && self.other_gold.is_empty()
    }

    /// Why the rows are not the same, as far as rows and texts can tell; the texts are those of rows of one side only,
    /// where they are at hand.
    pub fn cause(
        &self,
        base: &ComparisonSide,
        tuned: &ComparisonSide,
        texts: [&BTreeMap<ExampleId, String>; 2],
    ) -> Cause {
        let [base_rows, tuned_rows] = [(&self.only_base, texts[0]), (&self.only_tuned, texts[1])]
            .map(|(ids, texts)| ids.iter().filter_map(|id| Some((texts.get(id)?.as_str(), *id))));
        let base_rows: HashMap<&str, ExampleId> = base_rows.collect();
        let same = tuned_rows.clone().find_map(|(text, id)| Some((*base_rows.get(text)?, id)));
        if let Some((b, t)) = same
            && let (Some(b), Some(t)) = (gold_of(base, b), gold_of(tuned, t))
        {
            return match b == t {
                true => Cause::Repeated,
                false => Cause::OtherGold { base: b.to_owned(), tuned: t.to_owned() },
            };
        }
        let bare: BTreeSet<String> = base_rows.keys().map(|text| words_of(text)).collect();
        if tuned_rows.into_iter().any(|(text, _)| bare.contains(&words_of(text))) {
            return Cause::WhiteSpace;
        }
        match (self.common, self.only_base.is_empty(), self.only_tuned.is_empty()) {
            (0, ..) => Cause::OtherData,
            (_, false, true) => Cause::Part { of: base.name.to_owned(), part: tuned.name.to_owned() },
            (_, true, false) => Cause::Part { of: tuned.name.to_owned(), part: base.name.to_owned() },
            _ => Cause::Changed,
        }
    }
}

fn gold_of<'a>(side: &'a ComparisonSide, id: ExampleId) -> Option<&'a str> {
    side.evaluation.predictions.iter().find(|row| row.id == id).map(|row| side.gold(row))
}

fn words_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why two models have different rows, most probably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The same texts have other gold labels.
    OtherGold {
        /// A gold label in the first run.
        base: String,
        /// What the same text has in the second.
        tuned: String,
    },
    /// The same texts stand more often on one side.
    Repeated,
    /// The same texts differ in white space.
    WhiteSpace,
    /// One side has some of the other's rows.
    Part {
        /// The side with all rows.
        of: String,
        /// The side with some of them.
        part: String,
    },
    /// Some rows are the same.
    Changed,
    /// No row is the same.
    OtherData,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherGold { base, tuned } => {
                write!(
                    f,
                    "the same texts have different gold labels: `{base}` on one side is `{tuned}` on the other"
                )
            }
            Self::Repeated => f.write_str("some texts occur more often on one side"),
            Self::WhiteSpace => f.write_str("the same texts differ in their spaces or line breaks"),
            Self::Part { of, part } => {
                write!(f, "{part} was measured on a part of the rows of {of}, such as a sample of them")
            }
            Self::Changed => {
                f.write_str("the test data was changed in between: rows were added, taken away or edited")
            }
            Self::OtherData => f.write_str(
                "these are other test data, or one of the files does not say which of its fields is the text",
            ),
        }
    }
}

/// A run of both models on the rows that both have, in the order of the first. `margin` is the loss of accuracy within
/// which the second counts as no worse.
///
/// What cannot be known of both, such as the prompt, is left out; of the labels the first run's come first.
///
/// # Panics
/// If rows of one id have different gold labels; see [`Overlap`].
pub fn join(base: &ComparisonSide, tuned: &ComparisonSide, margin: Option<f64>) -> Run {
    let mut names = base.run.labels().names().to_vec();
    names.extend(
        tuned.run.labels().names().iter().filter(|name| base.run.labels().get(name).is_none()).cloned(),
    );
    let labels = LabelSet::new(names).expect("two label sets have sound names, and each name was taken once");
    let map: Vec<LabelId> =
        tuned.run.labels().iter().map(|(_, name)| labels.get(name).expect("taken above")).collect();

    let common: BTreeSet<ExampleId> = pairs(&base.evaluation.predictions, &tuned.evaluation.predictions)
        .filter_map(|pair| pair.base.and(pair.tuned).map(|row| row.id))
        .collect();
    let kept = |side: &ComparisonSide, map: Option<&[LabelId]>| {
        let label = |id: LabelId| map.map_or(id, |map| map[id.index()]);
        let clusters = side.evaluation.clusters.as_deref();
        let mut clustering = Clustering::new(clusters.is_some_and(Clusters::has_groups));
        let slices = side.evaluation.slices.as_deref();
        let mut slicing = Slicing::new(slices.iter().flat_map(|slices| slices.names()));
        let mut predictions = Predictions::with_capacity(common.len());
        for (at, row) in side.evaluation.predictions.iter().enumerate() {
            if !common.contains(&row.id) {
                continue;
            }
            let answer = match row.answer {
                Answer::Label(id) => Answer::Label(label(id)),
                other => other,
            };
            predictions.push(Prediction { gold: label(row.gold), answer, ..row });
            slicing.push(slices.iter().flat_map(|slices| slices.of(at)));
            if let Some(clusters) = clusters {
                clustering.push_keyed(clusters.group(at), clusters.of(at).unwrap_or(at) as u64);
            }
        }
        let clusters = clusters.and_then(|_| clustering.finish()).map(Arc::new);
        Evaluation {
            model: side.name.to_owned(),
            tuned_from: None,
            predictions,
            clusters,
            slices: slicing.finish().map(Arc::new),
        }
    };
    let evaluations = vec![kept(base, None), kept(tuned, Some(&map))];
    for (b, t) in pairs(&evaluations[0].predictions, &evaluations[1].predictions)
        .filter_map(|pair| pair.base.zip(pair.tuned))
    {
        assert_eq!(b.gold, t.gold, "the gold labels of {} differ", b.id);
    }
    Run { manifest: manifest(base, tuned, labels, margin), evaluations }
}

fn manifest(
    base: &ComparisonSide,
    tuned: &ComparisonSide,
    labels: LabelSet,
    margin: Option<f64>,
) -> Manifest {
    let files = slugs(&[base.name, tuned.name]);
    let record = |(side, file): (&ComparisonSide, String)| {
        let record = side.run.manifest.model(&side.evaluation.model)?.clone();
        Some(ModelRecord { model: side.name.to_owned(), file, tuned_from: None, repeat_of: None, ..record })
    };
    let (first, second) = (&base.run.manifest, &tuned.run.manifest);
    Manifest {
        models: [base, tuned].into_iter().zip(files).filter_map(record).collect(),
        complete: first.complete && second.complete,
        missing_shards: match first.missing_shards.as_slice() {
            [] => second.missing_shards.clone(),
            missing => missing.to_vec(),
        },
        min_coverage: first.min_coverage.max(second.min_coverage),
        max_unreadable: first.max_unreadable.min(second.max_unreadable),
        against: Some(base.name.to_owned()),
        margin,
        data: first.data.iter().filter(|file| file.role == "test").cloned().collect(),
        overlap: None,
        labels,
        prompt: serde_json::Value::Null,
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, changed, predictions, run};
    use crate::{Figures, Paired};

    fn side<'a>(name: &'a str, run: &'a Run) -> ComparisonSide<'a> {
        ComparisonSide { name, run, evaluation: &run.evaluations[0] }
    }

    fn texts(rows: &[(u64, &str)]) -> BTreeMap<ExampleId, String> {
        rows.iter().map(|(id, text)| (ExampleId(*id), (*text).to_owned())).collect()
    }

    #[test]
    fn labels_are_matched_by_their_names() {
        let first = run(&["a", "b"], vec![("m", None, predictions("abab", "abba"))]);
        // The same gold labels in another order, and one more label.
        let second = run(&["b", "c", "a"], vec![("m", None, predictions("caca", "cab!"))]);
        let (base, tuned) = (side("x:m", &first), side("y:m", &second));
        assert!(Overlap::of(&base, &tuned).is_whole());
        let joined = join(&base, &tuned, Some(0.1));
        assert_eq!(joined.labels().names(), ["a", "b", "c"]);
        let names: Vec<_> = joined.evaluations.iter().map(|evaluation| evaluation.model.as_str()).collect();
        assert_eq!(names, ["x:m", "y:m"]);
        let answers: Vec<_> =
            joined.evaluations[1].predictions.iter().map(|row| row.answer.label()).collect();
        assert_eq!(answers, [Some(LabelId(0)), Some(LabelId(1)), Some(LabelId(2)), None]);
        let comparisons = Figures::of(&joined).comparisons;
        assert_eq!((comparisons.len(), comparisons[0].base.as_str()), (1, "x:m"));
    }

    #[test]
    fn rows_of_one_side_are_told_and_left_out() {
        let first = run(&["a", "b"], vec![("m", None, predictions("abab", "abba"))]);
        let mut second = first.clone();
        let rows = second.evaluations[0].predictions.iter().filter(|row| row.id.0 != 1).collect();
        second.evaluations[0].predictions =
            changed(&rows, |at, row| row.id = if at == 2 { ExampleId(9) } else { row.id });
        let (base, tuned) = (side("x", &first), side("y", &second));
        let overlap = Overlap::of(&base, &tuned);
        assert_eq!((overlap.common, overlap.is_whole()), (2, false));
        assert_eq!(overlap.only_base, [ExampleId(1), ExampleId(3)]);
        assert_eq!(overlap.only_tuned, [ExampleId(9)]);
        let joined = join(&base, &tuned, None);
        for evaluation in &joined.evaluations {
            let ids: Vec<_> = evaluation.predictions.iter().map(|row| row.id.0).collect();
            assert_eq!(ids, [0, 2]);
        }
    }

    #[test]
    fn gold_labels_that_differ_are_told() {
        let first = run(&["a", "b"], vec![("m", None, predictions("ab", "ab"))]);
        let second = run(&["a", "b"], vec![("m", None, predictions("aa", "ab"))]);
        let overlap = Overlap::of(&side("x", &first), &side("y", &second));
        let differs = OtherGold { id: ExampleId(1), base: "b".into(), tuned: "a".into() };
        assert_eq!((overlap.other_gold.as_slice(), overlap.is_whole()), ([differs].as_slice(), false));
    }

    #[test]
    fn says_why_rows_may_differ() {
        let first = run(&["a", "b"], vec![("m", None, predictions("ab", "ab"))]);
        let second = |gold: &str, ids: &[u64]| {
            let mut run = run(&["a", "b"], vec![("m", None, predictions(gold, gold))]);
            let rows = &mut run.evaluations[0].predictions;
            *rows = changed(rows, |at, row| row.id = ExampleId(ids[at]));
            run
        };
        let ours = texts(&[(0, "one"), (1, "two words")]);
        for (gold, ids, theirs, cause) in [
            (
                "bb",
                &[5, 1][..],
                texts(&[(5, "one")]),
                "the same texts have different gold labels: `a` on one side is `b` on the other",
            ),
            ("ab", &[5, 1], texts(&[(5, "one")]), "some texts occur more often on one side"),
            (
                "ab",
                &[0, 5],
                texts(&[(5, "two  words ")]),
                "the same texts differ in their spaces or line breaks",
            ),
            ("a", &[0], texts(&[]), "y was measured on a part of the rows of x, such as a sample of them"),
            (
                "aba",
                &[0, 1, 5],
                texts(&[]),
                "x was measured on a part of the rows of y, such as a sample of them",
            ),
            (
                "ab",
                &[0, 5],
                texts(&[(5, "three")]),
                "the test data was changed in between: rows were added, taken away or edited",
            ),
            (
                "ab",
                &[5, 6],
                texts(&[]),
                "these are other test data, or one of the files does not say which of its fields is the text",
            ),
        ] {
            let second = second(gold, ids);
            let (base, tuned) = (side("x", &first), side("y", &second));
            let overlap = Overlap::of(&base, &tuned);
            assert_eq!(overlap.cause(&base, &tuned, [&ours, &theirs]).to_string(), cause);
        }
    }

    proptest! {
        #[test]
        fn joining_keeps_outcomes(rows in any_predictions(3), others in any_predictions(3), cut in any::<prop::sample::Index>()) {
            let shared = if rows.is_empty() { 0 } else { cut.index(rows.len()) };
            let tuned = rows.iter().take(shared).rev().chain(others.iter().rev()).collect();
            let (first, second) = (
                run(&["a", "b", "c"], vec![("m", None, rows)]),
                run(&["a", "b", "c"], vec![("n", None, tuned)]),
            );
            let (base, tuned) = (side("m", &first), side("n", &second));
            let overlap = Overlap::of(&base, &tuned);
            prop_assume!(overlap.other_gold.is_empty());
            let joined = join(&base, &tuned, None);
            let [b, t] = [0, 1].map(|i| &joined.evaluations[i].predictions);
            prop_assert_eq!((b.len() as u64, t.len() as u64), (overlap.common, overlap.common));
            let before = Paired::of(&first.evaluations[0].predictions, &second.evaluations[0].predictions);
            let after = Paired::of(b, t);
            prop_assert_eq!(
                (after.both_correct, after.only_base, after.only_tuned, after.both_wrong),
                (before.both_correct, before.only_base, before.only_tuned, before.both_wrong)
            );
        }
    }
}
