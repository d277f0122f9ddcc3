//! One model asked several times: how steady its answers are.

use serde::Serialize;
use tunebench_data::LabelId;

use crate::confusion::ratio;
use crate::{Answer, Evaluation, ModelFigures, Outcome, Predictions, Run};

/// How the repeats of one model agree, over the rows that all of them answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Repeats {
    /// The model, by the name of its first repeat.
    pub model: String,
    /// How often it was asked; at least 2.
    pub repeats: u32,
    /// The rows that were answered in all repeats.
    pub rows: u64,
    /// The share of the rows with the same answer in all repeats. Invalid answers are the same answer.
    pub agreement: f64,
    /// The share of the pairs of repeats, over all rows, with the same answer: the observed agreement of Fleiss (1971).
    pub pairwise_agreement: f64,
    /// The mean of the repeats' accuracies.
    pub accuracy_mean: f64,
    /// The standard deviation of the repeats' accuracies, with one less than the repeats as its divisor.
    pub accuracy_sd: f64,
    /// Rows that are right in some repeats and not in others.
    pub flipping_rows: u64,
}

/// One for each model that was asked more than once, in the order of the run.
///
/// A repeat with too few answers for a score is left out, and where too few rows were answered in all repeats, nothing is said.
pub(crate) fn of(run: &Run, models: &[ModelFigures]) -> Vec<Repeats> {
    let scored = |name: &str, first: &str| {
        let figures = models.iter().find(|figures| figures.model == name);
        figures.is_some_and(|figures| {
            figures.scores.is_some() && (name == first || figures.repeat_of.as_deref() == Some(first))
        })
    };
    let of_one = |first: &Evaluation| {
        let repeats = run.evaluations.iter().filter(|other| scored(&other.model, &first.model));
        let repeats: Vec<_> = repeats.map(|other| &other.predictions).collect();
        Repeats::of(&first.model, &repeats, run.manifest.min_coverage)
    };
    run.evaluations.iter().filter_map(of_one).collect()
}

impl Repeats {
    fn of(model: &str, repeats: &[&Predictions], min_coverage: f64) -> Option<Self> {
        if repeats.len() < 2 {
            return None;
        }
        let mut correct = vec![0; repeats.len()];
        let (mut rows, mut agreeing, mut agreeing_pairs, mut flipping_rows) = (0, 0, 0, 0);
        for mut answers in shared_rows(repeats) {
            rows += 1;
            for (sum, (_, right)) in correct.iter_mut().zip(&answers) {
                *sum += u64::from(*right);
            }
            let right = answers.iter().filter(|(_, right)| *right).count();
            flipping_rows += u64::from(0 < right && right < answers.len());
            answers.sort_unstable();
            let same = answers.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len);
            agreeing += u64::from(same.clone().count() == 1);
            agreeing_pairs += same.map(|n| (n * (n - 1) / 2) as u64).sum::<u64>();
        }
        let all = repeats.iter().map(|repeat| repeat.len()).max().unwrap_or(0) as u64;
        ratio(rows, all).filter(|coverage| *coverage >= min_coverage)?;
        let accuracies = correct.iter().map(|correct| ratio(*correct, rows)).collect::<Option<Vec<_>>>()?;
        let k = accuracies.len() as f64;
        let mean = accuracies.iter().sum::<f64>() / k;
        let squares: f64 = accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum();
        let pairs = (repeats.len() * (repeats.len() - 1) / 2) as u64;
        Some(Self {
            model: model.to_owned(),
            repeats: repeats.len() as u32,
            rows,
            agreement: ratio(agreeing, rows)?,
            pairwise_agreement: ratio(agreeing_pairs, rows * pairs)?,
            accuracy_mean: mean,
            accuracy_sd: (squares / (k - 1.0)).sqrt(),
            flipping_rows,
        })
    }
}

/// The rows that all repeats answered, in the order of their ids: for each repeat the label, none if it was invalid, and
/// whether it is right.
fn shared_rows(repeats: &[&Predictions]) -> impl Iterator<Item = Vec<(Option<LabelId>, bool)>> {
    let by_id = |rows: &Predictions| rows.by_id().into_iter().peekable();
    let mut orders: Vec<_> = repeats.iter().map(|rows| by_id(rows)).collect();
    let ids = by_id(repeats[0]).map(|row| repeats[0].id(row as usize));
    ids.filter_map(move |id| {
        let answers = orders.iter_mut().zip(repeats).map(|(order, rows)| {
            while order.next_if(|&row| rows.id(row as usize) < id).is_some() {}
            let row = rows.row(order.next_if(|&row| rows.id(row as usize) == id)? as usize);
            let right = row.outcome() == Outcome::Correct;
            match row.answer {
                Answer::Label(label) => Some((Some(label), right)),
                Answer::Invalid(_) => Some((None, right)),
                Answer::Unanswered(_) => None,
            }
        });
        // To the end, so that all stand at the same id.
        let answers: Vec<_> = answers.collect();
        answers.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Figures;
    use crate::testing::{any_predictions, predictions, run};

    fn figures(gold: &str, answers: &[&str]) -> Vec<Repeats> {
        let names: Vec<_> = (0..answers.len()).map(|i| format!("m#{}", i + 1)).collect();
        let models = names
            .iter()
            .zip(answers)
            .map(|(name, answers)| (name.as_str(), None, predictions(gold, answers)));
        let mut run = run(&["a", "b", "c"], models.collect());
        run.manifest.min_coverage = 0.75;
        for record in &mut run.manifest.models[1..] {
            record.repeat_of = Some("m#1".to_owned());
        }
        run.evaluations[0].predictions = run.evaluations[0].predictions.iter().rev().collect();
        Figures::of(&run).repeats
    }

    #[test]
    fn steady_and_unsteady_rows_are_told_apart() {
        // Always right; flips once; wrong in three ways; invalid and wrong.
        let expected = Repeats {
            model: "m#1".to_owned(),
            repeats: 3,
            rows: 4,
            agreement: 0.25,
            pairwise_agreement: (3.0 + 1.0 + 1.0 + 1.0) / 12.0,
            accuracy_mean: 5.0 / 12.0,
            accuracy_sd: (1.0f64 / 48.0).sqrt(),
            flipping_rows: 1,
        };
        let found = figures("aaaa", &["aab!", "aab!", "abcb"]);
        assert!((found[0].accuracy_sd - expected.accuracy_sd).abs() < 1e-12, "{found:?}");
        assert_eq!(found, [Repeats { accuracy_sd: found[0].accuracy_sd, ..expected }]);
    }

    #[test]
    fn only_rows_that_all_answered_count_and_only_where_there_are_enough() {
        let found = figures("aaaa", &["aaa?", "abaa"]);
        assert_eq!((found[0].rows, found[0].agreement, found[0].flipping_rows), (3, 2.0 / 3.0, 1));
        assert_eq!(figures("aaaa", &["aaa?", "?baa"]), []);
        // The third was cut short and is left out.
        assert_eq!(figures("aaaa", &["aaaa", "aaaa", "a???"])[0].repeats, 2);
        assert_eq!(figures("aaaa", &["aaaa"]), []);
    }

    proptest! {
        #[test]
        fn a_model_agrees_with_itself_and_shares_stay_shares(rows in any_predictions(3), other in any_predictions(3)) {
            let other: Predictions = rows.iter().zip(&other).map(|(row, other)| crate::Prediction { answer: other.answer, ..row }).collect();
            if let Some(same) = Repeats::of("m", &[&rows, &rows], 0.0) {
                prop_assert_eq!((same.agreement, same.pairwise_agreement, same.flipping_rows), (1.0, 1.0, 0));
                prop_assert_eq!(same.accuracy_sd, 0.0);
            }
            if let Some(figures) = Repeats::of("m", &[&rows, &other, &rows], 0.0) {
                prop_assert!(figures.agreement <= figures.pairwise_agreement && figures.pairwise_agreement <= 1.0);
                prop_assert!(figures.flipping_rows as f64 <= (1.0 - figures.agreement) * figures.rows as f64 + 1e-9);
            }
        }
    }
}
