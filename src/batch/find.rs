//! Batches that are there already: those that earlier commands have ordered or meant to, and those of other machines.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{
    Batch, BatchJob, BatchMark, BatchStatus, Cause, CompletionRequest, FileId, ProviderError,
    ResultsPosition, Usage,
};

use super::BatchEvent;
use super::create::{Failed, is_of_use};
use super::parts::{Parts, sweep};
use super::run::{BatchClient, BatchRun, UnderWay, kept};
use super::submit::PROBES;
use crate::budget::Reservation;
use crate::error::Error;
use crate::evaluate::retry::Failure;
use crate::ledger::{BatchRecord, ContentKey};
use crate::plan::Texts;

/// How long results of batches are kept by those who keep them longest, in seconds.
const KEPT: i64 = 31 * 24 * 3_600;
/// Of batches without a mark that have ended, so many of the newest are looked into.
const LOOKED_INTO: usize = 50;
/// A batch without a mark is recognised by its first lines.
const FIRST_LINES: usize = 20;
/// Looks at the list are this far apart, in intervals: it may lag behind.
const SEARCHES: [f64; 2] = [0.7, 4.0];
/// After so many intervals the list has caught up.
const CAUGHT_UP: u32 = 40;

impl<'a> BatchRun<'a, '_> {
    /// Takes up what earlier commands have begun.
    pub(super) async fn resume(&mut self) -> Result<(), Failed> {
        let client = self.client;
        if let Some(folder) = client.cache.ledger.path().parent() {
            sweep(folder);
        }
        let open = client.cache.ledger.batches(true).map_err(kept)?;
        let ours = |record: &BatchRecord| {
            record.order.target == client.order.target && record.order.scope == client.order.scope
        };
        for record in open.into_iter().rev().filter(ours) {
            match (&record.id, record.file.clone()) {
                (Some(id), _) => {
                    let mut job = BatchJob::new(id.clone(), BatchStatus::Running, "");
                    job.mark = Some(record.mark.clone());
                    (client.tell)(BatchEvent::Found(id.clone(), record.rows));
                    self.take_up(&record, job, true);
                }
                (None, Some(file)) => self.find_order(&record, &file).await?,
                // Without a file nothing can have been ordered.
                (None, None) => {
                    // It may have been uploaded all the same; other rows will be in the next one.
                    let file = client.patiently(async || self.batch.find_file(&record.mark).await).await?;
                    client.drop_batch(self.batch, record.number, file.as_ref(), None).await.map_err(kept)?;
                }
            }
        }
        Ok(())
    }

    /// An order of which nobody saw the answer: is there such a batch?
    async fn find_order(&mut self, record: &BatchRecord, file: &FileId) -> Result<(), Failed> {
        let client = self.client;
        let age = Duration::from_micros((crate::ledger::now() - record.recorded).max(0).cast_unsigned());
        let waits: &[f64] = if age > CAUGHT_UP * client.interval(self.batch) { &[] } else { &SEARCHES };
        match client.searched(self.batch, record, waits, &self.not_ours).await? {
            Some(job) => self.found(record, job),
            None => client.drop_batch(self.batch, record.number, Some(file), None).await.map_err(kept),
        }
    }

    /// Goes on with a batch from the list. Where it carries no mark, its answers will show whether it is the one.
    fn found(&mut self, record: &BatchRecord, job: BatchJob) -> Result<(), Failed> {
        let is_ours = job.mark.is_some();
        if is_ours {
            self.client.note_id(record.number, &job).map_err(kept)?;
        }
        (self.client.tell)(BatchEvent::Found(job.id.clone(), record.rows));
        self.take_up(record, job, is_ours);
        Ok(())
    }

    fn take_up(&mut self, record: &BatchRecord, job: BatchJob, is_ours: bool) {
        let worst = Usage::new(record.tokens.0, record.tokens.1);
        let reservation = Some(self.client.model.context.budget.take_over(self.client.price, worst));
        self.watch(record, job, is_ours, reservation, Duration::ZERO);
    }

    pub(super) fn watch(
        &mut self,
        record: &BatchRecord,
        job: BatchJob,
        is_ours: bool,
        reservation: Option<Reservation<'a>>,
        first: Duration,
    ) {
        self.outcome.met += 1;
        self.under_way.push(UnderWay {
            number: record.number,
            job,
            is_ours,
            rows: record.rows,
            reservation,
            queued: record.tokens.0,
            next: Instant::now() + first,
            interval: self.client.interval(self.batch),
        });
    }

    /// Looks for batches of this evaluation that another machine has made.
    pub(super) async fn adopt<'t>(
        &mut self,
        items: &dyn Fn() -> Result<Texts<'t>, Error>,
    ) -> Result<Result<(), Failed>, Error> {
        let client = self.client;
        let since = crate::ledger::now() / 1_000_000 - KEPT;
        let listed = match client.patiently(async || self.batch.list(since).await).await {
            Ok(listed) => listed,
            Err(failed) => return Ok(Err(failed)),
        };
        let known = client.known_ids()?;
        let keys = || -> Result<Vec<ContentKey>, Error> {
            let mut parts = Parts::new(client.model, client.cache, items()?);
            let mut keys = Vec::new();
            while let Some(row) = parts.next()? {
                keys.push(row.asked.key);
            }
            Ok(keys)
        };
        let candidates: Vec<_> =
            listed.into_iter().filter(|job| !known.contains(&job.id) && is_of_use(job)).collect();
        let ours = match self.limits.keeps_mark {
            true => candidates
                .into_iter()
                .filter(|job| job.mark.as_ref().is_some_and(|mark| mark.scope == client.order.scope))
                .collect(),
            false => match self.unmarked(candidates, &keys()?.into_iter().collect()).await {
                Ok(ours) => ours,
                Err(failed) => return Ok(Err(failed)),
            },
        };
        for (job, is_ours) in ours.into_iter().rev().map(|job| {
            let is_ours = job.mark.is_some() || job.end().is_some();
            (job, is_ours)
        }) {
            let keys = keys()?;
            if keys.is_empty() && self.under_way.is_empty() {
                break;
            }
            let mark =
                job.mark.clone().unwrap_or_else(|| BatchMark::new(&client.order.scope, "0".repeat(32)));
            let number = client.cache.ledger.adopt_batch(&client.order, &mark, &keys)?;
            let mut record = client.record(number)?;
            record.rows = job.counts.map_or(record.rows, |counts| counts.total);
            if is_ours {
                client.note_id(number, &job)?;
            }
            (client.tell)(BatchEvent::Found(job.id.clone(), record.rows));
            self.take_up(&record, job, is_ours);
        }
        Ok(Ok(()))
    }

    /// Of batches without a mark, those that are about these rows, or that will show it: the answers of one that has ended
    /// tell, and one under way may be one of ours if it is as large as ours are.
    async fn unmarked(
        &self,
        candidates: Vec<BatchJob>,
        keys: &HashSet<ContentKey>,
    ) -> Result<Vec<BatchJob>, Failed> {
        let (mut ours, mut looked_into) = (Vec::new(), 0);
        for job in candidates {
            let total = job.counts.map_or(0, |counts| counts.total) as usize;
            let is_candidate = match job.end() {
                _ if total == 0 || total > keys.len() => false,
                None => total == self.limits.rows || keys.len() - total <= PROBES,
                Some(_) if looked_into == LOOKED_INTO => false,
                Some(_) => {
                    looked_into += 1;
                    self.client.holds(self.batch, &job, keys).await? == Some(true)
                }
            };
            if is_candidate {
                ours.push(job);
            }
        }
        Ok(ours)
    }
}

impl BatchClient<'_> {
    /// Whether a batch that has ended is about any of these rows, by its first lines; none where they can't be read now.
    pub(super) async fn holds(
        &self,
        batch: &dyn Batch,
        job: &BatchJob,
        keys: &HashSet<ContentKey>,
    ) -> Result<Option<bool>, Failed> {
        let template = self.model.request("".into());
        match self.patiently(async || holds(batch, job, &template, keys).await).await {
            Ok(holds) => Ok(Some(holds)),
            Err(Failure::Provider(error)) if error.cause == Cause::NotFound => Ok(None),
            Err(failed) => Err(failed),
        }
    }
}

async fn holds(
    batch: &dyn Batch,
    job: &BatchJob,
    template: &CompletionRequest,
    keys: &HashSet<ContentKey>,
) -> Result<bool, ProviderError> {
    let mut results = batch.results(job, template, ResultsPosition::default()).await?;
    for _ in 0..FIRST_LINES {
        let Some(row) = results.next().await? else { break };
        let key = row.key.as_deref().and_then(ContentKey::of_name);
        if key.is_some_and(|key| keys.contains(&key)) {
            return Ok(true);
        }
    }
    Ok(false)
}
