//! Which doubts a run gives cause for.

use tunebench_data::LabelId;

use super::Caveat;
use crate::calibration::{MIN_SHARE, with_probability};
use crate::intervals::{CONFIDENCE, wilson};
use crate::{ALPHA, Comparison, Looks, Metric, ModelFigures, Run, Scenarios, Verdict, is_unreadable_form};

/// With fewer rows than this, an accuracy is hardly known.
const FEW_ROWS: u64 = 100;

/// A larger share of invalid answers than this deserves a look at them.
const MANY_INVALID: f64 = 0.05;

/// With fewer groups than this, cluster-robust intervals are known to be too narrow: Cameron and Miller (2015) place the
/// limit between 20 and 50, by the data.
const FEW_GROUPS: u64 = 40;

/// All doubts about a run, those about everything first.
pub(crate) fn of(run: &Run, models: &[ModelFigures], comparisons: &[Comparison]) -> Vec<Caveat> {
    let mut doubts = Vec::new();
    let missing = run.manifest.missing_shards.clone();
    if !missing.is_empty() {
        doubts.push(Caveat::ShardsMissing { missing });
    } else if !run.manifest.complete {
        doubts.push(Caveat::RunCutShort { cause: run.manifest.ended_by.clone() });
    }
    if let Some(shard) = run.manifest.shard {
        doubts.push(Caveat::Shard { shard });
    }
    about_data(run, models, &mut doubts);
    for model in models {
        about_model(model, &mut doubts);
        about_form(run, model, &mut doubts);
        about_version(run, model, &mut doubts);
        about_probabilities(run, model, &mut doubts);
    }
    about_pairs(run, models, comparisons, &mut doubts);
    for model in models {
        if let Some(base) = &model.tuned_from
            && !models.iter().any(|other| other.model == *base)
        {
            doubts.push(Caveat::BaseMissing { base: base.clone(), tuned: model.model.clone() });
        }
    }
    doubts
}

fn about_data(run: &Run, models: &[ModelFigures], doubts: &mut Vec<Caveat>) {
    let rows = models.iter().map(|model| model.counts().rows()).max().unwrap_or(0);
    if let Some(interval) = wilson(rows / 2, rows, CONFIDENCE).filter(|_| rows < FEW_ROWS) {
        doubts.push(Caveat::FewRows { rows, margin: (interval.high - interval.low) / 2.0 });
    }
    let clusters = run.evaluations.iter().filter_map(|evaluation| evaluation.clusters.as_deref());
    let groups = clusters.filter(|clusters| clusters.has_groups());
    if let Some(groups) = groups.map(|groups| groups.count()).min().filter(|groups| *groups < FEW_GROUPS) {
        doubts.push(Caveat::FewGroups { groups });
    }
    let occurs = |label: LabelId| {
        models.iter().any(|model| model.confusion.support(label) + model.confusion.unanswered(label) > 0)
    };
    let missing: Vec<_> =
        run.labels().iter().filter(|(label, _)| !occurs(*label)).map(|(_, name)| name.to_owned()).collect();
    if !missing.is_empty() && rows > 0 {
        doubts.push(Caveat::MissingLabels { names: missing, of: run.labels().len() });
    }
    // A base that never saw the training data loses nothing by it.
    let learned = models.iter().any(|model| model.tuned_from.is_some());
    if let Some(overlap) = run.manifest.overlap.filter(|overlap| *overlap > 0 && learned) {
        doubts.push(Caveat::Overlap { rows: overlap, of: rows });
    }
}

fn about_model(figures: &ModelFigures, doubts: &mut Vec<Caveat>) {
    let (counts, model) = (figures.counts(), figures.model.clone());
    if counts.rows() == 0 {
        doubts.push(Caveat::NoRows { model });
        return;
    }
    // Of equally frequent kinds the first by definition.
    if let Some((mostly, _)) = figures.unanswered.iter().rev().max_by_key(|(_, rows)| **rows) {
        doubts.push(Caveat::Unanswered {
            model: model.clone(),
            unanswered: counts.unanswered,
            rows: counts.rows(),
            mostly: *mostly,
            below_limit: figures.scores.is_none(),
        });
    }
    if let Some((mostly, _)) = figures.invalid.iter().rev().max_by_key(|(_, rows)| **rows)
        && counts.invalid as f64 > MANY_INVALID * counts.answered() as f64
    {
        doubts.push(Caveat::ManyInvalid {
            model,
            invalid: counts.invalid,
            answered: counts.answered(),
            mostly: *mostly,
        });
    }
}

/// Whether the answers of a model can be read, and are labels that it could be right with.
fn about_form(run: &Run, figures: &ModelFigures, doubts: &mut Vec<Caveat>) {
    let confusion = &figures.confusion;
    let other = |label: LabelId| confusion.support(label) + confusion.unanswered(label) == 0;
    let others = run.labels().iter().filter(|(label, _)| other(*label) && confusion.predicted(*label) > 0);
    let (labels, names): (Vec<_>, Vec<_>) = others.map(|(label, name)| (label, name.to_owned())).unzip();
    let answers = labels.into_iter().map(|label| confusion.predicted(label)).sum();
    if !names.is_empty() {
        doubts.push(Caveat::OtherLabels { model: figures.model.clone(), answers, names });
    }
    let (unreadable, answered) = (figures.unreadable(), figures.counts().answered());
    if is_unreadable_form(unreadable, answered, run.manifest.max_unreadable) {
        doubts.push(Caveat::Unreadable { model: figures.model.clone(), unreadable, answered });
    }
}

fn about_version(run: &Run, figures: &ModelFigures, doubts: &mut Vec<Caveat>) {
    let model = figures.model.clone();
    if figures.answered_by.len() > 1 {
        let mut versions: Vec<_> =
            figures.answered_by.iter().map(|(version, rows)| (version.clone(), *rows)).collect();
        // Stable: equally frequent ones stay in the order of their names.
        versions.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        doubts.push(Caveat::VersionChanged { model, versions });
        return;
    }
    let asked = run.manifest.model(&figures.model).and_then(|record| record.asked.clone());
    if let (Some(asked), Some((version, _))) = (asked, figures.answered_by.first_key_value())
        && is_other(&asked, version)
    {
        doubts.push(Caveat::AnsweredByOther { model, asked, version: version.clone() });
    }
}

/// Whether a version is not what was asked for, be that an alias or another model.
fn is_other(asked: &str, version: &str) -> bool {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let (asked, version) = (name(asked), name(version));
    // The number of an endpoint says nothing about what stands behind it.
    asked != version && !asked.bytes().all(|byte| byte.is_ascii_digit())
}

fn about_probabilities(run: &Run, figures: &ModelFigures, doubts: &mut Vec<Caveat>) {
    let evaluation = run.evaluations.iter().find(|evaluation| evaluation.model == figures.model);
    let (Some(evaluation), Some(_), None) = (evaluation, &figures.scores, &figures.calibration) else {
        return;
    };
    let (with, answered) = (with_probability(&evaluation.predictions), figures.counts().answered());
    if with > 0 && (with as f64) < MIN_SHARE * answered as f64 {
        doubts.push(Caveat::FewProbabilities { model: figures.model.clone(), with, answered });
    }
}

fn about_pairs(run: &Run, models: &[ModelFigures], comparisons: &[Comparison], doubts: &mut Vec<Caveat>) {
    for comparison in comparisons {
        // When one model alone falls short, that has been said already.
        let scored = |name: &str| models.iter().any(|model| model.model == name && model.scores.is_some());
        if comparison.verdict == Verdict::Incomplete && scored(&comparison.base) && scored(&comparison.tuned)
        {
            let compared = comparison.paired.compared();
            doubts.push(Caveat::PairIncomplete {
                base: comparison.base.clone(),
                tuned: comparison.tuned.clone(),
                compared,
                rows: compared + comparison.paired.left_out,
            });
        }
    }
    for pair in comparisons.iter().filter(|pair| pair.withheld.is_some()) {
        let (base, tuned) = (pair.base.clone(), pair.tuned.clone());
        doubts.push(Caveat::MissingCouldTurn { base, tuned, missing: pair.missing });
    }
    let prompt = |model: &str| run.manifest.model(model).and_then(|record| record.prompt_sha256.as_deref());
    let differ = comparisons.iter().filter(|pair| match (prompt(&pair.base), prompt(&pair.tuned)) {
        (Some(base), Some(tuned)) => base != tuned,
        // Nothing is said where nothing is known.
        _ => false,
    });
    let pairs: Vec<_> = differ.map(|pair| (pair.base.clone(), pair.tuned.clone())).collect();
    if !pairs.is_empty() {
        doubts.push(Caveat::PromptsDiffer { pairs });
    }
    let pairs = unranked(run, models, comparisons);
    if !pairs.is_empty() {
        doubts.push(Caveat::NoRanking { pairs });
    }
}

/// The pairs of models whose accuracies differ without proof, the more accurate one first.
///
/// Pairs that are no comparison of the report are judged by their test alone, where their intervals overlap.
fn unranked(run: &Run, models: &[ModelFigures], comparisons: &[Comparison]) -> Vec<(String, String)> {
    let find = |model: &str| run.evaluations.iter().find(|evaluation| evaluation.model == model);
    let unproven = |one: &str, other: &str| {
        let names = |pair: &&Comparison| {
            (pair.base == one && pair.tuned == other) || (pair.base == other && pair.tuned == one)
        };
        match comparisons.iter().find(names) {
            Some(pair) => pair.verdict == Verdict::NotProven,
            None => {
                let (Some(one), Some(other)) = (find(one), find(other)) else { return true };
                Scenarios::of(&run.repeats_of(one), &run.repeats_of(other), &Metric::Accuracy, Looks::Once)
                    .p()
                    > ALPHA
            }
        }
    };
    let scored: Vec<_> = models
        .iter()
        .filter(|model| model.repeat_of.is_none())
        .filter_map(|model| {
            let scores = model.scores.as_ref()?;
            Some((model.model.as_str(), scores.accuracy?, scores.accuracy_interval?))
        })
        .collect();
    let mut pairs = Vec::new();
    for (i, &(one, accuracy, interval)) in scored.iter().enumerate() {
        for &(other, others, others_interval) in &scored[i + 1..] {
            let overlap = interval.low <= others_interval.high && others_interval.low <= interval.high;
            if accuracy != others && overlap && unproven(one, other) {
                let (first, second) = if accuracy > others { (one, other) } else { (other, one) };
                pairs.push((first.to_owned(), second.to_owned()));
            }
        }
    }
    pairs
}
