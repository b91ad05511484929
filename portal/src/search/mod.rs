//! One search box that understands names, patient numbers, accession numbers and modalities.
//!
//! What was typed is read in every way that makes sense, each way is one query, and their rows are merged, newest
//! first. A way that finds nothing costs a look into an index.

mod meaning;
mod memory;

use std::collections::{HashSet, VecDeque};

use indexer::db::{Db, DbError};
use indexer::query::{Level, Query, QueryRow};

use crate::shown;

pub(crate) use meaning::MODALITIES;
use meaning::Reading;
pub(crate) use memory::Searches;

/// Studies on a page.
pub(crate) const PAGE: u32 = 50;
/// Most pages that can be turned.
pub(crate) const PAGES: u32 = 2_000;
/// Most pages of a search that is read in several ways: each asks for all rows up to the page.
const MERGED_PAGES: u32 = 90;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What was typed.
    pub text: String,
    /// First day, as `YYYYMMDD`.
    pub from: Option<String>,
    /// Last day, as `YYYYMMDD`.
    pub to: Option<String>,
    /// Key of one of [`MODALITIES`].
    pub modality: Option<&'static str>,
    /// Page, from 1.
    pub page: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Studies, newest first.
    pub rows: Vec<QueryRow>,
    /// Whether there are more on a next page.
    pub more: bool,
    /// Whether only the newest studies were searched.
    pub old_left_out: bool,
    /// Whether the text asks for more than a search may.
    pub too_much: bool,
}

impl Asked {
    /// Whether anything narrows the list.
    pub(crate) fn narrows(&self) -> bool {
        !self.text.is_empty() || self.from.is_some() || self.to.is_some() || self.modality.is_some()
    }

    fn query(&self, reading: &Reading) -> Option<Query> {
        let mut query = Query::new(Level::Study);
        if self.from.is_some() || self.to.is_some() {
            let end = |day: &Option<String>| day.clone().unwrap_or_default();
            query.key(0x0008_0020, &format!("{}-{}", end(&self.from), end(&self.to))).ok()?;
        }
        if let Some(modality) = self.modality {
            query.key(0x0008_0061, &meaning::values(modality)?.join("\\")).ok()?;
        }
        for (tag, value) in &reading.keys {
            let known = query.keys.len();
            // A key that matches everything would turn a search into the whole list.
            if !query.key(*tag, value).ok()? || query.keys.len() == known {
                return None;
            }
        }
        query.fuzzy = true;
        Some(query)
    }
}

/// Answers. Blocks on the index.
///
/// # Errors
/// When the index fails.
pub(crate) fn find(db: &Db, asked: &Asked) -> Result<Found, DbError> {
    if asked.text.is_empty() {
        let Some(query) = asked.query(&Reading::default()) else { return Ok(Found::default()) };
        return one(db, query, asked.page);
    }
    let found = ways(db, asked, meaning::readings(&asked.text))?;
    if !found.rows.is_empty() || found.too_much {
        return Ok(found);
    }
    // Nothing begins so; perhaps only the last digits are known.
    ways(db, asked, meaning::inside(&asked.text))
}

fn ways(db: &Db, asked: &Asked, readings: Vec<Reading>) -> Result<Found, DbError> {
    let wanted = readings.len();
    let mut queries: Vec<Query> = readings.iter().filter_map(|reading| asked.query(reading)).collect();
    match queries.len() {
        0 => Ok(Found { too_much: wanted > 0 && asked.text.len() > 100, ..Found::default() }),
        1 => one(db, queries.remove(0), asked.page),
        _ => merged(db, queries, asked.page.min(MERGED_PAGES)),
    }
}

fn one(db: &Db, mut query: Query, page: u32) -> Result<Found, DbError> {
    query.limit = PAGE + 1;
    query.offset = (page - 1) * PAGE;
    let mut answer = db.query(&query)?;
    let more = answer.rows.len() > PAGE as usize;
    answer.rows.truncate(PAGE as usize);
    Ok(Found { rows: answer.rows, more, old_left_out: answer.old_left_out, too_much: false })
}

/// The page of what several queries find together, each study once.
fn merged(db: &Db, queries: Vec<Query>, page: u32) -> Result<Found, DbError> {
    let upto = page * PAGE + 1;
    let mut old_left_out = false;
    let mut lists = Vec::new();
    for mut query in queries {
        query.limit = upto;
        let answer = db.query(&query)?;
        old_left_out |= answer.old_left_out;
        lists.push(answer.rows.into_iter().map(|row| (shown::newest(&row.attributes), row)).collect());
    }
    let rows: Vec<QueryRow> = merge(lists).take(upto as usize).collect();
    let more = rows.len() == upto as usize;
    let rows = rows.into_iter().skip(((page - 1) * PAGE) as usize).take(PAGE as usize).collect();
    Ok(Found { rows, more, old_left_out, too_much: false })
}

/// Lists, each newest first, as one. Only the heads are compared, so that a list keeps its own order.
fn merge(mut lists: Vec<VecDeque<(String, QueryRow)>>) -> impl Iterator<Item = QueryRow> {
    let mut seen = HashSet::new();
    std::iter::from_fn(move || {
        loop {
            let heads = lists.iter_mut().filter(|list| !list.is_empty());
            let list = heads.max_by(|a, b| newer(a.front(), b.front()))?;
            let (_, row) = list.pop_front()?;
            if seen.insert(row.study_uid.clone()) {
                return Some(row);
            }
        }
    })
}

fn newer(a: Option<&(String, QueryRow)>, b: Option<&(String, QueryRow)>) -> std::cmp::Ordering {
    let key = |head: Option<&(String, QueryRow)>| {
        head.map(|(newest, row)| (newest.clone(), std::cmp::Reverse(row.study_uid.clone())))
    };
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage_config::Uid;

    fn list(studies: &[(&str, &str)]) -> VecDeque<(String, QueryRow)> {
        let row = |uid: &str| QueryRow {
            exam: None,
            study_uid: Uid::parse(uid).unwrap(),
            series_uid: None,
            sop_instance: None,
            attributes: serde_json::Map::new(),
            identity_conflict: false,
            patient: None,
            changed_ms: 0,
            announced: None,
        };
        studies.iter().map(|(newest, uid)| ((*newest).to_owned(), row(uid))).collect()
    }

    #[test]
    fn lists_merge_newest_first_each_study_once() {
        let lists = vec![
            list(&[("2026", "1.5"), ("2024", "1.3"), ("", "1.9")]),
            list(&[("2026", "1.4"), ("2026", "1.5"), ("2023", "1.2")]),
            list(&[]),
        ];
        let merged: Vec<String> = merge(lists).map(|row| row.study_uid.to_string()).collect();
        assert_eq!(merged, ["1.4", "1.5", "1.3", "1.2", "1.9"]);
    }
}
