//! What did not meet: orders without images, and images without an order.

use crate::db::sql::params;
use storage_config::Uid;

use super::list::{Stated, read, stated};
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::Session;

const ORDERS: &str = "SELECT t.version, t.body, o.time, u.key FROM exam_order o JOIN subject u ON u.id = o.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE o.time >= ?1 AND (o.time > ?1 OR u.key > ?2) AND o.open = 1 AND NOT EXISTS (SELECT 1 \
     FROM study s JOIN series r ON r.study_row = s.id JOIN instance i ON i.series_row = r.id AND i.version = 0 \
     JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 WHERE s.accession = o.accession \
     AND s.accession <> '' AND h.facility_id = o.facility_id) ORDER BY o.time, u.key LIMIT ?3";
const STUDIES: &str = "SELECT s.study_uid, s.accession, s.modalities, s.newest, i.facility_id FROM study s \
     JOIN instance i ON i.id = s.winner_id WHERE s.newest >= ?1 AND s.newest <= ?2 AND (s.newest < ?2 OR s.study_uid > ?3) AND s.n_instances > 0 AND NOT EXISTS (SELECT 1 \
     FROM exam_order o WHERE o.accession = s.accession AND o.accession <> '' AND EXISTS (SELECT 1 FROM series r \
     JOIN instance n ON n.series_row = r.id AND n.version = 0 JOIN holding h ON h.instance_id = n.id \
     AND h.hidden = 0 WHERE r.study_row = s.id AND h.facility_id = o.facility_id)) \
     ORDER BY s.newest DESC, s.study_uid LIMIT ?4";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[ORDERS, STUDIES];

/// A study that no order is met by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyWithoutOrder {
    /// Study Instance UID.
    pub study_uid: Uid,
    /// Accession Number, empty where there is none.
    pub accession: String,
    /// Modalities of its series, with backslashes between them.
    pub modalities: String,
    /// Its day, as YYYYMMDD; empty where no day is told.
    pub day: String,
    /// The facility from which it came first.
    pub facility: FacilityId,
}

/// Where a list of what did not meet goes on: by what it is sorted, and the name of the last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetAfter(String, String);

impl std::fmt::Display for UnmetAfter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}~{}", self.0, self.1)
    }
}

impl std::str::FromStr for UnmetAfter {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<UnmetAfter, NotAPlace> {
        let (sorted, name) = text.split_once('~').ok_or(NotAPlace)?;
        Ok(UnmetAfter(sorted.to_owned(), name.to_owned()))
    }
}

/// A text that names no place of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no place of this list")]
pub struct NotAPlace;

/// A page of a list that did not meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Unmet<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where it goes on; none at its end.
    pub next: Option<UnmetAfter>,
}

impl<T> Unmet<T> {
    /// Of one row more than wanted, each with its place.
    fn of(mut rows: Vec<(T, UnmetAfter)>, limit: u32) -> Unmet<T> {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|(_, place)| place.clone());
        Unmet { rows: rows.into_iter().map(|(row, _)| row).collect(), next }
    }
}

/// Orders said since `since` (a packed time), or after a place, that are open and have no images, the oldest first.
pub(in crate::db) fn orders(
    session: &Session<'_>,
    since: i64,
    (limit, after): (u32, Option<&UnmetAfter>),
) -> Result<Unmet<Stated>, DbError> {
    let (from, key) = match after {
        Some(UnmetAfter(time, key)) => {
            (time.parse::<i64>().map_err(|_| DbError::Range("time"))?.max(since), key.as_str())
        }
        None => (since, ""),
    };
    let rows = session.rows(ORDERS, params![from, key, limit.saturating_add(1)], |row| {
        Ok((stated(row)?, UnmetAfter(row.get::<_, i64>(2)?.to_string(), row.get(3)?)))
    })?;
    let rows = rows.into_iter().map(|(row, place)| Ok((read(row)?, place)));
    Ok(Unmet::of(rows.collect::<Result<_, DbError>>()?, limit))
}

/// Studies of `day` (YYYYMMDD) or later, or after a place, without an order, the newest first.
pub(in crate::db) fn studies(
    session: &Session<'_>,
    day: &str,
    (limit, after): (u32, Option<&UnmetAfter>),
) -> Result<Unmet<StudyWithoutOrder>, DbError> {
    // Later than any day.
    let (to, uid) = after.map_or(("~", ""), |UnmetAfter(newest, uid)| (newest.as_str(), uid.as_str()));
    let rows = session.rows(STUDIES, params![day, to, uid, limit.saturating_add(1)], |row| {
        let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        Ok((texts, FacilityId(row.get(4)?)))
    })?;
    let read = |([study, accession, modalities, newest], facility): ([String; 4], FacilityId)| {
        let study_uid = Uid::parse(&study).map_err(|_| DbError::Invalid("UID"))?;
        let day = newest.get(..8).unwrap_or_default().to_owned();
        let place = UnmetAfter(newest, study);
        Ok((StudyWithoutOrder { study_uid, accession, modalities, day, facility }, place))
    };
    Ok(Unmet::of(rows.into_iter().map(read).collect::<Result<_, DbError>>()?, limit))
}
