//! Labels for texts that have none: asked about many at once, told in their order.
//!
//! Texts come as a stream and nothing is kept of those that are done with, so that there may be any number of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, LocalBoxStream, Stream, StreamExt};
use tokio::sync::OnceCell;
use tunebench_data::ExampleId;
use tunebench_providers::{Completion, ProviderError};
use tunebench_reports::{Answer, Probability, UnansweredKind};

use super::answer_cache::{LookedUp, RequestKey};
use super::model_client::{ModelClient, Unanswered};
use super::{AHEAD, AbortReason, EvalContext, EvalTarget};
use crate::ledger::{ContentKey, LedgerError};

/// How many answers are remembered until the ledger surely has them.
const RECENT: usize = 4096;

/// What became of a text.
#[derive(Debug, Clone)]
pub struct PredictedLabel {
    /// The answer; none for a blank text, which nobody is asked about.
    pub answer: Option<Answer>,
    /// How sure the model is of its label, where it tells.
    pub probability: Option<Probability>,
    /// Whether the answer was in the ledger.
    pub known: bool,
    /// What the provider said, where it failed for this text.
    pub error: Option<ProviderError>,
    /// Something the user should know once.
    pub note: Option<String>,
    /// Whether a batch that has brought no answer is the reason why there is none.
    pub asked_in_batch: bool,
}

impl PredictedLabel {
    /// Whether the asking ended before this text.
    pub fn is_missing(&self) -> bool {
        let not_asked = Answer::Unanswered(UnansweredKind::NotAsked);
        let unpaid = Answer::Unanswered(UnansweredKind::Budget);
        !self.asked_in_batch && [Some(not_asked), Some(unpaid)].contains(&self.answer)
    }

    fn nothing() -> Self {
        Self { answer: None, probability: None, known: false, error: None, note: None, asked_in_batch: false }
    }
}

/// An item and what became of its text. An error means that the ledger can't be read.
pub type Labelled<T> = Result<(T, PredictedLabel), LedgerError>;

/// Asks a model about texts without gold labels.
pub struct Labeller {
    client: ModelClient,
    /// What is being asked, or was just now: equal texts are paid for once, though the ledger has no answer yet.
    asked: Mutex<HashMap<ContentKey, Arc<OnceCell<PredictedLabel>>>>,
}

impl Labeller {
    /// For one model, which is asked as an evaluation would ask it.
    pub fn new(candidate: EvalTarget, context: EvalContext) -> Arc<Self> {
        Arc::new(Self { client: ModelClient::new(candidate, context), asked: Mutex::default() })
    }

    /// What ended the asking before its time.
    pub fn aborted(&self) -> Option<&AbortReason> {
        self.client.aborted()
    }

    /// Labels the items of all chunks, in their order. `text` tells what of an item is asked about.
    pub fn label<T: Send + 'static>(
        self: &Arc<Self>,
        chunks: impl Stream<Item = Vec<T>> + 'static,
        text: fn(&T) -> &str,
    ) -> LocalBoxStream<'static, Labelled<T>> {
        let labeller = self.clone();
        if !self.client.candidate.in_process() {
            let ahead = AHEAD * self.client.candidate.concurrency;
            let drawn = chunks.flat_map(move |chunk| stream::iter(labeller.look_up(chunk, text)));
            let labeller = self.clone();
            let labelled = drawn.map(move |drawn| {
                let labeller = labeller.clone();
                async move {
                    let LookedUp { item, asked, known } = drawn?;
                    let guess = match known {
                        Some(known) => labeller.read(known.completion, true),
                        None => labeller.guess_once(text(&item), asked).await,
                    };
                    Ok((item, guess))
                }
            });
            return labelled.buffered(ahead).boxed_local();
        }
        // Answers that are computed here keep a processor busy: a chunk for each processor, on threads of their own.
        let concurrency = self.client.candidate.concurrency;
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(concurrency);
        let candidate = &self.client.candidate;
        let batch = candidate.provider.batch_size(candidate.name.model());
        let labelled = chunks.map(move |chunk| {
            let (labeller, runtime) = (labeller.clone(), tokio::runtime::Handle::current());
            let each = async move {
                let guesses = chunk.into_iter().map(|item| async {
                    let guess = labeller.guess(text(&item), None).await;
                    Ok((item, guess))
                });
                stream::iter(guesses).buffered(batch).collect::<Vec<_>>().await
            };
            tokio::task::spawn_blocking(move || runtime.block_on(each))
        });
        let done = labelled.buffered(workers).map(|done| match done {
            Ok(done) => stream::iter(done),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        });
        done.flatten().boxed_local()
    }

    /// What the ledger has for each item.
    fn look_up<T>(&self, chunk: Vec<T>, text: fn(&T) -> &str) -> Vec<Result<LookedUp<T>, LedgerError>> {
        let cache = self.client.context.route.cache().expect("who is asked elsewhere has a ledger");
        match cache.look_up(chunk, |item| self.client.turns(text(item).into())) {
            Ok(looked_up) => looked_up.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    }

    async fn guess_once(&self, text: &str, asked: RequestKey) -> PredictedLabel {
        let shared = {
            let mut recent = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() >= RECENT {
                // Those that are done are in the ledger by now.
                recent.retain(|_, shared| !shared.initialized());
            }
            recent.entry(asked.key).or_default().clone()
        };
        // Without an answer the next of the equal texts tries for itself.
        let guess = || async {
            let guess = self.guess(text, Some(asked)).await;
            if matches!(guess.answer, Some(Answer::Unanswered(_))) { Err(guess) } else { Ok(guess) }
        };
        shared.get_or_try_init(guess).await.cloned().unwrap_or_else(|guess| guess)
    }

    async fn guess(&self, text: &str, asked: Option<RequestKey>) -> PredictedLabel {
        if text.trim().is_empty() {
            return PredictedLabel::nothing();
        }
        if self.client.context.cancel.requested() {
            return unanswered(UnansweredKind::NotAsked.into());
        }
        if let Some(kind) = self.client.not_now(asked) {
            return PredictedLabel { asked_in_batch: true, ..unanswered(kind.into()) };
        }
        // By content, so that the waits of a text do not depend on where it stands.
        let row = ExampleId::of(text, "", 0).0;
        match self.client.ask(row, text.into(), asked).await {
            Ok(answered) => self.read(answered.completion, answered.known),
            Err(failure) => unanswered(failure),
        }
    }

    fn read(&self, completion: Completion, known: bool) -> PredictedLabel {
        let (answer, probability) = self.client.read(&completion);
        PredictedLabel {
            answer: Some(answer),
            probability,
            known,
            note: completion.note,
            ..PredictedLabel::nothing()
        }
    }
}

fn unanswered(Unanswered { kind, error }: Unanswered) -> PredictedLabel {
    PredictedLabel { answer: Some(Answer::Unanswered(kind)), error, ..PredictedLabel::nothing() }
}
