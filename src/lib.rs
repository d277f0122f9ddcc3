//! Fine-tune a text classifier at any provider, and prove from paired data that it is better than the model it
//! replaces.
//!
//! This is the program as a library, for programs that add a provider of their own: see `cli::main_with` (feature `cli`,
//! which is on by default; without it, this is the engine alone).
//! Data goes one way: [`project::Project`] checks configuration and data, [`run::Session`] tunes and evaluates,
//! [`results::Results`] keeps what came out.

#[cfg(test)]
extern crate self as tunebench;

pub mod batch;
pub mod budget;
pub mod cancel;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
pub mod config;
pub mod deploy;
pub mod doctor;
pub mod error;
pub mod evaluate;
pub mod exit;
pub mod gate;
mod guard;
#[cfg(feature = "cli")]
pub mod import;
pub mod merge;
#[cfg(feature = "parquet")]
mod parquet;
pub mod plan;
pub mod project;
mod providers;
mod rendered;
pub mod results;
pub mod run;
#[cfg(feature = "cli")]
pub mod scan;
pub mod shots;
#[cfg(feature = "cli")]
mod show;
pub mod spending;
mod suggest;
mod texts;
pub mod tune;
mod variants;
mod whole_file;

pub use results::history;
pub use tunebench_ledger as ledger;
