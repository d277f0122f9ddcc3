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

/// What the way back needs of the way there.
#[derive(Debug, Default)]
pub(super) struct Activations {
    attention: attention::Activations,
    attention_mask: Mask,
    attention_norm: layer_norm::Activations,
    feed_forward: feed_forward::Activations,
    output_mask: Mask,
    output_norm: layer_norm::Activations,
}

/// What is needed for a while; all blocks share one.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    attention: attention::Scratch,
    feed_forward: feed_forward::Scratch,
    /// What a layer gives before it is added, or the gradient by it.
    delta: Matrix,
    /// The gradient that comes out of a layer.
    through: Matrix,
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
        scratch: &mut Scratch,
    ) {
        let Scratch { delta, feed_forward, .. } = scratch;
        self.attention.forward(x, batch, dropout, &mut kept.attention, delta);
        dropout.forward(&mut delta.values, &mut kept.attention_mask);
        x.add(delta);
        self.attention_norm.forward(x, &mut kept.attention_norm);

        self.feed_forward.forward(x, &mut kept.feed_forward, feed_forward, delta);
        dropout.forward(&mut delta.values, &mut kept.output_mask);
        x.add(delta);
        self.output_norm.forward(x, &mut kept.output_norm);
    }

    /// The gradient by what came out becomes that by what went in, in place.
    pub(super) fn backward(
        &self,
        dx: &mut Matrix,
        batch: &Batch,
        kept: &Activations,
        scratch: &mut Scratch,
        gradient: &mut Self,
    ) {
        let Scratch { attention, feed_forward, delta, through } = scratch;
        self.output_norm.backward(dx, &kept.output_norm, &mut gradient.output_norm);
        delta.copy_from(dx);
        kept.output_mask.backward(&mut delta.values);
        let inner = &mut gradient.feed_forward;
        self.feed_forward.backward(delta, &kept.feed_forward, feed_forward, inner, through);
        dx.add(through);

        self.attention_norm.backward(dx, &kept.attention_norm, &mut gradient.attention_norm);
        delta.copy_from(dx);
        kept.attention_mask.backward(&mut delta.values);
        let inner = &mut gradient.attention;
        self.attention.backward(batch, delta, &kept.attention, attention, inner, through);
        dx.add(through);
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
