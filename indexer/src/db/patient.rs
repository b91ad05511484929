//! Patients: (issuer, PatientID). PatientID alone never joins two people.

use crate::db::sql::params;
use storage_config::Uid;

use super::error::DbError;
use super::session::Session;
use super::statement;
use crate::query::{GroupKey, IdentityGroup};

/// What one patient's studies have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatientKey {
    patient_id: String,
    issuer: String,
    facility: u32,
    scope: String,
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
}

const FIND: &str =
    "SELECT id FROM patient WHERE patient_id = ?1 AND issuer = ?2 AND facility_id = ?3 AND scope = ?4";
const INSERT: &str =
    "INSERT INTO patient (patient_id, issuer, facility_id, scope, key) VALUES (?1, ?2, ?3, ?4, ?5)";
const DROP_EMPTY: &str =
    "DELETE FROM patient WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM study WHERE patient_row = ?1)";
const BY_KEY: &str = "SELECT id FROM patient WHERE key = ?1";
const OF_STUDY: &str = "SELECT patient_row FROM study WHERE study_uid = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIND, DROP_EMPTY, BY_KEY, OF_STUDY];

pub(super) fn row_of(session: &Session<'_>, key: &PatientKey) -> Result<i64, DbError> {
    let params = params![key.patient_id, key.issuer, key.facility, key.scope];
    match session.row(FIND, params, |row| row.get(0))? {
        Some(id) => Ok(id),
        None => {
            let named = GroupKey::of(&key.patient_id, &key.issuer, key.facility, &key.scope);
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

/// The people that `keys` name with all that are linked with them, as one group; keys that name nobody add nobody.
/// None where nobody is left.
pub(super) fn group(session: &Session<'_>, keys: &[GroupKey]) -> Result<Option<IdentityGroup>, DbError> {
    let mut rows = Vec::with_capacity(keys.len());
    for key in &statement::linked_with(session, keys, GROUP_PATIENTS_MAX)? {
        rows.extend(session.row(BY_KEY, [&key.as_bytes()[..]], |row| row.get::<_, i64>(0))?);
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(Some(rows).filter(|rows| !rows.is_empty()).map(IdentityGroup::of_rows))
}

/// Whether a patient has a study.
pub(super) fn is_known(session: &Session<'_>, key: &GroupKey) -> Result<bool, DbError> {
    Ok(session.row(BY_KEY, [&key.as_bytes()[..]], |_| Ok(()))?.is_some())
}

/// Whether a study is of somebody of the group.
pub(super) fn has_study(session: &Session<'_>, group: &IdentityGroup, study: &Uid) -> Result<bool, DbError> {
    let patient: Option<Option<i64>> = session.row(OF_STUDY, [study.as_str()], |row| row.get(0))?;
    Ok(patient.flatten().is_some_and(|row| group.rows().contains(&row)))
}
