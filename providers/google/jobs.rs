//! Tuning jobs, as the service tells of them.
//!
//! Pure translation. Fields of the discovery document of `aiplatform` v1 (2026-11-06). Answers are read leniently: all
//! but the name may be missing.

use jiff::Timestamp;
use serde_json::Value;

use super::job_request::ADAPTERS;
use super::json::{count, list, text};
use super::names::Resource;
use crate::{
    Checkpoint, FileId, Hyperparameters, Job, JobEvent, JobId, JobMark, JobStatus, TrainingProgress,
};

/// The label under which a job carries our mark.
pub(super) const MARK: &str = "tunebench_mark";

/// A job; `None` if it has no name.
pub(super) fn job(value: &Value) -> Option<Job> {
    let endpoint = text(value, "/tunedModel/endpoint");
    let status = status(text(value, "/state").unwrap_or_default(), endpoint.is_some());
    let base =
        text(value, "/baseModel").or_else(|| text(value, "/preTunedModel/baseModel")).unwrap_or_default();
    let base = base.rsplit('/').next().unwrap_or(base);
    let mut job = Job::new(JobId(text(value, "/name")?.to_owned()), status, base);
    job.mark = text(value, &format!("/labels/{MARK}")).map(|mark| JobMark(mark.to_owned()));
    job.tuned_model = endpoint.filter(|_| job.status == JobStatus::Succeeded).map(str::to_owned);
    job.error = failure(value).filter(|_| job.status != JobStatus::Succeeded);
    job.hyperparameters = resolved(value);
    let files = ["/supervisedTuningSpec/trainingDatasetUri", "/supervisedTuningSpec/validationDatasetUri"];
    job.files =
        files.iter().filter_map(|pointer| text(value, pointer)).map(|uri| FileId(uri.to_owned())).collect();
    // What is billed is the tokens of the data, once for each epoch.
    let epochs = job.hyperparameters.get("epoch_count").and_then(Value::as_u64);
    let tokens = stats(value).and_then(|stats| count(stats.get("totalBillableTokenCount")?));
    job.trained_tokens = tokens.zip(epochs).map(|(tokens, epochs)| tokens.saturating_mul(epochs));
    Some(job)
}

fn status(state: &str, has_endpoint: bool) -> JobStatus {
    match state {
        "JOB_STATE_QUEUED" | "JOB_STATE_PENDING" => JobStatus::Queued,
        "JOB_STATE_RUNNING" => JobStatus::Running,
        "JOB_STATE_PAUSED" => JobStatus::Paused,
        "JOB_STATE_SUCCEEDED" => JobStatus::Succeeded,
        // It ended; of use is what it left.
        "JOB_STATE_PARTIALLY_SUCCEEDED" if has_endpoint => JobStatus::Succeeded,
        "JOB_STATE_PARTIALLY_SUCCEEDED" | "JOB_STATE_FAILED" | "JOB_STATE_EXPIRED" => JobStatus::Failed,
        "JOB_STATE_CANCELLED" => JobStatus::Cancelled,
        // `CANCELLING` among them: it may still succeed.
        other => JobStatus::Other(other.trim_start_matches("JOB_STATE_").to_lowercase()),
    }
}

fn failure(value: &Value) -> Option<String> {
    let message = text(value, "/error/message").map(crate::text::one_line);
    let code = value.pointer("/error/code").and_then(count);
    match (message, code, text(value, "/state")) {
        (Some(message), Some(code), _) => Some(format!("{message} (code {code})")),
        (Some(message), None, _) => Some(message),
        (None, Some(code), _) => Some(format!("code {code}")),
        (None, None, Some("JOB_STATE_EXPIRED")) => Some("it took longer than the service allows".to_owned()),
        _ => None,
    }
}

/// Hyperparameters under the names that the user gives them.
fn resolved(value: &Value) -> Hyperparameters {
    let mut resolved = Hyperparameters::new();
    let number = |name: &str| value.pointer(&format!("/supervisedTuningSpec/hyperParameters/{name}"));
    if let Some(epochs) = number("epochCount").and_then(count) {
        resolved.insert("epoch_count".into(), epochs.into());
    }
    if let Some(multiplier) = number("learningRateMultiplier").and_then(Value::as_f64) {
        resolved.insert("learning_rate_multiplier".into(), multiplier.into());
    }
    let size = number("adapterSize").and_then(|size| ADAPTERS.iter().find(|(_, name)| size == name));
    if let Some((size, _)) = size {
        resolved.insert("adapter_size".into(), (*size).into());
    }
    resolved
}

fn stats(value: &Value) -> Option<&Value> {
    value.pointer("/tuningDataStats/supervisedTuningDataStats").filter(|stats| stats.is_object())
}

/// When it was created, to put the newest first.
pub(super) fn created(value: &Value) -> Option<Timestamp> {
    text(value, "/createTime")?.parse().ok()
}

/// The service keeps no list of events: they are made from what it says of the job. In whatever state a job is asked
/// for, the list begins with what it was before.
pub(super) fn events(value: &Value) -> Vec<JobEvent> {
    let said = |message: String| JobEvent { message, progress: None };
    let mut events = vec![said(format!("created, as {}", text(value, "/name").unwrap_or("a job")))];
    if let Some(start) = text(value, "/startTime") {
        events.push(said(format!("started at {start}")));
    }
    let ended = job(value).is_some_and(|job| job.status.is_final());
    let Some(stats) = stats(value) else {
        // What came first is told first: until the data was counted, nothing that comes after it is told.
        if ended {
            events.extend(checkpoint_events(value, None));
        }
        return events;
    };
    let number = |name: &str| stats.get(name).and_then(count);
    let steps = number("tuningStepCount");
    let counts = [
        ("rows", number("tuningDatasetExampleCount")),
        ("tokens to pay for in each epoch", number("totalBillableTokenCount")),
        ("steps", steps),
    ];
    let counts: Vec<_> =
        counts.iter().filter_map(|(what, count)| count.map(|count| format!("{count} {what}"))).collect();
    events.push(said(format!("the data was read: {}", counts.join(", "))));
    events.extend(lost_rows(stats).map(said));
    events.extend(checkpoint_events(value, steps));
    if text(value, "/state") == Some("JOB_STATE_PARTIALLY_SUCCEEDED") {
        events.push(said(format!("ended early: {}", failure(value).unwrap_or("no reason is given".into()))));
    }
    events
}

/// Rows that were dropped or cut off: a silent loss of training data explains many a poor result. The service gives the
/// number of all, and indices (from 1) and reasons of some.
fn lost_rows(stats: &Value) -> Option<String> {
    let reasons = list(stats, "/droppedExampleReasons");
    let total =
        stats.get("totalTruncatedExampleCount").and_then(count).unwrap_or(0).max(reasons.len() as u64);
    let mut reasons: Vec<_> = reasons.iter().filter_map(Value::as_str).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let mut message = format!("warning: {total} rows of the training file were dropped or cut off");
    let rows: Vec<_> = list(stats, "/truncatedExampleIndices").iter().filter_map(count).take(10).collect();
    if !rows.is_empty() {
        let rows = rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        message = format!("{message}, such as row {rows}");
    }
    if !reasons.is_empty() {
        message = format!("{message}: {}", reasons.join("; "));
    }
    (total > 0).then(|| crate::text::one_line(&message))
}

fn checkpoint_events(value: &Value, total_steps: Option<u64>) -> Vec<JobEvent> {
    let mut kept: Vec<_> = list(value, "/tunedModel/checkpoints")
        .iter()
        .map(|checkpoint| {
            let number = |name: &str| checkpoint.get(name).and_then(count).unwrap_or(0);
            (number("step"), number("epoch"))
        })
        .collect();
    kept.sort_unstable();
    let event = |(step, epoch): &(u64, u64)| JobEvent {
        message: format!("checkpoint after epoch {epoch}, step {step}"),
        progress: Some(TrainingProgress { step: *step, total_steps, train_loss: None }),
    };
    kept.iter().map(event).collect()
}

/// The checkpoints, each with an endpoint of its own.
pub(super) fn checkpoints(value: &Value) -> Vec<Checkpoint> {
    let read = |checkpoint: &Value| {
        Some(Checkpoint {
            model: text(checkpoint, "/endpoint")?.to_owned(),
            step: checkpoint.get("step").and_then(count).unwrap_or(0),
            train_loss: None,
            valid_loss: None,
        })
    };
    let mut kept: Vec<_> = list(value, "/tunedModel/checkpoints").iter().filter_map(read).collect();
    kept.sort_by_key(|checkpoint| checkpoint.step);
    kept
}

/// All endpoints of a job: that of its model, and those of the checkpoints.
pub(super) fn endpoints(value: &Value) -> Vec<Resource> {
    let all = text(value, "/tunedModel/endpoint").into_iter().map(str::to_owned);
    let mut found: Vec<Resource> = Vec::new();
    for name in all.chain(checkpoints(value).into_iter().map(|checkpoint| checkpoint.model)) {
        let resource = Resource::parse(&name).filter(|resource| !found.contains(resource));
        found.extend(resource);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::completions::tests::any_json;
    use super::*;

    #[test]
    fn states_are_read_leniently() {
        for (state, endpoint, status) in [
            ("JOB_STATE_QUEUED", false, JobStatus::Queued),
            ("JOB_STATE_PENDING", false, JobStatus::Queued),
            ("JOB_STATE_RUNNING", true, JobStatus::Running),
            ("JOB_STATE_CANCELLING", false, JobStatus::Other("cancelling".into())),
            ("JOB_STATE_UPDATING", false, JobStatus::Other("updating".into())),
            ("JOB_STATE_DREAMING", false, JobStatus::Other("dreaming".into())),
            ("", false, JobStatus::Other(String::new())),
            ("JOB_STATE_PARTIALLY_SUCCEEDED", true, JobStatus::Succeeded),
            ("JOB_STATE_PARTIALLY_SUCCEEDED", false, JobStatus::Failed),
            ("JOB_STATE_EXPIRED", false, JobStatus::Failed),
            ("JOB_STATE_CANCELLED", false, JobStatus::Cancelled),
        ] {
            let endpoint = if endpoint { "projects/1/locations/us/endpoints/2" } else { "" };
            let value = json!({"name": "projects/1/locations/us-central1/tuningJobs/3", "state": state,
                "tunedModel": {"endpoint": endpoint}});
            let job = job(&value).unwrap();
            assert_eq!(job.status, status, "{state}");
            assert_eq!(job.tuned_model.is_some(), status == JobStatus::Succeeded, "{state}");
        }
        assert_eq!(job(&json!({"state": "JOB_STATE_QUEUED"})), None);
    }

    /// A job at the end, as the service tells of it: integers of 64 bits as texts.
    fn finished() -> Value {
        json!({
            "name": "projects/1/locations/us-central1/tuningJobs/3", "state": "JOB_STATE_SUCCEEDED",
            "baseModel": "publishers/google/models/gemini-3.5-flash", "labels": {"tunebench_mark": "ab"},
            "createTime": "2026-11-22T10:00:00Z", "startTime": "2026-11-22T10:01:00Z",
            "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t", "hyperParameters":
                {"epochCount": "2", "adapterSize": "ADAPTER_SIZE_SIXTEEN", "learningRateMultiplier": 1}},
            "tuningDataStats": {"supervisedTuningDataStats": {"tuningDatasetExampleCount": "12", "tuningStepCount": "8",
                "totalBillableTokenCount": "900", "totalTruncatedExampleCount": "2", "truncatedExampleIndices": ["7", "11"],
                "droppedExampleReasons": ["empty answer", "empty answer"]}},
            "tunedModel": {"model": "projects/1/locations/us/models/9@1", "endpoint": "projects/1/locations/us/endpoints/8",
                "checkpoints": [
                    {"checkpointId": "2", "epoch": "2", "step": "8", "endpoint": "projects/1/locations/us/endpoints/8"},
                    {"checkpointId": "1", "epoch": "1", "step": "4", "endpoint": "projects/1/locations/us/endpoints/7"},
                ]},
        })
    }

    #[test]
    fn integers_come_as_texts() {
        let value = finished();
        let job = job(&value).unwrap();
        assert_eq!((job.base.as_str(), job.trained_tokens), ("gemini-3.5-flash", Some(1_800)));
        let hyperparameters = json!({"epoch_count": 2, "adapter_size": 16, "learning_rate_multiplier": 1.0});
        assert_eq!(Value::Object(job.hyperparameters), hyperparameters);
        let steps: Vec<_> = checkpoints(&value).into_iter().map(|checkpoint| checkpoint.step).collect();
        assert_eq!(steps, [4, 8]);
        assert_eq!(endpoints(&value).iter().map(Resource::id).collect::<Vec<_>>(), ["8", "7"]);
        let failed =
            json!({"name": "n", "state": "JOB_STATE_FAILED", "error": {"code": 3, "message": "bad\nrows"}});
        assert_eq!(super::job(&failed).unwrap().error.as_deref(), Some("bad rows (code 3)"));
    }

    #[test]
    fn events_tell_what_was_lost_and_only_grow() {
        let value = finished();
        let all = events(&value);
        let told: Vec<_> = all.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(told[2], "the data was read: 12 rows, 900 tokens to pay for in each epoch, 8 steps");
        let lost =
            "warning: 2 rows of the training file were dropped or cut off, such as row 7, 11: empty answer";
        assert_eq!(told[3], lost);
        assert_eq!(told[4..], ["checkpoint after epoch 1, step 4", "checkpoint after epoch 2, step 8"]);
        assert_eq!(all[5].progress.unwrap().total_steps, Some(8));
        for missing in ["startTime", "tuningDataStats", "tunedModel"] {
            let mut earlier = value.clone();
            earlier["state"] = "JOB_STATE_RUNNING".into();
            let order = ["startTime", "tuningDataStats", "tunedModel"];
            let from = order.iter().position(|name| *name == missing).unwrap();
            order[from..].iter().for_each(|name| _ = earlier.as_object_mut().unwrap().remove(*name));
            let earlier = events(&earlier);
            assert_eq!(earlier, all[..earlier.len()], "{missing}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_a_panic(value in any_json()) {
            let read = job(&value);
            prop_assert!(read.is_none_or(|job| job.status == JobStatus::Succeeded || job.tuned_model.is_none()));
            let told = events(&value);
            prop_assert!(told.iter().all(|event| !event.message.is_empty()));
            let _ = (checkpoints(&value), endpoints(&value), created(&value));
        }
    }
}
