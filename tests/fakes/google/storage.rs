//! Cloud Storage: buckets, objects, and the three ways to upload.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::errors::storage as error;
use super::uploads::{self, Session};
use crate::fake::{Call, Reply, now, timestamp};

pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    resource: Value,
}

/// What is stored.
pub(super) struct Store {
    /// Name and location.
    buckets: BTreeMap<String, String>,
    objects: BTreeMap<(String, String), Object>,
    pub(super) sessions: BTreeMap<String, Session>,
    /// How much of each chunk of a resumable upload is kept.
    pub(super) chunk_kept: Option<u64>,
    generation: u64,
    root: String,
}

impl Store {
    pub(super) fn new(root: String, buckets: Vec<(String, String)>, chunk_kept: Option<u64>) -> Self {
        let (objects, sessions) = Default::default();
        Self { buckets: buckets.into_iter().collect(), objects, sessions, chunk_kept, generation: 0, root }
    }

    /// `gs://` names of all objects.
    pub(super) fn uris(&self) -> Vec<String> {
        self.objects.keys().map(|(bucket, name)| format!("gs://{bucket}/{name}")).collect()
    }

    /// What lies at `gs://…`.
    pub(super) fn bytes(&self, uri: &str) -> Option<&[u8]> {
        let (bucket, name) = uri.strip_prefix("gs://")?.split_once('/')?;
        Some(&self.objects.get(&(bucket.to_owned(), name.to_owned()))?.bytes)
    }

    /// `/storage/v1/…` and `/download/storage/v1/…`.
    pub(super) fn answer(&mut self, call: &Call, path: &[&str]) -> Reply {
        match (call.method.as_str(), path) {
            ("GET", ["b", bucket]) => self.bucket(bucket),
            ("GET", ["b", bucket, "iam", "testPermissions"]) => {
                let asked =
                    call.query.iter().filter(|(name, _)| name == "permissions").map(|(_, value)| value);
                let asked: Vec<_> = asked.collect();
                self.found(bucket).map_or_else(
                    |reply| reply,
                    |()| {
                        Reply::json(
                            json!({"kind": "storage#testIamPermissionsResponse", "permissions": asked}),
                        )
                    },
                )
            }
            ("GET", ["b", bucket, "o"]) => self.list(bucket, call),
            ("GET", ["b", bucket, "o", name]) => self.object(bucket, name, call),
            ("DELETE", ["b", bucket, "o", name]) => self.delete(bucket, name, call),
            _ => error(404, "notFound", "Not Found"),
        }
    }

    pub(super) fn found(&self, bucket: &str) -> Result<(), Reply> {
        match self.buckets.contains_key(bucket) {
            true => Ok(()),
            false => Err(error(404, "notFound", "The specified bucket does not exist.")),
        }
    }

    fn bucket(&self, name: &str) -> Reply {
        let Some(location) = self.buckets.get(name) else {
            return error(404, "notFound", "The specified bucket does not exist.");
        };
        let kind = if location.contains('-') { "region" } else { "multi-region" };
        Reply::json(json!({
            "kind": "storage#bucket", "id": name, "name": name, "selfLink": format!("{}/storage/v1/b/{name}", self.root),
            "location": location.to_uppercase(), "locationType": kind, "storageClass": "STANDARD",
            "metageneration": "1", "timeCreated": timestamp(0), "updated": timestamp(0), "etag": "CAE=",
        }))
    }

    fn list(&self, bucket: &str, call: &Call) -> Reply {
        if let Err(reply) = self.found(bucket) {
            return reply;
        }
        let prefix = call.asked("prefix").unwrap_or_default();
        let fits = |(of, name): &&(String, String)| of == bucket && name.starts_with(prefix);
        let items: Vec<_> = self.objects.keys().filter(fits).map(|key| &self.objects[key].resource).collect();
        Reply::json(json!({"kind": "storage#objects", "items": items}))
    }

    fn object(&self, bucket: &str, name: &str, call: &Call) -> Reply {
        let Some(object) = self.objects.get(&(bucket.to_owned(), name.to_owned())) else {
            return error(404, "notFound", &format!("No such object: {bucket}/{name}"));
        };
        match call.asked("alt") {
            Some("media") => {
                let text = |name: &str| object.resource[name].as_str().unwrap_or_default();
                part(&object.bytes, call.header("range"))
                    .with("x-goog-hash", format!("crc32c={},md5={}", text("crc32c"), text("md5Hash")))
                    .with("x-goog-generation", text("generation"))
            }
            _ => Reply::json(object.resource.clone()),
        }
    }

    fn delete(&mut self, bucket: &str, name: &str, call: &Call) -> Reply {
        if let Err(reply) = self.precondition(bucket, name, call.asked("ifGenerationMatch")) {
            return reply;
        }
        match self.objects.remove(&(bucket.to_owned(), name.to_owned())) {
            Some(_) => Reply::bytes(204, "application/json", ""),
            None => error(404, "notFound", &format!("No such object: {bucket}/{name}")),
        }
    }

    /// Puts an object of a service of its own at `gs://…`.
    pub(super) fn put(&mut self, uri: &str, bytes: Vec<u8>) {
        if let Some((bucket, name)) = uri.strip_prefix("gs://").and_then(|rest| rest.split_once('/')) {
            self.insert(bucket, name, "application/jsonl", &Value::Null, bytes);
        }
    }

    /// Whether an object is of the generation that it is to be of; 0 is none.
    pub(super) fn precondition(&self, bucket: &str, name: &str, wanted: Option<&str>) -> Result<(), Reply> {
        let Some(wanted) = wanted else { return Ok(()) };
        let there = self.objects.get(&(bucket.to_owned(), name.to_owned()));
        let generation = there.and_then(|object| object.resource["generation"].as_str()).unwrap_or("0");
        if wanted == generation {
            return Ok(());
        }
        Err(error(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."))
    }

    /// Stores an object. What its metadata says of its bytes must be true.
    pub(super) fn insert(
        &mut self,
        bucket: &str,
        name: &str,
        kind: &str,
        metadata: &Value,
        bytes: Vec<u8>,
    ) -> Reply {
        let md5 = BASE64.encode(md5(&bytes));
        let crc32c = BASE64.encode(crc32c(&bytes).to_be_bytes());
        for (name, real) in [("md5Hash", &md5), ("crc32c", &crc32c)] {
            if metadata[name].as_str().is_some_and(|told| told != real) {
                let message =
                    format!("Provided {name} {} doesn't match calculated {name} {real}.", metadata[name]);
                return error(400, "invalid", &message);
            }
        }
        self.generation += 1;
        let (generation, escaped) = (1_795_000_000_000_000 + self.generation, name.replace('/', "%2F"));
        let mut resource = json!({
            "kind": "storage#object", "id": format!("{bucket}/{name}/{generation}"), "name": name, "bucket": bucket,
            "selfLink": format!("{}/storage/v1/b/{bucket}/o/{escaped}", self.root),
            "mediaLink": format!("{}/download/storage/v1/b/{bucket}/o/{escaped}?generation={generation}&alt=media", self.root),
            "generation": generation.to_string(), "metageneration": "1", "contentType": kind, "storageClass": "STANDARD",
            "size": bytes.len().to_string(), "md5Hash": md5, "crc32c": crc32c, "etag": "CAE=",
            "timeCreated": timestamp(now()), "updated": timestamp(now()), "timeStorageClassUpdated": timestamp(now()),
        });
        if metadata["metadata"].is_object() {
            resource["metadata"] = metadata["metadata"].clone();
        }
        let object = Object { bytes, resource: resource.clone() };
        self.objects.insert((bucket.to_owned(), name.to_owned()), object);
        Reply::json(resource)
    }

    /// `/upload/storage/v1/b/BUCKET/o`.
    pub(super) fn upload(&mut self, call: &Call, bucket: &str) -> Reply {
        uploads::answer(self, call, bucket, &self.root.clone()).unwrap_or_else(|reply| reply)
    }
}

/// All bytes, or those of `Range: bytes=FROM-TO`.
fn part(bytes: &[u8], range: Option<&str>) -> Reply {
    let kind = "application/octet-stream";
    let Some((from, to)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Reply::bytes(200, kind, bytes);
    };
    let from: usize = from.parse().unwrap_or_default();
    let end = to.parse().map_or(bytes.len(), |to: usize| bytes.len().min(to.saturating_add(1)));
    match bytes.get(from..end).filter(|part| !part.is_empty()) {
        Some(part) => {
            let shown = format!("bytes {from}-{}/{}", end - 1, bytes.len());
            Reply::bytes(206, kind, part).with("content-range", shown)
        }
        None => error(416, "requestedRangeNotSatisfiable", "Request range not satisfiable"),
    }
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(bytes).into()
}

/// CRC-32C (Castagnoli), as RFC 3720 has it.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |mut crc: u32, byte: &u8| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
        crc
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(BASE64.encode(md5(b"")), "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
