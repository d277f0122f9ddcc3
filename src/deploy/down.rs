//! Taking deployments down, and waiting until they are gone or the user knows that they are not: after a run
//! (`src/run.rs`, `src/run/predict.rs`), and for `tunebench deployments stop` (`src/cli/deployments.rs`).

use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{DeploymentId, DeploymentState, Deployments, ProviderError, Retry};

use super::{DeployError, DeployEvent, Deployer, Standing, Stood};
use crate::budget::Cost;
use crate::cancel::Cancel;
use crate::evaluate::retry::{Failure, Retries};
use crate::ledger::{DeploymentRecord, Ledger, LedgerError};

/// How long it may take until a deployment is gone.
const TAKE_DOWN_TIMEOUT: Duration = Duration::from_secs(15 * 60);

impl<'a> Deployer<'a> {
    /// Takes a deployment down that has done its work, and waits until it is gone.
    pub async fn take_down(&self, standing: Standing<'a>) -> Result<Stood, DeployError> {
        let Standing { record, id, reservation, .. } = standing;
        let down = self.bring_down(&record, &id).await;
        let stood = Stood::since(&record);
        reservation.settle_cost(stood.cost);
        down?;
        (self.tell)(&DeployEvent::Gone(stood.clone()));
        Ok(stood)
    }

    /// Takes down what an order has left. Where nobody knows what that is, it is looked for by its mark, and what does not
    /// show is forgotten only if it was `never_made`: it may turn up later.
    pub(super) async fn clear(
        &self,
        record: &DeploymentRecord,
        id: Option<&DeploymentId>,
        never_made: bool,
    ) -> Result<(), DeployError> {
        if let Some(id) = id {
            return self.bring_down(record, id).await;
        }
        // The user who wants the end wants this done all the same.
        let nobody = Cancel::default();
        let listed = patiently(&nobody, self.retries, || async { self.deployments()?.list().await });
        let listed = listed.await.map_err(|error| still_there(record, error.to_string()))?;
        match listed.into_iter().find(|found| found.mark.as_ref() == Some(&record.mark)) {
            Some(found) => self.bring_down(record, &found.id).await,
            None if never_made => {
                self.ledger.end_deployment(&record.mark)?;
                self.cancel.last_words(None);
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) async fn bring_down(
        &self,
        record: &DeploymentRecord,
        id: &DeploymentId,
    ) -> Result<(), DeployError> {
        (self.tell)(&DeployEvent::TakingDown);
        down(self.deployments()?, self.ledger, record, id, self.poll(), &|event| (self.tell)(event)).await?;
        self.cancel.last_words(None);
        Ok(())
    }
}

/// Takes a deployment down, step by step, and records that it is gone once it is. Nobody's wish to end shortens this.
pub async fn down(
    deployments: &dyn Deployments,
    ledger: &Ledger,
    record: &DeploymentRecord,
    id: &DeploymentId,
    poll: Duration,
    tell: &dyn Fn(&DeployEvent),
) -> Result<(), DeployError> {
    match gone(deployments, id, poll, tell).await {
        Ok(()) => Ok(ledger.end_deployment(&record.mark)?),
        Err(reason) => Err(still_there(record, reason)),
    }
}

fn still_there(record: &DeploymentRecord, reason: String) -> DeployError {
    let per_hour = Cost::from_nanos(record.order.nanos_per_hour);
    DeployError::StillThere { mark: record.mark.clone(), per_hour, reason }
}

/// Takes a deployment down; an error says why it may still be there.
pub(crate) async fn gone(
    deployments: &dyn Deployments,
    id: &DeploymentId,
    poll: Duration,
    tell: &dyn Fn(&DeployEvent),
) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let failed = deployments.take_down(id).await.err();
        let state = deployments.deployment(id).await;
        match state {
            Ok(None) => return Ok(()),
            Ok(Some(left)) if began.elapsed() > TAKE_DOWN_TIMEOUT => {
                let costs = if left.state == DeploymentState::Stopped { ", and costs nothing" } else { "" };
                return Err(format!(
                    "it is {}{costs}, after {} minutes",
                    left.said,
                    TAKE_DOWN_TIMEOUT.as_secs() / 60
                ));
            }
            Ok(Some(_)) => {}
            Err(error) if error.retry == Retry::Never || began.elapsed() > TAKE_DOWN_TIMEOUT => {
                return Err(error.to_string());
            }
            Err(error) => tell(&DeployEvent::Unreachable(error)),
        }
        match failed {
            Some(error) if error.retry == Retry::Never => return Err(error.to_string()),
            Some(error) => tell(&DeployEvent::Unreachable(error)),
            None => {}
        }
        tokio::time::sleep(poll).await;
    }
}

/// The deployments that no process uses, and that may still run.
pub fn orphans(ledger: &Ledger) -> Result<Vec<DeploymentRecord>, LedgerError> {
    let open = ledger.open_deployments()?;
    Ok(open.into_iter().filter(|record| !record.in_use).collect())
}

/// Tries again where that may help, until the user asks for the end.
pub(super) async fn patiently<T, A>(
    cancel: &Cancel,
    retries: &Retries,
    mut attempt: impl FnMut() -> A,
) -> Result<T, DeployError>
where
    A: Future<Output = Result<T, ProviderError>>,
{
    let attempt = || {
        let attempt = attempt();
        async { attempt.await.map_err(Failure::Provider) }
    };
    retries.run(0, cancel, attempt).await.map_err(|failure| match failure {
        Failure::Provider(error) | Failure::Aborted(error) => DeployError::Provider(error),
        Failure::Cancelled => DeployError::Cancelled,
    })
}
