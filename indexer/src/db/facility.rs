//! Facilities: an internal id with dated codes, since codes change when hospitals merge.

use rusqlite::params;
use serde_json::Value;

use super::entry::FacilityId;
use super::error::DbError;
use super::session::Session;

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
const INSERT_CODE: &str = "INSERT INTO facility_code (facility_id, valid_from, code) VALUES (?1, ?2, ?3) \
     ON CONFLICT (facility_id, valid_from, code) DO NOTHING";
const CODES: &str =
    "SELECT facility_id, code, valid_from FROM facility_code ORDER BY facility_id, valid_from, code";

/// Applies a statement about a facility; why it cannot be applied, if so.
pub(super) fn state(session: &Session<'_>, statement: &Value) -> Result<Result<(), &'static str>, DbError> {
    let id = statement.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    let text = |key| statement.get(key).and_then(Value::as_str).filter(|text| (1..=64).contains(&text.len()));
    let (Some(id), Some(code)) = (id, text("code")) else {
        return Ok(Err("a facility statement without id or code"));
    };
    let from = text("from").unwrap_or("00010101");
    if from.len() != 8 || !from.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Err("a facility statement with an invalid date"));
    }
    session.execute(INSERT, [id])?;
    session.execute(INSERT_CODE, params![id, from, code])?;
    Ok(Ok(()))
}

pub(super) fn codes(session: &Session<'_>) -> Result<Vec<FacilityCode>, DbError> {
    session.rows(CODES, [], |row| {
        Ok(FacilityCode { facility: FacilityId(row.get(0)?), code: row.get(1)?, valid_from: row.get(2)? })
    })
}
