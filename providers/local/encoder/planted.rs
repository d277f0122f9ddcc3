//! What the doctor gains by a real encoder: planted label errors, and texts that say in other words what a row says.

use std::collections::HashMap;

use tunebench_data::doctor::{Files, LabelledRows, RowsInMeaning};
use tunebench_data::{PromptTemplate, Source};

use super::super::planted::{Found, Noise, by_words, find, names, rows, sample_path};
use super::matrix::Matrix;
use super::tests::folder;
use super::{Encoder, nearest_in_meaning, out_of_fold_in_meaning};

const SAMPLES: [&str; 2] = ["banking10", "definitions8"];

/// Sample, the text of a row, and the same in other words; written for this measurement.
const PARAPHRASES: &str = include_str!("testdata/paraphrases.tsv");

/// The rows of a sample and their vectors.
struct Embedded {
    texts: Vec<String>,
    labels: Vec<usize>,
    vectors: Matrix,
}

impl Embedded {
    fn new(encoder: &Encoder, sample: &str) -> Self {
        let rows = rows(sample);
        let names = names(&rows);
        let labels = rows.iter().map(|row| names.binary_search(&row.label).unwrap()).collect();
        let texts: Vec<String> = rows.into_iter().map(|row| row.text).collect();
        let vectors = Matrix { width: encoder.width(), values: encoder.embed(&texts) };
        Self { texts, labels, vectors }
    }

    /// For each text the label, other than its own, whose texts are nearest on the whole: the error that is hardest to see.
    fn likeliest_error(&self) -> HashMap<&str, usize> {
        let count = self.labels.iter().max().map_or(0, |last| last + 1);
        let mut means = vec![vec![0.0; self.vectors.width]; count];
        for (row, &label) in self.labels.iter().enumerate() {
            super::matrix::add(&mut means[label], self.vectors.row(row));
        }
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        means.iter_mut().for_each(|mean| {
            let length = product(mean, mean).sqrt();
            mean.iter_mut().for_each(|number| *number /= length);
        });
        let nearest = |row: usize| {
            let cosine = |label: &usize| product(&means[*label], self.vectors.row(row));
            let others = (0..count).filter(|label| *label != self.labels[row]);
            others.max_by(|a, b| cosine(a).total_cmp(&cosine(b))).unwrap()
        };
        self.texts.iter().enumerate().map(|(row, text)| (text.as_str(), nearest(row))).collect()
    }

    /// As the doctor judges with the encoder.
    fn judge(&self, rows: &LabelledRows) -> Vec<f32> {
        let known: HashMap<&str, &[f32]> =
            self.texts.iter().enumerate().map(|(row, text)| (text.as_str(), self.vectors.row(row))).collect();
        let texts = rows.texts();
        let vectors: Vec<f32> = texts.iter().flat_map(|text| known[text]).copied().collect();
        out_of_fold_in_meaning(&vectors, &texts, rows.labels(), rows.label_set(), rows.folds()).unwrap()
    }
}

/// Prints the second table of docs/doctor.md.
#[test]
#[ignore = "a measurement, which `tests/encoder/run --measure` makes in a release build"]
#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn measure_planted_label_errors() {
    let Some(folder) = folder() else { return };
    let encoder = Encoder::read(&folder).unwrap();
    println!(
        "| sample | errors | wrong | listed | precision | recall | with the encoder: listed | precision | recall |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for sample in SAMPLES {
        let embedded = Embedded::new(&encoder, sample);
        let likeliest = embedded.likeliest_error();
        let of = |noise: Noise| move |text: &str, label, labels| noise.label(text, label, labels);
        let likely = |text: &str, _, _| likeliest[text];
        let print = |errors: &str, percent: usize, wrong: &dyn Fn(&str, usize, usize) -> usize| {
            let figures =
                |found: Found| format!("{} | {:.2} | {:.2}", found.found, found.precision(), found.recall());
            let words = find(sample, percent, wrong, by_words);
            let meaning = find(sample, percent, wrong, |rows| embedded.judge(rows));
            println!("| `{sample}` | {errors} | {percent} % | {} | {} |", figures(words), figures(meaning));
        };
        for percent in [2, 5, 10] {
            print("uniform", percent, &of(Noise::Uniform));
            print("pair", percent, &of(Noise::Pair));
            print("likely", percent, &likely);
        }
    }
}

/// Prints how many paraphrases of rows are told of, and how many rows of the samples themselves.
#[test]
#[ignore = "a measurement, which `tests/encoder/run --measure` makes in a release build"]
#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn measure_paraphrases() {
    let Some(folder) = folder() else { return };
    let encoder = Encoder::read(&folder).unwrap();
    println!(
        "| sample | from a cosine of | paraphrases found | of | rows listed | with the label of the other row |"
    );
    println!("|---|---|---|---|---|---|");
    for sample in SAMPLES {
        let Embedded { texts, labels, vectors } = Embedded::new(&encoder, sample);
        let pairs = PARAPHRASES.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let said: Vec<&str> = pairs.filter(|fields| fields[0] == sample).map(|fields| fields[2]).collect();
        let (train, template) = (Source::new(sample_path(sample)), PromptTemplate::default());
        let files =
            Files { train: Some(&train), validation: None, test: None, labels: None, template: &template };
        let rows = RowsInMeaning::read(&files).unwrap();
        assert_eq!(rows.texts(), texts);
        let all = [vectors.values, encoder.embed(&said)].concat();
        let nearest = nearest_in_meaning(&all, encoder.width(), |row| row.min(texts.len()));
        let (own, planted) = nearest.split_at(texts.len());
        let threshold = rows.threshold(own);
        let near = |found: &Option<(usize, f32)>| found.filter(|found| found.1 >= threshold);
        // Another row that is as near is as good: it says the same.
        let found = planted.iter().filter_map(near).count();
        let listed: Vec<(usize, usize)> =
            own.iter().enumerate().filter_map(|(row, found)| Some((row, near(found)?.0))).collect();
        let agree = listed.iter().filter(|(row, other)| labels[*row] == labels[*other]).count();
        let (planted, listed) = (planted.len(), listed.len());
        println!("| `{sample}` | {threshold:.2} | {found} | {planted} | {listed} | {agree} |");
    }
}
