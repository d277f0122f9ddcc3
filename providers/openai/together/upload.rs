//! Handing over a file: its place is asked for first, and its bytes go to a store elsewhere, which must not see the key.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use reqwest::header::LOCATION;
use reqwest::multipart::Form;
use reqwest::{Method, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::http::{self, Answer, Http, is_loopback};
use crate::openai::connection::Connection;
use crate::openai::errors::About;
use crate::rows_body::{Form as Rows, with_rows};
use crate::{Cause, FileId, ProviderError, timeouts};

/// What one upload takes; larger files go in parts, which no training file of ours needs.
const LARGEST: u64 = 5 << 30;
/// From store to store.
const MOST_HOPS: usize = 20;

/// Hands a file over for a purpose, under a name; `files` is where the service has its files. What is there already, with the
/// same content, is not sent again.
pub(in crate::openai) async fn hand_over(
    connection: &Connection,
    files: &[&str],
    path: &Path,
    (purpose, name): (&'static str, String),
) -> Result<FileId, ProviderError> {
    let unreadable = |error: io::Error| {
        ProviderError::new(Cause::Invalid, format!("cannot read {}: {error}", path.display()))
    };
    let (size, checksum) = fingerprint(path).map_err(unreadable)?;
    if size == 0 || size > LARGEST {
        let message = format!("{} has {size} bytes; a file may have 1 to {LARGEST}", path.display());
        return Err(ProviderError::new(Cause::Invalid, message));
    }
    let form = Form::new()
        .text("purpose", purpose)
        .text("file_name", name)
        .text("file_type", "jsonl")
        .text("checksum", checksum);
    let answer = connection.form(files, form).await?;
    let (id, store) = match answer.status {
        302 => place(connection, &answer)?,
        // The same content is there already.
        409 => {
            let known: Value = answer.json()?;
            let named = ["/file_id", "/error/file_id"].iter().find_map(|at| known.pointer(at)?.as_str());
            let id = named.ok_or_else(|| connection.error(&answer, About::default()))?;
            return file_id(id, &answer);
        }
        401 => {
            let error = connection.error(&answer, About::default());
            return Err(error.hint("the key is refused, or the free credit is used up: both look alike"));
        }
        _ => return Err(connection.error(&answer, About::default())),
    };
    put(connection, path, store, &answer).await.map_err(|error| connection.redacted(error))?;
    connection.post(&[files, &[&id.0, "preprocess"]].concat(), None).await?;
    Ok(id)
}

/// The file's id, and where its bytes are to go.
pub(in crate::openai) fn place(
    connection: &Connection,
    answer: &Answer,
) -> Result<(FileId, Url), ProviderError> {
    let missing = || answer.broken("the answer does not say where the file is to go".to_owned());
    let id = file_id(answer.header("x-together-file-id").ok_or_else(missing)?, answer)?;
    let location = answer.header(LOCATION.as_str()).ok_or_else(missing)?;
    let url = connection.settings.base_url.join(location).map_err(|_| missing())?;
    Ok((id, trusted(connection, url)?))
}

/// A store that data may be sent to: on the internet, and encrypted. What serves us on this machine may store here as well.
fn trusted(connection: &Connection, url: Url) -> Result<Url, ProviderError> {
    let here = is_loopback(&connection.settings.base_url);
    if here && is_loopback(&url) || url.scheme() == "https" && !is_private(&url) {
        return Ok(url);
    }
    let host = url.host_str().unwrap_or_default();
    let message = format!("the file is to go to `{}://{host}`, which is not sent any data", url.scheme());
    Err(ProviderError::new(Cause::Server, message).retry(crate::Retry::Never))
}

/// Sends the bytes, without the key, from store to store where they are redirected.
async fn put(
    connection: &Connection,
    path: &Path,
    mut store: Url,
    first: &Answer,
) -> Result<(), ProviderError> {
    for _ in 0..MOST_HOPS {
        let request = Http::new(&store).request(Method::PUT, store.clone(), timeouts::FILE)?;
        // A body that was sent is gone: each hop gets the file anew.
        let answer = http::send(with_rows(request, path, Rows::Lines)?).await?;
        match answer.status {
            200 => return Ok(()),
            301 | 302 | 303 | 307 | 308 => {
                let next = answer.header(LOCATION.as_str()).and_then(|next| store.join(next).ok());
                let next =
                    next.ok_or_else(|| answer.broken("the store redirects to no address".to_owned()))?;
                store = trusted(connection, next)?;
            }
            status => {
                let said = http_status(status, &answer);
                return Err(answer.broken(said));
            }
        }
    }
    Err(first.broken(format!("the file was redirected more than {MOST_HOPS} times")))
}

fn http_status(status: u16, answer: &Answer) -> String {
    format!("the store refused the file with status {status}: {}", answer.excerpt())
}

/// Ids come in headers, and go into addresses.
fn file_id(id: &str, answer: &Answer) -> Result<FileId, ProviderError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let starts = id.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    match starts && id.bytes().all(plain) {
        true => Ok(FileId(id.to_owned())),
        false => Err(answer.broken("the uploaded file got an invalid id".to_owned())),
    }
}

/// Whether an address is one of a local network, or of this machine.
fn is_private(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return true };
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()
        }
        Ok(IpAddr::V6(v6)) => {
            let local = (v6.segments()[0] & 0xfe00) == 0xfc00 || (v6.segments()[0] & 0xffc0) == 0xfe80;
            v6.is_loopback() || v6.is_unspecified() || local || v6.to_ipv4_mapped().is_some()
        }
        Err(_) => is_loopback(url),
    }
}

/// Size and SHA-256, in hexadecimal digits.
fn fingerprint(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash, mut size) = (File::open(path)?, Sha256::new(), 0);
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => {
                hash.update(&piece[..read]);
                size += read as u64;
            }
        }
    }
    Ok((size, tunebench_data::hex(&hash.finalize()[..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_known_as_such() {
        for (url, private) in [
            ("https://store.example/x", false),
            ("https://10.0.0.7/x", true),
            ("https://169.254.169.254/latest", true),
            ("https://127.0.0.1/x", true),
            ("https://[::1]/x", true),
            ("https://[fd00::1]/x", true),
            ("https://[::ffff:10.0.0.1]/x", true),
            ("https://localhost/x", true),
            ("https://8.8.8.8/x", false),
        ] {
            assert_eq!(is_private(&Url::parse(url).unwrap()), private, "{url}");
        }
    }

    #[test]
    fn an_id_that_leads_elsewhere_is_none() {
        let answer = Answer { status: 302, headers: Default::default(), body: Vec::new() };
        assert!(file_id("file-1.a_B", &answer).is_ok());
        for bad in ["", "../x", ".x", "a/b", "a b", "é"] {
            assert!(file_id(bad, &answer).is_err(), "{bad}");
        }
    }
}
