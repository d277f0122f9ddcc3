//! Who asks: a key, a ready token, or Application Default Credentials.
//!
//! The search order of Application Default Credentials is Google's (<https://google.aip.dev/auth/4110>): the file named
//! in `GOOGLE_APPLICATION_CREDENTIALS`, the file that `gcloud auth application-default login` writes, the metadata
//! server of a machine at Google. What is done with them is the work of Google's own crate.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use google_cloud_auth::credentials::{
    CacheableResource, Credentials, external_account, impersonated, mds, service_account, user_account,
};
use google_cloud_auth::errors::CredentialsError;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::declared::Surface;
use super::errors::LOGIN;
use super::settings::Settings;
use crate::http::causes;
use crate::settings::Withheld;
use crate::text::one_line;
use crate::{Access, Cause, ProviderError, Retry, Setup};

/// One scope serves models, jobs and buckets.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// Who asks.
pub(super) enum Identity {
    /// A key of the Developer API; `None` while its variable is not set.
    Key { variable: String, key: Option<SecretString> },
    /// An access token that was got elsewhere.
    Token { variable: String, token: SecretString, quota_project: Option<String> },
    /// Application Default Credentials.
    Default(Box<Adc>),
    /// There may be one, but not for the address that is set.
    Withheld(Withheld),
}

impl Identity {
    /// Looks at variables and files; touches no network.
    pub(super) fn new(settings: &Settings, setup: &Setup) -> Self {
        let variable = settings.key_variable.clone().unwrap_or_default();
        let secret = match settings.secret(setup) {
            Ok(secret) => secret.map(SecretString::from),
            Err(withheld) => return Self::Withheld(withheld),
        };
        match (settings.surface, secret) {
            (Surface::Developer, key) => Self::Key { variable, key },
            (Surface::Vertex, Some(token)) => {
                Self::Token { variable, token, quota_project: settings.quota_project.clone() }
            }
            (Surface::Vertex, None) => Self::Default(Box::new(Adc::find(settings, setup))),
        }
    }

    /// Whether there is one.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::Key { key: Some(_), .. } | Self::Token { .. } => Access::Ready,
            Self::Key { variable, key: None } => Access::Missing(variable.clone()),
            Self::Default(adc) if adc.may_work() => Access::Ready,
            Self::Default(_) => Access::LoggedOut(LOGIN.to_owned()),
            Self::Withheld(withheld) => withheld.access(),
        }
    }

    /// The variable that holds the key or the token.
    pub(super) fn variable(&self) -> Option<&str> {
        match self {
            Self::Key { variable, .. } | Self::Token { variable, .. } => Some(variable),
            Self::Default(_) | Self::Withheld(_) => None,
        }
    }

    /// The project that the credentials belong to, where they say so.
    pub(super) fn project(&self) -> Option<String> {
        match self {
            Self::Default(adc) => adc.project(),
            _ => None,
        }
    }

    /// The headers that say who asks. To be called for each request: a token lives an hour, and a job longer.
    pub(super) async fn headers(&self) -> Result<HeaderMap, ProviderError> {
        let mut headers = HeaderMap::new();
        match self {
            Self::Key { variable, key } => {
                let key = key.as_ref().ok_or_else(|| {
                    ProviderError::new(Cause::Access, format!("there is no key in {variable}"))
                        .hint(format!("set {variable} in the environment or in `.env`"))
                })?;
                headers.insert(KEY, secret_value(key.expose_secret(), variable)?);
            }
            Self::Token { variable, token, quota_project } => {
                let bearer = format!("Bearer {}", token.expose_secret());
                headers.insert(AUTHORIZATION, secret_value(&bearer, variable)?);
                if let Some(project) = quota_project {
                    headers.insert(QUOTA_PROJECT, secret_value(project, "quota_project")?);
                }
            }
            Self::Default(adc) => return adc.headers().await,
            Self::Withheld(withheld) => return Err(withheld.error()),
        }
        Ok(headers)
    }

    /// After a refusal: whether asking again with a new token may help. It may once, where tokens are fetched.
    pub(super) fn renew(&self, refused: &HeaderMap) -> bool {
        match self {
            Self::Default(adc) => adc.renew(refused),
            _ => false,
        }
    }

    /// The key or the token in use, to keep it out of what is shown and kept.
    pub(super) fn secret(&self) -> Option<SecretString> {
        match self {
            Self::Key { key, .. } => key.clone(),
            Self::Token { token, .. } => Some(token.clone()),
            Self::Default(adc) => adc.token(),
            Self::Withheld(_) => None,
        }
    }
}

fn secret_value(text: &str, place: &str) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let message = format!("what {place} holds can't be used: it has characters that no header may have");
        ProviderError::new(Cause::Access, message)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where credentials come from.
enum Source {
    /// A file that was named, or that `gcloud` wrote.
    File { path: PathBuf, content: Result<Value, String> },
    /// The metadata server, which only a machine at Google has.
    Machine,
}

/// Application Default Credentials.
pub(super) struct Adc {
    source: Source,
    quota_project: Option<String>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    credentials: Option<Arc<Credentials>>,
    /// The last headers, to tell an old token from a new one and to keep it out of messages.
    sent: Option<HeaderMap>,
}

impl Adc {
    fn find(settings: &Settings, setup: &Setup) -> Self {
        let named = settings.credentials.as_ref().map(PathBuf::from);
        let source = match (named, gcloud_file(setup)) {
            (Some(path), _) => Source::read(path),
            (None, Some(path)) if path.exists() => Source::read(path),
            _ => Source::Machine,
        };
        Self { source, quota_project: settings.quota_project.clone(), current: Mutex::default() }
    }

    /// Whether there is a file, or this machine is at Google and so has a metadata server.
    fn may_work(&self) -> bool {
        match &self.source {
            Source::File { content, .. } => content.is_ok(),
            Source::Machine => is_at_google(),
        }
    }

    fn project(&self) -> Option<String> {
        let Source::File { content: Ok(content), .. } = &self.source else { return None };
        let member = |name| content.get(name)?.as_str().map(str::to_owned);
        member("project_id").or_else(|| member("quota_project_id"))
    }

    async fn headers(&self) -> Result<HeaderMap, ProviderError> {
        let credentials = self.credentials()?;
        // What is asked for needs no earlier answer, so that this is always a new one.
        let answer = credentials.headers(Default::default()).await;
        let headers = match answer.map_err(|error| self.unavailable(&error))? {
            CacheableResource::New { data, .. } => data,
            CacheableResource::NotModified => self.lock().sent.clone().unwrap_or_default(),
        };
        self.lock().sent = Some(headers.clone());
        Ok(headers)
    }

    /// Those in use, made at the first call: they fetch and renew tokens in the background.
    fn credentials(&self) -> Result<Arc<Credentials>, ProviderError> {
        let mut current = self.lock();
        if let Some(credentials) = &current.credentials {
            return Ok(credentials.clone());
        }
        let credentials = Arc::new(self.build().map_err(|why| {
            ProviderError::new(Cause::Access, format!("no credentials for Google: {why}")).hint(self.cure())
        })?);
        current.credentials = Some(credentials.clone());
        Ok(credentials)
    }

    fn build(&self) -> Result<Credentials, String> {
        let quota = self.quota_project.clone();
        let Source::File { path, content } = &self.source else {
            let builder = mds::Builder::default().with_scopes([SCOPE]);
            let builder = quota.into_iter().fold(builder, mds::Builder::with_quota_project_id);
            return builder.build().map_err(|error| one_line(&error.to_string()));
        };
        let content = content.clone()?;
        let kind = content.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let built = match kind.as_str() {
            "authorized_user" => {
                let builder = user_account::Builder::new(content).with_scopes([SCOPE]);
                quota.into_iter().fold(builder, user_account::Builder::with_quota_project_id).build()
            }
            "service_account" => {
                let scopes = service_account::AccessSpecifier::from_scopes([SCOPE]);
                let builder = service_account::Builder::new(content).with_access_specifier(scopes);
                quota.into_iter().fold(builder, service_account::Builder::with_quota_project_id).build()
            }
            "impersonated_service_account" => {
                let builder = impersonated::Builder::new(content).with_scopes([SCOPE]);
                quota.into_iter().fold(builder, impersonated::Builder::with_quota_project_id).build()
            }
            "external_account" => {
                let builder = external_account::Builder::new(content).with_scopes([SCOPE]);
                quota.into_iter().fold(builder, external_account::Builder::with_quota_project_id).build()
            }
            other => {
                return Err(format!("{} holds credentials of the unknown type `{other}`", path.display()));
            }
        };
        built.map_err(|error| one_line(&format!("{} can't be used: {error}", path.display())))
    }

    /// Without credentials no waiting helps, whatever the crate says: where not logged in, it takes the missing
    /// metadata server for one that is down.
    fn unavailable(&self, error: &CredentialsError) -> ProviderError {
        let worked = self.lock().sent.is_some();
        let from_file = matches!(self.source, Source::File { .. });
        let message = causes(error);
        let error = if error.is_transient() && (worked || from_file) {
            ProviderError::new(Cause::Network, format!("no access token from Google for now: {message}"))
        } else {
            let error = ProviderError::new(Cause::Access, format!("no credentials for Google: {message}"));
            error.hint(self.cure()).retry(Retry::Never)
        };
        let token = self.token();
        error.without(token.as_ref().map(ExposeSecret::expose_secret))
    }

    fn cure(&self) -> String {
        let other = "or name a key file in GOOGLE_APPLICATION_CREDENTIALS";
        match &self.source {
            Source::File { path, .. } => {
                format!("log in anew with `{LOGIN}`, {other} (it was {})", path.display())
            }
            Source::Machine => format!("log in with `{LOGIN}`, {other}"),
        }
    }

    /// Throws away credentials whose token was refused, unless others are in use by now.
    fn renew(&self, refused: &HeaderMap) -> bool {
        let mut current = self.lock();
        let token = |headers: &HeaderMap| headers.get(AUTHORIZATION).cloned();
        if current.sent.as_ref().and_then(token) == token(refused) {
            current.credentials = None;
        }
        true
    }

    /// The last token that was sent.
    fn token(&self) -> Option<SecretString> {
        let current = self.lock();
        let bearer = current.sent.as_ref()?.get(AUTHORIZATION)?.to_str().ok()?;
        Some(bearer.strip_prefix("Bearer ")?.into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn read(path: PathBuf) -> Self {
        let content = std::fs::read_to_string(&path)
            .and_then(|text| serde_json::from_str(&text).map_err(io::Error::other))
            .map_err(|error| format!("cannot read {}: {error}", path.display()));
        Self::File { path, content }
    }
}

/// The file that `gcloud auth application-default login` writes.
fn gcloud_file(setup: &Setup) -> Option<PathBuf> {
    let folder = match setup.variable("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(windows) => PathBuf::from(setup.variable("APPDATA")?).join("gcloud"),
        None => PathBuf::from(setup.variable("HOME")?).join(".config").join("gcloud"),
    };
    Some(folder.join("application_default_credentials.json"))
}

/// Whether this machine is one of Google's, as its firmware or its environment says. Costs no request.
fn is_at_google() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let firmware = std::fs::read_to_string(Path::new("/sys/class/dmi/id/product_name"));
    set("GCE_METADATA_HOST") || set("K_SERVICE") || firmware.is_ok_and(|name| name.starts_with("Google"))
}
