//! The untrained baseline: the label whose name looks most like the text. No language model, no learning.

use std::collections::HashMap;

use super::ngrams::{MAX_CHARACTERS, NgramReader};

/// Compares texts with label names by their words, word pairs and character 3-5-grams.
#[derive(Debug)]
pub(super) struct Lexical {
    /// For each n-gram of the names, the labels that have it.
    ngrams: HashMap<u64, Vec<u32>>,
    /// For each label 1 / sqrt(n-grams of its name), or 0 if it has none.
    scales: Vec<f32>,
}

/// What a comparison needs; each thread keeps one to save the allocations.
#[derive(Debug)]
pub(super) struct LexicalScratch {
    reader: NgramReader,
    scores: Vec<f32>,
}

impl Default for LexicalScratch {
    fn default() -> Self {
        Self { reader: NgramReader::from(3), scores: Vec::new() }
    }
}

impl Lexical {
    /// A baseline for labels with these names, in this order; a description may follow each name.
    pub(super) fn new<S: AsRef<str>>(names: &[S]) -> Self {
        let mut reader = NgramReader::from(3);
        let mut ngrams: HashMap<u64, Vec<u32>> = HashMap::new();
        let mut scales = Vec::with_capacity(names.len());
        for (label, name) in names.iter().enumerate() {
            let mut count = 0;
            for (key, _) in reader.read(&words_of(name.as_ref())) {
                ngrams.entry(key).or_default().push(label as u32);
                count += 1;
            }
            scales.push(if count == 0 { 0.0 } else { 1.0 / (count as f32).sqrt() });
        }
        Self { ngrams, scales }
    }

    /// How alike the text and the name of each label are, from 0 to 1: the cosine of their sets of n-grams,
    /// shared / sqrt(in the text * in the name).
    ///
    /// There is no answer when no name shares anything with the text, nor when the two best names share
    /// equally much (to a millionth): nothing tells them apart, and this baseline does not guess.
    pub(super) fn predict<'s>(&self, text: &str, scratch: &'s mut LexicalScratch) -> Option<&'s [f32]> {
        let LexicalScratch { reader, scores } = scratch;
        scores.clear();
        scores.resize(self.scales.len(), 0.0);
        let ngrams = reader.read(text);
        let scale = 1.0 / (ngrams.len().max(1) as f32).sqrt();
        for (key, _) in ngrams {
            for &label in self.ngrams.get(&key).into_iter().flatten() {
                scores[label as usize] += 1.0;
            }
        }
        let (mut best, mut second) = (0.0_f32, 0.0_f32);
        for (score, name_scale) in scores.iter_mut().zip(&self.scales) {
            *score = (*score * name_scale * scale).min(1.0);
            second = second.max(score.min(best));
            best = best.max(*score);
        }
        (best > 0.0 && second < best * (1.0 - 1e-6)).then_some(scores.as_slice())
    }
}

/// A name as words: split where `_`, `-`, `.` or `/` stand and where camelCase changes.
pub(super) fn words_of(name: &str) -> String {
    let mut words = String::new();
    let mut last = ' ';
    let mut characters = name.chars().take(MAX_CHARACTERS).peekable();
    while let Some(c) = characters.next() {
        let next_is_lower = characters.peek().is_some_and(|next| next.is_lowercase());
        // fooBar is foo Bar, and HTTPError is HTTP Error.
        if c.is_uppercase() && (last.is_lowercase() || last.is_uppercase() && next_is_lower) {
            words.push(' ');
        }
        words.push(if "_-./".contains(c) { ' ' } else { c });
        last = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn best(names: &[&str], text: &str) -> Option<usize> {
        let mut scratch = LexicalScratch::default();
        let lexical = Lexical::new(names);
        let scores = lexical.predict(text, &mut scratch)?;
        (0..names.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
    }

    #[test]
    fn finds_the_name_in_the_text() {
        let names = ["card_arrival", "cash-withdrawal", "exchangeRate", "天气"];
        assert_eq!(best(&names, "When does my CARD arrive?"), Some(0));
        assert_eq!(best(&names, "I was withdrawing money"), Some(1));
        assert_eq!(best(&names, "what are your rates"), Some(2));
        assert_eq!(best(&names, "今天天气怎么样"), Some(3));
    }

    #[test]
    fn does_not_guess() {
        assert_eq!(best(&["refund", "fee"], "zzz"), None);
        assert_eq!(best(&["refund", "fee"], ""), None);
        assert_eq!(best(&["---", "😀"], "- 😀-"), None);
        assert_eq!(best(&["card fee", "card fix"], "card"), None);
        // The same n-grams are shared, but they are a greater part of the shorter name.
        assert_eq!(best(&["card stolen", "card"], "card"), Some(1));
    }

    #[test]
    fn splits_names_into_words() {
        for (name, words) in [
            ("refund_not_showing-up", "refund not showing up"),
            ("FilmFestival", "Film Festival"),
            ("HTTPError/comp.sys", "HTTP Error comp sys"),
            ("ÄrgerÜber", "Ärger Über"),
            ("天气", "天气"),
        ] {
            assert_eq!(words_of(name), words);
        }
    }

    proptest! {
        #[test]
        fn scores_lie_between_zero_and_one(names in prop::collection::vec(".{1,12}", 1..6), text in any::<String>()) {
            let mut scratch = LexicalScratch::default();
            for text in [&text, &names[0]] {
                if let Some(scores) = Lexical::new(&names).predict(text, &mut scratch) {
                    prop_assert_eq!(scores.len(), names.len());
                    prop_assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
                }
            }
        }
    }
}
