//! Round trips, the protocol of intents and answers, fresh answers, jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tunebench_data::Latency;
use tunebench_data::{Message, Role};
use tunebench_providers::{
    Cause, Completion, FinishReason, Hyperparameters, Job, JobId, JobMark, JobStatus, Limit, ProviderError,
    RateLimits, Usage,
};

use super::*;

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

pub(super) fn target(model: &str) -> Target {
    Target { provider: "openai".into(), base_url: String::new(), model: model.into() }
}

pub(super) fn prefix(model: &str) -> KeyPrefix {
    let identity = Identity { provider: "openai", base_url: "", model, parameters: (), answer: "tag" };
    KeyPrefix::new(&identity).unwrap()
}

pub(super) fn key(row: u32) -> ContentKey {
    prefix("gpt").key(&[Message { role: Role::User, content: row.to_string() }], 0)
}

pub(super) fn latency() -> Latency {
    Latency::from_micros(52_000).unwrap()
}

pub(super) struct Lab {
    _folder: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Lab {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        Self { _folder: folder, path }
    }

    pub(super) fn open(&self) -> Ledger {
        Ledger::open(&self.path).unwrap()
    }
}

/// Answers rows in a run of its own.
pub(super) fn answer(path: &Path, rows: std::ops::Range<u32>, text: &str, floor: Floor) -> Totals {
    let ledger = Ledger::open(path).unwrap();
    runtime().block_on(async {
        let run = ledger.begin("eval", "0.1.0").unwrap();
        let recorder = run.of_model(&target("gpt"), floor).await.unwrap();
        for row in rows {
            let intent = recorder.claim_anyway(key(row)).await.unwrap();
            intent.answered(&Completion::new(format!("{text} {row}")), latency()).await.unwrap();
        }
        run.finish().await.unwrap().0
    })
}

pub(super) fn texts(ledger: &Ledger, rows: std::ops::Range<u32>, floor: Floor) -> Vec<Option<String>> {
    let keys: Vec<_> = rows.map(key).collect();
    let answers = ledger.lookup(&keys, floor).unwrap();
    answers.into_iter().map(|answer| answer.map(|answer| answer.completion.text)).collect()
}

fn completion() -> impl Strategy<Value = Completion> {
    let finish = prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::Length),
        Just(FinishReason::Refusal),
        Just(FinishReason::ContentFilter),
        prop_oneof!["stop", "other:stop", "\\PC*"].prop_map(FinishReason::Other),
    ];
    let usage = prop::option::of(any::<[u64; 4]>().prop_map(|[input, output, cached, written]| {
        Usage::new(input, output).cached(cached).cache_written(written)
    }));
    let probabilities = prop::option::of(prop::collection::vec(any::<f32>(), 0..20));
    let words = || prop::option::of(any::<String>());
    let alone = prop::option::of(0.0f32..=1.0);
    (any::<String>(), finish, usage, words(), probabilities, alone, words()).prop_map(
        |(text, finish, usage, version, probabilities, alone, note)| {
            let mut completion = Completion::new(text).finish(finish);
            completion.usage = usage;
            completion.model_version = version;
            completion.probabilities = probabilities;
            completion.label_probability = alone;
            completion.note = note;
            completion
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn answers_come_back_as_they_were(
        completions in prop::collection::vec(completion(), 1..30),
        micros in 1u32..,
    ) {
        let lab = Lab::new();
        let ledger = lab.open();
        let latency = Latency::from_micros(micros).unwrap();
        let keys: Vec<_> = (0..completions.len() as u32).map(key).collect();
        runtime().block_on(async {
            let run = ledger.begin("eval", "0.1.0").unwrap();
            let recorder = run.of_model(&target("gpt"), Floor::default()).await.unwrap();
            for (key, completion) in keys.iter().zip(&completions) {
                // The rate limits of a moment are the one thing that is not kept.
                let told = completion.clone().rate_limits(RateLimits { requests: Limit::default(), ..RateLimits::default() });
                recorder.claim_anyway(*key).await.unwrap().answered(&told, latency).await.unwrap();
            }
            run.finish().await.unwrap();
        });
        for (stored, completion) in ledger.lookup(&keys, Floor::default()).unwrap().into_iter().zip(&completions) {
            let stored = stored.unwrap();
            let bits = |completion: &Completion| {
                completion.probabilities.as_ref().map(|p| p.iter().map(|p| p.to_bits()).collect::<Vec<_>>())
            };
            prop_assert_eq!(bits(&stored.completion), bits(completion));
            // NaN is not equal to itself.
            let plain = |completion: &Completion| {
                let mut completion = completion.clone();
                completion.probabilities = None;
                completion
            };
            prop_assert_eq!(plain(&stored.completion), plain(completion));
            prop_assert_eq!(stored.latency, Some(latency));
        }
    }

    /// What slots do, step by step, until the writer is killed with whatever it had not written yet.
    #[test]
    fn a_kill_loses_no_more_than_was_under_way(
        steps in prop::collection::vec((0usize..4, 0u8..4), 0..60),
        flush in any::<bool>(),
    ) {
        let lab = Lab::new();
        let ledger = lab.open();
        let (mut next, mut kept, mut under_way) = (0, BTreeSet::new(), BTreeSet::new());
        let in_doubt = runtime().block_on(async {
            let run = ledger.begin("eval", "0.1.0").unwrap();
            let recorder = run.of_model(&target("gpt"), Floor::default()).await.unwrap();
            let mut slots: [Option<(u32, Intent)>; 4] = Default::default();
            // Answers that a later intent has not yet confirmed.
            let mut told = BTreeSet::new();
            for (slot, step) in steps {
                match slots[slot].take() {
                    None => {
                        slots[slot] = Some((next, recorder.claim_anyway(key(next)).await.unwrap()));
                        next += 1;
                        kept.append(&mut told);
                    }
                    Some((row, intent)) => match step {
                        0 => intent.failed(&ProviderError::new(Cause::RateLimit, "later")).await.unwrap(),
                        1 => intent.withdraw().await.unwrap(),
                        _ => {
                            intent.answered(&Completion::new(format!("x {row}")), latency()).await.unwrap();
                            told.insert(row);
                        }
                    },
                }
            }
            if flush {
                run.flush().await.unwrap();
                kept.append(&mut told);
            }
            under_way.extend(slots.iter().flatten().map(|(row, _)| *row));
            drop(slots);
            drop(recorder);
            run.kill();
            let doubts = ledger.unresolved().unwrap();
            doubts.iter().map(|doubt| doubt.requests).sum::<u64>()
        });
        let found = texts(&ledger, 0..next, Floor::default());
        for row in 0..next {
            let found = &found[row as usize];
            prop_assert!(found.is_some() || !kept.contains(&row), "row {} was lost", row);
            prop_assert!(found.is_none() || !under_way.contains(&row));
        }
        prop_assert!(in_doubt >= under_way.len() as u64 && in_doubt <= 4, "{} in doubt", in_doubt);
        // The next run takes it on record; the one after has nothing to tell.
        let run = ledger.begin("eval", "0.1.0").unwrap();
        prop_assert_eq!(run.found_in_doubt().iter().map(|doubt| doubt.requests).sum::<u64>(), in_doubt);
        drop(run);
        prop_assert_eq!(ledger.stats().unwrap().models[0].in_doubt, in_doubt);
        prop_assert!(ledger.begin("eval", "0.1.0").unwrap().found_in_doubt().is_empty());
    }
}

#[test]
fn the_first_answer_is_final() {
    let lab = Lab::new();
    answer(&lab.path, 0..3, "first", Floor::default());
    answer(&lab.path, 1..4, "second", Floor::default());
    let found = texts(&lab.open(), 0..5, Floor::default());
    let expected = [Some("first 0"), Some("first 1"), Some("first 2"), Some("second 3"), None];
    assert_eq!(found, expected.map(|text| text.map(str::to_owned)));
}

#[test]
fn fresh_answers_replace_old_ones_and_a_crash_half_way_goes_on() {
    let lab = Lab::new();
    let ledger = lab.open();
    let scope = prefix("gpt").scope(&[b"test.tsv"]);
    answer(&lab.path, 0..4, "old", Floor::default());
    assert_eq!(ledger.floor(&scope).unwrap(), Floor::default());

    let floor = ledger.freshen(&scope).unwrap();
    assert_eq!(texts(&ledger, 0..4, floor), vec![None; 4]);
    answer(&lab.path, 0..2, "new", floor);
    // As after a crash: the same command again, with or without `--refresh`.
    assert_eq!(ledger.freshen(&scope).unwrap(), floor);
    assert_eq!(ledger.floor(&scope).unwrap(), floor);
    answer(&lab.path, 1..4, "newer", floor);
    let found = texts(&ledger, 0..4, floor);
    assert_eq!(found, ["new 0", "new 1", "newer 2", "newer 3"].map(|text| Some(text.to_owned())));

    ledger.settle(&scope).unwrap();
    assert_eq!(ledger.floor(&scope).unwrap(), floor);
    let next = ledger.freshen(&scope).unwrap();
    assert!(next > floor);
    assert_eq!(texts(&ledger, 0..4, next), vec![None; 4]);
    assert_eq!(ledger.floor(&prefix("gpt").scope(&[b"other.tsv"])).unwrap(), Floor::default());
}

#[test]
fn an_old_answer_does_not_settle_a_fresh_intent() {
    let lab = Lab::new();
    let ledger = lab.open();
    answer(&lab.path, 0..1, "old", Floor::default());
    let floor = ledger.freshen(&prefix("gpt").scope(&[])).unwrap();
    runtime().block_on(async {
        let run = ledger.begin("eval", "0.1.0").unwrap();
        let recorder = run.of_model(&target("gpt"), floor).await.unwrap();
        let intent = recorder.claim_anyway(key(0)).await.unwrap();
        drop((intent, recorder));
        run.kill();
    });
    assert_eq!(ledger.unresolved().unwrap()[0].requests, 1);
}

#[test]
fn only_runs_that_nobody_holds_are_dead() {
    let lab = Lab::new();
    let ledger = lab.open();
    runtime().block_on(async {
        let run = ledger.begin("eval", "0.1.0").unwrap();
        let recorder = run.of_model(&target("gpt"), Floor::default()).await.unwrap();
        let intent = recorder.claim_anyway(key(0)).await.unwrap();
        // Another run starts beside it and finds nothing in doubt.
        let other = lab.open().begin("eval", "0.1.0").unwrap();
        assert_eq!((other.found_in_doubt(), ledger.unresolved().unwrap().len()), (&[][..], 0));
        other.finish().await.unwrap();
        // Given up without a word, but by a run that ends in good order.
        drop(intent);
        let (totals, doubts) = run.finish().await.unwrap();
        assert_eq!(totals, Totals { asked: 1, answered: 0, failed: 0 });
        assert_eq!((doubts.len(), doubts[0].requests, &doubts[0].target), (1, 1, &target("gpt")));
        assert!(matches!(recorder.claim_anyway(key(1)).await, Err(LedgerError::Closed(_))));
    });
    let states: Vec<_> = ledger.runs().unwrap().into_iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Ended; 2]);
    let left = fs_err::read_dir(lab.path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("-run-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn attempts_and_totals_are_counted() {
    let lab = Lab::new();
    let ledger = lab.open();
    runtime().block_on(async {
        let run = ledger.begin("eval --refresh", "0.1.0").unwrap();
        let recorder = run.of_model(&target("gpt"), Floor::default()).await.unwrap();
        for _ in 0..3 {
            let error = ProviderError::new(Cause::RateLimit, "later");
            recorder.claim_anyway(key(0)).await.unwrap().failed(&error).await.unwrap();
        }
        recorder.claim_anyway(key(1)).await.unwrap().withdraw().await.unwrap();
        let usage = Usage::new(100, 7);
        let completion = Completion::new("x").usage(usage);
        recorder.claim_anyway(key(0)).await.unwrap().answered(&completion, latency()).await.unwrap();
        let (totals, doubts) = run.finish().await.unwrap();
        assert_eq!((totals, doubts), (Totals { asked: 4, answered: 1, failed: 3 }, vec![]));
    });
    let stats = ledger.stats().unwrap();
    let model =
        ModelStats { target: target("gpt"), answers: 1, input: 100, output: 7, failed: 3, in_doubt: 0 };
    assert_eq!(stats.models, [model]);
    assert!(stats.bytes > 0);
    let run = &ledger.runs().unwrap()[0];
    assert_eq!((run.command.as_str(), run.state, run.totals.asked), ("eval --refresh", RunState::Ended, 4));
    let (second, letters) = run.id.as_str().split_once('-').unwrap();
    assert!(second.len() == 16 && second.ends_with('Z') && letters.len() == 4, "{}", run.id);
}

pub(super) fn order(mark: &str) -> NewJob {
    let mut hyperparameters = Hyperparameters::new();
    hyperparameters.insert("epochs".into(), 3.into());
    NewJob {
        mark: JobMark(mark.into()),
        provider: "openai".into(),
        base_url: String::new(),
        base: "gpt".into(),
        hyperparameters,
        seed: u64::MAX,
        training_sha256: "00ff".into(),
    }
}

#[test]
fn a_job_is_recorded_before_it_is_made() {
    let lab = Lab::new();
    let ledger = lab.open();
    let number = ledger.plan_job(&order("m1")).unwrap();
    assert_eq!(lab.open().plan_job(&order("m1")).unwrap(), number, "taken up again after a crash");
    let refused = ledger.plan_job(&order("m2")).unwrap();
    ledger.forget_job(refused).unwrap();

    let mut job = Job::new(JobId("ft-1".into()), JobStatus::Other("validating_files".into()), "gpt");
    ledger.update_job(number, &job).unwrap();
    let record = ledger.jobs_with_mark(&JobMark("m1".into())).unwrap().remove(0);
    assert_eq!((&record.order, &record.id, record.ended), (&order("m1"), &Some(job.id.clone()), None));
    assert_eq!(record.status, Some(job.status));

    job.status = JobStatus::Succeeded;
    job.tuned_model = Some("ft:gpt:1".into());
    ledger.update_job(number, &job).unwrap();
    let record = ledger.jobs().unwrap().remove(0);
    let ended = record.ended.unwrap();
    assert_eq!((record.status, record.tuned_model), (Some(JobStatus::Succeeded), job.tuned_model.clone()));
    ledger.update_job(number, &job).unwrap();
    assert_eq!(ledger.jobs().unwrap()[0].ended, Some(ended));

    ledger.forget_job(number).unwrap();
    assert_ne!(ledger.plan_job(&order("m1")).unwrap(), number, "a second job with the same mark");
    assert_eq!(ledger.jobs().unwrap().len(), 2);
}

#[test]
fn a_writer_that_cannot_write_says_so_to_everyone() {
    let lab = Lab::new();
    let ledger = lab.open();
    runtime().block_on(async {
        let run = ledger.begin("eval", "0.1.0").unwrap();
        let recorder = run.of_model(&target("gpt"), Floor::default()).await.unwrap();
        let intent = recorder.claim_anyway(key(0)).await.unwrap();
        let spoiler = rusqlite::Connection::open(&lab.path).unwrap();
        spoiler.execute_batch("DROP TABLE answers").unwrap();
        // Taken by the queue; that it could not be kept is told with the next acknowledgement.
        intent.answered(&Completion::new("x"), latency()).await.unwrap();
        let error = run.flush().await.unwrap_err();
        assert!(matches!(error, LedgerError::Failed { .. }), "{error:?}");
        assert_eq!(recorder.claim_anyway(key(1)).await.unwrap_err(), error);
        assert_eq!(run.finish().await.unwrap_err(), error);
    });
}

#[test]
fn an_intent_that_was_never_acknowledged_was_never_sent() {
    let lab = Lab::new();
    let ledger = lab.open();
    runtime().block_on(async {
        let run = ledger.begin("eval", "0.1.0").unwrap();
        let recorder = run.of_model(&target("gpt"), Floor::default()).await.unwrap();
        // While another holds the file, nothing can be acknowledged.
        let other = rusqlite::Connection::open(&lab.path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        {
            let intend = std::pin::pin!(recorder.claim_anyway(key(0)));
            assert!(futures::poll!(intend).is_pending());
        }
        other.execute_batch("COMMIT").unwrap();
        let (totals, doubts) = run.finish().await.unwrap();
        assert_eq!((totals.asked, doubts), (0, vec![]));
    });
}

#[test]
fn lookups_keep_the_order_of_the_question() {
    let lab = Lab::new();
    answer(&lab.path, 0..50, "x", Floor::default());
    let rows: Vec<u32> = (0..60).rev().chain([3, 3]).collect();
    let keys: Vec<_> = rows.iter().map(|&row| key(row)).collect();
    let found = lab.open().lookup(&keys, Floor::default()).unwrap();
    let found: BTreeMap<usize, String> = found
        .into_iter()
        .enumerate()
        .filter_map(|(at, answer)| Some((at, answer?.completion.text)))
        .collect();
    assert_eq!(found.len(), 52);
    assert!(found.iter().all(|(at, text)| *text == format!("x {}", rows[*at])));
}

#[test]
fn a_checkpoint_empties_the_log_and_waits_for_nobody() {
    let lab = Lab::new();
    let ledger = lab.open();
    let log = lab.path.with_file_name("ledger.db-wal");
    answer(&lab.path, 0..50, "x", Floor::default());
    let other = rusqlite::Connection::open(&lab.path).unwrap();
    let read = "BEGIN; SELECT count(*) FROM answers";
    other.execute_batch(read).unwrap();
    ledger.checkpoint().unwrap();
    assert!(log.metadata().unwrap().len() > 0);
    other.execute_batch("COMMIT").unwrap();
    ledger.checkpoint().unwrap();
    assert_eq!(log.metadata().unwrap().len(), 0);
    assert!(texts(&ledger, 0..50, Floor::default()).iter().all(Option::is_some));
}
