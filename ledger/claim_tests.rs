//! Of equal requests one is sent, whoever makes them.

use tunebench_providers::{Cause, Completion, ProviderError};

use super::tests::{key, latency, runtime, target};
use super::*;

fn ledger() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path().join("ledger.db")).unwrap();
    (folder, ledger)
}

async fn recorder(run: &Recorder) -> ModelRecorder {
    run.of_model(&target("gpt"), Floor::default()).await.unwrap()
}

fn open(claim: Claim) -> Intent {
    match claim {
        Claim::Open(intent) => intent,
        other => panic!("{other:?}"),
    }
}

fn text(claim: &Claim) -> Option<&str> {
    match claim {
        Claim::Answered(answer) => Some(&answer.completion.text),
        _ => None,
    }
}

#[test]
fn a_second_run_waits_for_the_answer_of_the_first() {
    let (_folder, ledger) = ledger();
    runtime().block_on(async {
        let runs = [(); 2].map(|()| ledger.begin("eval", "0.1.0").unwrap());
        let [first, second] = [recorder(&runs[0]).await, recorder(&runs[1]).await];
        for (row, [one, other]) in [(0, [&first, &second]), (1, [&second, &first])] {
            let intent = open(one.claim(key(row)).await.unwrap());
            assert!(matches!(other.claim(key(row)).await.unwrap(), Claim::UnderWay));
            assert!(matches!(other.look(key(row)).await.unwrap(), Some(Claim::UnderWay)));
            // Other requests are not kept up.
            open(other.claim(key(10 + row)).await.unwrap()).withdraw().await.unwrap();
            intent.answered(&Completion::new("hello"), latency()).await.unwrap();
            runs[usize::from(row == 1)].flush().await.unwrap();
            assert_eq!(text(&other.look(key(row)).await.unwrap().unwrap()), Some("hello"));
            assert_eq!(text(&other.claim(key(row)).await.unwrap()), Some("hello"));
        }
        for run in runs {
            let (totals, doubts) = run.finish().await.unwrap();
            assert_eq!((totals.asked, totals.answered, doubts), (1, 1, Vec::new()));
        }
    });
}

#[test]
fn what_failed_or_was_killed_elsewhere_may_be_asked() {
    let (_folder, ledger) = ledger();
    runtime().block_on(async {
        let [first, second] = [(); 2].map(|()| ledger.begin("eval", "0.1.0").unwrap());
        let (here, there) = (recorder(&first).await, recorder(&second).await);
        let failing = open(there.claim(key(0)).await.unwrap());
        failing.failed(&ProviderError::new(Cause::Server, "broken")).await.unwrap();
        second.flush().await.unwrap();
        assert!(here.look(key(0)).await.unwrap().is_none());
        open(here.claim(key(0)).await.unwrap()).withdraw().await.unwrap();

        let lost = open(there.claim(key(1)).await.unwrap());
        assert!(matches!(here.claim(key(1)).await.unwrap(), Claim::UnderWay));
        drop((lost, there));
        second.kill();
        open(here.claim(key(1)).await.unwrap()).withdraw().await.unwrap();
    });
}

#[test]
fn equal_rows_of_one_run_are_asked_once() {
    let (_folder, ledger) = ledger();
    runtime().block_on(async {
        let run = ledger.begin("eval", "0.1.0").unwrap();
        let recorder = recorder(&run).await;
        let intent = open(recorder.claim(key(0)).await.unwrap());
        assert!(matches!(recorder.claim(key(0)).await.unwrap(), Claim::UnderWay));
        intent.answered(&Completion::new("once"), latency()).await.unwrap();
        // No flush: what this run was told comes before what it asks.
        assert_eq!(text(&recorder.claim(key(0)).await.unwrap()), Some("once"));
        // Whoever does not want to wait any longer sends it all the same.
        let second = recorder.claim_anyway(key(0)).await.unwrap();
        assert!(matches!(recorder.claim(key(0)).await.unwrap(), Claim::UnderWay));
        second.withdraw().await.unwrap();
        assert_eq!(text(&recorder.claim(key(0)).await.unwrap()), Some("once"));
        assert_eq!(run.finish().await.unwrap().0.answered, 1);
    });
}

#[test]
fn an_answer_below_the_floor_is_none() {
    let (_folder, ledger) = ledger();
    runtime().block_on(async {
        let run = ledger.begin("eval", "0.1.0").unwrap();
        let old = recorder(&run).await;
        open(old.claim(key(0)).await.unwrap()).answered(&Completion::new("old"), latency()).await.unwrap();
        run.flush().await.unwrap();
        let floor = ledger.freshen(&super::tests::prefix("gpt").scope(&[])).unwrap();
        let fresh = run.of_model(&target("gpt"), floor).await.unwrap();
        open(fresh.claim(key(0)).await.unwrap()).answered(&Completion::new("new"), latency()).await.unwrap();
        assert_eq!(text(&fresh.claim(key(0)).await.unwrap()), Some("new"));
    });
}
