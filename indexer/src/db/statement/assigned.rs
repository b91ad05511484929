//! Codes that studies got, as they were stated.

use crate::db::error::DbError;
use crate::db::session::{Session, unsigned};
use crate::db::sql::params;
use crate::statement::{AssignedCodes, CodesAssigned, State, Statement};

const SET: &str = "INSERT INTO code_assigned (study_uid, round, core, subject_row, n) VALUES (?1, ?2, ?3, ?4, ?5) \
     ON CONFLICT (study_uid) DO UPDATE SET round = excluded.round, core = excluded.core, \
     subject_row = excluded.subject_row, n = excluded.n WHERE excluded.round > code_assigned.round \
     OR (excluded.round = code_assigned.round AND excluded.core > code_assigned.core)";
const STATED: &str = "UPDATE study_code SET unstated = 0, core = ?2 WHERE unstated = 1 AND core IN ('', ?2) \
     AND study_row = (SELECT id FROM study WHERE study_uid = ?1)";
const CORE: &str = "SELECT core, round FROM code_assigned WHERE study_uid = ?1";
const OF_STUDY: &str = "SELECT a.n, t.body FROM code_assigned a JOIN subject u ON u.id = a.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE a.study_uid = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[SET, STATED, CORE, OF_STUDY];

pub(super) fn apply(session: &Session<'_>, subject: i64, state: &CodesAssigned) -> Result<(), DbError> {
    for (n, one) in (0_i64..).zip(&state.studies) {
        let (study, core) = (one.study.as_str(), one.core());
        session.execute(SET, params![study, one.round, core, subject, n])?;
        session.execute(STATED, params![study, core])?;
    }
    Ok(())
}

/// What names the codes that are stated of a study, and the round they were stated in.
pub(in crate::db) fn core(session: &Session<'_>, study: &str) -> Result<Option<(String, u64)>, DbError> {
    session.row(CORE, [study], |row| Ok((row.get(0)?, unsigned(row, 1)?)))
}

/// The codes that are stated of a study.
pub(in crate::db) fn of_study(session: &Session<'_>, study: &str) -> Result<Option<AssignedCodes>, DbError> {
    let found = session.row(OF_STUDY, [study], |row| Ok((unsigned(row, 0)?, row.get::<_, String>(1)?)))?;
    let Some((n, body)) = found else { return Ok(None) };
    let statement = Statement::from_json(body.as_bytes()).map_err(|_| DbError::Invalid("statement"))?;
    let State::CodesAssigned(state) = statement.state else { return Err(DbError::Invalid("statement")) };
    let n = usize::try_from(n).map_err(|_| DbError::Range("n"))?;
    Ok(state.studies.into_iter().nth(n))
}
