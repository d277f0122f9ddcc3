//! Shingles of a text, and a short sketch of them.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{BANDS, REACH, ROWS, SHINGLE};

const HASHES: usize = BANDS * ROWS;

/// The set of a text's shingles: every run of [`SHINGLE`] characters of its normal form, hashed, in order.
///
/// A shorter text is a single shingle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shingles(Vec<u64>);

impl Shingles {
    /// Those of a text in its normal form.
    pub(crate) fn of(normal: &str) -> Self {
        // Where each character begins, and where the last one ends.
        let ends = normal.char_indices().map(|(at, _)| at).chain([normal.len()]).take(REACH + 1);
        let ends: Vec<usize> = ends.collect();
        let width = SHINGLE.min(ends.len() - 1);
        let spans = ends.iter().zip(&ends[width..]);
        let mut hashes: Vec<u64> = spans.map(|(&from, &to)| hash(&normal[from..to])).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    /// The Jaccard similarity: shared shingles among all.
    pub(crate) fn jaccard(&self, other: &Self) -> f64 {
        let (mut a, mut b) = (self.0.as_slice(), other.0.as_slice());
        let mut shared = 0;
        while let ([x, a_rest @ ..], [y, b_rest @ ..]) = (a, b) {
            shared += usize::from(x == y);
            if x <= y {
                a = a_rest;
            }
            if y <= x {
                b = b_rest;
            }
        }
        let all = self.0.len() + other.0.len() - shared;
        if all == 0 { 1.0 } else { shared as f64 / all as f64 }
    }
}

fn hash(shingle: &str) -> u64 {
    xxh3_64_with_seed(shingle.as_bytes(), 0)
}

/// One key for each band of a MinHash signature.
type Sketch = [u32; BANDS];

/// Makes sketches. Its hash functions are fixed: equal texts have equal sketches everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Sketcher {
    /// An odd multiplier and a mask for each hash function.
    functions: Vec<(u64, u64)>,
}

impl Sketcher {
    pub(crate) fn new() -> Self {
        let draw = |i: usize, seed| xxh3_64_with_seed(&(i as u64).to_le_bytes(), seed);
        Self { functions: (0..HASHES).map(|i| (draw(i, 1) | 1, draw(i, 2))).collect() }
    }

    pub(crate) fn sketch(&self, shingles: &Shingles) -> Sketch {
        let mut least = [u64::MAX; HASHES];
        for &shingle in &shingles.0 {
            for (least, (multiplier, mask)) in least.iter_mut().zip(&self.functions) {
                // The shingle is a good hash already; this only orders the shingles in another way each time.
                *least = (*least).min((shingle ^ mask).wrapping_mul(*multiplier));
            }
        }
        std::array::from_fn(|band| {
            let mut bytes = [0; 8 * ROWS];
            for (bytes, least) in bytes.chunks_exact_mut(8).zip(&least[band * ROWS..]) {
                bytes.copy_from_slice(&least.to_le_bytes());
            }
            xxh3_64_with_seed(&bytes, band as u64) as u32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jaccard(a: &str, b: &str) -> f64 {
        Shingles::of(a).jaccard(&Shingles::of(b))
    }

    #[test]
    fn similarity_is_shared_shingles_among_all() {
        // abcde bcdef cdefg / abcde bcdef cdefh: two of four.
        assert_eq!(jaccard("abcdefg", "abcdefh"), 0.5);
        assert_eq!(jaccard("abc", "abc"), 1.0);
        assert_eq!(jaccard("abc", "abcd"), 0.0);
        assert_eq!(jaccard("", ""), 1.0);
        assert_eq!(jaccard("四五六七八九", "四五六七八十"), 1.0 / 3.0);
    }

    /// A pair agrees in one hash with a probability that is its similarity (Broder 1997), so in a band with that to
    /// the power of the band's rows.
    #[test]
    fn bands_agree_as_often_as_the_theory_says() {
        let sketcher = Sketcher::new();
        let (mut agreeing, mut expected) = (0, 0.0);
        for i in 0..200 {
            let word = |j: usize| format!("{:x}", xxh3_64_with_seed(&[j as u8, i as u8], 7));
            let text: Vec<String> = (0..8).map(word).collect();
            let (a, b) = (text.join(" "), [&text[..7], &[word(99)]].concat().join(" "));
            let (a, b) = (Shingles::of(&a), Shingles::of(&b));
            expected += BANDS as f64 * a.jaccard(&b).powi(ROWS as i32);
            let (a, b) = (sketcher.sketch(&a), sketcher.sketch(&b));
            agreeing += a.iter().zip(&b).filter(|(a, b)| a == b).count();
        }
        let error = (agreeing as f64 - expected).abs() / expected;
        assert!(error < 0.05, "{agreeing} bands agree, {expected} expected");
    }
}
