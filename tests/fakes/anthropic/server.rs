//! Which call goes where, and who is let in.

use serde_json::{Map, Value};

use super::{Anthropic, Reply, answers, batches, models};
use crate::fake::{Call, Shared};

/// The versions of the API that are served.
const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];

/// What the service does when nothing goes wrong.
pub(super) fn answer(service: &Anthropic, shared: &Shared, call: &Call) -> Reply {
    if call.json().is_none() && !call.body.is_empty() {
        return Reply::anthropic(400, "invalid_request_error", "The request body is not valid JSON.");
    }
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    if matches!(segments.as_slice(), ["v1", "messages"]) && !call.body.is_empty() {
        shared.recorder.prompted(&call.body);
    }
    if let Some(refusal) = key_refused(service, call) {
        return refusal;
    }
    if !call.header("anthropic-version").is_some_and(|version| VERSIONS.contains(&version)) {
        let message = "anthropic-version: header is required";
        return Reply::anthropic(400, "invalid_request_error", message);
    }
    let empty = Map::new();
    let body = call.json().and_then(Value::as_object).unwrap_or(&empty);
    match (call.method.as_str(), segments.as_slice()) {
        ("POST", ["v1", "messages"]) => answers::messages(service, shared, body),
        ("POST", ["v1", "messages", "count_tokens"]) => answers::count(body),
        (_, ["v1", "messages", "batches", path @ ..]) => batches::answer(service, shared, call, path),
        ("GET", ["v1", "models"]) => Reply::json(models::list()),
        ("GET", ["v1", "models", id]) => models::page(id)
            .map_or_else(|| Reply::anthropic(404, "not_found_error", &format!("model: {id}")), Reply::json),
        _ => Reply::anthropic(404, "not_found_error", "Not Found"),
    }
}

fn key_refused(service: &Anthropic, call: &Call) -> Option<Reply> {
    let refused = |message: &str| Some(Reply::anthropic(401, "authentication_error", message));
    let bearer = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let named = call.header("x-api-key").filter(|_| !service.bearer_only);
    match (named.or(bearer).filter(|key| !key.is_empty()), &service.key) {
        (None, _) => refused("x-api-key header is required"),
        // Two at once are none.
        (Some(_), _) if named.is_some() && bearer.is_some() => refused("more than one credential was sent"),
        // The real service does not quote it; this one does, so that clients are seen to keep it to themselves.
        (Some(key), Some(right)) if key != right => refused(&format!("invalid x-api-key: {key}")),
        _ => None,
    }
}

/// A path with its ids left out: `/v1/models/{id}`.
pub(super) fn template(path: &str) -> String {
    let words = ["v1", "messages", "count_tokens", "models", "batches", "cancel", "results"];
    let segment = |segment| if words.contains(&segment) || str::is_empty(segment) { segment } else { "{id}" };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}
