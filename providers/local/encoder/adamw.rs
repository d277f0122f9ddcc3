//! AdamW (Loshchilov, Hutter: Decoupled weight decay regularization, 2017), with the gradient cut to a length first, and
//! with a rate that rises and falls in straight lines.

use super::super::numeric::dot;
use super::parallel::shared_out;
use super::parameters::Parameters;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
const DECAY: f32 = 0.01;
/// A longer gradient is cut to this length.
const LONGEST: f64 = 1.0;
/// So many numbers are one piece of work.
const PIECE: usize = 1 << 16;

/// The moments of the gradients so far.
#[derive(Debug, Default)]
pub(super) struct AdamW {
    steps: i32,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
}

impl AdamW {
    /// One step down the sum of the gradients, which are used up.
    pub(super) fn step<P: Parameters>(&mut self, weights: &mut P, gradients: Vec<&mut P>, rate: f32) {
        let workers = gradients.len();
        let mut gradients: Vec<_> = gradients.into_iter().map(P::all_tensors).collect();
        let mut total = gradients.remove(0);
        let mut sums = Vec::new();
        for (i, to) in total.iter_mut().enumerate() {
            let mut others: Vec<_> =
                gradients.iter().map(|gradient| gradient[i].values.chunks(PIECE)).collect();
            for to in to.values.chunks_mut(PIECE) {
                let from: Vec<&[f32]> = others.iter_mut().filter_map(Iterator::next).collect();
                sums.push((to, from, 0.0));
            }
        }
        shared_out(sums.iter_mut().collect(), workers, |share| {
            for (to, from, squares) in share {
                from.iter().for_each(|from| super::matrix::add(to, from));
                *squares = f64::from(dot(to, to));
            }
        });
        let length = sums.iter().map(|(.., squares)| squares).sum::<f64>().sqrt();
        let cut = (LONGEST / length.max(LONGEST)) as f32;
        drop(sums);

        self.steps += 1;
        let weights = weights.all_tensors();
        if self.first.is_empty() {
            self.first = weights.iter().map(|tensor| vec![0.0; tensor.values.len()]).collect();
            self.second.clone_from(&self.first);
        }
        let bias = 1.0 - BETA_1.powi(self.steps);
        let correction = 1.0 / (1.0 - BETA_2.powi(self.steps));
        let mut pieces = Vec::new();
        for (((tensor, gradient), first), second) in
            weights.into_iter().zip(&total).zip(&mut self.first).zip(&mut self.second)
        {
            let pace = rate * tensor.rate / bias;
            let keep = if tensor.decays { 1.0 - rate * DECAY } else { 1.0 };
            let parts = tensor.values.chunks_mut(PIECE).zip(gradient.values.chunks(PIECE));
            for ((parts, first), second) in parts.zip(first.chunks_mut(PIECE)).zip(second.chunks_mut(PIECE)) {
                pieces.push((parts.0, parts.1, first, second, keep, pace));
            }
        }
        shared_out(pieces, workers, |share| {
            for (weights, gradient, first, second, keep, pace) in share {
                let moments = first.iter_mut().zip(second);
                for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
                    let gradient = gradient * cut;
                    *first = BETA_1 * *first + (1.0 - BETA_1) * gradient;
                    *second = BETA_2 * *second + (1.0 - BETA_2) * gradient * gradient;
                    *weight = *weight * keep - pace * *first / ((*second * correction).sqrt() + EPSILON);
                }
            }
        });
    }
}

/// The rate of a step of `total`, counted from 0: up to `peak` over the first tenth, then down to 0.
pub(super) fn rate(step: usize, total: usize, peak: f32) -> f32 {
    let (done, warm) = (step as f32 + 1.0, (total as f32 / 10.0).max(1.0));
    let down = (total as f32 + 1.0 - done) / (total as f32 + 1.0 - warm).max(1.0);
    peak * (done / warm).min(down).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::linear::Linear;
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let rates: Vec<f32> = (0..100).map(|step| rate(step, 100, 1.0)).collect();
        assert!((rates[0] - 0.1).abs() < 1e-6 && (rates[9] - 1.0).abs() < 1e-6, "{rates:?}");
        assert!(rates[..10].is_sorted() && rates[9..].is_sorted_by(|a, b| a >= b));
        assert!(rates[99] > 0.0 && rates[99] < 0.02);
        assert_eq!(rate(0, 1, 1.0), 1.0);
    }

    #[test]
    fn steps_lead_to_the_least_loss() {
        // The least of Σ (w - 3)².
        let mut weights = Linear::zeros(2, 2);
        let mut adam = AdamW::default();
        for _ in 0..2000 {
            let mut halves = [weights.clone(), weights.clone()];
            for half in &mut halves {
                half.all_tensors().into_iter().flat_map(|t| t.values).for_each(|w| *w -= 3.0);
            }
            adam.step(&mut weights, halves.iter_mut().collect(), 0.01);
        }
        assert!(weights.bias.iter().all(|w| (w - 3.0).abs() < 0.05), "{weights:?}");
        assert!(weights.weight.values.iter().all(|w| (w - 3.0).abs() < 0.1), "{weights:?}");
    }
}
