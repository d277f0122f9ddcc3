//! Clusters to parts so that each label has its share.

use std::collections::BTreeMap;

use super::Parts;
use super::clusters::Cluster;
use crate::Row;

/// The part of each cluster: the largest first, each to where its labels are missing most.
pub(super) fn assign(clusters: &[Cluster], rows: &[Row], parts: &Parts) -> Vec<usize> {
    let mut totals = BTreeMap::<&str, f64>::new();
    for row in rows {
        *totals.entry(&row.label).or_default() += 1.0;
    }
    // What each part still lacks of each label.
    let mut lacking: Vec<BTreeMap<&str, f64>> = parts
        .iter()
        .map(|(_, share)| totals.iter().map(|(&label, n)| (label, n * share)).collect())
        .collect();
    let mut order: Vec<usize> = (0..clusters.len()).collect();
    let (size, place) = (|i: &usize| clusters[*i].rows.len(), |i: &usize| clusters[*i].place);
    order.sort_by(|a, b| size(b).cmp(&size(a)).then(place(a).total_cmp(&place(b))));
    let mut assigned = vec![0; clusters.len()];
    for i in order {
        let labels = || clusters[i].rows.iter().map(|&row| rows[row as usize].label.as_str());
        let need = |part: usize| labels().map(|label| lacking[part][label]).sum::<f64>();
        let whole = |part: usize| lacking[part].values().sum::<f64>();
        let best = (0..parts.len()).reduce(|best, part| {
            let order = need(part).total_cmp(&need(best)).then_with(|| whole(part).total_cmp(&whole(best)));
            if order.is_gt() { part } else { best }
        });
        assigned[i] = best.expect("there are two parts at least");
        for label in labels() {
            *lacking[assigned[i]].get_mut(label).expect("every label was counted") -= 1.0;
        }
    }
    assigned
}
