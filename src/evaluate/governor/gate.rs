//! How many requests may be in flight at once.

use std::time::Duration;

use tokio::time::Instant;

/// Requests that may leave in the first moment.
const START: f64 = 16.0;
/// How fast more may follow while nothing has been refused, in requests a millisecond. It only keeps hundreds of
/// connections from being opened within the same moment: 256 are reached in 30 ms.
const RAMP_PER_MS: f64 = 8.0;
/// What remains of the requests in flight after a refusal.
const SHRINK: f64 = 0.5;
/// Fewer than this would only slow the recovery.
const LEAST: f64 = 2.0;
/// Latencies within this factor of the usual one count as flat.
const FLAT: f64 = 1.5;
const FLAT_SLACK: f64 = 0.01;

/// A bound that starts gently, is halved when the provider refuses, and then grows by one for each round of answers
/// while their latency is flat.
#[derive(Debug)]
pub(super) struct Gate {
    cap: f64,
    allowed: f64,
    in_flight: usize,
    /// When the ramp was last moved on; `None` once it is over.
    ramp: Option<Instant>,
    /// Mean latencies in seconds: of some dozen answers, and of some hundred.
    recent: f64,
    usual: f64,
}

impl Gate {
    pub(super) fn new(cap: usize, now: Instant) -> Self {
        let cap = cap.max(1) as f64;
        let ramp = (cap > START).then_some(now);
        Self { cap, allowed: cap.min(START), in_flight: 0, ramp, recent: 0.0, usual: 0.0 }
    }

    /// When another request may leave: `Ok` for now, a time, or none if one must come back first.
    pub(super) fn open(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        if let Some(last) = self.ramp {
            let grown = now.saturating_duration_since(last).as_secs_f64() * 1e3 * RAMP_PER_MS;
            if grown >= 1.0 {
                self.allowed = (self.allowed + grown).min(self.cap);
                self.ramp = (self.allowed < self.cap).then_some(now);
            }
        }
        if self.in_flight < self.allowed as usize {
            return Ok(());
        }
        Err(self.ramp.map(|_| now + Duration::from_millis(1)))
    }

    pub(super) fn enter(&mut self, now: Instant) {
        // The ramp starts with the first request, not when the run is prepared.
        if self.in_flight == 0 && self.usual == 0.0 && self.ramp.is_some() {
            self.ramp = Some(now);
        }
        self.in_flight += 1;
    }

    pub(super) fn leave(&mut self) {
        self.in_flight -= 1;
    }

    pub(super) fn answered(&mut self, latency: Duration) {
        let latency = latency.as_secs_f64();
        if self.usual == 0.0 {
            (self.recent, self.usual) = (latency, latency);
        } else {
            self.recent += (latency - self.recent) / 16.0;
            self.usual += (latency - self.usual) / 128.0;
        }
        let flat = self.recent <= FLAT * self.usual + FLAT_SLACK;
        // What is not made use of says nothing about whether more would be welcome.
        let used = 2.0 * (self.in_flight + 1) as f64 >= self.allowed;
        if self.ramp.is_none() && flat && used {
            self.allowed = (self.allowed + 1.0 / self.allowed).min(self.cap);
        }
    }

    pub(super) fn refused(&mut self) {
        self.ramp = None;
        let busy = self.allowed.min((self.in_flight + 1) as f64);
        self.allowed = (busy * SHRINK).max(LEAST).min(self.cap);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn allowed(&self) -> usize {
        self.allowed as usize
    }
}
