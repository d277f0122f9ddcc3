//! The order of labels in which confusions lie near the diagonal.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tunebench_data::LabelId;

use crate::Confusion;

/// The labels, at most `most` of them, one order for all the matrices: then they can be held against each other.
///
/// Where there are too many labels, those with the most wrong rows are chosen. Pairs of labels are taken by how often one
/// is answered for the other, most often first, and each is put side by side if both still have a free side: chains grow
/// that way, as in the greedy heuristic for the longest path. The chains stand in the order of their first labels.
pub(super) fn order(matrices: &[&Confusion], labels: usize, most: usize) -> Vec<LabelId> {
    let chosen = choose(matrices, labels, most);
    let mut weights: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for (gold, answer, rows) in matrices.iter().flat_map(|matrix| matrix.cells()) {
        if let (Ok(a), Ok(b), true) =
            (chosen.binary_search(&gold), chosen.binary_search(&answer), gold != answer)
        {
            *weights.entry((a.min(b), a.max(b))).or_default() += rows;
        }
    }
    let mut pairs: Vec<_> = weights.into_iter().collect();
    pairs.sort_by_key(|&(pair, rows)| (Reverse(rows), pair));

    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); chosen.len()];
    let mut chain_of: Vec<usize> = (0..chosen.len()).collect();
    for ((a, b), _) in pairs {
        let (chain, other) = (chain_of[a], chain_of[b]);
        // Within one chain a pair would close a circle.
        if chain != other && neighbours[a].len() < 2 && neighbours[b].len() < 2 {
            neighbours[a].push(b);
            neighbours[b].push(a);
            chain_of.iter_mut().filter(|c| **c == other).for_each(|c| *c = chain);
        }
    }
    walk(&neighbours).into_iter().map(|i| chosen[i]).collect()
}

/// The labels to show, in their own order.
fn choose(matrices: &[&Confusion], labels: usize, most: usize) -> Vec<LabelId> {
    let mut all: Vec<_> = (0..labels).map(|i| LabelId(i as u32)).collect();
    if labels > most {
        let wrong = |label: LabelId| -> u64 {
            matrices.iter().map(|m| (m.support(label) + m.predicted(label)) - 2 * m.get(label, label)).sum()
        };
        all.sort_by_key(|&label| (Reverse(wrong(label)), label));
        all.truncate(most);
        all.sort_unstable();
    }
    all
}

/// All chains, each from the end that comes first.
fn walk(neighbours: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(neighbours.len());
    let mut seen = vec![false; neighbours.len()];
    for start in (0..neighbours.len()).filter(|&i| neighbours[i].len() < 2) {
        let mut at = (!seen[start]).then_some(start);
        while let Some(here) = at {
            seen[here] = true;
            order.push(here);
            at = neighbours[here].iter().copied().find(|&next| !seen[next]);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_predictions, predictions};

    fn letters(gold: &str, answers: &str, most: usize) -> String {
        let confusion = Confusion::of(&predictions(gold, answers), 5);
        order(&[&confusion], 5, most).into_iter().map(|label| char::from(b'a' + label.0 as u8)).collect()
    }

    #[test]
    fn what_is_confused_stands_side_by_side() {
        assert_eq!(letters("abcde", "abcde", 9), "abcde");
        // a with e three times, e with c twice, a with c once: e stands between.
        assert_eq!(letters("aeaecca", "eaeceec", 9), "aecbd");
    }

    #[test]
    fn of_too_many_labels_those_with_most_errors_stay() {
        assert_eq!(letters("aabcde", "bbbcdb", 3), "abe");
    }

    proptest! {
        #[test]
        fn every_label_stands_once(rows in any_predictions(7), most in 1usize..9) {
            let confusion = Confusion::of(&rows, 7);
            let mut order = order(&[&confusion], 7, most);
            order.sort_unstable();
            order.dedup();
            prop_assert_eq!(order.len(), most.min(7));
        }
    }
}
