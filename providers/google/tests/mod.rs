//! The provider against the fake services.

mod calls;
mod contract;
mod credentials;
mod spec;
mod tuning;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::GoogleProvider;
use crate::Setup;
use crate::testing::{ask, examples, prompt, with};
use tunebench_fakes::google::FakeGoogle;

/// A key and a token that must turn up nowhere.
const KEY: &str = "AIza-test-0123456789abcdef";
const TOKEN: &str = "ya29.test-0123456789abcdef";

fn setup(name: &str, fixed: Value, more: Value) -> Setup {
    let mut settings = fixed.as_object().cloned().unwrap();
    settings.extend(more.as_object().cloned().unwrap());
    let secrets = [("TUNEBENCH_FAKE_KEY", KEY), ("TUNEBENCH_FAKE_TOKEN", TOKEN)];
    let secrets = secrets.map(|(name, secret)| (name.to_owned(), secret.to_owned()));
    Setup::new(name, settings, ".").variables(BTreeMap::from(secrets))
}

/// The Developer API at the fake, with further settings.
fn gemini(fake: &FakeGoogle, more: Value) -> GoogleProvider {
    let fixed = json!({"base_url": fake.gemini_url(), "api_key_env": "TUNEBENCH_FAKE_KEY"});
    GoogleProvider::gemini(&setup("gemini", fixed, more)).unwrap()
}

/// Settings of Vertex AI at the fake, but for who asks.
fn at_vertex(fake: &FakeGoogle) -> Value {
    json!({"base_url": fake.vertex_url(), "storage_url": fake.storage_url(), "project": "fake-project",
        "bucket": "gs://fake-bucket"})
}

/// Vertex AI at the fake, with a ready token and further settings.
fn vertex(fake: &FakeGoogle, more: Value) -> GoogleProvider {
    let mut fixed = at_vertex(fake);
    fixed["access_token_env"] = "TUNEBENCH_FAKE_TOKEN".into();
    GoogleProvider::vertex(&setup("vertex", fixed, more)).unwrap()
}

/// A fake that lets our key and our token in.
fn fake() -> tunebench_fakes::google::Builder {
    FakeGoogle::builder().api_key(KEY).token(TOKEN)
}
