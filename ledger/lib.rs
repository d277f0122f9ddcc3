//! The local database of everything that was paid for: answers under their content key, what was under way, failed
//! attempts, fine-tuning jobs, runs.
//!
//! The ledger is asked before the network. An intent is written before a request goes out and an answer after it has
//! come, so that running the same command again is how one resumes, and after a crash the ledger can tell how many
//! requests may have been paid for in vain.
//!
//! **What survives what.** A commit is one `write` to SQLite's write-ahead log. Once it has returned, the data are
//! the operating system's, and no end of this process, `kill -9` included, can take them away; a commit that was cut
//! short is recognised by its checksums and does not count. Nothing waits for the disk (`synchronous=NORMAL`): a power
//! cut can take the commits since the last checkpoint, never the consistency of the file. What is lost then is asked,
//! and paid for, once more.
//!
//! **How many can be paid for twice.** A slot of the evaluator is one request after another. The writer keeps the
//! order in which it is told things, and [`ModelRecorder::claim`] returns only after its commit; the answer that the slot
//! brought before is in the same commit or an earlier one. So for each slot at most one request was sent whose answer
//! is not kept: never more than there are slots, although no answer is waited for.
//!
//! **Who asks.** Of equal requests, in one run or in several that are alive, one is sent, and the others wait for its
//! answer: [`Claim`].
//!
//! No secret enters: what is stored is named column by column in `schema.sql`, and no key, header or credential is
//! part of it. A base URL is stored as the caller gives it and must come without user name and password.

mod answer;
mod batch;
mod claim;
mod deployment;
mod error;
mod job;
mod key;
mod key_filter;
mod merge;
mod recorder;
mod run;
mod schema;
mod store;
mod writer;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod claim_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod merge_tests;
#[cfg(test)]
mod tests;

pub use answer::StoredAnswer;
pub use batch::{BatchChange, BatchNumber, BatchRecord, BatchState, NewBatch};
pub use claim::{Claim, Intent, ModelRecorder};
pub use deployment::{DeploymentRecord, NewDeployment};
pub use error::LedgerError;
pub use job::{JobNumber, JobRecord, NewJob};
pub use key::{ContentKey, Identity, KeyPrefix, Scope};
pub use key_filter::KeyFilter;
pub use merge::Merged;
pub use recorder::Recorder;
pub use run::{OrphanedRequests, RunId, RunRecord, RunState, Totals};
pub use store::{Floor, Ledger, ModelStats, Stats, Target, now};
