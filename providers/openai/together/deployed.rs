//! Endpoints, deployments and hardware as Together has them. Pure translation, read leniently.
//!
//! An endpoint is a name that costs nothing; a deployment below it serves a model, and is billed while it has replicas.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::text;
use crate::{Deployment, DeploymentId, DeploymentMark, DeploymentOffer, DeploymentOrder, DeploymentState};

/// The name of the one deployment below an endpoint of ours.
const DEPLOYMENT: &str = "main";

/// What a deployment's id consists of: its endpoint, and itself where it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) endpoint: &'a str,
    pub(super) deployment: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub(super) fn of(id: &'a DeploymentId) -> Self {
        match id.0.split_once('/') {
            Some((endpoint, deployment)) => Self { endpoint, deployment: Some(deployment) },
            None => Self { endpoint: &id.0, deployment: None },
        }
    }

    fn id(self) -> DeploymentId {
        DeploymentId(match self.deployment {
            Some(deployment) => format!("{}/{deployment}", self.endpoint),
            None => self.endpoint.to_owned(),
        })
    }
}

/// The body with which a deployment is made. That it is only to be checked is said in the query.
pub(super) fn order(order: &DeploymentOrder, model: &str) -> Value {
    json!({
        "name": DEPLOYMENT, "model": model, "config": order.offer.config,
        "autoscaling": {"minReplicas": 1, "maxReplicas": 1}, "inactiveTimeout": order.idle.as_secs() / 60,
    })
}

/// The body that takes all machines away.
pub(super) fn no_replicas() -> Value {
    json!({"autoscaling": {"minReplicas": 0, "maxReplicas": 0}})
}

fn state(word: &str) -> DeploymentState {
    match word.strip_prefix("DEPLOYMENT_STATE_").unwrap_or(word) {
        "READY" => DeploymentState::Ready,
        "STOPPING" => DeploymentState::Stopping,
        "STOPPED" => DeploymentState::Stopped,
        "FAILED" => DeploymentState::Failed,
        // PROVISIONING, SCALING and DEGRADED, and what may come.
        _ => DeploymentState::Preparing,
    }
}

/// The model in `projects/P/models/ML/revisions/RV`.
fn model(value: &Value) -> String {
    let path = text(value, &["model"]).unwrap_or_default();
    let behind = path.split_once("/models/").map(|(_, rest)| rest);
    behind.and_then(|rest| rest.split('/').next()).unwrap_or(path).to_owned()
}

fn seconds(value: &Value, name: &str) -> Option<i64> {
    Some(text(value, &[name])?.parse::<Timestamp>().ok()?.as_second())
}

/// A deployment below an endpoint, whole or as the endpoint sums it up; `None` if it has no id.
pub(super) fn deployment(endpoint: &str, mark: Option<&DeploymentMark>, value: &Value) -> Option<Deployment> {
    let id = text(value, &["id"])?;
    let status = value.get("status");
    let said = text(value, &["state"]).or_else(|| text(status?, &["state"])).unwrap_or_default();
    let mut found = Deployment::new(Place { endpoint, deployment: Some(id) }.id(), model(value), state(said));
    let word = said.strip_prefix("DEPLOYMENT_STATE_").unwrap_or(said).to_ascii_lowercase();
    found.said = match status.and_then(|status| text(status, &["message"])) {
        Some(message) => format!("{word}: {message}"),
        None => word,
    };
    let replicas =
        value.get("readyReplicas").or_else(|| status?.get("readyReplicas")).and_then(Value::as_u64);
    // One that is ready without a machine answers nothing.
    if found.state == DeploymentState::Ready && replicas.unwrap_or_default() == 0 {
        found.state = DeploymentState::Preparing;
    }
    let name = text(value, &["name"]);
    found.mark = mark.cloned().or_else(|| DeploymentMark::read(name?.rsplit_once('/')?.0));
    found.served_as = name.filter(|_| found.state == DeploymentState::Ready).map(str::to_owned);
    found.hardware = text(value, &["hardware"]).map(str::to_owned);
    let minutes = value.get("inactiveTimeout").and_then(Value::as_u64).filter(|minutes| *minutes > 0);
    found.idle = minutes.map(|minutes| Duration::from_secs(minutes * 60));
    found.created = seconds(value, "createdAt");
    Some(found)
}

/// What is left of a deployment whose endpoint alone is there. It costs nothing.
pub(super) fn remains(place: Place<'_>, endpoint: &Value) -> Deployment {
    let mut left = Deployment::new(place.id(), "", DeploymentState::Stopped);
    left.mark = text(endpoint, &["name"]).and_then(DeploymentMark::read);
    left.said = "an endpoint without a deployment".to_owned();
    left.created = seconds(endpoint, "createdAt");
    left
}

/// All deployments below an endpoint; nothing where it is not one of ours.
pub(super) fn ours(endpoint: &Value) -> Vec<Deployment> {
    let (Some(id), Some(mark)) =
        (text(endpoint, &["id"]), text(endpoint, &["name"]).and_then(DeploymentMark::read))
    else {
        return Vec::new();
    };
    let below = endpoint.get("deployments").and_then(Value::as_array).into_iter().flatten();
    let found: Vec<_> = below.filter_map(|value| deployment(id, Some(&mark), value)).collect();
    if found.is_empty() {
        return vec![remains(Place { endpoint: id, deployment: None }, endpoint)];
    }
    found
}

/// On what a model can stand: the cheapest of the configurations, and of those without a known price the first.
pub(super) fn offer(configs: &[Value], machines: &[Value]) -> Option<DeploymentOffer> {
    let offers = configs.iter().filter_map(|config| {
        let path = format!("projects/{}/configs/{}", text(config, &["projectId"])?, text(config, &["id"])?);
        let kind = selector(config, "accelerator_type");
        let count = selector(config, "accelerator_count").unwrap_or("1");
        let name = kind.map(|kind| format!("{count}x{kind}")).unwrap_or_default();
        let machine = machines.iter().find(|machine| is_called(machine, &name));
        let cents = machine.and_then(|machine| machine.get("priceCentsPerHour")?.as_f64());
        let cents = cents.filter(|cents| *cents > 0.0 && cents.is_finite());
        let words = machine.and_then(|machine| text(machine, &["description"]));
        let words = words.map_or_else(|| name.clone(), str::to_owned);
        Some(DeploymentOffer::new(words, path, cents.map(|cents| cents / 100.0)))
    });
    offers.min_by(|a, b| {
        let price = |offer: &DeploymentOffer| offer.usd_per_hour.unwrap_or(f64::INFINITY);
        price(a).total_cmp(&price(b))
    })
}

fn selector<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    let selectors = config.get("selectors").and_then(Value::as_array)?;
    let found = selectors.iter().find(|selector| text(selector, &["key"]) == Some(key))?;
    text(found, &["value"])
}

/// Whether a machine is the one of this name, with the maker's name before it or not.
fn is_called(machine: &Value, name: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace("nvidia-", "");
    ["name", "id"].iter().filter_map(|key| text(machine, &[key])).any(|own| plain(own) == plain(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_deployment_answers_when_a_machine_is_ready() {
        let with = |state: &str, replicas: u64| {
            let value = json!({"id": "dep_1", "name": "team/tunebench-0ab1020304ff/main", "inactiveTimeout": 30,
                "model": "projects/p/models/ml_9/revisions/rv_1", "createdAt": "2026-11-28T10:00:00Z",
                "status": {"state": format!("DEPLOYMENT_STATE_{state}"), "message": "so", "readyReplicas": replicas}});
            deployment("ep_1", None, &value).unwrap()
        };
        let ready = with("READY", 1);
        assert_eq!(ready.served_as.as_deref(), Some("team/tunebench-0ab1020304ff/main"));
        assert_eq!((ready.id.0.as_str(), ready.model.as_str()), ("ep_1/dep_1", "ml_9"));
        assert_eq!((ready.idle, ready.said.as_str()), (Some(Duration::from_secs(1_800)), "ready: so"));
        assert!(ready.mark.is_some() && ready.created == Some(1_795_860_000));
        for (state, replicas, meant) in [
            ("READY", 0, DeploymentState::Preparing),
            ("DEGRADED", 1, DeploymentState::Preparing),
            ("DREAMING", 1, DeploymentState::Preparing),
            ("STOPPED", 0, DeploymentState::Stopped),
            ("FAILED", 0, DeploymentState::Failed),
        ] {
            let found = with(state, replicas);
            assert_eq!((found.state, found.served_as), (meant, None), "{state}");
        }
    }

    #[test]
    fn an_endpoint_without_a_deployment_is_ours_all_the_same() {
        let endpoint = json!({"id": "ep_1", "name": "team/tunebench-0ab1020304ff", "deployments": []});
        let left = ours(&endpoint);
        assert_eq!((left.len(), left[0].id.0.as_str(), left[0].state.may_cost()), (1, "ep_1", false));
        assert!(ours(&json!({"id": "ep_1", "name": "team/other"})).is_empty());
    }

    #[test]
    fn the_cheapest_machine_is_taken_and_an_unknown_price_is_unknown() {
        let config = |id: &str, kind: &str, count: &str| {
            json!({"id": id, "projectId": "pub", "selectors": [
                {"key": "accelerator_type", "value": kind}, {"key": "accelerator_count", "value": count}]})
        };
        let machines = [
            json!({"name": "1xnvidia-h100-80gb", "priceCentsPerHour": 399, "description": "1x H100"}),
            json!({"name": "x", "id": "1xh200", "priceCentsPerHour": 549}),
        ];
        let configs =
            [config("c0", "b200", "1"), config("c1", "nvidia-h200", "1"), config("c2", "h100-80gb", "1")];
        let found = offer(&configs, &machines).unwrap();
        assert_eq!((found.config.as_str(), found.usd_per_hour), ("projects/pub/configs/c2", Some(3.99)));
        assert_eq!(offer(&configs[..1], &machines).unwrap().usd_per_hour, None);
        assert_eq!(offer(&[], &machines), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_name(name in "\\PC{0,40}|(tunebench-[0-9a-f]{0,14}/?){0,3}") {
            let value = json!({"id": name, "name": name, "model": name, "state": name, "createdAt": name,
                "deployments": [{"id": name, "name": name}], "selectors": [{"key": name, "value": name}]});
            let _ = (ours(&value), deployment(&name, None, &value), offer(std::slice::from_ref(&value), &[]));
            let id = DeploymentId(name.clone());
            prop_assert_eq!(Place::of(&id).id(), id);
        }
    }
}
