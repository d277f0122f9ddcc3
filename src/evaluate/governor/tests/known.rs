//! Limits that are known: all of them is used, and nothing is refused.

use std::time::Duration;

use super::{Kind, Scenario};

const CONCURRENCIES: [usize; 3] = [16, 64, 256];

/// Runs all kinds of limits at all concurrencies, and lists those that were refused, lost or used too little.
fn failing(seconds: u64, least: f64, change: impl Fn(&mut Scenario)) -> Vec<String> {
    let mut failing = Vec::new();
    for kind in Kind::ALL {
        for concurrency in CONCURRENCIES {
            let mut scenario = Scenario::new(kind.limits(seconds, concurrency));
            change(&mut scenario);
            let outcome = scenario.run();
            if outcome.used < least || outcome.refused > 0 || outcome.lost > 0 {
                failing.push(format!("{kind:?}, {concurrency} at once, {seconds} s: {outcome:?}"));
            }
        }
    }
    failing
}

#[test]
fn a_minute() {
    assert_eq!(failing(60, 0.97, |s| s.noise = 0.1), [""; 0]);
}

#[test]
fn a_minute_with_jitter() {
    assert_eq!(failing(60, 0.97, |s| (s.noise, s.jitter) = (0.1, Duration::from_millis(50))), [""; 0]);
}

#[test]
fn ten_seconds() {
    assert_eq!(failing(10, 0.97, |s| (s.noise, s.windows) = (0.1, 10)), [""; 0]);
}

#[test]
fn ten_seconds_with_jitter() {
    let change = |s: &mut Scenario| (s.noise, s.windows, s.jitter) = (0.1, 10, Duration::from_millis(50));
    assert_eq!(failing(10, 0.97, change), [""; 0]);
}

#[test]
fn a_second() {
    assert_eq!(failing(1, 0.97, |s| s.windows = 30), [""; 0]);
}

/// What leaves W after another may arrive 50 ms sooner than that, so that no more than W / (W + 50 ms) of a limit can
/// be used without risk: 95.2 % of a second.
#[test]
fn a_second_with_jitter() {
    let jitter = Duration::from_millis(50);
    let change = |s: &mut Scenario| {
        (s.windows, s.jitter, s.limits.guard) = (20, jitter, Some(jitter));
    };
    assert_eq!(failing(1, 0.97 / 1.05, change), [""; 0]);
}
