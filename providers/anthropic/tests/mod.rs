//! The provider against the fake service.

mod calls;
mod contract;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::AnthropicProvider;
use crate::Setup;
use tunebench_fakes::anthropic::FakeAnthropic;

/// A key that must turn up nowhere.
const KEY: &str = "sk-ant-test-0123456789abcdef";

/// A provider for the fake, with further settings.
fn provider(fake: &FakeAnthropic, more: Value) -> AnthropicProvider {
    let mut settings = json!({"base_url": fake.base_url(), "api_key_env": "TUNEBENCH_FAKE_KEY"});
    let all = settings.as_object_mut().unwrap();
    all.extend(more.as_object().cloned().unwrap_or_default());
    let setup = Setup::new("anthropic", all.clone(), ".");
    let key = [("TUNEBENCH_FAKE_KEY".to_owned(), KEY.to_owned())];
    AnthropicProvider::new(&setup.variables(BTreeMap::from(key))).unwrap()
}
