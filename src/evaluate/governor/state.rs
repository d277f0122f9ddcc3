//! What the governor knows, and what it decides by it.

use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{Limit, RateLimits, Usage};

use super::concurrency::ConcurrencyLimit;
use super::estimate::{Correction, Estimate};
use super::pause::Pause;
use super::rate_limit::{RateLimit, Unit};
use super::sent_requests::{Before, Outcomes, SentRequest};
use super::{AdmitError, Limits, Snapshot, Waiting, Why};

/// So many refusals in a row are no accident; near a limit that is in force, fewer are not.
const IN_A_ROW: usize = 5;
const IN_A_ROW_NEAR_A_LIMIT: usize = 2;
/// By which share numbers of requests differ that are not those of a limit.
const CLEARLY: f64 = 0.08;
/// After so many refusals without an answer in between, what is under way is waited for, for so long at most.
const SOME: u32 = 3;
const MOMENT: Duration = Duration::from_millis(100);
/// Requests in flight where the next ones may well be refused.
const CAREFUL: usize = 4;
/// How long to wait at most for a limit that another program has used up: then its next answer tells more.
const LONGEST_WAIT_FOR_OTHERS: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct State {
    requests: RateLimit,
    tokens: RateLimit,
    concurrency: ConcurrencyLimit,
    correction: Correction,
    outcomes: Outcomes,
    pause: Option<Pause>,
    /// Refusals since the last answer came, and when the last one did.
    unanswered: u32,
    last_refused: Option<Instant>,
    /// Another program has used up what is left until then.
    used_by_others: Option<Instant>,
    /// What the first in the queue waits for.
    waiting: Option<(Why, Instant)>,
    refused: u64,
    pauses: u64,
}

#[derive(Debug)]
pub(super) enum Decision {
    Go(SentRequest),
    Wait(Instant),
    /// Until another request comes back.
    WaitForOther,
}

impl State {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let Limits { requests_per_minute, tokens_per_minute, window, concurrency } = *limits;
        Self {
            requests: RateLimit::new(Unit::Requests, requests_per_minute, window, now),
            tokens: RateLimit::new(Unit::Tokens, tokens_per_minute, window, now),
            concurrency: ConcurrencyLimit::new(concurrency),
            correction: Correction::new(),
            outcomes: Outcomes::default(),
            pause: None,
            unanswered: 0,
            last_refused: None,
            used_by_others: None,
            waiting: None,
            refused: 0,
            pauses: 0,
        }
    }

    pub(super) fn decide(&mut self, now: Instant, estimate: Estimate) -> Result<Decision, AdmitError> {
        let mut tokens = self.correction.tokens(estimate, self.concurrency.in_flight());
        if let Some((limit, window)) = self.tokens.told() {
            let least = self.correction.at_least(estimate);
            if least > limit {
                return Err(AdmitError::TooLarge { tokens: least, limit, window });
            }
            tokens = tokens.min(limit);
        }
        self.waiting = None;
        if let Some((why, until)) = self.paused(now) {
            return Ok(self.wait(why, until));
        }
        if let Some(refused) = self.last_refused.filter(|_| self.unanswered >= SOME)
            && self.concurrency.in_flight() > 0
            && now < refused + MOMENT
        {
            return Ok(Decision::Wait(refused + MOMENT));
        }
        self.requests.grow(now);
        self.tokens.grow(now);
        let near = self.requests.is_near_suspected(now) | self.tokens.is_near_suspected(now);
        match self.concurrency.open(now, near.then_some(CAREFUL)) {
            Ok(()) => {}
            Err(Some(at)) => return Ok(Decision::Wait(at)),
            Err(None) => return Ok(Decision::WaitForOther),
        }
        let ready = [
            (self.requests.ready_at(now, 1), Unit::Requests),
            (self.tokens.ready_at(now, tokens), Unit::Tokens),
        ];
        let latest = ready.into_iter().filter_map(|(at, unit)| Some((at?, unit))).max_by_key(|(at, _)| *at);
        if let Some((until, unit)) = latest {
            return Ok(self.wait(Why::Limit(unit), until));
        }
        if self.pause.is_some() {
            self.requests.tried(now);
            self.tokens.tried(now);
        }
        self.concurrency.enter(now);
        let before =
            Before { requests: self.requests.depart(now, 1), tokens: self.tokens.depart(now, tokens) };
        let number = self.outcomes.depart();
        Ok(Decision::Go(SentRequest { number, at: now, estimate, tokens, before }))
    }

    fn paused(&mut self, now: Instant) -> Option<(Why, Instant)> {
        if let Some(pause) = self.pause.filter(|pause| now < pause.until()) {
            return Some((Why::Refused, pause.until()));
        }
        self.used_by_others = self.used_by_others.filter(|until| now < *until);
        self.used_by_others.map(|until| (Why::UsedByOthers, until))
    }

    fn wait(&mut self, why: Why, until: Instant) -> Decision {
        self.waiting = Some((why, until));
        Decision::Wait(until)
    }

    pub(super) fn succeeded(
        &mut self,
        now: Instant,
        sent: &SentRequest,
        usage: Option<Usage>,
        limits: Option<RateLimits>,
    ) {
        self.concurrency.leave();
        self.outcomes.answered(sent.number);
        self.unanswered = 0;
        if let Some(usage) = usage {
            let charged = self.correction.learn(sent.estimate, usage);
            self.tokens.correct(sent.at, sent.tokens, charged);
        }
        // What left before the pause says nothing about whether it is over.
        if self.pause.is_none_or(|pause| pause.is_followed_by(sent.number)) {
            self.pause = None;
            self.concurrency.answered(now, now.saturating_duration_since(sent.at));
            self.requests.answered(&sent.before.requests);
            self.tokens.answered(&sent.before.tokens);
        }
        self.stated(now, sent, limits);
    }

    pub(super) fn failed(&mut self, now: Instant, sent: &SentRequest, limits: Option<RateLimits>) {
        self.concurrency.leave();
        self.outcomes.unknown(sent.number);
        self.stated(now, sent, limits);
    }

    /// A request whose end nobody reported: it was given up.
    pub(super) fn abandoned(&mut self, sent: &SentRequest) {
        self.concurrency.leave();
        self.outcomes.unknown(sent.number);
    }

    pub(super) fn rate_limited(
        &mut self,
        now: Instant,
        sent: &SentRequest,
        after: Option<Duration>,
        limits: Option<RateLimits>,
    ) {
        self.concurrency.leave();
        self.refused += 1;
        self.unanswered += 1;
        self.last_refused = Some(now);
        let limits = limits.unwrap_or_default();
        self.requests.state(limits.requests, &sent.before.requests, 1, now);
        self.tokens.state(limits.tokens, &sent.before.tokens, sent.tokens, now);
        self.requests.refused(sent.at, 1);
        self.tokens.refused(sent.at, sent.tokens);
        let expected = self.requests.is_expected_to_refuse(&sent.before.requests)
            || self.tokens.is_expected_to_refuse(&sent.before.tokens);
        let (suspects, certain) = suspects(limits, sent.tokens);
        let enough = if expected { IN_A_ROW_NEAR_A_LIMIT } else { IN_A_ROW };
        let (in_a_row, first) = self.outcomes.refused(sent.number, sent.before, enough);
        let next = self.outcomes.next();
        match &mut self.pause {
            Some(pause) if !pause.is_followed_by(sent.number) => pause.joined(now, after),
            Some(pause) => {
                pause.refused_still(now, after, next);
                self.requests.refused_still(now);
                self.tokens.refused_still(now);
            }
            None if in_a_row >= enough || certain => {
                self.pauses += 1;
                self.concurrency.refused();
                // What the provider states explains the refusal.
                if !certain {
                    self.learn(suspects, &first, after, now);
                }
                // Where the limit is known, the record of what was sent knows when there is room again.
                let known = certain || self.requests.is_inferred() || self.tokens.is_inferred();
                let wait = after.or(known.then_some(MOMENT));
                self.pause = Some(Pause::new(now, wait, next));
            }
            None => {}
        }
    }

    /// Learns from refusals in a row, of which the first left when `before` had been sent.
    fn learn(&mut self, suspects: [bool; 2], before: &Before, wait: Option<Duration>, now: Instant) {
        let requests = self.requests.known_by_now(&before.requests, now);
        let tokens = self.tokens.known_by_now(&before.tokens, now);
        let mut limits = [(&mut self.requests, &requests), (&mut self.tokens, &tokens)];
        let mut proved = false;
        for (limit, loads) in &mut limits {
            if let Some(load) = limit.proof(loads) {
                limit.prove_inferred(load, now);
                proved = true;
            }
        }
        if proved {
            return;
        }
        let confirmed =
            limits.iter().zip(suspects).enumerate().filter_map(|(i, ((limit, loads), suspect))| {
                Some((i, limit.confirmed(loads).filter(|_| suspect)?))
            });
        // Where both may be meant it is the requests, unless their number differs clearly more than that of the tokens.
        let best = confirmed.reduce(|requests, tokens| {
            let differs = requests.1.deviation > CLEARLY && tokens.1.deviation < requests.1.deviation / 2.0;
            if differs { tokens } else { requests }
        });
        if let Some((i, confirmed)) = best {
            limits[i].0.infer(confirmed, now);
            return;
        }
        for ((limit, loads), suspect) in limits.into_iter().zip(suspects) {
            if suspect {
                limit.suspect(*loads, wait, now);
            }
        }
    }

    pub(super) fn snapshot(&mut self, now: Instant) -> Snapshot {
        Snapshot {
            in_flight: self.concurrency.in_flight(),
            allowed: self.concurrency.allowed(),
            requests: self.requests.in_force(),
            tokens: self.tokens.in_force(),
            requests_sent: self.requests.sent(now),
            tokens_sent: self.tokens.sent(now),
            paused: self
                .paused(now)
                .map(|(_, until)| until.saturating_duration_since(now))
                .unwrap_or_default(),
            refused: self.refused,
            pauses: self.pauses,
        }
    }

    /// What the first in the queue waits for.
    pub(super) fn waiting(&self, now: Instant) -> Option<Waiting> {
        let (why, until) = self.waiting?;
        let limit = |unit, limit: &RateLimit| limit.in_force().map(|(amount, window)| (amount, unit, window));
        let limit = match why {
            Why::Limit(Unit::Tokens) => limit(Unit::Tokens, &self.tokens),
            _ => limit(Unit::Requests, &self.requests).or_else(|| limit(Unit::Tokens, &self.tokens)),
        };
        Some(Waiting { why, left: until.saturating_duration_since(now), refused: self.refused, limit })
    }

    fn stated(&mut self, now: Instant, sent: &SentRequest, limits: Option<RateLimits>) {
        let Some(limits) = limits else { return };
        self.requests.state(limits.requests, &sent.before.requests, 1, now);
        self.tokens.state(limits.tokens, &sent.before.tokens, sent.tokens, now);
        let used_up = [
            self.requests.used_by_others(limits.requests, now),
            self.tokens.used_by_others(limits.tokens, now),
        ];
        if let Some(reset) = used_up.into_iter().flatten().max() {
            let until = now + reset.min(LONGEST_WAIT_FOR_OTHERS);
            self.used_by_others = self.used_by_others.max(Some(until));
        }
    }
}

/// Which limits a refusal may be about (requests, tokens), and whether the provider says so. Where it does not, both.
fn suspects(limits: RateLimits, tokens: u64) -> ([bool; 2], bool) {
    let lacks = |limit: Limit, amount| limit.remaining.map(|remaining| remaining < amount);
    let lacking = [lacks(limits.requests, 1), lacks(limits.tokens, tokens)];
    let certain =
        lacking.contains(&Some(true)) && (limits.requests.limit.is_some() || limits.tokens.limit.is_some());
    match lacking.map(|lacking| lacking != Some(false)) {
        [false, false] => ([true, true], false),
        _ if certain => (lacking.map(|lacking| lacking == Some(true)), true),
        suspects => (suspects, false),
    }
}
