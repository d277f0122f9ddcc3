//! One account at Google: addresses, identity, and calls that either bring an answer or an error that says what to do.

use std::path::Path;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Url};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::credentials::Identity;
use super::declared::Surface;
use super::errors::{self, About};
use super::names::{Location, Resource, Target};
use super::settings::Settings;
use crate::http::{self, Answer, Http};
use crate::lines::Lines;
use crate::rows_body::{self, Form};
use crate::{Access, Cause, ProviderError, Scope, Setup, timeouts};

/// An account at Google.
pub(super) struct Connection {
    pub(super) settings: Settings,
    identity: Identity,
    api: Http,
    storage: Http,
}

impl Connection {
    /// Looks for key or credentials; touches no network.
    pub(super) fn new(mut settings: Settings, setup: &Setup) -> Self {
        let identity = Identity::new(&settings, setup);
        settings.project = settings.project.or_else(|| identity.project());
        let api = Http::new(&settings.base_of(&settings.location));
        let storage = Http::new(&settings.storage_url);
        Self { settings, identity, api, storage }
    }

    /// Whether there are a key or credentials.
    pub(super) fn access(&self) -> Access {
        self.identity.access()
    }

    /// What the errors of a call are about.
    pub(super) fn about<'a>(&'a self, model: Option<&'a str>, location: Option<&'a str>) -> About<'a> {
        About { surface: self.settings.surface, model, location, key_variable: self.identity.variable() }
    }

    /// Where a model is asked: location and path. A tuned model answers at the location in its own name, and nowhere
    /// else.
    pub(super) fn place<'a>(
        &'a self,
        target: &'a Target,
    ) -> Result<(&'a Location, Vec<&'a str>), ProviderError> {
        Ok(match target {
            Target::Developer(path) => (&self.settings.location, path.iter().map(String::as_str).collect()),
            Target::Publisher { publisher, model } => {
                let location = &self.settings.location;
                let mut path = self.parent(location)?;
                path.extend(["publishers", publisher, "models", model]);
                (location, path)
            }
            Target::Named(resource) | Target::Endpoint(resource) => (&resource.location, resource.path()),
        })
    }

    /// `projects/P/locations/L`.
    pub(super) fn parent<'a>(&'a self, location: &'a Location) -> Result<Vec<&'a str>, ProviderError> {
        let project = self.settings.project.as_deref().ok_or_else(|| {
            ProviderError::new(Cause::Invalid, "no project of Google Cloud is named")
                .scope(Scope::Provider)
                .hint("set `project` under `[providers.vertex]`, or GOOGLE_CLOUD_PROJECT")
        })?;
        Ok(vec!["projects", project, "locations", location.name()])
    }

    /// An address. The parts are escaped: no name can lead elsewhere.
    pub(super) fn url(&self, location: &Location, path: &[&str], verb: Option<&str>) -> Url {
        let mut url = self.settings.base_of(location);
        if let (Ok(mut segments), Some((last, rest))) = (url.path_segments_mut(), path.split_last()) {
            let last = verb.map_or_else(|| (*last).to_owned(), |verb| format!("{last}:{verb}"));
            segments.pop_if_empty().extend(rest).push(&last);
        }
        url
    }

    /// The address of a resource, at its own location.
    pub(super) fn url_of(&self, resource: &Resource, verb: Option<&str>) -> Url {
        self.url(&resource.location, &resource.path(), verb)
    }

    /// Asks a model: the answer in full, also one that is an error.
    pub(super) async fn ask(&self, url: Url, body: &Value) -> Result<Answer, ProviderError> {
        let timeout = Duration::from_secs(self.settings.timeout_seconds);
        self.send(self.api.request(Method::POST, url, timeout)?.json(body)).await
    }

    pub(super) async fn get(&self, url: Url, about: About<'_>) -> Result<Answer, ProviderError> {
        self.done(self.api.request(Method::GET, url, timeouts::SHORT)?, about).await
    }

    pub(super) async fn post(
        &self,
        url: Url,
        body: &Value,
        about: About<'_>,
    ) -> Result<Answer, ProviderError> {
        self.done(self.api.request(Method::POST, url, timeouts::SHORT)?.json(body), about).await
    }

    pub(super) async fn delete(&self, url: Url, about: About<'_>) -> Result<Answer, ProviderError> {
        self.done(self.api.request(Method::DELETE, url, timeouts::SHORT)?, about).await
    }

    /// Sends bytes with headers of their own, and reads the answer.
    pub(super) async fn send_bytes(
        &self,
        method: Method,
        url: Url,
        headers: &[(&'static str, &str)],
        bytes: Vec<u8>,
        timeout: Duration,
        about: About<'_>,
    ) -> Result<Answer, ProviderError> {
        let request = self.api.request(method, url, timeout)?;
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.done(request.body(bytes), about).await
    }

    /// Sends a file of rows with headers of their own, and reads the answer.
    pub(super) async fn send_rows(
        &self,
        url: Url,
        headers: &[(&'static str, &str)],
        rows: &Path,
        timeout: Duration,
        about: About<'_>,
    ) -> Result<Answer, ProviderError> {
        let request = self.api.request(Method::POST, url, timeout)?;
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.done(rows_body::with_rows(request, rows, Form::Lines)?, about).await
    }

    /// Reads a file line by line, from a position on; the other result is an answer that is no file.
    pub(super) async fn lines(
        &self,
        url: Url,
        offset: u64,
        timeout: Duration,
    ) -> Result<Result<Lines, Answer>, ProviderError> {
        self.lines_of(self.api.request(Method::GET, url, timeout)?, offset).await
    }

    /// The same of a request that has begun.
    pub(super) async fn lines_of(
        &self,
        request: RequestBuilder,
        offset: u64,
    ) -> Result<Result<Lines, Answer>, ProviderError> {
        let request = request.headers(self.identity.headers().await?);
        Lines::open(request, offset).await.map_err(|error| self.redacted(error))
    }

    /// Begins a request to Cloud Storage.
    pub(super) fn storage(
        &self,
        method: Method,
        url: Url,
        timeout: Duration,
    ) -> Result<RequestBuilder, ProviderError> {
        self.storage.request(method, url, timeout)
    }

    /// The error that an answer stands for, free of secrets.
    pub(super) fn error(&self, answer: &Answer, about: About<'_>) -> ProviderError {
        self.redacted(errors::of_answer(answer, about))
    }

    /// An error without key and token, should the server have quoted one, and fit to be shown.
    pub(super) fn redacted(&self, error: ProviderError) -> ProviderError {
        let secret = self.identity.secret();
        error.without(secret.as_ref().map(ExposeSecret::expose_secret))
    }

    /// Sends a request and reads the answer; a token that is refused is renewed once.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answer, ProviderError> {
        let again = request.try_clone();
        let headers = self.identity.headers().await?;
        let answer = self.send_as(request, headers.clone()).await?;
        match again {
            Some(again) if answer.status == 401 && self.identity.renew(&headers) => {
                let headers = self.identity.headers().await?;
                self.send_as(again, headers).await
            }
            _ => Ok(answer),
        }
    }

    async fn send_as(&self, request: RequestBuilder, headers: HeaderMap) -> Result<Answer, ProviderError> {
        let mut answer = http::send(request.headers(headers)).await.map_err(|mut error| {
            let own = self.settings.base_url.as_ref().filter(|_| error.cause == Cause::Network);
            error.hint = error.hint.or(own.map(|url| format!("is the server running, and is {url} right?")));
            self.redacted(error)
        })?;
        if let Some(secret) = self.identity.secret() {
            answer.hide(secret.expose_secret());
        }
        Ok(answer)
    }

    async fn done(&self, request: RequestBuilder, about: About<'_>) -> Result<Answer, ProviderError> {
        let answer = self.send(request).await?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(self.error(&answer, about)) }
    }

    /// Where it is reached, with the project: answers of one place are never taken for those of another.
    pub(super) fn address(&self) -> Url {
        match (self.settings.surface, self.parent(&self.settings.location)) {
            (Surface::Vertex, Ok(parent)) => self.url(&self.settings.location, &parent, None),
            _ => self.settings.base_of(&self.settings.location),
        }
    }
}
