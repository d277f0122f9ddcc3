//! Asks a model about every row of a test set, many rows at once, and keeps what became of each.
//!
//! Rows stream from the file; what is kept of a row is its [`Prediction`](tunebench_reports::Prediction). An error never turns into a label. What was
//! answered before is in the ledger and is not asked again; what is asked passes the governor (`governor`), the
//! budget, the ledger's intents, and is tried again where that may help (`retry`).

mod abort;
mod answer_cache;
mod ask;
pub mod breaker;
pub mod governor;
mod kept;
mod known_rows;
mod label;
mod model_client;
mod outcome;
pub mod retry;
mod rows;
mod workers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use tunebench_data::{DataError, Prompt, TestSet};
use tunebench_providers::{ModelInfo, ModelRef, Parameters, Provider, ProviderError, Usage};
use tunebench_reports::{Predictions, UnansweredKind};

pub use abort::AbortReason;
pub use answer_cache::AnswerCache;
pub(crate) use answer_cache::{LookedUp, RequestKey, RequestKeys};
pub(crate) use ask::output_cap;
pub use kept::KeptRows;
pub(crate) use known_rows::{KnownRows, RowSet};
pub use label::{Labelled, Labeller, PredictedLabel};
pub(crate) use model_client::ModelClient;
pub(crate) use outcome::of_error as unanswered_kind;

use crate::budget::{Budget, Cost, Price};
use crate::cancel::Cancel;
use crate::ledger::ContentKey;
use crate::shots::Shots;
use governor::{Governor, Limits};
use retry::Retries;
use workers::EvaluationRun;

/// What new texts go by in the ledger, where test data goes by its fingerprint.
pub(crate) const LABELLING: &str = "predict";
/// How many rows may be under way, waits included, for each that may be in flight.
const AHEAD: usize = 8;

/// A model to be asked, and with what.
#[derive(Clone)]
pub struct EvalTarget {
    /// How the user names it.
    pub name: ModelRef,
    /// Who answers.
    pub provider: Arc<dyn Provider>,
    /// What it is asked with.
    pub prompt: Arc<Prompt>,
    /// What shapes its answers.
    pub parameters: Arc<Parameters>,
    /// Solved examples to show before each text.
    pub shots: Shots,
    /// How often each label occurs in the training data; empty without training data.
    pub label_counts: Arc<[u64]>,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// What its tokens cost, where that is known.
    pub price: Option<Price>,
    /// Whether it is deployed, where it must be.
    pub deployed: Deployed,
    /// The limits to keep to.
    pub limits: Limits,
}

/// Whether a model is deployed, where it answers only so.
#[derive(Debug, Clone, Default)]
pub enum Deployed {
    /// It answers as it is, or is not asked.
    #[default]
    NotNeeded,
    /// It is.
    As {
        /// How requests name it.
        name: Arc<str>,
        /// When it comes down.
        until: tokio::time::Instant,
    },
    /// It is not, for this reason.
    Not(AbortReason),
}

impl EvalTarget {
    /// Whether answers are computed in this process.
    pub(crate) fn in_process(&self) -> bool {
        self.provider.info().in_process()
    }

    /// Whether the model answers only while it is deployed.
    pub(crate) fn must_be_deployed(&self) -> bool {
        self.provider.deployments().is_some_and(|deployments| deployments.is_needed(self.name.model()))
    }
}

/// How requests reach a model.
#[derive(Clone)]
pub enum Route {
    /// It is computed in this process: nothing is paid, and nothing is kept.
    Local {
        /// Keeps to a limit that the user set.
        governor: Option<Arc<Governor>>,
    },
    /// Requests are sent and paid for.
    Metered {
        /// Keeps to the rate limits; one for each model, whatever asks it.
        governor: Arc<Governor>,
        /// Where answers are looked up and kept.
        cache: Box<AnswerCache>,
    },
}

impl Route {
    /// Where answers are looked up and kept.
    pub(crate) fn cache(&self) -> Option<&AnswerCache> {
        match self {
            Self::Local { .. } => None,
            Self::Metered { cache, .. } => Some(cache),
        }
    }

    /// Keeps to the rate limits.
    pub(crate) fn governor(&self) -> Option<&Arc<Governor>> {
        match self {
            Self::Local { governor } => governor.as_ref(),
            Self::Metered { governor, .. } => Some(governor),
        }
    }
}

/// What an evaluation may use, and what it shares with others of the same command.
#[derive(Clone)]
pub struct EvalContext {
    /// How requests reach the model.
    pub route: Route,
    /// The repeats of failed requests.
    pub retries: Arc<Retries>,
    /// What may be spent.
    pub budget: Arc<Budget>,
    /// Whether it is to end early.
    pub cancel: Cancel,
    /// Set where batches have asked already: what the ledger lacks is not asked for now.
    pub asked_in_batches: Option<Arc<NotAnswered>>,
}

/// The requests that were in a batch and were not answered, with the reason. Others have not been asked at all.
pub type NotAnswered = HashMap<ContentKey, UnansweredKind>;

/// What an evaluation keeps of its rows beside their predictions, and where.
#[derive(Debug, Clone)]
pub struct Keep {
    /// The folder for a temporary file.
    pub folder: PathBuf,
    /// Whether texts are kept: what the models said, and the rows' own columns.
    pub texts: bool,
}

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EvalProgress {
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
    /// Rows whose answer was in the ledger; they are among the others.
    pub known: usize,
    /// What it has cost so far; answers from the ledger cost nothing.
    pub spent: Cost,
}

impl EvalProgress {
    /// Rows that are done with.
    pub fn done(&self) -> usize {
        self.correct + self.incorrect + self.invalid + self.unanswered
    }
}

/// What an evaluation found.
#[derive(Debug)]
pub struct Answers {
    /// One for each row, in the order of the file.
    pub predictions: Predictions,
    /// How many rows came out how.
    pub tally: EvalProgress,
    /// What the provider knows of the model, where it was asked.
    pub info: Option<ModelInfo>,
    /// The model versions that answered, with the number of their answers.
    pub answered_by: BTreeMap<String, u64>,
    /// Tokens of all answers, those of earlier commands included.
    pub usage: Usage,
    /// What the provider thinks the user should know, each thing once.
    pub notes: BTreeSet<String>,
    /// What some of the invalid answers said, shortened.
    pub invalid_samples: Vec<String>,
    /// Rows that are in a batch which is under way, and were left to it.
    pub in_batches: usize,
    /// How many rows failed for good, and how the first one did.
    pub failures: Option<(usize, ProviderError)>,
    /// What ended the evaluation before its time.
    pub aborted_by: Option<AbortReason>,
    /// What is known of each row beside its prediction.
    pub kept: KeptRows,
    /// Why some of that could not be kept; it ends the evaluation.
    pub not_kept: Option<std::io::Error>,
}

/// Why there are no answers at all.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The test file can't be read any more, or is no longer the one that was checked.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The answers can't be kept until they are written.
    #[error("a temporary file for the answers: {0}")]
    Kept(#[from] std::io::Error),
    /// The test file has grown or shrunk since it was checked.
    #[error("`{0}` was changed while it was read")]
    Changed(String),
    /// The ledger can't be read.
    #[error(transparent)]
    Ledger(#[from] crate::ledger::LedgerError),
}

/// Asks the candidate about every row.
///
/// `observe` is told how far the work is, some ten times a second. When the end is asked for, rows that are under way
/// are finished and the others count as not asked. A failure that concerns more than its row ends the evaluation
/// in the same way.
pub async fn evaluate(
    candidate: &EvalTarget,
    test: &TestSet,
    context: EvalContext,
    keep: &Keep,
    observe: impl Fn(&EvalProgress) + Send + Sync + 'static,
) -> Result<Answers, EvaluateError> {
    // The clock of whoever watches starts now, not at the first answer.
    observe(&EvalProgress { total: test.len(), ..EvalProgress::default() });
    let work = Arc::new(EvaluationRun::new(candidate.clone(), test, context, keep, Box::new(observe))?);
    if candidate.in_process() {
        // Answers that are computed here keep a processor busy: a worker for each processor, on threads of their own.
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(candidate.concurrency);
        let runtime = tokio::runtime::Handle::current();
        let batch = candidate.provider.batch_size(candidate.name.model());
        let workers = (0..workers).map(|_| {
            let (work, runtime) = (work.clone(), runtime.clone());
            tokio::task::spawn_blocking(move || runtime.block_on(work.worker(batch)))
        });
        for worker in futures::future::join_all(workers).await {
            if let Err(error) = worker {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    } else {
        // More than may be in flight: rows that wait to be tried again keep no others waiting.
        work.worker(AHEAD * candidate.concurrency).await;
    }
    let work = Arc::into_inner(work).expect("all workers have ended");
    work.finish(test)
}
