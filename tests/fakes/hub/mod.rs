//! A fake hub of models on this machine: listing, files in parts, large ones from elsewhere as the real hub sends them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fake::{self, Call, Fake, Reply, Service, Shared};
pub use super::fake::{Exchange, Failing, Fault, Stats};

/// How a fake hub is to behave.
pub type Builder = fake::Builder<Settings>;

/// What only this fake can be told.
#[derive(Default)]
pub struct Settings {
    token: Option<String>,
    /// The files of each repository.
    repositories: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    altered: bool,
}

impl Builder {
    /// All repositories are private, and this is the token that sees them.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = Some(token.into());
        self
    }

    /// A repository `ORG/NAME` with the files of a folder.
    pub fn repository(mut self, name: &str, folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(inner) = folders.pop() {
            for entry in std::fs::read_dir(inner)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(file) = path.strip_prefix(folder) {
                    files.insert(file.to_string_lossy().replace('\\', "/"), std::fs::read(&path)?);
                }
            }
        }
        self.settings.repositories.insert(name.to_owned(), files);
        Ok(self)
    }

    /// Whether the weights come with a bit that is not theirs.
    #[must_use]
    pub fn altered(mut self, altered: bool) -> Self {
        self.settings.altered = altered;
        self
    }

    /// Starts to listen, on a thread of its own.
    pub fn start(self) -> io::Result<FakeHub> {
        let (fake, _) = self.serve(|address, settings| Hub { address, settings })?;
        Ok(FakeHub { fake })
    }
}

/// A fake that listens until it is dropped.
pub struct FakeHub {
    fake: Fake,
}

impl Deref for FakeHub {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

impl FakeHub {
    /// A fake without repositories.
    pub fn builder() -> Builder {
        Builder::new(Settings::default())
    }

    /// What clients take for `https://huggingface.co`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.fake.address)
    }
}

struct Hub {
    address: SocketAddr,
    settings: Settings,
}

impl Service for Hub {
    fn answer(&self, _: &Shared, call: &Call) -> Reply {
        let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        if let ["elsewhere", hash] = segments[..] {
            return self.elsewhere(call, hash);
        }
        let bearer = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if self.settings.token.as_deref().is_some_and(|token| bearer != Some(token)) {
            return Reply::of(401, json!({"error": "Invalid username or password."}));
        }
        match segments[..] {
            ["api", "models", org, name, "revision", revision] => {
                self.listing(&format!("{org}/{name}"), revision)
            }
            [org, name, "resolve", _, ref file @ ..] => {
                self.file(call, &format!("{org}/{name}"), &file.join("/"))
            }
            _ => self.refused("not found"),
        }
    }

    fn worded(&self, fault: &Fault, _: &Call) -> Option<Reply> {
        match fault {
            Fault::Status(status) => Some(Reply::of(*status, json!({"error": "on demand"}))),
            _ => None,
        }
    }

    fn refused(&self, message: &str) -> Reply {
        Reply::of(404, json!({ "error": message }))
    }

    fn template(&self, path: &str) -> String {
        path.to_owned()
    }

    fn headers(&self, _: u64, _: Duration) -> Vec<(&'static str, String)> {
        vec![("accept-ranges", "bytes".to_owned())]
    }
}

impl Hub {
    fn listing(&self, repository: &str, revision: &str) -> Reply {
        let Some(files) = self.settings.repositories.get(repository) else {
            return self.refused("Repository not found");
        };
        let commit = hash(repository.as_bytes())[..40].to_owned();
        if revision != "main" && revision != commit {
            return self.refused("Invalid rev id");
        }
        let siblings: Vec<Value> = files
            .iter()
            .map(|(name, bytes)| {
                let (hash, size) = (hash(bytes), bytes.len());
                // The real hub calls small files by Git's hash, which is of the same length.
                let mut file = json!({"rfilename": name, "size": size, "blobId": hash[..40]});
                if is_large(name) {
                    file["lfs"] = json!({"sha256": hash, "size": size, "pointerSize": 134});
                }
                file
            })
            .collect();
        Reply::json(json!({"id": repository, "sha": commit, "siblings": siblings}))
    }

    fn file(&self, call: &Call, repository: &str, name: &str) -> Reply {
        let files = self.settings.repositories.get(repository);
        let Some(bytes) = files.and_then(|files| files.get(name)) else {
            return self.refused("Entry not found");
        };
        if !is_large(name) {
            return part(call, bytes.clone());
        }
        // Another host, as far as a client can tell.
        let address = format!("http://localhost:{}/elsewhere/{}", self.address.port(), hash(bytes));
        Reply::bytes(302, "text/plain", "").with("location", address)
    }

    fn elsewhere(&self, call: &Call, wanted: &str) -> Reply {
        if call.header("authorization").is_some() {
            return Reply::bytes(400, "application/xml", "<Error>Only one auth mechanism allowed</Error>");
        }
        let mut files = self.settings.repositories.values().flat_map(BTreeMap::values);
        let Some(bytes) = files.find(|bytes| hash(bytes) == wanted) else {
            return self.refused("no such key");
        };
        let mut bytes = bytes.clone();
        if self.settings.altered
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
        }
        part(call, bytes)
    }
}

/// The whole, or what follows the start that is asked for.
fn part(call: &Call, bytes: Vec<u8>) -> Reply {
    let range =
        call.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match range {
        None => Reply::bytes(200, "application/octet-stream", bytes),
        Some(from) if from < bytes.len() => Reply::bytes(206, "application/octet-stream", &bytes[from..])
            .with("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
        Some(_) => Reply::bytes(416, "text/plain", ""),
    }
}

fn is_large(name: &str) -> bool {
    name.ends_with(".safetensors")
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}
