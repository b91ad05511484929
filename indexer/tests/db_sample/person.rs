//! Sayings of one made-up person, what people state of her, and who is one person with her by the index.

use indexer::db::{Batch, Db, Entry, Place};
use indexer::identity::{Ground, IdentifierKind};
use indexer::query::{GroupKey, Level, PatientScope, Query};
use indexer::statement::{
    HybridTime, Order, OrderedFor, OrderedIdentifier, OrderedItem, PatientLink, State, Statement, Subject,
    Who,
};
use storage_config::ContentHash;

use super::{Fresh, SAMPLE, Sample, study_uid};

/// A made-up woman born on 17 March 1985; her number tells century, sex and year.
pub const NUMBER: &str = "001185012345";
pub const CCCD: &[(&str, &str)] = &[(NUMBER, "CCCD")];

/// A study of hers at a facility.
pub fn hers(study: u32, facility: u32, patient_id: &'static str) -> Sample {
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

pub fn evidenced(sample: Sample) -> Sample {
    Sample { other: CCCD, ..sample }
}

pub fn key(db: &Db, study: u32) -> GroupKey {
    let mut query = Query::new(Level::Study);
    query.key(0x0020_000D, study_uid(study).as_str()).unwrap();
    db.query(&query).unwrap().rows[0].patient.unwrap()
}

/// The studies that are of one person with a study, as the viewer and searches below its patient see them.
pub fn seen(db: &Db, study: u32) -> Vec<u32> {
    let mut query = Query::new(Level::Study);
    query.scope = PatientScope::Group(db.identity_group(&[key(db, study)]).unwrap().unwrap());
    let rows = db.query(&query).unwrap().rows;
    let mut seen: Vec<u32> =
        rows.iter().map(|row| row.study_uid.as_str().rsplit('.').next().unwrap().parse().unwrap()).collect();
    seen.sort_unstable();
    seen
}

pub fn offered(db: &Db, study: u32) -> Vec<(GroupKey, Vec<Ground>)> {
    let kin = db.kin(&key(db, study)).unwrap().unwrap();
    db.candidates(&kin).unwrap().into_iter().map(|one| (one.record.key, one.grounds)).collect()
}

pub fn statement(n: u32, key: String, state: State, based_on: Option<u64>) -> Statement {
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

pub fn entry(fresh: &Fresh, statement: Statement) -> Entry {
    statement.check().unwrap();
    let place = Place { pack: fresh.db.pack_id("said").unwrap(), offset: 0, length: 9 };
    Entry::Statement { place, statement: Box::new(statement), later: false }
}

pub fn say(fresh: &Fresh, statement: Statement) {
    let entries = vec![entry(fresh, statement)];
    fresh.db.apply(&Batch { entries, ..Batch::default() }).unwrap();
}

pub fn link(fresh: &Fresh, n: u32, (one, other): (GroupKey, GroupKey), linked: bool, based_on: Option<u64>) {
    let link = PatientLink::between(one, other, linked);
    say(fresh, statement(n, link.key(), State::PatientLink(link), based_on));
}

pub fn ordered(facility: u32, patient_id: &str, accession: &str, number: &str) -> Order {
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
