//! The affine map, y = x Wᵀ + b.

use super::matrix::{Matrix, add, multiply, multiply_add};
use super::parameters::{Parameters, Tensor};

/// Maps rows of width *in* to rows of width *out*.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Linear {
    /// W, *out* × *in*.
    pub(super) weight: Matrix,
    /// b, *out* numbers.
    pub(super) bias: Vec<f32>,
}

impl Linear {
    pub(super) fn zeros(inputs: usize, outputs: usize) -> Self {
        Self { weight: Matrix::zeros(outputs, inputs), bias: vec![0.0; outputs] }
    }

    /// y of each row of x.
    pub(super) fn forward(&self, x: &Matrix, y: &mut Matrix) {
        y.reshape(x.rows(), self.bias.len());
        // The product is added to what stands in y: to the bias.
        y.values.chunks_exact_mut(self.bias.len()).for_each(|row| row.copy_from_slice(&self.bias));
        multiply_add(x.view(), self.weight.view().reversed_axes(), y.view_mut());
    }

    /// From the gradient of the loss by y: adds dW = dyᵀ x and db = Σ dy to `gradient`, and puts dx = dy W into `dx`.
    pub(super) fn backward(&self, x: &Matrix, dy: &Matrix, gradient: &mut Self, dx: &mut Matrix) {
        multiply_add(dy.view().reversed_axes(), x.view(), gradient.weight.view_mut());
        dy.values.chunks_exact(dy.width).for_each(|row| add(&mut gradient.bias, row));
        dx.reshape(x.rows(), x.width);
        multiply(1.0, dy.view(), self.weight.view(), dx.view_mut());
    }
}

impl Parameters for Linear {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        to.push(Tensor::new(&mut self.weight.values, true));
        to.push(Tensor::new(&mut self.bias, false));
    }
}

#[cfg(test)]
mod tests {
    use super::super::gradient_check::{check, random, weighted_sum};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (mut linear, x) = (Linear::zeros(5, 3), random(4, 5, 1));
        linear.weight = random(3, 5, 2);
        linear.bias = random(1, 3, 3).values;
        let loss = |linear: &Linear, x: &Matrix| {
            let mut y = Matrix::default();
            linear.forward(x, &mut y);
            weighted_sum(&y)
        };
        let (mut gradient, mut dx) = (Linear::zeros(5, 3), Matrix::default());
        linear.backward(&x, &random(4, 3, 0), &mut gradient, &mut dx);
        check(&x.values, &dx.values, |values| loss(&linear, &Matrix { width: 5, values }));
        let of_weight = |values| Linear { weight: Matrix { width: 5, values }, ..linear.clone() };
        check(&linear.weight.values, &gradient.weight.values, |values| loss(&of_weight(values), &x));
        let of_bias = |bias| Linear { bias, ..linear.clone() };
        check(&linear.bias, &gradient.bias, |values| loss(&of_bias(values), &x));
    }
}
