//! Fetches an encoder into the cache: the listing of a revision, the small files, and the weights if those promise that
//! they can be used.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::access::HubAccess;
use super::cache::{Cache, HubName};
use super::download::{Connection, make_room, unwritable};
use super::listing::{Listed, Listing, WEIGHTS};
use crate::local::Encoder;
use crate::{Cause, ProviderError, Setup};

/// How far a file is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Fetching<'a> {
    /// Its name.
    pub file: &'a str,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes in all.
    pub size: u64,
}

/// The hub, or a mirror of it.
pub struct Hub {
    endpoint: Url,
    connection: Connection,
    cache: Cache,
    /// Whether the user wants nothing to be fetched.
    offline: bool,
}

impl Hub {
    /// By the variables that all tools of the hub obey: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, and those of the cache.
    ///
    /// # Errors
    /// An address that is none, and one that must not get the token: a `.env` file names it and not the token, or the token
    /// would go over a network in the clear.
    pub fn new(setup: &Setup) -> Result<Self, ProviderError> {
        let HubAccess { endpoint, token } = HubAccess::new(setup)?;
        let yes = |value: String| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str());
        Ok(Self {
            connection: Connection::new(endpoint.clone(), token),
            endpoint,
            offline: setup.variable("HF_HUB_OFFLINE").is_some_and(yes),
            cache: Cache::by(|name| setup.variable(name)),
        })
    }

    /// Fetches what is missing of an encoder, and gives its folder. Offline, that of one that is there.
    pub async fn pull(
        &self,
        name: &HubName,
        on_bytes: &mut dyn FnMut(Fetching<'_>),
    ) -> Result<PathBuf, ProviderError> {
        if self.offline {
            let there = self.cache.snapshot(name).filter(|folder| folder.join(WEIGHTS).exists());
            if let Some(folder) = there {
                return Ok(folder);
            }
            let message =
                format!("HF_HUB_OFFLINE is set, and `{name}` is not in the cache: nothing is fetched");
            return Err(ProviderError::new(Cause::Unsupported, message).hint("unset HF_HUB_OFFLINE"));
        }
        let listing = self.listing(name).await?;
        if !listing.has("config.json") || !listing.has(WEIGHTS) {
            let message = format!("`{name}` can't be read as an encoder: it lacks config.json or {WEIGHTS}");
            return Err(ProviderError::new(Cause::Unsupported, message));
        }
        let repository = self.cache.repository(name);
        let snapshot = repository.join("snapshots").join(&listing.commit);
        for file in &listing.files {
            if file.name == WEIGHTS {
                Encoder::check(&snapshot)
                    .map_err(|error| ProviderError::new(Cause::Unsupported, error.to_string()))?;
            }
            self.file(name, &listing.commit, file, &repository, on_bytes).await?;
        }
        // Only now: what is found by the name of a branch is whole.
        if listing.commit != name.revision {
            let path = repository.join("refs").join(&name.revision);
            make_room(&path)?;
            fs::write(&path, &listing.commit).map_err(|error| unwritable(&path, error))?;
        }
        Ok(snapshot)
    }

    async fn listing(&self, name: &HubName) -> Result<Listing, ProviderError> {
        let mut path = vec!["api", "models"];
        path.extend(name.repository.split('/'));
        path.extend(["revision", name.revision.as_str()]);
        let mut url = self.url(&path);
        url.set_query(Some("blobs=true"));
        let response = self.connection.get(&url, 0).await?;
        let answer = crate::http::read(response).await?;
        let status = answer.status;
        if status != 200 {
            return Err(self.refused(name, status));
        }
        Listing::read(&answer.body).map_err(|why| {
            let message = format!("the hub's listing of `{name}` cannot be read: {why}");
            ProviderError::new(Cause::Server, message)
                .hint("HF_ENDPOINT must be the address of a hub, or not be set")
        })
    }

    fn refused(&self, name: &HubName, status: u16) -> ProviderError {
        let page = self.url(&name.repository.split('/').collect::<Vec<_>>());
        match status {
            // The hub does not tell what is private from what is not there.
            401 | 404 if !self.connection.has_token() => {
                ProviderError::new(Cause::NotFound, format!("the hub has no public model `{name}`"))
                    .hint("check the name and the revision; for a private model set HF_TOKEN")
            }
            401 => ProviderError::new(Cause::Access, "the hub refused HF_TOKEN")
                .hint("make a token that can read"),
            403 => ProviderError::new(Cause::Access, format!("`{name}` is not open to everybody"))
                .hint(format!("accept its terms at {page}, and set HF_TOKEN")),
            404 => ProviderError::new(Cause::NotFound, format!("the hub has no model `{name}`"))
                .hint("check the name and the revision"),
            429 => ProviderError::new(Cause::RateLimit, "the hub has had too many requests from here")
                .hint("run the command again later"),
            _ => ProviderError::new(Cause::Server, format!("the hub answered {status}"))
                .hint("run the command again later"),
        }
    }

    async fn file(
        &self,
        name: &HubName,
        commit: &str,
        file: &Listed,
        repository: &Path,
        on_bytes: &mut dyn FnMut(Fetching<'_>),
    ) -> Result<(), ProviderError> {
        let there = |path: &Path| path.metadata().is_ok_and(|found| found.len() == file.size);
        let link = repository.join("snapshots").join(commit).join(file.name);
        if there(&link) {
            return Ok(());
        }
        let blob = repository.join("blobs").join(&file.blob);
        if !there(&blob) {
            let incomplete = blob.with_extension("incomplete");
            make_room(&incomplete)?;
            let mut path: Vec<&str> = name.repository.split('/').collect();
            path.extend(["resolve", commit]);
            path.extend(file.name.split('/'));
            let on_bytes = &mut |done| on_bytes(Fetching { file: file.name, done, size: file.size });
            self.connection.fetch(&self.url(&path), file, &incomplete, on_bytes).await?;
            fs::rename(&incomplete, &blob).map_err(|error| unwritable(&blob, error))?;
        }
        make_room(&link)?;
        // A link to what is no longer there, or to an earlier content.
        let _ = fs::remove_file(&link);
        link_to(&blob, &link, file.name).map_err(|error| unwritable(&link, error))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

/// As the hub's own library does it: relative links, so that the cache can be moved.
#[cfg(unix)]
fn link_to(blob: &Path, link: &Path, name: &str) -> std::io::Result<()> {
    let up = "../".repeat(2 + name.matches('/').count());
    let hash = blob.file_name().unwrap_or_default();
    std::os::unix::fs::symlink(Path::new(&up).join("blobs").join(hash), link)
}

#[cfg(not(unix))]
fn link_to(blob: &Path, link: &Path, _name: &str) -> std::io::Result<()> {
    fs::hard_link(blob, link).or_else(|_| fs::copy(blob, link).map(drop))
}
