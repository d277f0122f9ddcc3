//! Texts that go through the encoder together: their tokens end to end, without padding.

use std::ops::Range;

/// The tokens of some texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// Of all texts, one after the other.
    pub(super) tokens: Vec<u32>,
    /// Where each text ends in `tokens`.
    ends: Vec<usize>,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.ends.clear();
    }

    pub(super) fn push(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
        self.ends.push(self.tokens.len());
    }

    /// How many texts it holds.
    pub(super) fn texts(&self) -> usize {
        self.ends.len()
    }

    /// Where each text stands in `tokens`.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| start..end)
    }
}

/// Cuts texts with so many tokens into runs of at most `most` tokens, and of at least one text.
pub(super) fn runs(lengths: &[usize], most: usize) -> Vec<Range<usize>> {
    let (mut runs, mut start, mut tokens) = (Vec::new(), 0, 0);
    for (i, &length) in lengths.iter().enumerate() {
        if i > start && tokens + length > most {
            runs.push(start..i);
            (start, tokens) = (i, 0);
        }
        tokens += length;
    }
    if start < lengths.len() {
        runs.push(start..lengths.len());
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_knows_where_its_texts_stand() {
        let mut batch = Batch::default();
        batch.push(&[1, 2, 3]);
        batch.push(&[4]);
        assert_eq!(batch.ranges().collect::<Vec<_>>(), [0..3, 3..4]);
    }

    #[test]
    fn runs_hold_every_text_once() {
        assert_eq!(runs(&[3, 3, 9, 1, 1], 6), [0..2, 2..3, 3..5]);
        assert!(runs(&[], 6).is_empty());
    }
}
