//! Who is let in: API keys, access tokens, the token endpoint and the metadata server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Settings, errors};
use crate::fake::{Call, Reply};

/// What the file of a user's credentials holds.
pub(super) const CLIENT_ID: &str = "fake-client.apps.googleusercontent.com";
pub(super) const CLIENT_SECRET: &str = "fake-client-secret";
pub(super) const REFRESH_TOKEN: &str = "1//fake-refresh-token";

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The access tokens that are out.
#[derive(Default)]
pub(super) struct Tokens {
    given: u64,
    /// Until when each is good.
    good: HashMap<String, Instant>,
}

impl Tokens {
    /// Takes all back, as if an hour had passed.
    pub(super) fn expire(&mut self) {
        self.good.clear();
    }

    fn give(&mut self, lifetime: Duration) -> Value {
        self.given += 1;
        let token = format!("ya29.fake-access-token-{:08}", self.given);
        self.good.insert(token.clone(), Instant::now() + lifetime);
        json!({"access_token": token, "expires_in": lifetime.as_secs(), "scope": SCOPE, "token_type": "Bearer"})
    }

    /// `POST /token`: a refresh token for an access token, by form or as JSON.
    pub(super) fn exchange(&mut self, call: &Call, settings: &Settings) -> Reply {
        let refused = |status, error: &str, description: &str| {
            Reply::of(status, json!({"error": error, "error_description": description}))
        };
        let form = form(&call.body);
        let field = |name: &str| match call.json() {
            Some(json) => json[name].as_str().unwrap_or_default().to_owned(),
            None => form.get(name).cloned().unwrap_or_default(),
        };
        if field("grant_type") != "refresh_token" {
            return refused(400, "unsupported_grant_type", "This fake takes refresh tokens only.");
        }
        if field("client_id") != CLIENT_ID || field("client_secret") != CLIENT_SECRET {
            return refused(401, "invalid_client", "The OAuth client was not found.");
        }
        if field("refresh_token") != REFRESH_TOKEN {
            return refused(400, "invalid_grant", "Token has been expired or revoked.");
        }
        Reply::json(self.give(settings.token_lifetime))
    }

    /// `GET /computeMetadata/v1/…`: what a machine of Google's knows of itself.
    pub(super) fn metadata(&mut self, call: &Call, path: &[&str], settings: &Settings) -> Reply {
        if call.header("metadata-flavor") != Some("Google") {
            return Reply::html(403);
        }
        let text = |text: &str| Reply::bytes(200, "application/text", text);
        let account = ["instance", "service-accounts", "default"];
        let reply = match path.strip_prefix(&account) {
            Some(["token"]) => Reply::json(self.give(settings.token_lifetime)),
            Some(["email"]) => text("fake@fake-project.iam.gserviceaccount.com"),
            Some(["scopes"]) => text(SCOPE),
            Some([""] | []) if call.asked("recursive").is_some() => {
                Reply::json(json!({"aliases": ["default"],
                "email": "fake@fake-project.iam.gserviceaccount.com", "scopes": [SCOPE]}))
            }
            _ => match path {
                ["project", "project-id"] => text(&settings.project),
                ["project", "numeric-project-id"] => text(&settings.project_number),
                ["universe", "universe-domain"] => text("googleapis.com"),
                [] | [""] | ["instance", ""] => text("fake"),
                _ => Reply::html(404),
            },
        };
        reply.with("metadata-flavor", "Google")
    }

    /// Whether a call of Vertex or Cloud Storage has a token that is good, and why not.
    pub(super) fn check(&self, call: &Call, settings: &Settings) -> Result<(), (&'static str, &'static str)> {
        let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let Some(token) = token else {
            let message = match call.header("x-goog-api-key") {
                Some(_) => {
                    "API keys are not supported by this API. Expected OAuth2 access token or other authentication \
                     credentials that assert a principal."
                }
                None => {
                    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie \
                     or other valid authentication credential."
                }
            };
            return Err(("CREDENTIALS_MISSING", message));
        };
        let is_given = self.good.get(token).is_some_and(|until| Instant::now() < *until);
        if is_given || settings.token.as_deref() == Some(token) {
            return Ok(());
        }
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                       other valid authentication credential.";
        Err(("ACCESS_TOKEN_EXPIRED", message))
    }
}

/// A token in the form in which Vertex refuses it.
pub(super) fn refused(reason: &str, message: &str) -> Reply {
    let details = errors::info(reason, json!({"service": "aiplatform.googleapis.com"}));
    errors::error(401, "UNAUTHENTICATED", message, vec![details])
}

/// Whether a call of the Developer API has a key that is good.
pub(super) fn check_key(call: &Call, settings: &Settings) -> Result<(), Reply> {
    let key = call.header("x-goog-api-key").or_else(|| call.asked("key")).filter(|key| !key.is_empty());
    match (key, &settings.api_key) {
        (None, _) => {
            let message = "Method doesn't allow unregistered callers (callers without established identity). Please use \
                           API Key or other form of API consumer identity to call this API.";
            Err(errors::error(403, "PERMISSION_DENIED", message, Vec::new()))
        }
        (Some(key), Some(right)) if key != right => Err(errors::bad_key(key)),
        _ => Ok(()),
    }
}

/// The fields of a form in a body.
fn form(body: &[u8]) -> HashMap<String, String> {
    let uri = format!("/?{}", String::from_utf8_lossy(body)).parse::<axum::http::Uri>();
    let fields = uri.ok().and_then(|uri| axum::extract::Query::try_from_uri(&uri).ok());
    fields.map(|axum::extract::Query(fields)| fields).unwrap_or_default()
}
