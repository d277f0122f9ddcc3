//! How long a call may take: one table for all providers, with the reasons.
//!
//! The time for one answer is the user's, by `timeout_seconds`; what stands here for it holds where that is not set.

use std::time::Duration;

/// To reach a host: one that is there accepts within a second.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer that has begun. The client's own setting would count the time of an upload too.
pub(crate) const BETWEEN_PIECES: Duration = Duration::from_secs(60);
/// For the answer of a model: some think for a minute.
pub(crate) const ANSWER: Duration = Duration::from_secs(120);
/// For calls that move no file: lists, jobs, what is known of a model.
pub(crate) const SHORT: Duration = Duration::from_secs(60);
/// For some megabytes: a piece of a file, or a small one.
pub(crate) const PIECE: Duration = Duration::from_secs(600);
/// For a whole file of hundreds of megabytes: training data, or the requests or answers of a batch.
pub(crate) const FILE: Duration = Duration::from_secs(3_600);
/// For a file of an encoder, which may have gigabytes: none takes longer than a day.
pub(crate) const ENCODER_FILE: Duration = Duration::from_secs(24 * 60 * 60);
/// For the answer of a program: small machines are slow.
pub(crate) const PROGRAM_ANSWER: Duration = Duration::from_secs(300);
/// For a program to say what it can: it may have to load a model.
pub(crate) const PROGRAM_START: Duration = Duration::from_secs(120);
/// For a program to end by itself once nothing more is asked of it.
pub(crate) const PROGRAM_END: Duration = Duration::from_secs(1);
