//! Keeps to the rate limits of one model at one provider.
//!
//! A [`Governor`] is asked before each request and told how it ended:
//!
//! * **Limits that are known**, from the configuration or from what the provider states, are kept over every window
//!   (`rate_limit`): the requests are spread evenly (`pacer`), and a record of what was sent has the last word
//!   (`windows`). Over which window a provider counts may show in its headers (`window_from_headers`). Tokens are estimated before,
//!   and put right by the usage that the answer reports (`estimate`).
//! * **One refusal is not a limit**: it is the row's own affair. Only refusals in a row (`sent_requests`) make all requests pause
//!   together (`pause`), and only where they recur at a like load is that a limit (`inferred`).
//! * **Requests in flight** are bounded, with one after a pause, and soon more (`concurrency`).
//!
//! Whoever asks first goes first. There is no task behind it: the first in the queue waits for time or for an answer,
//! all others wait for the first. All waiting is on tokio's clock.

mod concurrency;
mod estimate;
mod inferred;
mod pacer;
mod pause;
mod permit;
mod rate_limit;
mod sent_requests;
mod state;
#[cfg(test)]
mod tests;
mod window;
mod window_from_headers;
mod windows;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub use estimate::Estimate;
pub use permit::Permit;
pub use rate_limit::Unit;
use state::{Decision, State};

/// What a governor is to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute, where known.
    pub requests_per_minute: Option<u64>,
    /// Tokens in a minute, where known.
    pub tokens_per_minute: Option<u64>,
    /// The window over which the provider counts, where known: it then holds its share of a minute's limit.
    pub window: Option<Duration>,
    /// The most requests in flight at once.
    pub concurrency: usize,
}

/// Why a request can never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// It is larger than everything that a window allows.
    #[error(
        "this row alone needs more tokens than the limit: about {tokens}, where {limit} are allowed in {}",
        in_words(*window)
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

/// `a minute`, `10 s`.
fn in_words(window: Duration) -> String {
    match window.as_secs_f64() {
        60.0 => "a minute".to_owned(),
        1.0 => "a second".to_owned(),
        seconds => format!("{seconds} s"),
    }
}

/// Why nothing is sent for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The provider refused several requests in a row as too many.
    Refused,
    /// What a limit allows has been sent.
    Limit(Unit),
    /// Another program has used up what a limit allows.
    UsedByOthers,
}

/// What the next request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// For which reason.
    pub why: Why,
    /// How long, as far as that is known.
    pub left: Duration,
    /// Requests that were refused so far.
    pub refused: u64,
    /// The limit in force, and its window.
    pub limit: Option<(u64, Unit, Duration)>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.left.as_secs_f64().ceil();
        match self.why {
            Why::Refused => write!(
                f,
                "the provider refuses requests (429, {} so far); trying again in {seconds} s",
                self.refused
            )?,
            Why::Limit(_) => write!(f, "waiting {seconds} s for the rate limit")?,
            Why::UsedByOthers => write!(f, "another program uses the same limit; going on in {seconds} s")?,
        }
        match self.limit {
            Some((limit, unit, window)) => {
                let unit = match unit {
                    Unit::Requests => "requests",
                    Unit::Tokens => "tokens",
                };
                write!(f, "; limit in force: {limit} {unit} in {}", in_words(window))
            }
            None => Ok(()),
        }
    }
}

/// What a governor does at the moment, to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests that may be in flight now.
    pub allowed: usize,
    /// Requests that a window may hold, and that window, where a limit is known or was found.
    pub requests: Option<(u64, Duration)>,
    /// The same for tokens.
    pub tokens: Option<(u64, Duration)>,
    /// Requests sent in the last minute, or in the window that is known.
    pub requests_sent: u64,
    /// Tokens sent in it.
    pub tokens_sent: u64,
    /// How long everything still pauses.
    pub paused: Duration,
    /// Requests that were refused so far.
    pub refused: u64,
    /// How often everything paused.
    pub pauses: u64,
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
                Decision::Go(sent) => return Ok(Permit::new(self, sent)),
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

    /// What the next request waits for, if it is not for another one to come back.
    pub fn waiting(&self) -> Option<Waiting> {
        self.with_state(|state| state.waiting(Instant::now()))
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
