//! Training of all layers, as in Devlin et al. (BERT, 2018, section 4): a linear classifier over the pooled vector, and
//! the gradient of its loss through the whole network.
//!
//! Each worker takes some rows of a batch and has a gradient of its own. As texts lie end to end without padding, rows
//! need not be sorted by length to save work; workers get equal numbers of tokens instead.

use std::collections::HashMap;

use tunebench_data::LabelId;

use super::super::numeric::SplitMix;
use super::super::trainer::{Ended, Watcher};
use super::adamw::{AdamW, rate};
use super::batch::{Batch, runs};
use super::cross_entropy::cross_entropy;
use super::dropout::{Dropout, Mask};
use super::linear::Linear;
use super::matrix::Matrix;
use super::network::{Activations, Network};
use super::parallel::{shared_out, workers};
use super::parameters::{Parameters, Tensor};
use super::text_encoder::{Encoder, pooled};
use crate::TrainingProgress;

/// So many tokens go there and back at once in each worker: it bounds the memory, some 150 KB a token for six blocks.
const TOKENS_AT_ONCE: usize = 256;
/// Dropout everywhere, as BERT was trained.
const DROPOUT: f32 = 0.1;
/// The deviation of the first weights of the classifier, as BERT's own.
const FIRST_WEIGHTS: f32 = 0.02;
/// Training ends when the validation data got no better for so many epochs.
const PATIENCE: u32 = 2;
/// So many points of the loss curve for each epoch.
const POINTS: usize = 10;

/// What training can be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Options {
    pub(in super::super) epochs: u32,
    /// The highest learning rate.
    pub(in super::super) learning_rate: f32,
    /// Rows of a step.
    pub(in super::super) batch_size: usize,
    /// Whether rare labels weigh more, so that all labels weigh the same.
    pub(in super::super) class_weights: bool,
    pub(in super::super) seed: u64,
}

/// Network and classifier.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    /// Its table of tokens has only those that the data have.
    pub(super) network: Network,
    pub(super) head: Linear,
}

impl Parameters for Model {
    fn tensors<'a>(&'a mut self, to: &mut Vec<Tensor<'a>>) {
        self.network.tensors(to);
        self.head.tensors(to);
    }
}

/// What a training came to.
#[derive(Debug, PartialEq)]
pub(super) struct Full {
    /// The tokens of the table, ascending.
    pub(super) tokens: Vec<u32>,
    pub(super) classes: Vec<LabelId>,
    pub(super) model: Model,
}

/// Rows to learn from or to measure on: tokens, and the class of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) tokens: Vec<Vec<u32>>,
    pub(super) classes: Vec<u32>,
}

impl Rows {
    pub(super) fn read<'a>(encoder: &Encoder, rows: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let (tokens, classes) = rows.map(|(text, class)| (encoder.tokens(text), class)).unzip();
        Self { tokens, classes }
    }

    fn renumber(&mut self, numbers: &HashMap<u32, u32>) {
        self.tokens.iter_mut().flatten().for_each(|token| *token = numbers[token]);
    }
}

/// A worker with what it needs.
struct Worker {
    gradient: Model,
    kept: Activations,
    loss: f64,
}

impl Full {
    /// Trains. `keep` is given the model after each epoch that is the best so far, with the epoch's number.
    pub(super) fn train(
        encoder: Encoder,
        classes: Vec<LabelId>,
        (mut rows, mut validation): (Rows, Rows),
        options: &Options,
        watcher: &mut dyn Watcher,
        keep: &mut dyn FnMut(&mut Self, u32, &mut dyn Watcher),
    ) -> Result<(), Ended> {
        let workers = workers();
        let tokens = used_tokens([&rows, &validation]);
        check_memory(&encoder, tokens.len(), workers)?;
        let numbers = tokens.iter().copied().zip(0..).collect();
        rows.renumber(&numbers);
        validation.renumber(&numbers);
        let mut full = Self::new(encoder, tokens, classes, options.seed);
        let weights =
            if options.class_weights { balanced(&rows.classes) } else { vec![1.0; rows.classes.len()] };

        let mut team: Vec<Worker> = (0..workers)
            .map(|_| {
                let mut gradient = full.model.clone();
                gradient.clear();
                Worker { gradient, kept: Activations::default(), loss: 0.0 }
            })
            .collect();
        let mut adam = AdamW::default();
        let mut random = SplitMix(options.seed);
        let mut order: Vec<u32> = (0..rows.tokens.len() as u32).collect();
        let steps = order.len().div_ceil(options.batch_size);
        let total = steps * options.epochs as usize;
        let (mut best, mut since) = (None, 0);
        for epoch in 1..=options.epochs {
            random.shuffle(&mut order);
            let (mut loss, mut since_point, mut epoch_loss) = (0.0, 0, 0.0);
            for (i, batch) in order.chunks(options.batch_size).enumerate() {
                if watcher.stopped() {
                    return Err(Ended::Cancelled);
                }
                let step = (epoch as usize - 1) * steps + i;
                let batch_loss = learn(&full.model, &mut team, (&rows, &weights), batch, random.next());
                let gradients = team.iter_mut().map(|worker| &mut worker.gradient).collect();
                adam.step(&mut full.model, gradients, rate(step, total, options.learning_rate));
                team.iter_mut().for_each(|worker| worker.gradient.clear());
                (loss, since_point, epoch_loss) =
                    (loss + batch_loss, since_point + batch.len(), epoch_loss + batch_loss);
                if (i + 1) % steps.div_ceil(POINTS) == 0 && i + 1 < steps {
                    let progress = point(step, total, loss / since_point as f64);
                    watcher.say(
                        format!("step {} of {total}: loss {:.4}", step + 1, loss / since_point as f64),
                        Some(progress),
                    );
                    (loss, since_point) = (0.0, 0);
                }
            }
            let mean = epoch_loss / order.len() as f64;
            let message = format!("epoch {epoch} of {}: loss {mean:.4}", options.epochs);
            if validation.classes.is_empty() {
                let last = point(epoch as usize * steps - 1, total, loss / since_point.max(1) as f64);
                watcher.say(message, Some(last));
                keep(&mut full, epoch, watcher);
                continue;
            }
            let measured = full.measure(&validation);
            let said = format!(
                "{message}; validation: loss {:.4}, accuracy {:.3}",
                measured.loss, measured.accuracy
            );
            watcher.say(said, Some(point(epoch as usize * steps - 1, total, mean)));
            if best.is_none_or(|best| measured.better_than(&best)) {
                (best, since) = (Some(measured), 0);
                keep(&mut full, epoch, watcher);
                continue;
            }
            since += 1;
            if since == PATIENCE && epoch < options.epochs {
                watcher.say(
                    format!("stopped early: no better on the validation data for {PATIENCE} epochs"),
                    None,
                );
                break;
            }
        }
        Ok(())
    }

    fn new(encoder: Encoder, tokens: Vec<u32>, classes: Vec<LabelId>, seed: u64) -> Self {
        let mut network = encoder.network;
        let table = &network.embedding.tokens;
        let values = tokens.iter().flat_map(|&token| table.row(token as usize)).copied().collect();
        network.embedding.tokens = Matrix { width: table.width, values };
        let width = network.embedding.segment.len();
        let mut head = Linear::zeros(width, classes.len());
        let mut random = SplitMix(seed ^ 0x6865_6164);
        head.weight.values.iter_mut().for_each(|weight| *weight = FIRST_WEIGHTS * bell(&mut random));
        Self { tokens, classes, model: Model { network, head } }
    }

    fn measure(&self, rows: &Rows) -> Measured {
        let mut scores = Matrix::default();
        self.model.head.forward(&pooled(&self.model.network, &rows.tokens), &mut scores);
        let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        let guesses = scores.values.chunks_exact(scores.width).map(best);
        let right = guesses.zip(&rows.classes).filter(|(guess, class)| *guess == **class as usize).count();
        let loss = cross_entropy(&mut scores, &rows.classes, &vec![1.0; rows.classes.len()]);
        let count = rows.classes.len() as f64;
        Measured { accuracy: right as f64 / count, loss: loss / count }
    }
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    accuracy: f64,
    loss: f64,
}

impl Measured {
    fn better_than(&self, other: &Self) -> bool {
        (self.accuracy, -self.loss) > (other.accuracy, -other.loss)
    }
}

/// The gradients of a batch, each worker's share in its own; returns the loss of all rows.
fn learn(
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

fn used_tokens(rows: [&Rows; 2]) -> Vec<u32> {
    let mut tokens: Vec<u32> = rows.iter().flat_map(|rows| rows.tokens.iter().flatten()).copied().collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// A weight for each row, such that all classes weigh the same and the mean is 1.
fn balanced(classes: &[u32]) -> Vec<f32> {
    let mut counts = HashMap::<u32, usize>::new();
    classes.iter().for_each(|&class| *counts.entry(class).or_default() += 1);
    let each = classes.len() as f32 / counts.len() as f32;
    classes.iter().map(|class| each / counts[class] as f32).collect()
}

/// A number of the normal distribution, near enough: the sum of twelve even ones.
fn bell(random: &mut SplitMix) -> f32 {
    (0..12).map(|_| (random.next() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
}

fn point(step: usize, total: usize, loss: f64) -> TrainingProgress {
    TrainingProgress { step: step as u64 + 1, total_steps: Some(total as u64), train_loss: Some(loss) }
}

/// Training that would not fit into memory does not begin. Where nobody tells how much there is, it does.
fn check_memory(encoder: &Encoder, tokens: usize, workers: usize) -> Result<(), Ended> {
    let config = &encoder.config;
    let trained = encoder.size() + tokens * config.width - config.vocabulary * config.width;
    // Weights, two moments, and a gradient for each worker.
    let numbers = trained * (3 + workers);
    let of_a_token = config.blocks * (9 * config.width + 3 * config.inner);
    let longest = TOKENS_AT_ONCE.max(config.longest);
    let squares = config.blocks * config.heads * longest * longest * 3;
    let needed = 4 * (numbers + workers * (longest * of_a_token + squares));
    match available_memory() {
        Some(available) if needed > available => Err(Ended::Failed(format!(
            "training all layers needs about {} MB of memory, and {} MB are available: take a smaller encoder, or leave it frozen (`tune = {{}}`)",
            needed >> 20,
            available >> 20
        ))),
        _ => Ok(()),
    }
}

/// In bytes, as Linux tells.
fn available_memory() -> Option<usize> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}
