//! Compaction makes room: also when none is left, for good, and beside a verification.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::cell::Cell;
use std::path::Path;

use archive_world::compacting::{check, compact, job, keep_all, studies_of, withdraw};
use archive_world::{PACKS, World, instances, small_limits};
use indexer::archive::{Archive, ArchiveOptions, VerifyJob};
use indexer::db::{Db, DbOptions};
use indexer::statement::{Kind, Reason};
use storage_config::config::ScanLimits;
use storage_config::disk::Disk;

#[test]
fn packs_are_compacted_when_the_disk_is_short() {
    let mut world = World::new(10);
    world.start().unwrap();
    let sent = keep_all(world.archive(), instances(10, 24));
    let studies = studies_of(&sent);
    withdraw(world.archive(), &studies[0], Reason::Duplicate);
    world.stop();
    world.limits.min_free_bytes = 1 << 40;
    world.limits.min_free_percent = 99;
    world.disk.set_capacity(Some(1 << 20));
    let archive = world.start().unwrap().clone();
    assert!(archive.refuses().is_some(), "no store is taken");
    let report = compact(&archive, &job());
    assert!(report.bytes_freed > 0 && report.instances > 0, "{report:?}");
    assert!(!archive.db().statements_of(Kind::Removal, 10, 0).unwrap().is_empty(), "what is gone is said");
    check(&archive, &sent, &[&studies[0]]);
}

fn now_ms() -> i64 {
    static TICKS: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1_763_700_000_000);
    TICKS.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
}

#[test]
fn the_files_of_compacted_packs_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let db = Db::open(&dir.path().join("index.sqlite"), DbOptions::default()).unwrap();
        let options = ArchiveOptions {
            disk: Disk::Real,
            packs_dir: dir.path().join("packs"),
            cache_dir: None,
            replica: None,
            writer: 1,
            scan: ScanLimits::default(),
            store: small_limits(),
            now_ms,
        };
        Archive::open(options, db).unwrap().0
    };
    let archive = open();
    let sent = keep_all(&archive, instances(13, 24));
    archive.close();
    let archive = open();
    // Its readers are open.
    check(&archive, &sent, &[]);
    let studies = studies_of(&sent);
    for study in &studies {
        withdraw(&archive, study, Reason::Duplicate);
    }
    assert!(compact(&archive, &job()).rewritten > 0);
    let open_files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let names = open_files.filter_map(|fd| Some(std::fs::read_link(fd.path()).ok()?.display().to_string()));
    let own = dir.path().to_str().unwrap();
    let held: Vec<_> =
        names.filter(|name| name.starts_with(own) && name.ends_with(".pack (deleted)")).collect();
    archive.close();
    assert!(held.is_empty(), "{held:?}");
}

#[test]
fn a_verification_beside_a_compaction_finds_no_damage_and_brings_nothing_back() {
    let mut world = World::new(7);
    world.replica = Some("/replica".into());
    world.start().unwrap();
    let sent = keep_all(world.archive(), instances(7, 24));
    world.stop();
    for path in world.disk.files().into_iter().filter(|path| path.starts_with(PACKS)) {
        let copy = Path::new("/replica").join(path.file_name().unwrap());
        world.disk.put(&copy, &world.disk.contents(&path).unwrap());
    }
    world.start().unwrap();
    let archive = world.archive().clone();
    let studies = studies_of(&sent);
    let gone = [&studies[0], &studies[1]];
    gone.iter().for_each(|study| drop(withdraw(&archive, study, Reason::Duplicate)));
    let compacted = Cell::new(None::<u64>);
    // Somewhere in the first pack, when all packs are listed.
    let stop = || {
        if compacted.get().is_none() {
            compacted.set(Some(0));
            compacted.set(Some(compact(&archive, &job()).instances));
        }
        false
    };
    let report = archive.verify(&VerifyJob::default(), &stop, &mut |_| {}).unwrap();
    assert!(compacted.get().is_some_and(|removed| removed > 0));
    assert_eq!((report.damaged, report.away, report.repaired), (0, 0, 0), "{report:?}");
    assert_eq!(archive.db().damaged_records(10, 0).unwrap(), []);
    for one in sent.iter().filter(|one| gone.contains(&&one.study)) {
        assert!(archive.db().instance_by_digest(&one.digest).unwrap().is_none(), "it came back");
    }
    check(&archive, &sent, &gone);
}
