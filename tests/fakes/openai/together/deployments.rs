//! Endpoints and deployments, and the clock by which machines are billed.

use serde_json::{Map, Value, json};

use super::super::Reply;
use super::super::world::World;
use super::{PROJECT, SLUG, Together, config, error, unknown};
use crate::fake::{Call, timestamp};

/// A name, below which a model may stand.
pub(in super::super) struct Endpoint {
    id: String,
    name: String,
    deployments: Vec<Standing>,
}

/// A model on a machine.
struct Standing {
    id: String,
    name: String,
    model: String,
    /// Minutes without a request; 0 for never.
    idle: u64,
    state: State,
    /// How often it was looked at in this state.
    looks: u64,
    /// The minute of the last request, or of its beginning.
    last_asked: u64,
    created: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Provisioning,
    Ready,
    Failed,
    Stopping,
    Stopped,
}

impl State {
    fn is_billed(self) -> bool {
        matches!(self, Self::Provisioning | Self::Ready | Self::Stopping)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Provisioning => "DEPLOYMENT_STATE_PROVISIONING",
            Self::Ready => "DEPLOYMENT_STATE_READY",
            Self::Failed => "DEPLOYMENT_STATE_FAILED",
            Self::Stopping => "DEPLOYMENT_STATE_STOPPING",
            Self::Stopped => "DEPLOYMENT_STATE_STOPPED",
        }
    }
}

impl Together {
    /// Lets time pass: machines are billed, and stop when nobody has asked them for long enough.
    pub(in super::super) fn pass(&mut self, minutes: u64) {
        for _ in 0..minutes {
            self.clock += 1;
            let clock = self.clock;
            for standing in self.endpoints.iter_mut().flat_map(|endpoint| &mut endpoint.deployments) {
                if standing.state.is_billed() {
                    self.billed_minutes += 1;
                }
                let idle = standing.idle > 0 && clock - standing.last_asked >= standing.idle;
                if idle && standing.state.is_billed() {
                    standing.state = State::Stopped;
                }
            }
        }
    }

    /// The names of all that costs money now.
    pub(in super::super) fn running(&self) -> Vec<String> {
        let all = self.endpoints.iter().flat_map(|endpoint| &endpoint.deployments);
        all.filter(|standing| standing.state.is_billed()).map(|standing| standing.name.clone()).collect()
    }

    /// The names of all endpoints.
    pub(in super::super) fn endpoint_names(&self) -> Vec<String> {
        self.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect()
    }

    fn standing(&mut self, endpoint: &str, id: &str) -> Option<&mut Standing> {
        let endpoint = self.endpoints.iter_mut().find(|known| known.id == endpoint)?;
        endpoint.deployments.iter_mut().find(|known| known.id == id)
    }
}

impl Endpoint {
    fn object(&self) -> Value {
        let below = self.deployments.iter().map(|standing| {
            json!({
                "id": standing.id, "name": standing.name, "state": standing.state.word(), "hardware": "1x H100 80GB",
                "model": standing.path(), "modelId": standing.model, "autoscaling": standing.autoscaling(),
                "createdAt": timestamp(1_795_000_000 + standing.created * 60), "readyReplicas": standing.ready(),
                "desiredReplicas": standing.ready(), "trafficMode": "TRAFFIC_MODE_LIVE",
                "estimatedEffectiveTrafficShare": 0.0,
            })
        });
        json!({
            "id": self.id, "name": self.name, "projectId": PROJECT, "etag": "e1", "trafficSplit": [],
            "deployments": below.collect::<Vec<_>>(), "endpointType": "ENDPOINT_TYPE_DEDICATED",
            "visibility": "VISIBILITY_PRIVATE", "createdAt": timestamp(1_795_000_000), "updatedAt": timestamp(1_795_000_000),
        })
    }
}

impl Standing {
    fn ready(&self) -> u64 {
        u64::from(self.state == State::Ready)
    }

    fn path(&self) -> String {
        format!("projects/{PROJECT}/models/{}/revisions/rv_1", self.model)
    }

    fn autoscaling(&self) -> Value {
        let replicas = u64::from(!matches!(self.state, State::Stopping | State::Stopped));
        json!({"minReplicas": replicas, "maxReplicas": replicas})
    }

    fn object(&self, endpoint: &str) -> Value {
        let mut object = json!({
            "id": self.id, "name": self.name, "projectId": PROJECT, "endpointId": endpoint, "etag": "e1",
            "model": self.path(), "modelId": self.model, "modelRevisionId": "rv_1", "hardware": "1x H100 80GB",
            "config": "projects/proj_public/configs/cfg_1", "configId": "cfg_1", "autoscaling": self.autoscaling(),
            "trafficMode": "TRAFFIC_MODE_LIVE", "createdAt": timestamp(1_795_000_000 + self.created * 60),
            "updatedAt": timestamp(1_795_000_000), "desiredReplicas": self.ready(),
            "status": {"state": self.state.word(), "message": "As scripted.", "readyReplicas": self.ready(),
                "scheduledReplicas": self.ready()},
        });
        if self.idle > 0 {
            object["inactiveTimeout"] = self.idle.into();
        }
        object
    }
}

impl World {
    /// The id under which this fake knows the model of a deployment that answers.
    pub(in super::super) fn served(&self, name: &str) -> Option<String> {
        let all = self.together.endpoints.iter().flat_map(|endpoint| &endpoint.deployments);
        let found =
            all.into_iter().find(|standing| standing.name == name && standing.state == State::Ready)?;
        self.object_model(&found.model)
    }

    /// Notes that a deployment was asked.
    pub(super) fn asked_of(&mut self, body: &Map<String, Value>) {
        let (name, clock) = (body.get("model").and_then(Value::as_str), self.together.clock);
        let all = self.together.endpoints.iter_mut().flat_map(|endpoint| &mut endpoint.deployments);
        all.filter(|standing| Some(standing.name.as_str()) == name)
            .for_each(|found| found.last_asked = clock);
    }

    pub(super) fn together_endpoints(
        &mut self,
        call: &Call,
        path: &[&str],
        body: &Map<String, Value>,
    ) -> Reply {
        let missing = |id: &str| error(404, &format!("{id} was not found"));
        match (call.method.as_str(), path) {
            ("POST", []) => self.new_endpoint(body),
            ("GET", []) => self.page_of_endpoints(call),
            ("GET", [id]) => match self.together.endpoints.iter().find(|known| known.id == *id) {
                Some(endpoint) => Reply::json(endpoint.object()),
                None => missing(id),
            },
            ("DELETE", [id]) => match self.together.endpoints.iter().find(|known| known.id == *id) {
                Some(endpoint) if !endpoint.deployments.is_empty() => {
                    error(400, "The endpoint still has deployments.")
                }
                Some(_) => {
                    self.together.endpoints.retain(|known| known.id != *id);
                    Reply::json(json!({}))
                }
                None => missing(id),
            },
            ("POST", [endpoint, "deployments"]) => self.new_deployment(call, endpoint, body),
            ("GET", [endpoint, "deployments", id]) => self.look(endpoint, id),
            ("PATCH", [endpoint, "deployments", id]) => self.scale(call, endpoint, id, body),
            ("DELETE", [endpoint, "deployments", id]) => {
                match self.together.standing(endpoint, id).map(|found| found.state) {
                    Some(state) if state.is_billed() => error(400, "The deployment is running."),
                    Some(_) => {
                        for known in &mut self.together.endpoints {
                            known.deployments.retain(|standing| standing.id != *id);
                        }
                        Reply::json(json!({}))
                    }
                    None => missing(id),
                }
            }
            _ => unknown(call),
        }
    }

    fn new_endpoint(&mut self, body: &Map<String, Value>) -> Reply {
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = format!("{SLUG}/{name}");
        if self.together.endpoints.iter().any(|known| known.name == name) {
            return error(409, "An endpoint of this name exists.");
        }
        let endpoint = Endpoint { id: self.id("ep"), name, deployments: Vec::new() };
        let object = endpoint.object();
        self.together.endpoints.push(endpoint);
        Reply::json(object)
    }

    /// Two on a page, so that clients are seen to turn it.
    fn page_of_endpoints(&self, call: &Call) -> Reply {
        let filter = call.asked("filter").unwrap_or_default();
        let part = filter.strip_prefix("name:").unwrap_or_default().trim_matches('*');
        let from = call.asked("after").and_then(|after| after.parse().ok()).unwrap_or(0);
        let fitting: Vec<_> =
            self.together.endpoints.iter().filter(|known| known.name.contains(part)).collect();
        let data: Vec<_> = fitting.iter().skip(from).take(2).map(|endpoint| endpoint.object()).collect();
        let next = from + data.len();
        let cursor = if next < fitting.len() { json!(next.to_string()) } else { Value::Null };
        Reply::json(json!({"object": "list", "data": data, "nextCursor": cursor}))
    }

    fn new_deployment(&mut self, call: &Call, endpoint: &str, body: &Map<String, Value>) -> Reply {
        let given = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let object = given("model").split('/').nth(3).unwrap_or_default().to_owned();
        if self.object_model(&object).is_none() {
            return error(400, "The model does not exist.");
        }
        let known = config("");
        let right = format!("projects/{}/configs/{}", known["projectId"], known["id"]).replace('"', "");
        if given("config") != right {
            return error(400, "The config is not compatible with the model.");
        }
        let idle = body.get("inactiveTimeout").and_then(Value::as_u64).unwrap_or_default();
        if idle != 0 && !(30..=1440).contains(&idle) {
            return error(400, "inactiveTimeout must be 0, or 30 to 1440");
        }
        let Some(at) = self.together.endpoints.iter().position(|known| known.id == endpoint) else {
            return error(404, "The endpoint was not found");
        };
        let name = format!("{}/{}", self.together.endpoints[at].name, given("name"));
        let (id, clock) = (self.id("dep"), self.together.clock);
        let standing = Standing {
            id,
            name,
            model: object,
            idle: if self.together.script.never_stops { 0 } else { idle },
            state: State::Provisioning,
            looks: 0,
            last_asked: clock,
            created: clock,
        };
        let object = standing.object(endpoint);
        if call.asked("validateOnly") != Some("true") {
            self.together.endpoints[at].deployments.push(standing);
        }
        Reply::json(object)
    }

    /// A deployment as it stands after this look, which takes a minute.
    fn look(&mut self, endpoint: &str, id: &str) -> Reply {
        self.together.pass(1);
        let script = self.together.script;
        let Some(found) = self.together.standing(endpoint, id) else {
            return error(404, &format!("{id} was not found"));
        };
        found.looks += 1;
        let next = match found.state {
            State::Provisioning if found.looks >= script.looks && script.fails => State::Failed,
            State::Provisioning if found.looks >= script.looks => State::Ready,
            State::Stopping if found.looks > script.stopping_looks => State::Stopped,
            same => same,
        };
        if next != found.state {
            (found.state, found.looks) = (next, 0);
        }
        Reply::json(found.object(endpoint))
    }

    fn scale(&mut self, call: &Call, endpoint: &str, id: &str, body: &Map<String, Value>) -> Reply {
        if call.asked("updateMask") != Some("autoscaling") {
            return error(400, "updateMask is required");
        }
        let most = body.get("autoscaling").and_then(|scaling| scaling["maxReplicas"].as_u64());
        let Some(found) = self.together.standing(endpoint, id) else {
            return error(404, &format!("{id} was not found"));
        };
        (found.state, found.looks) = match (most, found.state) {
            (Some(0), State::Stopped | State::Failed) => (found.state, found.looks),
            (Some(0), _) => (State::Stopping, 0),
            _ => (State::Provisioning, 0),
        };
        Reply::json(found.object(endpoint))
    }
}
