//! What did not meet: orders without images, and images without an order.

use crate::db::sql::params;
use storage_config::Uid;

use super::list::{Stated, read, stated};
use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::Session;

const ORDERS: &str = "SELECT t.version, t.body FROM exam_order o JOIN subject u ON u.id = o.subject_row \
     JOIN statement t ON t.id = u.statement_row WHERE o.time >= ?1 AND o.open = 1 AND NOT EXISTS (SELECT 1 \
     FROM study s JOIN series r ON r.study_row = s.id JOIN instance i ON i.series_row = r.id AND i.version = 0 \
     JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 WHERE s.accession = o.accession \
     AND s.accession <> '' AND h.facility_id = o.facility_id) ORDER BY o.time, o.subject_row LIMIT ?2 OFFSET ?3";
const STUDIES: &str = "SELECT s.study_uid, s.accession, s.modalities, s.newest, i.facility_id FROM study s \
     JOIN instance i ON i.id = s.winner_id WHERE s.newest >= ?1 AND s.n_instances > 0 AND NOT EXISTS (SELECT 1 \
     FROM exam_order o WHERE o.accession = s.accession AND o.accession <> '' AND EXISTS (SELECT 1 FROM series r \
     JOIN instance n ON n.series_row = r.id AND n.version = 0 JOIN holding h ON h.instance_id = n.id \
     AND h.hidden = 0 WHERE r.study_row = s.id AND h.facility_id = o.facility_id)) \
     ORDER BY s.newest DESC, s.study_uid LIMIT ?2 OFFSET ?3";

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

/// Orders said since `since` (a packed time) that are open and have no images, the oldest first.
pub(in crate::db) fn orders(
    session: &Session<'_>,
    since: i64,
    (limit, offset): (u32, u32),
) -> Result<Vec<Stated>, DbError> {
    session.rows(ORDERS, params![since, limit, offset], stated)?.into_iter().map(read).collect()
}

/// Studies of `day` (YYYYMMDD) or later without an order, the newest first.
pub(in crate::db) fn studies(
    session: &Session<'_>,
    day: &str,
    (limit, offset): (u32, u32),
) -> Result<Vec<StudyWithoutOrder>, DbError> {
    let rows = session.rows(STUDIES, params![day, limit, offset], |row| {
        let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        Ok((texts, FacilityId(row.get(4)?)))
    })?;
    let read = |([study, accession, modalities, newest], facility): ([String; 4], FacilityId)| {
        let study_uid = Uid::parse(&study).map_err(|_| DbError::Invalid("UID"))?;
        let day = newest.get(..8).unwrap_or_default().to_owned();
        Ok(StudyWithoutOrder { study_uid, accession, modalities, day, facility })
    };
    rows.into_iter().map(read).collect()
}
