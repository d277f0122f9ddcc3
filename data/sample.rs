//! A part of the rows that stands for the whole: seeded, and stratified by label.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::{ExampleId, LabelId};

/// Chooses `size` of the rows so that each label keeps its share, as far as whole rows allow.
///
/// A row is chosen by a hash of seed and id: the choice does not depend on the order of the rows, and rows that are
/// added elsewhere move few of the others in or out. Shares are rounded by largest remainder, ties by label order.
pub fn stratified(rows: &[(ExampleId, LabelId)], size: usize, seed: u64) -> HashSet<ExampleId> {
    let labels = rows.iter().map(|(_, label)| label.index() + 1).max().unwrap_or(0);
    let mut strata = vec![Vec::new(); labels];
    for &(id, label) in rows {
        strata[label.index()].push(id);
    }
    let counts: Vec<usize> = strata.iter().map(Vec::len).collect();
    let mut chosen = HashSet::with_capacity(size.min(rows.len()));
    for (mut ids, take) in strata.into_iter().zip(apportion(&counts, size.min(rows.len()))) {
        ids.sort_by_cached_key(|&id| rank(id, seed));
        chosen.extend(&ids[..take]);
    }
    chosen
}

/// Parts of `size` in proportion to `counts`, none larger than its count; they add up to `size`.
fn apportion(counts: &[usize], size: usize) -> Vec<usize> {
    let total: usize = counts.iter().sum();
    if total == 0 {
        return vec![0; counts.len()];
    }
    let share = |count: usize| (count as u128 * size as u128) / total as u128;
    let remainder = |count: usize| (count as u128 * size as u128) % total as u128;
    let mut parts: Vec<usize> = counts.iter().map(|&count| share(count) as usize).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(remainder(counts[i])));
    let missing = size - parts.iter().sum::<usize>();
    for &i in order.iter().take(missing) {
        parts[i] += 1;
    }
    parts
}

fn rank(id: ExampleId, seed: u64) -> [u8; 8] {
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(id.0.to_le_bytes()).finalize();
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(counts: &[usize]) -> Vec<(ExampleId, LabelId)> {
        let labels = counts.iter().enumerate().flat_map(|(label, &count)| std::iter::repeat_n(label, count));
        labels.enumerate().map(|(i, label)| (ExampleId(i as u64), LabelId(label as u32))).collect()
    }

    #[test]
    fn another_seed_chooses_other_rows() {
        let rows = rows(&[50, 50]);
        assert_eq!(stratified(&rows, 10, 1), stratified(&rows, 10, 1));
        assert_ne!(stratified(&rows, 10, 1), stratified(&rows, 10, 2));
    }

    proptest! {
        #[test]
        fn every_label_keeps_its_share(counts in prop::collection::vec(0usize..40, 1..8), size in 0usize..200, seed: u64) {
            let rows = rows(&counts);
            let chosen = stratified(&rows, size, seed);
            prop_assert_eq!(chosen.len(), size.min(rows.len()));
            for (label, &count) in counts.iter().enumerate() {
                let taken = rows.iter().filter(|(id, l)| l.index() == label && chosen.contains(id)).count();
                let fair = count as f64 * chosen.len() as f64 / rows.len().max(1) as f64;
                prop_assert!((taken as f64 - fair).abs() < 1.0, "{} of {}, fair {}", taken, count, fair);
            }
        }

        #[test]
        fn the_order_of_the_rows_does_not_matter(counts in prop::collection::vec(1usize..20, 1..5), size in 0usize..50) {
            let mut rows = rows(&counts);
            let chosen = stratified(&rows, size, 7);
            rows.reverse();
            prop_assert_eq!(stratified(&rows, size, 7), chosen);
        }
    }
}
