//! From the vectors of a text's tokens to one for the text: their mean (Reimers, Gurevych: Sentence-BERT, 2019), or the
//! vector of the first token, as the encoder's folder says.

use serde::Deserialize;

use super::batch::Batch;
use super::matrix::{Matrix, add};

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pooling {
    Mean,
    First,
}

impl Pooling {
    /// tokens × width to texts × width.
    pub(super) fn forward(self, x: &Matrix, batch: &Batch, pooled: &mut Matrix) {
        pooled.reshape(batch.texts(), x.width);
        for (text, tokens) in batch.ranges().enumerate() {
            let to = pooled.row_mut(text);
            to.copy_from_slice(x.row(tokens.start));
            if self == Self::Mean {
                let scale = 1.0 / tokens.len() as f32;
                tokens.skip(1).for_each(|token| add(to, x.row(token)));
                to.iter_mut().for_each(|value| *value *= scale);
            }
        }
    }

    /// From the gradients of the texts to those of their tokens.
    pub(super) fn backward(self, pooled: &Matrix, batch: &Batch, dx: &mut Matrix) {
        dx.reshape(batch.tokens.len(), pooled.width);
        dx.values.fill(0.0);
        for (text, tokens) in batch.ranges().enumerate() {
            let scale = if self == Self::Mean { 1.0 / tokens.len() as f32 } else { 1.0 };
            let taken = if self == Self::Mean { tokens.len() } else { 1 };
            for token in tokens.take(taken) {
                let to = dx.row_mut(token);
                to.iter_mut().zip(pooled.row(text)).for_each(|(to, from)| *to = from * scale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gradient_check::{check, random, weighted_sum};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mut batch = Batch::default();
        batch.push(&[1, 2, 3]);
        batch.push(&[4]);
        for pooling in [Pooling::Mean, Pooling::First] {
            let (x, mut dx) = (random(4, 3, 1), Matrix::default());
            pooling.backward(&random(2, 3, 0), &batch, &mut dx);
            check(&x.values, &dx.values, |values| {
                let mut pooled = Matrix::default();
                pooling.forward(&Matrix { width: 3, values }, &batch, &mut pooled);
                weighted_sum(&pooled)
            });
        }
    }
}
