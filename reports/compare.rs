//! Two models on the same rows: what is measured of the difference between them. What that proves is decided in `judge`.

mod judge;
mod rules;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::jackknife::Sample;
use crate::scenarios::{Scenarios, is_cut_short, is_unreadable_form, unreadable};
use crate::seeds::SeedSpread;
use crate::{
    Chances, Clusters, Evaluation, Interval, LabelCounts, Looks, Metric, Paired, Power, WithoutDoubted,
    mcnemar_exact, mcnemar_mid_p,
};

pub use rules::{ALPHA, MAX_UNREADABLE, Rules, Verdict};

/// A figure of both models over the rows that both answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PairedMetric {
    /// That of the base.
    pub base: f64,
    /// That of the tuned model.
    pub tuned: f64,
    /// That of the tuned model minus that of the base.
    pub difference: f64,
    /// The interval of the difference, by leaving out each cluster once; none where the rows are too few for one.
    pub interval: Option<Interval>,
}

/// Whether the tuned model is no worse than its base by a margin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NonInferiority {
    /// The loss that is allowed, above 0; of costs what they may rise by.
    pub margin: f64,
    /// The one-sided p-value; see [`Contrast::non_inferiority_p`](crate::Contrast::non_inferiority_p). Missing answers count as the worst they could be.
    pub p: f64,
    /// The same, adjusted by [`holm`](crate::holm) over all comparisons of the report.
    pub holm_p: f64,
    /// The greatest loss that is not ruled out, as a difference, at the level at which this is decided: above minus the margin, or of
    /// costs below it, just when the loss is proven to be within it.
    pub bound: f64,
    /// Whether `holm_p` is at most half of [`ALPHA`].
    pub proven: bool,
}

/// A verdict that answers which name no label could turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IfRead {
    /// Whether they are the tuned model's, rather than the base's: those of the less accurate one are asked about.
    pub tuned: bool,
    /// How many they are.
    pub answers: u64,
    /// What the verdict would be if all of them were right.
    pub verdict: Verdict,
}

/// A base model and a model that was tuned from it, or any two models on the same rows.
///
/// All but the names and the rows is none when the verdict is [`Verdict::Incomplete`] or [`Verdict::Unreadable`].
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The reference of the base.
    pub base: String,
    /// The reference of the tuned model.
    pub tuned: String,
    /// The figure that decides; all that follows is about it.
    pub metric: Metric,
    /// What the test is called.
    pub test: &'static str,
    /// The rows of both; of models that were asked several times, by their first answers.
    pub paired: Paired,
    /// How often base and tuned model were asked.
    pub repeats: [u32; 2],
    /// The clusters of the compared rows: the unit of the decision.
    pub clusters: u64,
    /// How many times the clusters raise the variance of the difference; 1 where each is one row with one answer.
    pub design_effect: Option<f64>,
    /// The figures of base and tuned model over the compared rows: means over their repeats.
    pub values: Option<[f64; 2]>,
    /// The figure of the tuned model minus that of the base.
    pub difference: Option<f64>,
    /// The interval of the test that decides, at the level at which it decides; see `Contrast::interval`. Where answers
    /// are missing it holds what they could make of it.
    pub difference_interval: Option<Interval>,
    /// The level of that interval: [`CONFIDENCE`](crate::CONFIDENCE), or more where several comparisons share the error.
    pub confidence: Option<f64>,
    /// The two-sided p-value of the test that decides. Missing answers count as the worst they could be.
    pub p: Option<f64>,
    /// The same, adjusted by [`holm`](crate::holm) over all comparisons of the report: what the verdict goes by.
    pub holm_p: Option<f64>,
    /// See [`mcnemar_exact`]; none where clusters are not rows, of which it knows nothing. No verdict goes by it.
    pub mcnemar_p: Option<f64>,
    /// See [`mcnemar_mid_p`]; none likewise.
    pub mcnemar_mid_p: Option<f64>,
    /// Macro-F1, defined as in [`Scores`](crate::Scores), over the compared rows.
    pub macro_f1: Option<PairedMetric>,
    /// Whether the tuned model is no worse by a margin, where one is set.
    pub non_inferiority: Option<NonInferiority>,
    /// What so many rows can prove, and how many would decide.
    pub power: Option<Power>,
    /// How likely a gain is; no verdict goes by it.
    pub chances: Option<Chances>,
    /// How many times the rows of a single look the proofs of this test take, where it allows for many looks.
    pub price: Option<f64>,
    /// What follows.
    pub verdict: Verdict,
    /// The answers that are missing on rows of both.
    pub missing: u64,
    /// What the answered rows prove, where the missing answers could turn it, so that it is withheld.
    pub withheld: Option<Verdict>,
    /// What the verdict would be if unreadable answers had been right, where that is another one.
    pub if_read: Option<IfRead>,
    /// What it would be without the rows whose gold label is in doubt, where that is another one.
    pub without_doubted: Option<WithoutDoubted>,
    /// How far trainings with different seeds lie apart, where there are several.
    pub seeds: Option<SeedSpread>,
    /// The share of unreadable answers of base and tuned model, 0 to 1.
    pub unreadable: [f64; 2],
    scenarios: Option<Box<Scenarios>>,
    /// How many answers of either are unreadable.
    unread: [u64; 2],
}

impl Comparison {
    /// Whether the one was tuned from the other, rather than being its possible replacement.
    pub(crate) fn is_own_base(&self, figures: &crate::Figures) -> bool {
        figures.model(&self.tuned).is_some_and(|tuned| tuned.tuned_from.as_ref() == Some(&self.base))
    }

    /// Compares two models that were asked once; see [`of_repeats`](Self::of_repeats).
    pub fn of(base: &Evaluation, tuned: &Evaluation, rules: &Rules) -> Self {
        Self::of_repeats(&[base], &[tuned], rules)
    }

    /// Compares two models by all their repeats, at least one of each, as if this were the only comparison; with several,
    /// [`Comparison::adjust`] them.
    ///
    /// Incomplete when a run was cut short, or when the rows that both answered are too small a share of all rows that either
    /// has, even if each model alone has enough.
    ///
    /// # Panics
    /// If one of them has no evaluation.
    pub fn of_repeats(base: &[&Evaluation], tuned: &[&Evaluation], rules: &Rules) -> Self {
        Self::of_seeds(base, &[tuned.to_vec()], rules)
    }

    /// The same with a tuned model of which there are several, trained in the same way with different seeds, each with its
    /// repeats: the verdict is about this way of training.
    ///
    /// # Panics
    /// If there is no evaluation of the base, or of a seed.
    pub fn of_seeds(base: &[&Evaluation], seeds: &[Vec<&Evaluation>], rules: &Rules) -> Self {
        let all = seeds.concat();
        let tuned = all.as_slice();
        let (first_base, first_tuned) = (base[0], tuned[0]);
        let paired = Paired::of(&first_base.predictions, &first_tuned.predictions);
        let covered = paired.coverage().is_some_and(|share| share > 0.0 && share >= rules.min_coverage);
        let whole = !base.iter().chain(tuned).any(|repeat| is_cut_short(&repeat.predictions));
        let unread = [base, tuned].map(unreadable);
        let share =
            unread.map(|(unreadable, all)| if all > 0 { unreadable as f64 / all as f64 } else { 0.0 });
        let mut comparison = Self {
            base: first_base.model.clone(),
            tuned: first_tuned.model.clone(),
            metric: rules.metric.clone(),
            test: "",
            paired,
            repeats: [base.len() as u32, seeds[0].len() as u32],
            clusters: paired.compared(),
            design_effect: None,
            values: None,
            difference: None,
            difference_interval: None,
            confidence: None,
            p: None,
            holm_p: None,
            mcnemar_p: None,
            mcnemar_mid_p: None,
            macro_f1: None,
            non_inferiority: None,
            power: None,
            chances: None,
            price: None,
            verdict: Verdict::Incomplete,
            missing: 0,
            withheld: None,
            if_read: None,
            without_doubted: None,
            seeds: None,
            unreadable: share,
            scenarios: None,
            unread: unread.map(|(unreadable, _)| unreadable),
        };
        if covered && whole {
            if unread.iter().any(|(some, all)| is_unreadable_form(*some, *all, rules.max_unreadable)) {
                comparison.verdict = Verdict::Unreadable;
                return comparison;
            }
            comparison.measure(base, seeds, rules);
        }
        Self::adjust(std::slice::from_mut(&mut comparison));
        comparison
    }

    /// Whether some cluster has more than one row or more than one answer.
    pub fn has_clusters(&self) -> bool {
        self.clusters < self.paired.compared() || self.repeats != [1, 1] || self.seeds.is_some()
    }

    fn measure(&mut self, base: &[&Evaluation], seeds: &[Vec<&Evaluation>], rules: &Rules) {
        let all = seeds.concat();
        let tuned = all.as_slice();
        let mut scenarios = Scenarios::of(base, tuned, &self.metric, rules.looks);
        if seeds.len() > 1 {
            let gain = |seed: &Vec<&Evaluation>| {
                Scenarios::of(base, seed, &self.metric, Looks::Once).answered.mean()
            };
            let gains: Vec<f64> = seeds.iter().filter_map(gain).collect();
            let (of_seeds, spread) = scenarios.with_seeds(&gains);
            scenarios = of_seeds;
            self.seeds = spread.map(|spread| spread.of(&self.metric, &gains));
        }
        let answered = &scenarios.answered;
        self.clusters = answered.clusters();
        self.design_effect = answered.design_effect();
        self.test = answered.test();
        self.values = scenarios.values;
        self.difference = answered.mean().map(|gain| self.metric.gain(gain));
        let clusters = base[0].clusters.as_deref().or(tuned[0].clusters.as_deref());
        if self.metric == Metric::Accuracy
            && self.repeats == [1, 1]
            && !clusters.is_some_and(Clusters::are_not_rows)
        {
            let (lost, won) = (self.paired.only_base, self.paired.only_tuned);
            self.mcnemar_p = Some(mcnemar_exact(lost, won));
            self.mcnemar_mid_p = Some(mcnemar_mid_p(lost, won));
        }
        self.p = Some(scenarios.p());
        self.missing = scenarios.missing;
        self.macro_f1 = macro_f1(base, tuned);
        self.non_inferiority = rules.margin.map(|margin| {
            let p = scenarios.non_inferiority_p(margin);
            NonInferiority { margin, p, holm_p: p, bound: -1.0, proven: false }
        });
        self.power = Power::of(answered);
        self.chances = Chances::of(answered, rules.margin);
        self.price = answered.price(ALPHA / 2.0);
        self.scenarios = Some(Box::new(scenarios));
    }
}

/// The macro-F1 of both over the rows that both answered, in all repeats; none where it is undefined.
fn macro_f1(base: &[&Evaluation], tuned: &[&Evaluation]) -> Option<PairedMetric> {
    let rows = base.iter().chain(tuned).flat_map(|repeat| &repeat.predictions);
    let ids = rows.flat_map(|row| row.answer.label().into_iter().chain([row.gold]));
    // Labels beyond these occur nowhere, and take no part in the average.
    let labels = ids.map(|label| label.index() + 1).max()?;
    let sample = Sample::of_pairs(base, tuned, labels);
    let [difference] = sample.estimates(|[base, tuned]: &[LabelCounts; 2]| {
        [tuned.macro_f1().zip(base.macro_f1()).map(|(tuned, base)| tuned - base)]
    });
    let [base, tuned] = sample.observed(|tallies| tallies.map(|tally| tally.macro_f1()));
    let (base, tuned) = (base?, tuned?);
    let interval = difference.and_then(|difference| sample.difference_interval(difference));
    Some(PairedMetric { base, tuned, difference: tuned - base, interval })
}
