//! Waiting for batches, and what becomes of those that end.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tunebench_providers::{BatchEnd, BatchJob, Cause, ProviderError, Retry};
use tunebench_reports::UnansweredKind;

use super::create::Failed;
use super::run::{BatchRun, Deferred, UnderWay, kept};
use super::{BatchEvent, Left};
use crate::budget::Reservation;
use crate::evaluate::retry::Failure;
use crate::ledger::{BatchChange, BatchRecord, BatchState};

/// The longest time between two looks of our own choice.
const LONGEST_INTERVAL: Duration = Duration::from_secs(300);
/// After so many microseconds a batch that still runs is no longer waited for: the longest window is three days in the queue and
/// one more.
const GIVE_UP: i64 = 4 * 24 * 3_600 * 1_000_000;
/// What the ledger has as the state of a batch whose answers are kept, and that may be removed by now.
const FETCHED: &str = "fetched";
/// Within so many microseconds after its order, a batch that is not found is not visible yet.
const NOT_VISIBLE: i64 = 3_600 * 1_000_000;

impl<'a> BatchRun<'a, '_> {
    /// Waits for the next batch that is due, and looks at all that are.
    pub(super) async fn look(&mut self) -> Result<(), Failed> {
        let due =
            self.under_way.iter().map(|batch| batch.next).chain(self.deferred.iter().map(|back| back.at));
        let Some(due) = due.min() else { return Ok(()) };
        self.client.pause(due.saturating_duration_since(Instant::now())).await?;
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.under_way).into_iter().partition(|batch| batch.next <= now);
        self.under_way = later;
        let looks = join_all(due.iter().map(|batch| self.batch.batch(&batch.job.id))).await;
        let mut failed = None;
        for (batch, look) in due.into_iter().zip(looks) {
            if failed.is_some() {
                self.under_way.push(batch);
            } else if let Err(failure) = self.looked(batch, look).await {
                failed = Some(failure);
            }
        }
        self.tell_progress();
        if let Some(failure) = failed {
            return Err(failure);
        }
        let (again, wait): (Vec<_>, Vec<_>) = std::mem::take(&mut self.deferred)
            .into_iter()
            .partition(|back| back.at <= now || self.under_way.is_empty());
        self.deferred = wait;
        for back in again {
            self.order_again(back).await?;
        }
        Ok(())
    }

    /// Deals with what a look has shown.
    async fn looked(
        &mut self,
        mut batch: UnderWay<'a>,
        look: Result<BatchJob, ProviderError>,
    ) -> Result<(), Failed> {
        let client = self.client;
        let record = client.record(batch.number).map_err(kept)?;
        let age = crate::ledger::now() - record.recorded;
        let job = match look {
            Ok(job) => job,
            Err(error) => {
                if error.cause == Cause::NotFound && record.said.as_deref() == Some(FETCHED) {
                    return self.closed(batch, &record);
                }
                let hidden = error.cause == Cause::NotFound && age < NOT_VISIBLE;
                if error.retry == Retry::Never && !hidden {
                    return self.lost(batch, &record, error).await;
                }
                (client.tell)(BatchEvent::Unreachable(error));
                self.later(batch);
                return Ok(());
            }
        };
        if batch.is_ours {
            client.note_id(batch.number, &job).map_err(kept)?;
        }
        batch.job = job;
        match batch.job.end() {
            Some(_) if !batch.job.results_pending && !batch.is_ours => self.check_rows(batch, &record).await,
            Some(_) if !batch.job.results_pending => self.ended(batch, &record).await,
            None if age > GIVE_UP => {
                let id = &batch.job.id.0;
                (client.tell)(BatchEvent::Note(format!(
                    "batch {id} has been {} for four days, and is not waited for any longer; `tunebench batches fetch` \
                     looks again",
                    batch.job.said
                )));
                self.outcome.left.push(Left {
                    id: batch.is_ours.then_some(batch.job.id),
                    rows: batch.rows,
                    counts: batch.job.counts,
                });
                Ok(())
            }
            _ => {
                self.later(batch);
                Ok(())
            }
        }
    }

    fn later(&mut self, mut batch: UnderWay<'a>) {
        if self.client.settings.poll.is_none() {
            batch.interval = longer(batch.interval);
        }
        batch.next = Instant::now() + batch.interval;
        self.under_way.push(batch);
    }

    /// The provider does not know the batch, or will not talk about it.
    async fn lost(
        &mut self,
        batch: UnderWay<'a>,
        record: &BatchRecord,
        error: ProviderError,
    ) -> Result<(), Failed> {
        if error.cause != Cause::NotFound {
            // With another key it may: it stays on record.
            self.under_way.push(batch);
            return Err(Failure::Provider(error));
        }
        self.outcome.fail(record.rows as usize, &error);
        self.note_unanswered(record)?;
        let ledger = &self.client.cache.ledger;
        ledger
            .close_batch(record.number, BatchState::Ended, (0, record.rows), Some(&error.to_string()))
            .map_err(kept)
    }

    /// The batch was fetched and cleaned up by a command that ended before it could say so.
    fn closed(&mut self, batch: UnderWay<'a>, record: &BatchRecord) -> Result<(), Failed> {
        let client = self.client;
        let keys = client.cache.ledger.batch_keys(record.number).map_err(kept)?;
        let open = client.unanswered(&keys, record).map_err(kept)?;
        let failed = open.len() as u64;
        for key in open {
            self.outcome.not_answered.entry(key).or_insert(UnansweredKind::Provider);
        }
        // Its cost was settled, if not kept, by the command that fetched it.
        batch.reservation.into_iter().for_each(Reservation::release);
        let counts = (record.rows.saturating_sub(failed), failed);
        client.cache.ledger.close_batch(record.number, BatchState::Ended, counts, None).map_err(kept)
    }

    fn note_unanswered(&mut self, record: &BatchRecord) -> Result<(), Failed> {
        for key in self.client.cache.ledger.batch_keys(record.number).map_err(kept)? {
            self.outcome.not_answered.entry(key).or_insert(UnansweredKind::Provider);
        }
        Ok(())
    }

    /// A batch without a mark has ended: is it the one that was ordered? If not, the list is searched once more.
    async fn check_rows(&mut self, mut batch: UnderWay<'a>, record: &BatchRecord) -> Result<(), Failed> {
        let client = self.client;
        let keys = client.cache.ledger.batch_keys(record.number).map_err(kept)?;
        let holds = match client.holds(self.batch, &batch.job, &keys).await {
            Ok(holds) => holds,
            Err(failed) => {
                self.under_way.push(batch);
                return Err(failed);
            }
        };
        match holds {
            Some(true) => {
                client.note_id(record.number, &batch.job).map_err(kept)?;
                batch.is_ours = true;
                return self.ended(batch, record).await;
            }
            // Its answers may be late.
            None if crate::ledger::now() - record.recorded < NOT_VISIBLE => {
                self.later(batch);
                return Ok(());
            }
            _ => {}
        }
        self.not_ours.insert(batch.job.id);
        match client.searched(self.batch, record, &[], &self.not_ours).await? {
            Some(job) => {
                batch.job = job;
                self.later(UnderWay { interval: client.interval(self.batch), ..batch });
            }
            None => {
                batch.reservation.into_iter().for_each(Reservation::release);
                match client.settings.submit {
                    true => self.freed = true,
                    false => self.note_unanswered(record)?,
                }
                let file = record.file.as_ref();
                client.drop_batch(self.batch, record.number, file, None).await.map_err(kept)?;
            }
        }
        Ok(())
    }

    /// Fetches what an ended batch has brought, and lets its rows go.
    async fn ended(&mut self, mut batch: UnderWay<'a>, record: &BatchRecord) -> Result<(), Failed> {
        let client = self.client;
        let end = batch.job.end().unwrap_or(BatchEnd::Failed);
        if batch.job.queue_full
            && batch.job.results.is_empty()
            && client.settings.submit
            && record.file.is_some()
        {
            client.cache.ledger.put_back_batch(record.number).map_err(kept)?;
            (client.tell)(BatchEvent::QueueFull(record.rows));
            let at = Instant::now() + batch.interval;
            let reservation = batch.reservation;
            self.deferred.push(Deferred { number: record.number, reservation, rows: None, at });
            return Ok(());
        }
        let read = match client.fetch(self.batch, record, &batch.job, &mut self.outcome).await {
            Ok(read) => read,
            Err(failed) => {
                self.under_way.push(batch);
                return Err(failed);
            }
        };
        client.recorder.flush().await.map_err(kept)?;
        if let Some(error) = batch.job.error.clone().filter(|_| read.fetched.answered == 0) {
            let error = ProviderError::new(Cause::Invalid, format!("the batch failed: {error}"));
            self.outcome.fail(record.rows as usize, &error);
        }
        // Whoever comes back after a crash between the two need not find the batch any more.
        let fetched = BatchChange { said: Some(FETCHED), ..BatchChange::default() };
        client.cache.ledger.change_batch(record.number, fetched).map_err(kept)?;
        if !client.settings.keep_files
            && let Err(error) = self.batch.clean_up(&batch.job).await
        {
            (client.tell)(BatchEvent::Note(format!(
                "files of batch {} stay at the provider: {error}",
                batch.job.id.0
            )));
        }
        let failed = record.rows.saturating_sub(read.fetched.answered);
        let counts = (read.fetched.answered, failed);
        let error = batch.job.error.as_deref();
        client.cache.ledger.close_batch(record.number, BatchState::Ended, counts, error).map_err(kept)?;
        if let Some(reservation) = batch.reservation.take() {
            let cost = reservation.settle(read.usage);
            self.outcome.spent = self.outcome.spent.plus(cost.unwrap_or_default());
        }
        (client.tell)(BatchEvent::Fetched(batch.job.id, end, read.fetched));
        Ok(())
    }

    fn tell_progress(&self) {
        let Some(first) = self.under_way.first() else { return };
        let counts = self.under_way.iter().filter_map(|batch| batch.job.counts);
        let done = counts.map(|counts| counts.answered + counts.failed).sum();
        (self.client.tell)(BatchEvent::Progress {
            total: self.under_way.iter().map(|batch| batch.rows).sum(),
            done,
            // Some tell nothing but the total before the end.
            told: done > 0,
            said: first.job.said.clone(),
        });
    }
}

/// The time to the next look, after one that came so long after the one before it: twice that, up to five minutes, or what
/// the provider wants where that is more.
fn longer(interval: Duration) -> Duration {
    (2 * interval).min(LONGEST_INTERVAL.max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_less_and_less_often() {
        let seconds = |first: u64| {
            let mut interval = Duration::from_secs(first);
            let mut times = vec![first];
            for _ in 0..6 {
                interval = longer(interval);
                times.push(interval.as_secs());
            }
            times
        };
        assert_eq!(seconds(15), [15, 30, 60, 120, 240, 300, 300]);
        assert_eq!(seconds(60), [60, 120, 240, 300, 300, 300, 300]);
        assert_eq!(seconds(600), [600; 7]);
    }
}
