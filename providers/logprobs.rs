//! The probability of a label, from the log-probabilities of the tokens that spell it.

use std::borrow::Cow;

use crate::CompletionRequest;

/// A token of an answer.
pub(crate) struct Token<'a> {
    /// What it spells; a token can end within a character.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// The natural logarithm of what the model gave to it.
    pub(crate) logprob: f64,
}

/// The probability of the label that `text` names, from the tokens of that text.
pub(crate) fn of_answer(text: &str, tokens: &[Token<'_>], request: &CompletionRequest) -> Option<f32> {
    let prompt = &request.prompt;
    let name = prompt.labels().name(prompt.parse(text).ok()?);
    of_label(tokens, name).or_else(|| {
        // In JSON a label with quotes or backslashes is spelt otherwise.
        let quoted = serde_json::to_string(name).ok()?;
        of_label(tokens, quoted.trim_matches('"'))
    })
}

/// What the model gives to the tokens that spell `label` in its answer: `exp` of the sum of their log-probabilities.
///
/// Tokens that hold a part of the label count whole. The last place where the label stands is the one meant:
/// reasoning in words comes before the answer. `None` where it does not stand there letter for letter.
///
/// The end of the label is not part of it: with labels `card` and `card arrival`, the first gets the mass of both
/// until the next token decides.
fn of_label(tokens: &[Token<'_>], label: &str) -> Option<f32> {
    if label.is_empty() {
        return None;
    }
    let text: Vec<u8> = tokens.iter().flat_map(|token| token.bytes.iter().copied()).collect();
    let start = text.windows(label.len()).rposition(|window| window == label.as_bytes())?;
    let end = start + label.len();
    let (mut from, mut sum) = (0, 0.0);
    for token in tokens {
        let to = from + token.bytes.len();
        if from < end && to > start {
            sum += token.logprob;
        }
        from = to;
    }
    let probability = sum.exp() as f32;
    (0.0..=1.001).contains(&probability).then(|| probability.min(1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(text: &str, logprob: f64) -> Token<'_> {
        Token { bytes: text.as_bytes().into(), logprob }
    }

    #[test]
    fn only_the_labels_tokens_count() {
        let tokens =
            [token("<out", -3.0), token("put>ca", -0.5), token("rd", -0.25), token("</output>", -7.0)];
        assert_eq!(of_label(&tokens, "card"), Some((-0.75f64).exp() as f32));
        assert_eq!(of_label(&tokens, "transfer"), None);
        assert_eq!(of_label(&tokens, ""), None);
        assert_eq!(of_label(&[], "card"), None);
    }

    #[test]
    fn the_last_mention_is_meant() {
        let tokens = [token("card", -5.0), token("? no: ", -1.0), token("card", -0.1)];
        assert_eq!(of_label(&tokens, "card"), Some((-0.1f64).exp() as f32));
    }

    #[test]
    fn tokens_may_split_characters() {
        let part = |byte: u8, logprob| Token { bytes: vec![byte].into(), logprob };
        let tokens = [part(0xc3, -0.1), part(0xa9, -0.2), token("t", -9.0)];
        assert_eq!(of_label(&tokens, "é"), Some((-0.3f64).exp() as f32));
        assert_eq!(of_label(&[token("a", -9999.0)], "a"), Some(0.0));
    }

    proptest! {
        #[test]
        fn always_a_probability(
            parts in prop::collection::vec(("[ab<>é]{0,3}", -20.0f64..0.0), 0..8), label in "[abé]{0,3}",
        ) {
            let tokens: Vec<_> = parts.iter().map(|(text, logprob)| token(text, *logprob)).collect();
            let text: String = parts.iter().map(|(text, _)| text.as_str()).collect();
            let found = of_label(&tokens, &label);
            prop_assert_eq!(found.is_some(), !label.is_empty() && text.contains(&label));
            prop_assert!(found.is_none_or(|p| (0.0..=1.0).contains(&p)));
        }
    }
}
