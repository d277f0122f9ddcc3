//! What the tests of several files need: short ways to write rows, and arbitrary ones.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tunebench_data::{ExampleId, LabelId, LabelSet};

use crate::{
    Answer, Clustering, Clusters, DataFile, Evaluation, InvalidKind, Latency, MANIFEST_VERSION, Manifest,
    ModelRecord, Prediction, Predictions, Probability, Run, UnansweredKind, slugs,
};

/// Rows from two texts: letters are labels from `a` on, `!` is an invalid answer, `?` is none.
pub(crate) fn predictions(gold: &str, answers: &str) -> Predictions {
    assert_eq!(gold.len(), answers.len());
    let label = |byte: u8| LabelId(u32::from(byte - b'a'));
    gold.bytes()
        .zip(answers.bytes())
        .enumerate()
        .map(|(i, (gold, answer))| Prediction {
            id: ExampleId(i as u64),
            gold: label(gold),
            answer: match answer {
                b'!' => Answer::Invalid(InvalidKind::NoLabel),
                b'?' => Answer::Unanswered(UnansweredKind::Network),
                other => Answer::Label(label(other)),
            },
            probability: None,
            gold_probability: None,
            latency: None,
        })
        .collect()
}

/// The rows, each of them changed; it is told where it stands.
pub(crate) fn changed(rows: &Predictions, change: impl Fn(usize, &mut Prediction)) -> Predictions {
    let rows = rows.iter().enumerate().map(|(at, mut row)| {
        change(at, &mut row);
        row
    });
    rows.collect()
}

pub(crate) fn labels<S: ToString>(names: &[S]) -> LabelSet {
    LabelSet::new(names.iter().map(ToString::to_string).collect()).unwrap()
}

pub(crate) fn manifest<S: ToString>(names: &[S], models: &[(&str, Option<&str>)]) -> Manifest {
    let files = slugs(&models.iter().map(|(model, _)| model).collect::<Vec<_>>());
    Manifest {
        texts: true,
        rendered_prompts: Default::default(),
        format_version: MANIFEST_VERSION,
        tool_version: "0.1.0".to_owned(),
        started: "2026-01-02T03:04:05Z".to_owned(),
        finished: Some("2026-01-02T03:04:09Z".to_owned()),
        complete: true,
        ended_by: None,
        min_coverage: 0.95,
        against: None,
        overlap: None,
        doubted: Vec::new(),
        primary: None,
        costs: None,
        any_time: false,
        margin: None,
        max_unreadable: crate::MAX_UNREADABLE,
        shard: None,
        missing_shards: Vec::new(),
        seed: 1,
        data: vec![DataFile {
            role: "test".to_owned(),
            path: "test.tsv".to_owned(),
            sha256: "00".repeat(32),
            rows: 4,
        }],
        labels: labels(names),
        prompt: json!({ "instruction": "Name the category." }),
        models: models
            .iter()
            .zip(files)
            .map(|((model, tuned_from), file)| ModelRecord {
                model: (*model).to_owned(),
                tuned_from: tuned_from.map(str::to_owned),
                repeat_of: None,
                earlier: None,
                seed_of: None,
                file,
                asked: None,
                prompt_sha256: None,
                description: None,
                answered_by: [((*model).to_owned(), 4)].into(),
                usage: None,
                paid_usd: None,
                rows: None,
                job_id: tuned_from.map(|_| "job-1".to_owned()),
                hyperparameters: json!({ "epochs": 3 }),
            })
            .collect(),
    }
}

/// A run of models, each with its base and its rows.
pub(crate) fn run<S: ToString>(names: &[S], models: Vec<(&str, Option<&str>, Predictions)>) -> Run {
    let list: Vec<_> = models.iter().map(|(model, base, _)| (*model, *base)).collect();
    let manifest = manifest(names, &list);
    let evaluations = models
        .into_iter()
        .map(|(model, base, predictions)| Evaluation {
            model: model.to_owned(),
            tuned_from: base.map(str::to_owned),
            predictions,
            clusters: None,
            slices: None,
        })
        .collect();
    Run { manifest, evaluations }
}

/// Clusters of rows by the names of their groups; a row with an empty name is in none.
pub(crate) fn in_groups<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Option<Arc<Clusters>> {
    let mut clustering = Clustering::new(true);
    for name in names {
        clustering.push_group(Some(name.as_ref()).filter(|name| !name.is_empty()));
    }
    clustering.finish().map(Arc::new)
}

/// Holds a text against a file of this crate; with `UPDATE_EXAMPLES` in the environment the file is written anew.
pub(crate) fn assert_recorded(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert!(recorded == text, "{file} is not what is made now; UPDATE_EXAMPLES=1 writes it anew:\n{text}");
}

fn any_answer(labels: u32) -> impl Strategy<Value = Answer> {
    prop_oneof![
        8 => (0..labels).prop_map(|label| Answer::Label(LabelId(label))),
        1 => prop::sample::select(InvalidKind::ALL).prop_map(Answer::Invalid),
        1 => prop::sample::select(UnansweredKind::ALL).prop_map(Answer::Unanswered),
    ]
}

/// Up to 60 rows with distinct ids.
pub(crate) fn any_predictions(labels: u32) -> impl Strategy<Value = Predictions> {
    let row = (
        0..labels,
        any_answer(labels),
        prop::option::of(0.0f32..=1.0),
        prop::option::of(1u32..),
        any::<bool>(),
    );
    prop::collection::btree_map(any::<u64>(), row, 0..60).prop_map(move |rows| {
        rows.into_iter()
            .map(|(id, (gold, answer, probability, latency, right))| Prediction {
                id: ExampleId(id),
                gold: LabelId(gold),
                answer: match answer {
                    Answer::Label(_) if right => Answer::Label(LabelId(gold)),
                    other => other,
                },
                probability: probability.and_then(Probability::new),
                gold_probability: right.then(|| probability.and_then(Probability::new)).flatten(),
                latency: latency.and_then(Latency::from_micros),
            })
            .collect()
    })
}
