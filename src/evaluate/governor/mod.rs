//! Keeps to the rate limits of one model at one provider.
//!
//! A [`Governor`] is asked before each request and told how it ended:
//!
//! * **Limits that are known**, from the configuration or from the provider's headers, are kept in every window: the
//!   requests are spread evenly over it (`pace`), and a record of what was sent has the last word (`window`). Tokens
//!   are estimated before, and put right by the usage that the answer reports (`estimate`).
//! * **Limits that are not known**, or not as told, are found from refusals: all requests pause together, the limits
//!   step down to what had been let through, and recover slowly (`learned`).
//! * **Requests in flight** are bounded, with fewer after a refusal (`gate`).
//!
//! Whoever asks first goes first. There is no task behind it: the first in the queue waits for time or for an answer,
//! all others wait for the first. All waiting is on tokio's clock.

mod estimate;
mod gate;
mod learned;
mod meter;
mod pace;
mod permit;
mod state;
#[cfg(test)]
mod tests;
mod window;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub use estimate::Estimate;
pub use permit::Permit;
use state::{Decision, State};

/// What a governor is to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests in each window, where known.
    pub requests: Option<u64>,
    /// Tokens in each window, where known.
    pub tokens: Option<u64>,
    /// The window over which the provider counts.
    pub window: Duration,
    /// A shorter window that must not hold more than its share, for providers that enforce 60 requests a minute as
    /// one a second. No slice holds less than one request, or less than the largest single one.
    pub slice: Option<Duration>,
    /// How much sooner after another than it left a request may arrive; an 80th of the window if not set.
    pub guard: Option<Duration>,
    /// The most requests in flight at once.
    pub concurrency: usize,
}

impl Limits {
    /// Limits for each minute; `None` for those that are to be learned.
    pub fn per_minute(requests: Option<u64>, tokens: Option<u64>, concurrency: usize) -> Self {
        let (slice, guard) = (None, None);
        Self { requests, tokens, window: Duration::from_secs(60), slice, guard, concurrency }
    }
}

/// Why a request can never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// It is larger than everything that a window allows.
    #[error(
        "this row alone needs more tokens than the limit: some {tokens} where {limit} are allowed in {}",
        span(*window)
    )]
    TooLarge {
        /// The tokens it is expected to need.
        tokens: u64,
        /// The tokens that a window allows.
        limit: u64,
        /// The window.
        window: Duration,
    },
}

fn span(window: Duration) -> String {
    if window == Duration::from_secs(60) {
        "a minute".to_owned()
    } else {
        format!("{} s", window.as_secs_f64())
    }
}

/// What a governor does at the moment, to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests that may be in flight now.
    pub allowed: usize,
    /// Requests that a window may hold, where a limit is known or was found.
    pub requests: Option<u64>,
    /// Tokens that a window may hold, where a limit is known or was found.
    pub tokens: Option<u64>,
    /// Requests sent in the last window.
    pub requests_sent: u64,
    /// Tokens sent in the last window.
    pub tokens_sent: u64,
    /// How long everything still pauses.
    pub paused: Duration,
    /// Requests that were refused so far.
    pub refused: u64,
    /// Bursts of refusals so far.
    pub bursts: u64,
}

/// Keeps to the rate limits of one model at one provider; see the [module](self).
#[derive(Debug)]
pub struct Governor {
    state: Mutex<State>,
    /// Held by the first in the queue. Tokio's mutex serves in the order of asking.
    turn: tokio::sync::Mutex<()>,
    /// Wakes the first in the queue when something has changed.
    changed: Notify,
}

impl Governor {
    /// A governor for a model of which nothing has been asked yet.
    pub fn new(limits: Limits) -> Self {
        let state = Mutex::new(State::new(&limits, Instant::now()));
        Self { state, turn: tokio::sync::Mutex::new(()), changed: Notify::new() }
    }

    /// Waits for the right to send one request. Dropping the future takes nothing from anybody.
    ///
    /// A repeat is a request: it must be admitted again.
    pub async fn admit(&self, estimate: Estimate) -> Result<Permit<'_>, AdmitError> {
        let _first = self.turn.lock().await;
        loop {
            let decision = self.with_state(|state| state.decide(Instant::now(), estimate))?;
            match decision {
                Decision::Go(departure) => return Ok(Permit::new(self, departure)),
                Decision::Wait(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = self.changed.notified() => {}
                    }
                }
                Decision::WaitForOther => self.changed.notified().await,
            }
        }
    }

    /// What it does at the moment.
    pub fn snapshot(&self) -> Snapshot {
        self.with_state(|state| state.snapshot(Instant::now()))
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        self.with_state(change);
        self.changed.notify_one();
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere leaves nothing half done here.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
