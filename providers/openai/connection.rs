//! One account at one server: address, key, and calls that either bring an answer or an error that says what to do.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::multipart::Form;
use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::declared::KeyHeader;
use super::errors::{self, About};
use super::settings::Settings;
use crate::http::{self, Answer, Http};
use crate::lines::Lines;
use crate::settings::Withheld;
use crate::{Access, Cause, ProviderError, Setup, timeouts};

/// As many items of a list as a page holds.
const PAGE: &str = "100";

/// An account at a server.
pub(super) struct Connection {
    pub(super) settings: Settings,
    key: Option<SecretString>,
    withheld: Option<Withheld>,
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
        Self { settings, key, withheld, http }
    }

    /// Whether there is a key, where one is wanted.
    pub(super) fn access(&self) -> Access {
        if let Some(withheld) = &self.withheld {
            return withheld.access();
        }
        if let Some(variable) = &self.settings.missing {
            return Access::Missing(variable.clone());
        }
        match (&self.settings.key_variable, &self.key) {
            (None, _) => Access::Open,
            (Some(_), Some(_)) => Access::Ready,
            (Some(variable), None) => Access::Missing(variable.clone()),
        }
    }

    /// Asks a model, with a body of JSON: the answer in full, also one that is an error.
    pub(super) async fn ask(&self, path: &[&str], body: &[u8]) -> Result<Answer, ProviderError> {
        let timeout = Duration::from_secs(self.settings.timeout_seconds);
        let request = self.request(Method::POST, path, timeout)?.header(CONTENT_TYPE, "application/json");
        self.send(request.body(body.to_vec())).await
    }

    /// `GET`, with query parameters.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        about: About<'_>,
    ) -> Result<Answer, ProviderError> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.done(self.request_to(Method::GET, url, timeouts::SHORT)?, about).await
    }

    /// `POST` of JSON, or of nothing.
    pub(super) async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Answer, ProviderError> {
        let request = self.request(Method::POST, path, timeouts::SHORT)?;
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.done(request, About::default()).await
    }

    /// JSON, with query parameters.
    pub(super) async fn send_json(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, ProviderError> {
        let mut url = self.url(path);
        url.query_pairs_mut().extend_pairs(query);
        self.done(self.request_to(method, url, timeouts::SHORT)?.json(body), About::default()).await
    }

    /// `POST` of a form with a file in it.
    pub(super) async fn upload(&self, path: &[&str], form: Form) -> Result<Answer, ProviderError> {
        self.done(self.request(Method::POST, path, timeouts::FILE)?.multipart(form), About::default()).await
    }

    /// `POST` of a form: the answer in full, also one that leads elsewhere.
    pub(super) async fn form(&self, path: &[&str], form: Form) -> Result<Answer, ProviderError> {
        self.send(self.request(Method::POST, path, timeouts::SHORT)?.multipart(form)).await
    }

    /// `DELETE`.
    pub(super) async fn delete(&self, path: &[&str], about: About<'_>) -> Result<Answer, ProviderError> {
        self.done(self.request(Method::DELETE, path, timeouts::SHORT)?, about).await
    }

    /// All items of a list, page by page, until one is said to be enough.
    pub(super) async fn list(
        &self,
        path: &[&str],
        filter: Option<(&str, &str)>,
        mut enough: impl FnMut(&Value) -> bool,
    ) -> Result<Vec<Value>, ProviderError> {
        let mut items: Vec<Value> = Vec::new();
        loop {
            let after = items.last().and_then(|item| item.get("id")?.as_str()).map(str::to_owned);
            let mut query = vec![("limit", PAGE)];
            query.extend(filter);
            query.extend(after.as_deref().map(|after| ("after", after)));
            let answer = self.get(path, &query, About::default()).await?;
            let page: Value = answer.json()?;
            let Some(Value::Array(data)) = page.get("data") else {
                return Err(answer.broken("the list has no `data`".to_owned()));
            };
            // A server that ignores `after` gives the first page for ever.
            let repeats = data.first().is_some_and(|first| {
                first.get("id").is_some() && items.iter().any(|i| i.get("id") == first.get("id"))
            });
            let more = page.get("has_more").and_then(Value::as_bool).unwrap_or(false);
            if repeats {
                return Ok(items);
            }
            items.extend(data.iter().cloned());
            if !more || data.is_empty() || data.iter().any(&mut enough) {
                return Ok(items);
            }
        }
    }

    /// Reads a file line by line, from a position on.
    pub(super) async fn lines(
        &self,
        path: &[&str],
        offset: u64,
        about: About<'_>,
    ) -> Result<Lines, ProviderError> {
        let request = self.request(Method::GET, path, timeouts::FILE)?;
        match Lines::open(request, offset).await.map_err(|error| self.redacted(error))? {
            Ok(lines) => Ok(lines),
            Err(answer) => Err(self.error(&answer, about)),
        }
    }

    /// The error that an answer stands for, free of the key.
    pub(super) fn error(&self, answer: &Answer, about: About<'_>) -> ProviderError {
        let about = About { key_variable: self.settings.key_variable.as_deref(), ..about };
        self.redacted(errors::of_answer(answer, about))
    }

    /// Where a server of the user's own is not reached, the address is what to look at: the message has no port.
    async fn send(&self, request: RequestBuilder) -> Result<Answer, ProviderError> {
        let mut answer = http::send(request).await.map_err(|mut error| {
            if error.cause == Cause::Network && error.hint.is_none() && !self.settings.official {
                error.hint = Some(format!("is the server running, and is {} right?", self.settings.base_url));
            }
            self.redacted(error)
        })?;
        if let Some(key) = &self.key {
            answer.hide(key.expose_secret());
        }
        Ok(answer)
    }

    /// An error without the key, should the server have quoted it, and fit to be shown.
    pub(super) fn redacted(&self, error: ProviderError) -> ProviderError {
        error.without(self.key.as_ref().map(ExposeSecret::expose_secret))
    }

    async fn done(&self, request: RequestBuilder, about: About<'_>) -> Result<Answer, ProviderError> {
        let answer = self.send(request).await?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(self.error(&answer, about)) }
    }

    /// An address below the base URL. The parts are escaped: a model's name can't lead elsewhere.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.settings.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        timeout: Duration,
    ) -> Result<RequestBuilder, ProviderError> {
        self.request_to(method, self.url(path), timeout)
    }

    fn request_to(
        &self,
        method: Method,
        url: Url,
        timeout: Duration,
    ) -> Result<RequestBuilder, ProviderError> {
        if let Some(variable) = &self.settings.missing {
            let message = format!("there is no address for this host: it is made from {variable}");
            let hint = format!("set {variable} in the environment or in `.env`, or set `base_url`");
            return Err(ProviderError::new(Cause::Access, message).hint(hint));
        }
        let mut request = self.http.request(method, url, timeout)?;
        if let Some(variable) = &self.settings.key_variable {
            request = request.header(self.key_header(), self.key_value(variable)?);
        }
        let names = [
            ("openai-organization", &self.settings.organization),
            ("openai-project", &self.settings.project),
        ];
        for (header, value) in names {
            if let Some(value) = value {
                request = request.header(header, value);
            }
        }
        Ok(request)
    }

    fn key_header(&self) -> HeaderName {
        match self.settings.header {
            KeyHeader::Authorization => reqwest::header::AUTHORIZATION,
            KeyHeader::ApiKey => HeaderName::from_static("api-key"),
        }
    }

    fn key_value(&self, variable: &str) -> Result<HeaderValue, ProviderError> {
        if let Some(withheld) = &self.withheld {
            return Err(withheld.error());
        }
        let Some(key) = &self.key else {
            let hint = format!(
                "set {variable} in the environment or in `.env`; where a server wants none, set `api_key_env = \"none\"`"
            );
            return Err(
                ProviderError::new(Cause::Access, format!("there is no key in {variable}")).hint(hint)
            );
        };
        let value = match self.settings.header {
            KeyHeader::Authorization => HeaderValue::try_from(format!("Bearer {}", key.expose_secret())),
            KeyHeader::ApiKey => HeaderValue::from_str(key.expose_secret()),
        };
        let mut value = value.map_err(|_| {
            ProviderError::new(
                Cause::Access,
                format!("{variable} does not hold a valid key: it has characters that no key has"),
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}
