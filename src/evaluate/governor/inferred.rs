//! A limit that nobody stated: inferred from refusals that recur at a like load, and tried anew with care.
//!
//! One refusal is not a limit. Of the first, only the loads are remembered ([`Suspicion`]): how much had been sent in each
//! window length, with the refused requests, which some providers count, and without them. A window length is ruled out
//! once as much or more is answered in it, or once much less is refused. If the next refusal comes at a similar load in a
//! window length that is left, that load is the limit.

use std::time::Duration;

use tokio::time::Instant;

use super::windows::{Loads, SPANS};

/// Loads are alike within this share of the larger one.
const ALIKE: f64 = 0.15;
/// A refusal at less than this share of the suspected load says that the span is another one.
const MUCH_LESS: f64 = 0.5;
/// How close to a suspected load to be careful.
const NEAR: f64 = 0.9;
/// Spans after which a suspicion that was not confirmed is forgotten.
const MEMORY: u32 = 3;
/// Waits are told in whole seconds, rounded up.
const ROUNDED_UP: Duration = Duration::from_secs(1);

/// Where requests were refused, and over which spans a limit may be the reason.
#[derive(Debug, Clone)]
pub(super) struct Suspicion {
    loads: Loads,
    possible: [bool; SPANS.len()],
    /// When the oldest request leaves each span.
    leaving: [Option<Instant>; SPANS.len()],
    /// When the pause after the refusal ends.
    resumed: Instant,
}

/// A limit that a second refusal confirms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Confirmed {
    pub(super) load: u64,
    pub(super) span: Duration,
    /// By which share the two loads differ.
    pub(super) deviation: f64,
}

impl Suspicion {
    /// After a refusal at these loads, which asks to wait for `wait`. `leaving` tells when the oldest request leaves each
    /// span.
    pub(super) fn new(
        loads: Loads,
        leaving: [Option<Instant>; SPANS.len()],
        spans: impl Iterator<Item = Duration>,
        wait: Option<Duration>,
        now: Instant,
    ) -> Self {
        let mut possible = [false; SPANS.len()];
        for (possible, span) in possible.iter_mut().zip(spans) {
            // No window stays full for longer than its own length.
            *possible = wait.is_none_or(|wait| span + ROUNDED_UP >= wait);
        }
        Self { loads, possible, leaving, resumed: now + wait.unwrap_or_default() }
    }

    /// The first request after the pause leaves. By now it is known which of those before it were refused, so that over
    /// spans that none of them has left, the load is known exactly: requests may arrive in another order than they left.
    pub(super) fn tried(&mut self, loads: &Loads, now: Instant) {
        for ((suspected, load), leaving) in self.loads.taken.iter_mut().zip(&loads.taken).zip(&self.leaving) {
            if leaving.is_some_and(|at| now < at) {
                *suspected = (*suspected).min(*load);
            }
        }
    }

    /// An answer came to what was sent at these loads.
    pub(super) fn answered(&mut self, loads: &Loads) {
        for ((possible, load), suspected) in self.possible.iter_mut().zip(&loads.taken).zip(&self.loads.taken)
        {
            *possible &= load < suspected;
        }
    }

    /// What was tried after the pause is refused as well, with so much sent, refused or not.
    pub(super) fn refused_still(&mut self, loads: &Loads, now: Instant) {
        // Refused requests may count at the provider, too: only what was sent in all can be too little.
        for ((possible, load), suspected) in self.possible.iter_mut().zip(&loads.sent).zip(&self.loads.taken)
        {
            *possible &= *load as f64 >= MUCH_LESS * *suspected as f64;
        }
        self.resumed = now;
    }

    /// The limit, if a new refusal at these loads confirms one. Of several spans the longest is meant: over a shorter
    /// one the loads are alike when requests come at an even rate, whatever the limit.
    pub(super) fn confirmed(
        &self,
        loads: &Loads,
        spans: impl Iterator<Item = Duration>,
    ) -> Option<Confirmed> {
        let mut confirmed = None;
        for (i, span) in spans.enumerate().filter(|(i, _)| self.possible[*i]) {
            let pairs = [(self.loads.taken[i], loads.taken[i]), (self.loads.sent[i], loads.sent[i])];
            let alike = pairs.into_iter().filter_map(|(before, now)| alike(before, now));
            if let Some((load, deviation)) = alike.min_by(|a, b| a.1.total_cmp(&b.1)) {
                confirmed = Some(Confirmed { load, span, deviation });
            }
        }
        confirmed
    }

    /// Whether the loads come close to those suspected, so that the next requests may be refused.
    pub(super) fn is_near(&mut self, loads: &Loads, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.resumed);
        let mut near = false;
        for (i, span) in SPANS.into_iter().enumerate() {
            self.possible[i] &= since <= span * MEMORY;
            near |= self.possible[i] && loads.taken[i] as f64 >= NEAR * self.loads.taken[i] as f64;
        }
        near
    }

    /// Whether any span is still in question.
    pub(super) fn stands(&self) -> bool {
        self.possible.contains(&true)
    }
}

/// The lower of two loads and their deviation, if they are alike. A difference of one is none.
fn alike(a: u64, b: u64) -> Option<(u64, f64)> {
    let (lower, larger) = (a.min(b), a.max(b));
    let deviation = (larger - lower).saturating_sub(1) as f64 / larger.max(1) as f64;
    (lower > 0 && deviation <= ALIKE).then_some((lower, deviation))
}

/// How far below the load that was refused to go on: that load was counted over a little less than the span.
const BELOW_REFUSED: f64 = 0.98;
/// How close to that load to come without trying anew.
const NEAR_CEILING: f64 = 0.98;
/// Spans without a refusal before more is tried, and at least this long; doubled each time that the limit proves true.
const PLATEAU: u32 = 2;
const LEAST_PLATEAU: Duration = Duration::from_secs(30);
const LONGEST_PLATEAU: u32 = 16;
/// Growth happens in steps, so many in each span.
const STEPS: u32 = 8;
/// What a step adds, as a share of the ceiling; beyond the ceiling each step is larger than the last.
const STEP: f64 = 0.01;
const LARGEST_STEP: f64 = 0.25;
const ACCELERATION: f64 = 1.1;

/// A limit found from refusals: growth stops just below the load that was refused, stays there for some spans, and goes
/// on with growing steps, so that a true limit is touched rarely and a false one is soon left behind.
#[derive(Debug, Clone)]
pub(super) struct InferredLimit {
    span: Duration,
    limit: f64,
    /// The load at which a request was refused.
    ceiling: f64,
    /// How often the plateau has been doubled, as a factor.
    proved: u32,
    grow_from: Instant,
    stepped: Instant,
    step: f64,
}

impl InferredLimit {
    pub(super) fn new(load: u64, span: Duration, now: Instant) -> Self {
        let mut inferred = Self {
            span,
            limit: f64::INFINITY,
            ceiling: 0.0,
            proved: 1,
            grow_from: now,
            stepped: now,
            step: STEP,
        };
        inferred.set(load as f64, now);
        inferred
    }

    pub(super) fn span(&self) -> Duration {
        self.span
    }

    pub(super) fn limit(&self) -> u64 {
        // Saturating for the huge limits that trying leads to.
        self.limit.max(1.0) as u64
    }

    /// A refusal near the limit proves it.
    pub(super) fn refused(&mut self, load: u64, now: Instant) {
        self.proved = (2 * self.proved).min(LONGEST_PLATEAU);
        let before = self.limit;
        self.set((load as f64).min(before), now);
        if self.limit >= before {
            self.limit = (before - (before * (1.0 - BELOW_REFUSED)).max(1.0)).max(1.0);
        }
    }

    fn set(&mut self, load: f64, now: Instant) {
        self.ceiling = load.max(1.0);
        self.limit = (self.ceiling * BELOW_REFUSED).round().max(1.0);
        self.step = STEP;
        self.stepped = now;
        self.grow_from = now + (self.span * PLATEAU).max(LEAST_PLATEAU) * self.proved;
    }

    /// Grows by the time that has passed; true if the limit changed. `used` says whether the present limit holds
    /// anything back: what is not tried cannot be known.
    pub(super) fn grow(&mut self, now: Instant, used: bool) -> bool {
        let step = self.span / STEPS;
        let before = self.limit();
        while now >= self.stepped + step {
            self.stepped += step;
            if self.limit < (NEAR_CEILING * self.ceiling).floor() {
                self.limit = (self.limit + STEP * self.ceiling).min(NEAR_CEILING * self.ceiling);
            } else if used && self.stepped >= self.grow_from {
                // At least a little, or a ceiling of one would never be left.
                self.ceiling += (self.step * self.ceiling).max(0.1);
                self.step = (self.step * ACCELERATION).min(LARGEST_STEP);
                self.limit = self.limit.max(NEAR_CEILING * self.ceiling);
            } else if self.stepped + step * STEPS < now {
                // Nothing to do for a long time.
                self.stepped = now;
            }
            if self.limit > 1e12 {
                break;
            }
        }
        self.limit() != before
    }
}
