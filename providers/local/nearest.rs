//! The training texts that are most like a text, by the n-grams that the classifier reads.

use super::features::{MAX_NGRAMS, Reading, Vocabulary};

/// Finds, for a text, the most similar of a fixed set of texts.
///
/// Similarity is the inner product of the TF-IDF vectors that the classifier is trained on: the cosine over words plus
/// that over letter sequences, from 0 to 2. Share it between threads by reference or `Arc`.
#[derive(Debug)]
pub struct Nearest {
    vocabulary: Vocabulary,
    /// Where the rows of each column start in `postings`; one more than there are columns.
    starts: Vec<u32>,
    /// (row, value), column by column.
    postings: Vec<(u32, f32)>,
    rows: usize,
}

/// What a search needs; each thread keeps one to save the allocations.
#[derive(Debug, Default)]
pub struct NearestScratch {
    reading: Reading,
    scores: Vec<f32>,
}

impl Nearest {
    /// Makes the texts searchable; at least one.
    pub fn new(texts: &[&str]) -> Self {
        let (vocabulary, matrix) = Vocabulary::learn(texts, MAX_NGRAMS);
        let mut starts = vec![0_u32; matrix.columns() + 1];
        for row in 0..matrix.rows() {
            matrix.row(row).iter().for_each(|&(column, _)| starts[column as usize + 1] += 1);
        }
        for column in 0..matrix.columns() {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut postings = vec![(0, 0.0); matrix.entries()];
        for row in 0..matrix.rows() {
            for &(column, value) in matrix.row(row) {
                // A column shared by n n-grams stands in a row with the root of n, and is read with n.
                let value = value / (matrix.sharers[column as usize] as f32).sqrt();
                let at = &mut next[column as usize];
                postings[*at as usize] = (row as u32, value);
                *at += 1;
            }
        }
        Self { vocabulary, starts, postings, rows: matrix.rows() }
    }

    /// The positions of the `k` most similar texts, the most similar first; of equals, the first ones.
    pub fn find(&self, text: &str, k: usize, scratch: &mut NearestScratch) -> Vec<usize> {
        let NearestScratch { reading, scores } = scratch;
        self.vocabulary.read(text, reading);
        scores.clear();
        scores.resize(self.rows, 0.0);
        for &(column, value) in &reading.vector {
            let (from, to) = (self.starts[column as usize], self.starts[column as usize + 1]);
            for &(row, known) in &self.postings[from as usize..to as usize] {
                scores[row as usize] += value * known;
            }
        }
        let mut rows: Vec<usize> = (0..self.rows).collect();
        let order = |&a: &usize, &b: &usize| scores[b].total_cmp(&scores[a]).then(a.cmp(&b));
        if k < rows.len() {
            rows.select_nth_unstable_by(k, order);
            rows.truncate(k);
        }
        rows.sort_unstable_by(order);
        rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXTS: [&str; 5] = [
        "where is my card",
        "what is the exchange rate",
        "my card has not arrived",
        "how much does a card cost",
        "今天天气怎么样",
    ];

    #[test]
    fn the_most_similar_come_first() {
        let nearest = Nearest::new(&TEXTS);
        let mut scratch = NearestScratch::default();
        assert_eq!(nearest.find("has my card arrived?", 2, &mut scratch), [2, 0]);
        assert_eq!(nearest.find("exchange rates", 1, &mut scratch), [1]);
        assert_eq!(nearest.find("天气", 1, &mut scratch), [4]);
        assert_eq!(nearest.find("zzz", 3, &mut scratch), [0, 1, 2]);
        assert_eq!(nearest.find("card", 99, &mut scratch).len(), 5);
    }

    proptest! {
        #[test]
        fn every_text_is_most_like_itself(texts in prop::collection::hash_set("[a-z]{3,8}( [a-z]{3,8}){1,4}", 1..12)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let nearest = Nearest::new(&texts);
            let mut scratch = NearestScratch::default();
            for (row, text) in texts.iter().enumerate() {
                prop_assert_eq!(nearest.find(text, 1, &mut scratch), vec![row]);
            }
        }

        #[test]
        fn hostile_texts_find_something(text: String, k in 0usize..8) {
            let found = Nearest::new(&TEXTS).find(&text, k, &mut NearestScratch::default());
            prop_assert_eq!(found.len(), k.min(TEXTS.len()));
        }
    }
}
