//! The encoder on real weights, held against what a reference implementation makes of the same texts.
//!
//! `TUNEBENCH_ENCODER` names the folder of all-MiniLM-L6-v2 (`tests/encoder/run` fetches it); without it these tests say
//! that they did not run.

use std::path::PathBuf;

use serde::Deserialize;

use super::Encoder;

#[derive(Deserialize)]
struct Reference {
    /// Of the first texts.
    vectors: Vec<Vec<f32>>,
    tokens: Vec<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    text: String,
    tokens: Vec<u32>,
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests should see it")]
pub(super) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TUNEBENCH_ENCODER").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("not run: TUNEBENCH_ENCODER names no folder of an encoder");
    }
    folder
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("testdata/reference.json")).unwrap()
}

#[test]
fn tokens_agree_with_the_reference() {
    let Some(folder) = folder() else { return };
    let encoder = Encoder::read(&folder).unwrap();
    for Tokens { text, tokens } in reference().tokens {
        assert_eq!(encoder.tokens(&text), tokens, "{text:?}");
    }
}

#[test]
fn vectors_agree_with_the_reference() {
    let Some(folder) = folder() else { return };
    let encoder = Encoder::read(&folder).unwrap();
    let Reference { vectors, tokens } = reference();
    let texts: Vec<String> = tokens.into_iter().map(|tokens| tokens.text).collect();
    let together = encoder.embed(&texts);
    for (i, expected) in vectors.iter().enumerate() {
        for found in [&together[i * 384..][..384], &encoder.embed(&texts[i..=i])] {
            let difference = |(a, b): (&f32, &f32)| (a - b).abs();
            let largest = found.iter().zip(expected).map(difference).fold(0.0, f32::max);
            assert!(largest < 1e-5, "{:?}: {largest}", texts[i]);
        }
    }
}
