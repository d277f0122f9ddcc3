//! One model and what asking it takes, whether or not the right answers are known.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use tokio::sync::{OnceCell, Semaphore};
use tunebench_data::{Columns, Item, Message};
use tunebench_providers::{Completion, CompletionRequest, ModelInfo, ProviderError, Retry};
use tunebench_reports::{Answer, Probability, UnansweredKind};

use super::answer_cache::RequestKey;
use super::ask::{Answered, Failure, ask};
use super::breaker::Breaker;
use super::{AbortReason, Deployed, EvalContext, EvalTarget, outcome};

/// Asks one model about text after text, and stops when no further text could be answered.
pub(crate) struct ModelClient {
    pub(crate) candidate: EvalTarget,
    pub(crate) context: EvalContext,
    /// For requests; rows that wait to be tried again hold none.
    pub(super) slots: Semaphore,
    /// The model's own name, shared by all requests.
    model: Arc<str>,
    breaker: Breaker,
    /// What the provider knows of the model; asked for before the first request, and not at all without one.
    info: OnceCell<Option<ModelInfo>>,
    aborted: OnceLock<AbortReason>,
    /// Rows that were met in a batch under way.
    pub(super) left_to_batches: AtomicUsize,
}

/// Why there is no answer.
pub(crate) struct Unanswered {
    pub(crate) kind: UnansweredKind,
    /// What the provider said, where it failed for this text.
    pub(crate) error: Option<ProviderError>,
}

impl From<UnansweredKind> for Unanswered {
    fn from(kind: UnansweredKind) -> Self {
        Self { kind, error: None }
    }
}

impl ModelClient {
    pub(crate) fn new(candidate: EvalTarget, context: EvalContext) -> Self {
        let model = candidate.name.model().into();
        let slots = Semaphore::new(candidate.concurrency);
        let (breaker, info, left_to_batches) = Default::default();
        let aborted = match &candidate.deployed {
            Deployed::Not(abort) => OnceLock::from(abort.clone()),
            Deployed::NotNeeded | Deployed::As { .. } => OnceLock::new(),
        };
        Self { candidate, context, slots, model, breaker, info, aborted, left_to_batches }
    }

    /// What ended the asking before its time.
    pub(crate) fn aborted(&self) -> Option<&AbortReason> {
        self.aborted.get()
    }

    /// What the provider knows of the model, and what ended the asking.
    pub(super) fn into_parts(self) -> (Option<ModelInfo>, Option<AbortReason>) {
        (self.info.into_inner().flatten(), self.aborted.into_inner())
    }

    /// Why a request that the ledger has no answer to is not asked now, if it is not: batches have asked already.
    pub(super) fn not_now(&self, asked: Option<RequestKey>) -> Option<UnansweredKind> {
        let not_answered = self.context.asked_in_batches.as_ref()?;
        let kind = asked.and_then(|asked| not_answered.get(&asked.key).copied());
        Some(kind.unwrap_or(UnansweredKind::NotAsked))
    }

    /// What the request about an item says after the task.
    pub(crate) fn turns(&self, item: Item<'_>) -> Vec<Message> {
        let shots = self.candidate.shots.before(item.text);
        self.candidate.prompt.turns(shots.items(), item)
    }

    /// Asks about an item. `row` tells its waits from those of others.
    pub(crate) async fn ask(
        &self,
        row: u64,
        item: Item<'_>,
        asked: Option<RequestKey>,
    ) -> Result<Answered, Unanswered> {
        if let Err(abort) = self.know_model().await {
            self.abort(abort);
        }
        if self.aborted().is_some() {
            return Err(UnansweredKind::NotAsked.into());
        }
        match ask(self, row, &self.request(item), asked).await {
            Ok(answer) => {
                self.breaker.answered();
                Ok(answer)
            }
            Err(Failure::Provider(error)) => {
                if self.breaker.failed(&error) {
                    self.abort(AbortReason::Provider(error.clone()));
                }
                Err(Unanswered { kind: outcome::of_error(&error), error: Some(error) })
            }
            Err(Failure::Aborted(abort)) => {
                let kind = match abort {
                    AbortReason::Budget(_) => UnansweredKind::Budget,
                    AbortReason::Provider(_) | AbortReason::Ledger(_) => UnansweredKind::NotAsked,
                };
                self.abort(abort);
                Err(kind.into())
            }
            Err(Failure::Cancelled) => Err(UnansweredKind::NotAsked.into()),
        }
    }

    /// What a completion answers, and how sure the model is of it.
    pub(super) fn read(&self, completion: &Completion) -> (Answer, Option<Probability>) {
        let answer = outcome::of_completion(&self.candidate.prompt, completion);
        (answer, outcome::probability(answer, completion))
    }

    /// What an item is asked with.
    pub(crate) fn request(&self, item: Item<'_>) -> CompletionRequest {
        let EvalTarget { prompt, parameters, shots, label_counts, deployed, .. } = &self.candidate;
        let served_as = match deployed {
            Deployed::As { name, .. } => Some(name.clone()),
            Deployed::NotNeeded | Deployed::Not(_) => None,
        };
        let shots = shots.before(item.text);
        let request = CompletionRequest::new(self.model.clone(), prompt.clone(), item.text)
            .shots(shots.pairs().clone())
            .parameters(parameters.clone())
            .label_counts(label_counts.clone())
            .served_as(served_as);
        match prompt.columns() {
            Columns::None => request,
            _ => request.rendered(prompt.render_with_shots(shots.items(), item)),
        }
    }

    /// The first reason counts.
    fn abort(&self, abort: AbortReason) {
        self.aborted.get_or_init(|| abort);
    }

    /// A model that does not exist, or a missing key, is told before the first row is paid for.
    async fn know_model(&self) -> Result<(), AbortReason> {
        let ask = || async {
            match self.candidate.provider.model_info(self.candidate.name.model()).await {
                Ok(info) => Ok(Some(info)),
                Err(error) if error.retry == Retry::Never => Err(AbortReason::Provider(error)),
                // A provider that is not reached for this may be for the rows, with repeats.
                Err(_) => Ok(None),
            }
        };
        self.info.get_or_try_init(ask).await.map(|_| ())
    }
}
