//! Layer normalisation (Ba, Kiros, Hinton: Layer normalization, 2016): y = γ (x - mean) / deviation + β, over each row.

use super::super::numeric::{dot, sum};
use super::matrix::Matrix;
use super::parameters::{Parameters, Tensor};

/// Normalises rows of one width.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayerNorm {
    /// γ.
    pub(super) scale: Vec<f32>,
    /// β.
    pub(super) shift: Vec<f32>,
    /// Added to the variance.
    pub(super) epsilon: f32,
}

/// What the way back needs of the way there.
#[derive(Debug, Default)]
pub(super) struct Activations {
    /// (x - mean) / deviation.
    normalised: Matrix,
    /// 1 / deviation of each row.
    inverse: Vec<f32>,
}

impl LayerNorm {
    pub(super) fn zeros(width: usize, epsilon: f32) -> Self {
        Self { scale: vec![0.0; width], shift: vec![0.0; width], epsilon }
    }

    /// Normalises each row of x in place.
    pub(super) fn forward(&self, x: &mut Matrix, kept: &mut Activations) {
        kept.normalised.reshape(x.rows(), x.width);
        kept.inverse.clear();
        let rows = x.values.chunks_exact_mut(x.width).zip(kept.normalised.values.chunks_exact_mut(x.width));
        for (row, normalised) in rows {
            let mean = sum(row) / row.len() as f32;
            normalised.iter_mut().zip(&*row).for_each(|(to, value)| *to = value - mean);
            let variance = dot(normalised, normalised) / row.len() as f32;
            let inverse = 1.0 / (variance + self.epsilon).sqrt();
            for (((value, normalised), scale), shift) in
                row.iter_mut().zip(&mut *normalised).zip(&self.scale).zip(&self.shift)
            {
                *normalised *= inverse;
                *value = *normalised * scale + shift;
            }
            kept.inverse.push(inverse);
        }
    }

    /// The gradient by y becomes that by x, in place; those by γ and β are added to `gradient`.
    ///
    /// With g = γ dy: dx = (g - mean(g) - x̂ mean(g x̂)) / deviation, where x̂ is the normalised row.
    pub(super) fn backward(&self, dy: &mut Matrix, kept: &Activations, gradient: &mut Self) {
        let width = dy.width;
        let rows = dy.values.chunks_exact_mut(width).zip(kept.normalised.values.chunks_exact(width));
        for ((row, normalised), inverse) in rows.zip(&kept.inverse) {
            for (i, dy) in row.iter_mut().enumerate() {
                gradient.scale[i] += *dy * normalised[i];
                gradient.shift[i] += *dy;
                *dy *= self.scale[i];
            }
            let mean = sum(row) / width as f32;
            let slope = dot(row, normalised) / width as f32;
            row.iter_mut().zip(normalised).for_each(|(g, x)| *g = (*g - mean - x * slope) * inverse);
        }
    }
}

impl Parameters for LayerNorm {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        to.push(Tensor::new(&mut self.scale, false));
        to.push(Tensor::new(&mut self.shift, false));
    }
}

#[cfg(test)]
mod tests {
    use super::super::gradient_check::{check, random, weighted_sum};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (scale, shift) = (random(1, 8, 1).values, random(1, 8, 2).values);
        let (norm, x) = (LayerNorm { scale, shift, epsilon: 1e-12 }, random(3, 8, 3));
        let loss = |norm: &LayerNorm, x: &Matrix| {
            let mut y = x.clone();
            norm.forward(&mut y, &mut Activations::default());
            weighted_sum(&y)
        };
        let (mut gradient, mut kept) = (LayerNorm::zeros(8, 1e-12), Activations::default());
        norm.forward(&mut x.clone(), &mut kept);
        let mut dx = random(3, 8, 0);
        norm.backward(&mut dx, &kept, &mut gradient);
        check(&x.values, &dx.values, |values| loss(&norm, &Matrix { width: 8, values }));
        check(&norm.scale, &gradient.scale, |scale| loss(&LayerNorm { scale, ..norm.clone() }, &x));
        check(&norm.shift, &gradient.shift, |shift| loss(&LayerNorm { shift, ..norm.clone() }, &x));
    }

    #[test]
    fn a_row_has_mean_shift_and_deviation_scale() {
        let norm = LayerNorm { scale: vec![2.0; 4], shift: vec![1.0; 4], epsilon: 0.0 };
        let mut x = Matrix { width: 4, values: vec![1.0, 3.0, 1.0, 3.0] };
        norm.forward(&mut x, &mut Activations::default());
        assert_eq!(x.values, [-1.0, 3.0, -1.0, 3.0]);
    }
}
