//! Two models on the same rows: what the rows prove about the difference between them.

use std::cmp::Ordering;

use serde::Serialize;

use crate::bootstrap::observed;
use crate::clusters::clustered_difference;
use crate::words::words;
use crate::{
    Bootstrap, CONFIDENCE, Cell, DRAWS, Evaluation, Interval, Paired, Power, Tally, holm, mcnemar_exact,
    mcnemar_mid_p, non_inferiority_p, pairs, tango,
};

/// A difference counts as proven when the two-sided p-value is at most this; non-inferiority, which is one-sided, when its
/// p-value is at most half of it.
pub const ALPHA: f64 = 0.05;

words! {
    /// What a comparison says of the tuned model, measured by its base.
    Verdict {
        /// More accurate, at the level of [`ALPHA`].
        Better = "better",
        /// Less accurate, at the level of [`ALPHA`].
        Worse = "worse",
        /// No difference is proven, but that the tuned model is less accurate by the margin or more is ruled out.
        NoWorse = "no_worse",
        /// The rows do not prove a difference; this is no proof that there is none.
        NotProven = "not_proven",
        /// Too few of the rows were answered by both to say anything.
        Incomplete = "incomplete",
    }
}

/// By what a comparison is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// The least share, 0 to 1, that the rows answered by both must be of all rows that either has.
    pub min_coverage: f64,
    /// The loss of accuracy, above 0 and below 1, that would still be "no worse"; none to ask for differences only.
    pub margin: Option<f64>,
    /// How often the rows are drawn anew for an interval; see [`Bootstrap`](crate::Bootstrap).
    pub draws: u32,
    /// The seed of those draws.
    pub seed: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { min_coverage: 0.0, margin: None, draws: DRAWS, seed: 0 }
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
    /// The paired bootstrap interval of the difference; see [`Bootstrap`](crate::Bootstrap).
    pub interval: Interval,
}

/// Whether the tuned model is no worse than its base by a margin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NonInferiority {
    /// The loss of accuracy that is allowed, above 0.
    pub margin: f64,
    /// The one-sided p-value; see [`non_inferiority_p`].
    pub p: f64,
    /// The same, adjusted by [`holm`] over all comparisons of the report.
    pub holm_p: f64,
    /// Whether `holm_p` is at most half of [`ALPHA`]. With one comparison that is to say that the low end of
    /// [`Comparison::difference_interval`] lies above minus the margin.
    pub proven: bool,
}

/// A base model and a model that was tuned from it, or any two models on the same rows.
///
/// All but the names and the rows is none when the verdict is [`Verdict::Incomplete`].
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The reference of the base.
    pub base: String,
    /// The reference of the tuned model.
    pub tuned: String,
    /// The rows of both.
    pub paired: Paired,
    /// See [`Paired::difference`].
    pub difference: Option<f64>,
    /// Its interval at the level of [`CONFIDENCE`](crate::CONFIDENCE); see [`tango`].
    pub difference_interval: Option<Interval>,
    /// The same where rows belong together: the cluster-robust interval, as of [`Clustered::accuracy`](crate::Clustered). The
    /// p-values know nothing of groups.
    pub clustered_difference: Option<Interval>,
    /// See [`mcnemar_exact`].
    pub mcnemar_p: Option<f64>,
    /// See [`mcnemar_mid_p`].
    pub mcnemar_mid_p: Option<f64>,
    /// The exact p-value, adjusted by [`holm`] over all comparisons of the report: what the verdict goes by.
    pub holm_p: Option<f64>,
    /// Macro-F1, defined as in [`Scores`](crate::Scores), over the compared rows.
    pub macro_f1: Option<PairedMetric>,
    /// Whether the tuned model is no worse by a margin, where one is set.
    pub non_inferiority: Option<NonInferiority>,
    /// What so many rows can prove, and how many would decide.
    pub power: Option<Power>,
    /// What follows.
    pub verdict: Verdict,
}

impl Comparison {
    /// Whether the one was tuned from the other, rather than being its possible replacement.
    pub(crate) fn is_own_base(&self, figures: &crate::Figures) -> bool {
        figures.model(&self.tuned).is_some_and(|tuned| tuned.tuned_from.as_ref() == Some(&self.base))
    }

    /// Compares two models, as if this were the only comparison; with several, [`Comparison::adjust`] them.
    ///
    /// Incomplete when the rows that both answered are too small a share of all rows that either has, even if each
    /// model alone has enough.
    pub fn of(base: &Evaluation, tuned: &Evaluation, rules: &Rules) -> Self {
        let paired = Paired::of(&base.predictions, &tuned.predictions);
        let complete =
            paired.coverage().is_some_and(|coverage| coverage > 0.0 && coverage >= rules.min_coverage);
        let mut comparison = Self {
            base: base.model.clone(),
            tuned: tuned.model.clone(),
            paired,
            difference: None,
            difference_interval: None,
            clustered_difference: None,
            mcnemar_p: None,
            mcnemar_mid_p: None,
            holm_p: None,
            macro_f1: None,
            non_inferiority: None,
            power: None,
            verdict: Verdict::Incomplete,
        };
        if complete {
            let (lost, won) = (paired.only_base, paired.only_tuned);
            comparison.difference = paired.difference();
            comparison.difference_interval = tango(&paired, CONFIDENCE);
            comparison.clustered_difference = clustered_difference(base, tuned);
            comparison.mcnemar_p = Some(mcnemar_exact(lost, won));
            comparison.mcnemar_mid_p = Some(mcnemar_mid_p(lost, won));
            comparison.macro_f1 = macro_f1(base, tuned, rules);
            comparison.non_inferiority = rules.margin.map(|margin| {
                let p = non_inferiority_p(&paired, margin);
                NonInferiority { margin, p, holm_p: p, proven: false }
            });
            comparison.power = Power::of(&paired);
        }
        Self::adjust(std::slice::from_mut(&mut comparison));
        comparison
    }

    /// Adjusts the p-values of all comparisons of a report for their number, and judges anew.
    ///
    /// Incomplete comparisons ask nothing and are not counted.
    pub fn adjust(comparisons: &mut [Self]) {
        let exact: Vec<_> = comparisons.iter().filter_map(|comparison| comparison.mcnemar_p).collect();
        let mut exact = holm(&exact).into_iter();
        let margins: Vec<_> = comparisons.iter().filter_map(|c| Some(c.non_inferiority?.p)).collect();
        let mut margins = holm(&margins).into_iter();
        for comparison in comparisons {
            comparison.holm_p = comparison.mcnemar_p.and_then(|_| exact.next());
            if let Some(test) = &mut comparison.non_inferiority
                && let Some(p) = margins.next()
            {
                (test.holm_p, test.proven) = (p, p <= ALPHA / 2.0);
            }
            comparison.verdict = comparison.judged();
            let rows_to_decide = comparison.rows_to_decide();
            if let Some(power) = &mut comparison.power {
                power.rows_to_decide = rows_to_decide;
            }
        }
    }

    fn rows_to_decide(&self) -> Option<u64> {
        let margin = self.non_inferiority.map(|test| test.margin);
        match self.verdict {
            Verdict::NotProven => Power::rows_to_decide(&self.paired, margin),
            _ => self.undecided_margin().and_then(|margin| Power::rows_to_place_loss(&self.paired, margin)),
        }
    }

    /// The margin of which it is open whether the loss of a worse model is within it.
    pub fn undecided_margin(&self) -> Option<f64> {
        let test = self.non_inferiority.filter(|test| !test.proven)?;
        let beyond = self.difference_interval?.high < -test.margin;
        (self.verdict == Verdict::Worse && !beyond).then_some(test.margin)
    }

    fn judged(&self) -> Verdict {
        let Some(p) = self.holm_p else { return Verdict::Incomplete };
        match self.paired.only_tuned.cmp(&self.paired.only_base) {
            Ordering::Greater if p <= ALPHA => Verdict::Better,
            Ordering::Less if p <= ALPHA => Verdict::Worse,
            _ if self.non_inferiority.is_some_and(|test| test.proven) => Verdict::NoWorse,
            _ => Verdict::NotProven,
        }
    }
}

/// The macro-F1 of both over the rows that both answered; none where the interval is undefined.
fn macro_f1(base: &Evaluation, tuned: &Evaluation, rules: &Rules) -> Option<PairedMetric> {
    let cells = Cell::of_pairs(pairs(&base.predictions, &tuned.predictions));
    let ids = cells.iter().flat_map(|cell| cell.answers.into_iter().flatten().chain([cell.gold]));
    // Labels beyond these occur nowhere, and take no part in the average.
    let labels = ids.map(|label| label.index() + 1).max()?;
    let bootstrap = Bootstrap { draws: rules.draws, seed: rules.seed, stratified: false };
    let difference = |[base, tuned]: &[Tally; 2]| {
        [tuned.macro_f1().zip(base.macro_f1()).map(|(tuned, base)| tuned - base)]
    };
    let [interval] = bootstrap.intervals(&cells, labels, difference);
    let [base, tuned] = observed(&cells, labels, |tallies| tallies.map(|tally| tally.macro_f1()));
    let (base, tuned) = (base?, tuned?);
    Some(PairedMetric { base, tuned, difference: tuned - base, interval: interval? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, predictions};
    use crate::{Confusion, Scores};

    fn compare_by(gold: &str, base: &str, tuned: &str, rules: Rules) -> Comparison {
        let evaluation = |model: &str, answers| Evaluation {
            model: model.to_owned(),
            tuned_from: None,
            predictions: predictions(gold, answers),
            groups: None,
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
        compare_by(&"a".repeat(rows), &base, &tuned, Rules { margin, draws: 100, ..Rules::default() })
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
            assert_eq!(worse.power.unwrap().rows_to_decide.is_some_and(|rows| rows > 60), open, "{margin}");
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
        assert_eq!(three[0].holm_p, narrow.mcnemar_p.map(|p| 2.0 * p));
        assert_eq!(three[1].holm_p, None);
        assert_eq!(three[2].holm_p, Some(1.0));
        let mut five = vec![narrow.clone(); 5];
        Comparison::adjust(&mut five);
        assert!(five.iter().all(|c| c.holm_p.unwrap() > ALPHA && c.verdict != Verdict::Better));
        // Once more as if each were alone.
        five.iter_mut().for_each(|one| Comparison::adjust(std::slice::from_mut(one)));
        assert_eq!(five[0], narrow);
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
                groups: None,
            });
            let rules = Rules { margin: Some(0.1), draws: 50, ..Rules::default() };
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
