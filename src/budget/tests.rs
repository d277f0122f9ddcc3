//! Caps hold, whatever the order of events.

use std::collections::BTreeMap;

use futures::FutureExt;
use jiff::civil::Date;
use proptest::prelude::*;

use super::*;

fn price(input: f64, output: f64) -> Price {
    let own = format!("[m]\ninput = {input}\noutput = {output}");
    let own: BTreeMap<String, PriceEntry> = toml::from_str(&own).unwrap();
    let table = PriceTable::built_in().with_own(&own).unwrap();
    table.find("m", Date::constant(2026, 11, 22)).unwrap().clone()
}

fn capped(dollars: f64) -> Budget {
    Budget::new(Caps { max_cost: Cost::from_dollars(dollars), max_requests: None })
}

#[test]
fn a_million_small_sums_do_not_drift() {
    let (budget, price) = (capped(1.0), price(0.1, 0.3));
    for _ in 0..1_000_000 {
        let usage = Usage::new(1, 1);
        budget.reserve("m", Some(&price), usage).unwrap().settle(usage);
    }
    assert_eq!(budget.so_far().cost, Cost::from_dollars(0.4).unwrap());
}

#[test]
fn an_unknown_price_under_a_cap_says_how_to_give_one() {
    let error = capped(1.0).reserve("acme/m-1", None, Usage::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`acme/m-1` is not known") && text.contains("[prices.\"acme/m-1\"]"), "{text}");
    let free = Budget::new(Caps::default());
    assert_eq!(free.reserve("acme/m-1", None, Usage::default()).unwrap().settle(Usage::default()), None);
    assert_eq!(free.so_far(), Spent { requests: 1, unpriced: 1, ..Spent::default() });
}

#[test]
fn what_is_given_up_in_flight_counts_in_full_and_what_was_never_sent_not_at_all() {
    let (budget, price) = (capped(1.0), price(1.0, 1.0));
    let worst = Usage::new(100_000, 0);
    drop(budget.reserve("m", Some(&price), worst).unwrap());
    budget.reserve("m", Some(&price), worst).unwrap().release();
    budget.reserve("m", Some(&price), worst).unwrap().unbilled();
    let spent = Spent { cost: Cost::from_dollars(0.1).unwrap(), requests: 2, ..Spent::default() };
    assert_eq!(budget.so_far(), spent);
}

#[test]
fn a_refusal_says_what_is_left() {
    let (budget, price) = (capped(0.25), price(1.0, 1.0));
    let worst = Usage::new(100_000, 0);
    let _first = budget.reserve("m", Some(&price), worst).unwrap();
    budget.reserve("m", Some(&price), worst).unwrap().settle(worst);
    let error = budget.reserve("m", Some(&price), worst).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the budget of $0.2500 is reached: $0.1000 spent, up to $0.1000 held back for requests in \
         flight, and this would take up to $0.1000"
    );
}

#[derive(Debug, Clone)]
enum Event {
    Reserve {
        input: u64,
        output: u64,
    },
    /// Ends one of those in flight: in which way, and with what share of the worst case in percent.
    End {
        which: usize,
        how: u8,
        percent: u64,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let reserve = (0u64..2000, 0u64..64).prop_map(|(input, output)| Event::Reserve { input, output });
    let end = (any::<usize>(), 0u8..4, 0u64..=100).prop_map(|(which, how, percent)| Event::End {
        which,
        how,
        percent,
    });
    prop::collection::vec(prop_oneof![reserve, end], 1..200)
}

proptest! {
    #[test]
    fn caps_hold_whatever_the_order(
        events in events(), cap in 0u64..5_000_000, max_requests in prop::option::of(0u64..50),
        input in 0.0f64..10.0, output in 0.0f64..50.0,
    ) {
        let max_cost = Cost::from_nanos(cap);
        let budget = Budget::new(Caps { max_cost: Some(max_cost), max_requests });
        let price = price(input, output);
        let mut in_flight = Vec::new();
        for event in events {
            match event {
                Event::Reserve { input, output } => {
                    let worst = Usage::new(input, output);
                    if let Ok(reservation) = budget.reserve("m", Some(&price), worst) {
                        in_flight.push((reservation, worst));
                    }
                }
                Event::End { which, how, percent } if !in_flight.is_empty() => {
                    let (reservation, worst) = in_flight.swap_remove(which % in_flight.len());
                    let part = |tokens: u64| tokens * percent / 100;
                    match how {
                        0 => drop(reservation),
                        1 => reservation.unbilled(),
                        2 => reservation.release(),
                        _ => {
                            reservation.settle(Usage::new(part(worst.input), part(worst.output)));
                        }
                    }
                }
                Event::End { .. } => {}
            }
            let spent = budget.so_far();
            prop_assert!(spent.cost.plus(spent.reserved) <= max_cost);
            prop_assert!(max_requests.is_none_or(|most| spent.requests <= most));
        }
        drop(in_flight);
        prop_assert_eq!(budget.so_far().reserved, Cost::ZERO);
    }
}

#[test]
fn what_others_hold_back_is_waited_for() {
    let price = price(1.0, 1.0);
    let worst = |dollars: f64| Usage::new((dollars * 1e6) as u64, 0);
    let budget = capped(1.0);
    let in_turn = |dollars| Box::pin(budget.reserve_in_turn("m", Some(&price), worst(dollars)));
    let first = in_turn(0.9).now_or_never().unwrap().unwrap();
    let mut second = in_turn(0.5);
    assert!((&mut second).now_or_never().is_none());
    first.settle(worst(0.3));
    let second = second.now_or_never().unwrap().unwrap();
    // What is spent does not come back, whatever is held back beside it.
    let refused = in_turn(0.8).now_or_never().unwrap().unwrap_err();
    assert!(matches!(refused, BudgetError::CostReached { .. }), "{refused}");
    second.release();
    assert_eq!(budget.so_far().cost, Cost::from_dollars(0.3).unwrap());
}

#[test]
fn training_is_held_back_and_settled_like_an_answer_but_is_no_request() {
    let own: BTreeMap<String, PriceEntry> =
        toml::from_str("[m]\ninput = 1\noutput = 1\ntraining = 10").unwrap();
    let table = PriceTable::built_in().with_own(&own).unwrap();
    let price = table.find("m", Date::constant(2026, 11, 22));
    let budget = capped(1.0);
    let refused = budget.reserve_training("m", price, 200_000).unwrap_err();
    assert!(matches!(refused, BudgetError::CostReached { .. }), "{refused}");
    assert_eq!(budget.so_far(), Spent::default());
    let held = budget.reserve_training("m", price, 90_000).unwrap();
    assert_eq!(budget.so_far().reserved, Cost::from_dollars(0.9).unwrap());
    assert_eq!(held.settle_training(50_000), Cost::from_dollars(0.5));
    drop(budget.reserve_training("m", price, 40_000).unwrap());
    let spent = Spent { cost: Cost::from_dollars(0.9).unwrap(), ..Spent::default() };
    assert_eq!(budget.so_far(), spent);
}

#[test]
fn training_without_a_price_is_refused_under_a_cap_only() {
    let (known, free) = (price(1.0, 1.0), Budget::new(Caps::default()));
    let error = capped(1.0).reserve_training("acme/m-1", Some(&known), 1).unwrap_err().to_string();
    assert!(error.contains("tuning `acme/m-1` is not known") && error.contains("\ntraining = …"), "{error}");
    drop(free.reserve_training("acme/m-1", Some(&known), 1).unwrap());
    assert_eq!(free.so_far(), Spent { unpriced: 1, ..Spent::default() });
}
