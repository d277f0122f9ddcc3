//! Which call goes where, and who is let in.

use serde_json::{Map, Value};

use super::batches::Style;
use super::{Api, Reply, answers, batches, dashscope, together};
use crate::fake::{Call, lock};

/// What the service does when nothing goes wrong.
pub(super) fn answer(shared: &Api<'_>, call: &Call) -> Reply {
    if call.json().is_none() && !call.body.is_empty() && call.method != "PUT" {
        return Reply::invalid("", "", "We could not parse the JSON body of your request.");
    }
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    if let Some(path) = segments.strip_prefix(&["api", "v1"]) {
        return dashscope::answer(shared, call, path, key_refused(shared, call));
    }
    if let Some(path) = segments.strip_prefix(&["together"]) {
        if path.starts_with(&["v1", "chat"]) && !call.body.is_empty() {
            shared.recorder.prompted(&call.body);
        }
        return together::answer(shared, call, path, key_refused(shared, call));
    }
    let compatible = segments.strip_prefix(&["compatible-mode", "v1"]);
    let segments = compatible.or_else(|| segments.strip_prefix(&["v1"])).unwrap_or_default();
    if matches!(segments, ["chat" | "responses" | "decisions", ..]) && !call.body.is_empty() {
        shared.recorder.prompted(&call.body);
    }
    if let Some(refusal) = key_refused(shared, call) {
        return refusal;
    }
    let mut body = call.json().and_then(Value::as_object).cloned().unwrap_or_default();
    if compatible.is_some() {
        // Alibaba's own switch, which OpenAI does not know.
        body.remove("enable_thinking");
    }
    let body: &Map<String, Value> = &body;
    let query = call.query.as_slice();
    match (call.method.as_str(), segments) {
        ("POST", ["chat", "completions"]) => answers::chat(shared, body),
        ("POST", ["responses"]) => answers::responses(shared, body),
        ("POST", ["decisions"]) => answers::decisions(shared, body),
        ("GET", ["models"]) => lock(shared.world).models(),
        ("GET", ["models", id]) => lock(shared.world).model(id),
        ("DELETE", ["models", id]) => lock(shared.world).delete_model(id),
        ("GET", ["files"]) => lock(shared.world).files(query),
        ("POST", ["files"]) => match &call.form {
            Some((purpose, name, bytes)) => lock(shared.world).upload(purpose, name, bytes.clone()),
            None => Reply::invalid("", "", "'file' is a required property"),
        },
        ("GET", ["files", id]) => lock(shared.world).file(id),
        ("DELETE", ["files", id]) => lock(shared.world).delete_file(id),
        ("GET", ["files", id, "content"]) => lock(shared.world).content(id, range(call)),
        ("POST", ["batches"]) => batches::create(shared, body, Style::OpenAi),
        ("GET", ["batches"]) => lock(shared.world).batches.list(query, Style::OpenAi),
        ("GET", ["batches", id]) => batches::look(shared, id, Style::OpenAi),
        ("POST", ["batches", id, "cancel"]) => batches::cancel(shared, id, Style::OpenAi),
        ("POST", ["batch", "jobs"]) => batches::create(shared, body, Style::Mistral),
        ("GET", ["batch", "jobs"]) => lock(shared.world).batches.list(query, Style::Mistral),
        ("GET", ["batch", "jobs", id]) => batches::look(shared, id, Style::Mistral),
        ("POST", ["batch", "jobs", id, "cancel"]) => batches::cancel(shared, id, Style::Mistral),
        ("GET", ["fine_tuning", "jobs"]) => lock(shared.world).jobs(query),
        ("POST", ["fine_tuning", "jobs"]) => lock(shared.world).create_job(&Value::Object(body.clone())),
        ("GET", ["fine_tuning", "jobs", id]) => lock(shared.world).job(id),
        ("POST", ["fine_tuning", "jobs", id, command @ ("cancel" | "pause" | "resume")]) => {
            lock(shared.world).command(id, command)
        }
        ("GET", ["fine_tuning", "jobs", id, "events"]) => lock(shared.world).events(id, query),
        ("GET", ["fine_tuning", "jobs", id, "checkpoints"]) => lock(shared.world).checkpoints(id, query),
        (method, _) => {
            let message = format!("Invalid URL ({method} {})", call.path);
            Reply::error(404, "invalid_request_error", "", "", &message)
        }
    }
}

/// From which byte on a file is wanted.
pub(super) fn range(call: &Call) -> Option<usize> {
    call.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn key_refused(shared: &Api<'_>, call: &Call) -> Option<Reply> {
    let bearer = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = bearer.or_else(|| call.header("api-key"));
    match (key.filter(|key| !key.is_empty()), shared.key) {
        (None, _) => {
            let message =
                "You didn't provide an API key. You need to provide your API key in an Authorization header.";
            Some(Reply::error(401, "invalid_request_error", "", "", message))
        }
        (Some(key), Some(right)) if key != right => {
            // The real service masks it; this one quotes it, so that clients are seen to keep it to themselves.
            let message = format!("Incorrect API key provided: {key}.");
            Some(Reply::error(401, "invalid_request_error", "invalid_api_key", "", &message))
        }
        _ => None,
    }
}

/// A path with its ids left out: `/v1/files/{id}/content`.
pub(super) fn template(path: &str) -> String {
    let words = [
        "v1",
        "api",
        "together",
        "preprocess",
        "uploads",
        "compatible-mode",
        "by",
        "limits",
        "estimate-price",
        "metrics",
        "v2",
        "v3",
        "whoami",
        "projects",
        "configs",
        "endpoints",
        "public",
        "inference-instance-types",
        "supported-models",
        "fine-tunes",
        "deployments",
        "logs",
        "chat",
        "completions",
        "responses",
        "decisions",
        "models",
        "files",
        "content",
        "batch",
        "batches",
        "fine_tuning",
        "jobs",
        "cancel",
        "pause",
        "resume",
        "events",
        "checkpoints",
    ];
    let segment = |segment| if words.contains(&segment) || str::is_empty(segment) { segment } else { "{id}" };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}
