//! Batches: files of requests, checked, answered row by row, and everything that goes wrong with them.

use std::collections::HashSet;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::world::{World, no_file, page};
use super::{Api, Reply, answers};
use crate::fake::{BatchScript, Body, lock, now, timestamp};

/// Whose way of speaking about batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    OpenAi,
    Mistral,
    Together,
}

impl Style {
    /// What files of requests are uploaded for.
    fn purpose(self) -> &'static str {
        if self == Self::Together { "batch-api" } else { "batch" }
    }
}

/// All batches of an account.
#[derive(Default)]
pub(super) struct Batches {
    pub(super) script: BatchScript,
    /// The oldest first.
    all: Vec<Batch>,
    /// Rows answered.
    pub(super) answered: u64,
}

struct Batch {
    id: String,
    order: Value,
    created: u64,
    script: BatchScript,
    looks: u32,
    state: State,
    counts: [usize; 3],
    files: [Option<String>; 2],
    errors: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Cancelling,
    Ended,
}

impl Batches {
    pub(super) fn ids(&self) -> Vec<String> {
        self.all.iter().map(|batch| batch.id.clone()).collect()
    }

    pub(super) fn list(&self, query: &[(String, String)], style: Style) -> Reply {
        let all: Vec<_> = self.all.iter().rev().map(|batch| batch.object(style)).collect();
        match style {
            Style::OpenAi => return page(all, query, 20),
            Style::Together => return Reply::json(all.into()),
            Style::Mistral => {}
        }
        let asked = |name: &str| query.iter().find(|(known, _)| known == name)?.1.parse::<usize>().ok();
        let size = asked("page_size").unwrap_or(100);
        let data: Vec<_> = all.iter().skip(asked("page").unwrap_or(0) * size).take(size).cloned().collect();
        Reply::json(json!({"object": "list", "total": all.len(), "data": data}))
    }

    fn find(&mut self, id: &str) -> Option<&mut Batch> {
        self.all.iter_mut().find(|batch| batch.id == id)
    }
}

fn no_batch(id: &str) -> Reply {
    Reply::error(404, "invalid_request_error", "", "", &format!("No batch found with id '{id}'."))
}

/// `POST /batches`.
pub(super) fn create(shared: &Api<'_>, body: &Map<String, Value>, style: Style) -> Reply {
    let text = |pointer: &str| {
        let body = Value::Object(body.clone());
        body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut world = lock(shared.world);
    let input = text(if style == Style::Mistral { "/input_files/0" } else { "/input_file_id" });
    if world.uploaded(&input, style.purpose()).is_none() {
        return no_file(&input);
    }
    let endpoints = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions"];
    if !endpoints.contains(&text("/endpoint").as_str()) {
        return Reply::invalid("invalid_value", "endpoint", "Invalid endpoint.");
    }
    if style != Style::Mistral && text("/completion_window") != "24h" {
        return Reply::invalid("invalid_value", "completion_window", "Must be 24h.");
    }
    if style == Style::Together && world.batches.script.queue_full > 0 {
        world.batches.script.queue_full -= 1;
        return Reply::error(429, "rate_limit", "", "", "Too many tokens are waiting.");
    }
    let id = world.id("batch");
    let mut order = Value::Object(body.clone());
    order["input_file_id"] = input.into();
    let script = world.batches.script.clone();
    world.batches.script.queue_full = script.queue_full.saturating_sub(1);
    let (looks, state, counts, files, errors) = (0, State::Running, [0; 3], [None, None], Vec::new());
    let mut batch = Batch { id, order, created: now(), script, looks, state, counts, files, errors };
    if batch.script.queue_full > 0 {
        batch.errors.push(json!({"code": "token_limit_exceeded", "line": null, "param": null,
            "message": "Enqueued token limit reached for gpt-4.1-mini in organization fake-org."}));
    }
    if let Some(why) = &batch.script.refused {
        batch.errors.push(json!({"code": "invalid_request", "line": 1, "param": null, "message": why}));
    }
    let object = batch.object(style);
    world.batches.all.push(batch);
    match style {
        Style::Together => Reply::json(json!({"job": object, "warning": null})),
        _ => Reply::json(object),
    }
}

/// `POST /batches/{id}/cancel`.
pub(super) fn cancel(shared: &Api<'_>, id: &str, style: Style) -> Reply {
    let mut world = lock(shared.world);
    let Some(batch) = world.batches.find(id) else { return no_batch(id) };
    if batch.state == State::Ended {
        let message = format!("Cannot cancel a batch with status '{}'.", batch.status());
        return Reply::error(409, "invalid_request_error", "", "", &message);
    }
    batch.state = State::Cancelling;
    batch.script.end = "cancelled".to_owned();
    Reply::json(batch.object(style))
}

/// `GET /batches/{id}`: the batch as it stands after this look.
pub(super) fn look(shared: &Api<'_>, id: &str, style: Style) -> Reply {
    let due = {
        let mut world = lock(shared.world);
        let Some(batch) = world.batches.find(id) else { return no_batch(id) };
        batch.looks += 1;
        let due = batch.state != State::Ended && batch.looks > batch.script.looks;
        let input = batch.order["input_file_id"].as_str().unwrap_or_default().to_owned();
        let (script, endpoint) =
            (batch.script.clone(), batch.order["endpoint"].as_str().unwrap_or_default().to_owned());
        let refused = !batch.errors.is_empty();
        due.then(|| {
            (world.uploaded(&input, style.purpose()).unwrap_or_default().to_vec(), script, endpoint, refused)
        })
    };
    if let Some((input, script, endpoint, refused)) = due {
        finish(shared, id, &input, &script, &endpoint, refused, style);
    }
    let mut world = lock(shared.world);
    world.batches.find(id).map_or_else(|| no_batch(id), |batch| Reply::json(batch.object(style)))
}

/// A row of the input, checked.
struct Row {
    id: String,
    body: Box<RawValue>,
}

fn rows(input: &[u8], endpoint: &str, style: Style) -> Result<Vec<Row>, Value> {
    let (mut rows, mut seen, mut model) = (Vec::new(), HashSet::new(), None);
    for (line, text) in input.split(|&byte| byte == b'\n').enumerate().filter(|(_, text)| !text.is_empty()) {
        let wrong = |code: &str, message: &str| json!({"code": code, "line": line + 1, "message": message, "param": null});
        let row: Map<String, Value> = serde_json::from_slice(text)
            .map_err(|_| wrong("invalid_json_line", "This line is not parseable as valid JSON."))?;
        #[derive(serde::Deserialize)]
        struct Raw {
            body: Box<RawValue>,
        }
        let Raw { body } = serde_json::from_slice(text)
            .map_err(|_| wrong("missing_required_parameter", "Missing required parameter: 'body'."))?;
        let id = row.get("custom_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if id.is_empty() || !seen.insert(id.clone()) {
            return Err(wrong(
                "duplicate_custom_id",
                "The custom_id for this request is a duplicate of another request.",
            ));
        }
        let url = row.get("url").and_then(Value::as_str);
        if style == Style::OpenAi && (url != Some(endpoint) || row.get("method") != Some(&json!("POST"))) {
            return Err(wrong(
                "invalid_url",
                "The URL provided for this request does not match the batch endpoint.",
            ));
        }
        let named = row.get("body").and_then(|body| body["model"].as_str()).map(str::to_owned);
        if model.get_or_insert_with(|| named.clone()) != &named {
            return Err(wrong(
                "mismatched_model",
                "The provided model does not match the first model of the batch.",
            ));
        }
        rows.push(Row { id, body });
    }
    if rows.is_empty() {
        return Err(
            json!({"code": "empty_file", "line": null, "message": "The file is empty.", "param": null}),
        );
    }
    Ok(rows)
}

fn finish(
    shared: &Api<'_>,
    id: &str,
    input: &[u8],
    script: &BatchScript,
    endpoint: &str,
    refused: bool,
    style: Style,
) {
    let checked = if refused { Ok(Vec::new()) } else { rows(input, endpoint, style) };
    let (rows, error) = checked.map_or_else(|error| (Vec::new(), Some(error)), |rows| (rows, None));
    let total = rows.len();
    let answered = script.reached(total);
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    for (at, row) in rows.iter().enumerate() {
        if at >= answered {
            let code = format!("batch_{}", script.end);
            let message = "This request could not be executed before the batch ended.";
            let error = json!({"code": code, "message": message});
            errors
                .push(json!({"id": "r", "custom_id": row.id, "response": null, "error": error}).to_string());
            continue;
        }
        if script.fails(at) {
            let error = json!({"error": {"message": "Too long.", "type": "invalid_request_error", "param": null, "code": null}});
            let response = json!({"status_code": 400, "request_id": "req", "body": error});
            errors.push(
                json!({"id": "r", "custom_id": row.id, "response": response, "error": null}).to_string(),
            );
            continue;
        }
        let reply = ask(shared, endpoint, &row.body);
        let body = if let Body::Json(body) = reply.body { body } else { Value::Null };
        let response = json!({"status_code": reply.status, "request_id": "req", "body": body});
        let line = json!({"id": "r", "custom_id": row.id, "response": response, "error": null}).to_string();
        if reply.status == 200 { output.push(line) } else { errors.push(line) }
    }
    let mut world = lock(shared.world);
    world.batches.answered += output.len() as u64;
    let counts = [total, output.len(), errors.len()];
    script.disarrange(&mut output, "custom_id");
    let files = [("batch_output", output), ("batch_error", errors)]
        .map(|(name, lines)| written(&mut world, name, &lines).filter(|_| !lines.is_empty()));
    if script.gone {
        for file in files.iter().flatten() {
            world.delete_file(file);
        }
    }
    let Some(batch) = world.batches.find(id) else { return };
    (batch.counts, batch.files, batch.state) = (counts, files, State::Ended);
    batch.errors.extend(error);
}

fn written(world: &mut World, name: &str, lines: &[String]) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let bytes = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
    let object = world.add_file("batch_output", &format!("{name}.jsonl"), bytes, false);
    object["id"].as_str().map(str::to_owned)
}

/// Answers a row as it would be answered live.
fn ask(shared: &Api<'_>, endpoint: &str, body: &RawValue) -> Reply {
    shared.recorder.prompted(body.get().as_bytes());
    let body: Map<String, Value> = serde_json::from_str(body.get()).unwrap_or_default();
    match endpoint {
        "/v1/responses" => answers::responses(shared, &body),
        _ => answers::chat(shared, &body),
    }
}

impl Batch {
    fn status(&self) -> &str {
        match self.state {
            State::Ended if !self.errors.is_empty() => "failed",
            State::Ended => &self.script.end,
            State::Cancelling => "cancelling",
            State::Running if self.looks == 0 => "validating",
            State::Running => self.script.odd_state.as_deref().unwrap_or("in_progress"),
        }
    }

    fn object(&self, style: Style) -> Value {
        let ended = self.state == State::Ended;
        let hidden = ended && self.looks <= self.script.looks + self.script.late_files;
        let file = |at: usize| self.files[at].clone().filter(|_| ended && !hidden);
        let [total, answered, failed] = self.counts;
        match style {
            Style::OpenAi => {
                let errors = (!self.errors.is_empty() && ended)
                    .then(|| json!({"object": "list", "data": self.errors}));
                json!({
                    "id": self.id, "object": "batch", "endpoint": self.order["endpoint"], "errors": errors,
                    "input_file_id": self.order["input_file_id"], "completion_window": "24h",
                    "status": self.status(), "output_file_id": file(0), "error_file_id": file(1),
                    "created_at": self.created, "in_progress_at": null, "expires_at": self.created + 86_400,
                    "finalizing_at": null, "completed_at": ended.then(now), "failed_at": null, "expired_at": null,
                    "cancelling_at": null, "cancelled_at": null,
                    "request_counts": {"total": total, "completed": answered, "failed": failed},
                    "metadata": self.order["metadata"],
                })
            }
            // No counts, and nothing of ours.
            Style::Together => {
                let status = match self.status() {
                    "validating" => "VALIDATING".to_owned(),
                    "cancelling" => "IN_PROGRESS".to_owned(),
                    other => other.to_uppercase(),
                };
                let why = self.errors.first().filter(|_| ended).map(|error| &error["message"]);
                json!({
                    "id": self.id, "user_id": "fake-user", "input_file_id": self.order["input_file_id"],
                    "file_size_bytes": 0, "status": status, "job_deadline": timestamp(self.created + 86_400),
                    "created_at": timestamp(self.created), "endpoint": self.order["endpoint"],
                    "progress": if ended { 100.0 } else { 0.0 }, "model_id": "", "output_file_id": file(0),
                    "error_file_id": file(1), "error": why, "completed_at": ended.then(|| timestamp(now())),
                })
            }
            Style::Mistral => {
                let status = match self.status() {
                    "validating" => "QUEUED",
                    "completed" => "SUCCESS",
                    "expired" => "TIMEOUT_EXCEEDED",
                    "cancelled" => "CANCELLED",
                    "cancelling" => "CANCELLATION_REQUESTED",
                    "failed" => "FAILED",
                    _ => "RUNNING",
                };
                json!({
                    "id": self.id, "object": "batch", "status": status, "endpoint": self.order["endpoint"],
                    "model": self.order["model"], "input_files": [self.order["input_file_id"]],
                    "metadata": self.order["metadata"], "created_at": self.created, "total_requests": total,
                    "completed_requests": answered + failed, "succeeded_requests": answered,
                    "failed_requests": failed, "output_file": file(0), "error_file": file(1), "errors": [],
                })
            }
        }
    }
}
