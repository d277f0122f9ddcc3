//! One account: address, key, and calls that either bring an answer or an error that says what to do.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use super::declared::KeyHeader;
use super::errors::{self, About};
use super::settings::Settings;
use crate::http::{self, Answer, Http};
use crate::lines::Lines;
use crate::rows_body::{self, Form};
use crate::settings::Withheld;
use crate::{Access, Cause, ProviderError, Setup, timeouts};

/// How the requests of a batch stand in the body of its order.
const ROWS: Form = Form::Array { before: r#"{"requests":["#, after: "]}" };
/// The version of the API, which each request names.
const VERSION: &str = "2026-10-21";
const JSON: &str = "application/json";
const VERSION_HEADER: &str = "anthropic-version";

/// What a request carries.
#[derive(Clone, Copy)]
enum Content<'a> {
    Nothing,
    Json(&'a [u8]),
    Rows(&'a Path),
}

/// An account.
pub(super) struct Connection {
    pub(super) settings: Settings,
    key: Option<SecretString>,
    withheld: Option<Withheld>,
    /// Whether the key was refused in its usual header, and not in the other one.
    other_header: AtomicBool,
    http: Http,
}

impl Connection {
    /// Takes the key from the environment; touches no network.
    pub(super) fn new(settings: Settings, setup: &Setup) -> Self {
        let (key, withheld) = match settings.key(setup) {
            Ok(key) => (key.map(SecretString::from), None),
            Err(withheld) => (None, Some(withheld)),
        };
        let http = Http::new(&settings.base_url);
        Self { settings, key, withheld, other_header: AtomicBool::new(false), http }
    }

    /// Whether there is a key, where one is wanted.
    pub(super) fn access(&self) -> Access {
        match (&self.withheld, &self.settings.key_variable, &self.key) {
            (Some(withheld), ..) => withheld.access(),
            (None, None, _) => Access::Open,
            (None, Some(_), Some(_)) => Access::Ready,
            (None, Some(variable), None) => Access::Missing(variable.clone()),
        }
    }

    /// Asks a model, with a body of JSON: the answer in full, also one that is an error.
    pub(super) async fn ask(&self, path: &[&str], body: &[u8]) -> Result<Answer, ProviderError> {
        let timeout = Duration::from_secs(self.settings.timeout_seconds);
        self.send(Method::POST, self.url(path), Content::Json(body), timeout).await
    }

    /// Orders a batch, with a file of its requests: the answer in full, also one that is an error.
    pub(super) async fn post_rows(&self, path: &[&str], rows: &Path) -> Result<Answer, ProviderError> {
        self.send(Method::POST, self.url(path), Content::Rows(rows), timeouts::FILE).await
    }

    /// `POST` of nothing.
    pub(super) async fn post(&self, path: &[&str]) -> Result<Answer, ProviderError> {
        self.done(Method::POST, self.url(path), About::default()).await
    }

    /// `GET`.
    pub(super) async fn get(&self, path: &[&str], about: About<'_>) -> Result<Answer, ProviderError> {
        self.done(Method::GET, self.url(path), about).await
    }

    /// `GET`, with query parameters.
    pub(super) async fn get_with(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        about: About<'_>,
    ) -> Result<Answer, ProviderError> {
        let mut url = self.url(path);
        url.query_pairs_mut().extend_pairs(query);
        self.done(Method::GET, url, about).await
    }

    /// `DELETE`.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<Answer, ProviderError> {
        self.done(Method::DELETE, self.url(path), About::default()).await
    }

    /// Reads a file line by line, from a position on.
    pub(super) async fn lines(&self, path: &[&str], offset: u64) -> Result<Lines, ProviderError> {
        let request = self.request(
            &Method::GET,
            self.url(path),
            Content::Nothing,
            timeouts::FILE,
            self.usual_header(),
        )?;
        match Lines::open(request, offset).await.map_err(|error| self.redacted(error))? {
            Ok(lines) => Ok(lines),
            Err(answer) => Err(self.error(&answer, About::default())),
        }
    }

    async fn done(&self, method: Method, url: Url, about: About<'_>) -> Result<Answer, ProviderError> {
        let answer = self.send(method, url, Content::Nothing, timeouts::SHORT).await?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(self.error(&answer, about)) }
    }

    /// The error that an answer stands for, free of the key.
    pub(super) fn error(&self, answer: &Answer, about: About<'_>) -> ProviderError {
        let about = About { key_variable: self.settings.key_variable.as_deref(), ..about };
        self.redacted(errors::of_answer(answer, about))
    }

    /// An error without the key, should the server have quoted it, and fit to be shown.
    pub(super) fn redacted(&self, error: ProviderError) -> ProviderError {
        error.without(self.key.as_ref().map(ExposeSecret::expose_secret))
    }

    /// Sends once; and where a key is refused whose header nobody has named, in the other header as well: newer and older
    /// clients differ in this, and so may what stands between.
    async fn send(
        &self,
        method: Method,
        url: Url,
        content: Content<'_>,
        timeout: Duration,
    ) -> Result<Answer, ProviderError> {
        let usual = self.usual_header();
        let request = |header| self.request(&method, url.clone(), content, timeout, header);
        let answer = self.sent(request(usual)?).await?;
        if answer.status != 401 || self.key.is_none() || self.settings.header.is_some() {
            return Ok(answer);
        }
        let again = self.sent(request(usual.other())?).await?;
        if again.status == 401 {
            return Ok(answer);
        }
        self.other_header.store(usual == KeyHeader::ApiKey, Ordering::Relaxed);
        Ok(again)
    }

    fn usual_header(&self) -> KeyHeader {
        match self.settings.header {
            Some(header) => header,
            None if self.other_header.load(Ordering::Relaxed) => KeyHeader::ApiKey.other(),
            None => KeyHeader::ApiKey,
        }
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Answer, ProviderError> {
        let mut answer = http::send(request).await.map_err(|error| self.redacted(error))?;
        if let Some(key) = &self.key {
            answer.hide(key.expose_secret());
        }
        Ok(answer)
    }

    fn request(
        &self,
        method: &Method,
        url: Url,
        content: Content<'_>,
        timeout: Duration,
        header: KeyHeader,
    ) -> Result<RequestBuilder, ProviderError> {
        let request = self.http.request(method.clone(), url, timeout)?;
        let mut request = request.header(VERSION_HEADER, VERSION);
        if let Some(variable) = &self.settings.key_variable {
            let (name, value) = self.key_header(variable, header)?;
            request = request.header(name, value);
        }
        match content {
            Content::Nothing => Ok(request),
            Content::Json(body) => Ok(request.header(CONTENT_TYPE, JSON).body(body.to_vec())),
            Content::Rows(path) => rows_body::with_rows(request.header(CONTENT_TYPE, JSON), path, ROWS),
        }
    }

    /// An address below the base URL. The parts are escaped: a model's name can't lead elsewhere.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.settings.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    fn key_header(
        &self,
        variable: &str,
        header: KeyHeader,
    ) -> Result<(HeaderName, HeaderValue), ProviderError> {
        if let Some(withheld) = &self.withheld {
            return Err(withheld.error());
        }
        let Some(key) = &self.key else {
            return Err(ProviderError::new(Cause::Access, format!("there is no key in {variable}"))
                .hint(format!("set {variable} in the environment or in `.env`")));
        };
        let key = key.expose_secret();
        let (name, value) = match header {
            KeyHeader::ApiKey => (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key)),
            KeyHeader::Bearer => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
        };
        let mut value = value.map_err(|_| {
            let message = format!("{variable} does not hold a valid key: it has characters that no key has");
            ProviderError::new(Cause::Access, message)
        })?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}
