//! Rows to learn from or to measure on, as tokens.

use std::collections::HashMap;

use super::text_encoder::Encoder;

/// The tokens and the class of each row.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) tokens: Vec<Vec<u32>>,
    pub(super) classes: Vec<u32>,
}

impl Rows {
    pub(super) fn read<'a>(encoder: &Encoder, rows: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let (tokens, classes) = rows.map(|(text, class)| (encoder.tokens(text), class)).unzip();
        Self { tokens, classes }
    }

    /// Gives each token its place in a list that has it.
    pub(super) fn renumber(&mut self, used: &[u32]) {
        let numbers: HashMap<u32, u32> = used.iter().copied().zip(0..).collect();
        self.tokens.iter_mut().flatten().for_each(|token| *token = numbers[token]);
    }
}

/// The tokens that occur, ascending.
pub(super) fn used_tokens<const N: usize>(rows: [&Rows; N]) -> Vec<u32> {
    let mut tokens: Vec<u32> = rows.iter().flat_map(|rows| rows.tokens.iter().flatten()).copied().collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// A weight for each row, such that all classes weigh the same and the mean is 1.
pub(super) fn balanced(classes: &[u32]) -> Vec<f32> {
    let mut counts = HashMap::<u32, usize>::new();
    classes.iter().for_each(|&class| *counts.entry(class).or_default() += 1);
    let each = classes.len() as f32 / counts.len() as f32;
    classes.iter().map(|class| each / counts[class] as f32).collect()
}
