//! Rows that fail, in every way.

use std::cell::Cell;

use futures::{StreamExt, stream};
use proptest::prelude::*;

use super::*;

fn server(message: &str) -> ProviderError {
    ProviderError::new(Cause::Server, message)
}

fn retries() -> Retries {
    Retries::new(RetryPolicy::default(), 1)
}

proptest! {
    #[test]
    fn waits_are_within_bounds_and_repeatable(seed: u64, row: u64, after in prop::option::of(0u64..120)) {
        let after = after.map(Duration::from_secs);
        let policy = RetryPolicy { attempts: 30, same_failure: 30, most_attempts: 30, budget_base: 100, ..RetryPolicy::default() };
        let retries = Retries::new(policy, seed);
        let mut attempts = Attempts { row, ..Attempts::default() };
        for failed in 1..20 {
            let error = server("x").retry(Retry::Later { after });
            let Next::Again(delay) = retries.next(&mut attempts, error) else { panic!("gave up") };
            let bound = Duration::from_millis(500 << (failed - 1).min(10)).min(Duration::from_secs(30));
            prop_assert!(delay >= after.unwrap_or_default());
            prop_assert!(delay <= bound.max(after.map_or(bound, |a| a + Duration::from_millis(500))));
            prop_assert_eq!(delay, Retries::new(policy, seed).delay(&attempts, after, 1.0));
        }
    }
}

#[test]
fn waits_spread_over_the_whole_bound() {
    let draws: Vec<f64> = (0..1000).map(|row| draw(3, row, 1)).collect();
    let mean = draws.iter().sum::<f64>() / 1000.0;
    assert!((mean - 0.5).abs() < 0.03, "{mean}");
    assert!(draws.iter().any(|&draw| draw < 0.01) && draws.iter().any(|&draw| draw > 0.99));
}

#[test]
fn a_row_ends_after_five_attempts_or_four_of_the_same() {
    let (retries, mut attempts) = (retries(), Attempts::default());
    for message in ["a", "b", "a", "b"] {
        assert!(matches!(retries.next(&mut attempts, server(message)), Next::Again(_)));
    }
    assert_eq!(retries.next(&mut attempts, server("a")), Next::GiveUp(server("a (5 attempts)")));
    let mut attempts = Attempts::default();
    for _ in 0..3 {
        assert!(matches!(retries.next(&mut attempts, server("a")), Next::Again(_)));
    }
    let end = Next::GiveUp(server("a (the same 4 times in a row)"));
    assert_eq!(retries.next(&mut attempts, server("a")), end);
}

#[test]
fn what_will_fail_again_is_not_repeated() {
    for cause in [Cause::Quota, Cause::Access, Cause::NotFound, Cause::Invalid, Cause::Unsupported] {
        let error = ProviderError::new(cause, "no");
        assert_eq!(retries().next(&mut Attempts::default(), error.clone()), Next::GiveUp(error));
    }
    let after = Some(Duration::from_secs(7200));
    let Next::GiveUp(error) =
        retries().next(&mut Attempts::default(), server("busy").retry(Retry::Later { after }))
    else {
        panic!("waits for hours")
    };
    assert_eq!(error.message, "busy (asks to wait 2 h, and 2 min is the most)");
}

#[test]
fn a_run_ends_when_too_much_fails() {
    let retries = retries();
    (0..10).for_each(|_| retries.answered());
    for _ in 0..80 {
        assert!(matches!(retries.next(&mut Attempts::default(), server("x")), Next::Again(_)));
    }
    let Next::End(error) = retries.next(&mut Attempts::default(), server("x")) else { panic!("goes on") };
    assert_eq!(error.message, "the provider fails too often: 80 retries for 10 answers; the last failure: x");
    assert!(error.hint.is_some());
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_a_wait() {
    let (retries, cancel) = (retries(), Cancel::default());
    let slow = ProviderError::new(Cause::Server, "busy")
        .retry(Retry::Later { after: Some(Duration::from_secs(100)) });
    let run =
        retries.run::<(), ProviderError, _>(1, &cancel, || async { Err(Failure::Provider(slow.clone())) });
    let (result, ()) = tokio::join!(run, async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(
            retries.waiting().unwrap().to_string(),
            "1 row waits to be tried again; the last failure: busy"
        );
        cancel.request();
    });
    assert_eq!(result, Err(Failure::Cancelled));
    assert_eq!(retries.waiting(), None);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_alone_is_refused_again_and_again_fails() {
    let (retries, cancel) = (retries(), Cancel::default());
    let result: Result<(), Failure<ProviderError>> = retries
        .run(1, &cancel, || async {
            (0..50).for_each(|_| retries.answered());
            Err(Failure::Provider(ProviderError::new(Cause::RateLimit, "slow down")))
        })
        .await;
    let Err(Failure::Provider(error)) = result else { panic!("{result:?}") };
    assert!(error.message.ends_with("while other rows were answered)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn refusals_for_the_rate_use_up_no_attempt_but_end() {
    let retries = retries();
    let refusals = Cell::new(0);
    let result: Result<(), Failure<ProviderError>> = retries
        .run(1, &Cancel::default(), || async {
            refusals.set(refusals.get() + 1);
            tokio::time::sleep(Duration::from_secs(30)).await;
            Err(Failure::Provider(ProviderError::new(Cause::RateLimit, "slow down")))
        })
        .await;
    let Err(Failure::Provider(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.message, "slow down (refused for 15 min)");
    assert!((20..=31).contains(&refusals.get()));
    assert_eq!(retries.made(), 0);
}

/// 5 % errors, 2 % resets, 2 % truncated answers, 1 % stalls, 1 % garbage: every row gets its true answer.
#[test]
fn two_thousand_rows_through_every_fault() {
    for seed in 0..5 {
        let retries = asked_of(seed, |percent| match percent {
            0..5 => Fault::Error("status 500"),
            5..7 => Fault::Error("connection reset"),
            7..9 => Fault::Error("the answer ends too early"),
            9 => Fault::Stall,
            10 => Fault::Error("the answer is not JSON"),
            _ => Fault::None,
        });
        assert!((150..350).contains(&retries.made()), "{}", retries.made());
    }
}

/// A server that fails half of all requests in the same way: every row gets its answer, and not many more are sent.
#[test]
fn two_thousand_rows_though_half_fails() {
    for seed in 0..5 {
        let retries = asked_of(seed, |percent| match percent {
            0..50 => Fault::Error("overloaded"),
            _ => Fault::None,
        });
        assert!((1700..2300).contains(&retries.made()), "{}", retries.made());
    }
}

enum Fault {
    None,
    Error(&'static str),
    Stall,
}

fn asked_of(seed: u64, fault: impl Fn(u32) -> Fault) -> Retries {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (retries, cancel) = (Retries::new(RetryPolicy::default(), seed), Cancel::default());
    let calls = Cell::new(0u32);
    let call = async |row: u64| {
        calls.set(calls.get() + 1);
        tokio::time::sleep(Duration::from_millis(50)).await;
        match fault((draw(seed ^ 0xfa17, row, calls.get()) * 100.0) as u32) {
            Fault::None => Ok(row * 3),
            Fault::Error(message) => Err(server(message)),
            Fault::Stall => std::future::pending().await,
        }
    };
    let answers: Vec<Result<u64, Failure<ProviderError>>> = runtime.block_on(async {
        let (retries, cancel, call) = (&retries, &cancel, &call);
        let ask = |row: u64| async move {
            let attempt = || async { retries.in_time(call(row)).await.map_err(Failure::Provider) };
            retries.run(row, cancel, attempt).await
        };
        stream::iter(0..2000).map(ask).buffered(64).collect().await
    });
    let wrong: Vec<_> = answers.iter().zip(0..).filter(|(answer, row)| **answer != Ok(row * 3)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    retries
}
