//! The encoder on real weights, held against what a reference implementation makes of the same texts.
//!
//! `TUNEBENCH_ENCODER` names the folder of all-MiniLM-L6-v2 (`tests/encoder/run` fetches it); without it these tests say
//! that they did not run.

use std::path::PathBuf;
use std::time::Instant;

use serde::Deserialize;

use super::Encoder;
use super::gradient_check::random;
use super::matrix::{Matrix, multiply};

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

/// CPU seconds of this process so far, all threads together, as Linux tells in hundredths.
fn cpu_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = told.rsplit(')').next().unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

/// How fast texts of 16 tokens are embedded, and what share that is of what the multiplications alone would allow.
#[test]
#[ignore = "a measurement, which `tests/encoder/run --measure` makes in a release build"]
#[expect(clippy::print_stderr, reason = "what it prints is what it is for")]
fn measure_embedding() {
    const TOKENS: usize = 512;
    let Some(folder) = folder() else { return };
    let encoder = Encoder::read(&folder).unwrap();
    let text = "the quick brown fox jumps over the lazy dog and runs far away";
    assert_eq!(encoder.tokens(text).len(), 15);
    let texts = vec![format!("{text} again"); 4096];
    let (clock, cpu) = (Instant::now(), cpu_seconds());
    encoder.embed(&texts);
    let (wall, cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let (each_cpu, each_wall) = (texts.len() as f64 / cpu, texts.len() as f64 / wall);

    // The four maps of each block, on as many tokens as go through it at once.
    let (width, inner) = (encoder.config.width, encoder.config.inner);
    let shapes = [(width, 3 * width), (width, width), (width, inner), (inner, width)];
    let operands = shapes.map(|(inputs, outputs)| {
        (random(TOKENS, inputs, 1), random(outputs, inputs, 2), Matrix::zeros(TOKENS, outputs))
    });
    let (mut operands, rounds, cpu) = (operands, 40, cpu_seconds());
    for _ in 0..rounds {
        for (x, weight, y) in &mut operands {
            multiply(1.0, x.view(), weight.view().reversed_axes(), y.view_mut());
        }
    }
    let cpu = cpu_seconds() - cpu;
    let alone = (rounds * TOKENS / 16) as f64 / cpu / encoder.config.blocks as f64;
    eprintln!(
        "embedding, 16 tokens a text: {each_cpu:.0} texts/CPU s, {each_wall:.0} texts/s; the multiplications alone {alone:.0} texts/CPU s: {:.0} %",
        100.0 * each_cpu / alone
    );
}
