//! Multi-head self-attention (Vaswani et al.: Attention is all you need, 2017, section 3.2).
//!
//! For each text of *n* tokens and each head of width *d*: P = softmax(Q Kᵀ / √d), an *n* × *n* matrix of which each row
//! adds up to 1; the head's output is P V, and those of all heads side by side go through one more affine map.

use std::ops::Range;

use super::super::numeric::{dot, softmax};
use super::batch::Batch;
use super::dropout::{Dropout, Mask};
use super::linear::Linear;
use super::matrix::{Matrix, multiply, part, part_mut, view, view_mut};
use super::parameters::{Parameters, Tensor};

/// Lets each token of a text take from the others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attention {
    /// Q, K and V side by side: 3 *width* × *width*.
    pub(super) projection: Linear,
    /// *width* × *width*.
    pub(super) output: Linear,
    pub(super) heads: usize,
}

/// What the way back needs of the way there.
#[derive(Debug, Default)]
pub(super) struct Activations {
    input: Matrix,
    /// Q, K and V of each token, side by side.
    projected: Matrix,
    /// P of each head of each text, before dropout.
    probabilities: Vec<f32>,
    /// The same after it; empty where nothing was dropped.
    dropped: Vec<f32>,
    mask: Mask,
    /// The outputs of all heads.
    context: Matrix,
}

/// What the way back needs for a while; all blocks share one.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    context: Matrix,
    projected: Matrix,
    probabilities: Vec<f32>,
}

/// One head of one text.
struct Head {
    tokens: Range<usize>,
    /// Its columns in `context`.
    columns: Range<usize>,
    /// Its place in `probabilities`.
    square: Range<usize>,
}

impl Head {
    fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Its columns of Q (0), K (1) or V (2) in `projected`.
    fn of(&self, which: usize, width: usize) -> Range<usize> {
        self.columns.start + which * width..self.columns.end + which * width
    }
}

impl Attention {
    pub(super) fn zeros(width: usize, heads: usize) -> Self {
        Self { projection: Linear::zeros(width, 3 * width), output: Linear::zeros(width, width), heads }
    }

    fn width(&self) -> usize {
        self.output.bias.len()
    }

    fn all_heads(&self, batch: &Batch) -> impl Iterator<Item = Head> {
        let (heads, size) = (self.heads, self.width() / self.heads);
        let mut place = 0;
        batch.ranges().flat_map(move |tokens| (0..heads).map(move |head| (tokens.clone(), head))).map(
            move |(tokens, head)| {
                let square = place..place + tokens.len() * tokens.len();
                place = square.end;
                Head { tokens, columns: head * size..(head + 1) * size, square }
            },
        )
    }

    /// x (tokens × width) to y of the same shape.
    pub(super) fn forward(
        &self,
        x: &Matrix,
        batch: &Batch,
        dropout: &mut Dropout,
        kept: &mut Activations,
        y: &mut Matrix,
    ) {
        let width = self.width();
        kept.input.copy_from(x);
        self.projection.forward(x, &mut kept.projected);
        let squares: usize = batch.ranges().map(|tokens| tokens.len() * tokens.len()).sum();
        kept.probabilities.resize(squares * self.heads, 0.0);
        let scale = 1.0 / ((width / self.heads) as f32).sqrt();
        for head in self.all_heads(batch) {
            let projected = kept.projected.view();
            let of = |which| part(&projected, head.tokens.clone(), head.of(which, width));
            let square = &mut kept.probabilities[head.square.clone()];
            multiply(scale, of(0), of(1).reversed_axes(), view_mut(square, head.len(), head.len()));
            square.chunks_exact_mut(head.len()).for_each(softmax);
        }
        kept.dropped.clear();
        if dropout.is_active() {
            kept.dropped.extend_from_slice(&kept.probabilities);
        }
        dropout.forward(&mut kept.dropped, &mut kept.mask);
        let used = if kept.dropped.is_empty() { &kept.probabilities } else { &kept.dropped };
        kept.context.reshape(x.rows(), width);
        for head in self.all_heads(batch) {
            let values = part(&kept.projected.view(), head.tokens.clone(), head.of(2, width));
            let context = part_mut(&mut kept.context, head.tokens.clone(), head.columns.clone());
            multiply(1.0, view(&used[head.square.clone()], head.len(), head.len()), values, context);
        }
        self.output.forward(&kept.context, y);
    }

    /// From dy to dx; the gradients of the maps are added to `gradient`.
    ///
    /// With dP = dC Vᵀ the softmax gives dS = P (dP - Σ P dP), and from there dQ = dS K / √d, dK = dSᵀ Q / √d, dV = Pᵀ dC.
    pub(super) fn backward(
        &self,
        batch: &Batch,
        dy: &Matrix,
        kept: &Activations,
        scratch: &mut Scratch,
        gradient: &mut Self,
        dx: &mut Matrix,
    ) {
        let width = self.width();
        let Activations { input, projected, probabilities, dropped, mask, context } = kept;
        let Scratch { context: d_context, projected: d_projected, probabilities: d_scores } = scratch;
        self.output.backward(context, dy, &mut gradient.output, d_context);
        d_projected.reshape(input.rows(), 3 * width);
        let used = if dropped.is_empty() { probabilities } else { dropped };
        d_scores.resize(probabilities.len(), 0.0);
        for head in self.all_heads(batch) {
            let d_context = part(&d_context.view(), head.tokens.clone(), head.columns.clone());
            let values = part(&projected.view(), head.tokens.clone(), head.of(2, width));
            let square = view_mut(&mut d_scores[head.square.clone()], head.len(), head.len());
            multiply(1.0, d_context, values.reversed_axes(), square);
            let used = view(&used[head.square.clone()], head.len(), head.len());
            let d_values = part_mut(d_projected, head.tokens.clone(), head.of(2, width));
            multiply(1.0, used.reversed_axes(), d_context, d_values);
        }
        mask.backward(d_scores);
        let scale = 1.0 / ((width / self.heads) as f32).sqrt();
        for head in self.all_heads(batch) {
            let square = &mut d_scores[head.square.clone()];
            let rows = square.chunks_exact_mut(head.len());
            for (dp, p) in rows.zip(probabilities[head.square.clone()].chunks_exact(head.len())) {
                let mean = dot(dp, p);
                dp.iter_mut().zip(p).for_each(|(dp, p)| *dp = p * (*dp - mean));
            }
            let ds = view(square, head.len(), head.len());
            let of = |which| part(&projected.view(), head.tokens.clone(), head.of(which, width));
            let d_queries = part_mut(d_projected, head.tokens.clone(), head.of(0, width));
            multiply(scale, ds, of(1), d_queries);
            let d_keys = part_mut(d_projected, head.tokens.clone(), head.of(1, width));
            multiply(scale, ds.reversed_axes(), of(0), d_keys);
        }
        self.projection.backward(input, d_projected, &mut gradient.projection, dx);
    }
}

impl Parameters for Attention {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        self.projection.tensors(to);
        self.output.tensors(to);
    }
}

#[cfg(test)]
mod tests {
    use super::super::gradient_check::{check, random, weighted_sum};
    use super::*;

    fn attention() -> Attention {
        let linear = |inputs, outputs, seed| Linear {
            weight: random(outputs, inputs, seed),
            bias: random(1, outputs, seed + 1).values,
        };
        Attention { projection: linear(4, 12, 1), output: linear(4, 4, 3), heads: 2 }
    }

    fn batch() -> Batch {
        let mut batch = Batch::default();
        batch.push(&[1, 2, 3]);
        batch.push(&[4, 5]);
        batch
    }

    fn forward(attention: &Attention, x: &Matrix, kept: &mut Activations) -> Matrix {
        let mut y = Matrix::default();
        attention.forward(x, &batch(), &mut Dropout::new(0.25, 9), kept, &mut y);
        y
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (attention, x) = (attention(), random(5, 4, 7));
        let loss = |attention: &Attention, x: &Matrix| {
            weighted_sum(&forward(attention, x, &mut Activations::default()))
        };
        let (mut gradient, mut kept, mut dx) =
            (Attention::zeros(4, 2), Activations::default(), Matrix::default());
        forward(&attention, &x, &mut kept);
        let scratch = &mut Scratch::default();
        attention.backward(&batch(), &random(5, 4, 0), &kept, scratch, &mut gradient, &mut dx);
        check(&x.values, &dx.values, |values| loss(&attention, &Matrix { width: 4, values }));
        let mut weights = attention.clone();
        let pairs = weights.all_tensors().into_iter().zip(gradient.all_tensors()).enumerate();
        for (which, (tensor, gradient)) in pairs {
            check(tensor.values, gradient.values, |values| {
                let mut moved = attention.clone();
                moved.all_tensors()[which].values.copy_from_slice(&values);
                loss(&moved, &x)
            });
        }
    }

    #[test]
    fn texts_do_not_see_each_other() {
        let (attention, mut x) = (attention(), random(5, 4, 7));
        let of = |x: &Matrix| {
            let mut y = Matrix::default();
            attention.forward(x, &batch(), &mut Dropout::none(), &mut Activations::default(), &mut y);
            y
        };
        let before = of(&x);
        x.row_mut(4)[0] += 1.0;
        let after = of(&x);
        assert_eq!(before.values[..12], after.values[..12]);
        assert_ne!(before.row(3), after.row(3));
    }
}
