//! One limit: requests or tokens.

use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::Limit;

use super::inferred::{Confirmed, InferredLimit, Suspicion};
use super::pacer::Pacer;
use super::window_from_headers::StatedSpan;
use super::windows::{Loads, SPANS, Windows};

/// What is configured and stated in headers is for a minute.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// At which share of an inferred limit a refusal is about this limit.
const ABOUT: f64 = 0.8;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
}

/// Two things together: a pace, which spreads the limit evenly over its window, and a record of what was sent, which
/// has the last word.
///
/// A bucket alone that holds `b` and refills `r` lets up to `b + r W` pass in some window W, so that a part as large
/// as the largest request would stay unused; it cannot be told afterwards what a request really cost; and when its
/// limit changes it forgets what was sent before. The record knows all three.
#[derive(Debug)]
pub(super) struct RateLimit {
    unit: Unit,
    /// In a minute.
    configured: Option<u64>,
    /// In a minute.
    stated: Option<u64>,
    /// Over which the provider counts, where that is configured or follows from its headers.
    span: Option<Duration>,
    stated_span: StatedSpan,
    inferred: Option<InferredLimit>,
    suspicion: Option<Suspicion>,
    windows: Windows,
    /// What each window may hold.
    enforced: Vec<(Duration, u64)>,
    pacer: Option<Pacer>,
}

impl RateLimit {
    pub(super) fn new(unit: Unit, per_minute: Option<u64>, span: Option<Duration>, now: Instant) -> Self {
        let mut limit = Self {
            unit,
            configured: per_minute.map(|limit| limit.max(1)),
            stated: None,
            span,
            stated_span: StatedSpan::default(),
            inferred: None,
            suspicion: None,
            windows: Windows::new(span, now),
            enforced: Vec::new(),
            pacer: None,
        };
        limit.refresh();
        limit
    }

    /// The limit of a minute as configured or stated by the provider, whichever is lower.
    pub(super) fn per_minute(&self) -> Option<u64> {
        [self.configured, self.stated].into_iter().flatten().min()
    }

    /// The limit that is kept to, and its window.
    pub(super) fn in_force(&self) -> Option<(u64, Duration)> {
        let inferred = self.inferred.as_ref().map(|inferred| (inferred.limit(), inferred.span()));
        [self.told(), inferred].into_iter().flatten().min_by(|a, b| rate(*a).total_cmp(&rate(*b)))
    }

    /// The limit as configured or stated, in its window.
    pub(super) fn told(&self) -> Option<(u64, Duration)> {
        self.per_minute().map(|limit| (share(limit, self.window()), self.window()))
    }

    fn window(&self) -> Duration {
        self.span.unwrap_or(MINUTE)
    }

    /// When `amount` may be sent; `None` if it may now.
    pub(super) fn ready_at(&mut self, now: Instant, amount: u64) -> Option<Instant> {
        let mut at = self.pacer.as_mut().and_then(Pacer::ready_at);
        for &(span, limit) in &self.enforced {
            at = at.max(self.windows.fits_at(span, now, amount, limit));
        }
        at
    }

    /// Records what is sent; gives what had been sent before.
    pub(super) fn depart(&mut self, now: Instant, amount: u64) -> Loads {
        let loads = self.windows.loads(now);
        self.windows.add(now, amount);
        if let Some(pacer) = &mut self.pacer {
            pacer.spend(amount);
        }
        loads
    }

    /// Puts right what was sent at `then`.
    pub(super) fn correct(&mut self, then: Instant, was: u64, is: u64) {
        if was != is {
            self.windows.correct(then, was, is);
            if let Some(pacer) = &mut self.pacer {
                pacer.correct(was, is);
            }
        }
    }

    /// An answer came to what was sent at these loads.
    pub(super) fn answered(&mut self, loads: &Loads) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.answered(loads);
            if !suspicion.stands() {
                self.suspicion = None;
            }
        }
    }

    /// What was sent in the minute that ends now, or in the window that is known.
    pub(super) fn sent(&mut self, now: Instant) -> u64 {
        self.windows.sent(self.window(), now).0
    }

    /// Takes what the provider states in its answer to what was sent when `before` had been, and itself is `amount`.
    pub(super) fn state(&mut self, stated: Limit, before: &Loads, amount: u64, now: Instant) {
        let Some(limit) = stated.limit.filter(|&limit| limit > 0) else { return };
        let windows = &self.windows;
        let shown = self.stated_span.learn(stated, |span| windows.over(&before.taken, span) + amount);
        let (per_minute, span) = shown.map_or((limit, None), |(limit, span)| (limit, Some(span)));
        if (self.stated, self.span) == (Some(per_minute), span.or(self.span)) {
            return;
        }
        self.stated = Some(per_minute);
        if let Some(span) = span.filter(|_| self.span.is_none()) {
            let usual = SPANS.into_iter().find(|usual| span.abs_diff(*usual) < *usual / 10);
            if usual.is_none() {
                self.windows = Windows::new(Some(span), now);
                (self.inferred, self.suspicion) = (None, None);
            }
            self.span = usual.or(Some(span));
        }
        self.refresh();
    }

    /// Until when all is used up though not by this run: another program shares the limit.
    pub(super) fn used_by_others(&mut self, stated: Limit, now: Instant) -> Option<Duration> {
        let (Some(0), Some(reset), Some(limit)) = (stated.remaining, stated.reset, self.per_minute()) else {
            return None;
        };
        let (ours, span) = self.windows.sent(self.span.unwrap_or(reset).min(MINUTE), now);
        (5 * ours < 4 * share(limit, span)).then_some(reset)
    }

    /// What was sent at `then` was refused.
    pub(super) fn refused(&mut self, then: Instant, amount: u64) {
        self.windows.refused(then, amount);
    }

    /// The load that a refusal proves the inferred limit with, if it is about that: what was not refused, or, since refused
    /// requests may count as well, all that was sent.
    pub(super) fn proof(&self, loads: &Loads) -> Option<u64> {
        let inferred = self.inferred.as_ref()?;
        let least = ABOUT * inferred.limit() as f64;
        let over = [&loads.taken, &loads.sent].map(|amounts| self.windows.over(amounts, inferred.span()));
        over.into_iter().find(|load| *load as f64 >= least)
    }

    /// Whether the limit that is kept to was found from refusals.
    pub(super) fn is_inferred(&self) -> bool {
        self.inferred.is_some()
    }

    /// Whether a refusal at these loads is no surprise: a limit was inferred or is suspected there.
    pub(super) fn is_expected_to_refuse(&self, loads: &Loads) -> bool {
        self.proof(loads).is_some() || self.confirmed(loads).is_some()
    }

    /// A refusal at this load is about the limit that was inferred.
    pub(super) fn prove_inferred(&mut self, load: u64, now: Instant) {
        if let Some(inferred) = &mut self.inferred {
            inferred.refused(load, now);
            self.refresh();
        }
    }

    /// The limit that a refusal at these loads confirms.
    pub(super) fn confirmed(&self, loads: &Loads) -> Option<Confirmed> {
        self.suspicion.as_ref()?.confirmed(loads, self.windows.lengths())
    }

    /// Keeps to a limit from now on.
    pub(super) fn infer(&mut self, confirmed: Confirmed, now: Instant) {
        self.inferred = Some(InferredLimit::new(confirmed.load, confirmed.span, now));
        self.suspicion = None;
        self.refresh();
    }

    /// What had been sent when a request left, by what is known now: some of it was refused meanwhile.
    pub(super) fn known_by_now(&mut self, before: &Loads, now: Instant) -> Loads {
        let mut loads = *before;
        let taken = self.windows.loads(now).taken;
        loads.taken.iter_mut().zip(taken).for_each(|(before, now)| *before = now.min(*before));
        loads
    }

    /// Remembers where requests were refused.
    pub(super) fn suspect(&mut self, loads: Loads, wait: Option<Duration>, now: Instant) {
        let leaving = self.windows.forgets_at();
        self.suspicion = Some(Suspicion::new(loads, leaving, self.windows.lengths(), wait, now));
    }

    /// A request is tried after a pause.
    pub(super) fn tried(&mut self, now: Instant) {
        let loads = self.windows.loads(now);
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.tried(&loads, now);
        }
    }

    /// What was tried after a pause is refused as well.
    pub(super) fn refused_still(&mut self, now: Instant) {
        let loads = self.windows.loads(now);
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.refused_still(&loads, now);
        }
    }

    /// Whether the next requests may well be refused.
    pub(super) fn is_near_suspected(&mut self, now: Instant) -> bool {
        let Some(suspicion) = &mut self.suspicion else { return false };
        let near = suspicion.is_near(&self.windows.loads(now), now);
        if !suspicion.stands() {
            self.suspicion = None;
        }
        near
    }

    /// Recovers with time.
    pub(super) fn grow(&mut self, now: Instant) {
        let Some(inferred) = &mut self.inferred else { return };
        let used = 2 * self.windows.sent(inferred.span(), now).0 >= inferred.limit();
        if inferred.grow(now, used) {
            let found = rate((inferred.limit(), inferred.span()));
            let most = self.per_minute().map_or(1e9, |limit| rate((limit, MINUTE)));
            if found >= most {
                self.inferred = None;
            }
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        let mut enforced = Vec::new();
        match (self.per_minute(), self.span) {
            (Some(limit), Some(span)) => enforced.push((span, share(limit, span))),
            (Some(limit), None) => {
                enforced.push((MINUTE, limit));
                // Requests at an even pace keep to the share of a shorter window as well. Tokens come in lumps, so that
                // it would leave a part of each window unused.
                if self.unit == Unit::Requests {
                    let shorter = SPANS.into_iter().filter(|span| *span < MINUTE);
                    enforced.extend(shorter.map(|span| (span, limit.div_ceil(parts(span)))));
                }
            }
            (None, _) => {}
        }
        enforced.extend(self.inferred.as_ref().map(|inferred| (inferred.span(), inferred.limit())));
        if enforced != self.enforced {
            self.enforced = enforced;
            // A quota cannot be changed in place. The new bucket is full; the record still holds what was sent.
            // The pace is a little faster than the record allows: were they equal, what one held back the other would
            // not make up for.
            self.pacer = self.in_force().map(|(limit, span)| Pacer::new(limit, span));
        }
    }
}

/// How many of a span make a minute.
fn parts(span: Duration) -> u64 {
    MINUTE.as_secs() / span.as_secs().max(1)
}

/// The share that a window has of the limit of a minute, rounded down, and at least one.
fn share(per_minute: u64, span: Duration) -> u64 {
    ((per_minute as f64 * span.as_secs_f64() / MINUTE.as_secs_f64() + 1e-9) as u64).max(1)
}

/// In a second.
fn rate((limit, span): (u64, Duration)) -> f64 {
    limit as f64 / span.as_secs_f64()
}
