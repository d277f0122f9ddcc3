//! Training of all layers, as in Devlin et al. (BERT, 2018, section 4): a linear classifier over the pooled vector, and
//! the gradient of its loss through the whole network.

use tunebench_data::LabelId;

use super::super::numeric::SplitMix;
use super::super::trainer::{Ended, Step, Watcher};
use super::adamw::{AdamW, rate};
use super::cross_entropy::cross_entropy;
use super::linear::Linear;
use super::matrix::Matrix;
use super::memory::check_memory;
use super::network::Network;
use super::parameters::{Parameters, Tensor};
use super::rows::{Rows, balanced, used_tokens};
use super::text_encoder::{Encoder, pooled};
use super::worker::{Worker, learn};

/// The deviation of the first weights of the classifier, as BERT's own.
const FIRST_WEIGHTS: f32 = 0.02;
/// The classifier learns at so many times the rate of the network: it begins with nothing learned, and in the few hundred steps
/// that a small set of data makes of an epoch it would not get far.
const HEAD_RATE: f32 = 20.0;
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
    /// How many threads share the work. With another number sums are added in another order.
    pub(in super::super) workers: usize,
}

impl Options {
    /// Steps in all, on so many rows.
    pub(super) fn steps(&self, rows: usize) -> u64 {
        rows.div_ceil(self.batch_size) as u64 * u64::from(self.epochs)
    }
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
        let first = to.len();
        self.head.tensors(to);
        to[first..].iter_mut().for_each(|tensor| tensor.rate = HEAD_RATE);
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

/// Is given the model after an epoch, and the number of the epoch.
pub(super) type Keep<'a> = &'a mut dyn FnMut(&mut Full, u32, &mut dyn Watcher) -> Result<(), Ended>;

impl Full {
    /// Trains. `keep` is given the model after each epoch that is the best so far: the last one is what came of it.
    pub(super) fn train(
        encoder: Encoder,
        classes: Vec<LabelId>,
        (mut rows, mut validation): (Rows, Rows),
        options: &Options,
        watcher: &mut dyn Watcher,
        keep: Keep<'_>,
    ) -> Result<(), Ended> {
        let tokens = used_tokens([&rows, &validation]);
        check_memory(&encoder, tokens.len(), options.workers)?;
        rows.renumber(&tokens);
        validation.renumber(&tokens);
        let mut full = Self::new(encoder, tokens, classes, options.seed);
        let mut descent = Descent::new(&full.model, &rows, options);
        let begun = Step::of(0, options.steps(rows.classes.len()));
        watcher.say(format!("training all layers in {} steps", begun.total), Some(begun));
        let (mut best, mut since) = (None, 0);
        for epoch in 1..=options.epochs {
            let (mean, step) = descent.epoch(&mut full.model, epoch, watcher)?;
            let message = format!("epoch {epoch} of {}: loss {mean:.4}", options.epochs);
            if validation.classes.is_empty() {
                watcher.say(message, Some(step));
                keep(&mut full, epoch, watcher)?;
                continue;
            }
            let measured = full.measure(&validation);
            watcher.say(format!("{message}; validation: {measured}"), Some(measured.at(step)));
            if best.is_none_or(|best| measured.better_than(&best)) {
                (best, since) = (Some(measured), 0);
                keep(&mut full, epoch, watcher)?;
                continue;
            }
            since += 1;
            if since == PATIENCE && epoch < options.epochs {
                let why = format!("stopped early: no better on the validation data for {PATIENCE} epochs");
                watcher.say(why, None);
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

    /// How many rows it has right; of tokens that it has not learned, the vectors are those of the base.
    pub(super) fn right_of(&self, base: &Encoder, mut rows: Rows) -> usize {
        let mut full = Self { tokens: self.tokens.clone(), classes: Vec::new(), model: self.model.clone() };
        let table = &mut full.model.network.embedding.tokens.values;
        for token in used_tokens([&rows]) {
            if self.tokens.binary_search(&token).is_err() {
                full.tokens.push(token);
                table.extend_from_slice(base.network.embedding.tokens.row(token as usize));
            }
        }
        rows.renumber(&full.tokens);
        (full.measure(&rows).accuracy * rows.classes.len() as f64).round() as usize
    }

    /// How well it does on rows whose tokens have the numbers of its table.
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

/// How a model does on rows that it has not learned.
#[derive(Debug, Clone, Copy)]
struct Measured {
    accuracy: f64,
    loss: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "loss {:.4}, accuracy {:.3}", self.loss, self.accuracy)
    }
}

impl Measured {
    fn better_than(&self, other: &Self) -> bool {
        (self.accuracy, -self.loss) > (other.accuracy, -other.loss)
    }

    fn at(&self, mut step: Step) -> Step {
        step.losses.valid_loss = Some(self.loss);
        step.losses.valid_accuracy = Some(self.accuracy);
        step
    }
}

/// The way down: rows in a new order each epoch, a step for each batch of them.
struct Descent<'a> {
    rows: &'a Rows,
    /// What each row weighs.
    weights: Vec<f32>,
    options: &'a Options,
    team: Vec<Worker>,
    adam: AdamW,
    random: SplitMix,
    order: Vec<u32>,
}

impl<'a> Descent<'a> {
    fn new(model: &Model, rows: &'a Rows, options: &'a Options) -> Self {
        let count = rows.classes.len();
        Self {
            rows,
            weights: if options.class_weights { balanced(&rows.classes) } else { vec![1.0; count] },
            options,
            team: (0..options.workers).map(|_| Worker::new(model)).collect(),
            adam: AdamW::default(),
            random: SplitMix(options.seed),
            order: (0..count as u32).collect(),
        }
    }

    /// One pass over the rows. Gives the mean loss, and the last step with the loss since the point before.
    fn epoch(
        &mut self,
        model: &mut Model,
        epoch: u32,
        watcher: &mut dyn Watcher,
    ) -> Result<(f64, Step), Ended> {
        self.random.shuffle(&mut self.order);
        let steps = self.order.len().div_ceil(self.options.batch_size);
        let (first, total) = ((epoch as usize - 1) * steps, steps * self.options.epochs as usize);
        let (mut loss, mut since_point, mut epoch_loss) = (0.0, 0, 0.0);
        for (i, batch) in self.order.chunks(self.options.batch_size).enumerate() {
            if watcher.stopped() {
                return Err(Ended::Cancelled);
            }
            let seed = self.random.next();
            let batch_loss = learn(model, &mut self.team, (self.rows, &self.weights), batch, seed);
            let gradients = self.team.iter_mut().map(|worker| &mut worker.gradient).collect();
            self.adam.step(model, gradients, rate(first + i, total, self.options.learning_rate));
            self.team.iter_mut().for_each(|worker| worker.gradient.clear());
            (loss, epoch_loss) = (loss + batch_loss, epoch_loss + batch_loss);
            since_point += batch.len();
            if (i + 1) % steps.div_ceil(POINTS) == 0 && i + 1 < steps {
                let mean = loss / since_point as f64;
                let step = Step::new((first + i + 1) as u64, total as u64, mean);
                watcher.say(format!("step {} of {total}: loss {mean:.4}", first + i + 1), Some(step));
                (loss, since_point) = (0.0, 0);
            }
        }
        let last = Step::new((first + steps) as u64, total as u64, loss / since_point.max(1) as f64);
        Ok((epoch_loss / self.order.len() as f64, last))
    }
}

/// A number of the normal distribution, near enough: the sum of twelve even ones.
fn bell(random: &mut SplitMix) -> f32 {
    (0..12).map(|_| (random.next() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::super::super::trainer::WriteModel;
    use super::super::text_encoder::tests::small;
    use super::*;

    struct Patient;

    impl Watcher for Patient {
        fn say(&mut self, _: String, _: Option<Step>) {}

        fn keep(&mut self, _: Option<u32>, _: WriteModel<'_>) -> Result<(), Ended> {
            Ok(())
        }

        fn stopped(&self) -> bool {
            false
        }
    }

    const OPTIONS: Options =
        Options { epochs: 6, learning_rate: 3e-3, batch_size: 4, class_weights: false, seed: 1, workers: 2 };

    /// What each epoch leaves, and how many of the 40 rows the last one has right.
    fn train(options: &Options) -> (Vec<Model>, usize) {
        let encoder = small();
        let texts = (0..40).map(|i| (if i % 2 == 0 { "play played" } else { "una 天" }, i % 2));
        let rows = Rows::read(&encoder, texts);
        let (mut kept, mut right) = (Vec::new(), 0);
        let keep = &mut |full: &mut Full, _: u32, _: &mut dyn Watcher| {
            kept.push(full.model.clone());
            right = full.right_of(&encoder, rows.clone());
            Ok(())
        };
        let data = (rows.clone(), Rows::default());
        let classes = vec![LabelId(0), LabelId(1)];
        Full::train(encoder.clone(), classes, data, options, &mut Patient, keep).unwrap();
        (kept, right)
    }

    #[test]
    fn the_same_seed_and_thread_count_give_the_same_numbers() {
        let (first, right) = train(&OPTIONS);
        assert_eq!((first.len(), right), (6, 40));
        assert!(train(&OPTIONS).0 == first);
        assert!(train(&Options { seed: 2, ..OPTIONS }).0 != first);
        // Sums in another order, and other masks: another model that is as good.
        for workers in [1, 3] {
            let (other, right) = train(&Options { workers, ..OPTIONS });
            assert!(other != first && right == 40, "{workers} threads: {right} right");
        }
    }

    #[test]
    fn training_ends_where_the_validation_data_get_no_better() {
        let encoder = small();
        let rows = || Rows::read(&encoder, (0..8).map(|i| (["play", "una"][i % 2], i as u32 % 2)));
        // Learned the other way round, each epoch makes it worse.
        let validation = Rows::read(&encoder, (0..8).map(|i| (["play", "una"][i % 2], 1 - i as u32 % 2)));
        let mut epochs = 0;
        let keep = &mut |_: &mut Full, epoch: u32, _: &mut dyn Watcher| {
            epochs = epoch;
            Ok(())
        };
        let classes = vec![LabelId(0), LabelId(1)];
        let options = Options { epochs: 20, ..OPTIONS };
        Full::train(encoder.clone(), classes, (rows(), validation), &options, &mut Patient, keep).unwrap();
        assert!(epochs < 18, "{epochs}");
    }
}
