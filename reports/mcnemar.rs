//! McNemar's exact test: do two models differ, judged by the rows that only one of them got right?

use std::f64::consts::PI;

/// The exact two-sided p-value, within 0 to 1.
///
/// `b` and `c` are the rows that only the first and only the second model got right. If the models are equally
/// good, each such row falls to either with probability 1/2, so the p-value is min(1, 2 P(X <= min(b, c))) with
/// X ~ Bin(b + c, 1/2). McNemar (1947); the exact form as in scipy's `binomtest` and statsmodels' `mcnemar`.
/// Without such rows it is 1.
///
/// The largest term is found by Loader's saddle-point expansion, the others by their ratio to it, so the
/// relative error stays far below 1e-9 for a million rows and for p-values down to the smallest number there is.
pub fn mcnemar_exact(b: u64, c: u64) -> f64 {
    let (few, n) = (b.min(c), b + c);
    // Half of the distribution or more lies at or below `few`: exactly 1, which a sum would only come near to.
    if n - 2 * few <= 1 {
        return 1.0;
    }
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in (1..=few).rev() {
        // P(X = k - 1) / P(X = k).
        term *= k as f64 / (n - k + 1) as f64;
        sum += term;
        if term < sum * 1e-18 {
            break;
        }
    }
    // Added up as logarithms: 2 P may be a number although P is too small to be one.
    libm::exp(ln_binomial_half(few, n) + libm::log(2.0 * sum)).min(1.0)
}

/// The mid-p-value, two-sided, within 0 to 1.
///
/// Fagerland, Lydersen and Laake (2013), "The McNemar test for binary matched-pairs data": what was observed counts half.
/// With X as in [`mcnemar_exact`] that is the exact p-value less P(X = b), or 1 - P(X = b) / 2 where b = c. It is less
/// cautious than the exact p-value, and in rare cases exceeds its level a little. Without rows that tell the models
/// apart it is 1, where the formula says 1/2.
pub fn mcnemar_mid_p(b: u64, c: u64) -> f64 {
    let (few, n) = (b.min(c), b + c);
    if n == 0 {
        return 1.0;
    }
    let observed = libm::exp(ln_binomial_half(few, n));
    if b == c {
        return 1.0 - observed / 2.0;
    }
    (mcnemar_exact(b, c) - observed).max(0.0)
}

/// ln P(X = k) for X ~ Bin(n, 1/2) and k < n.
///
/// Loader (2000), "Fast and accurate computation of binomial probabilities". The logarithm of the gamma
/// function would lose ten digits here by cancellation.
fn ln_binomial_half(k: u64, n: u64) -> f64 {
    let (x, y, size) = (k as f64, (n - k) as f64, n as f64);
    if k == 0 {
        return -size * std::f64::consts::LN_2;
    }
    let half = size / 2.0;
    stirling_error(n) - stirling_error(k) - stirling_error(n - k) - deviance(x, half) - deviance(y, half)
        + 0.5 * libm::log(size / (2.0 * PI * x * y))
}

/// ln n! minus Stirling's formula, for n >= 1.
fn stirling_error(n: u64) -> f64 {
    let x = n as f64;
    if n <= 15 {
        // The factorial is exact here, and the difference still large.
        let factorial: f64 = (1..=n).map(|i| i as f64).product();
        return libm::log(factorial) - (0.5 * libm::log(2.0 * PI * x) + x * libm::log(x) - x);
    }
    // The asymptotic series; its next term is below 1e-16 from 16 on.
    let s = 1.0 / (x * x);
    let tail = 1.0 / 1188.0 - s * (691.0 / 360_360.0 - s / 156.0);
    (1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s * tail)))) / x
}

/// x ln(x / m) + m - x, without cancellation where x is near m.
fn deviance(x: f64, m: f64) -> f64 {
    let difference = x - m;
    if difference.abs() >= 0.1 * (x + m) {
        return x * libm::log(x / m) - difference;
    }
    // With v = (x - m) / (x + m): ln(x / m) = 2 (v + v^3 / 3 + v^5 / 5 + ...).
    let v = difference / (x + m);
    let mut sum = difference * v;
    let mut power = 2.0 * x * v;
    for j in 1..1000 {
        power *= v * v;
        let next = sum + power / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_cases_by_hand() {
        for (b, c, p) in [
            (0, 0, 1.0),
            (3, 3, 1.0),
            (3, 4, 1.0),
            (0, 1, 1.0),
            (0, 2, 0.5),
            (0, 6, 0.03125),
            (1, 5, 0.21875),
        ] {
            assert!((mcnemar_exact(b, c) - p).abs() < 1e-14, "{b} {c}: {}", mcnemar_exact(b, c));
        }
    }

    #[test]
    fn the_smallest_number_is_not_lost() {
        assert_eq!(mcnemar_exact(0, 1075), f64::from_bits(1));
        assert_eq!(mcnemar_exact(0, 1_000_000), 0.0);
    }

    proptest! {
        #[test]
        fn symmetric_and_a_probability(b in 0u64..3_000_000, c in 0u64..3_000_000) {
            let p = mcnemar_exact(b, c);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert_eq!(p, mcnemar_exact(c, b));
        }

        #[test]
        fn agrees_with_the_plain_sum(b in 0u64..26, c in 0u64..26) {
            // All numbers here are exact up to 2^53.
            let n = b + c;
            let choose = |k: u64| (0..k).fold(1u128, |value, i| value * u128::from(n - i) / u128::from(i + 1));
            let below: u128 = (0..=b.min(c)).map(choose).sum();
            let plain = (2.0 * below as f64 / (1u128 << n) as f64).min(1.0);
            prop_assert!((mcnemar_exact(b, c) / plain - 1.0).abs() < 1e-13);
        }

        #[test]
        fn falls_as_the_rows_part(b in 0u64..2000, more in 0u64..2000) {
            let c = b + more;
            prop_assert!(mcnemar_exact(b, c + 1) <= mcnemar_exact(b, c));
        }
    }
}
