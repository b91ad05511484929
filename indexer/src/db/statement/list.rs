//! Reading statements: by id, by subject, by kind, and what follows from them.

use rusqlite::{Row, params};
use storage_config::{ContentHash, Uid};

use crate::db::entry::FacilityId;
use crate::db::error::DbError;
use crate::db::session::Session;
use crate::statement::{HybridTime, Kind, Statement};

/// A statement and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The statement.
    pub statement: Statement,
    /// The version of its subject that it made; none where it was superseded.
    pub version: Option<u64>,
}

/// What counts of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRow {
    /// The version that the current statement made; none while nothing counts.
    pub version: Option<u64>,
    /// The latest time at which anything was said of it, also what was superseded.
    pub latest: HybridTime,
    /// The current statement.
    pub current: Option<Statement>,
}

/// An instance that was sent again after it was withdrawn for patient safety.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedArrival {
    /// Its digest.
    pub digest: ContentHash,
    /// Its study.
    pub study_uid: Uid,
    /// Its SOP Instance UID.
    pub sop_instance: Uid,
    /// The facility that sent it.
    pub facility: FacilityId,
    /// When it last came, in milliseconds since 1970-01-01 UTC.
    pub last_ms: i64,
}

const BY_NAME: &str = "SELECT version, body FROM statement WHERE name = ?1 ORDER BY time, writer LIMIT 1";
const SUBJECT: &str = "SELECT u.version, (SELECT max(time) FROM statement WHERE subject_row = u.id), t.body \
     FROM subject u LEFT JOIN statement t ON t.id = u.statement_row WHERE u.kind = ?1 AND u.key = ?2";
const OF_KIND: &str = "SELECT t.version, t.body FROM subject u JOIN statement t ON t.id = u.statement_row \
     WHERE u.kind = ?1 ORDER BY t.time DESC, u.key LIMIT ?2 OFFSET ?3";
const WITHDRAWALS: &str = "SELECT t.version, t.body FROM withdrawal w JOIN subject u ON u.id = w.subject_row \
     JOIN statement t ON t.id = u.statement_row ORDER BY w.time DESC LIMIT ?1 OFFSET ?2";
const LEGAL_HOLDS: &str = "SELECT t.version, t.body FROM legal_hold l JOIN subject u ON u.id = l.subject_row \
     JOIN statement t ON t.id = u.statement_row ORDER BY l.study_uid LIMIT ?1 OFFSET ?2";
const REJECTED: &str = "SELECT DISTINCT w.digest, s.study_uid, i.sop_uid, h.facility_id, h.last_ms \
     FROM withdrawn w JOIN instance i ON i.digest = w.digest JOIN study s ON s.id = i.study_row \
     JOIN holding h ON h.instance_id = i.id WHERE w.safety = 1 AND h.last_ms > w.through_ms \
     ORDER BY h.last_ms DESC, w.digest LIMIT ?1 OFFSET ?2";

#[cfg(test)]
pub(super) const HOT: &[&str] = &[BY_NAME, SUBJECT];

pub(in crate::db) fn stated(row: &Row<'_>) -> rusqlite::Result<(Option<i64>, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

pub(in crate::db) fn read((version, body): (Option<i64>, String)) -> Result<Stated, DbError> {
    let statement = Statement::from_json(body.as_bytes()).map_err(|_| DbError::Invalid("statement"))?;
    Ok(Stated { statement, version: version.and_then(number) })
}

fn number(version: i64) -> Option<u64> {
    u64::try_from(version).ok().filter(|version| *version > 0)
}

/// The first statement with an id.
pub(in crate::db) fn by_id(session: &Session<'_>, id: &str) -> Result<Option<Stated>, DbError> {
    session.row(BY_NAME, [id], stated)?.map(read).transpose()
}

/// What counts of a subject; none where nothing was said of it.
pub(in crate::db) fn subject(
    session: &Session<'_>,
    kind: Kind,
    key: &str,
) -> Result<Option<SubjectRow>, DbError> {
    let found = session.row(SUBJECT, params![kind.number(), key], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let Some((version, latest, body)) = found else { return Ok(None) };
    let current = body.map(|body| Statement::from_json(body.as_bytes())).transpose();
    Ok(Some(SubjectRow {
        version: number(version),
        latest: HybridTime::of_packed(latest.unwrap_or(0)),
        current: current.map_err(|_| DbError::Invalid("statement"))?,
    }))
}

/// The current statements of all subjects of a kind, the latest first.
pub(in crate::db) fn of_kind(
    session: &Session<'_>,
    kind: Kind,
    limit: u32,
    offset: u32,
) -> Result<Vec<Stated>, DbError> {
    let rows = session.rows(OF_KIND, params![kind.number(), limit, offset], stated)?;
    rows.into_iter().map(read).collect()
}

/// All withdrawals as they stand, the latest first.
pub(in crate::db) fn withdrawals(
    session: &Session<'_>,
    limit: u32,
    offset: u32,
) -> Result<Vec<Stated>, DbError> {
    session.rows(WITHDRAWALS, params![limit, offset], stated)?.into_iter().map(read).collect()
}

/// Studies under legal hold, by their identifiers.
pub(in crate::db) fn legal_holds(
    session: &Session<'_>,
    limit: u32,
    offset: u32,
) -> Result<Vec<Stated>, DbError> {
    session.rows(LEGAL_HOLDS, params![limit, offset], stated)?.into_iter().map(read).collect()
}

/// What was sent again after it was withdrawn for patient safety, the latest first.
pub(in crate::db) fn arrived_after_rejection(
    session: &Session<'_>,
    limit: u32,
    offset: u32,
) -> Result<Vec<RejectedArrival>, DbError> {
    let rows = session.rows(REJECTED, params![limit, offset], |row| {
        let uids: (String, String) = (row.get(1)?, row.get(2)?);
        Ok((ContentHash(row.get(0)?), uids, FacilityId(row.get(3)?), row.get::<_, i64>(4)?))
    })?;
    let uid = |text: &str| Uid::parse(text).map_err(|_| DbError::Invalid("UID"));
    rows.into_iter()
        .map(|(digest, (study, sop), facility, last_ms)| {
            let (study_uid, sop_instance) = (uid(&study)?, uid(&sop)?);
            Ok(RejectedArrival { digest, study_uid, sop_instance, facility, last_ms })
        })
        .collect()
}
