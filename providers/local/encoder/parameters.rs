//! What is learned: every layer can list its tensors, always in the same order. A gradient has the type of what it is
//! the gradient of, and so its tensors stand beside those of the weights.

/// One tensor of a layer.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub(super) values: &'a mut [f32],
    /// Whether weight decay is for it: for matrices, not for biases and the scales of layer normalisation.
    pub(super) decays: bool,
    /// What the learning rate is multiplied by.
    pub(super) rate: f32,
}

impl<'a> Tensor<'a> {
    /// One that learns at the rate of all.
    pub(super) fn new(values: &'a mut [f32], decays: bool) -> Self {
        Self { values, decays, rate: 1.0 }
    }
}

/// A layer, or several.
pub(super) trait Parameters {
    /// Appends all tensors.
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>);

    /// All tensors, in one list.
    fn all_tensors(&mut self) -> Vec<Tensor<'_>> {
        let mut tensors = Vec::new();
        self.tensors(&mut tensors);
        tensors
    }

    /// Sets every number to 0.
    fn clear(&mut self) {
        self.all_tensors().into_iter().for_each(|tensor| tensor.values.fill(0.0));
    }
}

impl<P: Parameters> Parameters for [P] {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        self.iter_mut().for_each(|each| each.tensors(to));
    }
}
