//! Together's way: files that go to a store, jobs of its own, and models that answer only from a deployment, which is billed
//! by the minute of a clock that no test has to wait for.

mod deployments;
mod files;
mod jobs;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::deployments::Endpoint;
use self::files::Waiting;
use super::batches::{self, Style};
use super::world::World;
use super::{Api, Reply, answers};
use crate::fake::{Body, Call, lock};

/// The one project of the key.
pub(super) const PROJECT: &str = "proj_fake";
/// How it is called in names.
const SLUG: &str = "fake-team";
/// US cents for an hour of the one machine.
const CENTS_PER_HOUR: u64 = 399;

/// How deployments go from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeploymentScript {
    /// How often one has to look before a deployment answers.
    pub looks: u64,
    /// Whether it fails instead.
    pub fails: bool,
    /// Whether what is asked of stopping by itself is forgotten.
    pub never_stops: bool,
    /// How often it is looked at before it has stopped.
    pub stopping_looks: u64,
    /// Whether there is no knowing what a machine costs.
    pub unpriced: bool,
}

impl Default for DeploymentScript {
    fn default() -> Self {
        Self { looks: 2, fails: false, never_stops: false, stopping_looks: 1, unpriced: false }
    }
}

/// What the fake holds of Together's.
#[derive(Default)]
pub(super) struct Together {
    pub(super) script: DeploymentScript,
    /// Files whose bytes have yet to come, by the end of their address.
    waiting: BTreeMap<String, Waiting>,
    /// Of each file its checksum, and how often somebody has looked whether it is looked through.
    checked: BTreeMap<String, (String, u64)>,
    pub(super) endpoints: Vec<Endpoint>,
    /// Minutes since the fake was started. Each look at a deployment takes one.
    clock: u64,
    /// Billed minutes of machines.
    pub(super) billed_minutes: u64,
    /// Models that were deleted.
    deleted: Vec<String>,
}

impl Together {
    /// What the machines have cost so far, in US cents, rounded up.
    pub(super) fn bill_cents(&self) -> u64 {
        (self.billed_minutes * CENTS_PER_HOUR).div_ceil(60)
    }
}

/// What the service does when nothing goes wrong.
pub(super) fn answer(shared: &Api<'_>, call: &Call, path: &[&str], refused: Option<Reply>) -> Reply {
    if let ["uploads", rest @ ..] = path {
        return lock(shared.world).store(call, rest);
    }
    if let Some(refusal) = refused {
        return refusal;
    }
    let mut body = call.json().and_then(Value::as_object).cloned().unwrap_or_default();
    let method = call.method.as_str();
    if let ("POST", ["v1", "chat", "completions"]) = (method, path) {
        // Switches that OpenAI does not know.
        ["reasoning", "chat_template_kwargs"].iter().for_each(|name| drop(body.remove(*name)));
        lock(shared.world).asked_of(&body);
        return answers::chat(shared, &body);
    }
    match (method, path) {
        ("POST", ["v1", "batches"]) => return batches::create(shared, &body, Style::Together),
        ("GET", ["v1", "batches", id]) => return batches::look(shared, id, Style::Together),
        ("POST", ["v1", "batches", id, "cancel"]) => return batches::cancel(shared, id, Style::Together),
        _ => {}
    }
    let world = &mut *lock(shared.world);
    match (method, path) {
        ("GET", ["v3", "whoami"]) => Reply::json(identity()),
        ("GET", ["v1", "models"]) => match world.models().body {
            Body::Json(list) => Reply::json(list["data"].clone()),
            Body::Bytes(..) => unknown(call),
        },
        (_, ["v1", "files", rest @ ..]) => world.together_files(call, rest),
        ("GET", ["v1", "batches"]) => world.batches.list(&[], Style::Together),
        (_, ["v1", "fine-tunes", rest @ ..]) => world.together_jobs(call, rest, &body),
        ("GET", ["v2", "supported-models"]) => world.supported(call),
        ("GET", ["v2", "public", "inference-instance-types"]) => world.machines(),
        (_, ["v2", "projects", project, rest @ ..]) if *project == PROJECT => {
            world.together_project(call, rest, &body)
        }
        _ => unknown(call),
    }
}

fn identity() -> Value {
    json!({
        "type": "project_api_key", "api_key": {"id": "key_fake"},
        "organization": {"id": "org_fake", "name": "Fake", "slug": "fake"},
        "project": {"id": PROJECT, "name": "Fake", "slug": SLUG},
    })
}

/// An error as the service words it.
fn error(status: u16, message: &str) -> Reply {
    Reply::error(status, "invalid_request_error", "", "", message)
}

fn unknown(call: &Call) -> Reply {
    error(404, &format!("Not found: {} {}", call.method, call.path))
}

fn listed(data: Vec<Value>) -> Reply {
    Reply::json(json!({"object": "list", "data": data}))
}

impl World {
    /// The bases that can be tuned, each with the machines on which it can stand.
    fn supported(&self, call: &Call) -> Reply {
        let search = call.asked("search").unwrap_or_default();
        let known = self.base_ids().filter(|id| id.contains(search) && super::models::is_tunable(id));
        let data = known.map(|id| {
            // Some can be tuned and not deployed.
            let profiles = match id.ends_with("-undeployable") {
                true => json!([]),
                false => json!([{"config": "projects/proj_public/configs/cfg_1", "gpuType": "H100", "gpuCount": 1}]),
            };
            json!({"id": id, "name": id, "products": ["PRODUCT_FINE_TUNING"], "deploymentProfiles": profiles,
                "status": "SUPPORTED_MODEL_STATUS_SUPPORTED"})
        });
        listed(data.collect())
    }

    fn machines(&self) -> Reply {
        let kind = if self.together.script.unpriced { "b200" } else { "h100-80gb" };
        listed(vec![json!({
            "id": "hw_1", "name": format!("1xnvidia-{kind}"), "description": "1x H100 80GB", "gpuCount": 1,
            "gpuMemoryGib": 80, "gpuType": "H100", "priceCentsPerHour": CENTS_PER_HOUR, "regions": [],
        })])
    }

    fn together_project(&mut self, call: &Call, path: &[&str], body: &Map<String, Value>) -> Reply {
        match (call.method.as_str(), path) {
            ("GET", ["configs"]) => {
                let wanted = call.asked("referenceModel").unwrap_or_default();
                let object = wanted.rsplit('/').next().unwrap_or_default();
                listed(self.object_model(object).map(|_| config(wanted)).into_iter().collect())
            }
            ("GET", ["models", id]) => match self.object_model(id) {
                Some(_) => Reply::json(json!({
                    "id": id, "name": format!("{SLUG}/{id}"), "organizationId": "org_fake", "projectId": PROJECT,
                    "visibility": "VISIBILITY_PRIVATE", "weights": {"type": "WEIGHTS_TYPE_FULL"},
                })),
                None => error(404, &format!("Model {id} was not found")),
            },
            ("DELETE", ["models", id]) => {
                self.together.deleted.push((*id).to_owned());
                Reply::json(json!({}))
            }
            (_, ["endpoints", rest @ ..]) => self.together_endpoints(call, rest, body),
            _ => unknown(call),
        }
    }

    /// The id under which this fake knows a model that was trained in Together's way.
    fn object_model(&self, object: &str) -> Option<String> {
        if self.together.deleted.iter().any(|deleted| deleted == object) {
            return None;
        }
        let (job, step) = object.split_once("-c").unwrap_or((object, ""));
        let job = self.jobs.iter().find(|known| jobs::object_id(known) == job)?;
        let model = job.object()["fine_tuned_model"].as_str()?.to_owned();
        Some(if step.is_empty() { model } else { format!("{model}:ckpt-step-{step}") })
    }
}

/// The one way in which a model can stand.
fn config(reference: &str) -> Value {
    json!({
        "id": "cfg_1", "projectId": "proj_public", "certifications": [], "referenceModel": reference,
        "referenceModelId": reference.rsplit('/').next(), "selectors": [
            {"key": "accelerator_type", "value": "nvidia-h100-80gb"}, {"key": "accelerator_count", "value": "1"}],
    })
}
