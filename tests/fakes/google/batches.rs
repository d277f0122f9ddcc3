//! The Files API and batches of the Developer API: uploads in two steps, files of requests, and their answers. How rows are
//! answered, and what goes wrong with them, holds for batches of Vertex as well.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answers::{Answering, generated_from};
use super::{Api, Surface, errors, models};
use crate::fake::{BatchScript, Body, Call, Reply, lock, now, timestamp};

/// Files and batches of an account.
#[derive(Default)]
pub(super) struct Batches {
    pub(super) script: BatchScript,
    files: BTreeMap<String, File>,
    /// Display names of uploads that have begun.
    begun: Vec<String>,
    /// The oldest first.
    all: Vec<Batch>,
    /// Rows answered, by either API.
    pub(super) rows_answered: u64,
    last_id: u64,
}

struct File {
    display_name: String,
    bytes: Vec<u8>,
}

struct Batch {
    name: String,
    model: String,
    display_name: String,
    input: String,
    created: u64,
    script: BatchScript,
    looks: u32,
    state: String,
    counts: [usize; 2],
    results: Option<String>,
}

impl Batches {
    pub(super) fn file_names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.all.iter().map(|batch| batch.name.clone()).collect()
    }

    fn id(&mut self) -> String {
        self.last_id += 1;
        format!("fake{:08}", self.last_id)
    }

    fn keep(&mut self, display_name: &str, bytes: Vec<u8>) -> String {
        let name = format!("files/{}", self.id());
        self.files.insert(name.clone(), File { display_name: display_name.to_owned(), bytes });
        name
    }

    fn file(&self, name: &str) -> Option<Value> {
        let file = self.files.get(name)?;
        let size = file.bytes.len().to_string();
        Some(json!({"name": name, "displayName": file.display_name, "mimeType": "jsonl", "sizeBytes": size,
            "createTime": timestamp(now()), "expirationTime": timestamp(now() + 172_800), "state": "ACTIVE"}))
    }
}

/// Both steps of an upload.
pub(super) fn upload(api: &Api<'_>, call: &Call) -> Reply {
    let mut batches = lock(api.batches);
    match call.header("x-goog-upload-command") {
        Some("start") if call.header("x-goog-upload-protocol") == Some("resumable") => {
            // Names come in either case.
            let named = |name: &str| call.json().and_then(|json| json["file"][name].as_str());
            let name = named("displayName").or_else(|| named("display_name")).unwrap_or_default();
            batches.begun.push(name.to_owned());
            let host = call.header("host").unwrap_or_default();
            let url = format!("http://{host}{}?upload_id={}", call.path, batches.begun.len());
            Reply::json(json!({})).with("x-goog-upload-url", url).with("x-goog-upload-status", "active")
        }
        Some("upload, finalize") => {
            let number = call.asked("upload_id").and_then(|id| id.parse::<usize>().ok());
            let begun = number.and_then(|number| batches.begun.get(number.checked_sub(1)?).cloned());
            let Some(name) = begun else { return errors::not_found("The upload was not found.") };
            let name = batches.keep(&name, call.body.to_vec());
            let file = batches.file(&name);
            Reply::json(json!({ "file": file })).with("x-goog-upload-status", "final")
        }
        _ => errors::invalid("The upload protocol is not known."),
    }
}

/// Calls about files and batches.
pub(super) fn answer(api: &Api<'_>, call: &Call, path: &[&str]) -> Reply {
    let name = path.join("/");
    let missing = || errors::not_found(&format!("Requested entity was not found: {name}."));
    let mut batches = lock(api.batches);
    match (call.method.as_str(), path) {
        ("GET", ["files"]) => {
            let files: Vec<_> = batches.files.keys().filter_map(|name| batches.file(name)).collect();
            Reply::json(json!({ "files": files }))
        }
        ("GET", ["files", last]) if last.ends_with(":download") => {
            let from = call
                .header("range")
                .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            match (batches.files.get(name.trim_end_matches(":download")), from) {
                (None, _) => missing(),
                (Some(file), None) => Reply::bytes(200, "application/octet-stream", file.bytes.clone()),
                (Some(file), Some(from)) => match file.bytes.get::<std::ops::RangeFrom<usize>>(from..) {
                    Some(rest) if !rest.is_empty() => Reply::bytes(206, "application/octet-stream", rest),
                    _ => errors::error(416, "OUT_OF_RANGE", "The range is not satisfiable.", Vec::new()),
                },
            }
        }
        ("GET", ["files", _]) => batches.file(&name).map_or_else(missing, Reply::json),
        ("DELETE", ["files", _]) => match batches.files.remove(&name) {
            Some(_) => Reply::json(json!({})),
            None => missing(),
        },
        ("GET", ["batches"]) => {
            let all: Vec<_> = batches.all.iter().rev().map(Batch::object).collect();
            Reply::json(json!({ "operations": all }))
        }
        ("POST", ["batches", last]) if last.ends_with(":cancel") => {
            let name = name.trim_end_matches(":cancel");
            match batches.all.iter_mut().find(|batch| batch.name == name) {
                Some(batch) if batch.has_ended() => errors::precondition("The batch has ended already."),
                Some(batch) => {
                    // It goes on for a while.
                    batch.state = "CANCELLING".to_owned();
                    Reply::json(json!({}))
                }
                None => missing(),
            }
        }
        ("GET", ["batches", _]) => {
            drop(batches);
            look(api, &name).map_or_else(missing, Reply::json)
        }
        _ => Reply::html(404),
    }
}

/// `POST …:batchGenerateContent`.
pub(super) fn create(api: &Api<'_>, call: &Call, model: &str) -> Reply {
    let order = call.json().map_or(&Value::Null, |json| &json["batch"]);
    let (display_name, input) = (&order["displayName"], order["inputConfig"]["fileName"].as_str());
    let (Some(display_name), Some(input)) = (display_name.as_str(), input) else {
        return errors::invalid("batch.display_name and batch.input_config.file_name are required.");
    };
    let mut batches = lock(api.batches);
    if !batches.files.contains_key(input) {
        return errors::not_found(&format!("File {input} not found."));
    }
    if let Some(reply) = full(&mut batches.script) {
        return reply;
    }
    let script = batches.script.clone();
    let batch = Batch {
        name: format!("batches/{}", batches.id()),
        model: model.to_owned(),
        display_name: display_name.to_owned(),
        input: input.to_owned(),
        created: now(),
        script,
        looks: 0,
        state: "PENDING".to_owned(),
        counts: [0; 2],
        results: None,
    };
    let object = batch.object();
    batches.all.push(batch);
    Reply::json(object)
}

/// An order for which the queue has no room, as often as it is to be full.
pub(super) fn full(script: &mut BatchScript) -> Option<Reply> {
    script.queue_full = script.queue_full.checked_sub(1)?;
    Some(errors::error(429, "RESOURCE_EXHAUSTED", "Too many batches are waiting.", Vec::new()))
}

/// How a script's end is called here.
pub(super) fn end_of(script: &BatchScript) -> &'static str {
    match script.end.as_str() {
        _ if script.refused.is_some() => "FAILED",
        "completed" => "SUCCEEDED",
        "expired" => "EXPIRED",
        "cancelled" => "CANCELLED",
        _ => "FAILED",
    }
}

/// A batch as it stands after this look.
fn look(api: &Api<'_>, name: &str) -> Option<Value> {
    let due = {
        let mut batches = lock(api.batches);
        let batch = batches.all.iter_mut().find(|batch| batch.name == name)?;
        batch.looks += 1;
        let cancelling = batch.state == "CANCELLING";
        let odd = batch.script.odd_state.clone().unwrap_or_else(|| "RUNNING".to_owned());
        let ended = batch.has_ended();
        let due = !ended && batch.looks > batch.script.looks;
        if !ended && !cancelling {
            batch.state = odd;
        }
        if cancelling {
            batch.script.end = "cancelled".to_owned();
        }
        let (model, input, script) = (batch.model.clone(), batch.input.clone(), batch.script.clone());
        let input = batches.files.get(&input).map(|file| file.bytes.clone()).unwrap_or_default();
        due.then_some((model, input, script))
    };
    if let Some((model, input, script)) = due {
        finish(api, name, &model, &input, &script);
    }
    let batches = lock(api.batches);
    batches.all.iter().find(|batch| batch.name == name).map(Batch::object)
}

#[derive(Deserialize)]
struct Row<'a> {
    key: String,
    #[serde(borrow)]
    request: &'a RawValue,
}

fn finish(api: &Api<'_>, name: &str, model: &str, input: &[u8], script: &BatchScript) {
    let rows: Vec<Row<'_>> = rows(input);
    let (mut results, mut answered) = (Vec::new(), 0);
    for (at, row) in rows.iter().take(script.reached(rows.len())).enumerate() {
        if script.refused.is_some() {
            break;
        }
        let line = match ask(api, Surface::Developer, model, row.request, script.fails(at)) {
            Ok(answer) => {
                answered += 1;
                json!({"key": row.key, "response": answer})
            }
            Err(error) => json!({"key": row.key, "error": error["error"]}),
        };
        results.push(line.to_string());
    }
    script.disarrange(&mut results, "key");
    let end = end_of(script);
    let mut batches = lock(api.batches);
    batches.rows_answered += answered as u64;
    // What has expired has no results at all.
    let file = (end != "EXPIRED" && !results.is_empty()).then(|| batches.keep("results", lines(&results)));
    if let Some(file) = file.as_ref().filter(|_| script.gone) {
        batches.files.remove(file);
    }
    if let Some(batch) = batches.all.iter_mut().find(|batch| batch.name == name) {
        (batch.state, batch.counts, batch.results) = (end.to_owned(), [rows.len(), answered], file);
    }
}

/// The rows of a file of requests.
pub(super) fn rows<'a, T: Deserialize<'a>>(input: &'a [u8]) -> Vec<T> {
    let lines = input.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

pub(super) fn lines(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.bytes().chain(*b"\n")).collect()
}

/// Answers a row as it would be answered live, unless it is to fail.
pub(super) fn ask(
    api: &Api<'_>,
    surface: Surface,
    model: &str,
    request: &RawValue,
    fails: bool,
) -> Result<Value, Value> {
    if fails {
        return Err(json!({"error": {"code": 400, "message": "Too long.", "status": "INVALID_ARGUMENT"}}));
    }
    let json: Value = serde_json::from_str(request.get()).unwrap_or_default();
    let known = match surface {
        Surface::Developer => models::at_developer(model, "v1beta"),
        Surface::Vertex => models::find(model),
    };
    let Some(known) = known else { return Err(Value::Null) };
    let (name, place) = (model.to_owned(), "in batches".to_owned());
    let answering = Answering { surface, name, place, model: known, memory: None };
    let reply =
        generated_from(api, request.get().as_bytes(), &json, &answering).unwrap_or_else(|reply| reply);
    match reply.body {
        Body::Json(body) if reply.status == 200 => Ok(body),
        Body::Json(body) => Err(body),
        Body::Bytes(..) => Err(Value::Null),
    }
}

impl Batch {
    fn has_ended(&self) -> bool {
        ["SUCCEEDED", "EXPIRED", "CANCELLED", "FAILED"].contains(&self.state.as_str())
    }

    fn object(&self) -> Value {
        let ended =
            self.results.is_some() || ["EXPIRED", "CANCELLED", "FAILED"].contains(&self.state.as_str());
        let hidden = self.looks <= self.script.looks + self.script.late_files;
        let state = match self.state.as_str() {
            "CANCELLING" => "RUNNING",
            "SUCCEEDED" if hidden => "RUNNING",
            state => state,
        };
        let mut object = json!({
            "name": self.name, "done": ended,
            "metadata": {
                "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
                "name": self.name, "model": format!("models/{}", self.model), "displayName": self.display_name,
                "inputConfig": {"fileName": self.input}, "state": format!("BATCH_STATE_{state}"),
                "createTime": timestamp(self.created), "updateTime": timestamp(now()),
            },
        });
        if ended {
            let [total, done] = self.counts.map(|count| count.to_string());
            object["metadata"]["batchStats"] = json!({"requestCount": total, "successfulRequestCount": done});
        }
        if let Some(why) = self.script.refused.as_ref().filter(|_| self.state == "FAILED") {
            object["error"] = json!({"code": 3, "message": why});
        }
        if let Some(file) = self.results.as_ref().filter(|_| !(hidden && self.state == "SUCCEEDED")) {
            object["metadata"]["output"] = json!({"responsesFile": file});
            object["response"] = json!({"responsesFile": file});
        }
        object
    }
}
