//! Holdings: which facility has an instance, from whom and when. The first arrival counts.

use crate::db::sql::{Value, params};
use storage_config::ContentHash;

use super::ahead::LookUp;
use super::entry::{Applied, FacilityId, PackId};
use super::error::DbError;
use super::session::{Session, unsigned};
use super::touched::Touched;
use super::{statement, visible};

/// That a facility has an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldingRow {
    /// The facility.
    pub facility: FacilityId,
    /// Who sent it first.
    pub source: String,
    /// When it first came, in milliseconds since 1970-01-01 UTC.
    pub received_ms: i64,
    /// Whether it was withdrawn.
    pub hidden: bool,
}

/// From whom a study came, and to which facility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudySender {
    /// Who sent it: an application entity, a person or machine that signed in, an import with its label.
    pub source: String,
    /// The facility that has it from there.
    pub facility: FacilityId,
    /// When the first instance came, in milliseconds since 1970-01-01 UTC.
    pub first_ms: i64,
    /// When one came last.
    pub last_ms: i64,
    /// How many of the served instances.
    pub instances: u64,
}

/// How an instance came to a facility. Compared by time, then source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came<'a> {
    pub facility: FacilityId,
    pub received_ms: i64,
    pub source: &'a str,
}

const FIND: &str =
    "SELECT received_ms, source, last_ms FROM holding WHERE instance_id = ?1 AND facility_id = ?2";
const INSERT: &str = "INSERT INTO holding (instance_id, facility_id, received_ms, source, last_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
const EARLIER: &str =
    "UPDATE holding SET received_ms = ?3, source = ?4 WHERE instance_id = ?1 AND facility_id = ?2";
const LATER: &str = "UPDATE holding SET last_ms = ?3 WHERE instance_id = ?1 AND facility_id = ?2";
const OF_INSTANCE: &str = "SELECT facility_id, source, received_ms, hidden FROM holding WHERE instance_id = ?1 \
     ORDER BY received_ms, facility_id";
/// Over all that is served of a study.
const OF_STUDY: &str = "SELECT h.source, h.facility_id, min(h.received_ms), max(h.last_ms), count(*) \
     FROM study s JOIN series r ON r.study_row = s.id JOIN instance i ON i.series_row = r.id AND i.version = 0 \
     JOIN holding h ON h.instance_id = i.id AND h.hidden = 0 WHERE s.study_uid = ?1 \
     GROUP BY h.source, h.facility_id ORDER BY 3, 1, 2 LIMIT ?2";
const FIND_INSTANCE: &str = "SELECT id FROM instance WHERE digest = ?1";
const DEFER: &str = "INSERT INTO pending_holding (digest, facility_id, received_ms, source, last_ms) \
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (digest, facility_id) DO UPDATE \
     SET received_ms = excluded.received_ms, source = excluded.source \
     WHERE (excluded.received_ms, excluded.source) < (pending_holding.received_ms, pending_holding.source)";
const DEFER_LATER: &str = "UPDATE pending_holding SET last_ms = ?3 \
     WHERE digest = ?1 AND facility_id = ?2 AND last_ms < ?3";
const DEFERRED: &str =
    "SELECT facility_id, received_ms, source, last_ms FROM pending_holding WHERE digest = ?1";
const UNDEFER: &str = "DELETE FROM pending_holding WHERE digest = ?1";

#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[FIND, EARLIER, LATER, DEFER_LATER, OF_INSTANCE, OF_STUDY, FIND_INSTANCE, DEFERRED, UNDEFER];

/// Notes that a facility has an instance; whether that was not known.
pub(super) fn note(session: &Session<'_>, instance: i64, came: Came<'_>) -> Result<bool, DbError> {
    let facility = came.facility.0;
    let known = session.row(FIND, params![instance, facility], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    match known {
        None => {
            first(session, instance, came)?;
            Ok(true)
        }
        Some((received_ms, source, last_ms)) => {
            if came.received_ms > last_ms {
                session.execute(LATER, params![instance, facility, came.received_ms])?;
            }
            if (came.received_ms, came.source) < (received_ms, source.as_str()) {
                session.execute(EARLIER, params![instance, facility, came.received_ms, came.source])?;
            }
            Ok(false)
        }
    }
}

/// Notes the first holding of an instance, or of a facility.
pub(super) fn first(session: &Session<'_>, instance: i64, came: Came<'_>) -> Result<(), DbError> {
    let params = params![instance, came.facility.0, came.received_ms, came.source, came.received_ms];
    session.add(INSERT, params)
}

/// Whether holdings wait for any of many instances.
pub(super) fn deferred_ahead(digests: Vec<Vec<Value<'_>>>) -> LookUp<'_> {
    LookUp::once(DEFERRED, digests)
}

/// Applies a holding record. Where its instance is not indexed yet, the holding waits for it.
pub(super) fn apply(
    session: &Session<'_>,
    digest: &ContentHash,
    came: Came<'_>,
    pack: PackId,
    touched: &mut Touched,
) -> Result<Applied, DbError> {
    let instance: Option<i64> = session.row(FIND_INSTANCE, [&digest.0[..]], |row| row.get(0))?;
    let new = match instance {
        Some(instance) => {
            let new = note(session, instance, came)?;
            touched.added(pack).holdings += i64::from(new);
            if statement::is_covered(session, digest)? {
                visible::look_again(session, digest, touched)?;
            }
            new
        }
        None => {
            let (facility, received_ms) = (came.facility.0, came.received_ms);
            let params = params![&digest.0[..], facility, received_ms, came.source, received_ms];
            session.execute(DEFER, params)?;
            session.execute(DEFER_LATER, params![&digest.0[..], facility, received_ms])?;
            true
        }
    };
    Ok(if new { Applied::Holding } else { Applied::Duplicate })
}

/// Gives a new instance the holdings that waited for it; how many facilities that adds.
pub(super) fn adopt(session: &Session<'_>, instance: i64, digest: &ContentHash) -> Result<i64, DbError> {
    let waiting = session.rows(DEFERRED, [&digest.0[..]], |row| {
        Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
    })?;
    if waiting.is_empty() {
        return Ok(0);
    }
    session.execute(UNDEFER, [&digest.0[..]])?;
    let mut added = 0;
    for (facility, received_ms, source, last_ms) in waiting {
        let came = Came { facility: FacilityId(facility), received_ms, source: &source };
        added += i64::from(note(session, instance, came)?);
        // The latest of those that waited, which may be another one than the first.
        note(session, instance, Came { received_ms: last_ms, ..came })?;
    }
    Ok(added)
}

pub(super) fn of_instance(session: &Session<'_>, instance: i64) -> Result<Vec<HoldingRow>, DbError> {
    session.rows(OF_INSTANCE, [instance], |row| {
        let facility = FacilityId(row.get(0)?);
        Ok(HoldingRow { facility, source: row.get(1)?, received_ms: row.get(2)?, hidden: row.get(3)? })
    })
}

/// From whom a study came, the first first; at most `limit`.
pub(super) fn of_study(session: &Session<'_>, study: &str, limit: u32) -> Result<Vec<StudySender>, DbError> {
    session.rows(OF_STUDY, params![study, limit], |row| {
        Ok(StudySender {
            source: row.get(0)?,
            facility: FacilityId(row.get(1)?),
            first_ms: row.get(2)?,
            last_ms: row.get(3)?,
            instances: unsigned(row, 4)?,
        })
    })
}
