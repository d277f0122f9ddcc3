//! From prepared files to a job: paid for from the budget, recorded before it is made, and never made twice.

use tunebench_providers::{Job, JobRequest, Retry};

use super::prepare::PreparedJob;
use super::{TuneContext, TuneError, TuneEvent, Tuning, patiently};
use crate::budget::{Budget, BudgetError, Reservation};
use crate::ledger::{JobNumber, NewJob};
use crate::plan::Training;

impl Tuning<'_> {
    /// Uploads the training file and makes the job. Before each attempt to make it, also the second, it is looked
    /// for: an order whose answer was lost may well have arrived.
    pub(super) async fn order<'b>(
        &'b self,
        means: &TuneContext<'b>,
        order: PreparedJob,
        observe: &mut impl FnMut(TuneEvent),
    ) -> Result<(Job, Option<JobNumber>, Option<Reservation<'b>>), TuneError> {
        let Self { provider, spec, .. } = self;
        let warnings = patiently(means, async || provider.preflight(spec).await).await?;
        warnings.into_iter().for_each(|warning| observe(TuneEvent::Warning(warning)));
        let reservation = self.reserve(means.budget)?;
        let number = self.record(means, &order)?;
        let file = patiently(means, async || provider.upload(&order.file).await).await?;
        let mut request = JobRequest::new((*spec).clone(), file, order.mark);
        if let Some(validation) = &order.validation {
            let file = patiently(means, async || provider.upload(validation).await).await?;
            request = request.validation_file(file);
        }
        let make = async || match provider.find_job(&request.mark).await? {
            Some(job) => Ok(job),
            None => provider.create_job(&request).await,
        };
        match patiently(means, make).await {
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
                    if let (Some(ledger), Some(number)) = (means.ledger, number) {
                        ledger.forget_job(number)?;
                    }
                }
                Err(error)
            }
        }
    }

    /// Holds back what the job may cost by its estimate; nothing for one that is done here.
    fn reserve<'b>(&'b self, budget: &'b Budget) -> Result<Option<Reservation<'b>>, BudgetError> {
        if self.in_process {
            return Ok(None);
        }
        let tokens = Training::of(self).billed().high;
        budget.reserve_training(&self.base.to_string(), self.price.as_ref(), tokens).map(Some)
    }

    /// The record of a job that was found: that of an earlier command, or a new one.
    pub(super) fn recorded(
        &self,
        means: &TuneContext<'_>,
        order: &PreparedJob,
        job: &Job,
    ) -> Result<Option<JobNumber>, TuneError> {
        let Some(ledger) = means.ledger else { return Ok(None) };
        let records =
            ledger.jobs_with_mark(&order.mark)?.into_iter().filter(|record| self.is_ours(&record.order));
        let known =
            records.filter(|record| record.id.as_ref() == Some(&job.id)).map(|record| record.number).next();
        known.map_or_else(|| self.record(means, order), |number| Ok(Some(number)))
    }

    fn record(&self, means: &TuneContext<'_>, order: &PreparedJob) -> Result<Option<JobNumber>, TuneError> {
        let Some(ledger) = means.ledger else { return Ok(None) };
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
