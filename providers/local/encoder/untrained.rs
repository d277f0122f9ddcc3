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
    /// For labels with these names, in this order; a description may follow each name.
    pub(in super::super) fn new<S: AsRef<str>>(encoder: Arc<Encoder>, names: &[S]) -> Self {
        let words: Vec<String> = names.iter().map(|name| words_of(name.as_ref())).collect();
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
