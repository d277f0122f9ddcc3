//! All figures of a run, computed once: every format shows these, so that all agree to the last digit.

use crate::caveats::{self, Caveat};
use crate::doubted;
use crate::repeats::{self, Repeats};
use crate::{Comparison, Evaluation, ModelFigures, Rules, Run, SliceFigures, slugs};

/// The figures of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// One for each evaluation, each base directly before the models tuned from it.
    pub models: Vec<ModelFigures>,
    /// One for each fine-tuned model whose base was evaluated as well; then, where the manifest names a model to compare
    /// all others with, one for each of them.
    pub comparisons: Vec<Comparison>,
    /// What the models make of parts of the rows.
    pub slices: Vec<SliceFigures>,
    /// One for each model that was asked more than once.
    pub repeats: Vec<Repeats>,
    /// What a reader should know before believing the figures.
    pub doubts: Vec<Caveat>,
}

impl Figures {
    /// Computes the figures.
    ///
    /// # Panics
    /// If a row speaks of a label that is not in the label set.
    pub fn of(run: &Run) -> Self {
        let min_coverage = run.manifest.min_coverage;
        let names: Vec<_> = run.evaluations.iter().map(|evaluation| evaluation.model.as_str()).collect();
        let spare_files = slugs(&names);
        let rules = Rules {
            metric: run.manifest.metric(),
            looks: run.manifest.looks(),
            min_coverage,
            margin: run.manifest.margin,
            max_unreadable: run.manifest.max_unreadable,
        };
        let find = |model: &str| run.evaluations.iter().find(|evaluation| evaluation.model == model);

        let compare = |base: &Evaluation, tuned: &Evaluation| compare(run, base, tuned, &rules);
        let models = in_order(run)
            .into_iter()
            .map(|i| ModelFigures::of(run, &run.evaluations[i], &spare_files[i]))
            .collect::<Vec<_>>();

        let comparisons = models
            .iter()
            .filter(|tuned| !run.is_further(&tuned.model))
            .filter_map(|tuned| {
                let earlier = run.manifest.model(&tuned.model).and_then(|record| record.earlier.as_deref());
                let base = find(earlier.or(tuned.tuned_from.as_deref())?)?;
                Some(compare(base, find(&tuned.model)?))
            })
            .collect::<Vec<_>>();
        let against = run.manifest.against.as_deref().and_then(find).map(|reference| {
            let others = run.evaluations.iter().filter(|other| other.model != reference.model);
            // What was tuned from the reference is compared with it already.
            let others = others.filter(|other| other.tuned_from.as_ref() != Some(&reference.model));
            // A model that was asked or trained several times is compared by all of it at once.
            let others = others.filter(|other| !run.is_further(&other.model));
            others.map(|other| compare(reference, other))
        });
        let mut comparisons: Vec<_> = comparisons.into_iter().chain(against.into_iter().flatten()).collect();
        Comparison::adjust(&mut comparisons);
        doubted::ask(run, &mut comparisons, &rules);
        let doubts = caveats::of(run, &models, &comparisons);
        let repeats = repeats::of(run, &models);
        let slices = SliceFigures::of(run, &comparisons, &rules);
        Self { models, comparisons, slices, repeats, doubts }
    }

    /// The figures of the model with this reference.
    pub fn model(&self, model: &str) -> Option<&ModelFigures> {
        self.models.iter().find(|figures| figures.model == model)
    }
}

/// Compares two models by all their repeats, and what was trained by all its seeds.
pub(crate) fn compare(run: &Run, base: &Evaluation, tuned: &Evaluation, rules: &Rules) -> Comparison {
    let seeds = run.seeds_of(tuned).into_iter().map(|seed| run.repeats_of(seed));
    Comparison::of_seeds(&run.repeats_of(base), &seeds.collect::<Vec<_>>(), rules)
}

/// Positions of the evaluations, each base followed by the models that were tuned from it.
fn in_order(run: &Run) -> Vec<usize> {
    let base_of = |i: usize| {
        let base = run.evaluations[i].tuned_from.as_deref()?;
        run.evaluations.iter().position(|evaluation| evaluation.model == base).filter(|&b| b != i)
    };
    // A model whose base was tuned itself goes with the first of the chain; a circle ends somewhere.
    let root_of = |i: usize| (0..run.evaluations.len()).try_fold(i, |at, _| base_of(at).ok_or(at));
    let mut order: Vec<_> = (0..run.evaluations.len()).collect();
    order.sort_by_key(|&i| match root_of(i) {
        Err(root) => (root, base_of(i).is_some(), i),
        Ok(_) => (i, false, i),
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::testing::{predictions, run};

    #[test]
    fn tuned_models_follow_their_base() {
        let rows = || predictions("ab", "ab");
        let run = run(
            &["a", "b"],
            vec![
                ("t1", Some("b1"), rows()),
                ("b2", None, rows()),
                ("b1", None, rows()),
                ("t2", Some("b2"), rows()),
                ("t3", Some("elsewhere"), rows()),
                ("t1b", Some("t1"), rows()),
                ("circle", Some("circle"), rows()),
            ],
        );
        let figures = Figures::of(&run);
        let order: Vec<_> = figures.models.iter().map(|model| model.model.as_str()).collect();
        assert_eq!(order, ["b2", "t2", "b1", "t1", "t1b", "t3", "circle"]);
        let pairs: Vec<_> = figures.comparisons.iter().map(|c| (c.base.as_str(), c.tuned.as_str())).collect();
        assert_eq!(pairs, [("b2", "t2"), ("b1", "t1"), ("t1", "t1b"), ("circle", "circle")]);
    }

    #[test]
    fn below_the_coverage_limit_there_are_no_scores() {
        let mut run = run(&["a", "b"], vec![("m", None, predictions("abab", "aba?"))]);
        assert_eq!(Figures::of(&run).models[0].scores, None);
        run.manifest.min_coverage = 0.75;
        assert_eq!(Figures::of(&run).models[0].scores.as_ref().unwrap().accuracy, Some(1.0));
    }

    #[test]
    fn comparisons_are_judged_together_and_by_the_manifest() {
        let gold = "a".repeat(100);
        let better =
            |won: usize| predictions(&gold, &format!("{}{}", "b".repeat(30 - won), "a".repeat(70 + won)));
        let models = vec![("m", None, better(0)), ("t", Some("m"), better(6)), ("u", Some("m"), better(5))];
        let mut run = run(&["a", "b"], models);
        let verdicts = |run: &Run| Figures::of(run).comparisons.iter().map(|c| c.verdict).collect::<Vec<_>>();
        let figures = Figures::of(&run);
        let p = figures.comparisons[0].p.unwrap();
        assert!((p - 0.03125).abs() < 1e-12 && figures.comparisons[0].holm_p == Some(2.0 * p));
        assert_eq!(verdicts(&run), [Verdict::NotProven; 2]);
        assert_eq!(Figures::of(&run), figures);
        run.manifest.margin = Some(0.05);
        assert_eq!(verdicts(&run), [Verdict::NoWorse; 2]);
        run.evaluations.pop();
        assert_eq!(verdicts(&run), [Verdict::Better]);
    }
}
