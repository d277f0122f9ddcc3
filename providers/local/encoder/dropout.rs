//! Dropout (Srivastava et al., 2014): while training, each number is set to 0 with a probability, and the others grow so
//! that their expectation stays.

use super::super::numeric::SplitMix;

/// Draws what is dropped; while a model answers, nothing is.
#[derive(Debug, Clone)]
pub(super) struct Dropout {
    rate: f32,
    random: SplitMix,
}

/// What was dropped; empty for nothing.
#[derive(Debug, Default)]
pub(super) struct Mask {
    factors: Vec<u8>,
    scale: f32,
}

impl Dropout {
    /// Drops nothing.
    pub(super) fn none() -> Self {
        Self::new(0.0, 0)
    }

    pub(super) fn new(rate: f32, seed: u64) -> Self {
        Self { rate, random: SplitMix(seed) }
    }

    /// Whether anything is dropped.
    pub(super) fn is_active(&self) -> bool {
        self.rate > 0.0
    }

    /// Drops some of the values, and keeps in `mask` which.
    pub(super) fn forward(&mut self, values: &mut [f32], mask: &mut Mask) {
        mask.factors.clear();
        if !self.is_active() {
            return;
        }
        // One number of the generator decides about four values.
        let least = (self.rate * 65536.0) as u16;
        while mask.factors.len() < values.len() {
            let drawn = self.random.next();
            mask.factors.extend([0, 16, 32, 48].map(|shift| u8::from((drawn >> shift) as u16 >= least)));
        }
        mask.factors.truncate(values.len());
        mask.scale = 1.0 / (1.0 - self.rate);
        mask.backward(values);
    }
}

impl Mask {
    /// The gradient of what was dropped is 0, and that of the rest grows as the rest did.
    pub(super) fn backward(&self, values: &mut [f32]) {
        for (value, &factor) in values.iter_mut().zip(&self.factors) {
            *value *= f32::from(factor) * self.scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_dropped_and_the_mean_stays() {
        let (mut values, mut mask) = (vec![1.0; 100_001], Mask::default());
        Dropout::new(0.1, 3).forward(&mut values, &mut mask);
        let dropped = values.iter().filter(|value| **value == 0.0).count();
        assert!((9_500..10_500).contains(&dropped), "{dropped}");
        assert!((values.iter().sum::<f32>() / 1e5 - 1.0).abs() < 0.01);
        let mut gradient = vec![1.0; values.len()];
        mask.backward(&mut gradient);
        assert_eq!(gradient, values);
    }

    #[test]
    fn nothing_is_dropped_while_a_model_answers() {
        let (mut values, mut mask) = (vec![1.0; 9], Mask::default());
        Dropout::new(0.5, 1).forward(&mut values, &mut mask);
        Dropout::none().forward(&mut values.clone(), &mut mask);
        let mut gradient = vec![1.0; 9];
        mask.backward(&mut gradient);
        assert_eq!(gradient, vec![1.0; 9]);
    }
}
