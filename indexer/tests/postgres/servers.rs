//! Several servers over one database.

use std::sync::Barrier;

use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use indexer::db::{Db, DbError, DbOptions};
use indexer::statement::Reason;
use storage_config::Uid;

use crate::archive_world::compacting::{compact, job, keep_all, studies_of, withdraw};
use crate::archive_world::{World, instances, of_patient, read, store};
use crate::test_database::server;

fn world(seed: u64, url: &str) -> World {
    let mut world = World::new(seed);
    world.url = Some(url.to_owned());
    world.writer = u32::try_from(seed).unwrap();
    world.start().unwrap();
    world
}

#[test]
fn servers_that_start_together_make_the_schema_once() {
    let url = server().database();
    let together = Barrier::new(8);
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    Db::open_postgres(&url, DbOptions::default()).unwrap()
                })
            })
            .collect();
        for start in starts {
            let db = start.join().unwrap();
            assert_eq!(db.totals().unwrap().instances, 0);
        }
    });
}

#[test]
fn a_schema_of_a_later_version_is_refused() {
    let url = server().database();
    drop(Db::open_postgres(&url, DbOptions::default()).unwrap());
    server().sql(url.rsplit('/').next().unwrap(), "UPDATE schema_version SET version = 99");
    let refused = Db::open_postgres(&url, DbOptions::default());
    assert!(matches!(refused.err(), Some(DbError::NewerSchema { found: 99, .. })));
}

#[test]
fn servers_that_store_the_same_studies_make_one_archive() {
    let url = server().database();
    let worlds = [world(71, &url), world(72, &url)];
    // No two versions of one instance: then nothing depends on which came first.
    let at = |number| Address { study: number / 6, series: number / 3 % 2, number };
    let sent: Vec<_> = (0..48).map(|n| instance(70, at(n), [64, 12_000, 30_000][n as usize % 3])).collect();
    std::thread::scope(|scope| {
        for (n, world) in worlds.iter().enumerate() {
            for lane in 0..3 {
                let sent = &sent;
                scope.spawn(move || {
                    // The servers meet in the middle of the studies and again at their ends.
                    let mine = sent.iter().enumerate().filter(|(at, _)| at % 3 == lane).map(|(_, sent)| sent);
                    let mine: Vec<_> = if n == 0 { mine.collect() } else { mine.rev().collect() };
                    for instance in mine {
                        let stored = store(world.archive(), 1, instance).unwrap();
                        let bytes = instance.data_set.clone();
                        world.acknowledged.lock().unwrap().insert(stored.digest, bytes);
                    }
                });
            }
        }
    });
    let mut alone = World::new(70);
    alone.start().unwrap();
    for instance in &sent {
        store(alone.archive(), 1, instance).unwrap();
    }
    let count = |world: &World| {
        let totals = world.archive().db().totals().unwrap();
        let rows = (totals.patients, totals.studies, totals.series, totals.instances, totals.other_versions);
        (rows, totals.holdings, totals.conflicts)
    };
    assert_eq!(count(&worlds[0]), count(&alone));
    assert_eq!(count(&worlds[1]), count(&alone));
    // What a server acknowledged is on its own disk, whatever becomes of the other one.
    for mut world in worlds {
        let expected = world.acknowledged.lock().unwrap().clone();
        world.stop();
        world.url = Some(server().database());
        world.start().unwrap();
        for (digest, bytes) in &expected {
            let row =
                world.archive().db().instance_by_digest(digest).unwrap().expect("acknowledged and lost");
            assert!(read(world.archive(), &row).ends_with(bytes));
        }
        assert_eq!(count(&world), count(&alone));
    }
}

#[test]
fn an_index_with_packs_of_another_server_is_not_made_again_from_one_disk() {
    let url = server().database();
    let (one, other) = (world(73, &url), world(74, &url));
    let sent = instances(73, 4);
    store(one.archive(), 1, &sent[0]).unwrap();
    assert!(one.archive().rebuild(&mut |_, _| {}).is_ok(), "all packs are here");
    store(other.archive(), 1, &sent[1]).unwrap();
    let refused = one.archive().rebuild(&mut |_, _| {}).err().unwrap().to_string();
    assert!(refused.contains("1 packs that are not on this disk"), "{refused}");
    let sop = Uid::parse(&sent[1].sop_instance).unwrap();
    assert_eq!(other.archive().db().versions(None, &sop).unwrap().len(), 1);
}

#[test]
fn two_servers_of_one_number_are_refused() {
    let url = server().database();
    let options = |number| DbOptions { server: Some(number), ..DbOptions::default() };
    let first = Db::open_postgres(&url, options(7)).unwrap();
    let other = Db::open_postgres(&url, options(8)).unwrap();
    assert!(matches!(Db::open_postgres(&url, options(7)).err(), Some(DbError::Taken(7))));
    drop(first);
    drop(Db::open_postgres(&url, options(7)).unwrap());
    drop(other);
}

#[test]
fn an_index_is_made_again_after_a_compaction() {
    let url = server().database();
    let mut world = world(16, &url);
    let sent = keep_all(world.archive(), instances(16, 24));
    withdraw(world.archive(), &studies_of(&sent)[0], Reason::Duplicate);
    world.stop();
    world.start().unwrap();
    let compacted = compact(world.archive(), &job());
    assert!(compacted.packs > 0, "{compacted:?}");
    world.stop();
    world.start().unwrap();
    world.archive().rebuild(&mut |_, _| {}).unwrap();
}

#[test]
fn a_text_longer_than_an_index_takes_is_kept_short_and_stays_its_own() {
    let url = server().database();
    let world = world(5, &url);
    // Four bytes a letter, none like the one before, so that nothing of it can be packed.
    let mut rng = Rng::new(5);
    let mut letters = || char::from_u32(0x2_0000 + u32::try_from(rng.index(40_000)).unwrap()).unwrap();
    let long: String = (0..1000).map(|_| letters()).collect();
    for n in [0, 1] {
        store(world.archive(), 1, &of_patient(n, &long, &format!("{long}{n}"))).unwrap();
    }
    assert_eq!(world.archive().db().totals().unwrap().patients, 2);
    assert!(world.archive().refuses().is_none());
}
