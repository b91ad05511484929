//! Facilities: an internal id with dated codes, since codes change when hospitals merge.

use std::collections::BTreeSet;

use crate::db::sql::{ToValue, params};

use super::entry::FacilityId;
use super::error::DbError;
use super::session::Session;
use super::touched::Touched;
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
const CODES_OF: &str = "SELECT code FROM facility_code WHERE facility_id = ?1";
const STUDIES: &str =
    "SELECT s.id FROM person p JOIN study s ON s.person_row = p.id WHERE p.facility_id = ?1";
const STUDIES_ISSUED: &str =
    "SELECT s.id FROM person p JOIN study s ON s.person_row = p.id WHERE p.issuer = ?1";
const ORDERS: &str =
    "SELECT o.subject_row FROM person p JOIN exam_order o ON o.person_row = p.id WHERE p.facility_id = ?1";
const ORDERS_ISSUED: &str =
    "SELECT o.subject_row FROM person p JOIN exam_order o ON o.person_row = p.id WHERE p.issuer = ?1";
const CODES: &str =
    "SELECT facility_id, code, valid_from FROM facility_code ORDER BY facility_id, valid_from, code";

/// Makes the codes of a facility what its current statement says. Where the site has a rule for one that came or went,
/// whose the facility's numbers are is looked at again: the statement may come after what was stored under them.
pub(super) fn apply(
    session: &Session<'_>,
    key: &str,
    state: &Facility,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let id: u32 = key.parse().map_err(|_| DbError::Invalid("facility"))?;
    let before: BTreeSet<String> = session.rows(CODES_OF, [id], |row| row.get(0))?.into_iter().collect();
    session.execute(INSERT, [id])?;
    session.execute(CLEAR, [id])?;
    for code in &state.codes {
        session.execute(INSERT_CODE, params![id, code.from, code.code])?;
    }
    let now: BTreeSet<String> = state.codes.iter().map(|code| code.code.clone()).collect();
    let changed: Vec<&String> = before.symmetric_difference(&now).collect();
    if !changed.iter().any(|code| touched.rules.facilities.contains_key(*code)) {
        return Ok(());
    }
    look_again(session, (STUDIES, ORDERS), params![id], touched)?;
    // Their numbers may name the code as the issuer.
    changed
        .into_iter()
        .try_for_each(|code| look_again(session, (STUDIES_ISSUED, ORDERS_ISSUED), params![code], touched))
}

/// Has the studies and orders of some people say again whose they are.
fn look_again(
    session: &Session<'_>,
    (studies, orders): (&str, &str),
    of: &[&dyn ToValue],
    touched: &mut Touched,
) -> Result<(), DbError> {
    for study in session.rows(studies, of, |row| row.get::<_, i64>(0))? {
        touched.studies.entry(study).or_default().look_at_all = true;
    }
    touched.again.extend(session.rows(orders, of, |row| row.get::<_, i64>(0))?);
    Ok(())
}

pub(super) fn codes(session: &Session<'_>) -> Result<Vec<FacilityCode>, DbError> {
    session.rows(CODES, [], |row| {
        Ok(FacilityCode { facility: FacilityId(row.get(0)?), code: row.get(1)?, valid_from: row.get(2)? })
    })
}
