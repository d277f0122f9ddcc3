//! A tuning job: one state further at each look.

use serde_json::{Map, Value, json};

use super::models::{self, Model};
use super::training_file::{self, Rows};
use super::{checks, errors};
use crate::fake::{Reply, now, timestamp};

pub(super) struct Job {
    pub(super) name: String,
    pub(super) location: String,
    pub(super) base: &'static Model,
    order: Map<String, Value>,
    created: u64,
    state: String,
    /// The states to come, the next one last.
    coming: Vec<String>,
    error: Option<Value>,
    stats: Option<Value>,
    tuned: Option<Value>,
}

/// What the service finds wrong before there is a job.
pub(super) fn refused(order: &Map<String, Value>, base: &Model, location: &str) -> Result<(), Reply> {
    let spec = order.get("supervisedTuningSpec").unwrap_or(&Value::Null);
    let regions = if base.is_third { &["us-central1", "europe-west4"][..] } else { &[] };
    if location == "global" || !regions.is_empty() && !regions.contains(&location) {
        let message = format!("Tuning of {} is not supported in the location {location}.", base.id);
        return Err(errors::precondition(&message));
    }
    if base.adapters.is_empty() {
        return Err(errors::invalid(&format!("Base model {} is not supported.", base.id)));
    }
    if order.contains_key("preferenceOptimizationSpec") || !spec.is_object() {
        return Err(errors::bad_field("supervised_tuning_spec", "This fake tunes supervised only."));
    }
    for name in ["trainingDatasetUri", "validationDatasetUri"] {
        let uri = spec[name].as_str();
        let is_object = |uri: &str| uri.strip_prefix("gs://").is_some_and(|rest| rest.contains('/'));
        if !uri.is_none_or(is_object) || uri.is_none() && name == "trainingDatasetUri" {
            let message = format!("{name} must be a Cloud Storage URI of a JSONL file.");
            return Err(errors::bad_field(&format!("supervised_tuning_spec.{name}"), &message));
        }
    }
    let hyper = &spec["hyperParameters"];
    let size = hyper["adapterSize"].as_str().filter(|size| *size != "ADAPTER_SIZE_UNSPECIFIED");
    if let Some(size) = size.filter(|size| !base.adapters.contains(size)) {
        let message = format!("Adapter size {size} is not supported for the base model {}.", base.id);
        return Err(errors::invalid(&message));
    }
    let number = |name: &str| hyper[name].as_f64().or_else(|| hyper[name].as_str()?.parse().ok());
    for name in ["epochCount", "learningRateMultiplier"] {
        if number(name).is_some_and(|number| number <= 0.0) {
            return Err(errors::invalid(&format!("{name} must be positive.")));
        }
    }
    if order
        .get("tunedModelDisplayName")
        .and_then(Value::as_str)
        .is_some_and(|name| name.chars().count() > 128)
    {
        return Err(errors::bad_field("tuned_model_display_name", "At most 128 characters."));
    }
    checks::labels(order.get("labels"))
}

/// The base of an order: of the catalogue, or of the tuned model from which it goes on.
pub(super) fn base(
    order: &Map<String, Value>,
    tuned: impl Fn(&str) -> Option<&'static Model>,
) -> Result<&'static Model, Reply> {
    match (order.get("baseModel").and_then(Value::as_str), order.get("preTunedModel")) {
        (Some(base), None) => models::find(base.strip_prefix("publishers/google/models/").unwrap_or(base))
            .ok_or_else(|| errors::invalid(&format!("Base model {base} is not supported."))),
        (None, Some(before)) => tuned(before["tunedModelName"].as_str().unwrap_or_default())
            .ok_or_else(|| errors::not_found("The pre-tuned model was not found.")),
        _ => Err(errors::invalid("Exactly one of base_model and pre_tuned_model must be set.")),
    }
}

impl Job {
    pub(super) fn new(
        name: String,
        location: &str,
        base: &'static Model,
        order: Map<String, Value>,
        states: &[String],
    ) -> Self {
        let mut coming: Vec<_> = states.iter().rev().cloned().collect();
        let state = coming.pop().unwrap_or_default();
        let (error, stats, tuned) = (None, None, None);
        Self {
            name,
            location: location.to_owned(),
            base,
            order,
            created: now(),
            state,
            coming,
            error,
            stats,
            tuned,
        }
    }

    pub(super) fn resource(&self) -> Value {
        let mut job = Value::Object(self.order.clone());
        job["name"] = self.name.as_str().into();
        job["state"] = self.state.as_str().into();
        job["createTime"] = timestamp(self.created).into();
        job["updateTime"] = timestamp(now()).into();
        if !matches!(self.state.as_str(), "JOB_STATE_QUEUED" | "JOB_STATE_PENDING") {
            job["startTime"] = timestamp(self.created).into();
        }
        if self.has_ended() {
            job["endTime"] = timestamp(now()).into();
        }
        let stats = self.stats.as_ref().map(|stats| json!({ "supervisedTuningDataStats": stats }));
        let found = [("error", &self.error), ("tuningDataStats", &stats), ("tunedModel", &self.tuned)];
        for (name, value) in found {
            if let Some(value) = value {
                job[name] = value.clone();
            }
        }
        job
    }

    fn has_ended(&self) -> bool {
        let ends = ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"];
        ends.iter().any(|end| self.state.ends_with(end))
    }

    /// Goes on by one state; the rows it has learned from, if it has now succeeded.
    pub(super) fn advance(&mut self, file: Option<&[u8]>) -> Option<Rows> {
        if self.has_ended() {
            return None;
        }
        self.state = self.coming.pop()?;
        let trains = self.state == "JOB_STATE_RUNNING" || self.state.ends_with("SUCCEEDED");
        match self.state.as_str() {
            "JOB_STATE_FAILED" => {
                self.error = Some(json!({"code": 13, "message": "Internal error occurred."}))
            }
            "JOB_STATE_CANCELLED" => {
                self.error = Some(json!({"code": 1, "message": "The job was cancelled."}))
            }
            _ => {}
        }
        if !trains {
            return None;
        }
        match training_file::read(file) {
            Ok(rows) => {
                self.stats = Some(rows.stats(self.epochs(&rows)));
                self.has_ended().then_some(rows)
            }
            Err(message) => {
                self.state = "JOB_STATE_FAILED".to_owned();
                self.error = Some(json!({"code": 3, "message": message}));
                None
            }
        }
    }

    /// Where its training file lies.
    pub(super) fn file(&self) -> &str {
        self.spec()["trainingDatasetUri"].as_str().unwrap_or_default()
    }

    /// Whether only the last checkpoint is kept.
    pub(super) fn keeps_last_only(&self) -> bool {
        self.spec()["exportLastCheckpointOnly"] == true
    }

    fn spec(&self) -> &Value {
        self.order.get("supervisedTuningSpec").unwrap_or(&Value::Null)
    }

    /// As many as were asked for, or what the service takes to be right: the fewer rows, the more.
    pub(super) fn epochs(&self, rows: &Rows) -> u64 {
        let asked =
            self.spec()["hyperParameters"]["epochCount"].as_str().and_then(|count| count.parse().ok());
        asked.unwrap_or_else(|| (100 / rows.rows.max(1)).clamp(3, 10))
    }

    pub(super) fn display_name(&self) -> &str {
        self.order.get("tunedModelDisplayName").and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn labels(&self) -> Option<&Value> {
        self.order.get("labels")
    }

    pub(super) fn succeeded(&mut self, tuned: Value) {
        self.tuned = Some(tuned);
    }

    pub(super) fn cancel(&mut self) -> Reply {
        if self.has_ended() {
            let message = format!(
                "The tuning job {} is in the state {} and can't be cancelled.",
                self.name, self.state
            );
            return errors::precondition(&message);
        }
        self.state = "JOB_STATE_CANCELLING".to_owned();
        self.coming = vec!["JOB_STATE_CANCELLED".to_owned()];
        Reply::json(json!({}))
    }

    /// Whether it fits one comparison of a filter: `labels.key="value"`, `state="…"`.
    pub(super) fn fits(&self, field: &str, value: &str) -> Option<bool> {
        let resource = self.resource();
        let found = match field.split_once('.') {
            Some(("labels", key)) => &resource["labels"][key],
            _ => match field {
                "state" | "baseModel" | "name" | "tunedModelDisplayName" => &resource[field],
                "base_model" => &resource["baseModel"],
                "tuned_model_display_name" => &resource["tunedModelDisplayName"],
                _ => return None,
            },
        };
        Some(found == value)
    }
}
