//! The write-ahead log: what a power loss leaves of it, and how large it gets. And the connections around it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod db_sample;
mod test_database;

use std::sync::atomic::{AtomicBool, Ordering};

use db_sample::{Fresh, SAMPLE, Sample, everything, open};
use indexer::db::{Batch, Db, DbError, DbErrorKind, DbOptions, Job, PackId, PeerEvent, WalLimits};

fn batches(pack: PackId) -> Vec<Batch> {
    let sample = |n: u32| Sample {
        study: n % 3,
        sop: n,
        bulk: n,
        name: if n.is_multiple_of(2) { "An" } else { "Bé" },
        received_ms: SAMPLE.received_ms + i64::from(n * 7 % 10),
        ..SAMPLE
    };
    let batch = |n: u32| Batch {
        entries: vec![
            sample(n).bulk(pack, 10_000 * u64::from(n)),
            sample(n).instance(pack, 10_000 * u64::from(n) + 6000),
        ],
        checkpoints: vec![(pack, 10_000 * u64::from(n) + 8000)],
        ..Batch::default()
    };
    (0..8).map(batch).collect()
}

/// STORE: rows and checkpoint roll back together, and the pack is replayed from its checkpoint.
#[test]
fn a_log_cut_at_any_frame_opens_and_the_replayed_rest_gives_the_same() {
    let fresh = Fresh::new();
    let pack = fresh.db.pack_id("a").unwrap();
    fresh.db.checkpoint(WalLimits { move_from_bytes: 0, empty_from_bytes: 0 }).unwrap();
    let batches = batches(pack);
    for batch in &batches {
        fresh.db.apply(batch).unwrap();
    }
    let want = everything(&fresh.db);
    let (file, log) = (std::fs::read(fresh.path()).unwrap(), std::fs::read(wal(&fresh)).unwrap());
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    let frames = (log.len() - 32) / (page + 24);
    assert!(frames > 30, "{frames} frames");
    for kept in 0..=frames {
        for torn in [0, 512] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("index.sqlite");
            let end = (32 + kept * (page + 24) + torn).min(log.len());
            std::fs::write(&path, &file).unwrap();
            std::fs::write(folder.path().join("index.sqlite-wal"), &log[..end]).unwrap();
            let db = open(&path);
            let done = db.checkpoint_of(pack).unwrap();
            for batch in batches.iter().filter(|batch| batch.checkpoints[0].1 > done) {
                db.apply(batch).unwrap();
            }
            assert_eq!(everything(&db), want, "cut after {kept} of {frames} frames");
        }
    }
}

fn wal(fresh: &Fresh) -> std::path::PathBuf {
    fresh.folder.path().join("index.sqlite-wal")
}

/// Tells a thread to end when dropped.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_log_is_bounded_by_checkpoints_while_a_reader_looks_on() {
    let fresh = Fresh::new();
    let limits = WalLimits { move_from_bytes: 64 << 10, empty_from_bytes: 1 << 20 };
    // What making the tables wrote is not what is looked at.
    fresh.db.checkpoint(WalLimits { move_from_bytes: 0, empty_from_bytes: 0 }).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fresh.db.totals().unwrap();
            }
        });
        // The reader ends whatever becomes of the rest: otherwise a failure would never be told.
        let _stops = Stops(&stop);
        for n in 0..300 {
            fresh.store(&[Sample { sop: n, bulk: n, study: n, ..SAMPLE }]);
            if let Some(done) = fresh.db.checkpoint(limits).unwrap() {
                assert!(done.wal_bytes_before < (1 << 20) + (256 << 10), "{done:?}");
            }
        }
    });
    fresh.db.checkpoint(WalLimits { move_from_bytes: 0, empty_from_bytes: 0 }).unwrap();
    assert_eq!(fresh.db.wal_bytes(), 0);
    assert_eq!(fresh.db.totals().unwrap().instances, 300);
}

#[test]
fn more_readers_than_connections_wait_for_their_turn() {
    let fresh = Fresh::with(DbOptions { readers: 2, ..DbOptions::default() });
    fresh.store(&[SAMPLE]);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(fresh.db.totals().unwrap().instances, 1)));
        }
    });
}

#[test]
fn what_was_stored_is_there_after_reopening_and_a_later_schema_is_refused() {
    let fresh = Fresh::new();
    fresh.store(&[SAMPLE]);
    let want = everything(&fresh.db);
    let path = fresh.path();
    let folder = fresh.close();
    assert_eq!(everything(&open(&path)), want);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Db::open(&path, DbOptions::default()).err().unwrap();
    assert!(matches!(error, DbError::NewerSchema { found: 99, .. }));
    assert_eq!(error.kind(), DbErrorKind::Schema);
    let other = folder.path().join("other");
    std::fs::write(&other, [7; 5000]).unwrap();
    assert_eq!(Db::open(&other, DbOptions::default()).err().unwrap().kind(), DbErrorKind::Damaged);
}

#[test]
fn peers_are_remembered_and_their_number_is_bounded() {
    let fresh = Fresh::new();
    let seen =
        |at_ms, what| Job::PeerSeen { ae_title: "CT1".into(), address: "192.0.2.7".into(), at_ms, what };
    for job in [
        seen(5, PeerEvent::Echo),
        seen(9, PeerEvent::Store),
        seen(7, PeerEvent::Error("time-out".into())),
        seen(6, PeerEvent::Error("older".into())),
    ] {
        fresh.db.background(&job).unwrap();
    }
    let peer = &fresh.db.peers().unwrap()[0];
    assert_eq!((peer.echo_ms, peer.store_ms, peer.error_ms, peer.error.as_str()), (5, 9, 7, "time-out"));
    for n in 0..1_010 {
        let (ae_title, address, called) = (format!("X{n}"), "192.0.2.1".into(), "PACS".into());
        fresh.db.background(&Job::UnknownPeer { ae_title, address, called, at_ms: n }).unwrap();
    }
    let unknown = fresh.db.unknown_peers().unwrap();
    assert_eq!((unknown.len(), unknown[0].last_ms, unknown[999].last_ms), (1_000, 1_009, 10));
}
