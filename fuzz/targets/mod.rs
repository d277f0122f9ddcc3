//! What is fed: a parser each, what it starts from, and the words that it knows.

mod command;
mod data;
mod http;
mod models;
mod project;
mod results;

use std::path::{Path, PathBuf};

/// Feeds a parser once, and says in words how it answered; it panics where something is wrong.
pub(crate) type Run = Box<dyn FnMut(&[u8]) -> String>;

/// A parser that meets bytes from outside.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Makes what the inputs are put into.
    pub(crate) start: fn() -> Run,
    /// Inputs to start from.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Pieces that mean something to the parser.
    pub(crate) words: &'static [&'static str],
}

pub(crate) const TARGETS: &[Target] = &[
    data::TABLE,
    data::SNIFF,
    data::ANSWER,
    data::TEMPLATE,
    results::FOREIGN,
    results::MANIFEST,
    results::PREDICTIONS,
    project::BASELINE,
    project::CONFIG,
    project::LEDGER,
    project::IMPORT,
    models::CLASSIFIER,
    models::ENCODER,
    http::OPENAI,
    http::ANTHROPIC,
    http::GEMINI,
    command::COMMAND,
    http::FAKE_OPENAI,
    http::FAKE_ANTHROPIC,
    http::FAKE_GOOGLE,
];

/// The files of a target's corpus, and further files of this repository.
fn seeds(target: &str, others: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut corpus: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    corpus.sort();
    corpus.iter().map(|path| read(path)).chain(files(others)).collect()
}

/// Files of this repository.
fn files(paths: &[&str]) -> Vec<Vec<u8>> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    paths.iter().map(|path| read(&repository.join(path))).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// In words: what came out, or what was wrong.
fn told<T, E: std::fmt::Display>(result: Result<T, E>, well: impl FnOnce(T) -> String) -> String {
    result.map_or_else(|error| error.to_string(), well)
}
