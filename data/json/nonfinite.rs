//! `NaN` and `Infinity`, which Python's `json` writes and JSON does not have.

/// The text with `null` in the place of each `NaN`, `Infinity` and `-Infinity` outside of strings; `None` where there are
/// none.
pub fn without_nonfinite(text: &str) -> Option<String> {
    let mut clean = String::new();
    let (mut copied, mut at) = (0, 0);
    let (mut in_string, mut escaped) = (false, false);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        if in_string {
            in_string = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
            at += 1;
            continue;
        }
        let word = ["NaN", "Infinity", "-Infinity"]
            .into_iter()
            .find(|word| bytes[at..].starts_with(word.as_bytes()));
        if let Some(word) = word {
            clean.push_str(&text[copied..at]);
            clean.push_str("null");
            at += word.len();
            copied = at;
        } else {
            in_string = byte == b'"';
            at += 1;
        }
    }
    (copied > 0).then(|| clean + &text[copied..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_keep_what_they_say() {
        assert_eq!(
            without_nonfinite(r#"{"a": NaN, "NaN \" Infinity": [-Infinity, Infinity,1]}"#).as_deref(),
            Some(r#"{"a": null, "NaN \" Infinity": [null, null,1]}"#)
        );
        assert_eq!(without_nonfinite("{\"a\": \"NaN\"}"), None);
    }

    proptest! {
        #[test]
        fn hostile_text_ends(text in "(NaN|Infinity|[\\\\\"-]|\\PC)*") {
            let _ = without_nonfinite(&text);
        }
    }
}
