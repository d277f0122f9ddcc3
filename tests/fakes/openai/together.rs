//! The same account as Together shows it: files that are sent to an address of their own, and batches that keep no mark.

use serde_json::{Map, Value, json};

use super::batches::Style;
use super::world::no_file;
use super::{Api, Reply, answers, batches, server};
use crate::fake::{Call, lock};

/// Calls below `/together`.
pub(super) fn answer(shared: &Api<'_>, call: &Call, path: &[&str], refused: Option<Reply>) -> Reply {
    if let ("PUT", ["uploads", id]) = (call.method.as_str(), path) {
        return put(shared, call, id);
    }
    if let Some(refusal) = refused {
        return refusal;
    }
    let empty = Map::new();
    let body = call.json().and_then(Value::as_object).unwrap_or(&empty);
    let path = path.strip_prefix(&["v1"]).unwrap_or_default();
    if matches!(path, ["chat", ..]) {
        shared.recorder.prompted(&call.body);
    }
    match (call.method.as_str(), path) {
        ("POST", ["chat", "completions"]) => answers::chat(shared, body),
        ("POST", ["files"]) => announce(shared, call),
        ("POST", ["files", id, "preprocess"]) | ("GET", ["files", id]) => lock(shared.world).file(id),
        ("GET", ["files"]) => lock(shared.world).files(&[("limit".to_owned(), "10000".to_owned())]),
        ("DELETE", ["files", id]) => lock(shared.world).delete_file(id),
        ("GET", ["files", id, "content"]) => lock(shared.world).content(id, server::range(call)),
        ("POST", ["batches"]) => batches::create(shared, body, Style::Together),
        ("GET", ["batches"]) => lock(shared.world).batches.list(&[], Style::Together),
        ("GET", ["batches", id]) => batches::look(shared, id, Style::Together),
        ("POST", ["batches", id, "cancel"]) => batches::cancel(shared, id, Style::Together),
        _ => Reply::error(404, "invalid_request_error", "", "", "Not Found"),
    }
}

/// A file to come: where it is to be sent, and what it will be called.
fn announce(shared: &Api<'_>, call: &Call) -> Reply {
    let Some((purpose, name, bytes)) = &call.form else {
        return Reply::invalid("", "", "Expected a multipart form.");
    };
    if !bytes.is_empty() || name.is_empty() || !["batch-api", "fine-tune", "eval"].contains(&purpose.as_str())
    {
        return Reply::invalid("", "purpose", "Expected purpose and file_name, and no file.");
    }
    let object = lock(shared.world).add_file(purpose, name, Vec::new(), false);
    let id = object["id"].as_str().unwrap_or_default();
    let host = call.header("host").unwrap_or_default();
    let there = format!("http://{host}/together/uploads/{id}");
    Reply::of(302, json!({})).with("location", there).with("x-together-file-id", id)
}

/// The bytes of a file, from whoever knows the address.
fn put(shared: &Api<'_>, call: &Call, id: &str) -> Reply {
    if call.header("authorization").is_some() {
        return Reply::html(400);
    }
    match lock(shared.world).fill(id, call.body.to_vec()) {
        true => Reply::bytes(200, "text/plain", ""),
        false => no_file(id),
    }
}
