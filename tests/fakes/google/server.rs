//! Which service a call is for, and which call it is.

use serde_json::json;

use super::answers::{self, Answering};
use super::vertex::{self, Place};
use super::{Api, Surface, batches, credentials, errors, messages, models, shape, vertex_batches};
use crate::fake::{Call, Reply, lock};

pub(super) fn answer(api: &Api<'_>, call: &Call) -> Reply {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let settings = api.settings;
    match (call.method.as_str(), segments.as_slice()) {
        ("POST", ["token"]) => lock(api.tokens).exchange(call, settings),
        ("GET", ["computeMetadata", "v1", path @ ..]) => lock(api.tokens).metadata(call, path, settings),
        (_, ["storage" | "download", path @ ..]) => storage(api, call, path),
        (_, ["upload", "storage", "v1", "b", bucket, "o"]) => {
            // The address of a session is what lets its chunks in.
            match call.asked("upload_id").map_or_else(|| allowed_in_storage(api, call), |_| Ok(())) {
                Ok(()) => lock(api.store).upload(call, bucket),
                Err(reply) => reply,
            }
        }
        (_, ["generativelanguage", "upload", "v1beta", "files"]) => {
            // The address of an upload is what lets its bytes in: the official client sends no key with them.
            let allowed = match call.asked("upload_id") {
                Some(_) => Ok(()),
                None => credentials::check_key(call, settings),
            };
            allowed.map_or_else(|reply| reply, |()| batches::upload(api, call))
        }
        (_, ["generativelanguage", version @ ("v1" | "v1beta" | "v1alpha"), path @ ..]) => {
            developer(api, call, version, path)
        }
        (_, ["aiplatform", "v1" | "v1beta1", path @ ..]) => vertex(api, call, None, path),
        (_, ["aiplatform", host, "v1" | "v1beta1", path @ ..]) => match location_of(host) {
            Some(location) => vertex(api, call, Some(location), path),
            None => Reply::html(404),
        },
        _ => Reply::html(404),
    }
}

/// The location that a host serves; a location may stand for its host.
fn location_of(host: &str) -> Option<&str> {
    match host.strip_suffix("aiplatform.googleapis.com") {
        Some("") => return Some("global"),
        // There is no such host, although its name suggests itself.
        Some("global-" | "us-" | "eu-") => return None,
        Some(region) => return region.strip_suffix('-'),
        None => {}
    }
    match host {
        "aiplatform.us.rep.googleapis.com" => Some("us"),
        "aiplatform.eu.rep.googleapis.com" => Some("eu"),
        host if host.contains('.') => None,
        location => Some(location),
    }
}

fn allowed_in_storage(api: &Api<'_>, call: &Call) -> Result<(), Reply> {
    lock(api.tokens)
        .check(call, api.settings)
        .map_err(|(_, message)| errors::storage(401, "authError", message))
}

fn storage(api: &Api<'_>, call: &Call, path: &[&str]) -> Reply {
    if let Err(reply) = allowed_in_storage(api, call) {
        return reply;
    }
    let path = path.strip_prefix(&["storage"]).unwrap_or(path);
    lock(api.store).answer(call, path.strip_prefix(&["v1"]).unwrap_or_default())
}

fn developer(api: &Api<'_>, call: &Call, version: &str, path: &[&str]) -> Reply {
    if let Err(reply) = credentials::check_key(call, api.settings) {
        return reply;
    }
    let unknown = |name: &str| {
        errors::not_found(&format!(
            "models/{name} is not found for API version {version}, or is not supported."
        ))
    };
    match (call.method.as_str(), path) {
        (_, ["files" | "batches", ..]) => batches::answer(api, call, path),
        ("POST", ["models", last]) if last.ends_with(":batchGenerateContent") => {
            let name = last.trim_end_matches(":batchGenerateContent");
            match models::at_developer(name, version) {
                Some(_) => batches::create(api, call, name),
                None => unknown(name),
            }
        }
        ("GET", ["models"]) => {
            vertex::page(models::entries(), "models", call, 1_000).unwrap_or_else(|reply| reply)
        }
        ("GET", ["models", name]) => match models::at_developer(name, version) {
            Some(_) => Reply::json(models::entry(name)),
            None => unknown(name),
        },
        ("POST", ["models", last]) => {
            let (name, verb) = last.split_once(':').unwrap_or((last, ""));
            let Some(model) = models::at_developer(name, version) else { return unknown(name) };
            let answering = Answering {
                surface: Surface::Developer,
                name: name.to_owned(),
                place: "developer".to_owned(),
                model,
                memory: None,
            };
            ask(api, call, verb, &answering)
        }
        _ => Reply::html(404),
    }
}

fn ask(api: &Api<'_>, call: &Call, verb: &str, answering: &Answering) -> Reply {
    match verb {
        "generateContent" => answers::generate(api, call, answering),
        "countTokens" => answers::count(call, answering),
        _ => Reply::html(404),
    }
}

/// A call of Vertex at the host of a location.
fn vertex(api: &Api<'_>, call: &Call, host: Option<&str>, path: &[&str]) -> Reply {
    if let Err((reason, message)) = lock(api.tokens).check(call, api.settings) {
        return credentials::refused(reason, message);
    }
    let settings = api.settings;
    if let ("GET", ["publishers", "google", "models", name]) = (call.method.as_str(), path) {
        return match models::find(name) {
            Some(_) => Reply::json(
                json!({"name": format!("publishers/google/models/{name}"), "versionId": "default",
                "openSourceCategory": "PROPRIETARY", "launchStage": "GA", "versionState": "VERSION_STATE_STABLE"}),
            ),
            None => {
                errors::not_found(&format!("Publisher Model `publishers/google/models/{name}` not found."))
            }
        };
    }
    let ["projects", project, "locations", location, rest @ ..] = path else { return Reply::html(404) };
    if *project != settings.project && *project != settings.project_number {
        return errors::denied(
            "aiplatform.endpoints.predict",
            &format!("projects/{project}/locations/{location}"),
        );
    }
    if settings.needs_quota_project && call.header("x-goog-user-project").is_none() {
        let message = "Your application is authenticating by using local Application Default Credentials. The \
                       aiplatform.googleapis.com API requires a quota project, which is not set by default.";
        let details = errors::info("SERVICE_DISABLED", json!({"service": "aiplatform.googleapis.com"}));
        return errors::error(403, "PERMISSION_DENIED", message, vec![details]);
    }
    if host.is_some_and(|host| host != *location) {
        let message = format!("The location {location} is not served by this host.");
        return errors::not_found(&message);
    }
    if let Err(reply) = known_parameters(call, rest) {
        return reply;
    }
    let parent = format!("projects/{}/locations/{location}", settings.project_number);
    in_project(api, call, &Place { parent, location }, rest)
}

/// A parameter of the query that is none is refused, as a field is.
fn known_parameters(call: &Call, path: &[&str]) -> Result<(), Reply> {
    let lists = matches!(path, ["tuningJobs" | "batchPredictionJobs"])
        || path.last().is_some_and(|last| last.ends_with(":listCheckpoints"));
    let listing = ["pageSize", "pageToken", "filter"];
    let known = |name: &str| {
        matches!(name, "alt" | "$alt" | "fields" | "prettyPrint") || lists && listing.contains(&name)
    };
    match call.query.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => {
            let message = format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' could not be found in request message."
            );
            Err(errors::bad_field("", &message))
        }
        None => Ok(()),
    }
}

fn in_project(api: &Api<'_>, call: &Call, place: &Place<'_>, path: &[&str]) -> Reply {
    let name = format!("{}/{}", place.parent, path.join("/"));
    let settings = api.settings;
    let read = |message| answers::json_of(call).and_then(|json| shape::read(json, message, Surface::Vertex));
    match (call.method.as_str(), path) {
        ("POST", ["publishers", "google", "models", last]) => {
            let (model, verb) = last.split_once(':').unwrap_or((last, ""));
            match models::find(model).filter(|model| model.is_served_at(place.location)) {
                Some(found) => {
                    let answering = Answering {
                        surface: Surface::Vertex,
                        name: model.to_owned(),
                        place: place.location.to_owned(),
                        model: found,
                        memory: None,
                    };
                    ask(api, call, verb, &answering)
                }
                None => errors::not_found(&format!(
                    "Publisher Model `{}/publishers/google/models/{model}` was not found or your project does not have access to it. Please ensure you are using a valid model version.",
                    place.parent
                )),
            }
        }
        ("POST", ["endpoints", last]) => {
            let (_, verb) = last.split_once(':').unwrap_or((last, ""));
            let name = name.strip_suffix(&format!(":{verb}")).unwrap_or(&name);
            match verb {
                "undeployModel" => match read(&messages::UNDEPLOY_MODEL) {
                    Ok(order) => lock(api.vertex).undeploy(name, &order),
                    Err(reply) => reply,
                },
                verb => at_endpoint(api, call, place, name, verb),
            }
        }
        ("POST", ["models", last]) if last.ends_with(":generateContent") => {
            errors::invalid("Request contains an invalid argument: a tuned model answers at its endpoint.")
        }
        ("POST", ["tuningJobs"]) => match read(&messages::TUNING_JOB) {
            Ok(order) => lock(api.vertex).create_job(place, order, settings),
            Err(reply) => reply,
        },
        ("GET", ["tuningJobs"]) => lock(api.vertex).jobs(place, call),
        ("GET", ["tuningJobs", _]) => {
            let store = lock(api.store);
            lock(api.vertex).job(&name, &store, settings)
        }
        ("POST", ["tuningJobs", last]) => match last.strip_suffix(":cancel") {
            Some(_) => {
                let body = call.json().cloned().unwrap_or_else(|| json!({}));
                let read = shape::read(&body, &messages::EMPTY, Surface::Vertex);
                let name = name.trim_end_matches(":cancel");
                read.map_or_else(|reply| reply, |_| lock(api.vertex).cancel_job(name))
            }
            None => Reply::html(404),
        },
        ("POST", ["batchPredictionJobs"]) => match read(&messages::BATCH_PREDICTION_JOB) {
            Ok(order) => vertex_batches::create(api, place, order),
            Err(reply) => reply,
        },
        ("GET", ["batchPredictionJobs"]) => lock(api.vertex_batches).list(place, call),
        ("GET", ["batchPredictionJobs", _]) => vertex_batches::look(api, &name),
        ("POST", ["batchPredictionJobs", last]) if last.ends_with(":cancel") => {
            lock(api.vertex_batches).cancel(name.trim_end_matches(":cancel"))
        }
        ("GET", ["endpoints" | "models", _] | ["endpoints" | "models", _, "operations", _]) => {
            lock(api.vertex).show(&name, call)
        }
        ("DELETE", ["endpoints" | "models", _]) => lock(api.vertex).delete(&name),
        _ => Reply::html(404),
    }
}

/// A tuned model, at its endpoint.
fn at_endpoint(api: &Api<'_>, call: &Call, place: &Place<'_>, name: &str, verb: &str) -> Reply {
    let mut vertex = lock(api.vertex);
    let found =
        vertex.endpoints.get_mut(name).filter(|endpoint| endpoint.resource["deployedModels"].is_array());
    let Some(endpoint) = found else {
        return vertex::missing(name);
    };
    if endpoint.cold > 0 {
        endpoint.cold -= 1;
        return vertex::missing(name);
    }
    let answering = Answering {
        surface: Surface::Vertex,
        name: name.to_owned(),
        place: place.location.to_owned(),
        model: endpoint.base,
        memory: Some(endpoint.memory.clone()),
    };
    drop(vertex);
    ask(api, call, verb, &answering)
}

/// A path with its names left out: `/v1/projects/{id}/locations/{id}/endpoints/{id}:generateContent`.
pub(super) fn template(path: &str) -> String {
    let mut segments = path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let named = [
        "projects",
        "locations",
        "models",
        "endpoints",
        "tuningJobs",
        "batchPredictionJobs",
        "operations",
        "b",
        "o",
        "aiplatform",
        "files",
        "batches",
    ];
    for index in 1..segments.len() {
        if !named.contains(&segments[index - 1].as_str()) || segments[index].starts_with('{') {
            continue;
        }
        let verb = segments[index].split_once(':').map(|(_, verb)| format!(":{verb}")).unwrap_or_default();
        segments[index] = match segments[index - 1].as_str() {
            "aiplatform" if segments[index].starts_with("v1") => continue,
            "locations" => continue,
            "aiplatform" => "{location}".to_owned(),
            // The name of an object may hold any sign.
            "o" => "{id}".to_owned(),
            _ => format!("{{id}}{verb}"),
        };
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_there_are() {
        for (host, location) in [
            ("aiplatform.googleapis.com", Some("global")),
            ("us-central1-aiplatform.googleapis.com", Some("us-central1")),
            ("aiplatform.us.rep.googleapis.com", Some("us")),
            ("global-aiplatform.googleapis.com", None),
            ("us-aiplatform.googleapis.com", None),
            ("europe-west4", Some("europe-west4")),
            ("example.com", None),
        ] {
            assert_eq!(location_of(host), location, "{host}");
        }
    }
}
