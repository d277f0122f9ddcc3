//! The pause of all requests of a model after refusals in a row. How long a single row waits for its next attempt is
//! decided in `../retry/mod.rs`.

use std::time::Duration;

use tokio::time::Instant;

use crate::evaluate::retry::LONGEST_RETRY_AFTER;

/// When to try again where the provider does not say, counted from the first refusal: soon, for limits that refill all
/// the time, and when a window of the usual lengths has passed. Later, each time after the last of these.
const TRIES: [Duration; 7] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(1_100),
    Duration::from_millis(3_000),
    Duration::from_millis(10_500),
    Duration::from_millis(30_000),
    Duration::from_millis(62_000),
];

/// Everything waits since requests were refused in a row; then one request at a time is tried, until one is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    since: Instant,
    until: Instant,
    tries: usize,
    /// Requests from this number on left after the pause: what becomes of them says whether it is over.
    first_try: u64,
}

impl Pause {
    /// After a refusal that asks for a wait, or does not.
    pub(super) fn new(now: Instant, asked: Option<Duration>, first_try: u64) -> Self {
        let mut pause = Self { since: now, until: now, tries: 0, first_try };
        pause.extend(now, asked);
        pause
    }

    /// Whether a request left after it began.
    pub(super) fn is_followed_by(&self, number: u64) -> bool {
        number >= self.first_try
    }

    /// One more refusal of those that began it.
    pub(super) fn joined(&mut self, now: Instant, asked: Option<Duration>) {
        if let Some(asked) = asked {
            self.until = self.until.max(now + asked.min(LONGEST_RETRY_AFTER));
        }
    }

    /// What was tried is refused as well.
    pub(super) fn refused_still(&mut self, now: Instant, asked: Option<Duration>, first_try: u64) {
        self.tries += 1;
        self.first_try = first_try;
        self.extend(now, asked);
    }

    fn extend(&mut self, now: Instant, asked: Option<Duration>) {
        let own = || {
            let next = TRIES.into_iter().map(|after| self.since + after).find(|at| *at > now);
            next.unwrap_or(now + TRIES[TRIES.len() - 1])
        };
        self.until = match asked {
            // A wait of nothing, again and again, is no advice.
            Some(asked) if self.tries == 0 || asked >= TRIES[0] => now + asked.min(LONGEST_RETRY_AFTER),
            _ => own(),
        };
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }
}
