//! What is kept of a row beside its prediction: where it stands, what the model said, what that took.
//!
//! None of it is needed for a figure, so it is never held for all rows: it goes from the answer into a file, and from
//! there into the CSV of predictions.

use serde::{Deserialize, Serialize};

/// The most characters that are kept of an answer or of a cell.
pub const KEPT_CHARS: usize = 2000;

/// The details of one row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RowDetails {
    /// The line of the data file where the row begins, from 1; 0 where it is not known.
    pub line: u64,
    /// Tokens sent.
    pub input_tokens: Option<u64>,
    /// Tokens answered.
    pub output_tokens: Option<u64>,
    /// What the answer costs in dollars at the prices of the day, whether it was paid for now or earlier.
    pub cost_usd: Option<f64>,
    /// The model version that answered, as the provider names it.
    pub model_version: Option<String>,
    /// What the model said, as it came, unless it is longer than [`KEPT_CHARS`].
    pub answer: Option<String>,
    /// The row's own columns.
    pub fields: Vec<(String, String)>,
}

/// A text of at most [`KEPT_CHARS`] characters: of a longer one its beginning and its end, where the answer stands.
pub fn bounded(text: &str) -> String {
    let length = text.chars().count();
    if length <= KEPT_CHARS {
        return text.to_owned();
    }
    let mark = " […] ";
    let part = (KEPT_CHARS - mark.chars().count()) / 2;
    let head: String = text.chars().take(part).collect();
    let tail: String = text.chars().skip(length - part).collect();
    format!("{head}{mark}{tail}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_is_bounded_and_short_texts_are_whole(text in "\\PC{0,60}", times in 0usize..120) {
            let long = text.repeat(times);
            let kept = bounded(&long);
            prop_assert!(kept.chars().count() <= KEPT_CHARS);
            if long.chars().count() <= KEPT_CHARS {
                prop_assert_eq!(kept, long);
            } else {
                prop_assert!(long.ends_with(kept.rsplit(" […] ").next().unwrap()));
            }
        }
    }
}
