//! What a model's figures would be if the answers that are missing were there: the least and the most that they leave possible
//! (Horowitz and Manski 2000, "Nonparametric analysis of randomized experiments with missing covariate and outcome data").

use tunebench_data::LabelId;

use crate::{
    Answer, Confusion, Evaluation, InvalidKind, ModelIntervals, Prediction, Predictions, Scores, clustered,
};

/// The figures of a model with all its answers, some of them supposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Supposed {
    /// The scores.
    pub scores: Scores,
    /// The intervals of those that have no formula for one.
    pub intervals: ModelIntervals,
}

impl Supposed {
    /// If every missing answer were wrong, and if every one were right; none where none is missing.
    ///
    /// # Panics
    /// If a row speaks of a label beyond `labels`.
    pub fn worst_and_best(evaluation: &Evaluation, labels: usize) -> Option<[Self; 2]> {
        if evaluation.predictions.iter().all(|row| row.is_answered()) {
            return None;
        }
        Some([wrong, right].map(|answers| {
            let predictions = answers(&evaluation.predictions, labels);
            Self::none(&Evaluation { predictions, ..evaluation.clone() }, labels)
        }))
    }

    /// With nothing supposed.
    ///
    /// # Panics
    /// If a row speaks of a label beyond `labels`.
    pub fn none(evaluation: &Evaluation, labels: usize) -> Self {
        let scores = clustered::scores(evaluation, &Confusion::of(&evaluation.predictions, labels));
        Self { scores, intervals: ModelIntervals::of(evaluation, labels) }
    }
}

/// The rows with every missing answer right.
pub(crate) fn right(rows: &Predictions, _labels: usize) -> Predictions {
    let right = |row: Prediction| match row.is_answered() {
        true => row,
        false => Prediction { answer: Answer::Label(row.gold), ..row },
    };
    rows.iter().map(right).collect()
}

/// The rows with every missing answer wrong, each with the label that lowers macro-F1 most after those before.
///
/// A label's F1, 2 TP / (support + predicted), falls more slowly with each further false answer, so that taking the steepest step
/// each time leads to the least.
pub(crate) fn wrong(rows: &Predictions, labels: usize) -> Predictions {
    let (mut sizes, mut hits) = (vec![0u64; labels], vec![0u64; labels]);
    for row in rows {
        sizes[row.gold.index()] += 1;
        if let Some(label) = row.answer.label() {
            sizes[label.index()] += 1;
            hits[label.index()] += u64::from(label == row.gold);
        }
    }
    let wrong = |row: Prediction| {
        if row.is_answered() {
            return row;
        }
        let others = (0..labels).filter(|label| *label != row.gold.index());
        let loss = |label: usize| hits[label] as f64 / (sizes[label] * (sizes[label] + 1)).max(1) as f64;
        let answer = match others.max_by(|a, b| loss(*a).total_cmp(&loss(*b))) {
            Some(label) => {
                sizes[label] += 1;
                Answer::Label(LabelId(label as u32))
            }
            None => Answer::Invalid(InvalidKind::Empty),
        };
        Prediction { answer, ..row }
    };
    rows.iter().map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{changed, predictions};

    fn macro_f1(rows: &Predictions, labels: usize) -> f64 {
        Scores::of(&Confusion::of(rows, labels)).macro_average.f1.unwrap()
    }

    #[test]
    fn nothing_is_supposed_where_nothing_is_missing() {
        let evaluation = |answers: &str| Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: predictions("aabb", answers),
            clusters: None,
            slices: None,
        };
        assert_eq!(Supposed::worst_and_best(&evaluation("aab!"), 2), None);
        let [worst, best] = Supposed::worst_and_best(&evaluation("aab?"), 2).unwrap();
        assert_eq!((worst.scores.accuracy, best.scores.accuracy), (Some(0.75), Some(1.0)));
        assert!(worst.scores.macro_average.f1 < best.scores.macro_average.f1);
    }

    proptest! {
        #[test]
        fn no_answers_make_macro_f1_lower_or_higher(
            rows in prop::collection::vec((0u8..3, 0u8..4), 20..40),
            missing in 1usize..4,
        ) {
            let letters = |of: &dyn Fn(&(u8, u8)) -> u8| {
                rows.iter().map(|row| char::from(b'a' + of(row))).collect::<String>()
            };
            let answers = format!("{}{}", "?".repeat(missing), &letters(&|row| row.1.min(2))[missing..]);
            let rows = predictions(&letters(&|row| row.0), &answers);
            let (least, most) = (macro_f1(&wrong(&rows, 3), 3), macro_f1(&right(&rows, 3), 3));
            for choice in 0..3u32.pow(missing as u32) {
                let whole = changed(&rows, |at, row| {
                    if at < missing {
                        row.answer = Answer::Label(LabelId(choice / 3u32.pow(at as u32) % 3));
                    }
                });
                let value = macro_f1(&whole, 3);
                // A row can't be wrong with its own label, so that a later step may be a hair less steep than it could be.
                prop_assert!(least - 0.01 <= value && value <= most + 1e-12, "{least} {value} {most}");
            }
        }
    }
}
