//! How the figure that decides is written: shares as per cent and points, costs as they are.

use super::{level_number, margin_words, percent, points, points_number};
use crate::{Interval, Metric};

/// A value of the figure.
pub fn value(metric: &Metric, value: f64) -> String {
    if metric.is_share() { percent(value) } else { amount(value) }
}

/// A difference of two values, always with its sign.
pub fn change(metric: &Metric, difference: f64) -> String {
    if metric.is_share() { points(difference) } else { signed(difference) }
}

/// The same without the name of the unit.
pub(super) fn change_number(metric: &Metric, difference: f64) -> String {
    if metric.is_share() { points_number(difference) } else { signed(difference) }
}

/// An interval of such differences.
pub(super) fn interval(metric: &Metric, Interval { low, high }: Interval) -> String {
    format!("{} to {}", change_number(metric, low), change_number(metric, high))
}

/// A difference with its interval.
pub(super) fn change_within(metric: &Metric, difference: f64, within: Interval, confidence: f64) -> String {
    let level = level_number(confidence);
    format!("{} ({level} % CI {})", change(metric, difference), interval(metric, within))
}

/// A margin, as it was set.
pub fn margin(metric: &Metric, margin: f64) -> String {
    if metric.is_share() { margin_words(margin) } else { format!("{margin}") }
}

/// A smallest difference, without a sign.
pub(super) fn size(metric: &Metric, difference: f64) -> String {
    if metric.is_share() { format!("{:.1} points", difference * 100.0) } else { amount(difference) }
}

/// A cost, with as many decimals as it takes.
fn amount(cost: f64) -> String {
    let digits = if cost.abs() >= 100.0 { 1 } else { 3 };
    format!("{cost:.digits$}")
}

fn signed(cost: f64) -> String {
    if cost == 0.0 {
        return "±0".to_owned();
    }
    let digits = if cost.abs() >= 100.0 { 1 } else { 3 };
    format!("{cost:+.digits$}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Costs;
    use crate::testing::labels;

    #[test]
    fn costs_are_amounts_and_shares_are_points() {
        let Ok(Metric::Cost(costs)) = Metric::named("cost", Some(&Costs::default()), &labels(&["a"])) else {
            panic!()
        };
        let cost = Metric::Cost(Arc::clone(&costs));
        assert_eq!((value(&cost, 0.25), change(&cost, -0.1)), ("0.250".to_owned(), "-0.100".to_owned()));
        assert_eq!((value(&cost, 1234.5), margin(&cost, 0.05)), ("1234.5".to_owned(), "0.05".to_owned()));
        let share = Metric::MacroF1;
        assert_eq!(
            (value(&share, 0.25), change(&share, -0.1)),
            ("25.0 %".to_owned(), "-10.0 points".to_owned())
        );
        assert_eq!(interval(&cost, Interval { low: -0.5, high: 0.0 }), "-0.500 to ±0");
    }
}
