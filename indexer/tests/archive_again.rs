//! What a later process knows better than the index it finds: packs that are gone, rules that came after what they are
//! about, records that the index refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use archive_world::{PACKS, of_patient, read, small_limits, store};
use fixtures::many::{Address, instance};
use indexer::archive::{Archive, ArchiveOptions, Recovered};
use indexer::db::{Db, DbOptions};
use indexer::identity::{FacilityRule, IdentityRules};
use storage_config::Uid;
use storage_config::config::ScanLimits;
use storage_config::disk::SimulatedDisk;

fn now_ms() -> i64 {
    static TICKS: AtomicI64 = AtomicI64::new(1_763_700_000_000);
    TICKS.fetch_add(1, Ordering::SeqCst)
}

fn open(disk: &Arc<SimulatedDisk>, index: &Path, identity: &IdentityRules) -> (Archive, Recovered) {
    let options = DbOptions { identity: identity.clone().into(), ..DbOptions::default() };
    let options = (
        Db::open(index, options).unwrap(),
        ArchiveOptions {
            disk: disk.disk(),
            packs_dir: PACKS.into(),
            cache_dir: None,
            replica: None,
            writer: 1,
            scan: ScanLimits::default(),
            store: small_limits(),
            now_ms,
        },
    );
    Archive::open(options.1, options.0).unwrap()
}

#[test]
fn what_was_in_a_pack_that_is_gone_is_taken_in_again() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::new(9));
    let (index, rules) = (dir.path().join("a.sqlite"), IdentityRules::shipped());
    let sent = instance(3, Address { study: 1, ..Address::default() }, 6000);
    let (archive, _) = open(&disk, &index, &rules);
    let digest = store(&archive, 1, &sent).unwrap().digest;
    let place = archive.db().instance_by_digest(&digest).unwrap().unwrap().place;
    let pack = archive.db().packs().unwrap().into_iter().find(|pack| pack.id == place.pack).unwrap();
    archive.close();
    disk.disk().remove(&Path::new(PACKS).join(format!("{}.pack", pack.name))).unwrap();
    let (archive, recovered) = open(&disk, &index, &rules);
    assert_eq!((recovered.missing, archive.missing_packs().unwrap()), (1, 1));
    store(&archive, 1, &sent).unwrap();
    let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
    assert!(read(&archive, &row).ends_with(&sent.data_set));
    archive.close();
    // And the process after that finds it where it is now.
    let (archive, _) = open(&disk, &index, &rules);
    let row = archive.db().instance_by_digest(&digest).unwrap().unwrap();
    assert!(read(&archive, &row).ends_with(&sent.data_set));
    archive.close();
}

#[test]
fn a_rule_about_a_facility_holds_as_well_for_an_index_that_is_made_again() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::new(9));
    let mut rules = (*IdentityRules::shipped()).clone();
    let rule = FacilityRule { temporary_ids: vec!["CC".into()], ..FacilityRule::default() };
    rules.facilities.insert("01001".into(), rule);
    let (archive, _) = open(&disk, &dir.path().join("a.sqlite"), &rules);
    let facility = archive.facility("01001").unwrap();
    for n in [1, 2] {
        store(&archive, facility.0, &of_patient(n, "NGUYEN^VAN NAM", "CC01")).unwrap();
    }
    let study = |n: u32| Uid::parse(&format!("2.25.1{n}")).unwrap();
    let seen = |archive: &Archive| {
        let (key, _) = archive.db().keys_of_study(&study(1)).unwrap().unwrap();
        let group = archive.db().identity_group(&[key]).unwrap().unwrap();
        (key, [1, 2].map(|n| archive.db().group_has_study(&group, &study(n)).unwrap()))
    };
    let before = seen(&archive);
    assert_eq!(before.1, [true, false]);
    archive.close();
    let (archive, _) = open(&disk, &dir.path().join("b.sqlite"), &rules);
    assert_eq!(seen(&archive), before);
    archive.close();
}
