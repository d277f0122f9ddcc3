//! One row on its way to a provider and back: admitted by the governor, paid for from the budget, announced to the
//! ledger, sent, told to all three, and tried again where that may help.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tunebench_providers::{Cause, Completion, CompletionRequest, ProviderError, Retry, Usage};
use tunebench_reports::Latency;

use super::book::{Asked, Book};
use super::governor::{Estimate, Governor, Permit};
use super::retry::Next;
use super::{Candidate, Halt, Means};
use crate::budget::Reservation;
use crate::ledger::{Claim, ContentKey, Intent, Lane, LedgerError, StoredAnswer};

/// Tokens that an answer is expected to take at most where the provider knows no cap.
pub(crate) const OUTPUT_CAP: u64 = 64;

/// How often a provider may learn from one request.
const MOST_ASKED_AGAIN: u32 = 3;

/// How long to wait before looking whether someone else's answer has come: first, and at most.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// Why a row has no answer.
pub(super) enum Failure {
    /// The provider failed for this row.
    Provider(ProviderError),
    /// Neither this row nor another can be asked any more.
    Halted(Halt),
    /// What came is no answer: the provider has learned from it, and wants the request once more.
    AskAgain,
    /// The user asked for the end.
    Cancelled,
}

/// An answer and how it came.
pub(super) struct Answered {
    pub(super) completion: Completion,
    pub(super) latency: Latency,
    /// Whether the ledger had it, and nothing was sent.
    pub(super) known: bool,
}

impl From<StoredAnswer> for Answered {
    fn from(StoredAnswer { completion, latency, .. }: StoredAnswer) -> Self {
        Self { completion, latency, known: true }
    }
}

/// Asks until there is an answer or no point in asking on.
pub(super) async fn ask(
    candidate: &Candidate,
    means: &Means,
    row: u64,
    request: &CompletionRequest,
    asked: Option<Asked>,
) -> Result<Answered, Failure> {
    let mut attempts = means.retries.attempts(row);
    let mut asked_again = 0;
    loop {
        means.retries.begin_attempt();
        let error = match attempt(candidate, means, request, asked).await {
            Err(Failure::AskAgain) if asked_again < MOST_ASKED_AGAIN => {
                asked_again += 1;
                continue;
            }
            Err(Failure::AskAgain) => {
                let message = "the provider goes on to ask for the same request once more";
                return Err(Failure::Provider(
                    ProviderError::new(Cause::Server, message).retry(Retry::Never),
                ));
            }
            Err(Failure::Provider(error)) => error,
            other => return other,
        };
        match means.retries.next(&mut attempts, error) {
            Next::GiveUp(error) => return Err(Failure::Provider(error)),
            Next::Again(delay) => tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = means.cancel.wait() => return Err(Failure::Cancelled),
            },
        }
    }
}

async fn attempt(
    candidate: &Candidate,
    means: &Means,
    request: &CompletionRequest,
    asked: Option<Asked>,
) -> Result<Answered, Failure> {
    let (Some(governor), Some(book), Some(Asked { key, bytes })) = (&candidate.governor, &means.book, asked)
    else {
        return here(candidate, means, request).await;
    };
    let size = Size::of(candidate, request, bytes);
    let (permit, reservation, intent) = match turn(candidate, means, governor, book, &size, key).await? {
        Turn::Send(permit, reservation, intent) => (permit, reservation, intent),
        Turn::Known(answer) => return Ok((*answer).into()),
    };
    let asked = Instant::now();
    let result = means.retries.in_time(send(candidate, request)).await;
    let latency = Latency::from(asked.elapsed());
    match result {
        Ok(completion) => {
            permit.succeeded(completion.usage, completion.rate_limits);
            // Without a bill to go by, the answer counts as what it may have cost at most.
            reservation.settle(completion.usage.unwrap_or(size.worst()));
            if completion.ask_again {
                let error = ProviderError::new(Cause::Invalid, "asked again in another way");
                intent.failed(&error).await.map_err(kept)?;
                return Err(Failure::AskAgain);
            }
            intent.answered(&completion, latency).await.map_err(kept)?;
            Ok(Answered { completion, latency, known: false })
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
enum Turn<'a> {
    /// It may be sent: the limits, the money and the ledger allow it.
    Send(Permit<'a>, Reservation<'a>, Intent),
    /// It need not be sent.
    Known(Box<StoredAnswer>),
}

async fn turn<'a>(
    candidate: &'a Candidate,
    means: &'a Means,
    governor: &'a Governor,
    book: &Book,
    size: &Size,
    key: ContentKey,
) -> Result<Turn<'a>, Failure> {
    let mut patient = true;
    loop {
        let reservation = reserved(book, candidate, means, size.worst()).await?;
        let permit = match admitted(governor, means, size.estimate()).await {
            Ok(permit) => permit,
            Err(failure) => {
                reservation.release();
                return Err(failure);
            }
        };
        let claim = match patient {
            true => book.lane.claim(key).await,
            false => book.lane.intend(key).await.map(Claim::Open),
        };
        if let Ok(Claim::Open(intent)) = claim {
            return Ok(Turn::Send(permit, reservation, intent));
        }
        // Nothing is sent for now.
        reservation.release();
        drop(permit);
        if let Claim::Answered(answer) = claim.map_err(kept)? {
            return Ok(Turn::Known(answer));
        }
        match wait_for_other(means, &book.lane, key).await? {
            Some(Claim::Answered(answer)) => return Ok(Turn::Known(answer)),
            Some(_) => patient = false,
            None => {}
        }
    }
}

fn kept(error: LedgerError) -> Failure {
    Failure::Halted(Halt::Ledger(error))
}

/// Waits while someone else asks the same: a second run on the same ledger, or an equal row. Gives the answer, or none
/// where it will not come from there, or [`Claim::UnderWay`] when no request can take so long.
async fn wait_for_other(means: &Means, lane: &Lane, key: ContentKey) -> Result<Option<Claim>, Failure> {
    let longest = tokio::time::Instant::now() + means.retries.policy().timeout;
    let mut pause = SHORTEST_LOOK;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = means.cancel.wait() => return Err(Failure::Cancelled),
        }
        match lane.look(key).await.map_err(kept)? {
            Some(Claim::UnderWay) if tokio::time::Instant::now() < longest => {}
            claim => return Ok(claim),
        }
        pause = (2 * pause).min(LONGEST_LOOK);
    }
}

/// The money for one request.
async fn reserved<'a>(
    book: &Book,
    candidate: &'a Candidate,
    means: &'a Means,
    worst: Usage,
) -> Result<Reservation<'a>, Failure> {
    tokio::select! {
        reservation = means.budget.reserve_in_turn(&book.model, candidate.price.as_ref(), worst) => {
            reservation.map_err(|error| Failure::Halted(Halt::Budget(error)))
        }
        () = means.cancel.wait() => Err(Failure::Cancelled),
    }
}

/// The right to send one request.
async fn admitted<'a>(governor: &'a Governor, means: &Means, size: Estimate) -> Result<Permit<'a>, Failure> {
    tokio::select! {
        permit = governor.admit(size) => permit.map_err(|error| {
            Failure::Provider(ProviderError::new(Cause::Invalid, error.to_string()))
        }),
        () = means.cancel.wait() => Err(Failure::Cancelled),
    }
}

/// Asks a model that is computed here: nothing is paid, and the answer is sooner made again than looked up.
async fn here(
    candidate: &Candidate,
    means: &Means,
    request: &CompletionRequest,
) -> Result<Answered, Failure> {
    let permit = match &candidate.governor {
        None => None,
        Some(governor) => Some(admitted(governor, means, Estimate::default()).await?),
    };
    let asked = Instant::now();
    let result = send(candidate, request).await;
    if let Some(permit) = permit {
        permit.succeeded(None, None);
    }
    let completion = result.map_err(Failure::Provider)?;
    Ok(Answered { completion, latency: Latency::from(asked.elapsed()), known: false })
}

/// A provider that panics has failed this row, not the run.
async fn send(candidate: &Candidate, request: &CompletionRequest) -> Result<Completion, ProviderError> {
    let answer = AssertUnwindSafe(candidate.provider.complete(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        Err(ProviderError::new(Cause::Server, "the provider panicked").retry(Retry::Never))
    })
}

/// How large a request is, in bytes, and its answer, in tokens.
struct Size {
    bytes: usize,
    output_cap: u64,
}

impl Size {
    fn of(candidate: &Candidate, request: &CompletionRequest, bytes: usize) -> Self {
        let output_cap = candidate.provider.output_cap(request).map_or(OUTPUT_CAP, u64::from);
        Self { bytes, output_cap }
    }

    fn estimate(&self) -> Estimate {
        Estimate::of_bytes(self.bytes, self.output_cap)
    }

    /// No vocabulary makes more tokens than there are bytes.
    fn worst(&self) -> Usage {
        Usage { input: self.bytes as u64, output: self.output_cap }
    }
}
