//! Identity groups: an exact PatientID answers the whole group, and never another person with the same number.

#![allow(clippy::unwrap_used, reason = "tests")]

mod db_sample;
mod test_database;

use db_sample::{Fresh, SAMPLE, Sample, uid};
use indexer::db::Db;
use indexer::query::{GroupKey, Level, PatientScope, Query};

/// P1 at facility 1 (studies 1 and 2), another P1 at facility 2 (study 3), P9 at facility 2 (study 4).
fn filled() -> Fresh {
    let fresh = Fresh::new();
    let one = |study, sop, facility, patient_id, date| Sample {
        study,
        sop,
        bulk: sop,
        facility,
        patient_id,
        date,
        ..SAMPLE
    };
    fresh.store(&[
        one(1, 1, 1, "P1", "20260101"),
        one(2, 2, 1, "P1", "20260103"),
        one(3, 3, 2, "P1", "20260102"),
        one(4, 4, 2, "P9", "20260104"),
    ]);
    fresh
}

fn key(db: &Db, study: u32) -> GroupKey {
    let mut query = Query::new(Level::Study);
    query.key(0x0020_000D, &format!("1.2.3.{study}")).unwrap();
    db.query(&query).unwrap().rows[0].patient.unwrap()
}

fn found(db: &Db, keys: &[GroupKey], level: Level, asked: &[(u32, &str)]) -> Vec<String> {
    let mut query = Query::new(level);
    query.scope = PatientScope::Group(db.identity_group(keys).unwrap().unwrap());
    for (tag, value) in asked {
        assert!(query.key(*tag, value).unwrap());
    }
    db.query(&query).unwrap().rows.iter().map(|row| row.study_uid.to_string()).collect()
}

const PATIENT_ID: u32 = 0x0010_0020;

#[test]
fn a_group_of_two_patients_is_one_person() {
    let fresh = filled();
    let db = &fresh.db;
    let group = [key(db, 1), key(db, 4)];
    for id in ["P1", "P9"] {
        for level in [Level::Study, Level::Series, Level::Instance] {
            let studies = found(db, &group, level, &[(PATIENT_ID, id)]);
            assert_eq!(studies, ["1.2.3.4", "1.2.3.2", "1.2.3.1"], "{id} {level:?}");
        }
    }
    assert_eq!(found(db, &group, Level::Study, &[]).len(), 3);
    assert_eq!(found(db, &group, Level::Study, &[(PATIENT_ID, "P2")]), [""; 0]);
    // A pattern asks for numbers that look so; it is no name of the group.
    assert_eq!(found(db, &group, Level::Study, &[(PATIENT_ID, "P9*")]), ["1.2.3.4"]);
    let both = [(PATIENT_ID, "P9"), (0x0008_0020, "20260102-")];
    assert_eq!(found(db, &group, Level::Study, &both), ["1.2.3.4", "1.2.3.2"]);
    let known = db.identity_group(&group).unwrap().unwrap();
    for (study, of_group) in [(1, true), (2, true), (3, false), (4, true), (9, false)] {
        let study = uid(&format!("1.2.3.{study}"));
        assert_eq!(db.group_has_study(&known, &study).unwrap(), of_group, "{study}");
    }
}

#[test]
fn a_stranger_with_the_same_number_is_never_found() {
    let fresh = filled();
    let db = &fresh.db;
    assert_ne!(key(db, 1), key(db, 3));
    assert_eq!(found(db, &[key(db, 3)], Level::Study, &[(PATIENT_ID, "P1")]), ["1.2.3.3"]);
    assert_eq!(found(db, &[key(db, 1)], Level::Study, &[(PATIENT_ID, "P1")]), ["1.2.3.2", "1.2.3.1"]);
    assert_eq!(found(db, &[key(db, 1)], Level::Study, &[(0x0020_000D, "1.2.3.3")]), [""; 0]);
    assert_eq!(found(db, &[key(db, 1)], Level::Study, &[(0x0008_0018, "1.2.4.3")]), [""; 0]);
    assert_eq!(found(db, &[key(db, 1)], Level::Study, &[(0x0010_0010, "*an*")]).len(), 2);
}

#[test]
fn keys_outlive_the_rows() {
    let fresh = filled();
    let before: Vec<GroupKey> = (1..=4).map(|study| key(&fresh.db, study)).collect();
    let again = Fresh::new();
    again.store(&[Sample { study: 3, sop: 3, bulk: 3, facility: 2, patient_id: "P1", ..SAMPLE }]);
    assert_eq!(key(&again.db, 3), before[2]);
    assert_eq!(again.db.identity_group(&before[..2]).unwrap(), None);
}
