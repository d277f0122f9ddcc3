//! The loss that training lowers: -ln p(label), where p is the softmax of the scores.

use super::super::numeric::softmax;
use super::matrix::Matrix;

/// The loss of all rows, each times its weight; the scores become the gradient by them, p - y for each row.
pub(super) fn cross_entropy(scores: &mut Matrix, labels: &[u32], weights: &[f32]) -> f64 {
    let width = scores.width;
    let mut loss = 0.0;
    for ((row, &label), &weight) in scores.values.chunks_exact_mut(width).zip(labels).zip(weights) {
        softmax(row);
        loss -= f64::from(weight) * f64::from(row[label as usize].max(f32::MIN_POSITIVE)).ln();
        row[label as usize] -= 1.0;
        row.iter_mut().for_each(|p| *p *= weight);
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::super::gradient_check::{check, random};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let scores = random(2, 3, 1);
        let mut gradient = scores.clone();
        cross_entropy(&mut gradient, &[2, 0], &[1.0, 0.5]);
        check(&scores.values, &gradient.values, |values| {
            cross_entropy(&mut Matrix { width: 3, values }, &[2, 0], &[1.0, 0.5])
        });
    }

    #[test]
    fn the_loss_of_a_guess_is_the_logarithm_of_the_labels() {
        let loss = cross_entropy(&mut Matrix::zeros(1, 4), &[1], &[1.0]);
        assert!((loss - 4_f64.ln()).abs() < 1e-6);
    }
}
