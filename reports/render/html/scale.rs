//! Scales and axes: from figures to places, with ticks at round figures.

/// A linear scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Maps `low..=high` to `from..=to`.
    pub(super) fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 }, from, to }
    }

    /// A scale that holds all the values, a little more at both ends, and the same when there are no values.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Self::new(0.0, 1.0, from, to);
        }
        let margin = if high > low { (high - low) * 0.06 } else { low.abs().max(1.0) * 0.05 };
        Self::new(low - margin, high + margin, from, to)
    }

    /// The same scale, cut to what can be.
    pub(super) fn within(self, least: f64, most: f64) -> Self {
        Self::new(self.low.max(least), self.high.min(most), self.from, self.to)
    }

    /// The place of a value, never outside of the scale.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    /// Some three to six round figures on the scale: 1, 2 or 5 times a power of ten apart.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let step = step((self.high - self.low) / 5.0);
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        // Counted in steps: added up, errors would add up as well.
        let count = (last - first).clamp(0.0, 20.0) as u32;
        (0..=count).map(|i| (first + f64::from(i)) * step + 0.0).collect()
    }

    /// How many decimals tell the ticks apart, where a tick is shown times `factor`.
    pub(super) fn decimals(&self, factor: f64) -> usize {
        let step = step((self.high - self.low) / 5.0) * factor;
        (-libm::floor(libm::log10(step) + 1e-9)).clamp(0.0, 8.0) as usize
    }
}

/// The round figure next to a rough one.
fn step(rough: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|round| rough <= round * power * (1.0 + 1e-9));
    round.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::new(0.0, 1.0, 0.0, 100.0).ticks(), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(Scale::new(-0.013, 0.27, 0.0, 100.0).ticks(), [0.0, 0.1, 0.2]);
        assert_eq!(Scale::new(-0.013, 0.27, 0.0, 100.0).decimals(100.0), 0);
        assert_eq!(Scale::new(0.0, 0.02, 0.0, 1.0).decimals(1.0), 3);
    }

    proptest! {
        #[test]
        fn every_value_has_a_place(values in prop::collection::vec(-1e6f64..1e6, 0..20), other in any::<f64>()) {
            let scale = Scale::around(values.iter().copied(), 40.0, 400.0);
            for value in values.iter().chain([&other]).filter(|value| !value.is_nan()) {
                prop_assert!((40.0..=400.0).contains(&scale.at(*value)));
            }
            prop_assert!((1..=7).contains(&scale.ticks().len()), "{:?}", scale.ticks());
        }
    }
}
