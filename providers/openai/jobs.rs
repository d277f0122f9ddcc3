//! Jobs as the service has them: what is ordered, and what it says of them.
//!
//! Pure translation. Answers are read leniently: all but `id` and `status` may be missing or null, and OpenAI's own
//! examples break its own schema.

use serde_json::{Map, Value, json};

use super::hosts::TuningHost;
use super::marks;
use crate::{
    Checkpoint, FileId, Hyperparameters, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus, SettingError,
    TrainingProgress, TuningSpec,
};

/// The key under which a job carries our mark.
pub(super) const MARK: &str = "tunebench_mark";

/// The body of `POST /fine_tuning/jobs`. To a host that is known nothing is sent that it does not know: what it ignores
/// without a word would train with defaults.
pub(super) fn order(request: &JobRequest, host: Option<&TuningHost>) -> Result<Value, SettingError> {
    let (numbers, suffix) = hyperparameters(&request.spec, host)?;
    let mut body = Map::new();
    body.insert("model".into(), request.spec.base.as_str().into());
    body.insert("training_file".into(), request.training_file.0.as_str().into());
    if let Some(file) = &request.validation_file {
        body.insert("validation_file".into(), file.0.as_str().into());
    }
    if host.is_some_and(|host| host.plain) {
        body.insert("hyperparameters".into(), numbers.into());
    } else {
        let method = json!({"type": "supervised", "supervised": {"hyperparameters": numbers}});
        body.insert("method".into(), method);
        // The service takes 31 bits.
        body.insert("seed".into(), (request.spec.seed & 0x7fff_ffff).into());
    }
    let marked = host.is_some_and(|host| !host.metadata).then(|| marks::named(&request.mark));
    if marked.is_none() {
        body.insert("metadata".into(), json!({MARK: request.mark.0, "tool": "tunebench"}));
    }
    if let Some(suffix) = marked.or(suffix) {
        body.insert("suffix".into(), suffix.into());
    }
    Ok(Value::Object(body))
}

/// Checks what the user set: the numbers of the method, and the suffix of the model's name.
pub(super) fn hyperparameters(
    spec: &TuningSpec,
    host: Option<&TuningHost>,
) -> Result<(Hyperparameters, Option<String>), SettingError> {
    match host {
        Some(host) => Ok((of_host(spec, host)?, None)),
        None => of_openai(spec),
    }
}

/// Those that a host is known to take, with what is always sent.
fn of_host(spec: &TuningSpec, host: &TuningHost) -> Result<Hyperparameters, SettingError> {
    let mut numbers = host.always.clone();
    for (name, value) in &spec.hyperparameters {
        let Some(knob) = host.hyperparameters.get(name) else {
            let known = host.hyperparameters.keys().map(String::as_str);
            return Err(SettingError::unknown("hyperparameter", name, known));
        };
        if let Some(wanted) = knob.refusal(value) {
            return Err(SettingError::at(name, format!("`{name}` must be {wanted}")));
        }
        numbers.insert(name.clone(), value.clone());
    }
    Ok(numbers)
}

fn of_openai(spec: &TuningSpec) -> Result<(Hyperparameters, Option<String>), SettingError> {
    let (mut numbers, mut suffix) = (Hyperparameters::new(), None);
    for (name, value) in &spec.hyperparameters {
        let wrong = |wanted: &str| SettingError::at(name, format!("`{name}` must be {wanted}"));
        let auto = value.as_str() == Some("auto");
        let whole = |most: u64| value.as_u64().is_some_and(|number| (1..=most).contains(&number));
        let (good, wanted) = match name.as_str() {
            "n_epochs" => (auto || whole(50), "a whole number from 1 to 50, or \"auto\""),
            "batch_size" => (auto || whole(256), "a whole number from 1 to 256, or \"auto\""),
            "learning_rate_multiplier" => {
                let positive = value.as_f64().is_some_and(|number| number > 0.0 && number.is_finite());
                (auto || positive, "a number above 0, or \"auto\"")
            }
            "suffix" => {
                suffix = value.as_str().map(str::to_owned);
                let length = suffix.as_ref().map_or(0, |suffix| suffix.chars().count());
                ((1..=64).contains(&length), "a string of 1 to 64 characters")
            }
            _ => {
                let known = ["n_epochs", "batch_size", "learning_rate_multiplier", "suffix"];
                return Err(SettingError::unknown("hyperparameter", name, known));
            }
        };
        if !good {
            return Err(wrong(wanted));
        }
        if name != "suffix" {
            numbers.insert(name.clone(), value.clone());
        }
    }
    Ok((numbers, suffix))
}

/// How many epochs a job takes that is told none, by the rule of OpenAI's cookbook ("Data preparation and analysis for
/// chat model fine-tuning"): three, more where there are under 100 rows in all of them, fewer above 25,000.
pub(super) fn auto_epochs(rows: u64) -> u64 {
    let rows = rows.max(1);
    match rows.saturating_mul(3) {
        ..100 => (100 / rows).min(25),
        25_001.. => (25_000 / rows).max(1),
        _ => 3,
    }
}

/// A job object; `None` if it has no id.
pub(super) fn job(value: &Value) -> Option<Job> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let status = match text("/status").unwrap_or("unknown") {
        "validating_files" | "queued" => JobStatus::Queued,
        "running" => JobStatus::Running,
        "paused" => JobStatus::Paused,
        "succeeded" => JobStatus::Succeeded,
        "failed" => JobStatus::Failed,
        "cancelled" => JobStatus::Cancelled,
        other => JobStatus::Other(other.to_owned()),
    };
    let mut job = Job::new(JobId(text("/id")?.to_owned()), status, text("/model").unwrap_or_default());
    let named = || ["/user_provided_suffix", "/suffix"].iter().find_map(|name| marks::read(text(name)?));
    job.mark = text(&format!("/metadata/{MARK}")).map(|mark| JobMark(mark.to_owned())).or_else(named);
    // Until the job has succeeded, a name here may be of a model that will not be.
    job.tuned_model =
        text("/fine_tuned_model").filter(|_| job.status == JobStatus::Succeeded).map(str::to_owned);
    job.error = text("/error/message").or(text("/error/code")).map(|message| match text("/error/param") {
        Some(param) => format!("{message} ({param})"),
        None => message.to_owned(),
    });
    let resolved =
        value.pointer("/method/supervised/hyperparameters").or_else(|| value.get("hyperparameters"));
    let resolved = resolved.and_then(Value::as_object).cloned().unwrap_or_default();
    job.hyperparameters = resolved.into_iter().filter(|(_, value)| !value.is_null()).collect();
    if let Some(seed) = value.get("seed").filter(|seed| seed.is_number()) {
        job.hyperparameters.insert("seed".into(), seed.clone());
    }
    let one = ["training_file", "validation_file"].into_iter().filter_map(|name| value.get(name)?.as_str());
    let results = value.get("result_files").and_then(Value::as_array).into_iter().flatten();
    let files = one.chain(results.filter_map(Value::as_str));
    job.files = files.map(|id| FileId(id.to_owned())).collect();
    job.trained_tokens = value.get("trained_tokens").and_then(Value::as_u64);
    Some(job)
}

/// An event; metrics carry numbers in `data`.
pub(super) fn event(value: &Value) -> JobEvent {
    let message = value.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| value.get("data")?.get(name);
    let progress = number("step").and_then(whole).map(|step| TrainingProgress {
        step,
        total_steps: number("total_steps").and_then(whole),
        train_loss: number("train_loss").and_then(Value::as_f64),
    });
    JobEvent { message, progress }
}

pub(super) fn checkpoint(value: &Value) -> Option<Checkpoint> {
    let metric = |name: &str| value.get("metrics")?.get(name)?.as_f64();
    let text = |name: &str| value.get(name)?.as_str();
    // Where a checkpoint is no model that answers, job and checkpoint name it.
    let unnamed = || Some(format!("{}:{}", text("fine_tuning_job_id")?, text("id")?));
    Some(Checkpoint {
        model: text("fine_tuned_model_checkpoint").map(str::to_owned).or_else(unnamed)?,
        step: value.get("step_number").and_then(whole)?,
        train_loss: metric("train_loss"),
        valid_loss: metric("full_valid_loss").or_else(|| metric("valid_loss")),
    })
}

/// A whole number, also where it is written `3.0`.
fn whole(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|number| (0.0..1e15).contains(number)).map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(hyperparameters: Value) -> TuningSpec {
        let Value::Object(hyperparameters) = hyperparameters else { panic!("a table") };
        TuningSpec::new("gpt-4.1-mini-2025-04-14", hyperparameters, u64::MAX)
    }

    #[test]
    fn an_order_says_all_that_was_set() {
        let spec = spec(json!({"n_epochs": 3, "learning_rate_multiplier": "auto", "suffix": "bank"}));
        let request = JobRequest::new(spec, FileId("file-1".into()), JobMark("ab12".into()));
        assert_eq!(
            order(&request.validation_file(FileId("file-2".into())), None).unwrap(),
            json!({
                "model": "gpt-4.1-mini-2025-04-14", "training_file": "file-1", "validation_file": "file-2",
                "method": {"type": "supervised", "supervised": {"hyperparameters": {
                    "n_epochs": 3, "learning_rate_multiplier": "auto",
                }}},
                "suffix": "bank", "seed": 2_147_483_647,
                "metadata": {"tunebench_mark": "ab12", "tool": "tunebench"},
            })
        );
    }

    #[test]
    fn wrong_hyperparameters_are_named() {
        for (name, value) in [
            ("n_epochs", json!(0)),
            ("n_epochs", json!(51)),
            ("n_epochs", json!(2.5)),
            ("batch_size", json!(257)),
            ("batch_size", json!("all")),
            ("learning_rate_multiplier", json!(0)),
            ("learning_rate_multiplier", json!(-0.1)),
            ("suffix", json!("")),
            ("suffix", json!("x".repeat(65))),
            ("suffix", json!(7)),
            ("epochs", json!(3)),
        ] {
            let error = hyperparameters(&spec(json!({name: value.clone()})), None).unwrap_err();
            assert_eq!(error.setting.as_deref(), Some(name), "{value}");
        }
    }

    fn host(name: &str) -> &'static TuningHost {
        crate::openai::hosts::Host::all()[name].tuning.as_ref().unwrap()
    }

    #[test]
    fn a_host_gets_nothing_that_it_does_not_know() {
        let mark = JobMark("0a".repeat(16));
        let request = |set: Value| JobRequest::new(spec(set), FileId("file-1".into()), mark.clone());
        let nebius = request(json!({"learning_rate": 2e-5, "n_epochs": 3}));
        let nebius = order(&nebius, Some(host("nebius"))).unwrap();
        assert_eq!(
            nebius,
            json!({
                "model": "gpt-4.1-mini-2025-04-14", "training_file": "file-1", "suffix": marks::named(&mark),
                "hyperparameters": {"learning_rate": 2e-5, "n_epochs": 3, "lora": true},
            })
        );
        let azure = request(json!({"learning_rate_multiplier": "auto"}));
        let azure = order(&azure, Some(host("azure"))).unwrap();
        let method = &azure["method"]["supervised"]["hyperparameters"];
        assert_eq!(*method, json!({"learning_rate_multiplier": "auto"}));
        assert!(azure.get("metadata").is_none() && azure["suffix"].as_str().unwrap().len() <= 40);
        for (name, set, words) in [
            (
                "nebius",
                json!({"learning_rate_multiplier": 2}),
                "unknown hyperparameter `learning_rate_multiplier`",
            ),
            ("nebius", json!({"n_epochs": "auto"}), "a whole number from 1 to 20"),
            ("nebius", json!({"lora_r": 4}), "a whole number from 8 to 128"),
            ("nebius", json!({"learning_rate": 0}), "a number from"),
            ("nebius", json!({"packing": 1}), "true or false"),
            ("azure", json!({"learning_rate": 1e-5}), "unknown hyperparameter `learning_rate`"),
            ("azure", json!({"n_epochs": 51}), "or \"auto\""),
            ("crusoe", json!({"lora_r": 8}), "expected `n_epochs`"),
        ] {
            let error = hyperparameters(&spec(set.clone()), Some(host(name))).unwrap_err();
            assert!(error.setting.is_some() && error.message.contains(words), "{name} {set}: {error}");
        }
        let found = job(&json!({"id": "j", "status": "running", "suffix": nebius["suffix"]})).unwrap();
        assert_eq!(found.mark, Some(mark));
    }

    #[test]
    fn jobs_are_read_leniently() {
        let read = |value: Value| job(&value).unwrap();
        for (status, meant) in [
            ("validating_files", JobStatus::Queued),
            ("paused", JobStatus::Paused),
            ("dreaming", JobStatus::Other("dreaming".into())),
        ] {
            let job =
                read(json!({"id": "ftjob-1", "status": status, "fine_tuned_model": "ft:x", "error": null}));
            assert_eq!((&job.status, job.tuned_model, job.error), (&meant, None, None));
            assert!(!job.status.is_final());
        }
        let failed = json!({"id": "ftjob-1", "status": "failed", "model": null, "trained_tokens": null,
            "error": {"code": "invalid_training_file", "message": "bad rows", "param": "training_file"}});
        assert_eq!(read(failed).error.as_deref(), Some("bad rows (training_file)"));
        let done =
            read(json!({"id": "ftjob-1", "status": "succeeded", "fine_tuned_model": "ft:x", "seed": 7,
            "hyperparameters": {"n_epochs": 3, "batch_size": null}, "trained_tokens": 900}));
        assert_eq!((done.tuned_model.as_deref(), done.trained_tokens), (Some("ft:x"), Some(900)));
        assert_eq!(Value::Object(done.hyperparameters), json!({"n_epochs": 3, "seed": 7}));
        assert_eq!(job(&json!({"status": "queued"})), None);
    }

    #[test]
    fn few_rows_are_seen_more_often_and_many_less() {
        let epochs = [1, 10, 33, 34, 8333, 12_000, 1_000_000].map(auto_epochs);
        assert_eq!(epochs, [25, 10, 3, 3, 3, 2, 1]);
    }
}
