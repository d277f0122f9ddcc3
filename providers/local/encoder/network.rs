//! The encoder's layers in their order, from tokens to one vector for each text, and the way back.

use std::path::{Path, PathBuf};

use super::batch::Batch;
use super::block::{self, Block};
use super::config::Config;
use super::dropout::Dropout;
use super::embedding::{self, Embedding};
use super::error::EncoderError;
use super::linear::Linear;
use super::matrix::Matrix;
use super::parameters::{Parameters, Tensor};
use super::pooling::Pooling;
use super::safetensors::Safetensors;

/// Embedding, blocks and pooling.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Network {
    pub(super) embedding: Embedding,
    pub(super) blocks: Vec<Block>,
    pub(super) pooling: Pooling,
}

/// What the way back needs of the way there: one for each block, or one for all while a model answers.
#[derive(Debug, Default)]
pub(super) struct Activations {
    embedding: embedding::Activations,
    blocks: Vec<block::Activations>,
    scratch: block::Scratch,
    x: Matrix,
}

impl Network {
    pub(super) fn zeros(config: &Config, vocabulary: usize) -> Self {
        Self {
            embedding: Embedding::zeros(config, vocabulary),
            blocks: (0..config.blocks).map(|_| Block::zeros(config)).collect(),
            pooling: config.pooling,
        }
    }

    /// Reads all weights of an encoder's folder.
    pub(super) fn read(config: &Config, folder: &Path) -> Result<Self, EncoderError> {
        let mut weights = Weights::open(&file_of_weights(folder)?, config)?;
        // Before there is room for what the configuration promises.
        weights.check_sizes()?;
        let mut network = Self::zeros(config, config.vocabulary);
        weights.embedding(&mut network.embedding)?;
        for (number, block) in network.blocks.iter_mut().enumerate() {
            weights.block(number, block)?;
        }
        Ok(network)
    }

    /// Whether the weights of a folder are whole and of the sizes of its configuration, as far as the header of their file
    /// tells; reads none of them.
    pub(super) fn check(config: &Config, folder: &Path) -> Result<(), EncoderError> {
        Weights::open(&file_of_weights(folder)?, config)?.check_sizes()
    }

    /// One vector for each text, as they leave the last block; nothing is kept for a way back.
    pub(super) fn pooled(&self, batch: &Batch, kept: &mut Activations, pooled: &mut Matrix) {
        kept.blocks.resize_with(1, Default::default);
        let (dropout, x) = (&mut Dropout::none(), &mut kept.x);
        self.embedding.forward(batch, dropout, &mut kept.embedding, x);
        for block in &self.blocks {
            block.forward(x, batch, dropout, &mut kept.blocks[0], &mut kept.scratch);
        }
        self.pooling.forward(x, batch, pooled);
    }

    /// The same while training.
    pub(super) fn forward(
        &self,
        batch: &Batch,
        dropout: &mut Dropout,
        kept: &mut Activations,
        pooled: &mut Matrix,
    ) {
        kept.blocks.resize_with(self.blocks.len(), Default::default);
        let (x, scratch) = (&mut kept.x, &mut kept.scratch);
        self.embedding.forward(batch, dropout, &mut kept.embedding, x);
        for (block, kept) in self.blocks.iter().zip(&mut kept.blocks) {
            block.forward(x, batch, dropout, kept, scratch);
        }
        self.pooling.forward(x, batch, pooled);
    }

    /// Adds to `gradient` what follows from the gradient by the vectors of the texts.
    pub(super) fn backward(
        &self,
        batch: &Batch,
        d_pooled: &Matrix,
        kept: &mut Activations,
        gradient: &mut Self,
    ) {
        let (dx, scratch) = (&mut kept.x, &mut kept.scratch);
        self.pooling.backward(d_pooled, batch, dx);
        let layers = self.blocks.iter().zip(&kept.blocks).zip(&mut gradient.blocks);
        for ((block, kept), gradient) in layers.rev() {
            block.backward(dx, batch, kept, scratch, gradient);
        }
        self.embedding.backward(batch, dx, &kept.embedding, &mut gradient.embedding);
    }

    /// How many numbers were learned.
    pub(super) fn size(&mut self) -> usize {
        self.all_tensors().iter().map(|tensor| tensor.values.len()).sum()
    }
}

impl Parameters for Network {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        self.embedding.tensors(to);
        self.blocks.tensors(to);
    }
}

fn file_of_weights(folder: &Path) -> Result<PathBuf, EncoderError> {
    let path = folder.join("model.safetensors");
    if path.exists() {
        return Ok(path);
    }
    let what = "it has no model.safetensors, and other formats of weights are not read".to_owned();
    Err(EncoderError::Unsupported { file: folder.to_owned(), what })
}

/// The tensors of a file by the names that BERT's have.
struct Weights<'a> {
    file: Safetensors,
    config: &'a Config,
    /// What stands before all names: nothing, or `bert.`.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    fn open(path: &Path, config: &'a Config) -> Result<Self, EncoderError> {
        let file = Safetensors::open(path)?;
        let bare = file.has("embeddings.word_embeddings.weight");
        Ok(Self { file, config, prefix: if bare { "" } else { "bert." } })
    }

    /// Whether the large tensors have the sizes of the configuration.
    fn check_sizes(&self) -> Result<(), EncoderError> {
        let Config { vocabulary, width, inner, positions, blocks, .. } = *self.config;
        let check =
            |name: &str, shape: [usize; 2]| self.file.check(&format!("{}{name}", self.prefix), &shape);
        check("embeddings.word_embeddings.weight", [vocabulary, width])?;
        check("embeddings.position_embeddings.weight", [positions, width])?;
        (0..blocks).try_for_each(|block| {
            check(&format!("encoder.layer.{block}.attention.self.query.weight"), [width, width])?;
            check(&format!("encoder.layer.{block}.output.dense.weight"), [width, inner])
        })
    }

    fn read(&mut self, name: &str, shape: &[usize], to: &mut [f32]) -> Result<(), EncoderError> {
        self.file.read(&format!("{}{name}", self.prefix), shape, to)
    }

    fn embedding(&mut self, to: &mut Embedding) -> Result<(), EncoderError> {
        let Config { vocabulary, width, positions, .. } = *self.config;
        self.read("embeddings.word_embeddings.weight", &[vocabulary, width], &mut to.tokens.values)?;
        self.read("embeddings.position_embeddings.weight", &[positions, width], &mut to.positions.values)?;
        // Two segments, of which the first is the one of a text alone.
        let mut segments = vec![0.0; 2 * width];
        self.read("embeddings.token_type_embeddings.weight", &[2, width], &mut segments)?;
        to.segment.copy_from_slice(&segments[..width]);
        self.norm("embeddings.LayerNorm", &mut to.norm)
    }

    fn block(&mut self, number: usize, to: &mut Block) -> Result<(), EncoderError> {
        let at = |name: &str| format!("encoder.layer.{number}.{name}");
        let width = self.config.width;
        let Linear { weight, bias } = &mut to.attention.projection;
        let parts = weight.values.chunks_exact_mut(width * width).zip(bias.chunks_exact_mut(width));
        for (name, (weight, bias)) in ["query", "key", "value"].into_iter().zip(parts) {
            self.read(&at(&format!("attention.self.{name}.weight")), &[width, width], weight)?;
            self.read(&at(&format!("attention.self.{name}.bias")), &[width], bias)?;
        }
        self.linear(&at("attention.output.dense"), &mut to.attention.output)?;
        self.norm(&at("attention.output.LayerNorm"), &mut to.attention_norm)?;
        self.linear(&at("intermediate.dense"), &mut to.feed_forward.inner)?;
        self.linear(&at("output.dense"), &mut to.feed_forward.outer)?;
        self.norm(&at("output.LayerNorm"), &mut to.output_norm)
    }

    fn linear(&mut self, name: &str, to: &mut Linear) -> Result<(), EncoderError> {
        let shape = [to.weight.rows(), to.weight.width];
        self.read(&format!("{name}.weight"), &shape, &mut to.weight.values)?;
        self.read(&format!("{name}.bias"), &[to.bias.len()], &mut to.bias)
    }

    /// Files that were converted from BERT's first release call scale and shift by their Greek letters.
    fn norm(&mut self, name: &str, to: &mut super::layer_norm::LayerNorm) -> Result<(), EncoderError> {
        let old = self.file.has(&format!("{}{name}.gamma", self.prefix));
        let [scale, shift] = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let width = to.scale.len();
        self.read(&format!("{name}.{scale}"), &[width], &mut to.scale)?;
        self.read(&format!("{name}.{shift}"), &[width], &mut to.shift)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::gradient_check::{check, random, weighted_sum};
    use super::*;

    pub(crate) fn config(vocabulary: usize) -> Config {
        Config {
            vocabulary,
            width: 8,
            blocks: 2,
            heads: 2,
            inner: 12,
            positions: 16,
            epsilon: 1e-12,
            longest: 16,
            pooling: Pooling::Mean,
            prefix: String::new(),
        }
    }

    /// A network of random weights, whose layer norms have scales about 1.
    pub(crate) fn network(vocabulary: usize) -> Network {
        let mut network = Network::zeros(&config(vocabulary), vocabulary);
        for (seed, tensor) in (1..).zip(network.all_tensors()) {
            tensor.values.copy_from_slice(&random(1, tensor.values.len(), seed).values);
        }
        let norms = network.blocks.iter_mut().flat_map(|b| [&mut b.attention_norm, &mut b.output_norm]);
        norms.chain([&mut network.embedding.norm]).for_each(|norm| {
            norm.scale.iter_mut().for_each(|scale| *scale = 1.0 + 0.2 * *scale);
        });
        network
    }

    #[test]
    fn gradients_of_the_whole_agree_with_finite_differences() {
        let network = network(7);
        let mut batch = Batch::default();
        batch.push(&[1, 2, 3]);
        batch.push(&[2, 6]);
        let forward = |network: &Network, kept: &mut Activations| {
            let mut pooled = Matrix::default();
            network.forward(&batch, &mut Dropout::new(0.2, 5), kept, &mut pooled);
            pooled
        };
        let (mut gradient, mut kept) = (Network::zeros(&config(7), 7), Activations::default());
        let pooled = forward(&network, &mut kept);
        network.backward(&batch, &random(pooled.rows(), 8, 0), &mut kept, &mut gradient);
        let mut weights = network.clone();
        let pairs = weights.all_tensors().into_iter().zip(gradient.all_tensors()).enumerate();
        for (which, (tensor, gradient)) in pairs {
            check(tensor.values, gradient.values, |values| {
                let mut moved = network.clone();
                moved.all_tensors()[which].values.copy_from_slice(&values);
                weighted_sum(&forward(&moved, &mut Activations::default()))
            });
        }
    }
}
