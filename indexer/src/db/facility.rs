//! Facilities: an internal id with dated codes, since codes change when hospitals merge.

use crate::db::sql::params;

use super::entry::FacilityId;
use super::error::DbError;
use super::session::Session;
use crate::statement::Facility;

/// A code of a facility from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacilityCode {
    /// The facility.
    pub facility: FacilityId,
    /// Its code.
    pub code: String,
    /// The first day, as YYYYMMDD.
    pub valid_from: String,
}

const INSERT: &str = "INSERT INTO facility (id) VALUES (?1) ON CONFLICT (id) DO NOTHING";
const CLEAR: &str = "DELETE FROM facility_code WHERE facility_id = ?1";
const INSERT_CODE: &str = "INSERT INTO facility_code (facility_id, valid_from, code) VALUES (?1, ?2, ?3) \
     ON CONFLICT (facility_id, valid_from, code) DO NOTHING";
const CODES: &str =
    "SELECT facility_id, code, valid_from FROM facility_code ORDER BY facility_id, valid_from, code";

/// Makes the codes of a facility what its current statement says.
pub(super) fn apply(session: &Session<'_>, key: &str, state: &Facility) -> Result<(), DbError> {
    let id: u32 = key.parse().map_err(|_| DbError::Invalid("facility"))?;
    session.execute(INSERT, [id])?;
    session.execute(CLEAR, [id])?;
    for code in &state.codes {
        session.execute(INSERT_CODE, params![id, code.from, code.code])?;
    }
    Ok(())
}

pub(super) fn codes(session: &Session<'_>) -> Result<Vec<FacilityCode>, DbError> {
    session.rows(CODES, [], |row| {
        Ok(FacilityCode { facility: FacilityId(row.get(0)?), code: row.get(1)?, valid_from: row.get(2)? })
    })
}
