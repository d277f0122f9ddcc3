//! Folds for cross-validation.

use super::{Parts, clusters, exact};
use crate::Row;

/// The fold of each row, from 0: seeded, each label in equal parts as far as possible, and rows of a group, equal texts
/// and near duplicates in one fold.
///
/// # Panics
/// If there are fewer than two folds.
pub fn folds(rows: &[Row], folds: usize, seed: u64) -> Vec<usize> {
    assert!(folds >= 2, "one fold leaves nothing to learn from");
    let clusters = clusters::find(rows, seed);
    let assigned = exact::assign(&clusters, rows, &Parts::equal(folds));
    let mut fold_of = vec![0; rows.len()];
    for (cluster, fold) in clusters.iter().zip(assigned) {
        cluster.rows.iter().for_each(|&row| fold_of[row as usize] = fold);
    }
    fold_of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, text: &str, label: &str) -> Row {
        Row::new(line, text, label)
    }

    #[test]
    fn labels_are_spread_and_like_texts_stay_together() {
        let word = |i: u64| format!("{:x}", xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes()));
        let mut rows: Vec<Row> = (0..40)
            .map(|i| row(i, &format!("{} {}", word(i), word(100 + i)), ["a", "b"][i as usize % 2]))
            .collect();
        rows.push(row(40, "what is the exchange rate for euros today please", "a"));
        rows.push(row(41, "What is the exchange rate for euro today, please?", "b"));
        let of = folds(&rows, 5, 7);
        assert_eq!(of[40], of[41]);
        for fold in 0..5 {
            for label in ["a", "b"] {
                let held = rows.iter().zip(&of).filter(|(row, of)| row.label == label && **of == fold);
                assert!((4..=5).contains(&held.count()), "{of:?}");
            }
        }
        assert_ne!(folds(&rows, 5, 8), of);
        assert!(folds(&[], 5, 7).is_empty());
    }
}
