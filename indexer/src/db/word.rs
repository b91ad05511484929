//! Words of patients' names: which studies' patients are called so.

use crate::db::sql::params;

use super::error::DbError;
use super::row::WORDS_MAX;
use super::session::Session;
use crate::dataset::fold::words;

const FIND: &str = "SELECT id FROM word WHERE text = ?1";
const INSERT: &str = "INSERT INTO word (text) VALUES (?1)";
const LINK: &str =
    "INSERT INTO study_word (word_id, study_row) VALUES (?1, ?2) ON CONFLICT (word_id, study_row) DO NOTHING";
const UNLINK: &str = "DELETE FROM study_word WHERE word_id = ?1 AND study_row = ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIND, UNLINK];

/// Replaces the words of a study's patient name.
pub(super) fn replace(session: &Session<'_>, study: i64, old: &str, new: &str) -> Result<(), DbError> {
    if old == new {
        return Ok(());
    }
    for word in words(old).take(WORDS_MAX) {
        if let Some(id) = find(session, word)? {
            session.execute(UNLINK, params![id, study])?;
        }
    }
    for word in words(new).take(WORDS_MAX) {
        let id = match find(session, word)? {
            Some(id) => id,
            None => session.insert(INSERT, [word])?,
        };
        session.execute(LINK, params![id, study])?;
    }
    Ok(())
}

fn find(session: &Session<'_>, word: &str) -> Result<Option<i64>, DbError> {
    session.row(FIND, [word], |row| row.get(0))
}
