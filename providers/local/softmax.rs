//! L2-regularised multinomial logistic regression on sparse rows, by coordinate ascent on its dual.
//!
//! The problem is convex and has one solution: min over W of sum of -ln p(label | row) + l2/2 |W|^2. It is what
//! scikit-learn calls C = 1/l2. Each step solves the dual problem of one row exactly (Yu, Huang, Lin: Dual
//! coordinate descent methods for logistic regression and maximum entropy models, 2011), so that there is no
//! learning rate to tune. Own `exp` and `ln` make the result the same on every platform.

use std::ops::ControlFlow;

use super::features::Matrix;
use super::numeric::{SplitMix, exp, ln};

/// What training can be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyperparameters {
    /// At most so many passes over the rows. Training ends before when nothing moves any more, mostly after
    /// five to eight.
    pub epochs: u32,
    /// Weight of the penalty l2/2 |W|^2 beside the sum of the losses: the inverse of scikit-learn's C.
    pub l2: f32,
    /// Seed of the order of the rows.
    pub seed: u64,
    /// Whether all scores are then multiplied by the one factor with which rows that a classifier has not seen are
    /// least surprising: the same answers, but probabilities that can be believed. It takes about twice the time more.
    pub calibrate: bool,
}

impl Default for Hyperparameters {
    fn default() -> Self {
        Self { epochs: 30, l2: 0.1, seed: 0, calibrate: false }
    }
}

/// How training goes, after each epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport {
    /// Number of the epoch, from 1.
    pub epoch: u32,
    /// The most epochs there will be.
    pub epochs: u32,
    /// Mean over the rows of -ln p(label), each taken when its turn came in this epoch.
    pub loss: f64,
    /// Whether the solution was reached, so that no epoch follows.
    pub converged: bool,
}

/// Weights column by column, the intercepts as the last column.
#[derive(Debug)]
pub(super) struct Weights {
    values: Vec<f32>,
    stride: usize,
    classes: usize,
}

impl Weights {
    /// The weights of a column for each class; the intercepts are at `matrix.columns()`.
    pub(super) fn column(&self, column: usize) -> &[f32] {
        &self.values[column * self.stride..][..self.classes]
    }

    /// The score of each class for a row of the matrix.
    pub(super) fn scores(&self, matrix: &Matrix, row: usize) -> Vec<f32> {
        let mut scores = self.values[matrix.columns() * self.stride..].to_vec();
        add_columns(&mut scores, &self.values, self.stride, matrix.row(row));
        scores.truncate(self.classes);
        scores
    }

    /// Multiplies all scores.
    pub(super) fn scale(&mut self, factor: f32) {
        self.values.iter_mut().for_each(|weight| *weight *= factor);
    }
}

/// The callback asked to stop.
#[derive(Debug, PartialEq)]
pub(super) struct Cancelled;

/// The value of the constant feature that carries the intercept.
const INTERCEPT: f32 = 1.0;

/// The penalty down to which the two limits below hold. With a weaker one the same change of a dual variable changes the
/// scores by more, and both shrink as the penalty does: else training would stop before it had begun.
const USUAL_L2: f32 = 0.1;

/// Changes of a dual variable up to this are not made.
const SMALL_STEP: f32 = 3e-4;

/// Training ends when an epoch moves the dual variables of a row by less than this on average. With ten times
/// this, accuracy depended on the seed by a point; a hundredth of it takes five times the epochs for nothing.
const STILL: f64 = 3e-3;

/// Finds the weights; `labels` has a class below `classes` for each row of the matrix, `order` the rows to learn from.
pub(super) fn fit(
    matrix: &Matrix,
    labels: &[u32],
    mut order: Vec<u32>,
    classes: usize,
    hyperparameters: &Hyperparameters,
    on_epoch: &mut dyn FnMut(EpochReport) -> ControlFlow<()>,
) -> Result<Weights, Cancelled> {
    // With two classes others train one weight vector w, which is w/2 and -w/2 here: half its penalty.
    let strength = if classes == 2 { 0.5 } else { 1.0 } / hyperparameters.l2;
    let fineness = (hyperparameters.l2 / USUAL_L2).min(1.0);
    let (small_step, still) = (SMALL_STEP * fineness, STILL * f64::from(fineness));
    let stride = classes.next_multiple_of(8);
    let mut values = vec![0.0; (matrix.columns() + 1) * stride];
    // The dual variables of each row: a distribution over the classes, at first all on its label.
    let mut duals: Vec<Vec<(u32, f32)>> = labels.iter().map(|&label| vec![(label, 1.0)]).collect();
    let mut random = SplitMix(hyperparameters.seed);
    let mut scores = vec![0.0; stride];
    let mut step = Step::new(classes);

    for epoch in 1..=hyperparameters.epochs {
        random.shuffle(&mut order);
        let mut loss = 0.0;
        let mut moved = 0.0;
        for &row in &order {
            let entries = matrix.row(row as usize);
            let intercepts = &values[matrix.columns() * stride..];
            scores.iter_mut().zip(intercepts).for_each(|(score, value)| *score = value * INTERCEPT);
            add_columns(&mut scores, &values, stride, entries);

            let squares: f32 = entries.iter().map(|&(_, value)| value * value).sum();
            let curvature = strength * (squares + INTERCEPT * INTERCEPT);
            let dual = &mut duals[row as usize];
            loss += step.solve(&scores[..classes], labels[row as usize], dual, curvature);

            step.changes.clear();
            let mut known = dual.iter().copied().peekable();
            let mut fresh = std::mem::take(&mut step.fresh);
            fresh.clear();
            for (class, &new) in step.solution.iter().enumerate() {
                let old = known.next_if(|&(known, _)| known as usize == class).map_or(0.0, |(_, old)| old);
                let change = new - old;
                // Steps that hardly matter are not taken: most classes never come into play for a row.
                if change.abs() > small_step {
                    moved += f64::from(change.abs());
                    step.changes.push((class as u32, -change * strength));
                    fresh.push((class as u32, new));
                } else if old > 0.0 {
                    fresh.push((class as u32, old));
                }
            }
            dual.clear();
            dual.extend_from_slice(&fresh);
            step.fresh = fresh;

            let intercept = (matrix.columns() as u32, INTERCEPT);
            if step.changes.len() * 3 > classes {
                step.spread.fill(0.0);
                step.changes.iter().for_each(|&(class, change)| step.spread[class as usize] = change);
                for &(column, value) in entries.iter().chain([&intercept]) {
                    let weights = &mut values[column as usize * stride..][..stride];
                    weights
                        .iter_mut()
                        .zip(&step.spread)
                        .for_each(|(weight, change)| *weight += value * change);
                }
            } else if !step.changes.is_empty() {
                for &(column, value) in entries.iter().chain([&intercept]) {
                    let weights = &mut values[column as usize * stride..][..stride];
                    for &(class, change) in &step.changes {
                        weights[class as usize] += value * change;
                    }
                }
            }
        }
        let rows = order.len() as f64;
        let converged = moved / rows < still;
        let report = EpochReport { epoch, epochs: hyperparameters.epochs, loss: loss / rows, converged };
        if on_epoch(report).is_break() {
            return Err(Cancelled);
        }
        if converged {
            break;
        }
    }
    Ok(Weights { values, stride, classes })
}

/// Adds to the scores what each entry's column gives.
fn add_columns(scores: &mut [f32], values: &[f32], stride: usize, entries: &[(u32, f32)]) {
    let column = |(column, _): (u32, f32)| &values[column as usize * stride..][..stride];
    let mut fours = entries.chunks_exact(4);
    // Four columns at a time, because reading and writing the scores costs as much as adding to them.
    for four in &mut fours {
        let (a, b, c, d) = (column(four[0]), column(four[1]), column(four[2]), column(four[3]));
        for ((((score, a), b), c), d) in scores.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *score += (four[0].1 * a + four[1].1 * b) + (four[2].1 * c + four[3].1 * d);
        }
    }
    for &entry in fours.remainder() {
        scores.iter_mut().zip(column(entry)).for_each(|(score, weight)| *score += entry.1 * weight);
    }
}

/// Scratch of a dual step.
struct Step {
    /// Scores without what the row itself contributed.
    others: Vec<f32>,
    powers: Vec<f32>,
    solution: Vec<f32>,
    changes: Vec<(u32, f32)>,
    spread: Vec<f32>,
    fresh: Vec<(u32, f32)>,
}

impl Step {
    fn new(classes: usize) -> Self {
        let zeros = vec![0.0; classes];
        Self {
            others: zeros.clone(),
            powers: zeros.clone(),
            solution: zeros,
            changes: Vec::new(),
            spread: vec![0.0; classes.next_multiple_of(8)],
            fresh: Vec::new(),
        }
    }

    /// Solves the dual problem of one row into `solution`; returns its loss before the step.
    ///
    /// With u = scores + c dual, c = `curvature`, the solution is the distribution x with
    /// ln x + c x = u - eta for all classes; y = c x is the Wright omega function of u + ln c - eta. Newton's
    /// method finds the eta for which x sums to 1.
    fn solve(&mut self, scores: &[f32], label: u32, dual: &[(u32, f32)], curvature: f32) -> f64 {
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.powers.iter_mut().zip(scores).for_each(|(power, &score)| *power = exp(score - highest));
        let total: f32 = self.powers.iter().sum();
        let normaliser = highest + ln(total);
        let loss = normaliser - scores[label as usize];

        self.others.copy_from_slice(scores);
        let mut most = highest;
        for &(class, dual) in dual {
            let other = &mut self.others[class as usize];
            *other += curvature * dual;
            self.powers[class as usize] = exp((*other - highest).min(80.0));
            most = most.max(*other);
        }
        // Below this the class of the highest score alone would have more than 1.
        let lowest_eta = most - curvature;
        let mut eta = normaliser;
        let logarithm = ln(curvature);
        for _ in 0..30 {
            let factor = curvature * exp(highest - eta);
            let (mut sum, mut slope) = (0.0, 0.0);
            for ((solution, &power), &other) in self.solution.iter_mut().zip(&self.powers).zip(&self.others) {
                let s = power * factor;
                let y = if s < 0.01 { s - s * s } else { wright_omega(other - eta + logarithm) };
                *solution = y;
                sum += y;
                slope += y / (1.0 + y);
            }
            let excess = sum - curvature;
            if excess.abs() < 1e-4 * curvature {
                break;
            }
            eta = (eta + excess / slope).max(lowest_eta);
        }
        let scale = 1.0 / curvature;
        self.solution.iter_mut().for_each(|y| *y *= scale);
        f64::from(loss)
    }
}

/// The y with y + ln y = t, for t above -5 to about five digits.
fn wright_omega(t: f32) -> f32 {
    let mut y = if t < 0.0 {
        let s = exp(t);
        s / (1.0 + s)
    } else {
        let near = 1.0 / (1.0 + t);
        t - ln(1.0 + t) * t * near + 0.5 * near
    };
    for _ in 0..2 {
        y *= (1.0 + t - ln(y)) / (1.0 + y);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::super::features::{MAX_NGRAMS, Vocabulary};
    use super::*;

    const TEXTS: [&str; 6] = ["red apple", "green apple", "fast car", "red car", "blue sky", "blue sea"];
    const LABELS: [u32; 6] = [0, 0, 1, 1, 2, 2];

    fn train(hyperparameters: Hyperparameters) -> (Weights, Matrix, Vec<EpochReport>) {
        let (_, matrix) = Vocabulary::learn(&TEXTS, MAX_NGRAMS);
        let mut reports = Vec::new();
        let weights = fit(&matrix, &LABELS, (0..6).collect(), 3, &hyperparameters, &mut |report| {
            reports.push(report);
            ControlFlow::Continue(())
        });
        (weights.unwrap(), matrix, reports)
    }

    #[test]
    fn finds_the_solution_of_the_convex_problem() {
        let l2 = 0.5;
        let (weights, matrix, _) = train(Hyperparameters { l2, epochs: 200, ..Hyperparameters::default() });
        // At the solution l2 w = sum over the rows of x (y - p), for each column and for the intercept,
        // whose penalty is that of a constant feature.
        let mut gradient = vec![[0.0; 3]; matrix.columns() + 1];
        for (row, &label) in LABELS.iter().enumerate() {
            let entries: Vec<_> =
                matrix.row(row).iter().copied().chain([(matrix.columns() as u32, 1.0)]).collect();
            let mut scores = [0.0; 3];
            for &(column, value) in &entries {
                scores
                    .iter_mut()
                    .zip(weights.column(column as usize))
                    .for_each(|(score, w)| *score += value * w);
            }
            let powers = scores.map(|score: f32| score.exp());
            for &(column, value) in &entries {
                for class in 0..3 {
                    let y = f32::from(u8::from(class == label as usize));
                    gradient[column as usize][class] +=
                        value * (y - powers[class] / powers.iter().sum::<f32>());
                }
            }
        }
        for (column, gradient) in gradient.iter().enumerate() {
            for (gradient, weight) in gradient.iter().zip(weights.column(column)) {
                assert!((gradient - l2 * weight).abs() < 0.02, "{gradient} {weight}");
            }
        }
    }

    #[test]
    fn the_loss_falls_until_it_converges() {
        let (_, _, reports) = train(Hyperparameters::default());
        assert!((reports[0].loss - f64::ln(3.0)).abs() < 0.7);
        assert!(reports[1].loss < reports[0].loss / 2.0, "{reports:?}");
        assert!(reports.last().unwrap().converged && reports.len() < 30);
        assert!(reports[..reports.len() - 1].iter().all(|report| !report.converged));
    }

    #[test]
    fn a_weak_penalty_is_no_reason_to_stop_at_once() {
        for l2 in [1e-2, 1e-3, 1e-4] {
            let (_, _, reports) = train(Hyperparameters { l2, epochs: 200, ..Hyperparameters::default() });
            let last = reports.last().unwrap();
            assert!(reports.len() > 2 && last.loss < 0.05, "{l2}: {reports:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_weights() {
        let bits = |seed| -> Vec<u32> {
            let (weights, ..) = train(Hyperparameters { seed, ..Default::default() });
            weights.values.iter().map(|weight| weight.to_bits()).collect()
        };
        assert_eq!(bits(7), bits(7));
        assert_ne!(bits(7), bits(8));
    }

    #[test]
    fn the_omega_function_solves_its_equation() {
        for i in -500..5000 {
            let t = i as f32 / 100.0;
            let y = wright_omega(t);
            assert!((y + y.ln() - t).abs() < 2e-4 * (1.0 + t.abs()), "{t} {y}");
        }
    }
}
