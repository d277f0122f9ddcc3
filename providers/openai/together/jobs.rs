//! Jobs as Together has them: what is ordered, and what it says of them. Pure translation, read leniently.

use serde_json::{Map, Value, json};

use super::{text, tuned};
use crate::openai::marks;
use crate::{
    Checkpoint, FileId, Job, JobEvent, JobId, JobMark, JobRequest, JobStatus, LossPoint, SettingError,
    TrainingProgress, TuningSpec,
};

/// The service's own default goes over the data once, which is too little for some hundred rows.
const EPOCHS: u64 = 3;
/// The default of the API is one for full training, and too low for an adapter by two orders.
const RATE: f64 = 1e-3;

/// What the user set, checked as far as it can be without the service, and what is sent where nothing is set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) base: String,
    pub(super) epochs: u64,
    /// None for as many as fit.
    pub(super) batch: Option<u64>,
    pub(super) rate: f64,
    /// None for the service's own.
    pub(super) rank: Option<u64>,
    alpha: Option<u64>,
    dropout: Option<f64>,
    warmup: f64,
    decay: f64,
    /// None for one after each epoch, where there is something to measure on.
    pub(super) evals: Option<u64>,
    pub(super) checkpoints: u64,
    seed: u64,
}

/// What the `tune` table of a model can hold.
const KNOWN: [&str; 10] = [
    "n_epochs",
    "batch_size",
    "learning_rate",
    "lora_r",
    "lora_alpha",
    "lora_dropout",
    "warmup_ratio",
    "weight_decay",
    "n_evals",
    "n_checkpoints",
];

impl Order {
    /// Reads the hyperparameters. What is not known is refused here: the service would train without it.
    pub(super) fn read(spec: &TuningSpec) -> Result<Self, SettingError> {
        let mut order = Self {
            base: spec.base.clone(),
            epochs: EPOCHS,
            batch: None,
            rate: RATE,
            rank: None,
            alpha: None,
            dropout: None,
            warmup: 0.0,
            decay: 0.0,
            evals: None,
            checkpoints: 1,
            // What the service takes is not told; this many bits fit everywhere.
            seed: spec.seed & 0x7fff_ffff,
        };
        for (name, value) in &spec.hyperparameters {
            order.set(name, value)?;
        }
        if order.alpha.is_some() && order.rank.is_none() {
            return Err(SettingError::at("lora_alpha", "`lora_alpha` needs `lora_r` beside it"));
        }
        Ok(order)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), SettingError> {
        let wrong = |wanted: &str| SettingError::at(name, format!("`{name}` must be {wanted}"));
        let whole = |least: u64| {
            let number = value.as_u64().filter(|number| (least..=100_000).contains(number));
            number.ok_or_else(|| wrong(&format!("a whole number from {least}")))
        };
        let share = || {
            let number = value.as_f64().filter(|number| (0.0..1.0).contains(number));
            number.ok_or_else(|| wrong("a number from 0 to below 1"))
        };
        match name {
            "n_epochs" => self.epochs = whole(1)?,
            "batch_size" if value.as_str() == Some("max") => self.batch = None,
            "batch_size" => {
                self.batch = Some(whole(1).map_err(|_| wrong("a whole number, or \"max\""))?);
            }
            "learning_rate" => {
                let rate = value.as_f64().filter(|rate| *rate > 0.0 && *rate < 1.0);
                self.rate = rate.ok_or_else(|| wrong("a number between 0 and 1, such as 1e-3"))?;
            }
            "lora_r" => self.rank = Some(whole(1)?),
            "lora_alpha" => self.alpha = Some(whole(1)?),
            "lora_dropout" => self.dropout = Some(share()?),
            "warmup_ratio" => self.warmup = share()?,
            "weight_decay" => self.decay = share()?,
            "n_evals" => self.evals = Some(whole(0)?),
            "n_checkpoints" => self.checkpoints = whole(1)?,
            _ => return Err(SettingError::unknown("hyperparameter", name, KNOWN)),
        }
        Ok(())
    }

    /// The training as `POST /v1/fine-tunes` has it. Everything is said: defaults there have changed without a word.
    fn members(&self, validates: bool) -> Map<String, Value> {
        let mut kind = json!({"type": "Lora", "lora_trainable_modules": "all-linear"});
        if let Some(rank) = self.rank {
            kind["lora_r"] = rank.into();
            kind["lora_alpha"] = self.alpha.unwrap_or(2 * rank).into();
        }
        if let Some(dropout) = self.dropout {
            kind["lora_dropout"] = dropout.into();
        }
        let evals = if validates { self.evals.unwrap_or(self.epochs) } else { 0 };
        let members = json!({
            "model": self.base, "n_epochs": self.epochs, "n_evals": evals, "n_checkpoints": self.checkpoints,
            "batch_size": self.batch.map_or_else(|| "max".into(), Value::from), "learning_rate": self.rate,
            "lr_scheduler": {"lr_scheduler_type": "cosine", "lr_scheduler_args": {"min_lr_ratio": 0.0, "num_cycles": 0.5}},
            "warmup_ratio": self.warmup, "weight_decay": self.decay, "max_grad_norm": 1.0,
            // Without it every row is billed as long as the longest may be.
            "packing": true,
            "training_type": kind, "training_method": {"method": "sft", "train_on_inputs": "auto"},
            "random_seed": self.seed,
        });
        members.as_object().cloned().unwrap_or_default()
    }
}

/// The body of `POST /v1/fine-tunes`. There is no metadata: the mark is in the suffix.
pub(super) fn order(request: &JobRequest) -> Result<Value, SettingError> {
    let mut body = Order::read(&request.spec)?.members(request.validation_file.is_some());
    body.insert("training_file".into(), request.training_file.0.as_str().into());
    if let Some(file) = &request.validation_file {
        body.insert("validation_file".into(), file.0.as_str().into());
    }
    body.insert("suffix".into(), marks::named(&request.mark).into());
    Ok(body.into())
}

/// The body of `POST /v1/fine-tunes/estimate-price`.
pub(super) fn estimate(request: &JobRequest) -> Result<Value, SettingError> {
    let mut body = order(request)?;
    let wanted = [
        "training_file",
        "validation_file",
        "model",
        "n_epochs",
        "n_evals",
        "training_type",
        "training_method",
    ];
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| wanted.contains(&name.as_str()));
    }
    Ok(body)
}

/// How often a job goes over its data.
pub(super) fn epochs(spec: &TuningSpec) -> u64 {
    spec.hyperparameters.get("n_epochs").and_then(Value::as_u64).unwrap_or(EPOCHS)
}

/// What a finished job has left to deploy: the merged model, or the adapter alone where none is made.
fn object(job: &Value) -> Option<&str> {
    text(job, &["model_object_id", "adapter_object_id"]).filter(|id| id.starts_with("ml_"))
}

/// A job; `None` if it has no id. In lists and in the answer to an order its model is not named yet.
pub(super) fn job(value: &Value) -> Option<Job> {
    let status = match text(value, &["status"]).unwrap_or("unknown").to_ascii_lowercase().as_str() {
        "pending" | "queued" => JobStatus::Queued,
        "running" | "compressing" | "uploading" => JobStatus::Running,
        "completed" => JobStatus::Succeeded,
        "error" | "user_error" => JobStatus::Failed,
        "cancelled" => JobStatus::Cancelled,
        other => JobStatus::Other(other.replace('_', " ")),
    };
    let base = text(value, &["model"]).unwrap_or_default();
    let mut job = Job::new(JobId(text(value, &["id"])?.to_owned()), status, base);
    job.mark = mark(value);
    job.tuned_model =
        object(value).filter(|_| job.status == JobStatus::Succeeded).map(|object| tuned(base, object));
    if job.status == JobStatus::Failed {
        job.error = last_error(value);
    }
    let names = ["n_epochs", "batch_size", "learning_rate", "n_evals", "random_seed", "training_type"];
    job.hyperparameters = names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), value.get(name).filter(|value| !value.is_null())?.clone())))
        .collect();
    let files = ["training_file", "validation_file"];
    job.files = files.iter().filter_map(|name| text(value, &[name])).map(|id| FileId(id.into())).collect();
    job.trained_tokens = value.get("token_count").and_then(Value::as_u64).filter(|tokens| *tokens > 0);
    Some(job)
}

/// Our mark in the suffix, or in the name of what was made.
fn mark(job: &Value) -> Option<JobMark> {
    let names = ["suffix", "model_output_name", "model_object_name"];
    names.iter().filter_map(|name| text(job, &[name])).find_map(marks::read)
}

fn last_error(job: &Value) -> Option<String> {
    let events = job.get("events").and_then(Value::as_array)?;
    let failed = events.iter().rev().find(|event| {
        let kind = text(event, &["type"]).unwrap_or_default().to_ascii_lowercase();
        kind == "job_error" || text(event, &["level"]).is_some_and(|level| level.ends_with("error"))
    });
    text(failed?, &["message"]).map(str::to_owned)
}

/// An event. What concerns the bill or a new beginning is told as such.
pub(super) fn event(value: &Value) -> JobEvent {
    let message = text(value, &["message"]).unwrap_or_default();
    let level = text(value, &["level"]).unwrap_or_default().to_ascii_lowercase();
    let message = if level.ends_with("warning") || level.ends_with("error") {
        format!("{}: {message}", if level.ends_with("error") { "error" } else { "warning" })
    } else {
        message.to_owned()
    };
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    let progress = number("step").filter(|step| *step > 0).map(|step| TrainingProgress {
        step,
        total_steps: number("total_steps").filter(|total| *total > 0),
        train_loss: None,
    });
    JobEvent { message, progress }
}

/// A checkpoint that can be deployed.
pub(super) fn checkpoint(base: &str, value: &Value) -> Option<Checkpoint> {
    let object = text(value, &["object_id"]).filter(|id| id.starts_with("ml_"))?;
    let step = value.get("step").and_then(Value::as_u64)?;
    Some(Checkpoint { model: tuned(base, object), step, train_loss: None, valid_loss: None })
}

/// Losses by step. Each set of metrics is a table of names and numbers.
pub(super) fn losses(metrics: &Value) -> Vec<LossPoint> {
    let sets = metrics.get("metrics").and_then(Value::as_array).into_iter().flatten();
    let mut points: Vec<LossPoint> = sets
        .filter_map(|set| {
            let number = |names: &[&str]| names.iter().find_map(|name| set.get(*name)?.as_f64());
            let step = number(&["train/global_step", "global_step", "step"])?;
            let train_loss = number(&["train/loss", "loss"]);
            let valid_loss = number(&["eval/loss", "eval_loss"]);
            let known = (0.0..1e15).contains(&step) && train_loss.or(valid_loss).is_some();
            known.then(|| LossPoint { step: step as u64, train_loss, valid_loss, ..LossPoint::default() })
        })
        .collect();
    points.sort_by_key(|point| point.step);
    points.dedup_by(|later, first| {
        let same = later.step == first.step;
        if same {
            first.train_loss = first.train_loss.or(later.train_loss);
            first.valid_loss = first.valid_loss.or(later.valid_loss);
        }
        same
    });
    points
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(hyperparameters: Value) -> TuningSpec {
        TuningSpec::new("Qwen/Qwen3.5-0.8B", hyperparameters.as_object().cloned().unwrap(), u64::MAX)
    }

    #[test]
    fn an_order_says_everything_and_the_rate_is_one_for_adapters() {
        let request =
            JobRequest::new(spec(json!({"lora_r": 16})), FileId("f1".into()), JobMark("a".repeat(32)));
        let body = order(&request.clone().validation_file(FileId("f2".into()))).unwrap();
        assert_eq!(
            (&body["learning_rate"], &body["n_epochs"], &body["n_evals"]),
            (&json!(1e-3), &json!(3), &json!(3))
        );
        assert_eq!((&body["packing"], &body["batch_size"]), (&json!(true), &json!("max")));
        assert_eq!(
            (&body["training_type"]["lora_alpha"], &body["random_seed"]),
            (&json!(32), &json!(0x7fff_ffff))
        );
        assert_eq!(body["suffix"].as_str().map(str::len), Some(35));
        // Without held-out data nothing is measured, and so nothing is asked for.
        assert_eq!(order(&request.clone()).unwrap()["n_evals"], 0);
        assert!(estimate(&request).unwrap().get("suffix").is_none());
    }

    #[test]
    fn wrong_hyperparameters_are_named() {
        for (set, name) in [
            (json!({"learning_rate_multiplier": 2}), "learning_rate_multiplier"),
            (json!({"learning_rate": "auto"}), "learning_rate"),
            (json!({"learning_rate": 1}), "learning_rate"),
            (json!({"n_epochs": 0}), "n_epochs"),
            (json!({"batch_size": "auto"}), "batch_size"),
            (json!({"lora_dropout": 1}), "lora_dropout"),
            (json!({"lora_alpha": 8}), "lora_alpha"),
        ] {
            let error = Order::read(&spec(set.clone())).unwrap_err();
            assert_eq!(error.setting.as_deref(), Some(name), "{set}");
        }
    }

    #[test]
    fn a_model_is_named_when_there_is_one() {
        let done = json!({"id": "ft-1", "status": "completed", "model": "Qwen/Q", "model_object_id": "ml_7",
            "adapter_object_id": "ml_8", "suffix": format!("tb-{}", "0a".repeat(16)), "token_count": 90});
        let read = job(&done).unwrap();
        assert_eq!((read.tuned_model.as_deref(), read.trained_tokens), (Some("Qwen/Q@ml_7"), Some(90)));
        assert_eq!(read.mark, Some(JobMark("0a".repeat(16))));
        let adapter =
            json!({"id": "ft-1", "status": "COMPLETED", "model": "Qwen/Q", "adapter_object_id": "ml_8"});
        assert_eq!(job(&adapter).unwrap().tuned_model.as_deref(), Some("Qwen/Q@ml_8"));
        for (status, last) in
            [("uploading", false), ("cancel_requested", false), ("user_error", true), ("dreaming", false)]
        {
            let read = job(&json!({"id": "ft-1", "status": status, "model_object_id": "ml_7"})).unwrap();
            assert_eq!((read.status.is_final(), read.tuned_model), (last, None), "{status}");
        }
        let failed = json!({"id": "ft-1", "status": "error", "events": [
            {"type": "JOB_ERROR", "level": "error", "message": "no room"}, {"type": "refund", "message": "paid back"}]});
        assert_eq!(job(&failed).unwrap().error.as_deref(), Some("no room"));
    }

    #[test]
    fn losses_of_one_step_are_one_point() {
        let metrics = json!({"metrics": [
            {"train/global_step": 2, "train/loss": 0.5}, {"train/global_step": 1, "train/loss": 0.9},
            {"train/global_step": 2, "eval/loss": 0.6}, {"epoch": 1}, {"global_step": -1, "loss": 1}]});
        let found: Vec<_> = losses(&metrics)
            .into_iter()
            .map(|point| (point.step, point.train_loss, point.valid_loss))
            .collect();
        assert_eq!(found, [(1, Some(0.9), None), (2, Some(0.5), Some(0.6))]);
        assert!(losses(&json!({"metrics": null})).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_a_name(name in "\\PC{0,60}|(tb-[0-9a-f]{30,34}é?){0,2}") {
            let value = json!({"id": name, "suffix": name, "status": name, "model": name, "model_object_id": name});
            let _ = (job(&value), event(&json!({"message": name, "level": name})), checkpoint(&name, &value));
        }
    }
}
