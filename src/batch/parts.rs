//! Rows without an answer, written into files that are each small enough for a batch.

use std::collections::{HashSet, VecDeque};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::Path;

use tempfile::NamedTempFile;
use tunebench_data::{Fields, Item, cautious_tokens};
use tunebench_providers::{Batch, BatchLimits, ProviderError, Usage};

use crate::error::Error;
use crate::evaluate::{AnswerCache, LookedUp, ModelClient, RequestKey, output_cap};
use crate::ledger::ContentKey;
use crate::plan::Texts;

/// Rows read, and looked up in the ledger, at once.
const CHUNK: usize = 256;
/// Of what the provider allows, so much is used.
const SHARE: f64 = 0.95;

/// A row that is to be asked about.
pub(super) struct Row {
    pub(super) text: String,
    fields: Fields,
    pub(super) asked: RequestKey,
}

impl Row {
    pub(super) fn item(&self) -> Item<'_> {
        Item { text: &self.text, fields: Some(&self.fields) }
    }
}

/// The requests of one batch.
pub(super) struct Part {
    pub(super) file: NamedTempFile,
    pub(super) keys: Vec<ContentKey>,
    /// The most tokens that they send and get back.
    pub(super) worst: Usage,
}

/// Reads rows, and writes those without an answer into parts.
pub(super) struct Parts<'a, 't> {
    client: &'a ModelClient,
    cache: &'a AnswerCache,
    items: Texts<'t>,
    ready: VecDeque<Row>,
    /// A line for which there was no room.
    held: Option<(ContentKey, Vec<u8>, Usage)>,
    /// Rows that are too large for any batch.
    pub(super) too_large: Vec<ContentKey>,
}

impl<'a, 't> Parts<'a, 't> {
    pub(super) fn new(client: &'a ModelClient, cache: &'a AnswerCache, items: Texts<'t>) -> Self {
        let (ready, held, too_large) = Default::default();
        Self { client, cache, items, ready, held, too_large }
    }

    /// The next row that the ledger has no answer to, and that is in no batch.
    pub(super) fn next(&mut self) -> Result<Option<Row>, Error> {
        while self.ready.is_empty() {
            let items: Vec<_> = self.items.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
            if items.is_empty() {
                return Ok(None);
            }
            // Blank texts are no rows of a test set, and nobody is asked about them elsewhere.
            let items = items.into_iter().filter(|(text, _)| !text.trim().is_empty()).collect();
            let turns =
                |(text, fields): &(String, Fields)| self.client.turns(Item { text, fields: Some(fields) });
            let mut rows = self.cache.look_up(items, turns)?;
            rows.retain(|row| row.known.is_none());
            let keys: Vec<_> = rows.iter().map(|row| row.asked.key).collect();
            let in_batches = self.cache.ledger.in_batches(&keys)?;
            let new = rows.into_iter().zip(in_batches).filter(|(_, in_batch)| !in_batch);
            self.ready.extend(new.map(|(LookedUp { item: (text, fields), asked, .. }, _)| Row {
                text,
                fields,
                asked,
            }));
        }
        Ok(self.ready.pop_front())
    }

    /// Puts a row back to be the next one.
    pub(super) fn deferred(&mut self, row: Row) {
        self.ready.push_front(row);
    }

    /// Whether there is anything left to ask.
    pub(super) fn has_more(&mut self) -> Result<bool, Error> {
        if self.held.is_some() {
            return Ok(true);
        }
        let row = self.next()?;
        Ok(row.map(|row| self.deferred(row)).is_some())
    }

    /// Writes the next part into a file in `folder`; none when there are no more rows. An inner error is the provider's, who
    /// can't ask in this way.
    pub(super) fn next_part(
        &mut self,
        batch: &dyn Batch,
        limits: &BatchLimits,
        folder: &Path,
    ) -> Result<Result<Option<Part>, ProviderError>, Error> {
        let (rows, bytes) = (limits.rows.max(1), (limits.bytes as f64 * SHARE) as u64);
        let tokens = limits.queued_tokens.map_or(u64::MAX, |tokens| (tokens as f64 * SHARE) as u64);
        let mut file = tempfile::Builder::new().prefix(LEFT_BEHIND).suffix(".jsonl").tempfile_in(folder)?;
        let mut out = BufWriter::new(file.as_file_mut());
        let (mut keys, mut seen) = (Vec::new(), HashSet::new());
        let (mut written, mut worst) = (0, Usage::default());
        while keys.len() < rows {
            let (key, line, usage) = match self.held.take() {
                Some(held) => held,
                None => match self.next()? {
                    None => break,
                    Some(row) if seen.contains(&row.asked.key) => continue,
                    Some(row) => match self.line(batch, &row) {
                        Ok(line) => line,
                        Err(error) => return Ok(Err(error)),
                    },
                },
            };
            if line.len() as u64 > bytes || usage.input > tokens {
                self.too_large.push(key);
                continue;
            }
            if written + line.len() as u64 > bytes || worst.input + usage.input > tokens {
                self.held = Some((key, line, usage));
                break;
            }
            out.write_all(&line)?;
            written += line.len() as u64;
            worst = worst.plus(usage);
            seen.insert(key);
            keys.push(key);
        }
        out.flush()?;
        drop(out);
        Ok(Ok((!keys.is_empty()).then_some(Part { file, keys, worst })))
    }

    fn line(&self, batch: &dyn Batch, row: &Row) -> Result<(ContentKey, Vec<u8>, Usage), ProviderError> {
        let candidate = &self.client.candidate;
        let request = self.client.request(row.item());
        let mut line = Vec::with_capacity(1024);
        let RequestKey { key, bytes } = row.asked;
        batch.write_row(&key.to_name(), &request, &mut line)?;
        let counted = candidate.provider.count_tokens(candidate.name.model(), &request.messages());
        let input = counted.unwrap_or_else(|| cautious_tokens(bytes));
        Ok((key, line, Usage::new(input, output_cap(candidate, &request))))
    }
}

impl Part {
    /// Leaves out the rows that were taken by others meanwhile.
    pub(super) fn keep_only(&mut self, taken: &[bool], folder: &Path) -> io::Result<()> {
        if taken.iter().all(|taken| *taken) {
            return Ok(());
        }
        self.file.as_file_mut().rewind()?;
        let mut rest = tempfile::Builder::new().prefix(LEFT_BEHIND).suffix(".jsonl").tempfile_in(folder)?;
        let mut out = BufWriter::new(rest.as_file_mut());
        let (mut lines, mut line) = (BufReader::new(self.file.as_file_mut()), Vec::new());
        for taken in taken {
            line.clear();
            lines.read_until(b'\n', &mut line)?;
            if *taken {
                out.write_all(&line)?;
            }
        }
        out.flush()?;
        drop(out);
        let mut of = taken.iter();
        self.keys.retain(|_| of.next().copied().unwrap_or(false));
        self.file = rest;
        Ok(())
    }
}

/// How the names of part files begin.
const LEFT_BEHIND: &str = "batch-part-";

/// Removes the files of a command that was killed a day ago or earlier.
pub(super) fn sweep(folder: &Path) {
    let old = |path: &Path| {
        let age = path.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed());
        age.is_ok_and(|age| age.is_ok_and(|age| age.as_secs() > 24 * 3_600))
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(LEFT_BEHIND);
        if ours && old(&entry.path()) {
            // What can't be removed is in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
