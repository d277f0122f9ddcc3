//! The provider against the fake service.

mod calls;
mod contract;
mod dashscope;
mod spec;
mod together;
mod tuning;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::OpenAiProvider;
use crate::Setup;
use crate::testing::{ask, examples, prompt, with};
use tunebench_fakes::openai::FakeOpenAi;

/// A key that must turn up nowhere.
const KEY: &str = "sk-test-0123456789abcdef";

/// A provider for the fake, with further settings.
fn provider(fake: &FakeOpenAi, more: Value) -> OpenAiProvider {
    let mut settings =
        json!({"base_url": fake.base_url(), "api_key_env": "TUNEBENCH_FAKE_KEY", "fine_tuning": true});
    let all = settings.as_object_mut().unwrap();
    all.extend(more.as_object().cloned().unwrap_or_default());
    let setup = Setup::new("openai", all.clone(), ".");
    let key = [("TUNEBENCH_FAKE_KEY".to_owned(), KEY.to_owned())];
    OpenAiProvider::new(&setup.variables(BTreeMap::from(key))).unwrap()
}
