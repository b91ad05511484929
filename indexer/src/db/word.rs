//! Words of patients' names: which studies' patients are called so.

use std::collections::BTreeSet;

use crate::db::sql::{ToValue, params};

use super::ahead::LookUp;
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

/// Which of the words of many names are there.
pub(super) fn rows_ahead<'n>(names: impl Iterator<Item = &'n str>) -> LookUp<'n> {
    let all = names.flat_map(|name| words(name).take(WORDS_MAX));
    LookUp::while_found(FIND, all.map(|word| vec![word.to_value()]).collect())
}

/// Replaces the words of a study's patient name.
pub(super) fn replace(session: &Session<'_>, study: i64, old: &str, new: &str) -> Result<(), DbError> {
    if old == new {
        return Ok(());
    }
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (words(old).take(WORDS_MAX).collect(), words(new).take(WORDS_MAX).collect());
    for word in old.difference(&new) {
        if let Some(id) = find(session, word)? {
            session.add(UNLINK, params![id, study])?;
        }
    }
    for word in new.difference(&old) {
        let id = match find(session, word)? {
            Some(id) => id,
            None => {
                let id = session.insert_one_of_many("word", INSERT, [*word])?;
                session.found(FIND, [*word], id);
                id
            }
        };
        session.add(LINK, params![id, study])?;
    }
    Ok(())
}

fn find(session: &Session<'_>, word: &str) -> Result<Option<i64>, DbError> {
    session.row(FIND, [word], |row| row.get(0))
}
