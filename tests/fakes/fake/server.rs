//! HTTP: what is read, what goes wrong, and what is kept of it.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Multipart, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::connection::{Counting, Cutter};
use super::faults::{Failing, Fault};
use super::stats::Exchange;
use super::{Body, Reply, Shared, lock};

/// Serves until told to stop.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let listener = Counting { listener, shared: shared.clone() };
    let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(shared);
    let service = app.into_make_service_with_connect_info::<Cutter>();
    tokio::select! {
        // Dropped connections are just what a client must live with.
        _ = axum::serve(listener, service) => {}
        _ = stopped => {}
    }
}

/// A request, read.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// As it came, escapes included.
    pub(crate) path: String,
    /// The path, decoded, without its first slash.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Purpose, name and bytes of an upload by form.
    pub(crate) form: Option<(String, String, Vec<u8>)>,
    /// What else a form says in words.
    pub(crate) fields: Vec<(String, String)>,
    json: OnceLock<Option<Value>>,
}

impl Call {
    /// The body, if it is JSON.
    pub(crate) fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_slice(&self.body).ok()).as_ref()
    }

    /// A header that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query.
    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let path = request.uri().path().to_owned();
    if let Some(control) = path.strip_prefix("/_fake/") {
        return controlled(&shared, control, request).await;
    }
    let id = shared.recorder.began(format!("{} {}", request.method(), shared.service.template(&path)));
    let call = match read(&shared, request).await {
        Ok(call) => call,
        Err(reply) => {
            shared.recorder.ended(reply.status, || exchange(None, &reply));
            return respond(&shared, reply, id, begun);
        }
    };
    let met = lock(&shared.faults).meet(&format!("{} {}", call.method, call.path));
    let early = met.as_ref().filter(|failing| !failing.after_work);
    let mut reply = match early.and_then(|failing| instead(&shared, &failing.fault, &call)) {
        Some(reply) => reply,
        None => shared.service.answer(&shared, &call),
    };
    if let Some(Failing { fault, after_work: true, .. }) = &met {
        reply = instead(&shared, fault, &call).unwrap_or(reply);
    }
    if !shared.latency.is_zero() {
        tokio::time::sleep(shared.latency).await;
    }
    if let Some(failing) = met {
        go_wrong(&failing.fault, &mut reply, &cutter).await;
    }
    let status = if cutter.is_reset() { 0 } else { reply.status };
    shared.recorder.ended(status, || exchange(Some(&call), &reply));
    respond(&shared, reply, id, begun)
}

/// The answer that stands in for the real one.
fn instead(shared: &Shared, fault: &Fault, call: &Call) -> Option<Reply> {
    match fault {
        Fault::Answer(status, body) => Some(Reply::of(*status, body.clone())),
        Fault::Html(status) => Some(Reply::html(*status)),
        fault => shared.service.worded(fault, call),
    }
}

/// What goes wrong with an answer that is there.
async fn go_wrong(fault: &Fault, reply: &mut Reply, cutter: &Cutter) {
    match fault {
        Fault::Reset => cutter.reset(),
        Fault::Cut => cutter.cut(),
        Fault::Half => {
            if let Body::Json(body) = &reply.body {
                let mut bytes = body.to_string().into_bytes();
                bytes.truncate(bytes.len() / 2);
                reply.body = Body::Bytes("application/json", bytes);
            }
        }
        Fault::Stall(time) => tokio::time::sleep(*time).await,
        _ => {}
    }
}

/// What is asked through `/_fake/`, by tests in other languages.
async fn controlled(shared: &Shared, control: &str, request: Request) -> Response {
    let method = request.method().clone();
    let reply = match (method.as_str(), control) {
        ("GET", "stats") => Reply::json(serde_json::to_value(shared.recorder.stats()).unwrap_or_default()),
        ("GET", "recorded") => {
            Reply::json(serde_json::to_value(shared.recorder.recorded()).unwrap_or_default())
        }
        ("POST", "faults") => {
            let body = Bytes::from_request(request, &()).await.unwrap_or_default();
            let failing = serde_json::from_slice(&body).ok().and_then(|value: Value| Failing::read(&value));
            match failing {
                Some(failing) => {
                    lock(&shared.faults).add(failing);
                    Reply::json(json!({}))
                }
                None => shared.service.refused("This is no fault."),
            }
        }
        ("DELETE", "faults") => {
            lock(&shared.faults).clear();
            Reply::json(json!({}))
        }
        _ => shared.service.refused("There is no such control."),
    };
    respond(shared, reply, 0, Instant::now())
}

async fn read(shared: &Shared, request: Request) -> Result<Call, Reply> {
    let (method, path, headers) =
        (request.method().clone(), request.uri().path().to_owned(), request.headers().clone());
    let query = Query::try_from_uri(request.uri()).map(|Query(query)| query).unwrap_or_default();
    let segments = path.strip_prefix('/').unwrap_or_default().split('/').map(unescaped).collect();
    let (body, form, fields, json) = Default::default();
    let mut call = Call { method, path, segments, query, headers, body, form, fields, json };
    let kind = call.header("content-type").unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        (call.form, call.fields) = read_form(shared, request).await?;
    } else {
        let read = Bytes::from_request(request, &()).await;
        call.body = read.map_err(|_| shared.service.refused("The body cannot be read."))?;
    }
    Ok(call)
}

/// The file of a form, with its purpose, and all that the form says in words.
type Form = (Option<(String, String, Vec<u8>)>, Vec<(String, String)>);

async fn read_form(shared: &Shared, request: Request) -> Result<Form, Reply> {
    let broken = |_| shared.service.refused("The form cannot be read.");
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|_| shared.service.refused("No form."))?;
    let (mut fields, mut file) = (Vec::new(), None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name() {
            Some("file" | "files") => {
                let name = field.file_name().unwrap_or_default().to_owned();
                file = Some((name, field.bytes().await.map_err(broken)?.to_vec()));
            }
            name => {
                let name = name.unwrap_or_default().to_owned();
                fields.push((name, field.text().await.map_err(broken)?));
            }
        }
    }
    let purpose = fields.iter().find(|(name, _)| name == "purpose").map(|(_, text)| text.clone());
    Ok((file.map(|(name, bytes)| (purpose.unwrap_or_default(), name, bytes)), fields))
}

fn respond(shared: &Shared, reply: Reply, id: u64, begun: Instant) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, bytes) = match reply.body {
        Body::Json(body) => ("application/json", body.to_string().into_bytes()),
        Body::Bytes(kind, bytes) => (kind, bytes),
    };
    let mut response = (status, bytes).into_response();
    let mut headers = vec![("content-type", kind.to_owned())];
    headers.extend(shared.service.headers(id, begun.elapsed()));
    headers.extend(reply.headers);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn exchange(call: Option<&Call>, reply: &Reply) -> Exchange {
    let form = |(purpose, name, bytes): &(String, String, Vec<u8>)| json!({"purpose": purpose, "filename": name, "file": String::from_utf8_lossy(bytes)});
    let request = call.and_then(|call| {
        let text = || (!call.body.is_empty()).then(|| String::from_utf8_lossy(&call.body).into());
        call.form.as_ref().map(form).or_else(|| call.json().cloned()).or_else(text)
    });
    let mut header_names: Vec<_> =
        call.iter().flat_map(|call| call.headers.keys()).map(HeaderName::to_string).collect();
    header_names.sort_unstable();
    let answer = match &reply.body {
        Body::Json(body) => body.clone(),
        Body::Bytes(..) => Value::Null,
    };
    Exchange {
        method: call.map(|call| call.method.to_string()).unwrap_or_default(),
        path: call.map(|call| call.path.clone()).unwrap_or_default(),
        query: call.map(|call| call.query.clone()).unwrap_or_default(),
        header_names,
        request: request.unwrap_or_default(),
        status: reply.status,
        answer,
    }
}

/// A path segment with its `%XX` escapes undone.
fn unescaped(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match escaped.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
