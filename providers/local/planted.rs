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
enum Noise {
    /// Any other label, each as likely.
    Uniform,
    /// For each label one other, as where two are mistaken for each other.
    Pair,
}

/// What was found of what was planted.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    planted: usize,
    found: usize,
    hits: usize,
    /// Planted ones among the first twenty.
    hits_of_20: usize,
}

impl Found {
    fn precision(self) -> f64 {
        self.hits as f64 / self.found as f64
    }

    fn recall(self) -> f64 {
        self.hits as f64 / self.planted as f64
    }
}

fn rows(sample: &str) -> Vec<Row> {
    let path = format!("{}/../data/samples/{sample}/train.tsv", env!("CARGO_MANIFEST_DIR"));
    let mut reader = Source::new(path).rows().unwrap();
    std::iter::from_fn(|| reader.next_row().unwrap()).map(Result::unwrap).collect()
}

/// Gives so many percent of the rows a wrong label, and looks for them.
fn find(sample: &str, noise: Noise, percent: usize) -> Found {
    let mut rows = rows(sample);
    let mut names: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let hash = |row: &Row| xxh3_64_with_seed(row.text.as_bytes(), SEED);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&i| hash(&rows[i]));
    let planted = (rows.len() * percent + 50) / 100;
    let mut wrong = HashSet::new();
    for i in order.into_iter().take(planted) {
        let label = names.binary_search(&rows[i].label).unwrap();
        let step = match noise {
            Noise::Uniform => 1 + (hash(&rows[i]) % (names.len() as u64 - 1)) as usize,
            Noise::Pair => 1,
        };
        rows[i].label = names[(label + step) % names.len()].clone();
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
    let texts = labelled.texts();
    let matrix = out_of_fold(&texts, labelled.labels(), labelled.label_set(), labelled.folds()).unwrap();
    let judged = labelled.judge(&matrix);
    let hits: Vec<bool> = judged.likely_errors().map(|found| wrong.contains(&found.row.text)).collect();
    let count = |hits: &[bool]| hits.iter().filter(|hit| **hit).count();
    Found { planted, found: hits.len(), hits: count(&hits), hits_of_20: count(&hits[..hits.len().min(20)]) }
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
                let found = find(sample, noise, percent);
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
