//! The trained classifier: vocabulary, weights and labels in one.

use std::ops::ControlFlow;

use tunebench_data::{LabelId, LabelSet};

use super::calibration::fit_all;
use super::features::{MAX_NGRAMS, Matrix, Reading, Vocabulary};
use super::numeric::exp;
use super::softmax::{Cancelled, EpochReport, Hyperparameters, Weights};

/// Training takes at most so many labels that have rows.
pub const MAX_LABELS: usize = 1 << 14;

/// Training makes at most so many multiplications an epoch (row entries times labels): a few minutes' work.
const MAX_WORK: usize = 1 << 38;

/// The model has about so many weights at most, a byte each: with many labels, fewer n-grams are kept, but
/// always the `FEWEST_NGRAMS` most frequent. Training needs four times the memory.
const MAX_WEIGHTS: usize = 1 << 24;
const FEWEST_NGRAMS: usize = 1 << 13;

/// A trained classifier; share it between threads by reference or `Arc`.
#[derive(Debug, PartialEq)]
pub struct Classifier {
    pub(super) labels: LabelSet,
    pub(super) vocabulary: Vocabulary,
    /// The labels that had training rows, ascending: the classes of the weights.
    pub(super) classes: Vec<LabelId>,
    pub(super) intercepts: Vec<f32>,
    /// What one unit of `weights` is worth in each column.
    pub(super) scales: Vec<f32>,
    /// Column by column, `stride` each, of which the first are of the classes and the rest 0.
    pub(super) weights: Vec<i8>,
}

/// What a prediction needs; each thread keeps one to save the allocations. It serves any classifier.
#[derive(Debug, Default)]
pub struct Scratch {
    reading: Reading,
    scores: Vec<f32>,
    probabilities: Vec<f32>,
}

/// Why there is no classifier.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// There are no rows.
    #[error("there are no training rows")]
    NoRows,
    /// Rows and labels do not match one to one.
    #[error("there are {texts} texts but {labels} labels")]
    Lengths {
        /// Number of texts.
        texts: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A row's label is not of the label set.
    #[error("row {row} has label number {}, but there are only {labels} labels", .label.0)]
    UnknownLabel {
        /// Number of the row, from 1.
        row: usize,
        /// Its label.
        label: LabelId,
        /// Labels of the set.
        labels: usize,
    },
    /// All rows have the same label.
    #[error("all training rows have the label `{label}`: at least two labels are needed")]
    OneLabel {
        /// That label.
        label: String,
    },
    /// No text has a character that is not white space.
    #[error("all training texts are empty")]
    NoText,
    /// A hyperparameter is out of range.
    #[error("`{name}` is {value}, but must be from {least} to {most}")]
    Hyperparameter {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The least it may be.
        least: f64,
        /// The most it may be.
        most: f64,
    },
    /// More labels than [`MAX_LABELS`].
    #[error(
        "the training rows have {labels} different labels, more than the {MAX_LABELS} that can be learned"
    )]
    TooManyLabels {
        /// Labels with rows.
        labels: usize,
    },
    /// Rows, text and labels together would take hours.
    #[error(
        "{rows} rows with {labels} different labels are too much to learn in reasonable time: use fewer rows, shorter texts or fewer labels"
    )]
    TooMuchWork {
        /// Number of rows.
        rows: usize,
        /// Labels with rows.
        labels: usize,
    },
    /// The callback asked to stop.
    #[error("the training was cancelled")]
    Cancelled,
}

impl Classifier {
    /// Trains on texts with one label each, telling `on_epoch` after each epoch; if it breaks, training stops.
    ///
    /// The result depends on the arguments alone, to the bit. Labels without rows are allowed; they always
    /// get probability 0. Bounds: [`super::MAX_CHARACTERS`],
    /// [`MAX_NGRAMS`], [`MAX_LABELS`].
    pub fn train(
        texts: &[&str],
        labels: &[LabelId],
        set: &LabelSet,
        hyperparameters: &Hyperparameters,
        on_epoch: &mut dyn FnMut(EpochReport) -> ControlFlow<()>,
    ) -> Result<Self, TrainError> {
        Self::train_judged(texts, labels, set, hyperparameters, on_epoch).map(|(classifier, _)| classifier)
    }

    /// The same, with what [`fit_all`] has beside it.
    pub(super) fn train_judged(
        texts: &[&str],
        labels: &[LabelId],
        set: &LabelSet,
        hyperparameters: &Hyperparameters,
        on_epoch: &mut dyn FnMut(EpochReport) -> ControlFlow<()>,
    ) -> Result<(Self, Vec<f32>), TrainError> {
        check_hyperparameters(hyperparameters)?;
        let (classes, rows) = classes(texts.len(), labels, set)?;
        let most = (MAX_WEIGHTS / classes.len()).clamp(FEWEST_NGRAMS, MAX_NGRAMS);
        let (vocabulary, matrix) = Vocabulary::learn(texts, most);
        if matrix.columns() == 0 {
            return Err(TrainError::NoText);
        }
        if (matrix.entries() + matrix.rows()).saturating_mul(classes.len()) > MAX_WORK {
            return Err(TrainError::TooMuchWork { rows: texts.len(), labels: classes.len() });
        }
        let (weights, judged) = fit_all(&matrix, texts, &rows, classes.len(), hyperparameters, on_epoch)
            .map_err(|Cancelled| TrainError::Cancelled)?;
        Ok((Self::rounded(set.clone(), vocabulary, classes, &weights, &matrix), judged))
    }

    /// Rounds the weights of each column to 8 bits: a quarter of the memory, and predictions wait for memory.
    fn rounded(
        labels: LabelSet,
        vocabulary: Vocabulary,
        classes: Vec<LabelId>,
        weights: &Weights,
        matrix: &Matrix,
    ) -> Self {
        let stride = stride(classes.len());
        let mut rounded = vec![0; stride * matrix.columns()];
        let mut scales = Vec::with_capacity(matrix.columns());
        for (column, rounded) in rounded.chunks_exact_mut(stride).enumerate() {
            let weights = weights.column(column);
            let largest = weights.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            let unit = largest.max(f32::MIN_POSITIVE * 127.0) / 127.0;
            rounded
                .iter_mut()
                .zip(weights)
                .for_each(|(rounded, weight)| *rounded = (weight / unit).round() as i8);
            // Reading adds up the n-grams of a column, whose length is only the root of their number.
            scales.push(unit / (matrix.sharers[column] as f32).sqrt());
        }
        let intercepts = weights.column(matrix.columns()).to_vec();
        Self { labels, vocabulary, classes, intercepts, scales, weights: rounded }
    }

    /// The labels, in the order of the probabilities.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// The probability of each label of the set, in its order; they add up to 1.
    ///
    /// A text without any known n-gram gets what the labels' frequencies in training suggest.
    pub fn predict<'s>(&self, text: &str, scratch: &'s mut Scratch) -> &'s [f32] {
        let Scratch { reading, scores, probabilities } = scratch;
        let stride = stride(self.classes.len());
        self.vocabulary.read(text, reading);
        scores.clear();
        scores.extend_from_slice(&self.intercepts);
        scores.resize(stride, 0.0);
        for &(column, value) in &reading.vector {
            let value = value * self.scales[column as usize];
            let weights = &self.weights[column as usize * stride..][..stride];
            scores.iter_mut().zip(weights).for_each(|(score, &weight)| *score += value * f32::from(weight));
        }
        scores.truncate(self.classes.len());
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|score| *score = exp(*score - highest));
        let scale = 1.0 / scores.iter().sum::<f32>();
        probabilities.clear();
        probabilities.resize(self.labels.len(), 0.0);
        for (class, score) in self.classes.iter().zip(scores) {
            probabilities[class.index()] = *score * scale;
        }
        probabilities
    }
}

/// How many weights a column takes: a multiple of what one instruction works on.
pub(super) fn stride(classes: usize) -> usize {
    classes.next_multiple_of(8)
}

fn check_hyperparameters(hyperparameters: &Hyperparameters) -> Result<(), TrainError> {
    let check = |name, value, least, most| {
        let error = TrainError::Hyperparameter { name, value, least, most };
        if (least..=most).contains(&value) { Ok(()) } else { Err(error) }
    };
    check("epochs", f64::from(hyperparameters.epochs), 1.0, 10_000.0)?;
    check("l2", f64::from(hyperparameters.l2), 1e-4_f32.into(), 1e4)
}

/// The labels that have rows, and each row's position among them.
pub(super) fn classes(
    rows: usize,
    labels: &[LabelId],
    set: &LabelSet,
) -> Result<(Vec<LabelId>, Vec<u32>), TrainError> {
    if rows != labels.len() {
        return Err(TrainError::Lengths { texts: rows, labels: labels.len() });
    }
    let mut present = vec![false; set.len()];
    for (row, &label) in labels.iter().enumerate() {
        let error = TrainError::UnknownLabel { row: row + 1, label, labels: set.len() };
        *present.get_mut(label.index()).ok_or(error)? = true;
    }
    let mut class_of = vec![0; set.len()];
    let mut classes = Vec::new();
    for (id, _) in set.iter().filter(|(id, _)| present[id.index()]) {
        class_of[id.index()] = classes.len() as u32;
        classes.push(id);
    }
    match classes[..] {
        [] => Err(TrainError::NoRows),
        [label] => Err(TrainError::OneLabel { label: set.name(label).to_owned() }),
        _ if classes.len() > MAX_LABELS => Err(TrainError::TooManyLabels { labels: classes.len() }),
        _ => Ok((classes, labels.iter().map(|label| class_of[label.index()]).collect())),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROWS: [(&str, u32); 8] = [
        ("where is my card", 0),
        ("has the card been sent", 0),
        ("my card has not arrived", 0),
        ("how much is the fee", 2),
        ("why was I charged a fee", 2),
        ("what does it cost", 2),
        ("今天天气怎么样", 3),
        ("明天天气好吗", 3),
    ];

    pub(crate) fn labels() -> LabelSet {
        LabelSet::new(["arrival", "unused", "fee", "weather"].map(str::to_owned).to_vec()).unwrap()
    }

    fn train_rows(rows: &[(&str, u32)], hyperparameters: &Hyperparameters) -> Result<Classifier, TrainError> {
        let texts: Vec<&str> = rows.iter().map(|row| row.0).collect();
        let ids: Vec<LabelId> = rows.iter().map(|row| LabelId(row.1)).collect();
        Classifier::train(&texts, &ids, &labels(), hyperparameters, &mut |_| ControlFlow::Continue(()))
    }

    pub(crate) fn small() -> Classifier {
        train_rows(&ROWS, &Hyperparameters::default()).unwrap()
    }

    fn best(probabilities: &[f32]) -> u32 {
        (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap()
            as u32
    }

    #[test]
    fn learns_its_rows_and_their_like() {
        let classifier = small();
        let mut scratch = Scratch::default();
        for (text, label) in
            ROWS.into_iter().chain([("the CARD did not arrive", 0), ("北京的天气", 3), ("a fee?", 2)])
        {
            let probabilities = classifier.predict(text, &mut scratch);
            assert_eq!(best(probabilities), label, "{text} {probabilities:?}");
            assert_eq!(probabilities[1], 0.0);
        }
        let unknown = classifier.predict("zzz", &mut scratch).to_vec();
        assert_eq!(unknown, classifier.predict("", &mut scratch));
    }

    #[test]
    fn two_trainings_give_the_same_classifier() {
        assert_eq!(small(), small());
        let other = Hyperparameters { l2: 1.0, ..Default::default() };
        assert_ne!(train_rows(&ROWS, &other), Ok(small()));
    }

    #[test]
    fn says_why_it_cannot_learn() {
        let fail = |rows: &[(&str, u32)]| train_rows(rows, &Hyperparameters::default()).unwrap_err();
        assert_eq!(fail(&[]), TrainError::NoRows);
        assert_eq!(fail(&[("a", 2)]), TrainError::OneLabel { label: "fee".into() });
        assert_eq!(
            fail(&[("a", 0), ("b", 9)]),
            TrainError::UnknownLabel { row: 2, label: LabelId(9), labels: 4 }
        );
        assert_eq!(fail(&[("", 0), (" \n", 2)]), TrainError::NoText);
        let uneven =
            Classifier::train(
                &["a"],
                &[],
                &labels(),
                &Default::default(),
                &mut |_| ControlFlow::Continue(()),
            );
        assert_eq!(uneven, Err(TrainError::Lengths { texts: 1, labels: 0 }));
    }

    #[test]
    fn hyperparameters_have_a_range() {
        let default = Hyperparameters::default();
        for l2 in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let error = train_rows(&ROWS, &Hyperparameters { l2, ..default }).unwrap_err();
            assert!(error.to_string().starts_with("`l2` is "), "{error}");
        }
        assert!(train_rows(&ROWS, &Hyperparameters { epochs: 0, ..default }).is_err());
        for l2 in [1e-4, 1e4] {
            let classifier = train_rows(&ROWS, &Hyperparameters { l2, ..default }).unwrap();
            assert!(classifier.predict("my card", &mut Scratch::default()).iter().all(|p| p.is_finite()));
        }
    }

    #[test]
    fn the_callback_can_cancel() {
        let texts = ROWS.map(|row| row.0);
        let ids = ROWS.map(|row| LabelId(row.1));
        let mut epochs = 0;
        let cancelled = Classifier::train(&texts, &ids, &labels(), &Default::default(), &mut |report| {
            epochs = report.epoch;
            if report.epoch == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((cancelled, epochs), (Err(TrainError::Cancelled), 2));
    }

    #[test]
    fn ten_thousand_labels_can_be_learned() {
        let names: Vec<String> = (0..10_000).map(|i| format!("label {i}")).collect();
        let set = LabelSet::new(names).unwrap();
        // One letter or two for each label, so that few n-grams are needed to tell them apart.
        let texts: Vec<String> =
            (0..10_000).map(|i| char::from_u32(0x4e00 + i).unwrap().to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let ids: Vec<LabelId> = (0..10_000).map(LabelId).collect();
        let one = Hyperparameters { epochs: 1, ..Default::default() };
        let classifier =
            Classifier::train(&texts, &ids, &set, &one, &mut |_| ControlFlow::Continue(())).unwrap();
        let mut scratch = Scratch::default();
        let sum: f32 = classifier.predict(texts[77], &mut scratch).iter().sum();
        assert!((sum - 1.0).abs() < 1e-3);
    }

    #[test]
    fn is_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&small());
    }

    proptest! {
        #[test]
        fn probabilities_add_up_to_one(text in prop_oneof![any::<String>(), "[a-z ]{0,80}", "[cardfe 天气]{0,60}"]) {
            thread_local!(static CLASSIFIER: Classifier = small());
            CLASSIFIER.with(|classifier| {
                let mut scratch = Scratch::default();
                let probabilities = classifier.predict(&text, &mut scratch).to_vec();
                prop_assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
                prop_assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                classifier.predict("my card and another text", &mut scratch);
                prop_assert_eq!(probabilities, classifier.predict(&text, &mut scratch));
                Ok(())
            })?;
        }
    }
}
