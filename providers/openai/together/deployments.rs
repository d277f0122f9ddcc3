//! Deployments at Together: an endpoint with one deployment below it, on one machine.

use reqwest::Method;
use serde_json::{Value, json};

use super::deployed::{self, Place};
use super::{Together, object_of};
use crate::openai::errors::About;
use crate::{
    Cause, Deployment, DeploymentId, DeploymentMark, DeploymentOffer, DeploymentOrder, DeploymentState,
    Deployments, ProviderError, Retry, async_trait,
};

impl Together {
    /// The path to an endpoint and, where one is named, to a deployment below it.
    fn path<'a>(project: &'a str, place: Place<'a>) -> Vec<&'a str> {
        let mut path = vec!["v2", "projects", project, "endpoints", place.endpoint];
        if let Some(deployment) = place.deployment {
            path.extend(["deployments", deployment]);
        }
        path
    }

    /// What is there, or nothing.
    async fn found(&self, path: &[&str]) -> Result<Option<Value>, ProviderError> {
        match self.connection.get(path, &[], About::default()).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.cause == Cause::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes what may still be in use: then it can be deleted later.
    async fn delete_in_time(&self, path: &[&str]) -> Result<(), ProviderError> {
        self.delete(path).await.map_err(|error| match error.cause {
            Cause::Invalid => error.retry(Retry::Later { after: None }),
            _ => error,
        })
    }

    /// Makes a deployment below an endpoint of ours that is there.
    async fn deploy(
        &self,
        project: &str,
        endpoint: &str,
        order: &DeploymentOrder,
    ) -> Result<Deployment, ProviderError> {
        let object = object_of(&order.model).unwrap_or(&order.model);
        let model = format!("projects/{project}/models/{object}");
        let path = ["v2", "projects", project, "endpoints", endpoint, "deployments"];
        // What is refused is refused before there is anything to pay for.
        let body = deployed::order(order, &model);
        self.connection.send_json(Method::POST, &path, &[("validateOnly", "true")], &body).await?;
        let made = self.post(&path, Some(&body)).await?;
        deployed::deployment(endpoint, Some(&order.mark), &made)
            .ok_or_else(|| ProviderError::new(Cause::Server, "the deployment got no id"))
    }
}

#[async_trait]
impl Deployments for Together {
    fn is_needed(&self, model: &str) -> bool {
        object_of(model).is_some()
    }

    async fn offer(&self, model: &str) -> Result<DeploymentOffer, ProviderError> {
        let project = self.project().await?;
        let object = object_of(model).unwrap_or(model);
        let reference = format!("projects/{project}/models/{object}");
        let configs =
            self.pages(&["v2", "projects", project, "configs"], &[("referenceModel", &reference)]).await?;
        let machines = self.get(&["v2", "public", "inference-instance-types"], &[]).await?;
        let machines = machines.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        deployed::offer(&configs, &machines).ok_or_else(|| {
            let message = format!("Together offers no hardware for `{model}`");
            ProviderError::new(Cause::Unsupported, message)
                .hint("tune another base; its weights can be downloaded and served elsewhere")
        })
    }

    async fn create(&self, order: &DeploymentOrder) -> Result<Deployment, ProviderError> {
        let project = self.project().await?;
        let name = json!({"name": order.mark.to_string()});
        let endpoint = self.post(&["v2", "projects", project, "endpoints"], Some(&name)).await?;
        let endpoint = super::text(&endpoint, &["id"])
            .ok_or_else(|| ProviderError::new(Cause::Server, "the endpoint got no id"))?;
        let made = self.deploy(project, endpoint, order).await;
        if made.as_ref().is_err_and(|error| error.retry == Retry::Never) {
            // The reason why there is no deployment matters more than a name that stays behind, and costs nothing.
            let _ = self.delete(&["v2", "projects", project, "endpoints", endpoint]).await;
        }
        made
    }

    async fn list(&self) -> Result<Vec<Deployment>, ProviderError> {
        let project = self.project().await?;
        let filter = format!("name:{}*", DeploymentMark::prefix());
        let endpoints = self.pages(&["v2", "projects", project, "endpoints"], &[("filter", &filter)]).await?;
        Ok(endpoints.iter().flat_map(deployed::ours).collect())
    }

    async fn deployment(&self, id: &DeploymentId) -> Result<Option<Deployment>, ProviderError> {
        let project = self.project().await?;
        let place = Place::of(id);
        if place.deployment.is_some()
            && let Some(value) = self.found(&Self::path(project, place)).await?
        {
            let found = deployed::deployment(place.endpoint, None, &value);
            let nameless = || ProviderError::new(Cause::Server, "the answer names no deployment");
            return found.map(Some).ok_or_else(nameless);
        }
        let endpoint = Place { deployment: None, ..place };
        let left = self.found(&Self::path(project, endpoint)).await?;
        Ok(left.map(|endpoint| deployed::remains(place, &endpoint)))
    }

    async fn take_down(&self, id: &DeploymentId) -> Result<(), ProviderError> {
        let project = self.project().await?;
        let place = Place::of(id);
        let path = Self::path(project, place);
        if place.deployment.is_some()
            && let Some(value) = self.found(&path).await?
        {
            let state = deployed::deployment(place.endpoint, None, &value).map(|found| found.state);
            match state {
                Some(DeploymentState::Stopped | DeploymentState::Failed) => {
                    self.delete_in_time(&path).await?
                }
                Some(DeploymentState::Stopping) => return Ok(()),
                // What runs is not deleted, but loses its machines first.
                _ => {
                    let query = [("updateMask", "autoscaling")];
                    let body = deployed::no_replicas();
                    return self.connection.send_json(Method::PATCH, &path, &query, &body).await.map(drop);
                }
            }
        }
        self.delete_in_time(&Self::path(project, Place { deployment: None, ..place })).await
    }
}
