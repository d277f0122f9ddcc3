//! The order for a batch: one attempt, and after a lost answer a search before anything else.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use tunebench_providers::{
    Batch, BatchEnd, BatchId, BatchJob, BatchMark, BatchOrder, BatchStatus, Cause, FileId, ProviderError,
    Retry,
};

use super::BatchEvent;
use super::run::BatchClient;
use crate::evaluate::AbortReason;
use crate::evaluate::retry::Failure;
use crate::ledger::{BatchChange, BatchNumber, BatchRecord, BatchState, LedgerError};

/// How often an order that was refused for now is repeated.
const ATTEMPTS: u32 = 6;
/// When to search for a batch whose order had no answer: at once, and after these waits, given that a provider is looked at
/// every 15 seconds. A list may lag behind.
const SEARCHES: [f64; 2] = [0.7, 4.0];
/// How far a clock of the provider may be off.
const CLOCKS: i64 = 600;

/// What became of an order.
pub(super) enum Ordered {
    /// It was made.
    Made(BatchJob),
    /// Nobody saw the answer, and the list holds such a batch.
    Found(BatchJob),
    /// It was refused, and will be.
    Refused(ProviderError),
    /// Nobody knows: the answer was lost, and the list does not hold it.
    Unknown(ProviderError),
}

/// Why a call brought nothing.
pub(super) type Failed = Failure<AbortReason>;

impl BatchClient<'_> {
    /// A call that may be repeated freely.
    pub(super) async fn patiently<T>(
        &self,
        attempt: impl AsyncFn() -> Result<T, ProviderError>,
    ) -> Result<T, Failed> {
        let context = &self.model.context;
        let attempt = || async { attempt().await.map_err(Failure::Provider) };
        context.retries.run(0, &context.cancel, attempt).await
    }

    /// The uploaded file of a part: that of an earlier attempt, where its name says that it is the same.
    pub(super) async fn uploaded(
        &self,
        batch: &dyn Batch,
        file: &std::path::Path,
        mark: &BatchMark,
        again: bool,
    ) -> Result<FileId, Failed> {
        if again && let Some(found) = self.patiently(async || batch.find_file(mark).await).await? {
            return Ok(found);
        }
        self.patiently(async || batch.upload(file, mark).await).await
    }

    /// Orders a batch whose rows are in the ledger and whose file is there.
    pub(super) async fn ordered(
        &self,
        batch: &dyn Batch,
        record: &BatchRecord,
        file: &FileId,
        rows: Option<&Path>,
        not_ours: &HashSet<BatchId>,
    ) -> Result<Ordered, Failed> {
        let mut order =
            BatchOrder::new(record.order.target.model.as_str(), file.clone(), record.mark.clone());
        order.rows = rows.map(Path::to_owned);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match batch.create(&order).await {
                Ok(job) => return Ok(Ordered::Made(job)),
                Err(error) => error,
            };
            if error.may_be_billed || error.cause == Cause::Server {
                // The order may have arrived all the same.
                let waits = if error.may_be_billed { SEARCHES.as_slice() } else { &[] };
                if let Some(job) = self.searched(batch, record, waits, not_ours).await? {
                    return Ok(Ordered::Found(job));
                }
            }
            let wait = match error.retry {
                _ if error.may_be_billed => return Ok(Ordered::Unknown(error)),
                Retry::Never => return Ok(Ordered::Refused(error)),
                _ if attempts >= ATTEMPTS => return Ok(Ordered::Refused(error)),
                Retry::Later { after } => after.unwrap_or_else(|| self.interval(batch)),
            };
            (self.tell)(BatchEvent::Unreachable(error));
            self.pause(wait).await?;
        }
    }

    /// Looks for a batch in the provider's list, and again after each of these waits. Where batches carry no mark, one of the
    /// same size that is not known to be another may be it, those apart whose answers have shown that they are not.
    pub(super) async fn searched(
        &self,
        batch: &dyn Batch,
        record: &BatchRecord,
        waits: &[f64],
        not_ours: &HashSet<BatchId>,
    ) -> Result<Option<BatchJob>, Failed> {
        let since = record.recorded / 1_000_000 - CLOCKS;
        let keeps_mark =
            batch.limits(self.model.candidate.name.model()).is_none_or(|limits| limits.keeps_mark);
        let fits = |job: &BatchJob| match keeps_mark {
            true => job.mark.as_ref() == Some(&record.mark),
            false => {
                job.counts.is_some_and(|counts| counts.total == record.rows) && !not_ours.contains(&job.id)
            }
        };
        for wait in std::iter::once(None).chain(waits.iter().map(Some)) {
            if let Some(wait) = wait {
                self.pause(self.interval(batch).mul_f64(*wait)).await?;
            }
            let listed = self.patiently(async || batch.list(since).await).await?;
            let known = self.known_ids().map_err(|error| Failure::Aborted(AbortReason::Ledger(error)))?;
            // Of two, the older one: both are paid for, and it will be answered first.
            let ours =
                listed.into_iter().rev().find(|job| fits(job) && !known.contains(&job.id) && is_of_use(job));
            if ours.is_some() {
                return Ok(ours);
            }
        }
        Ok(None)
    }

    /// Forgets a batch that was never made; its rows are free.
    pub(super) async fn drop_batch(
        &self,
        batch: &dyn Batch,
        number: BatchNumber,
        file: Option<&FileId>,
        error: Option<&ProviderError>,
    ) -> Result<(), LedgerError> {
        if let Some(file) = file {
            let mut job = BatchJob::new(BatchId(String::new()), BatchStatus::Running, "");
            job.input = Some(file.clone());
            // A file that stays behind costs nothing.
            let _ = batch.clean_up(&job).await;
        }
        let error = error.map(ToString::to_string);
        self.cache.ledger.close_batch(number, BatchState::Dropped, (0, 0), error.as_deref())
    }

    pub(super) fn note_id(&self, number: BatchNumber, job: &BatchJob) -> Result<(), LedgerError> {
        let change =
            BatchChange { id: Some(&job.id), said: Some(job.said.as_str()), ..BatchChange::default() };
        self.cache.ledger.change_batch(number, change)
    }

    /// The first wait between two looks.
    pub(super) fn interval(&self, batch: &dyn Batch) -> Duration {
        let own = || batch.limits(self.model.candidate.name.model()).map(|limits| limits.poll_interval);
        self.settings.poll.or_else(own).unwrap_or(Duration::from_secs(15))
    }

    pub(super) async fn pause(&self, time: Duration) -> Result<(), Failed> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.model.context.cancel.wait() => Err(Failure::Cancelled),
        }
    }
}

/// Whether a batch can have brought anything, or may yet.
pub(super) fn is_of_use(job: &BatchJob) -> bool {
    job.end() != Some(BatchEnd::Failed) || !job.results.is_empty()
}
