//! One run of a model's rows through batches: those under way are resumed (`find`), the other rows are submitted in new
//! ones (`submit`), and all of them are waited for (`watch`).

use std::collections::HashSet;

use tokio::time::Instant;
use tunebench_providers::{Batch, BatchId, BatchJob, BatchLimits};
use tunebench_reports::UnansweredKind;

use super::create::Failed;
use super::parts::Parts;
use super::{BatchEvent, BatchSettings, Left, Outcome};
use crate::budget::{Price, Reservation};
use crate::error::Error;
use crate::evaluate::retry::Failure;
use crate::evaluate::{AbortReason, AnswerCache, ModelClient};
use crate::ledger::{BatchNumber, BatchRecord, LedgerError, NewBatch, Recorder};
use crate::plan::Texts;

/// One model that is asked in batches, and what that takes.
pub(crate) struct BatchClient<'a> {
    pub(crate) model: &'a ModelClient,
    pub(crate) cache: &'a AnswerCache,
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
pub(super) struct UnderWay<'a> {
    pub(super) number: BatchNumber,
    pub(super) job: BatchJob,
    /// Whether it is known to be the one that was ordered. Where batches carry no mark, only its answers show that, and the
    /// ledger does not hold its id before.
    pub(super) is_ours: bool,
    pub(super) rows: u64,
    pub(super) reservation: Option<Reservation<'a>>,
    /// Tokens that wait at the provider.
    pub(super) queued: u64,
    pub(super) next: Instant,
    pub(super) interval: std::time::Duration,
}

/// A batch that the provider had no room for.
pub(super) struct Deferred<'a> {
    pub(super) number: BatchNumber,
    pub(super) reservation: Option<Reservation<'a>>,
    /// Its requests, where they go along with the order.
    pub(super) rows: Option<tempfile::NamedTempFile>,
    pub(super) at: Instant,
}

/// One run: the batches under way, and what has come of the others.
pub(super) struct BatchRun<'a, 'b> {
    pub(super) client: &'b BatchClient<'a>,
    pub(super) batch: &'b dyn Batch,
    pub(super) limits: BatchLimits,
    pub(super) under_way: Vec<UnderWay<'a>>,
    pub(super) deferred: Vec<Deferred<'a>>,
    pub(super) outcome: Outcome,
    /// Whether a live answer has shown that the model can be asked.
    pub(super) probed: bool,
    /// Batches without a mark whose answers were about other rows.
    pub(super) not_ours: HashSet<BatchId>,
    /// Whether rows are free again that were claimed for one of those.
    pub(super) freed: bool,
}

impl<'a> BatchClient<'a> {
    /// Resumes, submits and waits, as far as the settings say. `items` gives the rows, as often as it is asked.
    pub(crate) async fn run<'t>(
        &self,
        items: &dyn Fn() -> Result<Texts<'t>, Error>,
    ) -> Result<Outcome, Error> {
        let provider = &self.model.candidate.provider;
        let model = self.model.candidate.name.model();
        let (Some(batch), Some(limits)) =
            (provider.batches(), provider.batches().and_then(|batch| batch.limits(model)))
        else {
            return Ok(Outcome::default());
        };
        let own = self.settings;
        let mut limits = limits;
        limits.rows = limits.rows.min(own.rows);
        limits.queued_tokens = own.queued_tokens.or(limits.queued_tokens);
        let (under_way, deferred, outcome, not_ours) = Default::default();
        let (probed, freed) = (false, false);
        let mut run =
            BatchRun { client: self, batch, limits, under_way, deferred, outcome, probed, not_ours, freed };
        match run.run(items).await? {
            Ok(()) => {}
            Err(Failure::Cancelled) => {}
            Err(Failure::Aborted(abort)) => run.abort(abort),
            Err(Failure::Provider(error)) => run.abort(AbortReason::Provider(error)),
        }
        run.into_outcome()
    }

    /// The provider's names of all batches that the ledger knows, whatever the model.
    pub(super) fn known_ids(&self) -> Result<HashSet<BatchId>, LedgerError> {
        let (provider, base_url) = (&self.order.target.provider, &self.order.target.base_url);
        let here = |record: &BatchRecord| {
            record.order.target.provider == *provider && record.order.target.base_url == *base_url
        };
        let records = self.cache.ledger.batches(false)?;
        Ok(records.into_iter().filter(here).filter_map(|record| record.id).collect())
    }

    pub(super) fn record(&self, number: BatchNumber) -> Result<BatchRecord, LedgerError> {
        let record = self.cache.ledger.batch(number)?;
        record.ok_or_else(|| LedgerError::Closed(self.cache.ledger.path().to_owned()))
    }
}

impl<'a> BatchRun<'a, '_> {
    async fn run<'t>(
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
        done!(self.resume().await);
        let mut parts = Parts::new(self.client.model, self.client.cache, items()?);
        if parts.has_more()? {
            done!(self.adopt(items).await?);
        }
        // Begun anew: what was adopted is not to be asked.
        let mut parts = Parts::new(self.client.model, self.client.cache, items()?);
        let mut more = self.client.settings.submit;
        loop {
            while more && self.has_room() {
                more = done!(self.submit(&mut parts).await?);
            }
            self.outcome.rest = more;
            if self.under_way.is_empty() && self.deferred.is_empty() || !self.client.settings.wait {
                break;
            }
            done!(self.look().await);
            if std::mem::take(&mut self.freed) && self.client.settings.submit {
                parts = Parts::new(self.client.model, self.client.cache, items()?);
                more = true;
            }
        }
        for key in parts.too_large.drain(..) {
            self.outcome.not_answered.insert(key, UnansweredKind::Rejected);
        }
        Ok(Ok(()))
    }

    fn abort(&mut self, abort: AbortReason) {
        self.outcome.aborted_by.get_or_insert(abort);
    }

    /// What has come of it, with the batches that go on unwatched.
    fn into_outcome(mut self) -> Result<Outcome, Error> {
        let left = self.under_way.iter().map(|batch| Left {
            id: batch.is_ours.then(|| batch.job.id.clone()),
            rows: batch.rows,
            counts: batch.job.counts,
        });
        self.outcome.left = left.collect();
        for Deferred { number, reservation, .. } in std::mem::take(&mut self.deferred) {
            // The provider has none of it.
            reservation.into_iter().for_each(Reservation::release);
            self.outcome.left.push(Left { id: None, rows: self.client.record(number)?.rows, counts: None });
        }
        Ok(self.outcome)
    }

    fn has_room(&self) -> bool {
        let cancel = &self.client.model.context.cancel;
        if cancel.requested() || self.outcome.aborted_by.is_some() || !self.deferred.is_empty() {
            return false;
        }
        let queued: u64 = self.under_way.iter().map(|batch| batch.queued).sum();
        // A part takes at most the whole room, so one is always let in.
        self.limits.queued_tokens.is_none_or(|room| self.under_way.is_empty() || queued < room / 2)
    }
}

pub(super) fn kept(error: LedgerError) -> Failed {
    Failure::Aborted(AbortReason::Ledger(error))
}
