//! Which texts are the same, nearly the same, or only alike: in time that grows with the rows, not with their pairs.
//!
//! Three grades, each with its own meaning:
//! * *exact*: the same characters;
//! * *normalised*: the same [normal form](normal_form);
//! * *near*: the [shingles](Shingles) of their normal forms have a Jaccard similarity of at least [`THRESHOLD`].
//!
//! Near pairs are found by MinHash (Broder, "On the resemblance and containment of documents", 1997) with locality
//! sensitive hashing in bands (Indyk and Motwani, 1998; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets",
//! chapter 3): a pair of similarity *s* becomes a candidate with probability 1 − (1 − *s*^[`ROWS`])^[`BANDS`], and only
//! candidates are compared, exactly. A pair at the threshold is found with 99.6 %, one of 0.9 with more than 99.9999 %.

mod index;
mod minhash;
mod normal;
mod sets;
#[cfg(test)]
mod tests;

pub(crate) use index::{Index, Links};
use minhash::{Shingles, Sketcher};
pub(crate) use normal::normal_form;
pub(crate) use sets::DisjointSets;

/// Characters in a shingle, as is usual for short texts.
pub(crate) const SHINGLE: usize = 5;
/// The Jaccard similarity from which two texts are near duplicates.
pub(crate) const THRESHOLD: f64 = 0.75;
/// Bands of a sketch. Two texts are compared if they agree in one of them.
pub(crate) const BANDS: usize = 20;
/// MinHash values in a band.
pub(crate) const ROWS: usize = 5;
/// How far into a text shingles are taken, in characters of the normal form: of a book, the beginning must do.
pub(crate) const REACH: usize = 20_000;
/// How many texts of a bucket each further one is compared with, so that many alike do not mean as many pairs.
const COMPARED: usize = 6;

/// The fingerprint of a text.
pub(crate) fn print(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// The similarity of two texts, without any index.
pub(crate) fn similarity(a: &str, b: &str) -> f64 {
    Shingles::of(&normal_form(a)).jaccard(&Shingles::of(&normal_form(b)))
}
