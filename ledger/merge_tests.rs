//! Ledgers of several machines as one.

use tunebench_providers::BatchId;

use super::tests::{Lab, answer, key, order, prefix, target, texts};
use super::*;

#[test]
fn merging_joins_and_repeats_nothing() {
    let (here, there) = (Lab::new(), Lab::new());
    answer(&here.path, 0..10, "here", Floor::default());
    answer(&there.path, 5..20, "there", Floor::default());
    there.open().plan_job(&order("m1")).unwrap();
    let ledger = here.open();
    let before = fs_err::read(&there.path).unwrap();
    assert_eq!(ledger.merge(&there.path).unwrap(), Merged { answers: 10, runs: 1, jobs: 1, batches: 0 });
    assert_eq!(ledger.merge(&there.path).unwrap(), Merged::default());
    assert_eq!(fs_err::read(&there.path).unwrap(), before);
    let found = texts(&ledger, 0..20, Floor::default());
    assert_eq!((found[9].as_deref(), found[10].as_deref()), (Some("here 9"), Some("there 10")));
    assert_eq!(ledger.stats().unwrap().models[0].answers, 20);
    assert_eq!((ledger.runs().unwrap().len(), ledger.jobs().unwrap().len()), (2, 1));
    let missing = ledger.merge(&there.path.with_extension("no")).unwrap_err();
    assert!(matches!(missing, LedgerError::Failed { .. }), "{missing}");
}

#[test]
fn batches_under_way_are_carried_over_with_their_rows_and_end_once() {
    let (here, there) = (Lab::new(), Lab::new());
    let other = there.open();
    let order = NewBatch {
        scope: "a".repeat(32),
        target: target("gpt"),
        subject: "openai/gpt".into(),
        data: "data".into(),
        repeat: 0,
        floor: Floor::default(),
    };
    let keys: Vec<_> = (0..3).map(key).collect();
    let (number, _) = other.claim_batch(&order, &keys).unwrap();
    let (number, id) = (number.unwrap(), BatchId("batch_1".into()));
    other.change_batch(number, BatchChange { id: Some(&id), ..BatchChange::default() }).unwrap();
    let (never_made, _) = other.claim_batch(&order, &[key(7)]).unwrap();
    other.close_batch(never_made.unwrap(), BatchState::Dropped, (0, 0), None).unwrap();

    let ledger = here.open();
    answer(&here.path, 0..1, "here", Floor::default());
    assert_eq!(ledger.merge(&there.path).unwrap().batches, 1);
    assert_eq!(ledger.merge(&there.path).unwrap().batches, 0);
    let open = ledger.batches(true).unwrap();
    assert_eq!((open.len(), open[0].id.as_ref(), open[0].rows), (1, Some(&id), 3));
    assert_eq!((&open[0].order, &open[0].mark), (&order, &other.batches(true).unwrap()[0].mark));
    assert_eq!(ledger.in_batches(&keys).unwrap(), [true; 3]);
    assert_eq!(ledger.claim_batch(&order, &keys).unwrap().0, None, "no row is handed in again");

    other.close_batch(number, BatchState::Ended, (2, 1), None).unwrap();
    assert_eq!(ledger.merge(&there.path).unwrap().batches, 1);
    assert!(ledger.batches(true).unwrap().is_empty());
    assert_eq!(ledger.in_batches(&keys).unwrap(), [false; 3]);
    assert_eq!(ledger.batches(false).unwrap()[0].answered, 2);
}

#[test]
fn merged_fresh_answers_take_the_place_of_old_ones() {
    let (here, there) = (Lab::new(), Lab::new());
    answer(&here.path, 0..4, "old", Floor::default());
    fs_err::copy(&here.path, &there.path).unwrap();
    let scope = prefix("gpt").scope(&[]);
    let floor = there.open().freshen(&scope).unwrap();
    answer(&there.path, 0..2, "new", floor);
    let ledger = here.open();
    assert_eq!(ledger.merge(&there.path).unwrap().answers, 2);
    assert_eq!(ledger.floor(&scope).unwrap(), floor);
    assert_eq!(texts(&ledger, 0..4, floor), [Some("new 0".into()), Some("new 1".into()), None, None]);
}
