//! A fine-tuning job: one state further at each look.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Reply;
use crate::fake::{Memory, now};

pub(super) struct Job {
    pub(super) id: String,
    pub(super) order: Value,
    created: u64,
    status: &'static str,
    hyperparameters: Value,
    error: Value,
    model: Option<String>,
    trained_tokens: Option<u64>,
    pub(super) result_file: Option<String>,
    /// The oldest first.
    pub(super) events: Vec<Value>,
    pub(super) checkpoints: Vec<Value>,
}

/// What a job that has succeeded leaves behind.
pub(super) struct Kept {
    pub(super) models: Vec<(String, Arc<Memory>)>,
    pub(super) results: String,
}

/// What training on a file comes to.
struct Rows {
    memory: Memory,
    rows: u64,
    tokens: u64,
}

impl Job {
    /// What the service finds wrong before there is a job.
    pub(super) fn refused(order: &Value) -> Option<Reply> {
        if order["suffix"].as_str().is_some_and(|suffix| !(1..=64).contains(&suffix.chars().count())) {
            return Some(Reply::invalid(
                "invalid_value",
                "suffix",
                "Invalid suffix: expected 1 to 64 characters.",
            ));
        }
        if !order["seed"].is_null() && order["seed"].as_u64().is_none_or(|seed| seed > 2_147_483_647) {
            return Some(Reply::invalid("invalid_value", "seed", "Invalid seed."));
        }
        if order["metadata"].as_object().is_some_and(|metadata| metadata.len() > 16) {
            return Some(Reply::invalid(
                "object_above_max_properties",
                "metadata",
                "At most 16 pairs of metadata.",
            ));
        }
        let known = |method: &Value| method.is_null() || method["type"] == "supervised";
        if !known(&order["method"]) {
            return Some(Reply::invalid("invalid_value", "method.type", "This fake trains supervised only."));
        }
        let numbers = order["method"]["supervised"]["hyperparameters"].as_object().into_iter().flatten();
        for (name, value) in numbers {
            let most = match name.as_str() {
                "n_epochs" => Some(50),
                "batch_size" => Some(256),
                "learning_rate_multiplier" => None,
                _ => return Some(Reply::invalid("unknown_parameter", name, "Unknown hyperparameter.")),
            };
            let fits = match most {
                Some(most) => value.as_u64().is_some_and(|number| (1..=most).contains(&number)),
                None => value.as_f64().is_some_and(|number| number > 0.0),
            };
            if !fits && value != "auto" {
                return Some(Reply::invalid(
                    "invalid_value",
                    name,
                    "The hyperparameter is out of its range.",
                ));
            }
        }
        None
    }

    pub(super) fn new(id: String, order: &Value) -> Self {
        let asked = &order["method"]["supervised"]["hyperparameters"];
        let auto = |name: &str| if asked[name].is_null() { "auto".into() } else { asked[name].clone() };
        let names = ["n_epochs", "batch_size", "learning_rate_multiplier"];
        let hyperparameters = names.into_iter().map(|name| (name.to_owned(), auto(name))).collect();
        let mut job = Self {
            id,
            order: order.clone(),
            created: now(),
            status: "validating_files",
            hyperparameters: Value::Object(hyperparameters),
            error: Value::Null,
            model: None,
            trained_tokens: None,
            result_file: None,
            events: Vec::new(),
            checkpoints: Vec::new(),
        };
        job.say("info", &format!("Created fine-tuning job: {}", job.id), "message", json!({}));
        job.say("info", "Validating training file", "message", json!({}));
        job
    }

    pub(super) fn object(&self) -> Value {
        let order = |name: &str| self.order.get(name).cloned().unwrap_or(Value::Null);
        let ended = matches!(self.status, "succeeded" | "failed" | "cancelled");
        let finished = if ended { json!(now()) } else { Value::Null };
        json!({
            "id": self.id, "object": "fine_tuning.job", "created_at": self.created, "finished_at": finished,
            "model": order("model"), "fine_tuned_model": self.model, "organization_id": "fake-org",
            "status": self.status, "hyperparameters": self.hyperparameters,
            "method": {"type": "supervised", "supervised": {"hyperparameters": self.hyperparameters}},
            "training_file": order("training_file"), "validation_file": order("validation_file"),
            "result_files": self.result_file.iter().collect::<Vec<_>>(), "trained_tokens": self.trained_tokens,
            "seed": order("seed").as_u64().unwrap_or(683_058_546), "error": self.error, "estimated_finish": null,
            "integrations": [], "metadata": order("metadata"), "user_provided_suffix": order("suffix"),
        })
    }

    fn say(&mut self, level: &str, message: &str, kind: &str, data: Value) {
        let id = format!("ftevent-{}-{:05}", self.id, self.events.len());
        self.events.push(json!({
            "object": "fine_tuning.job.event", "id": id, "created_at": now(), "level": level, "message": message,
            "type": kind, "data": data,
        }));
    }

    /// Goes on by one state; what it leaves behind if it has now succeeded.
    pub(super) fn advance(
        &mut self,
        file: Option<&[u8]>,
        before: Option<Arc<Memory>>,
        stamp: u64,
    ) -> Option<Kept> {
        match self.status {
            "validating_files" => {
                match read(file) {
                    Ok(_) => {
                        self.status = "queued";
                        self.say("info", "Files validated, moving job to queued state", "message", json!({}));
                    }
                    Err((code, message)) => {
                        self.status = "failed";
                        self.error = json!({"code": code, "message": message, "param": "training_file"});
                        self.say("error", &format!("Job failed: {message}"), "message", json!({}));
                    }
                }
                None
            }
            "queued" => {
                self.status = "running";
                self.say("info", "Fine-tuning job started", "message", json!({}));
                None
            }
            "running" => {
                let Ok(rows) = read(file) else {
                    // The file was deleted meanwhile.
                    self.status = "failed";
                    self.error = json!({"code": "server_error", "message": "The training file is gone.", "param": null});
                    return None;
                };
                Some(self.train(rows, before, stamp))
            }
            _ => None,
        }
    }

    fn train(&mut self, rows: Rows, before: Option<Arc<Memory>>, stamp: u64) -> Kept {
        let asked = |name: &str| self.hyperparameters[name].as_u64();
        // The rule that the vendor's cookbook has long used.
        let auto = if rows.rows * 3 < 100 { (100 / rows.rows.max(1)).clamp(1, 25) } else { 3 };
        let epochs = asked("n_epochs").unwrap_or(auto);
        let batch = asked("batch_size").unwrap_or_else(|| (rows.rows / 500).clamp(1, 256));
        let rate = self.hyperparameters["learning_rate_multiplier"].as_f64().unwrap_or(2.0);
        self.hyperparameters =
            json!({"n_epochs": epochs, "batch_size": batch, "learning_rate_multiplier": rate});
        self.trained_tokens = Some(rows.tokens * epochs);
        let steps_each = rows.rows.div_ceil(batch).max(1);
        let total = steps_each * epochs;
        let loss = |step: u64| 0.05 + 2.0 * (-4.0 * step as f64 / total as f64).exp();
        let validates = self.order["validation_file"].is_string();
        let mut results = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n".to_owned();
        // As many events as a long job of the real service shows, and no more.
        let stride = total.div_ceil(200);
        for step in 1..=total {
            let (train, ends) = (loss(step), step % steps_each == 0);
            let accuracy = 1.0 - train / 4.0;
            let valid = if validates && ends { (train + 0.01).to_string() } else { String::new() };
            results.push_str(&format!("{step},{train},{accuracy},{valid},\n"));
            if step % stride == 0 || step == total {
                let data = json!({
                    "step": step, "total_steps": total, "train_loss": train, "train_mean_token_accuracy": accuracy,
                });
                self.say("info", &format!("Step {step}/{total}: training loss={train:.2}"), "metrics", data);
            }
        }
        let base = self.order["model"].as_str().unwrap_or_default();
        // A model that is tuned again is named after its first base.
        let base = base.strip_prefix("ft:").and_then(|rest| rest.split(':').next()).unwrap_or(base);
        let model =
            format!("ft:{base}:fake-org:{}:{stamp:08}", self.order["suffix"].as_str().unwrap_or_default());
        let memory = match before {
            Some(before) if rows.rows == 0 => before,
            _ => Arc::new(rows.memory),
        };
        let mut models = vec![(model.clone(), memory.clone())];
        // Of the epochs before the last, the latest two are kept.
        for epoch in epochs.saturating_sub(2).max(1)..epochs {
            let step = epoch * steps_each;
            models.push((format!("{model}:ckpt-step-{step}"), memory.clone()));
            let metrics = json!({"step": step, "train_loss": loss(step), "train_mean_token_accuracy": 1.0 - loss(step) / 4.0});
            self.checkpoints.push(self.checkpoint(&format!("{model}:ckpt-step-{step}"), step, &metrics));
        }
        let metrics = json!({"step": total, "train_loss": loss(total), "train_mean_token_accuracy": 1.0 - loss(total) / 4.0});
        self.checkpoints.push(self.checkpoint(&model, total, &metrics));
        self.say("info", &format!("New fine-tuned model created: {model}"), "message", json!({}));
        self.say("info", "The job has successfully completed", "message", json!({}));
        self.status = "succeeded";
        self.model = Some(model);
        Kept { models, results }
    }

    fn checkpoint(&self, model: &str, step: u64, metrics: &Value) -> Value {
        json!({
            "object": "fine_tuning.job.checkpoint", "id": format!("ftckpt-{}-{step}", self.id), "created_at": now(),
            "fine_tuned_model_checkpoint": model, "fine_tuning_job_id": self.id, "step_number": step, "metrics": metrics,
        })
    }

    pub(super) fn command(&mut self, command: &str) -> Reply {
        let status = match (command, self.status) {
            (_, "succeeded" | "failed" | "cancelled") => {
                let message = format!("Job has already completed: {}", self.id);
                return Reply::invalid("invalid_request_error", "", &message);
            }
            ("cancel", _) => "cancelled",
            ("pause", "running" | "queued" | "validating_files") => "paused",
            ("resume", "paused") => "queued",
            _ => return Reply::invalid("", "", "The job is in no state for that."),
        };
        self.status = status;
        self.say("info", &format!("The job is now {status}"), "message", json!({}));
        Reply::json(self.object())
    }
}

/// What is wrong with a training file, if anything is.
pub(super) fn problem(file: &[u8]) -> Option<String> {
    read(Some(file)).err().map(|(_, message)| message)
}

/// The tokens of a training file, once.
pub(super) fn tokens(file: &[u8]) -> u64 {
    read(Some(file)).map_or(0, |rows| rows.tokens)
}

/// Reads a training file as strictly as the service does.
fn read(file: Option<&[u8]>) -> Result<Rows, (&'static str, String)> {
    let Some(file) = file else {
        return Err(("file_not_found", "The training file does not exist.".to_owned()));
    };
    let bad = |message: String| ("invalid_training_file", message);
    let text = std::str::from_utf8(file).map_err(|_| bad("The file is not UTF-8.".to_owned()))?;
    let mut rows = Rows { memory: Memory::default(), rows: 0, tokens: 0 };
    for (index, line) in text.lines().filter(|line| !line.trim().is_empty()).enumerate() {
        let number = index + 1;
        let row: Value =
            serde_json::from_str(line).map_err(|error| bad(format!("Line {number} is no JSON: {error}")))?;
        let extra = row.as_object().into_iter().flat_map(|row| row.keys());
        let extra = extra
            .into_iter()
            .find(|name| !["messages", "tools", "parallel_tool_calls"].contains(&name.as_str()));
        if let Some(extra) = extra {
            return Err(("invalid_file_format", format!("Example {number} contains an extra \"{extra}\"")));
        }
        let messages = row["messages"].as_array().cloned().unwrap_or_default();
        if messages.last().is_none_or(|last| last["role"] != "assistant") {
            return Err(bad(format!("Example {number} does not end with a message of the assistant.")));
        }
        let mut item = "";
        for message in &messages {
            let role = message["role"].as_str().unwrap_or_default();
            if !["system", "user", "assistant", "tool"].contains(&role) {
                return Err(bad(format!("Example {number} has the unknown role \"{role}\"")));
            }
            let Some(content) = message["content"].as_str() else {
                return Err(bad(format!("Example {number} has a message without content.")));
            };
            if content.contains("<|") && content.contains("|>") {
                return Err(bad(format!("Example {number} contains a special token.")));
            }
            rows.tokens += content.len().div_ceil(4) as u64 + 3;
            if role == "user" {
                item = content;
            }
        }
        let answer = messages.last().and_then(|last| last["content"].as_str()).unwrap_or_default();
        rows.memory.learn(item, answer);
        rows.rows += 1;
    }
    if rows.rows < 10 {
        let message =
            format!("Training file has {} example(s), but must have at least 10 examples.", rows.rows);
        return Err(("invalid_n_examples", message));
    }
    Ok(rows)
}
