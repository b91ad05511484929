//! Words of patients' names: which studies' patients are called so, in the order in which studies are shown.

use std::collections::BTreeSet;

use crate::db::sql::{ToValue, params};

use super::ahead::LookUp;
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

impl Listed {
    /// The lists it stands in: each word with its place.
    fn places(&self) -> BTreeSet<(&str, &str)> {
        words(&self.name).take(WORDS_MAX).map(|word| (word, self.newest.as_str())).collect()
    }
}

/// Which of the words of many names are there.
pub(super) fn rows_ahead<'n>(names: impl Iterator<Item = &'n str>) -> LookUp<'n> {
    let all = names.flat_map(|name| words(name).take(WORDS_MAX));
    LookUp::while_found(FIND, all.map(|word| vec![word.to_value()]).collect())
}

/// Replaces the words of a study's patient name, or where the study stands in their lists.
pub(super) fn replace(session: &Session<'_>, study: i64, old: &Listed, new: &Listed) -> Result<(), DbError> {
    let (old, new) = (old.places(), new.places());
    for (word, newest) in old.difference(&new) {
        if let Some(id) = find(session, word)? {
            session.add(UNLINK, params![id, *newest, study])?;
        }
    }
    for (word, newest) in new.difference(&old) {
        let id = match find(session, word)? {
            Some(id) => id,
            None => {
                let id = session.insert_one_of_many("word", INSERT, [*word])?;
                session.found(FIND, [*word], id);
                id
            }
        };
        session.add(LINK, params![id, *newest, study])?;
    }
    Ok(())
}

fn find(session: &Session<'_>, word: &str) -> Result<Option<i64>, DbError> {
    session.row(FIND, [word], |row| row.get(0))
}
