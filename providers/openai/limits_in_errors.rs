//! What a refusal says of limits in words.
//!
//! OpenAI, Groq and others write: "Rate limit reached for M in organization O on tokens per min (TPM): Limit 6000, Used
//! 5500, Requested 900. Please try again in 4s.", and "Request too large for M …: Limit 6000, Requested 9000". Without
//! headers this is all that is known.

use std::time::Duration;

use super::limits::duration;
use crate::{Limit, RateLimits};

/// What the words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct InWords {
    /// The limit of a minute, and what is left of it.
    pub(super) limits: Option<RateLimits>,
    /// How long to wait.
    pub(super) retry_after: Option<Duration>,
    /// Whether the request alone is larger than the limit.
    pub(super) never_fits: bool,
}

/// Reads a message; anything that is not understood says nothing.
pub(super) fn in_words(message: &str) -> InWords {
    let text = message.to_ascii_lowercase();
    let (limit, used, requested) =
        (number(&text, "limit"), number(&text, "used"), number(&text, "requested"));
    let too_large = text.contains("request too large");
    let never_fits =
        too_large || matches!((limit, requested), (Some(limit), Some(requested)) if requested > limit);
    let stated = limit.filter(|_| !never_fits).map(|limit| Limit {
        limit: Some(limit),
        remaining: used.map(|used| limit.saturating_sub(used)),
        reset: None,
    });
    let limits = match (stated, unit(&text)) {
        (Some(requests), Some("requests")) => Some(RateLimits { requests, ..RateLimits::default() }),
        (Some(tokens), Some("tokens")) => Some(RateLimits { tokens, ..RateLimits::default() }),
        _ => None,
    };
    let wait = text.split("try again in ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let retry_after = wait.map(|wait| wait.trim_end_matches(['.', ',', ';'])).and_then(duration);
    InWords { limits, retry_after, never_fits }
}

/// What is counted in each minute; none for limits of a day.
fn unit(text: &str) -> Option<&'static str> {
    let speaks_of = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if speaks_of(&["per day", "per hour", "(tpd)", "(rpd)"]) {
        return None;
    }
    if speaks_of(&["tokens per min", "(tpm)"]) {
        Some("tokens")
    } else if speaks_of(&["requests per min", "(rpm)"]) {
        Some("requests")
    } else {
        None
    }
}

/// The number after a word: `limit 6000`, `limit: 6,000 / min`.
fn number(text: &str, word: &str) -> Option<u64> {
    text.match_indices(word).find_map(|(at, _)| {
        let starts_a_word = text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
        let rest = text[at + word.len()..].trim_start_matches([' ', ':', '=']);
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(rest.len());
        let digits: String = rest[..end].chars().filter(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|_| starts_a_word)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(limit: u64, remaining: Option<u64>) -> Limit {
        Limit { limit: Some(limit), remaining, reset: None }
    }

    #[test]
    fn messages_that_were_seen() {
        let tokens = in_words(
            "Rate limit reached for model `llama` in organization `org_1` on tokens per minute (TPM): Limit 6000, Used \
             5500, Requested 900. Please try again in 4.2s. Need more tokens? Visit https://example.com",
        );
        assert_eq!(tokens.limits.unwrap().tokens, limit(6000, Some(500)));
        assert_eq!((tokens.retry_after, tokens.never_fits), (Some(Duration::from_millis(4_200)), false));
        let requests = in_words(
            "Rate limit reached for m on requests per min. Limit: 3 / min. Please try again in 20s.",
        );
        assert_eq!(requests.limits.unwrap().requests, limit(3, None));
        assert_eq!(requests.retry_after, Some(Duration::from_secs(20)));
        let large = in_words(
            "Request too large for gpt-4o on tokens per min (TPM): Limit 30,000, Requested 40,000. Reduce it.",
        );
        assert_eq!(large, InWords { never_fits: true, ..InWords::default() });
        let day = in_words(
            "on tokens per day (TPD): Limit 100000, Used 99999, Requested 900. Please try again in 14m24.1s.",
        );
        assert_eq!((day.limits, day.retry_after), (None, Some(Duration::from_millis(864_100))));
    }

    #[test]
    fn other_words_say_nothing() {
        for message in [
            "",
            "Provider returned error",
            "limit",
            "limit 6000",
            "the limit of tokens per min",
            "try again in ",
        ] {
            assert_eq!(in_words(message), InWords::default(), "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_message_is_read_or_not(message in "((limit|used|requested|try again in|per min|\\(tpm\\))[ :=]?[0-9,.ms]{0,25} ?){0,6}|\\PC*") {
            let _ = in_words(&message);
        }

        #[test]
        fn what_is_written_is_read(limit in 1u64..1_000_000, used in 0u64..1_000_000, requested in 0u64..1_000_000) {
            let said = in_words(&format!("on tokens per min (TPM): Limit {limit}, Used {used}, Requested {requested}."));
            prop_assert_eq!(said.never_fits, requested > limit);
            if let Some(limits) = said.limits {
                prop_assert_eq!(limits.tokens.remaining, Some(limit.saturating_sub(used)));
            }
        }
    }
}
