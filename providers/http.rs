//! The one HTTP client of the providers that need a network.
//!
//! It sends a request once and hands back whatever came, or says what went wrong on the way. What an answer means is
//! each provider's own knowledge.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::Deserialize;

use crate::text::{flat, one_line};
use crate::tls::{TlsProblem, tls_problem};
use crate::{Cause, ProviderError, Retry, Scope, timeouts};

/// What is read of an answer: no API answers with more, and a server gone wrong must not fill the memory.
const LARGEST_BODY: usize = 64 << 20;
/// What is shorter is no key worth hiding, and may well be a word of an answer.
const SHORTEST_SECRET: usize = 8;
/// What stands in the place of a secret.
const HIDDEN: &str = "[key]";

/// A client for one base URL, built at the first request: loading the system's certificates takes milliseconds that
/// commands without a network should not pay.
pub(crate) struct Http {
    /// Set for `http://`, where certificates are not needed and may be missing.
    plain: bool,
    /// Set for this machine, which no proxy reaches.
    loopback: bool,
    client: OnceLock<Result<Client, ProviderError>>,
}

impl Http {
    /// A client for requests to this URL and those below it.
    pub(crate) fn new(base: &Url) -> Self {
        Self { plain: base.scheme() == "http", loopback: is_loopback(base), client: OnceLock::new() }
    }

    /// Begins a request that must be over after `timeout`.
    pub(crate) fn request(
        &self,
        method: Method,
        url: Url,
        timeout: Duration,
    ) -> Result<RequestBuilder, ProviderError> {
        let client = self.client.get_or_init(|| self.build()).as_ref().map_err(Clone::clone)?;
        Ok(client.request(method, url).timeout(timeout))
    }

    fn build(&self) -> Result<Client, ProviderError> {
        // Without a TLS provider `build` panics; one that is installed already serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("tunebench/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeouts::CONNECT)
            // An API that redirects is the wrong address, and the key must not follow to another one.
            .redirect(reqwest::redirect::Policy::none());
        if self.loopback {
            builder = builder.no_proxy();
        }
        if self.plain {
            builder = builder.tls_certs_only([]);
        }
        builder.build().map_err(|error| {
            let message = format!("cannot set up HTTPS: {}", causes(&error));
            ProviderError::new(Cause::Network, message)
                .scope(Scope::Provider)
                .retry(Retry::Never)
                .hint("install the system's CA certificates (package `ca-certificates`), or name a bundle in SSL_CERT_FILE")
        })
    }
}

/// What a server answered, whatever its status.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// All headers.
    pub(crate) headers: HeaderMap,
    /// The body, decompressed.
    pub(crate) body: Vec<u8>,
}

/// Sends a request once and reads the whole answer.
///
/// No answer at all, or not in time, is [`Cause::Network`]; an answer that breaks off is [`Cause::Server`], because
/// the request has been worked on.
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, ProviderError> {
    read(request.send().await.map_err(unanswered)?).await
}

/// Reads the whole of an answer that has begun.
pub(crate) async fn read(mut response: Response) -> Result<Answer, ProviderError> {
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut answer = Answer { status, headers, body: Vec::new() };
    loop {
        let Ok(chunk) = tokio::time::timeout(timeouts::BETWEEN_PIECES, response.chunk()).await else {
            return Err(answer.broken("the answer stopped coming".to_owned()));
        };
        match chunk {
            Ok(Some(chunk)) if answer.body.len() + chunk.len() <= LARGEST_BODY => {
                answer.body.extend_from_slice(&chunk)
            }
            Ok(Some(_)) => {
                return Err(answer.broken(format!("the answer is longer than {} MiB", LARGEST_BODY >> 20)));
            }
            Ok(None) => return Ok(answer),
            Err(error) if error.is_timeout() => return Err(unanswered(error)),
            Err(error) => {
                return Err(answer.broken(format!("the answer broke off: {}", causes(&error.without_url()))));
            }
        }
    }
}

/// The beginning of an answer that is a file.
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
pub(crate) enum Opened {
    /// The file, from the position that was asked for.
    Download(Download),
    /// Nothing stands behind that position.
    AtTheEnd,
    /// The server's answer is no file.
    Refused(Answer),
}

/// A file that is read as it comes.
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
pub(crate) struct Download {
    response: Response,
    /// Bytes still to be passed over, where the server sends the file from its beginning.
    ahead: u64,
}

/// Sends a request once and begins to read its answer, `offset` bytes from its beginning.
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
pub(crate) async fn open(request: RequestBuilder, offset: u64) -> Result<Opened, ProviderError> {
    // Positions are those of the file itself, not of a compressed form of it.
    let mut request = request.header(reqwest::header::ACCEPT_ENCODING, "identity");
    if offset > 0 {
        request = request.header(reqwest::header::RANGE, format!("bytes={offset}-"));
    }
    let response = request.send().await.map_err(unanswered)?;
    match response.status().as_u16() {
        200..300 => {
            let partial = response.status() == reqwest::StatusCode::PARTIAL_CONTENT;
            Ok(Opened::Download(Download { response, ahead: if partial { 0 } else { offset } }))
        }
        416 if offset > 0 => Ok(Opened::AtTheEnd),
        _ => Ok(Opened::Refused(read(response).await?)),
    }
}

#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
impl Download {
    /// The next piece; none at the end. A file that breaks off is an error, and may be opened again where it broke.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ProviderError> {
        loop {
            let Ok(chunk) = tokio::time::timeout(timeouts::BETWEEN_PIECES, self.response.chunk()).await
            else {
                return Err(ProviderError::new(Cause::Server, "the file stopped coming"));
            };
            let Some(chunk) = chunk.map_err(|error| {
                let message = format!("the file broke off: {}", causes(&error.without_url()));
                ProviderError::new(Cause::Server, message)
            })?
            else {
                return Ok(None);
            };
            let passed = self.ahead.min(chunk.len() as u64);
            self.ahead -= passed;
            if passed < chunk.len() as u64 {
                return Ok(Some(chunk[passed as usize..].to_vec()));
            }
        }
    }
}

impl Answer {
    /// A header, where it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The server's name for the request. Most call the header `x-request-id`; Azure and Anthropic have one of their own.
    pub(crate) fn request_id(&self) -> Option<&str> {
        let names = ["x-request-id", "apim-request-id", "request-id"];
        names.iter().find_map(|name| self.header(name)).filter(|id| !id.is_empty())
    }

    /// The body as JSON; [`Cause::Server`] if it is none, as from a proxy's error page or a cut connection.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let said = one_line(&self.excerpt());
            self.broken(format!("invalid JSON in the response ({error}): {said}"))
        })
    }

    /// The body without a secret, should the server have quoted it. Short ones stay: they may be any word of an answer.
    pub(crate) fn hide(&mut self, secret: &str) {
        if secret.len() < SHORTEST_SECRET {
            return;
        }
        let text = String::from_utf8_lossy(&self.body);
        if text.contains(secret) {
            self.body = text.replace(secret, HIDDEN).into_bytes();
        }
    }

    /// The body in one line, for messages, which are cut when they are whole.
    pub(crate) fn excerpt(&self) -> String {
        flat(&String::from_utf8_lossy(&self.body))
    }

    /// A failure of the server that may pass. An answer that began as a success is billed, readable or not.
    pub(crate) fn broken(&self, message: String) -> ProviderError {
        let success = (200..300).contains(&self.status);
        let error = ProviderError::new(Cause::Server, message).may_be_billed(success);
        match self.request_id() {
            Some(id) => error.request_id(id),
            None => error,
        }
    }
}

impl ProviderError {
    /// The same without a secret, and fit to be shown. Only now is it cut: half a secret is not found any more.
    pub(crate) fn without(mut self, secret: Option<&str>) -> Self {
        let hide = |text: &str| secret.map_or_else(|| text.to_owned(), |secret| text.replace(secret, HIDDEN));
        self.message = one_line(&hide(&self.message));
        self.request_id = self.request_id.as_deref().map(hide);
        self
    }
}

/// Whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    address.map_or(host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

fn unanswered(error: reqwest::Error) -> ProviderError {
    let host =
        error.url().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "the server".into());
    // The URL can carry what is nobody's business, and the host is named already.
    let error = error.without_url();
    if error.is_builder() {
        return ProviderError::new(
            Cause::Invalid,
            format!("the request cannot be built: {}", causes(&error)),
        )
        .scope(Scope::Provider);
    }
    if let Some(TlsProblem { what, cure }) = tls_problem(&error) {
        // The same certificate comes with every answer of this server.
        let error = ProviderError::new(Cause::Network, format!("{host} {what}")).scope(Scope::Provider);
        return error.retry(Retry::Never).may_be_billed(false).hint(cure);
    }
    let message = match (error.is_timeout(), error.is_connect()) {
        (true, true) => format!("{host} could not be reached in time"),
        (true, false) => format!("{host} did not answer in time"),
        (false, true) => format!("{host} cannot be reached: {}", causes(&error)),
        (false, false) => format!("the connection to {host} broke: {}", causes(&error)),
    };
    ProviderError::new(Cause::Network, message).may_be_billed(!error.is_connect())
}

/// An error and what led to it, on one line that is not cut yet; parts that repeat each other stand once.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    flat(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_machine() {
        for (url, here) in [
            ("http://127.0.0.1:8000/v1", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:80/", true),
            ("http://localhost:11434/v1", true),
            ("https://api.openai.com/v1", false),
            ("http://localhost.example/v1", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), here, "{url}");
        }
    }

    #[test]
    fn https_works_or_says_what_is_missing() {
        let url = Url::parse("https://api.example/v1").unwrap();
        match Http::new(&url).request(Method::GET, url, timeouts::CONNECT) {
            Ok(request) => assert_eq!(request.build().unwrap().url().scheme(), "https"),
            Err(error) => assert!(error.hint.unwrap().contains("SSL_CERT_FILE"), "{}", error.message),
        }
    }

    #[test]
    fn a_body_that_is_no_json_is_the_servers_fault() {
        let answer = Answer { status: 200, headers: HeaderMap::new(), body: b"<html>bad gateway".to_vec() };
        let error = answer.json::<serde_json::Value>().unwrap_err();
        assert_eq!((error.cause, error.scope), (Cause::Server, Scope::Request));
        assert!(matches!(error.retry, crate::Retry::Later { .. }) && error.message.contains("bad gateway"));
        assert!(error.may_be_billed);
        let refused = Answer { status: 502, ..answer };
        assert!(!refused.json::<serde_json::Value>().unwrap_err().may_be_billed);
    }
}
