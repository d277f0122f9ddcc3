//! Who asks at Vertex AI: logins and machines, tokens that end, and nobody at all.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ask, at_vertex, setup};
use crate::google::GoogleProvider;
use crate::{Access, Cause, Provider, Retry, Scope};
use tunebench_fakes::google::FakeGoogle;

const MODEL: &str = "gemini-3.5-flash-lite";

/// Vertex AI with a login file.
fn logged_in(fake: &FakeGoogle, login: &Value) -> (GoogleProvider, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), login.to_string()).unwrap();
    let settings = json!({"credentials": file.path(), "access_token_env": "TUNEBENCH_NO_TOKEN"});
    (GoogleProvider::vertex(&setup("vertex", at_vertex(fake), settings)).unwrap(), file)
}

fn logins(fake: &FakeGoogle) -> u64 {
    fake.stats().count("POST /token")
}

#[tokio::test]
async fn a_login_is_exchanged_once_and_names_the_project_that_pays() {
    let fake = FakeGoogle::builder().needs_quota_project().start().unwrap();
    let (provider, _file) = logged_in(&fake, &fake.authorized_user());
    assert_eq!(provider.info().access, Access::Ready);
    assert_eq!(fake.stats().total(), 0, "to look costs nothing");
    for text in ["x", "y", "z"] {
        provider.complete(&ask(MODEL, text)).await.unwrap();
    }
    assert_eq!(logins(&fake), 1);
    let mut login = fake.authorized_user();
    login.as_object_mut().unwrap().remove("quota_project_id");
    let (without, _file) = logged_in(&fake, &login);
    let error = without.complete(&ask(MODEL, "x")).await.unwrap_err();
    assert_eq!((error.cause, error.retry), (Cause::Access, Retry::Never));
    assert!(error.hint.unwrap().contains("quota_project"));
}

#[tokio::test]
async fn the_project_of_the_login_stands_in_for_one() {
    let fake = FakeGoogle::start().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), fake.authorized_user().to_string()).unwrap();
    let mut settings = at_vertex(&fake);
    settings.as_object_mut().unwrap().remove("project");
    let more = json!({"credentials": file.path(), "access_token_env": "TUNEBENCH_NO_TOKEN"});
    let provider = GoogleProvider::vertex(&setup("vertex", settings, more)).unwrap();
    provider.complete(&ask(MODEL, "x")).await.unwrap();
    assert!(
        provider.info().base_url.ends_with("/v1/projects/fake-project/locations/global"),
        "{}",
        provider.info().base_url
    );
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_fetched_anew() {
    let fake = FakeGoogle::start().unwrap();
    let (provider, _file) = logged_in(&fake, &fake.authorized_user());
    provider.complete(&ask(MODEL, "x")).await.unwrap();
    fake.expire_tokens();
    provider.complete(&ask(MODEL, "y")).await.unwrap();
    assert_eq!(logins(&fake), 2);
    fake.expire_tokens();
    let asked = (0..8).map(|i| ask(MODEL, &i.to_string())).collect::<Vec<_>>();
    let (a, b, c) = tokio::join!(
        provider.complete(&asked[0]),
        provider.complete(&asked[1]),
        provider.complete(&asked[2]),
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
}

#[tokio::test]
async fn a_token_lives_shorter_than_a_job() {
    // As good as ended when it is given: each request must ask for what is good then.
    let fake = FakeGoogle::builder().token_lifetime(Duration::from_secs(1)).start().unwrap();
    let (provider, _file) = logged_in(&fake, &fake.authorized_user());
    provider.complete(&ask(MODEL, "x")).await.unwrap();
    fake.expire_tokens();
    provider.complete(&ask(MODEL, "y")).await.unwrap();
    assert!(logins(&fake) >= 2);
}

#[tokio::test]
async fn a_login_that_was_revoked_is_told_at_once() {
    let fake = FakeGoogle::start().unwrap();
    let mut login = fake.authorized_user();
    login["refresh_token"] = "1//revoked".into();
    let (provider, _file) = logged_in(&fake, &login);
    let error = provider.complete(&ask(MODEL, "x")).await.unwrap_err();
    assert_eq!(
        (error.cause, error.scope, error.retry),
        (Cause::Access, Scope::Provider, Retry::Never),
        "{error}"
    );
    assert!(error.hint.as_ref().unwrap().contains("gcloud auth application-default login"));
    assert!(!format!("{error:?}").contains("1//revoked"), "{error:?}");
}

#[tokio::test]
async fn files_that_are_none_are_named() {
    let fake = FakeGoogle::start().unwrap();
    for (login, words) in [
        (json!({"type": "carrier_pigeon"}), "carrier_pigeon"),
        (json!({"no": "type"}), "unknown type"),
        (json!({"type": "authorized_user"}), "can't be used"),
    ] {
        let (provider, file) = logged_in(&fake, &login);
        let error = provider.complete(&ask(MODEL, "x")).await.unwrap_err();
        assert_eq!((error.cause, error.retry), (Cause::Access, Retry::Never));
        assert!(error.message.contains(words), "{error}");
        assert!(error.message.contains(file.path().to_str().unwrap()), "{error}");
    }
    let settings = json!({"credentials": "/no/such/file.json", "access_token_env": "TUNEBENCH_NO_TOKEN"});
    let missing = GoogleProvider::vertex(&setup("vertex", at_vertex(&fake), settings)).unwrap();
    assert!(matches!(missing.info().access, Access::LoggedOut(_)));
    let error = missing.complete(&ask(MODEL, "x")).await.unwrap_err();
    assert!(error.message.contains("/no/such/file.json"), "{error}");
    assert_eq!(fake.stats().total(), 0);
}

#[tokio::test]
async fn a_ready_token_that_has_expired_is_final() {
    let fake = FakeGoogle::start().unwrap();
    let error = super::vertex(&fake, json!({})).complete(&ask(MODEL, "x")).await.unwrap_err();
    assert_eq!((error.cause, error.scope, error.retry), (Cause::Access, Scope::Provider, Retry::Never));
    assert!(error.hint.unwrap().contains("TUNEBENCH_FAKE_TOKEN"));
    assert_eq!(fake.stats().total(), 1);
}
