//! `batchPredictionJobs` of Vertex: requests from a bucket, and answers in files beside each other in it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::vertex::{Place, missing, page};
use super::{Api, Surface, batches, checks, errors, models};
use crate::fake::{BatchScript, Call, Reply, lock, now, timestamp};

/// The jobs of a project.
#[derive(Default)]
pub(super) struct VertexBatches {
    /// The oldest first.
    all: Vec<Batch>,
}

struct Batch {
    name: String,
    order: Map<String, Value>,
    /// The untuned model that answers.
    model: String,
    created: u64,
    script: BatchScript,
    looks: u32,
    cancelling: bool,
    /// How it ended, once it has.
    end: Option<&'static str>,
    /// Rows that were answered, that failed, and that were not tried.
    counts: [usize; 3],
    output: Option<String>,
}

impl VertexBatches {
    pub(super) fn names(&self) -> Vec<String> {
        self.all.iter().map(|batch| batch.name.clone()).collect()
    }

    fn find(&mut self, name: &str) -> Option<&mut Batch> {
        self.all.iter_mut().find(|batch| batch.name == name)
    }

    /// The newest first; those of other places are not shown.
    pub(super) fn list(&self, place: &Place<'_>, call: &Call) -> Reply {
        let filter = call.asked("filter").unwrap_or_default();
        let wanted = filter.strip_prefix("labels.").and_then(|filter| filter.split_once('='));
        if wanted.is_none() && !filter.is_empty() {
            return errors::bad_field("filter", &format!("Invalid filter: {filter}"));
        }
        let here = |batch: &&Batch| batch.name.starts_with(&format!("{}/", place.parent));
        let fits = |batch: &&Batch| wanted.is_none_or(|(label, value)| batch.order["labels"][label] == value);
        let found = self.all.iter().rev().filter(here).filter(fits).map(Batch::resource).collect();
        page(found, "batchPredictionJobs", call, 100).unwrap_or_else(|reply| reply)
    }

    pub(super) fn cancel(&mut self, name: &str) -> Reply {
        match self.find(name) {
            Some(batch) if batch.end.is_none() => {
                batch.cancelling = true;
                batch.script.end = "cancelled".to_owned();
                Reply::json(json!({}))
            }
            Some(_) => errors::precondition("The job has ended already."),
            None => missing(name),
        }
    }
}

/// `POST …/batchPredictionJobs`.
pub(super) fn create(api: &Api<'_>, place: &Place<'_>, order: Map<String, Value>) -> Reply {
    let order = Value::Object(order);
    let text = |pointer: &str| order.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let input = text("/inputConfig/gcsSource/uris/0").to_owned();
    let into_bucket = text("/outputConfig/gcsDestination/outputUriPrefix").starts_with("gs://");
    if text("/displayName").is_empty() || text("/inputConfig/instancesFormat") != "jsonl" || !into_bucket {
        return errors::invalid("display_name, input_config and output_config are required.");
    }
    if let Err(reply) = checks::labels(order.get("labels")) {
        return reply;
    }
    let named = text("/model");
    let model = match named.rsplit_once("publishers/google/models/") {
        Some((_, model)) => models::find(model).map(|model| model.id),
        None if place.location == "global" => {
            return errors::precondition("Tuned models are not supported in the location global.");
        }
        None => lock(api.vertex).base_of(named).map(|model| model.id),
    };
    let Some(model) = model.map(str::to_owned) else {
        return errors::not_found(&format!("The model {named} was not found."));
    };
    if lock(api.store).bytes(&input).is_none() {
        return errors::invalid(&format!("The input {input} does not exist."));
    }
    let mut developer = lock(api.batches);
    if let Some(reply) = batches::full(&mut developer.script) {
        return reply;
    }
    let script = developer.script.clone();
    drop(developer);
    let mut jobs = lock(api.vertex_batches);
    let name =
        format!("{}/batchPredictionJobs/{}", place.parent, 7_000_000_000_000_000_000 + jobs.all.len() as u64);
    let Value::Object(order) = order else { return errors::invalid("The order is not an object.") };
    let (looks, cancelling, end, counts, output) = Default::default();
    let batch = Batch { name, order, model, created: now(), script, looks, cancelling, end, counts, output };
    let resource = batch.resource();
    jobs.all.push(batch);
    Reply::json(resource)
}

/// A job as it stands after this look.
pub(super) fn look(api: &Api<'_>, name: &str) -> Reply {
    let due = {
        let mut jobs = lock(api.vertex_batches);
        let Some(batch) = jobs.find(name) else { return missing(name) };
        batch.looks += 1;
        let due = batch.end.is_none() && batch.looks > batch.script.looks;
        let order = Value::Object(batch.order.clone());
        due.then(|| (batch.model.clone(), order, batch.script.clone()))
    };
    if let Some((model, order, script)) = due {
        finish(api, name, &model, &order, &script);
    }
    lock(api.vertex_batches).find(name).map_or_else(|| missing(name), |batch| Reply::json(batch.resource()))
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    request: &'a RawValue,
}

fn finish(api: &Api<'_>, name: &str, model: &str, order: &Value, script: &BatchScript) {
    let text = |pointer: &str| order.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let input =
        lock(api.store).bytes(text("/inputConfig/gcsSource/uris/0")).map(<[u8]>::to_vec).unwrap_or_default();
    let rows: Vec<Row<'_>> = batches::rows(&input);
    let reached = if script.refused.is_some() { 0 } else { script.reached(rows.len()) };
    let (mut results, mut failed) = (Vec::new(), 0);
    for (at, Row { request }) in rows.iter().take(reached).enumerate() {
        let (status, response) = match batches::ask(api, Surface::Vertex, model, request, script.fails(at)) {
            Ok(answer) => (String::new(), answer),
            Err(error) => {
                failed += 1;
                (format!("Bad Request: {error}"), json!({}))
            }
        };
        // The request comes first, and it comes back as it was sent.
        let line =
            json!({"status": status, "response": response, "processed_time": timestamp(now())}).to_string();
        results.push(format!("{{\"request\":{request},{}", &line[1..]));
    }
    script.disarrange(&mut results, "tunebench_row");
    let folder = format!(
        "{}prediction-model-{}",
        text("/outputConfig/gcsDestination/outputUriPrefix"),
        timestamp(now())
    );
    if !results.is_empty() && !script.gone {
        // Answers may lie in more than one file.
        let (first, second) = results.split_at(results.len() / 2);
        for (at, part) in [first, second].into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let file = format!("{folder}/predictions_{at:05}-of-00002.jsonl");
            lock(api.store).put(&file, batches::lines(part));
        }
    }
    let answered = reached - failed;
    lock(api.batches).rows_answered += answered as u64;
    let mut jobs = lock(api.vertex_batches);
    let Some(batch) = jobs.find(name) else { return };
    batch.counts = [answered, failed, rows.len() - reached];
    batch.output = (reached > 0).then_some(folder);
    let partly = failed > 0 && script.end == "completed";
    batch.end = Some(if partly { "PARTIALLY_SUCCEEDED" } else { batches::end_of(script) });
}

impl Batch {
    fn resource(&self) -> Value {
        let hidden = self.looks <= self.script.looks + self.script.late_files;
        let state = match self.end {
            Some(end) => end,
            None if self.cancelling => "CANCELLING",
            None if self.looks == 0 => "QUEUED",
            None => self.script.odd_state.as_deref().unwrap_or("RUNNING"),
        };
        let mut resource = Value::Object(self.order.clone());
        resource["name"] = self.name.clone().into();
        resource["state"] = format!("JOB_STATE_{state}").into();
        resource["createTime"] = timestamp(self.created).into();
        resource["updateTime"] = timestamp(now()).into();
        if self.end.is_some() {
            resource["endTime"] = timestamp(now()).into();
            let [answered, failed, left] = self.counts.map(|count| count.to_string());
            resource["completionStats"] =
                json!({"successfulCount": answered, "failedCount": failed, "incompleteCount": left});
            if let Some(why) = &self.script.refused {
                resource["error"] = json!({"code": 3, "message": why});
            }
            if let Some(folder) = self.output.as_ref().filter(|_| !hidden) {
                resource["outputInfo"] = json!({"gcsOutputDirectory": folder});
            }
        }
        resource
    }
}
