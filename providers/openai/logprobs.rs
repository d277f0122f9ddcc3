//! The probability of a label, from the log-probabilities of the tokens that spell it.

use serde_json::Value;

/// What the model gives to the tokens that spell `label` in its answer: `exp` of the sum of their log-probabilities.
///
/// `tokens` are items `{token, logprob, bytes?}` in the order of the answer, as Chat Completions and Responses have
/// them. Tokens that hold a part of the label count whole. The last place where the label stands is the one meant:
/// reasoning in words comes before the answer. `None` where it does not stand there letter for letter.
///
/// The end of the label is not part of it: with labels `card` and `card arrival`, the first gets the mass of both
/// until the next token decides.
pub(super) fn of_label(tokens: &[Value], label: &str) -> Option<f32> {
    let mut text = Vec::new();
    let mut ends = Vec::with_capacity(tokens.len());
    for token in tokens {
        match token.get("bytes").and_then(Value::as_array) {
            // A token can end within a character; only its bytes are exact then.
            Some(bytes) => {
                text.extend(bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()));
            }
            None => text.extend_from_slice(token.get("token")?.as_str()?.as_bytes()),
        }
        ends.push((text.len(), token.get("logprob")?.as_f64()?));
    }
    if label.is_empty() {
        return None;
    }
    let start = text.windows(label.len()).rposition(|window| window == label.as_bytes())?;
    let end = start + label.len();
    let mut from = 0;
    let mut sum = 0.0;
    for (to, logprob) in ends {
        if from < end && to > start {
            sum += logprob;
        }
        from = to;
    }
    let probability = sum.exp() as f32;
    (0.0..=1.001).contains(&probability).then(|| probability.min(1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn token(text: &str, logprob: f64) -> Value {
        json!({"token": text, "logprob": logprob, "bytes": text.as_bytes(), "top_logprobs": []})
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
        let tokens = [
            json!({"token": "\\xc3", "logprob": -0.1, "bytes": [0xc3]}),
            json!({"token": "\\xa9", "logprob": -0.2, "bytes": [0xa9]}),
            json!({"token": "t", "logprob": -9.0}),
        ];
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
