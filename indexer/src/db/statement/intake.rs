//! What was brought from elsewhere, for which number, and with which studies.

use crate::db::sql::params;
use storage_config::Uid;

use super::list::{Stated, read, stated};
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::statement::{HybridTime, Intake};

const SET: &str = "INSERT INTO intake (subject_row, time, patient) VALUES (?1, ?2, ?3) \
     ON CONFLICT (subject_row) DO UPDATE SET time = excluded.time, patient = excluded.patient";
const CLEAR: &str = "DELETE FROM intake_study WHERE subject_row = ?1";
const ADD: &str = "INSERT INTO intake_study (study_uid, subject_row) VALUES (?1, ?2) \
     ON CONFLICT (study_uid, subject_row) DO NOTHING";
const OF_STUDY: &str = "SELECT t.version, t.body FROM intake_study s JOIN subject u ON u.id = s.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE s.study_uid = ?1 ORDER BY t.time DESC, u.id LIMIT ?2";
const NEWEST: &str = "SELECT t.version, t.body FROM intake i JOIN subject u ON u.id = i.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE i.time >= 0 ORDER BY i.time DESC, i.subject_row \
     LIMIT ?1 OFFSET ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[CLEAR, OF_STUDY, NEWEST];

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    time: HybridTime,
    state: &Intake,
) -> Result<(), DbError> {
    let patient = state.patient();
    session.execute(SET, params![subject, time.packed(), &patient.as_bytes()[..]])?;
    session.execute(CLEAR, [subject])?;
    for study in &state.studies {
        session.execute(ADD, params![study.as_str(), subject])?;
    }
    Ok(())
}

/// With what a study was brought, the latest first.
pub(in crate::db) fn of_study(
    session: &Session<'_>,
    study: &Uid,
    limit: u32,
) -> Result<Vec<Stated>, DbError> {
    session.rows(OF_STUDY, params![study.as_str(), limit], stated)?.into_iter().map(read).collect()
}

/// What was brought, the latest first.
pub(in crate::db) fn newest(
    session: &Session<'_>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    session.rows(NEWEST, params![limit, offset], stated)?.into_iter().map(read).collect()
}
