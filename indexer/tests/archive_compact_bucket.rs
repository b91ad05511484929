//! Compaction of packs that are objects of a bucket: what may go goes, everything else stays, whatever disk and bucket do
//! and wherever the process ends; who still knows the old place finds the new one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::sync::Arc;
use std::time::{Duration, Instant};

use archive_world::compacting::{Sent, check, compact, hold, job, keep_all, seed, studies_of, withdraw};
use archive_world::{World, instances, read, store, until};
use fixtures::rng::Rng;
use indexer::archive::{CompactJob, Remote, VerifyJob};
use indexer::statement::{Kind, Reason};
use storage_config::Uid;
use storage_config::config::Ack;
use storage_config::disk::Fault;
use storage_config::object::{ObjectFault, Objects, SimulatedObjects};

/// Calls of the bucket or the disk at which one run lets something happen; `SOAK_COMPACTIONS` for long runs.
const FAULTS: u64 = 48;

fn remote(bucket: &Arc<SimulatedObjects>, ack: Ack, cache_bytes: u64) -> Remote {
    Remote {
        objects: Objects::Simulated(bucket.clone()),
        ack,
        backlog_bytes: 1 << 40,
        cache_bytes,
        block_cache_bytes: 8 << 20,
        seal_idle: Duration::from_secs(3600),
        seal_age: Duration::from_secs(3600),
        retry: Duration::from_millis(2),
        retired: Duration::ZERO,
    }
}

/// A world of studies in packs that are all in the bucket, some of whose instances share bulk values.
fn filled(seed: u64, ack: Ack, cache_bytes: u64) -> (World, Arc<SimulatedObjects>, Vec<Sent>, Vec<Uid>) {
    let bucket = SimulatedObjects::new();
    let mut world = World::new(seed);
    world.remote = Some(remote(&bucket, ack, cache_bytes));
    world.start().unwrap();
    let sent = keep_all(world.archive(), instances(seed, 24));
    world.stop();
    world.start().unwrap();
    let archive = world.archive().clone();
    until("all is uploaded", || archive.backlog().unwrap().bytes == 0);
    let studies = studies_of(&sent);
    assert!(studies.len() >= 4);
    (world, bucket, sent, studies)
}

fn packs(bucket: &SimulatedObjects) -> Vec<String> {
    bucket.keys().into_iter().filter(|key| key.starts_with("packs/")).collect()
}

/// Waits until no object waits for its removal.
fn until_removed(world: &World) {
    let archive = world.archive().clone();
    until("objects are removed", || archive.db().retired_objects().unwrap().is_empty());
}

#[test]
fn what_was_withdrawn_goes_from_the_bucket_and_the_rest_stays() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    for (ack, cache_bytes) in [(Ack::Local, 0), (Ack::Remote, 0), (Ack::Local, 1 << 30)] {
        let (mut world, bucket, sent, studies) = filled(seed, ack, cache_bytes);
        let archive = world.archive().clone();
        // A reader that looked its places up before.
        let before: Vec<_> =
            sent.iter().map(|one| archive.db().instance_by_digest(&one.digest).unwrap().unwrap()).collect();
        withdraw(&archive, &studies[0], Reason::Duplicate);
        withdraw(&archive, &studies[1], Reason::Quality);
        withdraw(&archive, &studies[2], Reason::WrongObject);
        hold(&archive, &studies[2], true);
        let gone = [&studies[0], &studies[1], &studies[2]];
        let (bytes, objects) = (bucket.bytes(), packs(&bucket));

        let dry = compact(&archive, &CompactJob { dry_run: true, ..job() });
        assert!(dry.bytes_freed > 0 && packs(&bucket) == objects, "{dry:?}");
        let young = compact(&archive, &CompactJob { grace_days: 1, ..job() });
        assert_eq!((young.instances, young.rewritten), (0, 0), "withdrawn a moment ago");

        let report = compact(&archive, &job());
        let of = |study: &Uid| sent.iter().filter(|one| one.study == *study).count() as u64;
        assert_eq!(report.instances, of(&studies[0]), "{report:?}");
        assert_eq!(report.instances_kept, of(&studies[1]) + of(&studies[2]), "too young, and held");
        until_removed(&world);
        assert!(bucket.bytes() < bytes, "{report:?}");
        let left = objects.iter().filter(|key| packs(&bucket).contains(key)).count() as u64;
        assert_eq!(left, objects.len() as u64 - report.rewritten, "old objects are gone");
        for (one, row) in sent.iter().zip(&before) {
            if one.study != studies[0] {
                assert!(read(&archive, row).ends_with(&one.instance.data_set), "by the old place");
            }
        }
        check(&archive, &sent, &gone);
        let removals = archive.db().statements_of(Kind::Removal, 100, 0).unwrap();
        assert!(!removals.is_empty() && removals.iter().all(|one| one.statement.who.name == "operator"));
        assert!(archive.verify(&VerifyJob::default(), &|| false, &mut |_| {}).unwrap().is_whole());
        // What was removed comes back by being sent again, and only that.
        for one in sent.iter().filter(|one| one.study == studies[0]) {
            assert_eq!(store(&archive, 0, &one.instance).unwrap().digest, one.digest);
        }
        check(&archive, &sent, &[&studies[1], &studies[2]]);
        let totals = archive.db().totals().unwrap();

        // The bucket alone says the same. What was not uploaded goes with the machine.
        world.stop();
        world.start().unwrap();
        let archive = world.archive().clone();
        until("all is uploaded", || archive.backlog().unwrap().bytes == 0);
        drop(archive);
        world.lose_machine(seed ^ 5);
        let archive = world.start().unwrap().clone();
        check(&archive, &sent, &[&studies[1], &studies[2]]);
        assert_eq!(archive.db().totals().unwrap().instances, totals.instances);
        assert_eq!(archive.db().unindexable(10, 0).unwrap(), []);
        assert!(!archive.db().statements_of(Kind::Removal, 100, 0).unwrap().is_empty());
    }
}

#[test]
fn what_is_not_in_the_bucket_stays_and_nothing_is_given_up_while_it_is_away() {
    let (mut world, bucket, sent, studies) = filled(3, Ack::Local, 1 << 30);
    bucket.set_away(true);
    let archive = world.archive().clone();
    withdraw(&archive, &studies[0], Reason::Duplicate);
    let objects = packs(&bucket);
    // The copy is written and cannot be uploaded; the archive ends while somebody waits for that.
    let waits = std::thread::spawn(move || archive.compact(&job(), &|| false));
    until("a new pack waits for its upload", || world.archive().backlog().unwrap().bytes > 4096);
    world.stop();
    assert!(waits.join().unwrap().is_err());
    bucket.set_away(false);
    assert_eq!(packs(&bucket), objects);
    world.start().unwrap();
    check(world.archive(), &sent, &[&studies[0]]);
    let archive = world.archive().clone();
    until("all is uploaded", || archive.backlog().unwrap().bytes == 0);
    compact(&archive, &job());
    until_removed(&world);
    assert!(!objects.iter().all(|key| packs(&bucket).contains(key)));
    check(&archive, &sent, &[&studies[0]]);
    assert!(archive.verify(&VerifyJob::default(), &|| false, &mut |_| {}).unwrap().is_whole());
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Met {
    /// A call to the bucket fails in a way, and the process is killed some calls later.
    Bucket(ObjectFault),
    /// A call to the disk fails, and then the power goes.
    Disk,
    /// The machine is lost at a call of the bucket, with its disk and its index.
    Machine,
}

/// One compaction that something meets at its n-th call, and what is there after a restart.
fn interrupted(seed: u64, n: u64, met: Met) -> (u64, u64) {
    let cache_bytes = if n.is_multiple_of(2) { 0 } else { 1 << 30 };
    let (mut world, bucket, sent, studies) = filled(seed, Ack::Local, cache_bytes);
    world.faultless = false;
    let mut rng = Rng::new(seed ^ n);
    let archive = world.archive().clone();
    withdraw(&archive, &studies[0], Reason::Duplicate);
    withdraw(&archive, &studies[1], Reason::WrongObject);
    if met == Met::Machine {
        // What was said is to outlive the machine too.
        world.stop();
        world.start().unwrap();
        let archive = world.archive().clone();
        until("all is uploaded", || archive.backlog().unwrap().bytes == 0);
    }
    let archive = world.archive().clone();
    let gone = [&studies[0], &studies[1]];
    let (calls, of_disk) = (bucket.calls(), world.disk.calls());
    match met {
        Met::Bucket(fault) => bucket.fail_call(calls + 1 + n, fault),
        Met::Disk => world.disk.fail_call(of_disk + 1 + n, Fault::Eio),
        Met::Machine => {}
    }
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (tell, by) = (ended.clone(), archive.clone());
    let running = std::thread::spawn(move || {
        let done = by.compact(&job(), &|| false);
        tell.store(true, std::sync::atomic::Ordering::SeqCst);
        done.is_ok()
    });
    let over = || ended.load(std::sync::atomic::Ordering::SeqCst);
    if met != Met::Disk {
        let kill_at = calls + n + if met == Met::Machine { 0 } else { rng.below(4) };
        until("the call comes", || over() || bucket.calls() > kill_at);
    } else {
        until("it ends", over);
    }
    let took = (bucket.calls() - calls, world.disk.calls() - of_disk);
    drop(archive);
    bucket.set_away(true);
    match met {
        Met::Bucket(_) => world.kill(),
        Met::Disk => world.power_loss(&mut rng),
        Met::Machine => world.lose_machine(n),
    }
    let _ = running.join().unwrap();
    bucket.clear_faults();
    bucket.set_away(false);
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.start().is_err() {
        assert!(Instant::now() < deadline, "the archive never starts");
    }
    check(world.archive(), &sent, &gone);
    let archive = world.archive().clone();
    until("all is uploaded", || archive.backlog().unwrap().bytes == 0);
    compact(&archive, &job());
    until_removed(&world);
    check(&archive, &sent, &gone);
    let report = archive.verify(&VerifyJob::default(), &|| false, &mut |_| {}).unwrap();
    assert!(report.is_whole(), "{report:?}");
    // Nothing hangs on the machine: its disk, its index.
    world.stop();
    world.start().unwrap();
    let archive = world.archive().clone();
    until("all is uploaded", || archive.backlog().unwrap().bytes == 0);
    drop(archive);
    world.lose_machine(n ^ 1);
    check(world.start().unwrap(), &sent, &gone);
    took
}

#[test]
fn nothing_that_stays_is_lost_whatever_fails_and_wherever_it_ends() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    let most = std::env::var("SOAK_COMPACTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(FAULTS);
    let (of_bucket, of_disk) = interrupted(seed, 1 << 40, Met::Bucket(ObjectFault::Refused));
    println!("a compaction calls the bucket {of_bucket} times and the disk {of_disk} times; {most} runs");
    let mut rng = Rng::new(seed);
    for number in 0..most {
        let fault = *rng.pick(&[ObjectFault::Refused, ObjectFault::AnswerLost, ObjectFault::Half]);
        let (n, met) = match number % 3 {
            0 => (rng.below(of_bucket), Met::Bucket(fault)),
            1 => (rng.below(of_disk), Met::Disk),
            _ => (rng.below(of_bucket), Met::Machine),
        };
        let lived = std::panic::catch_unwind(|| interrupted(seed, n, met));
        assert!(lived.is_ok(), "call {n}, {met:?}");
    }
}
