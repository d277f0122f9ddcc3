//! Order, pauses, sizes, cancellation.

use std::cell::RefCell;
use std::time::Duration;

use futures::future::join_all;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};
use tunebench_providers::{Limit, RateLimits};

use super::super::AdmitError;
use super::{Estimate, Governor, Limits, limits};

const SMALL: Estimate = Estimate { input: 10, output_cap: 0 };
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served_whatever_the_size() {
    let governor = Governor::new(limits(Some(60), Some(6000), 4));
    let order = RefCell::new(Vec::new());
    join_all((0..40u64).map(|row| {
        let (governor, order) = (&governor, &order);
        async move {
            let permit =
                governor.admit(Estimate { input: 10 + 90 * (row % 3), output_cap: 5 }).await.unwrap();
            order.borrow_mut().push(row);
            sleep(SECOND).await;
            permit.succeeded(None, None);
        }
    }))
    .await;
    assert_eq!(*order.borrow(), (0..40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_row_larger_than_the_limit_is_told_so() {
    let governor = Governor::new(limits(None, Some(1000), 4));
    let error = governor.admit(Estimate { input: 990, output_cap: 20 }).await.unwrap_err();
    assert_eq!(error, AdmitError::TooLarge { tokens: 1010, limit: 1000, window: Duration::from_secs(60) });
    assert_eq!(
        error.to_string(),
        "this row alone needs more tokens than the limit: about 1010, where 1000 are allowed in a minute"
    );
    governor.admit(Estimate { input: 980, output_cap: 20 }).await.unwrap().failed(None);
}

#[tokio::test(start_paused = true)]
async fn refusals_in_a_row_pause_everybody_and_one_does_not() {
    let governor = Governor::new(limits(None, None, 8));
    let mut permits = Vec::new();
    for _ in 0..8 {
        permits.push(governor.admit(SMALL).await.unwrap());
    }
    let start = Instant::now();
    let after = Some(Duration::from_secs(7));
    let mut permits = permits.into_iter();
    permits.next().unwrap().rate_limited(after, None);
    assert_eq!(governor.snapshot().paused, Duration::ZERO);
    permits.for_each(|permit| permit.rate_limited(after, None));
    let snapshot = governor.snapshot();
    assert_eq!((snapshot.refused, snapshot.pauses, snapshot.paused), (8, 1, Duration::from_secs(7)));
    // One after the other is tried, until one is answered.
    let permit = governor.admit(SMALL).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(7));
    assert!(timeout(SECOND, governor.admit(SMALL)).await.is_err());
    assert_eq!(governor.snapshot().pauses, 1);
    permit.succeeded(None, None);
    let next = governor.admit(SMALL).await.unwrap();
    governor.admit(SMALL).await.unwrap().succeeded(None, None);
    next.succeeded(None, None);
}

#[tokio::test(start_paused = true)]
async fn a_wait_says_why() {
    let governor = Governor::new(limits(Some(6), None, 8));
    for _ in 0..2 {
        governor.admit(SMALL).await.unwrap().succeeded(None, None);
        let _ = timeout(SECOND, governor.admit(SMALL)).await;
    }
    let waiting = governor.waiting().unwrap().to_string();
    assert!(waiting.ends_with("for the rate limit; limit in force: 6 requests in a minute"), "{waiting}");
    let governor = Governor::new(limits(None, None, 8));
    for _ in 0..5 {
        governor.admit(SMALL).await.unwrap().rate_limited(Some(Duration::from_secs(30)), None);
    }
    assert!(timeout(SECOND, governor.admit(SMALL)).await.is_err());
    assert_eq!(
        governor.waiting().unwrap().to_string(),
        "the provider refuses requests (429, 5 so far); trying again in 29 s"
    );
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_takes_nothing() {
    let governor = Governor::new(limits(Some(60), None, 2));
    let first = governor.admit(SMALL).await.unwrap();
    let second = governor.admit(SMALL).await.unwrap();
    assert!(timeout(SECOND, governor.admit(SMALL)).await.is_err());
    let sent = governor.snapshot().requests_sent;
    drop(first);
    assert_eq!(governor.snapshot().in_flight, 1);
    governor.admit(SMALL).await.unwrap().succeeded(None, None);
    assert_eq!(governor.snapshot().requests_sent, sent + 1);
    second.failed(None);
    assert_eq!(governor.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn headers_give_and_lower_a_limit_but_do_not_raise_it() {
    let stated = |limit| {
        let requests = Limit { limit: Some(limit), ..Limit::default() };
        Some(RateLimits { requests, ..RateLimits::default() })
    };
    let governor = Governor::new(limits(Some(500), None, 2));
    governor.admit(SMALL).await.unwrap().succeeded(None, stated(300));
    assert_eq!(governor.snapshot().requests, Some((300, MINUTE)));
    governor.admit(SMALL).await.unwrap().succeeded(None, stated(9000));
    assert_eq!(governor.snapshot().requests, Some((500, MINUTE)));
    let governor = Governor::new(limits(None, None, 2));
    governor.admit(SMALL).await.unwrap().succeeded(None, stated(300));
    assert_eq!(governor.snapshot().requests, Some((300, MINUTE)));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_another_process_used_up_is_waited_for() {
    let governor = Governor::new(limits(Some(500), None, 2));
    let requests = Limit { limit: Some(500), remaining: Some(0), reset: Some(Duration::from_secs(9)) };
    let stated = RateLimits { requests, ..RateLimits::default() };
    governor.admit(SMALL).await.unwrap().succeeded(None, Some(stated));
    assert_eq!(governor.snapshot().paused, Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn a_false_alarm_is_left_behind() {
    let governor = Governor::new(limits(None, None, 8));
    for _ in 0..2 {
        for _ in 0..10 {
            governor.admit(SMALL).await.unwrap().succeeded(None, None);
        }
        for _ in 0..5 {
            governor.admit(SMALL).await.unwrap().rate_limited(Some(SECOND), None);
        }
        // Long enough for the first loads to be forgotten: the same ones then look like a limit.
        sleep(2 * MINUTE).await;
    }
    let (low, _) = governor.snapshot().requests.unwrap();
    assert!(low <= 10);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(600) {
        governor.admit(SMALL).await.unwrap().succeeded(None, None);
        sleep(Duration::from_millis(100)).await;
    }
    assert!(governor.snapshot().requests.is_none_or(|(limit, _)| limit > 500), "{:?}", governor.snapshot());
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_requests_leave_within_a_few_moments() {
    let governor = Governor::new(limits(None, None, 256));
    let start = Instant::now();
    let permits = join_all((0..256).map(|_| governor.admit(SMALL))).await;
    assert!(start.elapsed() <= Duration::from_millis(70), "{:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_millis(50), "{:?}", start.elapsed());
    drop(permits);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the limits, sizes and usage reported: no window of departures holds more.
    #[test]
    fn no_window_holds_more(
        requests in 5u64..400, tokens in 1_100u64..50_000, seconds in prop::sample::select(vec![1u64, 5, 10, 60]),
        sizes in prop::collection::vec((1u64..500, 0.5f64..2.0), 300),
    ) {
        let window = Duration::from_secs(seconds);
        let parts = 60 / seconds;
        let limits = Limits { window: Some(window), ..limits(Some(requests * parts), Some(tokens * parts), 64) };
        let sent = paused(async {
            let governor = Governor::new(limits);
            let (start, mut sent) = (Instant::now(), Vec::new());
            for (size, ratio) in sizes {
                let permit = governor.admit(Estimate { input: size, output_cap: 0 }).await.unwrap();
                let input = ((size as f64 * ratio) as u64).clamp(1, 500);
                sent.push((start.elapsed(), input));
                permit.succeeded(Some(tunebench_providers::Usage::new(input, 0)), None);
            }
            sent
        });
        for (from, (start, _)) in sent.iter().enumerate() {
            let within = sent[from..].iter().take_while(|(at, _)| *at < *start + window);
            let (count, sum) = within.fold((0, 0), |sum, (_, input)| (sum.0 + 1, sum.1 + input));
            prop_assert!(count <= requests);
            // The last one is not known exactly when it leaves.
            prop_assert!(sum <= tokens + 500, "{} of {}", sum, tokens);
        }
    }
}
