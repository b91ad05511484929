//! Legal holds: studies that must be kept whatever else is said of them.

use crate::db::sql::params;

use crate::db::error::DbError;
use crate::db::session::Session;
use crate::statement::LegalHold;

const SET: &str = "INSERT INTO legal_hold (study_uid, subject_row) VALUES (?1, ?2) \
     ON CONFLICT (study_uid) DO NOTHING";
const CLEAR: &str = "DELETE FROM legal_hold WHERE study_uid = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[CLEAR];

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    study: &str,
    state: &LegalHold,
) -> Result<(), DbError> {
    if state.held {
        session.execute(SET, params![study, subject]).map(drop)
    } else {
        session.execute(CLEAR, [study]).map(drop)
    }
}
