//! Words of patients' names: which studies' patients are called so, in the order in which studies are shown.

use crate::db::sql::params;

use super::error::DbError;
use super::row::WORDS_MAX;
use super::session::Session;
use crate::dataset::fold::words;

const FIND: &str = "SELECT id FROM word WHERE text = ?1";
const INSERT: &str = "INSERT INTO word (text) VALUES (?1)";
const LINK: &str = "INSERT INTO study_word (word_id, newest, study_row) VALUES (?1, ?2, ?3) \
     ON CONFLICT (word_id, newest, study_row) DO NOTHING";
const UNLINK: &str = "DELETE FROM study_word WHERE word_id = ?1 AND newest = ?2 AND study_row = ?3";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[FIND, UNLINK];

/// What a study is found by: the folded name of its patient, and where it stands among the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// The folded name.
    pub name: String,
    /// What studies are sorted by.
    pub newest: String,
}

/// Replaces the words of a study's patient name, or where the study stands in their lists.
pub(super) fn replace(session: &Session<'_>, study: i64, old: &Listed, new: &Listed) -> Result<(), DbError> {
    if old == new {
        return Ok(());
    }
    for word in words(&old.name).take(WORDS_MAX) {
        if let Some(id) = find(session, word)? {
            session.execute(UNLINK, params![id, old.newest, study])?;
        }
    }
    for word in words(&new.name).take(WORDS_MAX) {
        let id = match find(session, word)? {
            Some(id) => id,
            None => session.insert(INSERT, [word])?,
        };
        session.execute(LINK, params![id, new.newest, study])?;
    }
    Ok(())
}

fn find(session: &Session<'_>, word: &str) -> Result<Option<i64>, DbError> {
    session.row(FIND, [word], |row| row.get(0))
}
