//! Alibaba's way: an envelope around everything, errors by code, and models that are deployed before they answer.

use serde_json::{Map, Value, json};

use super::jobs::Job;
use super::world::{Deployed, World};
use super::{Api, Reply};
use crate::fake::{Body, Call, lock};

/// How often one has to look before a deployment answers.
const LOOKS: u64 = 2;

impl Deployed {
    /// Whether it answers by now.
    pub(super) fn answers(&self) -> bool {
        self.looks >= LOOKS
    }

    fn object(&self) -> Value {
        let status = if self.answers() { "RUNNING" } else { "DEPLOYING" };
        json!({
            "deployed_model": self.name, "model_name": self.trained, "base_model": "qwen3-14b", "status": status,
            "capacity": 1, "ready_capacity": u64::from(self.answers()), "charge_type": "post_paid",
            "gmt_create": "2026-11-28T10:00:00", "gmt_modified": "2026-11-28T10:00:00",
        })
    }
}

/// What the service does when nothing goes wrong. An error may come with status 200.
pub(super) fn answer(shared: &Api<'_>, call: &Call, path: &[&str], refused: Option<Reply>) -> Reply {
    if refused.is_some() {
        return error(401, "InvalidApiKey", "Invalid API-key provided.");
    }
    let empty = Map::new();
    let body = call.json().and_then(Value::as_object).unwrap_or(&empty);
    let world = &mut *lock(shared.world);
    match (call.method.as_str(), path) {
        ("POST", ["files"]) => match &call.form {
            Some((_, name, bytes)) => world.dashscope_file(name, bytes.clone()),
            None => error(400, "InvalidParameter", "files is required"),
        },
        ("DELETE", ["files", id]) => match world.delete_file(id).status {
            200 => enveloped("data", json!({})),
            _ => error(400, "InvalidParameter", "File not found."),
        },
        ("POST", ["fine-tunes"]) => world.dashscope_order(body),
        ("GET", ["fine-tunes"]) => {
            let jobs = world.jobs.iter().rev().filter(|job| is_ours(job));
            listed("jobs", jobs.map(job_object).collect(), call)
        }
        ("GET", ["fine-tunes", id]) => world.dashscope_job(id),
        ("DELETE", ["fine-tunes", id]) => {
            world.jobs.retain(|job| job.id != *id);
            enveloped("output", json!({"status": "success"}))
        }
        ("POST", ["fine-tunes", id, "cancel"]) => match world.command(id, "cancel").status {
            200 => enveloped("output", json!({"status": "success"})),
            // With a status that says that all is well.
            _ => error(200, "InvalidParameter", "The job can not be cancelled."),
        },
        ("GET", ["fine-tunes", id, "logs"]) => world.dashscope_logs(id, call),
        ("POST", ["deployments"]) => world.deploy(body),
        ("GET", ["deployments"]) => {
            world.deployments.iter_mut().for_each(|deployed| deployed.looks += 1);
            listed("deployments", world.deployments.iter().map(Deployed::object).collect(), call)
        }
        ("GET", ["deployments", name]) => match world.deployments.iter().find(|known| known.name == *name) {
            Some(deployed) => enveloped("output", deployed.object()),
            None => error(404, "NotFound", &format!("The deployment {name} does not exist.")),
        },
        ("DELETE", ["deployments", name]) => {
            world.deployments.retain(|known| known.name != *name);
            enveloped("output", json!({"status": "success"}))
        }
        _ => error(404, "NotFound", "The resource does not exist."),
    }
}

impl World {
    /// The names of what is deployed.
    pub(super) fn deployed(&self) -> Vec<String> {
        self.deployments.iter().map(|deployed| deployed.name.clone()).collect()
    }

    fn dashscope_file(&mut self, name: &str, bytes: Vec<u8>) -> Reply {
        let Body::Json(file) = self.upload("fine-tune", name, bytes).body else {
            return error(400, "InvalidParameter", "The file is refused.");
        };
        match file["id"].as_str() {
            Some(id) => enveloped(
                "data",
                json!({"uploaded_files": [{"file_id": id, "name": name}], "failed_uploads": []}),
            ),
            None => error(400, "InvalidParameter", "The file is refused."),
        }
    }

    fn dashscope_order(&mut self, body: &Map<String, Value>) -> Reply {
        let invalid = |message: &str| error(400, "InvalidParameter", message);
        if body.contains_key("finetuned_output") {
            return invalid("finetuned_output can not be specified.");
        }
        let numbers = body.get("hyper_parameters").cloned().unwrap_or_default();
        if let Some(name) =
            ["n_epochs", "batch_size", "max_length"].iter().find(|name| !numbers[**name].is_u64())
        {
            return invalid(&format!("hyper_parameters.{name} is required."));
        }
        if !matches!(numbers["learning_rate"], Value::Null | Value::String(_)) {
            return invalid("hyper_parameters.learning_rate must be a string.");
        }
        let given = |name: &str| body.get(name).cloned().unwrap_or_default();
        let order = json!({
            "model": given("model"), "training_file": given("training_file_ids")[0],
            "validation_file": given("validation_file_ids")[0], "dashscope": given("model_name"), "asked": numbers,
            "method": {"type": "supervised", "supervised": {"hyperparameters":
                {"n_epochs": numbers["n_epochs"], "batch_size": numbers["batch_size"]}}},
        });
        match self.create_job(&order) {
            Reply { status: 200, body: Body::Json(job), .. } => {
                let created = self.jobs.iter().find(|known| job["id"] == known.id.as_str());
                enveloped("output", created.map(job_object).unwrap_or_default())
            }
            _ => error(400, "Model.NotExist", "Model not exist, or not to be trained."),
        }
    }

    fn dashscope_job(&mut self, id: &str) -> Reply {
        // The look moves it on.
        self.job(id);
        match self.jobs.iter().find(|job| job.id == id && is_ours(job)) {
            Some(job) => enveloped("output", job_object(job)),
            None => error(404, "NotFound", &format!("The job {id} does not exist.")),
        }
    }

    fn dashscope_logs(&self, id: &str, call: &Call) -> Reply {
        let number =
            |name: &str, otherwise| call.asked(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
        let (offset, lines): (usize, usize) = (number("offset", 1), number("line", 1_000));
        let job = self.jobs.iter().find(|job| job.id == id);
        let said = job.into_iter().flat_map(|job| &job.events).filter_map(|event| event["message"].as_str());
        let logs: Vec<_> = said.skip(offset.saturating_sub(1)).take(lines).collect();
        enveloped("output", json!({ "logs": logs }))
    }

    fn deploy(&mut self, body: &Map<String, Value>) -> Reply {
        let trained = body.get("model_name").and_then(Value::as_str).unwrap_or_default();
        if body.get("plan").is_none_or(|plan| plan != "lora") {
            return error(
                400,
                "InvalidParameter",
                "Other plans have a fee by the hour, which this fake does not bill.",
            );
        }
        let job = self.jobs.iter().find(|job| trained_name(job).as_deref() == Some(trained));
        let Some(model) = job.and_then(|job| Some(job.object()["fine_tuned_model"].as_str()?.to_owned()))
        else {
            return error(400, "Model.NotExist", "The model to deploy does not exist.");
        };
        let name = format!("{trained}-{:04x}", self.deployments.len() + 1);
        self.deployments.push(Deployed { name, trained: trained.to_owned(), model, looks: 0 });
        enveloped("output", self.deployments.last().map(Deployed::object).unwrap_or_default())
    }
}

/// Whether a job was ordered in this way.
fn is_ours(job: &Job) -> bool {
    job.order.get("dashscope").is_some()
}

/// The name of what a job has trained.
fn trained_name(job: &Job) -> Option<String> {
    job.object()["fine_tuned_model"].as_str()?;
    Some(format!(
        "{}-ft-{}",
        job.order["model"].as_str()?,
        job.order["dashscope"].as_str().unwrap_or_default()
    ))
}

fn job_object(job: &Job) -> Value {
    let (object, order) = (job.object(), &job.order);
    let status = match object["status"].as_str().unwrap_or_default() {
        "validating_files" | "queued" => "PENDING",
        "running" => "RUNNING",
        "succeeded" => "SUCCEEDED",
        "cancelled" => "CANCELED",
        _ => "FAILED",
    };
    let files = |name: &str| order[name].as_str().map_or_else(|| json!([]), |file| json!([file]));
    json!({
        "job_id": job.id, "job_name": order["dashscope"], "status": status, "model": order["model"],
        "base_model": order["model"], "finetuned_output": trained_name(job),
        "training_file_ids": files("training_file"), "validation_file_ids": files("validation_file"),
        "hyper_parameters": order["asked"], "training_type": "efficient_sft", "create_time": "2026-11-28 10:00:00",
        "code": object["error"]["code"], "message": object["error"]["message"], "usage": object["trained_tokens"],
    })
}

/// A page of a list.
fn listed(name: &str, items: Vec<Value>, call: &Call) -> Reply {
    let number =
        |name: &str, otherwise| call.asked(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (page, size): (usize, usize) = (number("page_no", 1), number("page_size", 10));
    let total = items.len();
    let found: Vec<_> = items.into_iter().skip(page.saturating_sub(1) * size).take(size).collect();
    enveloped("output", json!({"page_no": page, "page_size": size, "total": total, name: found}))
}

fn enveloped(name: &str, body: Value) -> Reply {
    Reply::json(json!({"request_id": "fake-request", name: body}))
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::of(status, json!({"request_id": "fake-request", "code": code, "message": message}))
}
