//! For the tests of all layers: is a gradient what the loss really does?

use super::super::numeric::SplitMix;
use super::matrix::Matrix;

/// Numbers from -1 to 1; the same for the same seed.
pub(super) fn random(rows: usize, width: usize, seed: u64) -> Matrix {
    let mut random = SplitMix(seed + 77);
    let number = |_| (random.next() >> 40) as f32 / (1 << 23) as f32 - 1.0;
    Matrix { width, values: (0..rows * width).map(number).collect() }
}

/// A loss whose gradient by `y` is `random(rows, width, 0)`.
pub(super) fn weighted_sum(y: &Matrix) -> f64 {
    let weights = random(y.rows(), y.width, 0);
    y.values.iter().zip(&weights.values).map(|(y, weight)| f64::from(*y) * f64::from(*weight)).sum()
}

/// Holds each number of a gradient against the difference of the loss over a small step.
pub(super) fn check(at: &[f32], gradient: &[f32], loss: impl Fn(Vec<f32>) -> f64) {
    const STEP: f32 = 4e-3;
    assert_eq!(at.len(), gradient.len());
    for (i, &expected) in gradient.iter().enumerate() {
        let moved = |step: f32| {
            let mut values = at.to_vec();
            values[i] += step;
            (f64::from(values[i]), loss(values))
        };
        let ((up, above), (down, below)) = (moved(STEP), moved(-STEP));
        let measured = (above - below) / (up - down);
        let tolerance = 2e-3 + 4e-3 * measured.abs();
        assert!((measured - f64::from(expected)).abs() < tolerance, "number {i}: {measured}, not {expected}");
    }
}
