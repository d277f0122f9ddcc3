//! Text encoders of the BERT family, computed and trained in this process.
//!
//! One file is one layer, with its way there (`forward`) and its way back (`backward`), its shapes and its source; the
//! gradient of each is held against finite differences beside it. `network` puts the layers in their order.

mod adamw;
mod attention;
mod auto;
mod batch;
mod batcher;
mod block;
mod config;
mod cross_entropy;
mod dropout;
mod embedding;
mod error;
mod feed_forward;
mod frozen;
mod full;
mod gelu;
#[cfg(test)]
mod gradient_check;
mod in_meaning;
mod layer_norm;
mod linear;
mod locate;
mod matrix;
mod memory;
mod model_file;
mod nearest;
mod network;
mod normalizer;
mod parallel;
mod parameters;
#[cfg(test)]
mod planted;
mod pooling;
mod rows;
mod safetensors;
#[cfg(test)]
mod tests;
mod text_encoder;
mod tokenizer;
mod tuned;
mod untrained;
mod worker;

pub use error::EncoderError;
pub use in_meaning::{nearest_in_meaning, out_of_fold_in_meaning};
pub use nearest::NearestInMeaning;
pub use text_encoder::Encoder;

pub(super) use batcher::Batcher;
pub(super) use error::provider_error;
pub(super) use full::Options as FullOptions;
pub(super) use locate::folder;
pub(super) use model_file::Header;
pub(super) use parallel::workers;
pub(super) use tuned::Tuned;
pub(super) use untrained::Untrained;

/// How many texts are best asked about at once: half of what makes full use of a processor, so that nobody waits long.
pub(super) const BATCH_SIZE: usize = 8;
