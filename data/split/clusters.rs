//! Which rows must not be parted.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::Row;
use crate::similar::{DisjointSets, Index, normal_form, print};

/// Rows that hang together through groups and through their texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cluster {
    /// In the order of the file.
    pub(super) rows: Vec<u32>,
    /// A number from 0 up to 1: the lot that the cluster draws, from the seed and its own content only.
    pub(super) place: f64,
}

/// All clusters, by their first row.
pub(super) fn find(rows: &[Row], seed: u64) -> Vec<Cluster> {
    let mut sets = DisjointSets::new(rows.len());
    let (mut groups, mut texts) = (HashMap::<&str, u32>::new(), HashMap::<u64, u32>::new());
    let mut different = Vec::new();
    for (number, row) in (0u32..).zip(rows) {
        if let Some(group) = &row.group {
            let first = *groups.entry(group).or_insert(number);
            sets.join(first, number);
        }
        let first = *texts.entry(print(&normal_form(&row.text))).or_insert(number);
        sets.join(first, number);
        if first == number {
            different.push(number);
        }
    }
    let text = |number: u32| rows[number as usize].text.as_str();
    Index::new(different.into_iter().map(|number| (number, text(number)))).links(&mut sets, text);
    let mut members = HashMap::<u32, Vec<u32>>::new();
    for number in 0..rows.len() as u32 {
        members.entry(sets.find(number)).or_default().push(number);
    }
    let mut clusters: Vec<Vec<u32>> = members.into_values().collect();
    clusters.sort_unstable_by_key(|cluster| cluster[0]);
    clusters
        .into_iter()
        .map(|members| Cluster { place: place(&members, rows, seed), rows: members })
        .collect()
}

/// Drawn by the group, or else by the text, whose own lot is the least: a row that joins a cluster moves it seldom, and
/// never where its groups stay the same.
fn place(members: &[u32], rows: &[Row], seed: u64) -> f64 {
    let rows = || members.iter().map(|&row| &rows[row as usize]);
    let of_group = rows().filter_map(|row| row.group.as_deref()).map(|group| lot(seed, "group", group)).min();
    let of_text = || rows().map(|row| lot(seed, "text", &normal_form(&row.text))).min();
    let least = of_group.or_else(of_text).unwrap_or(0);
    // The least of many is small: drawn once more, it is as likely anywhere.
    let drawn = lot(seed, "cluster", &format!("{least:016x}"));
    // 53 bits are what a float between 0 and 1 can hold.
    (drawn >> 11) as f64 / (1u64 << 53) as f64
}

/// A hash that never changes between versions, so that a split can be made again.
fn lot(seed: u64, kind: &str, content: &str) -> u64 {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(kind).chain_update(content);
    let digest = hash.finalize();
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}
