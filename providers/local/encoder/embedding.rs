//! What goes into the first block (Devlin et al.: BERT, 2018, section 3): for each token the vector of the token, of its
//! position and of its segment, added and normalised.

use super::batch::Batch;
use super::config::Config;
use super::dropout::{Dropout, Mask};
use super::layer_norm::{self, LayerNorm};
use super::matrix::{Matrix, add};
use super::parameters::{Parameters, Tensor};

/// tokens to tokens × width.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Embedding {
    /// *vocabulary* × *width*.
    pub(super) tokens: Matrix,
    /// *longest text* × *width*.
    pub(super) positions: Matrix,
    /// The vector of the first segment; a text alone has no other.
    pub(super) segment: Vec<f32>,
    pub(super) norm: LayerNorm,
}

/// What the way back needs of the way there.
#[derive(Debug, Default)]
pub(super) struct Activations {
    norm: layer_norm::Activations,
    mask: Mask,
}

impl Embedding {
    pub(super) fn zeros(config: &Config, vocabulary: usize) -> Self {
        Self {
            tokens: Matrix::zeros(vocabulary, config.width),
            positions: Matrix::zeros(config.positions, config.width),
            segment: vec![0.0; config.width],
            norm: LayerNorm::zeros(config.width, config.epsilon),
        }
    }

    /// All tokens of the batch, which are numbers below the size of the vocabulary.
    pub(super) fn forward(
        &self,
        batch: &Batch,
        dropout: &mut Dropout,
        kept: &mut Activations,
        x: &mut Matrix,
    ) {
        x.reshape(batch.tokens.len(), self.tokens.width);
        for range in batch.ranges() {
            for (position, place) in range.enumerate() {
                let row = x.row_mut(place);
                row.copy_from_slice(self.tokens.row(batch.tokens[place] as usize));
                add(row, self.positions.row(position));
                add(row, &self.segment);
            }
        }
        self.norm.forward(x, &mut kept.norm);
        dropout.forward(&mut x.values, &mut kept.mask);
    }

    /// Adds the gradients of all tables to `gradient`.
    pub(super) fn backward(&self, batch: &Batch, dx: &mut Matrix, kept: &Activations, gradient: &mut Self) {
        kept.mask.backward(&mut dx.values);
        self.norm.backward(dx, &kept.norm, &mut gradient.norm);
        for range in batch.ranges() {
            for (position, place) in range.enumerate() {
                add(gradient.tokens.row_mut(batch.tokens[place] as usize), dx.row(place));
                add(gradient.positions.row_mut(position), dx.row(place));
                add(&mut gradient.segment, dx.row(place));
            }
        }
    }
}

impl Parameters for Embedding {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        to.push(Tensor::new(&mut self.tokens.values, true));
        to.push(Tensor::new(&mut self.positions.values, true));
        to.push(Tensor::new(&mut self.segment, true));
        self.norm.tensors(to);
    }
}
