//! Batches that are there already: those that earlier commands have ordered or meant to, and those of other machines.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{
    Batch, BatchJob, BatchMark, BatchStatus, Cause, CompletionRequest, FileId, ProviderError,
    ResultsPosition, Usage,
};

use super::BatchEvent;
use super::order::{Failed, is_of_use};
use super::parts::{Parts, sweep};
use super::road::{Road, Trip, UnderWay, kept};
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
/// A batch without a mark is told by its first lines.
const FIRST_LINES: usize = 20;
/// Looks at the list are this far apart, in intervals: it may lag behind.
const SEARCHES: [f64; 2] = [0.7, 4.0];
/// After so many intervals the list has caught up.
const CAUGHT_UP: u32 = 40;

impl<'a> Trip<'a, '_> {
    /// Takes up what earlier commands have begun.
    pub(super) async fn come_back(&mut self) -> Result<(), Failed> {
        let road = self.road;
        if let Some(folder) = road.cache.ledger.path().parent() {
            sweep(folder);
        }
        let open = road.cache.ledger.batches(true).map_err(kept)?;
        let ours = |record: &BatchRecord| {
            record.order.target == road.order.target && record.order.scope == road.order.scope
        };
        for record in open.into_iter().rev().filter(ours) {
            match (&record.id, record.file.clone()) {
                (Some(id), _) => {
                    let mut job = BatchJob::new(id.clone(), BatchStatus::Running, "");
                    job.mark = Some(record.mark.clone());
                    (road.tell)(BatchEvent::Found(id.clone(), record.rows));
                    self.take_up(&record, job, true);
                }
                (None, Some(file)) => self.find_order(&record, &file).await?,
                // Without a file nothing can have been ordered.
                (None, None) => {
                    // It may have been uploaded all the same; other rows will be in the next one.
                    let file = road.patiently(async || self.batch.find_file(&record.mark).await).await?;
                    road.drop_batch(self.batch, record.number, file.as_ref(), None).await.map_err(kept)?;
                }
            }
        }
        Ok(())
    }

    /// An order of which nobody saw the answer: is there such a batch?
    async fn find_order(&mut self, record: &BatchRecord, file: &FileId) -> Result<(), Failed> {
        let road = self.road;
        let age = Duration::from_micros((crate::ledger::now() - record.recorded).max(0).cast_unsigned());
        let waits: &[f64] = if age > CAUGHT_UP * road.interval(self.batch) { &[] } else { &SEARCHES };
        match road.searched(self.batch, record, waits, &self.not_ours).await? {
            Some(job) => self.found(record, job),
            None => road.drop_batch(self.batch, record.number, Some(file), None).await.map_err(kept),
        }
    }

    /// Goes on with a batch from the list. Where it carries no mark, its answers will show whether it is the one.
    fn found(&mut self, record: &BatchRecord, job: BatchJob) -> Result<(), Failed> {
        let proven = job.mark.is_some();
        if proven {
            self.road.note_id(record.number, &job).map_err(kept)?;
        }
        (self.road.tell)(BatchEvent::Found(job.id.clone(), record.rows));
        self.take_up(record, job, proven);
        Ok(())
    }

    fn take_up(&mut self, record: &BatchRecord, job: BatchJob, proven: bool) {
        let worst = Usage::new(record.tokens.0, record.tokens.1);
        let reservation = Some(self.road.client.context.budget.take_over(self.road.price, worst));
        self.watch(record, job, proven, reservation, Duration::ZERO);
    }

    pub(super) fn watch(
        &mut self,
        record: &BatchRecord,
        job: BatchJob,
        proven: bool,
        reservation: Option<Reservation<'a>>,
        first: Duration,
    ) {
        self.outcome.met += 1;
        self.under_way.push(UnderWay {
            number: record.number,
            job,
            proven,
            rows: record.rows,
            reservation,
            queued: record.tokens.0,
            next: Instant::now() + first,
            interval: self.road.interval(self.batch),
        });
    }

    /// Looks for batches of this evaluation that another machine has made.
    pub(super) async fn adopt<'t>(
        &mut self,
        items: &dyn Fn() -> Result<Texts<'t>, Error>,
    ) -> Result<Result<(), Failed>, Error> {
        let road = self.road;
        let since = crate::ledger::now() / 1_000_000 - KEPT;
        let listed = match road.patiently(async || self.batch.list(since).await).await {
            Ok(listed) => listed,
            Err(failed) => return Ok(Err(failed)),
        };
        let known = road.known_ids()?;
        let keys = || -> Result<Vec<ContentKey>, Error> {
            let mut parts = Parts::new(road.client, road.cache, items()?);
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
                .filter(|job| job.mark.as_ref().is_some_and(|mark| mark.scope == road.order.scope))
                .collect(),
            false => match self.unmarked(candidates, &keys()?.into_iter().collect()).await {
                Ok(ours) => ours,
                Err(failed) => return Ok(Err(failed)),
            },
        };
        for (job, proven) in ours.into_iter().rev().map(|job| {
            let proven = job.mark.is_some() || job.end().is_some();
            (job, proven)
        }) {
            let keys = keys()?;
            if keys.is_empty() && self.under_way.is_empty() {
                break;
            }
            let mark = job.mark.clone().unwrap_or_else(|| BatchMark::new(&road.order.scope, "0".repeat(32)));
            let number = road.cache.ledger.adopt_batch(&road.order, &mark, &keys)?;
            let mut record = road.record(number)?;
            record.rows = job.counts.map_or(record.rows, |counts| counts.total);
            if proven {
                road.note_id(number, &job)?;
            }
            (road.tell)(BatchEvent::Found(job.id.clone(), record.rows));
            self.take_up(&record, job, proven);
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
                    self.road.holds(self.batch, &job, keys).await? == Some(true)
                }
            };
            if is_candidate {
                ours.push(job);
            }
        }
        Ok(ours)
    }
}

impl Road<'_> {
    /// Whether a batch that has ended is about any of these rows, by its first lines; none where they can't be read now.
    pub(super) async fn holds(
        &self,
        batch: &dyn Batch,
        job: &BatchJob,
        keys: &HashSet<ContentKey>,
    ) -> Result<Option<bool>, Failed> {
        let template = self.client.request("".into());
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
