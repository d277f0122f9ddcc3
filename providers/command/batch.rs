//! Texts that are sent together, for programs that answer many at once faster than one after the other.
//!
//! No time is spent waiting for a batch to fill: while one is under way the next gathers, and leaves when that is answered.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::protocol::{BatchParams, BatchResult, Item, Task, malformed};
use super::{Shared, read, shared_error};
use crate::{Cause, Completion, CompletionRequest, ProviderError};

type Answer = Result<Completion, ProviderError>;

/// The texts that wait.
#[derive(Default)]
pub(super) struct Batches {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    under_way: bool,
    waiting: Vec<Waiting>,
}

struct Waiting {
    request: CompletionRequest,
    reply: oneshot::Sender<Answer>,
}

impl Task<'_> {
    pub(super) fn of(request: &CompletionRequest) -> Task<'_> {
        Task {
            model: &request.model,
            labels: request.prompt.labels().names(),
            label_counts: &request.label_counts,
            parameters: &request.parameters,
        }
    }
}

/// Whether two texts can be asked about in one batch.
fn together(a: &CompletionRequest, b: &CompletionRequest) -> bool {
    a.model == b.model
        && a.prompt.labels() == b.prompt.labels()
        && a.label_counts == b.label_counts
        && a.parameters == b.parameters
}

/// Asks about one text, in the company of others.
pub(super) async fn complete(shared: &Arc<Shared>, request: &CompletionRequest, size: usize) -> Answer {
    let (reply, answer) = oneshot::channel();
    {
        let mut state = shared.batches.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.push(Waiting { request: request.clone(), reply });
    }
    depart(shared, size);
    let timeout = shared.settings.timeout;
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(ProviderError::new(Cause::Server, "the program ended")),
        Err(_) => Err(shared.hangs("complete_batch", timeout)),
    }
}

/// Sends the next batch, unless one is under way.
fn depart(shared: &Arc<Shared>, size: usize) {
    let batch = {
        let mut state = shared.batches.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Who gave up waiting is not asked about.
        state.waiting.retain(|waiting| !waiting.reply.is_closed());
        if state.under_way || state.waiting.is_empty() {
            return;
        }
        state.under_way = true;
        let (mut batch, mut rest) = (Vec::new(), Vec::new());
        for waiting in std::mem::take(&mut state.waiting) {
            let fits = batch.first().is_none_or(|first: &Waiting| together(&first.request, &waiting.request));
            if fits && batch.len() < size { batch.push(waiting) } else { rest.push(waiting) }
        }
        state.waiting = rest;
        batch
    };
    let items: Vec<Item> = batch.iter().map(|waiting| Item::of(&waiting.request)).collect();
    let Some(first) = batch.first().map(|waiting| waiting.request.clone()) else { return };
    let params = BatchParams { task: Task::of(&first), items: &items };
    let next = shared.clone();
    shared.child.call("complete_batch", &params, move |result| {
        hand_out(&next, batch, result.and_then(|result| read("complete_batch", result)));
        next.batches.state.lock().unwrap_or_else(PoisonError::into_inner).under_way = false;
        depart(&next, size);
    });
}

fn hand_out(shared: &Shared, batch: Vec<Waiting>, result: Result<BatchResult, ProviderError>) {
    let result = result.and_then(|BatchResult { results }| match results.len() == batch.len() {
        true => Ok(results),
        false => Err(malformed(&format!("{} results for {} texts", results.len(), batch.len()))),
    });
    match result {
        Ok(results) => {
            for (waiting, one) in batch.into_iter().zip(results) {
                let answer = one.completion(&waiting.request, |text| shared.child.clean(text));
                let _ = waiting.reply.send(answer);
            }
        }
        Err(error) => {
            for waiting in batch {
                let _ = waiting.reply.send(Err(shared_error(&error)));
            }
        }
    }
}
