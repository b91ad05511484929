//! Who is no candidate because of somebody else of the group, and orders whose numbers count orders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod db_sample;
mod test_database;

use db_sample::{Fresh, SAMPLE, Sample, study_uid};
use indexer::db::{Batch, Db, DbOptions, Entry, Place};
use indexer::identity::{FacilityRule, Ground, IdentifierKind, IdentityRules};
use indexer::query::{GroupKey, Level, PatientScope, Query};
use indexer::statement::{
    HybridTime, Order, OrderedFor, OrderedIdentifier, OrderedItem, PatientLink, State, Statement, Subject,
    Who,
};
use storage_config::ContentHash;

/// A made-up woman born on 17 March 1985; her number tells century, sex and year.
const NUMBER: &str = "001185012345";
const CCCD: &[(&str, &str)] = &[(NUMBER, "CCCD")];

/// A study of hers at a facility.
fn hers(study: u32, facility: u32, patient_id: &'static str) -> Sample {
    Sample {
        study,
        series: study,
        sop: study,
        bulk: study,
        facility,
        patient_id,
        name: "NGUYỄN THỊ AN",
        birth_date: "19850317",
        sex: "F",
        received_ms: SAMPLE.received_ms + i64::from(study),
        ..SAMPLE
    }
}

fn evidenced(sample: Sample) -> Sample {
    Sample { other: CCCD, ..sample }
}

fn key(db: &Db, study: u32) -> GroupKey {
    let mut query = Query::new(Level::Study);
    query.key(0x0020_000D, study_uid(study).as_str()).unwrap();
    db.query(&query).unwrap().rows[0].patient.unwrap()
}

/// The studies that are of one person with a study, as the viewer and searches below its patient see them.
fn seen(db: &Db, study: u32) -> Vec<u32> {
    let mut query = Query::new(Level::Study);
    query.scope = PatientScope::Group(db.identity_group(&[key(db, study)]).unwrap().unwrap());
    let rows = db.query(&query).unwrap().rows;
    let mut seen: Vec<u32> =
        rows.iter().map(|row| row.study_uid.as_str().rsplit('.').next().unwrap().parse().unwrap()).collect();
    seen.sort_unstable();
    seen
}

fn offered(db: &Db, study: u32) -> Vec<(GroupKey, Vec<Ground>)> {
    let kin = db.kin(&key(db, study)).unwrap().unwrap();
    db.candidates(&kin).unwrap().into_iter().map(|one| (one.record.key, one.grounds)).collect()
}

fn statement(n: u32, key: String, state: State, based_on: Option<u64>) -> Statement {
    Statement {
        id: format!("s{n}"),
        writer: 1,
        time: HybridTime::new(u64::from(n), 0).unwrap(),
        subject: Subject { kind: state.kind(), key },
        based_on,
        state,
        who: Who::system(),
        why: String::new(),
        asked: ContentHash::of(b"asked"),
    }
}

fn entry(fresh: &Fresh, statement: Statement) -> Entry {
    statement.check().unwrap();
    let place = Place { pack: fresh.db.pack_id("said").unwrap(), offset: 0, length: 9 };
    Entry::Statement { place, statement: Box::new(statement), later: false }
}

fn say(fresh: &Fresh, statement: Statement) {
    let entries = vec![entry(fresh, statement)];
    fresh.db.apply(&Batch { entries, ..Batch::default() }).unwrap();
}

fn link(fresh: &Fresh, n: u32, (one, other): (GroupKey, GroupKey), linked: bool, based_on: Option<u64>) {
    let link = PatientLink::between(one, other, linked);
    say(fresh, statement(n, link.key(), State::PatientLink(link), based_on));
}

fn ordered(facility: u32, patient_id: &str, accession: &str, number: &str) -> Order {
    Order {
        facility: Some(facility),
        accession: accession.into(),
        patient: OrderedFor {
            patient_id: patient_id.into(),
            name: "Nguyen Thi An".into(),
            birth_date: "1985-03-17".into(),
            sex: "F".into(),
            identifiers: vec![OrderedIdentifier {
                kind: IdentifierKind::PersonalNumber,
                value: number.into(),
                whose: Default::default(),
            }],
            ..OrderedFor::default()
        },
        exams: vec![OrderedItem { name: "CT".into(), ..OrderedItem::default() }],
        ..Order::default()
    }
}

#[test]
fn who_cannot_be_one_person_with_a_member_is_no_candidate() {
    const OTHER: &[(&str, &str)] = &[("001185099999", "CCCD")];
    let fresh = Fresh::new();
    fresh.store(&[
        hers(1, 1, "P1"),
        evidenced(hers(2, 1, "P1")),
        Sample { other: OTHER, ..hers(3, 3, "R1") },
        hers(4, 4, "S1"),
        evidenced(hers(5, 5, "T1")),
    ]);
    let db = &fresh.db;
    assert_eq!(seen(db, 1), [1, 2, 5]);
    // The saying of study 1 evidences no number; that of study 2, which is the same person's, does.
    assert_eq!(offered(db, 1).iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key(db, 4)]);
    // Parted from a member that is linked by its number alone.
    let numbers = [4, 5].map(|study| db.person(&key(db, study)).unwrap().unwrap().number);
    link(&fresh, 1, (numbers[0], numbers[1]), false, None);
    assert_eq!(offered(db, 1), []);
}

#[test]
fn a_number_that_counts_orders_is_a_persons_only_with_name_and_birth_date() {
    let rule = FacilityRule { counts_orders: true, ..FacilityRule::default() };
    let mut rules = (*IdentityRules::shipped()).clone();
    rules.facilities.insert("01001".into(), rule);
    let fresh = Fresh::with(DbOptions { identity: rules.into(), ..DbOptions::default() });
    let code = indexer::statement::Facility {
        codes: vec![indexer::statement::DatedCode { code: "01001".into(), from: "00000000".into() }],
    };
    say(&fresh, statement(99, "1".into(), State::Facility(code), None));
    let counted = |study, accession, scope, name, birth_date| Sample {
        accession,
        scope,
        name,
        birth_date,
        ..hers(study, 1, "00000017")
    };
    fresh.store(&[
        counted(1, "A1", "order:A1", "NGUYEN THI AN", "19850317"),
        counted(2, "A2", "order:A2", "NGUYEN THI HOA", ""),
    ]);
    let db = &fresh.db;
    let order = |n, accession: &str, name: &str, birth_date: &str| {
        let mut made = ordered(1, "00000017", accession, NUMBER);
        made.patient.identifiers.clear();
        made.patient.name = name.into();
        made.patient.birth_date = birth_date.into();
        say(&fresh, statement(n, format!("o{n}"), State::Order(Box::new(made)), None));
        let kin = db.kin_of_order(&format!("o{n}")).unwrap().unwrap();
        let same = kin.members.iter().filter(|member| member.record.has_study).count();
        (usize::from(kin.anchor.has_study) + same, kin.clashing.len())
    };
    assert_eq!(order(1, "A1", "Nguyen Thi An", "1985-03-17"), (1, 0), "the study of this very order");
    assert_eq!(order(2, "B2", "Nguyen Thi An", "1985-03-17"), (1, 0), "the same person orders again");
    assert_eq!(
        order(3, "B3", "Nguyen Thi Hoa", ""),
        (0, 0),
        "the number was given to somebody else of that name"
    );
    assert_eq!(order(4, "B4", "", ""), (0, 0), "nobody");
    assert_eq!(order(5, "B5", "Tran Van Ba", "1970-02-03"), (0, 0), "a stranger, and no collision");
    assert_eq!((seen(db, 1), seen(db, 2)), (vec![1], vec![2]));
}
