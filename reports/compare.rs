//! Two models on the same rows: what the rows prove about the difference between them.

use serde::Serialize;

use crate::jackknife::Sample;
use crate::scenarios::{Scenarios, is_cut_short, is_unreadable_form, unreadable};
use crate::seeds::SeedSpread;
use crate::words::words;
use crate::{
    Chances, Clusters, Evaluation, Interval, LabelCounts, Looks, Metric, Paired, Power, WithoutDoubted, holm,
    holm_levels, mcnemar_exact, mcnemar_mid_p,
};

/// A difference counts as proven when the two-sided p-value is at most this; non-inferiority, which is one-sided, when its
/// p-value is at most half of it.
pub const ALPHA: f64 = 0.05;

words! {
    /// What a comparison says of the tuned model, measured by its base.
    Verdict {
        /// Better by the figure that decides, at the level of [`ALPHA`].
        Better = "better",
        /// Worse by it, at the level of [`ALPHA`].
        Worse = "worse",
        /// No difference is proven, but that the tuned model is worse by the margin or more is ruled out.
        NoWorse = "no_worse",
        /// The rows do not prove a difference; this is no proof that there is none.
        NotProven = "not_proven",
        /// Too few of the rows were answered by both to say anything, or the run was cut short.
        Incomplete = "incomplete",
        /// So many answers of one of them name no label that their form was measured rather than the models.
        Unreadable = "unreadable",
    }
}

/// By what a comparison is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The figure that decides.
    pub metric: Metric,
    /// How often the rows may be looked at; only where the figure [allows for it](Metric::has_looks).
    pub looks: Looks,
    /// The least share, 0 to 1, that the rows answered by both must be of all rows that either has.
    pub min_coverage: f64,
    /// The loss, above 0 and of a share below 1, that would still be "no worse"; none to ask for differences only.
    pub margin: Option<f64>,
    /// The share, 0 to 1, of a model's answers that may name no label: with as many or more there is no verdict; see
    /// [`is_unreadable_form`].
    pub max_unreadable: f64,
}

/// Where nobody says otherwise, the share of unreadable answers from which on there is no verdict.
pub const MAX_UNREADABLE: f64 = 0.1;

impl Default for Rules {
    fn default() -> Self {
        Self {
            metric: Metric::Accuracy,
            looks: Looks::Once,
            min_coverage: 0.0,
            margin: None,
            max_unreadable: MAX_UNREADABLE,
        }
    }
}

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
    /// The same, adjusted by [`holm`] over all comparisons of the report.
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
    /// The same, adjusted by [`holm`] over all comparisons of the report: what the verdict goes by.
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

/// The levels at which a comparison is decided: two-sided of a difference, one-sided of a margin.
#[derive(Debug, Clone, Copy)]
struct Levels {
    difference: f64,
    margin: f64,
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

    /// Adjusts the p-values of all comparisons of a report for their number, and judges anew.
    ///
    /// Comparisons that could not be made ask nothing and are not counted.
    pub fn adjust(comparisons: &mut [Self]) {
        let differences: Vec<_> = comparisons.iter().filter_map(|comparison| comparison.p).collect();
        let mut decided = holm(&differences).into_iter().zip(holm_levels(&differences, ALPHA));
        let margins: Vec<_> = comparisons.iter().filter_map(|c| Some(c.non_inferiority?.p)).collect();
        let mut margins = holm(&margins).into_iter().zip(holm_levels(&margins, ALPHA / 2.0));
        for comparison in comparisons.iter_mut().filter(|comparison| comparison.p.is_some()) {
            let Some(scenarios) = comparison.scenarios.clone() else { continue };
            let Some((holm_p, difference)) = decided.next() else { continue };
            let mut levels = Levels { difference, margin: ALPHA / 2.0 };
            comparison.holm_p = Some(holm_p);
            comparison.confidence = Some(1.0 - difference);
            let gain = scenarios.interval(1.0 - difference);
            comparison.difference_interval = gain.map(|interval| comparison.turned(interval));
            let metric = &comparison.metric;
            if let Some(test) = &mut comparison.non_inferiority
                && let Some((p, level)) = margins.next()
            {
                levels.margin = level;
                let bound = scenarios.interval(1.0 - 2.0 * level).map_or(-1.0, |interval| interval.low);
                let bound = metric.gain(bound);
                (test.holm_p, test.bound, test.proven) = (p, bound, p <= ALPHA / 2.0);
            }
            comparison.judge(&scenarios, levels);
        }
    }

    fn judge(&mut self, scenarios: &Scenarios, levels: Levels) {
        let margin = self.non_inferiority.map(|test| test.margin);
        self.verdict = scenarios.verdict(margin, levels.difference, levels.margin);
        let answered = scenarios.answered_only();
        let of_answered = answered.verdict(margin, levels.difference, levels.margin);
        self.withheld = Some(of_answered).filter(|verdict| *verdict != self.verdict);
        // Of a worse model it is withheld that it is no worse.
        if let Some(test) = self.non_inferiority.filter(|test| !test.proven)
            && answered.non_inferiority_p(test.margin) <= levels.margin
        {
            self.withheld = self.withheld.or(Some(Verdict::NoWorse));
        }
        let worse = usize::from(self.difference.is_some_and(|difference| self.metric.gain(difference) < 0.0));
        self.if_read = scenarios.if_read(worse).and_then(|read| {
            let verdict = read.verdict(margin, levels.difference, levels.margin);
            let if_read = IfRead { tuned: worse == 1, answers: self.unread[worse], verdict };
            (verdict != self.verdict).then_some(if_read)
        });
        let rows_to_decide = self.rows_to_decide(scenarios, levels);
        if let Some(power) = &mut self.power {
            power.rows_to_decide = rows_to_decide;
        }
    }

    fn rows_to_decide(&self, scenarios: &Scenarios, levels: Levels) -> Option<u64> {
        let margin = self.non_inferiority.map(|test| test.margin);
        let rows = |margin: f64, alpha| scenarios.answered.rows_to_decide(margin, alpha);
        match self.verdict {
            Verdict::NotProven => {
                let within = margin.and_then(|margin| rows(margin, levels.margin));
                [rows(0.0, levels.difference / 2.0), within].into_iter().flatten().min()
            }
            _ => self.undecided_margin().and_then(|margin| rows(margin, levels.margin)),
        }
    }

    /// The margin of which it is open whether the loss of a worse model is within it.
    pub fn undecided_margin(&self) -> Option<f64> {
        let test = self.non_inferiority.filter(|test| !test.proven)?;
        (self.verdict == Verdict::Worse && !self.loses_margin()?).then_some(test.margin)
    }

    /// Whether a loss of more than the margin is proven; none where no margin is set, or without an interval.
    pub fn loses_margin(&self) -> Option<bool> {
        let (test, interval) = (self.non_inferiority?, self.difference_interval?);
        Some(self.turned(interval).high < -test.margin)
    }

    /// From an interval of gains to one of the figure's differences, or back.
    pub(crate) fn turned(&self, Interval { low, high }: Interval) -> Interval {
        let [one, other] = [low, high].map(|end| self.metric.gain(end));
        Interval { low: one.min(other), high: one.max(other) }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, predictions};
    use crate::{Confusion, Scores, pairs};

    fn compare_by(gold: &str, base: &str, tuned: &str, rules: Rules) -> Comparison {
        let evaluation = |model: &str, answers| Evaluation {
            model: model.to_owned(),
            tuned_from: None,
            predictions: predictions(gold, answers),
            clusters: None,
            slices: None,
        };
        Comparison::of(&evaluation("base", base), &evaluation("tuned", tuned), &rules)
    }

    fn compare(gold: &str, base: &str, tuned: &str, min_coverage: f64) -> Comparison {
        compare_by(gold, base, tuned, Rules { min_coverage, ..Rules::default() })
    }

    /// Rows of which the base alone got `lost` right, and the tuned model alone `won`.
    fn discordant(rows: usize, lost: usize, won: usize, margin: Option<f64>) -> Comparison {
        let both = "a".repeat(rows - lost - won);
        let base = format!("{both}{}{}", "a".repeat(lost), "b".repeat(won));
        let tuned = format!("{both}{}{}", "b".repeat(lost), "a".repeat(won));
        compare_by(&"a".repeat(rows), &base, &tuned, Rules { margin, ..Rules::default() })
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
    fn a_margin_can_prove_what_no_difference_can() {
        assert_eq!(discordant(1000, 8, 5, None).verdict, Verdict::NotProven);
        let within = discordant(1000, 8, 5, Some(0.02));
        assert_eq!(within.verdict, Verdict::NoWorse);
        assert!(within.difference_interval.unwrap().low > -0.02);
        assert_eq!(within.power.unwrap().rows_to_decide, None);
        // Too narrow a margin proves nothing, and a difference comes first.
        assert_eq!(discordant(1000, 8, 5, Some(0.01)).verdict, Verdict::NotProven);
        let worse = discordant(1000, 20, 5, Some(0.05));
        assert!(worse.non_inferiority.unwrap().proven);
        assert_eq!(worse.verdict, Verdict::Worse);
        assert_eq!(discordant(1000, 5, 20, Some(0.05)).verdict, Verdict::Better);
    }

    #[test]
    fn of_a_worse_model_it_may_be_open_whether_it_is_within_the_margin() {
        for (margin, open) in [(0.05, false), (0.15, true), (0.25, true), (0.6, false)] {
            let worse = discordant(60, 14, 2, Some(margin));
            assert_eq!(worse.verdict, Verdict::Worse);
            assert_eq!(worse.undecided_margin(), open.then_some(margin));
            assert!(worse.power.unwrap().rows_to_decide.is_none_or(|rows| rows > 60 && open), "{margin}");
        }
    }

    #[test]
    fn what_one_question_decides_several_may_leave_open() {
        let (clear, narrow) = (discordant(200, 1, 30, Some(0.05)), discordant(200, 1, 9, Some(0.01)));
        assert_eq!((clear.verdict, narrow.verdict), (Verdict::Better, Verdict::Better));
        assert_eq!(narrow.power.unwrap().rows_to_decide, None);
        let incomplete = compare("a", "?", "a", 0.0);
        let mut three = [narrow.clone(), incomplete, discordant(200, 9, 9, Some(0.01))];
        Comparison::adjust(&mut three);
        // Two questions, since the incomplete one is none.
        assert_eq!(three[0].holm_p, narrow.p.map(|p| 2.0 * p));
        assert_eq!(three[0].confidence, Some(0.975));
        assert_eq!(three[1].holm_p, None);
        assert_eq!(three[2].holm_p, Some(1.0));
        let mut five = vec![narrow.clone(); 5];
        Comparison::adjust(&mut five);
        assert!(five.iter().all(|c| c.holm_p.unwrap() > ALPHA && c.verdict != Verdict::Better));
        // Once more as if each were alone.
        five.iter_mut().for_each(|one| Comparison::adjust(std::slice::from_mut(one)));
        assert_eq!(five[0], narrow);
    }

    fn with_repeats(gold: &str, base: &[&str], tuned: &[&str]) -> Comparison {
        let evaluations = |answers: &[&str]| -> Vec<_> {
            let evaluation = |answers: &&str| Evaluation {
                model: "m".to_owned(),
                tuned_from: None,
                predictions: predictions(gold, answers),
                clusters: None,
                slices: None,
            };
            answers.iter().map(evaluation).collect()
        };
        let (base, tuned) = (evaluations(base), evaluations(tuned));
        let rules = Rules { min_coverage: 0.9, margin: Some(0.02), ..Rules::default() };
        Comparison::of_repeats(&base.iter().collect::<Vec<_>>(), &tuned.iter().collect::<Vec<_>>(), &rules)
    }

    #[test]
    fn first_answers_that_were_lucky_prove_nothing_once_all_repeats_count() {
        let (gold, base) = ("a".repeat(80), format!("{}{}", "b".repeat(10), "a".repeat(70)));
        let lucky = "a".repeat(80);
        let usual = format!("{}{}", "b".repeat(12), "a".repeat(68));
        assert_eq!(with_repeats(&gold, &[&base], &[&lucky]).verdict, Verdict::Better);
        let all = with_repeats(&gold, &[base.as_str(); 5], &[&lucky, &usual, &usual, &usual, &usual]);
        assert_eq!((all.verdict, all.repeats), (Verdict::NotProven, [5, 5]));
        assert!((all.difference.unwrap() - (10.0 - 4.0 * 2.0) / 400.0).abs() < 1e-12, "{:?}", all.difference);
        assert_eq!(all.mcnemar_p, None);
    }

    #[test]
    fn a_verdict_that_missing_answers_could_turn_is_withheld() {
        let gold = "a".repeat(400);
        // Two in a hundred rows are missing, and the tuned model wins eight.
        let base = format!("{}{}", "b".repeat(8), "a".repeat(392));
        let tuned = format!("{}{}", "a".repeat(392), "?".repeat(8));
        let open = with_repeats(&gold, &[&base], &[&tuned]);
        assert_eq!(
            (open.verdict, open.withheld, open.missing),
            (Verdict::NotProven, Some(Verdict::Better), 8)
        );
        assert!(open.difference_interval.unwrap().low <= 0.0);
        assert!(!open.non_inferiority.unwrap().proven);
        // Where nothing could turn it, it stands.
        let clear = format!("{}{}", "b".repeat(60), "a".repeat(340));
        let clear = with_repeats(&gold, &[&clear], &[&tuned]);
        assert_eq!((clear.verdict, clear.withheld), (Verdict::Better, None));
    }

    #[test]
    fn a_run_that_was_cut_short_has_no_verdict() {
        let gold = "a".repeat(200);
        let mut tuned = Evaluation {
            model: "t".to_owned(),
            tuned_from: None,
            predictions: predictions(&gold, &gold),
            clusters: None,
            slices: None,
        };
        let base = Evaluation { predictions: predictions(&gold, &"b".repeat(200)), ..tuned.clone() };
        assert_eq!(Comparison::of(&base, &tuned, &Rules::default()).verdict, Verdict::Better);
        tuned.predictions[199].answer = crate::Answer::Unanswered(crate::UnansweredKind::NotAsked);
        assert_eq!(Comparison::of(&base, &tuned, &Rules::default()).verdict, Verdict::Incomplete);
    }

    #[test]
    fn answers_that_could_not_be_read_are_told_of_and_many_of_them_are_no_measurement() {
        let gold = "a".repeat(200);
        // Of the base ten rows are wrong, and nine of them unreadable.
        let base = format!("{}b{}", "!".repeat(9), "a".repeat(190));
        let found = compare(&gold, &base, &gold, 0.9);
        let read = found.if_read.unwrap();
        assert_eq!((found.verdict, read.tuned, read.answers), (Verdict::Better, false, 9));
        assert_eq!(read.verdict, Verdict::NotProven);
        let form = format!("{}{}", "!".repeat(20), "a".repeat(180));
        assert_eq!(compare(&gold, &form, &gold, 0.9).verdict, Verdict::Unreadable);
    }

    proptest! {
        #[test]
        fn swapping_the_models_mirrors_everything(base in any_predictions(3), tuned in any_predictions(3)) {
            // Some rows of each are the other's as well.
            let more: Vec<_> = base.iter().take(20).copied().collect();
            let tuned: Vec<_> = tuned.into_iter().chain(more).collect();
            let [base, tuned] = [base, tuned].map(|predictions| Evaluation {
                model: String::new(),
                tuned_from: None,
                predictions,
                clusters: None, slices: None });
            let rules = Rules { margin: Some(0.1), ..Rules::default() };
            let (there, back) = (Comparison::of(&base, &tuned, &rules), Comparison::of(&tuned, &base, &rules));
            prop_assert_eq!(there.mcnemar_p, back.mcnemar_p);
            prop_assert_eq!(there.difference.map(|d| -d), back.difference.map(|d| d + 0.0));
            prop_assert_eq!(there.verdict == Verdict::Better, back.verdict == Verdict::Worse);
            if let (Some(there), Some(back)) = (there.difference_interval, back.difference_interval) {
                prop_assert!((there.low + back.high).abs() < 1e-15 && (there.high + back.low).abs() < 1e-15);
            }
            if let (Some(there), Some(back)) = (there.macro_f1, back.macro_f1) {
                prop_assert!((there.difference + back.difference).abs() < 1e-15);
            }
            if let Some(metric) = there.macro_f1 {
                let rows: Vec<_> = pairs(&base.predictions, &tuned.predictions)
                    .filter_map(|pair| pair.answered().map(|[base, _]| *base))
                    .collect();
                let scores = Scores::of(&Confusion::of(&rows, 3));
                prop_assert!((metric.base - scores.macro_average.f1.unwrap()).abs() < 1e-13);
            }
        }
    }
}
