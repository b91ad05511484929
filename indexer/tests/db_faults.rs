//! Every call of a batch fails once: nothing of it stays, or all; trying again gives what a calm day gives.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod db_sample;
mod test_database;

use db_sample::{Fresh, SAMPLE, Sample, everything};
use indexer::db::{Batch, Db, DbCall, DbError, DbErrorKind, DbFault, DbFaults, DbOptions, Job};

fn batches(db: &Db) -> Vec<Batch> {
    let pack = db.pack_id("a").unwrap();
    let corrected = Sample { patient_id: "P2", received_ms: SAMPLE.received_ms - 1, ..SAMPLE };
    let second = Sample { sop: 2, bulk: 2, series: 2, ..SAMPLE };
    let elsewhere = Sample { facility: 2, received_ms: SAMPLE.received_ms + 9, ..SAMPLE };
    let entries = [
        vec![SAMPLE.bulk(pack, 0), SAMPLE.instance(pack, 6000)],
        vec![second.bulk(pack, 7000), second.instance(pack, 13_000), corrected.instance(pack, 14_000)],
        vec![elsewhere.holding(pack, 15_000)],
    ];
    let checkpoints = [7000, 15_000, 15_100];
    let batch = |(entries, to)| Batch { entries, checkpoints: vec![(pack, to)], ..Batch::default() };
    entries.into_iter().zip(checkpoints).map(batch).collect()
}

fn calm() -> String {
    let fresh = Fresh::new();
    for batch in batches(&fresh.db) {
        fresh.db.apply(&batch).unwrap();
    }
    everything(&fresh.db)
}

#[test]
fn a_failed_batch_leaves_nothing_and_can_be_tried_again() {
    let want = calm();
    let faults = DbFaults::none();
    let count = Fresh::with(DbOptions { faults: faults.clone(), ..DbOptions::default() });
    let prepared = batches(&count.db);
    faults.fail_at(u64::MAX, None, DbFault::Fails);
    prepared.iter().for_each(|batch| drop(count.db.apply(batch).unwrap()));
    let calls = faults.calls();
    assert!(calls > 60, "{calls} calls are too few to be true");
    // A database of a server is dearer than a file; both go the same way.
    for n in (1..=calls).step_by(if crate::test_database::is_postgres() { 6 } else { 1 }) {
        for fault in [DbFault::Fails, DbFault::FailsAfterwards] {
            let faults = DbFaults::none();
            let fresh = Fresh::with(DbOptions { faults: faults.clone(), ..DbOptions::default() });
            let pack = fresh.db.pack_id("a").unwrap();
            let batches = batches(&fresh.db);
            faults.fail_at(n, None, fault);
            let mut failures = 0;
            for batch in &batches {
                let before = (fresh.db.checkpoint_of(pack).unwrap(), everything(&fresh.db));
                match fresh.db.apply(batch) {
                    Ok(_) => continue,
                    Err(DbError::OutcomeUnknown(_)) => {
                        assert_eq!(fresh.db.checkpoint_of(pack).unwrap(), batch.checkpoints[0].1, "call {n}");
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), DbErrorKind::Unavailable);
                        let after = (fresh.db.checkpoint_of(pack).unwrap(), everything(&fresh.db));
                        assert_eq!(after, before, "call {n} {fault:?} left something");
                    }
                }
                failures += 1;
                fresh.db.apply(batch).unwrap();
            }
            assert_eq!(failures, 1, "call {n} {fault:?}");
            assert_eq!(everything(&fresh.db), want, "after call {n} {fault:?}");
        }
    }
}

#[test]
fn background_work_fails_as_a_whole_too() {
    let faults = DbFaults::none();
    let fresh = Fresh::with(DbOptions { faults: faults.clone(), ..DbOptions::default() });
    let job = Job::UnknownPeer {
        ae_title: "WHO".into(),
        address: "192.0.2.9".into(),
        called: "PACS".into(),
        at_ms: 7,
    };
    for call in [DbCall::Begin, DbCall::Execute, DbCall::Commit] {
        faults.fail_at(1, Some(call), DbFault::Fails);
        assert!(matches!(fresh.db.background(&job), Err(DbError::Injected)), "{call:?}");
        assert_eq!(fresh.db.unknown_peers().unwrap(), []);
    }
    fresh.db.background(&job).unwrap();
    assert_eq!(fresh.db.unknown_peers().unwrap()[0].attempts, 1);
}
