//! A limit that nobody told: found from refusals, and tried anew with care.

use std::time::Duration;

use tokio::time::Instant;

/// How far below the load that was refused to go on.
const BELOW_REFUSED: f64 = 0.95;
/// How close to that load to come without trying anew.
const NEAR_CEILING: f64 = 0.97;
/// A limit steps down by no more than half at once: a refusal may have other reasons than the rate.
const MOST_AT_ONCE: f64 = 0.5;
/// Windows without a refusal before the ceiling is tried; doubled each time that it proves true.
const PLATEAU: u32 = 2;
const LONGEST_PLATEAU: u32 = 16;
/// Growth happens in steps, so many in each window.
const STEPS: u32 = 8;
/// What a step adds, as a share of the ceiling; beyond the ceiling each step is larger than the last.
const STEP: f64 = 0.01;
const LARGEST_STEP: f64 = 0.25;
const ACCELERATION: f64 = 1.1;

/// A limit found by stepping down on refusals and growing slowly without (additive increase, multiplicative
/// decrease), with a memory of where it was refused last: growth stops just below, stays there for some windows, and
/// goes on with growing steps, so that a true limit is touched rarely and a false one is soon left behind.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    limit: f64,
    /// The load at which a request was refused.
    ceiling: f64,
    /// The least that this refusal may lead to.
    floor: f64,
    plateau: u32,
    grow_from: Instant,
    stepped: Instant,
    step: f64,
}

impl Learned {
    /// After a refusal at `load`, under a limit that was told or not.
    pub(super) fn new(load: u64, told: Option<u64>, window: Duration, now: Instant) -> Self {
        let floor = told.map_or(1.0, |limit| (limit as f64 * MOST_AT_ONCE).max(1.0));
        let mut learned = Self {
            limit: told.map_or(f64::INFINITY, |limit| limit as f64),
            ceiling: 0.0,
            floor,
            plateau: PLATEAU,
            grow_from: now + window * PLATEAU,
            stepped: now,
            step: STEP,
        };
        learned.set(load as f64);
        learned
    }

    pub(super) fn limit(&self) -> u64 {
        // Saturating for the huge limits that trying leads to.
        self.limit.max(1.0) as u64
    }

    /// A new refusal.
    pub(super) fn refused(&mut self, load: u64, window: Duration, now: Instant) {
        let load = (load as f64).min(self.limit);
        let confirmed = load >= 0.85 * self.ceiling && load <= 1.15 * self.ceiling;
        self.plateau = if confirmed { (2 * self.plateau).min(LONGEST_PLATEAU) } else { PLATEAU };
        self.floor = (self.limit * MOST_AT_ONCE).max(1.0);
        self.step = STEP;
        self.grow_from = now + window * self.plateau;
        self.stepped = now;
        self.set(load);
    }

    /// One more refusal of the same burst: the one that was sent first, at the lowest load, tells the limit best.
    pub(super) fn refused_too(&mut self, load: u64, window: Duration, now: Instant) {
        self.stepped = now;
        self.grow_from = now + window * self.plateau;
        if (load as f64) < self.ceiling {
            self.set(load as f64);
        }
    }

    fn set(&mut self, load: f64) {
        self.ceiling = load.max(self.floor);
        self.limit = (self.ceiling * BELOW_REFUSED).max(1.0);
    }

    /// Grows by the time that has passed; true if the limit changed. `used` says whether the present limit holds
    /// anything back: what is not tried cannot be known.
    pub(super) fn grow(&mut self, window: Duration, now: Instant, used: bool) -> bool {
        let step = window / STEPS;
        let mut changed = false;
        while now >= self.stepped + step {
            self.stepped += step;
            if self.limit < NEAR_CEILING * self.ceiling {
                self.limit = (self.limit + STEP * self.ceiling).min(NEAR_CEILING * self.ceiling);
            } else if used && self.stepped >= self.grow_from {
                // At least a little, or a ceiling of one would never be left.
                self.ceiling += (self.step * self.ceiling).max(0.1);
                self.step = (self.step * ACCELERATION).min(LARGEST_STEP);
                self.limit = NEAR_CEILING * self.ceiling;
            } else if self.stepped + step * STEPS < now {
                // Nothing to do for a long time.
                self.stepped = now;
                continue;
            } else {
                continue;
            }
            changed = true;
            if self.limit > 1e12 {
                break;
            }
        }
        changed
    }
}
