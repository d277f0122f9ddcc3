//! Batches: the same answers for less money, later.
//!
//! Rows that the ledger has no answer to go to the provider as files, and what comes back is kept in the ledger under
//! the same keys as live answers; the evaluation then finds them there, and nothing else is different. What is done
//! here, once for all providers: resuming what is under way (`find`), splitting (`parts`), handing in (`submit`),
//! ordering without ever ordering twice (`create`), waiting (`watch`), and reading what came back (`fetch`), in the
//! order that `run` says.
//!
//! **What survives what.** A batch is in the ledger, with the keys of its rows, before its file goes up; the id of the file
//! before the batch is ordered; the id of the batch as soon as the provider gives it. Whoever comes back, after Ctrl-C
//! or `kill -9`, finds the batch by its id, or looks through the provider's list for our mark, and orders anew only
//! what is not there. From a machine without the ledger the list alone serves: it names the evaluation that a batch
//! belongs to, and rows are named by their keys. Rows of a batch are free again only when its answers are kept.

mod create;
mod fetch;
mod find;
mod parts;
mod run;
mod submit;
mod watch;

use std::time::Duration;

use tunebench_providers::{BatchCounts, BatchEnd, BatchId, ProviderError};

use crate::budget::Cost;
use crate::evaluate::{AbortReason, NotAnswered};

pub(crate) use run::BatchClient;

/// How batches are made and followed.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSettings {
    /// The most rows of one.
    pub rows: usize,
    /// The most tokens that may wait at the provider at once.
    pub queued_tokens: Option<u64>,
    /// The time between two looks, where it is set.
    pub poll: Option<Duration>,
    /// Whether files at the provider stay there.
    pub keep_files: bool,
    /// Whether new batches are made, or those that are there come back to only.
    pub submit: bool,
    /// Whether to wait for what is under way.
    pub wait: bool,
}

/// Something that happened to a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BatchEvent {
    /// It was made, of so many rows.
    Submitted(BatchId, u64),
    /// It was found, in the ledger or at the provider, and is gone on with.
    Found(BatchId, u64),
    /// So many rows of all batches are done, of so many; the first batch under way is in this state.
    Progress {
        /// Rows in batches under way.
        total: u64,
        /// Rows of them that are answered or failed, as far as the provider tells.
        done: u64,
        /// Whether the provider tells how far it is.
        told: bool,
        /// The state of the first of them, in the provider's words.
        said: String,
    },
    /// It ended, and what it brought is kept.
    Fetched(BatchId, BatchEnd, Fetched),
    /// The provider has no room for it; it is made again later.
    QueueFull(u64),
    /// The provider was not reached, and is asked again.
    Unreachable(ProviderError),
    /// Something the user should know.
    Note(String),
}

/// What a batch brought.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Fetched {
    /// Rows with an answer.
    pub answered: u64,
    /// Rows that were tried in vain.
    pub failed: u64,
    /// Rows that were not tried.
    pub not_run: u64,
    /// Rows not mentioned.
    pub missing: u64,
    /// Lines that can't be read.
    pub unreadable: u64,
    /// Lines about rows that are not in the batch.
    pub unknown: u64,
    /// Lines about rows that had been dealt with.
    pub repeated: u64,
    /// What the first row that failed was told.
    pub first_error: Option<ProviderError>,
}

/// A batch that goes on without being watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The provider's name for it, where it is known.
    pub id: Option<BatchId>,
    /// Rows in it.
    pub rows: u64,
    /// How far it was.
    pub counts: Option<BatchCounts>,
}

/// How it ended for one model.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Rows that were in a batch without getting an answer.
    pub(crate) not_answered: NotAnswered,
    /// How many rows failed for good, and how the first one did.
    pub(crate) failures: Option<(usize, ProviderError)>,
    /// What ended it before its time.
    pub(crate) aborted_by: Option<AbortReason>,
    /// What it has cost, as far as it is settled.
    pub(crate) spent: Cost,
    /// Batches that go on.
    pub(crate) left: Vec<Left>,
    /// Batches that were made or come back to.
    pub(crate) met: usize,
    /// Whether there are rows that no batch has room for yet.
    pub(crate) rest: bool,
}

impl Outcome {
    pub(crate) fn fail(&mut self, rows: usize, error: &ProviderError) {
        self.failures.get_or_insert_with(|| (0, error.clone())).0 += rows;
    }
}
