//! Uploads to Cloud Storage: in one request, with metadata, and in chunks.

use serde_json::Value;

use super::errors::storage as error;
use super::storage::Store;
use crate::fake::{Call, Reply};

/// Chunks are a multiple of this, except for the last.
const CHUNK: u64 = 256 * 1024;

/// A resumable upload under way.
pub(super) struct Session {
    bucket: String,
    name: String,
    kind: String,
    metadata: Value,
    generation: Option<String>,
    bytes: Vec<u8>,
    /// The object, once it is there.
    ended: Option<Reply>,
}

pub(super) fn answer(store: &mut Store, call: &Call, bucket: &str, root: &str) -> Result<Reply, Reply> {
    if let Some(id) = call.asked("upload_id") {
        return chunk(store, call, id);
    }
    store.found(bucket)?;
    if call.method != "POST" {
        return Err(error(405, "methodNotAllowed", "Method Not Allowed"));
    }
    let kind = call.header("content-type").unwrap_or("application/octet-stream");
    let wanted = call.asked("ifGenerationMatch");
    match call.asked("uploadType") {
        Some("media") => {
            let name = name(call, &Value::Null)?;
            store.precondition(bucket, &name, wanted)?;
            Ok(store.insert(bucket, &name, kind, &Value::Null, call.body.to_vec()))
        }
        Some("multipart") => {
            let (metadata, part_kind, bytes) = parts(kind, &call.body)
                .ok_or_else(|| error(400, "badRequest", "Malformed multipart body."))?;
            let name = name(call, &metadata)?;
            store.precondition(bucket, &name, wanted)?;
            let kind = metadata["contentType"].as_str().map_or(part_kind, str::to_owned);
            Ok(store.insert(bucket, &name, &kind, &metadata, bytes))
        }
        Some("resumable") => {
            let metadata = match call.body.is_empty() {
                true => Value::Null,
                false => call.json().cloned().ok_or_else(|| error(400, "parseError", "Parse Error"))?,
            };
            let name = name(call, &metadata)?;
            store.precondition(bucket, &name, wanted)?;
            let told = metadata["contentType"].as_str().or_else(|| call.header("x-upload-content-type"));
            let session = Session {
                bucket: bucket.to_owned(),
                name,
                kind: told.unwrap_or("application/octet-stream").to_owned(),
                generation: wanted.map(str::to_owned),
                bytes: Vec::new(),
                ended: None,
                metadata,
            };
            let id = format!("fake-session-{:08}", store.sessions.len() + 1);
            let location =
                format!("{root}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}");
            store.sessions.insert(id, session);
            Ok(Reply::bytes(200, "text/plain", "").with("location", location))
        }
        _ => Err(error(400, "badRequest", "Bad Request: uploadType")),
    }
}

/// The name of the object, from the query or from its metadata.
fn name(call: &Call, metadata: &Value) -> Result<String, Reply> {
    let name = call.asked("name").or_else(|| metadata["name"].as_str()).filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| error(400, "required", "Required parameter: name"))
}

/// `PUT` of a session: a chunk, or the question how far it got.
fn chunk(store: &mut Store, call: &Call, id: &str) -> Result<Reply, Reply> {
    let most = store.chunk_kept.unwrap_or(u64::MAX);
    let gone = || error(410, "uploadBroken", "The upload session is gone.");
    let session = store.sessions.get_mut(id).ok_or_else(gone)?;
    if call.method == "DELETE" {
        store.sessions.remove(id);
        return Ok(Reply::bytes(499, "text/plain", ""));
    }
    if let Some(reply) = &session.ended {
        return Ok(reply.clone());
    }
    let sent = call.body.len() as u64;
    let invalid = |message: &str| error(400, "badRequest", message);
    let range = call.header("content-range");
    let read = range.map(content_range).unwrap_or(Some((Some((0, sent.saturating_sub(1))), Some(sent))));
    let (span, total) = read.ok_or_else(|| invalid("Invalid Content-Range."))?;
    if let Some((from, to)) = span.filter(|_| sent > 0) {
        let length = to.checked_sub(from).and_then(|length| length.checked_add(1));
        if length != Some(sent) || total.is_some_and(|total| to >= total) {
            return Err(invalid("The body is not as long as Content-Range says."));
        }
        if from > session.bytes.len() as u64 {
            return Err(invalid("The chunk begins behind what is stored."));
        }
        if total != Some(to + 1) && !sent.is_multiple_of(CHUNK) {
            return Err(invalid("A chunk that is not the last must be a multiple of 256 KiB."));
        }
        take(session, from, &call.body, most);
    } else if sent > 0 {
        return Err(invalid("A question has no body."));
    }
    let stored = session.bytes.len() as u64;
    if total == Some(stored) {
        return finish(store, id);
    }
    let reply = Reply::bytes(308, "text/plain", "");
    // No range at all means that nothing is stored.
    Ok(if stored == 0 { reply } else { reply.with("range", format!("bytes=0-{}", stored - 1)) })
}

type Span = Option<(u64, u64)>;

/// First and last byte, unless it is a question, and how many there are, if that is known: `bytes 0-9/*`.
fn content_range(range: &str) -> Option<(Span, Option<u64>)> {
    let (span, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    if span == "*" {
        return Some((None, total));
    }
    let (from, to) = span.split_once('-')?;
    Some((Some((from.parse().ok()?, to.parse().ok()?)), total))
}

/// Adds what is new of a chunk, at most so much of it.
fn take(session: &mut Session, from: u64, body: &[u8], most: u64) {
    let known = usize::try_from(session.bytes.len() as u64 - from).unwrap_or(usize::MAX).min(body.len());
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    session.bytes.extend(body[known..].iter().take(most));
}

fn finish(store: &mut Store, id: &str) -> Result<Reply, Reply> {
    let Some(mut session) = store.sessions.remove(id) else { return Err(error(410, "uploadBroken", "Gone")) };
    let bytes = std::mem::take(&mut session.bytes);
    let Session { bucket, name, kind, metadata, generation, .. } = &session;
    store.precondition(bucket, name, generation.as_deref())?;
    let reply = store.insert(bucket, name, kind, metadata, bytes);
    session.ended = Some(reply.clone());
    store.sessions.insert(id.to_owned(), session);
    Ok(reply)
}

/// Metadata, type and bytes of a `multipart/related` body.
pub(super) fn parts(kind: &str, body: &[u8]) -> Option<(Value, String, Vec<u8>)> {
    let boundary =
        kind.strip_prefix("multipart/related")?.split_once("boundary=")?.1.trim_matches(['"', '\'']);
    let find = |from: usize, what: &[u8]| {
        body.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| from + at)
    };
    let line = format!("--{boundary}");
    let part = |from: usize| {
        let head = find(from, line.as_bytes())? + line.len();
        // Headers end with an empty line; the marker stands on a line of its own.
        let (at, gap) = find(head, b"\r\n\r\n").map(|at| (at, 4))?;
        let end = find(at + gap, format!("\r\n{line}").as_bytes())?;
        Some((String::from_utf8_lossy(&body[head..at]).into_owned(), at + gap, end))
    };
    let (_, from, end) = part(0)?;
    let metadata = serde_json::from_slice(&body[from..end]).unwrap_or_default();
    let (headers, from, end) = part(end)?;
    let kind = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    });
    Some((metadata, kind.unwrap_or_default(), body[from..end].to_vec()))
}
