//! What an encoder sees in data: texts that say the same, and labels that do not fit.

use std::thread;

use tunebench_data::{LabelId, LabelSet};

use super::super::classifier::TrainError;
use super::super::numeric::dot;
use super::super::softmax::Hyperparameters;
use super::super::trainer::{Ended, Step, Watcher, WriteModel};
use super::frozen::Frozen;
use super::matrix::Matrix;
use super::parallel::workers;

/// As for the search by words alone: wrong labels must not be learned by heart.
const L2: f32 = 1.0;

/// For each text the nearest of the first `held_against(text)` ones, by their vectors of so many numbers and of length
/// 1, with the cosine; of equals the first. Takes time with the product of both numbers, on all cores of the processor.
pub fn nearest_in_meaning(
    vectors: &[f32],
    width: usize,
    held_against: impl Fn(usize) -> usize + Sync,
) -> Vec<Option<(usize, f32)>> {
    let rows: Vec<&[f32]> = vectors.chunks_exact(width).collect();
    let nearest = |row: usize| {
        let others = rows[..held_against(row)].iter().enumerate();
        let cosines = others.map(|(other, vector)| (other, dot(vector, rows[row])));
        cosines.reduce(|best, next| if next.1 > best.1 { next } else { best })
    };
    let workers = workers().min(rows.len()).max(1);
    let parts = thread::scope(|scope| {
        // Interleaved: later rows have more to be held against.
        let work = |worker: usize| {
            let (nearest, count) = (&nearest, rows.len());
            move || (worker..count).step_by(workers).map(nearest).collect::<Vec<_>>()
        };
        let spawned: Vec<_> = (0..workers).map(|worker| scope.spawn(work(worker))).collect();
        spawned.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
    });
    let parts: Vec<_> =
        parts.into_iter().map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
    (0..rows.len()).map(|row| parts[row % workers][row / workers]).collect()
}

/// As [`out_of_fold`](super::super::out_of_fold()), by the frozen encoder and the n-gram classifier together, from the
/// vector of each text. An error says why nothing can be learned.
pub fn out_of_fold_in_meaning(
    vectors: &[f32],
    texts: &[&str],
    labels: &[LabelId],
    set: &LabelSet,
    folds: &[usize],
) -> Result<Vec<f32>, String> {
    if texts.is_empty() || texts.len() != labels.len() || texts.len() != folds.len() {
        return Err(TrainError::Lengths { texts: texts.len(), labels: labels.len() }.to_string());
    }
    let width = vectors.len() / texts.len();
    let of = |rows: &[usize]| -> Vec<f32> {
        rows.iter().flat_map(|&row| &vectors[row * width..][..width]).copied().collect()
    };
    let mut matrix = vec![0.0; texts.len() * set.len()];
    for fold in 0..folds.iter().max().map_or(0, |last| last + 1) {
        let (held, learned): (Vec<usize>, Vec<usize>) = (0..texts.len()).partition(|&row| folds[row] == fold);
        if held.is_empty() {
            continue;
        }
        let learned_texts: Vec<&str> = learned.iter().map(|&row| texts[row]).collect();
        let learned_labels: Vec<LabelId> = learned.iter().map(|&row| labels[row]).collect();
        let hyperparameters = Hyperparameters { l2: L2, ..Hyperparameters::default() };
        let data = (&learned_texts[..], &learned_labels[..], set);
        let frozen = Frozen::learn(data, &of(&learned), &hyperparameters, &mut Silent);
        let frozen = frozen.map_err(|ended| match ended {
            Ended::Failed(why) => why,
            Ended::Cancelled => "it was interrupted".to_owned(),
        })?;
        let held_texts: Vec<&str> = held.iter().map(|&row| texts[row]).collect();
        let probabilities = frozen.predict(&held_texts, &Matrix { width, values: of(&held) });
        for (row, probabilities) in held.into_iter().zip(probabilities) {
            matrix[row * set.len()..][..set.len()].copy_from_slice(&probabilities);
        }
    }
    Ok(matrix)
}

/// Nobody waits for a model.
struct Silent;

impl Watcher for Silent {
    fn say(&mut self, _: String, _: Option<Step>) {}

    fn keep(&mut self, _: Option<u32>, _: WriteModel<'_>) -> Result<(), Ended> {
        Ok(())
    }

    fn stopped(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_those_before_is_found() {
        let vectors = [1.0, 0.0, 0.0, 1.0, 0.6, 0.8, 1.0, 0.0];
        let found = nearest_in_meaning(&vectors, 2, |row| row.min(3));
        assert_eq!(found, [None, Some((0, 0.0)), Some((1, 0.8)), Some((0, 1.0))]);
        assert_eq!(nearest_in_meaning(&[], 2, |row| row), []);
    }

    #[test]
    fn a_label_that_does_not_fit_its_vector_is_seen() {
        let set = LabelSet::new(vec!["a".into(), "b".into()]).unwrap();
        let texts = vec!["x"; 40];
        let mut labels: Vec<_> = (0..40).map(|row| LabelId(row % 2)).collect();
        let vectors: Vec<f32> =
            (0..40).flat_map(|row| if row % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
        labels[4] = LabelId(1);
        let folds: Vec<_> = (0..40).map(|row| row / 2 % 5).collect();
        let found = out_of_fold_in_meaning(&vectors, &texts, &labels, &set, &folds).unwrap();
        assert_eq!(found.len(), 80);
        assert!(found[4 * 2] > 0.6, "row 4 reads like a: {:?}", &found[8..10]);
        assert!(found[5 * 2 + 1] > 0.6);
        assert!(out_of_fold_in_meaning(&vectors, &texts, &labels[1..], &set, &folds).is_err());
    }
}
