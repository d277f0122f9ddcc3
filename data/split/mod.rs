//! One file into parts, such as train, validation and test: seeded, without leaks, stable.
//!
//! Rows that belong together go to one part: those of a group, those with the same text in its normal form, near
//! duplicates, and whatever hangs together through these. Such a *cluster* gets a number between 0 and 1, a hash of the
//! seed and of its content; where that falls among the shares says the part.
//!
//! **Stable or exact.** By default nothing but a cluster's own content decides over it. So rows that are added later never
//! move one that they do not touch, and the order of the file does not matter; but each label has its share of a part only
//! on average, as with drawn lots: of *n* clusters, a share *p* is met within about √(*n p* (1 − *p*)). With
//! [`Plan::exact`] each label gets its share as exactly as clusters allow (greedy, as in Sechidis, Tsoumakas and
//! Vlahavas, "On the stratification of multi-label data", 2011); a row that is added can then move others.

mod clusters;
mod exact;
mod folds;
mod parts;

use std::collections::BTreeMap;
use std::io::{self, Write};

pub use folds::folds;
pub use parts::{BadParts, Parts};

use crate::copies::Copies;
use crate::{DataError, Row, Source};
use clusters::Cluster;

/// How to split.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The parts and their shares.
    pub parts: Parts,
    /// Another seed is another split.
    pub seed: u64,
    /// Whether each label gets its exact share, at the price of stability.
    pub exact: bool,
}

/// A file, and the part of each of its rows.
#[derive(Debug, Clone)]
pub struct Split {
    source: Source,
    parts: Parts,
    /// The line of each row and its part, in the order of the file.
    rows: Vec<(u64, u8)>,
    /// Rows of each label in each part.
    counts: BTreeMap<String, Vec<u64>>,
    clusters: usize,
    largest: usize,
}

impl Split {
    /// Reads a file and decides on all its rows; writes nothing.
    ///
    /// A file with bad rows is an error that names them all.
    pub fn new(source: &Source, plan: &Plan) -> Result<Self, DataError> {
        let mut rows = Vec::new();
        source.read_all(None, |row| rows.push(row))?;
        let clusters = clusters::find(&rows, plan.seed);
        let assigned = match plan.exact {
            false => clusters.iter().map(|cluster| plan.parts.at(cluster.place)).collect(),
            true => exact::assign(&clusters, &rows, &plan.parts),
        };
        Ok(Self::gather(source, &plan.parts, &rows, &clusters, &assigned))
    }

    fn gather(
        source: &Source,
        parts: &Parts,
        rows: &[Row],
        clusters: &[Cluster],
        assigned: &[usize],
    ) -> Self {
        let mut part_of = vec![0; rows.len()];
        for (cluster, &part) in clusters.iter().zip(assigned) {
            cluster.rows.iter().for_each(|&row| part_of[row as usize] = part);
        }
        let mut counts = BTreeMap::<String, Vec<u64>>::new();
        for (row, &part) in rows.iter().zip(&part_of) {
            if !counts.contains_key(&row.label) {
                counts.insert(row.label.clone(), vec![0; parts.len()]);
            }
            counts.get_mut(&row.label).expect("it was put there if it was missing")[part] += 1;
        }
        Self {
            source: source.clone(),
            parts: parts.clone(),
            rows: rows.iter().zip(part_of).map(|(row, part)| (row.line, part as u8)).collect(),
            counts,
            clusters: clusters.len(),
            largest: clusters.iter().map(|cluster| cluster.rows.len()).max().unwrap_or(0),
        }
    }

    /// The parts, in the given order.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The line of each row and the number of its part, in the order of the file.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (u64, usize)> {
        self.rows.iter().map(|&(line, part)| (line, usize::from(part)))
    }

    /// Rows of each label in each part.
    pub fn counts(&self) -> &BTreeMap<String, Vec<u64>> {
        &self.counts
    }

    /// Into how many clusters the rows fall.
    pub fn clusters(&self) -> usize {
        self.clusters
    }

    /// The rows of the largest cluster.
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// Writes the rows of a part as they stand in the file, with the file's header in front.
    pub fn write(&self, part: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut copies = Copies::open(&self.source).map_err(io::Error::other)?;
        copies.begin(out)?;
        let mut rows = self.rows().peekable();
        let mut first = true;
        while let Some(record) = copies.next().map_err(io::Error::other)? {
            // What is no row, such as an empty line of JSONL, is left out.
            if rows.next_if(|&(line, _)| line == record).is_some_and(|(_, of)| of == part) {
                copies.write(None, std::mem::take(&mut first), out)?;
            }
        }
        copies.end(out)?;
        match rows.next() {
            None => Ok(()),
            Some((line, _)) => {
                Err(io::Error::other(format!("the file was changed while it was read, near line {line}")))
            }
        }
    }
}

#[cfg(test)]
mod tests;
