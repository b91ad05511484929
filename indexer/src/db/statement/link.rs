//! Links between patients: who is one person. They name patients by key, which outlives their rows.

use crate::db::sql::params;

use crate::db::error::DbError;
use crate::db::session::Session;
use crate::query::GroupKey;
use crate::statement::PatientLink;

const SET: &str = "INSERT INTO patient_link (subject_row, a, b) VALUES (?1, ?2, ?3) \
     ON CONFLICT (subject_row) DO NOTHING";
const CLEAR: &str = "DELETE FROM patient_link WHERE subject_row = ?1";
const LINKED: &str = "SELECT b FROM patient_link WHERE a = ?1 UNION SELECT a FROM patient_link WHERE b = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[CLEAR, LINKED];

pub(super) fn apply(session: &Session<'_>, subject: i64, state: &PatientLink) -> Result<(), DbError> {
    if state.linked {
        session.execute(SET, params![subject, &state.a.as_bytes()[..], &state.b.as_bytes()[..]]).map(drop)
    } else {
        session.execute(CLEAR, [subject]).map(drop)
    }
}

/// The keys that are linked with `keys`, over any number of links, and `keys` themselves; at most `most`.
pub(in crate::db) fn linked_with(
    session: &Session<'_>,
    keys: &[GroupKey],
    most: usize,
) -> Result<Vec<GroupKey>, DbError> {
    let mut all: Vec<GroupKey> = Vec::with_capacity(keys.len());
    for key in keys {
        if !all.contains(key) {
            all.push(*key);
        }
    }
    let mut at = 0;
    while let Some(key) = all.get(at).copied() {
        at += 1;
        for bytes in session.rows(LINKED, [&key.as_bytes()[..]], |row| row.get::<_, Vec<u8>>(0))? {
            let key = GroupKey::from_bytes(&bytes).ok_or(DbError::Invalid("patient key"))?;
            if all.len() < most && !all.contains(&key) {
                all.push(key);
            }
        }
    }
    Ok(all)
}
