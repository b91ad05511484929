//! Patients by their numbers, and what their studies say of the person.

use rusqlite::params;
use serde_json::{Map, Value};

use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::query::GroupKey;

/// What one study says of its patient.
#[derive(Debug, Clone, PartialEq)]
pub struct PatientRow {
    /// Patient ID (0010,0020).
    pub patient_id: String,
    /// Issuer of Patient ID (0010,0021), empty where the header names none.
    pub issuer: String,
    /// The facility that stands for the issuer where the header names none, else 0.
    pub facility: FacilityId,
    /// What the number is unique in, where it counts orders; empty where it is a patient's.
    pub scope: String,
    /// What the header says of patient and study, as DICOM JSON (PS3.18 F).
    pub attributes: Map<String, Value>,
}

const OF_NUMBER: &str =
    "SELECT key FROM patient WHERE patient_id = ?1 AND issuer = ?2 AND facility_id = ?3 AND scope = ''";
const OF_KEY: &str = "SELECT p.patient_id, p.issuer, p.facility_id, p.scope, v.json FROM patient p \
     JOIN study s ON s.patient_row = p.id JOIN study_variant v ON v.id = s.variant_id WHERE p.key = ?1 \
     ORDER BY s.newest DESC, s.study_uid LIMIT ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[OF_NUMBER, OF_KEY];

pub(super) fn of_number(
    session: &Session<'_>,
    patient_id: &str,
    issuer: &str,
    facility: FacilityId,
) -> Result<Option<GroupKey>, DbError> {
    if patient_id.is_empty() {
        return Ok(None);
    }
    let facility = if issuer.is_empty() { facility.0 } else { 0 };
    let bytes: Option<Vec<u8>> =
        session.row(OF_NUMBER, params![patient_id, issuer, facility], |row| row.get(0))?;
    bytes.map(|bytes| GroupKey::from_bytes(&bytes).ok_or(DbError::Invalid("patient key"))).transpose()
}

pub(super) fn of_key(session: &Session<'_>, key: &GroupKey, limit: u32) -> Result<Vec<PatientRow>, DbError> {
    let rows = session.rows(OF_KEY, params![&key.as_bytes()[..], limit], |row| {
        let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(3)?, row.get(4)?];
        Ok((texts, FacilityId(row.get(2)?)))
    })?;
    rows.into_iter()
        .map(|([patient_id, issuer, scope, json], facility)| {
            let attributes = serde_json::from_str(&json).map_err(|_| DbError::Invalid("attributes"))?;
            Ok(PatientRow { patient_id, issuer, facility, scope, attributes })
        })
        .collect()
}
