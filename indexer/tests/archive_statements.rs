//! Statements through a whole archive: what is withdrawn is gone from every answer, comes back as it should, and all of
//! it outlives losses of power and the index.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod archive_world;
mod test_database;

use archive_world::{World, store};
use fixtures::edited::{Edit, edited};
use fixtures::many::{Address, instance};
use fixtures::rng::Rng;
use fixtures::studies::Instance;
use indexer::archive::{Archive, Basis, Outcome, Said, StateError, StateErrorKind, Withdraw};
use indexer::db::{FacilityId, Scope, Stated};
use indexer::query::{GroupKey, Level, PatientScope, Query};
use indexer::statement::{Evidence, LegalHold, PatientLink, Reason, Resolution, State, Who};
use storage_config::{ContentHash, Uid};

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn who() -> Who {
    Who { name: "BS. Lê Thị Hạnh".into(), by: Evidence::Claimed }
}

fn withdrawal(of: &Instance, facility: Option<&str>, reason: Reason) -> Withdraw {
    Withdraw {
        id: None,
        study: uid(&of.study),
        series: None,
        sop_instance: None,
        facility: facility.map(str::to_owned),
        reason,
        text: String::new(),
        who: who(),
        why: "a test".into(),
    }
}

/// Everything that an answer may show of a study: QIDO-RS, WADO-RS, metadata, counts.
fn shown(archive: &Archive, study: &str) -> (usize, usize, usize, usize) {
    let db = archive.db();
    let mut query = Query::new(Level::Instance);
    query.key(0x0020_000D, study).unwrap();
    let found = db.query(&query).unwrap().rows.len();
    let scope = Scope { study: uid(study), series: None, instance: None };
    let wado = db.instances_of(&scope, None, 1000).unwrap().len();
    let metadata = archive.metadata(&scope.study, None, "http://x").unwrap();
    let metadata = metadata.map_or(0, |metadata| {
        let series = db.series_of(&scope.study).unwrap();
        assert!(!series.is_empty());
        drop(metadata);
        series.iter().map(|series| series.instances as usize).sum()
    });
    let mut query = Query::new(Level::Study);
    query.key(0x0020_000D, study).unwrap();
    let counted = db.query(&query).unwrap().rows.first().map_or(0, |row| {
        let count = &row.attributes["00201208"]["Value"][0];
        count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap() as usize
    });
    (found, wado, metadata, counted)
}

fn study_of(seed: u64, study: u64, n: u64) -> Vec<Instance> {
    (0..n).map(|number| instance(seed, Address { study, series: number % 2, number }, 3000)).collect()
}

fn rebuilt(world: &mut World) {
    let again = world.archive().rebuild(&mut |_, _| {}).unwrap();
    assert_eq!((again.unindexable, again.gaps), (0, 0));
}

#[test]
fn what_is_withdrawn_is_nowhere_and_a_later_store_shows_it_again() {
    let mut world = World::new(1);
    world.start().unwrap();
    let all = study_of(1, 0, 5);
    let other = study_of(1, 1, 2);
    let study = all[0].study.clone();
    let archive = world.archive().clone();
    let clinic = archive.facility("79001").unwrap();
    for one in all.iter().chain(&other) {
        store(&archive, clinic.0, one).unwrap();
    }
    let before = archive.db().series_states(&uid(&study), None).unwrap();
    assert_eq!(shown(&archive, &study), (5, 5, 5, 5));
    let patients = archive.db().totals().unwrap().patients;
    let stated = archive.withdraw(withdrawal(&all[0], None, Reason::Quality)).unwrap();
    assert_eq!(stated.version, Some(1));
    assert_eq!(shown(&archive, &study), (0, 0, 0, 0));
    assert_eq!(shown(&archive, &other[0].study), (2, 2, 2, 2));
    let totals = archive.db().totals().unwrap();
    assert_eq!((totals.instances, totals.withdrawn, totals.studies, totals.other_versions), (2, 5, 1, 0));
    assert!(totals.patients <= patients);
    // Nothing is left that could be withdrawn, and nobody learns whether there was.
    let again = archive.withdraw(withdrawal(&all[0], None, Reason::Quality)).unwrap_err();
    assert!(matches!(again, StateError::NotFound(_)), "{again}");

    // One comes again: it alone is shown, as a store and not as a duplicate.
    assert_eq!(store(&archive, clinic.0, &all[2]).unwrap().outcome, Outcome::Holding);
    assert_eq!(shown(&archive, &study), (1, 1, 1, 1));
    assert_eq!(store(&archive, clinic.0, &all[2]).unwrap().outcome, Outcome::Duplicate);
    let after = archive.db().series_states(&uid(&study), None).unwrap();
    let of = |uid: &Uid| before.iter().find(|state| state.series_uid == *uid).unwrap().generation;
    assert!(after.iter().all(|state| state.generation > of(&state.series_uid)), "{before:?} {after:?}");
    rebuilt(&mut world);
    assert_eq!(shown(&archive, &study), (1, 1, 1, 1));

    let id = stated.statement.subject.key;
    archive.restore(&id, None, who(), "by mistake".into()).unwrap();
    assert_eq!(shown(&archive, &study), (5, 5, 5, 5));
    let twice = archive.restore(&id, None, who(), "by mistake".into()).unwrap_err();
    assert_eq!(twice.kind(), StateErrorKind::Conflict);
    rebuilt(&mut world);
    assert_eq!(shown(&archive, &study), (5, 5, 5, 5));
    assert_eq!(archive.db().withdrawals(10, 0).unwrap().len(), 1);
}

#[test]
fn the_holding_of_one_facility_is_withdrawn_alone() {
    let mut world = World::new(2);
    world.start().unwrap();
    let all = study_of(2, 0, 3);
    let study = all[0].study.clone();
    let archive = world.archive().clone();
    let (one, two) = (archive.facility("79001").unwrap(), archive.facility("60152").unwrap());
    for instance in &all {
        store(&archive, one.0, instance).unwrap();
        store(&archive, two.0, instance).unwrap();
    }
    archive.withdraw(withdrawal(&all[0], Some("79001"), Reason::Duplicate)).unwrap();
    assert_eq!(shown(&archive, &study), (3, 3, 3, 3));
    let row = archive.db().versions(None, &uid(&all[0].sop_instance)).unwrap().remove(0).instance;
    let hidden: Vec<(FacilityId, bool)> =
        archive.db().holdings(row.id).unwrap().iter().map(|h| (h.facility, h.hidden)).collect();
    assert_eq!(hidden, [(one, true), (two, false)]);
    archive.withdraw(withdrawal(&all[0], Some("60152"), Reason::Duplicate)).unwrap();
    assert_eq!(shown(&archive, &study), (0, 0, 0, 0));
    store(&archive, two.0, &all[1]).unwrap();
    rebuilt(&mut world);
    assert_eq!(shown(&archive, &study), (1, 1, 1, 1));
    let unknown = archive.withdraw(withdrawal(&all[1], Some("1"), Reason::Duplicate)).unwrap_err();
    assert_eq!(unknown.kind(), StateErrorKind::Invalid);
}

#[test]
fn what_was_rejected_for_patient_safety_stays_hidden_and_is_told_of() {
    let mut world = World::new(3);
    world.start().unwrap();
    let all = study_of(3, 0, 2);
    let study = all[0].study.clone();
    let archive = world.archive().clone();
    for instance in &all {
        store(&archive, 0, instance).unwrap();
    }
    let stated = archive.withdraw(withdrawal(&all[0], None, Reason::PatientSafety)).unwrap();
    for facility in [0, 0, 7] {
        // The sender is told of success: its instance is kept.
        store(&archive, facility, &all[0]).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(shown(&archive, &study), (0, 0, 0, 0));
        let told = archive.db().arrived_after_rejection(10, 0).unwrap();
        let facilities: Vec<u32> = told.iter().map(|arrival| arrival.facility.0).collect();
        assert_eq!(facilities.len(), 2, "{told:?}");
        assert!(facilities.contains(&0) && facilities.contains(&7));
        assert!(told.iter().all(|arrival| arrival.sop_instance == uid(&all[0].sop_instance)));
        assert_eq!(archive.db().totals().unwrap().sent_after_rejection, 1);
        rebuilt(&mut world);
    }
    archive.restore(&stated.statement.subject.key, None, who(), "checked".into()).unwrap();
    assert_eq!(shown(&archive, &study), (2, 2, 2, 2));
    assert_eq!(archive.db().arrived_after_rejection(10, 0).unwrap(), []);
}

#[test]
fn a_version_that_was_chosen_is_served_and_its_conflict_is_resolved() {
    let mut world = World::new(4);
    world.start().unwrap();
    let first = instance(4, Address::default(), 6000);
    let edit = Edit::corrected("TRAN^THI MAU", "P-KHAC");
    let second = edited(&first, &edit).unwrap();
    let archive = world.archive().clone();
    for one in [&first, &second] {
        store(&archive, 0, one).unwrap();
    }
    let names = (&uid(&first.study), &uid(&first.series), &uid(&first.sop_instance));
    let versions = archive.db().versions(None, names.2).unwrap();
    let digests: Vec<ContentHash> = versions.iter().map(|v| v.instance.digest).collect();
    assert_eq!(archive.db().conflicts(10, 0).unwrap().len(), 1);
    let choose = |digest, based_on| {
        let said = (who(), "the corrected name".to_owned());
        archive.serve_version(names, (digest, Resolution::Correction), (None, based_on), said)
    };
    assert_eq!(choose(ContentHash::of(b"x"), Basis::Current).unwrap_err().kind(), StateErrorKind::NotFound);
    choose(digests[1], Basis::Exactly(None)).unwrap();
    let served = |archive: &Archive| archive.db().versions(None, names.2).unwrap()[0].instance.digest;
    for _ in 0..2 {
        assert_eq!(served(&archive), digests[1]);
        assert_eq!(archive.db().conflicts(10, 0).unwrap(), []);
        let resolved = archive.db().resolved_conflicts(10, 0).unwrap();
        assert_eq!((resolved.len(), resolved[0].resolved), (1, Some(Resolution::Correction)));
        assert_eq!(archive.db().totals().unwrap().conflicts, 0);
        rebuilt(&mut world);
    }
    // Somebody who has not seen that is told so.
    let stale = choose(digests[0], Basis::Exactly(None)).unwrap_err();
    assert!(matches!(stale, StateError::Version { current: Some(1) }), "{stale}");
    // A version that nobody has looked at is a conflict again, and does not take the place of the chosen one.
    let third = edited(&first, &Edit::corrected("TRAN^THI NAM", "P-KHAC")).unwrap();
    store(&archive, 0, &third).unwrap();
    for _ in 0..2 {
        assert_eq!(served(&archive), digests[1]);
        assert_eq!(archive.db().conflicts(10, 0).unwrap().len(), 1);
        assert_eq!(archive.db().resolved_conflicts(10, 0).unwrap().len(), 1);
        rebuilt(&mut world);
    }
    choose(digests[0], Basis::Exactly(Some(1))).unwrap();
    assert_eq!(served(&archive), digests[0]);
    assert_eq!(archive.db().conflicts(10, 0).unwrap(), []);
}

fn patient_of(archive: &Archive, study: &str) -> GroupKey {
    let mut query = Query::new(Level::Study);
    query.key(0x0020_000D, study).unwrap();
    archive.db().query(&query).unwrap().rows[0].patient.unwrap()
}

fn seen_by(archive: &Archive, key: GroupKey) -> usize {
    let mut query = Query::new(Level::Study);
    query.scope = PatientScope::Group(archive.db().identity_group(&[key]).unwrap().unwrap());
    archive.db().query(&query).unwrap().rows.len()
}

fn link(archive: &Archive, one: GroupKey, other: GroupKey, linked: bool) -> Result<Stated, StateError> {
    let link = PatientLink { document: "CCCD".into(), ..PatientLink::between(one, other, linked) };
    archive.state(Said {
        id: None,
        key: link.key(),
        state: State::PatientLink(link),
        based_on: Basis::Current,
        who: who(),
        why: "the same CCCD".into(),
    })
}

#[test]
fn patients_are_one_person_while_they_are_linked() {
    let mut world = World::new(5);
    world.start().unwrap();
    let archive = world.archive().clone();
    let all: Vec<Instance> = (0..3)
        .map(|n| {
            let made = instance(5, Address { study: n, ..Address::default() }, 64);
            edited(&made, &Edit::corrected("NGUYEN^VAN AN", &format!("P-{n}"))).unwrap()
        })
        .collect();
    for one in &all {
        store(&archive, 0, one).unwrap();
    }
    let keys: Vec<GroupKey> = all.iter().map(|one| patient_of(&archive, &one.study)).collect();
    let seen = |archive: &Archive| keys.iter().map(|key| seen_by(archive, *key)).collect::<Vec<_>>();
    assert_eq!(seen(&archive), [1, 1, 1]);
    assert_eq!(link(&archive, keys[0], keys[0], true).unwrap_err().kind(), StateErrorKind::Invalid);
    let nobody: GroupKey = "00000000000000000000000000000001".parse().unwrap();
    assert_eq!(link(&archive, keys[0], nobody, true).unwrap_err().kind(), StateErrorKind::NotFound);
    link(&archive, keys[1], keys[0], true).unwrap();
    assert_eq!(seen(&archive), [2, 2, 1]);
    link(&archive, keys[1], keys[2], true).unwrap();
    rebuilt(&mut world);
    assert_eq!(seen(&archive), [3, 3, 3]);
    link(&archive, keys[0], keys[1], false).unwrap();
    assert_eq!(seen(&archive), [1, 2, 2]);
    rebuilt(&mut world);
    assert_eq!(seen(&archive), [1, 2, 2]);
    // Linked, parted and linked again: the state counts, not how often it was said.
    link(&archive, keys[0], keys[1], true).unwrap();
    assert_eq!(seen(&archive), [3, 3, 3]);
}

fn hold(archive: &Archive, study: &str, held: bool, id: &str) -> Result<Stated, StateError> {
    archive.state(Said {
        id: Some(id.into()),
        key: study.into(),
        state: State::LegalHold(LegalHold { held }),
        based_on: Basis::Current,
        who: who(),
        why: "a complaint".into(),
    })
}

#[test]
fn the_same_request_has_the_same_answer_and_another_under_its_id_is_refused() {
    let mut world = World::new(6);
    world.start().unwrap();
    let one = instance(6, Address::default(), 64);
    store(world.archive(), 0, &one).unwrap();
    let first = hold(world.archive(), &one.study, true, "k1").unwrap();
    let records =
        |world: &World| world.archive().db().packs().unwrap().iter().map(|p| p.checkpoint).sum::<u64>();
    let before = records(&world);
    assert_eq!(hold(world.archive(), &one.study, true, "k1").unwrap(), first);
    assert!(matches!(hold(world.archive(), &one.study, false, "k1"), Err(StateError::IdTaken)));
    assert_eq!(records(&world), before, "a repeated request was written");
    assert_eq!(hold(world.archive(), "1.2.3", true, "k2").unwrap_err().kind(), StateErrorKind::NotFound);
    rebuilt(&mut world);
    assert_eq!(hold(world.archive(), &one.study, true, "k1").unwrap(), first);
    // A withdrawal asked twice is one, although nothing is left to withdraw the second time.
    let request = Withdraw { id: Some("w1".into()), ..withdrawal(&one, None, Reason::Quality) };
    let first = world.archive().withdraw(request.clone()).unwrap();
    assert_eq!(world.archive().withdraw(request.clone()).unwrap(), first);
    let other = Withdraw { reason: Reason::Duplicate, ..request };
    assert!(matches!(world.archive().withdraw(other), Err(StateError::IdTaken)));
    assert!(world.archive().db().is_held(&uid(&one.study)).unwrap(), "a hold outlives a withdrawal");
}

#[test]
fn many_at_once_on_one_subject_all_count_in_turn() {
    let mut world = World::new(7);
    world.start().unwrap();
    let one = instance(7, Address::default(), 64);
    store(world.archive(), 0, &one).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (archive, study) = (world.archive().clone(), one.study.clone());
            scope.spawn(move || {
                for n in 0..5 {
                    let stated = hold(&archive, &study, n % 2 == 0, &format!("{thread}-{n}")).unwrap();
                    assert!(stated.version.is_some(), "superseded");
                }
            });
        }
    });
    let row = world.archive().db().subject(indexer::statement::Kind::LegalHold, &one.study).unwrap().unwrap();
    assert_eq!(row.version, Some(20));
}

/// A client that heard nothing sends its request again while the first is under way: all of them have one answer.
#[test]
fn the_same_request_many_times_at_once_is_one_statement() {
    let mut world = World::new(8);
    world.start().unwrap();
    for study in 0..60 {
        let one = &study_of(8, study, 1)[0];
        store(world.archive(), 0, one).unwrap();
        let at_once = |what: &(dyn Fn(&Archive) -> Result<Stated, StateError> + Sync)| {
            let start = std::sync::Barrier::new(4);
            let answers: Vec<_> = std::thread::scope(|scope| {
                let ask = || {
                    start.wait();
                    what(world.archive())
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let first = answers[0].as_ref().unwrap();
            for answer in &answers {
                assert_eq!(answer.as_ref().unwrap(), first, "study {study}");
            }
            first.clone()
        };
        let id = Some(format!("withdraw-{study}"));
        let request = Withdraw { id, ..withdrawal(one, None, Reason::Quality) };
        let stated = at_once(&|archive| archive.withdraw(request.clone()));
        let (key, id) = (&stated.statement.subject.key, format!("restore-{study}"));
        let restored = at_once(&|archive| archive.restore(key, Some(id.clone()), who(), "by mistake".into()));
        assert_eq!((stated.version, restored.version), (Some(1), Some(2)));
        assert_eq!(shown(world.archive(), &one.study), (1, 1, 1, 1));
    }
}

/// What was acknowledged is there after losses of power and kills, and says the same after a rebuild.
#[test]
fn statements_that_were_acknowledged_outlive_losses_of_power() {
    let seed = std::env::var("TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    });
    println!("TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    // A database on a server keeps its rows when the power of this machine goes, whatever the packs lose.
    let on_a_server = crate::test_database::is_postgres();
    let lived = (0..if on_a_server { 8 } else { 40 }).all(|_| outlives(rng.next_u64(), false));
    assert!(lived, "an acknowledged statement was lost");
    let noticed = on_a_server || (0..200).any(|_| !outlives(rng.next_u64(), true));
    assert!(noticed, "nothing notices that statements are not synced");
}

/// One archive through a few ends of its process; with `lie` the group's syncs do nothing. Whether all was there.
fn outlives(seed: u64, lie: bool) -> bool {
    let mut rng = Rng::new(seed);
    let mut world = World::new(seed);
    let all = study_of(seed, 0, 6);
    let study = uid(&all[0].study);
    world.start().unwrap();
    for one in &all {
        store(world.archive(), 0, one).unwrap();
    }
    world.stop();
    let mut said: Vec<Stated> = Vec::new();
    for round in 0..3 {
        if lie {
            world.disk.ignore_sync(storage_config::disk::SyncPoint::Group);
        }
        if world.start().is_err() {
            return false;
        }
        let archive = world.archive().clone();
        for n in 0..rng.below(6) {
            let id = format!("{round}-{n}");
            let stated = match rng.below(3) {
                0 => hold(&archive, study.as_str(), rng.one_in(2), &id).ok(),
                1 => {
                    let one = rng.pick(&all);
                    let sop_instance = Some(uid(&one.sop_instance));
                    let request =
                        Withdraw { id: Some(id), sop_instance, ..withdrawal(one, None, Reason::Quality) };
                    archive.withdraw(request).ok()
                }
                _ => {
                    let one = rng.pick(&all);
                    store(&archive, 0, one).unwrap();
                    None
                }
            };
            said.extend(stated);
        }
        if rng.one_in(3) { world.kill() } else { world.power_loss(&mut rng) }
    }
    if world.start().is_err() {
        return false;
    }
    let there = |world: &World| {
        said.iter().all(|stated| {
            world.archive().db().statement(&stated.statement.id).unwrap().as_ref() == Some(stated)
        })
    };
    let before = (
        there(&world),
        shown(world.archive(), study.as_str()),
        world.archive().db().is_held(&study).unwrap(),
    );
    if !lie {
        rebuilt(&mut world);
        let after = (
            there(&world),
            shown(world.archive(), study.as_str()),
            world.archive().db().is_held(&study).unwrap(),
        );
        assert_eq!(before, after, "seed {seed}");
    }
    before.0
}
