//! What the ledger costs: `cargo test --release -p tunebench-ledger bench -- --ignored --nocapture --test-threads=1`.
//!
//! Prints figures and judges none of them: they depend on the machine and on what else it does.
#![expect(clippy::print_stderr, reason = "the figures are the point")]

use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tunebench_data::{Message, Role};
use tunebench_providers::{Completion, Usage};

use super::tests::{latency, prefix, runtime, target};
use super::{ContentKey, Floor, KeyPrefix, Ledger};

/// Processor time of this process, user and system, where the system tells it.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    Duration::from_millis(10 * fields.iter().skip(12).take(2).sum::<u64>())
}

fn row_key(prefix: &KeyPrefix, row: u32) -> ContentKey {
    let text = format!("<item>\nWhere is the card that I ordered two weeks ago? ({row})\n</item>");
    prefix.key(&[Message { role: Role::User, content: text }], 0)
}

fn completion() -> Completion {
    Completion::new("<output>card_arrival</output>")
        .usage(Usage::new(312, 9))
        .model_version("gpt-4.1-mini-2025-04-14")
        .probabilities(vec![0.1; 10])
}

/// Rows from `rows`, `in_flight` at once, each with an intent, a request of some length, an answer.
fn record(path: &Path, rows: std::ops::Range<u32>, in_flight: usize, request: Option<Duration>, spread: f64) {
    let (count, ledger) = (rows.len() as f64, Ledger::open(path).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (start, before) = (Instant::now(), cpu());
    runtime.block_on(async {
        let run = ledger.begin("bench", "0.1.0").unwrap();
        let recorder = run.of_model(&target("gpt"), Floor::default()).await.unwrap();
        let (prefix, completion) = (prefix("gpt"), completion());
        futures::stream::iter(rows)
            .for_each_concurrent(in_flight, |row| {
                let (recorder, prefix, completion) = (&recorder, &prefix, &completion);
                async move {
                    let intent = recorder.claim_anyway(row_key(prefix, row)).await.unwrap();
                    if let Some(request) = request {
                        let factor = 1.0 + spread * (f64::from(row * 7919 % 1000) / 500.0 - 1.0);
 tokio::time::sleep(request.mul_f64(factor)).await;
                    }
                    intent.answered(completion, latency()).await.unwrap();
                }
            })
            .await;
        run.flush().await.unwrap();
        let (wall, used) = (start.elapsed().as_secs_f64(), (cpu() - before).as_secs_f64());
        eprintln!(
            "{count} rows, {in_flight} at once, request {request:?} ± {spread}: {:.0} rows/s, {:.1} µs CPU a row",
            count / wall,
            used / count * 1e6
        );
        run.finish().await.unwrap();
    });
}

fn resume(path: &Path, rows: u32, chunk: usize) {
    let (start, before) = (Instant::now(), cpu());
    let ledger = Ledger::open(path).unwrap();
    let run = ledger.begin("bench", "0.1.0").unwrap();
    let opened = start.elapsed();
    let prefix = prefix("gpt");
    let mut found = 0;
    let mut keys = Vec::with_capacity(chunk);
    for row in 0..rows {
        keys.push(row_key(&prefix, row));
        if keys.len() == chunk || row + 1 == rows {
            found += ledger.lookup(&keys, Floor::default()).unwrap().iter().flatten().count();
            keys.clear();
        }
    }
    let (wall, used) = (start.elapsed(), cpu() - before);
    runtime().block_on(run.finish()).unwrap();
    eprintln!(
        "{rows} rows looked up, {chunk} at once: {found} found in {wall:?} ({used:?} CPU), of which opening {opened:?}"
    );
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).collect()
}

#[test]
#[ignore = "prints figures"]
fn a_small_run() {
    for request in [None, Some(Duration::from_millis(50))] {
        for rows in [2000, 50_000] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ledger.db");
            record(&path, 0..rows, 64, request, 0.0);
            resume(&path, rows, 256);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    record(&path, 0..200, 1, Some(Duration::from_millis(5)), 0.0);
    record(&path, 200..50_200, 1024, None, 0.0);
    eprintln!("{}", memory());
}

#[test]
#[ignore = "prints figures"]
fn b_saturated() {
    let folder = tempfile::tempdir().unwrap();
    record(&folder.path().join("ledger.db"), 0..100_000, 64, None, 0.0);
}

#[test]
#[ignore = "prints figures"]
fn a_spread_of_requests() {
    let folder = tempfile::tempdir().unwrap();
    record(&folder.path().join("ledger.db"), 0..10_000, 64, Some(Duration::from_millis(50)), 0.1);
}

#[test]
#[ignore = "prints figures; takes a minute"]
fn a_million_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    for part in 0..10 {
        record(&path, part * 100_000..(part + 1) * 100_000, 64, None, 0.0);
    }
    eprintln!("{} bytes; {}", std::fs::metadata(&path).unwrap().len(), memory());
    resume(&path, 2000, 256);
    resume(&path, 1_000_000, 256);
    resume(&path, 1_000_000, 4096);
    eprintln!("{}", memory());
}
