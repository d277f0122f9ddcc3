//! Jobs and deployments as Alibaba has them. Pure translation, read leniently.

use serde_json::{Map, Value, json};

use crate::openai::marks;
use crate::{FileId, Job, JobId, JobMark, JobRequest, JobStatus, SettingError, TuningSpec};

/// What is sent where the user names none: the service asks for these.
pub(super) const EPOCHS: u64 = 3;
const BATCH: u64 = 16;
const LONGEST: u64 = 8_192;

/// The body of `POST /fine-tunes`. There is no metadata: the mark is the name of the model.
pub(super) fn order(request: &JobRequest) -> Result<Value, SettingError> {
    let mut body = json!({
        "model": request.spec.base,
        "training_file_ids": [request.training_file.0],
        // Adapters; only these are deployed without an hourly fee.
        "training_type": "efficient_sft",
        "hyper_parameters": hyperparameters(&request.spec)?,
        "model_name": marks::named(&request.mark),
    });
    if let (Some(file), Some(body)) = (&request.validation_file, body.as_object_mut()) {
        body.insert("validation_file_ids".into(), json!([file.0]));
    }
    Ok(body)
}

/// Checks what the user set, and adds what must be there.
pub(super) fn hyperparameters(spec: &TuningSpec) -> Result<Map<String, Value>, SettingError> {
    let mut numbers = Map::new();
    for (name, number) in [("n_epochs", EPOCHS), ("batch_size", BATCH), ("max_length", LONGEST)] {
        numbers.insert(name.to_owned(), number.into());
    }
    for (name, value) in &spec.hyperparameters {
        let whole = |most: u64| value.as_u64().filter(|number| (1..=most).contains(number)).map(Value::from);
        let (good, wanted) = match name.as_str() {
            "n_epochs" => (whole(200), "a whole number from 1 to 200"),
            "batch_size" => (whole(1_024), "a whole number from 1 to 1024"),
            "max_length" => (whole(131_072), "a whole number of tokens from 1 to 131072"),
            "lora_rank" => (whole(512), "a whole number from 1 to 512"),
            // Absolute, and written as a text.
            "learning_rate" => {
                let rate = value.as_f64().filter(|rate| *rate > 0.0 && *rate < 1.0);
                (rate.map(|rate| format!("{rate:e}").into()), "a number between 0 and 1, such as 1.6e-5")
            }
            _ => {
                let known = ["n_epochs", "batch_size", "max_length", "learning_rate", "lora_rank"];
                return Err(SettingError::unknown("hyperparameter", name, known));
            }
        };
        let Some(good) = good else {
            return Err(SettingError::at(name, format!("`{name}` must be {wanted}")));
        };
        numbers.insert(name.clone(), good);
    }
    Ok(numbers)
}

fn text<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| value.get(name)?.as_str()).filter(|text| !text.is_empty())
}

/// The name of what a job has trained, which can be deployed.
pub(super) fn trained(job: &Value) -> Option<&str> {
    text(job, &["finetuned_output", "finetuned_model"])
}

/// A job; `None` if it has no id. Its model is not named here: it does not answer yet.
pub(super) fn job(value: &Value) -> Option<Job> {
    let status = match text(value, &["status"]).unwrap_or("UNKNOWN") {
        "PENDING" => JobStatus::Queued,
        "RUNNING" => JobStatus::Running,
        "SUSPENDED" => JobStatus::Paused,
        "SUCCEEDED" => JobStatus::Succeeded,
        "FAILED" => JobStatus::Failed,
        "CANCELED" => JobStatus::Cancelled,
        other => JobStatus::Other(other.to_ascii_lowercase()),
    };
    let id = JobId(text(value, &["job_id"])?.to_owned());
    let mut job = Job::new(id, status, text(value, &["model", "base_model"]).unwrap_or_default());
    job.mark = mark(value);
    job.error = text(value, &["message", "code"]).map(str::to_owned);
    job.hyperparameters =
        value.get("hyper_parameters").and_then(Value::as_object).cloned().unwrap_or_default();
    let files = ["training_file_ids", "validation_file_ids"];
    let files = files.iter().filter_map(|name| value.get(*name)?.as_array()).flatten();
    job.files = files.filter_map(Value::as_str).map(|id| FileId(id.to_owned())).collect();
    // An object, or a number alone.
    let used = value.get("usage").filter(|_| job.status == JobStatus::Succeeded);
    job.trained_tokens = used.and_then(|used| used.as_u64().or_else(|| used.get("total_tokens")?.as_u64()));
    Some(job)
}

/// Our mark, from whichever of a job's names holds it.
fn mark(job: &Value) -> Option<JobMark> {
    let names = ["model_name", "job_name", "finetuned_output", "finetuned_model"];
    names.iter().filter_map(|name| job.get(name)?.as_str()).find_map(marks::read)
}

/// Where a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Comes,
    Answers,
    Failed,
    Gone,
}

/// A trained model that answers, or will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deployment {
    /// How to ask it.
    pub(super) name: String,
    /// The model that was trained.
    pub(super) trained: String,
    pub(super) state: State,
}

/// A deployment; `None` if it has no name.
pub(super) fn deployment(value: &Value) -> Option<Deployment> {
    let state = match text(value, &["status"]).unwrap_or_default() {
        "RUNNING" | "SERVING" => State::Answers,
        "FAILED" => State::Failed,
        "DELETING" | "DELETED" => State::Gone,
        _ => State::Comes,
    };
    let name = text(value, &["deployed_model"])?.to_owned();
    let trained = text(value, &["model_name", "model"]).unwrap_or_default().to_owned();
    Some(Deployment { name, trained, state })
}

/// The lines of a log, which comes as a text or as a list of lines.
pub(super) fn log_lines(logs: Option<&Value>) -> Vec<String> {
    match logs {
        Some(Value::String(text)) => text.lines().map(str::to_owned).collect(),
        Some(Value::Array(lines)) => {
            lines.iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(hyperparameters: Value) -> TuningSpec {
        TuningSpec::new("qwen3-14b", hyperparameters.as_object().cloned().unwrap(), 1)
    }

    #[test]
    fn what_must_be_sent_is_sent_and_a_rate_is_a_text() {
        let usual = hyperparameters(&spec(json!({}))).unwrap();
        assert_eq!(Value::from(usual), json!({"n_epochs": 3, "batch_size": 16, "max_length": 8192}));
        let own = hyperparameters(&spec(json!({"n_epochs": 1, "learning_rate": 0.000016}))).unwrap();
        assert_eq!((&own["n_epochs"], &own["learning_rate"]), (&json!(1), &json!("1.6e-5")));
        for (wrong, name) in [
            (json!({"n_epochs": 0}), "n_epochs"),
            (json!({"learning_rate": "1e-5"}), "learning_rate"),
            (json!({"learning_rate_multiplier": 2}), "learning_rate_multiplier"),
            (json!({"batch_size": "auto"}), "batch_size"),
        ] {
            assert_eq!(hyperparameters(&spec(wrong)).unwrap_err().setting.as_deref(), Some(name));
        }
    }

    #[test]
    fn usage_is_an_object_or_a_number() {
        for usage in [json!(70), json!({"total_tokens": 70})] {
            let done = json!({"job_id": "ft-1", "status": "SUCCEEDED", "usage": usage});
            assert_eq!(job(&done).unwrap().trained_tokens, Some(70));
        }
        assert_eq!(
            job(&json!({"job_id": "ft-1", "status": "RUNNING", "usage": 3})).unwrap().trained_tokens,
            None
        );
        assert_eq!(job(&json!({"status": "RUNNING"})), None);
        assert!(!job(&json!({"job_id": "ft-1", "status": "NEW"})).unwrap().status.is_final());
    }

    proptest! {
        #[test]
        fn any_text_is_a_name(name in "\\PC{0,60}|(tb-[0-9a-f]{30,34}é?){0,2}") {
            let value = json!({"job_id": name, "job_name": name, "deployed_model": name, "status": name});
            let (_, _) = (job(&value), deployment(&value));
        }
    }
}
