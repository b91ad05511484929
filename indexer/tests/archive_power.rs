//! Losses of power and kills under load: nothing acknowledged is lost or altered, and each sync is needed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use archive_world::{World, instances, store};
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use storage_config::disk::{Fault, Operation, SyncPoint};

/// Ends of the process in one run of the test; `SOAK_POWER_LOSSES` for long runs.
const ENDS: u64 = 1000;
/// Ends of the process that one archive sees before a new one is made.
const ENDS_OF_A_WORLD: u64 = 10;

fn seed() -> u64 {
    let given = std::env::var("TEST_SEED").ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    })
}

/// Stores from several threads until `ends` stores were answered, then lets `end` happen.
fn load_until(world: &mut World, all: &[Instance], rng: &mut Rng, end: impl FnOnce(&mut World, &mut Rng)) {
    let answered = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let enough = rng.below(25);
    let archive = world.archive().clone();
    let acknowledged = world.acknowledged.clone();
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        for n in 0..3 {
            let mut rng = Rng::new(rng.next_u64() ^ n);
            let (archive, acknowledged, tell) = (archive.clone(), acknowledged.clone(), tell.clone());
            let (answered, over) = (&answered, &over);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let instance = rng.pick(all);
                    if let Ok(stored) = store(&archive, rng.below(3) as u32, instance) {
                        acknowledged.lock().unwrap().insert(stored.digest, instance.data_set.clone());
                    }
                    if answered.fetch_add(1, Ordering::SeqCst) >= enough {
                        let _ = tell.send(());
                    }
                }
            });
        }
        told.recv().unwrap();
        end(world, rng);
        over.store(true, Ordering::SeqCst);
    });
}

/// One archive through several ends of its process.
fn live_and_die(seed: u64, ends: u64, lie: Option<SyncPoint>) {
    let mut rng = Rng::new(seed);
    let all = instances(seed, 24);
    let mut world = World::new(seed);
    for end in 0..ends {
        if let Some(point) = lie {
            world.disk.ignore_sync(point);
        }
        // The folder itself is made at the first start: on a disk that fails at that, there is no archive yet.
        if lie.is_none() && end > 0 && rng.one_in(4) {
            let operation =
                *rng.pick(&[Operation::Write, Operation::SyncData, Operation::SyncDir, Operation::Create]);
            world.faultless = false;
            let fault = *rng.pick(&[Fault::Eio, Fault::Enospc]);
            world.disk.fail_call_of(operation, world.disk.count(operation) + 1 + rng.below(30), fault);
        }
        // Now and then somebody has all rows made again, and that may be cut off too.
        let again = lie.is_none() && rng.one_in(4);
        if let Err(error) = start(&mut world, again) {
            assert!(lie.is_none(), "{error}");
            world.disk.clear_faults();
            world.start().unwrap();
        }
        load_until(&mut world, &all, &mut rng, |world, rng| {
            if rng.one_in(3) { world.kill() } else { world.power_loss(rng) }
        });
    }
    world.disk.clear_faults();
    world.start().unwrap();
    world.check(&all);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let seed = seed();
    let ends = std::env::var("SOAK_POWER_LOSSES").ok().and_then(|n| n.parse().ok()).unwrap_or(ENDS);
    println!("TEST_SEED={seed}, {ends} losses of power and kills");
    let mut rng = Rng::new(seed);
    for n in 0..ends / ENDS_OF_A_WORLD {
        let seed = rng.next_u64();
        let lived = std::panic::catch_unwind(|| live_and_die(seed, ENDS_OF_A_WORLD, None));
        assert!(lived.is_ok(), "world {n}, seed {seed}");
    }
}

/// Whether taking this sync away is noticed within `worlds` archives.
fn noticed(point: SyncPoint, worlds: u64) -> bool {
    let seed = seed();
    println!("TEST_SEED={seed} without {point}");
    let mut rng = Rng::new(seed);
    (0..worlds).any(|_| {
        let seed = rng.next_u64();
        std::panic::catch_unwind(|| live_and_die(seed, 4, Some(point))).is_err()
    })
}

/// The syncs of a running archive. That of a new pack's header, which the first group would cover, is held by the tests
/// of packs; those of a start follow below.
#[test]
fn every_sync_is_needed() {
    for point in [SyncPoint::PackDirectory, SyncPoint::Group, SyncPoint::Stream, SyncPoint::Seal] {
        assert!(noticed(point, 400), "nothing notices that {point} is not synced");
    }
}

/// Starts a process that brings the index up to date, or makes it again.
fn start(world: &mut World, again: bool) -> Result<(), String> {
    if again { world.start_to_rebuild().map(drop) } else { world.start().map(drop) }
}

/// A process dies between writing and syncing; the next one indexes what it finds, and then the power goes.
fn die_twice(seed: u64, lie: bool, again: bool) {
    let mut rng = Rng::new(seed);
    let all = instances(seed, 24);
    let mut world = World::new(seed);
    world.start().unwrap();
    load_until(&mut world, &all, &mut rng, |world, _| world.kill());
    if lie {
        world.disk.ignore_sync(SyncPoint::Recovery);
    }
    // The seal would sync the pack as well; it may fail, and then the rows are there already.
    world.disk.fail_call_of(Operation::Write, world.disk.count(Operation::Write) + 1, Fault::Eio);
    start(&mut world, again).unwrap();
    world.stop();
    world.power_loss(&mut rng);
    world.start().unwrap();
    world.check(&all);
}

#[test]
fn what_a_start_finds_is_synced_before_it_is_indexed() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    for again in [false, true] {
        let lost = |rng: &mut Rng, lie| {
            let seed = rng.next_u64();
            std::panic::catch_unwind(|| die_twice(seed, lie, again)).is_err()
        };
        assert!((0..100).all(|_| !lost(&mut rng, false)), "again: {again}");
        assert!((0..1000).any(|_| lost(&mut rng, true)), "nothing notices that a start does not sync");
    }
}

#[test]
fn a_pack_found_at_the_start_keeps_its_name() {
    for (lie, again) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut rng = Rng::new(1);
        let mut world = World::new(1);
        world.start().unwrap();
        // A new pack cannot be synced, nor removed: the file is there, its name was never synced.
        for operation in [Operation::SyncData, Operation::Remove] {
            world.disk.fail_call_of(operation, world.disk.count(operation) + 1, Fault::Eio);
        }
        assert!(store(world.archive(), 0, &instances(1, 1)[0]).is_err());
        world.kill();
        if lie {
            world.disk.ignore_sync(SyncPoint::RecoveryDirectory);
        }
        start(&mut world, again).unwrap();
        world.stop();
        let lost = (0..20).any(|_| {
            world.power_loss(&mut rng);
            let started = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(world.start())));
            world.stop();
            started.is_err()
        });
        assert_eq!(lost, lie, "a row points to a pack whose name was lost");
    }
}
