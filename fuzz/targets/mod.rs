//! What is fed: a parser each, what it starts from, and the words that it knows.

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
    models::CLASSIFIER,
    models::ENCODER,
    http::OPENAI,
    http::ANTHROPIC,
    http::GEMINI,
    http::FAKE_OPENAI,
    http::FAKE_ANTHROPIC,
    http::FAKE_GOOGLE,
];

/// The files of a target's corpus, and further files of this repository.
fn seeds(target: &str, others: &[&str]) -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::fs::read_dir(here.join("corpus").join(target)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = corpus.map(|entry| entry.path()).collect();
    files.sort();
    let others = others.iter().map(|path| here.join("..").join(path));
    let read =
        |path: PathBuf| std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    files.into_iter().chain(others).map(read).collect()
}

/// In words: what came out, or what was wrong.
fn told<T, E: std::fmt::Display>(result: Result<T, E>, well: impl FnOnce(T) -> String) -> String {
    result.map_or_else(|error| error.to_string(), well)
}
