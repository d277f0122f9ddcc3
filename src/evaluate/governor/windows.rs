//! What was sent in the last second, ten seconds and minute: the windows over which providers count.

use std::time::Duration;

use tokio::time::Instant;

use super::window::Window;

/// The windows over which a provider may count where nobody says over which it does: some enforce 600 requests a minute
/// as 10 a second.
pub(super) const SPANS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];

/// A span is kept as an 80th more, at least by this: for what arrives sooner after another than it left.
const GUARD_SHARE: u32 = 80;
const LEAST_GUARD: Duration = Duration::from_millis(13);
/// What is remembered in order to learn is a little less than the span: what a server has just forgotten is then surely
/// forgotten here.
const MEMORY_SHARE: f64 = 0.97;

/// An amount for each span.
type Amounts = [u64; SPANS.len()];

/// What had been sent over each span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Loads {
    /// Refused or not.
    pub(super) sent: Amounts,
    /// And was not refused.
    pub(super) taken: Amounts,
}

/// Amounts sent, over each of some spans, and which of them were not refused.
#[derive(Debug)]
pub(super) struct Windows {
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    length: Duration,
    /// All that was sent, for a little longer than the span: this must not exceed a limit.
    sent: Window,
    /// What was not refused, for a little shorter than the span: a limit is learned from this.
    taken: Window,
}

impl Windows {
    /// Over `only`, where that is known, else over [`SPANS`].
    pub(super) fn new(only: Option<Duration>, now: Instant) -> Self {
        let span = |length: Duration| Span {
            length,
            sent: Window::new(length + (length / GUARD_SHARE).max(LEAST_GUARD), now),
            taken: Window::new(length.mul_f64(MEMORY_SHARE), now),
        };
        let spans = match only {
            Some(length) => vec![span(length)],
            None => SPANS.into_iter().map(span).collect(),
        };
        Self { spans }
    }

    /// The spans, the shortest first; at most as many as [`Loads`] has places.
    pub(super) fn lengths(&self) -> impl Iterator<Item = Duration> + '_ {
        self.spans.iter().map(|span| span.length)
    }

    pub(super) fn add(&mut self, now: Instant, amount: u64) {
        for Span { sent, taken, .. } in &mut self.spans {
            // Summed in order to be trimmed: without a limit nobody else asks.
            sent.sum(now);
            taken.sum(now);
            sent.add(now, amount);
            taken.add(now, amount);
        }
    }

    /// Puts right what was sent at `then`.
    pub(super) fn correct(&mut self, then: Instant, was: u64, is: u64) {
        for Span { sent, taken, .. } in &mut self.spans {
            sent.correct(then, was, is);
            taken.correct(then, was, is);
        }
    }

    /// What was sent at `then` was refused: it still counts as sent.
    pub(super) fn refused(&mut self, then: Instant, amount: u64) {
        for Span { taken, .. } in &mut self.spans {
            taken.correct(then, amount, 0);
        }
    }

    /// What has been sent over each span.
    pub(super) fn loads(&mut self, now: Instant) -> Loads {
        let mut loads = Loads::default();
        for ((sent, taken), span) in loads.sent.iter_mut().zip(&mut loads.taken).zip(&mut self.spans) {
            (*sent, *taken) = (span.sent.sum(now), span.taken.sum(now));
        }
        loads
    }

    /// When the oldest of what was not refused leaves each span.
    pub(super) fn forgets_at(&self) -> [Option<Instant>; SPANS.len()] {
        let mut at = [None; SPANS.len()];
        at.iter_mut().zip(&self.spans).for_each(|(at, span)| *at = span.taken.forgets_at());
        at
    }

    /// What has been sent over the span nearest to `length`, and that span.
    pub(super) fn sent(&mut self, length: Duration, now: Instant) -> (u64, Duration) {
        let span = self.nearest(length);
        (span.sent.sum(now), span.length)
    }

    /// What these amounts say of the span nearest to `length`.
    pub(super) fn over(&self, amounts: &Amounts, length: Duration) -> u64 {
        let nearest = self.lengths().zip(amounts).min_by_key(|(span, _)| span.abs_diff(length));
        nearest.map_or(0, |(_, amount)| *amount)
    }

    /// When `amount` more fits under `limit` over this span; `None` if it does now.
    pub(super) fn fits_at(
        &mut self,
        length: Duration,
        now: Instant,
        amount: u64,
        limit: u64,
    ) -> Option<Instant> {
        self.nearest(length).sent.fits_at(now, amount, limit)
    }

    fn nearest(&mut self, length: Duration) -> &mut Span {
        let distance = |span: &&mut Span| span.length.abs_diff(length);
        self.spans.iter_mut().min_by_key(distance).expect("there is at least one span")
    }
}
