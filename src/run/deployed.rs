//! Models that answer only while they are deployed: put up when rows are left to ask, and taken down in every case.

use tokio::time::Instant;
use tunebench_providers::{Cause, ProviderError, Scope};

use super::Session;
use crate::cancel::Cancel;
use crate::deploy::{DeployError, DeployEvent, Deployer, Standing, Stood};
use crate::error::Error;
use crate::evaluate::{AbortReason, Answers, Deployed, EvalTarget};
use crate::ledger::{Recorder, Target};
use crate::plan::{Answered, count, texts};

/// A deployment that is up, and what takes it down.
#[must_use = "it costs money until it is taken down"]
pub(super) struct Up<'s> {
    deployer: Deployer<'s>,
    standing: Standing<'s>,
    candidate: EvalTarget,
}

impl Up<'_> {
    pub(super) fn deployed(&self) -> Deployed {
        Deployed::As { name: self.standing.served_as.clone(), until: self.standing.until }
    }

    /// Takes it down, and waits until it is gone.
    pub(super) async fn take_down(self) -> Result<Stood, Error> {
        let Self { deployer, standing, candidate } = self;
        deployer.take_down(standing).await.map_err(|error| Error::deploy(&candidate.name, error))
    }
}

impl Session<'_> {
    /// Whether a model is deployed: it is put up where it must be and rows are left to ask, unless it is up already.
    pub(super) async fn deployed<'s>(
        &'s self,
        up: &mut Option<Up<'s>>,
        candidate: &EvalTarget,
        named: impl Fn(u32) -> String,
        recorder: Option<&Recorder>,
    ) -> Result<Deployed, Error> {
        if let Some(up) = up {
            return Ok(up.deployed());
        }
        let Some(recorder) = recorder.filter(|_| candidate.must_be_deployed()) else {
            return Ok(Deployed::NotNeeded);
        };
        let (test, name) = (&self.project.test, named(0));
        let (ledger, fresh) = (self.ledger()?.as_ref(), self.spending.fresh);
        let repeats = self.spending.repeats.max(1);
        let answered = Answered { ledger: Some(ledger), known_rows: None, fresh };
        let rows = count(candidate, test.sha256(), || texts(test), answered, named, repeats)?;
        if rows.requests == 0 {
            return Ok(Deployed::NotNeeded);
        }
        match self.put_up(candidate, &name, recorder).await? {
            Ok(standing) => Ok(up.insert(standing).deployed()),
            Err(abort) => Ok(Deployed::Not(abort)),
        }
    }

    /// Deploys a model. What only keeps this model from answering is no error.
    pub(super) async fn put_up<'s>(
        &'s self,
        candidate: &EvalTarget,
        name: &str,
        recorder: &Recorder,
    ) -> Result<Result<Up<'s>, AbortReason>, Error> {
        let (listener, shown) = (self.listener.clone(), name.to_owned());
        let own = candidate.price.as_ref().and_then(|price| price.hour);
        let deployer = Deployer {
            provider: candidate.provider.clone(),
            target: Target {
                provider: candidate.name.provider().to_owned(),
                base_url: candidate.provider.info().base_url,
                model: candidate.name.model().to_owned(),
            },
            own_price: own,
            ledger: self.ledger()?.as_ref(),
            run: recorder.id().clone(),
            retries: &self.retries,
            cancel: &self.cancel,
            budget: &self.budget,
            settings: self.project.deploy_settings(candidate.provider.as_ref()),
            tell: Box::new(move |event: &DeployEvent| listener.deployment(&shown, event)),
        };
        match deployer.put_up().await {
            Ok(standing) => Ok(Ok(Up { deployer, standing, candidate: candidate.clone() })),
            Err(error) => abort(error).map(Err).map_err(|error| Error::deploy(&candidate.name, error)),
        }
    }

    /// Does the work, and has it end when its deployment has stood long enough; tells whether that was so.
    pub(super) async fn while_it_stands<T>(
        &self,
        deployed: &Deployed,
        ended: &Cancel,
        work: impl Future<Output = T>,
    ) -> (T, bool) {
        let Deployed::As { until, .. } = deployed else { return (work.await, false) };
        let watch = async {
            self.until(*until).await;
            ended.request();
            std::future::pending::<()>().await
        };
        tokio::select! {
            done = work => (done, !self.cancel.requested() && Instant::now() >= *until),
            () = watch => unreachable!("it watches without an end"),
        }
    }

    /// Returns when a deployment has stood long enough, or the user wants the end.
    pub(super) async fn until(&self, until: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = self.cancel.wait() => {}
        }
    }

    /// Why rows are left that a deployment has not answered in its time.
    pub(super) fn stood_long_enough(&self) -> AbortReason {
        let minutes = self.project.config.deployments.max_minutes;
        let message = format!("its deployment has stood for the {minutes} minutes that it may");
        let error = ProviderError::new(Cause::Unsupported, message).scope(Scope::Model);
        AbortReason::Provider(
            error.hint("the same command goes on; `[deployments] max_minutes` allows more at once"),
        )
    }
}

/// Marks rows that had no time as such.
pub(super) fn cut_short(answers: &mut Answers, abort: AbortReason) {
    if answers.predictions.iter().any(|prediction| !prediction.is_answered()) {
        answers.aborted_by.get_or_insert(abort);
    }
}

/// What ends the asking of one model; an error is what ends more than that.
fn abort(error: DeployError) -> Result<AbortReason, DeployError> {
    use crate::budget::BudgetError::UnknownHourlyPrice;
    let hint = error.hint();
    match error {
        DeployError::Provider(error) => Ok(AbortReason::Provider(error)),
        DeployError::Budget(UnknownHourlyPrice { .. }) | DeployError::Ledger(_) => Err(error),
        DeployError::StillThere { .. } => Err(error),
        DeployError::Budget(error) => Ok(AbortReason::Budget(error)),
        DeployError::InUse(..) | DeployError::Cancelled | DeployError::NoNet | DeployError::Failed(_) => {
            let mut told = ProviderError::new(Cause::Unsupported, format!("its deployment: {error}"));
            told.hint = hint;
            Ok(AbortReason::Provider(told))
        }
    }
}
