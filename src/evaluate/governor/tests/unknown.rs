//! Limits that are not known, or not as configured: they are found at the price of some refusals.

use std::time::Duration;

use super::{Kind, Scenario};

/// Runs all kinds of limits at all concurrencies, and lists those that found the limit too late or not at all.
fn failing(seconds: u64, change: impl Fn(&mut Scenario)) -> Vec<String> {
    let mut failing = Vec::new();
    for kind in Kind::ALL {
        for concurrency in [16, 64, 256] {
            let mut scenario = Scenario::new(kind.limits(seconds, concurrency));
            scenario.windows = 6;
            change(&mut scenario);
            let outcome = scenario.run();
            if outcome.used < 0.85 || outcome.refused > 2 * concurrency as u64 || outcome.lost > 0 {
                failing.push(format!("{kind:?}, {concurrency} at once, {seconds} s: {outcome:?}"));
            }
        }
    }
    failing
}

fn unknown(scenario: &mut Scenario) {
    (scenario.limits.requests, scenario.limits.tokens) = (None, None);
}

fn twice(scenario: &mut Scenario) {
    let twice = |limit: Option<u64>| limit.map(|limit| 2 * limit);
    (scenario.limits.requests, scenario.limits.tokens) =
        (twice(scenario.limits.requests), twice(scenario.limits.tokens));
}

#[test]
fn unknown_in_a_minute() {
    assert_eq!(failing(60, unknown), [""; 0]);
}

#[test]
fn unknown_in_a_minute_without_retry_after() {
    assert_eq!(failing(60, |s| (unknown(s), s.retry_after = false).0), [""; 0]);
}

#[test]
fn unknown_in_a_minute_with_slow_refusals() {
    assert_eq!(failing(60, |s| (unknown(s), s.slow_refusals = true).0), [""; 0]);
}

#[test]
fn unknown_in_ten_seconds() {
    assert_eq!(failing(10, unknown), [""; 0]);
}

#[test]
fn half_of_what_was_configured_in_a_minute() {
    assert_eq!(failing(60, twice), [""; 0]);
}

#[test]
fn half_of_what_was_configured_in_ten_seconds() {
    assert_eq!(failing(10, twice), [""; 0]);
}

#[test]
fn half_of_what_was_configured_with_jitter_and_slow_refusals() {
    let change = |s: &mut Scenario| {
        twice(s);
        (s.slow_refusals, s.retry_after, s.jitter) = (true, false, Duration::from_millis(50));
    };
    assert_eq!(failing(60, change), [""; 0]);
}

#[test]
fn headers_tell() {
    assert_eq!(failing(10, |s| (unknown(s), s.headers = true).0), [""; 0]);
    assert_eq!(failing(10, |s| (twice(s), s.headers = true).0), [""; 0]);
}
