//! The forms of e-mail addresses, phone, card and account numbers, and of keys.

use std::fmt;

/// What a piece of text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Email,
    Phone,
    Card,
    Iban,
    Key,
    PrivateKey,
    Token,
}

impl Kind {
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Key | Self::PrivateKey | Self::Token)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email => "e-mail address",
            Self::Phone => "phone number",
            Self::Card => "card number",
            Self::Iban => "bank account (IBAN)",
            Self::Key => "API key",
            Self::PrivateKey => "private key",
            Self::Token => "signed token (JWT)",
        })
    }
}

/// How keys of well-known services begin, and how many characters follow at least.
const KEYS: [(&str, usize); 16] = [
    ("sk-", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 35),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("github_pat_", 22),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("hf_", 30),
    ("gsk_", 30),
    ("npm_", 36),
];

/// The first piece of each kind that the text holds.
pub(super) fn find(text: &str) -> Vec<(Kind, &str)> {
    let mut found = Vec::new();
    if text.contains('@') {
        found.extend(email(text).map(|piece| (Kind::Email, piece)));
    }
    if text.bytes().filter(u8::is_ascii_digit).count() >= 7 {
        for (digits, piece) in numbers(text) {
            let kind = match digits.as_slice() {
                digits if is_card(digits) => Kind::Card,
                digits if is_phone(piece, digits.len()) => Kind::Phone,
                _ => continue,
            };
            if found.iter().all(|(known, _)| *known != kind) {
                found.push((kind, piece));
            }
        }
        found.extend(iban(text).map(|piece| (Kind::Iban, piece)));
    }
    found.extend(key(text));
    found
}

/// `name@host.tld`.
fn email(text: &str) -> Option<&str> {
    text.match_indices('@').find_map(|(at, _)| {
        let is_local = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
        let local = text[..at]
            .rfind(|c| !is_local(c))
            .map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
        let host = &text[at + 1..];
        let host = &host
            [..host.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-')).unwrap_or(host.len())];
        let host = host.trim_end_matches(['.', '-']);
        let (name, top) = host.rsplit_once('.')?;
        let real = local < at && !name.is_empty() && top.len() >= 2 && top.chars().all(char::is_alphabetic);
        real.then(|| &text[local..at + 1 + host.len()])
    })
}

/// Runs of digits with the separators that people put between them, and no letter before or after.
fn numbers(text: &str) -> impl Iterator<Item = (Vec<u8>, &str)> {
    let inside =
        |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '+' | '\u{a0}');
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(inside)?;
        let end = text[start..].find(|c| !inside(c)).map_or(text.len(), |i| start + i);
        from = end;
        Some((start, end))
    })
    .filter_map(move |(start, end)| {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let run = &text[start..end];
        let piece = run.trim_matches(|c: char| !c.is_ascii_digit() && c != '+' && c != '(');
        let glued = (word(text[..start].chars().next_back())
            && run.starts_with(|c: char| c.is_ascii_digit()))
            || (word(text[end..].chars().next()) && run.ends_with(|c: char| c.is_ascii_digit()));
        let digits: Vec<u8> = piece.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        (!glued && digits.len() >= 7).then_some((digits, piece))
    })
}

/// 13 to 19 digits with the right check digit (Luhn, ISO/IEC 7812-1) and a first digit that card issuers have.
fn is_card(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &digit)| {
            let value = u32::from(digit) * if i % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    (13..=19).contains(&digits.len()) && (2..=6).contains(&digits[0]) && sum.is_multiple_of(10)
}

/// Written as phone numbers are: with a plus, or a leading zero or bracket and separators, or as 555-123-4567.
///
/// At most 15 digits, as ITU-T E.164 has it. Dates and plain amounts do not look like this.
fn is_phone(piece: &str, digits: usize) -> bool {
    let groups: Vec<usize> =
        piece.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|&length| length > 0).collect();
    let american = matches!(groups[..], [3, 3, 4] | [1, 3, 3, 4]);
    match piece.chars().next() {
        Some('+') => (8..=15).contains(&digits) && piece.matches('+').count() == 1,
        // An area code in brackets; (1901-1977) is none.
        Some('(') => {
            let code = groups.first().copied().unwrap_or(0);
            (8..=15).contains(&digits) && piece[1 + code..].starts_with(')')
        }
        Some('0') => (9..=15).contains(&digits) && !is_date(&groups),
        _ => american,
    }
}

/// `01.02.2024`, perhaps with a time behind.
fn is_date(groups: &[usize]) -> bool {
    matches!(groups, [1..=2, 1..=2, 4, ..] | [4, 2, 2, ..])
}

/// Two letters, two check digits and up to 30 more, which make 1 modulo 97 (ISO 13616).
fn iban(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let starts = bytes.windows(4).enumerate().filter(|(at, window)| {
        let begins = *at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        begins && window[..2].iter().all(u8::is_ascii_uppercase) && window[2..].iter().all(u8::is_ascii_digit)
    });
    starts.map(|(at, _)| at).find_map(|at| {
        let (mut letters, mut end) = (Vec::new(), at);
        for (offset, &byte) in bytes[at..].iter().enumerate() {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' if letters.len() < 34 => {
                    letters.push(byte);
                    end = at + offset + 1;
                }
                // In groups of four.
                b' ' if letters.len().is_multiple_of(4) => {}
                _ => break,
            }
        }
        let value = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 };
        let order = letters.iter().skip(4).chain(letters.iter().take(4)).map(|&byte| u64::from(value(byte)));
        let rest = order.fold(0, |rest, value| (rest * if value > 9 { 100 } else { 10 } + value) % 97);
        (letters.len() >= 15 && rest == 1).then(|| &text[at..end])
    })
}

/// Keys of well-known services, private keys, and JSON Web Tokens (RFC 7519: three parts, the first a JSON object).
fn key(text: &str) -> Option<(Kind, &str)> {
    if let Some(at) = text.find("-----BEGIN ").filter(|&at| text[at..].contains("PRIVATE KEY-----")) {
        return Some((Kind::PrivateKey, &text[at..]));
    }
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words = text.split(|c: char| !(is_inner(c) || c == '.')).filter(|word| word.len() >= 20);
    for word in words {
        let parts: Vec<&str> = word.split('.').collect();
        if parts.len() == 3 && word.starts_with("eyJ") && parts.iter().all(|part| part.len() >= 10) {
            return Some((Kind::Token, word));
        }
        for part in parts {
            let known = KEYS.iter().any(|(start, length)| {
                let rest = part.strip_prefix(start).unwrap_or_default();
                // Words can be joined by hyphens to any length; keys have digits in them.
                rest.len() >= *length && rest.contains(|c: char| c.is_ascii_digit())
            });
            if known {
                return Some((Kind::Key, part));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        find(text).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn what_is_told_by_its_form() {
        for (text, kind) in [
            ("write to jörg.o'neil+x@mail.example.co.uk.", Kind::Email),
            ("call +49 170 1234567 now", Kind::Phone),
            ("(555) 123-4567", Kind::Phone),
            ("my number is 555-123-4567", Kind::Phone),
            ("0171 / 123 45 67", Kind::Phone),
            ("card 4111 1111 1111 1111 exp", Kind::Card),
            ("5500-0000-0000-0004", Kind::Card),
            ("to DE89 3704 0044 0532 0130 00 please", Kind::Iban),
            ("GB82WEST12345698765432", Kind::Iban),
            ("sk-proj-abc123def456ghi789jkl012", Kind::Key),
            ("use AKIAIOSFODNN7EXAMPLE.", Kind::Key),
            ("-----BEGIN RSA PRIVATE KEY----- MII", Kind::PrivateKey),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", Kind::Token),
        ] {
            assert_eq!(kinds(text), [kind], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it() {
        for text in [
            "a @ b",
            "@name said",
            "x@y",
            "5@10.50",
            "on 01.02.2024 10:30 at",
            "2024-01-02 10:30:00",
            "order 1234567890",
            "1,234,567.89",
            "4111 1111 1111 1112",
            "from 1914-1918 to 1939-1945",
            "a poet (1901-1977)",
            "(1 2) 34 567 89",
            "DE00 3704 0044 0532 0130 00",
            "sk-learn-is-a-well-known-library",
            "ISBN 978-3-16-148410-0",
            "version 10.0.19041.1234",
            "task-1234567890123456789012",
            "abc0123456789x",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_searched(text in "([@.+() 0-9-]|[A-Z]{2}[0-9]{2}|sk-|eyJ|é|\\PC)*") {
            for (_, piece) in find(&text) {
                prop_assert!(text.contains(piece));
            }
        }
    }
}
