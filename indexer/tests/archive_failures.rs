//! Failures in the middle of stores: what is acknowledged stands somewhere, what the index did not take is made again, and
//! an archive that lost a thread says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use archive_world::{PACKS, World, origin, read, store, until};
use codecs::worker::{Limits, Pool, WorkerCommand};
use fixtures::edited::{Edit, edited};
use fixtures::many::{Address, instance};
use fixtures::studies::Instance;
use indexer::archive::{Archive, Expect, Remote, Store, StoreError, Stored};
use indexer::db::{DbCall, DbFault};
use storage_config::config::Ack;
use storage_config::disk::{Fault, Operation, SyncPoint};
use storage_config::object::{ObjectCall, ObjectFault, Objects, SimulatedObjects};

/// Waits until `holds`.
type Answer = Receiver<Result<Stored, StoreError>>;

/// A store that lacks only its end.
fn received(archive: &Archive, sent: &Instance) -> Store {
    let mut store = archive.begin(origin(1, sent.syntax.uid)).unwrap();
    store.push(&sent.data_set).unwrap();
    store
}

fn finish(store: Store) -> Answer {
    let (tell, told) = mpsc::channel();
    store.finish(&Expect::default(), move |result| drop(tell.send(result)));
    told
}

/// Holds the index writer until the sender is used or dropped.
fn hold_index(archive: &Archive) -> mpsc::Sender<()> {
    let (begun, is_begun) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    archive.in_background(move |_| {
        begun.send(()).unwrap();
        let _ = gone.recv();
    });
    is_begun.recv().unwrap();
    go
}

/// Two instances with the same pixels are under way; the group of the first one fails, and the index does not know yet when
/// the second one is decided. Whoever is answered with a success can be read.
fn a_failed_group_is_not_counted_on(
    mut world: World,
    fail: impl Fn(&World) -> bool,
    failed: impl Fn(&World) -> bool,
) {
    world.start().unwrap();
    let archive = world.archive().clone();
    let at = |study| Address { study, ..Address::default() };
    store(&archive, 1, &instance(1, at(9), 6000)).unwrap();
    let first = instance(2, at(1), 6000);
    let second = edited(&first, &Edit::reissued(&first, 7)).unwrap();
    let [first, second] = [&first, &second].map(|one| received(&archive, one));
    let last = received(&archive, &instance(3, at(3), 600));
    let go = hold_index(&archive);
    assert!(fail(&world));
    let first = finish(first);
    until("the group fails", || failed(&world));
    until("the disk works again", || archive.refuses().is_none());
    let second = finish(second);
    // What is decided after the second one is synced: so the second one was decided.
    let syncs = world.disk.syncs(SyncPoint::Group);
    let last = finish(last);
    until("a later group is synced", || world.disk.syncs(SyncPoint::Group) > syncs);
    go.send(()).unwrap();
    assert!(first.recv().unwrap().is_err(), "its bytes were not synced");
    last.recv().unwrap().unwrap();
    let stored = second.recv().unwrap().unwrap();
    let row = archive.db().instance_by_digest(&stored.digest).unwrap().unwrap();
    read(&archive, &row);
}

#[test]
fn a_value_of_a_group_whose_sync_failed_is_not_counted_on() {
    let world = World::new(1);
    let fail = |world: &World| {
        let next = world.disk.count(Operation::SyncData) + 1;
        world.disk.fail_call_of(Operation::SyncData, next, Fault::Eio);
        true
    };
    a_failed_group_is_not_counted_on(world, fail, |world| world.archive().refuses().is_some());
}

#[test]
fn a_value_of_a_group_that_the_bucket_refused_is_not_counted_on() {
    let bucket = SimulatedObjects::new();
    let mut world = World::new(1);
    world.remote = Some(Remote {
        objects: Objects::Simulated(bucket.clone()),
        ack: Ack::Remote,
        backlog_bytes: 1 << 40,
        cache_bytes: 1 << 40,
        block_cache_bytes: 8 << 20,
        seal_idle: Duration::from_secs(3600),
        seal_age: Duration::from_secs(3600),
        retry: Duration::from_millis(2),
        retired: Duration::ZERO,
    });
    let puts = std::cell::Cell::new(0);
    let fail = |_: &World| {
        puts.set(bucket.calls_of(ObjectCall::Put));
        // The next calls, whichever of them is the put.
        (1..=2).for_each(|n| bucket.fail_call(bucket.calls() + n, ObjectFault::Refused));
        true
    };
    a_failed_group_is_not_counted_on(world, fail, |_| {
        let failed = bucket.calls_of(ObjectCall::Put) > puts.get();
        if failed {
            bucket.clear_faults();
        }
        failed
    });
}

#[test]
fn a_stop_while_the_index_fails_seals_no_pack_that_is_not_indexed() {
    let mut world = World::new(2);
    world.start().unwrap();
    let archive = world.archive().clone();
    store(&archive, 1, &instance(1, Address::default(), 6000)).unwrap();
    let sent = instance(2, Address { study: 1, ..Address::default() }, 6000);
    let under_way = received(&archive, &sent);
    let go = hold_index(&archive);
    let syncs = world.disk.syncs(SyncPoint::Group);
    let answer = finish(under_way);
    until("the group is synced", || world.disk.syncs(SyncPoint::Group) > syncs);
    world.faults.fail_at(1, Some(DbCall::Commit), DbFault::Fails);
    go.send(()).unwrap();
    assert!(answer.recv().unwrap().is_err());
    drop(archive);
    // At once: the index is tried again only after a while.
    world.stop();
    let archive = world.start().unwrap();
    let sop = storage_config::Uid::parse(&sent.sop_instance).unwrap();
    let versions = archive.db().versions(None, &sop).unwrap();
    assert_eq!(versions.len(), 1, "a record that was synced is a row after the next start");
    read(archive, &versions[0].instance);
}

#[test]
fn an_archive_that_lost_a_thread_says_so_and_answers_all_who_wait() {
    let mut world = World::new(15);
    world.start().unwrap();
    let archive = world.archive().clone();
    let (tell, told) = mpsc::channel();
    archive.when_dead(move |thread| drop(tell.send(thread.to_owned())));
    let under_way = received(&archive, &instance(1, Address::default(), 600));
    let later = received(&archive, &instance(2, Address::default(), 600));
    let go = hold_index(&archive);
    let waits = finish(under_way);
    archive.in_background(|_| panic!("a defect"));
    drop(go);
    assert_eq!(told.recv_timeout(Duration::from_secs(30)).unwrap(), "index-writer");
    // It was indexed before, or nobody is left who could.
    println!("{:?}", waits.recv_timeout(Duration::from_secs(30)).unwrap().map(|stored| stored.outcome));
    assert!(archive.refuses().is_some(), "not ready any more");
    assert!(finish(later).recv_timeout(Duration::from_secs(30)).unwrap().is_err());
    let (tell, told) = mpsc::channel();
    archive.when_dead(move |thread| drop(tell.send(thread.to_owned())));
    assert_eq!(told.recv().unwrap(), "index-writer", "also who asks late is told");
}

#[test]
fn a_damaged_record_keeps_no_other_study_from_being_examined() {
    let mut world = World::new(14);
    world.start().unwrap();
    let archive = world.archive().clone();
    let first = store(&archive, 1, &instance(1, Address { study: 1, ..Address::default() }, 6000)).unwrap();
    let other = Address { study: 2, number: 5, ..Address::default() };
    let second = store(&archive, 1, &instance(1, other, 6000)).unwrap();
    let row = archive.db().instance_by_digest(&first.digest).unwrap().unwrap();
    let pack = archive.db().pack(row.place.pack).unwrap().unwrap();
    let path = Path::new(PACKS).join(format!("{}.pack", pack.name));
    world.disk.flip_bit(&path, row.place.offset + 128 + row.place.length - 40, 3).unwrap();
    let pool = Arc::new(Pool::new(WorkerCommand::this_program(&["--list"]), Limits::default()));
    archive.examine_studies(pool, Duration::ZERO).unwrap();
    for study in [&second.study, &first.study] {
        until("each study is examined", || archive.db().evidence(study).unwrap().is_some());
    }
}
