//! An answer as a row of the ledger, and back.

use rusqlite::{Row, Statement, params};
use sha2::{Digest, Sha256};
use tunebench_data::Latency;
use tunebench_providers::{Completion, FinishReason, Usage};

use super::ContentKey;

/// The columns of an answer that [`AnswerRow::read`] reads, in its order.
macro_rules! columns {
    () => {
        "asked, latency, input, output, finish, text, version, probabilities, label_probability, note, seal, \
         cached, cache_written"
    };
}

pub(super) const COLUMNS: &str = columns!();
/// Finds the answer to a key that is no older than a floor.
pub(super) const FIND: &str = concat!("SELECT ", columns!(), " FROM answers WHERE key = ? AND asked >= ?");

/// What adds an answer, or lets it take the place of an older one on a condition.
macro_rules! insert_or_replace_where {
    ($condition:literal) => {
        concat!(
            "INSERT INTO answers
            (key, target, run, asked, latency, input, output, finish, text, version, probabilities,
                label_probability, note, seal, cached, cache_written)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (key) DO UPDATE SET target = excluded.target, run = excluded.run, asked = excluded.asked,
                latency = excluded.latency, input = excluded.input, output = excluded.output,
                finish = excluded.finish, text = excluded.text, version = excluded.version,
                probabilities = excluded.probabilities, label_probability = excluded.label_probability,
                note = excluded.note, seal = excluded.seal, cached = excluded.cached,
                cache_written = excluded.cache_written
            WHERE ",
            $condition
        )
    };
}
pub(super) use insert_or_replace_where;

/// An answer that the ledger holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAnswer {
    /// What was returned, as it was, but for the rate limits: they spoke of a moment that is over.
    pub completion: Completion,
    /// How long it took, where that was measured.
    pub latency: Option<Latency>,
    /// When it was asked for, in microseconds since 1970.
    pub asked: i64,
}

/// The values of a row.
#[derive(Debug)]
pub(super) struct AnswerRow {
    pub(super) asked: i64,
    /// 0 where it was not measured.
    pub(super) latency: u32,
    pub(super) input: Option<i64>,
    pub(super) output: Option<i64>,
    /// None where there is nothing to tell, as in answers that were kept before this was.
    pub(super) cached: Option<i64>,
    pub(super) cache_written: Option<i64>,
    pub(super) finish: String,
    pub(super) text: String,
    pub(super) version: Option<String>,
    pub(super) probabilities: Option<Vec<u8>>,
    pub(super) label_probability: Option<f64>,
    pub(super) note: Option<String>,
}

impl AnswerRow {
    pub(super) fn new(completion: &Completion, latency: Option<Latency>, asked: i64) -> Self {
        Self {
            asked,
            latency: latency.map_or(0, Latency::as_micros),
            // SQLite's integers have a sign; the bits are kept.
            input: completion.usage.map(|usage| usage.input.cast_signed()),
            output: completion.usage.map(|usage| usage.output.cast_signed()),
            cached: completion.usage.map(|usage| usage.cached.cast_signed()).filter(|&tokens| tokens != 0),
            cache_written: completion
                .usage
                .map(|usage| usage.cache_written.cast_signed())
                .filter(|&tokens| tokens != 0),
            finish: finish_word(&completion.finish),
            text: completion.text.clone(),
            version: completion.model_version.clone(),
            probabilities: completion
                .probabilities
                .as_ref()
                .map(|values| values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            // SQLite has no number that is none: such a probability counts as not given.
            label_probability: completion.label_probability.map(f64::from).filter(|p| !p.is_nan()),
            note: completion.note.clone(),
        }
    }

    /// Gives a statement of [`insert_or_replace_where`] its first 16 values.
    pub(super) fn bind(
        &self,
        statement: &mut Statement<'_>,
        key: &ContentKey,
        target: i64,
        run: i64,
    ) -> rusqlite::Result<()> {
        let seal = self.seal(key);
        let values = params![
            key.0,
            target,
            run,
            self.asked,
            self.latency,
            self.input,
            self.output,
            self.finish,
            self.text,
            self.version,
            self.probabilities,
            self.label_probability,
            self.note,
            seal,
            self.cached,
            self.cache_written
        ];
        (1..).zip(values).try_for_each(|(at, value)| statement.raw_bind_parameter(at, value))
    }

    /// Reads [`COLUMNS`]; `None` where the row is not what was written under this key.
    pub(super) fn read(row: &Row<'_>, key: &ContentKey) -> rusqlite::Result<Option<Self>> {
        let packed = Self {
            cached: row.get(11)?,
            cache_written: row.get(12)?,
            asked: row.get(0)?,
            latency: row.get(1)?,
            input: row.get(2)?,
            output: row.get(3)?,
            finish: row.get(4)?,
            text: row.get(5)?,
            version: row.get(6)?,
            probabilities: row.get(7)?,
            label_probability: row.get(8)?,
            note: row.get(9)?,
        };
        let seal: i64 = row.get(10)?;
        Ok((seal == packed.seal(key)).then_some(packed))
    }

    /// A fingerprint of key and content, because the engine does not notice a bit that turns over on the disk, and a
    /// changed answer would be a wrong figure.
    pub(super) fn seal(&self, key: &ContentKey) -> i64 {
        let mut hash = Sha256::new();
        hash.update(key.0);
        let probability = self.label_probability.map(|p| p.to_bits().cast_signed());
        for number in [Some(self.asked), Some(self.latency.into()), self.input, self.output, probability] {
            hash.update([u8::from(number.is_some())]);
            hash.update(number.unwrap_or(0).to_le_bytes());
        }
        let texts = [Some(&self.finish), Some(&self.text), self.version.as_ref(), self.note.as_ref()];
        let texts = texts.into_iter().map(|text| text.map(String::as_bytes));
        for bytes in texts.chain([self.probabilities.as_deref()]) {
            hash.update([u8::from(bytes.is_some())]);
            let bytes = bytes.unwrap_or_default();
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        // Only what is there, so that older answers keep the seal that they have.
        for (kind, tokens) in [(2, self.cached), (3, self.cache_written)] {
            if let Some(tokens) = tokens {
                hash.update([kind]);
                hash.update(tokens.to_le_bytes());
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        i64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// `None` where the values cannot come from an answer.
    pub(super) fn unpack(self) -> Option<StoredAnswer> {
        let mut completion = Completion::new(self.text).finish(finish_reason(&self.finish));
        completion.usage = match (self.input, self.output) {
            (Some(input), Some(output)) => Some(
                Usage::new(input.cast_unsigned(), output.cast_unsigned())
                    .cached(self.cached.unwrap_or(0).cast_unsigned())
                    .cache_written(self.cache_written.unwrap_or(0).cast_unsigned()),
            ),
            (None, None) => None,
            _ => return None,
        };
        completion.model_version = self.version;
        completion.note = self.note;
        completion.label_probability = self.label_probability.map(|p| p as f32);
        completion.probabilities = match self.probabilities {
            Some(bytes) => {
                let (values, []) = bytes.as_chunks() else { return None };
                Some(values.iter().map(|&value| f32::from_le_bytes(value)).collect())
            }
            None => None,
        };
        Some(StoredAnswer { completion, latency: Latency::from_micros(self.latency), asked: self.asked })
    }
}

fn finish_word(finish: &FinishReason) -> String {
    match finish {
        FinishReason::Stop => "stop".into(),
        FinishReason::Length => "length".into(),
        FinishReason::Refusal => "refusal".into(),
        FinishReason::ContentFilter => "content_filter".into(),
        FinishReason::Other(words) => format!("other:{words}"),
        _ => "other:unknown".into(),
    }
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "refusal" => FinishReason::Refusal,
        "content_filter" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.strip_prefix("other:").unwrap_or(other).to_owned()),
    }
}
