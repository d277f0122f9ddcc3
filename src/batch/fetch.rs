//! What a batch has brought, line by line into the ledger. Lines come in any order, twice, about rows that are not in it, or
//! are none; each row ends as exactly one thing.

use std::collections::HashSet;
use std::time::Duration;

use tunebench_providers::{
    Batch, BatchJob, Cause, ProviderError, ResultsPosition, Retry, RowOutcome, RowResult, Usage,
};
use tunebench_reports::UnansweredKind;

use super::create::Failed;
use super::run::BatchClient;
use super::{Fetched, Outcome};
use crate::evaluate::AbortReason;
use crate::evaluate::retry::Failure;
use crate::ledger::{BatchRecord, ContentKey, LedgerError};

/// How often a reading that brings nothing new is begun again before it is put off.
const ATTEMPTS: u32 = 6;
/// Keys looked up at once.
const CHUNK: usize = 256;

/// What reading came to.
pub(super) struct Read {
    pub(super) fetched: Fetched,
    /// What the answers are billed for.
    pub(super) usage: Usage,
}

impl BatchClient<'_> {
    /// Reads all that a batch has brought into the ledger. Rows that have no answer then are noted in `outcome`.
    pub(super) async fn fetch(
        &self,
        batch: &dyn Batch,
        record: &BatchRecord,
        job: &BatchJob,
        outcome: &mut Outcome,
    ) -> Result<Read, Failed> {
        let all = self.cache.ledger.batch_keys(record.number).map_err(kept)?;
        let mut open = self.unanswered(&all, record).map_err(kept)?;
        let each = (record.tokens.0 / record.rows.max(1), record.tokens.1 / record.rows.max(1));
        let mut reading =
            Reading { all: &all, open: &mut open, at_most: Usage::new(each.0, each.1), read: Read::new() };
        let template = self.model.request("".into());
        let (mut position, mut fruitless) = (ResultsPosition::default(), 0);
        while !reading.open.is_empty() {
            let before = position;
            let error =
                match self.read_on(batch, record, job, &template, &mut position, &mut reading, outcome).await
                {
                    Ok(()) => break,
                    Err(Failure::Provider(error)) => error,
                    Err(other) => return Err(other),
                };
            fruitless = if position == before { fruitless + 1 } else { 0 };
            // What is not found may only be late, and is looked for again for some minutes.
            let gone = error.cause == Cause::NotFound;
            if fruitless >= ATTEMPTS || error.retry == Retry::Never && !gone {
                if !gone {
                    return Err(Failure::Provider(error));
                }
                outcome.fail(reading.open.len(), &error);
                reading.read.fetched.first_error.get_or_insert(error);
                break;
            }
            let wait = match error.retry {
                Retry::Later { after: Some(after) } => after,
                _ if gone => self.interval(batch) * fruitless,
                _ => self.interval(batch).min(Duration::from_secs(1) * (fruitless + 1)),
            };
            self.pause(wait).await?;
        }
        let read = reading.read;
        let missing = open.len() as u64;
        for key in open {
            outcome.not_answered.entry(key).or_insert(UnansweredKind::NotAsked);
        }
        Ok(Read { fetched: Fetched { missing, ..read.fetched }, ..read })
    }

    /// The rows of a batch that the ledger has no answer to.
    pub(super) fn unanswered(
        &self,
        all: &HashSet<ContentKey>,
        record: &BatchRecord,
    ) -> Result<HashSet<ContentKey>, LedgerError> {
        let keys: Vec<_> = all.iter().copied().collect();
        let mut open = HashSet::with_capacity(keys.len());
        for chunk in keys.chunks(CHUNK) {
            let known = self.cache.ledger.lookup(chunk, record.order.floor)?;
            open.extend(chunk.iter().zip(known).filter(|(_, known)| known.is_none()).map(|(key, _)| *key));
        }
        Ok(open)
    }

    #[expect(clippy::too_many_arguments, reason = "what is read, from where, and where it goes")]
    async fn read_on(
        &self,
        batch: &dyn Batch,
        record: &BatchRecord,
        job: &BatchJob,
        template: &tunebench_providers::CompletionRequest,
        position: &mut ResultsPosition,
        reading: &mut Reading<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Failed> {
        let mut results = batch.results(job, template, *position).await.map_err(Failure::Provider)?;
        while let Some(row) = results.next().await.map_err(Failure::Provider)? {
            if let Some((key, completion)) = reading.take(row, outcome) {
                self.cache.recorder.keep(key, &completion, record.recorded).await.map_err(kept)?;
            }
            *position = results.position();
        }
        Ok(())
    }
}

fn kept(error: LedgerError) -> Failed {
    Failure::Aborted(AbortReason::Ledger(error))
}

impl Read {
    fn new() -> Self {
        Self { fetched: Fetched::default(), usage: Usage::default() }
    }
}

/// The reading of one batch.
struct Reading<'a> {
    /// Its rows.
    all: &'a HashSet<ContentKey>,
    /// Those not mentioned yet.
    open: &'a mut HashSet<ContentKey>,
    /// What an answer counts as that tells no usage.
    at_most: Usage,
    read: Read,
}

impl Reading<'_> {
    /// Counts a line; gives the answer that it holds, if it is to be kept.
    fn take(
        &mut self,
        RowResult { key, outcome: row, .. }: RowResult,
        outcome: &mut Outcome,
    ) -> Option<(ContentKey, Box<tunebench_providers::Completion>)> {
        let Read { fetched, usage } = &mut self.read;
        if let RowOutcome::Unreadable(_) = row {
            fetched.unreadable += 1;
            return None;
        }
        let key = key.as_deref().and_then(ContentKey::of_name);
        let Some(key) = key.filter(|key| self.all.contains(key)) else {
            fetched.unknown += 1;
            return None;
        };
        if !self.open.remove(&key) {
            fetched.repeated += 1;
            return None;
        }
        let mut fail = |kind, error: Option<ProviderError>| {
            outcome.not_answered.insert(key, kind);
            if let Some(error) = error {
                outcome.fail(1, &error);
                fetched.first_error.get_or_insert(error);
            }
        };
        match row {
            RowOutcome::Answered(completion) => {
                fetched.answered += 1;
                *usage = usage.plus(completion.usage.unwrap_or(self.at_most));
                return Some((key, completion));
            }
            RowOutcome::Failed(error) => {
                fail(crate::evaluate::unanswered_kind(&error), Some(error));
                fetched.failed += 1;
            }
            _ => {
                fail(UnansweredKind::NotAsked, None);
                fetched.not_run += 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tunebench_providers::Completion;

    use super::*;

    fn key(n: u8) -> ContentKey {
        ContentKey::of_name(&format!(
            "{}{}",
            "a".repeat(49),
            ["aaa", "aba", "aca", "ada"][usize::from(n % 4)]
        ))
        .unwrap()
    }

    proptest! {
        /// Whatever the lines are: a row is answered, failed, not run or missing, and never two of these.
        #[test]
        fn each_row_ends_as_one_thing(lines in prop::collection::vec((0u8..6, 0u8..5), 0..20)) {
            let all: HashSet<_> = (0..4).map(key).collect();
            let (mut open, mut outcome) = (all.clone(), Outcome::default());
            let mut reading = Reading { all: &all, open: &mut open, at_most: Usage::new(1, 1), read: Read::new() };
            let mut answered = HashSet::new();
            for &(row, what) in &lines {
                let name = match row { 0..4 => Some(key(row).to_name()), 4 => Some("x".to_owned()), _ => None };
                let outcome_of_row = match what {
                    0 | 1 => RowOutcome::Answered(Box::new(Completion::new("card"))),
                    2 => RowOutcome::Failed(ProviderError::new(Cause::Server, "no")),
                    3 => RowOutcome::NotRun("late".to_owned()),
                    _ => RowOutcome::Unreadable("cut".to_owned()),
                };
                if let Some((key, _)) = reading.take(RowResult::new(name, outcome_of_row), &mut outcome) {
                    prop_assert!(answered.insert(key));
                }
            }
            let Fetched { answered: n, failed, not_run, unreadable, unknown, repeated, .. } = reading.read.fetched;
            let missing = open.len() as u64;
            prop_assert_eq!(n + failed + not_run + missing, 4);
            prop_assert_eq!(n + failed + not_run + unreadable + unknown + repeated, lines.len() as u64);
            prop_assert!(answered.iter().all(|key| !outcome.not_answered.contains_key(key) && !open.contains(key)));
        }
    }
}
