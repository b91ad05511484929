//! Bytes that are not given are not damaged: what a disk fails to give is tried again, what is whole again is served again,
//! and a file goes only when its object was read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use archive_world::{PACKS, World, instances, read, store, until};
use fixtures::many::{Address, instance};
use indexer::archive::{Archive, KeepVerified, Remote, VerifyJob, VerifyReport};
use indexer::db::{InstanceRow, PackId};
use storage_config::ContentHash;
use storage_config::config::Ack;
use storage_config::disk::{Fault, Operation};
use storage_config::object::{Objects, SimulatedObjects};
use storage_config::pack::FILE_HEADER_LENGTH;

/// Waits until `holds`.
fn verify(archive: &Archive) -> VerifyReport {
    let job = VerifyJob { from_start: true, ..VerifyJob::default() };
    archive.verify(&job, &|| false, &mut |_| {}).unwrap()
}

fn row(archive: &Archive, digest: &ContentHash) -> InstanceRow {
    archive.db().instance_by_digest(digest).unwrap().unwrap()
}

fn path_of(archive: &Archive, pack: PackId) -> PathBuf {
    Path::new(PACKS).join(format!("{}.pack", archive.db().pack(pack).unwrap().unwrap().name))
}

/// Waits until all that is to be written behind answers by now is written.
fn settle(archive: &Archive) {
    let (tell, told) = mpsc::channel();
    archive.in_background(move |_| {
        let _ = tell.send(());
    });
    told.recv().unwrap();
}

fn nothing_is_quarantined(archive: &Archive) {
    settle(archive);
    assert_eq!(archive.db().damaged_copies(10, 0).unwrap(), []);
    assert_eq!(archive.db().damaged_records(10, 0).unwrap(), []);
}

/// A world with sealed packs, started again.
fn filled(seed: u64, count: u64) -> (World, Vec<ContentHash>) {
    let mut world = World::new(seed);
    world.start().unwrap();
    let keep = |one: &_| store(world.archive(), 1, one).unwrap().digest;
    let digests = instances(seed, count).iter().map(keep).collect();
    world.stop();
    world.start().unwrap();
    (world, digests)
}

#[test]
fn an_error_of_the_disk_while_reading_quarantines_nothing() {
    let mut world = World::new(3);
    world.start().unwrap();
    let archive = world.archive().clone();
    let stored = store(&archive, 1, &instance(2, Address { study: 1, ..Address::default() }, 6000)).unwrap();
    let row = row(&archive, &stored.digest);
    let mut reader = archive.read(&row).unwrap();
    drop(reader.next_chunk().unwrap());
    world.disk.fail_call_of(Operation::Read, world.disk.count(Operation::Read) + 1, Fault::Eio);
    assert!(reader.next_chunk().is_err(), "the fault is met");
    nothing_is_quarantined(&archive);
    read(&archive, &row);
}

#[test]
fn what_the_disk_does_not_give_to_a_verification_is_verified_another_time() {
    let (world, digests) = filled(4, 6);
    let archive = world.archive().clone();
    // A file that cannot be opened for a moment; a disk that gives nothing at all.
    for (operation, lasting) in [(Operation::Open, false), (Operation::Read, true), (Operation::Open, true)] {
        let next = world.disk.count(operation) + 1;
        if lasting {
            world.disk.fail_from(operation, next, Fault::Eio);
        } else {
            world.disk.fail_call_of(operation, next, Fault::Eio);
        }
        let report = verify(&archive);
        world.disk.clear_faults();
        assert!(report.damaged == 0 && report.away > 0 && report.stopped, "{operation:?}: {report:?}");
        nothing_is_quarantined(&archive);
        digests.iter().for_each(|digest| drop(read(&archive, &row(&archive, digest))));
        let report = verify(&archive);
        assert!(report.is_whole() && report.away == 0 && !report.stopped, "{report:?}");
    }
    // Each single reading that fails.
    let before = world.disk.count(Operation::Read);
    verify(&archive);
    let reads = world.disk.count(Operation::Read) - before;
    for n in 1..=reads {
        world.disk.fail_call_of(Operation::Read, world.disk.count(Operation::Read) + n, Fault::Eio);
        let report = verify(&archive);
        world.disk.clear_faults();
        assert!(report.damaged == 0, "read {n} of {reads}: {report:?}");
    }
    nothing_is_quarantined(&archive);
}

#[test]
fn a_pass_that_finds_a_record_whole_has_it_served_again() {
    let (world, digests) = filled(5, 6);
    let archive = world.archive().clone();
    let row = row(&archive, digests.last().unwrap());
    let path = path_of(&archive, row.place.pack);
    // Before it, in its bulk value, then in its own record, then in the header of the file.
    for at in [row.place.offset - 300, row.place.offset + 200, 20] {
        world.disk.flip_bit(&path, at, 2).unwrap();
        assert!(verify(&archive).damaged > 0);
        world.disk.flip_bit(&path, at, 2).unwrap();
        let report = verify(&archive);
        assert_eq!((report.damaged, report.away), (0, 0), "{report:?}");
        nothing_is_quarantined(&archive);
        digests.iter().for_each(|digest| drop(read(&archive, &self::row(&archive, digest))));
        assert!(archive.db().damaged_records_of(row.place.pack).unwrap().is_empty());
    }
}

#[test]
fn a_lost_pack_is_noted_once_and_the_others_are_verified() {
    let (world, _) = filled(12, 24);
    let archive = world.archive().clone();
    let packs: Vec<_> =
        archive.db().packs().unwrap().into_iter().filter(|p| p.sealed && p.length > 1000).collect();
    assert!(packs.len() > 2);
    world.disk.disk().remove(&path_of(&archive, packs[0].id)).unwrap();
    let quiet = Duration::from_secs(3600);
    archive.keep_verified(KeepVerified { bytes_per_second: 1 << 40, every_days: 30, quiet }).unwrap();
    let passes = || archive.db().packs_verified().unwrap();
    let of = |name: &str| passes().into_iter().find(|pass| pass.name == name && pass.at_ms > 0);
    until("all packs were looked at", || packs.iter().all(|pack| of(&pack.name).is_some()));
    assert_eq!(of(&packs[0].name).unwrap().damaged, 1);
    assert!(packs[1..].iter().all(|pack| of(&pack.name).unwrap().damaged == 0));
    assert_eq!(archive.db().damaged_records_of(packs[0].id).unwrap().len(), 1);
}

fn remote(bucket: &Arc<SimulatedObjects>, cache_bytes: u64) -> Remote {
    Remote {
        objects: Objects::Simulated(bucket.clone()),
        ack: Ack::Local,
        backlog_bytes: 1 << 40,
        cache_bytes,
        block_cache_bytes: 8 << 20,
        seal_idle: Duration::from_secs(3600),
        seal_age: Duration::from_secs(3600),
        retry: Duration::from_millis(2),
        retired: Duration::ZERO,
    }
}

/// A world whose packs are in a bucket and here.
fn in_both(seed: u64, count: u64) -> (World, Arc<SimulatedObjects>, Vec<ContentHash>) {
    let bucket = SimulatedObjects::new();
    let mut world = World::new(seed);
    world.remote = Some(remote(&bucket, 1 << 40));
    world.start().unwrap();
    let keep = |number| {
        let at = Address { study: 1, number, ..Address::default() };
        store(world.archive(), 1, &instance(2, at, 12_000)).unwrap().digest
    };
    let digests = (0..count).map(keep).collect();
    world.stop();
    world.start().unwrap();
    let archive = world.archive().clone();
    until("all is uploaded", || archive.backlog().unwrap().bytes == 0);
    (world, bucket, digests)
}

#[test]
fn a_damaged_file_whose_object_is_whole_is_no_damage() {
    let (world, bucket, digests) = in_both(8, 1);
    let archive = world.archive().clone();
    let row = row(&archive, &digests[0]);
    let path = path_of(&archive, row.place.pack);
    world.disk.flip_bit(&path, 128 + 128 + 700, 3).unwrap();
    // The object is asked first: while it does not answer, nothing is said of it.
    bucket.set_away(true);
    let report = verify(&archive);
    assert!(report.damaged == 0 && report.away == 1, "{report:?}");
    nothing_is_quarantined(&archive);
    bucket.set_away(false);
    let study = VerifyJob { study: Some(row.study_uid.clone()), ..VerifyJob::default() };
    let report = archive.verify(&study, &|| false, &mut |_| {}).unwrap();
    assert!(report.is_whole() && report.away == 0 && report.records == 1, "{report:?}");
    let report = verify(&archive);
    assert!(report.damaged == 0 && report.away == 0, "{report:?}");
    nothing_is_quarantined(&archive);
    assert!(world.disk.contents(&path).is_err(), "the damaged file is gone");
    read(&archive, &row);
}

#[test]
fn a_file_goes_only_after_its_object_was_read_and_mends_one_that_is_not_whole() {
    let (mut world, bucket, digests) = in_both(9, 30);
    // The service changes a bit in the middle of each object.
    for key in bucket.keys().into_iter().filter(|key| key.starts_with("packs/")) {
        bucket.flip(&key, 30_000);
    }
    let report = verify(world.archive());
    assert!(report.is_whole(), "the files are: {report:?}");
    world.stop();
    world.remote = Some(remote(&bucket, 0));
    world.start().unwrap();
    let files = |world: &World| {
        let files = world.disk.files();
        let long =
            |path: &&PathBuf| world.disk.contents(path).is_ok_and(|b| b.len() as u64 > FILE_HEADER_LENGTH);
        files.iter().filter(long).count()
    };
    until("no file is left", || files(&world) == 0);
    let archive = world.archive().clone();
    digests.iter().for_each(|digest| drop(read(&archive, &row(&archive, digest))));
    assert!(verify(&archive).is_whole());
}
