//! Changes to inputs: small ones, and what parsers stumble over.

use fastrand::Rng;

/// By how many bytes an input may be larger than what was started from.
const GROWTH: usize = 16 * 1024;

/// Bytes and pieces that mean something somewhere.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    "\u{202e}".as_bytes(),
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\"",
    b"\"\"",
    b"'",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b",",
    b";",
    b"\t",
    b":",
    b"=",
    b"#",
    b"NaN",
    b"null",
    b"true",
    b"false",
    b"\"\"",
    b"{}",
    b"<output>",
    b"</output>",
    b"<think>",
    b"</think>",
    b"```",
    b"__label__",
    b"&a [*a]",
    b"data: ",
    b"\x1b[2J",
];

/// Numbers on the edge of what fits.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "0.1",
    "1e999",
    "1e-999",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
];

/// Makes a new input from one or two known ones. `words` are pieces that the parser knows.
pub(crate) fn mutated(rng: &mut Rng, corpus: &[Vec<u8>], words: &[&str], largest: usize) -> Vec<u8> {
    let mut bytes = corpus[rng.usize(..corpus.len())].clone();
    for _ in 0..=rng.u32(..6) {
        change(rng, &mut bytes, corpus, words);
    }
    bytes.truncate(largest);
    bytes
}

/// The size that inputs may have, by what they start from.
pub(crate) fn largest(seeds: &[Vec<u8>]) -> usize {
    seeds.iter().map(Vec::len).max().unwrap_or_default() + GROWTH
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
    let at = rng.usize(..=bytes.len());
    let end = (at + 1 + rng.usize(..32)).min(bytes.len());
    match rng.u32(..10) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.u32(..8),
        1 if at < bytes.len() => bytes[at] = rng.u8(..),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let copy = bytes[at..end].to_vec();
            let times = if rng.u32(..8) == 0 { 200 } else { 1 };
            (0..times).for_each(|_| insert(bytes, at, &copy));
        }
        4 => bytes.truncate(at),
        5 => {
            let other = &corpus[rng.usize(..corpus.len())];
            let (from, to) = (rng.usize(..=other.len()), rng.usize(..=other.len()));
            insert(bytes, at, &other[from.min(to)..from.max(to)]);
        }
        6 if !words.is_empty() => insert(bytes, at, words[rng.usize(..words.len())].as_bytes()),
        7 => replace_number(rng, bytes, at),
        8 => {
            bytes.drain(at..end);
            insert(bytes, at, PIECES[rng.usize(..PIECES.len())]);
        }
        _ => insert(bytes, at, PIECES[rng.usize(..PIECES.len())]),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// Another number in the place of the next one.
fn replace_number(rng: &mut Rng, bytes: &mut Vec<u8>, at: usize) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else { return };
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = match rng.u32(..4) {
        0 => rng.u64(..).to_string(),
        1 => rng.u32(..300).to_string(),
        2 => "9".repeat(rng.usize(1..25)),
        _ => NUMBERS[rng.usize(..NUMBERS.len())].to_owned(),
    };
    bytes.splice(start..start + length, number.into_bytes());
}

/// The same failure from fewer bytes: pieces are left out as long as `fails` says so, within so many tries.
pub(crate) fn cut_down(bytes: &[u8], mut tries: usize, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let (mut bytes, mut size) = (bytes.to_vec(), bytes.len() / 2);
    while size > 0 {
        let mut at = 0;
        while at < bytes.len() && tries > 0 {
            let mut shorter = bytes.clone();
            shorter.drain(at..(at + size).min(shorter.len()));
            tries -= 1;
            if fails(&shorter) { bytes = shorter } else { at += size }
        }
        size /= 2;
    }
    bytes
}
