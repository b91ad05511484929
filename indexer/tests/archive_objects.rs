//! Packs in a bucket that fails, lies and goes away: nothing acknowledged is lost or altered, files are only copies, and
//! the bucket alone is enough.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive_world::{World, instances, read, store, until};
use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use indexer::archive::{Archive, ReadError, Remote, VerifyJob, Withdraw};
use indexer::statement::{Evidence, Reason, Who};
use storage_config::Uid;
use storage_config::config::Ack;
use storage_config::object::{ObjectCall, ObjectFault, Objects, SimulatedObjects};
use storage_config::pack::FILE_HEADER_LENGTH;

/// Calls of the bucket at which one run of a test lets something happen; `SOAK_OBJECT_FAULTS` for long runs.
const FAULTS: u64 = 24;

fn remote(bucket: &Arc<SimulatedObjects>, ack: Ack) -> Remote {
    Remote {
        objects: Objects::Simulated(bucket.clone()),
        ack,
        backlog_bytes: 1 << 40,
        cache_bytes: 0,
        block_cache_bytes: 8 << 20,
        seal_idle: Duration::from_secs(3600),
        seal_age: Duration::from_secs(3600),
        retry: Duration::from_millis(2),
        retired: Duration::ZERO,
    }
}

fn world(seed: u64, ack: Ack) -> (World, Arc<SimulatedObjects>) {
    let bucket = SimulatedObjects::new();
    let mut world = World::new(seed);
    world.remote = Some(remote(&bucket, ack));
    (world, bucket)
}

/// Waits until `what` is so.
/// The files of packs that hold anything; a pack that was given up before its first record is no more than a header.
fn pack_files(world: &World) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| world.disk.contents(path).unwrap().len() as u64 > FILE_HEADER_LENGTH;
    let files = world.disk.files().into_iter();
    files.filter(|path| path.extension().is_some_and(|end| end == "pack")).filter(holds).collect()
}

/// Starts once more, so that all packs are sealed, and waits until the bucket has all of them.
fn upload_all(world: &mut World) {
    world.stop();
    world.start().unwrap();
    let archive = world.archive().clone();
    until("all is uploaded", || archive.backlog().unwrap().bytes == 0);
}

fn keep(world: &World, sent: &Instance) -> bool {
    match store(world.archive(), 0, sent) {
        Ok(stored) => {
            world.acknowledged.lock().unwrap().insert(stored.digest, sent.data_set.clone());
            true
        }
        Err(_) => false,
    }
}

#[test]
fn packs_are_uploaded_and_read_after_their_files_are_gone() {
    let (mut world, bucket) = world(1, Ack::Local);
    let all = instances(1, 40);
    world.start().unwrap();
    assert!(all.iter().all(|sent| keep(&world, sent)));
    upload_all(&mut world);
    until("no file is left", || pack_files(&world).is_empty());
    let before = bucket.calls_of(ObjectCall::Read);
    world.check(&all);
    let reads = bucket.calls_of(ObjectCall::Read) - before;
    println!("{reads} requests for {} instances", all.len());
    assert!(reads > 0 && reads < all.len() as u64, "many small reads are few requests: {reads}");
    // A further store of the same instances writes nothing: what is in the bucket counts as here.
    let bytes = bucket.bytes();
    assert!(all.iter().all(|sent| keep(&world, sent)));
    upload_all(&mut world);
    assert!(bucket.bytes() - bytes < 2048, "no more than packs without records");
}

#[test]
fn files_stay_up_to_the_limit_and_the_longest_unused_goes_first() {
    let (mut world, _bucket) = world(2, Ack::Local);
    let limit = 400 << 10;
    world.remote.as_mut().unwrap().cache_bytes = limit;
    let all = instances(2, 60);
    world.start().unwrap();
    assert!(all.iter().all(|sent| keep(&world, sent)));
    upload_all(&mut world);
    let bytes = |world: &World| {
        pack_files(world).iter().map(|path| world.disk.contents(path).unwrap().len() as u64).sum::<u64>()
    };
    until("the files fit", || bytes(&world) <= limit);
    assert!(bytes(&world) > limit / 4, "what fits stays");
    world.check(&all);
}

#[test]
fn a_damaged_file_is_replaced_by_the_object() {
    let (mut world, _bucket) = world(3, Ack::Local);
    world.remote.as_mut().unwrap().cache_bytes = 1 << 30;
    world.start().unwrap();
    let sent = instance(3, Address::default(), 60_000);
    assert!(keep(&world, &sent));
    upload_all(&mut world);
    for path in pack_files(&world) {
        // Once in the bulk value; the record of the instance stands behind it.
        world.disk.flip_bit(&path, 20_000, 3).unwrap();
        let end = world.disk.contents(&path).unwrap().len() as u64;
        for at in (end.saturating_sub(4096)..end).step_by(256) {
            world.disk.flip_bit(&path, at, 1).unwrap();
        }
    }
    world.faultless = false;
    world.stop();
    world.start().unwrap();
    world.check(std::slice::from_ref(&sent));
    until("the damaged file is gone", || pack_files(&world).is_empty());
    assert!(world.archive().db().damaged_copies(10, 0).unwrap().is_empty(), "the object is good");
}

#[test]
fn what_is_out_of_reach_is_not_damaged_and_comes_back() {
    let (mut world, bucket) = world(4, Ack::Local);
    world.start().unwrap();
    let sent = instance(4, Address::default(), 60_000);
    assert!(keep(&world, &sent));
    upload_all(&mut world);
    until("no file is left", || pack_files(&world).is_empty());
    let digest = *world.acknowledged.lock().unwrap().keys().next().unwrap();
    let archive = world.archive().clone();
    let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
    bucket.set_away(true);
    assert!(matches!(archive.read(&row), Err(ReadError::Away(_))));
    let scope = indexer::db::Scope {
        study: row.study_uid.clone(),
        series: Some(row.series_uid.clone()),
        instance: Some(row.sop_instance.clone()),
    };
    assert!(matches!(archive.frames(&scope), Err(ReadError::Away(_))));
    // With acknowledgements from this disk alone, stores go on meanwhile.
    assert!(keep(&world, &instance(4, Address { number: 1, ..Address::default() }, 600)));
    bucket.set_away(false);
    world.check(std::slice::from_ref(&sent));
    assert!(archive.db().damaged_copies(10, 0).unwrap().is_empty());
}

#[test]
fn verification_takes_nothing_for_damaged_that_is_out_of_reach() {
    let (mut world, bucket) = world(11, Ack::Remote);
    world.start().unwrap();
    let all = instances(11, 12);
    assert!(all.iter().all(|sent| keep(&world, sent)));
    upload_all(&mut world);
    until("no file is left", || pack_files(&world).is_empty());
    let study = VerifyJob { study: Some(Uid::parse(&all[0].study).unwrap()), ..VerifyJob::default() };
    // Away from the beginning, then going away at each of the first requests.
    for away_after in [None, Some(0), Some(1), Some(2), Some(3), Some(5), Some(8)] {
        for job in [&VerifyJob::default(), &study] {
            world.stop();
            world.start().unwrap();
            let archive = world.archive().clone();
            match away_after {
                None => bucket.set_away(true),
                // Every try of the request and of all that follow.
                Some(n) => (0..400).for_each(|more| {
                    bucket.fail_call(bucket.calls() + n + more, ObjectFault::Refused);
                }),
            }
            let report = archive.verify(job, &|| false, &mut |_| {}).unwrap();
            println!("{away_after:?}: {report:?}");
            assert_eq!((report.damaged, report.found.len()), (0, 0));
            assert!(report.is_whole() && report.stopped == (report.away > 0), "{report:?}");
            // A few requests may be all that a run needs.
            assert!(report.away > 0 || away_after > Some(1), "{report:?}");
            assert!(archive.db().damaged_copies(10, 0).unwrap().is_empty());
            bucket.clear_faults();
            bucket.set_away(false);
            // The next run goes on there, and a series is read anew.
            let report = archive.verify(job, &|| false, &mut |_| {}).unwrap();
            assert!(report.is_whole() && !report.stopped && report.records > 0, "{report:?}");
        }
    }
    world.check(&all);
}

#[test]
fn a_full_backlog_refuses_stores_until_it_is_uploaded() {
    let (mut world, bucket) = world(5, Ack::Local);
    world.remote.as_mut().unwrap().backlog_bytes = 1 << 20;
    world.start().unwrap();
    bucket.set_away(true);
    let mut rng = Rng::new(5);
    let mut number = 0;
    let mut next = || {
        number += 1;
        instance(5, Address { number, ..Address::default() }, 20_000 + rng.index(20_000))
    };
    let taken = (0..100).take_while(|_| keep(&world, &next())).count();
    assert!((20..80).contains(&taken), "the limit is where it is said to be: {taken}");
    let refused = world.archive().refuses().expect("refused before any data are read");
    assert_eq!(refused.kind(), indexer::archive::StoreErrorKind::OutOfResources);
    assert!(refused.to_string().contains("wait for their upload"), "{refused}");
    bucket.set_away(false);
    let archive = world.archive().clone();
    until("there is room again", || archive.refuses().is_none());
    assert!(keep(&world, &next()));
    world.check(&[]);
}

#[test]
fn with_remote_acknowledgement_the_machine_may_be_lost() {
    for seed in 0..6 {
        let (mut world, bucket) = world(seed, Ack::Remote);
        let all = instances(seed, 40);
        world.start().unwrap();
        let kept = all.iter().filter(|sent| keep(&world, sent)).count();
        assert_eq!(kept, all.len());
        if seed % 2 == 0 {
            upload_all(&mut world);
            until("groups of whole packs are removed", || {
                !bucket.keys().iter().any(|key| key.starts_with("groups/"))
            });
        }
        bucket.set_away(true);
        world.lose_machine(seed + 100);
        bucket.set_away(false);
        world.start().unwrap();
        world.check(&all);
        // And again, from an index that knows all of it and a disk that has nothing.
        world.stop();
        world.archive = None;
        world.start().unwrap();
        world.check(&all);
    }
}

#[test]
fn with_remote_acknowledgement_nothing_is_taken_that_the_bucket_has_not() {
    let (mut world, bucket) = world(7, Ack::Remote);
    world.start().unwrap();
    let all = instances(7, 12);
    assert!(keep(&world, &all[0]));
    bucket.set_away(true);
    assert!(all.iter().skip(1).all(|sent| !keep(&world, sent)), "no success without the bucket");
    assert!(world.archive().refuses().is_some());
    bucket.set_away(false);
    let archive = world.archive().clone();
    until("the bucket is seen to be back", || archive.refuses().is_none());
    assert!(all.iter().all(|sent| keep(&world, sent)), "what was refused can be sent again");
    bucket.set_away(true);
    world.lose_machine(77);
    bucket.set_away(false);
    world.start().unwrap();
    world.check(&all);
}

#[test]
fn a_rebuild_from_the_bucket_alone_brings_everything_back_with_what_was_said() {
    let (mut world, bucket) = world(8, Ack::Local);
    let all = instances(8, 40);
    world.start().unwrap();
    assert!(all.iter().all(|sent| keep(&world, sent)));
    let gone = Uid::parse(&all[0].study).unwrap();
    let request = Withdraw {
        id: None,
        study: gone.clone(),
        series: None,
        sop_instance: None,
        facility: None,
        reason: Reason::Quality,
        text: String::new(),
        who: Who { name: "a test".into(), by: Evidence::Claimed },
        why: "a test".into(),
    };
    world.archive().withdraw(request).unwrap();
    upload_all(&mut world);
    let totals = world.archive().db().totals().unwrap();
    let seen = |archive: &Archive| {
        let scope = indexer::db::Scope { study: gone.clone(), series: None, instance: None };
        archive.db().instances_of(&scope, None, 100).unwrap().len()
    };
    assert_eq!(seen(world.archive()), 0);
    for rebuild in [false, true] {
        world.lose_machine(88);
        let archive = world.start().unwrap().clone();
        if rebuild {
            let recovered = archive.rebuild(&mut |_, _| {}).unwrap();
            assert_eq!((recovered.unindexable, recovered.gaps), (0, 0));
        }
        world.check(&all);
        assert_eq!(seen(&archive), 0, "a withdrawal is not forgotten");
        assert_eq!(archive.db().totals().unwrap().instances, totals.instances);
        assert!(pack_files(&world).is_empty(), "nothing was copied here");
    }
    // An object whose header is damaged hides none of its records from a rebuild.
    let key = bucket.keys().into_iter().find(|key| key.starts_with("packs/")).unwrap();
    bucket.flip(&key, 30);
    world.lose_machine(89);
    world.start().unwrap();
    assert_eq!(world.archive().db().totals().unwrap().instances, totals.instances);
}

/// Stores, faults, kills at many calls of the bucket: what was acknowledged is there afterwards, whatever happened.
#[test]
fn nothing_is_lost_at_whatever_call_the_bucket_fails() {
    let runs = std::env::var("SOAK_OBJECT_FAULTS").ok().and_then(|n| n.parse().ok()).unwrap_or(FAULTS);
    let seed = std::env::var("TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(9);
    println!("TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut failed = 0;
    for run in 0..runs {
        let ack = if run % 2 == 0 { Ack::Local } else { Ack::Remote };
        let fault = *rng.pick(&[ObjectFault::Refused, ObjectFault::AnswerLost, ObjectFault::Half]);
        // The first ten calls are those of the start; a store here is about one call.
        let calls: Vec<u64> = (0..1 + rng.index(8)).map(|_| 10 + rng.below(70)).collect();
        let kill_at = 10 + rng.below(60);
        println!("run {run}: {ack:?} {fault:?} at {calls:?}, killed at {kill_at}");
        let (mut world, bucket) = world(seed ^ run, ack);
        let all = instances(seed ^ run, 16);
        world.start().unwrap();
        calls.iter().for_each(|n| bucket.fail_call(*n, fault));
        for sent in &all {
            failed += u64::from(!keep(&world, sent));
            if bucket.calls() >= kill_at {
                break;
            }
        }
        if run % 3 == 0 {
            // Lets uploads begin and be cut wherever they are.
            world.stop();
            let _ = world.start();
            until("the call comes", || {
                bucket.calls() >= kill_at || world.archive.is_none() || {
                    world.archive().backlog().unwrap().bytes == 0
                }
            });
        }
        bucket.set_away(true);
        if run % 4 == 3 && fault != ObjectFault::Half {
            world.lose_machine(run);
        } else {
            world.kill();
        }
        bucket.clear_faults();
        bucket.set_away(false);
        let deadline = Instant::now() + Duration::from_secs(20);
        while world.start().is_err() {
            assert!(Instant::now() < deadline, "the archive never starts");
        }
        let archive = world.archive().clone();
        until("stores are taken again", || archive.refuses().is_none());
        world.check(&all);
        assert!(all.iter().all(|sent| keep(&world, sent)), "what was not taken is taken now");
        upload_all(&mut world);
        until("no file is left", || pack_files(&world).is_empty());
        world.check(&all);
    }
    println!("{failed} stores were refused");
}

#[test]
fn a_bucket_that_does_not_work_is_told_at_the_start() {
    let (mut world, bucket) = world(10, Ack::Local);
    bucket.set_away(true);
    let error = world.start().map(drop).unwrap_err();
    assert!(error.contains("does not answer"), "{error}");
    bucket.set_away(false);
    bucket.fail_call(bucket.calls() + 2, ObjectFault::Half);
    let error = world.start().map(drop).unwrap_err();
    assert!(error.contains("object store"), "{error}");
    world.start().unwrap();
    assert!(keep(&world, &instance(10, Address::default(), 600)));
    upload_all(&mut world);
    world.stop();
    // With packs that are known here it starts all the same, and stores.
    bucket.set_away(true);
    world.start().unwrap();
    assert!(keep(&world, &instance(10, Address { number: 1, ..Address::default() }, 600)));
    let digest = *world.acknowledged.lock().unwrap().keys().next().unwrap();
    let row = world.archive().db().instance_by_digest(&digest).unwrap().unwrap();
    bucket.set_away(false);
    read(world.archive(), &row);
}
