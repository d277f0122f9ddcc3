//! The verdicts again, without the rows whose gold label is in doubt.

use std::collections::HashSet;

use serde::Serialize;
use tunebench_data::ExampleId;

use crate::{Comparison, Evaluation, Rules, Run, Verdict, figures};

/// What a verdict would be without the rows whose gold label is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WithoutDoubted {
    /// How many such rows there are.
    pub rows: u64,
    /// What the verdict would be.
    pub verdict: Verdict,
}

/// Says of each comparison what it would be without these rows, where that is something else.
pub(crate) fn ask(run: &Run, comparisons: &mut [Comparison], rules: &Rules) {
    let doubted: HashSet<ExampleId> = run.manifest.doubted.iter().copied().collect();
    if doubted.is_empty() {
        return;
    }
    let sure = |evaluation: &Evaluation| {
        let rows = evaluation.predictions.iter().enumerate().filter(|(_, row)| !doubted.contains(&row.id));
        evaluation.only(&rows.map(|(at, _)| at).collect::<Vec<_>>())
    };
    let rest =
        Run { manifest: run.manifest.clone(), evaluations: run.evaluations.iter().map(sure).collect() };
    let find = |model: &str| rest.evaluations.iter().find(|one| one.model == model);
    let others = comparisons
        .iter()
        .filter_map(|pair| Some(figures::compare(&rest, find(&pair.base)?, find(&pair.tuned)?, rules)));
    let mut others: Vec<_> = others.collect();
    Comparison::adjust(&mut others);
    for (pair, other) in comparisons.iter_mut().zip(others) {
        if pair.p.is_some() && other.p.is_some() && other.verdict != pair.verdict {
            let rows = pair.paired.compared() - other.paired.compared();
            pair.without_doubted = Some(WithoutDoubted { rows, verdict: other.verdict });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Figures;
    use crate::testing::{predictions, run};

    #[test]
    fn a_verdict_that_rests_on_doubted_rows_says_so_and_no_other() {
        let gold = "a".repeat(100);
        // The tuned model wins the first eight rows.
        let base = format!("{}{}", "b".repeat(8), "a".repeat(92));
        let mut run = run(
            &["a", "b"],
            vec![("m", None, predictions(&gold, &base)), ("t", Some("m"), predictions(&gold, &gold))],
        );
        let found = |run: &Run| Figures::of(run).comparisons[0].clone();
        assert_eq!((found(&run).verdict, found(&run).without_doubted), (Verdict::Better, None));
        run.manifest.doubted = (50..60).map(ExampleId).collect();
        assert_eq!(found(&run).without_doubted, None);
        run.manifest.doubted = (0..5).map(ExampleId).collect();
        let expected = WithoutDoubted { rows: 5, verdict: Verdict::NotProven };
        assert_eq!(found(&run).without_doubted, Some(expected));
    }
}
