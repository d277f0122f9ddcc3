//! Why there is no encoder.

use std::io;
use std::path::PathBuf;

use crate::{Cause, ProviderError, Retry, Scope};

/// Why there is no encoder.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// A name that is no folder and not in the cache.
    #[error("there is no encoder `{name}`: no such folder, and it is not in the cache `{}`", .cache.display())]
    Unknown {
        /// As the user wrote it.
        name: String,
        /// Where fetched encoders lie.
        cache: PathBuf,
    },
    /// A file can't be read.
    #[error("cannot read `{}`: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is cut short, altered, or of another kind.
    #[error("`{}` is damaged: {what}", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// In which way.
        what: String,
    },
    /// An encoder of an architecture that is not computed here.
    #[error(
        "the encoder of `{}` is not supported: {what}; supported are encoders of the BERT family (model_type `bert`: BERT, MiniLM, BGE, E5, GTE) with a WordPiece vocabulary",
        .file.display()
    )]
    Unsupported {
        /// The file that says so.
        file: PathBuf,
        /// What it says.
        what: String,
    },
}

/// The error of a request that needs the encoder.
pub(in super::super) fn provider_error(error: EncoderError) -> ProviderError {
    let (cause, hint) = match &error {
        EncoderError::Unknown { .. } => (
            Cause::NotFound,
            "name a folder that has config.json, model.safetensors and a vocabulary, or fetch the encoder of a name: `tunebench models pull NAME`",
        ),
        EncoderError::Unreadable { .. } => (Cause::Server, "name a folder whose files can be read"),
        EncoderError::Damaged { .. } => (Cause::Invalid, "fetch the encoder again"),
        EncoderError::Unsupported { .. } => (Cause::Unsupported, "take an encoder of the BERT family"),
    };
    ProviderError::new(cause, error.to_string()).scope(Scope::Model).retry(Retry::Never).hint(hint)
}
