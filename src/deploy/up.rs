//! Deploying a model, or taking over what an earlier command has left of it. `src/run/deployed.rs` asks for it, on behalf of
//! `src/run.rs` and `src/run/predict.rs`; taking it down is in `down`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{
    Cause, Deployment, DeploymentId, DeploymentOrder, DeploymentState, Deployments, Provider, ProviderError,
    Retry,
};

use super::{DeployError, DeployEvent, DeploySettings, Stood, UNSEEN, for_time, patiently};
use crate::budget::{Budget, BudgetError, Cost, Reservation};
use crate::cancel::Cancel;
use crate::evaluate::retry::Retries;
use crate::ledger::{DeploymentRecord, Ledger, NewDeployment, RunId, Target, now};

/// How long it may take until a deployment answers.
const START_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Whether an error says that nothing was made, and so nothing is billed.
fn is_final(error: &DeployError) -> bool {
    matches!(error, DeployError::Provider(error) if error.retry == Retry::Never)
}

/// Puts one model up, and takes it down again.
pub struct Deployer<'a> {
    /// Where.
    pub provider: Arc<dyn Provider>,
    /// Where that is, and which model.
    pub target: Target,
    /// What it costs for an hour, where the configuration says so.
    pub own_price: Option<Cost>,
    /// Where it is recorded.
    pub ledger: &'a Ledger,
    /// The run that uses it.
    pub run: RunId,
    /// The repeats of failed requests.
    pub retries: &'a Retries,
    /// Whether it is to end early.
    pub cancel: &'a Cancel,
    /// What may be spent.
    pub budget: &'a Budget,
    /// How it is followed.
    pub settings: DeploySettings,
    /// Is told what happens.
    pub tell: Box<dyn Fn(&DeployEvent) + 'a>,
}

/// A deployment that is there, and costs money.
#[must_use = "it costs money until it is taken down"]
pub struct Standing<'a> {
    pub(super) record: DeploymentRecord,
    pub(super) id: DeploymentId,
    pub(super) reservation: Reservation<'a>,
    /// How to ask it.
    pub served_as: Arc<str>,
    /// When it must come down.
    pub until: Instant,
}

impl<'a> Deployer<'a> {
    pub(super) fn deployments(&self) -> Result<&dyn Deployments, ProviderError> {
        self.provider.deployments().ok_or_else(|| {
            ProviderError::new(Cause::Unsupported, format!("{} has no deployments", self.target.provider))
        })
    }

    pub(super) fn poll(&self) -> Duration {
        let own = self.settings.poll;
        own.or_else(|| Some(self.provider.deployments()?.poll_interval())).unwrap_or(Duration::from_secs(10))
    }

    /// Puts the model up, or takes over what an earlier command has left, and waits until it answers. Where it never does,
    /// nothing stays.
    pub async fn put_up(&self) -> Result<Standing<'a>, DeployError> {
        let began = Instant::now();
        let (left, found) = self.left_behind().await?;
        let is_new = left.is_none();
        let record = match left {
            Some(left) => {
                self.ledger.hold_deployment(&left.mark, &self.run)?;
                left
            }
            None => self.planned().await?,
        };
        if found.is_some() {
            (self.tell)(&DeployEvent::Found(record.mark.clone()));
        }
        let per_hour = Cost::from_nanos(record.order.nanos_per_hour);
        let most = for_time(per_hour, self.settings.longest_billed());
        let reservation = match found {
            // It is paid for already, whatever the cap.
            Some(_) => self.budget.take_over_deployment(most),
            None => match self.budget.reserve_deployment(most) {
                Ok(reservation) => reservation,
                Err(error) => {
                    // What an earlier command has ordered may yet turn up.
                    if is_new {
                        self.ledger.end_deployment(&record.mark)?;
                    }
                    return Err(error.into());
                }
            },
        };
        self.cancel.last_words(Some(format!(
            "{} keeps running, at {per_hour} an hour: `tunebench deployments stop` stops it; its provider does \
             after {} minutes without a request",
            record.mark, record.order.idle_minutes
        )));
        let made = match found {
            Some(found) => Ok(found),
            None => self.make(&record).await,
        };
        let id = made.as_ref().ok().map(|made| made.id.clone());
        let answering = match made {
            Ok(made) => self.until_it_answers(&record, made, began).await,
            Err(error) => Err(error),
        };
        match answering {
            Ok((id, served_as)) => {
                (self.tell)(&DeployEvent::Ready(began.elapsed()));
                let until = Instant::now() + self.settings.longest.saturating_sub(began.elapsed());
                Ok(Standing { record, id, reservation, served_as, until })
            }
            Err(error) => {
                let never_made = id.is_none() && is_final(&error);
                let left = self.clear(&record, id.as_ref(), never_made).await;
                match never_made {
                    true => reservation.release(),
                    false => reservation.settle_cost(Stood::since(&record).cost),
                }
                // That something may go on is worse than why it did not answer.
                left.and(Err(error))
            }
        }
    }

    /// What an earlier command has left of this model: its record, and the deployment where that can be used. What can't is
    /// taken away.
    async fn left_behind(&self) -> Result<(Option<DeploymentRecord>, Option<Deployment>), DeployError> {
        let open = self.ledger.open_deployments()?;
        let mut ours = open.into_iter().filter(|record| record.order.target == self.target).peekable();
        if ours.peek().is_none() {
            return Ok((None, None));
        }
        let listed = self.patiently(async |deployments| deployments.list().await).await?;
        let (mut unseen, mut usable) = (None, None);
        for record in ours {
            if record.in_use && record.run != self.run {
                return Err(DeployError::InUse(record.mark, record.run));
            }
            let found = listed.iter().find(|found| found.mark.as_ref() == Some(&record.mark));
            match found {
                Some(found) if found.state.is_of_use() && usable.is_none() => {
                    usable = Some((record, found.clone()));
                }
                Some(found) => self.bring_down(&record, &found.id).await?,
                // It may have been ordered a moment ago: then the same name is ordered again, which nobody gets twice.
                None if now() - record.recorded < UNSEEN && record.id.is_none() => unseen = Some(record),
                None => self.ledger.end_deployment(&record.mark)?,
            }
        }
        Ok(match usable {
            Some((record, found)) => (Some(record), Some(found)),
            None => (unseen, None),
        })
    }

    /// Records what is about to be ordered.
    async fn planned(&self) -> Result<DeploymentRecord, DeployError> {
        let model = self.target.model.clone();
        let offer = self.patiently(async |deployments| deployments.offer(&model).await).await?;
        let asked = offer.usd_per_hour.and_then(Cost::from_dollars).filter(|price| *price > Cost::ZERO);
        // Of two prices the higher one is held back: what is billed is the provider's, whatever the configuration says.
        let Some(per_hour) = asked.max(self.own_price) else {
            let model = format!("{}/{model}", self.target.provider);
            return Err(BudgetError::UnknownHourlyPrice { model }.into());
        };
        let order = NewDeployment {
            target: self.target.clone(),
            hardware: offer.hardware,
            nanos_per_hour: per_hour.nanos(),
            idle_minutes: self.settings.idle.as_secs() / 60,
        };
        let mark = self.ledger.plan_deployment(&order, &self.run)?;
        let (recorded, run) = (now(), self.run.clone());
        Ok(DeploymentRecord { mark, order, recorded, id: None, ended: None, run, in_use: true })
    }

    /// Orders the deployment. Before each attempt it is looked for: an order whose answer was lost may have arrived.
    async fn make(&self, record: &DeploymentRecord) -> Result<Deployment, DeployError> {
        let model = self.target.model.clone();
        let idle = Duration::from_secs(60 * record.order.idle_minutes);
        let made = self
            .patiently(async |deployments| {
                let listed = deployments.list().await?;
                let found = listed.into_iter().find(|found| found.mark.as_ref() == Some(&record.mark));
                match found {
                    Some(found) if found.state.is_of_use() => Ok(found),
                    // A name that an attempt has left, and nothing below it.
                    Some(left) => {
                        deployments.take_down(&left.id).await?;
                        let message = "what an earlier attempt left behind is in the way";
                        Err(ProviderError::new(Cause::Server, message).may_be_billed(false))
                    }
                    None => {
                        let offer = deployments.offer(&model).await?;
                        let order = DeploymentOrder::new(&model, offer, record.mark.clone(), idle);
                        deployments.create(&order).await
                    }
                }
            })
            .await?;
        self.ledger.made_deployment(&record.mark, &made.id)?;
        let (mark, per_hour) = (record.mark.clone(), Cost::from_nanos(record.order.nanos_per_hour));
        (self.tell)(&DeployEvent::Ordered { mark, hardware: record.order.hardware.clone(), per_hour });
        Ok(made)
    }

    /// Waits until a deployment answers.
    async fn until_it_answers(
        &self,
        record: &DeploymentRecord,
        made: Deployment,
        began: Instant,
    ) -> Result<(DeploymentId, Arc<str>), DeployError> {
        let (id, mut said) = (made.id, String::new());
        self.ledger.made_deployment(&record.mark, &id)?;
        let deployments = self.deployments()?;
        loop {
            if self.cancel.requested() {
                return Err(DeployError::Cancelled);
            }
            match deployments.deployment(&id).await {
                Ok(Some(now)) => {
                    if now.idle.is_none_or(|idle| idle.as_secs() / 60 > record.order.idle_minutes) {
                        return Err(DeployError::NoNet);
                    }
                    match (now.state, now.served_as) {
                        (DeploymentState::Ready, Some(name)) => return Ok((id, name.into())),
                        (state, _) if !state.is_of_use() => return Err(DeployError::Failed(now.said)),
                        _ => {}
                    }
                    if now.said != said {
                        said.clone_from(&now.said);
                        (self.tell)(&DeployEvent::Said(now.said));
                    }
                }
                Ok(None) => return Err(DeployError::Failed("it is gone".to_owned())),
                Err(error) if error.retry == Retry::Never => return Err(error.into()),
                Err(error) => (self.tell)(&DeployEvent::Unreachable(error)),
            }
            if began.elapsed() > START_TIMEOUT.min(self.settings.longest) {
                return Err(DeployError::Failed(format!(
                    "not within {} minutes",
                    began.elapsed().as_secs() / 60
                )));
            }
            tokio::select! {
                () = tokio::time::sleep(self.poll()) => {}
                () = self.cancel.wait() => {}
            }
        }
    }

    /// Tries again where that may help, until the user asks for the end.
    async fn patiently<T>(
        &self,
        attempt: impl AsyncFn(&dyn Deployments) -> Result<T, ProviderError>,
    ) -> Result<T, DeployError> {
        patiently(self.cancel, self.retries, || async { attempt(self.deployments()?).await }).await
    }
}
