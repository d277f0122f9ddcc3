//! All figures of one model, computed once.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clustered;
use crate::jackknife::{Estimate, Sample};
use crate::scenarios::is_cut_short;

use crate::{
    Answer, Calibration, Clustered, Confusion, Counts, Evaluation, Interval, InvalidKind, LabelCounts,
    LatencyFigures, Run, Scores, TokenUsage, UnansweredKind,
};

/// The figures of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFigures {
    /// The model reference.
    pub model: String,
    /// The reference of its base model.
    pub tuned_from: Option<String>,
    /// The name under which the same model was asked before, when this is a repeat.
    pub repeat_of: Option<String>,
    /// What it is, in the words of the manifest.
    pub description: Option<String>,
    /// The name of its files, without folder and extension.
    pub file: String,
    /// The counts behind the scores.
    pub confusion: Confusion,
    /// The scores; none when too few of the rows were answered, so that no format can show any by mistake.
    pub scores: Option<Scores>,
    /// The intervals of the other scores; none without scores.
    pub intervals: Option<ModelIntervals>,
    /// What the groups of the rows do to its accuracy; none without groups or scores.
    pub clustered: Option<Clustered>,
    /// What its probabilities are worth; none where too few answers carry one, or without scores.
    pub calibration: Option<Calibration>,
    /// How long its answers took, where that was measured.
    pub latency: Option<LatencyFigures>,
    /// Tokens of all its answers, where the provider counts them.
    pub usage: Option<TokenUsage>,
    /// The model versions that answered, as the provider names them, each with the number of its answers.
    pub answered_by: BTreeMap<String, u64>,
    /// Why answers were invalid, and how often.
    pub invalid: BTreeMap<InvalidKind, u64>,
    /// Why answers are missing, and how often.
    pub unanswered: BTreeMap<UnansweredKind, u64>,
}

/// Intervals of scores that have no formula for one, by leaving out each cluster once, at the level of
/// [`CONFIDENCE`](crate::CONFIDENCE); none where the rows are too few for one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModelIntervals {
    /// Of the macro average of F1.
    pub macro_f1: Option<Interval>,
    /// Of the balanced accuracy.
    pub balanced_accuracy: Option<Interval>,
    /// Of Cohen's kappa.
    pub cohen_kappa: Option<Interval>,
    /// Of Matthews' correlation coefficient.
    pub matthews_correlation: Option<Interval>,
}

impl ModelIntervals {
    pub(crate) fn of(evaluation: &Evaluation, labels: usize) -> Self {
        let sample = Sample::of(evaluation, labels);
        let [macro_f1, balanced_accuracy, cohen_kappa, matthews_correlation] =
            sample.estimates(|[tally]: &[LabelCounts; 1]| {
                [
                    tally.macro_f1(),
                    tally.balanced_accuracy(),
                    tally.cohen_kappa(),
                    tally.matthews_correlation(),
                ]
            });
        let share = |estimate: Option<Estimate>| sample.share_interval(estimate?);
        let coefficient = |estimate: Option<Estimate>| sample.coefficient_interval(estimate?);
        Self {
            macro_f1: share(macro_f1),
            balanced_accuracy: share(balanced_accuracy),
            cohen_kappa: coefficient(cohen_kappa),
            matthews_correlation: coefficient(matthews_correlation),
        }
    }
}

impl ModelFigures {
    /// What a thousand of its answers cost in dollars; none where the price is not known.
    pub fn cost_per_thousand(&self) -> Option<f64> {
        let answered = self.counts().answered();
        let cost = self.usage?.cost_usd.filter(|cost| cost.is_finite())?;
        (answered > 0).then(|| cost / answered as f64 * 1000.0)
    }

    /// Computes the figures of one model of a run. `file` is its file name where the manifest knows none.
    ///
    /// # Panics
    /// If a row speaks of a label that is not in the label set.
    pub(crate) fn of(run: &Run, evaluation: &Evaluation, file: &str) -> Self {
        let record = run.manifest.model(&evaluation.model);
        let confusion = Confusion::of(&evaluation.predictions, run.labels().len());
        let (mut invalid, mut unanswered) = (BTreeMap::new(), BTreeMap::new());
        for prediction in &evaluation.predictions {
            match prediction.answer {
                Answer::Label(_) => {}
                Answer::Invalid(kind) => *invalid.entry(kind).or_default() += 1,
                Answer::Unanswered(kind) => *unanswered.entry(kind).or_default() += 1,
            }
        }
        let covered =
            confusion.counts().covers(run.manifest.min_coverage) && !is_cut_short(&evaluation.predictions);
        Self {
            model: evaluation.model.clone(),
            tuned_from: evaluation.tuned_from.clone(),
            repeat_of: record.and_then(|record| record.repeat_of.clone()),
            description: record.and_then(|record| record.description.clone()),
            file: record.map_or_else(|| file.to_owned(), |record| record.file.clone()),
            scores: covered.then(|| clustered::scores(evaluation, &confusion)),
            intervals: covered.then(|| ModelIntervals::of(evaluation, run.labels().len())),
            clustered: covered.then(|| Clustered::of(evaluation)).flatten(),
            calibration: covered
                .then(|| Calibration::of(&evaluation.predictions, evaluation.clusters.as_deref()))
                .flatten(),
            latency: LatencyFigures::of(&evaluation.predictions),
            usage: record.and_then(|record| record.usage),
            answered_by: record.map(|record| record.answered_by.clone()).unwrap_or_default(),
            confusion,
            invalid,
            unanswered,
        }
    }

    /// How many of its answers name no label, for no reason of the model's own such as a refusal.
    pub fn unreadable(&self) -> u64 {
        let count = |kind| self.invalid.get(&kind).copied().unwrap_or_default();
        count(InvalidKind::NoLabel) + count(InvalidKind::Ambiguous)
    }

    /// How many rows came out how.
    pub fn counts(&self) -> Counts {
        self.confusion.counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Probability;
    use crate::testing::{changed, in_groups, predictions, run};

    /// A run with all that there can be to know; 120 answers, of which so many are missing.
    fn full(missing: usize) -> Run {
        let gold = "abc".repeat(40);
        let answers = format!("{}bcabca!{}", "?".repeat(missing), &gold[missing + 7..]);
        let mut run = run(&["a", "b", "c"], vec![("p/m", None, predictions(&gold, &answers))]);
        run.manifest.models[0].usage = Some(TokenUsage { input_tokens: 9, output_tokens: 3, cost_usd: None });
        let rows = &mut run.evaluations[0].predictions;
        *rows = changed(rows, |_, row| {
            row.probability = Probability::new(0.75).filter(|_| matches!(row.answer, Answer::Label(_)));
        });
        run.evaluations[0].clusters = in_groups((0..120).map(|row| (row / 2).to_string()));
        run
    }

    #[test]
    fn every_interval_holds_its_score() {
        let run = full(0);
        let figures = ModelFigures::of(&run, &run.evaluations[0], "m");
        let (scores, intervals) = (figures.scores.unwrap(), figures.intervals.unwrap());
        for (score, interval) in [
            (scores.macro_average.f1, intervals.macro_f1),
            (scores.balanced_accuracy, intervals.balanced_accuracy),
            (scores.cohen_kappa, intervals.cohen_kappa),
            (scores.matthews_correlation, intervals.matthews_correlation),
            (scores.accuracy, figures.clustered.map(|clustered| clustered.accuracy)),
            (scores.classes[1].scores.precision, scores.classes[1].precision_interval),
            (scores.classes[1].scores.recall, scores.classes[1].recall_interval),
        ] {
            let (score, interval) = (score.unwrap(), interval.unwrap());
            assert!(interval.low < score && score < interval.high, "{score} {interval:?}");
        }
        assert_eq!(figures.calibration.unwrap().rows, 119);
        assert_eq!((figures.usage, figures.answered_by["p/m"]), (run.manifest.models[0].usage, 4));
    }

    #[test]
    fn below_the_coverage_limit_nothing_is_said_of_the_answers_but_what_they_took() {
        let run = full(7);
        let figures = ModelFigures::of(&run, &run.evaluations[0], "m");
        assert_eq!((figures.scores, figures.intervals, figures.clustered), (None, None, None));
        assert_eq!(figures.calibration, None);
        assert!(figures.usage.is_some());
    }
}
