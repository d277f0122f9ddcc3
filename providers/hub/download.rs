//! One file of the hub: on from where an earlier attempt ended, to the length and the hash that the hub lists.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use reqwest::header::{AUTHORIZATION, LOCATION, RANGE};
use reqwest::{Method, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::listing::Listed;
use crate::http::{Http, causes};
use crate::{Cause, ProviderError, timeouts};

/// The hub sends large files from elsewhere, in one or two steps.
const MOST_REDIRECTS: usize = 5;

/// What every request to the hub needs.
pub(super) struct Connection {
    http: Http,
    origin: Url,
    token: Option<SecretString>,
}

impl Connection {
    pub(super) fn new(origin: Url, token: Option<SecretString>) -> Self {
        Self { http: Http::new(&origin), origin, token }
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Sends a request, with the bytes that are wanted from there on, and follows where it is sent to. The token goes to
    /// the hub alone.
    pub(super) async fn get(&self, url: &Url, from: u64) -> Result<Response, ProviderError> {
        let (mut url, mut elsewhere) = (url.clone(), None);
        for _ in 0..MOST_REDIRECTS {
            let at_home = url.origin() == self.origin.origin();
            let http = if at_home { &self.http } else { elsewhere.insert(Http::new(&url)) };
            let mut request = http.request(Method::GET, url.clone(), timeouts::ENCODER_FILE)?;
            if let Some(token) = self.token.as_ref().filter(|_| at_home) {
                request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let response = request.send().await.map_err(|error| {
                let host = url.host_str().unwrap_or("the hub");
                let why = causes(&error.without_url());
                ProviderError::new(Cause::Network, format!("{host} cannot be reached: {why}"))
            })?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| url.join(to).ok()).filter(|to| {
                // What began encrypted stays so.
                to.scheme() == "https" || to.scheme() == "http" && self.origin.scheme() == "http"
            });
            url = to.ok_or_else(|| ProviderError::new(Cause::Server, "the hub redirects to no address"))?;
        }
        Err(ProviderError::new(Cause::Server, "the hub redirects in circles"))
    }

    /// Brings a file to its length and checks it. What is there of it stays there if that fails, unless it is wrong.
    pub(super) async fn fetch(
        &self,
        url: &Url,
        listed: &Listed,
        path: &Path,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), ProviderError> {
        let failed = |error| unwritable(path, error);
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let message = format!("another program is fetching `{}`", listed.name);
                return Err(ProviderError::new(Cause::Invalid, message).hint("wait until it is done"));
            }
            // Not every file system can lock: then two programs would fetch the same bytes, which the hash notices.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut have = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if have > listed.size {
            file.set_len(0).map_err(failed)?;
            have = 0;
        }
        while have < listed.size {
            let before = have;
            let outcome = self.append(url, listed, &mut file, &mut have, on_bytes).await;
            // A connection that broke is made anew as long as that helps.
            match outcome {
                Err(error) if have == before || error.cause != Cause::Network => return Err(error),
                _ => {}
            }
        }
        let Some(expected) = &listed.sha256 else { return Ok(()) };
        let found = sha256(&mut file).map_err(failed)?;
        if found == *expected {
            return Ok(());
        }
        // Nothing of it can be trusted.
        file.set_len(0).map_err(failed)?;
        let name = listed.name;
        let message = format!(
            "`{name}` came with SHA-256 {found}, and the hub lists {expected}: it was altered on the way"
        );
        Err(ProviderError::new(Cause::Server, message)
            .hint("run the command again; if that does not help, look at the proxy"))
    }

    async fn append(
        &self,
        url: &Url,
        listed: &Listed,
        file: &mut File,
        have: &mut u64,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), ProviderError> {
        let name = listed.name;
        let failed =
            |error: io::Error| ProviderError::new(Cause::Server, format!("cannot write `{name}`: {error}"));
        let mut response = self.get(url, *have).await?;
        match response.status().as_u16() {
            206 => {}
            // A server that knows no ranges begins from the start.
            200 => {
                file.set_len(0).map_err(failed)?;
                *have = 0;
            }
            status => {
                let message = format!("the hub answered {status} when asked for `{name}`");
                let cause = if status == 429 { Cause::RateLimit } else { Cause::Server };
                return Err(ProviderError::new(cause, message)
                    .hint("run the command again later; it goes on from there"));
            }
        }
        let broke = |why: String| {
            let message = format!("the connection broke in `{name}`: {why}");
            ProviderError::new(Cause::Network, message).hint("run the command again; it goes on from there")
        };
        loop {
            let piece = tokio::time::timeout(timeouts::BETWEEN_PIECES, response.chunk()).await;
            let piece = piece.map_err(|_| broke("nothing came for a minute".to_owned()))?;
            let Some(piece) = piece.map_err(|error| broke(causes(&error.without_url())))? else { break };
            if *have + piece.len() as u64 > listed.size {
                file.set_len(0).map_err(failed)?;
                let message = format!("`{name}` is longer than the {} bytes that the hub lists", listed.size);
                return Err(ProviderError::new(Cause::Server, message));
            }
            file.write_all(&piece).map_err(failed)?;
            *have += piece.len() as u64;
            on_bytes(*have);
        }
        if *have < listed.size { Err(broke("it ended early".to_owned())) } else { Ok(()) }
    }
}

/// SHA-256 of a whole file, in hexadecimal digits.
fn sha256(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(tunebench_data::hex(&hash.finalize()[..]));
        }
        hash.update(&buffer[..read]);
    }
}

/// Makes the folder that a file is to lie in.
pub(super) fn make_room(path: &Path) -> Result<(), ProviderError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))
}

pub(super) fn unwritable(path: &Path, error: io::Error) -> ProviderError {
    ProviderError::new(Cause::Invalid, format!("cannot write `{}`: {error}", path.display()))
        .hint("HF_HOME names another folder for what is fetched")
}
