//! Verification: every flipped bit that carries anything is found, nothing of it is served, good copies repair.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::path::{Path, PathBuf};
use std::time::Duration;

use archive_world::{PACKS, World, instances, read, store};
use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use indexer::archive::{Archive, KeepVerified, VerifyJob, VerifyProgress, VerifyReport, Withdraw};
use indexer::db::{InstanceRow, SeriesVerified};
use indexer::statement::{Reason, Who};
use storage_config::pack::{FILE_HEADER_LENGTH, PackReader, Scanned, Verify, scan};
use storage_config::{ContentHash, Uid};

const FLIPS: usize = 1000;
const REPLICA: &str = "/replica";

fn seed() -> u64 {
    let given = std::env::var("TEST_SEED").ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    })
}

fn verify(archive: &Archive, job: &VerifyJob) -> VerifyReport {
    archive.verify(job, &|| false, &mut |_: &VerifyProgress| {}).unwrap()
}

fn packs(world: &World) -> Vec<PathBuf> {
    world.disk.files().into_iter().filter(|path| path.starts_with(PACKS)).collect()
}

/// Keeps a copy of all packs beside them.
fn replicate(world: &World) {
    for path in packs(world) {
        let copy = Path::new(REPLICA).join(path.file_name().unwrap());
        world.disk.put(&copy, &world.disk.contents(&path).unwrap());
    }
}

/// The bytes of a pack that carry nothing: what fills a body up to a multiple of 8.
fn padding(world: &World, path: &Path) -> Vec<std::ops::Range<u64>> {
    let reader = PackReader::open(&world.disk.disk(), path).unwrap();
    let mut all = Vec::new();
    let mut add = |offset: u64, stored: u64| {
        let body = offset + 128 + stored;
        all.push(body..body.next_multiple_of(8));
    };
    for found in scan(&reader, FILE_HEADER_LENGTH, Verify::Bodies) {
        match found.unwrap() {
            Scanned::Record(record) => add(record.offset, record.stored_length),
            Scanned::Sealed { at, .. } => add(at, reader.seal().unwrap().unwrap().stored_length),
            other => panic!("{other:?}"),
        }
    }
    all
}

/// Reads an instance; none when that fails on the way.
fn try_read(archive: &Archive, row: &InstanceRow) -> Option<Vec<u8>> {
    let mut reader = archive.read(row).ok()?;
    let mut out = Vec::new();
    loop {
        match reader.next_chunk() {
            Ok(Some(bytes)) => out.extend(bytes),
            Ok(None) => return Some(out),
            Err(_) => return None,
        }
    }
}

struct Sent {
    instance: Instance,
    digest: ContentHash,
}

/// A world with sealed packs: instances, holdings of two facilities and a few statements.
fn filled(seed: u64, count: u64) -> (World, Vec<Sent>) {
    let mut world = World::new(seed);
    world.start().unwrap();
    let archive = world.archive();
    let mut sent = Vec::new();
    for (n, instance) in instances(seed, count).into_iter().enumerate() {
        let digest = store(archive, 0, &instance).unwrap().digest;
        if n % 3 == 0 {
            store(archive, 1, &instance).unwrap();
        }
        sent.push(Sent { instance, digest });
    }
    for code in ["01001", "01002", "01003"] {
        archive.facility(code).unwrap();
    }
    world.stop();
    (world, sent)
}

#[test]
fn every_flipped_bit_is_found_none_is_served_and_a_replica_repairs() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let (mut world, sent) = filled(seed, 400);
    replicate(&world);
    let files = packs(&world);
    let sizes: Vec<u64> = files.iter().map(|path| world.disk.contents(path).unwrap().len() as u64).collect();
    let idle: Vec<_> = files.iter().map(|path| padding(&world, path)).collect();
    let mut flips = Vec::new();
    while flips.len() < FLIPS {
        let mut at = rng.below(sizes.iter().sum());
        let n = sizes.iter().position(|size| at.checked_sub(*size).map(|rest| at = rest).is_none()).unwrap();
        if !flips.contains(&(n, at)) {
            world.disk.flip_bit(&files[n], at, rng.below(8) as u8).unwrap();
            flips.push((n, at));
        }
    }
    world.start().unwrap();
    let archive = world.archive();
    let report = verify(archive, &VerifyJob::default());
    assert!(report.damaged > 0 && !report.is_whole() && report.repaired <= 3, "{report:?}");
    let ids: Vec<_> = files
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            archive.db().packs().unwrap().into_iter().find(|row| row.name == name).unwrap().id
        })
        .collect();
    let mut carries_nothing = 0;
    for (n, at) in &flips {
        let listed = archive.db().damaged_records_of(ids[*n]).unwrap();
        let found = listed.iter().any(|r| (r.place.offset..r.place.offset + r.place.length).contains(at));
        if !found {
            assert!(idle[*n].iter().any(|range| range.contains(at)), "not found: pack {n}, byte {at}");
            println!("in bytes that carry nothing: pack {n}, byte {at}");
            carries_nothing += 1;
        }
    }
    println!(
        "{FLIPS} flips, {carries_nothing} of them in bytes that carry nothing; {} stretches",
        report.damaged
    );
    let mut unreadable = 0;
    for one in &sent {
        let row = archive.db().instance_by_digest(&one.digest).unwrap().unwrap();
        match try_read(archive, &row) {
            Some(bytes) => assert!(bytes.ends_with(&one.instance.data_set), "altered bytes were served"),
            None => unreadable += 1,
        }
    }
    assert!(unreadable > 0, "a thousand flips and nothing is unreadable");

    // The replica repairs all of it.
    world.stop();
    world.replica = Some(REPLICA.into());
    world.start().unwrap();
    let report = verify(world.archive(), &VerifyJob { from_start: true, ..VerifyJob::default() });
    assert!(report.repaired > 0, "{report:?}");
    for found in report.found.iter().filter(|found| !found.whole_elsewhere) {
        println!("{found:?}");
        let ends = found.what.starts_with("seal") || found.offset == 0 || found.what.starts_with("stretch");
        assert!(ends, "not repaired: {found:?}");
    }
    all_is_there(world.archive(), &sent);
    println!("rebuild");
    // Also without the index.
    world.archive().rebuild(&mut |_, _| {}).unwrap();
    all_is_there(world.archive(), &sent);
}

fn all_is_there(archive: &Archive, sent: &[Sent]) {
    for one in sent {
        let row = archive.db().instance_by_digest(&one.digest).unwrap().expect("the instance");
        assert!(read(archive, &row).ends_with(&one.instance.data_set));
    }
    assert_eq!(archive.db().facility_codes().unwrap().len(), 3);
}

/// Waits until all series of a study were verified at their generation.
fn wait_for(archive: &Archive, study: &Uid, good: impl Fn(&SeriesVerified) -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let all = archive.db().series_verified(study).unwrap();
        if !all.is_empty() && all.iter().all(|one| one.generation == one.verified_generation && good(one)) {
            return;
        }
        assert!(std::time::Instant::now() < until, "{all:?}");
        std::thread::yield_now();
    }
}

const AT_ONCE: KeepVerified =
    KeepVerified { bytes_per_second: 1 << 40, every_days: 0, quiet: Duration::from_secs(0) };

#[test]
fn a_quiet_study_is_verified_and_a_good_copy_that_is_sent_again_repairs_it() {
    for damaged_part in ["bulk value", "instance"] {
        let mut world = World::new(5);
        world.start().unwrap();
        let sent = instance(5, Address::default(), 30_000);
        let digest = store(world.archive(), 0, &sent).unwrap().digest;
        world.stop();
        let archive = world.start().unwrap().clone();
        archive.keep_verified(AT_ONCE).unwrap();
        let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
        wait_for(&archive, &row.study_uid, |one| one.intact && one.verified_at_ms.is_some());
        let path = packs(&world).into_iter().max_by_key(|p| world.disk.contents(p).unwrap().len()).unwrap();
        let at = if damaged_part == "instance" { row.place.offset + 140 } else { row.place.offset - 400 };
        world.disk.flip_bit(&path, at, 3).unwrap();
        // Nothing has noticed yet; a pass does.
        let report = verify(&archive, &VerifyJob::default());
        assert_eq!((report.damaged, report.whole_elsewhere), (1, 0), "{report:?}");
        assert!(report.found[0].what.starts_with(damaged_part), "{report:?}");
        wait_for(&archive, &row.study_uid, |one| !one.intact);
        assert!(try_read(&archive, &row).is_none());
        // The same instance again, from the same facility.
        let again = store(&archive, 0, &sent).unwrap();
        assert_eq!(again.digest, digest);
        wait_for(&archive, &row.study_uid, |one| one.intact);
        let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
        assert!(read(&archive, &row).ends_with(&sent.data_set));
        assert_eq!(archive.db().holdings(row.id).unwrap().len(), 1);
        archive.rebuild(&mut |_, _| {}).unwrap();
        let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
        assert!(read(&archive, &row).ends_with(&sent.data_set));
    }
}

#[test]
fn a_damaged_statement_is_written_again_from_the_index() {
    let mut world = World::new(6);
    let archive = world.start().unwrap();
    let sent = instance(6, Address::default(), 3000);
    let digest = store(archive, 0, &sent).unwrap().digest;
    let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
    archive
        .withdraw(Withdraw {
            id: None,
            study: row.study_uid.clone(),
            series: None,
            sop_instance: None,
            facility: None,
            reason: Reason::Quality,
            text: String::new(),
            who: Who::system(),
            why: "unsharp".into(),
        })
        .unwrap();
    world.stop();
    let path = packs(&world).pop().unwrap();
    let reader = PackReader::open(&world.disk.disk(), &path).unwrap();
    let entry = *reader.seal_index().unwrap().unwrap().entries.last().unwrap();
    assert_eq!(entry.kind, storage_config::pack::Kind::Statement);
    world.disk.flip_bit(&path, entry.offset + 200, 1).unwrap();
    let archive = world.start().unwrap();
    let report = verify(archive, &VerifyJob::default());
    assert_eq!((report.damaged, report.repaired), (1, 1), "{report:?}");
    archive.rebuild(&mut |_, _| {}).unwrap();
    let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
    assert!(row.withdrawn, "the withdrawal is forgotten");
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped_also_after_a_restart() {
    let (mut world, _) = filled(7, 200);
    world.start().unwrap();
    let (all, mut runs, mut records) = (packs(&world).len() as u64, 0, 0);
    loop {
        let archive = world.archive();
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > 60
        };
        let report = archive.verify(&VerifyJob::default(), &stop, &mut |_| {}).unwrap();
        records += report.records;
        runs += 1;
        world.stop();
        world.start().unwrap();
        if !report.stopped {
            break;
        }
        assert!(runs < 1000, "no run comes to an end");
    }
    let known = world.archive().db().packs_verified().unwrap();
    assert!(runs > 2 && known.iter().all(|pack| pack.at_ms > 0 && pack.damaged == 0), "{runs} {known:?}");
    assert!(known.len() as u64 >= all);
    let whole = verify(world.archive(), &VerifyJob { from_start: true, ..VerifyJob::default() });
    println!("{runs} runs, {records} records; {} in one run", whole.records);
    assert!(records < whole.records * 2, "what was read was read again: {records} of {}", whole.records);
    let sample = verify(world.archive(), &VerifyJob { sample_percent: Some(20), ..VerifyJob::default() });
    assert!(sample.records > 0 && sample.records < whole.records / 2, "{}", sample.records);
}

#[test]
fn a_backup_is_compared() {
    let (mut world, _) = filled(8, 60);
    replicate(&world);
    world.start().unwrap();
    let against = VerifyJob { against: Some(REPLICA.into()), ..VerifyJob::default() };
    let report = verify(world.archive(), &against);
    assert!(report.is_whole() && report.compared > 2, "{report:?}");
    let copies: Vec<PathBuf> =
        world.disk.files().into_iter().filter(|path| path.starts_with(REPLICA)).collect();
    world.disk.flip_bit(&copies[0], 5000, 0).unwrap();
    let short = world.disk.contents(&copies[1]).unwrap();
    world.disk.put(&copies[1], &short[..short.len() - 100]);
    world.disk.disk().remove(&copies[2]).unwrap();
    let report = verify(world.archive(), &against);
    let how: Vec<String> = report.differing.iter().map(|one| format!("{:?}", one.how)).collect();
    assert_eq!(how.len(), 3, "{report:?}");
    for wanted in ["Missing", "Shorter", "Damaged"] {
        assert!(how.iter().any(|how| how == wanted), "{wanted}: {how:?}");
    }
}
