//! Which training serves these rows better: each is tried on some of them and judged by the others.
//!
//! Nothing but training rows is looked at. As training all layers takes minutes, no more folds are judged than it takes to
//! have enough rows.

use std::fmt;
use std::sync::Arc;

use tunebench_data::{LabelId, LabelSet};
use xxhash_rust::xxh3::xxh3_64;

use super::super::classifier::{Scratch, classes};
use super::super::softmax::Hyperparameters;
use super::super::trainer::{Ended, Step, Watcher, WriteModel};
use super::frozen::Frozen;
use super::full::{Full, Options};
use super::matrix::Matrix;
use super::rows::Rows;
use super::text_encoder::Encoder;

/// The rows are parted in so many folds: four fifths are learned.
const FOLDS: u64 = 5;
/// At most so many of them are judged.
const MOST_JUDGED: u64 = 3;
/// So many judged rows are enough: a difference of two points then shows.
const ENOUGH: usize = 1_000;

/// How many judged rows each got right.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Trial {
    judged: usize,
    rows: usize,
    ngrams: usize,
    frozen: usize,
    full: usize,
}

impl Trial {
    /// Whether all layers are to be trained. What costs more must be better.
    pub(super) fn is_for_full(&self) -> bool {
        self.full > self.frozen
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |right: usize| 100.0 * right as f64 / self.judged.max(1) as f64;
        write!(
            f,
            "out of fold, on {} of {} training rows: n-grams {:.1} % right, frozen encoder and n-grams {:.1} %, all layers trained {:.1} %; {}",
            self.judged,
            self.rows,
            share(self.ngrams),
            share(self.frozen),
            share(self.full),
            if self.is_for_full() { "all layers are trained" } else { "the encoder stays frozen" },
        )
    }
}

/// What is learned from, with the vector of each text.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) texts: &'a [&'a str],
    pub(super) labels: &'a [LabelId],
    pub(super) set: &'a LabelSet,
    pub(super) vectors: &'a [f32],
}

/// The rows that are learned, and those that they are judged by.
struct Split {
    learned: Vec<usize>,
    held: Vec<usize>,
}

impl Data<'_> {
    /// As many splits as it takes to have enough rows.
    fn splits(&self) -> Vec<Split> {
        let folds: Vec<u64> = self.texts.iter().map(|text| xxh3_64(text.as_bytes()) % FOLDS).collect();
        let mut judged = 0;
        let mut splits = Vec::new();
        for fold in 0..MOST_JUDGED {
            let (held, learned): (Vec<usize>, Vec<usize>) =
                (0..self.texts.len()).partition(|&row| folds[row] == fold);
            let labels: Vec<LabelId> = learned.iter().map(|&row| self.labels[row]).collect();
            // With one label there is nothing to learn, and without rows nothing to judge.
            if judged >= ENOUGH || held.is_empty() || classes(learned.len(), &labels, self.set).is_err() {
                continue;
            }
            judged += held.len();
            splits.push(Split { learned, held });
        }
        splits
    }
}

impl Trial {
    /// Tries both.
    pub(super) fn run(
        encoder: &Arc<Encoder>,
        data: Data<'_>,
        ngrams: &Hyperparameters,
        options: &Options,
        watcher: &mut dyn Watcher,
    ) -> Result<Self, Ended> {
        let mut trial = Self { rows: data.texts.len(), ..Self::default() };
        let splits = data.splits();
        let total = splits.iter().map(|split| options.steps(split.learned.len())).sum();
        let mut done = 0;
        for (number, Split { learned, held }) in (1..).zip(&splits) {
            let name = format!("trial {number} of {}", splits.len());
            let (rows, judges) = (learned.len(), held.len());
            watcher
                .say(format!("{name}: both ways learn {rows} rows and are judged by {judges} others"), None);
            let (part, held) = (Part::of(data, learned), Part::of(data, held));
            trial.judged += judges;
            let frozen = trial.try_frozen(&part, &held, data.set, ngrams, watcher)?;
            watcher.say(format!("{name}: the frozen encoder has {frozen} right; now all layers"), None);
            let mut told = InTrial { watcher, name: &name, done, total };
            let full = full_right(encoder, &part, &held, data.set, options, &mut told)?;
            watcher.say(format!("{name}: with all layers trained {full} are right"), None);
            trial.full += full;
            done += options.steps(rows);
        }
        watcher.say(trial.to_string(), None);
        Ok(trial)
    }

    /// Gives how many rows the frozen encoder has right.
    fn try_frozen(
        &mut self,
        part: &Part<'_>,
        held: &Part<'_>,
        set: &LabelSet,
        ngrams: &Hyperparameters,
        watcher: &mut dyn Watcher,
    ) -> Result<usize, Ended> {
        let learned = (&part.texts[..], &part.labels[..], set);
        let frozen = Frozen::learn(learned, &part.vectors, ngrams, &mut Quiet(watcher))?;
        let vectors = Matrix { width: held.vectors.len() / held.texts.len(), values: held.vectors.clone() };
        let right = |probabilities: &[f32], label: &LabelId| largest(probabilities) == label.index();
        let all = frozen.predict(&held.texts, &vectors);
        let found = all.iter().zip(&held.labels).filter(|(row, label)| right(row, label)).count();
        self.frozen += found;
        let scratch = &mut Scratch::default();
        let rows = held.texts.iter().zip(&held.labels);
        self.ngrams +=
            rows.filter(|(text, label)| right(frozen.ngrams.predict(text, scratch), label)).count();
        Ok(found)
    }
}

/// How many of the held rows are right after all layers were trained on the others.
fn full_right(
    encoder: &Arc<Encoder>,
    part: &Part<'_>,
    held: &Part<'_>,
    set: &LabelSet,
    options: &Options,
    watcher: &mut dyn Watcher,
) -> Result<usize, Ended> {
    let (classes, class_of) = classes(part.texts.len(), &part.labels, set)?;
    let rows = Rows::read(encoder, part.texts.iter().copied().zip(class_of));
    // Rows of a label that was not learned are wrong in any case.
    let known = held.texts.iter().zip(&held.labels);
    let known = known.filter_map(|(text, label)| Some((*text, classes.binary_search(label).ok()? as u32)));
    let judged = Rows::read(encoder, known);
    let mut right = 0;
    let keep = &mut |full: &mut Full, epoch: u32, _: &mut dyn Watcher| {
        if epoch == options.epochs {
            right = full.right_of(encoder, judged.clone());
        }
        Ok(())
    };
    let rows = (rows, Rows::default());
    Full::train((**encoder).clone(), classes, rows, options, watcher, keep)?;
    Ok(right)
}

/// Some of the rows.
struct Part<'a> {
    texts: Vec<&'a str>,
    labels: Vec<LabelId>,
    vectors: Vec<f32>,
}

impl<'a> Part<'a> {
    fn of(data: Data<'a>, rows: &[usize]) -> Self {
        let width = data.vectors.len() / data.texts.len();
        Self {
            texts: rows.iter().map(|&row| data.texts[row]).collect(),
            labels: rows.iter().map(|&row| data.labels[row]).collect(),
            vectors: rows.iter().flat_map(|&row| &data.vectors[row * width..][..width]).copied().collect(),
        }
    }
}

/// The training of all layers in a trial: which one it is stands before what it says, and its steps are some of those of all
/// trials. Its losses are no part of the curve of the model to be.
struct InTrial<'a> {
    watcher: &'a mut dyn Watcher,
    name: &'a str,
    /// Steps of the trials before.
    done: u64,
    /// Steps of all trials.
    total: u64,
}

impl Watcher for InTrial<'_> {
    fn say(&mut self, message: String, step: Option<Step>) {
        let step = step.map(|step| Step::of(self.done + step.losses.step, self.total));
        self.watcher.say(format!("{}: {message}", self.name), step);
    }

    fn keep(&mut self, _: Option<u32>, _: WriteModel<'_>) -> Result<(), Ended> {
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.watcher.stopped()
    }
}

/// The classifiers of a trial take seconds: they can be broken off, and say nothing.
struct Quiet<'a>(&'a mut dyn Watcher);

impl Watcher for Quiet<'_> {
    fn say(&mut self, _: String, _: Option<Step>) {}

    fn keep(&mut self, _: Option<u32>, _: WriteModel<'_>) -> Result<(), Ended> {
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.0.stopped()
    }
}

fn largest(figures: &[f32]) -> usize {
    (0..figures.len()).max_by(|&a, &b| figures[a].total_cmp(&figures[b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_more_must_be_better() {
        let trial = Trial { judged: 200, rows: 500, ngrams: 150, frozen: 180, full: 180 };
        assert!(!trial.is_for_full());
        assert_eq!(
            trial.to_string(),
            "out of fold, on 200 of 500 training rows: n-grams 75.0 % right, frozen encoder and n-grams 90.0 %, all layers trained 90.0 %; the encoder stays frozen"
        );
        assert!(Trial { full: 181, ..trial }.is_for_full());
    }
}
