//! One limit: requests or tokens in each window.

use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::Limit;

use super::learned::Learned;
use super::pace::Pace;
use super::window::Window;

/// What providers state in headers is for a minute.
const HEADER_WINDOW: Duration = Duration::from_secs(60);
/// A minute is kept as a minute and an 80th, for what arrives sooner after another than it left.
const GUARD_SHARE: u32 = 80;

/// Windows over which a limit holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spans {
    pub(super) window: Duration,
    pub(super) slice: Option<Duration>,
    pub(super) guard: Option<Duration>,
}

/// Two things together: a pace, which spreads the limit evenly over its window, and a record of what was sent, which
/// has the last word.
///
/// A bucket alone that holds `b` and refills `r` lets up to `b + r W` pass in some window W, so that a part as large
/// as the largest request would stay unused; it cannot be told afterwards what a request really cost; and when its
/// limit changes it forgets what was sent before. The record knows all three.
#[derive(Debug)]
pub(super) struct Meter {
    spans: Spans,
    configured: Option<u64>,
    header: Option<u64>,
    learned: Option<Learned>,
    in_force: Option<u64>,
    sent: Window,
    sliced: Option<Window>,
    pace: Option<Pace>,
}

impl Meter {
    pub(super) fn new(configured: Option<u64>, spans: Spans, now: Instant) -> Self {
        let record = |span: Duration| {
            let guard = spans.guard.unwrap_or(span / GUARD_SHARE);
            let length = span + guard;
            // A grain more where the guard was given, since the record may forget so much early.
            let grain = if spans.guard.is_some() { Window::new(length, now).grain() } else { Duration::ZERO };
            Window::new(length + grain * 2, now)
        };
        let mut meter = Self {
            spans,
            configured: configured.map(|limit| limit.max(1)),
            header: None,
            learned: None,
            in_force: None,
            sent: record(spans.window),
            sliced: spans.slice.map(record),
            pace: None,
        };
        meter.refresh();
        meter
    }

    /// The limit as configured or stated by the provider, whichever is lower.
    pub(super) fn told(&self) -> Option<u64> {
        [self.configured, self.header].into_iter().flatten().min()
    }

    /// The limit that is kept to.
    pub(super) fn in_force(&self) -> Option<u64> {
        self.in_force
    }

    /// When `amount` may be sent; `None` if it may now.
    pub(super) fn ready_at(&mut self, now: Instant, amount: u64) -> Option<Instant> {
        let limit = self.in_force?;
        let slice = self.slice_limit(limit);
        let later = |a: Option<Instant>, b: Option<Instant>| a.max(b);
        let mut at = self.sent.fits_at(now, amount, limit);
        if let (Some(sliced), Some(slice)) = (&mut self.sliced, slice) {
            at = later(at, sliced.fits_at(now, amount, slice));
        }
        later(at, self.pace.as_mut().and_then(Pace::ready_at))
    }

    /// The share of a slice, at least one.
    fn slice_limit(&self, limit: u64) -> Option<u64> {
        let share = self.spans.slice?.as_secs_f64() / self.spans.window.as_secs_f64();
        Some(((limit as f64 * share + 1e-9) as u64).max(1))
    }

    /// Records what is sent; gives what had been sent before, in the window that ends now.
    pub(super) fn depart(&mut self, now: Instant, amount: u64) -> u64 {
        let load = self.sent.sum(now);
        self.sent.add(now, amount);
        if let Some(sliced) = &mut self.sliced {
            // Summed in order to be trimmed: without a limit nobody else asks.
            sliced.sum(now);
            sliced.add(now, amount);
        }
        if let Some(pace) = &mut self.pace {
            pace.spend(amount);
        }
        load
    }

    /// Puts right what was sent at `then`.
    pub(super) fn correct(&mut self, then: Instant, was: u64, is: u64) {
        if was != is {
            self.sent.correct(then, was, is);
            if let Some(sliced) = &mut self.sliced {
                sliced.correct(then, was, is);
            }
            if let Some(pace) = &mut self.pace {
                pace.correct(was, is);
            }
        }
    }

    /// What was sent in the window that ends now.
    pub(super) fn load(&mut self, now: Instant) -> u64 {
        self.sent.sum(now)
    }

    /// Takes the limit that the provider states; true if that is lower than what was kept to.
    pub(super) fn state(&mut self, stated: Limit) -> bool {
        let Some(limit) = stated.limit.filter(|&limit| limit > 0) else { return false };
        let share = self.spans.window.as_secs_f64() / HEADER_WINDOW.as_secs_f64();
        let limit = ((limit as f64 * share) as u64).max(1);
        if self.header == Some(limit) {
            return false;
        }
        self.header = Some(limit);
        let lower = self.in_force.is_none_or(|before| limit < before);
        self.refresh();
        lower
    }

    /// Steps down after a refusal of what was sent at this load.
    pub(super) fn refused(&mut self, load: u64, now: Instant) {
        let (told, window) = (self.told(), self.spans.window);
        match &mut self.learned {
            Some(learned) => learned.refused(load, window, now),
            None => self.learned = Some(Learned::new(load, told, window, now)),
        }
        self.refresh();
    }

    /// Takes one more refusal of the same burst into account.
    pub(super) fn refused_too(&mut self, load: u64, now: Instant) {
        let window = self.spans.window;
        if let Some(learned) = &mut self.learned {
            learned.refused_too(load, window, now);
            self.refresh();
        }
    }

    /// Recovers with time.
    pub(super) fn grow(&mut self, now: Instant) {
        let Some(learned) = &mut self.learned else { return };
        let used = 2 * self.sent.sum(now) >= learned.limit();
        if learned.grow(self.spans.window, now, used) {
            let told = self.told().unwrap_or(1_000_000_000_000);
            if self.learned.as_ref().is_some_and(|learned| learned.limit() >= told) {
                self.learned = None;
            }
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        let learned = self.learned.as_ref().map(Learned::limit);
        let limit = [self.told(), learned].into_iter().flatten().min();
        if limit != self.in_force {
            self.in_force = limit;
            // A quota cannot be changed in place. The new bucket is full; the record still holds what was sent.
            // The pace is a little faster than the record allows: were they equal, what one held back the other would
            // not make up for.
            self.pace = limit.map(|limit| Pace::new(limit, self.spans.window));
        }
    }
}
