//! Limits over windows of a second, ten seconds and a minute: known, they are used and nothing is refused; not known, or
//! not as configured, they are found at the price of some refusals.

use std::time::Duration;

use super::simulation::{OUTPUT_CAP, Outcome, RetryAfter, Scenario};

const CONCURRENCIES: [usize; 2] = [16, 128];
/// Seconds, and requests in a minute: also as few as 10 in a window.
const WINDOWS: [(u64, u64); 4] = [(1, 600), (1, 6000), (10, 600), (60, 600)];

/// What a provider allows: some requests, or their tokens, or both.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Requests,
    Tokens,
    Both,
}

const KINDS: [Kind; 3] = [Kind::Requests, Kind::Tokens, Kind::Both];

fn scenario(kind: Kind, seconds: u64, requests: u64, concurrency: usize) -> Scenario {
    let tokens = requests * (500 + OUTPUT_CAP);
    let (requests, tokens) = match kind {
        Kind::Requests => (Some(requests), None),
        Kind::Tokens => (None, Some(tokens)),
        Kind::Both => (Some(requests), Some(tokens)),
    };
    let window = Duration::from_secs(seconds);
    let time = Duration::from_secs(if seconds == 60 { 240 } else { 60 });
    Scenario { time, ..Scenario::new(requests, tokens, window, concurrency) }
}

/// Runs these kinds of limits at all concurrencies and windows, and lists those that do not pass.
fn failing(
    kinds: &[Kind],
    change: impl Fn(&mut Scenario),
    pass: impl Fn(&Scenario, &Outcome) -> bool,
) -> Vec<String> {
    let mut failing = Vec::new();
    for &kind in kinds {
        for (seconds, requests) in WINDOWS {
            for concurrency in CONCURRENCIES {
                // Of so few tokens, in lumps of a tenth, no window can be filled.
                if seconds == 1 && requests == 600 && !matches!(kind, Kind::Requests) {
                    continue;
                }
                let mut scenario = scenario(kind, seconds, requests, concurrency);
                change(&mut scenario);
                let outcome = scenario.run();
                if !pass(&scenario, &outcome) {
                    let what = format!("{kind:?}, {requests} a minute, {concurrency} at once, {seconds} s");
                    failing.push(format!("{what}: {outcome:?}"));
                }
            }
        }
    }
    failing
}

fn kept(_: &Scenario, outcome: &Outcome) -> bool {
    outcome.used >= 0.97 && outcome.refused == 0 && outcome.lost == 0
}

/// Of tokens in lumps and short windows a little less is used: each window holds another number of requests.
fn found(scenario: &Scenario, outcome: &Outcome) -> bool {
    let most = 2 * scenario.limits.concurrency as u64;
    let least =
        if scenario.requests.is_none() && scenario.window < Duration::from_secs(10) { 0.75 } else { 0.85 };
    outcome.used >= least && outcome.refused <= most && outcome.lost == 0
}

#[test]
fn configured_requests() {
    assert_eq!(failing(&[Kind::Requests], |_| {}, kept), [""; 0]);
}

#[test]
fn configured_with_their_window() {
    assert_eq!(failing(&KINDS, |s| s.limits.window = Some(s.window), kept), [""; 0]);
}

#[test]
fn stated_in_headers() {
    let change = |s: &mut Scenario| *s = Scenario { headers: true, ..s.untold() };
    assert_eq!(failing(&[Kind::Requests], change, kept), [""; 0]);
}

#[test]
fn stated_in_headers_while_told_double() {
    let change = |s: &mut Scenario| *s = Scenario { headers: true, ..s.told_double() };
    assert_eq!(failing(&[Kind::Requests], change, kept), [""; 0]);
}

#[test]
fn not_known() {
    assert_eq!(failing(&KINDS, |s| *s = s.untold(), found), [""; 0]);
}

#[test]
fn not_known_with_slow_refusals() {
    let change = |s: &mut Scenario| *s = Scenario { slow_refusals: true, ..s.untold() };
    assert_eq!(failing(&[Kind::Requests, Kind::Both], change, found), [""; 0]);
}

/// Requests that arrive in another order than they left.
#[test]
fn not_known_with_jitter() {
    for seed in 0..8 {
        let change =
            |s: &mut Scenario| *s = Scenario { jitter: Duration::from_millis(8), seed, ..s.untold() };
        let pass = |_: &Scenario, outcome: &Outcome| outcome.used >= 0.8 && outcome.lost == 0;
        assert_eq!(failing(&[Kind::Requests], change, pass), [""; 0], "{seed}");
    }
}

#[test]
fn not_known_with_waits_in_whole_seconds() {
    let change = |s: &mut Scenario| *s = Scenario { retry_after: RetryAfter::Seconds, ..s.untold() };
    assert_eq!(failing(&[Kind::Requests], change, found), [""; 0]);
}

#[test]
fn not_known_without_advice() {
    let change = |s: &mut Scenario| *s = Scenario { retry_after: RetryAfter::Nothing, ..s.untold() };
    assert_eq!(failing(&KINDS, change, found), [""; 0]);
}

#[test]
fn told_double() {
    assert_eq!(failing(&KINDS, |s| *s = s.told_double(), found), [""; 0]);
}

/// Requests that arrive in another order than they left cost some refusals more.
#[test]
fn told_double_without_advice_and_with_jitter() {
    let change = |s: &mut Scenario| {
        let jitter = Duration::from_millis(5);
        *s = Scenario { retry_after: RetryAfter::Nothing, slow_refusals: true, jitter, ..s.told_double() };
    };
    let pass = |scenario: &Scenario, outcome: &Outcome| {
        let most = 3 * scenario.limits.concurrency as u64;
        outcome.used >= 0.85 && outcome.refused <= most && outcome.lost == 0
    };
    assert_eq!(failing(&[Kind::Requests], change, pass), [""; 0]);
}
