//! The texts that are most like a text in what they mean.

use std::sync::Arc;

use super::super::numeric::dot;
use super::text_encoder::Encoder;

/// Finds, for a text, the nearest of a fixed set of texts by the cosine of their vectors. Share it between threads by
/// reference or `Arc`.
#[derive(Debug)]
pub struct NearestInMeaning {
    encoder: Arc<Encoder>,
    /// The vector of each text, one after the other.
    vectors: Vec<f32>,
}

impl NearestInMeaning {
    /// Makes the texts searchable: each goes through the encoder once.
    pub fn new<S: AsRef<str>>(encoder: Arc<Encoder>, texts: &[S]) -> Self {
        let vectors = encoder.embed(texts);
        Self { encoder, vectors }
    }

    /// The positions of the `k` nearest texts, the nearest first; of equals, the first ones.
    pub fn find(&self, text: &str, k: usize) -> Vec<usize> {
        let vector = self.encoder.embed(&[text]);
        let rows = self.vectors.chunks_exact(self.encoder.width()).enumerate();
        let mut found: Vec<(f32, usize)> = rows.map(|(row, known)| (dot(known, &vector), row)).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.into_iter().take(k).map(|(_, row)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::text_encoder::tests::small;
    use super::*;

    #[test]
    fn every_text_is_nearest_to_itself() {
        let texts = ["play", "una", "天", "played una", ""];
        let nearest = NearestInMeaning::new(Arc::new(small()), &texts);
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(nearest.find(text, 2)[0], i, "{text}");
        }
        assert_eq!(nearest.find("play", 99).len(), texts.len());
    }
}
