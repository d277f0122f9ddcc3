//! The statistics of the reports for answers from anywhere: the same code, and the same names in its JSON.

use std::collections::HashSet;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use serde_json::{Map, Value, json};
use tunebench_data::{ExampleId, LabelId, LabelSet};
use tunebench_reports::render::json::Summary;
use tunebench_reports::{
    Answer, Clustering, Evaluation, InvalidKind, MANIFEST_VERSION, Manifest, ManifestError, Prediction,
    Predictions, Probability, Report, Run, UnansweredKind, slugs,
};

/// The answers of a model: its name, a label or none for each row, and the probabilities of these answers and of the
/// gold labels.
type Answers = (String, Vec<Option<PyBackedStr>>, Option<Probabilities>, Option<Probabilities>);
type Probabilities = Vec<Option<f32>>;

/// The summary of models on the same rows, as `summary.json` has it. `settings` are fields of the manifest, as JSON.
#[pyfunction]
pub(crate) fn summary(
    py: Python<'_>,
    labels: Vec<String>,
    gold: Vec<PyBackedStr>,
    models: Vec<Answers>,
    groups: Option<Vec<Option<PyBackedStr>>>,
    ids: Option<Vec<PyBackedStr>>,
    settings: &str,
) -> PyResult<String> {
    let made = py.detach(|| {
        let ids = example_ids(ids.as_deref(), gold.len())?;
        let run = run(labels, (&gold, &ids), &models, groups.as_deref(), settings)?;
        Ok(Summary::new(&Report::new(&run)).to_json())
    });
    made.map_err(PyValueError::new_err::<String>)
}

/// The ids that rows have in results; else their numbers.
fn example_ids(ids: Option<&[PyBackedStr]>, rows: usize) -> Result<Vec<ExampleId>, String> {
    let Some(ids) = ids else { return Ok((0..rows as u64).map(ExampleId).collect()) };
    let read = |id: &PyBackedStr| id.parse().map_err(|_| format!("`{}` is not the id of a row", &**id));
    let ids: Vec<ExampleId> = ids.iter().map(read).collect::<Result<_, _>>()?;
    let mut seen = HashSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        Some(twice) => Err(format!("two rows have the id {twice}")),
        None => Ok(ids),
    }
}

fn run(
    labels: Vec<String>,
    (gold, ids): (&[PyBackedStr], &[ExampleId]),
    models: &[Answers],
    groups: Option<&[Option<PyBackedStr>]>,
    settings: &str,
) -> Result<Run, String> {
    let set = LabelSet::new(labels.clone()).map_err(|error| error.to_string())?;
    let gold: Vec<LabelId> = gold
        .iter()
        .enumerate()
        .map(|(row, name)| {
            set.get(name)
                .ok_or_else(|| format!("gold label {row} is `{}`, which is not among the labels", &**name))
        })
        .collect::<Result<_, _>>()?;
    let clusters = groups.and_then(|groups| {
        let mut clustering = Clustering::new(true);
        groups.iter().zip(0..).for_each(|(group, row)| clustering.push_keyed(group.as_deref(), row));
        clustering.finish()
    });
    let clusters = clusters.map(Into::into);
    let evaluations = models.iter().map(|(model, answers, probabilities, of_gold)| {
        let predictions =
            predictions(&set, (&gold, ids), answers, [probabilities.as_deref(), of_gold.as_deref()])?;
        Ok(Evaluation {
            model: model.clone(),
            tuned_from: None,
            predictions,
            clusters: Option::clone(&clusters),
            slices: None,
        })
    });
    let evaluations = evaluations.collect::<Result<_, String>>()?;
    Ok(Run { manifest: manifest(&labels, models, settings)?, evaluations })
}

/// A row without an answer is one of which nobody knows why; one that is no label was read as it is.
fn predictions(
    labels: &LabelSet,
    (gold, ids): (&[LabelId], &[ExampleId]),
    answers: &[Option<PyBackedStr>],
    [probabilities, of_gold]: [Option<&[Option<f32>]>; 2],
) -> Result<Predictions, String> {
    let answer = |answer: &Option<PyBackedStr>| match answer.as_deref() {
        None => Answer::Unanswered(UnansweredKind::Provider),
        Some(text) if text.trim().is_empty() => Answer::Invalid(InvalidKind::Empty),
        Some(text) => labels.get(text).map_or(Answer::Invalid(InvalidKind::NoLabel), Answer::Label),
    };
    let probability = |all: Option<&[Option<f32>]>, row: usize| {
        let given = all.and_then(|all| all[row]);
        let read = given.map(|p| {
            Probability::new(p).ok_or_else(|| format!("probability {row} is {p}, not within 0 to 1"))
        });
        read.transpose()
    };
    let row = |(row, (&gold, given)): (usize, (&LabelId, &Option<PyBackedStr>))| {
        Ok(Prediction {
            id: ids[row],
            gold,
            answer: answer(given),
            probability: probability(probabilities, row)?,
            gold_probability: probability(of_gold, row)?,
            latency: None,
        })
    };
    gold.iter().zip(answers).enumerate().map(row).collect()
}

/// Read from JSON, as that of a run is, so that settings are checked as those of a run are.
fn manifest(labels: &[String], models: &[Answers], settings: &str) -> Result<Manifest, String> {
    let names: Vec<&str> = models.iter().map(|(name, ..)| name.as_str()).collect();
    let records: Vec<Value> = names
        .iter()
        .zip(slugs(&names))
        .map(|(model, file)| json!({ "model": model, "file": file }))
        .collect();
    let settings: Map<String, Value> = serde_json::from_str(settings).map_err(|error| error.to_string())?;
    let mut fields = json!({
        "format_version": MANIFEST_VERSION,
        "tool_version": env!("CARGO_PKG_VERSION"),
        "started": "",
        "complete": true,
        "seed": 0,
        "data": [],
        "labels": labels,
        "models": records,
    });
    fields.as_object_mut().into_iter().for_each(|fields| fields.extend(settings.clone()));
    let manifest = Manifest::from_json(fields.to_string().as_bytes()).map_err(|error| match error {
        ManifestError::Value(what) => what,
        error => error.to_string(),
    })?;
    if manifest.any_time && !manifest.metric().has_looks() {
        let figure = manifest.metric().words();
        return Err(format!("there is no anytime-valid test of {figure}: leave out `any_time`"));
    }
    Ok(manifest)
}
