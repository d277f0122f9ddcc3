//! The gradient of a batch: each worker takes some of its rows, and has a gradient of its own.
//!
//! As texts lie end to end without padding, rows need not be sorted by length to save work; workers get equal numbers of
//! tokens instead.

use super::batch::{Batch, runs};
use super::cross_entropy::cross_entropy;
use super::dropout::{Dropout, Mask};
use super::full::Model;
use super::network::Activations;
use super::parallel::shared_out;
use super::parameters::Parameters;
use super::rows::Rows;

/// So many tokens go there and back at once in each worker: it bounds the memory, some 130 KB a token for six blocks.
pub(super) const TOKENS_AT_ONCE: usize = 256;
/// Dropout everywhere, as BERT was trained.
const DROPOUT: f32 = 0.1;

/// A worker with what it needs.
pub(super) struct Worker {
    pub(super) gradient: Model,
    kept: Activations,
    loss: f64,
}

/// The gradients of a batch, each worker's share in its own; returns the loss of all rows.
pub(super) fn learn(
    model: &Model,
    team: &mut [Worker],
    (rows, weights): (&Rows, &[f32]),
    batch: &[u32],
    seed: u64,
) -> f64 {
    let shares = shares(rows, batch, team.len());
    let scale = 1.0 / batch.len() as f32;
    let work = team.iter_mut().zip(shares).enumerate().collect::<Vec<_>>();
    let count = work.len();
    shared_out(work, count, |mine| {
        for (number, (worker, share)) in mine {
            let mut dropout = Dropout::new(DROPOUT, seed ^ number as u64);
            worker.learn(model, rows, weights, &share, scale, &mut dropout);
        }
    });
    team.iter().map(|worker| worker.loss).sum()
}

impl Worker {
    /// With a gradient of 0.
    pub(super) fn new(model: &Model) -> Self {
        let mut gradient = model.clone();
        gradient.clear();
        Self { gradient, kept: Activations::default(), loss: 0.0 }
    }

    fn learn(
        &mut self,
        model: &Model,
        rows: &Rows,
        weights: &[f32],
        share: &[u32],
        scale: f32,
        dropout: &mut Dropout,
    ) {
        self.loss = 0.0;
        let lengths: Vec<usize> = share.iter().map(|&row| rows.tokens[row as usize].len()).collect();
        let (mut pooled, mut scores, mut d_pooled) = Default::default();
        let (mut batch, mut mask) = (Batch::default(), Mask::default());
        for run in runs(&lengths, TOKENS_AT_ONCE) {
            let share = &share[run];
            batch.clear();
            share.iter().for_each(|&row| batch.push(&rows.tokens[row as usize]));
            model.network.forward(&batch, dropout, &mut self.kept, &mut pooled);
            dropout.forward(&mut pooled.values, &mut mask);
            model.head.forward(&pooled, &mut scores);
            let classes: Vec<u32> = share.iter().map(|&row| rows.classes[row as usize]).collect();
            let weights: Vec<f32> = share.iter().map(|&row| weights[row as usize]).collect();
            self.loss += cross_entropy(&mut scores, &classes, &weights);
            // The loss of a step is the mean over its rows.
            scores.values.iter_mut().for_each(|gradient| *gradient *= scale);
            model.head.backward(&pooled, &scores, &mut self.gradient.head, &mut d_pooled);
            mask.backward(&mut d_pooled.values);
            model.network.backward(&batch, &d_pooled, &mut self.kept, &mut self.gradient.network);
        }
    }
}

/// Deals the rows of a batch out so that all workers have about as many tokens: the longest first, each to who has least.
fn shares(rows: &Rows, batch: &[u32], workers: usize) -> Vec<Vec<u32>> {
    let mut longest_first = batch.to_vec();
    longest_first.sort_by_key(|&row| std::cmp::Reverse(rows.tokens[row as usize].len()));
    let mut shares = vec![(0, Vec::new()); workers];
    for row in longest_first {
        if let Some(share) = shares.iter_mut().min_by_key(|share| share.0) {
            share.0 += rows.tokens[row as usize].len();
            share.1.push(row);
        }
    }
    shares.into_iter().map(|share| share.1).collect()
}
