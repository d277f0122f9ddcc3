//! Random numbers that are the same in every version and on every machine: intervals in old reports can be made again.

/// xoshiro256++ by Blackman and Vigna (2021), "Scrambled linear pseudorandom number generators".
#[derive(Debug, Clone)]
pub(crate) struct Random([u64; 4]);

impl Random {
    /// One of 2^62 streams of a seed. As its authors advise, the state comes from `SplitMix64` (Steele, Lea and Flood
    /// 2014): stream k starts with its numbers 4 k to 4 k + 3, counted from 0.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self([0, 1, 2, 3].map(|i| split_mix(seed, stream.wrapping_mul(4).wrapping_add(i))))
    }

    /// All 64 bits.
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }
}

/// Number `i` of the `SplitMix64` of a seed, counted from 0.
fn split_mix(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Picks from a list with given weights, at the cost of one random number and one look.
///
/// Walker (1977), built as by Vose (1991), "A linear algorithm for generating random numbers with a given distribution".
#[derive(Debug, Clone)]
pub(crate) struct Alias(Vec<Slot>);

/// A place of an [`Alias`] table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// The share of the slot, in 2^-32, that is its own; the rest is the other's.
    own: u32,
    other: u32,
}

impl Alias {
    /// From weights of which at least one is above 0 and none below.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let scale = weights.len() as f64 / weights.iter().sum::<f64>();
        let mut rest: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..weights.len() as u32).partition(|&i| rest[i as usize] < 1.0);
        // What rounding leaves over in the end is whole.
        let mut slots: Vec<_> = (0..weights.len() as u32).map(|i| Slot { own: u32::MAX, other: i }).collect();
        while let (Some(&s), Some(&l)) = (small.last(), large.last()) {
            small.pop();
            // A float beyond the range becomes the nearest end.
            slots[s as usize] = Slot { own: (rest[s as usize] * 2f64.powi(32)) as u32, other: l };
            rest[l as usize] -= 1.0 - rest[s as usize];
            if rest[l as usize] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        Self(slots)
    }

    /// The position that 64 random bits fall on.
    #[inline]
    pub(crate) fn pick(&self, bits: u64) -> u32 {
        // The high half of the product says which slot, the low half where in it.
        let place = u128::from(bits) * self.0.len() as u128;
        self.0[(place >> 64) as usize].choose((place >> 64) as u32, (place as u64 >> 32) as u32)
    }
}

/// The position that 32 random bits fall on, which is near enough in a short table.
#[inline]
pub(crate) fn pick(slots: &[Slot], bits: u32) -> u32 {
    let place = u64::from(bits) * slots.len() as u64;
    slots[(place >> 32) as usize].choose((place >> 32) as u32, place as u32)
}

impl Slot {
    #[inline]
    fn choose(self, slot: u32, within: u32) -> u32 {
        // Without a branch, which would be guessed wrong every other time.
        std::hint::select_unpredictable(within <= self.own, slot, self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_reference_implementations() {
        assert_eq!(
            [0, 1, 2].map(|i| split_mix(1_234_567, i)),
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
        let mut random = Random([1, 2, 3, 4]);
        let expected = [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386];
        assert_eq!([(); 4].map(|()| random.next()), expected);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first = |seed, stream| Random::new(seed, stream).next();
        assert_eq!(first(1, 2), first(1, 2));
        let mut all: Vec<_> =
            (0..30).flat_map(|seed| (0..30).map(move |stream| first(seed, stream))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 900);
    }

    #[test]
    fn picks_by_weight() {
        let weights = [1.0, 0.0, 5.0, 2.0, 0.25, 30.0];
        let alias = Alias::new(&weights);
        let mut picked = [0.0; 6];
        // Evenly over all numbers, so that there is no chance in it.
        let steps = 1_000_000u64;
        for i in 0..steps {
            let bits = i * (u64::MAX / steps);
            picked[alias.pick(bits) as usize] += 0.5;
            picked[pick(&alias.0, (bits >> 32) as u32) as usize] += 0.5;
        }
        for (weight, picked) in weights.iter().zip(picked) {
            assert!((picked / steps as f64 - weight / 38.25).abs() < 1e-5, "{picked} for {weight}");
        }
        assert_eq!(Alias::new(&[3.0]).pick(u64::MAX), 0);
    }
}
