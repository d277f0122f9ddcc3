//! What the fake holds: models, files, jobs, and the calls that show and change them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::batches::Batches;
use super::jobs::{Job, Kept};
use super::together::Together;
use super::{Reply, models};
use crate::fake::{Memory, now};

/// A trained model that answers, in Alibaba's way.
pub(super) struct Deployed {
    pub(super) name: String,
    pub(super) trained: String,
    /// The id of the model that was trained.
    pub(super) model: String,
    /// How often somebody has looked whether it answers.
    pub(super) looks: u64,
}

struct File {
    object: Value,
    bytes: Vec<u8>,
    packed: bool,
}

pub(super) struct World {
    bases: Vec<(String, Option<String>)>,
    tuned: BTreeMap<String, Arc<Memory>>,
    pub(super) deployments: Vec<Deployed>,
    files: BTreeMap<String, File>,
    /// The oldest first.
    pub(super) jobs: Vec<Job>,
    packed_results: bool,
    last_id: u64,
    pub(super) batches: Batches,
    pub(super) together: Together,
}

impl World {
    pub(super) fn new(more: Vec<(String, Option<String>)>, packed_results: bool) -> Self {
        let bases = models::BASES.iter().map(|id| ((*id).to_owned(), None));
        let retired = models::RETIRED.iter().map(|(id, day)| ((*id).to_owned(), Some((*day).to_owned())));
        let bases = bases.chain(retired).chain(more).collect();
        let (tuned, deployments, files, jobs, batches, together) = Default::default();
        Self { bases, tuned, deployments, files, jobs, packed_results, last_id: 0, batches, together }
    }

    pub(super) fn id(&mut self, kind: &str) -> String {
        self.last_id += 1;
        let separator = if matches!(kind, "file" | "ftjob" | "chatcmpl") { '-' } else { '_' };
        format!("{kind}{separator}{:08}", self.last_id)
    }

    pub(super) fn file_ids(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    pub(super) fn job_ids(&self) -> Vec<String> {
        self.jobs.iter().map(|job| job.id.clone()).collect()
    }

    /// What a model learned, if it answers at all.
    pub(super) fn answers(&self, model: &str) -> Option<Option<Arc<Memory>>> {
        let retired = models::RETIRED.iter().any(|(id, _)| *id == model);
        let base = self.bases.iter().any(|(id, _)| id == model) && !retired;
        let deployed = self.deployments.iter().find(|deployed| deployed.name == model && deployed.answers());
        let served = self.served(model);
        let model = served.as_deref().unwrap_or(deployed.map_or(model, |deployed| &deployed.model));
        if base { Some(None) } else { self.tuned.get(model).cloned().map(Some) }
    }

    /// The ids of all bases.
    pub(super) fn base_ids(&self) -> impl Iterator<Item = &str> {
        self.bases.iter().map(|(id, _)| id.as_str())
    }

    pub(super) fn models(&self) -> Reply {
        let bases = self.bases.iter().map(|(id, day)| models::object(id, "system", day.as_deref()));
        let tuned = self.tuned.keys().map(|id| models::object(id, "fake-org", None));
        Reply::json(json!({"object": "list", "data": bases.chain(tuned).collect::<Vec<_>>()}))
    }

    pub(super) fn model(&self, id: &str) -> Reply {
        if let Some((id, day)) = self.bases.iter().find(|(known, _)| known == id) {
            return Reply::json(models::object(id, "system", day.as_deref()));
        }
        match self.answers(id).is_some() {
            true => Reply::json(models::object(id, "fake-org", None)),
            false => no_model(id),
        }
    }

    pub(super) fn delete_model(&mut self, id: &str) -> Reply {
        if self.bases.iter().any(|(known, _)| known == id) {
            return Reply::error(
                403,
                "invalid_request_error",
                "",
                "",
                "You have insufficient permissions for this operation.",
            );
        }
        match self.tuned.remove(id) {
            Some(_) => Reply::json(json!({"id": id, "object": "model", "deleted": true})),
            None => no_model(id),
        }
    }

    pub(super) fn upload(&mut self, purpose: &str, name: &str, bytes: Vec<u8>) -> Reply {
        if !["assistants", "batch", "fine-tune", "vision", "user_data", "evals"].contains(&purpose) {
            return Reply::invalid("invalid_value", "purpose", "Invalid or missing purpose.");
        }
        if purpose == "fine-tune" && !name.ends_with(".jsonl") {
            return Reply::invalid("", "", "Invalid file format for Fine-Tuning API. Must be .jsonl");
        }
        Reply::json(self.add_file(purpose, name, bytes, false))
    }

    /// A file under an id that was given away before.
    pub(super) fn put_file(&mut self, id: &str, purpose: &str, name: &str, bytes: Vec<u8>) {
        let object = json!({
            "id": id, "bytes": bytes.len(), "created_at": now(), "filename": name, "purpose": purpose,
        });
        self.files.insert(id.to_owned(), File { object, bytes, packed: false });
    }

    /// What is kept of a file beside its bytes.
    pub(super) fn file_as_kept(&self, id: &str) -> Value {
        self.files.get(id).map(|file| file.object.clone()).unwrap_or_default()
    }

    /// Whether a file is there.
    pub(super) fn has_file(&self, id: &str) -> bool {
        self.files.contains_key(id)
    }

    pub(super) fn add_file(&mut self, purpose: &str, name: &str, bytes: Vec<u8>, packed: bool) -> Value {
        let id = self.id("file");
        let object = json!({
            "id": id, "object": "file", "bytes": bytes.len(), "created_at": now(), "filename": name,
            "purpose": purpose, "status": "processed",
        });
        self.files.insert(id, File { object: object.clone(), bytes, packed });
        object
    }

    pub(super) fn files(&self, query: &[(String, String)]) -> Reply {
        let purpose = query.iter().find(|(name, _)| name == "purpose").map(|(_, value)| value.as_str());
        let fits = |file: &&File| purpose.is_none_or(|purpose| file.object["purpose"] == purpose);
        let items: Vec<_> = self.files.values().rev().filter(fits).map(|file| file.object.clone()).collect();
        page(items, query, 10_000)
    }

    pub(super) fn file(&self, id: &str) -> Reply {
        self.files.get(id).map_or_else(|| no_file(id), |file| Reply::json(file.object.clone()))
    }

    /// The bytes of a file that was uploaded for a purpose.
    pub(super) fn uploaded(&self, id: &str, purpose: &str) -> Option<&[u8]> {
        let file = self.files.get(id).filter(|file| file.object["purpose"] == purpose)?;
        Some(&file.bytes)
    }

    /// A file from a position on, which stands for a range of bytes.
    pub(super) fn content(&self, id: &str, from: Option<usize>) -> Reply {
        let Some(file) = self.files.get(id) else { return no_file(id) };
        if let Some(from) = from {
            return match file.bytes.get(from..).filter(|rest| !rest.is_empty()) {
                Some(rest) => Reply::bytes(206, "application/octet-stream", rest),
                None => Reply::error(416, "invalid_request_error", "", "", "The range is not satisfiable."),
            };
        }
        let bytes = if file.packed {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(&file.bytes).into_bytes()
        } else {
            file.bytes.clone()
        };
        Reply::bytes(200, "application/octet-stream", bytes)
    }

    pub(super) fn delete_file(&mut self, id: &str) -> Reply {
        match self.files.remove(id) {
            Some(_) => Reply::json(json!({"id": id, "object": "file", "deleted": true})),
            None => no_file(id),
        }
    }

    pub(super) fn create_job(&mut self, order: &Value) -> Reply {
        let model = order["model"].as_str().unwrap_or_default();
        if self.answers(model).is_none() || !models::is_tunable(model) {
            let message = format!("Model {model} is not available for fine-tuning or does not exist.");
            return Reply::invalid("model_not_available", "model", &message);
        }
        let purposed =
            |file: &str| self.files.get(file).is_some_and(|file| file.object["purpose"] == "fine-tune");
        for name in ["training_file", "validation_file"] {
            match order[name].as_str() {
                Some(file) if purposed(file) => {}
                None if name == "validation_file" => {}
                file => {
                    let message = format!("invalid {name}: {} does not exist", file.unwrap_or_default());
                    return Reply::invalid("", name, &message);
                }
            }
        }
        if let Some(reply) = Job::refused(order) {
            return reply;
        }
        let id = self.id("ftjob");
        let job = Job::new(id, order);
        let object = job.object();
        self.jobs.push(job);
        Reply::json(object)
    }

    pub(super) fn jobs(&self, query: &[(String, String)]) -> Reply {
        let wanted = |job: &&Job| {
            query.iter().all(|(name, value)| {
                let key = name.strip_prefix("metadata[").and_then(|name| name.strip_suffix(']'));
                key.is_none_or(|key| job.order["metadata"][key] == value.as_str())
            })
        };
        page(self.jobs.iter().rev().filter(wanted).map(Job::object).collect(), query, 20)
    }

    /// A job as it stands after this look.
    pub(super) fn job(&mut self, id: &str) -> Reply {
        let Some(index) = self.jobs.iter().position(|job| job.id == id) else { return no_job(id) };
        self.advance(index);
        Reply::json(self.jobs[index].object())
    }

    fn advance(&mut self, index: usize) {
        let stamp = self.last_id;
        let job = &mut self.jobs[index];
        let training = self.files.get(job.order["training_file"].as_str().unwrap_or_default());
        let before = job.order["model"].as_str().and_then(|model| self.tuned.get(model)).cloned();
        let kept = job.advance(training.map(|file| file.bytes.as_slice()), before, stamp);
        let Some(Kept { models, results }) = kept else { return };
        self.tuned.extend(models);
        let file =
            self.add_file("fine-tune-results", "step_metrics.csv", results.into_bytes(), self.packed_results);
        self.jobs[index].result_file = file["id"].as_str().map(str::to_owned);
    }

    pub(super) fn command(&mut self, id: &str, command: &str) -> Reply {
        match self.jobs.iter_mut().find(|job| job.id == id) {
            Some(job) => job.command(command),
            None => no_job(id),
        }
    }

    pub(super) fn events(&self, id: &str, query: &[(String, String)]) -> Reply {
        match self.jobs.iter().find(|job| job.id == id) {
            Some(job) => page(job.events.iter().rev().cloned().collect(), query, 20),
            None => no_job(id),
        }
    }

    pub(super) fn checkpoints(&self, id: &str, query: &[(String, String)]) -> Reply {
        match self.jobs.iter().find(|job| job.id == id) {
            Some(job) => page(job.checkpoints.iter().rev().cloned().collect(), query, 10),
            None => no_job(id),
        }
    }
}

/// A page of a list: `limit` items behind the one called `after`.
pub(super) fn page(items: Vec<Value>, query: &[(String, String)], limit: usize) -> Reply {
    let asked = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let limit = asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(limit);
    let from = match asked("after") {
        Some(after) => {
            items.iter().position(|item| item["id"] == after).map_or(items.len(), |index| index + 1)
        }
        None => 0,
    };
    let data: Vec<_> = items.iter().skip(from).take(limit).cloned().collect();
    let id = |item: Option<&Value>| item.map_or(Value::from(""), |item| item["id"].clone());
    let has_more = from + data.len() < items.len();
    let (first_id, last_id) = (id(data.first()), id(data.last()));
    Reply::json(
        json!({"object": "list", "data": data, "first_id": first_id, "last_id": last_id, "has_more": has_more}),
    )
}

fn missing(message: &str, code: &str, param: &str) -> Reply {
    Reply::error(404, "invalid_request_error", code, param, message)
}

fn no_model(id: &str) -> Reply {
    missing(&format!("The model '{id}' does not exist"), "model_not_found", "model")
}

pub(super) fn no_file(id: &str) -> Reply {
    missing(&format!("No such File object: {id}"), "", "id")
}

fn no_job(id: &str) -> Reply {
    missing(&format!("Could not find fine tune: {id}"), "fine_tune_not_found", "fine_tune_id")
}
