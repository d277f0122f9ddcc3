//! One row on its way to a provider and back: paid for from the budget, admitted by the governor, claimed in the
//! ledger, sent, its outcome reported to all three, and tried again where that may help.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tunebench_data::{Latency, most_tokens};
use tunebench_providers::{Cause, Completion, CompletionRequest, ProviderError, Retry, Usage};

use super::answer_cache::{AnswerCache, RequestKey};
use super::governor::{Estimate, Governor, Permit};
use super::model_client::ModelClient;
use super::retry;
use super::{AbortReason, EvalContext, EvalTarget, Route};
use crate::budget::Reservation;
use crate::ledger::{Claim, ContentKey, Intent, LedgerError, ModelRecorder, StoredAnswer};

/// How often a provider may learn from one request.
const MOST_ASKED_AGAIN: u32 = 3;

/// How long to wait before looking whether someone else's answer has come: first, and at most.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// Why a row has no answer.
pub(super) type Failure = retry::Failure<AbortReason>;

/// An answer and how it came.
pub(crate) struct Answered {
    pub(super) completion: Completion,
    /// None where it was not measured.
    pub(super) latency: Option<Latency>,
    /// Whether the ledger had it, and nothing was sent.
    pub(super) known: bool,
}

impl Answered {
    /// What it is billed for, where the provider tells; nothing where it was in the ledger.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.completion.usage.filter(|_| !self.known)
    }
}

impl From<StoredAnswer> for Answered {
    fn from(StoredAnswer { completion, latency, .. }: StoredAnswer) -> Self {
        Self { completion, latency, known: true }
    }
}

/// Asks until there is an answer or no point in asking on.
pub(super) async fn ask(
    client: &ModelClient,
    row: u64,
    request: &CompletionRequest,
    asked: Option<RequestKey>,
) -> Result<Answered, Failure> {
    let ModelClient { candidate, context, .. } = client;
    match &context.route {
        Route::Local { governor } => {
            let attempt = || in_process(candidate, context, governor.as_deref(), request);
            context.retries.run(row, &context.cancel, attempt).await
        }
        Route::Metered { governor, cache } => {
            let asked = asked.unwrap_or_else(|| cache.asked(&request.messages()[1..]));
            // What first calls took belongs to what the answer costs.
            let earlier = Mutex::new(Usage::default());
            let attempt = || async {
                for _ in 0..=MOST_ASKED_AGAIN {
                    let so_far = *earlier.lock().unwrap_or_else(PoisonError::into_inner);
                    match attempt(client, governor, cache, request, asked, so_far).await? {
                        Attempt::Answered(answered) => return Ok(*answered),
                        Attempt::AskAgain(usage) => {
                            *earlier.lock().unwrap_or_else(PoisonError::into_inner) = so_far.plus(usage);
                        }
                    }
                }
                let message = "the provider goes on to ask for the same request once more";
                Err(Failure::Provider(ProviderError::new(Cause::Server, message).retry(Retry::Never)))
            };
            context.retries.run(row, &context.cancel, attempt).await
        }
    }
}

/// What a request came to.
enum Attempt {
    Answered(Box<Answered>),
    /// The provider has learned from it, and wants the request once more; it took so much.
    AskAgain(Usage),
}

/// One request. `earlier` is what the ones before it took that the provider wanted once more.
async fn attempt(
    client: &ModelClient,
    governor: &Governor,
    cache: &AnswerCache,
    request: &CompletionRequest,
    RequestKey { key, bytes }: RequestKey,
    earlier: Usage,
) -> Result<Attempt, Failure> {
    let ModelClient { candidate, context, slots, .. } = client;
    // A row that waits to be tried again holds no slot: others go on meanwhile.
    let _slot = tokio::select! {
        slot = slots.acquire() => slot,
        () = context.cancel.wait() => return Err(Failure::Cancelled),
    };
    if client.aborted().is_some() {
        return Err(Failure::Cancelled);
    }
    let size = Size::of(candidate, request, bytes);
    let (permit, reservation, intent) = match acquire(candidate, context, governor, cache, &size, key).await?
    {
        Admission::Send(permit, reservation, intent) => (permit, reservation, intent),
        Admission::Known(answer) => return Ok(Attempt::Answered(Box::new((*answer).into()))),
        Admission::InBatch => {
            client.left_to_batches.fetch_add(1, Ordering::Relaxed);
            return Err(Failure::Cancelled);
        }
    };
    let asked = Instant::now();
    let result = context.retries.in_time(send(candidate, request)).await;
    let latency = Latency::from(asked.elapsed());
    match result {
        Ok(mut completion) => {
            permit.succeeded(completion.usage, completion.rate_limits);
            // Without a bill to go by, the answer counts as what it may have cost at most.
            let usage = completion.usage.unwrap_or(size.worst());
            reservation.settle(usage);
            if completion.ask_again {
                let error = ProviderError::new(Cause::Invalid, "asked again in another way");
                intent.failed(&error).await.map_err(kept)?;
                return Ok(Attempt::AskAgain(usage));
            }
            completion.usage = completion.usage.map(|usage| usage.plus(earlier));
            intent.answered(&completion, latency).await.map_err(kept)?;
            Ok(Attempt::Answered(Box::new(Answered { completion, latency: Some(latency), known: false })))
        }
        Err(error) => {
            let limits = error.rate_limits.as_deref().copied();
            match (error.cause, error.retry) {
                (Cause::RateLimit, Retry::Later { after }) => permit.rate_limited(after, limits),
                _ => permit.failed(limits),
            }
            match error.may_be_billed {
                true => drop(reservation),
                false => reservation.unbilled(),
            }
            intent.failed(&error).await.map_err(kept)?;
            Err(Failure::Provider(error))
        }
    }
}

/// What a request comes to when its turn has come.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would be an allocation for each request"
)]
enum Admission<'a> {
    /// It may be sent: the limits, the money and the ledger allow it.
    Send(Permit<'a>, Reservation<'a>, Intent),
    /// It need not be sent.
    Known(Box<StoredAnswer>),
    /// It is in a batch that is under way, and not sent in any other way.
    InBatch,
}

async fn acquire<'a>(
    candidate: &'a EvalTarget,
    context: &'a EvalContext,
    governor: &'a Governor,
    cache: &AnswerCache,
    size: &Size,
    key: ContentKey,
) -> Result<Admission<'a>, Failure> {
    let mut waits_for_others = true;
    loop {
        let reservation = reserved(cache, candidate, context, size.worst()).await?;
        let permit = match admitted(governor, context, size.estimate()).await {
            Ok(permit) => permit,
            Err(failure) => {
                reservation.release();
                return Err(failure);
            }
        };
        let claim = match waits_for_others {
            true => cache.recorder.claim(key).await,
            false => cache.recorder.claim_anyway(key).await.map(Claim::Open),
        };
        if let Ok(Claim::Open(intent)) = claim {
            return Ok(Admission::Send(permit, reservation, intent));
        }
        // Nothing is sent for now.
        reservation.release();
        drop(permit);
        match claim.map_err(kept)? {
            Claim::Answered(answer) => return Ok(Admission::Known(answer)),
            Claim::InBatch => return Ok(Admission::InBatch),
            Claim::Open(_) | Claim::UnderWay => {}
        }
        match wait_for_other(context, &cache.recorder, key).await? {
            Some(Claim::Answered(answer)) => return Ok(Admission::Known(answer)),
            Some(Claim::InBatch) => return Ok(Admission::InBatch),
            Some(_) => waits_for_others = false,
            None => {}
        }
    }
}

fn kept(error: LedgerError) -> Failure {
    Failure::Aborted(AbortReason::Ledger(error))
}

/// Waits while someone else asks the same: a second run on the same ledger, or an equal row. Gives the answer, or none
/// where it will not come from there, or [`Claim::UnderWay`] when no request can take so long.
async fn wait_for_other(
    context: &EvalContext,
    recorder: &ModelRecorder,
    key: ContentKey,
) -> Result<Option<Claim>, Failure> {
    let longest = tokio::time::Instant::now() + context.retries.policy().timeout;
    let mut pause = SHORTEST_LOOK;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = context.cancel.wait() => return Err(Failure::Cancelled),
        }
        match recorder.look(key).await.map_err(kept)? {
            Some(Claim::UnderWay) if tokio::time::Instant::now() < longest => {}
            claim => return Ok(claim),
        }
        pause = (2 * pause).min(LONGEST_LOOK);
    }
}

/// The money for one request.
async fn reserved<'a>(
    cache: &AnswerCache,
    candidate: &'a EvalTarget,
    context: &'a EvalContext,
    worst: Usage,
) -> Result<Reservation<'a>, Failure> {
    tokio::select! {
        reservation = context.budget.reserve_in_turn(&cache.model, candidate.price.as_ref(), worst) => {
            reservation.map_err(|error| Failure::Aborted(AbortReason::Budget(error)))
        }
        () = context.cancel.wait() => Err(Failure::Cancelled),
    }
}

/// The right to send one request.
async fn admitted<'a>(
    governor: &'a Governor,
    context: &EvalContext,
    size: Estimate,
) -> Result<Permit<'a>, Failure> {
    tokio::select! {
        permit = governor.admit(size) => permit.map_err(|error| {
            Failure::Provider(ProviderError::new(Cause::TooLarge, error.to_string()))
        }),
        () = context.cancel.wait() => Err(Failure::Cancelled),
    }
}

/// Asks a model that is computed here: nothing is paid, and the answer is sooner made again than looked up.
async fn in_process(
    candidate: &EvalTarget,
    context: &EvalContext,
    governor: Option<&Governor>,
    request: &CompletionRequest,
) -> Result<Answered, Failure> {
    let permit = match governor {
        None => None,
        Some(governor) => Some(admitted(governor, context, Estimate::default()).await?),
    };
    let asked = Instant::now();
    let result = send(candidate, request).await;
    if let Some(permit) = permit {
        permit.succeeded(None, None);
    }
    let completion = result.map_err(Failure::Provider)?;
    let latency = Latency::from(completion.took.unwrap_or_else(|| asked.elapsed()));
    Ok(Answered { completion, latency: Some(latency), known: false })
}

/// A provider that panics has failed this row, not the run.
async fn send(candidate: &EvalTarget, request: &CompletionRequest) -> Result<Completion, ProviderError> {
    let answer = AssertUnwindSafe(candidate.provider.complete(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        Err(ProviderError::new(Cause::Server, "the provider panicked").retry(Retry::Never))
    })
}

/// The most tokens that an answer may take; where the provider knows no cap, what any answer takes.
pub(crate) fn output_cap(candidate: &EvalTarget, request: &CompletionRequest) -> u64 {
    candidate.provider.output_cap(request).unwrap_or_else(|| request.answer_tokens()).into()
}

/// How large a request is, in bytes, and its answer, in tokens.
struct Size {
    bytes: usize,
    output_cap: u64,
}

impl Size {
    fn of(candidate: &EvalTarget, request: &CompletionRequest, bytes: usize) -> Self {
        Self { bytes, output_cap: output_cap(candidate, request) }
    }

    fn estimate(&self) -> Estimate {
        Estimate::of_bytes(self.bytes, self.output_cap)
    }

    fn worst(&self) -> Usage {
        Usage::new(most_tokens(self.bytes), self.output_cap)
    }
}
