//! What the contract says of deployments: nothing is made by looking, and all that is made comes down again.

use std::time::Duration;

use super::Contract;
use crate::{
    Completion, CompletionRequest, Deployment, DeploymentId, DeploymentMark, DeploymentOrder, Deployments,
};

const NET: &str = "a deployment stops by itself when nobody asks it";
const FOUND: &str = "a deployment is found again by its mark";
const ALONE: &str = "a model that must be deployed says so when it is asked without";
const DOWN: &str = "a deployment that is taken down is gone, and taking it down again is no error";
const LOOKS: usize = 2_000;

/// Puts a tuned model up, has it answer, and takes it down. Gives what it answered.
pub(super) async fn asked_while_deployed(
    contract: &mut Contract<'_>,
    deployments: &dyn Deployments,
    model: &str,
) -> Result<Completion, String> {
    let request = CompletionRequest::new(model.into(), contract.prompt.clone(), "Where is my new card?");
    let verdict = match contract.provider.complete(&request).await {
        Ok(_) => Err("it answered".to_owned()),
        Err(error) => contract.is_clean(&error),
    };
    contract.found(ALONE, verdict);
    let fingerprint = [&b"ctr"[..], &std::process::id().to_le_bytes()].concat();
    let mark = DeploymentMark::new(&fingerprint).ok_or("no mark")?;
    let offer = deployments.offer(model).await.map_err(|error| error.to_string())?;
    let order = DeploymentOrder::new(model, offer, mark.clone(), deployments.shortest_idle());
    let made = deployments.create(&order).await.map_err(|error| error.to_string())?;
    let net = made.idle.is_some_and(|idle| idle <= order.idle);
    contract.found(NET, if net { Ok(()) } else { Err(format!("after {:?}", made.idle)) });
    let answered = match ready(deployments, &made.id).await {
        Ok(ready) => {
            contract.found(FOUND, is_found(deployments, &mark, &ready).await);
            let request = request.served_as(ready.served_as.as_deref().map(Into::into));
            contract.provider.complete(&request).await.map_err(|error| error.to_string())
        }
        Err(message) => Err(message),
    };
    // Whatever happened, nothing may stay.
    let verdict = down(deployments, &made.id).await;
    contract.found(DOWN, verdict);
    answered
}

async fn ready(deployments: &dyn Deployments, id: &DeploymentId) -> Result<Deployment, String> {
    for _ in 0..LOOKS {
        match deployments.deployment(id).await.map_err(|error| error.to_string())? {
            Some(ready) if ready.served_as.is_some() => return Ok(ready),
            Some(coming) if coming.state.is_of_use() => pause(deployments).await,
            other => return Err(format!("it will never answer: {other:?}")),
        }
    }
    Err("it never answers".to_owned())
}

async fn is_found(
    deployments: &dyn Deployments,
    mark: &DeploymentMark,
    ready: &Deployment,
) -> Result<(), String> {
    let all = deployments.list().await.map_err(|error| error.to_string())?;
    match all.iter().find(|found| found.mark.as_ref() == Some(mark)) {
        Some(found) if found.id == ready.id && found.model == ready.model => Ok(()),
        other => Err(format!("instead of {:?}: {other:?}", ready.id)),
    }
}

async fn down(deployments: &dyn Deployments, id: &DeploymentId) -> Result<(), String> {
    for _ in 0..LOOKS {
        let step = deployments.take_down(id).await;
        if deployments.deployment(id).await.map_err(|error| error.to_string())?.is_none() {
            let listed = deployments.list().await.map_err(|error| error.to_string())?;
            if listed.iter().any(|left| left.id == *id) {
                return Err("it is still in the list".to_owned());
            }
            return deployments.take_down(id).await.map_err(|error| error.to_string());
        }
        if let Err(error) = step
            && error.retry == crate::Retry::Never
        {
            return Err(error.to_string());
        }
        pause(deployments).await;
    }
    Err("it never goes".to_owned())
}

/// A fake service is asked as often as it likes to be.
async fn pause(deployments: &dyn Deployments) {
    tokio::time::sleep(deployments.poll_interval().min(Duration::from_millis(5))).await;
}
