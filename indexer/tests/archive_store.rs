//! Storing and reading: what is kept, what is written, what is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::path::Path;

use archive_world::{World, instances, origin, read, store};
use fixtures::edited::{Edit, edited};
use fixtures::many::{Address, instance};
use fixtures::studies::{Instance, Options, Scale, demo};
use fixtures::writer::{Attribute, DataSet, Syntax, Vr, keyword as k};
use indexer::archive::{Archive, Expect, Outcome, Recovered, StoreErrorKind};
use indexer::db::{DbCall, DbFault};
use storage_config::disk::{Fault, Operation, SyncPoint};
use storage_config::pack::{FILE_HEADER_LENGTH, Identity, Kind, PackWriter};
use storage_config::{ContentHash, Uid};

fn pack_bytes(world: &World) -> u64 {
    let files = world.disk.files();
    files.iter().map(|path| world.disk.contents(path).unwrap().len() as u64).sum()
}

#[test]
fn everything_comes_back_byte_for_byte() {
    let mut world = World::new(1);
    world.start().unwrap();
    let archive = world.archive();
    for sent in instances(1, 30).into_iter().chain(demo(Options::new(1, Scale::Small))) {
        let stored = store(archive, 0, &sent).unwrap();
        let row = archive.db().instance_by_digest(&stored.digest).unwrap().unwrap();
        let file = read(archive, &row);
        assert!(file.ends_with(&sent.data_set), "{}", sent.path);
        assert_eq!(stored.length, sent.data_set.len() as u64);
        assert_eq!(row.length, stored.length);
    }
}

#[test]
fn a_duplicate_writes_nothing_and_another_facility_a_holding() {
    let mut world = World::new(2);
    world.start().unwrap();
    for pixels in [64, 6000, 40_000] {
        let archive = world.archive();
        let sent = instance(2, Address { study: pixels, ..Address::default() }, pixels as usize);
        assert_eq!(store(archive, 1, &sent).unwrap().outcome, Outcome::New);
        let before = pack_bytes(&world);
        assert_eq!(store(archive, 1, &sent).unwrap().outcome, Outcome::Duplicate);
        assert_eq!(pack_bytes(&world), before, "{pixels}");
        let stored = store(archive, 2, &sent).unwrap();
        assert_eq!(stored.outcome, Outcome::Holding);
        assert_eq!(store(archive, 2, &sent).unwrap().outcome, Outcome::Duplicate);
        let row = archive.db().instance_by_digest(&stored.digest).unwrap().unwrap();
        assert_eq!(archive.db().holdings(row.id).unwrap().len(), 2);
        assert!(pack_bytes(&world) - before < 4096);
    }
}

#[test]
fn the_same_pixels_under_another_header_are_written_once() {
    let mut world = World::new(3);
    world.start().unwrap();
    let archive = world.archive();
    for pixels in [8000, 60_000] {
        let first = instance(3, Address { study: pixels, ..Address::default() }, pixels as usize);
        let again = edited(&first, &Edit::reissued(&first, 7)).unwrap();
        store(archive, 1, &first).unwrap();
        let before = pack_bytes(&world);
        let stored = store(archive, 1, &again).unwrap();
        assert_eq!(stored.outcome, Outcome::New);
        assert_eq!(stored.saved, pixels);
        // A header and the record around it; a new pack begins with one of its own.
        assert!(pack_bytes(&world) - before < 8192, "{}", pack_bytes(&world) - before);
        let row = archive.db().instance_by_digest(&stored.digest).unwrap().unwrap();
        assert!(read(archive, &row).ends_with(&again.data_set));
    }
}

#[test]
fn equal_values_within_one_instance_are_written_once() {
    let mut world = World::new(11);
    world.start().unwrap();
    let archive = world.archive();
    for bytes in [5000, 20_000] {
        let mut set = DataSet::new();
        set.put(k::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.66")
            .put(k::SOP_INSTANCE_UID, format!("2.25.{bytes}"))
            .put(k::STUDY_INSTANCE_UID, "2.25.1")
            .put(k::SERIES_INSTANCE_UID, "2.25.2");
        for group in [0x5000, 0x5002, 0x5004] {
            let curve = Attribute { group, element: 0x3000, vr: Vr::Ow };
            set.put(curve, vec![7u8; bytes]);
        }
        let syntax = Syntax::EXPLICIT_LITTLE;
        let sent = Instance { syntax, data_set: set.encode(syntax), ..instance(11, Address::default(), 2) };
        let before = archive.db().totals().unwrap().bulk_copies;
        let stored = store(archive, 0, &sent).unwrap();
        let row = archive.db().instance_by_digest(&stored.digest).unwrap().unwrap();
        assert!(read(archive, &row).ends_with(&sent.data_set), "{bytes}");
        assert!(archive.db().totals().unwrap().bulk_copies > before);
    }
}

#[test]
fn another_instance_under_a_known_uid_is_a_version() {
    let mut world = World::new(4);
    world.start().unwrap();
    let archive = world.archive();
    let first = instance(4, Address::default(), 5000);
    let other = edited(&first, &Edit::corrected("LE^VAN KHAC", "P-2")).unwrap();
    assert_eq!(first.sop_instance, other.sop_instance);
    store(archive, 1, &first).unwrap();
    assert_eq!(store(archive, 1, &other).unwrap().outcome, Outcome::Version);
    let sop = Uid::parse(&first.sop_instance).unwrap();
    let versions = archive.db().versions(None, &sop).unwrap();
    assert_eq!(versions.len(), 2);
    assert!(read(archive, &versions[0].instance).ends_with(&first.data_set));
    assert!(read(archive, &versions[1].instance).ends_with(&other.data_set));
    assert_eq!(archive.db().conflicts(10, 0).unwrap().len(), 1);
}

#[test]
fn many_writers_of_one_instance_write_it_once() {
    for pixels in [6000, 40_000] {
        let mut world = World::new(5);
        world.limits.stream_lanes = 64;
        world.start().unwrap();
        let archive = world.archive();
        let sent = instance(5, Address::default(), pixels);
        let other = edited(&sent, &Edit::corrected("LE^VAN KHAC", "P-2")).unwrap();
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let stores: Vec<_> =
                (0..64).map(|_| scope.spawn(|| store(archive, 1, &sent).unwrap().outcome)).collect();
            stores.into_iter().map(|s| s.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|o| **o == Outcome::New).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|o| **o == Outcome::Duplicate).count(), 63);
        let sop = Uid::parse(&sent.sop_instance).unwrap();
        assert_eq!(archive.db().versions(None, &sop).unwrap().len(), 1);
        assert_eq!(archive.db().totals().unwrap().bulk_copies, 1);
        // Two variants of another UID at once: both are kept, one is served.
        std::thread::scope(|scope| {
            scope.spawn(|| store(archive, 1, &other).unwrap());
            scope.spawn(|| store(archive, 2, &other).unwrap());
        });
        let versions = archive.db().versions(None, &sop).unwrap();
        assert_eq!(versions.len(), 2);
        assert_eq!(archive.db().totals().unwrap().bulk_copies, 1);
    }
}

#[test]
fn what_does_not_fit_the_request_is_refused_and_leaves_nothing() {
    let mut world = World::new(6);
    world.start().unwrap();
    let archive = world.archive();
    let sent = instance(6, Address::default(), 50_000);
    let other = Uid::parse("1.2.3").unwrap();
    let expect = Expect { sop_instance: Some(other), ..Expect::default() };
    let mut begun = archive.begin(origin(0, sent.syntax.uid)).unwrap();
    begun.push(&sent.data_set).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    begun.finish(&expect, move |result| drop(tell.send(result)));
    assert_eq!(told.recv().unwrap().unwrap_err().kind(), StoreErrorKind::Mismatch);
    // A store that is dropped halfway, and one that ends too early.
    let mut begun = archive.begin(origin(0, sent.syntax.uid)).unwrap();
    begun.push(&sent.data_set[..40_000]).unwrap();
    drop(begun);
    let cut = fixtures::studies::Instance { data_set: sent.data_set[..40_000].to_vec(), ..sent.clone() };
    assert_eq!(store(archive, 0, &cut).unwrap_err().kind(), StoreErrorKind::DataSet);
    assert_eq!(archive.db().totals().unwrap().instances, 0);
    assert_eq!(store(archive, 0, &sent).unwrap().outcome, Outcome::New);
    let totals = archive.db().totals().unwrap();
    assert_eq!((totals.instances, totals.bulk_copies), (1, 1));
}

#[test]
fn a_failed_sync_refuses_stores_until_a_self_test_passes() {
    for pixels in [64, 40_000] {
        let mut world = World::new(7);
        world.start().unwrap();
        let archive = world.archive().clone();
        let all: Vec<_> =
            (0..3).map(|n| instance(7, Address { number: n, ..Address::default() }, pixels)).collect();
        store(&archive, 0, &all[0]).unwrap();
        world.disk.fail_from(Operation::SyncData, world.disk.count(Operation::SyncData) + 1, Fault::Eio);
        assert_eq!(store(&archive, 0, &all[1]).unwrap_err().kind(), StoreErrorKind::OutOfResources);
        assert!(archive.refuses().is_some());
        assert_eq!(store(&archive, 0, &all[2]).unwrap_err().kind(), StoreErrorKind::OutOfResources);
        // Reading goes on.
        let sop = Uid::parse(&all[0].sop_instance).unwrap();
        read(&archive, &archive.db().versions(None, &sop).unwrap()[0].instance);
        world.disk.clear_faults();
        wait_until(|| archive.refuses().is_none());
        assert_eq!(store(&archive, 0, &all[1]).unwrap().outcome, Outcome::New);
        world.stop();
        world.start().unwrap();
        world.check(&all);
    }
}

#[test]
fn a_failing_index_never_says_success_and_catches_up() {
    for (call, n) in [(DbCall::Begin, 1), (DbCall::Execute, 3), (DbCall::Commit, 1)] {
        for fault in [DbFault::Fails, DbFault::FailsAfterwards] {
            let mut world = World::new(8);
            world.start().unwrap();
            let archive = world.archive().clone();
            let first = instance(8, Address::default(), 64);
            store(&archive, 0, &first).unwrap();
            let sent = instance(8, Address { number: 1, ..Address::default() }, 64);
            world.faults.fail_at(n, Some(call), fault);
            let answer = store(&archive, 0, &sent);
            assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::OutOfResources, "{call:?} {fault:?}");
            wait_until(|| archive.refuses().is_none());
            // Its bytes were synced before the index failed: sending it again meets a duplicate.
            assert_eq!(store(&archive, 0, &sent).unwrap().outcome, Outcome::Duplicate);
        }
    }
}

#[test]
fn a_lost_index_is_made_again_with_the_same_answers() {
    let mut world = World::new(9);
    world.start().unwrap();
    let archive = world.archive();
    assert_eq!(archive.facility("79001").unwrap().0, 1);
    for (n, sent) in
        instances(9, 40).iter().chain(&demo(Options::new(9, Scale::Small)).collect::<Vec<_>>()).enumerate()
    {
        store(archive, n as u32 % 3, sent).unwrap();
        if n % 5 == 0 {
            store(archive, (n as u32 + 1) % 3, sent).unwrap();
        }
    }
    let answers = |world: &World| {
        let db = world.archive().db();
        let mut query = indexer::query::Query::new(indexer::query::Level::Instance);
        query.with_parents = true;
        let rows = db.query(&query).unwrap().rows;
        let conflicts = db.conflicts(1000, 0).unwrap().len();
        let totals = db.totals().unwrap();
        (rows, conflicts, totals.holdings, totals.instances, db.facility_codes().unwrap().len())
    };
    let before = answers(&world);
    assert!(before.0.len() > 40);
    world.stop();
    crate::test_database::lose(&world.index());
    // Without an index every pack is read again at the start.
    assert!(world.start_by(Archive::open_with).unwrap().packs > 0);
    assert_eq!(answers(&world), before);
    let recovered = world.archive().rebuild(&mut |_, _| {}).unwrap();
    assert_eq!((recovered.unindexable, recovered.gaps), (0, 0));
    assert_eq!(answers(&world), before);
}

/// An index that knows nothing of these packs, and others that are not here: no start could bring it up to date.
#[test]
fn rows_are_made_again_whatever_the_index_holds() {
    let mut world = World::new(13);
    world.start().unwrap();
    let sent = instances(13, 8);
    for sent in &sent {
        store(world.archive(), 0, sent).unwrap();
    }
    let counted = world.archive().db().totals().unwrap();
    world.kill();
    let mut other = World::new(14);
    other.start().unwrap();
    store(other.archive(), 0, &instance(14, Address::default(), 6000)).unwrap();
    other.stop();
    if crate::test_database::is_postgres() {
        // Packs that are not here may be those of another server: it would refuse.
        crate::test_database::lose(&other.index());
    }
    other.disk = world.disk.clone();
    let again = other.start_to_rebuild().unwrap();
    assert_eq!(
        again.missing,
        u64::from(!crate::test_database::is_postgres()),
        "the pack that is gone is told"
    );
    assert_eq!(other.archive().db().totals().unwrap(), counted);
    // What the killed process left open was sealed and is not read again.
    other.stop();
    assert_eq!(other.start_by(Archive::open_with).unwrap(), Recovered::default());
    assert_eq!(other.archive().db().totals().unwrap(), counted);
}

/// A record that was never synced may survive with a torn body. The start that finds it passes it over and seals the
/// pack; making the index again must not trust it either, or the next sender of these bytes would be told they are safe.
#[test]
fn a_torn_record_is_not_trusted_by_a_rebuild() {
    let mut world = World::new(12);
    world.start().unwrap();
    world.stop();
    let sent = instance(12, Address::default(), 6000);
    let pixels = &sent.data_set[sent.data_set.len() - 6000..];
    let hash = ContentHash::of(pixels);
    let identity = Identity { writer: 1, epoch: 7 };
    let mut torn = PackWriter::create(&world.disk.disk(), Path::new(archive_world::PACKS), identity).unwrap();
    torn.append(Kind::Bulk, 0, &[pixels], hash).unwrap();
    torn.sync(SyncPoint::Group).unwrap();
    world.disk.flip_bit(torn.path(), FILE_HEADER_LENGTH + 2000, 3).unwrap();
    drop(torn);
    world.start().unwrap();
    let archive = world.archive();
    assert!(archive.db().bulk_locations(&hash).unwrap().is_empty(), "the start trusts it");
    archive.rebuild(&mut |_, _| {}).unwrap();
    assert!(archive.db().bulk_locations(&hash).unwrap().is_empty(), "the rebuild trusts it");
    let stored = store(archive, 0, &sent).unwrap();
    let row = archive.db().instance_by_digest(&stored.digest).unwrap().unwrap();
    assert!(read(archive, &row).ends_with(&sent.data_set));
}

#[test]
fn a_damaged_copy_is_never_given_out_and_a_good_one_replaces_it() {
    for pixels in [8000, 60_000] {
        let mut world = World::new(10);
        world.start().unwrap();
        let archive = world.archive().clone();
        let sent = instance(10, Address::default(), pixels);
        let stored = store(&archive, 0, &sent).unwrap();
        let row = archive.db().instance_by_digest(&stored.digest).unwrap().unwrap();
        let path = world
            .disk
            .files()
            .into_iter()
            .find(|p| world.disk.contents(p).unwrap().windows(16).any(|w| sent.data_set.ends_with(w)))
            .unwrap();
        let at =
            world.disk.contents(&path).unwrap().windows(16).position(|w| sent.data_set.ends_with(w)).unwrap();
        world.disk.flip_bit(&path, at as u64, 3).unwrap();
        let mut reader = archive.read(&row).unwrap();
        let mut given = 0;
        let failed = loop {
            match reader.next_chunk() {
                Ok(Some(bytes)) => given += bytes.len(),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(failed && given < sent.data_set.len());
        wait_until(|| {
            let hash = storage_config::ContentHash::of(&sent.data_set[sent.data_set.len() - pixels..]);
            archive.db().bulk_locations(&hash).unwrap().iter().all(|l| l.damaged)
        });
        assert_eq!(store(&archive, 0, &sent).unwrap().outcome, Outcome::Duplicate);
        assert!(read(&archive, &row).ends_with(&sent.data_set));
    }
}

/// Waits for what another thread brings about; fails after a minute.
fn wait_until(mut holds: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !holds() {
        assert!(std::time::Instant::now() < until, "it never came");
        std::thread::yield_now();
    }
}

/// What later versions of the schema added, taken away again, the latest first.
const OLDER: &[&str] = &[
    "CREATE TABLE words (word_id INTEGER NOT NULL, study_row INTEGER NOT NULL, PRIMARY KEY (word_id, study_row)) \
     STRICT, WITHOUT ROWID; INSERT INTO words SELECT word_id, study_row FROM study_word; DROP TABLE study_word; \
     ALTER TABLE words RENAME TO study_word; DROP INDEX study_code_found; \
     ALTER TABLE study_code_value DROP COLUMN newest; \
     CREATE INDEX study_code_found ON study_code_value (value, study_row);",
    "DROP TABLE decision_document; DROP TABLE study_document;",
    "DROP TABLE performed_study; DROP TABLE performed_series; DROP TABLE performed_step;",
    "DROP TABLE code_assigned; DROP INDEX study_code_unstated; ALTER TABLE study_code DROP COLUMN core; \
     ALTER TABLE study_code DROP COLUMN unstated;",
    "DROP TABLE intake_study; DROP TABLE intake;",
    "DROP TABLE node; DROP TABLE record_copy; DROP TABLE compaction; DROP INDEX pack_object_retired; \
     ALTER TABLE pack_object DROP COLUMN retired_ms; ALTER TABLE pack_object DROP COLUMN gone;",
    "DROP INDEX study_code_proposed; ALTER TABLE study_code DROP COLUMN proposed;",
    "DROP TABLE pack_object;",
    "DROP TABLE verified_pack; DROP TABLE verified_run; DROP TABLE series_pack; DROP TABLE damaged_record; \
     DROP TABLE removed; DROP INDEX series_to_verify; DROP INDEX instance_condemned; DROP INDEX bulk_location_condemned; ALTER TABLE series DROP COLUMN verified_generation; \
     ALTER TABLE series DROP COLUMN verified_ms; ALTER TABLE series DROP COLUMN verified_damaged; \
     ALTER TABLE instance DROP COLUMN damaged; ALTER TABLE instance DROP COLUMN condemned; \
     ALTER TABLE bulk_location DROP COLUMN condemned; ALTER TABLE pack DROP COLUMN removed;",
    "DROP TABLE reuse_decision; DROP TABLE decision_report; DROP TABLE decision_patient; DROP TABLE decision_study; DROP TABLE delivery; DROP TABLE ledger_entry; DROP TABLE ledger_line; DROP TABLE ledger_due;",
    "DROP INDEX study_person; ALTER TABLE study DROP COLUMN person_row; DROP INDEX exam_order_person; \
     ALTER TABLE exam_order DROP COLUMN person_row; DROP TABLE person_number; DROP TABLE stated_number; \
     DROP TABLE person; DROP TABLE collision; DROP INDEX facility_code_code; DROP INDEX patient_link_apart; \
     DROP INDEX patient_link_said; ALTER TABLE patient_link DROP COLUMN said; \
     ALTER TABLE patient_link DROP COLUMN time; ALTER TABLE patient_link DROP COLUMN apart; \
     ALTER TABLE study_variant DROP COLUMN name; ALTER TABLE study_variant DROP COLUMN identifiers;",
    "DROP TABLE study_evidence; DROP INDEX study_variant_patient; \
     DROP INDEX withdrawal_study; DROP INDEX study_to_examine; \
     ALTER TABLE study DROP COLUMN examined_generation;",
    "DROP TABLE exam_order; DROP TABLE report;",
    "DROP TABLE study_code; DROP TABLE study_code_value; DROP TABLE code_choice; DROP TABLE code_rule; \
     DROP INDEX study_to_code;",
    "DROP INDEX bulk_location_damaged;",
    "DROP TABLE subject; DROP TABLE statement; DROP TABLE withdrawal; DROP TABLE withdrawn; \
     DROP TABLE version_choice; DROP TABLE patient_link; DROP TABLE legal_hold; \
     DROP INDEX instance_not_served; DROP INDEX instance_hidden; ALTER TABLE instance DROP COLUMN hidden; \
     ALTER TABLE holding DROP COLUMN last_ms; ALTER TABLE holding DROP COLUMN hidden; \
     ALTER TABLE pending_holding DROP COLUMN last_ms; ALTER TABLE conflict DROP COLUMN resolved;",
    "DROP INDEX patient_key; ALTER TABLE patient DROP COLUMN key; ALTER TABLE frame_table DROP COLUMN pixels;",
];

/// An index of an earlier schema is brought up to date from the packs: what it derived is made again.
#[test]
fn an_index_of_an_earlier_schema_is_filled_again_from_the_packs() {
    // No PostgreSQL database has ever had one of these schemas.
    if crate::test_database::is_postgres() {
        return;
    }
    for versions_back in 1..=OLDER.len() {
        is_filled_again(&OLDER[..versions_back]);
    }
}

fn is_filled_again(older: &[&str]) {
    let mut world = World::new(31);
    world.start().unwrap();
    let sent = instance(31, Address::default(), 20_000);
    let digest = store(world.archive(), 0, &sent).unwrap().digest;
    world.stop();
    let connection = rusqlite::Connection::open(world.index()).unwrap();
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    connection.execute_batch(&older.concat()).unwrap();
    connection.pragma_update(None, "user_version", version - older.len() as i64).unwrap();
    drop(connection);
    let archive = world.start().unwrap();
    let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
    assert!(read(archive, &row).ends_with(&sent.data_set));
    let scope = indexer::db::Scope {
        study: row.study_uid.clone(),
        series: Some(row.series_uid.clone()),
        instance: Some(row.sop_instance),
    };
    assert_eq!(archive.db().frame_source(&scope).unwrap().unwrap().places.len(), 1);
    let metadata = archive.metadata(&row.study_uid, None, "/dicom-web").unwrap().unwrap();
    assert_eq!(metadata.instances(), 1);
}
