//! The parts of an evaluation that several machines shared, put together again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tunebench_data::{ExampleId, Shard};
use tunebench_reports::{
    Clustering, Clusters, Counts, Evaluation, Manifest, ModelRecord, Prediction, Run, Slicing, TokenUsage,
};

/// Why parts are not of one evaluation.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A whole evaluation is no part of one.
    #[error("`{}` is not a shard", .0.display())]
    Whole(PathBuf),
    /// Two parts were made differently.
    #[error("`{}` and `{}` differ in their {what}", a.display(), b.display())]
    Differ {
        /// The first folder.
        a: PathBuf,
        /// The second folder.
        b: PathBuf,
        /// What is not the same.
        what: &'static str,
    },
    /// A part was given twice.
    #[error("shard {shard} is in `{}` and in `{}`", a.display(), b.display())]
    Twice {
        /// Which.
        shard: Shard,
        /// The first folder.
        a: PathBuf,
        /// The second folder.
        b: PathBuf,
    },
}

/// One part.
struct Part {
    folder: PathBuf,
    shard: Shard,
    run: Run,
}

/// Puts the parts together. The manifest says which are missing: then the whole is not complete.
///
/// # Panics
/// If there is no part.
pub fn merge(runs: Vec<(PathBuf, Run)>) -> Result<Run, MergeError> {
    let parts = runs.into_iter().map(|(folder, run)| match run.manifest.shard {
        Some(shard) => Ok(Part { folder, shard, run }),
        None => Err(MergeError::Whole(folder)),
    });
    let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
    parts.sort_by_key(|part| part.shard);
    let first = &parts[0];
    for pair in parts.windows(2) {
        let [a, b] = pair else { continue };
        let (a_folder, b_folder) = (a.folder.clone(), b.folder.clone());
        if let Some(what) = difference(&first.run.manifest, &b.run.manifest) {
            return Err(MergeError::Differ { a: first.folder.clone(), b: b_folder, what });
        }
        if a.shard == b.shard {
            return Err(MergeError::Twice { shard: a.shard, a: a_folder, b: b_folder });
        }
    }
    let there: BTreeSet<_> = parts.iter().map(|part| part.shard).collect();
    let missing: Vec<_> = first.shard.all().filter(|shard| !there.contains(shard)).collect();
    let runs: Vec<Run> = parts.into_iter().map(|part| part.run).collect();
    let evaluations = (0..runs[0].evaluations.len()).map(|model| joined(&runs, model)).collect();
    let mut manifest = manifest(&runs);
    manifest.complete &= missing.is_empty();
    manifest.missing_shards = missing;
    Ok(Run { manifest, evaluations })
}

/// What keeps two manifests from being of one evaluation.
fn difference(a: &Manifest, b: &Manifest) -> Option<&'static str> {
    let data = |m: &Manifest| m.data.iter().map(|f| (f.role.clone(), f.sha256.clone())).collect::<Vec<_>>();
    let asked = |m: &Manifest| {
        let record = |r: &ModelRecord| (r.model.clone(), r.prompt_sha256.clone(), r.repeat_of.clone());
        m.models.iter().map(record).collect::<Vec<_>>()
    };
    let of = |m: &Manifest| m.shard.map(Shard::of);
    let checks = [
        (a.tool_version == b.tool_version, "version of tunebench"),
        (of(a) == of(b), "number of shards"),
        (data(a) == data(b), "data"),
        (a.labels == b.labels, "labels"),
        (a.prompt == b.prompt, "prompt"),
        (asked(a) == asked(b), "models, or how they were asked"),
        (a.min_coverage == b.min_coverage && a.seed == b.seed, "settings"),
        (a.primary == b.primary && a.costs == b.costs && a.any_time == b.any_time, "settings"),
        (a.margin == b.margin && a.against == b.against && a.max_unreadable == b.max_unreadable, "settings"),
    ];
    checks.into_iter().find(|(same, _)| !same).map(|(_, what)| what)
}

/// A row of a part: its id, what was answered, its group, its cluster, and the values by which rows are parted.
type PartRow = (ExampleId, Prediction, Option<String>, u64, Vec<String>);

/// The rows of a model from all parts, by their ids: the order of the parts shows nowhere.
fn joined(runs: &[Run], model: usize) -> Evaluation {
    let parts = || runs.iter().map(|run| &run.evaluations[model]);
    let grouped = parts().any(|part| part.clusters.as_deref().is_some_and(Clusters::has_groups));
    let mut rows: Vec<PartRow> = Vec::new();
    for (number, part) in parts().enumerate() {
        let clusters = part.clusters.as_deref();
        let group = |row| Some(clusters?.group(row)?.to_owned());
        // Each part numbers its clusters by itself.
        let cluster = |row| clusters.and_then(|clusters| clusters.of(row)).unwrap_or(row) as u64;
        let values = |row| part.slices.iter().flat_map(|slices| slices.of(row)).map(str::to_owned).collect();
        rows.extend(part.predictions.iter().enumerate().map(|(row, one)| {
            (one.id, one, group(row), ((number as u64) << 32) | cluster(row), values(row))
        }));
    }
    rows.sort_by_key(|(id, ..)| *id);
    let mut clustering = Clustering::new(grouped);
    let mut slicing =
        Slicing::new(runs[0].evaluations[model].slices.iter().flat_map(|slices| slices.names()));
    for (_, _, group, cluster, values) in &rows {
        clustering.push_keyed(group.as_deref(), *cluster);
        slicing.push(values.iter().map(String::as_str));
    }
    let slices = slicing.finish().map(Arc::new);
    let clusters = clustering.finish().map(Arc::new);
    let Evaluation { model, tuned_from, .. } = &runs[0].evaluations[model];
    let predictions = rows.into_iter().map(|(_, prediction, ..)| prediction).collect();
    Evaluation { model: model.clone(), tuned_from: tuned_from.clone(), predictions, clusters, slices }
}

fn manifest(runs: &[Run]) -> Manifest {
    let all = || runs.iter().map(|run| &run.manifest);
    let mut whole = runs[0].manifest.clone();
    whole.shard = None;
    whole.started = all().map(|manifest| manifest.started.clone()).min().unwrap_or_default();
    whole.finished = all().map(|manifest| manifest.finished.clone()).max().flatten();
    whole.ended_by = all().find_map(|manifest| manifest.ended_by.clone());
    whole.complete = all().all(|manifest| manifest.complete);
    whole.doubted = all().flat_map(|manifest| manifest.doubted.iter().copied()).collect();
    whole.overlap = all().map(|manifest| manifest.overlap).sum();
    for file in whole.data.iter_mut().filter(|file| file.role == "test") {
        let rows =
            |manifest: &Manifest| manifest.data.iter().find(|f| f.role == "test").map_or(0, |f| f.rows);
        file.rows = all().map(rows).sum();
    }
    for (i, record) in whole.models.iter_mut().enumerate() {
        record.answered_by = BTreeMap::new();
        record.usage = None;
        let sum = |a: Counts, b: Counts| Counts {
            correct: a.correct + b.correct,
            incorrect: a.incorrect + b.incorrect,
            invalid: a.invalid + b.invalid,
            unanswered: a.unanswered + b.unanswered,
        };
        let parts = || all().map(|manifest| &manifest.models[i]);
        // Where one part is not known, neither is the sum.
        record.paid_usd = parts().map(|part| part.paid_usd).sum();
        record.rows = parts().map(|part| part.rows).try_fold(Counts::default(), |a, b| Some(sum(a, b?)));
        for part in all().map(|manifest| &manifest.models[i]) {
            for (version, answers) in &part.answered_by {
                *record.answered_by.entry(version.clone()).or_default() += answers;
            }
            record.usage = match (record.usage, part.usage) {
                (Some(a), Some(b)) => Some(TokenUsage {
                    input_tokens: a.input_tokens + b.input_tokens,
                    output_tokens: a.output_tokens + b.output_tokens,
                    // Where one price is not known, neither is the sum.
                    cost_usd: a.cost_usd.zip(b.cost_usd).map(|(a, b)| a + b),
                }),
                (a, b) => a.or(b),
            };
        }
    }
    whole
}
