//! What series hold, for the manifests of their metadata: which instances are served, in the order of their rows.

use crate::db::sql::params;
use storage_config::{ContentHash, Uid};

use super::entry::{PackId, Place};
use super::error::DbError;
use super::session::{Session, unsigned};

/// A series and how often it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesState {
    /// Its id in rows, within one life of the index.
    pub id: i64,
    /// Series Instance UID.
    pub series_uid: Uid,
    /// Rises with every visible change, within one life of the index.
    pub generation: u64,
}

/// A served instance of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesMember {
    /// Its digest.
    pub digest: ContentHash,
    /// Where its record is.
    pub place: Place,
}

const STATES: &str = "SELECT r.id, r.series_uid, r.generation FROM study s JOIN series r ON r.study_row = s.id \
     WHERE s.study_uid = ?1 AND (?2 = '' OR r.series_uid = ?2) AND r.n_instances > 0 \
     ORDER BY r.series_number, r.series_uid";
const GENERATION: &str = "SELECT generation FROM series WHERE id = ?1";
const MEMBERS: &str = "SELECT digest, pack_id, record_at, body_length FROM instance \
     WHERE series_row = ?1 AND version = 0 ORDER BY id";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[STATES, GENERATION, MEMBERS];

/// The series of a study, or the one that is named, by series number.
pub(super) fn states(
    session: &Session<'_>,
    study: &Uid,
    series: Option<&Uid>,
) -> Result<Vec<SeriesState>, DbError> {
    let rows = session.rows(STATES, params![study.as_str(), series.map_or("", Uid::as_str)], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, unsigned(row, 2)?))
    })?;
    let state = |(id, uid, generation): (i64, String, u64)| {
        let series_uid = Uid::parse(&uid).map_err(|_| DbError::Invalid("UID"))?;
        Ok(SeriesState { id, series_uid, generation })
    };
    rows.into_iter().map(state).collect()
}

/// The served instances of a series in the order in which they came to the index, and the series' generation.
pub(super) fn members(session: &Session<'_>, series: i64) -> Result<(u64, Vec<SeriesMember>), DbError> {
    let generation = session.row(GENERATION, [series], |row| unsigned(row, 0))?.unwrap_or(0);
    let members = session.rows(MEMBERS, [series], |row| {
        let place = Place { pack: PackId(row.get(1)?), offset: unsigned(row, 2)?, length: unsigned(row, 3)? };
        Ok(SeriesMember { digest: ContentHash(row.get(0)?), place })
    })?;
    Ok((generation, members))
}
