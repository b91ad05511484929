//! Persons: what headers and orders say of them, one row for each different saying under one number.
//!
//! A number alone is not a person: two people may come under one, and one person under several. So a study belongs to a
//! saying, and which sayings are of one person is decided when it is asked, by [`crate::identity`].

mod candidates;
mod collision;
mod graph;
mod kin;
mod record;

use crate::db::sql::{ToValue, params};
use serde::{Deserialize, Serialize};
use storage_config::Uid;

pub(super) use candidates::candidates;
pub use candidates::{CANDIDATES_MAX, CandidateRow};
pub use collision::{CollisionRow, Collisions};
pub(super) use collision::{list as collisions, look_again, of_person as collisions_of};
pub use kin::{Kin, Member};
pub(super) use kin::{anchor, around, group, keys_of, kin, relation};
pub use record::PersonRecord;
pub(super) use record::{counts_orders, is_known, of_order, stranger};

use super::ahead::LookUp;
use super::error::DbError;
use super::patient::PatientKey;
use super::row::{bounded, sorted_words};
use super::session::Session;
use crate::dataset::fold::fold;
use crate::identity::{Birth, Carried, IdentityRules, is_personal_number, is_placeholder, spelled};
use crate::query::GroupKey;
use crate::statement::OrderedIdentifier;

/// Numbers of one saying by which others are looked for.
const NUMBERS_MAX: usize = 32;

const FIND: &str = "SELECT id FROM person WHERE key = ?1";
const INSERT: &str = "INSERT INTO person (key, patient_key, patient_id, issuer, facility_id, scope, apart, name, \
     name_sorted, birth_date, birth_year, sex, identifiers) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const INSERT_NUMBER: &str = "INSERT INTO person_number (value, person_row) VALUES (?1, ?2) \
     ON CONFLICT (value, person_row) DO NOTHING";
const IS_USED: &str = "SELECT 1 FROM study WHERE person_row = ?1 UNION ALL \
     SELECT 1 FROM exam_order WHERE person_row = ?1 LIMIT 1";
const KEY: &str = "SELECT key FROM person WHERE id = ?1";
const DROP_NUMBERS: &str = "DELETE FROM person_number WHERE person_row = ?1";
const DROP: &str = "DELETE FROM person WHERE id = ?1";
const IS_DOUBTED: &str = "SELECT 1 FROM patient_link WHERE apart = ?1 AND apart <> '' LIMIT 1";
const CODES: &str = "SELECT code FROM facility_code WHERE facility_id = ?1 ORDER BY valid_from, code";
const SAYING: &str = "SELECT patient_id, issuer, facility_id, scope, name, birth_date, sex, identifiers, key \
     FROM person WHERE id = ?1";
const STUDIES: &str = "SELECT s.study_uid FROM person p JOIN study s ON s.person_row = p.id WHERE p.key = ?1 \
     AND s.winner_id IS NOT NULL ORDER BY s.newest DESC, s.study_uid LIMIT ?2";
const OF_STUDY: &str = "SELECT person_row FROM study WHERE study_uid = ?1";

#[cfg(test)]
pub(super) fn hot() -> Vec<&'static str> {
    let own =
        [FIND, INSERT_NUMBER, IS_USED, KEY, DROP_NUMBERS, DROP, IS_DOUBTED, CODES, SAYING, STUDIES, OF_STUDY];
    [&own[..], candidates::HOT, collision::HOT, graph::HOT, kin::HOT, record::HOT].concat()
}

/// Identifiers of one saying, as rows keep them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// Of a header.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub header: Vec<Carried>,
    /// Of an order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<OrderedIdentifier>,
}

impl Kept {
    pub(super) fn to_text(&self) -> Result<String, DbError> {
        if *self == Kept::default() {
            return Ok(String::new());
        }
        serde_json::to_string(self).map_err(|_| DbError::Invalid("identifiers"))
    }

    pub(super) fn of_text(text: &str) -> Result<Kept, DbError> {
        if text.is_empty() {
            return Ok(Kept::default());
        }
        serde_json::from_str(text).map_err(|_| DbError::Invalid("identifiers"))
    }
}

/// What a header or an order says of a person.
pub(super) struct Saying {
    pub patient: PatientKey,
    /// As received.
    pub name: String,
    /// YYYYMMDD, or less where less is known.
    pub birth_date: String,
    pub sex: String,
    /// [`Kept`] as text.
    pub identifiers: String,
}

impl Saying {
    /// What it is called where it stands among others, or for one study alone.
    fn key(&self, apart: &str) -> GroupKey {
        let name = spelled(&self.name);
        self.patient.named().said(&[&name, &self.birth_date, &self.sex, &self.identifiers, apart])
    }
}

/// Looks up at once what is asked of many sayings, each with the study or order that says it, before they become rows.
pub(super) fn look_ahead(
    session: &Session<'_>,
    sayings: &[(&Saying, &str)],
    rules: &IdentityRules,
) -> Result<(), DbError> {
    if !session.is_far() || sayings.is_empty() {
        return Ok(());
    }
    let mut facilities = Vec::with_capacity(sayings.len());
    session.look_ahead(&[
        record::facilities_ahead(sayings.iter().map(|(saying, _)| saying.patient.issuer.as_str())),
        LookUp::once(IS_DOUBTED, sayings.iter().map(|(_, alone)| vec![alone.to_value()]).collect()),
    ])?;
    for (saying, _) in sayings {
        let PatientKey { issuer, facility, .. } = &saying.patient;
        facilities.push(record::facility_of(session, issuer, *facility)?);
    }
    // Hardly anybody is doubted; whoever is, is looked up alone.
    let mut keyed = Vec::with_capacity(sayings.len());
    for (saying, alone) in sayings {
        let apart = if is_placeholder(&saying.name, &rules.policy) { *alone } else { "" };
        keyed.push((*saying, apart, saying.key(apart)));
    }
    let keys = keyed.iter().map(|(.., key)| vec![key.as_bytes().to_value().into_owned()]);
    session.look_ahead(&[record::codes_ahead(&facilities), LookUp::while_found(FIND, keys.collect())])?;
    let mut new = Vec::new();
    for (saying, apart, key) in keyed {
        // What stands alone clashes with nobody.
        if apart.is_empty() && session.is_absent(FIND, [&key.as_bytes()[..]]) {
            new.push(record::of_new(session, saying, (&key, apart), 0, rules)?);
        }
    }
    collision::look_ahead(session, &new)
}

/// The row of a saying, made when it is new. `alone` names the study or order that says it; where name or number stand
/// for nobody it is a person of its own.
pub(super) fn row_of(
    session: &Session<'_>,
    saying: &Saying,
    alone: &str,
    rules: &IdentityRules,
) -> Result<i64, DbError> {
    let apart = if stands_alone(session, saying, alone, rules)? { alone } else { "" };
    let (key, number) = (saying.key(apart), saying.patient.named());
    if let Some(id) = session.row(FIND, [&key.as_bytes()[..]], |row| row.get(0))? {
        return Ok(id);
    }
    let PatientKey { patient_id, issuer, facility, scope } = &saying.patient;
    let params = params![
        &key.as_bytes()[..],
        &number.as_bytes()[..],
        patient_id,
        issuer,
        facility,
        scope,
        apart,
        saying.name,
        sorted_words(&fold(&saying.name)),
        saying.birth_date,
        Birth::read(&saying.birth_date).year().unwrap_or(0),
        saying.sex,
        saying.identifiers,
    ];
    let id = session.insert_one_of_many("person", INSERT, params)?;
    session.found(FIND, [&key.as_bytes()[..]], id);
    if apart.is_empty() {
        let record = record::of_new(session, saying, (&key, apart), id, rules)?;
        collision::note_new(session, record, rules)?;
    }
    for number in numbers(saying)? {
        session.add(INSERT_NUMBER, params![number, id])?;
        graph::has_value(session, &number);
    }
    Ok(id)
}

/// Numbers by which it may meet others.
fn numbers(saying: &Saying) -> Result<Vec<String>, DbError> {
    let kept = Kept::of_text(&saying.identifiers)?;
    let header = kept.header.iter().map(|carried| &carried.value);
    let all = header.chain(kept.order.iter().map(|ordered| &ordered.value));
    let own = Some(&saying.patient.patient_id).filter(|number| is_personal_number(number));
    Ok(all.chain(own).take(NUMBERS_MAX).map(|value| plain(value)).collect())
}

/// A number as it is looked for.
pub(super) fn plain(value: &str) -> String {
    bounded(&value.trim().to_uppercase())
}

fn stands_alone(
    session: &Session<'_>,
    saying: &Saying,
    alone: &str,
    rules: &IdentityRules,
) -> Result<bool, DbError> {
    if is_placeholder(&saying.name, &rules.policy) {
        return Ok(true);
    }
    if !rules.facilities.is_empty() {
        let facility = record::facility_of(session, &saying.patient.issuer, saying.patient.facility)?;
        let rule = record::rule_of(session, rules, facility)?;
        if rule.is_some_and(|rule| rule.is_temporary(&saying.patient.patient_id)) {
            return Ok(true);
        }
    }
    Ok(session.row(IS_DOUBTED, [alone], |_| Ok(()))?.is_some())
}

/// Forgets a saying that a study or order left, if it was the last one.
pub(super) fn drop_unused(session: &Session<'_>, id: i64) -> Result<(), DbError> {
    if session.row(IS_USED, [id], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    if let Some(key) = session.row(KEY, [id], |row| row.get::<_, Vec<u8>>(0))? {
        collision::forget(session, &key)?;
    }
    session.execute(DROP_NUMBERS, [id])?;
    session.execute(DROP, [id])?;
    session.forget_ahead();
    Ok(())
}

/// Whether a study is of somebody of these rows.
pub(super) fn has_study(session: &Session<'_>, rows: &[i64], study: &str) -> Result<bool, DbError> {
    let person: Option<Option<i64>> = session.row(OF_STUDY, [study], |row| row.get(0))?;
    Ok(person.flatten().is_some_and(|row| rows.contains(&row)))
}

/// The keys of a study's person as it stands and as it would stand alone.
pub(super) fn keys_of_study(
    session: &Session<'_>,
    study: &str,
) -> Result<Option<(GroupKey, GroupKey)>, DbError> {
    let person: Option<Option<i64>> = session.row(OF_STUDY, [study], |row| row.get(0))?;
    let Some(row) = person.flatten() else { return Ok(None) };
    let saying = session.row(SAYING, [row], |row| {
        let (patient_id, issuer) = (row.get(0)?, row.get(1)?);
        let patient = PatientKey { patient_id, issuer, facility: row.get(2)?, scope: row.get(3)? };
        let (name, birth_date, sex, identifiers) = (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?);
        Ok((Saying { patient, name, birth_date, sex, identifiers }, row.get::<_, Vec<u8>>(8)?))
    })?;
    let Some((saying, key)) = saying else { return Ok(None) };
    let key = GroupKey::from_bytes(&key).ok_or(DbError::Invalid("person key"))?;
    Ok(Some((key, saying.key(study))))
}

/// The studies of a saying, the newest first.
pub(super) fn studies(session: &Session<'_>, key: &GroupKey, limit: u32) -> Result<Vec<Uid>, DbError> {
    let uids = session.rows(STUDIES, params![&key.as_bytes()[..], limit], |row| row.get::<_, String>(0))?;
    uids.iter().map(|uid| Uid::parse(uid).map_err(|_| DbError::Invalid("UID"))).collect()
}
