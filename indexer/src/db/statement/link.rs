//! What people said of pairs: linked, parted, in collision. They name persons by key, which outlives their rows.

use crate::db::sql::params;

use crate::db::error::DbError;
use crate::db::session::Session;
use crate::db::touched::Touched;
use crate::db::{person, study};
use crate::query::GroupKey;
use crate::statement::{Collision, Finding, HybridTime, PatientLink, PatientNumbers};

const SET: &str = "INSERT INTO patient_link (subject_row, a, b, said, time, apart) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
     ON CONFLICT (subject_row) DO UPDATE SET said = excluded.said, time = excluded.time, apart = excluded.apart";
const APART: &str = "SELECT apart FROM patient_link WHERE subject_row = ?1";
const CLEAR_NUMBERS: &str = "DELETE FROM stated_number WHERE subject_row = ?1";
const SET_NUMBER: &str = "INSERT INTO stated_number (subject_row, patient, value, body) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (subject_row, value) DO NOTHING";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[SET, APART, CLEAR_NUMBERS];

pub(super) fn apply(
    session: &Session<'_>,
    subject: i64,
    time: HybridTime,
    state: &PatientLink,
) -> Result<(), DbError> {
    let said = if state.linked { 1 } else { 2 };
    let (a, b) = (&state.a.as_bytes()[..], &state.b.as_bytes()[..]);
    session.execute(SET, params![subject, a, b, said, time.packed(), ""]).map(drop)
}

/// A study that somebody doubts, or no longer, is looked at again: it stands alone while it is doubted.
pub(super) fn collide(
    session: &Session<'_>,
    subject: i64,
    time: HybridTime,
    state: &Collision,
    touched: &mut Touched,
) -> Result<(), DbError> {
    let said = match state.finding {
        Finding::Open => 3,
        Finding::OnePerson => 4,
        Finding::DifferentPersons => 5,
    };
    let study = state.study.as_ref().map_or("", |study| study.as_str());
    let apart = if state.finding == Finding::OnePerson { "" } else { study };
    let before: Option<String> = session.row(APART, [subject], |row| row.get(0))?;
    let (a, b) = (&state.a.as_bytes()[..], &state.b.as_bytes()[..]);
    session.execute(SET, params![subject, a, b, said, time.packed(), apart])?;
    for uid in [study, before.as_deref().unwrap_or_default()] {
        if let Some(row) = study::find(session, uid)? {
            touched.studies.entry(row).or_default().look_at_all = true;
        }
    }
    Ok(())
}

/// Numbers that a person evidences.
pub(super) fn numbers(
    session: &Session<'_>,
    subject: i64,
    key: &str,
    state: &PatientNumbers,
    touched: &Touched,
) -> Result<(), DbError> {
    let patient: GroupKey = key.parse().map_err(|_| DbError::Invalid("patient key"))?;
    session.execute(CLEAR_NUMBERS, [subject])?;
    for identifier in &state.identifiers {
        let body = serde_json::to_string(identifier).map_err(|_| DbError::Invalid("identifiers"))?;
        let value = identifier.value.trim().to_uppercase();
        session.execute(SET_NUMBER, params![subject, &patient.as_bytes()[..], value, body])?;
    }
    person::look_again(session, &patient, &touched.rules)
}
