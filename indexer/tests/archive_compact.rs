//! Compaction: what may go goes, everything else stays, whatever happens on the way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::collections::HashSet;

use archive_world::compacting::{Sent, check, compact, hold, job, keep_all, seed, studies_of, withdraw};
use archive_world::{World, instances, store};
use fixtures::rng::Rng;
use indexer::archive::{CompactJob, VerifyJob};
use indexer::statement::{Kind, Reason, State, Who};
use storage_config::disk::Fault;
use storage_config::{ContentHash, Uid};

/// A world of four studies in sealed packs, some of whose instances share bulk values.
fn filled(seed: u64) -> (World, Vec<Sent>, Vec<Uid>) {
    let mut world = World::new(seed);
    world.start().unwrap();
    let sent = keep_all(world.archive(), instances(seed, 24));
    world.stop();
    world.start().unwrap();
    let studies = studies_of(&sent);
    assert!(studies.len() >= 4);
    (world, sent, studies)
}

fn bytes(world: &World) -> u64 {
    world.disk.files().iter().map(|path| world.disk.contents(path).unwrap().len() as u64).sum()
}

#[test]
fn what_was_withdrawn_as_a_duplicate_goes_and_the_rest_stays() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    let (mut world, sent, studies) = filled(seed);
    let archive = world.archive().clone();
    withdraw(&archive, &studies[0], Reason::Duplicate);
    withdraw(&archive, &studies[1], Reason::Quality);
    let withdrawal = withdraw(&archive, &studies[2], Reason::WrongObject);
    hold(&archive, &studies[2], true);
    let gone = [&studies[0], &studies[1], &studies[2]];
    let before = bytes(&world);

    // A pack is written anew however little that frees: pixels may be another study's too.
    let job = || CompactJob { percent: 0, ..job() };
    let dry = compact(&archive, &CompactJob { dry_run: true, ..job() });
    assert!(dry.bytes_freed > 0 && bytes(&world) == before, "{dry:?}");
    let young = compact(&archive, &CompactJob { grace_days: 1, ..job() });
    assert_eq!((young.instances, young.rewritten), (0, 0), "withdrawn a moment ago");

    let report = compact(&archive, &job());
    let of = |study: &Uid| sent.iter().filter(|one| one.study == *study).count() as u64;
    assert_eq!(report.instances, of(&studies[0]), "{report:?}");
    assert_eq!(report.instances_kept, of(&studies[1]) + of(&studies[2]), "too young, and held");
    assert!(bytes(&world) < before, "{report:?}");
    assert_eq!(dry.instances, report.instances);
    check(&archive, &sent, &gone);
    let removals = archive.db().statements_of(Kind::Removal, 100, 0).unwrap();
    let said: HashSet<ContentHash> = removals
        .iter()
        .flat_map(|one| match &one.statement.state {
            State::Removal(removal) => removal.instances.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(said, sent.iter().filter(|one| one.study == studies[0]).map(|one| one.digest).collect());
    assert!(removals.iter().all(|one| one.statement.who.name == "operator"));
    assert!(archive.verify(&VerifyJob::default(), &|| false, &mut |_| {}).unwrap().is_whole());
    let totals = archive.db().totals().unwrap();

    // A rebuild says the same, and trips over nothing.
    world.stop();
    let archive = world.start().unwrap().clone();
    archive.rebuild(&mut |_, _| {}).unwrap();
    check(&archive, &sent, &gone);
    assert_eq!(archive.db().totals().unwrap(), totals);
    assert_eq!(archive.db().unindexable(10, 0).unwrap(), []);

    // What is held and then given back is whole; what was removed comes back by being sent again.
    hold(&archive, &studies[2], false);
    archive.restore(&withdrawal, None, Who::system(), "a mistake".into()).unwrap();
    for one in sent.iter().filter(|one| one.study == studies[0]) {
        assert_eq!(store(&archive, 0, &one.instance).unwrap().digest, one.digest);
    }
    check(&archive, &sent, &[&studies[1]]);
    // What is old enough goes whatever the reason.
    let old = compact(&archive, &CompactJob { min_years: 0, ..job() });
    assert_eq!(old.instances, of(&studies[1]), "{old:?}");
    check(&archive, &sent, &[&studies[1]]);
    assert!(archive.verify(&VerifyJob::default(), &|| false, &mut |_| {}).unwrap().is_whole());
}

#[test]
fn second_copies_go_and_an_only_copy_never_does() {
    let (mut world, sent, _) = filled(3);
    let archive = world.archive().clone();
    let row = archive.db().instance_by_digest(&sent[0].digest).unwrap().unwrap();
    let pack = archive.db().packs().unwrap().into_iter().find(|pack| pack.id == row.place.pack).unwrap();
    let path = std::path::Path::new(archive_world::PACKS).join(format!("{}.pack", pack.name));
    world.disk.flip_bit(&path, row.place.offset + 150, 2).unwrap();
    let report = archive.verify(&VerifyJob::default(), &|| false, &mut |_| {}).unwrap();
    assert_eq!(report.damaged, 1);
    let report = compact(&archive, &job());
    assert_eq!(report.rewritten, 0, "the only copy, damaged as it is, stays: {report:?}");
    // A good copy comes; the damaged one goes with its pack.
    store(&archive, 0, &sent[0].instance).unwrap();
    let files = world.disk.files().len();
    let report = compact(&archive, &job());
    println!("{report:?}, {files} files before");
    check(&archive, &sent, &[]);
    world.stop();
    let archive = world.start().unwrap();
    archive.rebuild(&mut |_, _| {}).unwrap();
    check(archive, &sent, &[]);
}

/// What meets a compaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Met {
    /// A call to the disk fails.
    Fault,
    /// The same, and then the power goes.
    PowerLoss,
}

/// One compaction whose n-th call to the disk fails, and what is there after a restart. How many calls it took.
fn interrupted(seed: u64, n: u64, met: Met) -> u64 {
    let (mut world, sent, studies) = filled(seed);
    world.faultless = false;
    let mut rng = Rng::new(seed ^ n);
    let archive = world.archive().clone();
    withdraw(&archive, &studies[0], Reason::Duplicate);
    withdraw(&archive, &studies[1], Reason::WrongObject);
    let gone = [&studies[0], &studies[1]];
    let before = world.disk.calls();
    world.disk.fail_call(before + 1 + n, Fault::Eio);
    let done = archive.compact(&job(), &|| false);
    let calls = world.disk.calls() - before;
    drop(archive);
    if met == Met::Fault {
        world.disk.clear_faults();
        world.stop();
    } else {
        world.power_loss(&mut rng);
    }
    world.start().unwrap();
    check(world.archive(), &sent, &gone);
    world.archive().rebuild(&mut |_, _| {}).unwrap();
    check(world.archive(), &sent, &gone);
    // The next run ends what this one began.
    let again = compact(world.archive(), &job());
    check(world.archive(), &sent, &gone);
    world.archive().rebuild(&mut |_, _| {}).unwrap();
    check(world.archive(), &sent, &gone);
    assert!(done.is_ok() || again.rewritten > 0 || again.packs == 0, "{done:?} {again:?}");
    calls
}

#[test]
fn nothing_that_stays_is_lost_whatever_call_fails_and_whenever_the_power_goes() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    let most = std::env::var("SOAK_COMPACTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(120);
    let calls = interrupted(seed, u64::MAX / 2, Met::Fault);
    println!("a compaction calls the disk {calls} times; {most} of them are met by a fault");
    let mut rng = Rng::new(seed);
    for number in 0..most {
        let (n, met) = (rng.below(calls), if number % 2 == 0 { Met::Fault } else { Met::PowerLoss });
        let lived = std::panic::catch_unwind(|| interrupted(seed, n, met));
        assert!(lived.is_ok(), "call {n}, {met:?}");
    }
}
