//! Patients: (issuer, PatientID). PatientID alone never joins two people.

use crate::db::sql::params;

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

pub(super) fn row_of(session: &Session<'_>, key: &PatientKey) -> Result<i64, DbError> {
    let params = params![key.patient_id, key.issuer, key.facility, key.scope];
    match session.row(FIND, params, |row| row.get(0))? {
        Some(id) => Ok(id),
        None => {
            let named = key.named();
            let params = params![key.patient_id, key.issuer, key.facility, key.scope, &named.as_bytes()[..]];
            session.insert(INSERT, params)
        }
    }
}

/// Forgets a patient that a study left, if it was the last one.
pub(super) fn drop_empty(session: &Session<'_>, patient: i64) -> Result<(), DbError> {
    session.execute(DROP_EMPTY, [patient]).map(drop)
}

/// Patients of one group at most, those without studies counted too.
pub const GROUP_PATIENTS_MAX: usize = 256;
