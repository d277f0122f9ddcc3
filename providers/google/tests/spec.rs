//! Everything that is sent, and everything that the fake answers, against Google's discovery documents.

use serde_json::json;

use super::{KEY, TOKEN, ask, examples, fake, gemini, prompt, vertex, with};
use crate::contract::Contract;
use crate::{AnswerMode, JobMark, JobRequest, Provider, TuningSpec};
use tunebench_fakes::google::description::Descriptions;
use tunebench_fakes::google::{Failing, FakeGoogle, Fault};

/// Calls that must have been answered for the check to mean something.
const WANTED: [&str; 17] = [
    "generativelanguage/v1beta/models/*:generateContent",
    "generativelanguage/v1beta/models/*",
    "v1/projects/*/locations/*/publishers/google/models/*:generateContent",
    "v1/projects/*/locations/*/publishers/google/models/*:countTokens",
    "v1/projects/*/locations/*/endpoints/*:generateContent",
    "v1/projects/*/locations/*/endpoints/*:undeployModel",
    "v1/projects/*/locations/*/endpoints/*",
    "v1/projects/*/locations/*/models/*",
    "v1/projects/*/locations/*/tuningJobs",
    "v1/projects/*/locations/*/tuningJobs/*:cancel",
    "upload/storage/v1/b/*/o",
    "v1/projects/*/locations/*/batchPredictionJobs",
    "v1/projects/*/locations/*/batchPredictionJobs/*",
    "generativelanguage/upload/v1beta/files",
    "generativelanguage/v1beta/models/*:batchGenerateContent",
    "generativelanguage/v1beta/batches",
    "generativelanguage/v1beta/batches/*",
];

#[tokio::test]
async fn all_that_goes_over_the_wire_fits_the_descriptions() {
    let Some(mut descriptions) = Descriptions::load() else {
        tell("specs not present, not checked");
        return;
    };
    let fake = fake().start().unwrap();
    everything(&fake).await;
    let wrong: Vec<_> = fake.recorded().iter().flat_map(|exchange| descriptions.check(exchange)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let checked = &descriptions.checked;
    let missed: Vec<_> = WANTED.iter().filter(|wanted| !checked.contains_key(**wanted)).collect();
    assert!(missed.is_empty(), "never answered: {missed:?}");
    let all: usize = checked.values().sum();
    tell(&format!("{all} exchanges of {} kinds fit the descriptions", checked.len()));
}

#[expect(clippy::print_stderr, reason = "a check that was not made must be seen not to be")]
fn tell(what: &str) {
    eprintln!("{what}");
}

/// Every call that the provider makes, and every way to shape it.
async fn everything(fake: &FakeGoogle) {
    let tuner = vertex(fake, json!({}));
    Contract::new(&tuner, "gemini-3.5-flash").secret(TOKEN).check().await.assert_kept();
    Contract::new(&gemini(fake, json!({})), "gemini-3.5-flash").secret(KEY).check().await.assert_kept();
    let shaped =
        json!({"thinking": "low", "safety": "high", "schema_field": "responseJsonSchema", "logprobs": true});
    for settings in [json!({}), shaped, json!({"stop": false, "thinking": "default"})] {
        let (gemini, vertex) = (gemini(fake, settings.clone()), vertex(fake, settings));
        for model in
            ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.5-flash", "gemini-3.8-flash", "no-such-model"]
        {
            for mode in [AnswerMode::Tag, AnswerMode::Schema] {
                // Those that are refused are part of it.
                let _ = gemini.complete(&with(model, "What is the rate?", mode)).await;
                let _ = vertex.complete(&with(model, "What is the rate?", mode)).await;
            }
        }
    }
    let tuning = tuner.fine_tuning().unwrap();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    tuning.write_training_file(&examples(), &prompt(), &mut file).unwrap();
    let all = json!({"epoch_count": 2, "adapter_size": 8, "learning_rate_multiplier": 0.5, "display_name": "d",
        "labels": {"team": "cards"}, "export_last_checkpoint_only": true, "service_account": "a@b", "kms_key": "k"});
    for (mark, hyperparameters) in [("c1", json!({})), ("c2", all)] {
        let uploaded = tuning.upload(file.path()).await.unwrap();
        let spec = TuningSpec::new("gemini-3.5-flash-lite", hyperparameters.as_object().cloned().unwrap(), 1);
        tuning.preflight(&spec).await.unwrap();
        let request = JobRequest::new(spec, uploaded.clone(), JobMark(mark.into())).validation_file(uploaded);
        let job = tuning.create_job(&request).await.unwrap();
        tuning.job(&job.id).await.unwrap();
        tuning.cancel_job(&job.id).await.unwrap();
        tuning.job(&job.id).await.unwrap();
        tuning.delete_file(&request.training_file).await.unwrap();
    }
    for fault in [Fault::DailyLimit, Fault::BadKey, Fault::Status(500), Fault::Status(503)] {
        fake.fail(Failing::new(fault).times(1));
        tuner.complete(&ask("gemini-3.5-flash", "x")).await.unwrap_err();
    }
}
