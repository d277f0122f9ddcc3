//! Files in Cloud Storage, for training and for batches: uploaded once, never overwritten, resumed where they broke off.
//!
//! JSON API (<https://cloud.google.com/storage/docs/json_api/v1>), discovery document of 2026-10-09. An object is named by
//! the hash of its content and is only ever created (`ifGenerationMatch=0`): what exists already is the same file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::connection::Connection;
use super::json::{count, list, text};
use crate::http::Answer;
use crate::lines::Lines;
use crate::{Cause, FileId, ProviderError, Retry, Scope, timeouts};

/// What a file for training or for a batch may have.
const LARGEST_FILE: u64 = 1 << 30;
/// Up to this size a file goes in one request, and a larger one in pieces of it: a multiple of 256 KiB, as the service
/// wants it.
const PIECE: u64 = 8 << 20;
/// The type of training files.
const JSONL: &str = "application/jsonl";

/// The bucket for training files and batches.
pub(super) struct Storage {
    connection: Arc<Connection>,
    pub(super) piece: u64,
    /// Uploads that broke off, by the object's name; their addresses are secrets.
    sessions: Mutex<HashMap<String, Url>>,
}

/// A file on its way.
struct Upload<'a> {
    path: &'a Path,
    object: String,
    size: u64,
    md5: String,
}

impl Storage {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self { connection, piece: PIECE, sessions: Mutex::default() }
    }

    /// Uploads a file into a folder, unless it is there already. Also says whether it was not.
    pub(super) async fn upload(&self, path: &Path, folder: &str) -> Result<(FileId, bool), ProviderError> {
        let bucket = self.bucket()?;
        let upload = Upload::prepare(path, folder).map_err(|error| {
            ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", path.display()))
        })?;
        if upload.size > LARGEST_FILE {
            let message =
                format!("{} has {} bytes; a file may have {LARGEST_FILE}", path.display(), upload.size);
            return Err(ProviderError::new(Cause::Invalid, message));
        }
        let id = FileId(format!("gs://{bucket}/{}", upload.object));
        let answer = match upload.size <= self.piece {
            true => self.send_whole(&upload).await?,
            false => self.send_in_pieces(&upload).await?,
        };
        match answer.status {
            200 | 201 => self.same(&upload, &answer).map(|()| (id, true)),
            // An earlier try, or an earlier job with the same data.
            412 => {
                let there = self.done(self.request(Method::GET, self.object_url(&upload.object)?)?).await?;
                self.same(&upload, &there).map(|()| (id, false))
            }
            _ => Err(self.refusal(&answer)),
        }
    }

    /// Removes an object. One that is gone already is as good.
    pub(super) async fn delete(&self, file: &FileId) -> Result<(), ProviderError> {
        let object = self.name_of(file)?;
        match self.done(self.request(Method::DELETE, self.object_url(object)?)?).await {
            Err(error) if error.cause != Cause::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The name of an object within the bucket.
    pub(super) fn name_of<'f>(&self, file: &'f FileId) -> Result<&'f str, ProviderError> {
        let bucket = self.bucket()?;
        let object =
            file.0.strip_prefix("gs://").and_then(|rest| rest.strip_prefix(bucket)?.strip_prefix('/'));
        object.ok_or_else(|| {
            let message = format!("{} is not in the bucket `{bucket}`", file.0);
            ProviderError::new(Cause::Invalid, message)
        })
    }

    /// The objects whose names begin so.
    pub(super) async fn objects(&self, prefix: &str) -> Result<Vec<FileId>, ProviderError> {
        let bucket = self.bucket()?;
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut url = self.url(&["storage", "v1", "b", bucket, "o"]);
            url.query_pairs_mut().append_pair("prefix", prefix);
            if let Some(token) = &token {
                url.query_pairs_mut().append_pair("pageToken", token);
            }
            let page: Value = self.done(self.request(Method::GET, url)?).await?.json()?;
            let names = list(&page, "/items").iter().filter_map(|item| text(item, "/name"));
            all.extend(names.map(|name| FileId(format!("gs://{bucket}/{name}"))));
            match text(&page, "/nextPageToken") {
                // A server that gives the same page again would do so for ever.
                Some(next) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
                _ => return Ok(all),
            }
        }
    }

    /// Reads an object line by line, from a position on.
    pub(super) async fn lines(&self, file: &FileId, offset: u64) -> Result<Lines, ProviderError> {
        let mut url = self.object_url(self.name_of(file)?)?;
        url.query_pairs_mut().append_pair("alt", "media");
        let request = self.storage(Method::GET, url, timeouts::FILE)?;
        self.connection.lines_of(request, offset).await?.map_err(|answer| self.refusal(&answer))
    }

    /// Where the bucket lies, such as `US-CENTRAL1` or `EU`; an error if it can't be used.
    pub(super) async fn location(&self) -> Result<Option<String>, ProviderError> {
        let answer =
            self.done(self.request(Method::GET, self.url(&["storage", "v1", "b", self.bucket()?]))?).await?;
        Ok(text(&answer.json()?, "/location").map(str::to_owned))
    }

    fn bucket(&self) -> Result<&str, ProviderError> {
        self.connection.settings.bucket.as_deref().ok_or_else(|| {
            ProviderError::new(Cause::Invalid, "there is no bucket for files").scope(Scope::Provider).hint(
                "set `bucket = \"gs://…\"` under `[providers.vertex]`; best one near the region of the job",
            )
        })
    }

    /// One request of two parts, the object's name and hash and its bytes. The service compares the hash.
    async fn send_whole(&self, upload: &Upload<'_>) -> Result<Answer, ProviderError> {
        let bytes = upload.read(0, upload.size)?;
        // The hash of the content stands nowhere in it.
        let boundary =
            format!("tunebench-{}", upload.object.len()) + &upload.md5.replace(['+', '/', '='], "-");
        let mut body = format!(
            "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n--{boundary}\r\n\
             Content-Type: {JSONL}\r\n\r\n",
            upload.metadata()
        )
        .into_bytes();
        body.extend_from_slice(&bytes);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let url = self.upload_url("multipart", &upload.object)?;
        let kind = format!("multipart/related; boundary={boundary}");
        self.send(self.storage(Method::POST, url, timeouts::PIECE)?.header(CONTENT_TYPE, kind).body(body))
            .await
    }

    /// Piece by piece. Where it breaks off, the next call goes on.
    async fn send_in_pieces(&self, upload: &Upload<'_>) -> Result<Answer, ProviderError> {
        let known = self.lock().get(&upload.object).cloned();
        let (session, mut from) = match known {
            None => match self.begin(upload).await? {
                Ok(session) => (session, 0),
                Err(answer) => return Ok(answer),
            },
            Some(session) => {
                let so_far = self.put(&session, Vec::new(), &format!("bytes */{}", upload.size)).await?;
                match so_far.status {
                    308 => (session, received(&so_far.headers)),
                    404 | 410 => {
                        self.forget(upload);
                        let error = ProviderError::new(Cause::Server, "the upload's session has ended");
                        return Err(error.retry(Retry::Later { after: Some(Duration::ZERO) }));
                    }
                    _ => return Ok(self.ended(upload, so_far)),
                }
            }
        };
        loop {
            let to = (from + self.piece).min(upload.size);
            let bytes = upload.read(from, to)?;
            let range = format!("bytes {from}-{}/{}", to - 1, upload.size);
            let answer = self.put(&session, bytes, &range).await?;
            if answer.status != 308 {
                return Ok(self.ended(upload, answer));
            }
            // What counts is what arrived, which may be less than was sent.
            let stored = received(&answer.headers);
            if stored <= from {
                return Err(answer.broken("the upload does not go on".to_owned()));
            }
            from = stored.min(upload.size - 1);
        }
    }

    /// Opens a session. The inner error is an answer that opens none: 412 where the object exists.
    async fn begin(&self, upload: &Upload<'_>) -> Result<Result<Url, Answer>, ProviderError> {
        let request =
            self.storage(Method::POST, self.upload_url("resumable", &upload.object)?, timeouts::SHORT)?;
        let request = request
            .header("x-upload-content-type", JSONL)
            .header("x-upload-content-length", upload.size)
            .json(&upload.metadata());
        let answer = self.send(request).await?;
        if !(200..300).contains(&answer.status) {
            return Ok(Err(answer));
        }
        let base = &self.connection.settings.storage_url;
        let session = answer.header("location").and_then(|location| base.join(location).ok());
        // The credentials go along, and so to no other server.
        let session = session.filter(|session| session.origin() == base.origin());
        let session = session.ok_or_else(|| answer.broken("the upload got no address".to_owned()))?;
        self.lock().insert(upload.object.clone(), session.clone());
        Ok(Ok(session))
    }

    /// After the last answer of a session. One that may pass leaves it open.
    fn ended(&self, upload: &Upload<'_>, answer: Answer) -> Answer {
        if !matches!(answer.status, 401 | 408 | 429 | 500..) {
            self.forget(upload);
        }
        answer
    }

    fn forget(&self, upload: &Upload<'_>) {
        self.lock().remove(&upload.object);
    }

    async fn put(&self, session: &Url, bytes: Vec<u8>, range: &str) -> Result<Answer, ProviderError> {
        let request = self.storage(Method::PUT, session.clone(), timeouts::PIECE)?;
        let request = request.header(CONTENT_RANGE, range).header(CONTENT_LENGTH, bytes.len());
        self.send(request.body(bytes)).await
    }

    /// Compares what is there with what was meant: the size, and the hash where it is told.
    fn same(&self, upload: &Upload<'_>, answer: &Answer) -> Result<(), ProviderError> {
        let object: Value = answer.json()?;
        let size = object.get("size").and_then(count);
        let md5 = text(&object, "/md5Hash");
        if size.is_none_or(|size| size == upload.size) && md5.is_none_or(|md5| md5 == upload.md5) {
            return Ok(());
        }
        let message = format!("the object {} in the bucket is not the file that was sent", upload.object);
        Err(ProviderError::new(Cause::Invalid, message)
            .hint("delete the object, and run the same command again"))
    }

    fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, ProviderError> {
        self.storage(method, url, timeouts::SHORT)
    }

    fn storage(&self, method: Method, url: Url, timeout: Duration) -> Result<RequestBuilder, ProviderError> {
        self.connection.storage(method, url, timeout)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, ProviderError> {
        self.connection.send(request).await
    }

    async fn done(&self, request: RequestBuilder) -> Result<Answer, ProviderError> {
        let answer = self.send(request).await?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(self.refusal(&answer)) }
    }

    fn refusal(&self, answer: &Answer) -> ProviderError {
        let error = self.connection.error(answer, self.connection.about(None, None));
        let bucket = self.connection.settings.bucket.as_deref().unwrap_or_default();
        match error.cause {
            Cause::NotFound => {
                let message = format!("no such bucket or object in `{bucket}`: {}", error.message);
                ProviderError { message, ..error.hint("check `bucket` under `[providers.vertex]`") }
            }
            Cause::Access if answer.status == 403 => error.hint(format!(
                "the account needs to create and read objects in the bucket `{bucket}`, as with `roles/storage.objectUser`"
            )),
            _ => error,
        }
    }

    /// An address below that of the service; the parts are escaped, `/` included.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.connection.settings.storage_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn object_url(&self, object: &str) -> Result<Url, ProviderError> {
        Ok(self.url(&["storage", "v1", "b", self.bucket()?, "o", object]))
    }

    fn upload_url(&self, kind: &str, object: &str) -> Result<Url, ProviderError> {
        let mut url = self.url(&["upload", "storage", "v1", "b", self.bucket()?, "o"]);
        url.query_pairs_mut().extend_pairs([
            ("uploadType", kind),
            ("name", object),
            ("ifGenerationMatch", "0"),
        ]);
        Ok(url)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Url>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Upload<'a> {
    /// Reads the file once, to name the object by its content.
    fn prepare(path: &'a Path, folder: &str) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut sha256, mut md5, mut size) = (Sha256::new(), Md5::new(), 0);
        let mut piece = vec![0; 64 << 10];
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            sha256.update(&piece[..read]);
            md5.update(&piece[..read]);
            size += read as u64;
        }
        let hash = tunebench_data::hex(&sha256.finalize()[..]);
        let object = format!("{folder}/{hash}/data.jsonl");
        Ok(Self { path, object, size, md5: BASE64.encode(md5.finalize()) })
    }

    fn metadata(&self) -> Value {
        json!({"name": self.object, "contentType": JSONL, "md5Hash": self.md5})
    }

    /// The bytes from `from` up to `to`.
    fn read(&self, from: u64, to: u64) -> Result<Vec<u8>, ProviderError> {
        let read = || {
            let mut file = File::open(self.path)?;
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(to - from).read_to_end(&mut bytes)?;
            if bytes.len() as u64 == to - from { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        };
        read().map_err(|error: io::Error| {
            ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", self.path.display()))
        })
    }
}

/// How many bytes are stored: `Range: bytes=0-N`. Without the header, none are.
fn received(headers: &HeaderMap) -> u64 {
    let range = headers.get("range").and_then(|range| range.to_str().ok());
    let last = range.and_then(|range| range.trim().strip_prefix("bytes=0-")?.parse::<u64>().ok());
    last.map_or(0, |last| last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_range_is_nothing_stored() {
        let stored = |range: Option<&str>| {
            let range = range.map(|range| ("range".parse().unwrap(), range.parse().unwrap()));
            received(&range.into_iter().collect())
        };
        assert_eq!(stored(Some("bytes=0-262143")), 262_144);
        assert_eq!((stored(None), stored(Some("bytes=5-9")), stored(Some("x"))), (0, 0, 0));
        assert_eq!(stored(Some(&format!("bytes=0-{}", u64::MAX))), u64::MAX);
    }

    #[test]
    fn equal_files_have_one_name() {
        let file = |content: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            file
        };
        let (a, b) = (file("abc"), file("abc"));
        let (a, b) = (
            Upload::prepare(a.path(), "tunebench").unwrap(),
            Upload::prepare(b.path(), "tunebench").unwrap(),
        );
        assert_eq!((&a.object, &a.md5, a.size), (&b.object, &b.md5, 3));
        assert_eq!(a.md5, "kAFQmDzST7DWlj99KOF/cg==");
        assert!(a.object.starts_with("tunebench/ba7816bf8f01cfea414140de5dae2223"));
    }
}
