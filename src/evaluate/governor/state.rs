//! What the governor knows, and what it decides by it.

use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{Limit, RateLimits, Usage};

use super::estimate::{Correction, Estimate};
use super::gate::Gate;
use super::meter::{Meter, Spans};
use super::{AdmitError, Limits, Snapshot};

/// The pause after a refusal that names no time; doubled for each further one without a success in between.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_OWN_PAUSE: Duration = Duration::from_secs(30);
/// No pause is longer, whatever the provider says: the row then fails, and says why.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(super) struct State {
    requests: Meter,
    tokens: Meter,
    gate: Gate,
    correction: Correction,
    window: Duration,
    paused_until: Option<Instant>,
    /// When the last burst of refusals was noticed.
    signalled: Option<Instant>,
    /// Bursts since the last success.
    strikes: u32,
    bursts: u64,
    refused: u64,
}

/// A request that was let go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Departure {
    at: Instant,
    estimate: Estimate,
    tokens: u64,
    /// Requests and tokens that had been sent before it in its window.
    load: (u64, u64),
}

#[derive(Debug)]
pub(super) enum Decision {
    Go(Departure),
    Wait(Instant),
    /// Until another request comes back.
    WaitForOther,
}

impl State {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let spans = Spans { window: limits.window, slice: limits.slice, guard: limits.guard };
        Self {
            requests: Meter::new(limits.requests, spans, now),
            tokens: Meter::new(limits.tokens, spans, now),
            gate: Gate::new(limits.concurrency, now),
            correction: Correction::new(),
            window: limits.window,
            paused_until: None,
            signalled: None,
            strikes: 0,
            bursts: 0,
            refused: 0,
        }
    }

    pub(super) fn decide(&mut self, now: Instant, estimate: Estimate) -> Result<Decision, AdmitError> {
        let mut tokens = self.correction.tokens(estimate, self.gate.in_flight());
        if let Some(limit) = self.tokens.told() {
            let least = self.correction.at_least(estimate);
            if least > limit {
                return Err(AdmitError::TooLarge { tokens: least, limit, window: self.window });
            }
            tokens = tokens.min(limit);
        }
        if let Some(until) = self.paused_until {
            if now < until {
                return Ok(Decision::Wait(until));
            }
            self.paused_until = None;
        }
        self.requests.grow(now);
        self.tokens.grow(now);
        match self.gate.open(now) {
            Ok(()) => {}
            Err(Some(at)) => return Ok(Decision::Wait(at)),
            Err(None) => return Ok(Decision::WaitForOther),
        }
        let at = self.tokens.ready_at(now, tokens).max(self.requests.ready_at(now, 1));
        if let Some(at) = at {
            return Ok(Decision::Wait(at));
        }
        self.gate.enter(now);
        let load = (self.requests.depart(now, 1), self.tokens.depart(now, tokens));
        Ok(Decision::Go(Departure { at: now, estimate, tokens, load }))
    }

    pub(super) fn succeeded(
        &mut self,
        now: Instant,
        departure: &Departure,
        usage: Option<Usage>,
        limits: Option<RateLimits>,
    ) {
        self.gate.leave();
        self.gate.answered(now.saturating_duration_since(departure.at));
        if let Some(usage) = usage {
            let charged = self.correction.learn(departure.estimate, usage);
            self.tokens.correct(departure.at, departure.tokens, charged);
        }
        if self.after_signal(departure) {
            self.strikes = 0;
        }
        self.headers(now, limits);
    }

    pub(super) fn failed(&mut self, now: Instant, limits: Option<RateLimits>) {
        self.gate.leave();
        self.headers(now, limits);
    }

    pub(super) fn rate_limited(
        &mut self,
        now: Instant,
        departure: &Departure,
        after: Option<Duration>,
        limits: Option<RateLimits>,
    ) {
        self.gate.leave();
        self.refused += 1;
        let told = limits.is_some_and(|limits| {
            let requests = self.requests.state(limits.requests);
            self.tokens.state(limits.tokens) || requests
        });
        let (requests, tokens) = suspects(limits.unwrap_or_default(), departure.tokens);
        let fresh = self.after_signal(departure);
        if fresh {
            self.signalled = Some(now);
            self.strikes += 1;
            self.bursts += 1;
            self.gate.refused();
        }
        for (suspect, meter, load) in
            [(requests, &mut self.requests, departure.load.0), (tokens, &mut self.tokens, departure.load.1)]
        {
            // A lower limit that the provider has just stated explains the refusal.
            if suspect && fresh && !told {
                meter.refused(load, now);
            } else if suspect && !fresh {
                meter.refused_too(load, now);
            }
        }
        let own =
            || (PAUSE * 2u32.saturating_pow(self.strikes.saturating_sub(1).min(10))).min(LONGEST_OWN_PAUSE);
        match (after, fresh) {
            (Some(after), _) => self.pause(now + after.min(LONGEST_PAUSE)),
            (None, true) => self.pause(now + own()),
            (None, false) => {}
        }
    }

    /// A request whose end nobody reported: it was given up.
    pub(super) fn abandoned(&mut self) {
        self.gate.leave();
    }

    pub(super) fn snapshot(&mut self, now: Instant) -> Snapshot {
        Snapshot {
            in_flight: self.gate.in_flight(),
            allowed: self.gate.allowed(),
            requests: self.requests.in_force(),
            tokens: self.tokens.in_force(),
            requests_sent: self.requests.load(now),
            tokens_sent: self.tokens.load(now),
            paused: self.paused_until.map(|until| until.saturating_duration_since(now)).unwrap_or_default(),
            refused: self.refused,
            bursts: self.bursts,
        }
    }

    /// What left before a burst of refusals was noticed belongs to that burst.
    fn after_signal(&self, departure: &Departure) -> bool {
        self.signalled.is_none_or(|at| departure.at > at)
    }

    fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    fn headers(&mut self, now: Instant, limits: Option<RateLimits>) {
        let Some(limits) = limits else { return };
        self.requests.state(limits.requests);
        self.tokens.state(limits.tokens);
        for (stated, meter) in [(limits.requests, &mut self.requests), (limits.tokens, &mut self.tokens)] {
            // Nothing is left, and it was not this run that used it up: another process shares the limit.
            if let (Some(0), Some(reset), Some(limit)) = (stated.remaining, stated.reset, meter.told())
                && 5 * meter.load(now) < 4 * limit
            {
                let until = now + reset.min(self.window / 4);
                self.paused_until = self.paused_until.max(Some(until));
            }
        }
    }
}

/// Which limits a refusal may be about: requests, tokens. Without headers to tell, both.
fn suspects(limits: RateLimits, tokens: u64) -> (bool, bool) {
    let left = |limit: Limit, amount| limit.remaining.is_some_and(|remaining| remaining >= amount);
    match (!left(limits.requests, 1), !left(limits.tokens, tokens)) {
        (false, false) => (true, true),
        told => told,
    }
}
