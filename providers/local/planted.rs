//! Planted label errors, and how many of them the classifier and confident learning find together.

use std::collections::HashSet;
use std::io::Write;

use tunebench_data::doctor::{Files, LabelledRows};
use tunebench_data::{PromptTemplate, Row, Source};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::out_of_fold;

const SEED: u64 = 1;

/// How the wrong labels are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Noise {
    /// Any other label, each as likely.
    Uniform,
    /// For each label one other, as where two are mistaken for each other.
    Pair,
}

impl Noise {
    /// The wrong label for a text that has another one of so many.
    pub(super) fn label(self, text: &str, label: usize, labels: usize) -> usize {
        let step = match self {
            Self::Uniform => 1 + (hash(text) % (labels as u64 - 1)) as usize,
            Self::Pair => 1,
        };
        (label + step) % labels
    }
}

/// What was found of what was planted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    planted: usize,
    pub(super) found: usize,
    hits: usize,
    /// Planted ones among the first twenty.
    hits_of_20: usize,
}

impl Found {
    pub(super) fn precision(self) -> f64 {
        self.hits as f64 / self.found as f64
    }

    pub(super) fn recall(self) -> f64 {
        self.hits as f64 / self.planted as f64
    }
}

fn hash(text: &str) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), SEED)
}

/// The training data of a sample.
pub(super) fn sample_path(sample: &str) -> String {
    format!("{}/../data/samples/{sample}/train.tsv", env!("CARGO_MANIFEST_DIR"))
}

/// Its rows.
pub(super) fn rows(sample: &str) -> Vec<Row> {
    let mut reader = Source::new(sample_path(sample)).rows().unwrap();
    std::iter::from_fn(|| reader.next_row().unwrap()).map(Result::unwrap).collect()
}

/// The labels of rows, in alphabetical order.
pub(super) fn names(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Gives so many percent of a sample's rows a wrong label, which is chosen by text, label and number of labels, and looks for
/// them by the probabilities of a judge.
pub(super) fn find(
    sample: &str,
    percent: usize,
    wrong_label: impl Fn(&str, usize, usize) -> usize,
    judge: impl Fn(&LabelledRows) -> Vec<f32>,
) -> Found {
    let mut rows = rows(sample);
    let names = names(&rows);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&i| hash(&rows[i].text));
    let planted = (rows.len() * percent + 50) / 100;
    let mut wrong = HashSet::new();
    for i in order.into_iter().take(planted) {
        let label = names.binary_search(&rows[i].label).unwrap();
        rows[i].label = names[wrong_label(&rows[i].text, label, names.len())].clone();
        wrong.insert(rows[i].text.clone());
    }

    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    for Row { text, label, .. } in &rows {
        writeln!(file, "{}", serde_json::json!({ "text": text, "label": label })).unwrap();
    }
    let (source, template) = (Source::new(file.path()), PromptTemplate::default());
    let files =
        Files { train: Some(&source), validation: None, test: None, labels: None, template: &template };
    let labelled = LabelledRows::read(&files).unwrap().unwrap();
    let probabilities = judge(&labelled);
    let judged = labelled.judge(&probabilities);
    let hits: Vec<bool> = judged.likely_errors().map(|found| wrong.contains(&found.row.text)).collect();
    let count = |hits: &[bool]| hits.iter().filter(|hit| **hit).count();
    Found { planted, found: hits.len(), hits: count(&hits), hits_of_20: count(&hits[..hits.len().min(20)]) }
}

/// As the doctor judges without an encoder.
pub(super) fn by_words(rows: &LabelledRows) -> Vec<f32> {
    out_of_fold(&rows.texts(), rows.labels(), rows.label_set(), rows.folds()).unwrap()
}

/// With `--nocapture`, prints the table of docs/doctor.md.
#[test]
#[expect(clippy::print_stdout, reason = "the table is for people who run the test by hand")]
fn planted_label_errors_are_found() {
    println!("| sample | errors | wrong | listed | precision | recall | of the first 20 |");
    println!("|---|---|---|---|---|---|---|");
    // The least precision and recall, which hold for both kinds of noise; somewhat below what was measured.
    for (sample, floors) in [
        ("banking10", [(0.70, 0.82), (0.78, 0.80), (0.87, 0.78), (0.84, 0.78), (0.74, 0.70)]),
        ("definitions8", [(0.15, 0.42), (0.36, 0.64), (0.54, 0.73), (0.62, 0.67), (0.59, 0.59)]),
    ] {
        for noise in [Noise::Uniform, Noise::Pair] {
            for (percent, (precision, recall)) in [2, 5, 10, 20, 30].into_iter().zip(floors) {
                let wrong = |text: &str, label, labels| noise.label(text, label, labels);
                let found = find(sample, percent, wrong, by_words);
                println!(
                    "| `{sample}` | {} | {percent} % | {} | {:.2} | {:.2} | {} |",
                    format!("{noise:?}").to_lowercase(),
                    found.found,
                    found.precision(),
                    found.recall(),
                    found.hits_of_20,
                );
                assert!(found.precision() >= precision && found.recall() >= recall, "{sample} {found:?}");
            }
        }
    }
}
