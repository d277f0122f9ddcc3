//! Refusals that come without a limit cost no more than they ask for.

use std::time::Duration;

use super::simulation::{Outcome, Scenario};

/// A thousand rows of 20 ms at a provider without limits.
fn undisturbed(concurrency: usize) -> Scenario {
    let hour = Duration::from_secs(3600);
    Scenario { rows: 1000, time: hour, ..Scenario::new(None, None, hour, concurrency) }
}

fn seconds(outcome: &Outcome) -> f64 {
    outcome.took.as_secs_f64()
}

#[test]
fn random_refusals_cost_little() {
    for concurrency in [4, 16, 64] {
        let usual = undisturbed(concurrency).run();
        for random in [0.003, 0.02, 0.05, 0.14] {
            for slow_refusals in [false, true] {
                let bare = Scenario { random, slow_refusals, ..undisturbed(concurrency) }.run();
                let what = format!("{concurrency} at once, {random}, slow {slow_refusals}");
                assert_eq!(bare.lost, 0, "{what}: {bare:?}");
                assert!(seconds(&bare) <= 3.0 * seconds(&usual), "{what}: {bare:?} instead of {usual:?}");
                // A row that is refused again and again waits each time, others do not.
                let random_wait = Some(Duration::from_secs(1));
                let told = Scenario { random, slow_refusals, random_wait, ..undisturbed(concurrency) }.run();
                assert_eq!(told.lost, 0, "{what}: {told:?}");
                assert!(
                    seconds(&told) <= 3.0 * seconds(&usual) + 6.0,
                    "{what}: {told:?} instead of {usual:?}"
                );
            }
        }
    }
}

#[test]
fn a_lone_refusal_costs_its_wait() {
    for concurrency in [1, 4, 16, 64] {
        let usual = undisturbed(concurrency).run();
        for lone in [1, 3, 500, 999, 1000] {
            for random_wait in [None, Some(Duration::from_secs(1))] {
                let outcome = Scenario { lone: Some(lone), random_wait, ..undisturbed(concurrency) }.run();
                let what = format!("{concurrency} at once, the {lone}th, {random_wait:?}: {outcome:?}");
                assert_eq!((outcome.lost, outcome.refused), (0, 1), "{what}");
                assert!(seconds(&outcome) <= seconds(&usual) + 2.0, "{what}");
            }
        }
    }
}
