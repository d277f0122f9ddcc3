//! The feed-forward network of a block (Vaswani et al., 2017, section 3.3; with GELU as in Devlin et al.: BERT, 2018):
//! y = gelu(x W₁ᵀ + b₁) W₂ᵀ + b₂, token by token.

use super::gelu::{gelu, gelu_slope};
use super::linear::Linear;
use super::matrix::Matrix;
use super::parameters::{Parameters, Tensor};

/// *width* to *inner* and back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeedForward {
    /// W₁ and b₁: *inner* × *width*.
    pub(super) inner: Linear,
    /// W₂ and b₂: *width* × *inner*.
    pub(super) outer: Linear,
}

/// What the way back needs of the way there.
#[derive(Debug, Default)]
pub(super) struct Activations {
    input: Matrix,
    /// x W₁ᵀ + b₁.
    before: Matrix,
}

/// What is needed for a while; all blocks share one. The activation is computed anew on the way back: that takes a
/// hundredth of the time, and keeping it would take a quarter of the memory.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// gelu(x W₁ᵀ + b₁).
    after: Matrix,
    d_before: Matrix,
}

impl Scratch {
    fn activate(&mut self, before: &Matrix) {
        self.after.reshape(before.rows(), before.width);
        let pairs = self.after.values.iter_mut().zip(&before.values);
        pairs.for_each(|(after, &before)| *after = gelu(before));
    }
}

impl FeedForward {
    pub(super) fn zeros(width: usize, inner: usize) -> Self {
        Self { inner: Linear::zeros(width, inner), outer: Linear::zeros(inner, width) }
    }

    /// x (tokens × width) to y of the same shape.
    pub(super) fn forward(&self, x: &Matrix, kept: &mut Activations, scratch: &mut Scratch, y: &mut Matrix) {
        kept.input.copy_from(x);
        self.inner.forward(x, &mut kept.before);
        scratch.activate(&kept.before);
        self.outer.forward(&scratch.after, y);
    }

    /// From dy to dx; the gradients of both maps are added to `gradient`.
    pub(super) fn backward(
        &self,
        dy: &Matrix,
        kept: &Activations,
        scratch: &mut Scratch,
        gradient: &mut Self,
        dx: &mut Matrix,
    ) {
        let Activations { input, before } = kept;
        scratch.activate(before);
        let Scratch { after, d_before } = scratch;
        self.outer.backward(after, dy, &mut gradient.outer, d_before);
        let pairs = d_before.values.iter_mut().zip(&before.values);
        pairs.for_each(|(gradient, &before)| *gradient *= gelu_slope(before));
        self.inner.backward(input, d_before, &mut gradient.inner, dx);
    }
}

impl Parameters for FeedForward {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        self.inner.tensors(to);
        self.outer.tensors(to);
    }
}

#[cfg(test)]
mod tests {
    use super::super::gradient_check::{check, random, weighted_sum};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let linear = |inputs, outputs, seed| Linear {
            weight: random(outputs, inputs, seed),
            bias: random(1, outputs, seed + 1).values,
        };
        let layer = FeedForward { inner: linear(3, 6, 1), outer: linear(6, 3, 3) };
        let x = random(4, 3, 5);
        let loss = |layer: &FeedForward, x: &Matrix| {
            let mut y = Matrix::default();
            layer.forward(x, &mut Activations::default(), &mut Scratch::default(), &mut y);
            weighted_sum(&y)
        };
        let (mut gradient, mut kept) = (FeedForward::zeros(3, 6), Activations::default());
        let (mut y, mut dx) = (Matrix::default(), Matrix::default());
        layer.forward(&x, &mut kept, &mut Scratch::default(), &mut y);
        layer.backward(&random(4, 3, 0), &kept, &mut Scratch::default(), &mut gradient, &mut dx);
        check(&x.values, &dx.values, |values| loss(&layer, &Matrix { width: 3, values }));
        let mut weights = layer.clone();
        let pairs = weights.all_tensors().into_iter().zip(gradient.all_tensors()).enumerate();
        for (which, (tensor, gradient)) in pairs {
            check(tensor.values, gradient.values, |values| {
                let mut moved = layer.clone();
                moved.all_tensors()[which].values.copy_from_slice(&values);
                loss(&moved, &x)
            });
        }
    }
}
