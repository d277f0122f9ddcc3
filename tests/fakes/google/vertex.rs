//! What a project has at Vertex: tuning jobs, tuned models, their endpoints, and operations that delete them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::jobs::{self, Job};
use super::models::Model;
use super::storage::Store;
use super::training_file::Rows;
use super::{Settings, errors};
use crate::fake::{Call, Memory, Reply, now, timestamp};

/// Of so many epochs, the last ones, a checkpoint is kept.
const MOST_CHECKPOINTS: u64 = 10;

/// A tuned model.
struct Tuned {
    base: &'static Model,
    resource: Value,
}

/// What a model answers at.
pub(super) struct Endpoint {
    pub(super) base: &'static Model,
    pub(super) memory: Arc<Memory>,
    /// How many calls it does not answer yet.
    pub(super) cold: u64,
    pub(super) resource: Value,
}

#[derive(Default)]
pub(super) struct Vertex {
    /// The oldest first.
    jobs: Vec<Job>,
    models: BTreeMap<String, Tuned>,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    /// How often each was looked at.
    operations: BTreeMap<String, u64>,
    last_id: u64,
}

/// Where a call goes: the project and the location of its path.
pub(super) struct Place<'a> {
    /// `projects/NUMBER/locations/LOCATION`; answers say the number whatever was asked.
    pub(super) parent: String,
    pub(super) location: &'a str,
}

impl Vertex {
    fn id(&mut self) -> String {
        self.last_id += 1;
        (4_000_000_000_000_000_000 + self.last_id * 7_919).to_string()
    }

    /// The untuned model behind a tuned one.
    pub(super) fn base_of(&self, model: &str) -> Option<&'static Model> {
        self.models.get(model.split('@').next().unwrap_or_default()).map(|tuned| tuned.base)
    }

    pub(super) fn job_names(&self) -> Vec<String> {
        self.jobs.iter().map(|job| job.name.clone()).collect()
    }

    pub(super) fn create_job(
        &mut self,
        place: &Place<'_>,
        order: Map<String, Value>,
        settings: &Settings,
    ) -> Reply {
        let tuned = |name: &str| {
            let name = name.split('@').next().unwrap_or_default();
            self.models.get(name).map(|tuned| tuned.base)
        };
        let checked = jobs::base(&order, tuned)
            .and_then(|base| jobs::refused(&order, base, place.location).map(|()| base));
        let base = match checked {
            Ok(base) => base,
            Err(reply) => return reply,
        };
        let name = format!("{}/tuningJobs/{}", place.parent, self.id());
        let job = Job::new(name, place.location, base, order, &settings.job_states);
        let resource = job.resource();
        self.jobs.push(job);
        Reply::json(resource)
    }

    /// A job as it stands after this look.
    pub(super) fn job(&mut self, name: &str, store: &Store, settings: &Settings) -> Reply {
        let Some(index) = self.jobs.iter().position(|job| job.name == name) else { return no_job(name) };
        let file = store.bytes(self.jobs[index].file());
        if let Some(rows) = self.jobs[index].advance(file) {
            self.keep(index, rows, settings);
        }
        Reply::json(self.jobs[index].resource())
    }

    pub(super) fn cancel_job(&mut self, name: &str) -> Reply {
        self.jobs.iter_mut().find(|job| job.name == name).map_or_else(|| no_job(name), Job::cancel)
    }

    /// Keeps what a job has made: a model, and an endpoint for each checkpoint, at the place that serves it.
    fn keep(&mut self, index: usize, rows: Rows, settings: &Settings) {
        let job = &self.jobs[index];
        let (base, last_only, epochs) = (job.base, job.keeps_last_only(), job.epochs(&rows));
        let (title, labels) = (job.display_name().to_owned(), job.labels().cloned());
        let served_at =
            settings.tuned_location.as_deref().unwrap_or_else(|| base.serves_tuned_at(&job.location));
        let parent = format!("projects/{}/locations/{served_at}", settings.project_number);
        let model = format!("{parent}/models/{}", self.id());
        let steps_each = rows.steps(1);
        let memory = Arc::new(rows.memory);
        let first = if last_only { epochs } else { epochs.saturating_sub(MOST_CHECKPOINTS - 1).max(1) };
        let (mut checkpoints, mut listed) = (Vec::new(), Vec::new());
        for epoch in first..=epochs {
            let name = format!("{parent}/endpoints/{}", self.id());
            let id = (epoch - first + 1).to_string();
            let resource = endpoint(&name, &model, &title, &id);
            let cold = settings.cold_calls;
            self.endpoints.insert(name.clone(), Endpoint { base, memory: memory.clone(), cold, resource });
            let (epoch, step) = (epoch.to_string(), (steps_each * epoch).to_string());
            listed.push(json!({"checkpointId": id, "epoch": epoch, "step": step}));
            checkpoints.push(json!({"checkpointId": id, "epoch": epoch, "step": step, "endpoint": name}));
        }
        let last = checkpoints.last().cloned().unwrap_or_default();
        let mut resource = json!({
            "name": model, "displayName": title, "versionId": "1", "versionAliases": ["default"], "etag": "AMEw9y",
            "createTime": timestamp(now()), "updateTime": timestamp(now()), "checkpoints": listed,
            "defaultCheckpointId": last["checkpointId"],
        });
        if let Some(labels) = labels {
            resource["labels"] = labels;
        }
        let mut tuned = json!({"model": format!("{model}@1"), "endpoint": last["endpoint"]});
        if !last_only {
            tuned["checkpoints"] = checkpoints.into();
        }
        self.models.insert(model, Tuned { base, resource });
        self.jobs[index].succeeded(tuned);
    }

    /// `GET …/tuningJobs`, the newest first; those of other places are not shown.
    pub(super) fn jobs(&self, place: &Place<'_>, call: &Call) -> Reply {
        let listed = || {
            let filter = call.asked("filter").unwrap_or_default();
            let mut found = Vec::new();
            for job in self.jobs.iter().rev() {
                let here = job.name.starts_with(&format!("{}/", place.parent));
                if here && fits(job, filter)? {
                    found.push(job.resource());
                }
            }
            page(found, "tuningJobs", call, 100)
        };
        listed().unwrap_or_else(|reply| reply)
    }

    /// `GET` of an endpoint, a model, its checkpoints or an operation.
    pub(super) fn show(&mut self, name: &str, call: &Call) -> Reply {
        if let Some(looks) = self.operations.get_mut(name) {
            *looks += 1;
            return Reply::json(operation(name, *looks > 1));
        }
        if let Some(endpoint) = self.endpoints.get(name) {
            return Reply::json(endpoint.resource.clone());
        }
        let (name, wants_checkpoints) = match name.strip_suffix(":listCheckpoints") {
            Some(name) => (name, true),
            None => (name, false),
        };
        match self.models.get(name.split('@').next().unwrap_or_default()) {
            Some(model) if wants_checkpoints => {
                let checkpoints = model.resource["checkpoints"].as_array().cloned().unwrap_or_default();
                page(checkpoints, "checkpoints", call, 50).unwrap_or_else(|reply| reply)
            }
            Some(model) => Reply::json(model.resource.clone()),
            None => missing(name),
        }
    }

    pub(super) fn undeploy(&mut self, name: &str, order: &Map<String, Value>) -> Reply {
        let Some(endpoint) = self.endpoints.get_mut(name) else { return missing(name) };
        let deployed = endpoint.resource["deployedModels"].as_array().cloned().unwrap_or_default();
        if !deployed.iter().any(|model| Some(&model["id"]) == order.get("deployedModelId")) {
            return errors::invalid("deployed_model_id is not deployed at this endpoint.");
        }
        for field in ["deployedModels", "trafficSplit"] {
            endpoint.resource.as_object_mut().and_then(|endpoint| endpoint.remove(field));
        }
        self.begin(name)
    }

    /// Deletes an endpoint at which nothing is deployed, or a model that is deployed nowhere.
    pub(super) fn delete(&mut self, name: &str) -> Reply {
        let deployed = |endpoint: &Endpoint| endpoint.resource["deployedModels"].is_array();
        if let Some(endpoint) = self.endpoints.get(name) {
            if deployed(endpoint) {
                return errors::precondition(&format!(
                    "Endpoint {name} has deployed models. Undeploy them first."
                ));
            }
            self.endpoints.remove(name);
            return self.begin(name);
        }
        if self.models.contains_key(name) {
            let uses = |endpoint: &Endpoint| endpoint.resource["deployedModels"][0]["model"] == name;
            if self.endpoints.values().any(uses) {
                return errors::precondition(&format!("Model {name} is deployed. Undeploy it first."));
            }
            self.models.remove(name);
            return self.begin(name);
        }
        missing(name)
    }

    fn begin(&mut self, resource: &str) -> Reply {
        let name = format!("{resource}/operations/{}", self.id());
        self.operations.insert(name.clone(), 0);
        Reply::json(operation(&name, false))
    }
}

/// An endpoint at which one checkpoint of a model is deployed.
fn endpoint(name: &str, model: &str, title: &str, checkpoint: &str) -> Value {
    json!({
        "name": name, "displayName": title, "createTime": timestamp(now()), "updateTime": timestamp(now()),
        "etag": "AMEw9y", "trafficSplit": {"1": 100},
        "deployedModels": [{"id": "1", "model": model, "modelVersionId": "1", "displayName": title,
            "checkpointId": checkpoint, "createTime": timestamp(now())}],
    })
}

fn operation(name: &str, done: bool) -> Value {
    let mut operation = json!({"name": name, "metadata": {
        "@type": "type.googleapis.com/google.cloud.aiplatform.v1.DeleteOperationMetadata",
        "genericMetadata": {"createTime": timestamp(now()), "updateTime": timestamp(now())}}});
    if done {
        operation["done"] = true.into();
        operation["response"] = json!({"@type": "type.googleapis.com/google.protobuf.Empty"});
    }
    operation
}

fn no_job(name: &str) -> Reply {
    errors::not_found(&format!("The TuningJob does not exist: {name}"))
}

pub(super) fn missing(name: &str) -> Reply {
    errors::not_found(&format!("The resource is not found: {name}"))
}

/// A filter is comparisons with `=`, joined by `AND`.
fn fits(job: &Job, filter: &str) -> Result<bool, Reply> {
    let wrong = || errors::bad_field("filter", &format!("Invalid filter: {filter}"));
    let mut all = true;
    for comparison in filter.split(" AND ").map(str::trim).filter(|comparison| !comparison.is_empty()) {
        let (field, value) = comparison.split_once('=').ok_or_else(wrong)?;
        all &= job.fits(field.trim(), value.trim().trim_matches('"')).ok_or_else(wrong)?;
    }
    Ok(all)
}

/// A page of a list. Tokens are opaque to clients.
pub(super) fn page(items: Vec<Value>, field: &str, call: &Call, most: usize) -> Result<Reply, Reply> {
    let size = match call.asked("pageSize").map(str::parse::<usize>) {
        None | Some(Ok(0)) => most,
        Some(Ok(size)) => size.min(most),
        Some(Err(_)) => {
            return Err(errors::bad_field("page_size", "Invalid value at 'page_size' (TYPE_INT32)"));
        }
    };
    let from = match call.asked("pageToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => {
            let at = token.strip_prefix("page-").and_then(|at| at.parse().ok());
            at.ok_or_else(|| errors::invalid("Invalid page token."))?
        }
    };
    let count = items.len();
    let shown: Vec<_> = items.into_iter().skip(from).take(size).collect();
    let mut answer = json!({});
    if from.saturating_add(shown.len()) < count {
        answer["nextPageToken"] = format!("page-{}", from + shown.len()).into();
    }
    // A list of nothing is left out.
    if !shown.is_empty() {
        answer[field] = shown.into();
    }
    Ok(Reply::json(answer))
}
