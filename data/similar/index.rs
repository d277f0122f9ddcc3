//! Near duplicates among texts, and of further texts among them.

use super::{BANDS, COMPARED, DisjointSets, Shingles, Sketcher, THRESHOLD, normal_form};

/// Texts by the bands of their sketches. A row takes eight bytes for each band; the texts stay where they are.
pub(crate) struct Index {
    sketcher: Sketcher,
    /// For each band, keys and rows in order.
    bands: Vec<Vec<(u32, u32)>>,
}

/// Pairs of near duplicates that connect all rows which hang together: one for each row but the first of its set.
pub(crate) type Links = Vec<(u32, u32)>;

impl Index {
    /// Indexes texts, each with its row.
    pub(crate) fn new<T: AsRef<str>>(texts: impl Iterator<Item = (u32, T)>) -> Self {
        let sketcher = Sketcher::new();
        let mut bands = vec![Vec::new(); BANDS];
        for (row, text) in texts {
            let sketch = sketcher.sketch(&Shingles::of(&normal_form(text.as_ref())));
            for (band, key) in bands.iter_mut().zip(sketch) {
                band.push((key, row));
            }
        }
        bands.iter_mut().for_each(|band| band.sort_unstable());
        Self { sketcher, bands }
    }

    /// Finds the near duplicates among the indexed texts and joins their sets; `text` gives the text of a row.
    ///
    /// What a row is compared with is bounded, so a pair whose bucket holds many other texts can be missed.
    pub(crate) fn links<'a>(&self, sets: &mut DisjointSets, text: impl Fn(u32) -> &'a str) -> Links {
        let mut links = Links::new();
        for band in &self.bands {
            for bucket in band.chunk_by(|a, b| a.0 == b.0).filter(|bucket| bucket.len() > 1) {
                link_bucket(bucket, sets, &text, &mut links);
            }
        }
        links.sort_unstable();
        links
    }

    /// The indexed row that is most like a text in its normal form, if it is a near duplicate.
    pub(crate) fn nearest<'a>(&self, normal: &str, text: impl Fn(u32) -> &'a str) -> Option<(u32, f64)> {
        let shingles = Shingles::of(normal);
        let mut candidates = Vec::new();
        for (band, key) in self.bands.iter().zip(self.sketcher.sketch(&shingles)) {
            let from = band.partition_point(|&(k, _)| k < key);
            let bucket = band[from..].iter().take_while(|&&(k, _)| k == key);
            candidates.extend(bucket.take(COMPARED).map(|&(_, row)| row));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let similarity = |row| shingles.jaccard(&Shingles::of(&normal_form(text(row))));
        let scored = candidates.into_iter().map(|row| (row, similarity(row)));
        // Of equals, the first row.
        scored.filter(|&(_, s)| s >= THRESHOLD).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
    }
}

/// Compares the rows of a bucket with the first few of them that are not alike.
fn link_bucket<'a>(
    bucket: &[(u32, u32)],
    sets: &mut DisjointSets,
    text: &impl Fn(u32) -> &'a str,
    links: &mut Links,
) {
    let first = sets.find(bucket[0].1);
    if bucket.iter().all(|&(_, row)| sets.find(row) == first) {
        return;
    }
    let mut compared: Vec<(u32, Shingles)> = Vec::new();
    for &(_, row) in bucket {
        let set = sets.find(row);
        if compared.iter().any(|&(other, _)| sets.find(other) == set) {
            continue;
        }
        let shingles = Shingles::of(&normal_form(text(row)));
        match compared.iter().find(|(_, other)| shingles.jaccard(other) >= THRESHOLD) {
            Some(&(other, _)) => {
                sets.join(row, other);
                links.push((row.max(other), row.min(other)));
            }
            None if compared.len() < COMPARED => compared.push((row, shingles)),
            None => {}
        }
    }
}
