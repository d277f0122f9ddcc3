//! One block of the encoder (Vaswani et al., 2017, section 3.1): attention and feed-forward network, each followed by
//! dropout, by adding what went in, and by layer normalisation.

use super::attention::{self, Attention};
use super::batch::Batch;
use super::config::Config;
use super::dropout::{Dropout, Mask};
use super::feed_forward::{self, FeedForward};
use super::layer_norm::{self, LayerNorm};
use super::matrix::Matrix;
use super::parameters::{Parameters, Tensor};

/// tokens × width to tokens × width.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) attention: Attention,
    pub(super) attention_norm: LayerNorm,
    pub(super) feed_forward: FeedForward,
    pub(super) output_norm: LayerNorm,
}

/// What the way back needs of the way there; while a model answers, all blocks share one.
#[derive(Debug, Default)]
pub(super) struct Activations {
    attention: attention::Activations,
    attention_mask: Mask,
    attention_norm: layer_norm::Activations,
    feed_forward: feed_forward::Activations,
    output_mask: Mask,
    output_norm: layer_norm::Activations,
    /// Scratch: what a layer gives before it is added.
    delta: Matrix,
}

impl Block {
    pub(super) fn zeros(config: &Config) -> Self {
        Self {
            attention: Attention::zeros(config.width, config.heads),
            attention_norm: LayerNorm::zeros(config.width, config.epsilon),
            feed_forward: FeedForward::zeros(config.width, config.inner),
            output_norm: LayerNorm::zeros(config.width, config.epsilon),
        }
    }

    /// x in place.
    pub(super) fn forward(
        &self,
        x: &mut Matrix,
        batch: &Batch,
        dropout: &mut Dropout,
        kept: &mut Activations,
    ) {
        let delta = &mut kept.delta;
        self.attention.forward(x, batch, dropout, &mut kept.attention, delta);
        dropout.forward(&mut delta.values, &mut kept.attention_mask);
        x.add(delta);
        self.attention_norm.forward(x, &mut kept.attention_norm);

        self.feed_forward.forward(x, &mut kept.feed_forward, delta);
        dropout.forward(&mut delta.values, &mut kept.output_mask);
        x.add(delta);
        self.output_norm.forward(x, &mut kept.output_norm);
    }

    /// The gradient by what came out becomes that by what went in, in place.
    pub(super) fn backward(
        &self,
        dx: &mut Matrix,
        batch: &Batch,
        kept: &mut Activations,
        gradient: &mut Self,
    ) {
        let mut through = Matrix::default();
        self.output_norm.backward(dx, &kept.output_norm, &mut gradient.output_norm);
        kept.delta.copy_from(dx);
        kept.output_mask.backward(&mut kept.delta.values);
        let dy = &kept.delta;
        self.feed_forward.backward(dy, &mut kept.feed_forward, &mut gradient.feed_forward, &mut through);
        dx.add(&through);

        self.attention_norm.backward(dx, &kept.attention_norm, &mut gradient.attention_norm);
        kept.delta.copy_from(dx);
        kept.attention_mask.backward(&mut kept.delta.values);
        let dy = &kept.delta;
        self.attention.backward(batch, dy, &mut kept.attention, &mut gradient.attention, &mut through);
        dx.add(&through);
    }
}

impl Parameters for Block {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        self.attention.tensors(to);
        self.attention_norm.tensors(to);
        self.feed_forward.tensors(to);
        self.output_norm.tensors(to);
    }
}
