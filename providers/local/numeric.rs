//! The numeric tools that the models here share: functions that give the same bits on every platform, sums that a
//! compiler can spread over a processor's lanes, random numbers.

/// e^x to about 2 units in the last place; 0 below -87, and no more than e^88.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the lowest bits.
    let rounded = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = rounded - 12_582_912.0;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let p = ((((1.987_569_1e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r
        + 1.666_666_5e-1)
        * r
        + 0.5;
    (p * r * r + r + 1.0) * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

/// Natural logarithm of a positive, normal number to about 2 units in the last place.
#[inline]
pub(super) fn ln(x: f32) -> f32 {
    let bits = x.to_bits() as i32;
    // Exponent and mantissa such that the mantissa lies between sqrt(1/2) and sqrt(2).
    let n = (bits - 0x3f35_04f3) >> 23;
    let m = f32::from_bits((bits - (n << 23)) as u32) - 1.0;
    let z = m * m;
    let mut p = 7.037_683_6e-2;
    for c in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        p = p * m + c;
    }
    let n = n as f32;
    m * z * p - n * 2.121_944_4e-4 - 0.5 * z + m + n * 0.693_359_4
}

/// A small generator of random numbers (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct SplitMix(pub(super) u64);

impl SplitMix {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(super) fn shuffle(&mut self, items: &mut [u32]) {
        for i in (1..items.len()).rev() {
            let j = (u128::from(self.next()) * (i as u128 + 1)) >> 64;
            items.swap(i, j as usize);
        }
    }
}

/// How many sums run side by side.
const LANES: usize = 16;

/// The sum of `f` over pairs of numbers, in an order that does not depend on the processor.
#[inline(always)]
fn lanes(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (mut fours_a, mut fours_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut fours_a).zip(&mut fours_b) {
        for lane in 0..LANES {
            sums[lane] += f(a[lane], b[lane]);
        }
    }
    let rest = fours_a.remainder().iter().zip(fours_b.remainder());
    sums.iter().sum::<f32>() + rest.map(|(&a, &b)| f(a, b)).sum::<f32>()
}

/// The inner product of two vectors of equal length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |a, b| a * b)
}

/// The sum of a vector.
pub(super) fn sum(a: &[f32]) -> f32 {
    lanes(a, a, |a, _| a)
}

/// Scores to probabilities, in place.
pub(super) fn softmax(scores: &mut [f32]) {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = exp(*score - highest));
    let scale = 1.0 / sum(scores);
    scores.iter_mut().for_each(|score| *score *= scale);
}

/// Brings a vector to length 1; one of zeros stays as it is.
pub(super) fn normalise(vector: &mut [f32]) {
    let scale = 1.0 / dot(vector, vector).sqrt().max(1e-12);
    vector.iter_mut().for_each(|value| *value *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_exp_and_ln_agree_with_the_library() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-6, "{x}");
            assert!((ln(x.exp()) - x).abs() < 1e-6 + 1e-6 * x.abs(), "{x}");
        }
        assert!(exp(-1e30) < 1e-37 && exp(1e30).is_finite());
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut order: Vec<u32> = (0..1000).collect();
        SplitMix(3).shuffle(&mut order);
        assert!(!order.is_sorted());
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..1000));
    }

    #[test]
    fn sums_in_lanes_are_sums() {
        let numbers: Vec<f32> = (0..100).map(|i| (i % 7) as f32 - 2.0).collect();
        for len in [0, 1, 15, 16, 17, 100] {
            let a = &numbers[..len];
            assert_eq!(sum(a), a.iter().sum::<f32>());
            assert_eq!(dot(a, a), a.iter().map(|a| a * a).sum::<f32>());
        }
    }
}
