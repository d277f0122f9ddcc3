//! How many requests may be in flight at once.

use std::time::Duration;

use tokio::time::Instant;

/// Requests that leave before the first answer, which may state limits; or before [`OPENING`] has passed, since an
/// answer may take long.
const FIRST_WAVE: usize = 10;
const OPENING: Duration = Duration::from_millis(35);
/// How fast more may follow while nothing has been refused, in requests a millisecond. It only keeps hundreds of
/// connections from being opened within the same moment: 256 are reached in 32 ms.
const RAMP_PER_MS: f64 = 8.0;
/// What remains of the requests in flight when they were refused, and is soon reached again.
const SHRINK: f64 = 0.5;
/// Fewer than this would only slow the recovery.
const LEAST: f64 = 2.0;
/// Latencies within this factor of the usual one count as flat.
const FLAT: f64 = 1.5;
const FLAT_SLACK: f64 = 0.01;

/// A bound that opens with the first answer and starts anew from one after refusals in a row: it doubles with each round
/// of answers up to half of what was refused, and then grows by one for each round while their latency is flat (slow
/// start and congestion avoidance, RFC 5681).
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    cap: f64,
    allowed: f64,
    /// Up to which number it doubles.
    threshold: f64,
    in_flight: usize,
    start: Start,
    /// Mean latencies in seconds: of some dozen answers, and of some hundred.
    recent: f64,
    usual: f64,
}

/// How far the beginning is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// Nothing has been sent.
    Fresh,
    /// The first wave is under way since then.
    Waiting(Instant),
    /// More and more may leave; when that was last reckoned.
    Ramp(Instant),
    Over,
}

impl ConcurrencyLimit {
    pub(super) fn new(cap: usize) -> Self {
        let cap = cap.max(1) as f64;
        let allowed = cap.min(FIRST_WAVE as f64);
        Self { cap, allowed, threshold: cap, in_flight: 0, start: Start::Fresh, recent: 0.0, usual: 0.0 }
    }

    /// Whether another request may leave: `Ok` for now, a time, or none if one must come back first. `careful` is a lower
    /// bound for the moment.
    pub(super) fn open(&mut self, now: Instant, careful: Option<usize>) -> Result<(), Option<Instant>> {
        if let Start::Waiting(since) = self.start
            && now >= since + OPENING
        {
            self.start = Start::Ramp(now);
        }
        if let Start::Ramp(last) = self.start {
            let grown = now.saturating_duration_since(last).as_secs_f64() * 1e3 * RAMP_PER_MS;
            if grown >= 1.0 {
                self.allowed = (self.allowed + grown).min(self.cap);
                self.start = if self.allowed < self.cap { Start::Ramp(now) } else { Start::Over };
            }
        }
        let allowed = careful.unwrap_or(usize::MAX).min(self.allowed as usize);
        if self.in_flight < allowed {
            return Ok(());
        }
        Err(match self.start {
            Start::Waiting(since) => Some(since + OPENING),
            Start::Ramp(_) => Some(now + Duration::from_millis(1)),
            Start::Fresh | Start::Over => None,
        })
    }

    pub(super) fn enter(&mut self, now: Instant) {
        // It starts with the first request, not when the run is prepared.
        if self.start == Start::Fresh {
            let small = self.cap <= FIRST_WAVE as f64;
            self.start = if small { Start::Over } else { Start::Waiting(now) };
        }
        self.in_flight += 1;
    }

    pub(super) fn leave(&mut self) {
        self.in_flight -= 1;
    }

    pub(super) fn answered(&mut self, now: Instant, latency: Duration) {
        if let Start::Waiting(_) = self.start {
            self.start = Start::Ramp(now);
        }
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
        if self.start == Start::Over && used && (flat || self.allowed < self.threshold) {
            let step = if self.allowed < self.threshold { 1.0 } else { 1.0 / self.allowed };
            self.allowed = (self.allowed + step).min(self.cap);
        }
    }

    /// Requests in a row were refused.
    pub(super) fn refused(&mut self) {
        self.start = Start::Over;
        let busy = self.allowed.min((self.in_flight + 1) as f64);
        self.threshold = (busy * SHRINK).max(LEAST).min(self.cap);
        self.allowed = 1.0;
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn allowed(&self) -> usize {
        self.allowed as usize
    }
}
