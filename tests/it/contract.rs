//! The built-in providers keep the contract that third parties' providers are put through.

use std::io::Write;
use std::time::Duration;

use tunebench_fakes::write_encoder;
use tunebench_providers::contract::Contract;
use tunebench_providers::local::LocalProvider;
use tunebench_providers::{
    FineTuning, Hyperparameters, JobMark, JobRequest, JobStatus, Provider, Setup, TuningSpec,
};

fn local(folder: &tempfile::TempDir) -> LocalProvider {
    LocalProvider::new(&Setup::new("local", Hyperparameters::new(), folder.path())).unwrap()
}

#[tokio::test]
async fn local_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    Contract::new(&local(&folder), "lexical").check().await.assert_kept();
}

#[tokio::test]
async fn an_encoder_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = folder.path().join("mini");
    write_encoder(&encoder, &["my", "card", "is", "late", "rate", "euros"], 1).unwrap();
    let base = format!("encoder:{}", encoder.display());
    for method in ["frozen", "full"] {
        let hyperparameters = [("method".to_owned(), method.into())].into_iter().collect();
        let provider = local(&folder);
        Contract::new(&provider, &*base).hyperparameters(hyperparameters).check().await.assert_kept();
    }
}

/// A training file on which training takes its time.
async fn order(tuning: &dyn FineTuning, folder: &tempfile::TempDir, mark: &str) -> JobRequest {
    let path = folder.path().join("train.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    for i in 0..2000 {
        let (text, label) = (format!("row {} {} {}", i * 7919 % 2003, i * 104_729 % 1009, i % 97), i * i % 7);
        writeln!(file, r#"{{"text":"{text}","label":"{label}"}}"#).unwrap();
    }
    let hyperparameters = [("epochs".to_owned(), 10_000.into()), ("l2".to_owned(), 0.0001.into())];
    let spec = TuningSpec::new("lexical", hyperparameters.into_iter().collect(), 1);
    JobRequest::new(spec, tuning.upload(&path).await.unwrap(), JobMark(mark.repeat(8)))
}

#[tokio::test]
async fn a_job_of_local_can_be_cancelled_and_is_then_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let provider = local(&folder);
    let tuning = provider.fine_tuning().unwrap();
    let request = order(tuning, &folder, "abcd").await;
    let job = tuning.create_job(&request).await.unwrap();
    // Ordered twice at once, it is trained once.
    assert_eq!(tuning.create_job(&request).await.unwrap().id, job.id);
    tuning.cancel_job(&job.id).await.unwrap();
    let mut now = tuning.job(&job.id).await.unwrap();
    while !now.status.is_final() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        now = tuning.job(&job.id).await.unwrap();
    }
    assert_eq!((now.status, now.tuned_model), (JobStatus::Cancelled, None));
    assert_eq!(tuning.find_job(&request.mark).await.unwrap(), None);
}

#[tokio::test]
async fn a_job_of_local_fails_with_the_line_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let provider = local(&folder);
    let tuning = provider.fine_tuning().unwrap();
    let path = folder.path().join("bad.jsonl");
    std::fs::write(&path, "{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\n").unwrap();
    let file = tuning.upload(&path).await.unwrap();
    let spec = TuningSpec::new("lexical", Hyperparameters::new(), 1);
    let mut job = tuning.create_job(&JobRequest::new(spec, file, JobMark("00ff".repeat(8)))).await.unwrap();
    while !job.status.is_final() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        job = tuning.job(&job.id).await.unwrap();
    }
    assert_eq!(job.status, JobStatus::Failed);
    assert!(job.error.unwrap().starts_with("training file, line 2: "));
}
