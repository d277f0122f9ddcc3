//! What every provider must keep to.

use serde_json::json;

use super::{KEY, provider};
use crate::contract::Contract;
use tunebench_fakes::openai::FakeOpenAi;

#[tokio::test]
async fn through_every_api() {
    let fake = FakeOpenAi::builder().key(KEY).start().unwrap();
    let tuned = Contract::new(&provider(&fake, json!({"batch": true})), "gpt-4.1-mini-2025-04-14")
        .secret(KEY)
        .check()
        .await;
    tuned.assert_kept();
    assert!(!tuned.to_string().contains("not offered"), "{tuned}");
    let untuned = provider(&fake, json!({"fine_tuning": false}));
    for model in ["responses/gpt-4.1", "decisions/gpt-6-luna"] {
        Contract::new(&untuned, model).secret(KEY).check().await.assert_kept();
    }
}

#[tokio::test]
async fn behind_a_server_without_pages_for_models() {
    let fake = FakeOpenAi::start().unwrap();
    // Many servers list their models and know no more about them.
    let gone = tunebench_fakes::openai::Fault::Status(404);
    fake.fail(tunebench_fakes::openai::Failing::new(gone).on("GET /v1/models/"));
    let provider = provider(&fake, json!({"fine_tuning": false}));
    Contract::new(&provider, "gpt-4.1").secret(KEY).check().await.assert_kept();
}
