//! The rows of a calibration with their clusters, read where they are: a table of them would be larger than they are.

use super::Row;
use crate::{Clusters, Predictions};

/// Rows, each with the key of its cluster: the least id in it, which no order of the file changes.
pub(super) struct KeyedRows<'a> {
    predictions: &'a Predictions,
    /// The clusters with their keys; none where each row is one, whose id is the key.
    clusters: Option<(&'a Clusters, Vec<u64>)>,
}

impl<'a> KeyedRows<'a> {
    pub(super) fn of(predictions: &'a Predictions, clusters: Option<&'a Clusters>) -> Self {
        let clusters = clusters.filter(|clusters| clusters.are_not_rows()).map(|clusters| {
            let mut keys = vec![u64::MAX; clusters.count() as usize];
            for (place, row) in predictions.iter().enumerate() {
                if let Some(key) = clusters.of(place).and_then(|cluster| keys.get_mut(cluster)) {
                    *key = row.id.0.min(*key);
                }
            }
            (clusters, keys)
        });
        Self { predictions, clusters }
    }

    /// The places of the rows with a label and a probability.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        let with = self.predictions.iter().enumerate().filter(|(_, row)| Row::of(row).is_some());
        with.map(|(place, _)| place as u32)
    }

    /// How many clusters there are; none where each row is one.
    pub(super) fn clusters(&self) -> Option<usize> {
        self.clusters.as_ref().map(|(_, keys)| keys.len())
    }

    /// The cluster of a row.
    pub(super) fn cluster(&self, place: u32) -> usize {
        let cluster = self.clusters.as_ref().and_then(|(clusters, _)| clusters.of(place as usize));
        cluster.unwrap_or(place as usize)
    }

    /// The key of a row's cluster.
    pub(super) fn key(&self, place: u32) -> u64 {
        match &self.clusters {
            Some((_, keys)) => keys[self.cluster(place)],
            None => self.predictions.id(place as usize).0,
        }
    }

    /// One of [these rows](Self::places).
    pub(super) fn row(&self, place: u32) -> Row {
        Row::of(&self.predictions.row(place as usize)).expect("a row with a label and a probability")
    }
}
