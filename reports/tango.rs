//! How far apart two models are on the same rows: Tango's score interval, and the test of non-inferiority that belongs to it.
//!
//! Tango (1998), "Equivalence test and confidence interval for the difference in proportions for the paired-sample
//! design". Unlike the textbook interval it holds its level for few rows, says something when no row tells the models apart,
//! and never leaves -1 to 1.

use crate::{Differences, Interval, Paired, normal_quantile};

/// The score interval for the difference of accuracy, tuned model minus base, at a level between 0 and 1.
///
/// It holds the differences whose [`tango_score`] lies between the normal quantiles of the level. It contains the observed
/// difference, and is found to the last digits of the type. None without compared rows, or for no level.
pub fn tango(paired: &Paired, level: f64) -> Option<Interval> {
    // From the lower tail, where a level near 1 loses no digits.
    let z = -normal_quantile((1.0 - level) / 2.0)?;
    if z <= 0.0 || z.is_infinite() {
        return None;
    }
    let difference = paired.difference()?;
    // A model that lost none of the rows to the other can be seen from its end of the scale.
    let low = boundary(difference, -1.0, |delta| tango_score(paired, delta) <= z);
    let high = boundary(difference, 1.0, |delta| tango_score(paired, delta) >= -z);
    Some(Interval { low, high })
}

/// Tango's score: how many standard deviations the observed difference lies above a supposed one of `delta`, -1 to 1.
///
/// The standard deviation is that of the most likely rows among those with this difference. Its square is the score statistic
/// of McNemar's test at `delta` = 0. It falls as `delta` grows. 0 at the observed difference.
pub fn tango_score(paired: &Paired, delta: f64) -> f64 {
    Differences::from(paired).score(delta)
}

/// The variance of the difference of one row, if the true difference is `delta` and rows are otherwise as likely as can be.
///
/// Also used with shares of rows, where `n` is 1.
pub(crate) fn variance(n: f64, won: f64, lost: f64, delta: f64) -> f64 {
    // By symmetry only for differences above 0, where nothing cancels out.
    let (won, lost, delta) = if delta < 0.0 { (lost, won, -delta) } else { (won, lost, delta) };
    // The most likely share of rows that are lost: the root of a q^2 + b q + c.
    let (a, b, c) = (2.0 * n, (2.0 * n + lost - won) * delta - won - lost, -lost * delta * (1.0 - delta));
    let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
    let q = match b {
        b if b <= 0.0 => (root - b) / (2.0 * a),
        b if c < 0.0 => -2.0 * c / (b + root),
        _ => 0.0,
    };
    (2.0 * q + delta * (1.0 - delta)).max(0.0)
}

/// The p-value of non-inferiority, one-sided: how likely such rows are if the tuned model loses `margin` or more.
///
/// Score test of Tango (1998), also Liu et al. (2002), "Tests for equivalence or non-inferiority for paired binary data". It is
/// at most 0.025 just where the low end of the [`tango`] interval at 95 % is at least minus the margin. 1 without rows.
pub fn non_inferiority_p(paired: &Paired, margin: f64) -> f64 {
    Differences::from(paired).non_inferiority_p(margin)
}

/// The last point for which `holds`, from one for which it does towards an end for which it may not.
///
/// Halving takes some sixty steps and cannot be led astray.
pub(crate) fn boundary(inside: f64, end: f64, holds: impl Fn(f64) -> bool) -> f64 {
    if holds(end) {
        return end;
    }
    let (mut inside, mut outside) = (inside, end);
    loop {
        let middle = inside + (outside - inside) / 2.0;
        if middle == inside || middle == outside || (outside - inside).abs() < 1e-17 {
            return inside;
        }
        *if holds(middle) { &mut inside } else { &mut outside } = middle;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::CONFIDENCE;

    fn rows(n: u64, only_base: u64, only_tuned: u64) -> Paired {
        Paired { both_correct: n - only_base - only_tuned, only_base, only_tuned, both_wrong: 0, left_out: 0 }
    }

    fn any_rows() -> impl Strategy<Value = Paired> {
        (0u64..2000, 0u64..60, 0u64..60)
            .prop_filter("a row", |(same, lost, won)| same + lost + won > 0)
            .prop_map(|(same, lost, won)| rows(same + lost + won, lost, won))
    }

    #[test]
    fn edges_have_their_closed_forms() {
        let z2 = normal_quantile(0.975).unwrap().powi(2);
        for n in [1, 2, 44, 100_000] {
            // No row tells them apart: z^2 / (n + z^2) to both sides.
            let end = z2 / (n as f64 + z2);
            let same = tango(&rows(n, 0, 0), CONFIDENCE).unwrap();
            assert!((same.high - end).abs() < 1e-15 && (same.low + end).abs() < 1e-15, "{n}: {same:?}");
            // Every row was won.
            let won = tango(&rows(n, 0, n), CONFIDENCE).unwrap();
            assert!(won.high == 1.0 && won.low < 1.0 && won.low > -1.0, "{n}: {won:?}");
        }
        assert_eq!(tango(&Paired::default(), CONFIDENCE), None);
        for level in [0.0, 1.0, -1.0, f64::NAN] {
            assert_eq!(tango(&rows(10, 1, 2), level), None);
        }
        assert_eq!(non_inferiority_p(&Paired::default(), 0.1), 1.0);
    }

    proptest! {
        #[test]
        fn contains_the_difference_and_mirrors_with_the_models(paired in any_rows(), level in 0.5f64..0.999) {
            let interval = tango(&paired, level).unwrap();
            let difference = paired.difference().unwrap();
            prop_assert!(-1.0 <= interval.low && interval.low <= difference);
            prop_assert!(difference <= interval.high && interval.high <= 1.0);
            let swapped = Paired { only_base: paired.only_tuned, only_tuned: paired.only_base, ..paired };
            let mirrored = tango(&swapped, level).unwrap();
            prop_assert!((mirrored.low + interval.high).abs() < 1e-15);
            prop_assert!((mirrored.high + interval.low).abs() < 1e-15);
        }

        #[test]
        fn the_score_falls_with_the_supposed_difference(paired in any_rows(), a in -1.0f64..1.0, b in -1.0f64..1.0) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(tango_score(&paired, low) >= tango_score(&paired, high) - 1e-9);
        }

        #[test]
        fn the_test_agrees_with_the_interval(paired in any_rows(), margin in 0.001f64..0.5) {
            let low = tango(&paired, CONFIDENCE).unwrap().low;
            // But for the last digits.
            prop_assume!((low + margin).abs() > 1e-12);
            prop_assert_eq!(non_inferiority_p(&paired, margin) <= (1.0 - CONFIDENCE) / 2.0, low > -margin);
        }

        #[test]
        fn a_wider_margin_and_fewer_lost_rows_are_easier(paired in any_rows(), margin in 0.001f64..0.5) {
            let p = non_inferiority_p(&paired, margin);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(non_inferiority_p(&paired, margin + 0.01) <= p + 1e-12);
            let worse = Paired { only_base: paired.only_base + 1, ..paired };
            prop_assert!(non_inferiority_p(&worse, margin) >= p - 1e-12);
        }
    }
}
