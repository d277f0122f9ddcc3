//! HTTP: connections, keys, faults, and which call goes where.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Multipart, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::faults::{Failing, Fault};
use super::stats::Exchange;
use super::{Body, Reply, Shared, answers, lock};

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

/// Counts connections, and makes each of them such that it can be cut.
struct Counting {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Listener for Counting {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.shared.recorder.connected();
        // Answers are small: without this each would wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        (Connection { stream, cutter: Cutter::default() }, address)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Tells a connection from within a request how it is to end.
#[derive(Debug, Clone, Default)]
struct Cutter(Arc<AtomicU8>);

const WHOLE: u8 = 0;
const RESET: u8 = 1;
const IN_BODY: u8 = 2;

impl Connected<IncomingStream<'_, Counting>> for Cutter {
    fn connect_info(stream: IncomingStream<'_, Counting>) -> Self {
        stream.io().cutter.clone()
    }
}

struct Connection {
    stream: TcpStream,
    cutter: Cutter,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        match self.cutter.0.load(Ordering::Acquire) {
            WHOLE => Pin::new(&mut self.stream).poll_write(context, bytes),
            IN_BODY => {
                let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
                let half = head + (bytes.len() - head) / 2;
                let written =
                    Pin::new(&mut self.stream).poll_write(context, &bytes[..half.max(1).min(bytes.len())]);
                if written.is_ready() {
                    self.cutter.0.store(RESET + IN_BODY, Ordering::Release);
                }
                written
            }
            how => {
                if how == RESET {
                    // The other side sees a reset, not an orderly end.
                    let _ = self.stream.set_zero_linger();
                }
                Poll::Ready(Err(cut))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A request, read.
struct Call {
    method: Method,
    /// As it came, escapes included.
    path: String,
    /// Decoded, without `/v1`.
    segments: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    json: Option<Value>,
    /// Purpose, name and bytes of an upload.
    form: Option<(String, String, Vec<u8>)>,
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
    let id = shared.recorder.began(format!("{} {}", request.method(), template(&path)));
    let call = match read(&shared, request).await {
        Ok(call) => call,
        Err(reply) => {
            shared.recorder.ended(reply.status, || exchange(None, &reply));
            return respond(reply, id, begun);
        }
    };
    let met = lock(&shared.faults).meet(&format!("{} {}", call.method, call.path));
    let early = met.as_ref().filter(|failing| !failing.after_work);
    let mut reply = match early.and_then(|failing| failing.fault.reply()) {
        Some(reply) => reply,
        None => work(&shared, &call),
    };
    if !shared.latency.is_zero() {
        tokio::time::sleep(shared.latency).await;
    }
    if let Some(failing) = met {
        go_wrong(&failing, &mut reply, &cutter).await;
    }
    let reset = cutter.0.load(Ordering::Acquire) == RESET;
    shared.recorder.ended(if reset { 0 } else { reply.status }, || exchange(Some(&call), &reply));
    respond(reply, id, begun)
}

/// What goes wrong with an answer that is there.
async fn go_wrong(failing: &Failing, reply: &mut Reply, cutter: &Cutter) {
    match &failing.fault {
        Fault::Reset => cutter.0.store(RESET, Ordering::Release),
        Fault::Cut => cutter.0.store(IN_BODY, Ordering::Release),
        Fault::Half => {
            if let Body::Json(body) = &reply.body {
                let mut bytes = body.to_string().into_bytes();
                bytes.truncate(bytes.len() / 2);
                reply.body = Body::Bytes("application/json", bytes);
            }
        }
        Fault::Stall(time) => tokio::time::sleep(*time).await,
        fault if failing.after_work => {
            if let Some(instead) = fault.reply() {
                *reply = instead;
            }
        }
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
                None => Reply::invalid("", "", "This is no fault."),
            }
        }
        ("DELETE", "faults") => {
            lock(&shared.faults).clear();
            Reply::json(json!({}))
        }
        _ => Reply::error(404, "invalid_request_error", "", "", "There is no such control."),
    };
    respond(reply, 0, Instant::now())
}

async fn read(shared: &Shared, request: Request) -> Result<Call, Reply> {
    let (method, path, headers) =
        (request.method().clone(), request.uri().path().to_owned(), request.headers().clone());
    let query = Query::try_from_uri(request.uri()).map(|Query(query)| query).unwrap_or_default();
    let segments = path.strip_prefix("/v1/").unwrap_or_default().split('/').map(unescaped).collect();
    let mut call = Call { method, path, segments, query, headers, json: None, form: None };
    let kind = call.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        let broken = |_| Reply::invalid("", "", "The form cannot be read.");
        let mut form =
            Multipart::from_request(request, &()).await.map_err(|_| Reply::invalid("", "", "No form."))?;
        let (mut purpose, mut file) = (String::new(), None);
        while let Some(field) = form.next_field().await.map_err(broken)? {
            match field.name() {
                Some("purpose") => purpose = field.text().await.map_err(broken)?,
                Some("file") => {
                    let name = field.file_name().unwrap_or_default().to_owned();
                    file = Some((name, field.bytes().await.map_err(broken)?.to_vec()));
                }
                _ => {}
            }
        }
        let (name, bytes) =
            file.ok_or_else(|| Reply::invalid("", "file", "'file' is a required property"))?;
        call.form = Some((purpose, name, bytes));
        return Ok(call);
    }
    let broken = |_| Reply::invalid("", "", "The body cannot be read.");
    let body = Bytes::from_request(request, &()).await.map_err(broken)?;
    if !body.is_empty() {
        let broken = |_| Reply::invalid("", "", "We could not parse the JSON body of your request.");
        call.json = Some(serde_json::from_slice(&body).map_err(broken)?);
        if matches!(call.segments.first().map(String::as_str), Some("chat" | "responses" | "decisions")) {
            shared.recorder.prompted(&body);
        }
    }
    Ok(call)
}

/// What the service does when nothing goes wrong.
fn work(shared: &Shared, call: &Call) -> Reply {
    if let Some(refusal) = key_refused(shared, &call.headers) {
        return refusal;
    }
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let empty = Map::new();
    let body = call.json.as_ref().and_then(Value::as_object).unwrap_or(&empty);
    let query = call.query.as_slice();
    match (call.method.as_str(), segments.as_slice()) {
        ("POST", ["chat", "completions"]) => answers::chat(shared, body),
        ("POST", ["responses"]) => answers::responses(shared, body),
        ("POST", ["decisions"]) => answers::decisions(shared, body),
        ("GET", ["models"]) => lock(&shared.world).models(),
        ("GET", ["models", id]) => lock(&shared.world).model(id),
        ("DELETE", ["models", id]) => lock(&shared.world).delete_model(id),
        ("GET", ["files"]) => lock(&shared.world).files(query),
        ("POST", ["files"]) => match &call.form {
            Some((purpose, name, bytes)) => lock(&shared.world).upload(purpose, name, bytes.clone()),
            None => Reply::invalid("", "", "Expected a multipart form."),
        },
        ("GET", ["files", id]) => lock(&shared.world).file(id),
        ("DELETE", ["files", id]) => lock(&shared.world).delete_file(id),
        ("GET", ["files", id, "content"]) => lock(&shared.world).content(id),
        ("GET", ["fine_tuning", "jobs"]) => lock(&shared.world).jobs(query),
        ("POST", ["fine_tuning", "jobs"]) => lock(&shared.world).create_job(&Value::Object(body.clone())),
        ("GET", ["fine_tuning", "jobs", id]) => lock(&shared.world).job(id),
        ("POST", ["fine_tuning", "jobs", id, command @ ("cancel" | "pause" | "resume")]) => {
            lock(&shared.world).command(id, command)
        }
        ("GET", ["fine_tuning", "jobs", id, "events"]) => lock(&shared.world).events(id, query),
        ("GET", ["fine_tuning", "jobs", id, "checkpoints"]) => lock(&shared.world).checkpoints(id, query),
        (method, _) => {
            let message = format!("Invalid URL ({method} {})", call.path);
            Reply::error(404, "invalid_request_error", "", "", &message)
        }
    }
}

fn key_refused(shared: &Shared, headers: &HeaderMap) -> Option<Reply> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let key =
        text("authorization").and_then(|value| value.strip_prefix("Bearer ")).or_else(|| text("api-key"));
    match (key.filter(|key| !key.is_empty()), &shared.key) {
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

fn respond(reply: Reply, id: u64, begun: Instant) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, bytes) = match reply.body {
        Body::Json(body) => ("application/json", body.to_string().into_bytes()),
        Body::Bytes(kind, bytes) => (kind, bytes),
    };
    let mut response = (status, bytes).into_response();
    let mut headers = vec![
        ("content-type", kind.to_owned()),
        ("x-request-id", format!("req_{id:08}")),
        ("openai-processing-ms", begun.elapsed().as_millis().to_string()),
        ("openai-version", "2020-10-01".to_owned()),
        ("openai-organization", "fake-org".to_owned()),
    ];
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
    let request = call.and_then(|call| call.json.clone().or_else(|| call.form.as_ref().map(form)));
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

/// A path with its ids left out: `/v1/files/{id}/content`.
fn template(path: &str) -> String {
    let words = [
        "v1",
        "chat",
        "completions",
        "responses",
        "decisions",
        "models",
        "files",
        "content",
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
