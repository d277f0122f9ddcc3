//! What every provider must keep to.

use serde_json::json;

use super::{KEY, provider};
use crate::contract::Contract;
use tunebench_fakes::anthropic::FakeAnthropic;

#[tokio::test]
async fn every_kind_of_model_keeps_to_it() {
    let fake = FakeAnthropic::builder().key(KEY).start().unwrap();
    let provider = provider(&fake, json!({}));
    for model in ["claude-haiku-5-5", "claude-opus-5-5", "claude-comet-6"] {
        Contract::new(&provider, model).secret(KEY).check().await.assert_kept();
    }
}
