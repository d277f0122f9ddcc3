//! Which model of the baseline a model is compared with.

use tunebench_reports::{Evaluation, Run};

use super::baseline::{Baseline, Model};
use super::facts::is_floor;

/// For each gated model that of the baseline, in their order.
///
/// That is the one of the same name. A model that is tuned anew has another name: of those that are left over on both sides,
/// meaning that the results hold no model of that name any more, the only one tuned from the same base is meant; or else the
/// only one that is left at all.
pub fn matched<'b>(run: &Run, gated: &[&Evaluation], baseline: &'b Baseline) -> Vec<Option<&'b Model>> {
    let named = |name: &str| baseline.models.iter().find(|model| model.model == name);
    let mut found: Vec<_> = gated.iter().map(|evaluation| named(&evaluation.model)).collect();
    let is_here = |model: &Model| run.evaluations.iter().any(|evaluation| evaluation.model == model.model);
    let mut gone: Vec<_> =
        baseline.models.iter().filter(|model| !is_here(model) && !is_floor(&model.model)).collect();

    let new: Vec<_> = (0..gated.len()).filter(|at| found[*at].is_none()).collect();
    for &at in &new {
        let base = &gated[at].tuned_from;
        let alike = new.iter().filter(|other| gated[**other].tuned_from == *base).count();
        let mut candidates = gone.iter().filter(|model| base.is_some() && model.tuned_from == *base);
        if let (1, Some(only), None) = (alike, candidates.next(), candidates.next()) {
            found[at] = Some(*only);
        }
    }
    let left: Vec<_> = new.into_iter().filter(|at| found[*at].is_none()).collect();
    gone.retain(|model| found.iter().flatten().all(|taken| taken.model != model.model));
    if let ([at], [only]) = (left.as_slice(), gone.as_slice()) {
        found[*at] = Some(*only);
    }
    found
}

#[cfg(test)]
mod tests {
    use tunebench_reports::Manifest;

    use super::*;

    /// A run of such models, each with its base.
    fn run(models: &[(&str, &str)]) -> Run {
        let evaluations = models.iter().map(|(model, base)| Evaluation {
            model: (*model).to_owned(),
            tuned_from: Some((*base).to_owned()).filter(|base| !base.is_empty()),
            predictions: Default::default(),
            clusters: None,
            slices: None,
        });
        let manifest = r#"{"format_version": 1, "tool_version": "1", "started": "", "complete": true,
            "min_coverage": 1.0, "seed": 1, "data": [], "labels": ["a", "b"], "models": []}"#;
        let manifest = Manifest::from_json(manifest.as_bytes()).unwrap();
        Run { manifest, evaluations: evaluations.collect() }
    }

    /// What each model is compared with, where the last `gated` models of the run are judged.
    fn compared(before: &[(&str, &str)], now: &[(&str, &str)], gated: usize) -> Vec<Option<String>> {
        let models = run(before).evaluations.into_iter().map(|evaluation| Model {
            model: evaluation.model,
            tuned_from: evaluation.tuned_from,
            ..Model::default()
        });
        let baseline = Baseline { models: models.collect(), ..Baseline::default() };
        let run = run(now);
        let gated: Vec<_> = run.evaluations[now.len() - gated..].iter().collect();
        matched(&run, &gated, &baseline).iter().map(|model| model.map(|model| model.model.clone())).collect()
    }

    #[test]
    fn a_model_is_compared_with_what_it_was_before() {
        let some = |name: &str| Some(name.to_owned());
        // By name, whatever else there is.
        assert_eq!(compared(&[("m", ""), ("t", "m")], &[("t", "m"), ("m", "")], 2), [some("t"), some("m")]);
        // By the base, where two were tuned anew.
        let (before, now) = ([("t1", "a"), ("u1", "b")], [("u2", "b"), ("t2", "a")]);
        assert_eq!(compared(&before, &now, 2), [some("u1"), some("t1")]);
        // What the results still hold, and the floor, was not replaced.
        let before = [("local/majority", ""), ("m", ""), ("t1", "")];
        assert_eq!(compared(&before, &[("m", ""), ("t2", "m")], 1), [some("t1")]);
        // The last ones left, from one provider to another.
        assert_eq!(compared(&[("t1", "a")], &[("u1", "b")], 1), [some("t1")]);
        assert_eq!(
            compared(&[("t1", "a"), ("v", "")], &[("t2", "a"), ("w", "")], 2),
            [some("t1"), some("v")]
        );
    }

    #[test]
    fn where_it_is_not_clear_nothing_is_compared() {
        assert_eq!(compared(&[("t1", "a")], &[("t2", "a"), ("t3", "a")], 2), [None, None]);
        assert_eq!(compared(&[("t1", "a"), ("t2", "a")], &[("t3", "a")], 1), [None]);
        assert_eq!(compared(&[("m", "")], &[("m", ""), ("n", "")], 1), [None]);
        assert_eq!(compared(&[("local/majority", "")], &[("n", "")], 1), [None]);
    }
}
