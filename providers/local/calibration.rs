//! Temperature scaling (Guo et al.: On calibration of modern neural networks, 2017), out of fold.
//!
//! A classifier with a strong penalty is right more often than its probabilities say. One factor for all scores mends that
//! and leaves every answer as it is. The factor is the one that makes rows least surprising to classifiers that were
//! trained without them: on rows that it has learned, a classifier is always sure.

use std::ops::ControlFlow;
use std::thread;

use xxhash_rust::xxh3::xxh3_64;

use super::features::Matrix;
use super::numeric::softmax;
use super::softmax::{Cancelled, EpochReport, Hyperparameters, Weights, fit};

/// The training rows are parted in so many folds.
const FOLDS: u64 = 3;
/// So many rows say enough about one number: where a fold alone has them, the others are not judged.
const ENOUGH: usize = 5_000;
/// Fewer rows say nothing.
const FEWEST: usize = 50;
/// The factors that are tried lie between this and its inverse.
const LEAST: f64 = 0.1;

/// The solution for all rows; calibrated if that is wanted. `texts` are those of the rows: equal ones share a fold.
///
/// With it comes the probability of each judged row's label by a classifier that had not learned the row. Which rows are
/// judged depends on texts and labels alone; without calibration there are none.
pub(super) fn fit_all(
    matrix: &Matrix,
    texts: &[&str],
    labels: &[u32],
    classes: usize,
    hyperparameters: &Hyperparameters,
    on_epoch: &mut dyn FnMut(EpochReport) -> ControlFlow<()>,
) -> Result<(Weights, Vec<f32>), Cancelled> {
    let all = (0..labels.len() as u32).collect();
    let mut weights = fit(matrix, labels, all, classes, hyperparameters, on_epoch)?;
    if !hyperparameters.calibrate {
        return Ok((weights, Vec::new()));
    }
    let held_out = held_out_scores(matrix, texts, labels, classes, hyperparameters)?;
    let factor = factor(&held_out);
    weights.scale(factor);
    let probability = |(mut scores, label): Judged| {
        scores.iter_mut().for_each(|score| *score *= factor);
        softmax(&mut scores);
        scores[label as usize]
    };
    Ok((weights, held_out.into_iter().map(probability).collect()))
}

/// A row's scores by a classifier that has not learned it, and its class.
type Judged = (Vec<f32>, u32);

fn held_out_scores(
    matrix: &Matrix,
    texts: &[&str],
    labels: &[u32],
    classes: usize,
    hyperparameters: &Hyperparameters,
) -> Result<Vec<Judged>, Cancelled> {
    let folds: Vec<u64> = texts.iter().map(|text| xxh3_64(text.as_bytes()) % FOLDS).collect();
    let judged = if texts.len() as u64 / FOLDS >= ENOUGH as u64 { 1 } else { FOLDS };
    let of_fold = |fold: u64| -> Result<Vec<Judged>, Cancelled> {
        let (held, others): (Vec<u32>, Vec<u32>) =
            (0..labels.len() as u32).partition(|&row| folds[row as usize] == fold);
        let mut learned = vec![false; classes];
        others.iter().for_each(|&row| learned[labels[row as usize] as usize] = true);
        if learned.iter().filter(|learned| **learned).count() < 2 {
            return Ok(Vec::new());
        }
        let go_on = &mut |_| ControlFlow::Continue(());
        let weights = fit(matrix, labels, others, classes, hyperparameters, go_on)?;
        // What nobody could have learned says nothing about how sure one may be.
        let known = held.into_iter().filter(|&row| learned[labels[row as usize] as usize]).take(ENOUGH);
        Ok(known.map(|row| (weights.scores(matrix, row as usize), labels[row as usize])).collect())
    };
    let parts: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..judged).map(|fold| scope.spawn(move || of_fold(fold))).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let parts = parts.into_iter().map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
}

/// The factor with the least loss, by golden section over its logarithm: the loss has one minimum.
fn factor(rows: &[Judged]) -> f32 {
    if rows.len() < FEWEST {
        return 1.0;
    }
    let inverse_golden = (5_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (LEAST.ln(), -LEAST.ln());
    let inner = |low: f64, high: f64| high - inverse_golden * (high - low);
    let outer = |low: f64, high: f64| low + inverse_golden * (high - low);
    let (mut a, mut b) = (inner(low, high), outer(low, high));
    let (mut loss_a, mut loss_b) = (loss(rows, a), loss(rows, b));
    while high - low > 1e-3 {
        if loss_a < loss_b {
            (high, b, loss_b) = (b, a, loss_a);
            a = inner(low, high);
            loss_a = loss(rows, a);
        } else {
            (low, a, loss_a) = (a, b, loss_b);
            b = outer(low, high);
            loss_b = loss(rows, b);
        }
    }
    ((low + high) / 2.0).exp() as f32
}

/// The mean of -ln p(label) with all scores times e^`logarithm`.
fn loss(rows: &[Judged], logarithm: f64) -> f64 {
    let factor = logarithm.exp() as f32;
    let mut scaled = Vec::new();
    let surprise = |(scores, label): &Judged| {
        scaled.clear();
        scaled.extend(scores.iter().map(|score| score * factor));
        softmax(&mut scaled);
        -f64::from(scaled[*label as usize].max(f32::MIN_POSITIVE)).ln()
    };
    rows.iter().map(surprise).sum::<f64>() / rows.len() as f64
}

#[cfg(test)]
mod tests {
    use super::super::features::{MAX_NGRAMS, Vocabulary};
    use super::*;

    #[test]
    fn the_factor_is_the_one_that_the_rows_were_drawn_with() {
        // Of a hundred rows with a score of 1 for the first class, so many have it as e^2 / (1 + e^2) says.
        let rows: Vec<Judged> = (0..100).map(|i| (vec![1.0, 0.0], u32::from(i >= 88))).collect();
        assert!((factor(&rows) - 2.0).abs() < 0.05, "{}", factor(&rows));
        let chance: Vec<Judged> = (0..100).map(|i| (vec![1.0, 0.0], i % 2)).collect();
        assert!((factor(&chance) - LEAST as f32).abs() < 0.01);
        assert_eq!(factor(&rows[..20]), 1.0);
    }

    #[test]
    fn calibration_changes_how_sure_and_not_what_is_answered() {
        let texts: Vec<String> =
            (0..300).map(|i| format!("row {i} {}", ["red", "green", "blue"][i % 3])).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let labels: Vec<u32> = (0..300).map(|i| i % 3).collect();
        let (_, matrix) = Vocabulary::learn(&texts, MAX_NGRAMS);
        let weights = |calibrate| {
            let hyperparameters = Hyperparameters { l2: 10.0, calibrate, ..Hyperparameters::default() };
            let go_on = &mut |_| ControlFlow::Continue(());
            fit_all(&matrix, &texts, &labels, 3, &hyperparameters, go_on).unwrap().0
        };
        let (plain, calibrated) = (weights(false), weights(true));
        let loss = |weights: &Weights| {
            let judged: Vec<Judged> = (0..300).map(|i| (weights.scores(&matrix, i), labels[i])).collect();
            loss(&judged, 0.0)
        };
        assert!(loss(&calibrated) < loss(&plain) / 2.0, "{} {}", loss(&calibrated), loss(&plain));
        let best = |scores: Vec<f32>| (0..3).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        for row in 0..300 {
            assert_eq!(best(plain.scores(&matrix, row)), best(calibrated.scores(&matrix, row)));
        }
    }
}
