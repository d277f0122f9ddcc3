//! Handing in rows that no batch has yet: the first one live, the others as files.

use std::path::Path;

use tokio::time::Instant;
use tunebench_providers::{Cause, FileId, Scope};
use tunebench_reports::UnansweredKind;

use super::create::{Failed, Ordered};
use super::parts::{Parts, Row};
use super::run::{BatchRun, Deferred, kept};
use super::{BatchEvent, Left};
use crate::budget::Reservation;
use crate::error::Error;
use crate::evaluate::AbortReason;
use crate::evaluate::retry::Failure;
use crate::ledger::{BatchChange, BatchRecord, BatchState};

/// How many rows are tried live until one shows that the model can be asked.
pub(super) const PROBES: usize = 3;

impl<'a> BatchRun<'a, '_> {
    /// Orders one more batch; tells whether there may be more to order.
    pub(super) async fn submit(&mut self, parts: &mut Parts<'a, '_>) -> Result<Result<bool, Failed>, Error> {
        let client = self.client;
        if !self.probed {
            if let Some(abort) = self.probe(parts).await? {
                return Ok(Err(Failure::Aborted(abort)));
            }
            // Whoever is killed while the others are handed in must not pay for it again.
            if let Err(error) = client.recorder.flush().await {
                return Ok(Err(kept(error)));
            }
        }
        let ledger = &client.cache.ledger;
        let folder = ledger.path().parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let queued: u64 = self.under_way.iter().map(|batch| batch.queued).sum();
        let room = self.limits.queued_tokens.map(|room| room.saturating_sub(queued));
        let mut limits = self.limits;
        limits.queued_tokens = room;
        let mut part = match parts.next_part(self.batch, &limits, folder)? {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(Ok(false)),
            Err(error) => return Ok(Err(Failure::Provider(error))),
        };
        let (number, taken) = ledger.claim_batch(&client.order, &part.keys)?;
        let Some(number) = number else { return Ok(Ok(true)) };
        part.keep_only(&taken, folder)?;
        let rows = part.keys.len() as u64;
        let (budget, model) = (&client.model.context.budget, client.model.candidate.name.to_string());
        let reservation = match budget.reserve_batch(&model, client.price, part.worst, rows) {
            Ok(reservation) => reservation,
            Err(error) => {
                ledger.close_batch(number, BatchState::Dropped, (0, 0), Some(&error.to_string()))?;
                for key in part.keys {
                    self.outcome.not_answered.insert(key, UnansweredKind::Budget);
                }
                return Ok(Err(Failure::Aborted(AbortReason::Budget(error))));
            }
        };
        let tokens = Some((part.worst.input, part.worst.output));
        ledger.change_batch(number, BatchChange { tokens, ..BatchChange::default() })?;
        let record = client.record(number)?;
        // Only where such a part was given up before can there be a file of the same name.
        let again = ledger.batches(false)?.iter().any(|old| old.mark == record.mark && old.number != number);
        let file = match client.uploaded(self.batch, part.file.path(), &record.mark, again).await {
            Ok(file) => file,
            Err(failed) => {
                reservation.release();
                self.give_up(&record, None, &failed).await?;
                return Ok(Err(failed));
            }
        };
        ledger.change_batch(number, BatchChange { file: Some(&file), ..BatchChange::default() })?;
        Ok(self.place(&record, &file, Some(reservation), Some(part.file)).await.map(|()| true))
    }

    /// Orders a batch whose file is there.
    async fn place(
        &mut self,
        record: &BatchRecord,
        file: &FileId,
        reservation: Option<Reservation<'a>>,
        rows: Option<tempfile::NamedTempFile>,
    ) -> Result<(), Failed> {
        let client = self.client;
        let path = rows.as_ref().map(|rows| rows.path());
        match client.ordered(self.batch, record, file, path, &self.not_ours).await? {
            Ordered::Made(job) => {
                client.note_id(record.number, &job).map_err(kept)?;
                (client.tell)(BatchEvent::Submitted(job.id.clone(), record.rows));
                let first = client.interval(self.batch);
                self.watch(record, job, true, reservation, first);
                Ok(())
            }
            Ordered::Found(job) => {
                let first = client.interval(self.batch);
                let is_ours = job.mark.is_some();
                if is_ours {
                    client.note_id(record.number, &job).map_err(kept)?;
                }
                (client.tell)(BatchEvent::Found(job.id.clone(), record.rows));
                self.watch(record, job, is_ours, reservation, first);
                Ok(())
            }
            // Those under way make room when they end.
            Ordered::Refused(error) if error.cause == Cause::RateLimit && !self.under_way.is_empty() => {
                (client.tell)(BatchEvent::QueueFull(record.rows));
                let at = Instant::now() + client.interval(self.batch);
                self.deferred.push(Deferred { number: record.number, reservation, rows, at });
                Ok(())
            }
            Ordered::Refused(error) => {
                reservation.into_iter().for_each(Reservation::release);
                let failed = Failure::Provider(error);
                self.give_up(record, Some(file), &failed).await.map_err(kept)?;
                Err(failed)
            }
            Ordered::Unknown(error) => {
                (client.tell)(BatchEvent::Note(
                    "the answer to the order of a batch was lost, and the provider does not list the batch yet: the next \
                     command looks again before anything is sent once more"
                        .to_owned(),
                ));
                self.outcome.fail(record.rows as usize, &error);
                self.outcome.left.push(Left { id: None, rows: record.rows, counts: None });
                Err(Failure::Provider(error))
            }
        }
    }

    /// Orders once more what the provider had no room for.
    pub(super) async fn order_again(&mut self, back: Deferred<'a>) -> Result<(), Failed> {
        let record = self.client.record(back.number).map_err(kept)?;
        let Some(file) = record.file.clone() else { return Ok(()) };
        self.place(&record, &file, back.reservation, back.rows).await
    }

    async fn give_up(
        &mut self,
        record: &BatchRecord,
        file: Option<&FileId>,
        failed: &Failed,
    ) -> Result<(), crate::ledger::LedgerError> {
        let error = if let Failure::Provider(error) = failed { Some(error) } else { None };
        let kind = error.map_or(UnansweredKind::NotAsked, crate::evaluate::unanswered_kind);
        for key in self.client.cache.ledger.batch_keys(record.number)? {
            self.outcome.not_answered.insert(key, kind);
        }
        self.client.drop_batch(self.batch, record.number, file, error).await
    }

    /// Asks one row live: what is wrong with key, model, prompt or schema shows before thousands of rows are sent, and the
    /// provider learns how the model wants to be asked.
    async fn probe(&mut self, parts: &mut Parts<'a, '_>) -> Result<Option<AbortReason>, Error> {
        let client = self.client.model;
        for _ in 0..PROBES {
            let Some(row) = parts.next()? else { return Ok(None) };
            let Row { asked, .. } = &row;
            let unanswered = match client.ask(0, row.item(), Some(*asked)).await {
                Ok(answered) => {
                    self.probed = true;
                    let price = client.candidate.price.as_ref();
                    let cost = answered.usage().and_then(|usage| price?.of(usage));
                    self.outcome.spent = self.outcome.spent.plus(cost.unwrap_or_default());
                    return Ok(None);
                }
                Err(unanswered) => unanswered,
            };
            self.outcome.not_answered.insert(row.asked.key, unanswered.kind);
            if let Some(abort) = client.aborted() {
                return Ok(Some(abort.clone()));
            }
            let Some(error) = unanswered.error else { return Ok(None) };
            self.outcome.fail(1, &error);
            // A text may be too long, and the next one short.
            if error.scope > Scope::Request || error.cause != Cause::TooLarge {
                return Ok(Some(AbortReason::Provider(error)));
            }
        }
        Ok(None)
    }
}
