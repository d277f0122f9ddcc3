//! An encoder of a folder: tokenizer, network and the hash that tells it from others.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::batch::{Batch, runs};
use super::config::Config;
use super::error::EncoderError;
use super::locate::folder;
use super::matrix::Matrix;
use super::network::{Activations, Network};
use super::parallel::{shared_out, workers};
use super::tokenizer::Tokenizer;
use crate::hub::Cache;

/// How many tokens go through the network together: fewer make worse use of the processor, more take more memory (some
/// 30 KB a token) and gain nothing.
const TOKENS_AT_ONCE: usize = 512;

/// After so many texts whoever waits is told.
const TEXTS_AT_ONCE: usize = 512;

/// A text to one vector, whose direction is what the text is about.
#[derive(Debug, Clone)]
pub struct Encoder {
    pub(super) config: Config,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) network: Network,
    sha256: String,
    size: usize,
}

impl Encoder {
    /// Reads an encoder's folder.
    pub fn read(folder: &Path) -> Result<Self, EncoderError> {
        let config = Config::read(folder)?;
        let tokenizer = Arc::new(Tokenizer::read(folder)?);
        if tokenizer.size() > config.vocabulary {
            let what = format!(
                "the tokenizer has {} tokens, but the encoder only {}",
                tokenizer.size(),
                config.vocabulary
            );
            return Err(EncoderError::Damaged { file: folder.to_owned(), what });
        }
        let mut network = Network::read(&config, folder)?;
        let size = network.size();
        let sha256 = sha256(&folder.join("model.safetensors"))?;
        Ok(Self { config, tokenizer, network, sha256, size })
    }

    /// Reads the encoder of a folder, or of a name in the cache of what was fetched.
    pub fn named(name: &str, cache: &Cache) -> Result<Self, EncoderError> {
        folder(name, cache).and_then(|folder| Self::read(&folder))
    }

    /// Whether a folder is that of an encoder that is supported; reads no weights.
    pub(crate) fn check(folder: &Path) -> Result<(), EncoderError> {
        Self::checked(folder).map(|_| ())
    }

    fn checked(folder: &Path) -> Result<Config, EncoderError> {
        let config = Config::read(folder)?;
        Tokenizer::read(folder).map(|_| config)
    }

    /// The same, and whether its weights are there and whole, as far as the header of their file tells.
    pub(crate) fn check_whole(folder: &Path) -> Result<(), EncoderError> {
        Network::check(&Self::checked(folder)?, folder)
    }

    /// SHA-256 of the file with the weights, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How many numbers the network learned.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Numbers in the vector of a text.
    pub fn width(&self) -> usize {
        self.config.width
    }

    /// The tokens of a text, as the network reads them.
    pub(super) fn tokens(&self, text: &str) -> Vec<u32> {
        if self.config.prefix.is_empty() {
            return self.tokenizer.encode(text, self.config.longest);
        }
        self.tokenizer.encode(&format!("{}{text}", self.config.prefix), self.config.longest)
    }

    /// The vectors of texts, one after the other, each of length 1: their inner product is the cosine.
    ///
    /// The texts are spread over the processor's cores. A vector depends on its text alone, but for what the order of
    /// additions changes in the last digit.
    pub fn embed<S: AsRef<str>>(&self, texts: &[S]) -> Vec<f32> {
        self.embed_watched(texts, &mut |_| ControlFlow::Continue(())).unwrap_or_default()
    }

    /// The same, telling from time to time how many texts are done; nothing if that breaks it off.
    pub fn embed_watched<S: AsRef<str>>(
        &self,
        texts: &[S],
        on_texts: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Option<Vec<f32>> {
        let mut vectors = Vec::with_capacity(texts.len() * self.width());
        for texts in texts.chunks(TEXTS_AT_ONCE) {
            let tokens: Vec<Vec<u32>> = texts.iter().map(|text| self.tokens(text.as_ref())).collect();
            let mut pooled = pooled(&self.network, &tokens);
            pooled.normalise_rows();
            vectors.extend_from_slice(&pooled.values);
            if on_texts(vectors.len() / self.width()).is_break() {
                return None;
            }
        }
        Some(vectors)
    }
}

/// What a network makes of texts, before it is brought to length 1. The work is spread over the processor's cores.
pub(super) fn pooled(network: &Network, tokens: &[Vec<u32>]) -> Matrix {
    let width = network.embedding.tokens.width;
    let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
    let workers = workers();
    // No more than there is work for: a handful of texts is done in one go.
    let total: usize = lengths.iter().sum();
    let most = TOKENS_AT_ONCE.min(total.div_ceil(workers)).max(64);
    let runs = runs(&lengths, most);
    let mut pooled = Matrix::zeros(tokens.len(), width);
    // Each run has its rows of the result to itself.
    let mut rest = pooled.values.as_mut_slice();
    let mut items = Vec::new();
    for run in runs {
        let (rows, others) = std::mem::take(&mut rest).split_at_mut(run.len() * width);
        rest = others;
        items.push((&tokens[run], rows));
    }
    shared_out(items, workers, |share| {
        let (mut batch, mut kept, mut vectors) =
            (Batch::default(), Activations::default(), Matrix::default());
        for (texts, rows) in share {
            batch.clear();
            texts.iter().for_each(|tokens| batch.push(tokens));
            network.pooled(&batch, &mut kept, &mut vectors);
            rows.copy_from_slice(&vectors.values);
        }
    });
    pooled
}

/// SHA-256 of a file, in hexadecimal digits.
pub(super) fn sha256(path: &Path) -> Result<String, EncoderError> {
    let unreadable = |error: io::Error| EncoderError::Unreadable { file: path.to_owned(), error };
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            return Ok(tunebench_data::hex(&hash.finalize()[..]));
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{network, tokenizer};
    use super::*;

    /// An encoder of a few words that has learned nothing.
    pub(crate) fn small() -> Encoder {
        let tokenizer = tokenizer::tests::small();
        let config = network::tests::config(tokenizer.size());
        let mut network = network::tests::network(tokenizer.size());
        let size = network.size();
        Encoder { config, tokenizer: Arc::new(tokenizer), network, sha256: "c0ffee".to_owned(), size }
    }
}
