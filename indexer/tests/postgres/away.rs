//! A database that goes away: nothing that was acknowledged is lost, nothing comes twice, and the archive goes on by
//! itself when it is back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indexer::archive::StoreErrorKind;

use crate::archive_world::{World, instances, store};
use crate::test_database::server::Server;

/// How soon stores are taken again after the database is back.
const RECOVERY: Duration = Duration::from_secs(5);

/// Kills of the test; the soak asks for more.
fn kills() -> u64 {
    std::env::var("PACS_SOAK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(4)
}

fn world(server: &Server) -> World {
    let mut world = World::new(81);
    world.url = Some(server.database());
    world.start().unwrap();
    world
}

fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::yield_now();
    }
}

#[test]
fn stores_are_refused_while_the_database_is_away_and_taken_when_it_is_back() {
    let server = Server::start();
    let world = world(&server);
    let sent = instances(81, 8);
    store(world.archive(), 1, &sent[0]).unwrap();
    server.stop();
    let error = store(world.archive(), 1, &sent[1]).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutOfResources, "{error}");
    // Senders are refused before their data are read.
    wait_until("refused at the door", RECOVERY, || world.archive().refuses().is_some());
    let error = world.archive().db().totals().unwrap_err();
    assert!(error.to_string().contains("away"), "{error}");
    server.start_again();
    wait_until("taken again", RECOVERY, || store(world.archive(), 1, &sent[1]).is_ok());
    assert_eq!(world.archive().db().totals().unwrap().instances, 2);
}

#[test]
fn a_database_that_is_killed_under_load_loses_and_doubles_nothing() {
    let server = Server::start();
    let world = world(&server);
    let sent = instances(82, 40);
    let (done, taken) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (world, sent, done, taken) = (&world, &sent, &done, &taken);
            scope.spawn(move || {
                for (n, instance) in sent.iter().cycle().enumerate().skip(lane * 7) {
                    if done.load(Ordering::SeqCst) {
                        return;
                    }
                    // Ever other facilities: there is always something to write.
                    let facility = 1 + (n / sent.len()) as u32 * 4 + lane as u32;
                    if let Ok(stored) = store(world.archive(), facility, instance) {
                        let bytes = instance.data_set.clone();
                        world.acknowledged.lock().unwrap().insert(stored.digest, bytes);
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        for n in 0..kills() {
            let before = taken.load(Ordering::SeqCst);
            wait_until("load", Duration::from_secs(20), || taken.load(Ordering::SeqCst) > before + 5 + n % 7);
            if n % 3 == 2 {
                // Single connections go while others stay.
                let own = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pacs-server'";
                server.sql("postgres", own);
            } else {
                server.kill();
                server.start_again();
            }
            let (back, at) = (Instant::now(), taken.load(Ordering::SeqCst));
            wait_until("recovery", RECOVERY, || taken.load(Ordering::SeqCst) > at);
            slowest = slowest.max(back.elapsed());
        }
        done.store(true, Ordering::SeqCst);
    });
    println!("{} stores, {} kills, slowest recovery {slowest:?}", taken.load(Ordering::SeqCst), kills());
    for instance in &sent {
        // The door opens a moment after the database is back.
        wait_until("taken again", RECOVERY, || store(world.archive(), 1, instance).is_ok());
    }
    world.check(&sent);
    let mut alone = World::new(83);
    alone.start().unwrap();
    for instance in &sent {
        store(alone.archive(), 1, instance).unwrap();
    }
    let count = |world: &World| {
        let totals = world.archive().db().totals().unwrap();
        // Patients without an issuer are of the facility that sent them first, which is chance here.
        (totals.studies, totals.series, totals.instances, totals.other_versions)
    };
    assert_eq!(count(&world), count(&alone));
}

/// A server that takes over from another may lack the last transactions: what was acknowledged is made again.
#[test]
fn rows_that_the_database_lost_are_made_again() {
    let server = Server::start();
    let world = world(&server);
    let sent = instances(84, 12);
    let mut acknowledged = HashMap::new();
    store(world.archive(), 1, &sent[0]).unwrap();
    let name = world.url.as_ref().unwrap().rsplit('/').next().unwrap().to_owned();
    // What the database would be without the last transactions.
    server.sql(
        "postgres",
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    );
    let before = server.sql(&name, "SELECT id || ' ' || checkpoint FROM pack ORDER BY id");
    for instance in &sent[1..6] {
        let stored = loop {
            if let Ok(stored) = store(world.archive(), 1, instance) {
                break stored;
            }
        };
        acknowledged.insert(stored.digest, instance.data_set.clone());
    }
    let marks: Vec<String> = before
        .iter()
        .map(|row| row.split_once(' ').unwrap())
        .map(|(id, mark)| {
            format!("UPDATE pack SET checkpoint = {mark}, instances = 0, holdings = 0 WHERE id = {id};")
        })
        .collect();
    let last = before.iter().filter_map(|row| row.split(' ').next()?.parse::<i64>().ok()).max().unwrap_or(0);
    let digests: Vec<String> = acknowledged.keys().map(|digest| format!("'\\x{digest}'::bytea")).collect();
    let lost = format!(
        "BEGIN; {} UPDATE pack SET checkpoint = 0 WHERE id > {last}; DELETE FROM frame_table WHERE instance_id IN \
         (SELECT id FROM instance WHERE digest IN ({all})); DELETE FROM holding WHERE instance_id IN (SELECT id FROM instance WHERE digest IN ({all})); \
         DELETE FROM instance WHERE digest IN ({all}); COMMIT; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pacs-server'",
        marks.concat(),
        all = digests.join(", ")
    );
    server.sql(&name, &lost);
    wait_until("stored again", RECOVERY, || store(world.archive(), 1, &sent[6]).is_ok());
    for digest in acknowledged.keys() {
        let row = world.archive().db().instance_by_digest(digest).unwrap();
        assert!(row.is_some(), "acknowledged and lost: {digest}");
    }
}

/// Some senders pad texts with U+0000, which PostgreSQL takes in no text.
#[test]
fn a_text_with_a_null_character_is_stored_and_found() {
    use indexer::query::{Level, Query};

    let server = Server::start();
    let world = world(&server);
    let mut sent = instances(85, 1).remove(0);
    let at = sent.data_set.windows(4).position(|bytes| bytes == [0x10, 0x00, 0x20, 0x00]).unwrap();
    let value = at + 8;
    sent.data_set[value + 1] = 0;
    store(world.archive(), 1, &sent).unwrap();
    let found = world.archive().db().query(&Query::new(Level::Study)).unwrap().rows;
    assert_eq!(found.len(), 1);
}
