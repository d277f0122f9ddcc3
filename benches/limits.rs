//! What refusals cost: the governor and the retries of the program against a simulated provider, on a simulated clock.
//!
//! `cargo run --release -p tunebench-benches --bin limits` prints, in about a minute, one table beside the bars: for limits
//! over windows of a second, ten seconds and a minute the share of the quota that is used, the requests that were refused
//! and the rows that were lost; and for refusals without a limit the time of a thousand rows over that without any.
//! The provider counts refused requests as well, over a true sliding window.
#![expect(clippy::print_stdout, reason = "the table is the output")]

#[path = "../src/evaluate/governor/tests/simulation.rs"]
mod simulation;

use std::time::Duration;

use simulation::{Outcome, RetryAfter, Scenario};

/// In a minute.
const REQUESTS: u64 = 600;
const SECOND: Duration = Duration::from_secs(1);

fn main() {
    println!(
        "{REQUESTS} requests a minute, 20 ms each: share used / refused / rows lost; the worst of 16, 64 and 256 at once"
    );
    println!("{:<48} {:>21} {:>21} {:>21}   bar", "window", "1 s", "10 s", "60 s");
    let told = "≥ 0.97 / 0 / 0";
    let found = "≥ 0.85 / ≤ 2 × concurrency / 0";
    limits("configured", told, |scenario| scenario);
    limits("configured, with its window", told, |mut scenario| {
        scenario.limits.window = Some(scenario.window);
        scenario
    });
    limits("stated in headers", told, |scenario| Scenario { headers: true, ..scenario.untold() });
    limits("stated in headers, configured double", told, |scenario| Scenario {
        headers: true,
        ..scenario.told_double()
    });
    for (advice, retry_after) in [
        ("wait told to the millisecond", RetryAfter::Millis),
        ("wait told in whole seconds", RetryAfter::Seconds),
        ("wait not told", RetryAfter::Nothing),
    ] {
        limits(&format!("unknown, {advice}"), found, |scenario| Scenario {
            retry_after,
            ..scenario.untold()
        });
        limits(&format!("configured double, {advice}"), found, |scenario| Scenario {
            retry_after,
            ..scenario.told_double()
        });
    }
    println!();
    println!("1,000 rows of 20 ms without a limit, some refused for no reason: time over that without");
    println!("{:<48} {:>12} {:>12} {:>12}   bar", "at once", "16", "64", "256");
    for share in [0.003, 0.02, 0.05, 0.14] {
        let percent = share * 100.0;
        random(&format!("{percent:.1} % refused, wait not told"), "≤ 3 times", |scenario| Scenario {
            random: share,
            ..scenario
        });
        random(
            &format!("{percent:.1} % refused, wait of 1 s told"),
            "≤ 3 times and the waits",
            |scenario| Scenario { random: share, random_wait: Some(SECOND), ..scenario },
        );
    }
    random("the third refused, wait of 1 s told", "≤ 2 s more", |scenario| Scenario {
        lone: Some(3),
        random_wait: Some(SECOND),
        ..scenario
    });
}

/// One line: the worst outcome over the concurrencies, for each window.
fn limits(what: &str, bar: &str, change: impl Fn(Scenario) -> Scenario) {
    let cell = |seconds: u64| {
        let outcomes = [16, 64, 256].map(|concurrency| {
            let time = Duration::from_secs(if seconds == 60 { 360 } else { 120 });
            let scenario = Scenario::new(Some(REQUESTS), None, Duration::from_secs(seconds), concurrency);
            change(Scenario { time, ..scenario }).run()
        });
        let worst = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).fold(0.0, f64::max);
        let used = outcomes.iter().map(|outcome| outcome.used).fold(f64::INFINITY, f64::min);
        format!(
            "{used:.3} / {} / {}",
            outcomes.map(|outcome| outcome.refused.to_string()).join(","),
            worst(|outcome| outcome.lost as f64)
        )
    };
    println!("{what:<48} {:>21} {:>21} {:>21}   {bar}", cell(1), cell(10), cell(60));
}

/// One line: the time over that without refusals, for each concurrency, and the rows lost.
fn random(what: &str, bar: &str, change: impl Fn(Scenario) -> Scenario) {
    let cells = [16, 64, 256].map(|concurrency| {
        let hour = Duration::from_secs(3600);
        let usual = Scenario { rows: 1000, time: hour, ..Scenario::new(None, None, hour, concurrency) };
        let (without, with) = (usual.run(), change(usual).run());
        let times = with.took.as_secs_f64() / without.took.as_secs_f64();
        let more = with.took.saturating_sub(without.took).as_secs_f64();
        let lost = if with.lost == 0 { String::new() } else { format!(" {} lost", with.lost) };
        format!("{times:.2} +{more:.1}s{lost}")
    });
    println!("{what:<48} {:>12} {:>12} {:>12}   {bar}", cells[0], cells[1], cells[2]);
}
