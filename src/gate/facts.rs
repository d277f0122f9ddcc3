//! From results and a baseline to what the checks need to know.

use std::collections::BTreeSet;

use tunebench_reports::{
    Answer, ClassScores, Evaluation, Figures, InvalidKind, Looks, Manifest, ModelFigures, Outcome, Paired,
    Prediction, Run, Scenarios, Supposed, is_unreadable_form,
};

use super::GateError;
use super::baseline::{Baseline, Model, Row};
use super::checks::{AGAIN, Bound, Checks, Facts, Figure, Incompleteness};
use super::matching::matched;

/// The floor: what anybody reaches who always answers the most frequent label.
const FLOOR: &str = "local/majority";

/// Whether a model is there for others to be held against, and not to be judged.
pub(super) fn is_floor(model: &str) -> bool {
    model == FLOOR
}

/// The models that the gate is about: the named ones, or all that no other one was tuned from. Repeats never are, and the
/// floor is not if there is any other.
pub fn gated<'a>(run: &'a Run, named: &[String]) -> Result<Vec<&'a Evaluation>, GateError> {
    let find = |name: &String| {
        run.evaluations.iter().find(|evaluation| evaluation.model == *name).ok_or_else(|| {
            let known: Vec<_> = run.evaluations.iter().map(|evaluation| evaluation.model.as_str()).collect();
            let lack = lack(&run.manifest);
            GateError::NoModel { model: name.clone(), known: known.join(", "), lack }
        })
    };
    if !named.is_empty() {
        return named.iter().map(find).collect();
    }
    let is_repeat = |model: &str| run.manifest.model(model).is_some_and(|record| record.repeat_of.is_some());
    let is_base =
        |model: &String| run.evaluations.iter().any(|other| other.tuned_from.as_ref() == Some(model));
    let wanted = run.evaluations.iter().filter(|one| !is_repeat(&one.model) && !is_base(&one.model));
    let (floor, others): (Vec<_>, Vec<_>) = wanted.partition(|one| is_floor(&one.model));
    Ok(if others.is_empty() { floor } else { others })
}

/// A model that was measured, beside what the baseline says of it.
#[derive(Debug)]
pub struct Measured<'a> {
    /// Its rows.
    pub evaluation: &'a Evaluation,
    /// What it is compared with.
    pub before: Option<&'a Model>,
    /// The same rows, as the baseline has them.
    pub baseline: Option<Evaluation>,
    /// What the checks go by.
    pub facts: Facts,
}

/// What is known of the gated models.
pub fn facts<'a>(
    run: &Run,
    figures: &Figures,
    gated: &[&'a Evaluation],
    baseline: Option<&'a Baseline>,
    checks: &Checks,
) -> Result<Vec<Measured<'a>>, GateError> {
    let looks = if checks.any_time { Looks::AnyTime } else { run.manifest.looks() };
    let before = baseline.map_or_else(|| vec![None; gated.len()], |baseline| matched(run, gated, baseline));
    let measured = gated.iter().zip(before);
    let measured = measured
        .filter_map(|(evaluation, before)| Some((*evaluation, before, figures.model(&evaluation.model)?)));
    let measured = measured.map(|(evaluation, before, figures)| {
        let mut facts = of_figures(run, evaluation, figures, checks);
        let Some(baseline) = baseline else {
            return Ok(Measured { evaluation, before: None, baseline: None, facts });
        };
        if before.is_none() && facts.lack.is_some() {
            // The model that the baseline knows may not have had its turn yet.
            return Ok(Measured { evaluation, before, baseline: None, facts });
        }
        let before = before.ok_or_else(|| {
            let known: Vec<_> = baseline.models.iter().map(|model| model.model.as_str()).collect();
            GateError::UnknownModel { model: evaluation.model.clone(), known: known.join(", ") }
        })?;
        let rows = rows_of(before, evaluation, run)?;
        facts.paired = Some(Paired::of(&rows.predictions, &evaluation.predictions));
        facts.scenarios = Some(Scenarios::of(&[&rows], &run.repeats_of(evaluation), &facts.metric, looks));
        facts.baseline_versions = before.answered_by.clone();
        Ok(Measured { evaluation, before: Some(before), baseline: Some(rows), facts })
    });
    measured.collect()
}

/// What keeps the results from being the whole that a baseline is of.
fn lack(manifest: &Manifest) -> Option<Incompleteness> {
    let missing: Vec<_> = manifest.missing_shards.iter().map(ToString::to_string).collect();
    let (what, hint) = match (manifest.shard, missing.as_slice()) {
        (Some(shard), _) => (format!("this is only shard {shard}"), "join all with `tunebench merge`"),
        (None, [_, ..]) => (
            format!("shards are missing: {}", missing.join(", ")),
            "evaluate them with `tunebench eval --shard`, and join all with `tunebench merge`",
        ),
        (None, []) if !manifest.complete => ("the run was cut short".to_owned(), AGAIN),
        (None, []) => return None,
    };
    Some(Incompleteness { what, hint })
}

/// What keeps answers from being a measurement: so many name no label that their form was measured.
fn unreadable(run: &Run, figures: &ModelFigures) -> Option<Incompleteness> {
    let (unreadable, answered) = (figures.unreadable(), figures.counts().answered());
    is_unreadable_form(unreadable, answered, run.manifest.max_unreadable).then(|| Incompleteness {
        what: format!("{unreadable} of {answered} answers of {} name no label", figures.model),
        hint: "look at the answers with `tunebench show`, and ask for the label alone",
    })
}

fn of_figures(run: &Run, evaluation: &Evaluation, figures: &ModelFigures, checks: &Checks) -> Facts {
    let counts = figures.counts();
    let found = figures.scores.clone().zip(figures.intervals);
    let found = found.map(|(scores, intervals)| Supposed { scores, intervals });
    let supposed = found.as_ref().and_then(|_| Supposed::worst_and_best(evaluation, run.labels().len()));
    let figure = |rows, is_share, of: &dyn Fn(&Supposed) -> Bound| {
        let (value, interval) = found.as_ref().map(of).unwrap_or_default();
        let worst_and_best = supposed.as_ref().map(|bounds| bounds.each_ref().map(of));
        Figure { value, interval, rows, is_share, worst_and_best }
    };
    let recall = |class: &ClassScores| (class.scores.recall, class.recall_interval);
    let classes = found.iter().flat_map(|found| found.scores.classes.iter().enumerate());
    let classes = classes.zip(run.labels().names());
    Facts {
        model: figures.model.clone(),
        metric: run.manifest.metric(),
        lack: lack(&run.manifest).or_else(|| unreadable(run, figures)),
        counts,
        accuracy: figure(counts.answered(), true, &|of| (of.scores.accuracy, of.scores.accuracy_interval)),
        macro_f1: figure(counts.answered(), false, &|of| (of.scores.macro_average.f1, of.intervals.macro_f1)),
        recall: classes
            .map(|((at, class), name)| {
                (name.to_string(), figure(class.support, true, &|of| recall(&of.scores.classes[at])))
            })
            .collect(),
        slices: checks
            .min_slice
            .keys()
            .map(|slice| (slice.clone(), of_slice(run, evaluation, slice)))
            .collect(),
        cost: figures.usage.and_then(|usage| usage.cost_usd),
        p95_ms: figures.latency.map(|latency| latency.p95_ms),
        versions: figures.answered_by.keys().cloned().collect(),
        paired: None,
        scenarios: None,
        baseline_versions: BTreeSet::new(),
    }
}

/// The accuracy on a part of the rows; undefined where nobody knows the part, or none of its rows was answered.
fn of_slice(run: &Run, evaluation: &Evaluation, slice: &str) -> Figure {
    let (name, value) = slice.split_once('=').unwrap_or((slice, ""));
    let Some(rows) = evaluation.slices.as_deref().and_then(|slices| slices.rows(name, value)) else {
        return Figure::default();
    };
    let part = evaluation.only(&rows);
    let (labels, of) =
        (run.labels().len(), |of: &Supposed| (of.scores.accuracy, of.scores.accuracy_interval));
    let (value, interval) = of(&Supposed::none(&part, labels));
    let worst_and_best = Supposed::worst_and_best(&part, labels).map(|bounds| bounds.each_ref().map(of));
    let rows = part.predictions.iter().filter(|row| row.is_answered()).count() as u64;
    Figure { value, interval, rows, is_share: true, worst_and_best }
}

/// The baseline's answers to the rows at hand. Ids are made from text and gold label, so that the gold labels are the same.
///
/// A part of the rows is other data only where the baseline lacks a row of it.
fn rows_of(before: &Model, now: &Evaluation, run: &Run) -> Result<Evaluation, GateError> {
    let here: BTreeSet<_> = now.predictions.iter().map(|row| row.id).collect();
    let common = here.iter().filter(|id| before.rows.contains_key(id)).count() as u64;
    let (only_baseline, only_here) = (before.rows.len() as u64 - common, here.len() as u64 - common);
    let part = lack(&run.manifest).is_some();
    if only_here > 0 || (only_baseline > 0 && !part) {
        return Err(GateError::OtherData { common, only_baseline, only_here });
    }
    let labels = run.labels();
    let rows = now.predictions.iter().filter_map(|row| Some((row, before.rows.get(&row.id)?)));
    let predictions = rows.map(|(row, before)| {
        let answer = match before {
            Row::Correct(label) if label == labels.name(row.gold) => Answer::Label(row.gold),
            Row::Correct(_) => return Err(GateError::Gold(row.id)),
            Row::Incorrect(label) => match labels.get(label).filter(|label| *label != row.gold) {
                Some(label) => Answer::Label(label),
                // A label that is none any more is as wrong as it was.
                None => Answer::Invalid(InvalidKind::NoLabel),
            },
            Row::Invalid(kind) => Answer::Invalid(*kind),
            Row::Unanswered(kind) => Answer::Unanswered(*kind),
        };
        Ok(Prediction { answer, probability: None, gold_probability: None, latency: None, ..row })
    });
    let (model, predictions) =
        (format!("{} (baseline)", before.model), predictions.collect::<Result<_, _>>()?);
    Ok(Evaluation { model, tuned_from: None, predictions, clusters: None, slices: None })
}

impl Baseline {
    /// The baseline that these models make.
    ///
    /// Refused where the run was cut short or a model has no scores.
    pub fn of(run: &Run, figures: &Figures, gated: &[&Evaluation]) -> Result<Self, GateError> {
        if let Some(lack) = lack(&run.manifest) {
            return Err(GateError::Refused(lack));
        }
        let test = run.manifest.data.iter().find(|file| file.role == "test");
        let models = gated.iter().map(|evaluation| model_of(run, figures, evaluation));
        Ok(Self {
            tool: run.manifest.tool_version.clone(),
            date: run.manifest.finished.clone().unwrap_or_else(|| run.manifest.started.clone()),
            data: test.map(|file| file.sha256.clone()).unwrap_or_default(),
            models: models.collect::<Result<_, _>>()?,
        })
    }
}

fn model_of(run: &Run, figures: &Figures, evaluation: &Evaluation) -> Result<Model, GateError> {
    let name = &evaluation.model;
    let figures = figures.model(name);
    if let Some(lack) = figures.and_then(|figures| unreadable(run, figures)) {
        return Err(GateError::Refused(lack));
    }
    let Some(scores) = figures.and_then(|figures| figures.scores.as_ref()) else {
        let what = format!("too few rows were answered by {name}");
        return Err(GateError::Refused(Incompleteness { what, hint: AGAIN }));
    };
    let label = |row: Prediction| row.answer.label().map_or("", |label| run.labels().name(label)).to_owned();
    let rows = evaluation.predictions.iter().map(|row| {
        let told = match (row.answer, row.outcome()) {
            (Answer::Invalid(kind), _) => Row::Invalid(kind),
            (Answer::Unanswered(kind), _) => Row::Unanswered(kind),
            (Answer::Label(_), Outcome::Correct) => Row::Correct(label(row)),
            (Answer::Label(_), _) => Row::Incorrect(label(row)),
        };
        (row.id, told)
    });
    Ok(Model {
        model: name.clone(),
        tuned_from: evaluation.tuned_from.clone(),
        prompt: run.manifest.model(name).and_then(|record| record.prompt_sha256.clone()),
        answered_by: figures.into_iter().flat_map(|figures| figures.answered_by.keys().cloned()).collect(),
        accuracy: scores.accuracy.map(six_digits),
        macro_f1: scores.macro_average.f1.map(six_digits),
        rows: rows.collect(),
    })
}

fn six_digits(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}
