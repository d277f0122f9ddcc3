//! Jobs as Together shows them, over the same training as everywhere in this fake.

use serde_json::{Map, Value, json};

use super::super::jobs::{Job, tokens};
use super::super::world::World;
use super::super::{Reply, models};
use super::{SLUG, error, listed, unknown};
use crate::fake::{Body, Call, timestamp};

/// US dollars for a million tokens.
const PRICE: f64 = 0.48;

impl World {
    pub(super) fn together_jobs(&mut self, call: &Call, path: &[&str], body: &Map<String, Value>) -> Reply {
        match (call.method.as_str(), path) {
            ("GET", ["models", "limits"]) => self.limits(call.asked("model_name").unwrap_or_default()),
            ("POST", ["estimate-price"]) => self.estimated(body),
            ("POST", []) => self.together_order(body),
            ("GET", []) => {
                listed(self.jobs.iter().filter(|job| is_ours(job)).map(|job| object(job, false)).collect())
            }
            ("GET", [id]) => {
                // The look moves it on.
                self.job(id);
                self.shown(id, |job| Reply::json(object(job, true)))
            }
            ("DELETE", [id]) => {
                let reply = self.shown(id, |_| Reply::json(json!({"message": "The job was deleted."})));
                self.jobs.retain(|job| job.id != *id);
                reply
            }
            ("POST", [id, "cancel"]) => match self.command(id, "cancel").status {
                200 => self.shown(id, |job| Reply::json(object(job, false))),
                _ => error(400, "The job can not be cancelled."),
            },
            ("GET", [id, "events"]) => self.shown(id, |job| listed(job.events.iter().map(event).collect())),
            ("GET", [id, "checkpoints"]) => self.shown(id, |job| {
                listed(job.checkpoints.iter().map(|found| checkpoint(job, found)).collect())
            }),
            ("GET", [id, "metrics"]) => self.shown(id, |job| Reply::json(json!({"metrics": metrics(job)}))),
            _ => unknown(call),
        }
    }

    fn shown(&self, id: &str, show: impl Fn(&Job) -> Reply) -> Reply {
        match self.jobs.iter().find(|job| job.id == id && is_ours(job)) {
            Some(job) => show(job),
            None => error(404, &format!("The job {id} was not found")),
        }
    }

    fn limits(&self, base: &str) -> Reply {
        if !self.base_ids().any(|known| known == base) || !models::is_tunable(base) {
            return error(400, &format!("Model {base} is not available for fine-tuning"));
        }
        Reply::json(json!({
            "model_name": base, "max_num_epochs": 20, "max_num_evals": 20, "max_num_checkpoints": 10,
            "min_learning_rate": 1e-8, "max_learning_rate": 0.01, "max_seq_length_sft": 131_072,
            "max_seq_length_dpo": 65_536, "min_max_seq_length": 512, "default_gradient_accumulation_steps": 1,
            "merge_output_lora": true, "supports_full_training": false, "supports_reasoning": true,
            "supports_tools": true, "supports_vision": false, "lora_training": {"default_rank": 64, "max_rank": 64,
                "min_batch_size": 1, "max_batch_size": 128, "max_batch_size_dpo": 64, "target_modules": ["q_proj"]},
        }))
    }

    fn estimated(&self, body: &Map<String, Value>) -> Reply {
        let given = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(file) = given("training_file") else { return error(400, "training_file is required") };
        let files =
            [("train_file_not_validated", Some(file)), ("eval_file_not_validated", given("validation_file"))];
        for (reason, file) in files {
            if file.is_some_and(|file| !self.is_checked(file)) {
                return Reply::json(json!({"estimation_available": false, "unavailable_reason": reason}));
            }
        }
        let epochs = body.get("n_epochs").and_then(Value::as_u64).unwrap_or(1);
        let trained = tokens(self.uploaded(file, "fine-tune").unwrap_or_default()) * epochs;
        Reply::json(json!({
            "estimation_available": true, "estimated_total_price": trained as f64 * PRICE / 1e6,
            "estimated_train_token_count": trained, "estimated_eval_token_count": 0, "allowed_to_proceed": true,
            "user_limit": 100.0,
        }))
    }

    fn together_order(&mut self, body: &Map<String, Value>) -> Reply {
        // An empty text is as good as nothing, and sent by the official client.
        let given = |name: &str| body.get(name).filter(|value| *value != "").cloned().unwrap_or_default();
        if given("suffix").as_str().is_some_and(|suffix| suffix.len() > 40) {
            return error(400, "suffix must have at most 40 characters");
        }
        if !given("learning_rate").as_f64().is_some_and(|rate| rate > 0.0 && rate <= 0.01) {
            return error(400, "learning_rate is out of its range");
        }
        if given("n_evals").as_u64().is_some_and(|evals| evals > 0) && given("validation_file").is_null() {
            return error(400, "n_evals needs a validation_file");
        }
        for file in ["training_file", "validation_file"] {
            if given(file).as_str().is_some_and(|file| !self.is_checked(file)) {
                return error(400, &format!("{file} has not been validated"));
            }
        }
        let batch = given("batch_size").as_u64().map_or_else(|| "auto".into(), Value::from);
        let order = json!({
            "model": given("model"), "training_file": given("training_file"), "seed": given("random_seed"),
            "validation_file": given("validation_file"), "suffix": given("suffix"), "together": Value::Object(body.clone()),
            "method": {"type": "supervised", "supervised": {"hyperparameters":
                {"n_epochs": given("n_epochs"), "batch_size": batch}}},
        });
        match self.create_job(&order) {
            Reply { status: 200, body: Body::Json(job), .. } => {
                self.shown(job["id"].as_str().unwrap_or_default(), |job| Reply::json(object(job, false)))
            }
            refusal => refusal,
        }
    }
}

/// Whether a job was ordered in this way.
fn is_ours(job: &Job) -> bool {
    job.order.get("together").is_some()
}

/// The id of the model that a job makes.
pub(super) fn object_id(job: &Job) -> String {
    format!("ml_{}", job.id.trim_start_matches(|c: char| !c.is_ascii_digit()))
}

/// A job, whole or as lists and answers to orders have it: without what it has made.
fn object(job: &Job, whole: bool) -> Value {
    let (known, asked) = (job.object(), &job.order["together"]);
    let status = match known["status"].as_str().unwrap_or_default() {
        "validating_files" => "pending",
        "queued" => "queued",
        "running" => "running",
        "succeeded" => "completed",
        "cancelled" => "cancelled",
        _ => "error",
    };
    let mut object = asked.clone();
    object["id"] = job.id.as_str().into();
    object["status"] = status.into();
    object["user_id"] = "user_fake".into();
    object["created_at"] = timestamp(1_795_000_000).into();
    object["updated_at"] = timestamp(1_795_000_000).into();
    object["token_count"] = known["trained_tokens"].clone();
    if whole {
        // The service does not repeat the suffix there.
        object.as_object_mut().into_iter().for_each(|object| drop(object.remove("suffix")));
        object["model_output_name"] =
            format!("{SLUG}/{}", asked["suffix"].as_str().unwrap_or_default()).into();
        object["events"] = job.events.iter().map(event).collect();
        if status == "completed" {
            object["model_object_id"] = object_id(job).into();
            object["model_object_name"] = format!("{SLUG}/{}", object_id(job)).into();
            object["model_object_revision_id"] = "rv_1".into();
            object["adapter_object_id"] = format!("{}-adapter", object_id(job)).into();
        }
    }
    object
}

fn event(known: &Value) -> Value {
    let failed = known["level"] == "error";
    json!({
        "object": "fine-tune-event", "type": if failed { "job_error" } else { "training_start" }, "level": known["level"],
        "message": known["message"], "created_at": timestamp(1_795_000_000), "step": known["data"]["step"],
        "total_steps": known["data"]["total_steps"], "hash": "", "checkpoint_path": "", "token_count": 0, "param_count": 0,
    })
}

fn checkpoint(job: &Job, known: &Value) -> Value {
    let step = known["step_number"].as_u64().unwrap_or_default();
    let last = job.checkpoints.last().is_some_and(|last| last["step_number"] == step);
    let object = if last { object_id(job) } else { format!("{}-c{step}", object_id(job)) };
    json!({
        "step": step, "checkpoint_type": if last { "Final" } else { "Intermediate" }, "path": "s3://fake",
        "created_at": timestamp(1_795_000_000), "checkpoint": "model", "object_id": object,
        "object_name": format!("{SLUG}/{object}"), "object_revision_id": "rv_1",
    })
}

fn metrics(job: &Job) -> Vec<Value> {
    let steps = job.events.iter().map(|event| &event["data"]).filter(|data| data["step"].is_u64());
    steps.map(|data| json!({"train/global_step": data["step"], "train/loss": data["train_loss"]})).collect()
}
