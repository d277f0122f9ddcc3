//! Asks a model about every row of a test set, many rows at once, and keeps what became of each.
//!
//! Rows stream from the file; what is kept of a row is its [`Prediction`]. An error never turns into a label.

mod limiter;
mod outcome;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tunebench_data::{DataError, Prompt, TestSet};
use tunebench_providers::{Parameters, Provider, ProviderError};
use tunebench_reports::Prediction;

pub(crate) use limiter::Limiter;

use crate::cancel::Cancel;
use work::Work;

/// A model to be asked, and how.
#[derive(Clone)]
pub struct Candidate {
    /// Who answers.
    pub provider: Arc<dyn Provider>,
    /// The model, by the provider's own id.
    pub model: Arc<str>,
    /// What it is asked with.
    pub prompt: Arc<Prompt>,
    /// What shapes its answers.
    pub parameters: Arc<Parameters>,
    /// How often each label occurs in the training data; empty without training data.
    pub label_counts: Arc<[u64]>,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// Requests a minute, where there is a limit.
    pub(crate) limiter: Option<Arc<Limiter>>,
}

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rows in all.
    pub total: usize,
    /// Answers that name the gold label.
    pub correct: usize,
    /// Answers that name another label.
    pub incorrect: usize,
    /// Answers that name no label.
    pub invalid: usize,
    /// Rows that were asked about in vain.
    pub unanswered: usize,
}

impl Tally {
    /// Rows that are done with.
    pub fn done(&self) -> usize {
        self.correct + self.incorrect + self.invalid + self.unanswered
    }
}

/// What an evaluation found.
#[derive(Debug)]
pub struct Answers {
    /// One for each row, in the order of the file.
    pub predictions: Vec<Prediction>,
    /// The model versions that answered, with the number of their answers.
    pub answered_by: BTreeMap<String, u64>,
    /// What the provider thinks the user should know, each thing once.
    pub notes: BTreeSet<String>,
    /// What some of the invalid answers said, shortened.
    pub invalid_samples: Vec<String>,
    /// How many requests failed, and how the first one did.
    pub failures: Option<(usize, ProviderError)>,
    /// The failure that ended the evaluation before its time.
    pub stopped_by: Option<ProviderError>,
}

/// Why there are no answers at all.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The test file can't be read any more, or is no longer the one that was checked.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The test file has grown or shrunk since it was checked.
    #[error("`{0}` was changed while it was read")]
    Changed(String),
}

/// Asks the candidate about every row.
///
/// `observe` is told how far the work is, some ten times a second. When the end is asked for, rows that are under way
/// are finished and the others count as not asked. A failure that concerns more than its row ends the evaluation
/// in the same way.
pub async fn evaluate(
    candidate: &Candidate,
    test: &TestSet,
    cancel: &Cancel,
    observe: impl Fn(&Tally) + Send + Sync + 'static,
) -> Result<Answers, EvaluateError> {
    let work = Arc::new(Work::new(candidate.clone(), test, cancel.clone(), Box::new(observe))?);
    if candidate.provider.in_process() {
        // Answers that are computed here keep a processor busy: a lane for each processor, on threads of their own.
        let lanes = std::thread::available_parallelism().map_or(1, usize::from).min(candidate.concurrency);
        let runtime = tokio::runtime::Handle::current();
        let lanes = (0..lanes).map(|_| {
            let (work, runtime) = (work.clone(), runtime.clone());
            tokio::task::spawn_blocking(move || runtime.block_on(work.lane(1)))
        });
        for lane in futures::future::join_all(lanes).await {
            if let Err(error) = lane {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    } else {
        work.lane(candidate.concurrency).await;
    }
    let work = Arc::into_inner(work).expect("all lanes have ended");
    work.finish(test)
}
