//! Message Batches: requests in one body, checked while they are answered, and everything that goes wrong with them.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Anthropic, Reply, answers};
use crate::fake::{BatchScript, Body, Call, Shared, lock, now, timestamp};

/// All batches of a workspace.
#[derive(Default)]
pub(super) struct Batches {
    pub(super) script: BatchScript,
    /// The oldest first.
    all: Vec<Batch>,
    /// Batches created, also those that are deleted.
    pub(super) made: usize,
    /// Rows answered.
    pub(super) answered: u64,
}

struct Batch {
    id: String,
    rows: Vec<Row>,
    created: u64,
    script: BatchScript,
    looks: u32,
    /// How often the results were asked for.
    fetched: u32,
    state: State,
    counts: Counts,
    results: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Cancelling,
    Ended,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    succeeded: usize,
    errored: usize,
    canceled: usize,
    expired: usize,
}

#[derive(Clone, Deserialize)]
struct Row {
    custom_id: String,
    params: Box<RawValue>,
}

impl Batches {
    pub(super) fn ids(&self) -> Vec<String> {
        self.all.iter().map(|batch| batch.id.clone()).collect()
    }

    fn find(&mut self, id: &str) -> Result<&mut Batch, Reply> {
        self.all.iter_mut().find(|batch| batch.id == id).ok_or_else(|| {
            Reply::anthropic(404, "not_found_error", &format!("Message batch {id} not found."))
        })
    }

    /// A page, the newest first.
    fn list(&self, call: &Call) -> Reply {
        let size = call.asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20usize);
        if !(1..=1_000).contains(&size) {
            return invalid("limit: Input should be between 1 and 1000");
        }
        let all: Vec<_> = self.all.iter().rev().collect();
        let at = |id: &str| all.iter().position(|batch| batch.id == id);
        let from = call.asked("after_id").and_then(at).map_or(0, |at| at + 1);
        let page: Vec<_> = all.iter().skip(from).take(size).collect();
        Reply::json(json!({
            "data": page.iter().map(|batch| batch.object(call)).collect::<Vec<_>>(),
            "first_id": page.first().map(|batch| &batch.id), "last_id": page.last().map(|batch| &batch.id),
            "has_more": from + page.len() < all.len(),
        }))
    }
}

/// Calls below `/v1/messages/batches`.
pub(super) fn answer(service: &Anthropic, shared: &Shared, call: &Call, path: &[&str]) -> Reply {
    let answered = match (call.method.as_str(), path) {
        ("POST", []) => create(service, call),
        ("GET", []) => Ok(lock(&service.batches).list(call)),
        ("GET", [id]) => look(service, shared, call, id),
        ("POST", [id, "cancel"]) => cancel(service, call, id),
        ("DELETE", [id]) => delete(service, id),
        ("GET", [id, "results"]) => results(service, id),
        _ => Err(Reply::anthropic(404, "not_found_error", "Not Found")),
    };
    answered.unwrap_or_else(|reply| reply)
}

fn invalid(message: &str) -> Reply {
    Reply::anthropic(400, "invalid_request_error", message)
}

fn create(service: &Anthropic, call: &Call) -> Result<Reply, Reply> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        requests: Vec<Row>,
    }
    let Order { requests } =
        serde_json::from_slice(&call.body).map_err(|error| invalid(&format!("requests: {error}")))?;
    let mut seen = HashSet::new();
    for (at, Row { custom_id, .. }) in requests.iter().enumerate() {
        let plain = custom_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !plain || !(1..=64).contains(&custom_id.len()) {
            let message =
                format!("requests.{at}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'");
            return Err(invalid(&message));
        }
        if !seen.insert(custom_id) {
            return Err(invalid(&format!("requests.{at}.custom_id: must be unique within the batch")));
        }
    }
    if requests.is_empty() || requests.len() > 100_000 {
        return Err(invalid("requests: List should have between 1 and 100000 items"));
    }
    let mut batches = lock(&service.batches);
    let script = batches.script.clone();
    if script.queue_full > 0 {
        batches.script.queue_full -= 1;
        return Err(Reply::anthropic(
            429,
            "rate_limit_error",
            "Too many requests are in the processing queue.",
        ));
    }
    batches.made += 1;
    let batch = Batch {
        id: format!("msgbatch_{:08}", batches.made),
        rows: requests,
        created: now(),
        script,
        looks: 0,
        fetched: 0,
        state: State::Running,
        counts: Counts::default(),
        results: Vec::new(),
    };
    let object = batch.object(call);
    batches.all.push(batch);
    Ok(Reply::json(object))
}

/// A batch as it stands after this look.
fn look(service: &Anthropic, shared: &Shared, call: &Call, id: &str) -> Result<Reply, Reply> {
    let due = {
        let mut batches = lock(&service.batches);
        let batch = batches.find(id)?;
        batch.looks += 1;
        let due = batch.state != State::Ended && batch.looks > batch.script.looks;
        due.then(|| (batch.rows.clone(), batch.script.clone()))
    };
    if let Some((rows, script)) = due {
        finish(service, shared, id, &rows, &script)?;
    }
    let mut batches = lock(&service.batches);
    batches.find(id).map(|batch| Reply::json(batch.object(call)))
}

fn cancel(service: &Anthropic, call: &Call, id: &str) -> Result<Reply, Reply> {
    let mut batches = lock(&service.batches);
    let batch = batches.find(id)?;
    if batch.state == State::Ended {
        return Err(invalid("Message batch has already ended."));
    }
    batch.state = State::Cancelling;
    batch.script.end = "cancelled".to_owned();
    Ok(Reply::json(batch.object(call)))
}

fn delete(service: &Anthropic, id: &str) -> Result<Reply, Reply> {
    let mut batches = lock(&service.batches);
    if batches.find(id)?.state != State::Ended {
        return Err(invalid("Message batch is still processing: cancel it first."));
    }
    batches.all.retain(|batch| batch.id != id);
    Ok(Reply::json(json!({"id": id, "type": "message_batch_deleted"})))
}

/// The whole file: ranges are not known here.
fn results(service: &Anthropic, id: &str) -> Result<Reply, Reply> {
    let mut batches = lock(&service.batches);
    let batch = batches.find(id)?;
    batch.fetched += 1;
    if batch.state != State::Ended || batch.script.gone || batch.fetched <= batch.script.late_files {
        return Err(Reply::anthropic(404, "not_found_error", "Results are not available."));
    }
    Ok(Reply::bytes(200, "application/x-jsonl", batch.results.clone()))
}

fn finish(
    service: &Anthropic,
    shared: &Shared,
    id: &str,
    rows: &[Row],
    script: &BatchScript,
) -> Result<(), Reply> {
    let (mut counts, mut lines) = (Counts::default(), Vec::new());
    let reached = script.reached(rows.len());
    for (at, Row { custom_id, params }) in rows.iter().enumerate() {
        let errored = |kind: &str, message: &str| {
            let error = json!({"type": kind, "message": message, "details": null});
            json!({"type": "errored", "error": {"type": "error", "error": error, "request_id": "req_fake"}})
        };
        let result = if let Some(why) = &script.refused {
            errored("invalid_request_error", why)
        } else if at >= reached {
            match script.end.as_str() {
                "cancelled" => json!({"type": "canceled"}),
                "expired" => json!({"type": "expired"}),
                _ => errored("api_error", "Internal server error"),
            }
        } else if script.fails(at) {
            errored("invalid_request_error", "Too long.")
        } else {
            asked(service, shared, params)
        };
        let count = match result["type"].as_str() {
            Some("succeeded") => &mut counts.succeeded,
            Some("errored") => &mut counts.errored,
            Some("canceled") => &mut counts.canceled,
            _ => &mut counts.expired,
        };
        *count += 1;
        lines.push(json!({"custom_id": custom_id, "result": result}).to_string());
    }
    script.disarrange(&mut lines, "custom_id");
    let mut batches = lock(&service.batches);
    batches.answered += counts.succeeded as u64;
    let batch = batches.find(id)?;
    batch.results = lines.into_iter().flat_map(|line| line.into_bytes().into_iter().chain(*b"\n")).collect();
    (batch.counts, batch.state) = (counts, State::Ended);
    Ok(())
}

/// Answers a row as it would be answered live.
fn asked(service: &Anthropic, shared: &Shared, params: &RawValue) -> Value {
    shared.recorder.prompted(params.get().as_bytes());
    let body: Map<String, Value> = serde_json::from_str(params.get()).unwrap_or_default();
    let reply = answers::messages(service, shared, &body);
    let Body::Json(mut said) = reply.body else { return Value::Null };
    if reply.status != 200 {
        return json!({"type": "errored", "error": said});
    }
    said["usage"]["service_tier"] = "batch".into();
    json!({"type": "succeeded", "message": said})
}

impl Batch {
    fn object(&self, call: &Call) -> Value {
        let ended = self.state == State::Ended;
        let status = match self.state {
            State::Ended => "ended",
            State::Cancelling => "canceling",
            State::Running => self.script.odd_state.as_deref().unwrap_or("in_progress"),
        };
        let Counts { succeeded, errored, canceled, expired } = self.counts;
        // Nothing but the total is told before the end.
        let processing = if ended { 0 } else { self.rows.len() };
        let host = call.header("host").unwrap_or_default();
        let archived = ended && self.script.gone;
        let url = format!("http://{host}/v1/messages/batches/{}/results", self.id);
        json!({
            "id": self.id, "type": "message_batch", "processing_status": status,
            "request_counts": {"processing": processing, "succeeded": succeeded, "errored": errored,
                "canceled": canceled, "expired": expired},
            "created_at": timestamp(self.created), "expires_at": timestamp(self.created + 86_400),
            "ended_at": ended.then(|| timestamp(now())), "archived_at": archived.then(|| timestamp(now())),
            "cancel_initiated_at": (self.state == State::Cancelling).then(|| timestamp(now())),
            "results_url": (ended && !archived).then_some(url),
        })
    }
}
