//! Batches as the services have them: what is ordered, and what they say of it.
//!
//! Pure translation. OpenAI: <https://developers.openai.com/api/docs/guides/batch>, read in July 2026, and the types of its
//! Python package of November 2026; Azure's page answers with capitalised states, ISO dates and null counts, so all of
//! these are read. Mistral: its documentation of August 2026 and its Python package 3.7.0.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::text::one_line;
use crate::{BatchCounts, BatchEnd, BatchId, BatchJob, BatchMark, BatchOrder, BatchStatus, FileId};

/// The keys under which a batch carries our mark.
const SCOPE: &str = "tunebench_scope";
const PART: &str = "tunebench_part";

/// The body of `POST /batches`.
pub(super) fn order(order: &BatchOrder, endpoint: &str) -> Value {
    json!({
        "input_file_id": order.file.0,
        "endpoint": endpoint,
        "completion_window": "24h",
        "metadata": {SCOPE: order.mark.scope, PART: order.mark.part, "tool": "tunebench"},
    })
}

/// The body of Mistral's `POST /batch/jobs`, where the job names the model.
pub(super) fn mistral_order(order: &BatchOrder, endpoint: &str) -> Value {
    json!({
        "input_files": [order.file.0],
        "endpoint": endpoint,
        "model": order.model,
        "timeout_hours": 24,
        "metadata": {SCOPE: order.mark.scope, PART: order.mark.part, "tool": "tunebench"},
    })
}

/// The body of Together's `POST /batches`, which keeps nothing of ours: <https://docs.together.ai/docs/batch-inference>, read in
/// autumn 2026, and its Python package 3.1.1.
pub(super) fn together_order(order: &BatchOrder, endpoint: &str) -> Value {
    json!({"input_file_id": order.file.0, "endpoint": endpoint, "completion_window": "24h"})
}

/// A batch object of any of them; `None` if it has no id.
pub(super) fn job(value: &Value) -> Option<BatchJob> {
    // Together wraps what it has just made.
    let value = value.get("job").unwrap_or(value);
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let said = text("/status").unwrap_or("unknown");
    let mut job = BatchJob::new(BatchId(text("/id")?.to_owned()), status(said), said.to_lowercase());
    job.mark = text(&format!("/metadata/{SCOPE}"))
        .zip(text(&format!("/metadata/{PART}")))
        .map(|(scope, part)| BatchMark::new(scope, part));
    job.counts = counts(value);
    job.created = value.get("created_at").and_then(time);
    let file = |names: [&str; 2]| {
        let id = names.into_iter().find_map(|name| text(&format!("/{name}")));
        id.map(|id| FileId(id.to_owned()))
    };
    job.input = file(["input_file_id", "input_files/0"]);
    let answers = file(["output_file_id", "output_file"]);
    let failures = file(["error_file_id", "error_file"]);
    // Some count nothing: there, one file at least is to come.
    let to_come = job.counts.map_or(failures.is_none(), |counts| counts.answered > 0);
    job.results_pending = job.end() == Some(BatchEnd::Completed) && answers.is_none() && to_come;
    job.results = answers.into_iter().chain(failures).collect();
    let errors = ["/errors/data", "/errors"].into_iter().find_map(|at| value.pointer(at)?.as_array());
    let errors = errors.map(Vec::as_slice).unwrap_or_default();
    let code = |error: &Value, code: &str| error.get("code").and_then(Value::as_str) == Some(code);
    job.queue_full = errors.iter().any(|error| code(error, "token_limit_exceeded"));
    job.error = errors.iter().find_map(described).or_else(|| text("/error").map(one_line));
    if let Some(progress) = value.get("progress").and_then(Value::as_f64).filter(|_| job.end().is_none()) {
        job.said = format!("{}, {progress:.0} % done", job.said);
    }
    Some(job)
}

/// What an error of a batch says: the message, the line of the file, the code.
fn described(error: &Value) -> Option<String> {
    let code = error.get("code").and_then(Value::as_str);
    let message = error.get("message").and_then(Value::as_str).or(code)?.trim_end_matches('.');
    let line = error.get("line").and_then(Value::as_u64).map(|line| format!(", in line {line} of its file"));
    Some(format!("{message}{}", line.unwrap_or_default()))
}

/// Of all states; those that are not listed are not final.
fn status(said: &str) -> BatchStatus {
    BatchStatus::Ended(match said.to_lowercase().replace('-', "_").as_str() {
        "completed" | "success" => BatchEnd::Completed,
        "failed" => BatchEnd::Failed,
        "expired" | "timeout_exceeded" => BatchEnd::Expired,
        "cancelled" | "canceled" => BatchEnd::Cancelled,
        _ => return BatchStatus::Running,
    })
}

fn counts(value: &Value) -> Option<BatchCounts> {
    let count = |name: &str| value.get(name).and_then(Value::as_u64);
    let own = value.get("request_counts").map(|counts| {
        let count = |name: &str| counts.get(name).and_then(Value::as_u64);
        Some(BatchCounts::new(count("total")?, count("completed")?, count("failed").unwrap_or(0)))
    });
    own.unwrap_or_else(|| {
        let failed = count("failed_requests").unwrap_or(0);
        Some(BatchCounts::new(count("total_requests")?, count("succeeded_requests")?, failed))
    })
}

/// Seconds since 1970, written as a number or as a date.
fn time(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| Some(value.as_str()?.parse::<Timestamp>().ok()?.as_second()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::completions::tests::any_json;
    use super::*;

    #[test]
    fn a_batch_of_openai_is_read() {
        let (scope, part) = ("a".repeat(32), "b".repeat(32));
        let value = json!({
            "id": "batch_01", "status": "in_progress", "input_file_id": "file-in", "output_file_id": null,
            "created_at": 1_795_845_600, "request_counts": {"total": 400, "completed": 12, "failed": 1},
            "metadata": {SCOPE: scope, PART: part}, "errors": null,
        });
        let running = job(&value).unwrap();
        assert_eq!(running.mark, Some(BatchMark::new(scope, part)));
        assert_eq!((running.end(), running.counts), (None, Some(BatchCounts::new(400, 12, 1))));
        assert_eq!((running.created, running.input), (Some(1_795_845_600), Some(FileId("file-in".into()))));
    }

    #[test]
    fn a_batch_of_azure_is_read_in_its_own_spelling() {
        let value = json!({
            "id": "b", "status": "Completed", "created_at": "2026-11-28T06:00:00Z", "output_file_id": "o",
            "error_file_id": "e", "request_counts": {"total": null, "completed": null, "failed": null},
        });
        let job = job(&value).unwrap();
        assert_eq!((job.end(), job.counts), (Some(BatchEnd::Completed), None));
        assert_eq!((job.created, job.results.len()), (Some(1_795_845_600), 2));
    }

    #[test]
    fn a_job_of_mistral_is_read() {
        let value = json!({
            "id": "m", "status": "TIMEOUT_EXCEEDED", "input_files": ["in"], "output_file": "out",
            "total_requests": 4, "succeeded_requests": 3, "failed_requests": 1,
            "errors": [{"message": "too slow", "count": 1}],
        });
        let job = job(&value).unwrap();
        assert_eq!((job.end(), job.counts), (Some(BatchEnd::Expired), Some(BatchCounts::new(4, 3, 1))));
        assert_eq!((job.error.as_deref(), job.input), (Some("too slow"), Some(FileId("in".into()))));
    }

    #[test]
    fn a_job_of_together_is_read_wrapped_or_not() {
        let value = json!({"id": "t", "status": "IN_PROGRESS", "progress": 42.3, "input_file_id": "file-1",
            "created_at": "2026-11-28T06:00:00Z", "output_file_id": null, "error": null});
        for value in [value.clone(), json!({"job": value, "warning": null})] {
            let job = job(&value).unwrap();
            assert_eq!((job.end(), job.said.as_str()), (None, "in_progress, 42 % done"));
            assert_eq!((job.created, job.input), (Some(1_795_845_600), Some(FileId("file-1".into()))));
        }
        let failed = job(&json!({"id": "t", "status": "FAILED", "error": "No\nway."})).unwrap();
        assert_eq!((failed.end(), failed.error.as_deref()), (Some(BatchEnd::Failed), Some("No way.")));
    }

    #[test]
    fn states_that_nobody_knows_are_not_final_and_answers_may_come_late() {
        let of = |status: &str, output: Value| {
            let counts = json!({"total": 2, "completed": 2, "failed": 0});
            job(&json!({"id": "b", "status": status, "output_file_id": output, "request_counts": counts}))
                .unwrap()
        };
        assert_eq!(of("paused", Value::Null).end(), None);
        assert!(of("completed", Value::Null).results_pending);
        assert!(!of("completed", json!("o")).results_pending);
        let full = json!({"id": "b", "status": "failed", "errors": {"data": [
            {"code": "token_limit_exceeded", "message": "Enqueued token limit reached.", "line": null}]}});
        let full = job(&full).unwrap();
        assert!(full.queue_full && full.error.as_deref() == Some("Enqueued token limit reached"), "{full:?}");
    }

    proptest! {
        #[test]
        fn no_object_panics(value in any_json()) {
            job(&value);
            job(&json!({"id": "b", "status": value, "errors": value, "request_counts": value, "metadata": value}));
        }
    }
}
