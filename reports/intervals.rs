//! Intervals for a share, and the normal quantile that they need.

use serde::{Deserialize, Serialize};

/// The confidence level of every interval in the reports.
pub const CONFIDENCE: f64 = 0.95;

/// An interval, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The Wilson score interval for a share, within 0 to 1, without continuity correction.
///
/// Wilson (1927), "Probable inference, the law of succession, and statistical inference". Its real coverage
/// stays near the level even for few rows and shares near 0 or 1, where the textbook interval fails.
///
/// None when there are no trials, more successes than trials, or the level does not lie between 0 and 1.
pub fn wilson(successes: u64, trials: u64, level: f64) -> Option<Interval> {
    if trials == 0 || successes > trials {
        return None;
    }
    // From the lower tail, where a level near 1 loses no digits.
    let z = -normal_quantile((1.0 - level) / 2.0)?;
    if z <= 0.0 || z.is_infinite() {
        return None;
    }
    let n = trials as f64;
    Some(wilson_with(successes as f64 / n, n, z))
}

/// The same for a share of `n` rows, which need not be whole, with a quantile of its own.
pub(crate) fn wilson_with(p: f64, n: f64, z: f64) -> Interval {
    let z2 = z * z;
    let scale = 1.0 + z2 / n;
    let centre = (p + z2 / (2.0 * n)) / scale;
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / scale;
    // At the two ends the bound is the share itself, which rounding may miss.
    let low = if p == 0.0 { 0.0 } else { (centre - half).clamp(0.0, p) };
    let high = if p == 1.0 { 1.0 } else { (centre + half).clamp(p, 1.0) };
    Interval { low, high }
}

/// The value below which a standard normal variable falls with probability `p`.
///
/// Wichura (1988), algorithm AS 241 (PPND16): relative error about 1e-16. Minus and plus infinity at 0 and 1;
/// none outside.
pub fn normal_quantile(p: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    if p == 0.0 || p == 1.0 {
        return Some(if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return Some(q * polynomial(&A, r) / polynomial(&B, r));
    }
    let r = (-libm::log(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let value = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    Some(if q < 0.0 { -value } else { value })
}

/// Horner's scheme; the constant comes first.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

// The coefficients of the paper, with as many digits as the type holds.
const A: [f64; 8] = [
    3.387_132_872_796_366_6,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_4e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
const B: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_659_7e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_854e3,
];
const C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const D: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_049e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const F: [f64; 8] = [
    1.0,
    5.998_322_065_558_88e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_asked_has_no_interval() {
        for (successes, trials, level) in
            [(0, 0, 0.95), (2, 1, 0.95), (1, 2, 0.0), (1, 2, 1.0), (1, 2, f64::NAN)]
        {
            assert_eq!(wilson(successes, trials, level), None);
        }
        assert_eq!(normal_quantile(-0.1), None);
        assert_eq!(normal_quantile(f64::NAN), None);
        assert_eq!(normal_quantile(0.0), Some(f64::NEG_INFINITY));
    }

    proptest! {
        #[test]
        fn contains_the_share_and_stays_within_0_and_1(
            (successes, trials) in (1u64..5_000_000).prop_flat_map(|n| (0..=n, Just(n))),
            level in 0.01f64..0.9999,
        ) {
            let interval = wilson(successes, trials, level).unwrap();
            let share = successes as f64 / trials as f64;
            prop_assert!(0.0 <= interval.low && interval.low <= share);
            prop_assert!(share <= interval.high && interval.high <= 1.0);
            let mirrored = wilson(trials - successes, trials, level).unwrap();
            prop_assert!((mirrored.low - (1.0 - interval.high)).abs() < 1e-12);
        }

        #[test]
        fn quantile_is_odd(p in 1e-9f64..0.5) {
            let (low, high) = (normal_quantile(p).unwrap(), normal_quantile(1.0 - p).unwrap());
            prop_assert!((low + high).abs() < 1e-6, "{} {}", low, high);
        }
    }
}
