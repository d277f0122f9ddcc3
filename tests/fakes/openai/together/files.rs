//! Files: a place is given, the bytes go to a store that must not see the key, and the service looks through them.

use serde_json::{Value, json};

use super::super::jobs::problem;
use super::super::world::{World, no_file};
use super::super::{Reply, server};
use super::{error, listed, unknown};
use crate::fake::Call;

/// A file whose bytes have yet to come.
pub(super) struct Waiting {
    id: String,
    purpose: String,
    name: String,
    checksum: String,
}

/// How often one has to look before a file has been looked through.
const LOOKS: u64 = 1;

impl World {
    pub(super) fn together_files(&mut self, call: &Call, path: &[&str]) -> Reply {
        match (call.method.as_str(), path) {
            ("POST", []) => self.placed(call),
            ("GET", []) => {
                let ids = self.file_ids();
                listed(ids.iter().map(|id| self.file_object(id)).collect())
            }
            ("POST", [id, "preprocess"]) | ("GET", [id]) if self.has_file(id) => {
                let object = self.file_object(id);
                if path.len() == 1
                    && let Some((_, looks)) = self.together.checked.get_mut(*id)
                {
                    *looks += 1;
                }
                Reply::json(object)
            }
            ("GET", [id, "content"]) => self.content(id, server::range(call)),
            ("DELETE", [id]) if self.has_file(id) => {
                self.delete_file(id);
                self.together.checked.remove(*id);
                Reply::json(json!({"id": id, "deleted": true}))
            }
            (_, [id, ..]) => no_file(id),
            _ => unknown(call),
        }
    }

    /// Says where a file is to go, unless its content is there already.
    fn placed(&mut self, call: &Call) -> Reply {
        let field =
            |name: &str| call.fields.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
        let (Some(purpose), Some(name), Some(kind), Some(checksum)) =
            (field("purpose"), field("file_name"), field("file_type"), field("checksum"))
        else {
            return error(400, "purpose, file_name, file_type and checksum are required");
        };
        if !["fine-tune", "batch-api"].contains(&purpose.as_str()) || kind != "jsonl" || checksum.len() != 64
        {
            return error(400, "The file is of no purpose or type that is known.");
        }
        let known =
            self.together.checked.iter().find(|(_, (sum, _))| *sum == checksum).map(|(id, _)| id.clone());
        if let Some(file_id) = known {
            return Reply::of(409, json!({"file_id": file_id, "error": {"message": "The file exists."}}));
        }
        let id = self.id("file");
        self.together
            .waiting
            .insert(id.clone(), Waiting { id: id.clone(), purpose: purpose.clone(), name, checksum });
        // What is trained on goes by way of another store, as large services do.
        let by = if purpose == "fine-tune" { "by/" } else { "" };
        let store = format!("http://{}/together/uploads/{by}{id}", call.header("host").unwrap_or_default());
        Reply::of(302, Value::Null).with("location", store).with("x-together-file-id", id)
    }

    /// The store itself.
    pub(super) fn store(&mut self, call: &Call, path: &[&str]) -> Reply {
        if call.header("authorization").is_some() {
            return error(400, "Only one auth mechanism allowed.");
        }
        match (call.method.as_str(), path) {
            ("PUT", ["by", id]) => {
                Reply::of(307, Value::Null).with("location", format!("/together/uploads/{id}"))
            }
            ("PUT", [id]) => {
                let length = call.header("content-length").and_then(|length| length.parse().ok());
                match self.together.waiting.remove(*id) {
                    Some(Waiting { id, purpose, name, checksum }) if length == Some(call.body.len()) => {
                        self.put_file(&id, &purpose, &name, call.body.to_vec());
                        self.together.checked.insert(id, (checksum, 0));
                        Reply::bytes(200, "text/plain", "")
                    }
                    _ => error(403, "The address has expired."),
                }
            }
            _ => unknown(call),
        }
    }

    fn file_object(&self, id: &str) -> Value {
        let mut object = self.file_as_kept(id);
        object["object"] = "file".into();
        object["FileType"] = "jsonl".into();
        // Only what is trained on is looked through.
        let Some(bytes) = self.uploaded(id, "fine-tune") else { return object };
        let looks = self.together.checked.get(id).map_or(0, |(_, looks)| *looks);
        let (status, report) = match (looks >= LOOKS, problem(bytes)) {
            (false, _) => ("QUEUED", Value::Null),
            (true, None) => {
                let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
                ("COMPLETED", json!({"valid": true, "nlines": lines, "dataset_format": "CONVERSATION"}))
            }
            (true, Some(problem)) => {
                ("INVALID_FORMAT", json!({"valid": false, "error": problem, "error_type": "INVALID_FORMAT"}))
            }
        };
        object["processing_status"] = status.into();
        object["validation_report"] = report;
        object
    }

    /// Whether a file has been looked through, and can be trained on.
    pub(super) fn is_checked(&self, id: &str) -> bool {
        self.file_object(id)["processing_status"] == "COMPLETED"
    }
}
