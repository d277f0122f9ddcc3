//! Scores of one model: the definitions, once, for every report.
//!
//! Only answered rows count. An invalid answer is an answer of a class that is nobody's gold label, so it
//! lowers accuracy and recall but is no class to be averaged over. What has no value is `None`, never a number.

use serde::Serialize;
use tunebench_data::LabelId;

use crate::Confusion;
use crate::confusion::ratio;
use crate::intervals::{CONFIDENCE, Interval, wilson};

/// The definition of the macro average, for the foot of a report.
pub const MACRO_DEFINITION: &str = "Macro averages run over the labels that occur among the gold labels of the \
     answered rows, so that all models are averaged over the same ones; an undefined figure of such a label counts 0.";

/// Precision, recall and F1, each 0 to 1, or none where it is undefined.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PrecisionRecallF1 {
    /// Of the rows answered with the label, the share that was right.
    pub precision: Option<f64>,
    /// Of the rows of the label, the share that was found.
    pub recall: Option<f64>,
    /// The harmonic mean of both.
    pub f1: Option<f64>,
}

/// The figures of one label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClassScores {
    /// Answered rows with this gold label, invalid answers included.
    pub support: u64,
    /// Rows that were answered with this label.
    pub predicted: u64,
    /// Rows with this gold label that were answered with it.
    pub true_positives: u64,
    /// Precision TP / predicted, recall TP / support, F1 = 2 TP / (support + predicted).
    ///
    /// Each is undefined when its denominator is 0. So a label that has rows but is never answered has no
    /// precision, and an F1 of 0.
    pub scores: PrecisionRecallF1,
    /// The Wilson interval of the precision, at the level of [`CONFIDENCE`].
    pub precision_interval: Option<Interval>,
    /// The Wilson interval of the recall, at the level of [`CONFIDENCE`].
    pub recall_interval: Option<Interval>,
}

impl ClassScores {
    /// Computes the figures of one label.
    pub fn of(confusion: &Confusion, label: LabelId) -> Self {
        let (support, predicted) = (confusion.support(label), confusion.predicted(label));
        let true_positives = confusion.get(label, label);
        let scores = PrecisionRecallF1 {
            precision: ratio(true_positives, predicted),
            recall: ratio(true_positives, support),
            f1: ratio(2 * true_positives, support + predicted),
        };
        let interval = |trials| wilson(true_positives, trials, CONFIDENCE);
        let (precision_interval, recall_interval) = (interval(predicted), interval(support));
        Self { support, predicted, true_positives, scores, precision_interval, recall_interval }
    }

    /// Whether the label occurs among gold labels or answers: only then it takes part in macro averages.
    pub fn occurs(&self) -> bool {
        self.support + self.predicted > 0
    }
}

/// The scores of one model over its answered rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scores {
    /// Correct / answered, 0 to 1; an invalid answer is not correct.
    pub accuracy: Option<f64>,
    /// The Wilson interval of the accuracy, at the level of [`CONFIDENCE`].
    pub accuracy_interval: Option<Interval>,
    /// The mean over labels.
    ///
    /// The labels are those that occur in the gold labels of the answered rows: the same for all models, whatever these answer. Inside, an undefined figure counts 0. This is scikit-learn's
    /// `precision_recall_fscore_support(labels=<those>, average="macro", zero_division=0)`; its macro-F1 is the
    /// mean of the labels' F1, not the harmonic mean of macro precision and macro recall. Labels that occur
    /// nowhere are left out. None when there are no answered rows.
    pub macro_average: PrecisionRecallF1,
    /// From the sums over all labels: precision is correct / valid answers, recall is correct / answered, so
    /// they differ from each other, and recall equals accuracy, when some answers are invalid.
    pub micro_average: PrecisionRecallF1,
    /// The mean over labels, weighted by their support, with undefined figures as 0.
    pub weighted_average: PrecisionRecallF1,
    /// The mean recall of the labels that have rows, 0 to 1.
    pub balanced_accuracy: Option<f64>,
    /// Cohen's kappa, -1 to 1: agreement beyond that of chance. Cohen (1960).
    ///
    /// Undefined when chance alone would agree always: one gold label, and nothing else answered.
    pub cohen_kappa: Option<f64>,
    /// Matthews' correlation coefficient for many classes, R_K, -1 to 1. Gorodkin (2004).
    ///
    /// Undefined when all rows have one gold label, or all have one and the same answer. scikit-learn gives 0
    /// there.
    pub matthews_correlation: Option<f64>,
    /// One for each label, in the order of the label set.
    pub classes: Vec<ClassScores>,
}

impl Scores {
    /// Computes the scores from counts.
    pub fn of(confusion: &Confusion) -> Self {
        let counts = confusion.counts();
        let answered = counts.answered();
        let classes: Vec<_> =
            (0..confusion.labels()).map(|i| ClassScores::of(confusion, LabelId(i as u32))).collect();
        let valid = counts.correct + counts.incorrect;
        Self {
            accuracy: ratio(counts.correct, answered),
            accuracy_interval: wilson(counts.correct, answered, CONFIDENCE),
            macro_average: average(&classes, |class| u64::from(class.support > 0)),
            micro_average: PrecisionRecallF1 {
                precision: ratio(counts.correct, valid),
                recall: ratio(counts.correct, answered),
                f1: ratio(2 * counts.correct, valid + answered),
            },
            weighted_average: average(&classes, |class| class.support),
            balanced_accuracy: mean(
                &classes,
                |class| class.scores.recall,
                |class| u64::from(class.support > 0),
            ),
            cohen_kappa: cohen_kappa(&classes, answered, counts.correct),
            matthews_correlation: matthews(&classes, answered, counts.correct, counts.invalid),
            classes,
        }
    }
}

fn average(classes: &[ClassScores], weight: impl Fn(&ClassScores) -> u64) -> PrecisionRecallF1 {
    PrecisionRecallF1 {
        precision: mean(classes, |class| class.scores.precision, &weight),
        recall: mean(classes, |class| class.scores.recall, &weight),
        f1: mean(classes, |class| class.scores.f1, &weight),
    }
}

/// The weighted mean, with undefined figures as 0; none when nothing has weight.
fn mean(
    classes: &[ClassScores],
    figure: impl Fn(&ClassScores) -> Option<f64>,
    weight: impl Fn(&ClassScores) -> u64,
) -> Option<f64> {
    let total: u64 = classes.iter().map(&weight).sum();
    let sum: f64 = classes.iter().map(|class| figure(class).unwrap_or(0.0) * weight(class) as f64).sum();
    // Rounding may carry a mean of ones a hair beyond 1.
    (total > 0).then(|| (sum / total as f64).min(1.0))
}

/// The sum over labels of gold rows times answers: what chance would bring to agree, times the rows.
///
/// Invalid answers add nothing to it, since no row has them as its gold label. Whole numbers keep every digit.
fn chance(classes: &[ClassScores]) -> i128 {
    classes.iter().map(|class| i128::from(class.support) * i128::from(class.predicted)).sum()
}

fn cohen_kappa(classes: &[ClassScores], answered: u64, correct: u64) -> Option<f64> {
    // (p_o - p_e) / (1 - p_e), with both sides multiplied by the square of the rows.
    let (n, correct, chance) = (i128::from(answered), i128::from(correct), chance(classes));
    let denominator = n * n - chance;
    (denominator > 0).then(|| (correct * n - chance) as f64 / denominator as f64)
}

fn matthews(classes: &[ClassScores], answered: u64, correct: u64, invalid: u64) -> Option<f64> {
    let (n, correct) = (i128::from(answered), i128::from(correct));
    let square = |count: u64| i128::from(count) * i128::from(count);
    let gold = n * n - classes.iter().map(|class| square(class.support)).sum::<i128>();
    let answers = n * n - classes.iter().map(|class| square(class.predicted)).sum::<i128>() - square(invalid);
    let covariance = (correct * n - chance(classes)) as f64;
    // Two roots rather than the root of a product, which could overflow.
    (gold > 0 && answers > 0)
        .then(|| (covariance / ((gold as f64).sqrt() * (answers as f64).sqrt())).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, predictions};
    use crate::{Answer, Prediction};

    fn scores(gold: &str, answers: &str, labels: usize) -> Scores {
        Scores::of(&Confusion::of(&predictions(gold, answers), labels))
    }

    #[test]
    fn what_is_undefined_is_none() {
        let nothing = scores("ab", "??", 2);
        assert_eq!(nothing.accuracy, None);
        assert_eq!(nothing.accuracy_interval, None);
        assert_eq!(nothing.macro_average, PrecisionRecallF1::default());
        assert_eq!(nothing.micro_average, PrecisionRecallF1::default());
        assert_eq!(nothing.balanced_accuracy, None);

        // `b` is never answered, `c` occurs nowhere.
        let some = scores("aab", "aaa", 3);
        assert_eq!(
            some.classes[1].scores,
            PrecisionRecallF1 { precision: None, recall: Some(0.0), f1: Some(0.0) }
        );
        assert_eq!(some.classes[2].scores, PrecisionRecallF1::default());
        assert_eq!(some.macro_average.recall, Some(0.5));
        // One stray answer with a label that nobody has changes the average of nothing else.
        let stray = scores("aabb", "aabc", 3);
        assert_eq!(stray.macro_average.f1, Some((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(some.matthews_correlation, None);

        let one = scores("aaa", "aaa", 2);
        assert_eq!((one.cohen_kappa, one.matthews_correlation), (None, None));
        assert_eq!(one.macro_average.f1, Some(1.0));
    }

    #[test]
    fn invalid_counts_against_the_model() {
        let scores = scores("aabb", "a!b!", 2);
        assert_eq!(scores.accuracy, Some(0.5));
        assert_eq!(scores.micro_average.precision, Some(1.0));
        assert_eq!(scores.micro_average.recall, Some(0.5));
        assert_eq!(scores.macro_average.recall, Some(0.5));
        assert_eq!(scores.macro_average.precision, Some(1.0));
    }

    #[test]
    fn ten_thousand_labels_take_no_dense_matrix() {
        let rows = (0..20_000u32)
            .map(|i| Prediction {
                id: tunebench_data::ExampleId(i.into()),
                gold: LabelId(i % 10_000),
                answer: Answer::Label(LabelId((i * 7) % 10_000)),
                probability: None,
                gold_probability: None,
                latency: None,
            })
            .collect();
        let scores = Scores::of(&Confusion::of(&rows, 10_000));
        assert_eq!(scores.classes.len(), 10_000);
        assert!(scores.matthews_correlation.is_some());
    }

    fn all(scores: &Scores) -> Vec<Option<f64>> {
        let mut figures = vec![scores.accuracy, scores.balanced_accuracy];
        for triple in [scores.macro_average, scores.micro_average, scores.weighted_average] {
            figures.extend([triple.precision, triple.recall, triple.f1]);
        }
        for class in &scores.classes {
            figures.extend([class.scores.precision, class.scores.recall, class.scores.f1]);
        }
        figures
    }

    fn close(a: Option<f64>, b: Option<f64>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-12,
            (None, None) => true,
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn within_their_ranges(predictions in any_predictions(6)) {
            let scores = Scores::of(&Confusion::of(&predictions, 6));
            for figure in all(&scores).into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&figure));
            }
            for figure in [scores.cohen_kappa, scores.matthews_correlation].into_iter().flatten() {
                prop_assert!((-1.0..=1.0).contains(&figure));
            }
        }

        #[test]
        fn unanswered_rows_change_no_score(predictions in any_predictions(5)) {
            let answered = predictions.iter().filter(Prediction::is_answered).collect();
            prop_assert_eq!(
                Scores::of(&Confusion::of(&predictions, 5)),
                Scores::of(&Confusion::of(&answered, 5))
            );
        }

        #[test]
        fn names_do_not_matter(predictions in any_predictions(6), shift in 0u32..6) {
            let moved = predictions
                .iter()
                .map(|p| {
                    let rename = |label: LabelId| LabelId((5 - label.0 + shift) % 6);
                    let answer = match p.answer {
                        Answer::Label(label) => Answer::Label(rename(label)),
                        other => other,
                    };
                    Prediction { gold: rename(p.gold), answer, ..p }
                })
                .collect();
            let (before, after) = (Scores::of(&Confusion::of(&predictions, 6)), Scores::of(&Confusion::of(&moved, 6)));
            prop_assert!(close(before.macro_average.f1, after.macro_average.f1));
            prop_assert!(close(before.cohen_kappa, after.cohen_kappa));
            prop_assert!(close(before.matthews_correlation, after.matthews_correlation));
        }
    }
}
