//! Matrices of `f32`, row by row in one piece of memory that is used again for the next batch.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Slice};

use super::super::numeric::normalise;

/// Rows of equal width.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Matrix {
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl Matrix {
    pub(super) fn zeros(rows: usize, width: usize) -> Self {
        Self { width, values: vec![0.0; rows * width] }
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Another shape in the same memory; what stands in it means nothing any more.
    pub(super) fn reshape(&mut self, rows: usize, width: usize) {
        self.width = width;
        self.values.resize(rows * width, 0.0);
    }

    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.width..][..self.width]
    }

    pub(super) fn view(&self) -> ArrayView2<'_, f32> {
        view(&self.values, self.rows(), self.width)
    }

    pub(super) fn view_mut(&mut self) -> ArrayViewMut2<'_, f32> {
        let shape = (self.rows(), self.width);
        ArrayViewMut2::from_shape(shape, &mut self.values).expect("a matrix is rows times width")
    }

    /// The same numbers in the same shape.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.width = other.width;
        self.values.clear();
        self.values.extend_from_slice(&other.values);
    }

    /// Brings each row to length 1.
    pub(super) fn normalise_rows(&mut self) {
        self.values.chunks_exact_mut(self.width).for_each(normalise);
    }

    pub(super) fn add(&mut self, other: &Self) {
        add(&mut self.values, &other.values);
    }
}

/// `rows` rows of `width` in a slice.
pub(super) fn view(values: &[f32], rows: usize, width: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, width), values).expect("a matrix is rows times width")
}

/// As [`view`], to be written to.
pub(super) fn view_mut(values: &mut [f32], rows: usize, width: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, width), values).expect("a matrix is rows times width")
}

/// Some rows of some columns.
pub(super) fn part<'a>(
    matrix: &ArrayView2<'a, f32>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) -> ArrayView2<'a, f32> {
    let mut part = *matrix;
    part.slice_axis_inplace(Axis(0), Slice::from(rows));
    part.slice_axis_inplace(Axis(1), Slice::from(columns));
    part
}

/// As [`part`], to be written to.
pub(super) fn part_mut(
    matrix: &mut Matrix,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) -> ArrayViewMut2<'_, f32> {
    let mut part = matrix.view_mut();
    part.slice_axis_inplace(Axis(0), Slice::from(rows));
    part.slice_axis_inplace(Axis(1), Slice::from(columns));
    part
}

/// to = factor * a b.
pub(super) fn multiply(
    factor: f32,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    mut to: ArrayViewMut2<'_, f32>,
) {
    general_mat_mul(factor, &a, &b, 0.0, &mut to);
}

/// to = to + a b.
pub(super) fn multiply_add(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, mut to: ArrayViewMut2<'_, f32>) {
    general_mat_mul(1.0, &a, &b, 1.0, &mut to);
}

/// Adds one vector to another of equal length.
pub(super) fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}
