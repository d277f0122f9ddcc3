//! Two runs side by side: every model that both have is compared with itself, as it was and as it is.

use std::collections::BTreeMap;

use crate::{ComparisonSide, Evaluation, Overlap, Run, join, slugs};

/// What two runs have in common.
#[derive(Debug)]
pub struct Beside {
    /// A run of the common models, each as it was directly before each as it is.
    pub run: Run,
    /// The models of either run that the other does not have.
    pub left_out: Vec<String>,
    /// The rows of a common model that only one of the runs has.
    pub not_common: u64,
}

/// Why two runs are not set side by side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BesideError {
    /// They have no model in common.
    #[error("the two runs have no model in common")]
    NoModel,
    /// They have no row in common.
    #[error("the two runs have no test row in common")]
    NoRow,
    /// Rows have different gold labels, so that being right does not mean the same in both.
    #[error("the gold labels of {rows} rows differ, such as `{earlier}` and `{now}` for row {id}")]
    Gold {
        /// How many rows.
        rows: usize,
        /// One of them.
        id: String,
        /// Its gold label in the earlier run.
        earlier: String,
        /// Its gold label now.
        now: String,
    },
}

/// The name of a model of an earlier run beside that of now.
pub fn earlier_name(id: &str, model: &str) -> String {
    format!("{id}:{model}")
}

/// Sets a run beside an earlier one, which is called `id`. Rows that a model has in one of them only are left out.
pub fn beside(earlier: &Run, id: &str, now: &Run) -> Result<Beside, BesideError> {
    let find = |run: &Run, model: &str| -> Option<Evaluation> {
        run.evaluations.iter().find(|evaluation| evaluation.model == model).cloned()
    };
    let (mut joined, mut left_out, mut not_common) = (None::<Run>, Vec::new(), 0);
    for evaluation in &now.evaluations {
        let Some(before) = find(earlier, &evaluation.model) else {
            left_out.push(evaluation.model.clone());
            continue;
        };
        let name = earlier_name(id, &evaluation.model);
        let base = ComparisonSide { name: &name, run: earlier, evaluation: &before };
        let tuned = ComparisonSide { name: &evaluation.model, run: now, evaluation };
        let overlap = Overlap::of(&base, &tuned);
        if let Some(other) = overlap.other_gold.first() {
            let rows = overlap.other_gold.len();
            let (id, earlier, now) = (other.id.to_string(), other.base.clone(), other.tuned.clone());
            return Err(BesideError::Gold { rows, id, earlier, now });
        }
        if overlap.common == 0 {
            return Err(BesideError::NoRow);
        }
        not_common = not_common.max((overlap.only_base.len() + overlap.only_tuned.len()) as u64);
        let pair = join(&base, &tuned, now.manifest.margin);
        match &mut joined {
            None => joined = Some(pair),
            Some(all) => {
                all.evaluations.extend(pair.evaluations);
                all.manifest.models.extend(pair.manifest.models);
            }
        }
    }
    let before = earlier.evaluations.iter().map(|evaluation| &evaluation.model);
    left_out.extend(before.filter(|model| find(now, model).is_none()).map(|model| earlier_name(id, model)));
    let mut run = joined.ok_or(BesideError::NoModel)?;
    describe(&mut run, earlier, id, now);
    Ok(Beside { run, left_out, not_common })
}

/// Makes a manifest that is of both runs.
fn describe(run: &mut Run, earlier: &Run, id: &str, now: &Run) {
    let manifest = &mut run.manifest;
    let files = slugs(&manifest.models.iter().map(|record| record.model.as_str()).collect::<Vec<_>>());
    let earlier_of: BTreeMap<String, String> =
        now.evaluations.iter().map(|one| (one.model.clone(), earlier_name(id, &one.model))).collect();
    for (record, file) in manifest.models.iter_mut().zip(files) {
        let earlier = earlier_of.get(&record.model).cloned();
        let was = earlier.is_none().then(|| format!("as it was in run {id}"));
        (record.file, record.earlier) = (file, earlier);
        record.description = was.or(record.description.take());
    }
    manifest.against = None;
    manifest.started.clone_from(&now.manifest.started);
    manifest.finished.clone_from(&now.manifest.finished);
    manifest.tool_version.clone_from(&now.manifest.tool_version);
    manifest.texts = now.manifest.texts;
    manifest.prompt.clone_from(&now.manifest.prompt);
    manifest.rendered_prompts = earlier.manifest.rendered_prompts.clone();
    manifest.rendered_prompts.extend(now.manifest.rendered_prompts.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changed, predictions, run};
    use crate::{Report, Verdict};

    #[test]
    fn every_common_model_is_compared_with_itself() {
        let gold = "ab".repeat(50);
        let other = "ba".repeat(10) + &"ab".repeat(40);
        let rows = |answers: &str| predictions(&gold, answers);
        let earlier = run(
            &["a", "b"],
            vec![("m", None, rows(&other)), ("gone", None, rows(&gold)), ("n", None, rows(&gold))],
        );
        let now = run(
            &["a", "b"],
            vec![("m", None, rows(&gold)), ("n", Some("m"), rows(&gold)), ("new", None, rows(&gold))],
        );
        let both = beside(&earlier, "20260101-1200", &now).unwrap();
        assert_eq!(both.left_out, ["new", "20260101-1200:gone"]);
        let report = Report::new(&both.run);
        let pairs: Vec<_> =
            report.figures.comparisons.iter().map(|c| (&c.base[..], &c.tuned[..], c.verdict)).collect();
        let expected =
            [("20260101-1200:m", "m", Verdict::Better), ("20260101-1200:n", "n", Verdict::NotProven)];
        assert_eq!(pairs, expected);
        let headline = crate::render::Decision::of(&report).headline;
        assert_eq!(headline, "Compared with the earlier run: 1 better, 1 without a proven difference.");
        let order: Vec<_> = report.figures.models.iter().map(|model| &model.model[..]).collect();
        assert_eq!(order, ["20260101-1200:m", "m", "20260101-1200:n", "n"]);
    }

    #[test]
    fn what_cannot_be_set_side_by_side_says_why() {
        let first = run(&["a", "b"], vec![("m", None, predictions("ab", "ab"))]);
        let other = run(&["a", "b"], vec![("n", None, predictions("ab", "ab"))]);
        assert_eq!(beside(&first, "x", &other).unwrap_err(), BesideError::NoModel);
        let gold = run(&["a", "b"], vec![("m", None, predictions("aa", "ab"))]);
        assert!(matches!(beside(&first, "x", &gold).unwrap_err(), BesideError::Gold { rows: 1, .. }));
        let mut rows = first.clone();
        let of_first = &mut rows.evaluations[0].predictions;
        *of_first = changed(of_first, |_, row| row.id.0 += 10);
        assert_eq!(beside(&first, "x", &rows).unwrap_err(), BesideError::NoRow);
    }
}
