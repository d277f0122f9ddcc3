//! From prepared files to a job: paid for from the budget, recorded before it is made, and never made twice.

use std::path::Path;
use std::time::Duration;

use tunebench_providers::{Cause, FileId, FileStatus, Job, JobRequest, ProviderError, Retry};

use super::prepare::PreparedJob;
use super::{TuneContext, TuneError, TuneEvent, Tuning, patiently};
use crate::budget::{BudgetError, Cost, Reservation};
use crate::ledger::{JobNumber, LedgerError, NewJob};

/// How long a provider may look through a file.
const LONGEST_CHECK: Duration = Duration::from_secs(30 * 60);
/// How long to wait at most between two looks at a file, which are cheap.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

impl Tuning<'_> {
    /// Uploads the training file and makes the job. Before each attempt to make it, also the second, it is looked
    /// for: an order whose answer was lost may well have arrived.
    pub(super) async fn order<'b>(
        &'b self,
        context: &TuneContext<'b>,
        order: PreparedJob,
        observe: &mut impl FnMut(TuneEvent),
    ) -> Result<(Job, Option<JobNumber>, Option<Reservation<'b>>), TuneError> {
        let Self { provider, spec, .. } = self;
        let warnings = patiently(context, async || provider.preflight(spec).await).await?;
        warnings.into_iter().for_each(|warning| observe(TuneEvent::Warning(warning)));
        let reservation = self.reserve(context)?;
        let number = self.record(context, &order)?;
        let file = self.hand_over(context, &order.file, number).await?;
        let mut request = JobRequest::new((*spec).clone(), file, order.mark);
        if let Some(validation) = &order.validation {
            let file = self.hand_over(context, validation, number).await?;
            request = request.validation_file(file);
        }
        let reservation = self.estimated(context, &request, reservation, number, observe).await?;
        let make = async || match provider.find_job(&request.mark).await? {
            Some(job) => Ok(job),
            None => provider.create_job(&request).await,
        };
        match patiently(context, make).await {
            Ok(job) => {
                // Those of an earlier job, whose model was deleted, are not this one's.
                let _ = fs_err::remove_file(Self::losses(self.folder, &request.mark));
                observe(TuneEvent::Created(job.clone()));
                Ok((job, number, reservation))
            }
            Err(error) => {
                // Refused for good, it was never made; after anything else it may have been.
                if matches!(&error, TuneError::Provider(error) if error.retry == Retry::Never) {
                    reservation.into_iter().for_each(Reservation::release);
                    self.forget(context, number)?;
                }
                Err(error)
            }
        }
    }

    /// Uploads a file, and waits until the provider has looked through it, where it does.
    async fn hand_over(
        &self,
        context: &TuneContext<'_>,
        path: &Path,
        number: Option<JobNumber>,
    ) -> Result<FileId, TuneError> {
        let file = patiently(context, async || self.provider.upload(path).await).await?;
        let interval = self.pace.interval.unwrap_or(self.provider.poll_interval()).min(LONGEST_LOOK);
        let began = tokio::time::Instant::now();
        loop {
            match patiently(context, async || self.provider.file_status(&file).await).await? {
                FileStatus::Checking if began.elapsed() < LONGEST_CHECK => {}
                FileStatus::Ready => return Ok(file),
                FileStatus::Refused(reason) => {
                    self.forget(context, number)?;
                    let message = format!("the provider refuses {}: {reason}", path.display());
                    return Err(ProviderError::new(Cause::Invalid, message).into());
                }
                _ => {
                    let message = format!("file {} is still being looked through", file.0);
                    return Err(ProviderError::new(Cause::Server, message).into());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = context.cancel.wait() => return Err(TuneError::Cancelled),
            }
        }
    }

    /// Holds back what the provider says that the job will cost, where it says so, instead of what was supposed. Where that is
    /// more than may be spent, no job is made.
    async fn estimated<'b>(
        &'b self,
        context: &TuneContext<'b>,
        request: &JobRequest,
        supposed: Option<Reservation<'b>>,
        number: Option<JobNumber>,
        observe: &mut impl FnMut(TuneEvent),
    ) -> Result<Option<Reservation<'b>>, TuneError> {
        let said = patiently(context, async || self.provider.estimate(request).await).await?;
        let Some(estimate) = said else { return Ok(supposed) };
        estimate.warnings.into_iter().for_each(|warning| observe(TuneEvent::Warning(warning)));
        let Some(cost) = Cost::from_dollars(estimate.usd) else { return Ok(supposed) };
        observe(TuneEvent::Estimate(cost));
        supposed.into_iter().for_each(Reservation::release);
        match context.budget.reserve_estimate(self.price.as_ref(), cost) {
            Ok(reservation) => Ok(Some(reservation)),
            Err(error) => {
                self.forget(context, number)?;
                Err(error.into())
            }
        }
    }

    /// Takes a job off the record that was never ordered.
    fn forget(&self, context: &TuneContext<'_>, number: Option<JobNumber>) -> Result<(), LedgerError> {
        match (context.ledger, number) {
            (Some(ledger), Some(number)) => ledger.forget_job(number),
            _ => Ok(()),
        }
    }

    /// Holds back what the job may cost by its estimate; nothing for one that is done here.
    fn reserve<'b>(&'b self, context: &TuneContext<'b>) -> Result<Option<Reservation<'b>>, BudgetError> {
        if self.in_process {
            return Ok(None);
        }
        let tokens = (context.most_tokens)(self);
        context.budget.reserve_training(&self.base.to_string(), self.price.as_ref(), tokens).map(Some)
    }

    /// The record of a job that was found: that of an earlier command, or a new one.
    pub(super) fn recorded(
        &self,
        context: &TuneContext<'_>,
        order: &PreparedJob,
        job: &Job,
    ) -> Result<Option<JobNumber>, TuneError> {
        let Some(ledger) = context.ledger else { return Ok(None) };
        let records =
            ledger.jobs_with_mark(&order.mark)?.into_iter().filter(|record| self.is_ours(&record.order));
        let known =
            records.filter(|record| record.id.as_ref() == Some(&job.id)).map(|record| record.number).next();
        known.map_or_else(|| self.record(context, order), |number| Ok(Some(number)))
    }

    fn record(&self, context: &TuneContext<'_>, order: &PreparedJob) -> Result<Option<JobNumber>, TuneError> {
        let Some(ledger) = context.ledger else { return Ok(None) };
        Ok(Some(ledger.plan_job(&NewJob {
            mark: order.mark.clone(),
            provider: self.base.provider().to_owned(),
            base_url: self.base_url.clone(),
            base: self.spec.base.clone(),
            hyperparameters: self.spec.hyperparameters.clone(),
            seed: self.spec.seed,
            training_sha256: order.sha256.clone(),
        })?))
    }
}
