//! The way of one model's rows through batches: what is under way is come back to, what is not is ordered, and all of it is
//! waited for.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tunebench_providers::{
    Batch, BatchEnd, BatchId, BatchJob, BatchLimits, BatchStatus, Cause, ProviderError, Retry, Scope, Usage,
};
use tunebench_reports::UnansweredKind;

use super::order::{Failed, Ordered, is_of_use};
use super::parts::{Parts, Row, sweep};
use super::{BatchEvent, BatchSettings, Left, Outcome};
use crate::budget::{Price, Reservation};
use crate::error::Error;
use crate::evaluate::retry::Failure;
use crate::evaluate::{Asker, Book, Halt};
use crate::ledger::{BatchChange, BatchNumber, BatchRecord, BatchState, LedgerError, NewBatch, Recorder};
use crate::plan::Texts;

/// The longest time between two looks of our own choice.
const LONGEST_INTERVAL: Duration = Duration::from_secs(300);
/// After so long a batch that still runs is no longer waited for: the longest window is three days in the queue and one more.
const GIVE_UP: i64 = 4 * 24 * 3_600 * 1_000_000;
/// How long results of batches are kept by those who keep them longest.
const KEPT: i64 = 31 * 24 * 3_600;
/// Within this time after its order, a batch that is not found is not visible yet.
const NOT_VISIBLE: i64 = 3_600 * 1_000_000;
/// How many rows are tried live until one shows that the model can be asked.
const PROBES: usize = 3;

/// One model that is asked in batches, and what that takes.
pub(crate) struct Road<'a> {
    pub(crate) asker: &'a Asker,
    pub(crate) book: &'a Book,
    pub(crate) recorder: &'a Recorder,
    /// What its tokens cost in a batch.
    pub(crate) price: Option<&'a Price>,
    /// What its batches have in common.
    pub(crate) order: NewBatch,
    pub(crate) settings: &'a BatchSettings,
    /// Is told what happens.
    pub(crate) tell: &'a (dyn Fn(BatchEvent) + 'a),
}

/// A batch that is waited for.
struct UnderWay<'a> {
    number: BatchNumber,
    job: BatchJob,
    rows: u64,
    reservation: Option<Reservation<'a>>,
    /// Tokens that wait at the provider.
    queued: u64,
    next: Instant,
    interval: Duration,
}

/// A batch that the provider had no room for.
struct PutBack<'a> {
    number: BatchNumber,
    reservation: Option<Reservation<'a>>,
    at: Instant,
}

struct Trip<'a, 'b> {
    road: &'b Road<'a>,
    batch: &'b dyn Batch,
    limits: BatchLimits,
    under_way: Vec<UnderWay<'a>>,
    put_back: Vec<PutBack<'a>>,
    outcome: Outcome,
    /// Whether a live answer has shown that the model can be asked.
    probed: bool,
}

impl<'a> Road<'a> {
    /// Goes all the way, or as far as is wanted. `items` gives the rows, as often as it is asked.
    pub(crate) async fn go<'t>(
        &self,
        items: &dyn Fn() -> Result<Texts<'t>, Error>,
    ) -> Result<Outcome, Error> {
        let provider = &self.asker.candidate.provider;
        let model = self.asker.candidate.name.model();
        let (Some(batch), Some(limits)) =
            (provider.batches(), provider.batches().and_then(|batch| batch.limits(model)))
        else {
            return Ok(Outcome::default());
        };
        let own = self.settings;
        let mut limits = limits;
        limits.rows = limits.rows.min(own.rows);
        limits.queued_tokens = own.queued_tokens.or(limits.queued_tokens);
        let (under_way, put_back, outcome) = Default::default();
        let mut trip = Trip { road: self, batch, limits, under_way, put_back, outcome, probed: false };
        match trip.go(items).await? {
            Ok(()) => {}
            Err(Failure::Cancelled) => {}
            Err(Failure::Halted(halt)) => trip.halt(halt),
            Err(Failure::Provider(error)) => trip.halt(Halt::Provider(error)),
        }
        trip.leave()
    }

    /// The provider's names of all batches that the ledger knows.
    pub(super) fn known_ids(&self) -> Result<HashSet<BatchId>, LedgerError> {
        let records = self.book.ledger.batches(false)?;
        Ok(records.into_iter().filter(|record| self.is_ours(record)).filter_map(|record| record.id).collect())
    }

    fn is_ours(&self, record: &BatchRecord) -> bool {
        record.order.target == self.order.target
    }

    fn record(&self, number: BatchNumber) -> Result<BatchRecord, LedgerError> {
        let record = self.book.ledger.batch(number)?;
        record.ok_or_else(|| LedgerError::Closed(self.book.ledger.path().to_owned()))
    }
}

impl<'a> Trip<'a, '_> {
    async fn go<'t>(
        &mut self,
        items: &dyn Fn() -> Result<Texts<'t>, Error>,
    ) -> Result<Result<(), Failed>, Error> {
        macro_rules! done {
            ($failed:expr) => {
                match $failed {
                    Ok(done) => done,
                    Err(failed) => return Ok(Err(failed)),
                }
            };
        }
        done!(self.come_back().await);
        let mut parts = Parts::new(self.road.asker, self.road.book, items()?);
        if parts.has_more()? {
            done!(self.adopt(items).await?);
        }
        // Begun anew: what was adopted is not to be asked.
        let mut parts = Parts::new(self.road.asker, self.road.book, items()?);
        let mut more = self.road.settings.submit;
        loop {
            while more && self.has_room() {
                more = done!(self.submit(&mut parts).await?);
            }
            self.outcome.rest = more;
            if self.under_way.is_empty() && self.put_back.is_empty() || !self.road.settings.wait {
                break;
            }
            done!(self.look().await);
        }
        for key in parts.too_large.drain(..) {
            self.outcome.not_answered.insert(key, UnansweredKind::Rejected);
        }
        Ok(Ok(()))
    }

    fn halt(&mut self, halt: Halt) {
        self.outcome.halted_by.get_or_insert(halt);
    }

    /// What goes on without us.
    fn leave(mut self) -> Result<Outcome, Error> {
        let left = self.under_way.iter().map(|batch| Left {
            id: Some(batch.job.id.clone()),
            rows: batch.rows,
            counts: batch.job.counts,
        });
        self.outcome.left = left.collect();
        for PutBack { number, reservation, .. } in std::mem::take(&mut self.put_back) {
            // The provider has none of it.
            reservation.into_iter().for_each(Reservation::release);
            self.outcome.left.push(Left { id: None, rows: self.road.record(number)?.rows, counts: None });
        }
        Ok(self.outcome)
    }

    /// Takes up what earlier commands have begun.
    async fn come_back(&mut self) -> Result<(), Failed> {
        let road = self.road;
        if let Some(folder) = road.book.ledger.path().parent() {
            sweep(folder);
        }
        let open = road.book.ledger.batches(true).map_err(kept)?;
        let ours = |record: &BatchRecord| road.is_ours(record) && record.order.scope == road.order.scope;
        for record in open.into_iter().rev().filter(ours) {
            match &record.id {
                Some(id) => {
                    let mut job = BatchJob::new(id.clone(), BatchStatus::Running, "");
                    job.mark = Some(record.mark.clone());
                    (road.tell)(BatchEvent::Found(id.clone(), record.rows));
                    self.take_up(&record, job);
                }
                // Without a file nothing can have been ordered.
                None => match record.file.clone() {
                    None => {
                        // It may have been uploaded all the same; other rows will be in the next one.
                        let file = road.patiently(async || self.batch.find_file(&record.mark).await).await?;
                        road.drop_batch(self.batch, record.number, file.as_ref(), None)
                            .await
                            .map_err(kept)?;
                    }
                    Some(file) => self.find_order(&record, &file).await?,
                },
            }
        }
        Ok(())
    }

    /// An order of which nobody saw the answer: is there such a batch?
    async fn find_order(
        &mut self,
        record: &BatchRecord,
        file: &tunebench_providers::FileId,
    ) -> Result<(), Failed> {
        let road = self.road;
        let age = Duration::from_micros((crate::ledger::now() - record.recorded).max(0).cast_unsigned());
        let waits: &[f64] = if age > 40 * road.interval(self.batch) { &[] } else { &[0.7, 4.0] };
        match road.searched(self.batch, record, waits).await? {
            Some(job) => {
                road.note_id(record.number, &job).map_err(kept)?;
                (road.tell)(BatchEvent::Found(job.id.clone(), record.rows));
                self.take_up(record, job);
                Ok(())
            }
            None => road.drop_batch(self.batch, record.number, Some(file), None).await.map_err(kept),
        }
    }

    fn take_up(&mut self, record: &BatchRecord, job: BatchJob) {
        let worst = Usage::new(record.tokens.0, record.tokens.1);
        let reservation = Some(self.road.asker.means.budget.take_over(self.road.price, worst));
        self.watch(record, job, reservation, Duration::ZERO);
    }

    fn watch(
        &mut self,
        record: &BatchRecord,
        job: BatchJob,
        reservation: Option<Reservation<'a>>,
        first: Duration,
    ) {
        self.outcome.met += 1;
        self.under_way.push(UnderWay {
            number: record.number,
            job,
            rows: record.rows,
            reservation,
            queued: record.tokens.0,
            next: Instant::now() + first,
            interval: self.road.interval(self.batch),
        });
    }

    /// Looks for batches of this evaluation that another machine has made.
    async fn adopt<'t>(
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
        let ours = |job: &BatchJob| {
            let scope = job.mark.as_ref().map(|mark| &mark.scope);
            scope == Some(&road.order.scope) && !known.contains(&job.id) && is_of_use(job)
        };
        for job in listed.into_iter().rev().filter(ours) {
            let Some(mark) = job.mark.clone() else { continue };
            let mut parts = Parts::new(road.asker, road.book, items()?);
            let mut keys = Vec::new();
            while let Some(row) = parts.next()? {
                keys.push(row.asked.key);
            }
            if keys.is_empty() && self.under_way.is_empty() {
                break;
            }
            let number = road.book.ledger.adopt_batch(&road.order, &mark, &keys)?;
            road.note_id(number, &job)?;
            let record = road.record(number)?;
            let rows = job.counts.map_or(record.rows, |counts| counts.total);
            (road.tell)(BatchEvent::Found(job.id.clone(), rows));
            self.take_up(&record, job);
        }
        Ok(Ok(()))
    }

    fn has_room(&self) -> bool {
        let cancel = &self.road.asker.means.cancel;
        if cancel.requested() || self.outcome.halted_by.is_some() || !self.put_back.is_empty() {
            return false;
        }
        let queued: u64 = self.under_way.iter().map(|batch| batch.queued).sum();
        // A part takes at most the whole room, so one is always let in.
        self.limits.queued_tokens.is_none_or(|room| self.under_way.is_empty() || queued < room / 2)
    }

    /// Orders one more batch; tells whether there may be more to order.
    async fn submit(&mut self, parts: &mut Parts<'a, '_>) -> Result<Result<bool, Failed>, Error> {
        let road = self.road;
        if !self.probed {
            if let Some(halt) = self.probe(parts).await? {
                return Ok(Err(Failure::Halted(halt)));
            }
            self.probed = true;
        }
        let ledger = &road.book.ledger;
        let folder = ledger.path().parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(std::path::Path::new("."));
        let queued: u64 = self.under_way.iter().map(|batch| batch.queued).sum();
        let room = self.limits.queued_tokens.map(|room| room.saturating_sub(queued));
        let mut limits = self.limits;
        limits.queued_tokens = room;
        let mut part = match parts.next_part(self.batch, &limits, folder)? {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(Ok(false)),
            Err(error) => return Ok(Err(Failure::Provider(error))),
        };
        let (number, taken) = ledger.claim_batch(&road.order, &part.keys)?;
        let Some(number) = number else { return Ok(Ok(true)) };
        part.keep_only(&taken, folder)?;
        let rows = part.keys.len() as u64;
        let (budget, model) = (&road.asker.means.budget, road.asker.candidate.name.to_string());
        let reservation = match budget.reserve_batch(&model, road.price, part.worst, rows) {
            Ok(reservation) => reservation,
            Err(error) => {
                ledger.close_batch(number, BatchState::Dropped, (0, 0), Some(&error.to_string()))?;
                for key in part.keys {
                    self.outcome.not_answered.insert(key, UnansweredKind::Budget);
                }
                return Ok(Err(Failure::Halted(Halt::Budget(error))));
            }
        };
        let tokens = Some((part.worst.input, part.worst.output));
        ledger.change_batch(number, BatchChange { tokens, ..BatchChange::default() })?;
        let record = road.record(number)?;
        // Only where such a part was given up before can there be a file of the same name.
        let again = ledger.batches(false)?.iter().any(|old| old.mark == record.mark && old.number != number);
        let file = match road.uploaded(self.batch, part.file.path(), &record.mark, again).await {
            Ok(file) => file,
            Err(failed) => {
                reservation.release();
                self.give_up(&record, None, part.keys, &failed).await?;
                return Ok(Err(failed));
            }
        };
        ledger.change_batch(number, BatchChange { file: Some(&file), ..BatchChange::default() })?;
        drop(part.file);
        Ok(self.place(&record, &file, Some(reservation), part.keys).await?.map(|()| true))
    }

    /// Orders a batch whose file is there.
    async fn place(
        &mut self,
        record: &BatchRecord,
        file: &tunebench_providers::FileId,
        reservation: Option<Reservation<'a>>,
        keys: Vec<crate::ledger::ContentKey>,
    ) -> Result<Result<(), Failed>, Error> {
        let road = self.road;
        match road.ordered(self.batch, record, file).await {
            Ok(Ordered::Made(job)) => {
                road.note_id(record.number, &job)?;
                (road.tell)(BatchEvent::Submitted(job.id.clone(), record.rows));
                let first = road.interval(self.batch);
                self.watch(record, job, reservation, first);
                Ok(Ok(()))
            }
            Ok(Ordered::Refused(error)) => {
                reservation.into_iter().for_each(Reservation::release);
                let failed = Failure::Provider(error);
                self.give_up(record, Some(file), keys, &failed).await?;
                Ok(Err(failed))
            }
            Ok(Ordered::Unknown(error)) => {
                (road.tell)(BatchEvent::Note(
                    "the answer to the order of a batch was lost, and the provider does not list the batch yet: the next \
                     command looks again before anything is sent once more"
                        .to_owned(),
                ));
                self.outcome.fail(record.rows as usize, &error);
                self.outcome.left.push(Left { id: None, rows: record.rows, counts: None });
                Ok(Err(Failure::Provider(error)))
            }
            Err(failed) => Ok(Err(failed)),
        }
    }

    async fn give_up(
        &mut self,
        record: &BatchRecord,
        file: Option<&tunebench_providers::FileId>,
        keys: Vec<crate::ledger::ContentKey>,
        failed: &Failed,
    ) -> Result<(), Error> {
        let error = if let Failure::Provider(error) = failed { Some(error) } else { None };
        self.road.drop_batch(self.batch, record.number, file, error).await?;
        let kind = error.map_or(UnansweredKind::NotAsked, crate::evaluate::unanswered_kind);
        for key in keys {
            self.outcome.not_answered.insert(key, kind);
        }
        Ok(())
    }

    /// Asks one row live: what is wrong with key, model, prompt or schema shows before thousands of rows are sent, and the
    /// provider learns how the model wants to be asked.
    async fn probe(&mut self, parts: &mut Parts<'a, '_>) -> Result<Option<Halt>, Error> {
        let asker = self.road.asker;
        for _ in 0..PROBES {
            let Some(row) = parts.next()? else { return Ok(None) };
            let Row { asked, .. } = &row;
            let unanswered = match asker.ask(0, row.item(), Some(*asked)).await {
                Ok(answered) => {
                    let price = asker.candidate.price.as_ref();
                    let cost = answered.usage().and_then(|usage| price?.of(usage));
                    self.outcome.spent = self.outcome.spent.plus(cost.unwrap_or_default());
                    return Ok(None);
                }
                Err(unanswered) => unanswered,
            };
            self.outcome.not_answered.insert(row.asked.key, unanswered.kind);
            if let Some(halt) = asker.halted() {
                return Ok(Some(halt.clone()));
            }
            let Some(error) = unanswered.error else { return Ok(None) };
            self.outcome.fail(1, &error);
            // A text may be too long, and the next one short.
            if error.scope > Scope::Request || error.cause != Cause::TooLarge {
                return Ok(Some(Halt::Provider(error)));
            }
        }
        Ok(None)
    }

    /// Waits for the next batch that is due, and looks at all that are.
    async fn look(&mut self) -> Result<(), Failed> {
        let due =
            self.under_way.iter().map(|batch| batch.next).chain(self.put_back.iter().map(|back| back.at));
        let Some(due) = due.min() else { return Ok(()) };
        self.road.pause(due.saturating_duration_since(Instant::now())).await?;
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
        let (again, wait): (Vec<_>, Vec<_>) = std::mem::take(&mut self.put_back)
            .into_iter()
            .partition(|back| back.at <= now || self.under_way.is_empty());
        self.put_back = wait;
        for PutBack { number, reservation, .. } in again {
            self.order_again(number, reservation).await?;
        }
        Ok(())
    }

    async fn order_again(
        &mut self,
        number: BatchNumber,
        reservation: Option<Reservation<'a>>,
    ) -> Result<(), Failed> {
        let record = self.road.record(number).map_err(kept)?;
        let Some(file) = record.file.clone() else { return Ok(()) };
        let placed = self.place(&record, &file, reservation, Vec::new()).await;
        placed.unwrap_or_else(|error| match error {
            Error::Ledger(error) => Err(kept(error)),
            other => Err(Failure::Provider(ProviderError::new(Cause::Server, other.to_string()))),
        })
    }

    /// Deals with what a look has shown.
    async fn looked(
        &mut self,
        mut batch: UnderWay<'a>,
        look: Result<BatchJob, ProviderError>,
    ) -> Result<(), Failed> {
        let road = self.road;
        let record = road.record(batch.number).map_err(kept)?;
        let age = crate::ledger::now() - record.recorded;
        let job = match look {
            Ok(job) => job,
            Err(error) => {
                let hidden = error.cause == Cause::NotFound && age < NOT_VISIBLE;
                if error.retry == Retry::Never && !hidden {
                    return self.lost(batch, &record, error).await;
                }
                (road.tell)(BatchEvent::Unreachable(error));
                self.later(batch);
                return Ok(());
            }
        };
        road.note_id(batch.number, &job).map_err(kept)?;
        batch.job = job;
        match batch.job.end() {
            Some(_) if !batch.job.results_pending => self.ended(batch, &record).await,
            None if age > GIVE_UP => {
                let id = &batch.job.id.0;
                (road.tell)(BatchEvent::Note(format!(
                    "batch {id} has been {} for four days, and is not waited for any longer; `tunebench batches fetch` \
                     looks again",
                    batch.job.said
                )));
                self.outcome.left.push(Left {
                    id: Some(batch.job.id),
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
        batch.next = Instant::now() + batch.interval;
        if self.road.settings.poll.is_none() {
            batch.interval = (2 * batch.interval).min(LONGEST_INTERVAL);
        }
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
        let ledger = &self.road.book.ledger;
        ledger
            .close_batch(record.number, BatchState::Ended, (0, record.rows), Some(&error.to_string()))
            .map_err(kept)
    }

    fn note_unanswered(&mut self, record: &BatchRecord) -> Result<(), Failed> {
        for key in self.road.book.ledger.batch_keys(record.number).map_err(kept)? {
            self.outcome.not_answered.entry(key).or_insert(UnansweredKind::Provider);
        }
        Ok(())
    }

    /// Fetches what an ended batch has brought, and lets its rows go.
    async fn ended(&mut self, mut batch: UnderWay<'a>, record: &BatchRecord) -> Result<(), Failed> {
        let road = self.road;
        let end = batch.job.end().unwrap_or(BatchEnd::Failed);
        if batch.job.queue_full
            && batch.job.results.is_empty()
            && road.settings.submit
            && record.file.is_some()
        {
            road.book.ledger.put_back_batch(record.number).map_err(kept)?;
            (road.tell)(BatchEvent::QueueFull(record.rows));
            let at = Instant::now() + batch.interval;
            self.put_back.push(PutBack { number: record.number, reservation: batch.reservation, at });
            return Ok(());
        }
        let read = match road.fetch(self.batch, record, &batch.job, &mut self.outcome).await {
            Ok(read) => read,
            Err(failed) => {
                self.under_way.push(batch);
                return Err(failed);
            }
        };
        road.recorder.flush().await.map_err(kept)?;
        if let Some(error) = batch.job.error.clone().filter(|_| read.fetched.answered == 0) {
            let error = ProviderError::new(Cause::Invalid, format!("the batch failed: {error}"));
            self.outcome.fail(record.rows as usize, &error);
        }
        if !road.settings.keep_files
            && let Err(error) = self.batch.clean_up(&batch.job).await
        {
            (road.tell)(BatchEvent::Note(format!(
                "files of batch {} stay at the provider: {error}",
                batch.job.id.0
            )));
        }
        let failed = record.rows.saturating_sub(read.fetched.answered);
        let counts = (read.fetched.answered, failed);
        let error = batch.job.error.as_deref();
        road.book.ledger.close_batch(record.number, BatchState::Ended, counts, error).map_err(kept)?;
        if let Some(reservation) = batch.reservation.take() {
            let cost = reservation.settle(read.usage);
            self.outcome.spent = self.outcome.spent.plus(cost.unwrap_or_default());
        }
        (road.tell)(BatchEvent::Fetched(batch.job.id, end, read.fetched));
        Ok(())
    }

    fn tell_progress(&self) {
        let Some(first) = self.under_way.first() else { return };
        let counts = self.under_way.iter().filter_map(|batch| batch.job.counts);
        (self.road.tell)(BatchEvent::Progress {
            total: self.under_way.iter().map(|batch| batch.rows).sum(),
            done: counts.clone().map(|counts| counts.answered + counts.failed).sum(),
            told: counts.count() > 0,
            said: first.job.said.clone(),
        });
    }
}

fn kept(error: LedgerError) -> Failed {
    Failure::Halted(Halt::Ledger(error))
}
