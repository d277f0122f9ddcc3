//! An encoder that has learned nothing of the task: the label whose words lie nearest to the text.

use std::sync::Arc;

use super::super::lexical::words_of;
use super::super::numeric::dot;
use super::text_encoder::Encoder;

/// Compares texts with the words of labels.
#[derive(Debug)]
pub(in super::super) struct Untrained {
    encoder: Arc<Encoder>,
    /// The vector of each label, one after the other.
    labels: Vec<f32>,
}

impl Untrained {
    /// For labels with these names, in this order, and what they mean, where that is known.
    pub(in super::super) fn new(encoder: Arc<Encoder>, labels: &[(&str, Option<&str>)]) -> Self {
        let words = labels.iter().map(|&(name, description)| match description {
            Some(description) => format!("{}: {description}", words_of(name)),
            None => words_of(name),
        });
        let words: Vec<String> = words.collect();
        let labels = encoder.embed(&words);
        Self { encoder, labels }
    }

    /// The cosine of each label's vector with that of each text.
    pub(in super::super) fn likeness(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let width = self.encoder.width();
        let likeness = |text: &[f32]| self.labels.chunks_exact(width).map(|label| dot(label, text)).collect();
        self.encoder.embed(texts).chunks_exact(width).map(likeness).collect()
    }
}
