//! What every provider must keep to.

use serde_json::json;

use super::{KEY, TOKEN, fake, gemini, vertex};
use crate::contract::Contract;

#[tokio::test]
async fn at_vertex_with_fine_tuning() {
    let fake = fake().start().unwrap();
    for model in ["gemini-3.5-flash", "gemini-2.5-flash"] {
        let settings =
            json!({"location": if model.starts_with("gemini-3") { "global" } else { "us-central1" }});
        let report = Contract::new(&vertex(&fake, settings), model).secret(TOKEN).check().await;
        report.assert_kept();
        assert!(!report.to_string().contains("not offered"), "{report}");
    }
}

#[tokio::test]
async fn at_the_developer_api() {
    let fake = fake().start().unwrap();
    for model in ["gemini-3.8-flash", "models/gemini-2.5-flash-lite"] {
        Contract::new(&gemini(&fake, json!({})), model).secret(KEY).check().await.assert_kept();
    }
}
