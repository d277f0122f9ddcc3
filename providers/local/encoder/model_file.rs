//! A tuned encoder as bytes: magic, version, header (JSON), numbers, checksum. All numbers are little-endian.
//!
//! The file has what was trained and nothing of the base, but the base's hash: with another base it means nothing.
//! As in the other model file, bytes to be read are hostile, and no memory is taken for what is not there.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tunebench_data::{LabelId, LabelSet};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::super::classifier::Classifier;
use super::frozen::{Frozen, Head};
use super::full::Full;
use super::linear::Linear;
use super::parameters::Parameters;
use super::text_encoder::Encoder;
use super::tuned::{Method, Tuned};

const MAGIC: [u8; 8] = *b"tunebEN\n";
const VERSION: u32 = 1;
const CHECKSUM: usize = 8;

/// What stands before the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Header {
    /// The base, as the user names it.
    base: String,
    /// SHA-256 of the base's weights.
    base_sha256: String,
    labels: Vec<String>,
    /// The labels that had training rows.
    classes: Vec<u32>,
    method: MethodName,
    /// Of a frozen encoder: what its vectors weigh beside the n-grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<f32>,
}

/// Where a model comes from.
pub(super) struct Origin {
    base: String,
    base_sha256: String,
    labels: Vec<String>,
}

impl Origin {
    pub(super) fn new(base: &str, encoder: &Encoder, labels: &LabelSet) -> Self {
        let (base_sha256, labels) = (encoder.sha256().to_owned(), labels.names().to_vec());
        Self { base: base.to_owned(), base_sha256, labels }
    }

    fn header(&self, classes: &[LabelId], method: MethodName) -> Header {
        let classes = classes.iter().map(|class| class.0).collect();
        let Self { base, base_sha256, labels } = self;
        let (base, base_sha256, labels) = (base.clone(), base_sha256.clone(), labels.clone());
        Header { base, base_sha256, labels, classes, method, share: None }
    }
}

/// How it was tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MethodName {
    Frozen,
    Full,
}

impl Header {
    /// The header of a file, whose checksum is right.
    pub(in super::super) fn of(bytes: &[u8]) -> Result<Self, String> {
        split(bytes).map(|(header, _)| header)
    }

    pub(in super::super) fn base(&self) -> &str {
        &self.base
    }
}

/// The parts of a file: the header and the numbers after it.
fn split(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or("it does not begin as a tuned encoder does")?;
    let (version, rest) = number(rest)?;
    if version != VERSION {
        return Err(format!("it has format version {version}, this program reads version {VERSION}"));
    }
    let checked = bytes.len().saturating_sub(CHECKSUM);
    if rest.len() < CHECKSUM || xxh3_64(&bytes[..checked]).to_le_bytes() != bytes[checked..] {
        return Err("its checksum is wrong".to_owned());
    }
    let (length, rest) = number(&rest[..rest.len() - CHECKSUM])?;
    let (header, rest) = rest.split_at_checked(length as usize).ok_or("it is cut short")?;
    Ok((serde_json::from_slice(header).map_err(|error| format!("its header: {error}"))?, rest))
}

impl Tuned {
    /// Whether bytes begin as the file of a tuned encoder does.
    pub(in super::super) fn is_file(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// From what [`write_frozen`] or [`write_full`] wrote, and the base that the header names.
    pub(in super::super) fn from_bytes(bytes: &[u8], encoder: Arc<Encoder>) -> Result<Self, String> {
        let (header, mut rest) = split(bytes)?;
        if header.base_sha256 != encoder.sha256() {
            return Err(format!(
                "it was tuned from weights with SHA-256 {}, and those of `{}` have {} now",
                header.base_sha256,
                header.base,
                encoder.sha256()
            ));
        }
        let labels = LabelSet::new(header.labels).map_err(|error| error.to_string())?;
        let classes: Vec<LabelId> = header.classes.iter().copied().map(LabelId).collect();
        let ascending = classes.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || classes.len() < 2 || classes.last().is_some_and(|last| last.index() >= labels.len())
        {
            return Err("its classes are out of order".to_owned());
        }
        if header.method == MethodName::Full {
            let (encoder, linear) = full(encoder, &mut rest, classes.len())?;
            let method = Method::Full(Head { classes, linear });
            return Ok(Self { encoder: Arc::new(encoder), base: header.base, labels, method });
        }
        let linear = linear(&mut rest, encoder.width(), classes.len())?;
        let ngrams = Classifier::from_bytes(rest).map_err(|error| error.to_string())?;
        if *ngrams.labels() != labels {
            return Err("its two classifiers have different labels".to_owned());
        }
        let share =
            header.share.filter(|share| (0.0..=1.0).contains(share)).ok_or("its share is not from 0 to 1")?;
        let method = Method::Frozen(Box::new(Frozen { head: Head { classes, linear }, ngrams, share }));
        Ok(Self { encoder, base: header.base, labels, method })
    }
}

/// Writes the file of a frozen encoder's classifiers.
pub(super) fn write_frozen(origin: &Origin, frozen: &Frozen, out: &mut dyn Write) -> io::Result<()> {
    let header = origin.header(&frozen.head.classes, MethodName::Frozen);
    let mut out = Summed::new(out, &Header { share: Some(frozen.share), ..header })?;
    put(&mut out, &frozen.head.linear.weight.values)?;
    put(&mut out, &frozen.head.linear.bias)?;
    out.write_all(&frozen.ngrams.to_bytes())?;
    out.finish()
}

/// Writes the file of an encoder of which all layers were trained: the tokens of its table, then all tensors.
pub(super) fn write_full(origin: &Origin, full: &mut Full, out: &mut dyn Write) -> io::Result<()> {
    let mut out = Summed::new(out, &origin.header(&full.classes, MethodName::Full))?;
    out.write_all(&(full.tokens.len() as u32).to_le_bytes())?;
    full.tokens.iter().try_for_each(|token| out.write_all(&token.to_le_bytes()))?;
    full.model.all_tensors().iter().try_for_each(|tensor| put(&mut out, tensor.values))?;
    out.finish()
}

/// The base with what was trained in the place of its own.
fn full(base: Arc<Encoder>, from: &mut &[u8], classes: usize) -> Result<(Encoder, Linear), String> {
    let mut encoder = Arc::unwrap_or_clone(base);
    let (count, rest) = number(from)?;
    let (tokens, rest) =
        rest.split_at_checked((count as usize).saturating_mul(4)).ok_or("it is cut short")?;
    *from = rest;
    let number = |bytes: &[u8]| u32::from_le_bytes(std::array::from_fn(|i| bytes[i]));
    let tokens: Vec<usize> = tokens.chunks_exact(4).map(|bytes| number(bytes) as usize).collect();
    if !tokens.is_sorted_by(|a, b| a < b)
        || tokens.last().is_some_and(|&last| last >= encoder.config.vocabulary)
    {
        return Err("its tokens are out of order".to_owned());
    }
    let width = encoder.width();
    let table = take(from, tokens.len() * width)?;
    for (token, row) in tokens.into_iter().zip(table.chunks_exact(width)) {
        encoder.network.embedding.tokens.row_mut(token).copy_from_slice(row);
    }
    // The first tensor is the table.
    for tensor in encoder.network.all_tensors().into_iter().skip(1) {
        tensor.values.copy_from_slice(&take(from, tensor.values.len())?);
    }
    let linear = linear(from, width, classes)?;
    if from.is_empty() { Ok((encoder, linear)) } else { Err("its length is wrong".to_owned()) }
}

/// A file on its way, with the checksum of what was written of it: it never lies in memory as a whole.
struct Summed<'a> {
    out: BufWriter<&'a mut dyn Write>,
    sum: Xxh3,
}

impl<'a> Summed<'a> {
    fn new(out: &'a mut dyn Write, header: &Header) -> io::Result<Self> {
        let header = serde_json::to_vec(header)?;
        let mut file = Self { out: BufWriter::new(out), sum: Xxh3::new() };
        file.write_all(&MAGIC)?;
        file.write_all(&VERSION.to_le_bytes())?;
        file.write_all(&(header.len() as u32).to_le_bytes())?;
        file.write_all(&header)?;
        Ok(file)
    }

    fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.sum.digest().to_le_bytes())?;
        self.out.flush()
    }
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn linear(from: &mut &[u8], inputs: usize, outputs: usize) -> Result<Linear, String> {
    let weight = take(from, inputs * outputs)?;
    let bias = take(from, outputs)?;
    Ok(Linear { weight: super::matrix::Matrix { width: inputs, values: weight }, bias })
}

fn put(out: &mut Summed<'_>, numbers: &[f32]) -> io::Result<()> {
    numbers.chunks(1 << 10).try_for_each(|numbers| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        out.write_all(&bytes)
    })
}

/// So many finite numbers.
fn take(from: &mut &[u8], count: usize) -> Result<Vec<f32>, String> {
    let (taken, rest) = from.split_at_checked(count.saturating_mul(4)).ok_or("it is cut short")?;
    *from = rest;
    let number = |bytes: &[u8]| f32::from_le_bytes(std::array::from_fn(|i| bytes[i]));
    let numbers: Vec<f32> = taken.chunks_exact(4).map(number).collect();
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(numbers)
    } else {
        Err("a number is not finite".to_owned())
    }
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), String> {
    let (number, rest) = bytes.split_at_checked(4).ok_or("it is cut short")?;
    Ok((u32::from_le_bytes(std::array::from_fn(|i| number[i])), rest))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use proptest::prelude::*;

    use super::super::super::classifier::Classifier;
    use super::super::super::softmax::Hyperparameters;
    use super::super::full::Model;
    use super::super::text_encoder::tests::small;
    use super::*;

    const ROWS: [(&str, u32); 4] = [("play", 0), ("una", 1), ("played", 0), ("天", 1)];

    fn labels() -> LabelSet {
        LabelSet::new(vec!["games".to_owned(), "else".to_owned()]).unwrap()
    }

    fn head(width: usize) -> Head {
        let mut linear = Linear::zeros(width, 2);
        linear.weight.row_mut(1)[0] = 0.5;
        Head { classes: vec![LabelId(0), LabelId(1)], linear }
    }

    fn frozen_file() -> Vec<u8> {
        let encoder = small();
        let ids = ROWS.map(|row| LabelId(row.1));
        let go_on = &mut |_| ControlFlow::Continue(());
        let ngrams =
            Classifier::train(&ROWS.map(|row| row.0), &ids, &labels(), &Hyperparameters::default(), go_on);
        let frozen = Frozen { head: head(encoder.width()), ngrams: ngrams.unwrap(), share: 0.25 };
        let mut bytes = Vec::new();
        write_frozen(&Origin::new("mini", &encoder, &labels()), &frozen, &mut bytes).unwrap();
        bytes
    }

    fn full_file() -> Vec<u8> {
        let encoder = small();
        let origin = Origin::new("mini", &encoder, &labels());
        let (tokens, Head { classes, linear }) = ((0..12).collect(), head(encoder.width()));
        let mut full = Full { tokens, classes, model: Model { network: encoder.network, head: linear } };
        let mut bytes = Vec::new();
        write_full(&origin, &mut full, &mut bytes).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Tuned, String> {
        Header::of(bytes)?;
        Tuned::from_bytes(bytes, Arc::new(small()))
    }

    /// With a checksum that is right, as only malice has it.
    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let end = bytes.len() - CHECKSUM;
        let sum = xxh3_64(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&sum);
        bytes
    }

    #[test]
    fn both_kinds_are_read_back() {
        for file in [frozen_file(), full_file()] {
            let tuned = read(&file).unwrap();
            assert_eq!((tuned.base(), tuned.labels()), ("mini", &labels()));
            let rows = tuned.predict(&["play", "una"]);
            assert!(rows.iter().all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-4), "{rows:?}");
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        for file in [frozen_file(), full_file()] {
            for place in (0..file.len()).step_by(7) {
                assert!(read(&file[..place]).is_err(), "cut at {place}");
                let mut changed = file.clone();
                changed[place] ^= 1;
                assert!(read(&changed).is_err(), "changed at {place}");
            }
        }
    }

    #[test]
    fn another_base_is_refused() {
        let mut bytes = full_file();
        let at = bytes.windows(6).position(|six| six == b"c0ffee").unwrap();
        bytes[at..at + 6].copy_from_slice(b"decade");
        assert!(read(&sealed(bytes)).unwrap_err().contains("SHA-256 decade"));
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        let mut bytes = full_file();
        let at = bytes.len() - CHECKSUM - 4;
        bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(read(&sealed(bytes)).unwrap_err().contains("not finite"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn altered_files_do_no_harm(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..5), cut: usize) {
            for mut bytes in [frozen_file(), full_file()] {
                // Half of the changes hit what stands before the numbers.
                for (i, (place, byte)) in changes.iter().enumerate() {
                    let most = if i % 2 == 0 { 200 } else { bytes.len() };
                    bytes[place % most] = *byte;
                }
                bytes.truncate(bytes.len() - cut % 40);
                if bytes.len() > CHECKSUM {
                    let _ = read(&sealed(bytes));
                }
            }
        }
    }
}
