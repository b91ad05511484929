//! Orders: found by their numbers, by patient, and by the studies that meet them.
//!
//! A study meets an order where a facility has the study under the order's accession number. That is looked up whenever
//! it is asked, so that it makes no difference which of the two came first.

use crate::db::sql::params;
use storage_config::Uid;

use super::list::{Stated, read, stated};
use crate::db::ahead::LookUp;
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::patient::PatientKey;
use crate::db::person::{self, Kept, Saying};
use crate::db::session::Session;
use crate::identity::IdentityRules;
use crate::statement::{Order, OrderStatus, State, Statement};

const SET: &str = "INSERT INTO exam_order (subject_row, time, facility_id, accession, placer, filler, patient_id, \
     open, person_row) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (subject_row) DO UPDATE SET time = excluded.time, \
     facility_id = excluded.facility_id, accession = excluded.accession, placer = excluded.placer, \
     filler = excluded.filler, patient_id = excluded.patient_id, open = excluded.open, \
     person_row = excluded.person_row";
const PERSON: &str = "SELECT person_row FROM exam_order WHERE subject_row = ?1";
/// Current orders under a condition on their rows `o`, the latest first.
macro_rules! orders {
    ($condition:literal) => {
        concat!(
            "SELECT t.version, t.body FROM exam_order o JOIN subject u ON u.id = o.subject_row ",
            "JOIN statement t ON t.id = u.statement_row WHERE ",
            $condition,
            " ORDER BY o.time DESC, o.subject_row LIMIT ?1 OFFSET ?2"
        )
    };
}
const NEWEST: &str = orders!("o.time >= 0 AND (?3 = -1 OR o.facility_id = ?3)");
const BY_ACCESSION: &str =
    orders!("o.accession = ?4 AND o.accession <> '' AND (?3 = -1 OR o.facility_id = ?3)");
const BY_PLACER: &str = orders!("o.placer = ?4 AND o.placer <> '' AND (?3 = -1 OR o.facility_id = ?3)");
const BY_FILLER: &str = orders!("o.filler = ?4 AND o.filler <> '' AND (?3 = -1 OR o.facility_id = ?3)");
const BY_PATIENT: &str =
    orders!("o.patient_id = ?4 AND o.patient_id <> '' AND (?3 = -1 OR o.facility_id = ?3)");
const OF_STUDY: &str = "SELECT t.version, t.body FROM study s JOIN exam_order o ON o.accession = s.accession \
     AND o.accession <> '' JOIN subject u ON u.id = o.subject_row JOIN statement t ON t.id = u.statement_row \
     WHERE s.study_uid = ?1 AND EXISTS (SELECT 1 FROM series r JOIN instance i ON i.series_row = r.id \
     AND i.version = 0 JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 \
     WHERE r.study_row = s.id AND h.facility_id = o.facility_id) ORDER BY o.time DESC, o.subject_row LIMIT ?2";
const STUDIES: &str = "SELECT s.study_uid FROM study s WHERE s.accession = ?1 AND s.accession <> '' \
     AND EXISTS (SELECT 1 FROM series r JOIN instance i ON i.series_row = r.id AND i.version = 0 \
     JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 WHERE r.study_row = s.id AND h.facility_id = ?2) \
     ORDER BY s.study_uid LIMIT ?3";
/// Studies that meet an order wait for the mapper again: it says what they are. Of several orders at once, once is enough.
const MARK: &str = "UPDATE study SET generation = generation + 1 WHERE accession = ?1 AND accession <> '' \
     AND EXISTS (SELECT 1 FROM series r JOIN instance i ON i.series_row = r.id AND i.version = 0 \
     JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 WHERE r.study_row = study.id AND h.facility_id = ?2)";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[SET, PERSON, MARK, NEWEST, BY_ACCESSION, BY_PLACER, BY_FILLER, BY_PATIENT, OF_STUDY, STUDIES];

/// By what orders are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrdersBy {
    /// All of them.
    Newest,
    /// Accession Number.
    Accession(String),
    /// Number of who ordered.
    PlacerNumber(String),
    /// Number of who makes the exam.
    FillerNumber(String),
    /// PatientID as the order has it.
    PatientId(String),
}

/// Looks up at once what the orders among many statements will ask.
pub(super) fn look_ahead(
    session: &Session<'_>,
    statements: &[(i64, Statement)],
    rules: &IdentityRules,
) -> Result<(), DbError> {
    if !session.is_far() {
        return Ok(());
    }
    let orders: Vec<(i64, &str, &Order)> = statements
        .iter()
        .filter_map(|(subject, statement)| match &statement.state {
            State::Order(order) => Some((*subject, statement.subject.key.as_str(), &**order)),
            _ => None,
        })
        .collect();
    let subjects: Vec<i64> = orders.iter().map(|(subject, ..)| *subject).collect();
    session.look_ahead(&[LookUp::of_rows(PERSON, &subjects)])?;
    let mut said = Vec::with_capacity(orders.len());
    for (_, key, order) in orders {
        said.push(said_by(session, key, order, rules)?);
    }
    let sayings: Vec<(&Saying, &str)> = said.iter().map(|(saying, alone)| (saying, alone.as_str())).collect();
    person::look_ahead(session, &sayings, rules)
}

/// What an order says of its person, and what it is called where that person stands alone.
fn said_by(
    session: &Session<'_>,
    key: &str,
    order: &Order,
    rules: &IdentityRules,
) -> Result<(Saying, String), DbError> {
    let facility = order.facility.unwrap_or(0);
    let alone = format!("order {key}");
    let scope =
        if person::counts_orders(session, facility, rules)? { scope(order, &alone) } else { String::new() };
    Ok((saying(order, facility, (&scope, &alone))?, alone))
}

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    statement: &Statement,
    order: &Order,
    rules: &IdentityRules,
) -> Result<(), DbError> {
    let Order { facility, accession, placer_number, filler_number, patient, .. } = order;
    let facility = facility.unwrap_or(0);
    let patient_id = patient.patient_id.trim();
    let open = !matches!(order.status, OrderStatus::Cancelled | OrderStatus::Reused);
    let before: Option<Option<i64>> = session.row(PERSON, [subject], |row| row.get(0))?;
    let (saying, alone) = said_by(session, &statement.subject.key, order, rules)?;
    let person = person::row_of(session, &saying, &alone, rules)?;
    let params = params![
        subject,
        statement.time.packed(),
        facility,
        accession.trim(),
        placer_number.trim(),
        filler_number.trim(),
        patient_id,
        open,
        person,
    ];
    session.add(SET, params)?;
    if let Some(before) = before.flatten().filter(|before| *before != person) {
        person::drop_unused(session, before)?;
    }
    // Closing an order says nothing new of what its studies are.
    let says_what = matches!(order.status, OrderStatus::Requested | OrderStatus::InProgress);
    if accession.trim().is_empty() || !says_what {
        return Ok(());
    }
    session.add(MARK, params![accession.trim(), facility])
}

/// What a PatientID that counts orders is unique in: the order, as its studies name it.
fn scope(order: &Order, alone: &str) -> String {
    match order.accession.trim() {
        "" => format!("order:\0{alone}"),
        accession => format!("order:{accession}"),
    }
}

/// What an order says of the person.
fn saying(order: &Order, facility: u32, (scope, alone): (&str, &str)) -> Result<Saying, DbError> {
    let patient = &order.patient;
    let (number, issuer) = (patient.patient_id.trim(), patient.issuer.trim());
    let birth_date = patient.birth_date.trim().replace('-', "");
    let kept = Kept { header: Vec::new(), order: patient.identifiers.clone() };
    Ok(Saying {
        patient: PatientKey::new(number, issuer, facility, scope, alone),
        name: patient.name.trim().to_owned(),
        birth_date,
        sex: patient.sex.clone(),
        identifiers: kept.to_text()?,
    })
}

/// Current orders, the latest first.
pub(in crate::db) fn orders(
    session: &Session<'_>,
    by: &OrdersBy,
    facility: Option<FacilityId>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    let facility = facility.map_or(-1, |facility| i64::from(facility.0));
    let (sql, value) = match by {
        OrdersBy::Newest => {
            let rows = session.rows(NEWEST, params![limit, offset, facility], stated)?;
            return rows.into_iter().map(read).collect();
        }
        OrdersBy::Accession(value) => (BY_ACCESSION, value),
        OrdersBy::PlacerNumber(value) => (BY_PLACER, value),
        OrdersBy::FillerNumber(value) => (BY_FILLER, value),
        OrdersBy::PatientId(value) => (BY_PATIENT, value),
    };
    let rows = session.rows(sql, params![limit, offset, facility, value.trim()], stated)?;
    rows.into_iter().map(read).collect()
}

/// Current orders that a study meets, the latest first.
pub(in crate::db) fn of_study(
    session: &Session<'_>,
    study: &Uid,
    limit: u32,
) -> Result<Vec<Stated>, DbError> {
    session.rows(OF_STUDY, params![study.as_str(), limit], stated)?.into_iter().map(read).collect()
}

/// Studies that a facility has under an accession number.
pub(in crate::db) fn studies_under(
    session: &Session<'_>,
    (facility, accession): (FacilityId, &str),
    limit: u32,
) -> Result<Vec<Uid>, DbError> {
    let rows =
        session.rows(STUDIES, params![accession.trim(), facility.0, limit], |row| row.get::<_, String>(0))?;
    rows.iter().map(|uid| Uid::parse(uid).map_err(|_| DbError::Invalid("UID"))).collect()
}
