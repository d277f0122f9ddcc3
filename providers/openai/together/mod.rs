//! Together AI: fine-tuning and deployments, by an API of its own beside the answers, which are of OpenAI's shape.
//!
//! A tuned model there answers only from a deployment of its own, which is billed by the minute. So its id here,
//! `BASE@ml_…`, names base and model, and never answers by itself.
//!
//! From the Python package `together` 3.1.1 of November 2026: its generated types, its hand-written upload and its
//! program. Nothing of this was seen at the live service.

mod deployed;
mod deployments;
mod jobs;
mod limits;
mod tuning;
pub(super) mod upload;

use serde_json::Value;
use tokio::sync::OnceCell;

use super::connection::Connection;
use super::errors::About;
use super::settings::Settings;
use crate::{Cause, ModelInfo, ProviderError, Setup};

/// The variable that names the project where the key belongs to none.
const PROJECT: &str = "TOGETHER_PROJECT_ID";
/// What stands between base and model in the id of a tuned model.
const OF_BASE: &str = "@ml_";

/// Fine-tuning and deployments at Together.
pub(super) struct Together {
    connection: Connection,
    named_project: Option<String>,
    project: OnceCell<String>,
}

/// The base of a tuned model's id, or the id itself.
pub(super) fn base_of(model: &str) -> &str {
    model.split_once(OF_BASE).map_or(model, |(base, _)| base)
}

/// The model itself, of the id of a tuned one.
fn object_of(model: &str) -> Option<&str> {
    model.find(OF_BASE).map(|at| &model[at + 1..])
}

/// The id of a model that was tuned from a base.
fn tuned(base: &str, object: &str) -> String {
    format!("{base}@{object}")
}

impl Together {
    /// Beside the address at which models answer.
    pub(super) fn new(settings: &Settings, setup: &Setup) -> Self {
        let mut settings = settings.clone();
        let path = settings.base_url.path().to_owned();
        settings.base_url.set_path(path.strip_suffix("v1/").unwrap_or(&path));
        let named_project = setup.variable(PROJECT);
        Self { connection: Connection::new(settings, setup), named_project, project: OnceCell::new() }
    }

    /// What is known of a tuned model.
    pub(super) async fn model_info(&self, model: &str) -> Result<Option<ModelInfo>, ProviderError> {
        let Some(object) = object_of(model) else { return Ok(None) };
        let project = self.project().await?;
        let about = About { model: Some(model), key_variable: None };
        self.connection.get(&["v2", "projects", project, "models", object], &[], about).await?;
        let info = ModelInfo::new(model).tuned_from(base_of(model));
        Ok(Some(info.description("answers only while it is deployed, which is billed by the minute")))
    }

    /// Why a model is not asked as it is.
    pub(super) fn refusal(&self, model: &str) -> Option<ProviderError> {
        object_of(model)?;
        let message = format!("`{model}` answers only while it is deployed");
        Some(
            ProviderError::new(Cause::Unsupported, message)
                .hint("`tunebench run`, `eval` and `predict` deploy it, ask, and take it down again"),
        )
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ProviderError> {
        self.connection.get(path, query, About::default()).await?.json()
    }

    async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Value, ProviderError> {
        self.connection.post(path, body).await?.json()
    }

    /// Deletes what may be gone already.
    async fn delete(&self, path: &[&str]) -> Result<(), ProviderError> {
        match self.connection.delete(path, About::default()).await {
            Err(error) if error.cause != Cause::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The project of the key, in which models and deployments lie.
    async fn project(&self) -> Result<&str, ProviderError> {
        let ask = || async {
            if let Some(named) = &self.named_project {
                return Ok(named.clone());
            }
            let identity = self.get(&["v3", "whoami"], &[]).await?;
            let id = identity.pointer("/project/id").and_then(Value::as_str).filter(|id| !id.is_empty());
            id.map(str::to_owned).ok_or_else(|| {
                ProviderError::new(Cause::Access, "the key belongs to no project, and models lie in one")
                    .hint(format!("name the project in {PROJECT}, or take the key of a project"))
            })
        };
        self.project.get_or_try_init(ask).await.map(String::as_str)
    }

    /// All items of a list whose pages are named by cursors.
    async fn pages(&self, path: &[&str], filter: &[(&str, &str)]) -> Result<Vec<Value>, ProviderError> {
        let (mut items, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut query = filter.to_vec();
            query.push(("limit", "100"));
            query.extend(after.as_deref().map(|after| ("after", after)));
            let mut page = self.get(path, &query).await?;
            if let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) {
                items.extend(data);
            }
            let cursors = ["nextCursor", "next_cursor"];
            let next = cursors.iter().find_map(|name| page.get(*name)?.as_str()).unwrap_or_default();
            // A server that ignores the cursor names the same one for ever.
            if next.is_empty() || after.as_deref() == Some(next) {
                return Ok(items);
            }
            after = Some(next.to_owned());
        }
    }
}

/// A text that is not empty, under the first of these names that has one.
fn text<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| value.get(*name)?.as_str().filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuned_id_names_base_and_model() {
        let id = tuned("Qwen/Qwen3.5-0.8B", "ml_12");
        assert_eq!((base_of(&id), object_of(&id)), ("Qwen/Qwen3.5-0.8B", Some("ml_12")));
        for plain in ["Qwen/Qwen3.5-0.8B", "a@b", "@ml", ""] {
            assert_eq!((base_of(plain), object_of(plain)), (plain, None));
        }
    }
}
