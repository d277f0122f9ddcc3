//! An encoder that was tuned to a task.

use std::sync::Arc;

use tunebench_data::{LabelId, LabelSet};

use super::super::classifier::classes;
use super::super::softmax::Hyperparameters;
use super::super::trainer::{Ended, Watcher};
use super::auto::{Data, Trial};
use super::frozen::{Frozen, Head, embed};
use super::full::{Full, Options};
use super::model_file::{Origin, write_frozen, write_full};
use super::rows::Rows;
use super::text_encoder::{Encoder, pooled};

/// Text to the probability of each label.
#[derive(Debug)]
pub(in super::super) struct Tuned {
    pub(super) encoder: Arc<Encoder>,
    /// The base, as the user names it.
    pub(super) base: String,
    pub(super) labels: LabelSet,
    pub(super) method: Method,
}

/// What was trained.
#[derive(Debug)]
pub(super) enum Method {
    Frozen(Box<Frozen>),
    /// The encoder is no longer the base, but was trained with this classifier over it.
    Full(Head),
}

impl Tuned {
    /// Trains classifiers over the encoder's vectors and over n-grams; the watcher keeps them.
    pub(in super::super) fn train_frozen(
        encoder: &Encoder,
        base: &str,
        (texts, labels, set): (&[&str], &[LabelId], &LabelSet),
        ngrams: &Hyperparameters,
        watcher: &mut dyn Watcher,
    ) -> Result<(), Ended> {
        let frozen = Frozen::train(encoder, (texts, labels, set), ngrams, watcher)?;
        let origin = Origin::new(base, encoder, set);
        watcher.keep(None, &mut |out| write_frozen(&origin, &frozen, out))
    }

    /// Trains what serves the rows better, by a trial on them.
    pub(in super::super) fn train_auto(
        encoder: Arc<Encoder>,
        base: &str,
        data: (&[&str], &[LabelId], &LabelSet),
        validation: &[(&str, LabelId)],
        (ngrams, options): (&Hyperparameters, &Options),
        watcher: &mut dyn Watcher,
    ) -> Result<(), Ended> {
        let vectors = embed(&encoder, data.0, watcher)?;
        let (texts, labels, set) = data;
        let tried = Data { texts, labels, set, vectors: &vectors };
        if Trial::run(&encoder, tried, ngrams, options, watcher)?.is_for_full() {
            drop(vectors);
            let encoder = Arc::unwrap_or_clone(encoder);
            return Self::train_full(encoder, base, data, validation, options, watcher);
        }
        let frozen = Frozen::learn(data, &vectors, ngrams, watcher)?;
        let origin = Origin::new(base, &encoder, set);
        watcher.keep(None, &mut |out| write_frozen(&origin, &frozen, out))
    }

    /// Trains all layers; the watcher keeps the model after each epoch that is the best so far.
    pub(in super::super) fn train_full(
        encoder: Encoder,
        base: &str,
        (texts, labels, set): (&[&str], &[LabelId], &LabelSet),
        validation: &[(&str, LabelId)],
        options: &Options,
        watcher: &mut dyn Watcher,
    ) -> Result<(), Ended> {
        let (classes, class_of) = classes(texts.len(), labels, set)?;
        let rows = Rows::read(&encoder, texts.iter().copied().zip(class_of));
        // What was never taught can't be known.
        let known = validation.iter().filter_map(|&(text, label)| {
            classes.binary_search(&label).ok().map(|class| (text, class as u32))
        });
        let validation = Rows::read(&encoder, known);
        let origin = Origin::new(base, &encoder, set);
        let keep = &mut |full: &mut Full, epoch, watcher: &mut dyn Watcher| {
            watcher.keep(Some(epoch), &mut |out| write_full(&origin, full, out))
        };
        Full::train(encoder, classes, (rows, validation), options, watcher, keep)
    }

    pub(in super::super) fn labels(&self) -> &LabelSet {
        &self.labels
    }

    pub(in super::super) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    pub(in super::super) fn base(&self) -> &str {
        &self.base
    }

    /// What it is, for a report.
    pub(in super::super) fn in_words(&self) -> &'static str {
        match self.method {
            Method::Frozen(_) => "n-grams and a classifier over the vectors of an encoder",
            Method::Full(_) => "all layers trained of an encoder",
        }
    }

    /// The probability of each label of the set, in its order, for each text.
    pub(in super::super) fn predict(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let tokens: Vec<Vec<u32>> = texts.iter().map(|text| self.encoder.tokens(text)).collect();
        let mut vectors = pooled(&self.encoder.network, &tokens);
        match &self.method {
            Method::Frozen(frozen) => {
                vectors.normalise_rows();
                frozen.predict(texts, &vectors)
            }
            Method::Full(head) => head.predict(&vectors, self.labels.len()),
        }
    }
}
