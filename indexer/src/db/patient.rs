//! Patients: (issuer, PatientID). PatientID alone never joins two people.

use crate::db::sql::{ToValue, params};

use super::ahead::LookUp;
use super::error::DbError;
use super::session::Session;
use crate::query::GroupKey;

/// What one patient's studies have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatientKey {
    pub patient_id: String,
    pub issuer: String,
    pub facility: u32,
    pub scope: String,
}

impl PatientKey {
    /// The key of a study's patient. An absent issuer is the facility; an absent PatientID joins nothing, so that
    /// each study is a patient of its own; a scope says what PatientID is unique in where it counts orders.
    pub(super) fn new(
        patient_id: &str,
        issuer: &str,
        facility: u32,
        scope: &str,
        study_uid: &str,
    ) -> PatientKey {
        let scope = if patient_id.is_empty() { format!("study {study_uid}") } else { scope.to_owned() };
        PatientKey {
            patient_id: patient_id.to_owned(),
            issuer: issuer.to_owned(),
            facility: if issuer.is_empty() { facility } else { 0 },
            scope,
        }
    }

    /// What it is called where a PatientID must not stand.
    pub(super) fn named(&self) -> GroupKey {
        GroupKey::of(&self.patient_id, &self.issuer, self.facility, &self.scope)
    }
}

const FIND: &str =
    "SELECT id FROM patient WHERE patient_id = ?1 AND issuer = ?2 AND facility_id = ?3 AND scope = ?4";
const INSERT: &str =
    "INSERT INTO patient (patient_id, issuer, facility_id, scope, key) VALUES (?1, ?2, ?3, ?4, ?5)";
const DROP_EMPTY: &str =
    "DELETE FROM patient WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM study WHERE patient_row = ?1)";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIND, DROP_EMPTY];

/// Which of many patients are there.
pub(super) fn rows_ahead<'k>(keys: impl Iterator<Item = &'k PatientKey>) -> LookUp<'k> {
    let values = |key: &'k PatientKey| {
        vec![key.patient_id.to_value(), key.issuer.to_value(), key.facility.to_value(), key.scope.to_value()]
    };
    LookUp::while_found(FIND, keys.map(values).collect())
}

/// By what a patient is found.
fn by(key: &PatientKey) -> [&dyn ToValue; 4] {
    [&key.patient_id, &key.issuer, &key.facility, &key.scope]
}

pub(super) fn row_of(session: &Session<'_>, key: &PatientKey) -> Result<i64, DbError> {
    if let Some(id) = session.row(FIND, by(key), |row| row.get(0))? {
        return Ok(id);
    }
    let named = key.named();
    let params = params![key.patient_id, key.issuer, key.facility, key.scope, &named.as_bytes()[..]];
    let id = session.insert_one_of_many("patient", INSERT, params)?;
    session.found(FIND, by(key), id);
    Ok(id)
}

/// Forgets a patient that a study left, if it was the last one.
pub(super) fn drop_empty(session: &Session<'_>, patient: i64) -> Result<(), DbError> {
    if session.execute(DROP_EMPTY, [patient])? > 0 {
        session.forget_ahead();
    }
    Ok(())
}

/// Patients of one group at most, those without studies counted too.
pub const GROUP_PATIENTS_MAX: usize = 256;
