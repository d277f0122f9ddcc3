//! Taking deployments down: until they are gone, or somebody is told that they are not.

use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{DeploymentId, DeploymentState, Deployments, ProviderError, Retry};

use super::{DeployError, DeployEvent, LONGEST_FALL};
use crate::budget::Cost;
use crate::cancel::Cancel;
use crate::evaluate::retry::{Failure, Retries};
use crate::ledger::{DeploymentRecord, Ledger, LedgerError};

/// Takes a deployment down, step by step, and records that it is gone once it is. Nobody's wish to end shortens this.
pub async fn down(
    deployments: &dyn Deployments,
    ledger: &Ledger,
    record: &DeploymentRecord,
    id: &DeploymentId,
    poll: Duration,
    tell: &dyn Fn(&DeployEvent),
) -> Result<(), DeployError> {
    let still = |reason: String| DeployError::StillThere {
        mark: record.mark.clone(),
        per_hour: Cost::from_nanos(record.order.nanos_per_hour),
        reason,
    };
    match gone(deployments, id, poll, tell).await {
        Ok(()) => Ok(ledger.end_deployment(&record.mark)?),
        Err(reason) => Err(still(reason)),
    }
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
            Ok(Some(left)) if began.elapsed() > LONGEST_FALL => {
                let costs = if left.state == DeploymentState::Stopped { ", and costs nothing" } else { "" };
                return Err(format!(
                    "it is {}{costs}, after {} minutes",
                    left.said,
                    LONGEST_FALL.as_secs() / 60
                ));
            }
            Ok(Some(_)) => {}
            Err(error) if error.retry == Retry::Never || began.elapsed() > LONGEST_FALL => {
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
